"""A scenario: what a simulated partner does, as data, and how its file is read.

Strict: everything that is wrong with a file is said at once, with the key it stands at. A scenario says
nothing about who plays it; what that partner's software cannot say (its profile) is left out of the play.
"""

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field, PlainValidator, with_config

from config.documents import Document, Findings, Layer, read_table
from config.errors import ConfigErrors, shown
from config.fields import Count, Duration, Flag, Text, refusal
from config.keys import Location
from iso_gateway.errors import PrimitiveInvalidError
from iso_gateway.protocol.events import Service
from iso_gateway.protocol.states import Role, State
from iso_gateway.request.new_request import NewRequest
from iso_gateway.request.primitives import Forward
from iso_gateway.simulation import composing, templates
from iso_gateway.simulation.templates import KINDS, Template

SCENARIOS: Final = "scenarios"
"""The directory of the scenarios that come with the gateway, in this package."""

PERFORMED: Final = frozenset({*KINDS, Service.EXP, Service.STR})
"""What a rule can send. A request is begun under `requests`."""


class Way(Enum):
    """What becomes of an APDU that is sent."""

    ONCE = "once"
    """It is sent, as it should be."""
    LOST = "lost"
    """It never goes out, and its sender does not know."""
    TWICE = "twice"
    """It goes out twice, octet for octet."""
    REPEATED = "repeated"
    """It goes out, and then once more marked as a repeat."""
    SWAPPED = "swapped"
    """It goes out after the next one of the same rule."""
    CUT = "cut"
    """Half of its octets go out, and the connection is closed in good order."""
    RESET = "reset"
    """Half of its octets go out, and the connection is reset."""


class Arrival(Enum):
    """What becomes of an APDU that comes in."""

    TAKEN = "taken"
    """It is received, as it should be."""
    LOST = "lost"
    """The connection is closed in good order, but the partner never sees the APDU."""
    REFUSED = "refused"
    """The connection is reset, and the APDU is not received."""
    BROKEN = "broken"
    """The APDU is received, but the connection is reset: its sender cannot know."""


def _services(value: object) -> frozenset[Service]:
    """The services that a text in `on` means: one, or every answer of an APDU."""
    found = [service for service in Service if value in (service.phrase, service.apdu_name)]
    if not found:
        raise refusal(f"{shown(value)} is no service", f"one of {_listed(Service)}")
    return frozenset(found)


def _service(value: object) -> Service:
    found = next((service for service in Service if service.phrase == value), None)
    if found is None or found not in PERFORMED:
        raise refusal(f"{shown(value)} is nothing that a rule can send", f"one of {_listed(PERFORMED)}")
    return found


def _listed(services: Any) -> str:
    return ", ".join(repr(service.phrase) for service in Service if service in services)


def _states(value: object) -> frozenset[State]:
    known = {state.value: state for state in State}
    found: set[State] = set()
    for text in value if isinstance(value, list) else [value]:
        state = known.get(text) if isinstance(text, str) else None
        if state is None:
            raise refusal(f"{shown(text)} is no state", "one of " + ", ".join(map(repr, known)))
        found.add(state)
    return frozenset(found)


