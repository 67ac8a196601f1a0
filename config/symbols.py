"""Library symbols, and how one is compared with another.

Imports nothing of ours.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Symbol:
    """The symbol of a library or person with, where one was given, the naming authority that assigned it.

    Args:
        authority: the naming authority, as `ILLUME` or `MnSCU/PALS`; None for a bare symbol.
        symbol: the symbol itself.

    Equality is exact; `matches` is the comparison that the protocol needs. Source: protocol.md section 4.
    """

    authority: str | None
    symbol: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads the written form `authority:symbol`, or a bare `symbol`; never fails, so it can read APDUs.

        The split is at the first colon (inferred, protocol.md section 4): an authority may hold a slash, and
        what follows the colon is the symbol whatever it holds. Nothing is stripped.
        """
        authority, colon, symbol = text.partition(":")
        return cls(authority, symbol) if colon else cls(None, text)

    def __str__(self) -> str:
        return self.symbol if self.authority is None else f"{self.authority}:{self.symbol}"

    @property
    def key(self) -> tuple[str | None, str]:
        """What two ways of writing the same symbol have in common: authorities are compared without case."""
        return (None if self.authority is None else self.authority.casefold(), self.symbol)

    def matches(self, other: "Symbol") -> bool:
        """Tells whether both may name the same library: authority without regard to case, symbol exactly.

        A bare symbol on either side matches any authority. Inferred: protocol.md section 4.
        """
        if self.symbol != other.symbol:
            return False
        return self.authority is None or other.authority is None or self.key == other.key


class SymbolIndex(Generic[T]):
    """Finds who is meant by a symbol, in constant time.

    The answer is the first that is certain: who has exactly this symbol, who has it as an alias, then (as a
    bare symbol matches any authority) whose symbol matches, whose alias matches. Where a match fits several
    there is no answer: taking one library for another is worse than not knowing a sender.
    """

    __slots__ = ("_by_alias", "_by_symbol", "_exact")

    def __init__(self, entries: Iterable[tuple[T, tuple[Symbol, ...], tuple[Symbol, ...]]]) -> None:
        """Indexes (who, symbols, aliases); the first of two equal symbols stands."""
        self._exact: dict[tuple[str | None, str], T] = {}
        self._by_symbol: dict[str, list[tuple[Symbol, T]]] = {}
        self._by_alias: dict[str, list[tuple[Symbol, T]]] = {}
        listed = list(entries)
        for who, symbols, _ in listed:
            self._add(who, symbols, self._by_symbol)
        for who, _, aliases in listed:
            self._add(who, aliases, self._by_alias)

    def _add(self, who: T, symbols: tuple[Symbol, ...], matching: dict[str, list[tuple[Symbol, T]]]) -> None:
        for symbol in symbols:
            self._exact.setdefault(symbol.key, who)
            matching.setdefault(symbol.symbol, []).append((symbol, who))

    def find(self, symbol: Symbol) -> T | None:
        """Returns who is meant by the symbol; None when nobody is, or when it is not certain who."""
        exact = self._exact.get(symbol.key)
        if exact is not None:
            return exact
        for matching in (self._by_symbol, self._by_alias):
            found = [who for known, who in matching.get(symbol.symbol, ()) if known.matches(symbol)]
            if found:
                return found[0] if all(who is found[0] for who in found) else None
        return None
