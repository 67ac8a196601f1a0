"""What must hold of the codec for any octets whatever.

Each function takes the octets, returns when all is as it must be, and raises when it is not: `PromiseError`
where a promise is not kept, or whatever the codec should not have raised. The harnesses beside it call them
with what atheris makes up, tests/fuzz with what hypothesis makes up, and with every case that was found.
"""

import random
import zlib
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from asn1 import elements, exact, extensions, reference, rules, shape
from asn1 import json as apdu_json
from asn1.codec import (
    Decoded,
    Dialect,
    Header,
    Limits,
    WireError,
    _apdu_exactly,
    _apdu_quickly,
    decode,
    decode_header,
    decode_noting,
    decode_value,
    encode,
    encode_value,
)
from asn1.dialects import ToleranceKind
from asn1.framing import Framer
from asn1.ill import APDUS, ILLApdu
from asn1.schema import TagClass

_LIMITS = Limits()
_WRITTEN_AGAIN = frozenset({ToleranceKind.UNKNOWN_COMPONENT, ToleranceKind.UNLISTED_VALUE})
"""What is still to be tolerated when we have written it: the value itself is beyond the standard."""
_APDU_BY_NUMBER = {apdu.apdu_tag.number: apdu for apdu in APDUS}


class PromiseError(AssertionError):
    """A promise that is not kept. The message says which."""


def _hold(promise: str, *, kept: bool) -> None:
    if not kept:
        raise PromiseError(promise)


def _chance(data: bytes) -> random.Random:
    """Give chance that is the same whenever the octets are."""
    return random.Random(zlib.crc32(data))  # noqa: S311 - choices of a test, no secrets


def decoding(data: bytes, *, opinion: bool = True) -> None:
    """Any octets decode or are refused, in every dialect, by both readers of ours and by pyasn1's, as one.

    Args:
        data: the octets.
        opinion: whether pyasn1 is asked too, which takes longer than all the rest.

    Raises:
        PromiseError: they do not.
    """
    readings = {dialect: _outcome(data, dialect) for dialect in Dialect}
    _hold_dialects_nested(readings)
    _hold_readers_agree(data, _LIMITS)
    _hold_readers_agree(data, _some_limits(data))
    if opinion:
        _hold_second_opinion(data, readings)
    decoded = [reading for reading in readings.values() if isinstance(reading, Decoded)]
    if decoded:
        header = decode_header(data)
        _hold("what decodes begins with what its header says", kept=header == _header_of(decoded[-1].apdu))
        _hold("what decodes is one frame", kept=list(Framer().feed(data)) == [data])
        _hold_value(decoded[-1].apdu)
    else:
        decode_header(data)


def _outcome(data: bytes, dialect: Dialect) -> Decoded | WireError:
    try:
        decoded = decode_noting(data, dialect=dialect)
    except WireError as error:
        _hold_error(error, data)
        if dialect is Dialect.STANDARD:
            _hold("decode refuses what decode_noting refuses", kept=not _decodes(data, dialect))
        return error
    _hold("decode gives what decode_noting gives", kept=decode(data, dialect=dialect) == decoded.apdu)
    _hold("the octets are kept", kept=decoded.octets == data)
    places = [use.offset for use in decoded.tolerances]
    _hold("tolerances stand in the order of the octets", kept=places == sorted(places))
    for use in decoded.tolerances:
        _hold("a tolerance lies in the octets", kept=0 <= use.offset < len(data))
        _hold("a tolerance is one of its dialect", kept=use.kind in dialect.tolerances)
        _hold(
            "a tolerance has a path from its APDU",
            kept=(use.path + ".").startswith(decoded.apdu.asn1_name + "."),
        )
    return decoded


def _decodes(data: bytes, dialect: Dialect) -> bool:
    try:
        decode(data, dialect=dialect)
    except WireError:
        return False
    return True


def _hold_error(error: WireError, data: bytes) -> None:
    _hold("an error lies in the octets", kept=0 <= error.offset <= len(data))
    text = str(error)
    _hold("an error is plain text", kept=text.isprintable() and text.isascii() and len(text) < 400)


def _hold_dialects_nested(readings: dict[Dialect, Decoded | WireError]) -> None:
    """Each dialect reads what a stricter one reads, and as that does."""
    for stricter, wider in pairwise(
        readings[one] for one in (Dialect.STRICT, Dialect.STANDARD, Dialect.BIBLIO_ILL)
    ):
        if isinstance(stricter, Decoded):
            _hold("a dialect reads what a stricter one reads, and as that does", kept=stricter == wider)
    strict = readings[Dialect.STRICT]
    if isinstance(strict, Decoded):
        _hold("the strict dialect tolerates nothing", kept=not strict.tolerances)


