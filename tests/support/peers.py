"""Peers that a test needs and a machine may not have: yaz-illclient, libyaz, PostgreSQL, Postfix, strace.

A newcomer without them shall have a green `make test`, so such a test skips and says what to install. Where
every peer is meant to be there (in CI), the same skip would hide that nothing was tested: there it fails.
"""

import os
from typing import Final, TypeVar

import pytest

#: Set to 1 where every peer is installed, as in .ci/run: a test may not skip for want of one.
EVERY_PEER: Final = "ISO_GATEWAY_EVERY_PEER"

T = TypeVar("T")


def require(found: T | None, what: str, install: str) -> T:
    """Give what was found of a peer, or skip the test; fail it where every peer is meant to be present.

    Args:
        found: anything that is true when the peer is there, such as the path from `shutil.which`.
        what: the peer, for the message.
        install: the command that installs it.
    """
    if found:
        return found
    message = f"{what} is absent: {install}"
    if os.environ.get(EVERY_PEER) == "1":
        pytest.fail(f"{message} ({EVERY_PEER} is 1, so no test may skip for want of a peer)")
    pytest.skip(message)
