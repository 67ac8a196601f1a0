"""What holds for all tests."""

from hypothesis import settings

from tests.support.postgresql import postgresql_cluster, strict_postgresql

# Here alone: each place that has it from a module of its own would have a server of its own.
__all__ = ["postgresql_cluster", "strict_postgresql"]

# Machines are shared: how long one example takes says nothing about the code. pytest-timeout ends what hangs.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
