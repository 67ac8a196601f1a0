"""What of a message the command shows only when it is asked to: what names the patron, or is a secret."""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from asn1.codec import Dialect, Limits, WireError, decode, encode
from asn1.extensions import (
    EXTENSIONS,
    IPIGILLRequestExtension,
    PromptObject1,
    SequenceOfType,
    SupplementalClientInfo,
    UnknownExtension,
    extension_of,
    extensions_of,
)
from asn1.ill import APDUS, Extension, ILLApdu, ILLRequest, Shipped
from asn1.schema import Choice, GeneralString, Sequence, describe
from iso_gateway.acting.requesting import REFERENCE, RETRY_OF

#: The component that is hidden, by its name in JSON.
CLIENT_ID = "client-id"

#: The types of extension that are there for what is nobody else's affair, and why.
PRIVATE: Final[Mapping[type[SequenceOfType] | type[Choice], str]] = MappingProxyType(
    {
        SupplementalClientInfo: "names the patron",
        PromptObject1: "may hold a password",
        IPIGILLRequestExtension: "may hold the number of an account",
    }
)
#: The same by the names of the types.
PRIVATE_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {kind.asn1_name: why for kind, why in PRIVATE.items()}
)
_PRIVATE_IDENTIFIERS = frozenset(identifier for identifier, kind in EXTENSIONS.items() if kind in PRIVATE)

#: What of a transaction's summary names nobody. Whatever is not among these may be the patron's.
_SUMMARY_SHOWN = frozenset(
    {"request_number", "requester", "responder", "title", "author", "title_of_article", "service_types"}
    | {REFERENCE, RETRY_OF}
)

_FORM = 0xE0
_APPLICATION_CONSTRUCTED = 0x60
_WITH_CLIENT_ID = (ILLRequest, Shipped)
_WITHOUT_CLIENT_ID = frozenset(
    _APPLICATION_CONSTRUCTED | apdu.apdu_tag.number for apdu in APDUS if apdu not in _WITH_CLIENT_ID
)


def names_patron(octets: bytes | None, apdu: ILLApdu | None) -> bool:
    """Whether octets hold a Client-Id or a private extension, or may do so because they cannot be read.

    Octets that do not begin like an APDU, or like one of a type without Client-Id, can be shown: what is
    wrong with a message is often seen in them alone.

    Args:
        octets: of a message; None once they have been disposed of.
        apdu: what they decode to, if they do.
    """
    if apdu is not None:
        named = isinstance(apdu, _WITH_CLIENT_ID) and apdu.client_id is not None
        return named or any(_is_private(one) for one in extensions_of(apdu))
    if not octets:
        return False
    first = octets[0]
    return first & _FORM == _APPLICATION_CONSTRUCTED and first not in _WITHOUT_CLIENT_ID


def summary_of(summary: Mapping[str, object], *, with_patron_data: bool) -> dict[str, object]:
    """A transaction's summary; without what is the patron's, unless that is asked for."""
    return {name: value for name, value in summary.items() if with_patron_data or name in _SUMMARY_SHOWN}


def without_client_id(apdu: ILLApdu) -> ILLApdu:
    """The APDU without its Client-Id."""
    return dataclasses.replace(apdu, client_id=None) if isinstance(apdu, _WITH_CLIENT_ID) else apdu


def without_patron(apdu: ILLApdu) -> ILLApdu:
    """The APDU without its Client-Id and its private extensions."""
    shown = without_client_id(apdu)
    kept = tuple(one for one in extensions_of(shown) if not _is_private(one))
    # Each type's extensions are its last component, under a name of its own.
    changes: dict[str, Any] = {describe(type(shown))[-1].attribute: kept or None}
    return dataclasses.replace(shown, **changes)


def as_they_are(octets: bytes) -> tuple[bytes | None, tuple[str, ...]]:
    """Octets of which nothing is left out."""
    return octets, ()


def masked(octets: bytes) -> tuple[bytes | None, tuple[str, ...]]:
    """An APDU encoded anew without what may be about a patron, and the names of what was left out.

    Client-Id, private extensions, every note and every address, wherever they stand; a note that has to be
    there is replaced. None of the octets where they cannot be read: then nobody can tell what they hold.
    """
    try:
        apdu = decode(octets, Limits(max_octets=max(len(octets), 1)), Dialect.BIBLIO_ILL)
    except WireError:
        return None, ("everything",)
    public = without_patron(apdu)
    left_out = set() if public == apdu else {"client-id or private extensions"}
    bare: ILLApdu = _without_texts(public, left_out)
    return (octets if bare == apdu else encode(bare)), tuple(sorted(left_out))


def _without_texts(value: Any, left_out: set[str]) -> Any:
    """A value of the abstract syntax without notes and addresses."""
    if isinstance(value, tuple):
        return tuple(_without_texts(member, left_out) for member in value)
    if not isinstance(value, Sequence):
        return value
    changes: dict[str, Any] = {}
    for field in dataclasses.fields(value):
        held = getattr(value, field.name)
        if held is None:
            continue
        if not field.name.endswith(_TEXTS):
            changes[field.name] = _without_texts(held, left_out)
            continue
        left_out.add(field.name.replace("_", "-"))
        optional = field.default is None
        changes[field.name] = None if optional else GeneralString.from_text(_REPLACED)
    return dataclasses.replace(value, **changes)


#: How the names of components end that hold what somebody wrote, or where somebody lives.
_TEXTS: Final = ("note", "address")
#: What stands in the place of a note that has to be there.
_REPLACED: Final = "(left out)"


def _is_private(extension: Extension) -> bool:
    """Whether an extension is of a private type, be it well-formed or not."""
    read = extension_of(extension)
    if isinstance(read, tuple(PRIVATE)):
        return True
    identifier = getattr(read, "object_identifier", None)
    return not isinstance(read, UnknownExtension) and identifier in _PRIVATE_IDENTIFIERS
