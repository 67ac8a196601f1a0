"""The schema says what tests/corpus/abstract-syntax.json says, a transcription that was made apart from it.

libyaz' corpus has been read with a specification made from that file, so the two agree with a third as well.
"""

import json
from typing import Any

import pytest

from asn1 import ill
from asn1.schema import (
    ILL_STRING_ALTERNATIVES,
    Choice,
    Component,
    Enumerated,
    Primitive,
    Range,
    Sequence,
    SequenceOf,
    Size,
    Tag,
    TagClass,
    Tagging,
    Type,
    describe,
)
from tests.support.corpus import CORPUS

MODULE: dict[str, Any] = json.loads((CORPUS / "abstract-syntax.json").read_text(encoding="utf-8"))[
    "ISO-10161-ILL-1"
]
TYPES: dict[str, Any] = MODULE["types"]

PRIMITIVES = {
    "BOOLEAN": Primitive.BOOLEAN,
    "INTEGER": Primitive.INTEGER,
    "NULL": Primitive.NULL,
    "OBJECT IDENTIFIER": Primitive.OBJECT_IDENTIFIER,
    "EXTERNAL": Primitive.EXTERNAL,
    "ANY": Primitive.ANY,
    "PrintableString": Primitive.PRINTABLE_STRING,
    "VisibleString": Primitive.VISIBLE_STRING,
    "GeneralString": Primitive.GENERAL_STRING,
}


class Comparison:
    """Walks a transcription and the schema side by side, and remembers the names it came by."""

    def __init__(self, types: dict[str, Any] = TYPES) -> None:
        self.names: set[str] = set()
        self._types = types
        self._compared: set[tuple[str, Type]] = set()

    def same(self, told: Any, wire_type: Type, where: str) -> None:
        """Hold one type against its transcription."""
        if isinstance(told, str):
            if told in PRIMITIVES:
                assert wire_type is PRIMITIVES[told], where
                return
            self.names.add(told)
            if (told, wire_type) not in self._compared:  # a type of the extensions holds itself
                self._compared.add((told, wire_type))
                self.same(self._types[told], wire_type, told)
            return
        match told["kind"]:
            case "SEQUENCE":
                assert isinstance(wire_type, type), where
                assert issubclass(wire_type, Sequence), where
                self._components(told["fields"], describe(wire_type), where)
            case "CHOICE" if isinstance(wire_type, tuple):
                assert wire_type == ILL_STRING_ALTERNATIVES, where
                self._components(told["fields"], wire_type, where)
            case "CHOICE":
                assert isinstance(wire_type, type), where
                assert issubclass(wire_type, Choice), where
                self._components(told["fields"], describe(wire_type), where)
            case "SEQUENCE OF":
                assert isinstance(wire_type, SequenceOf), where
                self.same(told["of"], wire_type.element, f"{where}[]")
            case "ENUMERATED":
                assert isinstance(wire_type, type), where
                assert issubclass(wire_type, Enumerated), where
                assert {member.asn1_name: member.value for member in wire_type} == told["values"], where
            case kind:
                self.same(kind, wire_type, where)

    def _components(self, told: list[Any], components: tuple[Component, ...], where: str) -> None:
        assert [component.name for component in components] == [one["name"] for one in told], where
        in_choice = all(component.optional for component in components) and not any(
            "optional" in one or "default" in one for one in told
        )
        for one, component in zip(told, components, strict=True):
            inner = f"{where}.{component.name}"
            if "tag" in one:
                assert component.tag is not None, inner
                assert component.tag.tag_class is TagClass.CONTEXT, inner
                assert component.tag.number == one["tag"], inner
                assert component.tag.tagging is Tagging(one["tagging"]), inner
            else:
                assert component.tag is None, inner
            assert component.optional is (in_choice or one.get("optional", False)), inner
            assert _default(component) == one.get("default"), inner
            assert component.size == _size(one), inner
            self.same(one["type"], component.wire_type, inner)
            assert component.value_range == _range(one, component), inner


def _default(component: Component) -> object:
    match component.default:
        case Enumerated():
            return component.default.asn1_name
        case default:
            return default


def _size(told: Any) -> Size | None:
    if "size" not in told:
        return None
    least, _, most = str(told["size"]).partition("..")
    return Size(int(least), int(most or least))


def _range(told: Any, component: Component) -> Range | None:
    if "range" not in told:
        return None
    if " | " in told["range"]:
        assert isinstance(component.wire_type, type)
        assert issubclass(component.wire_type, Enumerated)
        names = {member.asn1_name: member.value for member in component.wire_type}
        numbers = [names[name] for name in told["range"].split(" | ")]
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        return Range(numbers[0], numbers[-1])
    least, most = told["range"].split("..")
    return Range(int(least), int(most))


def test_the_transcription_has_the_88_types() -> None:
    assert len(TYPES) == 88


def test_there_are_twenty_apdus_under_the_application_tags_1_to_20() -> None:
    alternatives = TYPES["ILL-APDU"]["fields"]
    assert [apdu.asn1_name for apdu in ill.APDUS] == [one["type"] for one in alternatives]
    for number, apdu in enumerate(ill.APDUS, start=1):
        assert apdu.apdu_tag == Tag(number, Tagging.EXPLICIT, TagClass.APPLICATION)
        told = {"class": "APPLICATION", "number": number, "tagging": "EXPLICIT"}
        assert TYPES[apdu.asn1_name]["tag"] == told


@pytest.mark.parametrize("apdu", ill.APDUS, ids=lambda apdu: apdu.asn1_name)
def test_an_apdu_is_as_the_transcription_says(apdu: type[Sequence]) -> None:
    Comparison().same(apdu.asn1_name, apdu, apdu.asn1_name)


def test_every_type_of_the_module_is_reached_from_the_apdus() -> None:
    comparison = Comparison()
    for apdu in ill.APDUS:
        comparison.same(apdu.asn1_name, apdu, apdu.asn1_name)
    assert comparison.names | {"ILL-APDU"} == set(TYPES)


def test_every_enumeration_begins_at_1() -> None:
    # That is why 0 and negative values are refused, and other unlisted ones are kept: docs/adr/0004-asn1.md.
    enumerations = [
        cls
        for cls in vars(ill).values()
        if isinstance(cls, type) and issubclass(cls, Enumerated) and cls is not Enumerated
    ]
    assert len(enumerations) > 20
    assert all(min(cls) >= 1 for cls in enumerations)
