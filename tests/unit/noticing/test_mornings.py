"""Whom a daily mail is for, and when it falls due."""

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from config.settings import DailyMail, LocalSymbol, NoticeKind, Settings
from config.symbols import Symbol
from iso_gateway.noticing import mornings
from iso_gateway.noticing.working_days import WorkingDays
from iso_gateway.store.records import AttentionId, AttentionRecord, HalfId
from tests.support.gateway import settings_in

DAYS: Final = WorkingDays("CA-BC")
DESK: Final = DailyMail(to="desk@bex.example")
#: Eight hours behind Greenwich the whole year; there is no summer time.
SETTINGS: Final = settings_in(Path("unused"))


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(f"{text}+00:00")


def library(name: str, zone: str = "Etc/GMT+8", mail: str | None = None) -> LocalSymbol:
    return LocalSymbol(name=name, symbol=Symbol.parse(f"ILLUME:{name}"), time_zone=zone, public_mail=mail)


def at_home(*local: LocalSymbol) -> Settings:
    return replace(SETTINGS, local=local)


@pytest.mark.parametrize(
    ("now", "day", "following"),
    [
        # A Tuesday: at 07:30 it is 15:30 in Greenwich.
        ("2026-11-17T08:00", None, "2026-11-17T15:30"),
        ("2026-11-17T15:29:59", None, "2026-11-17T15:30"),
        ("2026-11-17T15:30", "2026-11-17", "2026-11-18T15:30"),
        # Late, and the same day: until it is over where the library is.
        ("2026-11-18T07:59:59", "2026-11-17", "2026-11-18T15:30"),
        ("2026-11-18T08:00", None, "2026-11-18T15:30"),
        # Remembrance Day, a Wednesday, and the evening before it.
        ("2026-11-11T20:00", None, "2026-11-12T15:30"),
        ("2026-11-10T20:00", "2026-11-10", "2026-11-12T15:30"),
        # A weekend.
        ("2026-11-13T20:00", "2026-11-13", "2026-11-16T15:30"),
        ("2026-11-14T20:00", None, "2026-11-16T15:30"),
        ("2026-11-15T20:00", None, "2026-11-16T15:30"),
        # Christmas, and the Monday after it.
        ("2026-12-25T20:00", None, "2026-12-28T15:30"),
    ],
)
def test_when_it_falls_due(now: str, day: str | None, following: str) -> None:
    due = mornings.day_due(DESK, utc(now), SETTINGS, DAYS)
    assert (None if due is None else due.isoformat()) == day
    assert mornings.next_moment(DESK, utc(now), SETTINGS, DAYS) == utc(following)


def test_not_on_days_on_which_the_library_is_closed() -> None:
    days = WorkingDays("CA-BC", (dt.date(2026, 11, 17),))
    assert mornings.day_due(DESK, utc("2026-11-17T20:00"), SETTINGS, days) is None
    assert mornings.next_moment(DESK, utc("2026-11-16T20:00"), SETTINGS, days) == utc("2026-11-18T15:30")


@pytest.mark.parametrize(
    ("hour", "day", "moment"),
    [
        # Of 2026, in Cairo: on a Friday 00:00 is 01:00, and on a Thursday 24:00 is 23:00 once more.
        (dt.time(7, 30), "2026-04-23", "2026-04-23T05:30"),
        (dt.time(7, 30), "2026-04-24", "2026-04-24T04:30"),
        (dt.time(0, 30), "2026-04-24", "2026-04-23T22:30"),
        (dt.time(23, 30), "2026-10-29", "2026-10-29T20:30"),
        (dt.time(7, 30), "2026-10-30", "2026-10-30T05:30"),
    ],
)
def test_on_days_on_which_the_clock_changes(hour: dt.time, day: str, moment: str) -> None:
    settings, mail = at_home(library("CAI", "Africa/Cairo")), replace(DESK, at=hour)
    days = WorkingDays("US")
    due, wanted = utc(moment), dt.date.fromisoformat(day)
    second = dt.timedelta(seconds=1)
    assert mornings.day_due(mail, due, settings, days) == wanted
    assert mornings.day_due(mail, due - second, settings, days) != wanted
    assert mornings.next_moment(mail, due - second, settings, days) == due
    # The hour that comes twice is no second one.
    assert mornings.day_due(mail, due + dt.timedelta(minutes=20), settings, days) == wanted
    assert mornings.next_moment(mail, due, settings, days) - due > dt.timedelta(hours=20)


def test_its_day_is_that_of_the_library_that_it_is_about() -> None:
    settings = at_home(library("BEX"), library("TOK", "Asia/Tokyo"))
    now = utc("2026-11-16T23:00")
    assert mornings.day_due(DESK, now, settings, DAYS) == dt.date(2026, 11, 16)
    there = replace(DESK, local=("TOK",))
    assert mornings.day_due(there, now, settings, DAYS) == dt.date(2026, 11, 17)
    assert mornings.moment_of(there, dt.date(2026, 11, 17), mornings.zone_of(there, settings)) == utc(
        "2026-11-16T22:30"
    )


def test_whom_it_comes_from() -> None:
    bex, tok = library("BEX", mail="ill@bex.example"), library("TOK")
    settings = at_home(bex, tok, library("OTH", mail="ill@oth.example"))
    assert mornings.author_of(DESK, settings) == bex
    assert mornings.author_of(replace(DESK, local=("OTH", "TOK")), settings) == settings.local[2]
    assert mornings.author_of(replace(DESK, local=("TOK",)), settings) == bex
    assert mornings.author_of(DESK, at_home(tok)) is None


def row(*, kind: str = "silent", partner: str | None = None, half: int | None = None) -> AttentionRecord:
    at = utc("2026-11-17T00:00")
    return AttentionRecord(
        id=AttentionId(1), key="k", kind=kind, reason="r", partner=partner,
        half_id=None if half is None else HalfId(half), message_id=None,
        since=at, raised_at=at, seen_at=at, cleared_at=None, cleared_by=None, audit_id=None, gone_at=None,
    )  # fmt: skip


@pytest.mark.parametrize("kind", NoticeKind)
def test_everybody_is_told_of_everything(kind: NoticeKind) -> None:
    assert mornings.concerns(DESK, row(kind=kind.value), None)


@pytest.mark.parametrize(
    ("mail", "what", "local", "told"),
    [
        (replace(DESK, kinds=frozenset({NoticeKind.SILENT})), row(kind="silent"), None, True),
        (replace(DESK, kinds=frozenset({NoticeKind.SILENT})), row(kind="unsent"), None, False),
        (replace(DESK, local=("BEX",)), row(half=1), "BEX", True),
        (replace(DESK, local=("BEX",)), row(half=1), "TOK", False),
        # What is about no request concerns every library.
        (replace(DESK, local=("BEX",)), row(), None, True),
        (replace(DESK, partners=("SFU",)), row(partner="SFU"), None, True),
        (replace(DESK, partners=("SFU",)), row(partner="UBC"), None, False),
        (replace(DESK, partners=("SFU",)), row(), None, False),
        (replace(DESK, partners=("SFU",), local=("BEX",)), row(partner="SFU", half=1), "TOK", False),
    ],
)
def test_who_is_told_of_what(
    mail: DailyMail, what: AttentionRecord, local: str | None, *, told: bool
) -> None:
    assert mornings.concerns(mail, what, local) is told
