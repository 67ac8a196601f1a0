"""The one way in which octets from the network can be wrong."""

import enum


class WireErrorKind(enum.Enum):
    """What is wrong with the octets, by the general-problem that a report would name (protocol.md 5.1)."""

    BADLY_STRUCTURED = "badly-structured-APDU"
    """The octets are not BER, or more than the limits allow."""
    UNRECOGNIZED_APDU = "unrecognized-APDU"
    """They are BER, but none of the twenty APDUs."""
    MISTYPED = "mistyped-APDU"
    """They are one of the twenty, but its components are not those of its type."""


class WireError(ValueError):
    """Octets that are no ILL-APDU. The only exception that decoding and framing raise.

    Nothing of what the octets say is in the message, so it may be logged as it is.

    Args:
        reason: what is wrong and, where there is an answer, what to do about it.
        offset: where, in octets from the start of the APDU (of the stream, when a Framer raises).
        path: where, as the standard's names joined by dots; empty where no name is known yet.
        kind: which of the three checks failed.
    """

    def __init__(
        self,
        reason: str,
        *,
        offset: int,
        path: str = "",
        kind: WireErrorKind = WireErrorKind.BADLY_STRUCTURED,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.offset = offset
        self.path = path
        self.kind = kind

    def __str__(self) -> str:
        """What is wrong, and where."""
        where = f"offset {self.offset}" if not self.path else f"offset {self.offset}, {self.path}"
        return f"{self.reason} ({where})"
