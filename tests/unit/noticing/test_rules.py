"""The rules: what is noticed of which facts, and from which moment on."""

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest

from config.settings import ApduName, Capabilities, NoticeKind, Noticing, Settings
from iso_gateway.noticing import asking, rules
from iso_gateway.noticing.facts import (
    Awaited,
    Facts,
    LateShipped,
    PartnerFacts,
    Raised,
    Stuck,
    Supply,
    Unreadable,
    Whereabouts,
)
from iso_gateway.noticing.gathering import comparable
from iso_gateway.noticing.rules import Notice
from iso_gateway.noticing.working_days import WorkingDays
from iso_gateway.store.records import BreakerState, HalfId, MessageId, OutboxId
from tests.support.gateway import settings_in, with_partner

ZONE: Final = ZoneInfo("Etc/GMT+8")
DAYS: Final = WorkingDays("CA-BC")
SETTINGS: Final = settings_in(Path("/nowhere"))


def at(day: int, hour: int = 9, minute: int = 0) -> dt.datetime:
    """A moment of November 2026, where BEX is; the 9th is a Monday, the 11th a holiday."""
    return dt.datetime(2026, 11, day, hour, minute, tzinfo=ZONE)


def noticed(facts: Facts, now: dt.datetime, settings: Settings = SETTINGS) -> list[Notice]:
    return list(rules.notices(facts, now, settings, DAYS))


def kinds(facts: Facts, now: dt.datetime, settings: Settings = SETTINGS) -> list[NoticeKind]:
    return [one.kind for one in noticed(facts, now, settings)]


def awaited(**fields: Any) -> Awaited:
    told: dict[str, Any] = {"half_id": HalfId(1), "partner": "SFU", "asked_at": at(9), "zone": ZONE}
    return Awaited(**(told | fields))


class TestAnswers:
    """Asked on Monday the 9th, seven days: to answer by the 16th, and warned of from the 12th on."""

    FACTS: Final = Facts(awaited=(awaited(),))

    @pytest.mark.parametrize(
        ("now", "expected"),
        [
            (at(11, 23, 59), []),
            (at(12, 0), [NoticeKind.ANSWER_DUE]),
            (at(16, 23, 59), [NoticeKind.ANSWER_DUE]),
            (at(17, 0), [NoticeKind.NO_ANSWER]),
        ],
    )
    def test_from_when_to_when(self, now: dt.datetime, expected: list[NoticeKind]) -> None:
        assert kinds(self.FACTS, now) == expected

    def test_a_short_time_to_answer_is_not_warned_of_on_the_day_of_asking(self) -> None:
        sfu = SETTINGS.partner("SFU")
        assert sfu is not None
        settings = with_partner(SETTINGS, replace(sfu, days_to_respond=1))
        assert kinds(self.FACTS, at(9, 23), settings) == []
        assert kinds(self.FACTS, at(10, 0), settings) == [NoticeKind.ANSWER_DUE]

    def test_asked_again_is_another_notice(self) -> None:
        first = noticed(self.FACTS, at(13))
        again = noticed(Facts(awaited=(awaited(asked_at=at(9, 10)),)), at(13))
        assert first[0].key != again[0].key

    def test_a_partner_that_is_not_configured_any_more_is_not_waited_for(self) -> None:
        assert kinds(Facts(awaited=(awaited(partner="GONE"),)), at(30)) == []

    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({}, "it has not been asked by Status-Query"),
            ({"queried_at": at(12)}, "asked by Status-Query on 2026-11-12, no report yet"),
            ({"reported": "its status report says Shipped"}, "its status report says Shipped"),
        ],
    )
    def test_what_is_known_otherwise(self, fields: dict[str, Any], said: str) -> None:
        [notice] = noticed(Facts(awaited=(awaited(**fields),)), at(13))
        assert notice.reason == f"SFU has not answered request 1 and is to by 2026-11-16; {said}"

    @pytest.mark.parametrize(
        "capabilities",
        [
            Capabilities(accepts=frozenset(ApduName) - {ApduName.STATUS_QUERY}),
            Capabilities(sends=frozenset(ApduName) - {ApduName.STATUS_OR_ERROR_REPORT}),
        ],
    )
    def test_a_partner_that_cannot_be_asked(self, capabilities: Capabilities) -> None:
        sfu = SETTINGS.partner("SFU")
        assert sfu is not None
        settings = with_partner(SETTINGS, replace(sfu, capabilities=capabilities))
        [notice] = noticed(self.FACTS, at(13), settings)
        assert notice.reason.endswith(
            "its profile lists no Status-Query, so only its staff can say how it stands"
        )
        facts = replace(self.FACTS, partners=(PartnerFacts(name="SFU"),))
        assert asking.due(facts, at(13), settings, DAYS) == ()


