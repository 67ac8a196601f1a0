"""What must hold of the codec, for values, octets, streams and texts that hypothesis makes up.

The properties are those of the harnesses in fuzz/, where atheris makes the octets up by what they reach.
"""

import functools
import json
import os
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from asn1 import json as apdu_json
from asn1.codec import encode, encode_value
from asn1.extensions import EXTENSIONS, wire_type_of
from asn1.ill import ILLApdu
from fuzz import mutation, properties
from tests.support import corpus
from tests.support.apdu_strategies import apdus, elements, values_of
from tests.support.biblio_ill import written_by_biblio_ill

looking = settings(settings.get_profile(os.environ.get("HYPOTHESIS_PROFILE", "short")))

SEEDS = sorted(
    {
        *(message.octets for message in corpus.extra() + corpus.malformed() if len(message.octets) < 2000),
        *(sample.octets for sample in corpus.samples("yaz-enums")),
        *(variant.octets for variant in corpus.variants() if len(variant.octets) < 1000),
    },
    key=lambda octets: (len(octets), octets),
)
KINDS = sorted(EXTENSIONS.values(), key=lambda kind: kind.__name__)


@st.composite
def changed(draw: st.DrawFn, unchanged: st.SearchStrategy[bytes]) -> bytes:
    """Give octets changed by their elements, a few times over."""
    octets = draw(unchanged)
    for seed in draw(st.lists(st.integers(0, 2**32), max_size=3)):
        octets = mutation.mutate(octets, seed, functools.partial(damaged, seed=seed))
    return octets


def damaged(octets: bytes, seed: int) -> bytes:
    """Change one octet, or take it out, or put one in."""
    place = seed // 768 % (len(octets) + 1)
    octet = bytes([seed // 3 % 256])
    return octets[:place] + octet * (seed % 3 > 0) + octets[place + seed % 2 :]


@looking
@given(apdus())
def test_any_value(apdu: ILLApdu) -> None:
    properties.decoding(encode(apdu))


@looking
@given(changed(apdus().map(encode)))
def test_values_in_other_octets(octets: bytes) -> None:
    properties.decoding(octets)


@looking
@given(changed(st.sampled_from(SEEDS)))
def test_the_corpus_in_other_octets(octets: bytes) -> None:
    properties.decoding(octets)


@looking
@given(changed(apdus().map(written_by_biblio_ill)))
def test_what_the_perl_library_would_write_in_other_octets(octets: bytes) -> None:
    properties.decoding(octets)


@looking
@given(st.integers(1, 20), st.lists(elements(depth=3), max_size=8))
def test_any_elements_in_an_apdu(number: int, inner: list[bytes]) -> None:
    octets = b"".join(inner)
    properties.decoding(bytes([0x60 | number, 0x80, 0x30, 0x80]) + octets + bytes(4))


@looking
@given(changed(st.sampled_from(KINDS).flatmap(lambda kind: extension_octets(wire_type_of(kind)))))
def test_extensions_in_other_octets(octets: bytes) -> None:
    properties.extension(octets)


def extension_octets(wire_type: Any) -> st.SearchStrategy[bytes]:
    """Give values of the type of an extension, as octets."""
    return values_of(wire_type).map(lambda value: encode_value(value, wire_type))


@looking
@given(st.lists(changed(st.sampled_from(SEEDS)), max_size=4), st.binary(max_size=8))
def test_streams(parts: list[bytes], junk: bytes) -> None:
    properties.framing(b"".join(parts) + junk)


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """Give JSON of an APDU in which one thing was changed for another."""
    obj = apdu_json.to_json(draw(apdus()))
    path: list[tuple[Any, Any]] = []
    node: Any = obj
    while isinstance(node, dict | list) and node and (not path or draw(st.integers(0, 4))):
        key = (
            draw(st.sampled_from(list(node)))
            if isinstance(node, dict)
            else draw(st.integers(0, len(node) - 1))
        )
        path.append((node, key))
        node = node[key]
    anything = st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=8)
        | st.sampled_from(list(NAMES)),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3)
        ),
        max_leaves=5,
    )
    holder, key = path[-1]
    match draw(st.sampled_from(["replace", "remove", "add"])):
        case "replace":
            holder[key] = draw(anything)
        case "remove":
            del holder[key]
        case _ if isinstance(holder, dict):
            holder[draw(st.sampled_from(NAMES))] = draw(anything)
        case _:
            holder.append(draw(anything))

    return json.dumps(obj).encode("ascii")


NAMES = (
    "hex",
    "unknown",
    "general-string",
    "edifact-string",
    "octets",
    "title",
    "Cancel",
    "octet-aligned",
    "00",
)


@looking
@given(texts())
def test_texts(text: bytes) -> None:
    properties.text(text)
