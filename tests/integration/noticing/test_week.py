"""A week of a consortium, with Remembrance Day in it: what is put before the people of one library, and when.

Six partners, forty requests. SFU says nothing all week and takes no Status-Query. A SHIPPED of TRU is lost
on its way. KPU and RRU ship one item both. Everything else goes as it should, and nobody hears of it.
"""

import datetime as dt
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from asn1.ill import TransactionResults
from config.settings import ApduName, Capabilities, DailyMail, Language, NoticeKind
from iso_gateway.noticing import wording
from iso_gateway.request import primitives
from iso_gateway.request.new_request import Item, NewRequest
from iso_gateway.store.records import AttentionRecord, HalfId
from tests.support.libraries import ZONE, Libraries, as_partner
from tests.support.noticing import Lookout, telling

HERE: Final = ZoneInfo(ZONE)
MONDAY: Final = dt.date(2026, 11, 9)
DUE: Final = dt.date(2026, 12, 24)
PARTNERS: Final = ("KPU", "RRU", "SFU", "TRU", "UBC", "UVIC")
#: When somebody looks, and things are done: hours of the day.
HOURS: Final = (0, 9, 12, 17)
ALL: Final = frozenset(ApduName)

#: What is asked for, day by day, and of whom: forty requests, numbered from 1 in this order.
ASKED: Final = {
    0: ("KPU", "RRU", "SFU", "TRU", "UBC", "UVIC", "KPU", "UBC", "SFU", "UVIC", "TRU", "RRU"),
    1: ("KPU", "RRU", "SFU", "TRU", "UBC", "UVIC", "KPU", "UBC", "UVIC", "TRU"),
    3: ("KPU", "RRU", "SFU", "TRU", "UBC", "UVIC", "KPU", "UBC", "UVIC", "TRU"),
    4: ("KPU", "RRU", "UBC", "UVIC", "KPU", "UBC", "UVIC", "TRU"),
}
#: Request 4 is TRU's whose SHIPPED is lost; 7 and 12 are for one item.
LOST: Final = 4
TWICE: Final = (7, 12)


#: Who is told on working mornings: of everything; of SFU alone; of one kind, or that all is well.
TOLD: Final = (
    DailyMail(to="desk@bex.example"),
    DailyMail(to="anna@bex.example", partners=("SFU",), kinds=frozenset({NoticeKind.NO_ANSWER})),
    DailyMail(to="head@bex.example", kinds=frozenset({NoticeKind.DOUBLE_SUPPLY}), always=True),
)


def day(number: int) -> dt.date:
    """A day of the week: 0 is its Monday."""
    return MONDAY + dt.timedelta(days=number)


def book(number: int) -> NewRequest:
    """What request `number` is for."""
    if number in TWICE:
        # Two members of staff, who do not spell alike.
        title = "Les Belles-sœurs" if number == TWICE[0] else "LES BELLES SŒURS"
        return NewRequest(item=Item(title=title, author="Tremblay, Michel"))
    return NewRequest(item=Item(title=f"The Book of Number {number}", author="Nobody"))


