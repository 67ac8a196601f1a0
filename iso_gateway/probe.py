"""Proving that a partner is alive: connect, and where its software answers queries, ask it something.

What is asked about is a Transaction-Id that nobody ever had, so nothing is moved anywhere: the good answer is
a report that it is unknown. On a two-way connection the answer comes back to us here. To a one-way partner it
is sent all the same, and the answer comes to the listener of the running gateway, in whose store it is looked
for. Nothing is recorded as a request. This and `apdu send` are the only ways past the outbox: what a person
sends by hand to see what comes back is owed to nobody.
"""

import asyncio
import datetime as dt
from dataclasses import dataclass
from enum import Enum
from typing import Final

from adapters.envelope import Envelope
from adapters.errors import DeliveryFailed
from adapters.tcp_sender import TcpSender
from asn1.codec import WireError, decode, encode
from asn1.ill import ILLApdu, StatusOrErrorReport, StatusQuery, TransactionId, TransactionIdProblem
from config.settings import ApduName, Limits, ListenerMode, LocalSymbol, Partner, TcpTransport
from iso_gateway import compose
from iso_gateway.half.sending import unlike_http
from iso_gateway.store.records import Direction, MessageId
from iso_gateway.store.unit_of_work import Store

GROUP: Final = "TEST"
"""The transaction-group-qualifier of what is asked about."""

#: How often the store is looked at for an answer that the running gateway takes.
LOOK: Final = dt.timedelta(milliseconds=100)
#: How long the connection may take to end after the answer.
GRACE: Final = dt.timedelta(seconds=1)


