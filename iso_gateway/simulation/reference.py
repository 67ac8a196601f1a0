"""The page on simulated partners as Markdown: how they are used, and every key of a scenario.

`python -m iso_gateway.simulation.reference docs/simulation.md` writes it; a test holds the file equal to
`render()`.
"""

import sys
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Final

from config.reference import table_of
from iso_gateway.protocol.events import Service
from iso_gateway.simulation import scenario
from iso_gateway.simulation.scenario import Order, Rule, Scenario, Step
from iso_gateway.simulation.templates import KINDS

_HEAD: Final = """\
# Simulated partners

<!-- Written by `python -m iso_gateway.simulation.reference docs/simulation.md`. Do not edit. -->

A simulated partner plays another library's ILL system over TCP. It follows every request with the protocol
machine, speaks as the profile of its partner says (symbols, character set, one-way or two-way, and only what
that software can say), and does what a scenario tells it, wrong things included.

## See it work

    make demo      # or: iso-gateway demo

starts a gateway in a directory of its own and six partners, on ports that the system chooses, plays forty
requests to their ends in both directions within a minute, and shows what happened as a table and a few
histories. It ends with 0 only when every request is where it should be, on both sides. With `--keep DIR` the
state stays, to be looked at with `iso-gateway requests list --config DIR/gateway.toml`.

## Rehearse

    iso-gateway simulate YAZ --scenario prompt-lender

plays the partner `YAZ` of the configuration until Ctrl-C: it listens where the partner's file says that the
partner is, and sends to the listener of its mode. Only partners with `test = true` are played, because what a
simulated partner says under its name would be taken for the library's own word. One line tells what becomes
of each APDU, and a summary what became of each request; `--json` writes one object a line.

`--scenario` takes the name of a scenario that comes with the gateway, or a file (a path with a `/`, or one
that ends in `.toml`):

"""

_FORMAT: Final = """
## A scenario

A scenario is a TOML file. It says nothing about who plays it, so any partner can, in both roles; what that
partner's software cannot say (`capabilities` in its profile) is left out, and a line says so. Anything wrong
in the file is told at once, each mistake as `FILE: KEY: problem; expected ...`.

    description = "A lender whose SHIPPED is lost until the borrower asks"

    [[requests]]                        # as borrower: what it asks for, at the beginning
    count = 2
    request.item.title = "The Penelopiad"

    [[rules]]                           # what it does when something comes in
    on = "ILL-REQUEST"
    then = [
        { send = "ILL-ANSWER will-supply" },
        { send = "SHIPPED", after = "200ms", way = "lost", fields = { date_due = "+21d" } },
    ]

    [[rules]]
    on = "STATUS-QUERY"                 # answered by the machine itself; this is done besides
    state = "SHIPPED"
    time = 1
    then = [{ repeat = "SHIPPED" }]

    [[rules]]
    on = "CANCEL"                       # the two cross: SHIPPED goes out before the CANCEL is seen
    before = [{ send = "SHIPPED" }]
    then = [{ send = "CANCEL-REPLY answer FALSE" }]

- Of the rules that fit, the first is followed and no other. A rule is followed only when the protocol allowed
  what came in; exact copies, and repeats of what was seen, change nothing and set off no rule.
- `on` is a service, or the name of an APDU: `ILL-ANSWER` means any answer.
- The machine answers by itself what it has to: a STATUS-QUERY by the status, what is wrong by an error
  report. `reports = false` turns that off.
- A step that the protocol does not allow now is left out, and a line says so, unless it says `force = true`;
  then it is sent, and the partner's own state stays as it is.
- Dates are written `2026-12-31`, or from the day on which they are sent: `+21d`. A SHIPPED that is of a copy
  says no `date_due`, whatever the rule says: nobody gives a copy back.
- What stands under `request` are the keys of [a request file](request-file.md).
"""

_SERVICES: Final = """\
## Services, and the fields that they take

Fields in italics have to be there. `ILL-REQUEST` can stand in `on` only. `FORWARD-NOTIFICATION` hands the
request on as well, where it permits that (`may_forward`): `to` is the name of a partner with `test = true`,
which has to be played too. Whatever becomes of the notification (`way`), the request goes out; a repeat
repeats the notification alone. As borrower, a simulated partner talks to whichever library has its request.
"""

_PYTHON: Final = """
## In tests

    async with SimulatedPartner(profile, scenario.load("prompt-lender"), pause=no_pause) as partner:
        partner.meets(address_of_the_gateway, Symbol.parse("ILLUME:BEX"), others=[to_forward_to])
        conversation = await partner.request(Order(request=NewRequest(item=Item(title="A book"))))
        await partner.reached(State.RETURNED)

(`iso_gateway.simulation.partner`.) `partner.play()` begins the scenario's own requests, `partner.do()` does a
step that no rule tells, `partner.send_raw()` sends any octets, `partner.down()` takes it down for a while
without its memory being lost. Nothing in a test has to sleep: `reached` and `until` wait for what happens,
and fail with what happened instead. `iso_gateway.simulation.staff` plays our own side's people from rules of
the same kind, through the use cases.

## Is a partner alive?

    iso-gateway partners test NAME

asks a real partner about a request that there never was; "unknown" is the good answer. It asks only where the
partner's profile says that its software takes a STATUS-QUERY and sends reports; of any other it is known only
whether it takes connections. A two-way partner answers on the same connection. A one-way partner answers to
our own listener, so the gateway has to be running: the command looks for the answer in its store, where it
stands among the messages as one that belongs to no request. Nothing is recorded as a request.
"""


def render() -> str:
    """The whole page."""
    return "\n".join(
        [
            _HEAD.rstrip("\n"),
            "",
            *_scenarios(),
            _FORMAT,
            table_of("## The keys of a scenario", Scenario),
            table_of("### `[[requests]]`", Order),
            table_of("### `[[rules]]`", Rule),
            table_of("### Steps: `then` and `before`", Step),
            _SERVICES,
            *_services(),
            _PYTHON,
        ]
    )


def _scenarios() -> Iterator[str]:
    yield "| scenario | |"
    yield "|---|---|"
    for name in scenario.shipped():
        file = f"../iso_gateway/simulation/scenarios/{name}.toml"
        yield f"| [`{name}`]({file}) | {scenario.load(name).description} |"


def _services() -> Iterator[str]:
    yield "| service | fields |"
    yield "|---|---|"
    for service in Service:
        kind = KINDS.get(service)
        if kind is None:
            if service in scenario.PERFORMED:
                yield f"| `{service.phrase}` | none |"
            continue
        names = [
            f"*`{field.name}`*" if field.default is MISSING else f"`{field.name}`"
            for field in fields(kind.primitive)
            if field.name not in kind.fixed
        ]
        yield f"| `{service.phrase}` | {', '.join(names)} |"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render(), encoding="utf-8")  # pragma: no cover - what is written is tested
