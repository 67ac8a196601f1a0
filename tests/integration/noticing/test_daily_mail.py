"""The daily mail over a real store: who is told what, exactly once a day, and what becomes of the mail."""

import asyncio
import datetime as dt
import email
import email.policy
import re
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from threading import Barrier
from typing import Any, Final

import pytest
import structlog
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from adapters.letter_composer import Letter, compose_letter
from config.settings import DailyMail, Language, LocalSymbol, NoticeKind, Noticing, Settings
from config.symbols import Symbol
from iso_gateway.errors import NotFoundError, StoreError, TemplateUnusableError
from iso_gateway.failure import Failure
from iso_gateway.noticing import keeping, reporting
from iso_gateway.noticing.noticer import NOTICING_FAILED, Noticer
from iso_gateway.noticing.working_days import WorkingDays
from iso_gateway.outbox import operating
from iso_gateway.outbox.dispatcher import Dispatcher
from iso_gateway.outbox.operating import Operation, Selection
from iso_gateway.reception.returns import MailFate, MailNotice
from iso_gateway.replay.verifying import Part, verify
from iso_gateway.request.new_request import Item, NewRequest
from iso_gateway.running.attendance import Attendance
from iso_gateway.services import Arrival
from iso_gateway.store import backup
from iso_gateway.store.engine import open_sqlite_file
from iso_gateway.store.keyring import KeyRing
from iso_gateway.store.mails import Mails
from iso_gateway.store.records import (
    AttentionId,
    DailyMailRecord,
    GatewayId,
    HalfId,
    OutboxKind,
    OutboxRecord,
    OutboxStatus,
    Transport,
)
from iso_gateway.store.unit_of_work import Store, UnitOfWork
from iso_gateway.store.writer import Writer
from tests.integration.adapters.mails import HOST, MailServer
from tests.support.dispatching import PATIENCE, LogLines, Wire, dispatching
from tests.support.gateway import ELSEWHERE, Clock, Desk, settings_in
from tests.support.noticing import Lookout, telling

DESK: Final = DailyMail(to="desk@bex.example")
#: Tuesday, at the hour of the mail where BEX is; and when a day is over there.
HOUR: Final = dt.datetime(2026, 11, 17, 15, 30, tzinfo=dt.UTC)
DAY: Final = dt.date(2026, 11, 17)
DAYS: Final = WorkingDays("CA-BC")


@pytest.fixture
def desk(settings: Settings) -> Iterator[Desk]:
    """A gateway on SQLite that tells one recipient, a second before the hour."""
    with Desk.open(telling(settings, DESK), Clock(now=HOUR - dt.timedelta(seconds=1))) as desk:
        yield desk


def told(desk: Desk, *mails: DailyMail, **changes: Any) -> Settings:
    """The settings of a desk, with other recipients."""
    changed = telling(desk.site.settings, *mails)
    return replace(changed, noticing=replace(changed.noticing, **changes))


def write(desk: Desk, settings: Settings | None = None) -> int:
    """Write what is due."""
    with desk.site.store.unit_of_work() as uow:
        return reporting.write(uow, settings or desk.site.settings, desk.clock.now, DAYS)


def mails(desk: Desk) -> list[tuple[OutboxRecord, dict[str, object]]]:
    """The mails in the outbox, oldest first, with what they say."""
    with desk.reading() as uow:
        return [
            (row, uow.mails.said(row.id))
            for row in uow.outbox.list(limit=1000, finished=True)
            if row.kind is OutboxKind.MAIL
        ]


def texts(desk: Desk) -> list[str]:
    return [str(said["text"]) for _, said in mails(desk)]


def records(desk: Desk) -> tuple[DailyMailRecord, ...]:
    """What was decided, oldest first."""
    with desk.reading() as uow:
        return tuple(reversed(uow.daily_mails.list()))


def put_up(
    uow: UnitOfWork,
    at: dt.datetime,
    *,
    key: str,
    kind: NoticeKind = NoticeKind.SILENT,
    reason: str = "nothing has come from SFU",
    partner: str | None = "SFU",
    half: int | None = None,
) -> AttentionId:
    """Put something before a person."""
    half_id = None if half is None else HalfId(half)
    return uow.attention.raise_(
        key=key, kind=kind.value, reason=reason, since=at, at=at, partner=partner, half_id=half_id
    )


def stands(desk: Desk, key: str, **what: Any) -> AttentionId:
    with desk.site.store.unit_of_work() as uow:
        return put_up(uow, desk.clock.now, key=key, **what)