class TestAsking:
    OPEN: Final = PartnerFacts(name="SFU")

    def due(self, now: dt.datetime, facts_of: PartnerFacts = OPEN, **fields: Any) -> bool:
        facts = Facts(awaited=(awaited(**fields),), partners=(facts_of,))
        return bool(asking.due(facts, now, SETTINGS, DAYS))

    @pytest.mark.parametrize(
        ("now", "expected"),
        [
            (at(11), False),
            (at(12), True),
            (at(14), False),  # a Saturday
            (at(16), True),
            (at(30), True),
            (at(30) + dt.timedelta(days=1), False),
        ],
    )
    def test_from_the_warning_on_on_working_days(self, now: dt.datetime, expected: bool) -> None:  # noqa: FBT001
        assert self.due(now) is expected

    def test_once_a_day(self) -> None:
        assert not self.due(at(13, 17), queried_at=at(13, 9))
        assert self.due(at(13, 9), queried_at=at(12, 23, 59))

    def test_not_whom_nothing_reaches(self) -> None:
        assert not self.due(at(13), replace(self.OPEN, breaker=BreakerState.OPEN))
        assert not self.due(at(13), replace(self.OPEN, suspended_at=at(9)))

    def test_nobody_where_that_is_not_wanted(self) -> None:
        settings = replace(SETTINGS, noticing=Noticing(status_queries=False))
        facts = Facts(awaited=(awaited(),), partners=(self.OPEN,))
        assert asking.due(facts, at(13), settings, DAYS) == ()

    def test_not_a_partner_that_is_not_configured(self) -> None:
        assert not self.due(at(13), PartnerFacts(name="GONE"), partner="GONE")


class TestPartners:
    def test_silence_is_counted_in_working_days_from_when_an_answer_was_owed(self) -> None:
        facts = Facts(
            awaited=(awaited(half_id=HalfId(2), asked_at=at(10)), awaited()),
            partners=(PartnerFacts(name="SFU"),),
        )
        # The 10th, the 12th and the 13th.
        assert NoticeKind.SILENT not in kinds(facts, at(13, 23, 59))
        [silent] = [one for one in noticed(facts, at(14, 0)) if one.kind is NoticeKind.SILENT]
        assert silent.since == at(9)
        assert "2 requests wait for its answer" in silent.reason

    def test_a_word_of_it_ends_the_silence_and_begins_another(self) -> None:
        heard = Facts(awaited=(awaited(),), partners=(PartnerFacts(name="SFU", last_heard=at(12)),))
        assert NoticeKind.SILENT not in kinds(heard, at(14))
        assert NoticeKind.SILENT in kinds(heard, at(18))

    def test_who_owes_nothing_may_be_silent(self) -> None:
        facts = Facts(awaited=(awaited(),), partners=(PartnerFacts(name="UBC", last_heard=at(1)),))
        assert NoticeKind.SILENT not in kinds(facts, at(30))

    def test_something_unsent(self) -> None:
        facts = Facts(partners=(PartnerFacts(name="SFU", waiting=2, oldest=at(9)),))
        assert kinds(facts, at(9) + dt.timedelta(hours=4, seconds=-1)) == []
        [unsent] = noticed(facts, at(9) + dt.timedelta(hours=4))
        assert unsent.kind is NoticeKind.UNSENT
        assert unsent.reason.startswith("2 messages wait for SFU, the oldest since 2026-11-09T09:00-08:00")

    def test_a_partner_that_takes_nothing_is_said_once_and_not_for_each_message(self) -> None:
        partner = PartnerFacts(
            name="SFU",
            waiting=1,
            oldest=at(9),
            breaker=BreakerState.HALF_OPEN,
            failing_since=at(10),
            last_error="connection refused",
        )
        facts = Facts(awaited=(awaited(),), partners=(partner,))
        assert kinds(facts, at(10, 9, 29)) == []
        [notice] = noticed(replace(facts, awaited=()), at(30))
        assert notice.kind is NoticeKind.UNREACHABLE
        assert notice.reason == "SFU takes nothing, and 1 message waits for it; last: connection refused"
        # It cannot have answered what it did not get.
        assert NoticeKind.SILENT not in kinds(facts, at(30))

    def test_a_suspended_partner_only_if_something_waits(self) -> None:
        partner = PartnerFacts(name="SFU", suspended_at=at(9), suspended_by="anna", breaker=BreakerState.OPEN)
        assert kinds(Facts(partners=(partner,)), at(30)) == []
        [notice] = noticed(Facts(partners=(replace(partner, waiting=3, oldest=at(9)),)), at(9))
        assert notice.kind is NoticeKind.SUSPENDED
        assert notice.reason == (
            "SFU is suspended by anna, and 3 messages wait for it: partners resume SFU sends them"
        )

    def test_a_partner_whose_file_is_gone_goes_by_the_general_policy(self) -> None:
        facts = Facts(partners=(PartnerFacts(name="GONE", waiting=1, oldest=at(9)),))
        assert kinds(facts, at(10)) == [NoticeKind.UNSENT]


