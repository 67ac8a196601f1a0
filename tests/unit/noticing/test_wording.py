"""What the daily mail says of each kind of thing."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from config.settings import Language, NoticeKind
from iso_gateway.noticing import wording
from tests.support.gateway import MORNING

EN, FR = Language.ENGLISH, Language.FRENCH


@pytest.mark.parametrize("language", Language)
def test_there_are_words_for_every_kind_and_no_two_are_alike(language: Language) -> None:
    words = wording.WORDS[language]
    assert set(words) == set(NoticeKind)
    assert (
        len({one.title for one in words.values()})
        == len({one.advice for one in words.values()})
        == len(NoticeKind)
    )
    assert not {one.title for one in words.values()} & {
        one.title
        for other, others in wording.WORDS.items()
        if other is not language
        for one in others.values()
    }


@pytest.mark.parametrize(
    ("minutes", "english", "french"),
    [
        (-5, "0 minutes", "0 minute"),
        (1, "1 minute", "1 minute"),
        (59.9, "59 minutes", "59 minutes"),
        (60, "1 hour", "1 heure"),
        (47 * 60 + 59, "47 hours", "47 heures"),
        (48 * 60, "2 days", "2 jours"),
        (9 * 24 * 60, "9 days", "9 jours"),
    ],
)
def test_how_long_ago(minutes: float, english: str, french: str) -> None:
    since = MORNING - dt.timedelta(minutes=minutes)
    assert wording.age(since, MORNING, EN) == english
    assert wording.age(since, MORNING, FR) == french


def test_moments_and_what_it_is_about() -> None:
    here = ZoneInfo("Etc/GMT+8")
    assert wording.moment(MORNING, here, EN) == "November 16, 2026, 10:00"
    assert wording.moment(MORNING, here, FR) == "16 novembre 2026, 10:00"
    assert wording.about("SFU", 7, EN) == "SFU, request 7"
    assert wording.about("SFU", None, EN) == "SFU"
    assert wording.about(None, 7, FR) == "demande 7"
    assert wording.about(None, None, FR) == ""