class Week:
    """The libraries through the week, BEX's lookout among them."""

    def __init__(self, libraries: Libraries) -> None:
        self.libraries = libraries
        self.lookout = Lookout(libraries.desks["BEX"].site)
        self.others = [Lookout(libraries.desks[name].site) for name in PARTNERS]
        #: by the number of the request: whom it was asked of, and the number that they have for it
        self.asked: dict[int, tuple[str, HalfId]] = {}
        self.halves = dict.fromkeys(PARTNERS, 0)
        #: what was said of each at the end of Thursday
        self.said: dict[tuple[str, int | None], str] = {}
        #: the daily mails of each day, by recipient
        self.mails: dict[int, dict[str, Mapping[str, object]]] = {}

    def live(self, days: int) -> None:
        """Let so many days pass."""
        for number in range(days):
            for hour in HOURS:
                moment = dt.datetime.combine(day(number), dt.time(hour), tzinfo=HERE)
                self.libraries.clock.now = moment.astimezone(dt.UTC)
                for desk in self.libraries.desks.values():
                    desk.tick()
                if hour == 9:
                    self.morning(number)
                self.libraries.carry()
                self.lookout.look()
                self.libraries.carry()
                written = self.lookout.tell(telling(self.lookout.site.settings, *TOLD))
                self.mails.setdefault(number, {}).update({str(one["recipient"]): one for one in written})
            for other in self.others:
                other.look()
            if number == 3:
                self.said = {(row.kind, row.half_id): row.reason for row in self.lookout.standing()}

    def morning(self, number: int) -> None:
        """What staff do in the morning, on days on which they work."""
        if day(number) == dt.date(2026, 11, 11) or number > 4:
            return
        for half in [half for half, (_, theirs) in self.asked.items() if theirs]:
            self.go_on_with(half, number)
        for partner in ASKED.get(number, ()):
            half = int(self.libraries.request("BEX", partner, book(len(self.asked) + 1)))
            self.halves[partner] += 1
            self.asked[half] = (partner, HalfId(self.halves[partner]))

    def go_on_with(self, half: int, number: int) -> None:
        """The next step of a request: shipped or refused on the day after, and received on the next."""
        partner, theirs = self.asked[half]
        state = self.libraries.desks["BEX"].half(half).state
        desk = self.libraries.desks[partner]
        if state == "SHIPPED" and not (half in TWICE and number < 3):
            self.libraries.act("BEX", primitives.Receive(), half=half)
        if state != "PENDING" or partner == "SFU":
            return
        if half == LOST:
            if desk.half(theirs).state == "IN-PROCESS":
                self.libraries.act(partner, primitives.Ship(date_due=DUE), half=theirs, carried=False)
                [lost] = self.libraries.take(partner)
                assert lost.apdu.asn1_name == "Shipped"
            elif number == 4:
                # On Friday BEX's staff have TRU's repeat it.
                desk.repeat(theirs)
                self.libraries.carry()
        elif half % 5 == 0:
            no = primitives.Answer(result=TransactionResults.unfilled, reason="in-use-on-loan")
            self.libraries.act(partner, no, half=theirs)
        else:
            self.libraries.act(partner, primitives.Ship(date_due=DUE), half=theirs)


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Week]:
    """The week, lived once: it takes a while."""
    sfu = replace(
        as_partner("SFU"),
        days_to_respond=4,
        capabilities=Capabilities(accepts=ALL - {ApduName.STATUS_QUERY}),
    )
    with Libraries.open(tmp_path_factory.mktemp("week"), "BEX", *PARTNERS, SFU=sfu) as libraries:
        week = Week(libraries)
        week.live(8)
        yield week


def local_day(moment: dt.datetime) -> dt.date:
    return moment.astimezone(HERE).date()


def found(rows: Iterable[AttentionRecord], at: Callable[[AttentionRecord], dt.datetime | None]) -> object:
    """By kind and request, the day of a moment of each row that has it."""
    return {(row.kind, row.half_id): local_day(moment) for row in rows if (moment := at(row)) is not None}


@pytest.mark.slow
def test_each_notice_comes_on_its_day_and_no_other_does(week: Week) -> None:
    assert len(week.asked) == 40
    rows = week.lookout.rows()
    assert found(rows, lambda row: row.raised_at) == {
        # Asked on Monday, to answer by Friday: two working days before that, Wednesday being none.
        ("answer-due", 3): day(1),
        ("answer-due", 9): day(1),
        # Asked on Tuesday, to answer by Saturday.
        ("answer-due", 15): day(3),
        # Asked on Thursday, to answer by Monday: not on the day of asking.
        ("answer-due", 25): day(4),
        ("no-answer", 3): day(5),
        ("no-answer", 9): day(5),
        ("no-answer", 15): day(6),
        # Tuesday, Thursday and Friday without a word.
        ("silent", None): day(5),
        # Seven days from Monday; two working days before that is Thursday.
        ("answer-due", LOST): day(3),
        # Shipped by both on Tuesday.
        ("double-supply", TWICE[1]): day(1),
    }
    assert len(rows) == 10
    assert found(rows, lambda row: row.cleared_at) == {
        ("answer-due", 3): day(5),
        ("answer-due", 9): day(5),
        ("answer-due", 15): day(6),
        # The repeated SHIPPED came.
        ("answer-due", LOST): day(4),
        # Both are here.
        ("double-supply", TWICE[1]): day(3),
    }
    assert all(row.cleared_by is None for row in rows)


