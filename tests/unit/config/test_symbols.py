"""Symbols: how they are read, when two of them mean one library, and who is found by one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.symbols import Symbol, SymbolIndex


@pytest.mark.parametrize(
    ("text", "authority", "symbol"),
    [
        ("ILLUME:SFU", "ILLUME", "SFU"),
        ("SFU", None, "SFU"),
        ("MnSCU/PALS:TST", "MnSCU/PALS", "TST"),
        ("a:b:c", "a", "b:c"),
        (" a : b ", " a ", " b "),
        (":b", "", "b"),
        ("a:", "a", ""),
        ("", None, ""),
    ],
)
def test_parse_splits_at_the_first_colon_and_strips_nothing(
    text: str, authority: str | None, symbol: str
) -> None:
    assert Symbol.parse(text) == Symbol(authority, symbol)
    assert str(Symbol.parse(text)) == text


@given(st.text())
def test_every_text_is_read_and_written_back(text: str) -> None:
    assert str(Symbol.parse(text)) == text


@pytest.mark.parametrize(
    ("one", "other", "matching"),
    [
        ("ILLUME:SFU", "illume:SFU", True),
        ("ILLUME:SFU", "ILLUME:sfu", False),
        ("ILLUME:SFU", "SFU", True),
        ("SFU", "SFU", True),
        ("SFU", "sfu", False),
        ("ILLUME:SFU", "OCLC:SFU", False),
        ("ILLUME:SFU", ":SFU", False),
    ],
)
def test_matches(one: str, other: str, matching: bool) -> None:  # noqa: FBT001 - a column of the table
    assert Symbol.parse(one).matches(Symbol.parse(other)) is matching
    assert Symbol.parse(other).matches(Symbol.parse(one)) is matching


def index(*entries: tuple[str, str, str]) -> SymbolIndex[str]:
    return SymbolIndex(
        (who, tuple(map(Symbol.parse, symbols.split())), tuple(map(Symbol.parse, aliases.split())))
        for who, symbols, aliases in entries
    )


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("ILLUME:A", "a"),
        ("illume:A", "a"),
        ("A", "a"),
        ("OTHER:A", None),
        ("B", "b"),
        ("ELSEWHERE:B", "b"),
        ("OCLC:B", "c"),
        ("TWICE", None),
        ("X:TWICE", "d"),
        ("SAME", "f"),
        ("nobody", None),
    ],
)
def test_the_index_answers_only_what_is_certain(asked: str, found: str | None) -> None:
    known = index(
        ("a", "ILLUME:A", ""),
        ("b", "ILLUME:LIBRARY-B", "B"),
        ("c", "OCLC:B", ""),
        ("d", "X:TWICE", ""),
        ("e", "Y:TWICE", ""),
        ("f", "X:SAME Y:SAME", ""),
    )
    assert known.find(Symbol.parse(asked)) == found


def test_a_matching_symbol_comes_before_a_matching_alias() -> None:
    known = index(("by alias", "X:P", "Y:Q"), ("by symbol", "Z:Q", ""))
    assert known.find(Symbol.parse("Q")) == "by symbol"


def test_the_first_of_two_equal_symbols_stands() -> None:
    assert index(("first", "X:P", ""), ("second", "X:P", "")).find(Symbol.parse("X:P")) == "first"
