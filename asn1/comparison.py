"""What two APDUs have that is not the same: what they say, and how they write what both of them say."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from asn1.dialects import ToleranceKind
from asn1.inspection import Form, Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A value that two APDUs do not share.

    Args:
        path: where.
        old: the component of the first that has no others in it; None where the first lacks it.
        new: the same of the second.
    """

    path: str
    old: Part | None
    new: Part | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FormDifference:
    """A component that two APDUs write in different ways.

    Args:
        path: where.
        old: what of the way of the first is not that of the second: legal forms and tolerances.
        new: the reverse.
    """

    path: str
    old: frozenset[Form | ToleranceKind]
    new: frozenset[Form | ToleranceKind]


def differences(old: Part, new: Part) -> tuple[Difference, ...]:
    """Say what two APDUs say that is not the same, in the order of the abstract syntax.

    Elements of lists are compared place by place. The octets in an extension of a known type are values, not
    octets: how they are written makes no difference.
    """
    opaque = _opaque(old) | _opaque(new)
    before = {part.path: part for part in _leaves(old, opaque)}
    after = {part.path: part for part in _leaves(new, opaque)}
    return tuple(
        Difference(path=path, old=before.get(path), new=after.get(path))
        for path in _merged(before, after)
        if not _same(before.get(path), after.get(path))
    )


def form_differences(old: Part, new: Part) -> tuple[FormDifference, ...]:
    """Say which components two APDUs both have, and write in different ways."""
    before = {part.path: _manner(part) for part in old.walk()}
    after = {part.path: _manner(part) for part in new.walk()}
    return tuple(
        FormDifference(path=path, old=before[path] - after[path], new=after[path] - before[path])
        for path in before
        if path in after and before[path] != after[path]
    )


def first_difference(old: bytes, new: bytes) -> int | None:
    """Say at which offset two runs of octets first differ; None where they do not."""
    if old == new:
        return None
    shorter = min(len(old), len(new))
    return next((at for at in range(shorter) if old[at] != new[at]), shorter)


def _opaque(root: Part) -> set[str]:
    """Give the paths of the components whose octets are no value of the type that they are said to be of."""
    return {part.path for part in root.walk() if any(inner.problem is not None for inner in part.parts)}


def _leaves(root: Part, opaque: Collection[str]) -> Iterator[Part]:
    waiting = [root]
    while waiting:
        part = waiting.pop()
        if not part.parts or part.path in opaque:
            yield part
        else:
            waiting.extend(reversed(part.parts))


def _same(old: Part | None, new: Part | None) -> bool:
    # Why the classes: a GeneralString is no EDIFACTString of the same octets, and True is no 1.
    return (
        old is not None
        and new is not None
        and type(old.value) is type(new.value)
        and bool(old.value == new.value)
    )


def _merged(before: Collection[str], after: Collection[str]) -> list[str]:
    """Give the paths of both in order: what only one has comes after what both have before it."""
    places: dict[str, tuple[int, int, int]] = {}
    common = -1
    for place, path in enumerate(before):
        common = place if path in after else common
        places[path] = (common, path not in after, place)
    common = -1
    for place, path in enumerate(after):
        common = places[path][0] if path in places else common
        places.setdefault(path, (common, 2, place))
    return sorted(places, key=places.__getitem__)


def _manner(part: Part) -> frozenset[Form | ToleranceKind]:
    return frozenset({*part.forms, *(tolerance.kind for tolerance in part.tolerances)})
