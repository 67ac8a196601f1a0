"""What a simulated partner knows and does: requests, halves, and the rules of its scenario. Pure.

Theory of operation. `receive` takes octets and tells what became of them: what goes back at once (a status
report, an error report, which the machine asks for) and which rule is followed. The steps of a rule wait for
their time, so whoever runs the script waits, and then calls `step` for each and `end` after the last. All of
them give the octets to send, in order. Nothing here reads a clock or touches the network; the scenario's
misbehaviour that concerns octets under way (`Way`, `Arrival`) is told to whoever has the connection.
"""

import dataclasses
import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Final, assert_never

from asn1 import ill
from asn1.codec import WireError, decode, encode
from asn1.ill import ILLApdu, ILLRequest
from config.settings import ApduName, Partner, TransactionResults
from config.symbols import Symbol
from iso_gateway import compose
from iso_gateway.compose import ServiceRecord
from iso_gateway.errors import PrimitiveInvalidError
from iso_gateway.half import interpretation
from iso_gateway.message.identity import canonical_transaction, request_number, symbol_of, text_of
from iso_gateway.protocol import effects, machine
from iso_gateway.protocol.events import (
    ApduReceived,
    Event,
    ExpiryReached,
    Facts,
    Service,
    ServiceRequested,
)
from iso_gateway.protocol.states import HalfState, Role, State, TableProfile
from iso_gateway.protocol.tables import ALWAYS
from iso_gateway.request import primitives
from iso_gateway.simulation import composing, templates
from iso_gateway.simulation.scenario import Arrival, Order, Scenario, Step, Way, rule_for

#: Every request that comes in can expire, if the scenario says so; when is the scenario's affair.
_CAN_EXPIRE: Final = dt.timedelta(days=3650)


class Fate(Enum):
    """What became of an APDU, or of a step."""

    RECEIVED = "received"
    """It came in, and had its effect."""
    IGNORED = "ignored"
    """It came in, and changed nothing: an exact copy, a report, what the protocol does not allow."""
    MISSED = "missed"
    """It came in, but the scenario says that the partner did not see it."""
    UNREADABLE = "unreadable"
    """Octets that are no APDU came in."""
    SENT = "sent"
    """It was made, and goes out as its way says."""
    LEFT_OUT = "left out"
    """A step could not be done: the protocol or the partner's software does not allow it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One line of what happened; nothing in it is text of an APDU, but for the request's number.

    Args:
        at: when, in the partner's zone.
        fate: what became of it.
        service: which service; None for what is no APDU.
        request: the request's number, as people read it; None where there is none.
        role: the partner's role; None where there is no request.
        before, after: the states of the partner's half.
        way: of what was sent.
        note: more about it, in our own words.
    """

    at: dt.datetime
    fate: Fate
    service: Service | None = None
    request: str | None = None
    role: Role | None = None
    before: State | None = None
    after: State | None = None
    way: Way | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwarding:
    """The two APDUs of a forwarding.

    Args:
        onward: the request, for the library that it goes to.
        notification: what the requester is told.
        to: that library.
    """

    onward: ILLRequest
    notification: ill.ForwardNotification
    to: Symbol


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """Octets that are to go out.

    Args:
        octets: an APDU.
        way: what becomes of them; `ONCE`, `CUT` or `RESET`.
        to: the library that they are for.
    """

    octets: bytes = field(repr=False)
    to: Symbol
    way: Way = Way.ONCE


