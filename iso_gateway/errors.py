"""What can go wrong, by who has to act on it.

Two families are defined where their packages may not import this one: `asn1.codec.WireError` (bad bytes) and
`config.errors.ConfigErrors` (what an operator wrote). Everything else is a `GatewayError`.
"""

from iso_gateway.failure import Failure


class GatewayError(Exception):
    """Something went wrong that the operator is told: what, where, what to do."""


class StoreError(GatewayError):
    """The database or the key ring cannot be used as it is."""


class ConflictError(StoreError):
    """Another process changed the same thing at the same time; nothing was stored, and trying again helps."""


class UnavailableError(StoreError):
    """The database can take nothing now: its disk is full or broken, or another process holds it."""


class DisconnectedError(UnavailableError):
    """The connection to the database broke; what was under way is not stored, unless it was the commit."""


class NotFoundError(GatewayError):
    """Nothing has the identifier that was given."""


class PrimitiveRefusedError(GatewayError):
    """A service that the local user asked for is not possible now; nothing was sent and nothing changed."""


class PrimitiveInvalidError(GatewayError):
    """What was given with a service is not enough for it, or is none of the values that the standard has."""


class TemplateUnusableError(GatewayError):
    """A template of the site's own, by which mails about documents are written, is wrong."""


class DeliveryError(GatewayError):
    """An APDU could not be handed to its partner.

    Args:
        reason: for the operator, in the gateway's own words.
        temporary: whether trying again can help.
        failure: what it was that went wrong.
        ambiguous: whether the partner may have the APDU all the same.
    """

    def __init__(self, reason: str, *, temporary: bool, failure: Failure, ambiguous: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.temporary = temporary
        self.failure = failure
        self.ambiguous = ambiguous
