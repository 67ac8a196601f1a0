"""A loan by mail through a real Postfix that has its troubles: nothing is lost, and each is visible."""

import smtplib
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from adapters.lmtp import NOT_STORED
from asn1.codec import decode
from asn1.ill import Shipped, TransactionResults
from iso_gateway.failure import Failure, advice
from iso_gateway.outbox.telling import APDU_DEFERRED, APDU_DELIVERED, APDU_NOT_DELIVERED
from iso_gateway.request.primitives import Answer, Receive, SendMessage, Ship
from iso_gateway.store import engine
from iso_gateway.store.records import BreakerState, HalfId, InputKind, OutboxStatus
from tests.integration.adapters.mails import carrying
from tests.support.apdus import ill_request
from tests.support.gateway import Clock
from tests.support.mail_libraries import BORROWER, LENDER, THEIRS, Library, Log, MailSystem, library
from tests.support.postfix import HOST, SIZE_LIMIT, Stage

DUE: Final = date(2026, 12, 24)
WILL_SUPPLY: Final = Answer(result=TransactionResults.will_supply)
SHIP: Final = Ship(date_due=DUE)
WHY: Final = ("--reason", "put right", "--yes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two libraries with one clock, a log, and the mail server between them."""

    lender: Library
    borrower: Library
    clock: Clock
    log: Log
    system: MailSystem

    async def lent(self, title: str = "The Penelopiad") -> tuple[HalfId, HalfId]:
        """Ask for a loan; gives the lender's half of it, and the borrower's."""
        borrowed = self.borrower.request(title)
        line = await self.log.processed("applied")
        return HalfId(line["half_id"]), borrowed

    async def assert_nothing_lost_or_doubled(self) -> None:
        """Hold what came at each to what went at the other, and both to have nothing more to do."""
        for one, other in ((self.lender, self.borrower), (self.borrower, self.lender)):
            await one.sent()
            assert one.came() == other.went(), "each once, in order"
            assert one.look() == ()


@pytest.fixture
async def pair(tmp_path: Path, system: MailSystem, lines: Log) -> AsyncIterator[Pair]:
    clock = Clock()
    async with (
        library(
            tmp_path / "l", system, lines, domain=LENDER, partner=f"ill@{BORROWER}", clock=clock
        ) as lender,
        library(
            tmp_path / "b", system, lines, domain=BORROWER, partner=f"ill@{LENDER}", symbols=THEIRS,
            clock=clock,
        ) as borrower,
    ):  # fmt: skip
        yield Pair(lender=lender, borrower=borrower, clock=clock, log=lines, system=system)


@pytest.mark.parametrize(
    ("stage", "step"), [(Stage.RCPT, "recipient"), (Stage.DATA, "mail"), (Stage.CONTENT, "mail")]
)
async def test_what_is_put_off_is_tried_again_and_arrives_once(stage: Stage, step: str, pair: Pair) -> None:
    borrower = pair.borrower
    with pair.system.server.policy.refusing(stage, f"ill@{LENDER}", "450 4.2.1 busy"):
        borrowed = borrower.request()
        for attempts, wait in ((1, 5), (2, 10)):
            await pair.log.until(APDU_DEFERRED)
            [waiting] = borrower.desk.outgoing()
            assert (waiting.row.status, waiting.row.attempts) == (OutboxStatus.WAITING, attempts)
            assert waiting.row.failure is Failure.MAIL_DEFERRED
            assert waiting.row.next_attempt_at - pair.clock.now == timedelta(seconds=wait)
            said = borrower.command("waiting", "list")
            assert f"does not take the {step} now: 450 4.2.1" in said
            if attempts == 1:
                borrower.pass_time(seconds=wait)
    borrower.pass_time(seconds=10)
    lent = HalfId((await pair.log.processed("applied"))["half_id"])
    with borrower.desk.reading() as uow:
        [row] = uow.outbox.list(finished=True)
        outcomes = [attempt.outcome for attempt in uow.outbox.attempts(row.id)]
    assert outcomes == ["failed", "failed", "delivered"]
    assert (pair.lender.state(lent), borrower.state(borrowed)) == ("IN-PROCESS", "PENDING")
    await pair.assert_nothing_lost_or_doubled()


@pytest.mark.parametrize("stage", [Stage.RCPT, Stage.DATA, Stage.CONTENT])
async def test_what_is_refused_is_seen_and_goes_out_when_an_operator_says_so(
    stage: Stage, pair: Pair
) -> None:
    lender = pair.lender
    lent, borrowed = await pair.lent()
    with pair.system.server.policy.refusing(stage, f"ill@{BORROWER}", "550 5.7.1 no such mails"):
        message_id = lender.act(lent, SHIP)
        line = await pair.log.until(APDU_NOT_DELIVERED)
    assert (lender.state(lent), pair.borrower.state(borrowed)) == ("SHIPPED", "PENDING")

    refusal = "refuses the recipient: 550 5.7.1" if stage is Stage.RCPT else "refuses the mail: 550 5.7.1"
    assert refusal in line["reason"]
    told = lender.desk.events()[-1]
    assert (told.kind, told.half_id, told.message_id) == ("message.not-delivered", lent, message_id)
    assert told.detail is not None
    assert (told.detail["failure"], told.detail["advice"]) == (
        "mail-refused",
        advice(Failure.MAIL_REFUSED),
    )
    [wants] = lender.look()
    assert (wants.kind, wants.half_id, wants.message_id) == ("not-delivered", lent, message_id)
    assert f"messages show {message_id} says why; put that right, then replay {message_id}" in wants.reason
    assert f"not delivered: our mail server 127.0.0.1:{pair.system.server.port} {refusal}" in lender.command(
        "requests", "show", lent
    )
    shown = lender.command("messages", "show", message_id)
    assert f"what can be done: {advice(Failure.MAIL_REFUSED)}" in shown
    assert "(mail-refused)" in shown
    with lender.desk.reading() as uow:
        assert uow.partners.get("THEM").breaker is BreakerState.CLOSED, "it says nothing about the others"

    tried = lender.command("waiting", "retry", lender.row(message_id).id, *WHY, code=1)
    assert "was given up: replay sends a message once more" in tried
    pair.clock.advance(minutes=5)
    assert "sent-again" in lender.command("replay", message_id, *WHY)
    await pair.log.processed("applied")
    assert (lender.state(lent), pair.borrower.state(borrowed)) == ("SHIPPED", "SHIPPED")
    assert lender.look() == (), "what went out in its place is told of by itself"
    pair.borrower.act(borrowed, Receive())
    await pair.log.processed("applied")
    [shipped] = pair.borrower.came()
    assert isinstance(decode(shipped), Shipped)
    assert lender.row(message_id).status is OutboxStatus.NOT_DELIVERED, "what happened stays as it was"


async def test_a_mail_that_is_too_long_for_the_server_is_said_to_be_that(pair: Pair) -> None:
    title = "The Penelopiad " * (SIZE_LIMIT // 15)
    message_id = pair.lender.send(
        ill_request(requester="ILLUME:BEX", responder="ILLUME:SFU", title=title[: SIZE_LIMIT - 1_000])
    )
    await pair.log.until(APDU_NOT_DELIVERED)
    assert "refuses the mail: 552 5.3.4" in (pair.lender.row(message_id).last_error or "")


def next_try(one: Library) -> datetime:
    """When the next mail is tried, as long as the partner takes nothing."""
    with one.desk.reading() as uow:
        state = uow.partners.get("THEM")
    if state.breaker is not BreakerState.CLOSED:
        assert state.retry_at is not None
        return state.retry_at
    return min(waiting.row.next_attempt_at for waiting in one.desk.outgoing() if waiting.row.attempts)


async def test_a_mail_server_that_is_gone_for_an_hour(pair: Pair) -> None:
    """Two loans, each with two mails that wait in their order."""
    lender, log = pair.lender, pair.log
    loans = [await pair.lent(title) for title in ("The Penelopiad", "Surfacing")]
    gone_at = pair.clock.now
    pair.system.server.stop()
    try:
        for lent, _ in loans:
            lender.desk.act(lent, SHIP)
            lender.desk.act(lent, SendMessage(note="It is on its way."))
        lender.dispatcher.wake()
        for _ in loans:
            line = await log.until(APDU_DEFERRED)
            assert "cannot connect to our mail server" in line["reason"]
        tries = len(loans)
        while (due := next_try(lender)) < gone_at + timedelta(hours=1):
            pair.clock.now = due
            lender.dispatcher.wake()
            await log.until(APDU_DEFERRED)
            tries += 1
        pair.clock.now = gone_at + timedelta(hours=1)
        assert tries == 12, "one at a time, ever more rarely"

        [unreachable] = [event for event in lender.desk.events() if event.kind == "partner.unreachable"]
        assert unreachable.detail is not None
        assert unreachable.detail["advice"] == advice(Failure.MAIL_SERVER)
        [wants] = lender.look()
        assert wants.kind == "unreachable"
        assert "THEM takes nothing, and 4 messages wait for it; last: cannot connect to our" in wants.reason
        status = lender.command("status", code=1)
        assert "waiting 4, the oldest since" in status
        assert "attention 1 unreachable" in status
        assert "takes nothing since 2026-11-16 18:00:00: cannot connect to our mail server" in status
        assert lender.command("waiting", "list").count("cannot connect to our mail server") >= 2
    finally:
        pair.system.server.start()
    assert "tried now: 4" in lender.command("waiting", "retry", "--partner", "THEM", *WHY)
    for _ in range(4):
        await log.processed("applied")
    for lent, borrowed in loans:
        assert (lender.state(lent), pair.borrower.state(borrowed)) == ("SHIPPED", "SHIPPED")
        # Each was the mail server's before the next was given to it. That may bring two at once.
        sent = [one.message_id for one in lender.desk.inputs(lent) if one.kind is InputKind.PRIMITIVE]
        given = [one["message_id"] for one in log.lines if one["event"] == APDU_DELIVERED]
        assert [one for one in given if one in sent] == sent
    assert sorted(pair.borrower.came()) == sorted(lender.went()), "each once"
    assert lender.look() == pair.borrower.look() == ()
    assert [event.kind for event in lender.desk.events()].count("partner.reachable") == 1


async def test_a_mail_that_comes_back_later_is_seen_and_goes_out_when_its_address_is_right(
    tmp_path: Path, system: MailSystem, lines: Log
) -> None:
    clock = Clock()
    async with (
        library(
            tmp_path / "l", system, lines, domain=LENDER, partner=f"ill@{BORROWER}", clock=clock
        ) as lender,
        library(
            tmp_path / "b", system, lines, domain=BORROWER, partner=f"nobody@{LENDER}", symbols=THEIRS,
            clock=clock,
        ) as borrower,
    ):  # fmt: skip
        borrowed = borrower.request()
        await lines.until(APDU_DELIVERED)
        line = await lines.processed("mail-notice")
        assert line["half_id"] == borrowed
        [message_id] = [one.message_id for one in borrower.desk.inputs(borrowed)]
        assert message_id is not None
        row = borrower.row(message_id)
        assert (row.status, row.failure) == (OutboxStatus.NOT_DELIVERED, Failure.RETURNED)
        told = borrower.desk.events()[-1]
        assert (told.kind, told.half_id, told.message_id) == ("message.not-delivered", borrowed, message_id)
        [wants] = borrower.look()
        assert (wants.kind, wants.half_id, wants.message_id) == ("not-delivered", borrowed, message_id)
        said = "not delivered: the mail came back: there is no such mailbox"
        assert said in borrower.command("requests", "show", borrowed)
        assert f"what can be done: {advice(Failure.RETURNED)}" in borrower.command(
            "messages", "show", message_id
        )
        status = borrower.command("status", code=1)
        assert "attention 1 not-delivered" in status
        assert "THEM never 0 open" in status, "a mail server's word is not the partner's"
        assert "1 received, 1 made to be sent, 0 refused" in status

        borrower.reconfigure(f"nobody@{LENDER}", f"ill@{LENDER}")
        clock.advance(hours=1)
        assert "sent-again" in borrower.command("replay", message_id, *WHY)
        lent = HalfId((await lines.processed("applied"))["half_id"])
        lender.act(lent, SHIP)
        await lines.processed("applied")
        assert (lender.state(lent), borrower.state(borrowed)) == ("SHIPPED", "SHIPPED")
        assert borrower.look() == ()
        assert len(lender.came()) == 1


@contextmanager
def away(one: Library) -> Iterator[None]:
    """For a time, take a library's database away from it: another process writes and does not end."""
    path = one.config.parent / "state" / "gateway.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


async def test_mail_stays_with_the_server_while_the_database_is_away(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, system: MailSystem, lines: Log
) -> None:
    # Five seconds of waiting for a lock are long for a test.
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_MS", 100)
    async with (
        library(tmp_path / "l", system, lines, domain=LENDER, partner=f"ill@{BORROWER}") as lender,
        library(
            tmp_path / "b", system, lines, domain=BORROWER, partner=f"ill@{LENDER}", symbols=THEIRS
        ) as borrower,
    ):
        borrowed = borrower.request()
        lent = HalfId((await lines.processed("applied"))["half_id"])
        with away(borrower):
            message_id = lender.act(lent, SHIP)
            line = await lines.until(NOT_STORED)
            assert line["error"] == "UnavailableError"
            await lender.sent()
            assert lender.row(message_id).status is OutboxStatus.DELIVERED, "its mail server has it"
            assert borrower.desk.half(borrowed).state == "PENDING"
        system.server.flush()
        await lines.processed("applied")
        assert (lender.state(lent), borrower.state(borrowed)) == ("SHIPPED", "SHIPPED")
        assert borrower.came() == lender.went()
        assert "451 4.3.0 cannot be stored now" in system.server.log


async def test_what_came_while_a_gateway_was_down_is_applied_whatever_its_order(
    tmp_path: Path, system: MailSystem, lines: Log
) -> None:
    clock = Clock()
    async with library(
        tmp_path / "l", system, lines, domain=LENDER, partner=f"ill@{BORROWER}", clock=clock
    ) as lender:
        async with library(
            tmp_path / "b", system, lines, domain=BORROWER, partner=f"ill@{LENDER}", symbols=THEIRS,
            clock=clock,
        ) as borrower:  # fmt: skip
            borrowed = borrower.request()
            lent = HalfId((await lines.processed("applied"))["half_id"])
        for primitive in (WILL_SUPPLY, SHIP):
            lender.act(lent, primitive)
            await lines.until(APDU_DELIVERED)
        async with library(
            tmp_path / "b", system, lines, domain=BORROWER, partner=f"ill@{LENDER}", symbols=THEIRS,
            clock=clock,
        ) as borrower:  # fmt: skip
            system.server.flush()
            while borrower.state(borrowed) != "SHIPPED" or len(borrower.came()) < 2:
                await lines.until("apdu.processed")
            assert sorted(borrower.came()) == sorted(lender.went())


async def test_what_the_partners_side_refuses_comes_back(
    tmp_path: Path, system: MailSystem, lines: Log
) -> None:
    async with (
        library(tmp_path / "l", system, lines, domain=LENDER, partner=f"ill@{BORROWER}") as lender,
        library(
            tmp_path / "b", system, lines, domain=BORROWER, partner=f"ill@{LENDER}", symbols=THEIRS,
            max_mail_octets=2_000,
        ),
    ):  # fmt: skip
        message_id = lender.send(
            ill_request(requester="ILLUME:BEX", responder="ILLUME:SFU", title="x" * 3_000)
        )
        await lines.processed("mail-notice")
        row = lender.row(message_id)
        assert row.status is OutboxStatus.NOT_DELIVERED
        assert "the mail is longer than the partner's mail system takes" in (row.last_error or "")


async def test_what_our_side_refuses_is_kept_and_counted_and_others_are_served(pair: Pair) -> None:
    many = carrying(*[b"a"] * 10_000, author=f"ill@{LENDER}")
    with smtplib.SMTP(HOST, pair.system.server.port) as client:
        client.sendmail(f"ill@{LENDER}", [f"ill@{BORROWER}"], many[: SIZE_LIMIT - 1_000])
    line = await pair.log.processed("no-apdu")
    shown = pair.borrower.command("messages", "show", line["message_id"])
    assert "a mail that was refused: it has more than 100 parts" in shown
    assert f"ill@{LENDER}" in shown
    assert "0 made to be sent, 1 refused" in pair.borrower.command("status", code=1)
    await pair.lent()
