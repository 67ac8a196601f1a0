"""Whether something may still be written: asked immediately before its first octet leaves.

Between the decision to send an APDU and the moment when its connection stands, another process may have come
to send it. Imports nothing of ours.
"""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

#: Returns when the octets may be written now. Whatever it raises goes to the caller, and nothing is written.
Permit: TypeAlias = Callable[[], Awaitable[None]]


async def always() -> None:
    """The permit of a process that is alone."""
