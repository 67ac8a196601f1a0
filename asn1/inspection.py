"""APDUs for people to look into: every component with its place in the octets, its form, and what is to be
said of it; and of octets that do not decode, all that could be read before the place where they fail.

Nothing is judged here: `asn1.codec` says whether octets are an APDU, `asn1.rules` which rules it breaks. What
is shown was read by the same `asn1.exact`, watched while it reads, so that it cannot be another reading. As
slow as the exact path of the codec: for single messages, not for traffic.
"""

import enum
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from asn1 import elements, exact, rules
from asn1.codec import decode_noting, encode
from asn1.dialects import Dialect, Tolerance, ToleranceKind
from asn1.elements import INDEFINITE, MAX_DEPTH, Element, Limits
from asn1.errors import WireError
from asn1.extensions import EXTENSIONS, ExtensionValue, wire_type_of
from asn1.ill import APDU_BY_TAG, ILLApdu
from asn1.schema import (
    AnyValue,
    BitString,
    Component,
    External,
    Primitive,
    Sequence,
    Tag,
    TagClass,
    Tagging,
    Type,
    describe,
)

__all__ = [
    "Form",
    "Inspection",
    "Part",
    "Stop",
    "inspect",
    "parts_of",
    "second_opinion",
]

_DEFAULT_LIMITS: Final = Limits()
_NO_SEVERITIES: Final[Mapping[str, rules.Severity]] = MappingProxyType({})
_STRINGS: Final = frozenset(
    {
        Primitive.OCTET_STRING,
        Primitive.OBJECT_DESCRIPTOR,
        Primitive.PRINTABLE_STRING,
        Primitive.GRAPHIC_STRING,
        Primitive.VISIBLE_STRING,
        Primitive.GENERAL_STRING,
        Primitive.BIT_STRING,
    }
)
_TRUE: Final = b"\x01"
_LAST_NAME: Final = re.compile(r"\.?([^.\[\]]+|\[\d+\])$")
_EXTERNAL_TAG: Final = b"\x28"
"""[UNIVERSAL 8], constructed."""
_ANYWHERE: Final = 1 << 200
"""Where nothing encloses an element: further than any length reaches."""