class Outcome(Enum):
    """What a test has shown."""

    ALIVE = "alive"
    """It answered that it does not know the transaction, as it should."""
    ANSWERS_ODDLY = "answers-oddly"
    """It answered, but something else."""
    REACHED = "reached"
    """It takes connections; its software answers no queries, so more cannot be known."""
    SILENT = "silent"
    """It took the query, and no answer came in time."""
    NOT_REACHED = "not-reached"
    """It cannot be reached, or did not take the query."""

    @property
    def good(self) -> bool:
        """Whether the partner is known to be there."""
        return self in {Outcome.ALIVE, Outcome.ANSWERS_ODDLY, Outcome.REACHED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a test.

    Args:
        partner: its name.
        outcome: what it has shown.
        words: the same for people, with what to do; nothing in it is text of an APDU.
        asked: whether a STATUS-QUERY was sent.
        at: when the test began, aware.
    """

    partner: str
    outcome: Outcome
    words: str
    asked: bool
    at: dt.datetime


def answers_queries(partner: Partner) -> bool:
    """Whether a partner's software takes a STATUS-QUERY and sends reports, as its profile says."""
    capabilities = partner.capabilities
    return (
        ApduName.STATUS_QUERY in capabilities.accepts
        and ApduName.STATUS_OR_ERROR_REPORT in capabilities.sends
    )


@dataclass(slots=True, kw_only=True)
class Probe:
    """One test of one partner.

    Args:
        partner: whom to test.
        local: the library of ours that asks.
        qualifier: a text that no Transaction-Id of this library ever had.
        at: now, aware.
        store: that of the running gateway, for the answer of a one-way partner; None where there is none.
        patience: how long an answer is waited for.
    """

    partner: Partner
    local: LocalSymbol
    qualifier: str
    at: dt.datetime
    store: Store | None
    patience: dt.timedelta

    async def run(self) -> Result:
        """Test it."""
        transport = self.partner.transport
        if not isinstance(transport, TcpTransport):
            return self._result(
                Outcome.NOT_REACHED,
                "it is reached by mail, which tells nobody whether it is alive",
                asked=False,
            )
        answers = _Answers(self._transaction)
        sender = TcpSender(answers, Limits(answer_timeout=self.patience), lambda: self.qualifier)
        asked = answers_queries(self.partner)
        begin = self._newest()
        try:
            await sender.send(
                transport,
                unlike_http(encode(self._query())) if asked else b"",
                connect_timeout=self.partner.retry.connect_timeout,
                send_timeout=self.partner.retry.send_timeout,
            )
            if not asked:
                words = "it takes connections; its software answers no queries, so nothing was asked"
                return self._result(Outcome.REACHED, words, asked=False)
            if transport.mode is ListenerMode.ONE_WAY and self.store is None:
                words = "it took the query; no gateway has ever run here that could take the answer"
                return self._result(Outcome.REACHED, words, asked=True)
            answer = await self._answer(transport.mode, answers, begin)
        except DeliveryFailed as error:
            return self._result(Outcome.NOT_REACHED, error.reason, asked=asked)
        finally:
            await sender.stop(GRACE)
        return self._judged(answer, transport.mode)

    @property
    def _transaction(self) -> TransactionId:
        return compose.transaction_id_of(self.local.symbol, group=GROUP, qualifier=self.qualifier)

    def _query(self) -> StatusQuery:
        frame = compose.opening_frame(
            self._transaction,
            local=self.local.symbol,
            partner=self.partner.symbols[0],
            at=self.at.astimezone(self.local.zone),
            encoding=self.partner.character_set.value,
        )
        return StatusQuery(**frame.components)

    async def _answer(
        self, mode: ListenerMode, answers: "_Answers", begin: MessageId | None
    ) -> ILLApdu | None:
        try:
            async with asyncio.timeout(self.patience.total_seconds()):
                if mode is ListenerMode.TWO_WAY:
                    return await answers.first
                while self.store is not None:
                    found = await asyncio.to_thread(self._received, self.store, begin)
                    if found is not None:
                        return found
                    await asyncio.sleep(LOOK.total_seconds())
        except TimeoutError:
            return None
        return None

    def _newest(self) -> MessageId | None:
        if self.store is None:
            return None
        with self.store.reading() as uow:
            return next((one.message.id for one in uow.messages.list(limit=1)), None)

    def _received(self, store: Store, begin: MessageId | None) -> ILLApdu | None:
        """The answer among what the gateway has received since."""
        with store.reading() as uow:
            for listed in uow.messages.list(limit=1000):
                if begin is not None and listed.message.id <= begin:
                    break
                if listed.message.direction is Direction.RECEIVED:
                    answer = _about(uow.messages.raw(listed.message.id), self._transaction)
                    if answer is not None:
                        return answer
        return None

    def _judged(self, answer: ILLApdu | None, mode: ListenerMode) -> Result:
        if answer is not None:
            if _says_unknown(answer):
                words = "it answered that it does not know the transaction, as it should"
                return self._result(Outcome.ALIVE, words, asked=True)
            words = f"it answered with {answer.asn1_name}, which does not say that the transaction is unknown"
            return self._result(Outcome.ANSWERS_ODDLY, words, asked=True)
        seconds = f"{self.patience.total_seconds():g} seconds"
        if mode is ListenerMode.ONE_WAY:
            words = (
                f"it took the query, and no answer reached our listener within {seconds}: is the gateway"
                " running, and does the partner have our address?"
            )
        else:
            words = (
                f"it took the query, and did not answer it within {seconds}: look whether its ILL system runs"
            )
        return self._result(Outcome.SILENT, words, asked=True)

    def _result(self, outcome: Outcome, words: str, *, asked: bool) -> Result:
        return Result(partner=self.partner.name, outcome=outcome, words=words, asked=asked, at=self.at)


class _Answers:
    """Takes what comes back on our own connection (`adapters.receiver.Receiver`)."""

    def __init__(self, transaction: TransactionId) -> None:
        self._transaction = transaction
        self.first: asyncio.Future[ILLApdu | None] = asyncio.get_running_loop().create_future()

    async def element(self, octets: bytes, envelope: Envelope) -> None:  # noqa: ARG002 - as Receiver has it
        """Take an element; only the first that is about our query counts."""
        answer = _about(octets, self._transaction)
        if answer is not None and not self.first.done():
            self.first.set_result(answer)

    async def unreadable(self, octets: bytes, error: WireError, envelope: Envelope) -> None:
        """Octets that are no element answer nothing."""

    async def settled(self, connection_id: str) -> None:  # noqa: ARG002 - as Receiver has it
        """The partner has ended the connection: no answer will come any more."""
        if not self.first.done():
            self.first.set_result(None)


def _about(octets: bytes, transaction: TransactionId) -> ILLApdu | None:
    """The APDU, if it is one and is about the transaction."""
    try:
        apdu = decode(octets)
    except WireError:
        return None
    ours, theirs = transaction, apdu.transaction_id
    same = (
        theirs.transaction_group_qualifier.octets == ours.transaction_group_qualifier.octets
        and theirs.transaction_qualifier.octets == ours.transaction_qualifier.octets
    )
    return apdu if same else None


def _says_unknown(answer: ILLApdu) -> bool:
    match answer:
        case StatusOrErrorReport(error_report=report) if report is not None:
            provider = report.provider_error_report
            return (
                provider is not None
                and provider.transaction_id_problem is TransactionIdProblem.unknown_transaction_id
            )
        case _:
            return False
