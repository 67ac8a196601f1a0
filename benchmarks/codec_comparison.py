"""The codec against others: pyasn1, asn1tools, and libyaz in C.

`python -m benchmarks.codec_comparison` measures and prints; docs/benchmarks-codec.md holds the figures. All
decode the same octets, and encode what they themselves decoded from them. They do not give the same: ours
gives typed values that are checked; pyasn1 and asn1tools give objects and dictionaries of theirs and check
less; libyaz gives C structures, within a memory pool that it drops at once. Each round takes all of them in
turn, a ratio is taken within a round, and what counts is the median over the rounds.

Needs asn1tools (a development dependency), and for libyaz a C compiler, pkg-config and libyaz-dev.
"""

import gc
import json
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any, Final

import asn1tools
from pyasn1.codec.ber import decoder, encoder

from asn1 import codec, reference
from benchmarks.asn1_module import module_text
from benchmarks.requests import Requests
from tests.support import corpus

ROUNDS: Final = 9
_REQUESTS: Final = 32
_YAZ_PASSES: Final = 400

Measured = dict[str, float]
"""Microseconds of CPU time for one APDU, by codec."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One set of APDUs, encoded or decoded, by all codecs and in all rounds.

    Args:
        what: what was done.
        rounds: the figures of each round.
    """

    what: str
    rounds: Sequence[Measured]

    def lines(self) -> list[str]:
        """Give one line for each codec; a ratio above 1 says how many times as fast as it ours is."""
        lines = []
        for name in self.rounds[0]:
            figure = median(one[name] for one in self.rounds)
            ratios = sorted(one[name] / one["iso-gateway"] for one in self.rounds)
            ratio = f"{median(ratios):9.3g}  ({ratios[0]:.3g}-{ratios[-1]:.3g})"
            lines.append(f"{self.what:<52}{name:<14}{figure:10.2f} µs{ratio}")
        return lines


def main() -> None:
    """Measure and print."""
    program = _compiled()
    requests = Requests().take(_REQUESTS)
    mixed = [sample.octets for sample in corpus.samples("yaz")]
    for name, octets in (
        (f"ILL-Request of yaz-illclient, {len(requests[0])} octets", requests),
        (f"all 20 types, {len(mixed)} APDUs", mixed),
    ):
        for comparison in _compare(name, octets, program):
            print("\n".join(comparison.lines()), flush=True)


def _compare(name: str, octets: Sequence[bytes], program: Path | None) -> list[Comparison]:
    apdus = [codec.decode(one) for one in octets]
    specifications = [reference.specification(type(apdu)) for apdu in apdus]
    found = [
        decoder.decode(one, asn1Spec=specification)[0]
        for one, specification in zip(octets, specifications, strict=True)
    ]
    compiled: Any = asn1tools.compile_string(module_text(), "ber")
    types = [type(apdu).__name__ for apdu in apdus]
    dictionaries = [compiled.decode(kind, one) for kind, one in zip(types, octets, strict=True)]

    def decode() -> None:
        for one in octets:
            codec.decode(one)

    def decode_pyasn1() -> None:
        for one, specification in zip(octets, specifications, strict=True):
            decoder.decode(one, asn1Spec=specification)

    def decode_asn1tools() -> None:
        for kind, one in zip(types, octets, strict=True):
            compiled.decode(kind, one)

    def encode() -> None:
        for apdu in apdus:
            codec.encode(apdu)

    def encode_pyasn1() -> None:
        for value in found:
            encoder.encode(value)

    def encode_asn1tools() -> None:
        for kind, value in zip(types, dictionaries, strict=True):
            compiled.encode(kind, value)

    decoding = {"iso-gateway": decode, "pyasn1": decode_pyasn1, "asn1tools": decode_asn1tools}
    encoding = {"iso-gateway": encode, "pyasn1": encode_pyasn1, "asn1tools": encode_asn1tools}
    for work in (*decoding.values(), *encoding.values()):
        work()  # what is made once is made now
    rounds = [
        (_round(decoding, len(octets)), _round(encoding, len(octets)), _yaz(program, octets))
        for _ in range(ROUNDS)
    ]
    return [
        Comparison(
            what=f"decode {name}",
            rounds=[one | ({"libyaz": yaz[0]} if yaz else {}) for one, _, yaz in rounds],
        ),
        Comparison(
            what=f"encode {name}",
            rounds=[one | ({"libyaz": yaz[1]} if yaz else {}) for _, one, yaz in rounds],
        ),
    ]


def _round(works: dict[str, Callable[[], None]], number: int) -> Measured:
    return {
        name: _microseconds(work, 5 if name == "iso-gateway" else 1) / number for name, work in works.items()
    }


def _microseconds(work: Callable[[], None], passes: int) -> float:
    """Give the CPU time of one pass; the garbage of what ran before is not on its account."""
    gc.collect()
    before = process_time()
    for _ in range(passes):
        work()
    return (process_time() - before) * 1e6 / passes


def _compiled() -> Path | None:
    """Compile yaz_codec.c outside the tree; None where something for it is missing."""
    compiler, pkg_config = shutil.which("cc"), shutil.which("pkg-config")
    if compiler is None or pkg_config is None:
        print("no C compiler or no pkg-config: libyaz is left out", file=sys.stderr)
        return None
    flags = subprocess.run(
        [pkg_config, "--cflags", "--libs", "yaz"], capture_output=True, text=True, check=False
    )
    if flags.returncode != 0:
        print("no libyaz (apt-get install libyaz-dev): it is left out", file=sys.stderr)
        return None
    program = Path(tempfile.mkdtemp(prefix="yaz-codec-")) / "yaz_codec"
    source = Path(__file__).with_name("yaz_codec.c")
    subprocess.run(
        [compiler, "-std=gnu11", "-Wall", "-Wextra", "-O2", "-o", program, source, *flags.stdout.split()],
        check=True,
    )
    return program


def _yaz(program: Path | None, octets: Sequence[bytes]) -> tuple[float, float] | None:
    """Give what libyaz takes to decode and to encode one APDU, in microseconds."""
    if program is None:
        return None
    messages = b"".join(struct.pack(">I", len(one)) + one for one in octets)
    run = subprocess.run([program, str(_YAZ_PASSES)], input=messages, capture_output=True, check=True)
    figures = json.loads(run.stdout)
    return figures["decode"] / 1e3, figures["encode"] / 1e3


if __name__ == "__main__":
    main()
