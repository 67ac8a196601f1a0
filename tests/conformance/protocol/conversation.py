"""Two machines that talk through channels which drop, duplicate, delay and reorder: the tests' own gateway.

What the services do around the machine is here in small: an exact copy is answered by nothing, a repeat is
matched with its original, what may be early is held, and nothing new is sent while the last APDU is lost
(head of line).
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from iso_gateway.protocol.effects import SendApdu, SendReport
from iso_gateway.protocol.events import ApduReceived, Event, ExpiryReached, Facts, Service, ServiceRequested
from iso_gateway.protocol.later import could_be_allowed_later
from iso_gateway.protocol.machine import Outcome, Verdict, advance, observe
from iso_gateway.protocol.states import HalfState, Role, State, TableProfile
from iso_gateway.protocol.tables import TABLES

STRICT: Final = TableProfile.STRICT
NOW: Final = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
EXPIRES: Final = datetime(2026, 12, 24, tzinfo=UTC)
ALLOWED: Final = frozenset({Verdict.APPLIED, Verdict.REPEATED, Verdict.ALREADY_FORWARDED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Apdu:
    """An APDU under way."""

    #: that of the first sending: what a date-time of original service tells
    number: int
    service: Service
    facts: Facts
    repeat: bool = False
    #: sent again like the first time, without a word about it
    unmarked: bool = False


@dataclass(slots=True, kw_only=True)
class Side:
    """A gateway with one half."""

    half: HalfState
    #: the half as a relay sees it that all APDUs pass
    seen: HalfState
    #: APDUs on their way to this side
    inbox: list[Apdu] = field(default_factory=list)
    #: originals that had their effect here
    processed: set[int] = field(default_factory=set)
    held: list[Apdu] = field(default_factory=list)
    #: the last APDU that this side sent for a service
    last: Apdu | None = None
    refused: list[Apdu] = field(default_factory=list)


class Conversation:
    """A requester, a responder, and what is under way between them."""

    def __init__(self, *, loan: bool = True, tables: TableProfile = STRICT) -> None:
        self.loan = loan
        self.sides = {
            role: Side(half=HalfState(role=role, tables=tables), seen=HalfState(role=role, tables=tables))
            for role in Role
        }
        self.sent = 0

    def other(self, role: Role) -> Side:
        """The side that a role talks to."""
        return self.sides[Role.RESPONDER if role is Role.REQUESTER else Role.REQUESTER]

    # -- what people do

    def ask(self, role: Role, service: Service, *, repeat: bool = False) -> Outcome:
        """Let the local side ask for a service."""
        facts = self.facts(service)
        return self._happen(role, ServiceRequested(service=service, repeat=repeat, facts=facts), facts)

    def expire(self) -> Outcome:
        """Let the responder's timer fire."""
        return self._happen(Role.RESPONDER, ExpiryReached(), Facts())

    def facts(self, service: Service) -> Facts:
        """What the APDU of a service says."""
        match service:
            case Service.SHI | Service.RCV:
                return Facts(loan=self.loan)
            case Service.ILL:
                return Facts(expires_at=EXPIRES)
            case _:
                return Facts()

    def _happen(self, role: Role, event: Event, facts: Facts) -> Outcome:
        side = self.sides[role]
        outcome = self._advance(side, event)
        for effect in outcome.effects:
            if isinstance(effect, SendApdu):
                self._send(role, effect.service, facts, repeat=effect.repeat)
        return outcome

    def _send(self, role: Role, service: Service, facts: Facts, *, repeat: bool) -> None:
        side = self.sides[role]
        if repeat:
            assert side.last is not None
            apdu = replace(side.last, repeat=True)
        else:
            self.sent += 1
            apdu = Apdu(number=self.sent, service=service, facts=facts)
            self._observe(side, apdu)
        if service is not Service.STR:
            side.last = apdu
        self.other(role).inbox.append(apdu)

    def _observe(self, side: Side, apdu: Apdu) -> None:
        event: Event = (
            ExpiryReached()
            if apdu.service is Service.EXP
            else ServiceRequested(service=apdu.service, facts=apdu.facts)
        )
        side.seen = observe(side.seen, event, NOW).state

    def _advance(self, side: Side, event: Event) -> Outcome:
        before = side.half
        outcome = advance(before, event, NOW)
        side.half = outcome.state
        if outcome.state.state is not before.state:
            assert outcome.row is not None
            assert outcome.row in TABLES[before.role].values()
            assert (outcome.row.state, outcome.row.next_state) == (before.state, outcome.state.state)
        return outcome

    # -- what channels do

    def deliver(self, role: Role, place: int = 0) -> Outcome | None:
        """Let an APDU arrive, the first or one out of order; None if it is a copy or is held."""
        side = self.sides[role]
        outcome = self._receive(role, side.inbox.pop(place))
        while self._try_held(role):
            continue
        return outcome

    def _receive(self, role: Role, apdu: Apdu) -> Outcome | None:
        side = self.sides[role]
        known = apdu.number in side.processed
        if known and not apdu.repeat and not apdu.unmarked:
            # An exact copy: the services answer it from the record, and the machine is not asked.
            return None
        event = self._event(side, apdu)
        if could_be_allowed_later(side.half, event):
            if apdu not in side.held:
                side.held.append(apdu)
            return None
        before = side.half
        outcome = self._advance(side, event)
        if known:
            assert side.half == before
        if outcome.verdict in ALLOWED:
            side.processed.add(apdu.number)
            if not known:
                side.seen = observe(side.seen, event, NOW).state
        else:
            side.refused.append(apdu)
        for effect in outcome.effects:
            match effect:
                case SendReport():
                    self._send(role, Service.STR, Facts(), repeat=False)
                case SendApdu(service=service):
                    self._send(role, service, Facts(), repeat=False)
                case _:
                    continue
        return outcome

    @staticmethod
    def _event(side: Side, apdu: Apdu) -> ApduReceived:
        """What an APDU is to the machine; one that is unmarked is known by what it says (protocol.md 2.2)."""
        known = apdu.number in side.processed
        repeat = apdu.repeat or (apdu.unmarked and known)
        return ApduReceived(
            service=apdu.service, repeat=repeat, facts=replace(apdu.facts, original_seen=known)
        )

    def _try_held(self, role: Role) -> bool:
        """Let one held APDU in whose time has come, or that no one waits for any more."""
        side = self.sides[role]
        for apdu in side.held:
            if not could_be_allowed_later(side.half, self._event(side, apdu)):
                side.held.remove(apdu)
                self._receive(role, apdu)
                return True
        return False

    # -- how it goes on

    def arrived(self, role: Role) -> bool:
        """Whether the last APDU that a side sent has had its effect, or none any more."""
        last, other = self.sides[role].last, self.other(role)
        return last is None or last.number in other.processed or last in other.refused

    def repeat(self, role: Role) -> bool:
        """Send the last APDU again; False if the tables do not let it be repeated any more.

        EXPIRED, which no user can repeat, goes out again as it was.
        """
        side = self.sides[role]
        last = side.last
        assert last is not None
        if last.service is Service.EXP:
            self.other(role).inbox.append(last)
            return True
        return self.ask(role, last.service, repeat=True).verdict is Verdict.REPEATED

    def ask_again(self) -> None:
        """Let the requester send its ILL-REQUEST once more, as lenient partners do: unmarked."""
        request = Apdu(number=1, service=Service.ILL, facts=self.facts(Service.ILL), unmarked=True)
        self.sides[Role.RESPONDER].inbox.append(request)

    def settle(self) -> None:
        """Deliver everything, and repeat what was lost, until nothing is left to be done."""
        for _ in range(20):
            for role in Role:
                while self.sides[role].inbox:
                    self.deliver(role)
            repeated = [self.repeat(role) for role in Role if self.is_lost(role)]
            if not any(repeated) and not any(side.inbox for side in self.sides.values()):
                return
        raise AssertionError(f"no end in sight: {self.states}")

    def is_lost(self, role: Role) -> bool:
        """Whether the last APDU that a side sent has had no effect, and is not under way either."""
        last, other = self.sides[role].last, self.other(role)
        if last is None or self.arrived(role):
            return False
        return all(last.number != apdu.number for apdu in (*other.inbox, *other.held))

    @property
    def states(self) -> tuple[State, State]:
        """Where the requester and the responder are."""
        return self.sides[Role.REQUESTER].half.state, self.sides[Role.RESPONDER].half.state