def _some_limits(data: bytes) -> Limits:
    chance = _chance(data)
    size = len(data)
    return Limits(
        max_octets=chance.choice((size, size + 1, max(size - 1, 0), 2 * size)),
        max_depth=chance.randint(1, 40),
        max_elements=chance.choice((1, size // 8, size // 4, size // 3, size // 2, size)),
        max_string_octets=chance.choice((1, 8, 64, size - 1, size, 2 * size)),
    )


def _hold_readers_agree(data: bytes, limits: Limits) -> None:
    """What the quick reader reads, the exact one reads too, in every dialect, and tolerates nothing."""
    quick = _apdu_quickly(data, limits)
    if quick is not None:
        try:
            slow, tolerances = _apdu_exactly(data, limits, Dialect.STRICT)
        except WireError as error:
            raise PromiseError(
                f"the quick reader reads what the exact one refuses: {error} ({limits})"
            ) from error
        _hold(f"the quick reader and the exact one agree ({limits})", kept=quick == slow and not tolerances)
        _hold("both give values of the same classes", kept=repr(quick) == repr(slow))
    else:
        try:
            decode(data, limits)
        except WireError as error:
            _hold_error(error, data)


def _hold_second_opinion(data: bytes, readings: dict[Dialect, Decoded | WireError]) -> None:
    strict, standard = readings[Dialect.STRICT], readings[Dialect.STANDARD]
    opinion = second_opinion(data)
    for dialect, reading in readings.items():
        if opinion is not None and isinstance(reading, Decoded):
            _hold(f"pyasn1 reads what {dialect.value} reads", kept=opinion == reading.apdu)
    _hold(
        "pyasn1 reads whatever is strictly right",
        kept=not (isinstance(strict, Decoded) and opinion is None),
    )
    _hold(
        "whatever pyasn1 reads, standard reads",
        kept=not (isinstance(standard, WireError) and opinion is not None),
    )


def decoding_mostly(data: bytes) -> None:
    """Do as `decoding`, and ask pyasn1 about one input in eight.

    Raises:
        PromiseError: as `decoding`.
    """
    decoding(data, opinion=zlib.crc32(data) % 8 == 0)


def second_opinion(data: bytes) -> Any:
    """Give pyasn1's reading, once `asn1.shape` has made the octets plain; None where either refuses.

    Raises:
        Exception: whatever pyasn1 raises of octets that `asn1.shape` found right.
    """
    try:
        root = elements.scan(data, _LIMITS)
        apdu = _APDU_BY_NUMBER.get(root.number) if root.tag_class is TagClass.APPLICATION else None
        plain = None if apdu is None else shape.plain(root, data, apdu)
    except WireError:
        return None
    return None if apdu is None or plain is None else reference.read(apdu, plain)


def _header_of(apdu: ILLApdu) -> Header:
    return Header(
        apdu_type=type(apdu),
        protocol_version_num=apdu.protocol_version_num,
        transaction_id=apdu.transaction_id,
        service_date_time=apdu.service_date_time,
        requester_id=apdu.requester_id,
        responder_id=apdu.responder_id,
    )


def _hold_value(apdu: ILLApdu) -> None:
    """A value that was read can be written, shown, judged and read again, and stays what it is."""
    octets = encode(apdu)
    again = decode_noting(octets, dialect=Dialect.BIBLIO_ILL)
    _hold("what is written is what was read", kept=again.apdu == apdu == decode(octets))
    _hold(
        "what is written needs no tolerance but for values beyond the standard",
        kept=_WRITTEN_AGAIN.issuperset(use.kind for use in again.tolerances),
    )
    _hold("what is written twice is the same", kept=encode(again.apdu) == octets)
    text = apdu_json.dumps(apdu)
    _hold("JSON is printable ASCII", kept=text.isascii() and text.isprintable())
    _hold("JSON loses nothing", kept=apdu_json.loads(text) == apdu)
    _hold_report(apdu)
    for extension in extensions.extensions_of(apdu):
        reading = extensions.extension_of(extension)
        if not isinstance(reading, extensions.UnknownExtension | extensions.BrokenExtension):
            made = extensions.make_extension(reading)
            _hold("an extension is written as it was read", kept=extensions.extension_of(made) == reading)


def _hold_report(apdu: ILLApdu) -> None:
    """Whatever rules an APDU breaks, its sender can be told so."""
    findings = rules.check(apdu)
    for finding in findings:
        _hold("a finding is plain text", kept=finding.message.isprintable() and finding.message.isascii())
    if findings:
        report = rules.as_user_error_information(findings)
        reading = extensions.extension_of(extensions.make_extension(report))
        _hold("a report of broken rules can be read", kept=reading == report)


def extension(data: bytes) -> None:
    """Any octets are a value of a registered type, or are refused; and a value stays what it is.

    Raises:
        PromiseError: they are neither, or it does not.
    """
    for kind in extensions.EXTENSIONS.values():
        try:
            value = extensions.decode_extension(kind, data)
        except WireError as error:
            _hold_error(error, data)
            continue
        octets = extensions.encode_extension(value)
        _hold("an extension stays what it is", kept=extensions.decode_extension(kind, octets) == value)
        _hold("what is written twice is the same", kept=octets == extensions.encode_extension(value))
        wire_type = extensions.wire_type_of(kind)
        quick = decode_value(wire_type, data)
        try:
            strict = decode_value(wire_type, data, dialect=Dialect.STRICT)
        except WireError:
            continue
        _hold("a dialect reads what a stricter one reads", kept=strict == quick)
        reading = exact.Reading(data, _LIMITS, Dialect.STRICT)
        slow = reading.value(wire_type, elements.scan(data, _LIMITS), "value")
        _hold("the quick reader and the exact one agree", kept=slow == strict)
        _hold("what is strictly right is written by its value", kept=encode_value(slow, wire_type) == octets)


def text(data: bytes) -> None:
    """Any text is the JSON of an APDU, or is refused by JsonError and nothing else.

    Raises:
        PromiseError: the APDU cannot be written, or is another when it is read again.
    """
    try:
        apdu = apdu_json.loads(data)
    except apdu_json.JsonError as error:
        _hold("a JSON error says what is wrong", kept=bool(str(error)))
        return
    _hold("what JSON says can be written as BER", kept=decode(encode(apdu)) == apdu)
    _hold("JSON loses nothing", kept=apdu_json.loads(apdu_json.dumps(apdu)) == apdu)


@dataclass(frozen=True, slots=True)
class Cutting:
    """What came out of a stream that arrived in pieces."""

    frames: tuple[bytes, ...]
    error: str | None
    remainder: bytes


def framing(data: bytes) -> None:
    """However a stream is cut, the same frames come out, each a whole element, and the same error.

    Raises:
        PromiseError: they do not.
    """
    chance = _chance(data)
    most = chance.choice((8, 64, 1024, 262_144))
    depth = chance.choice((1, 4, 32))
    whole = _cut(data, [], most, depth)
    framed = b"".join(whole.frames)
    rest = data[len(framed) :][:most] if whole.error is None else b""
    _hold("no octet is lost", kept=data.startswith(framed) and whole.remainder == rest)
    for frame in whole.frames:
        _hold("a frame is no longer than allowed", kept=len(frame) <= most)
        _hold("a frame is framed alone", kept=_cut(frame, [], most, depth).frames == (frame,))
    for pieces in (1, 3, 12):
        places = sorted(chance.randint(0, len(data)) for _ in range(pieces))
        _hold("any cut gives the same", kept=_cut(data, places, most, depth) == whole)
    if len(data) <= 512:
        _hold("octet by octet gives the same", kept=_cut(data, list(range(len(data))), most, depth) == whole)


def _cut(data: bytes, places: list[int], most: int, depth: int) -> Cutting:
    framer = Framer(max_octets=most, max_depth=depth)
    frames: list[bytes] = []
    error: str | None = None
    for start, end in pairwise([0, *places, len(data)]):
        try:
            for frame in framer.feed(data[start:end]):
                frames.append(frame)  # noqa: PERF402 - what came before an error must be kept
        except WireError as problem:
            error = str(problem)
            _hold_error(problem, data)
            break
    if error is not None:
        _hold("a dead framer stays dead", kept=_is_dead(framer, error))
        return Cutting(tuple(frames), error, b"")
    _hold("the boundary is where nothing is pending", kept=framer.at_boundary is (framer.pending == 0))
    return Cutting(tuple(frames), None, framer.remainder)


def _is_dead(framer: Framer, error: str) -> bool:
    try:
        next(framer.feed(b"\x60\x00"), None)
    except WireError as problem:
        return str(problem) == error and not framer.at_boundary
    return False