class TestOnceADay:
    def test_not_before_its_hour_and_then_once(self, desk: Desk) -> None:
        stands(desk, "a")
        assert write(desk) == 0
        desk.clock.now = HOUR
        assert write(desk) == 1
        assert write(desk) == 0
        desk.clock.advance(hours=16)
        assert write(desk) == 0
        [record] = records(desk)
        assert (record.recipient, record.day, record.entries, record.newest) == (
            "desk@bex.example",
            DAY,
            1,
            1,
        )
        assert record.mail is not None
        assert (record.mail.kind, record.mail.lane, record.mail.partner, record.mail.status) == (
            OutboxKind.MAIL,
            "daily-mail 1",
            "desk@bex.example",
            OutboxStatus.WAITING,
        )
        # It is given up when the next one takes its place.
        assert record.mail.expires_at == HOUR + dt.timedelta(days=1)
        [(_, said)] = mails(desk)
        assert {name: said[name] for name in ("author", "recipient", "reply_to", "subject")} == {
            "author": "ill@bex.example",
            "recipient": "desk@bex.example",
            "reply_to": "desk@bex.example",
            "subject": "1 thing wants a person, new: BEX",
        }

    def test_a_gateway_that_starts_anew_does_not_tell_twice(self, desk: Desk) -> None:
        stands(desk, "a")
        desk.clock.now = HOUR
        assert write(desk) == 1
        with desk.under(desk.site.settings) as again:
            assert write(again) == 0
        # Nor under another spelling, nor at another hour of the day.
        assert write(desk, told(desk, replace(DESK, to="Desk@BEX.example", at=dt.time(7, 45)))) == 0

    def test_one_that_did_not_run_is_late_the_same_day_and_makes_up_for_no_other(self, desk: Desk) -> None:
        stands(desk, "a")
        desk.clock.now = HOUR + dt.timedelta(hours=16, minutes=29)
        assert write(desk) == 1
        # Wednesday is over when it runs again: it is Thursday's morning, before the hour.
        desk.clock.now = HOUR + dt.timedelta(days=1, hours=17)
        assert write(desk) == 0
        desk.clock.now = HOUR + dt.timedelta(days=2)
        assert write(desk) == 1
        assert [one.day.day for one in records(desk)] == [17, 19]

    def test_a_clock_that_is_set_back_tells_nobody_twice(self, desk: Desk) -> None:
        stands(desk, "a")
        desk.clock.now = HOUR + dt.timedelta(days=1)
        assert write(desk) == 1
        desk.clock.now = HOUR
        assert write(desk) == 1
        for hours in (-2, 0, 1, 24):
            desk.clock.now = HOUR + dt.timedelta(hours=hours)
            assert write(desk) == 0
        assert [one.day.day for one in records(desk)] == [18, 17]

    def test_on_no_holiday_and_no_weekend(self, desk: Desk) -> None:
        stands(desk, "a")
        for number in range(30):
            desk.clock.now = HOUR.replace(day=1) + dt.timedelta(days=number)
            write(desk)
        assert [one.day.day for one in records(desk)] == [
            2, 3, 4, 5, 6, 9, 10, 12, 13, 16, 17, 18, 19, 20, 23, 24, 25, 26, 27, 30,
        ]  # fmt: skip

    def test_a_crash_between_the_mail_and_its_record_leaves_neither(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stands(desk, "a")
        desk.clock.now = HOUR
        queue = Mails.queue

        class Killed(BaseException):
            pass

        def dying(*arguments: Any) -> None:
            queue(*arguments)
            raise Killed

        monkeypatch.setattr(Mails, "queue", dying)
        with pytest.raises(Killed):
            write(desk)
        assert (mails(desk), records(desk)) == ([], ())
        monkeypatch.undo()
        assert write(desk) == 1
        assert len(mails(desk)) == len(records(desk)) == 1

    def test_the_database_itself_refuses_a_second(self, portable: Settings) -> None:
        with Desk.open(telling(portable, DESK), Clock(now=HOUR)) as desk:
            stands(desk, "a")
            assert write(desk) == 1
            with pytest.raises(StoreError), desk.site.store.unit_of_work() as uow:
                uow.daily_mails.add(
                    recipient="DESK@bex.example", day=DAY, newest=1, entries=0, mail=None, at=HOUR
                )
            [record] = records(desk)
            assert (record.day, record.made_at) == (DAY, HOUR)
            assert record.mail is not None

    @pytest.mark.postgresql
    @pytest.mark.parametrize("portable", ["postgresql"], indirect=True)
    def test_two_gateways_at_once_tell_once(self, portable: Settings) -> None:
        people = [DailyMail(to=f"desk-{number}@bex.example") for number in range(10)]
        settings = telling(portable, *people)
        with ExitStack() as stack:
            desks = [stack.enter_context(Desk.open(settings, Clock(now=HOUR))) for _ in range(2)]
            stands(desks[0], "a")
            writers = [Writer(desk.site.store) for desk in desks]
            for writer in writers:
                stack.callback(writer.close)
            together = Barrier(2)

            def tell(writer: Writer) -> int:
                together.wait(PATIENCE)
                written: int = writer.submit(lambda uow: reporting.write(uow, settings, HOUR, DAYS)).result(
                    PATIENCE
                )
                return written

            with ThreadPoolExecutor(2) as pool:
                written = list(pool.map(tell, writers))
            assert sorted(written) == [0, 10]
            assert len(mails(desks[0])) == 10


class TestWhatIsTold:
    def test_what_is_new_and_what_was_told_before(self, desk: Desk) -> None:
        desk.clock.now = HOUR
        first, second = stands(desk, "a"), stands(desk, "b")
        write(desk)
        desk.clock.advance(days=1)
        third = stands(desk, "c")
        with desk.site.store.unit_of_work() as uow:
            keeping.clear(uow, first, actor="anna", reason="told them", at=desk.clock.now)
        write(desk)
        before, after = texts(desk)
        assert "NEW SINCE THE LAST MAIL (2)" in before
        assert "STILL STANDING" not in before
        new, _, standing = after.partition("STILL STANDING (1)")
        assert (f"[{third}]" in new, f"[{second}]" in standing) == (True, True)
        assert f"[{first}]" not in after
        assert str(mails(desk)[1][1]["subject"]) == "2 things want a person, 1 of them new: BEX"
        desk.clock.advance(days=1)
        write(desk)
        assert "NEW" not in texts(desk)[2]

    def test_what_it_says_of_each(self, desk: Desk) -> None:
        half = desk.request(NewRequest(item=Item(title="The Penelopiad", author="Atwood"))).half_id
        reason = (
            "SFU has not answered request 1 and is to by 2026-11-20; it has not been asked by Status-Query"
        )
        number = stands(desk, "a", kind=NoticeKind.ANSWER_DUE, reason=reason, half=half)
        desk.clock.now = HOUR + dt.timedelta(days=2)
        write(desk)
        [text] = texts(desk)
        assert text.startswith("What wants a person at BEX, as of November 19, 2026, 07:30.\n\nNEW SINCE")
        lines = text.splitlines()
        place = lines.index(f"[{number}] An answer is due soon: SFU, request 1")
        assert lines[place + 1 : place + 8] == [
            "    SFU has not answered request 1 and is to by 2026-11-20; it has not been",
            "    asked by Status-Query",
            "    Since:     November 17, 2026, 07:29 (2 days)",
            "    To do:     Ask the library's staff how it stands. If they have answered,",
            "               have them repeat it.",
            "    Look:      iso-gateway requests show 1",
            f"    Clear it:  iso-gateway attention clear {number}",
        ]
        html = str(mails(desk)[0][1]["html"])
        assert html.startswith("<!DOCTYPE html>\n")
        assert "<code>iso-gateway attention clear 1</code>" in html
        for said in (text, html, repr(records(desk))):
            assert "Penelopiad" not in said
            assert "Atwood" not in said

    def test_in_french(self, desk: Desk) -> None:
        stands(desk, "a")
        desk.clock.now = HOUR
        write(desk, told(desk, replace(DESK, language=Language.FRENCH)))
        [(_, said)] = mails(desk)
        assert said["subject"] == "1 point demande votre attention (nouveau) : BEX"
        text = str(said["text"])
        assert "état du 17 novembre 2026, 07:30." in text
        assert "NOUVEAU DEPUIS LE DERNIER COURRIEL (1)" in text
        assert "[1] Un partenaire ne dit rien : SFU" in text
        assert "jour ouvrable à 07:30, s'il\ny a quelque chose à dire. Son exploitant" in text

    @pytest.mark.parametrize("language", Language)
    def test_every_line_is_readable_at_78_columns(self, desk: Desk, language: Language) -> None:
        for kind in NoticeKind:
            stands(desk, kind.value, kind=kind, reason="word " * 60 + "w" * 200, partner="N" * 20)
        desk.clock.now = HOUR
        write(desk, told(desk, replace(DESK, language=language)))
        [text] = texts(desk)
        assert max(len(line) for line in text.splitlines()) <= 78
        assert len(re.findall(r"^\[\d+\] ", text, re.MULTILINE)) == len(NoticeKind)

    def test_with_much_to_tell_it_says_how_much_more_there_is(self, desk: Desk) -> None:
        desk.clock.now = HOUR
        with desk.site.store.unit_of_work() as uow:
            for number in range(120):
                put_up(uow, HOUR, key=str(number))
        write(desk)
        desk.clock.advance(days=1)
        stands(desk, "new")
        write(desk)
        first, second = texts(desk)
        assert first.count("Clear it") == second.count("Clear it") == reporting.MOST
        assert "... and 20 more: iso-gateway attention list" in first
        # What is new is never left out for what is not.
        assert "[121]" in second
        assert "STILL STANDING (120)" in second
        assert [one.entries for one in records(desk)] == [120, 121]

    def test_nothing_to_tell_is_told_only_to_those_who_want_that(self, desk: Desk) -> None:
        desk.clock.now = HOUR
        calm = DailyMail(to="boss@bex.example", always=True, language=Language.FRENCH)
        with capture_logs() as logs:
            assert (
                write(
                    desk, told(desk, DESK, calm, replace(calm, to="b@bex.example", language=Language.ENGLISH))
                )
                == 2
            )
        assert [line["event"] for line in logs] == [
            reporting.NOTHING_TO_TELL, reporting.WRITTEN, reporting.WRITTEN,
        ]  # fmt: skip
        (_, french), (_, english) = mails(desk)
        assert french["subject"] == "Rien ne demande votre attention : BEX"
        assert english["subject"] == "Nothing wants a person: BEX"
        assert "jour ouvrable à 07:30. Son exploitant" in str(french["text"])
        assert [one.mail is None for one in records(desk)] == [True, False, False]
        # What is raised after that is told tomorrow.
        stands(desk, "a")
        assert write(desk) == 0
        desk.clock.advance(days=1)
        assert write(desk) == 1
        assert "NEW SINCE THE LAST MAIL (1)" in texts(desk)[-1]

    def test_each_is_told_of_what_is_theirs(self, desk: Desk) -> None:
        other = LocalSymbol(name="TOK", symbol=Symbol.parse("ILLUME:TOK"), time_zone="Etc/GMT+8")
        half = desk.request().half_id
        stands(desk, "a", kind=NoticeKind.NO_ANSWER, half=half)
        stands(desk, "b", partner="UBC")
        stands(desk, "c", kind=NoticeKind.WEBHOOK, partner=None)
        people = {
            "all": (DESK, {1, 2, 3}),
            "tok": (DailyMail(to="tok@bex.example", local=("TOK",)), {2, 3}),
            "sfu": (DailyMail(to="sfu@bex.example", partners=("SFU",)), {1}),
            "hooks": (DailyMail(to="it@bex.example", kinds=frozenset({NoticeKind.WEBHOOK})), {3}),
            "nobody": (DailyMail(to="no@bex.example", partners=("YAZ",)), None),
        }
        settings = told(desk, *(mail for mail, _ in people.values()))
        desk.clock.now = HOUR
        write(desk, replace(settings, local=(*settings.local, other)))
        found = {row.partner: str(said["text"]) for row, said in mails(desk)}
        for mail, numbers in people.values():
            text = found.get(mail.to)
            listed = (
                None if text is None else {int(one) for one in re.findall(r"^\[(\d+)\]", text, re.MULTILINE)}
            )
            assert listed == numbers, mail.to

    def test_a_database_that_sends_nothing_and_a_gateway_that_cannot_tell_nobody(self, desk: Desk) -> None:
        stands(desk, "a")
        desk.clock.now = HOUR
        assert write(desk, replace(desk.site.settings, mail=None)) == 0
        nameless = replace(desk.site.settings.local[0], public_mail=None)
        assert write(desk, replace(desk.site.settings, local=(nameless,))) == 0
        with desk.site.store.unit_of_work() as uow:
            uow.sending.hold("a copy", HOUR)
        assert write(desk) == 0
        with desk.site.store.unit_of_work() as uow:
            uow.sending.resume()
        assert write(desk) == 1


def parsed(said: dict[str, object]) -> EmailMessage:
    mail = compose_letter(Letter.from_json(said), token="17-abcdefghijklmnop", at=HOUR, variable_sender=True)
    assert (mail.recipient, mail.sender) == ("desk@bex.example", "ill+17-abcdefghijklmnop@bex.example")
    message = email.message_from_bytes(mail.octets, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


HEADER: Final = [
    "Date", "From", "To", "Reply-To", "Subject", "Message-ID", "MIME-Version", "Content-Type",
    "Auto-Submitted",
]  # fmt: skip

#: What a peer may have had a hand in: where a connection came from, how it failed.
HOSTILE: Final = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        (
            "x\r\nBcc: evil@evil.example\r\n\r\nbody",
            "=?utf-8?q?=0D=0ABcc=3A_evil=40evil.example?=",
            "\x1b[31mred\x1b[0m\x9b2J",
            "<script>alert(1)</script>&amp;",
            "gnp.\u202egpj.exe one\u2028two\x85three",
            "{{ 7 * 7 }}{% include 'x' %}",
            "--=_17-abcdefghijklmnop--",
            ".\r\n.\r\nQUIT",
        )
    ),
)


