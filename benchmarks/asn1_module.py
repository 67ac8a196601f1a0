"""The abstract syntax as the text of an ASN.1 module, made from the schema for compilers that want one.

DEFAULT components are OPTIONAL in it, so that they are written, as libyaz asks for them. Sizes and ranges are
left out. It is for measuring: nothing is decoded by it in the gateway.
"""

from asn1.ill import APDUS
from asn1.schema import (
    ILL_STRING_ALTERNATIVES,
    Apdu,
    Choice,
    Component,
    Enumerated,
    Primitive,
    Sequence,
    SequenceOf,
    Tag,
    TagClass,
    Type,
    describe,
)

_PRIMITIVES = {
    Primitive.BOOLEAN: "BOOLEAN",
    Primitive.INTEGER: "INTEGER",
    Primitive.NULL: "NULL",
    Primitive.OBJECT_IDENTIFIER: "OBJECT IDENTIFIER",
    Primitive.EXTERNAL: "ExternalValue",
    Primitive.PRINTABLE_STRING: "PrintableString",
    Primitive.VISIBLE_STRING: "VisibleString",
    Primitive.ANY: "ANY",
}

_ILL_STRING = "CHOICE { general-string GeneralString, edifact-string VisibleString }"
_EXTERNAL = """[UNIVERSAL 8] IMPLICIT SEQUENCE {
    direct-reference OBJECT IDENTIFIER OPTIONAL,
    indirect-reference INTEGER OPTIONAL,
    data-value-descriptor [UNIVERSAL 7] IMPLICIT OCTET STRING OPTIONAL,
    encoding CHOICE {
        single-ASN1-type [0] EXPLICIT ANY,
        octet-aligned [1] IMPLICIT OCTET STRING,
        arbitrary [2] IMPLICIT BIT STRING } }"""
"""X.690 8.18. asn1tools has an EXTERNAL of its own, in which a single ASN.1 type is NULL."""


def module_text() -> str:
    """Give the text of the module, in which each APDU is a type of its own."""
    definitions = {"ILLString": _ILL_STRING, "ExternalValue": _EXTERNAL}
    for apdu in APDUS:
        _define(apdu, definitions)
    lines = (f"{name} ::= {definition}" for name, definition in definitions.items())
    return "\n".join(["ILL DEFINITIONS EXPLICIT TAGS ::= BEGIN", *lines, "END"])


def _define(cls: type[Sequence] | type[Choice] | type[Enumerated], definitions: dict[str, str]) -> None:
    if cls.__name__ in definitions:
        return
    definitions[cls.__name__] = ""  # so that its place is before what it uses
    if issubclass(cls, Enumerated):
        members = ", ".join(f"{member.asn1_name}({member.value})" for member in cls)
        definitions[cls.__name__] = f"ENUMERATED {{ {members} }}"
        return
    kind = "CHOICE" if issubclass(cls, Choice) else "SEQUENCE"
    components = ", ".join(
        _component(component, definitions, optional=kind == "SEQUENCE") for component in describe(cls)
    )
    tag = f"{_tag(cls.apdu_tag)} " if issubclass(cls, Apdu) else ""
    definitions[cls.__name__] = f"{tag}{kind} {{ {components} }}"


def _component(component: Component, definitions: dict[str, str], *, optional: bool) -> str:
    tag = "" if component.tag is None else f"{_tag(component.tag)} "
    may_be_absent = optional and (component.optional or component.default is not None)
    ending = " OPTIONAL" if may_be_absent else ""
    return f"{component.name} {tag}{_type(component.wire_type, definitions)}{ending}"


def _tag(tag: Tag) -> str:
    tag_class = "" if tag.tag_class is TagClass.CONTEXT else f"{tag.tag_class.name} "
    return f"[{tag_class}{tag.number}] {tag.tagging.value}"


def _type(wire_type: Type, definitions: dict[str, str]) -> str:
    match wire_type:
        case Primitive():
            return _PRIMITIVES[wire_type]
        case SequenceOf():
            return f"SEQUENCE OF {_type(wire_type.element, definitions)}"
        case tuple():
            assert wire_type is ILL_STRING_ALTERNATIVES
            return "ILLString"
        case _:
            _define(wire_type, definitions)
            return wire_type.__name__