class TestMessages:
    def stuck(self, **fields: Any) -> Notice:
        told: dict[str, Any] = {
            "outbox_id": OutboxId(7),
            "message_id": MessageId(5),
            "partner": "SFU",
            "half_id": HalfId(1),
            "at": at(9),
            "held": False,
        }
        [notice] = noticed(Facts(stuck=(Stuck(**(told | fields)),)), at(9))
        return notice

    def test_not_delivered(self) -> None:
        notice = self.stuck()
        assert (notice.kind, notice.key) == (NoticeKind.NOT_DELIVERED, "not-delivered:7")
        assert notice.reason == (
            "message 5 to SFU about request 1 was not delivered: messages show 5 says why; put that right,"
            " then replay 5 sends it again, or reach its staff another way"
        )

    def test_held_back(self) -> None:
        notice = self.stuck(held=True, half_id=None)
        assert (notice.kind, notice.key) == (NoticeKind.HELD_BACK, "held-back:7")
        assert "message 5 to SFU may have arrived or not" in notice.reason
        assert "waiting release 7" in notice.reason

    def test_a_mail_has_no_number(self) -> None:
        assert self.stuck(message_id=None).reason == (
            "the mail with a link to SFU about request 1 was not delivered: documents list says why; put that"
            " right, then documents add sends the link again, or reach its staff another way"
        )

    def test_what_cannot_be_read_is_said_once_a_day_and_source(self) -> None:
        def one(number: int, source: str, when: dt.datetime) -> Unreadable:
            return Unreadable(message_id=MessageId(number), source=source, partner=None, at=when)

        facts = Facts(
            unreadable=(
                one(1, "203.0.113.9", at(9, 0)),
                one(2, "203.0.113.9", at(9, 23)),
                one(3, "203.0.113.10", at(9, 23)),
                one(4, "203.0.113.9", at(10, 0)),
            )
        )
        assert [
            (notice.message_id, notice.reason.split(" from")[0]) for notice in noticed(facts, at(10))
        ] == [
            (1, "2 messages"),
            (3, "1 message"),
            (4, "1 message"),
        ]

    def test_what_was_raised_before_unless_it_is_said_better(self) -> None:
        def raised(sequence: int, half: int, message: int | None) -> Raised:
            return Raised(
                sequence=sequence,
                half_id=HalfId(half),
                partner="SFU",
                message_id=None if message is None else MessageId(message),
                reason="the item is overdue",
                at=at(9),
            )

        late = LateShipped(message_id=MessageId(8), half_id=HalfId(3), partner="SFU", at=at(9))
        facts = Facts(
            awaited=(awaited(),),
            late=(late,),
            raised=(raised(10, 1, None), raised(11, 1, 4), raised(12, 2, None), raised(13, 3, 8)),
        )
        assert [(one.key, one.reason) for one in noticed(facts, at(9))] == [
            (
                "late-shipped:8",
                "SFU has shipped an item for request 3, which is over: tell its staff, and expect the parcel",
            ),
            ("request:11", "request 1 with SFU: the item is overdue"),
            ("request:12", "request 2 with SFU: the item is overdue"),
        ]


