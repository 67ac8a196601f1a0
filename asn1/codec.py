"""Octets to ILL-APDU and back: `decode`, `encode`, and `decode_header` for what does not decode.

Octets of the common form are read by what `asn1.readers` makes of the schema. All others are read in two
steps, and the first that objects says where: the elements (`asn1.elements`), then their types
(`asn1.exact`). Why so: docs/adr/0006-codec.md.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Final, cast

from asn1 import checking, elements, exact, readers, writers
from asn1.dialects import Dialect, Tolerance
from asn1.elements import MAX_DEPTH, Limits
from asn1.errors import WireError, WireErrorKind
from asn1.ill import APDU_BY_TAG, APDUS, ILLApdu, ServiceDateTime, SystemId, TransactionId
from asn1.schema import Apdu, Tag, TagClass, Type, application, implicit
from asn1.tags import depth as depth_of
from asn1.tags import once

__all__ = [
    "Decoded",
    "Dialect",
    "Header",
    "Limits",
    "Tolerance",
    "WireError",
    "WireErrorKind",
    "decode",
    "decode_header",
    "decode_noting",
    "decode_value",
    "encode",
    "encode_value",
]

_DEFAULT_LIMITS: Final = Limits()
_APDU_BY_FIRST_OCTET: Final[dict[int, type[ILLApdu]]] = {
    0x60 | number: apdu for number, apdu in APDU_BY_TAG.items()
}
"""Every APPLICATION tag of the module is below 31, and takes one octet."""

_MANDATORY: Final = (0, 1, 2)
_LAST = 4
_MOST_ELEMENTS: Final = 512
"""How many elements the beginning of an APDU may have: in the corpus 36, and 231 with strings in segments."""
_OPEN: Final = bytes.fromhex("60803080")
"""[APPLICATION 0] and SEQUENCE, both of indefinite length."""
_CLOSE: Final = bytes(4)
_SEQUENCE: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """An APDU, and how it was written.

    What an APDU says can be written in many ways, and `encode` knows one. Whoever must send on, or show, what
    came keeps the octets: these are the message, and `apdu` is what they say.

    Args:
        apdu: what the octets say.
        octets: the octets, as they came.
        tolerances: what the dialect had to tolerate, in the order of the octets.
    """

    apdu: ILLApdu
    octets: bytes
    tolerances: tuple[Tolerance, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a report in answer to an APDU has to say about it: the components that all twenty begin with."""

    apdu_type: type[ILLApdu] | None
    """None when the APPLICATION tag is none of the twenty."""
    protocol_version_num: int
    transaction_id: TransactionId
    service_date_time: ServiceDateTime
    requester_id: SystemId | None = None
    responder_id: SystemId | None = None


def decode(data: bytes, limits: Limits = _DEFAULT_LIMITS, dialect: Dialect = Dialect.STANDARD) -> ILLApdu:
    """Decode one ILL-APDU.

    Args:
        data: the APDU in BER, and nothing after it.
        limits: what is accepted at most.
        dialect: how far the octets may depart from BER and the abstract syntax.

    Raises:
        WireError: the octets are anything else. No other exception comes out, whatever the octets.
    """
    apdu = _apdu_quickly(data, limits)
    return _apdu_exactly(data, limits, dialect)[0] if apdu is None else apdu


def decode_noting(
    data: bytes, limits: Limits = _DEFAULT_LIMITS, dialect: Dialect = Dialect.STANDARD
) -> Decoded:
    """Decode one ILL-APDU as `decode` does, and say what was tolerated.

    Raises:
        WireError: as `decode`.
    """
    apdu = _apdu_quickly(data, limits)
    if apdu is not None:
        return Decoded(apdu=apdu, octets=data)
    apdu, tolerances = _apdu_exactly(data, limits, dialect)
    return Decoded(apdu=apdu, octets=data, tolerances=tolerances)


