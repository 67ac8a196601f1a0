"""Octets to ILL-APDU and back: `decode`, `encode`, and `decode_header` for what does not decode.

Decoding has three steps, and the first that objects says where: the elements (`asn1.elements`), their shape
(`asn1.shape`), their values (`asn1.reference`, on pyasn1). Why so: docs/adr/0004-asn1.md.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Final, cast

from asn1 import elements, reference, shape
from asn1.elements import Element, Limits
from asn1.errors import WireError, WireErrorKind
from asn1.ill import APDUS, ILLApdu, ServiceDateTime, SystemId, TransactionId
from asn1.schema import Apdu, Tag, TagClass, application, implicit

__all__ = ["Header", "Limits", "WireError", "WireErrorKind", "decode", "decode_header", "encode"]

_DEFAULT_LIMITS: Final = Limits()
_APDU_BY_TAG: Final[dict[int, type[ILLApdu]]] = {apdu.apdu_tag.number: apdu for apdu in APDUS}

_MANDATORY: Final = (0, 1, 2)
_LAST = 4
_OPEN: Final = bytes.fromhex("60803080")
"""[APPLICATION 0] and SEQUENCE, both of indefinite length."""
_CLOSE: Final = bytes(4)


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


def decode(data: bytes, limits: Limits = _DEFAULT_LIMITS) -> ILLApdu:
    """Decode one ILL-APDU.

    Args:
        data: the APDU in BER, and nothing after it.
        limits: what is accepted at most.

    Raises:
        WireError: the octets are anything else. No other exception comes out, whatever the octets.
    """
    root = elements.scan(data, limits)
    apdu = _apdu_type(root)
    if apdu is None:
        raise WireError(
            "the outer tag is none of [APPLICATION 1] to [APPLICATION 20]",
            offset=root.start,
            kind=WireErrorKind.UNRECOGNIZED_APDU,
        )
    return cast("ILLApdu", _decode_as(apdu, root, data))


def encode(apdu: ILLApdu) -> bytes:
    """Encode an ILL-APDU: definite lengths in the fewest octets, every DEFAULT component written.

    Raises:
        TypeError: a component has a value of another type than the schema says (its path is in the message).
        ValueError: a component has a value that its type does not have, such as an AnyValue that is not BER.
    """
    if type(apdu) not in APDUS:
        raise TypeError(f"{type(apdu).__name__} is no ILL-APDU")
    return reference.write(apdu)


def _apdu_type(root: Element) -> type[ILLApdu] | None:
    if root.tag_class is not TagClass.APPLICATION:
        return None
    return _APDU_BY_TAG.get(root.number)


def _decode_as(apdu: type[Apdu], root: Element, data: bytes) -> Apdu:
    plain = shape.plain(root, data, apdu)
    try:
        return reference.read(apdu, plain)
    except Exception as error:  # noqa: BLE001 - pyasn1 leaks IndexError and others (pyasn1#119)
        # Its messages repeat the octets, which may hold patron data: only the class is told.
        raise WireError(
            f"the reference codec refuses the contents with {type(error).__name__}",
            offset=root.start,
            path=apdu.asn1_name,
            kind=WireErrorKind.MISTYPED,
        ) from None


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
    requester-id or responder-id that cannot be read is taken for absent.

    Args:
        data: the octets.
        limits: what is accepted at most.

    Returns:
        The first components, or None when one of the three mandatory ones cannot be read. Never raises.
    """
    data = data[: limits.max_octets]
    apdu_number, position = _contents(data)
    components = _first_components(data, position, limits)
    # Why so many tries: a broken name of one side must not keep the transaction from being answered.
    for optional in ((3, 4), (3,), (4,), ()):
        chosen = b"".join(components.get(number, b"") for number in (*_MANDATORY, *optional))
        octets = _OPEN + chosen + _CLOSE
        try:
            root = elements.scan(octets, Limits(max_octets=len(octets), max_depth=limits.max_depth + 2))
            beginning = cast("_Beginning", _decode_as(_Beginning, root, octets))
        except WireError:
            continue
        return Header(
            apdu_type=_APDU_BY_TAG.get(apdu_number),
            protocol_version_num=beginning.protocol_version_num,
            transaction_id=beginning.transaction_id,
            service_date_time=beginning.service_date_time,
            requester_id=beginning.requester_id,
            responder_id=beginning.responder_id,
        )
    return None


def _contents(data: bytes) -> tuple[int, int]:
    """Give the number of the APPLICATION tag, and where the components of the SEQUENCE in it begin.

    Where there are none, the place is the end of the octets. What the lengths claim is not looked at.
    """
    position = 0
    numbers = []
    for tag_class in (TagClass.APPLICATION, TagClass.UNIVERSAL):
        try:
            header = elements.read_header(data, position, len(data)) if position < len(data) else None
        except WireError:
            header = None
        if header is None or header.tag_class is not tag_class or not header.constructed:
            return 0, len(data)
        numbers.append(header.number)
        position = header.content
    return numbers[0], position


def _first_components(data: bytes, position: int, limits: Limits) -> dict[int, bytes]:
    """Give the octets of the components [0] to [4] that stand at `position`, as far as they are whole."""
    components: dict[int, bytes] = {}
    while position < len(data):
        try:
            element = elements.scan_at(data, position, limits)
        except WireError:
            break
        if element.tag_class is not TagClass.CONTEXT or element.number > _LAST:
            break
        components.setdefault(element.number, data[element.start : element.end])
        position = element.end
    return components
