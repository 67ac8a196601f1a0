"""A half from its inputs: what the state tables of today make of everything that happened to it, in order.

Pure but for reading what it is given: no database, no clock.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from zoneinfo import ZoneInfo

from iso_gateway.half.record import event_of
from iso_gateway.protocol import effects, machine, timers
from iso_gateway.protocol.events import ExpiryReached, Service
from iso_gateway.protocol.states import HalfState, Role, State, TableProfile
from iso_gateway.protocol.timers import Days, Deadline, DeadlineKind, Policy, WhenOverdue
from iso_gateway.reception import MESSAGE_REFUSED
from iso_gateway.store.records import DeadlineRecord, HalfRecord, InputKind, InputRecord, MessageId


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something that is stored otherwise than it is computed.

    Args:
        what: the half's `state`, `flags` or `deadline expiry`; or of an input, `input 3 verdict`.
        stored: as the database has it.
        computed: as it follows from the inputs.
    """

    what: str
    stored: str
    computed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An event that the local side was told because of an input.

    Args:
        sequence: the input's number.
        kind: the event's.
        message_id: the message that it is about.
    """

    sequence: int
    kind: str
    message_id: MessageId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recomputed:
    """What the inputs of a half give.

    Args:
        state: the half's.
        deadlines: those that would run, in any order; None where an input does not say what was watched.
        ended: kinds of deadline that have passed meanwhile, so that one of them may still be stored.
        differences: between what each input recorded and what it gives now.
        told: what the local side was told for the inputs that were judged as they would be today.
    """

    state: HalfState
    deadlines: tuple[Deadline, ...] | None
    ended: frozenset[DeadlineKind]
    differences: tuple[Difference, ...]
    told: tuple[Told, ...]


def recompute(
    half: HalfRecord, inputs: Sequence[InputRecord], *, settled: datetime | None = None
) -> Recomputed:
    """Put every input of a half to the machine, in the order in which they happened.

    Args:
        half: whose inputs they are.
        inputs: all of them.
        settled: when a rebuild last put the half right; what the inputs before it recorded is not compared.
    """
    state = HalfState(role=Role(half.role), tables=TableProfile(half.tables))
    kept: dict[DeadlineKind, Deadline] | None = {}
    ended: set[DeadlineKind] = set()
    differences: list[Difference] = []
    told: list[Told] = []
    for number, record in enumerate(inputs, start=1):
        before = HalfState(
            role=state.role,
            tables=TableProfile(record.table_profile),
            state=state.state,
            flags=state.flags,
        )
        event = event_of(record)
        outcome = machine.advance(before, event, record.at)
        if settled is None or record.at > settled:
            found = _compared(number, record, before, outcome)
            differences += found
            if not found:
                told += _told(record, outcome)
        facts = record.facts or {}
        watch = facts.get("watch")
        if kept is not None and isinstance(watch, Mapping):
            ended |= _let_end(kept, before, record)
            deadlines = timers.after(
                kept.values(),
                event,
                outcome,
                record.at,
                days=_days(facts),
                policy=_policy(watch),
                zone=ZoneInfo(str(watch["zone"])),
            )
            kept = {one.kind: one for one in deadlines}
        else:
            kept = None
        state = outcome.state
    return Recomputed(
        state=state,
        deadlines=None if kept is None else tuple(kept.values()),
        ended=frozenset(ended),
        differences=tuple(differences),
        told=tuple(told),
    )


def differences_of(
    half: HalfRecord, deadlines: Sequence[DeadlineRecord], computed: Recomputed, now: datetime
) -> tuple[Difference, ...]:
    """What of a half is stored otherwise than it was recomputed.

    Args:
        half: as stored.
        deadlines: as stored.
        computed: from `recompute`.
        now: the moment, aware: a deadline that has passed may be gone, or have been put off.
    """
    found: list[Difference] = []
    if half.state != computed.state.state:
        found.append(Difference(what="state", stored=half.state, computed=computed.state.state.value))
    flags = computed.state.flags.to_names()
    if set(half.flags) != set(flags):
        found.append(Difference(what="flags", stored=_names(half.flags), computed=_names(flags)))
    stored = {DeadlineKind(one.kind.value): one.at for one in deadlines}
    meant = stored if computed.deadlines is None else due(stored, computed, now)
    found += [
        Difference(
            what=f"deadline {kind.value}", stored=_moment(stored.get(kind)), computed=_moment(meant.get(kind))
        )
        for kind in DeadlineKind
        if stored.get(kind) != meant.get(kind)
    ]
    return tuple(found)


def due(
    stored: Mapping[DeadlineKind, datetime], computed: Recomputed, now: datetime
) -> dict[DeadlineKind, datetime]:
    """The deadlines that a half should have: the computed ones, but for what has passed.

    What has passed is as it is stored: it has happened and is gone, or it has been put off.
    """
    meant: dict[DeadlineKind, datetime] = {}
    running = {one.kind: one.at for one in computed.deadlines or ()}
    for kind in DeadlineKind:
        at = running.get(kind)
        if at is not None and at > now:
            meant[kind] = at
        elif kind in stored and (at is not None or kind in computed.ended):
            meant[kind] = stored[kind]
    return meant


def _compared(
    number: int, record: InputRecord, before: HalfState, outcome: machine.Outcome
) -> list[Difference]:
    provenance = None if outcome.row is None else outcome.row.provenance.value
    told = (
        ("number", str(record.sequence), str(number)),
        ("state before", record.state_before, before.state.value),
        ("flags before", _names(record.flags_before), _names(before.flags.to_names())),
        ("verdict", record.verdict, outcome.verdict.value),
        ("state after", record.state_after, outcome.state.state.value),
        ("flags after", _names(record.flags_after), _names(outcome.state.flags.to_names())),
        ("provenance", str(record.provenance), str(provenance)),
    )
    return [
        Difference(what=f"input {record.sequence} {name}", stored=stored, computed=computed)
        for name, stored, computed in told
        if stored != computed
    ]


def _told(record: InputRecord, outcome: machine.Outcome) -> Iterator[Told]:
    """What the local side is told of an input; what is put before a person it is told beside that."""
    told = partial(Told, sequence=record.sequence, message_id=record.message_id)
    if record.kind is InputKind.PRIMITIVE:
        yield told(kind=f"{Service(record.service).apdu_name.lower()}.request")
    for effect in outcome.effects:
        match effect:
            case effects.Indicate(service=service):
                yield told(kind=f"{service.apdu_name.lower()}.indication")
            case effects.SendReport():
                yield told(kind=MESSAGE_REFUSED)
            case _:
                continue


def _let_end(kept: dict[DeadlineKind, Deadline], state: HalfState, record: InputRecord) -> set[DeadlineKind]:
    """Drop what had passed when an input happened; gives the kinds."""
    ended = {kind for kind, deadline in kept.items() if deadline.at <= record.at}
    if record.kind is not InputKind.TIMER and not isinstance(event_of(record), ExpiryReached):
        # These stay until they have been dealt with, which an input says, or are moved.
        ended -= {DeadlineKind.EXPIRY}
        if state.state is State.RENEW_PENDING:
            ended -= {DeadlineKind.OVERDUE}
    for kind in ended:
        del kept[kind]
    return ended


def _days(facts: Mapping[str, object]) -> Days:
    return Days(reply_by=_day(facts.get("reply_by")), due=_day(facts.get("due")))


def _day(value: object) -> date | None:
    return date.fromisoformat(value) if isinstance(value, str) else None


def _policy(watch: Mapping[str, object]) -> Policy:
    days, grace = watch.get("no_answer_days"), watch.get("grace_days")
    return Policy(
        no_answer_days=days if isinstance(days, int) else None,
        when_overdue=WhenOverdue(str(watch["when_overdue"])),
        grace_days=grace if isinstance(grace, int) else 0,
    )


def _names(flags: Sequence[str]) -> str:
    return ", ".join(sorted(flags)) or "none"


def _moment(at: datetime | None) -> str:
    return "none" if at is None else at.isoformat()
