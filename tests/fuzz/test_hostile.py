"""256 KiB of any shape cost little time and little memory, whether they are refused or read.

The budgets are those that the gateway is promised to keep: 50 ms and 16 MB. Time is that of the processor,
the least of three runs: what disturbs the machine makes a run slower, never faster.
"""

import random
import sys
import time
import tracemalloc
from collections.abc import Callable

import pytest

from asn1.codec import WireError, decode, decode_header
from asn1.elements import MAX_ELEMENTS, MAX_OCTETS, header
from asn1.framing import Framer
from asn1.schema import TagClass
from tests.unit.asn1.test_codec import BEGINNING

SECONDS = 0.05 if sys.gettrace() is None else 0.5
"""What measures coverage takes several times as long as what it measures."""
OCTETS = 16 * 1024 * 1024

BEGIN = bytes.fromhex(BEGINNING)


def element(identifier: str, contents: bytes) -> bytes:
    """Give an element of definite length."""
    length = header(TagClass.UNIVERSAL, 1, constructed=False, length=len(contents))[1:]
    return bytes.fromhex(identifier) + length + contents


def cancel(components: bytes) -> bytes:
    """Give a Cancel that has these components after its beginning, however wrong they are."""
    return element("66", element("30", BEGIN + components))


def request(components: bytes) -> bytes:
    """Give an ILL-Request of which these components are the next."""
    return element("61", element("30", BEGIN + components))


