"""The fixtures of the gateway's tests."""

from tests.integration.gateway.conftest import desk, made_already, portable, settings

__all__ = ["desk", "made_already", "portable", "settings"]