def decode_value(
    wire_type: Type,
    data: bytes,
    limits: Limits = _DEFAULT_LIMITS,
    dialect: Dialect = Dialect.STANDARD,
) -> Any:
    """Decode one value of any type of the schema, such as that of an extension.

    Args:
        wire_type: the type: a SEQUENCE, CHOICE or ENUMERATED class, or anything else that `describe` gives.
        data: the value in BER, and nothing after it.
        limits: what is accepted at most.
        dialect: how far the octets may depart from BER and the abstract syntax.

    Raises:
        WireError: the octets are anything else.
    """
    value = _quickly(_value_quick(wire_type), data, limits)
    if value is not None:
        return value
    if _value_quick(wire_type) is None:
        # The type holds itself, so that reading it recurses as deep as the octets nest: not deeper than this.
        limits = replace(limits, max_depth=min(limits.max_depth, MAX_DEPTH))
    root = elements.scan(data, limits)
    return exact.Reading(data, limits, dialect).value(wire_type, root, _name(wire_type))


def encode(apdu: ILLApdu) -> bytes:
    """Encode an ILL-APDU: definite lengths in the fewest octets, every DEFAULT component written.

    Raises:
        TypeError: a component has a value of another type than the schema says (its path is in the message).
        ValueError: a component has a value that its type does not have, such as an AnyValue that is not BER.
    """
    if type(apdu) not in APDUS:
        raise TypeError(f"{type(apdu).__name__} is no ILL-APDU")
    return _encode(_apdu_writer(type(apdu)), type(apdu), apdu)


def encode_value(value: Any, wire_type: Type | None = None) -> bytes:
    """Encode one value of any type of the schema, as `encode` does.

    Args:
        value: the value.
        wire_type: its type; without one, its class.

    Raises:
        TypeError: as `encode`.
        ValueError: as `encode`.
    """
    if wire_type is None:
        wire_type = type(value)
    return _encode(writers.element_writer(wire_type), wire_type, value)


def _encode(write: writers.Writer, wire_type: Type, value: Any) -> bytes:
    pieces: list[bytes] = []
    try:
        write(value, pieces.append)
    except ValueError:
        checking.check(wire_type, value, _name(wire_type))
        raise
    pieces.reverse()
    return b"".join(pieces)


def _name(wire_type: Type) -> str:
    name: str = getattr(wire_type, "asn1_name", getattr(wire_type, "__name__", "value"))
    return name


@once
def _apdu_writer(apdu: type[ILLApdu]) -> writers.Writer:
    return writers.element_writer(apdu, apdu.apdu_tag)


@dataclass(frozen=True, slots=True)
class _Quick:
    """What reads the common form of a type, and how deep elements can nest in what it reads."""

    read: readers.Reader
    depth: int


@once
def _apdu_quick(apdu: type[ILLApdu]) -> _Quick | None:
    return _quick(apdu, apdu.apdu_tag)


@once
def _value_quick(wire_type: Type) -> _Quick | None:
    return _quick(wire_type, None)


def _quick(wire_type: Type, tag: Tag | None) -> _Quick | None:
    depth = depth_of(wire_type)
    if depth is None:
        return None
    return _Quick(readers.element_reader(wire_type, tag), depth + readers.ANY_DEPTH + (tag is not None))


def _apdu_quickly(data: bytes, limits: Limits) -> ILLApdu | None:
    """Read an APDU of the common form; None where it is not, or is none."""
    apdu = _APDU_BY_FIRST_OCTET.get(data[0]) if data else None
    return None if apdu is None else cast("ILLApdu | None", _quickly(_apdu_quick(apdu), data, limits))


def _quickly(quick: _Quick | None, data: bytes, limits: Limits) -> Any:
    """Read a value of the common form; None where it is not, or where only `exact` shows that it is allowed.

    No element takes fewer than two octets, so that only in long octets elements need to be counted.
    """
    size = len(data)
    if (
        quick is None
        or quick.depth > limits.max_depth
        or size > limits.max_octets
        or size > limits.max_string_octets
        or (
            size > 2 * limits.max_elements
            and elements.plain_end(data, 0, limits.max_depth, limits.max_elements) != size
        )
    ):
        return None
    try:
        value, end = quick.read(data, 0, size)
    except (ValueError, LookupError):  # Unusual, the end of the octets, or a value that is not listed
        return None
    return value if end == size else None