def _fields(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise refusal(f"{shown(value)} is no table", "a table of the fields of the service")
    return value


Services = Annotated[
    frozenset[Service], PlainValidator(_services), Field(description="a service, as 'ILL-REQUEST'")
]
OneService = Annotated[
    Service, PlainValidator(_service), Field(description="a service, as 'ILL-ANSWER will-supply'")
]
States = Annotated[
    frozenset[State], PlainValidator(_states), Field(description="a state, or a list of states")
]
Fields = Annotated[
    dict[str, Any], PlainValidator(_fields), Field(description="a table of the fields of the service")
]


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to do: exactly one of `send`, `repeat` and `copy`."""

    send: OneService | None = None
    """The service to perform."""
    repeat: OneService | None = None
    """The service whose APDU is sent again, marked as a repeat."""
    copy: OneService | None = None
    """The service whose APDU is sent again, octet for octet."""
    fields: Fields = field(default_factory=dict)
    """The fields of the service that is performed."""
    after: Duration = dt.timedelta(0)
    """How long to wait before; left out, no time at all."""
    way: Way | None = None
    """What becomes of the APDU; left out, what the scenario says."""
    force: Flag = False
    """Whether it is sent even where the protocol, or the partner's own software, does not allow it."""

    @property
    def template(self) -> Template | None:
        """What is performed; None for a repeat, a copy, and a service that has no fields at all."""
        if self.send is None or self.send not in KINDS:
            return None
        return templates.template(KINDS[self.send], self.fields)[0]


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What to do when an APDU comes in. The first rule that fits is followed, and no other."""

    on: Services
    """The service that came in; the name of an APDU alone, as `ILL-ANSWER`, means any of its answers."""
    role: Role | None = None
    """Only as borrower (`requester`) or as lender (`responder`)."""
    state: States | None = None
    """Only if the partner's half was in this state, or one of these, when it came in."""
    time: Count | None = None
    """Only the nth time that it fits, within a request."""
    about: Text | None = None
    """Only about requests whose title holds this text."""
    arrival: Arrival = Arrival.TAKEN
    """What becomes of the APDU that came in."""
    before: tuple[Step, ...] = ()
    """What to do before the partner sees the APDU: the two have crossed on the way. No step here waits."""
    then: tuple[Step, ...] = ()
    """What to do, one step after the other."""

    def fits(self, service: Service, role: Role, state: State, title: str) -> bool:
        """Whether it is about such a message, whatever the number of times."""
        return (
            service in self.on
            and self.role in {None, role}
            and (self.state is None or state in self.state)
            and (self.about is None or self.about in title)
        )


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Requests that the partner begins as borrower."""

    request: NewRequest
    """What it asks for, as in a request file."""
    count: Count = 1
    """How many such requests."""
    after: Duration = dt.timedelta(0)
    """How long to wait before the first."""
    way: Way | None = None
    """What becomes of the ILL-REQUEST; left out, what the scenario says."""


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What a simulated partner does."""

    description: Text
    """What it shows, in a sentence."""
    way: Way = Way.ONCE
    """What becomes of every APDU whose step says nothing else."""
    reports: Flag = True
    """Whether STATUS-QUERY is answered, and whether what breaks the protocol is reported."""
    requests: tuple[Order, ...] = ()
    """What the partner asks for as borrower, at the beginning."""
    rules: tuple[Rule, ...] = ()
    """What it does when something comes in, as borrower and as lender."""


def rule_for(
    scenario: Scenario, fitted: Counter[int], *, service: Service, role: Role, state: State, title: str
) -> Rule | None:
    """The rule that is followed when something comes in: the first that fits.

    Args:
        scenario: whose rules.
        fitted: how often each rule has fitted within this request; every rule that fits now is counted.
        service: what came in.
        role: of whom it came to.
        state: of their half.
        title: of what was asked for.
    """
    found: Rule | None = None
    for place, rule in enumerate(scenario.rules):
        if rule.fits(service, role, state, title):
            fitted[place] += 1
            if found is None and rule.time in {None, fitted[place]}:
                found = rule
    return found


def shipped() -> tuple[str, ...]:
    """The names of the scenarios that come with the gateway."""
    return tuple(
        sorted(file.name.removesuffix(_SUFFIX) for file in _folder().iterdir() if _is_scenario(file))
    )


def load(name: str) -> Scenario:
    """The scenario of a file, or, by its name, one that comes with the gateway.

    Args:
        name: a path that has a `/` or ends in `.toml`, or else a name of `shipped`.

    Raises:
        ConfigErrors: with everything that is wrong with the file.
    """
    if "/" in name or name.endswith(_SUFFIX):
        return read_file(Path(name))
    if name not in shipped():
        findings = Findings()
        known = ", ".join(map(repr, shipped()))
        findings.add(Path(name), (), "no scenario of this name comes with the gateway", f"{known}, or a file")
        raise ConfigErrors(findings.errors)
    return read_file(_folder() / f"{name}{_SUFFIX}")


def read(table: Mapping[str, Any], file: Path) -> Scenario:
    """The scenario that a table stands for.

    Args:
        table: as it is in TOML.
        file: where it comes from, for the messages.

    Raises:
        ConfigErrors: with everything that is wrong with it.
    """
    findings = Findings()
    scenario = Document(layers=(Layer(file=file, table=table),)).read(Scenario, findings)
    if scenario is not None:
        for place, order in enumerate(scenario.requests):
            _check_order(order, file, ("requests", place), findings)
        for place, rule in enumerate(scenario.rules):
            for key, steps in (("before", rule.before), ("then", rule.then)):
                for number, step in enumerate(steps):
                    _check_step(step, file, ("rules", place, key, number), findings)
            _check_before(rule, file, ("rules", place), findings)
    if scenario is None or findings.errors:
        raise ConfigErrors(findings.errors)
    return scenario


_SUFFIX: Final = ".toml"


def _folder() -> Traversable:
    return resources.files("iso_gateway.simulation") / SCENARIOS


def _is_scenario(file: Traversable) -> bool:
    return file.name.endswith(_SUFFIX)


def read_file(file: Path | Traversable) -> Scenario:
    """The scenario of a file.

    Raises:
        ConfigErrors: with everything that is wrong with it.
    """
    findings = Findings()
    table = read_table(file, findings)
    if table is None:
        raise ConfigErrors(findings.errors)
    return read(table, Path(str(file)))


def _check_order(order: Order, file: Path, location: Location, findings: Findings) -> None:
    try:
        composing.try_request(order.request)
    except PrimitiveInvalidError as error:
        findings.add(file, (*location, "request"), str(error), "what a request can say")


def _check_before(rule: Rule, file: Path, location: Location, findings: Findings) -> None:
    if rule.before and Service.ILL in rule.on:
        problem = "nothing can cross the request that begins everything"
        findings.add(file, (*location, "before"), problem, "'then'")
    for number, step in enumerate(rule.before):
        if step.after:
            problem = "a step under 'before' cannot wait"
            findings.add(file, (*location, "before", number, "after"), problem, "no such key, or 'then'")


def _check_step(step: Step, file: Path, location: Location, findings: Findings) -> None:
    given = [name for name in ("send", "repeat", "copy") if getattr(step, name) is not None]
    if len(given) != 1:
        problem = f"{' and '.join(given)} stand together" if given else "it does nothing"
        findings.add(file, location, problem, "exactly one of 'send', 'repeat', 'copy'")
        return
    kind = None if step.send is None else KINDS.get(step.send)
    if kind is None:
        for name in step.fields:
            problem = "what is sent again, or made by the machine alone, takes no fields"
            findings.add(file, (*location, "fields", name), problem, "no field")
        return
    template, faults = templates.template(kind, step.fields)
    for fault in faults:
        findings.add(file, (*location, "fields", *fault.location), fault.problem, fault.expected)
    if template is None:
        return
    primitive = template.made(_ANY_DAY)
    if isinstance(primitive, Forward):
        # Whom it can go to is known only when it is played.
        return
    try:
        composing.try_primitive(primitive)
    except PrimitiveInvalidError as error:
        findings.add(file, (*location, "fields"), str(error), "what the service can say")


_ANY_DAY: Final = dt.date(2026, 1, 5)
