"""A daemon for the tests of one module, which share it: each uses transactions of its own."""

from collections.abc import Iterator

import pytest

from tests.support.daemon import Installation, RunningDaemon


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    """A running gateway whose partners are down."""
    with Installation(tmp_path_factory.mktemp("gateway")).running() as daemon:
        yield daemon