class _UndoneError(Exception):
    """Ends a unit of work without a commit."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk that many examples write to, each undone."""
    settings = settings_in(tmp_path_factory.mktemp("hostile"))
    with Desk.open(telling(settings, DESK), Clock(now=HOUR)) as desk:
        yield desk


class TestHostileText:
    @staticmethod
    def written_and_undone(place: Desk, settings: Settings, reason: str, partner: str) -> dict[str, object]:
        """What the mail says of one thing; PostgreSQL takes no NUL, and a reason is never empty."""
        said: dict[str, object] = {}
        with suppress(_UndoneError), place.site.store.unit_of_work() as uow:
            words = reason.replace("\x00", " ") or "x"
            put_up(uow, HOUR, key="a", reason=words, partner=partner.replace("\x00", " "))
            assert reporting.write(uow, settings, HOUR, DAYS) == 1
            [row] = uow.outbox.list()
            said |= uow.mails.said(row.id)
            raise _UndoneError
        return said

    @given(reason=HOSTILE, partner=HOSTILE, name=HOSTILE, language=st.sampled_from(Language))
    @hypothesis_settings(max_examples=120)
    def test_adds_no_header_no_recipient_and_no_line(
        self, place: Desk, reason: str, partner: str, name: str, language: Language
    ) -> None:
        [local] = place.site.settings.local
        mail = replace(DESK, language=language)
        settings = replace(
            told(place, mail), local=(replace(local, display_name=name.encode("utf-8", "replace").decode()),)
        )

        said = self.written_and_undone(place, settings, reason, partner)
        message = parsed(said)
        assert list(message.keys()) == HEADER
        assert [one.addr_spec for one in message["To"].addresses] == ["desk@bex.example"]
        assert [one.addr_spec for one in message["Reply-To"].addresses] == ["desk@bex.example"]
        assert [one.addr_spec for one in message["From"].addresses] == ["ill@bex.example"]
        text, html = (message.get_body((kind,)) for kind in ("plain", "html"))
        assert text is not None
        assert html is not None
        plain = text.get_content().replace("\r\n", "\n")
        assert not set(plain) & {chr(code) for code in (*range(10), *range(11, 32), 127, *range(128, 160))}
        assert plain.count("Clear it:" if language is Language.ENGLISH else "Régler :") == 1
        assert "<script" not in html.get_content()

    def test_what_a_partner_wrote_about_a_patron_is_in_no_mail(self, desk: Desk) -> None:
        desk.receive(b"Smith, J., 604 555 0199", peer="203.0.113.9\x1b[31m:40004")
        Lookout(desk.site).look()
        desk.clock.now = HOUR
        assert write(desk) == 1
        [(_, said)] = mails(desk)
        assert "203.0.113.9 [31m" in str(said["text"])
        assert "Smith" not in repr(said)


