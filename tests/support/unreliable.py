"""Gateways that write to each other over ways that lose, copy, delay and swap what they carry.

The gateways are those of `tests.support.libraries`: real use cases on real databases, one clock set by hand.
One database serves many conversations, one after the other, each about a request of its own.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final, assert_never

from sqlalchemy import func, select

from asn1.ill import ILLRequest, ILLServiceType, StatusOrErrorReport, TransactionResults
from asn1.rules import RULES, Severity, check
from iso_gateway.acting import action
from iso_gateway.acting.action import Acted
from iso_gateway.errors import GatewayError, PrimitiveRefusedError
from iso_gateway.half.movement import ATTENTION
from iso_gateway.half.record import half_state
from iso_gateway.protocol.events import Service
from iso_gateway.protocol.states import HalfState, TableProfile
from iso_gateway.reception import EFFECTIVE, Processed, Verdict
from iso_gateway.request import primitives
from iso_gateway.request.new_request import NewRequest
from iso_gateway.store import tables
from iso_gateway.store.records import EventRecord, HalfId, HalfRecord, MessageId
from tests.support.gateway import MORNING, Desk, Outgoing
from tests.support.libraries import ADDRESSES, Libraries, assert_replayable, service_time_of

EVERY_RULE: Final = dict.fromkeys(RULES, Severity.ERROR)
DUE: Final = date(2026, 12, 24)
#: What a library says when an APDU had its effect, or had it before.
WELCOME: Final = frozenset({Verdict.APPLIED, Verdict.REPEATED, Verdict.ALREADY_FORWARDED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Flying:
    """A message on its way.

    Args:
        sender, recipient: from whom to whom.
        number: that of the first sending: a repeat has the number of what it repeats.
        octets: what is carried.
        first: whether it is no copy of octets that were carried before.
    """

    sender: str
    recipient: str
    number: int
    octets: bytes
    first: bool = True


@dataclass(slots=True)
class Ways:
    """A request between libraries, and what of it is on its way.

    Args:
        libraries: BEX, which asks, SFU, which is asked, and UBC, to which SFU may hand the request on.
        new: what is asked for.
        loan: whether what is shipped is to come back.
        two_way: whether messages come on two-way connections.
    """

    libraries: Libraries
    new: NewRequest
    loan: bool
    two_way: bool
    #: what is on its way, by sender and recipient
    lanes: dict[tuple[str, str], list[Flying]] = field(default_factory=lambda: defaultdict(list))
    #: everything that was ever sent, to be sent once more
    past: list[Flying] = field(default_factory=list)
    #: the number of each message of a library's own making
    numbers: dict[tuple[str, MessageId], int] = field(default_factory=dict)
    #: the numbers that had their effect, or were refused for good
    arrived: set[int] = field(default_factory=set)
    #: the last service of a library's own
    last: dict[str, Flying] = field(default_factory=dict)
    #: by octets and recipient, what had its effect
    effective: set[tuple[str, bytes]] = field(default_factory=set)
    #: the service-date-times that a library has used
    times: dict[str, list[tuple[str, str | None]]] = field(default_factory=lambda: defaultdict(list))
    #: by which the request is known
    qualifier: str = ""
    halves: dict[str, HalfId] = field(default_factory=dict)
    #: what each library was told since this began, and the number of the last of that
    told: dict[str, list[EventRecord]] = field(default_factory=lambda: defaultdict(list))
    heard: dict[str, int] = field(default_factory=dict)

    @classmethod
    def begin(cls, libraries: Libraries, new: NewRequest, *, loan: bool, two_way: bool) -> "Ways":
        """Let BEX ask SFU; the ILL-REQUEST is on its way."""
        libraries.clock.now = MORNING
        ways = cls(libraries=libraries, new=new, loan=loan, two_way=two_way)
        for name, desk in libraries.desks.items():
            with desk.site.store.engine.connect() as connection:
                last = connection.execute(select(func.max(tables.events.c.sequence))).scalar_one()
            ways.heard[name] = last or 0
        desk = libraries.desks["BEX"]
        acted = desk.request(new, partner=desk.partner("SFU"))
        ways.halves["BEX"] = acted.half_id
        ways.qualifier = acted.apdu.transaction_id.transaction_qualifier.text
        ways._collect("BEX", acted)
        return ways

    # -- what people do

    def half(self, name: str) -> HalfRecord | None:
        """A library's half, if it has one."""
        number = self.halves.get(name)
        return None if number is None else self.libraries.desks[name].half(number)

    def state(self, name: str) -> HalfState | None:
        """The same as the machine sees it."""
        half = self.half(name)
        return None if half is None else half_state(half, TableProfile(half.tables))

    def possible(self, name: str) -> tuple[Service, ...]:
        """What a library's staff is offered."""
        half, state = self.half(name), self.state(name)
        if half is None or state is None:
            return ()
        offered = action.possible(state, self.libraries.desks[name].partner(half.partner))
        # UBC knows nobody to hand it on to.
        return tuple(one for one in offered if (name, one) != ("UBC", Service.FWN))

    def act(self, name: str, service: Service) -> Acted | None:
        """Let a library perform a service; None if it is refused, and then nothing has happened."""
        desk, half = self.libraries.desks[name], self.halves[name]
        before = self.half(name)
        try:
            acted = desk.act(half, self.primitive(service))
        except GatewayError:
            assert self.half(name) == before
            assert desk.outgoing() == []
            return None
        self._collect(name, acted)
        return acted

    def repeat(self, name: str) -> bool:
        """Let a library send its last service again; False if it may not, and then nothing has happened."""
        desk, before = self.libraries.desks[name], self.half(name)
        try:
            acted = desk.repeat(self.halves[name])
        except PrimitiveRefusedError:
            assert self.half(name) == before
            assert desk.outgoing() == []
            return False
        after = self.half(name)
        assert before is not None
        assert after is not None
        assert (after.state, after.flags) == (before.state, before.flags), "a repeat changes nothing"
        payload = desk.inputs(acted.half_id)[-1].payload or {}
        self._collect(name, acted, repeats=payload)
        return True

    def pass_time(self, **by: float) -> None:
        """Let time go by, and what has come due happen everywhere."""
        self.libraries.clock.advance(**by)
        self.tick()

    def tick(self) -> None:
        """Let what has come due happen everywhere."""
        for name, desk in self.libraries.desks.items():
            desk.tick()
            self._collect(name)

    # -- what the ways do

    def under_way(self) -> list[tuple[str, str]]:
        """The ways on which there is something."""
        return sorted(lane for lane, flying in self.lanes.items() if flying)

    def deliver(self, lane: tuple[str, str], place: int = 0) -> Processed:
        """Let a message arrive, the first of its way or another, and hold it to what must be true of any."""
        return self._arrive(self.lanes[lane].pop(place))

    def lose(self, lane: tuple[str, str]) -> Flying:
        """Lose the message that was sent last on a way."""
        return self.lanes[lane].pop()

    def copy(self, lane: tuple[str, str]) -> None:
        """Carry the first message of a way twice."""
        self.lanes[lane].insert(0, self.lanes[lane][0])

    def carry_again(self, flying: Flying) -> None:
        """Put octets on their way once more that were carried long before."""
        self.lanes[flying.sender, flying.recipient].append(flying)

    def _arrive(self, flying: Flying) -> Processed:
        desk = self.libraries.desks[flying.recipient]
        before = self.half(flying.recipient)
        self._listen(flying.recipient)
        known = (flying.recipient, flying.octets) in self.effective
        connection = f"{flying.sender}-{flying.number}"
        processed = desk.receive(
            flying.octets, peer=ADDRESSES[flying.sender], two_way=self.two_way, connection=connection
        )
        if processed.half_id is not None:
            self.halves.setdefault(flying.recipient, HalfId(processed.half_id))
        if known:
            assert processed.verdict is Verdict.EXACT_DUPLICATE
            assert self.half(flying.recipient) == before, "a duplicate changes nothing"
        if processed.verdict in EFFECTIVE:
            self.effective.add((flying.recipient, flying.octets))
        if processed.verdict not in (*EFFECTIVE, Verdict.EXACT_DUPLICATE):
            news = self._listen(flying.recipient)
            assert any(one.message_id == processed.message_id for one in news), "nothing is hidden"
        if processed.verdict is not Verdict.HELD:
            self.arrived.add(flying.number)
        answers = self._collect(flying.recipient)
        if processed.apdu_type == StatusOrErrorReport.asn1_name and not self._held(desk):
            assert answers == [], "no report answers a report"
        return processed

    def _listen(self, name: str) -> list[EventRecord]:
        """What a library was told since somebody listened last."""
        with self.libraries.desks[name].reading() as uow:
            news = list(uow.events.after(self.heard[name], 1000))
        self.told[name] += news
        self.heard[name] = news[-1].sequence if news else self.heard[name]
        return news

    @staticmethod
    def _held(desk: Desk) -> bool:
        with desk.reading() as uow:
            return uow.held.next() is not None

    def _collect(
        self, name: str, acted: Acted | None = None, *, repeats: Mapping[str, object] | None = None
    ) -> list[Outgoing]:
        """Put what a library sends on its way, held to what must be true of anything that is sent."""
        # Requests that went before may expire meanwhile.
        sent = [one for one in self.libraries.desks[name].deliver() if self._is_about_this(one)]
        for one in sent:
            recipient = one.row.partner
            assert recipient is not None
            assert one.row.message_id is not None
            number = self.numbers.get((name, one.row.message_id), len(self.past) + 1)
            ours = acted is not None and one.row.message_id in (acted.message_id, acted.onward)
            if ours and repeats is not None:
                earlier = repeats.get("repeats")
                assert isinstance(earlier, int)
                number = self.numbers[name, MessageId(earlier)]
            again = (name, one.row.message_id) in self.numbers
            self.numbers[name, one.row.message_id] = number
            flying = Flying(sender=name, recipient=recipient, number=number, octets=one.octets)
            self.lanes[name, recipient].append(flying)
            self.past.append(flying)
            if acted is not None and one.row.message_id == acted.message_id:
                self.last[name] = flying
            if one.apdu.asn1_name == "Expired":
                self.last[name] = flying
            if not again:
                self._hold_to_the_rules(name, one)
        return sent

    def _is_about_this(self, one: Outgoing) -> bool:
        return one.apdu.transaction_id.transaction_qualifier.text == self.qualifier

    def _hold_to_the_rules(self, name: str, one: Outgoing) -> None:
        """What must be true of any APDU that is sent for the first time."""
        findings = check(one.apdu, EVERY_RULE)
        assert findings == (), f"{one.apdu.asn1_name}: {findings}"
        time = service_time_of(one.apdu)
        forwarded = isinstance(one.apdu, ILLRequest) and one.apdu.forward_flag
        used = self.times[name]
        if not forwarded and name in self.halves:
            # Of a forwarding both APDUs are one service. What is not known yet has no times to remember.
            assert all(earlier < time for earlier in used), f"{one.apdu.asn1_name}: {time} after {used}"
            used.append(time)

    # -- how it goes on

    def is_lost(self, name: str) -> bool:
        """Whether the last service of a library had no effect, and is not on its way either."""
        last = self.last.get(name)
        if last is None or last.number in self.arrived:
            return False
        flying = (one.number for lane in self.lanes.values() for one in lane)
        return last.number not in flying and last.number not in self._held_numbers(last.recipient)

    def _held_numbers(self, name: str) -> set[int]:
        with self.libraries.desks[name].reading() as uow:
            half = self.halves.get(name)
            if half is None:
                return set()
            held = uow.held.of(uow.halves.get(half).transaction_id)
            octets = {uow.messages.raw(one.message_id) for one in held}
        return {one.number for one in self.past if one.recipient == name and one.octets in octets}

    def settle(self) -> None:
        """Deliver everything, and repeat what was lost, until nothing is left to be done."""
        for _ in range(20):
            while lanes := self.under_way():
                for lane in lanes:
                    while self.lanes[lane]:
                        self.deliver(lane)
            lost = [name for name in self.libraries.desks if self.is_lost(name)]
            again = [name for name in lost if self._send_again(name)]
            if not again and not self.under_way():
                return
        raise AssertionError(f"no end in sight: {self.names()}")

    def _send_again(self, name: str) -> bool:
        last = self.last[name]
        if self.libraries.desks[name].half(self.halves[name]).state == "NOT-SUPPLIED" and self._expired(last):
            # Nobody's wish, so nobody can repeat it: the operator sends it again as it was.
            self.carry_again(last)
            return True
        return self.repeat(name) and self.last[name].number == last.number

    @staticmethod
    def _expired(flying: Flying) -> bool:
        return flying.octets[:1] == b"\x74"

    def finish(self) -> None:
        """Let all that is held be decided, and hold each library's record to what must be true of any."""
        self.pass_time(hours=1)
        while self.under_way():
            for lane in self.under_way():
                self.deliver(lane)
        self.pass_time(hours=1)
        for name, desk in self.libraries.desks.items():
            assert not self._held(desk)
            self.lanes.clear()
            if name in self.halves:
                assert_replayable(desk, self.halves[name])

    def names(self) -> dict[str, str]:
        """The state of each library that has one."""
        return {name: half.state for name in self.libraries.desks if (half := self.half(name)) is not None}

    def attention(self, name: str) -> list[str]:
        """Why this request was put before the people of a library."""
        self._listen(name)
        return [
            str((event.detail or {}).get("reason"))
            for event in self.told[name]
            if event.kind == ATTENTION and event.half_id == self.halves.get(name)
        ]

    # -- what is said

    def primitive(self, service: Service) -> primitives.Primitive:
        """What staff says by a service."""
        supplied = ILLServiceType.loan if self.loan else ILLServiceType.copy_non_returnable
        match service:
            case Service.C_REP_YES | Service.C_REP_NO:
                return primitives.ConditionalReply(answer=service is Service.C_REP_YES)
            case Service.CAN:
                return primitives.Cancel()
            case Service.RCV:
                return primitives.Receive(service_type=supplied)
            case Service.RET:
                return primitives.Return()
            case Service.REN:
                return primitives.Renew(desired_due_date=DUE)
            case Service.FWN:
                return primitives.Forward(to="UBC")
            case Service.ANS_CO:
                return primitives.Answer(result=TransactionResults.conditional, reason="library-use-only")
            case Service.ANS_RY:
                return primitives.Answer(result=TransactionResults.retry, reason="on-order")
            case Service.ANS_UN:
                return primitives.Answer(result=TransactionResults.unfilled, reason="not-owned")
            case Service.ANS_LP:
                return primitives.Answer(
                    result=TransactionResults.locations_provided, reason="lacking", locations=("ILLUME:KPU",)
                )
            case Service.ANS_WS:
                return primitives.Answer(result=TransactionResults.will_supply)
            case Service.ANS_HP:
                return primitives.Answer(result=TransactionResults.hold_placed, date=DUE)
            case Service.ANS_ES:
                return primitives.Answer(result=TransactionResults.estimate, cost="12 dollars")
            case Service.SHI:
                return primitives.Ship(service_type=supplied, date_due=DUE if self.loan else None)
            case Service.CAR_YES | Service.CAR_NO:
                return primitives.CancelReply(answer=service is Service.CAR_YES)
            case Service.REA_YES:
                return primitives.RenewAnswer(answer=True, date_due=DUE)
            case Service.REA_NO:
                return primitives.RenewAnswer(answer=False)
            case Service.RCL:
                return primitives.RecallItem()
            case Service.DUE:
                return primitives.ReportOverdue(date_due=DUE)
            case Service.CHK:
                return primitives.CheckIn()
            case Service.LST:
                return primitives.ReportLost()
            case Service.DAM:
                return primitives.ReportDamaged(note="the spine")
            case Service.MSG:
                return primitives.SendMessage(note="any news?")
            case Service.STQ:
                return primitives.QueryStatus()
            case Service.ILL | Service.EXP | Service.STR:
                raise AssertionError(f"{service} is nobody's to ask for")
            case _:
                assert_never(service)
