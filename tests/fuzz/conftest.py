"""How long hypothesis looks: a little at every run of the tests, and for ten minutes when asked to.

    HYPOTHESIS_PROFILE=long pytest tests/fuzz/test_properties.py

The profiles are for the tests of that file, which ask for them; no other test is changed.
"""

from hypothesis import HealthCheck, settings

for name, examples in {"short": 100, "long": 17_000}.items():
    settings.register_profile(
        name, max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck)
    )