def supply(half: int, partner: str, **fields: Any) -> Supply:
    told: dict[str, Any] = {
        "half_id": HalfId(half),
        "local": "BEX",
        "partner": partner,
        "since": at(9 + half),
        "whereabouts": Whereabouts.ON_ITS_WAY,
        "reference": None,
        "title": "thepenelopiad",
    }
    return Supply(**(told | fields))


class TestDoubleSupply:
    def test_two_lenders(self) -> None:
        [notice] = noticed(Facts(supplies=(supply(2, "UBC"), supply(1, "SFU"))), at(12))
        assert notice.kind is NoticeKind.DOUBLE_SUPPLY
        assert (notice.half_id, notice.partner, notice.since, notice.inferred) == (2, "UBC", at(11), True)
        assert notice.reason == (
            "one item is supplied by SFU (request 1) and UBC (request 2), to go by title and author:"
            " tell one of them, or send one back"
        )

    @pytest.mark.parametrize(
        ("one", "other", "same"),
        [
            ({"reference": "R1"}, {"reference": "R1", "title": "other"}, True),
            ({"reference": "R1"}, {"reference": "R2"}, False),
            ({"reference": "R1"}, {}, True),
            ({"title": None}, {"title": None}, False),
            ({}, {"title": "other"}, False),
            ({}, {"local": "OTHER"}, False),
            ({}, {"whereabouts": Whereabouts.UNEXPECTED}, True),
            ({"whereabouts": Whereabouts.HERE}, {}, True),
            ({"whereabouts": Whereabouts.HERE}, {"whereabouts": Whereabouts.HERE}, False),
        ],
    )
    def test_what_counts_as_one_item(self, one: dict[str, Any], other: dict[str, Any], same: bool) -> None:  # noqa: FBT001
        facts = Facts(supplies=(supply(1, "SFU", **one), supply(2, "UBC", **other)))
        assert bool(noticed(facts, at(12))) is same

    def test_our_own_number_is_named_where_it_told(self) -> None:
        facts = Facts(supplies=(supply(1, "SFU", reference="R1"), supply(2, "UBC", reference="R1")))
        assert "to go by our own number" in noticed(facts, at(12))[0].reason

    def test_three_are_one_notice_and_another_pair_is_another(self) -> None:
        facts = Facts(
            supplies=(
                supply(1, "SFU"),
                supply(2, "UBC"),
                supply(3, "YAZ"),
                supply(4, "SFU", title="other"),
                supply(5, "UBC", title="other"),
            )
        )
        assert [one.key for one in noticed(facts, at(20))] == ["double-supply:1", "double-supply:4"]

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (("The Penelopiad", None, "Atwood, Margaret"), ("the penelopiad.", None, "ATWOOD MARGARET")),
            (("L'Étranger", None, None), ("L\u2019Etranger", None, None)),
            ((None, "On Growth", "D'Arcy"), (None, "On growth", "DArcy")),
        ],
    )
    def test_titles_are_compared_in_letters_and_digits(
        self, one: tuple[str | None, ...], other: tuple[str | None, ...]
    ) -> None:
        assert comparable(*one) == comparable(*other)

    def test_without_a_title_there_is_nothing_to_compare(self) -> None:
        assert comparable(None, None, "Atwood, Margaret") is None
        assert comparable("...", None, "Atwood, Margaret") is None
