"""What holds for all tests."""

from hypothesis import settings

# Machines are shared: how long one example takes says nothing about the code. pytest-timeout ends what hangs.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
