"""Dialects: how far octets may depart from BER and the abstract syntax, and still be read.

All of what X.690 allows is read in every dialect: indefinite lengths, lengths in more octets than they need,
segmented strings, any octet but 0 for TRUE, DEFAULT components present or absent. A tolerance is for what it,
or the abstract syntax, forbids. What a dialect tolerates has one meaning only: it never takes a right message
for a wrong one, so a partner's dialect can be changed at any time. Each use of a tolerance is reported.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


class ToleranceKind(enum.Enum):
    """One departure that can be read for what it is meant to be. The value is its name in reports."""

    PADDED_INTEGER = "padded-integer"
    """An INTEGER or ENUMERATED in more octets than it needs (forbidden by X.690 8.3.2)."""
    UNLISTED_VALUE = "unlisted-value"
    """A value of an ENUMERATED that the standard does not list, kept as `Unlisted`."""
    UNKNOWN_COMPONENT = "unknown-component"
    """An element under a context tag that the SEQUENCE does not have, after its last component."""
    DESCRIPTOR_TAG = "descriptor-tag"
    """The data-value-descriptor of an EXTERNAL under the tag of GraphicString, as libyaz has it."""
    MISSING_SEQUENCE = "missing-sequence"
    """An explicit tag around a SEQUENCE or SEQUENCE OF without the SEQUENCE in it."""
    EXTRA_SEQUENCE = "extra-sequence"
    """A SEQUENCE with one more SEQUENCE in it, which has the components."""
    IMPLICIT_TAG = "implicit-tag"
    """An explicit tag around a simple type that is primitive, and has its contents."""


class Dialect(enum.Enum):
    """What is tolerated, by the name that a partner's profile gives it."""

    STRICT = "strict"
    """Nothing."""
    STANDARD = "standard"
    """What real partners write, or a later edition could, and nobody can misunderstand."""
    BIBLIO_ILL = "biblio-ill"
    """That, and the three departures of the Perl library Biblio::ILL::ISO, whose tool tags IMPLICIT where the
    standard says EXPLICIT, and the reverse."""

    @property
    def tolerances(self) -> frozenset[ToleranceKind]:
        """What is tolerated."""
        return TOLERANCES[self]


_STANDARD: Final = frozenset(
    {
        ToleranceKind.PADDED_INTEGER,
        ToleranceKind.UNLISTED_VALUE,
        ToleranceKind.UNKNOWN_COMPONENT,
        ToleranceKind.DESCRIPTOR_TAG,
    }
)

TOLERANCES: Final[Mapping[Dialect, frozenset[ToleranceKind]]] = MappingProxyType(
    {
        Dialect.STRICT: frozenset(),
        Dialect.STANDARD: _STANDARD,
        Dialect.BIBLIO_ILL: _STANDARD
        | {ToleranceKind.MISSING_SEQUENCE, ToleranceKind.EXTRA_SEQUENCE, ToleranceKind.IMPLICIT_TAG},
    }
)
"""What each dialect tolerates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """One use of a tolerance.

    Args:
        kind: what was tolerated.
        offset: where, in octets from the start of the APDU.
        path: where, as the standard's names joined by dots.
    """

    kind: ToleranceKind
    offset: int
    path: str
