"""What is done again because another process was in the way: conflicts and connections that broke."""

import time
from typing import Final

from iso_gateway.errors import ConflictError, DisconnectedError

#: How often work is done again that lost to another process.
REPETITIONS: Final = 3
#: How long it waits before that, in seconds.
HEAD_START: Final = 0.02


def may_be_done_again(error: BaseException, *, committing: bool) -> bool:
    """Whether a failure was another process's, or the connection's, and nothing was done for certain.

    Args:
        error: how the work failed.
        committing: whether it had been done, and only its commit was under way.
    """
    # A connection that breaks during the commit leaves open whether it was done: not twice, then.
    return isinstance(error, ConflictError) or (isinstance(error, DisconnectedError) and not committing)


def give_way(error: BaseException, seconds: float) -> None:
    """Let the other get ahead, if there is one: at once, the same may happen again."""
    if isinstance(error, ConflictError):
        time.sleep(seconds)