def full(piece: bytes, room: int = MAX_OCTETS - 200) -> bytes:
    """Repeat a piece until the room is full."""
    return piece * (room // len(piece))


def nested(room: int = MAX_OCTETS - 200) -> bytes:
    """Give SEQUENCEs of definite length within each other, as deep as the room allows."""
    pieces: list[bytes] = []
    size = 0
    while size < room - 8:
        pieces.append(header(TagClass.UNIVERSAL, 16, constructed=True, length=size))
        size += len(pieces[-1])
    return b"".join(reversed(pieces))


def random_octets(room: int = MAX_OCTETS - 200) -> bytes:
    """Give octets without sense, the same in every run."""
    return random.Random(10161).randbytes(room)  # noqa: S311 - a fixed seed, so that a failure can be repeated


EXTENSION = bytes.fromhex("3007800101a2020500")
SEGMENT = b"\x04\x00"
ALL = MAX_ELEMENTS - 40
"""As many elements as there may be beside those of the beginning."""


def extensions(contents: bytes) -> bytes:
    """Give a Cancel with one extension, whose item holds these octets."""
    return cancel(element("bf31", element("30", b"\x80\x01\x01" + element("a2", contents))))


def string(contents: bytes) -> bytes:
    """Give a Cancel whose note is a string with these segments."""
    return cancel(element("bf2e", element("3b", contents)))


def damaged(object_identifier: bytes) -> bytes:
    """Give a Damaged with these contents of an OBJECT IDENTIFIER."""
    return element(
        "70", element("30", BEGIN + element("a5", element("80", object_identifier) + b"\xa1\x02\x81\0"))
    )


SHAPES: dict[str, Callable[[], bytes]] = {
    "zeros": lambda: bytes(MAX_OCTETS),
    "ones": lambda: b"\xff" * MAX_OCTETS,
    "opened": lambda: full(b"\x66\x80", MAX_OCTETS),
    "random": lambda: cancel(random_octets()),
    "random-alone": lambda: b"\x66" + random_octets(),
    "tags-without-end": lambda: b"\x7f" + b"\xff" * (MAX_OCTETS - 1),
    "long-tags": lambda: cancel(full(bytes.fromhex("bfffffff7f00"))),
    "nested-definite": lambda: cancel(element("bf2e", nested())),
    "nested-indefinite": lambda: cancel(element("bf2e", full(b"\x30\x80"))),
    "nested-in-any": lambda: extensions(full(b"\x30\x80")),
    "ends-without-begin": lambda: cancel(full(b"\0\0")),
    "ends-in-indefinite": lambda: b"\x66\x80\x30\x80" + BEGIN + full(b"\0\0"),
    "empty-elements": lambda: cancel(full(b"\x05\x00")),
    "one-component-again-and-again": lambda: b"\x66\x80\x30\x80" + full(b"\x80\x00"),
    "one-large-component-again-and-again": lambda: (
        b"\x66\x80\x30\x80" + full(b"\xa0\x80" + b"\x05\x00" * (MAX_ELEMENTS - 2) + bytes(2))
    ),
    "a-large-value-in-each-component": lambda: (
        b"\x66\x80\x30\x80"
        + b"".join(bytes([0xA0 | n, 0x80]) + b"\x05\x00" * (MAX_ELEMENTS - 2) + bytes(2) for n in range(5))
    ),
    "unknown-components": lambda: cancel(full(b"\x8c\x00")),
    "as-many-unknown-components-as-may-be": lambda: cancel(b"\x8c\x00" * ALL),
    "extensions": lambda: cancel(element("bf31", full(EXTENSION))),
    "as-many-extensions-as-may-be": lambda: cancel(element("bf31", EXTENSION * (MAX_ELEMENTS // 4 - 20))),
    "bad-last-extension": lambda: cancel(
        element("bf31", EXTENSION * (MAX_ELEMENTS // 4 - 20) + bytes.fromhex("3003800101"))
    ),
    "long-value-of-any": lambda: extensions(element("04", bytes(MAX_OCTETS - 300))),
    "many-elements-in-any": lambda: extensions(element("30", b"\x05\0" * ALL)),
    "one-string": lambda: cancel(element("bf2e", element("1b", bytes(MAX_OCTETS - 200)))),
    "not-utf-8": lambda: cancel(element("bf2e", element("1b", b"\xff" * (MAX_OCTETS - 200)))),
    "segments": lambda: string(full(SEGMENT)),
    "as-many-segments-as-may-be": lambda: string(SEGMENT * ALL),
    "segments-of-some-octets": lambda: string(element("04", bytes(60)) * ALL),
    "nested-segments": lambda: string(element("24", element("24", SEGMENT * 10)) * (ALL // 12)),
    "object-identifier": lambda: damaged(b"\x2a" * (MAX_OCTETS - 200)),
    "arcs": lambda: damaged(b"\xff" * (MAX_OCTETS - 200) + b"\x01"),
    "number": lambda: cancel(element("bf31", element("30", element("80", b"\x7f" * (MAX_OCTETS - 200))))),
    "enumerated": lambda: request(b"\x85\x01\x01" + element("a9", full(b"\x0a\x01\x01"))),
    "as-many-enumerated-as-may-be": lambda: request(b"\x85\x01\x01" + element("a9", b"\x0a\x01\x09" * ALL)),
    "length-of-lengths": lambda: cancel(full(b"\x05\x90" + bytes(16))),
    "claims": lambda: cancel(full(bytes.fromhex("04847fffffff"))),
    "claim": lambda: bytes.fromhex("66847fffffff") + bytes(MAX_OCTETS - 6),
    "too-long": lambda: bytes.fromhex("6683040010") + bytes(MAX_OCTETS + 11),
}


def least_time(octets: bytes, work: Callable[[bytes], object]) -> float:
    """Give the CPU time of the quickest of three runs, in seconds."""
    times = []
    for _ in range(3):
        before = time.process_time()
        work(octets)
        times.append(time.process_time() - before)
        if times[-1] < SECONDS:
            break
    return min(times)


def read(octets: bytes) -> None:
    """Decode, and take a refusal for an answer."""
    try:
        decode(octets)
    except WireError:
        return


def frame(octets: bytes) -> None:
    """Take the octets as they come on a connection."""
    framer = Framer()
    try:
        for start in range(0, len(octets), 1460):
            list(framer.feed(octets[start : start + 1460]))
    except WireError:
        return


@pytest.mark.parametrize("work", [read, decode_header, frame])
@pytest.mark.parametrize("shape", SHAPES)
def test_any_shape_is_read_or_refused_in_time(shape: str, work: Callable[[bytes], object]) -> None:
    octets = SHAPES[shape]()
    assert least_time(octets, work) < SECONDS


@pytest.mark.parametrize("shape", SHAPES)
def test_any_shape_is_read_or_refused_in_little_memory(shape: str) -> None:
    octets = SHAPES[shape]()
    read(octets)  # what is made once is made now
    tracemalloc.start()
    try:
        read(octets)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < OCTETS
