"""How the octets of a message are read: within the budgets, and in the dialect, of whoever sent them."""

from asn1.codec import Decoded, Dialect, Limits, decode_noting
from config.settings import Partner, Settings


def limits_for(settings: Settings, partner: Partner | None) -> Limits:
    """What a message may cost: what the partner's profile says, else what holds for all.

    Args:
        settings: what holds for all.
        partner: who sent it; None where that is not known.
    """
    general = settings.limits
    if partner is None:
        return Limits(
            max_octets=general.max_apdu_octets,
            max_depth=general.max_depth,
            max_elements=general.max_elements,
            max_string_octets=general.max_string_octets,
        )
    return Limits(
        max_octets=partner.max_apdu_octets or general.max_apdu_octets,
        max_depth=partner.max_depth or general.max_depth,
        max_elements=partner.max_elements or general.max_elements,
        max_string_octets=partner.max_string_octets or general.max_string_octets,
    )


def dialect_for(partner: Partner | None) -> Dialect:
    """The dialect that a partner writes; the standard one where the partner is not known."""
    return Dialect.STANDARD if partner is None else Dialect(partner.dialect.value)


def read(octets: bytes, settings: Settings, partner: Partner | None) -> Decoded:
    """Decode a message as its sender's profile says.

    Args:
        octets: the message.
        settings: what holds for all.
        partner: who sent it; None where that is not known.

    Raises:
        WireError: it is no APDU, or more than the profile allows.
    """
    return decode_noting(octets, limits_for(settings, partner), dialect_for(partner))