class TestTemplates:
    @pytest.fixture
    def own(self, tmp_path: Path) -> Path:
        (tmp_path / "own" / "en").mkdir(parents=True)
        return tmp_path / "own"

    def test_a_sites_own_stands_before_ours(self, own: Path, desk: Desk) -> None:
        stands(desk, "a", reason="<b>&")
        desk.clock.now = HOUR
        (own / "en" / "daily.html").write_text("{% for one in new %}{{ one.reason }}{% endfor %}", "utf-8")
        write(desk, told(desk, DESK, template_dir=str(own)))
        [(_, said)] = mails(desk)
        assert said["html"] == "&lt;b&gt;&amp;"
        assert "<b>&" in str(said["text"])

    def test_one_that_is_wrong_keeps_nobody_from_being_told(self, own: Path, desk: Desk) -> None:
        stands(desk, "a")
        desk.clock.now = HOUR
        (own / "en" / "daily.txt").write_text("{{ nothing }}", "utf-8")
        settings = told(desk, DESK, template_dir=str(own))
        with desk.reading() as uow, pytest.raises(TemplateUnusableError, match=r"noticing\.template_dir"):
            reporting.previews(uow, settings, HOUR, DAYS)
        with capture_logs() as logs:
            assert write(desk, settings) == 1
        assert (
            "'nothing' is undefined (UndefinedError); correct it in noticing.template_dir" in logs[0]["error"]
        )
        assert texts(desk)[0].startswith("What wants a person")


