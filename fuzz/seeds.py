"""What the harnesses begin with: the corpus, the cases found before, and the values of extensions."""

import json
from collections.abc import Iterator

from fuzz import values
from fuzz.running import FOUND
from tests.support import corpus

_LONGEST = 4096


def apdus() -> Iterator[bytes]:
    """Give APDUs, right and wrong, none of them long: that is what tests/fuzz/test_hostile.py is for."""
    return (octets for octets in _apdus() if len(octets) <= _LONGEST)


def _apdus() -> Iterator[bytes]:
    for sample in corpus.samples("yaz") + corpus.samples("yaz-enums"):
        yield sample.octets
        if sample.definite is not None:
            yield sample.definite
    for group in (corpus.variants(), corpus.extra(), corpus.malformed()):
        for message in group:
            yield message.octets
    yield from values.apdus(seed=1, each=10)
    yield from found("apdu")


def extensions() -> Iterator[bytes]:
    """Give values of the registered extensions."""
    yield from values.values(seed=2, each=40)
    yield from found("extension")


def found(kind: str) -> Iterator[bytes]:
    """Give the cases of one kind that were found before."""
    for path in sorted(FOUND.glob(f"{kind}-*.hex")):
        yield bytes.fromhex(path.read_text(encoding="ascii"))


def streams() -> Iterator[bytes]:
    """Give APDUs back to back."""
    parts = [part.octets for part in corpus.stream().parts]
    for place in range(len(parts) - 2):
        yield b"".join(parts[place : place + 3])
    yield from apdus()
    yield from found("stream")


def texts() -> Iterator[bytes]:
    """Give APDUs in JSON."""
    from asn1 import json as apdu_json
    from asn1.codec import decode

    for sample in corpus.samples("yaz-enums"):
        yield apdu_json.dumps(decode(sample.octets)).encode("ascii")
    yield json.dumps({"Cancel": None}).encode("ascii")
    yield from found("text")