class Form(enum.Enum):
    """A way of writing a component that the codec reads and does not itself choose. All are legal BER."""

    INDEFINITE = "indefinite length"
    LONG_LENGTH = "length in more octets than it needs"
    SEGMENTED = "string in segments"
    TRUE_OCTET = "TRUE as another octet than 01"
    DEFAULT_ABSENT = "DEFAULT value, not written"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A component, or an element of a list, or the value inside an extension, with all that is in it.

    Args:
        name: in the standard's spelling; of an element of a list its place, such as `[0]`.
        path: the names from that of the APDU on, as in a WireError.
        wire_type: its type.
        value: its value; None where reading did not come to its end.
        start: where it begins, in octets from the start of the APDU, its own tag included; None where it is
            not there as it is (a DEFAULT that is not written, a value in a segmented string).
        end: where the next one begins, or where the octets fail; None as `start`.
        parts: what is in it, in the order of the abstract syntax.
        forms: how it is written, where that is not how `asn1.codec` writes it.
        tolerances: what the dialect tolerated in it.
        findings: the rules that it breaks, or that something breaks which it lacks.
        problem: why the octets are no value of the type of an extension that they say they are.
    """

    name: str
    path: str
    wire_type: Type
    value: Any = field(repr=False)
    start: int | None
    end: int | None
    parts: tuple["Part", ...] = ()
    forms: frozenset[Form] = frozenset()
    tolerances: tuple[Tolerance, ...] = ()
    findings: tuple[rules.Finding, ...] = ()
    problem: WireError | None = None

    @property
    def complete(self) -> bool:
        """Whether it was read to its end."""
        return self.value is not None

    def walk(self) -> Iterator["Part"]:
        """Give the part and all that is in it, in order."""
        waiting = [self]
        while waiting:
            part = waiting.pop()
            yield part
            waiting.extend(reversed(part.parts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """How far octets could be read that do not decode.

    Args:
        offset: the first octet that could not be made sense of.
        path: the innermost component that this is in; empty where it is in none.
        reason: what is wrong there, where it is not what the decoder says: the decoder looks at the elements
            of all octets first, and reading may end before the place where it found fault.
    """

    offset: int
    path: str
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """All that can be said of octets.

    Args:
        octets: what was looked at.
        apdu: what they say; None where they do not decode.
        root: the APDU and all that is in it, as far as it could be read; None where not even its type is
            known.
        tolerances: what the dialect tolerated, by its place in the octets, up to the end of reading.
        findings: the rules that the APDU breaks.
        error: why the octets do not decode, as `asn1.codec.decode` raises it.
        stop: where reading ended; None where there is no error.
    """

    octets: bytes = field(repr=False)
    apdu: ILLApdu | None = field(repr=False)
    root: Part | None = field(repr=False)
    tolerances: tuple[Tolerance, ...]
    findings: tuple[rules.Finding, ...]
    error: WireError | None
    stop: Stop | None


def inspect(
    data: bytes,
    limits: Limits = _DEFAULT_LIMITS,
    dialect: Dialect = Dialect.STANDARD,
    severities: Mapping[str, rules.Severity] = _NO_SEVERITIES,
) -> Inspection:
    """Look into octets that are, or should be, an ILL-APDU. Whatever they are, nothing is raised.

    Args:
        data: the octets.
        limits: what is accepted at most.
        dialect: how far the octets may depart from BER and the abstract syntax.
        severities: by rule, what follows when it is broken, where that is not the rule's own default.
    """
    apdu: ILLApdu | None = None
    error: WireError | None = None
    tolerances: tuple[Tolerance, ...] = ()
    findings: tuple[rules.Finding, ...] = ()
    try:
        apdu = decode_noting(data, limits, dialect).apdu
    except WireError as refused:
        error = refused
    else:
        findings = rules.check(apdu, severities)
    beginning = _beginning(data, limits)
    watch, failed = _watched(data, beginning, limits, dialect)
    if watch is None or watch.top is None:
        root = None
    else:
        tolerances = watch.tolerances
        root = _Parts(watch, beginning.cut, limits, tolerances, findings).of(watch.top)
    return Inspection(
        octets=data,
        apdu=apdu,
        root=root,
        tolerances=tolerances,
        findings=findings,
        error=error,
        stop=None if error is None else _stop(error, failed, beginning, root),
    )


def parts_of(apdu: ILLApdu) -> Part:
    """Give an APDU with all that is in it, as it would be written: its offsets are those of `encode`.

    Raises:
        TypeError, ValueError: as `asn1.codec.encode`.
    """
    octets = encode(apdu)
    size = len(octets)
    within = Limits(max_octets=size, max_elements=size, max_string_octets=size)
    root = inspect(octets, within).root
    if root is None:
        raise ValueError(f"an {apdu.asn1_name} that cannot be read again")
    return root


def second_opinion(data: bytes, limits: Limits = _DEFAULT_LIMITS) -> ILLApdu:
    """Read an APDU with pyasn1 (`asn1.reference`), which knows no dialect: it is strict but for its own ways.

    Raises:
        WireError: the octets are no APDU, or pyasn1 cannot read them.
    """
    # Why here: pyasn1 is slow to import, and needed by those only who ask for it.
    from asn1 import reference

    return reference.decode(data, limits)


# -- elements, as far as they are whole


@dataclass(frozen=True, slots=True, kw_only=True)
class _Beginning:
    """What octets begin with.

    Args:
        root: the first element; None where it is not even begun.
        cut: the elements, by identity, that were still open where the octets failed.
        whole: the offset up to which elements are whole.
    """

    root: Element | None
    cut: Mapping[int, Element]
    whole: int


def _beginning(data: bytes, limits: Limits) -> _Beginning:
    """Make the tree of the elements that are whole, and of those around them, which end where octets fail.

    What is no fault to `elements.scan` is none here, and the reverse; but here the tree is kept.
    """
    data = data[: limits.max_octets]
    root: Element | None = None
    # What is open, and where what encloses its contents ends, or says it does.
    waiting: list[tuple[Element, int]] = []
    position = count = 0
    while True:
        if waiting and position == waiting[-1][0].content_end:
            waiting.pop()
            continue
        if (root is not None and not waiting) or position == len(data):
            break
        parent, bound = waiting[-1] if waiting else (None, _ANYWHERE)
        if parent is not None and parent.content_end == INDEFINITE and _is_end(data, position, bound):
            parent.content_end, parent.end = position, position + 2
            position = parent.end
            waiting.pop()
            continue
        element = _whole_or_open(data, position, bound, limits)
        count += 1
        if (
            element is None
            or count > limits.max_elements
            or (element.constructed and len(waiting) == limits.max_depth)
        ):
            break
        if parent is None:
            root = element
        else:
            parent.children.append(element)
        if element.constructed:
            waiting.append((element, bound if element.end == INDEFINITE else element.end))
            position = element.content
        else:
            position = element.end
    for element, _ in waiting:
        element.content_end = element.end = position
    return _Beginning(root=root, cut={id(element): element for element, _ in waiting}, whole=position)


def _is_end(data: bytes, position: int, bound: int) -> bool:
    return position + 2 <= bound and data[position : position + 2] == bytes(2)


def _whole_or_open(data: bytes, position: int, bound: int, limits: Limits) -> Element | None:
    """Read an element that is primitive and whole, or constructed and begun; None where it is neither."""
    try:
        found = elements.read_header(data, position, min(bound, len(data)))
    except WireError:
        return None
    if found is None or (found.tag_class is TagClass.UNIVERSAL and found.number == 0):
        return None
    end = INDEFINITE if found.length == INDEFINITE else found.content + found.length
    if end > bound or (
        not found.constructed and (end > len(data) or found.length > limits.max_string_octets)
    ):
        return None
    return Element(found.tag_class, found.number, found.constructed, position, found.content, end, end)


def _stop(error: WireError, failed: WireError | None, beginning: _Beginning, root: Part | None) -> Stop:
    if not beginning.cut:
        return Stop(offset=error.offset, path=error.path)
    starts = {element.start for element in beginning.cut.values()}
    if failed is not None and failed.offset < beginning.whole and failed.offset not in starts:
        return Stop(offset=failed.offset, path=failed.path, reason=failed.reason)
    path = "" if root is None else root.path
    while root is not None and root.parts and not root.parts[-1].complete:
        root = root.parts[-1]
        path = root.path
    return Stop(offset=beginning.whole, path=path)


# -- watching the codec read


@dataclass(slots=True, eq=False)
class _Node:
    """A value that is being read, or that has been."""

    path: str
    wire_type: Type
    element: Element
    tag: Tag | None
    value: Any = None
    children: list["_Node"] = field(default_factory=list)

    @property
    def inner(self) -> Element:
        """The element that has the contents: the one in an explicit tag, where there is such a tag."""
        explicit = self.tag is not None and self.tag.tagging is Tagging.EXPLICIT
        return self.element.children[0] if explicit and self.element.children else self.element


class _Watch(exact.Reading):
    """Reads as the codec does, and remembers what was read where."""

    def __init__(self, data: bytes, limits: Limits, dialect: Dialect) -> None:
        super().__init__(data, limits, dialect)
        self.data = data
        self.top: _Node | None = None
        self._open: list[_Node] = []

    def value(self, wire_type: Type, element: Element, path: str, tag: Tag | None = None) -> Any:
        """Read an element as `exact.Reading` does; it stays open where that raises."""
        node = _Node(path, wire_type, element, tag)
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.top = node
        self._open.append(node)
        node.value = super().value(wire_type, element, path, tag)
        self._open.pop()
        return node.value


def _apdu_type(root: Element) -> type[ILLApdu] | None:
    return APDU_BY_TAG.get(root.number) if root.tag_class is TagClass.APPLICATION else None


def _watched(
    data: bytes, beginning: _Beginning, limits: Limits, dialect: Dialect
) -> tuple[_Watch | None, WireError | None]:
    """Read the elements that there are; with what ended it, which may be that there are not all."""
    root = beginning.root
    apdu = None if root is None else _apdu_type(root)
    if root is None or apdu is None:
        return None, None
    watch = _Watch(data, limits, dialect)
    try:
        watch.value(apdu, root, apdu.asn1_name, apdu.apdu_tag)
    except WireError as error:
        return watch, error
    return watch, None


class _Parts:
    """Makes parts of what was watched.

    Args:
        watch: what was read.
        cut: the elements that end where the octets fail.
        limits: for what is in extensions.
        tolerances: what is to be said, each at its component; offsets are from the start of the APDU.
        findings: the same.
        base: the offset of the octets that were read; None where they have none of their own.
    """

    def __init__(
        self,
        watch: _Watch,
        cut: Mapping[int, Element],
        limits: Limits,
        tolerances: Iterable[Tolerance],
        findings: Iterable[rules.Finding] = (),
        base: int | None = 0,
    ) -> None:
        self._data = watch.data
        self._cut = cut
        self._limits = limits
        self._base = base
        paths = set() if watch.top is None else set(_paths(watch.top))
        self._tolerances: dict[str, list[Tolerance]] = {}
        self._unknown: dict[str, list[Tolerance]] = {}
        for tolerance in tolerances:
            unknown = tolerance.kind is ToleranceKind.UNKNOWN_COMPONENT
            (self._unknown if unknown else self._tolerances).setdefault(tolerance.path, []).append(tolerance)
        self._findings: dict[str, list[rules.Finding]] = {}
        for finding in findings:
            self._findings.setdefault(_nearest(finding.path, paths), []).append(finding)

    def of(self, node: _Node, kind: type[ExtensionValue] | None = None) -> Part:
        """Make the part of a value, and those of all that is in it.

        Args:
            node: the value.
            kind: the type of what the EXTERNAL holds that the value is the encoding of, where that is known.
        """
        value = None if id(node.element) in self._cut else node.value
        inner = [self.of(child, kind) for child in node.children[:-1]]
        if isinstance(value, External):
            # Its last component, the encoding, is what is of the type that the first names.
            kind = None if value.direct_reference is None else EXTENSIONS.get(value.direct_reference)
        inner += [self.of(child, kind) for child in node.children[-1:]]
        forms = self._forms(node)
        if isinstance(node.wire_type, tuple) and value is not None:
            # A CHOICE without tags and without a class: what says which alternative it is is its value.
            forms = forms.union(*(part.forms for part in inner))
            inner = [part for chosen in inner for part in chosen.parts]
        if isinstance(value, Sequence):
            inner = [*self._with_defaults(node, value, inner), *self._unknown_parts(node, value)]
        if not node.children and value is not None:
            inner.extend(self._typed(node, kind))
        return Part(
            name=_name(node.path),
            path=node.path,
            wire_type=node.wire_type,
            value=value,
            start=self._at(node.element.start),
            end=self._at(node.element.end),
            parts=tuple(inner),
            forms=forms,
            tolerances=tuple(self._tolerances.get(node.path, ())),
            findings=tuple(self._findings.get(node.path, ())),
        )

    def _at(self, offset: int) -> int | None:
        return None if self._base is None else self._base + offset

    def _with_defaults(self, node: _Node, value: Sequence, inner: Iterable[Part]) -> Iterator[Part]:
        there = {part.name: part for part in inner}
        for component in describe(type(value)):
            if component.name in there:
                yield there[component.name]
            elif component.default is not None:
                yield self._default(component, node.path)

    def _default(self, component: Component, path: str) -> Part:
        return Part(
            name=component.name,
            path=f"{path}.{component.name}",
            wire_type=component.wire_type,
            value=component.default,
            start=None,
            end=None,
            forms=frozenset({Form.DEFAULT_ABSENT}),
        )

    def _unknown_parts(self, node: _Node, value: Sequence) -> Iterator[Part]:
        for place, (tolerance, unknown) in enumerate(
            zip(self._unknown.get(node.path, ()), value.unknown, strict=True)
        ):
            yield Part(
                name="unknown",
                path=f"{node.path}.unknown[{place}]",
                wire_type=Primitive.ANY,
                value=unknown,
                start=None if self._base is None else tolerance.offset,
                end=None if self._base is None else tolerance.offset + len(unknown.octets),
                tolerances=(tolerance,),
            )

    def _typed(self, node: _Node, kind: type[ExtensionValue] | None) -> Iterator[Part]:
        """Give what the octets of an ANY or of an EXTERNAL say, where they name a type that is known."""
        match node.value:
            case AnyValue(octets) if kind is not None:
                yield self._extension(kind, octets, node.path, self._at(node.inner.start))
            case AnyValue(octets) if octets.startswith(_EXTERNAL_TAG):
                external, problem = self._within(
                    Primitive.EXTERNAL, octets, node.path, self._at(node.inner.start)
                )
                if external is not None and problem is None:
                    yield from external.parts
            case bytes() as octets if kind is not None:
                base = None if node.inner.constructed else self._at(node.inner.content)
                yield self._extension(kind, octets, node.path, base)
            case BitString(octets) if kind is not None:
                yield self._extension(kind, octets, node.path, None)
            case _:
                pass

    def _extension(self, kind: type[ExtensionValue], octets: bytes, path: str, base: int | None) -> Part:
        path = f"{path}.{kind.asn1_name}"
        part, problem = self._within(wire_type_of(kind), octets, path, base)
        if part is None:
            start, end = (None, None) if base is None else (base, base + len(octets))
            part = Part(
                name=kind.asn1_name, path=path, wire_type=wire_type_of(kind), value=None, start=start, end=end
            )
        return replace(part, problem=problem)

    def _within(
        self, wire_type: Type, octets: bytes, path: str, base: int | None
    ) -> tuple[Part | None, WireError | None]:
        """Read a value of its own, as `asn1.extensions` does: in the standard dialect."""
        limits = replace(self._limits, max_depth=min(self._limits.max_depth, MAX_DEPTH))
        watch = _Watch(octets, limits, Dialect.STANDARD)
        problem: WireError | None = None
        try:
            watch.value(wire_type, elements.scan(octets, limits), path)
        except WireError as error:
            problem = WireError(
                error.reason, offset=error.offset + (base or 0), path=error.path or path, kind=error.kind
            )
        if watch.top is None:
            return None, problem
        tolerances = (
            replace(tolerance, offset=tolerance.offset + (base or 0)) for tolerance in watch.tolerances
        )
        return _Parts(watch, {}, limits, tolerances, base=base).of(watch.top), problem

    def _forms(self, node: _Node) -> frozenset[Form]:
        forms: set[Form] = set()
        for element in _own_elements(node):
            length = element.content_end - element.content
            if id(element) in self._cut:
                continue
            if element.end != element.content_end:
                forms.add(Form.INDEFINITE)
            elif element.content - element.start > len(
                elements.header(
                    element.tag_class, element.number, constructed=element.constructed, length=length
                )
            ):
                forms.add(Form.LONG_LENGTH)
        if node.wire_type in _STRINGS and node.value is not None and node.inner.constructed:
            forms.add(Form.SEGMENTED)
        if node.value is True and self._data[node.inner.content : node.inner.content_end] != _TRUE:
            forms.add(Form.TRUE_OCTET)
        return frozenset(forms)


def _own_elements(node: _Node) -> Iterator[Element]:
    """Give the elements of a value that are not those of a value in it. The value of an ANY has none."""
    others = {id(child.element) for child in node.children}
    waiting = [node.element]
    while waiting:
        element = waiting.pop()
        if id(element) in others:
            continue
        if node.wire_type is Primitive.ANY and element is node.inner:
            continue
        yield element
        waiting.extend(reversed(element.children))


def _paths(top: _Node) -> Iterator[str]:
    waiting = [top]
    while waiting:
        node = waiting.pop()
        yield node.path
        waiting.extend(node.children)


def _nearest(path: str, paths: Collection[str]) -> str:
    """Give the path of the innermost component that is there, on the way to one that may not be."""
    while path and path not in paths:
        path = _LAST_NAME.sub("", path)
    return path


def _name(path: str) -> str:
    found = _LAST_NAME.search(path)
    return path if found is None else found[1]