@dataclass(slots=True, kw_only=True, eq=False)
class Conversation:
    """One request, as the partner sees it.

    Args:
        key: the transaction, and the partner's role in it.
        half: where it stands.
        request: the ILL-Request that began it.
        us, them: the partner's symbol, and that of whom it talks to.
        received, sent: the APDUs, in order; what was lost on its way is in `sent` too.
        past: what happened.
        history: the services, for a status report.
        fitted: how often each rule has fitted.
        held: octets that go out after the next APDU.
        forwarded_to: whom the request was handed on to.
        last_service_at: the service-date-time of what was sent last.
        handed_over: how many APDUs the gateway has taken.
    """

    key: tuple[bytes, Role]
    half: HalfState
    request: ILLRequest
    us: Symbol
    them: Symbol
    received: list[ILLApdu] = field(default_factory=list)
    sent: list[ILLApdu] = field(default_factory=list)
    past: list[Happening] = field(default_factory=list)
    history: list[ServiceRecord] = field(default_factory=list)
    fitted: Counter[int] = field(default_factory=Counter)
    held: list[bytes] = field(default_factory=list)
    forwarded_to: Symbol | None = None
    last_service_at: dt.datetime | None = None
    handed_over: int = 0

    @property
    def role(self) -> Role:
        """The partner's role."""
        return self.half.role

    @property
    def state(self) -> State:
        """The state of the partner's half."""
        return self.half.state

    @property
    def ended(self) -> bool:
        """Whether the request is over for the partner."""
        return self.half.ended

    @property
    def number(self) -> str:
        """The request's number, as people read it."""
        return request_number(self.request.transaction_id)

    @property
    def title(self) -> str:
        """The title of the item, of the whole or of the article; empty without one."""
        item = self.request.item_id
        return text_of(item.title) or text_of(item.title_of_article) or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of octets that came in.

    Args:
        arrival: how their connection is to end.
        conversation: which request they are about, if that is known.
        at_once: what goes out at once: what crosses it, and reports.
        steps: what the rule that fits says to do.
    """

    arrival: Arrival = Arrival.TAKEN
    conversation: Conversation | None = None
    at_once: tuple[Sending, ...] = ()
    steps: tuple[Step, ...] = ()


class Script:
    """The partner's memory, and its rules.

    Args:
        profile: whom it plays: symbols, what its software can say, character set, zone.
        scenario: what it does.
        new_qualifier: a text that no request of this partner had before.
        observer: is told everything that happens, as it happens.
        others: the libraries besides the gateway that it knows, by the names of their profiles.
    """

    def __init__(
        self,
        profile: Partner,
        scenario: Scenario,
        *,
        new_qualifier: Callable[[], str],
        observer: Callable[[Happening], None] = lambda _: None,
        others: Mapping[str, Partner] = MappingProxyType({}),
    ) -> None:
        self.profile: Final = profile
        self.scenario: Final = scenario
        self.others = others
        self._new_qualifier = new_qualifier
        self._observer = observer
        self._conversations: dict[tuple[bytes, Role], Conversation] = {}
        self._seen: set[bytes] = set()

    @property
    def conversations(self) -> tuple[Conversation, ...]:
        """Every request, in the order in which they began."""
        return tuple(self._conversations.values())

    # -- coming in

    def receive(self, octets: bytes, at: dt.datetime) -> Taken:
        """Take octets that came in.

        Args:
            octets: one whole element.
            at: now, aware.
        """
        at = at.astimezone(self.profile.zone)
        try:
            apdu = decode(octets)
        except WireError as error:
            self.unreadable(error, at)
            return Taken()
        service = interpretation.service_of(apdu)
        if service is None:
            self._tell(Happening(at=at, fate=Fate.UNREADABLE, note="an answer of no known kind"))
            return Taken()
        conversation = self._conversation_of(apdu)
        rule = rule_for(
            self.scenario,
            conversation.fitted,
            service=service,
            role=conversation.role,
            state=conversation.state,
            title=conversation.title,
        )
        arrival = Arrival.TAKEN if rule is None else rule.arrival
        if arrival in {Arrival.LOST, Arrival.REFUSED}:
            self._keep(conversation)
            self._happened(
                conversation,
                Happening(at=at, fate=Fate.MISSED, service=service, note=f"{arrival.value} by script"),
            )
            return Taken(arrival=arrival, conversation=conversation)
        crossed = tuple(
            sending
            for step in (() if rule is None or octets in self._seen else rule.before)
            for sending in self.step(conversation, step, at)
        )
        before = conversation.state
        if octets in self._seen:
            copy = Happening(
                at=at, fate=Fate.IGNORED, service=service, note="an exact copy of what came before"
            )
            self._happened(conversation, copy)
            return Taken(arrival=arrival, conversation=conversation)
        seen = _was_said(apdu, service, conversation)
        event = ApduReceived(
            service=service,
            repeat=seen or interpretation.is_marked_repeat(apdu),
            facts=self._facts(apdu, conversation, at, original_seen=seen),
        )
        outcome = machine.advance(conversation.half, event, at)
        happened = outcome.verdict in {machine.Verdict.APPLIED, machine.Verdict.REPEATED}
        if happened:
            self._seen.add(octets)
            self._keep(conversation)
            conversation.half = outcome.state
            conversation.received.append(apdu)
            _follow_forwarding(conversation, apdu, service)
            self._record(conversation, service, at, before=before, by_us=False)
        self._happened(
            conversation,
            Happening(
                at=at,
                fate=Fate.RECEIVED if happened else Fate.IGNORED,
                service=service,
                before=before,
                note="" if happened and not event.repeat else outcome.reason,
            ),
        )
        reports = tuple(self._reports(conversation, apdu, service, outcome, at))
        steps = rule.then if rule is not None and outcome.verdict is machine.Verdict.APPLIED else ()
        return Taken(arrival=arrival, conversation=conversation, at_once=(*crossed, *reports), steps=steps)

    def unreadable(self, error: WireError, at: dt.datetime) -> None:
        """Take note of octets that are no APDU."""
        at = at.astimezone(self.profile.zone)
        self._tell(Happening(at=at, fate=Fate.UNREADABLE, note=str(error)))

    # -- going out

    def begin(self, order: Order, them: Symbol, at: dt.datetime) -> tuple[Conversation, tuple[Sending, ...]]:
        """Begin a request as borrower.

        Args:
            order: what is asked for.
            them: the symbol of the library that is asked.
            at: now, aware.
        """
        at = at.astimezone(self.profile.zone)
        request = composing.request_of(
            order.request, self.profile, them=them, qualifier=self._new_qualifier(), at=at
        )
        conversation = Conversation(
            key=(canonical_transaction(request.transaction_id, self.profile.symbols[0]), Role.REQUESTER),
            half=HalfState(role=Role.REQUESTER, tables=TableProfile(self.profile.tables.value)),
            request=request,
            us=self.profile.symbols[0],
            them=them,
        )
        self._keep(conversation)
        event = ServiceRequested(
            service=Service.ILL, facts=interpretation.facts_sent(request, self._gateway(conversation))
        )
        conversation.half = machine.advance(conversation.half, event, at).state
        conversation.last_service_at = at
        self._record(conversation, Service.ILL, at, before=State.IDLE, by_us=True)
        return conversation, self._made(conversation, Service.ILL, request, order.way, State.IDLE, at)

    def step(self, conversation: Conversation, step: Step, at: dt.datetime) -> tuple[Sending, ...]:
        """Do one step of a rule, now that its time has come.

        Args:
            conversation: the request that it is about.
            step: what to do.
            at: now, aware.

        Returns:
            What goes out, in order. Nothing where the step is left out.
        """
        at = self._service_time(conversation, at)
        before = conversation.state
        match step:
            case Step(send=Service() as service):
                made = self._performed(conversation, service, step, at)
            case Step(repeat=Service() as service):
                made = self._repeated(conversation, service, step, at)
            case Step(copy=Service() as service):
                made = self._last_sent(conversation, service)
            case _:
                raise AssertionError("a step without a service is refused when its file is read")
        if isinstance(made, str):
            left_out = Happening(at=at, fate=Fate.LEFT_OUT, service=service, before=before, note=made)
            self._happened(conversation, left_out)
            return ()
        conversation.last_service_at = at
        if not isinstance(made, Forwarding):
            return self._made(conversation, service, made, step.way, before, at)
        onward = self._handed_on(conversation, made)
        return (*onward, *self._made(conversation, service, made.notification, step.way, before, at))

    def end(self, conversation: Conversation) -> tuple[Sending, ...]:
        """End a rule: what still waits for the next APDU goes out."""
        held, conversation.held = conversation.held, []
        return tuple(Sending(octets=octets, to=conversation.them) for octets in held)

    # -- the APDUs

    def _performed(
        self, conversation: Conversation, service: Service, step: Step, at: dt.datetime
    ) -> ILLApdu | Forwarding | str:
        """The APDU of a service, the half moved; or why not."""
        if not step.force and not self._can_say(service):
            return f"{self.profile.name}'s software does not send it, as its profile says"
        composed = self._composed(conversation, service, step, at)
        if isinstance(composed, str):
            return composed
        apdu = composed.notification if isinstance(composed, Forwarding) else composed
        event: Event = ExpiryReached()
        if service is not Service.EXP:
            facts = interpretation.facts_sent(apdu, self._gateway(conversation))
            event = ServiceRequested(service=service, facts=facts)
        outcome = machine.advance(conversation.half, event, at)
        if outcome.verdict is machine.Verdict.APPLIED:
            before = conversation.state
            conversation.half = outcome.state
            self._record(conversation, service, at, before=before, by_us=True)
        elif not step.force:
            return outcome.reason
        return composed

    def _composed(
        self, conversation: Conversation, service: Service, step: Step, at: dt.datetime
    ) -> ILLApdu | Forwarding | str:
        frame = self._frame(conversation, at)
        if service is Service.STR:
            return self._status_report(conversation, at)
        template = step.template
        if template is None:
            return compose.expired(frame)
        wanted = (kind.value for kind in conversation.request.iLL_service_type)
        primitive = templates.suiting(template.made(at.date()), wanted)
        if isinstance(primitive, primitives.Forward):
            return self._forwarding(conversation, primitive, frame)
        return compose.apdu_for(primitive, conversation.request, frame, composing.terms_of(self.profile))

    def _forwarding(
        self, conversation: Conversation, primitive: primitives.Forward, frame: compose.Frame
    ) -> Forwarding | str:
        other = self.others.get(primitive.to)
        if other is None:
            known = ", ".join(self.others) or "none"
            return f"no library {primitive.to!r} is known to forward to; there are: {known}"
        request = conversation.request
        encoding = self.profile.character_set.value
        try:
            return Forwarding(
                onward=compose.forwarded_request(
                    request,
                    frame.to(other.symbols[0], encoding=other.character_set.value),
                    composing.terms_of(self.profile),
                    intermediary=conversation.us,
                    requester_address=ill.SystemAddress(),
                    note=primitive.note,
                    read_as=encoding,
                ),
                notification=compose.forward_notification(frame, to=other.symbols[0], note=primitive.note),
                to=other.symbols[0],
            )
        except PrimitiveInvalidError as error:
            return str(error)

    def _handed_on(self, conversation: Conversation, forwarding: Forwarding) -> tuple[Sending, ...]:
        """The request to the next responder: it goes out, whatever becomes of the notification."""
        conversation.forwarded_to = forwarding.to
        conversation.sent.append(forwarding.onward)
        return (Sending(octets=encode(forwarding.onward), to=forwarding.to),)

    def _repeated(
        self, conversation: Conversation, service: Service, step: Step, at: dt.datetime
    ) -> ILLApdu | str:
        last = self._last_sent(conversation, service)
        if isinstance(last, str):
            return last
        event = ServiceRequested(service=service, repeat=True)
        outcome = machine.advance(conversation.half, event, at)
        if outcome.verdict is not machine.Verdict.REPEATED and not step.force:
            return outcome.reason
        return compose.repeat_of(last, at)

    def _last_sent(self, conversation: Conversation, service: Service) -> ILLApdu | str:
        sent = [apdu for apdu in conversation.sent if interpretation.service_of(apdu) is service]
        return sent[-1] if sent else f"no {service.phrase} was sent before"

    def _made(
        self,
        conversation: Conversation,
        service: Service,
        apdu: ILLApdu,
        way: Way | None,
        before: State,
        at: dt.datetime,
    ) -> tuple[Sending, ...]:
        """What goes out for an APDU, and the line about it."""
        way = way or self.scenario.way
        octets = encode(apdu)
        conversation.sent.append(apdu)
        self._happened(
            conversation, Happening(at=at, fate=Fate.SENT, service=service, before=before, way=way)
        )
        held, to = conversation.held, conversation.them
        match way:
            case Way.LOST:
                return ()
            case Way.SWAPPED:
                held.append(octets)
                return ()
            case Way.ONCE | Way.CUT | Way.RESET:
                going = [Sending(octets=octets, to=to, way=way)]
            case Way.TWICE:
                going = [Sending(octets=octets, to=to), Sending(octets=octets, to=to)]
            case Way.REPEATED:
                again = compose.repeat_of(apdu, at + dt.timedelta(seconds=1))
                conversation.last_service_at = at + dt.timedelta(seconds=1)
                going = [Sending(octets=octets, to=to), Sending(octets=encode(again), to=to)]
            case _:
                assert_never(way)
        return (*going, *self.end(conversation))

    def _reports(
        self,
        conversation: Conversation,
        apdu: ILLApdu,
        service: Service,
        outcome: machine.Outcome,
        at: dt.datetime,
    ) -> Iterator[Sending]:
        """What the machine answers by itself, if this partner's software answers at all."""
        wanted = [
            effect for effect in outcome.effects if isinstance(effect, effects.SendApdu | effects.SendReport)
        ]
        if not wanted or not self.scenario.reports or not self._can_say(Service.STR):
            return
        for effect in wanted:
            at = self._service_time(conversation, at)
            match effect:
                case effects.SendApdu():
                    report = self._status_report(conversation, at)
                case effects.SendReport(report=problem):
                    report = compose.error_report(
                        self._frame(conversation, at),
                        problem,
                        compose.correlation_of(service.apdu_type, apdu.service_date_time),
                        forwarded_to=conversation.forwarded_to,
                    )
                case _:
                    assert_never(effect)
            conversation.last_service_at = at
            conversation.sent.append(report)
            self._happened(
                conversation,
                Happening(
                    at=at, fate=Fate.SENT, service=Service.STR, before=conversation.state, way=Way.ONCE
                ),
            )
            yield Sending(octets=encode(report), to=conversation.them)

    def _status_report(self, conversation: Conversation, at: dt.datetime) -> ill.StatusOrErrorReport:
        frame = self._frame(conversation, at)
        return compose.status_report(
            frame,
            conversation.request,
            conversation.history,
            conversation.state.wire,
            role=conversation.role,
        )

    def _frame(self, conversation: Conversation, at: dt.datetime) -> compose.Frame:
        return compose.frame_for(
            conversation.request,
            local=conversation.us,
            partner=conversation.them,
            at=at,
            encoding=self.profile.character_set.value,
            role=conversation.role,
        )

    # -- what it knows

    def _can_say(self, service: Service) -> bool:
        capabilities = self.profile.capabilities
        if _NAMES[service] not in capabilities.sends:
            return False
        result = _RESULTS.get(service)
        return result is None or result in capabilities.sends_results

    def _conversation_of(self, apdu: ILLApdu) -> Conversation:
        """The request that an APDU is about; a new one, not kept, where it is unknown."""
        requester = symbol_of(apdu.requester_id) or symbol_of(apdu.transaction_id.initial_requester_id)
        responder = symbol_of(apdu.responder_id)
        role = interpretation.receiving_role(interpretation.direction_of(type(apdu)))
        if role is None:
            role = Role.REQUESTER if requester is not None and self._is_me(requester) else Role.RESPONDER
        key = (canonical_transaction(apdu.transaction_id, self._named(requester)), role)
        known = self._conversations.get(key)
        if known is not None:
            return known
        us, them = (requester, responder) if role is Role.REQUESTER else (responder, requester)
        return Conversation(
            key=key,
            half=HalfState(role=role, tables=TableProfile(self.profile.tables.value)),
            request=apdu if isinstance(apdu, ILLRequest) else composing.unknown_request(apdu),
            us=us or self.profile.symbols[0],
            them=them or Symbol(None, "?"),
        )

    def _is_me(self, symbol: Symbol) -> bool:
        return any(symbol.matches(own) for own in (*self.profile.symbols, *self.profile.aliases))

    def _named(self, symbol: Symbol | None) -> Symbol | None:
        return self.profile.symbols[0] if symbol is not None and self._is_me(symbol) else symbol

    def _keep(self, conversation: Conversation) -> None:
        self._conversations.setdefault(conversation.key, conversation)

    def _facts(
        self, apdu: ILLApdu, conversation: Conversation, at: dt.datetime, *, original_seen: bool
    ) -> Facts:
        facts = interpretation.facts_received(
            apdu,
            self._gateway(conversation),
            composing.as_local(self.profile),
            original_seen=original_seen,
        )
        if isinstance(apdu, ILLRequest) and facts.expires_at is None:
            return dataclasses.replace(facts, expires_at=at + _CAN_EXPIRE)
        return facts

    def _gateway(self, conversation: Conversation) -> Partner:
        """Whom it talks to, as far as the tables ask."""
        return composing.mirrored(self.profile, conversation.them)

    def _record(
        self, conversation: Conversation, service: Service, at: dt.datetime, *, before: State, by_us: bool
    ) -> None:
        conversation.history.append(
            ServiceRecord(
                service=service,
                at=at,
                by_us=by_us,
                changed_state=conversation.state is not before,
                loan=conversation.half.flags.loan,
            )
        )

    def _service_time(self, conversation: Conversation, at: dt.datetime) -> dt.datetime:
        """A service-date-time later than all before it, on the clock on the wall (protocol.md 2.2)."""
        wall = at.astimezone(self.profile.zone).replace(microsecond=0, tzinfo=None)
        last = conversation.last_service_at
        if last is not None:
            wall = max(wall, last.replace(tzinfo=None) + dt.timedelta(seconds=1))
        return wall.replace(tzinfo=self.profile.zone)

    def _happened(self, conversation: Conversation, happening: Happening) -> None:
        about = dataclasses.replace(
            happening,
            request=conversation.number,
            role=conversation.role,
            before=happening.before or conversation.state,
            after=conversation.state,
        )
        conversation.past.append(about)
        self._tell(about)

    def _tell(self, happening: Happening) -> None:
        self._observer(happening)


def _follow_forwarding(conversation: Conversation, apdu: ILLApdu, service: Service) -> None:
    """As borrower: talk to the library that has the request now, which tells by answering, or is named."""
    flags = conversation.half.flags
    if conversation.role is Role.REQUESTER and flags.may_forward and service not in ALWAYS:
        conversation.them = symbol_of(apdu.responder_id) or conversation.them


def _was_said(apdu: ILLApdu, service: Service, conversation: Conversation) -> bool:
    """Whether what an APDU says came in before: it repeats that, or is the original of a repeat.

    A repeat whose original had come too says nothing that the original does not, so each may have stood in.
    """
    return any(
        interpretation.says_again(apdu, known, stood_in=interpretation.is_marked_repeat(known))
        for known in conversation.received
        if interpretation.service_of(known) is service
    )


_RESULTS: Final = {
    service: TransactionResults(result.asn1_name) for result, service in compose.ANSWER_SERVICES.items()
}

_NAMES: Final = {
    service: next(name for name in ApduName if name.value.casefold() == service.apdu_name.casefold())
    for service in Service
}
