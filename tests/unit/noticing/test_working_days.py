"""Counting in working days, around holidays and weekends."""

import datetime as dt

import pytest

from config.settings import Noticing
from iso_gateway.noticing.working_days import WorkingDays

BC = WorkingDays("CA-BC")


def on(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


@pytest.mark.parametrize(
    ("day", "works"),
    [
        ("2026-11-10", True),  # a Tuesday
        ("2026-11-11", False),  # Remembrance Day
        ("2026-11-14", False),  # a Saturday
        ("2026-11-15", False),
        ("2026-02-16", False),  # Family Day, which is British Columbia's
        ("2026-12-24", True),
        ("2026-12-25", False),
        ("2027-01-01", False),
    ],
)
def test_which_days_are(day: str, works: bool) -> None:  # noqa: FBT001 - a table
    assert (on(day) in BC) is works


def test_a_region_has_its_own_and_a_country_alone_has_fewer() -> None:
    assert on("2026-02-16") in WorkingDays("CA")
    assert on("2026-11-26") not in WorkingDays("US")


def test_days_that_a_library_is_closed_are_none() -> None:
    days = WorkingDays.of(Noticing(closed_days=(on("2026-12-28"),)))
    assert on("2026-12-28") not in days
    assert on("2026-12-28") in BC


@pytest.mark.parametrize(
    ("day", "number", "found"),
    [
        ("2026-11-13", 2, "2026-11-10"),  # Friday: Thursday, and Wednesday is none
        ("2026-11-16", 2, "2026-11-12"),  # Monday: Friday, Thursday
        ("2026-11-15", 1, "2026-11-13"),  # from a Sunday
        ("2026-11-13", 0, "2026-11-13"),
        ("2027-01-04", 2, "2026-12-30"),  # over New Year
    ],
)
def test_counting_back(day: str, number: int, found: str) -> None:
    assert BC.before(on(day), number) == on(found)


@pytest.mark.parametrize(
    ("day", "number", "found"),
    [
        ("2026-11-09", 3, "2026-11-13"),
        ("2026-11-13", 1, "2026-11-16"),
        ("2026-11-14", 0, "2026-11-14"),
        ("2026-12-24", 2, "2026-12-29"),
    ],
)
def test_counting_on(day: str, number: int, found: str) -> None:
    assert BC.after(on(day), number) == on(found)
