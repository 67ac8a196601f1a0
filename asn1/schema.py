"""The small vocabulary in which the abstract syntax is written.

A type of the standard is a frozen slotted dataclass or an enumeration; the annotation of each field carries
its tag. From these classes alone, `describe` derives what a codec has to know: each type is written once.

    class TransactionId(Sequence):
        transaction_qualifier: Annotated[ILLString, explicit(2)]

ASN.1 names are kept as the standard spells them, with `_` for `-`.
"""

import enum
import types
from dataclasses import MISSING, Field, dataclass, fields
from typing import (
    Annotated,
    Any,
    ClassVar,
    NewType,
    Self,
    TypeAlias,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

ObjectIdentifier = NewType("ObjectIdentifier", str)
"""An OBJECT IDENTIFIER as dotted arcs, such as `1.0.10161.2.1`."""


class TagClass(enum.IntEnum):
    """The class bits of an identifier octet (X.690 8.1.2.2)."""

    UNIVERSAL = 0x00
    APPLICATION = 0x40
    CONTEXT = 0x80
    PRIVATE = 0xC0


class Tagging(enum.Enum):
    """Whether a tag replaces the tag of its type (IMPLICIT) or wraps it (EXPLICIT)."""

    IMPLICIT = "IMPLICIT"
    EXPLICIT = "EXPLICIT"


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag in front of a component."""

    number: int
    tagging: Tagging
    tag_class: TagClass = TagClass.CONTEXT


def implicit(number: int) -> Tag:
    """`[number] IMPLICIT`."""
    return Tag(number, Tagging.IMPLICIT)


def explicit(number: int) -> Tag:
    """`[number] EXPLICIT`."""
    return Tag(number, Tagging.EXPLICIT)


def application(number: int) -> Tag:
    """`[APPLICATION number] EXPLICIT`, the tag that wraps each APDU's SEQUENCE."""
    return Tag(number, Tagging.EXPLICIT, TagClass.APPLICATION)


@dataclass(frozen=True, slots=True)
class Size:
    """SIZE of a string in octets or of a SEQUENCE OF in elements. Noted, not enforced by the codec."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Range:
    """The values that an INTEGER, or the subset that an ENUMERATED, may take. Noted, not enforced."""

    least: int
    most: int


class Primitive(enum.Enum):
    """A type without components of ours, by its universal tag."""

    BOOLEAN = 1
    INTEGER = 2
    BIT_STRING = 3
    OCTET_STRING = 4
    NULL = 5
    OBJECT_IDENTIFIER = 6
    OBJECT_DESCRIPTOR = 7
    EXTERNAL = 8
    PRINTABLE_STRING = 19
    GRAPHIC_STRING = 25
    VISIBLE_STRING = 26
    GENERAL_STRING = 27
    ANY = -1  # has whatever tag its value has


@dataclass(frozen=True, slots=True)
class Named:
    """Marks an alias as a type of the standard that is a string of characters: its name and its base type."""

    name: str
    primitive: Primitive


@dataclass(frozen=True, slots=True)
class AnyValue:
    """The value of an ANY: its whole encoding (tag, length, content), octet for octet."""

    octets: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """Base of every SEQUENCE.

    Args:
        unknown: what came after the last component that the type knows, under context tags that it does not
            know: kept octet for octet, and written again after the components. No component of the type.
    """

    asn1_name: ClassVar[str]

    unknown: tuple[AnyValue, ...] = ()


class Apdu(Sequence):
    """Base of the twenty APDUs: SEQUENCEs under an APPLICATION tag."""

    __slots__ = ()
    apdu_tag: ClassVar[Tag]


class Choice:
    """Base of every CHOICE: one field per alternative, exactly one of which is given.

    Raises ValueError when none or several alternatives are given.
    """

    __slots__: tuple[str, ...] = ()
    asn1_name: ClassVar[str]

    def __post_init__(self) -> None:
        """Hold the choice to exactly one alternative."""
        if sum(getattr(self, name) is not None for name in self.__slots__) != 1:
            msg = f"{self.asn1_name} is a CHOICE: give exactly one of {', '.join(self.__slots__)}"
            raise ValueError(msg)

    @property
    def chosen(self) -> tuple[str, Any]:
        """The name of the alternative that is given, in Python's spelling, and its value."""
        return next((name, value) for name in self.__slots__ if (value := getattr(self, name)) is not None)


class Enumerated(enum.IntEnum):
    """Base of every ENUMERATED. Members are spelt as in the standard, with `_` for `-`."""

    @property
    def asn1_name(self) -> str:
        """The member's name in the standard's spelling."""
        return self.name.replace("_", "-")


@dataclass(frozen=True, slots=True)
class Unlisted:
    """A value of an ENUMERATED that the standard does not list: kept, to be shown and sent on."""

    value: int


@dataclass(frozen=True, slots=True)
class Null:
    """The one value of NULL."""


NULL = Null()


@dataclass(frozen=True, slots=True)
class _IllStringOctets:
    octets: bytes

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Make one from text, as UTF-8."""
        return cls(text.encode("utf-8"))

    @property
    def text(self) -> str:
        """The octets as text for people: UTF-8 where they are valid UTF-8, Latin-1 otherwise.

        Nothing is escaped: the text comes from the network, so whoever shows it must escape it.
        """
        try:
            return self.octets.decode("utf-8")
        except UnicodeDecodeError:
            return self.octets.decode("latin-1")


@dataclass(frozen=True, slots=True)
class GeneralString(_IllStringOctets):
    """GeneralString [UNIVERSAL 27]: its octets as they came. Its character set is the sender's affair."""


@dataclass(frozen=True, slots=True)
class EDIFACTString(_IllStringOctets):
    """EDIFACTString, a VisibleString [UNIVERSAL 26] of a smaller alphabet: its octets as they came."""


ILLString: TypeAlias = GeneralString | EDIFACTString
"""ILL-String ::= CHOICE { general-string GeneralString, edifact-string EDIFACTString }, without tags."""


@dataclass(frozen=True, slots=True)
class BitString:
    """BIT STRING: its octets, and how many bits at the end of the last one are padding (0 to 7)."""

    octets: bytes
    unused: int = 0


@dataclass(frozen=True, slots=True)
class SingleASN1Type:
    """EXTERNAL.encoding single-ASN1-type: the encoding of one ASN.1 value, octet for octet."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class OctetAligned:
    """EXTERNAL.encoding octet-aligned."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Arbitrary:
    """EXTERNAL.encoding arbitrary."""

    bits: BitString


@dataclass(frozen=True, slots=True, kw_only=True)
class External:
    """EXTERNAL (X.690 8.18): a value of a type that is named by an object identifier."""

    direct_reference: ObjectIdentifier | None = None
    indirect_reference: int | None = None
    data_value_descriptor: bytes | None = None
    encoding: SingleASN1Type | OctetAligned | Arbitrary


@dataclass(frozen=True, slots=True)
class SequenceOf:
    """SEQUENCE OF: a tuple in Python."""

    element: "Type"


Type: TypeAlias = (
    Primitive | type[Sequence] | type[Choice] | type[Enumerated] | SequenceOf | tuple["Component", ...]
)
"""What a component can be. A tuple of components is a CHOICE without a class, such as ILL-String."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A component of a SEQUENCE or an alternative of a CHOICE, as a codec wants it."""

    name: str
    """In the standard's spelling."""
    attribute: str
    """In Python's."""
    tag: Tag | None
    wire_type: Type
    optional: bool
    default: object = None
    """The DEFAULT, or None where the component has none."""
    size: Size | None = None
    value_range: Range | None = None
    python_type: type | None = None
    """The class of the value where several classes share a Primitive (the two kinds of ILL-String)."""
    type_name: str | None = None
    """The name of its type, where that is a string of characters with a name, such as ISO-Date."""


ILL_STRING_ALTERNATIVES: tuple[Component, ...] = (
    Component(
        name="general-string",
        attribute="general_string",
        tag=None,
        wire_type=Primitive.GENERAL_STRING,
        optional=True,
        python_type=GeneralString,
    ),
    Component(
        name="edifact-string",
        attribute="edifact_string",
        tag=None,
        wire_type=Primitive.VISIBLE_STRING,
        optional=True,
        python_type=EDIFACTString,
    ),
)

EXTERNAL_COMPONENTS: tuple[Component, ...] = (
    Component(
        name="direct-reference",
        attribute="direct_reference",
        tag=None,
        wire_type=Primitive.OBJECT_IDENTIFIER,
        optional=True,
    ),
    Component(
        name="indirect-reference",
        attribute="indirect_reference",
        tag=None,
        wire_type=Primitive.INTEGER,
        optional=True,
    ),
    Component(
        name="data-value-descriptor",
        attribute="data_value_descriptor",
        tag=None,
        wire_type=(
            Component(
                name="object-descriptor",
                attribute="object_descriptor",
                tag=None,
                wire_type=Primitive.OBJECT_DESCRIPTOR,
                optional=True,
            ),
            Component(
                name="graphic-string",
                attribute="graphic_string",
                tag=None,
                wire_type=Primitive.GRAPHIC_STRING,
                optional=True,
            ),
        ),
        optional=True,
    ),
    Component(
        name="encoding",
        attribute="encoding",
        tag=None,
        wire_type=(
            Component(
                name="single-ASN1-type",
                attribute="single_ASN1_type",
                tag=explicit(0),
                wire_type=Primitive.ANY,
                optional=True,
                python_type=SingleASN1Type,
            ),
            Component(
                name="octet-aligned",
                attribute="octet_aligned",
                tag=implicit(1),
                wire_type=Primitive.OCTET_STRING,
                optional=True,
                python_type=OctetAligned,
            ),
            Component(
                name="arbitrary",
                attribute="arbitrary",
                tag=implicit(2),
                wire_type=Primitive.BIT_STRING,
                optional=True,
                python_type=Arbitrary,
            ),
        ),
        optional=False,
    ),
)
"""EXTERNAL as X.690 8.18 spells it out. A descriptor may have the tag of GraphicString, as libyaz has it."""

_PRIMITIVES: dict[object, Primitive] = {
    bool: Primitive.BOOLEAN,
    int: Primitive.INTEGER,
    Null: Primitive.NULL,
    ObjectIdentifier: Primitive.OBJECT_IDENTIFIER,
    External: Primitive.EXTERNAL,
    AnyValue: Primitive.ANY,
}


UNKNOWN = "unknown"
"""The field of a Sequence that is no component."""

_described: dict[type, tuple[Component, ...]] = {}


def describe(cls: type[Sequence] | type[Choice]) -> tuple[Component, ...]:
    """Derive the components of a SEQUENCE, or the alternatives of a CHOICE, from its annotations.

    Args:
        cls: a dataclass of the abstract syntax.

    Raises:
        TypeError: an annotation that the vocabulary does not know.
    """
    known = _described.get(cls)
    if known is None:
        hints = get_type_hints(cls, include_extras=True)
        known = tuple(
            _component(cls, field, hints[field.name]) for field in _fields(cls) if field.name != UNKNOWN
        )
        _described[cls] = known
    return known


def _fields(cls: type) -> tuple[Field[object], ...]:
    if "__dataclass_fields__" not in cls.__dict__:
        msg = f"{cls.__name__} is no dataclass"
        raise TypeError(msg)
    return fields(cls)


def _component(cls: type, field: Field[object], annotation: object) -> Component:
    marks: list[object] = []
    plain = _strip(annotation, marks)
    wire_type = _wire_type(plain, marks, where=f"{cls.__name__}.{field.name}")
    optional = field.default is None
    return Component(
        name=field.name.replace("_", "-"),
        attribute=field.name,
        tag=next((mark for mark in marks if isinstance(mark, Tag)), None),
        wire_type=wire_type,
        optional=optional,
        default=None if optional or field.default is MISSING else field.default,
        size=next((mark for mark in marks if isinstance(mark, Size)), None),
        value_range=next((mark for mark in marks if isinstance(mark, Range)), None),
        type_name=next((mark.name for mark in marks if isinstance(mark, Named)), None),
    )


def _strip(annotation: object, marks: list[object]) -> object:
    """Take Annotated[...] and `| None` off an annotation, collecting the marks, outermost first."""
    while True:
        if get_origin(annotation) is Annotated:
            inner, *extras = get_args(annotation)
            marks.extend(extras)
            annotation = inner
        elif _is_union(annotation) and types.NoneType in get_args(annotation):
            annotation = Union[tuple(arg for arg in get_args(annotation) if arg is not types.NoneType)]  # noqa: UP007 - made at run time
        else:
            return annotation


def _is_union(annotation: object) -> bool:
    return get_origin(annotation) in (Union, types.UnionType)


def _wire_type(annotation: object, marks: list[object], *, where: str) -> Type:
    if get_origin(annotation) is tuple:
        element_marks: list[object] = []
        element = _strip(get_args(annotation)[0], element_marks)
        return SequenceOf(_wire_type(element, element_marks, where=where))
    named = next((mark for mark in marks if isinstance(mark, Named)), None)
    if named is not None:
        return named.primitive
    if _is_union(annotation):
        arms = set(get_args(annotation))
        if arms == {GeneralString, EDIFACTString}:
            return ILL_STRING_ALTERNATIVES
        listed = arms - {Unlisted}
        if Unlisted in arms and len(listed) == 1:
            return _wire_type(listed.pop(), [], where=where)
    if annotation in _PRIMITIVES:
        return _PRIMITIVES[annotation]
    if isinstance(annotation, type) and issubclass(annotation, Sequence | Choice | Enumerated):
        return annotation
    msg = f"{where} is annotated with {annotation!r}, which is no type of the abstract syntax"
    raise TypeError(msg)