def _apdu_exactly(data: bytes, limits: Limits, dialect: Dialect) -> tuple[ILLApdu, tuple[Tolerance, ...]]:
    root = elements.scan(data, limits)
    apdu = APDU_BY_TAG.get(root.number) if root.tag_class is TagClass.APPLICATION else None
    if apdu is None:
        raise WireError(
            "the outer tag is none of [APPLICATION 1] to [APPLICATION 20]",
            offset=root.start,
            kind=WireErrorKind.UNRECOGNIZED_APDU,
        )
    reading = exact.Reading(data, limits, dialect)
    return reading.value(apdu, root, apdu.asn1_name, apdu.apdu_tag), reading.tolerances


@dataclass(frozen=True, slots=True, kw_only=True)
class _Beginning(Apdu):
    """The components that the twenty APDUs begin with, as an APDU of its own."""

    asn1_name: ClassVar[str] = "ILL-APDU"
    apdu_tag: ClassVar[Tag] = application(0)

    protocol_version_num: Annotated[int, implicit(0)]
    transaction_id: Annotated[TransactionId, implicit(1)]
    service_date_time: Annotated[ServiceDateTime, implicit(2)]
    requester_id: Annotated[SystemId | None, implicit(3)] = None
    responder_id: Annotated[SystemId | None, implicit(4)] = None


def decode_header(data: bytes, limits: Limits = _DEFAULT_LIMITS) -> Header | None:
    """Read what can still be read of an APDU that does not decode, so that it can be answered by a report.

    Only the first components are looked at: the octets may be cut off after them, or be wrong in any way. A
    requester-id or responder-id that cannot be read is taken for absent. All dialects are read: whose the
    APDU is, and so its dialect, is known only afterwards.

    Args:
        data: the octets.
        limits: what is accepted at most.

    Returns:
        The first components, or None when one of the three mandatory ones cannot be read. Never raises.
    """
    data = data[: limits.max_octets]
    limits = replace(limits, max_elements=min(limits.max_elements, _MOST_ELEMENTS))
    apdu_number, position = _contents(data)
    components = _first_components(data, position, limits)
    # Why so many tries: a broken name of one side must not keep the transaction from being answered.
    for optional in ((3, 4), (3,), (4,), ()):
        chosen = b"".join(components.get(number, b"") for number in (*_MANDATORY, *optional))
        octets = _OPEN + chosen + _CLOSE
        within = replace(limits, max_octets=len(octets), max_depth=limits.max_depth + 2)
        try:
            root = elements.scan(octets, within)
            beginning = exact.Reading(octets, within, Dialect.BIBLIO_ILL).value(
                _Beginning, root, _Beginning.asn1_name, _Beginning.apdu_tag
            )
        except WireError:
            continue
        return Header(
            apdu_type=APDU_BY_TAG.get(apdu_number),
            protocol_version_num=beginning.protocol_version_num,
            transaction_id=beginning.transaction_id,
            service_date_time=beginning.service_date_time,
            requester_id=beginning.requester_id,
            responder_id=beginning.responder_id,
        )
    return None


def _contents(data: bytes) -> tuple[int, int]:
    """Give the number of the APPLICATION tag, and where the components of the SEQUENCE in it begin.

    Where there are none, the place is the end of the octets. What the lengths claim is not looked at. The
    SEQUENCE may be missing, or there twice.
    """
    outer = _constructed(data, 0)
    if outer is None or outer.tag_class is not TagClass.APPLICATION:
        return 0, len(data)
    position = outer.content
    for _ in range(2):
        inner = _constructed(data, position)
        if inner is None or (inner.tag_class, inner.number) != (TagClass.UNIVERSAL, _SEQUENCE):
            break
        position = inner.content
    return outer.number, position


def _constructed(data: bytes, position: int) -> elements.Header | None:
    """Give the header of the constructed element that begins at `position`, if one does."""
    try:
        header = elements.read_header(data, position, len(data)) if position < len(data) else None
    except WireError:
        return None
    return header if header is not None and header.constructed else None


def _first_components(data: bytes, position: int, limits: Limits) -> dict[int, bytes]:
    """Give the octets of the components [0] to [4] that stand at `position`, as far as they are whole."""
    components: dict[int, bytes] = {}
    while position < len(data):
        try:
            element = elements.scan_at(data, position, limits)
        except WireError:
            break
        number = element.number
        # Why a second one ends it: as many as fit in the octets could come, and each would be looked into.
        if element.tag_class is not TagClass.CONTEXT or number > _LAST or number in components:
            break
        components[number] = data[element.start : element.end]
        position = element.end
    return components
