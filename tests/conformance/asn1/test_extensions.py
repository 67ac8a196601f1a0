"""The extensions are as tests/corpus/abstract-syntax.json says, a transcription made apart from them.

The prompt of Z39.50 is not in that file: tests/interop/test_extensions.py holds it against yaz-illclient.
"""

import json
from typing import Any

import pytest

from asn1.extensions import EXTENSIONS, wire_type_of
from asn1.schema import ObjectIdentifier
from tests.conformance.asn1.test_abstract_syntax import Comparison
from tests.support.corpus import CORPUS

MODULES: dict[str, Any] = json.loads((CORPUS / "abstract-syntax.json").read_text(encoding="utf-8"))
ISO: dict[str, Any] = MODULES["ISO-10161-ILL-1"]["types"]
REGISTERED = {
    ObjectIdentifier(module["oid"]): (name, module["types"])
    for name, module in MODULES.items()
    if module["oid"] is not None
}
PROMPT = ObjectIdentifier("1.2.840.10003.8.1")


def test_every_registered_extension_is_known_and_the_prompt_besides() -> None:
    assert set(EXTENSIONS) == set(REGISTERED) | {PROMPT}


@pytest.mark.parametrize("identifier", sorted(REGISTERED), ids=lambda one: REGISTERED[one][0])
def test_an_extension_is_as_the_transcription_says(identifier: ObjectIdentifier) -> None:
    _, types = REGISTERED[identifier]
    kind = EXTENSIONS[identifier]
    comparison = Comparison({**ISO, **types})
    comparison.same(kind.asn1_name, wire_type_of(kind), kind.asn1_name)
    assert comparison.names >= set(types)


def test_no_two_object_identifiers_have_one_type() -> None:
    assert len(set(EXTENSIONS.values())) == len(EXTENSIONS)
