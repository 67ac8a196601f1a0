"""Decoding and encoding, against bare pyasn1 with the same specification.

The baseline does what the codec cannot do without while it stands on pyasn1: `decoder.decode` of the same
octets, and `encoder.encode` of the very object that this gave. That is no codec: it checks less, makes no
typed values, and writes empty SEQUENCEs where OPTIONAL components are absent. But it stays the same for every
codec that comes after this one, which is what a baseline is for.
"""

from collections.abc import Sequence
from typing import Final

from pyasn1.codec.ber import decoder, encoder

from asn1 import codec, reference
from benchmarks.measure import Extent, Round, Row, Unit, cpu_microseconds
from benchmarks.requests import Requests
from tests.support import corpus

#: How many real requests a pass goes through.
_REQUESTS: Final = 32


def measure(extent: Extent) -> list[Row]:
    """Measure decoding and encoding of real requests and of all twenty APDU types."""
    requests = Requests().take(_REQUESTS)
    mixed = [sample.octets for sample in corpus.samples("yaz")]
    return [
        *_rows(f"ILL-Request of yaz-illclient ({len(requests[0])} octets)", requests, extent),
        *_rows(f"all 20 types ({len(mixed)} APDUs)", mixed, extent),
    ]


def _rows(name: str, octets: Sequence[bytes], extent: Extent) -> list[Row]:
    """Measure one set of APDUs: CPU time, because nothing here waits and the machine is shared."""
    apdus = [codec.decode(one) for one in octets]
    specifications = [reference.specification(type(apdu)) for apdu in apdus]
    found = [
        decoder.decode(one, asn1Spec=specification)[0]
        for one, specification in zip(octets, specifications, strict=True)
    ]

    def decode() -> None:
        for one in octets:
            codec.decode(one)

    def decode_bare() -> None:
        for one, specification in zip(octets, specifications, strict=True):
            decoder.decode(one, asn1Spec=specification)

    def encode() -> None:
        for apdu in apdus:
            codec.encode(apdu)

    def encode_bare() -> None:
        for value in found:
            encoder.encode(value)

    for work in (decode, decode_bare, encode, encode_bare):
        # The first pass fills what later ones use, such as absent components in pyasn1's objects.
        work()
    return [
        Row(
            what=f"{verb} {name}",
            against=f"pyasn1's {verb}r alone",
            unit=Unit.MICROSECONDS_PER_APDU,
            rounds=[
                Round(
                    baseline=cpu_microseconds(bare, extent.codec_passes) / len(octets),
                    ours=cpu_microseconds(ours, extent.codec_passes) / len(octets),
                )
                for _ in range(extent.rounds)
            ],
        )
        for verb, ours, bare in (("decode", decode, decode_bare), ("encode", encode, encode_bare))
    ]