class TestPreview:
    def test_what_would_go_out_and_when(self, desk: Desk) -> None:
        number = stands(desk, "a")
        with desk.reading() as uow:
            [one] = reporting.previews(uow, desk.site.settings, desk.clock.now, DAYS)
            assert one.next_at == HOUR
            [late] = reporting.previews(uow, desk.site.settings, HOUR, DAYS, to="DESK@bex.example")
            assert late.next_at == HOUR
            with pytest.raises(NotFoundError, match=r"no daily mail goes to 'x@y\.example'.*desk@bex"):
                reporting.previews(uow, desk.site.settings, HOUR, DAYS, to="x@y.example")
            with pytest.raises(NotFoundError, match=r"no daily mail goes to anybody.*names nobody"):
                reporting.previews(uow, told(desk), HOUR, DAYS)
        assert [entry.number for entry in one.report.new] == [number]
        assert records(desk) == ()
        desk.clock.now = HOUR
        write(desk)
        with desk.reading() as uow:
            [after] = reporting.previews(uow, desk.site.settings, HOUR, DAYS)
        assert [entry.number for entry in after.report.standing] == [number]
        assert after.next_at == HOUR + dt.timedelta(days=1)
        assert (
            texts(desk)[0].replace("NEW SINCE THE LAST MAIL", "STILL STANDING") == after.report.rendered.text
        )


