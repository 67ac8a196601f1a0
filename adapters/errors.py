"""What can go wrong on the way in and out, as far as the rest of the gateway has to know.

Imports nothing of ours.
"""


class ListenError(Exception):
    """A listener cannot be opened; nothing was left bound.

    Args:
        listener: the configured name of the listener.
        address: what it was to listen on, as `127.0.0.1:1611`.
        reason: why not and what to do, in the gateway's own words.
    """

    def __init__(self, *, listener: str, address: str, reason: str) -> None:
        super().__init__(f"cannot listen on {address} (listener {listener!r}): {reason}")
        self.listener = listener
        self.address = address
        self.reason = reason


class DeliveryFailed(Exception):  # noqa: N818 - an outcome for the outbox, not a fault
    """An APDU could not be handed over.

    Args:
        reason: for the operator, in the gateway's own words; nothing that the peer wrote.
        temporary: whether trying again can help.
        ambiguous: whether the peer may have the whole APDU all the same. Trying again sends identical octets,
            which an ISO 10161 system takes for the duplicate they are.
    """

    def __init__(self, reason: str, *, temporary: bool, ambiguous: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.temporary = temporary
        self.ambiguous = ambiguous