@pytest.mark.slow
def test_nobody_else_is_told_of_anything(week: Week) -> None:
    assert [other.rows() for other in week.others] == [()] * len(PARTNERS)


@pytest.mark.slow
def test_what_is_said_is_what_is_known(week: Week) -> None:
    assert week.said["answer-due", 3] == (
        "SFU has not answered request 3 and is to by 2026-11-13;"
        " its profile lists no Status-Query, so only its staff can say how it stands"
    )
    assert week.said["answer-due", LOST] == (
        "TRU has not answered request 4 and is to by 2026-11-16; its status report says Shipped"
    )
    queries = [one for one in week.libraries.log if one.endswith("Status-Query")]
    # On Thursday, and on Friday before its staff had repeated it.
    assert set(queries) == {"BEX->TRU Status-Query"}
    events = [one.kind for one in week.libraries.desks["BEX"].events()]
    assert (events.count("attention.raised"), events.count("attention.cleared")) == (10, 5)


def told(mail: Mapping[str, object]) -> tuple[set[str], set[str]]:
    """What a mail tells of, each as `kind request`: what is new, and what was told before."""
    title = re.compile(r"^\[\d+\] (.*?)(?:: .*?(?:request (\d+))?)?$", re.MULTILINE)
    kinds = {words.title: kind for kind, words in wording.WORDS[Language.ENGLISH].items()}
    new, _, standing = str(mail["text"]).partition("STILL STANDING")
    first, second = (
        {f"{kinds[one[1]].value} {one[2] or ''}".strip() for one in title.finditer(part)}
        for part in (new, standing)
    )
    return first, second


@pytest.mark.slow
def test_the_mail_of_each_working_morning_says_what_is_new_and_what_still_stands(week: Week) -> None:
    mails = {
        number: told(written["desk@bex.example"])
        for number, written in week.mails.items()
        if "desk@bex.example" in written
    }
    assert mails == {
        # On Monday there is nothing to tell.
        1: ({"answer-due 3", "answer-due 9", f"double-supply {TWICE[1]}"}, set()),
        # Remembrance Day. On Thursday both items are here.
        3: ({"answer-due 15", f"answer-due {LOST}"}, {"answer-due 3", "answer-due 9"}),
        4: ({"answer-due 25"}, {"answer-due 3", "answer-due 9", "answer-due 15"}),
        # After the weekend.
        7: ({"no-answer 3", "no-answer 9", "no-answer 15", "silent"}, {"answer-due 25"}),
    }


@pytest.mark.slow
def test_each_is_mailed_what_is_theirs_on_no_other_day(week: Week) -> None:
    days = {
        to: [number for number, written in week.mails.items() if to in written]
        for to in ("anna@bex.example", "head@bex.example")
    }
    assert days == {"anna@bex.example": [7], "head@bex.example": [0, 1, 3, 4, 7]}
    assert told(week.mails[7]["anna@bex.example"]) == ({"no-answer 3", "no-answer 9", "no-answer 15"}, set())
    subjects = [str(week.mails[number]["head@bex.example"]["subject"]) for number in (0, 1, 3)]
    assert subjects == [
        "Nothing wants a person: BEX",
        "1 thing wants a person, new: BEX",
        "Nothing wants a person: BEX",
    ]
    assert all("The Book of Number" not in repr(written) for written in week.mails.values())