@asynccontextmanager
async def sending(desk: Desk, server: MailServer) -> AsyncIterator[tuple[Dispatcher, LogLines]]:
    """Run a dispatcher on the desk, with a mail server and a wire for APDUs."""
    lines, before = LogLines(), structlog.get_config()
    structlog.configure(processors=[lines])
    try:
        async with dispatching(desk, Wire(), fenced=True, relay=(HOST, server.port)) as dispatcher:
            yield dispatcher, lines
    finally:
        structlog.configure(**before)


class TestSending:
    async def test_it_arrives_as_it_was_written(self, desk: Desk) -> None:
        stands(desk, "a")
        desk.clock.now = HOUR
        write(desk)
        async with MailServer().running() as server, sending(desk, server) as (_, lines):
            line = await lines.until("daily-mail.delivered")
        assert (line["partner"], line["message_id"]) == ("desk@bex.example", None)
        [recipient] = server.said("RCPT")
        assert recipient.startswith("RCPT TO:<desk@bex.example>")
        [octets] = server.mails
        message = email.message_from_bytes(octets, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        assert list(message.keys()) == HEADER
        body = message.get_body(("plain",))
        assert body is not None
        assert body.get_content().replace("\r\n", "\n") == texts(desk)[0]
        [record] = records(desk)
        assert record.mail is not None
        assert record.mail.status is OutboxStatus.DELIVERED

    async def test_it_waits_for_a_server_that_is_away_can_be_held_and_is_seen_when_it_is_lost(
        self, desk: Desk
    ) -> None:
        stands(desk, "a")
        desk.clock.now = HOUR
        write(desk)
        lookout = Lookout(desk.site)
        server = MailServer(answers={"RCPT": "450 4.2.1 busy"})
        async with server.running(), sending(desk, server) as (dispatcher, lines):
            # Its retries are those of the settings, though nobody of that name is a partner.
            await lines.until("daily-mail.deferred")
            [(row, _)] = mails(desk)
            assert (row.status, row.failure) == (OutboxStatus.WAITING, Failure.MAIL_DEFERRED)
            [chosen] = self.carried_out(desk, Operation.HOLD)
            desk.clock.advance(hours=2)
            dispatcher.wake()
            assert chosen.id == row.id
            self.carried_out(desk, Operation.RELEASE)
            server.answers["RCPT"] = "550 5.1.1 no such mailbox"
            dispatcher.wake()
            await lines.until("daily-mail.not-delivered")
        [event] = [one for one in desk.events() if one.kind == "message.not-delivered"]
        assert event.detail is not None
        assert (event.half_id, event.message_id, event.detail["daily_mail"]) == (None, None, 1)
        lookout.look()
        [lost] = [one for one in lookout.standing() if one.kind == "not-delivered"]
        assert lost.reason.startswith("the daily mail of 2026-11-17 to desk@bex.example was not delivered:")
        assert "550 5.1.1" in lost.reason
        # It stands once, until one arrives; and not for whom nobody tells any more.
        desk.clock.now = HOUR + dt.timedelta(days=1)
        lookout.look()
        assert "[2] Something was not delivered\n" in str(lookout.tell(desk.site.settings)[0]["text"])
        lookout.look()
        assert [one.kind for one in lookout.standing()] == []

    @staticmethod
    def carried_out(desk: Desk, operation: Operation) -> tuple[OutboxRecord, ...]:
        with desk.site.store.unit_of_work() as uow:
            rows = operating.select(uow, Selection(partner="desk@bex.example"), operation)
            return operating.carry_out(uow, operation, rows, actor="anna", reason="later", at=desk.clock.now)

    def test_one_that_came_back_is_seen(self, desk: Desk) -> None:
        desk.clock.now = HOUR
        lookout = Lookout(desk.site)
        stands(desk, "a")
        lookout.tell(desk.site.settings)
        [(row, _)] = mails(desk)
        arrival = Arrival(
            transport=Transport.MAIL, listener="lmtp", peer_address="(none)", connection_id="m-1"
        )
        notice = MailNotice(outbox_id=row.id, fate=MailFate.FAILED, status="5.1.1")
        with desk.site.store.unit_of_work() as uow:
            processed = desk.site.gateway.receive_notice(uow, b"the notice", notice, arrival)
        about = "the daily mail of 2026-11-17 to desk@bex.example"
        assert desk.processing(processed).reason.endswith(f"; about {about}")
        event = desk.events()[-1]
        assert event.kind == "message.not-delivered"
        assert event.detail is not None
        assert (event.detail["about"], event.detail["daily_mail"]) == (about, 1)
        lookout.look()
        assert [one.kind for one in lookout.standing()] == ["not-delivered"]
        [record] = records(desk)
        assert record.mail is not None
        assert record.mail.failure is Failure.RETURNED
        # Nobody is told there any more, so nobody has to know.
        with desk.under(told(desk, replace(DESK, to="other@bex.example"))) as changed:
            Lookout(changed.site).look()
            assert Lookout(changed.site).standing() == ()

    def test_one_that_waits_for_long_is_seen(self, desk: Desk) -> None:
        desk.clock.now = HOUR
        stands(desk, "a")
        write(desk)
        desk.clock.advance(hours=4)
        lookout = Lookout(desk.site)
        lookout.look()
        [unsent] = [one for one in lookout.standing() if one.kind == "unsent"]
        assert unsent.reason.endswith("waiting list --partner desk@bex.example says why")


class TestTheDatabase:
    def test_it_is_verified_and_is_in_a_backup(self, desk: Desk, tmp_path: Path) -> None:
        stands(desk, "a")
        desk.clock.now = HOUR
        write(desk)
        found = {one.part: one for one in verify(desk.site.store, desk.site.settings, HOUR)}
        assert (found[Part.MAILS].rows, found[Part.MAILS].problems) == (1, ())
        assert b"What wants a person" not in (desk.site.settings.state_dir / "gateway.db-wal").read_bytes()
        assert backup.back_up(desk.site.store.engine, tmp_path / "b.db", HOUR)["daily_mails"] == 1
        engine = open_sqlite_file(tmp_path / "b.db")
        store = Store(engine, KeyRing.load(desk.site.settings.master_key_file))
        try:
            with store.reading() as uow:
                [record] = uow.daily_mails.list()
                assert record == records(desk)[0]
                [(row, said)] = mails(desk)
                assert uow.mails.said(row.id) == said
                # It is held: nobody is told from it.
                later = HOUR + dt.timedelta(days=1)
                assert reporting.due(uow, desk.site.settings, later, DAYS) == ()
        finally:
            engine.dispose()


class _Passing:
    """A clock that goes on by so much each time that it is looked at."""

    def __init__(self, now: dt.datetime, step: dt.timedelta) -> None:
        self.now, self.step = now, step

    def __call__(self) -> dt.datetime:
        self.now += self.step
        return self.now


class TestNoticer:
    def noticer(
        self,
        desk: Desk,
        settings: Settings,
        writer: Writer,
        clock: Callable[[], dt.datetime],
        done: asyncio.Event,
    ) -> Noticer:
        return Noticer(settings, desk.site.gateway, desk.site.store, writer, clock=clock, acted=done.set)

    async def test_it_wakes_at_the_hour_and_looks_first(self, desk: Desk) -> None:
        """The next look would be in a day."""
        desk.receive(b"junk", peer=ELSEWHERE)
        settings = told(desk, DESK, interval=dt.timedelta(days=1))
        clock = _Passing(HOUR - dt.timedelta(milliseconds=500), dt.timedelta(milliseconds=80))
        writer, done = Writer(desk.site.store), asyncio.Event()
        try:
            noticer = self.noticer(desk, settings, writer, clock, done)
            running = asyncio.create_task(noticer.run())
            async with asyncio.timeout(PATIENCE):
                await done.wait()
                noticer.stop()
                await running
        finally:
            writer.close()
        assert len(records(desk)) == 1
        assert "What came could not be read" in texts(desk)[0]

    def test_an_hour_that_passes_while_it_looks_is_not_passed_over(self, desk: Desk) -> None:
        """Else the mail would be as late as the next look."""
        second = dt.timedelta(seconds=1)
        settings = told(desk, DESK, interval=dt.timedelta(days=1))
        writer = Writer(desk.site.store)
        try:
            noticer = self.noticer(desk, settings, writer, desk.clock, asyncio.Event())
            desk.clock.now = HOUR + second
            assert noticer._pause(HOUR - second) == dt.timedelta()
            assert noticer._pause(HOUR) == dt.timedelta(days=1) - second
            noticer.follow(told(desk, DESK, interval=dt.timedelta(minutes=5)))
            assert noticer._pause(HOUR) == dt.timedelta(minutes=5)
        finally:
            writer.close()

    async def test_it_follows_other_settings_at_once(self, desk: Desk) -> None:
        desk.receive(b"junk", peer=ELSEWHERE)
        desk.clock.now = HOUR
        nobody = told(desk, interval=dt.timedelta(days=1))
        writer, done, looked = Writer(desk.site.store), asyncio.Event(), asyncio.Event()
        try:
            noticer = self.noticer(desk, nobody, writer, desk.clock, done)
            pause = noticer._pause

            def paused(began: dt.datetime) -> dt.timedelta:
                looked.set()
                return pause(began)

            noticer._pause = paused  # type: ignore[method-assign]
            running = asyncio.create_task(noticer.run())
            async with asyncio.timeout(PATIENCE):
                await looked.wait()
                assert records(desk) == ()
                noticer.follow(desk.site.settings)
                await done.wait()
                noticer.stop()
                await running
        finally:
            writer.close()
        assert len(mails(desk)) == 1

    async def test_what_keeps_it_from_looking_keeps_nobody_from_being_told(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stands(desk, "a")
        desk.clock.now = HOUR
        writer, done = Writer(desk.site.store), asyncio.Event()
        try:
            noticer = self.noticer(desk, desk.site.settings, writer, desk.clock, done)

            async def broken() -> None:
                raise ValueError("a title")

            monkeypatch.setattr(noticer, "look", broken)
            with capture_logs() as logs:
                running = asyncio.create_task(noticer.run())
                async with asyncio.timeout(PATIENCE):
                    await done.wait()
                    noticer.stop()
                    await running
        finally:
            writer.close()
        assert [line["error"] for line in logs if line["event"] == NOTICING_FAILED] == ["ValueError"]
        assert len(mails(desk)) == 1

    async def test_the_daemon_has_it_told(self, desk: Desk) -> None:
        stands(desk, "a")
        writer, sent = Writer(desk.site.store), asyncio.Event()
        calm = replace(desk.site.settings, noticing=Noticing())
        try:
            attendance = Attendance(calm, desk.site, writer, gateway=GatewayId("a" * 16), acted=sent.set)
            desk.clock.now = HOUR
            assert await attendance._noticer.tell() == 0
            attendance.follow(desk.site.settings)
            assert await attendance._noticer.tell() == 1
            assert sent.is_set()
            assert await attendance._noticer.tell() == 0
        finally:
            writer.close()
