"""Column types, as far as they are plain conversions."""

import enum
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect

from iso_gateway.store.types import EnumText, NameList, UtcDateTime

PACIFIC = timezone(timedelta(hours=-8))
SQLITE: Dialect = sqlite.dialect()
POSTGRESQL: Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]


class Colour(enum.StrEnum):
    RED = "red"


@pytest.mark.parametrize("dialect", [SQLITE, POSTGRESQL], ids=["sqlite", "postgresql"])
def test_an_instant_comes_back_in_utc(dialect: Dialect) -> None:
    column = UtcDateTime()
    stored = column.process_bind_param(datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=PACIFIC), dialect)
    again = column.process_result_value(stored, dialect)
    assert again == datetime(2026, 1, 2, 11, 4, 5, 6, tzinfo=UTC)
    assert again is not None
    assert again.tzinfo is UTC


def test_sqlite_gets_no_offset_so_that_text_sorts_as_time() -> None:
    stored = UtcDateTime().process_bind_param(datetime(2026, 1, 2, 3, tzinfo=PACIFIC), SQLITE)
    assert stored == datetime(2026, 1, 2, 11)  # noqa: DTZ001  (what this test is about)


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="naive datetime"):
        UtcDateTime().process_bind_param(datetime(2026, 1, 2), SQLITE)  # noqa: DTZ001


def test_flags_are_a_set() -> None:
    column = NameList()
    text = column.process_bind_param(["shipped_seen", "loan", "loan"], SQLITE)
    assert text == '["loan","shipped_seen"]'
    assert column.process_result_value(text, SQLITE) == ("loan", "shipped_seen")


def test_a_word_outside_of_the_set_is_refused_both_ways() -> None:
    column = EnumText(Colour)
    assert column.process_bind_param(Colour.RED, SQLITE) == "red"
    assert column.process_result_value("red", SQLITE) is Colour.RED
    with pytest.raises(ValueError, match="blue"):
        column.process_bind_param("blue", SQLITE)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="blue"):
        column.process_result_value("blue", SQLITE)


@pytest.mark.parametrize(
    "column", [UtcDateTime(), NameList(), EnumText(Colour)], ids=lambda c: type(c).__name__
)
def test_nothing_stays_nothing(column: UtcDateTime | NameList | EnumText[Colour]) -> None:
    assert column.process_bind_param(None, SQLITE) is None
    assert column.process_result_value(None, SQLITE) is None
