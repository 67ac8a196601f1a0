"""`iso-gateway simulate`: another library's ILL system, played from a scenario."""

import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer

from iso_gateway.cli.shared.options import Config, Json, settings_from
from iso_gateway.errors import GatewayError, NotFoundError

if TYPE_CHECKING:
    from config.settings import Partner, Settings
    from config.symbols import Symbol
    from iso_gateway.simulation.scenario import Scenario
    from iso_gateway.simulation.script import Happening

#: Where a listener listens that listens everywhere, seen from this machine.
_HERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not bound


def simulate(
    context: typer.Context,
    partner: Annotated[
        str, typer.Argument(metavar="PARTNER", help="The partner's name; its file says `test = true`.")
    ],
    scenario: Annotated[
        str,
        typer.Option(
            "--scenario",
            metavar="NAME|FILE",
            help="What it does: a scenario that comes with the gateway, or a file (docs/simulation.md).",
        ),
    ] = "prompt-lender",
    listen: Annotated[
        str | None,
        typer.Option(
            "--listen",
            metavar="HOST:PORT",
            help="Where it listens; else where its profile says that it is. Port 0 lets the system choose.",
            show_default=False,
        ),
    ] = None,
    gateway: Annotated[
        str | None,
        typer.Option(
            "--gateway",
            metavar="HOST:PORT",
            help="Where it sends to; else the listener of its mode in the configuration.",
            show_default=False,
        ),
    ] = None,
    local: Annotated[
        str | None,
        typer.Option(
            "--local",
            metavar="NAME",
            help="The local symbol that it borrows from; else the first.",
            show_default=False,
        ),
    ] = None,
    *,
    config: Config = None,
    json: Json = False,
) -> None:
    """Play a partner: listen and send as its profile and a scenario say, until SIGTERM or Ctrl-C.

    Only partners marked `test = true` are played: nobody shall take what this sends for the library's own
    word. One line is written for each APDU, and a summary at the end.
    """
    import asyncio

    from iso_gateway.cli.shared.installation import quiet
    from iso_gateway.simulation import scenario as scenarios

    settings = settings_from(context, config)
    profile = _profile(settings, partner)
    play = scenarios.load(scenario)
    here = _address(listen, "--listen", least=0) if listen is not None else _address_of(profile)
    there = _address(gateway, "--gateway") if gateway is not None else _listener(settings, profile)
    them = _local(settings, local)
    others = tuple(one for one in settings.partners if one.test and one.name != profile.name)
    quiet()
    asyncio.run(_play(profile, play, here, there, them, others, json=json))


def _profile(settings: "Settings", name: str) -> "Partner":
    from iso_gateway.cli.shared.libraries import partner_named

    profile = partner_named(settings, name)
    if not profile.test:
        raise GatewayError(
            f"partner {profile.name!r} is a real library: what is played under its name would be taken for"
            " its own word. Make a partner for rehearsal, with symbols of its own and `test = true`"
        )
    return profile


def _address(text: str, option: str, *, least: int = 1) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not (port.isascii() and port.isdigit()) or not least <= int(port) < 65536:
        raise typer.BadParameter(
            f"{text!r} is no HOST:PORT, such as 127.0.0.1:1612 or [::1]:1612", param_hint=option
        )
    return host, int(port)


def _address_of(profile: "Partner") -> tuple[str, int]:
    from config.settings import TcpTransport

    if not isinstance(profile.transport, TcpTransport):
        raise GatewayError(
            f"partner {profile.name!r} is reached by mail: only partners on TCP can be simulated"
        )
    return profile.transport.host, profile.transport.port


def _listener(settings: "Settings", profile: "Partner") -> tuple[str, int]:
    from config.settings import TcpTransport

    mode = profile.transport.mode if isinstance(profile.transport, TcpTransport) else None
    found = next((one for one in settings.listeners if one.mode is mode and one.port), None)
    if found is None:
        raise GatewayError(
            f"no listener in the configuration has the mode of partner {profile.name!r} and a fixed port:"
            " say --gateway HOST:PORT"
        )
    return _HERE.get(found.host, found.host), found.port


def _local(settings: "Settings", name: str | None) -> "Symbol":
    found = next((one for one in settings.local if name is None or one.name == name), None)
    if found is None:
        known = ", ".join(repr(one.name) for one in settings.local)
        raise NotFoundError(f"there is no local symbol {name!r}; there are {known}")
    return found.symbol


async def _play(
    profile: "Partner",
    scenario: "Scenario",
    here: tuple[str, int],
    there: tuple[str, int],
    them: "Symbol",
    others: tuple["Partner", ...],
    *,
    json: bool,
) -> None:
    import asyncio
    import signal

    from adapters.envelope import written
    from iso_gateway.cli.shared.output import write_json, write_lines
    from iso_gateway.cli.shared.vocabulary import counted
    from iso_gateway.simulation.partner import SimulatedPartner

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with SimulatedPartner(
        profile, scenario, host=here[0], port=here[1], observer=_Printer(json=json).happened
    ) as played:
        host, port = played.address
        if json:
            write_json({"listening": {"host": host, "port": port}, "partner": profile.name}, indent=None)
        else:
            write_lines(f"{profile.name} listens on {written(host, port)}: {scenario.description}")
        sys.stdout.flush()
        played.meets(there, them, others)
        played.play()
        await stop.wait()
        states = [
            {"request": one.number, "role": one.role.value, "state": one.state.value, "ended": one.ended}
            for one in played.conversations
        ]
    if json:
        write_json({"requests": states}, indent=None)
    else:
        ended = sum(one.ended for one in played.conversations)
        write_lines(f"{counted(len(states), 'request')}, {ended} of them ended")
        for one in played.conversations:
            write_lines(_Printer.summary(one.number, one.role.value, one.state.value))
    sys.stdout.flush()


class _Printer:
    """Writes one line for each thing that happens."""

    def __init__(self, *, json: bool) -> None:
        self._json = json

    def happened(self, happening: "Happening") -> None:
        """Write a line about it."""
        from iso_gateway.cli.shared.output import shown, write_json, write_lines
        from iso_gateway.cli.shared.plain import plain

        if self._json:
            write_json(plain(happening), indent=None)
        else:
            write_lines(shown(line(happening)))
        sys.stdout.flush()

    @staticmethod
    def summary(number: str, role: str, state: str) -> str:
        """One request, at the end."""
        from iso_gateway.cli.shared import vocabulary
        from iso_gateway.cli.shared.output import shown

        return f"  {shown(number)}: {vocabulary.role_in_words(role)}, {vocabulary.state_in_words(state)}"


def line(happening: "Happening") -> str:
    """What happened as one line of text; what came from the network is not escaped yet."""
    from iso_gateway.cli.shared import vocabulary

    parts = [f"{happening.at:%H:%M:%S}", happening.fate.value]
    if happening.service is not None:
        parts.append(happening.service.phrase)
    if happening.way is not None and happening.way.value != "once":
        parts.append(f"({happening.way.value})")
    if happening.request is not None and happening.role is not None:
        parts.append(f"of {happening.request} as {vocabulary.role_in_words(happening.role)}")
    if happening.after is not None and happening.before is not None:
        moved = happening.before is not happening.after
        parts.append(f"{happening.before} to {happening.after}" if moved else f"in {happening.after}")
    text = " ".join(parts)
    return f"{text}: {happening.note}" if happening.note else text
