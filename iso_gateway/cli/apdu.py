"""`iso-gateway apdu`: single APDUs, without an installation: decode, diff, lint, encode, send, listen.

The one module of the command that may import adapters.
"""

import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from adapters.errors import DeliveryFailed, ListenError
from asn1.dialects import Dialect
from iso_gateway.cli.options import Full, Json
from iso_gateway.errors import GatewayError

if TYPE_CHECKING:
    from adapters.envelope import Envelope
    from adapters.tcp_listener import TcpListeners
    from asn1.errors import WireError

app = typer.Typer(
    no_args_is_help=True, help="Single APDUs: look into them, make, send and receive them. Needs no gateway."
)

#: What goes wrong on the way in and out, for the root of the command to report.
FAILURES: Final = (DeliveryFailed, ListenError)

#: How long another host may take to accept a connection, and then an APDU.
CONNECT_TIMEOUT: Final = timedelta(seconds=10)
SEND_TIMEOUT: Final = timedelta(seconds=30)
#: How long what is in hand may take to end.
GRACE: Final = timedelta(seconds=2)
#: How often we look whether connections have ended, in seconds.
_LOOK: Final = 0.01
#: The most that is read from a file: no APDU that we read is nearly as long, even as hex or JSON.
MOST_OCTETS: Final = 8 * 1024 * 1024

_STANDARD_INPUT: Final = "-"
_HEX: Final = frozenset(b"0123456789abcdefABCDEF \t\r\n")


File = Annotated[str, typer.Argument(metavar="FILE", help="The file; - is standard input.")]


def _known_dialect(name: str) -> str:
    if name not in {dialect.value for dialect in Dialect}:
        raise typer.BadParameter(f"{name!r} is none of strict, standard and biblio-ill")
    return name


DialectName = Annotated[
    str,
    typer.Option(
        "--dialect",
        callback=_known_dialect,
        metavar="NAME",
        help="How far octets may depart from the standard: strict, standard or biblio-ill.",
    ),
]
TwoWay = Annotated[
    bool, typer.Option("--two-way", help="A two-way connection, on which answers come back (port 499).")
]


@app.command()
def decode(
    file: File,
    *,
    dialect: DialectName = Dialect.STANDARD.value,
    offsets: Annotated[
        bool, typer.Option("--offsets", help="Show where each component begins, and how long it is.")
    ] = False,
    as_hex: Annotated[
        bool, typer.Option("--hex", help="Show the first octets of each component; with --full, all.")
    ] = False,
    reference: Annotated[
        bool, typer.Option("--reference", help="Show what pyasn1 makes of it, where that is not the same.")
    ] = False,
    full: Full = False,
    json: Json = False,
) -> None:
    """Show what an APDU says, what was tolerated in it, and which rules it breaks.

    The file holds its octets (BER), or the same in hexadecimal digits. Of octets that do not decode, it shows
    all that could be read, where they fail, and why; it ends with 1 then.
    """
    from iso_gateway.cli import inspecting

    octets = octets_of(read(file))
    view = inspecting.View(full=full, offsets=offsets, octets=as_hex)
    show = inspecting.decode_as_json if json else inspecting.decode
    if not show(octets, Dialect(dialect), view, reference=reference):
        raise typer.Exit(1)


@app.command()
def diff(
    first: Annotated[str, typer.Argument(metavar="FILE", help="The one; - is standard input.")],
    second: Annotated[str, typer.Argument(metavar="FILE2", help="The other.")],
    *,
    dialect: DialectName = Dialect.STANDARD.value,
    full: Full = False,
    json: Json = False,
) -> None:
    """Compare two APDUs: which values differ, or whether only the way in which they are written does.

    Ends with 0 where both say the same, with 1 where they do not, with 2 where one cannot be read. Lists are
    compared place by place.
    """
    from iso_gateway.cli import inspecting

    named = [(file, _octets_or_error(file)) for file in (first, second)]
    raise typer.Exit(inspecting.diff(named[0], named[1], Dialect(dialect), full=full, json=json))


@app.command()
def lint(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="The files; - is standard input.")],
    *,
    dialect: DialectName = Dialect.STANDARD.value,
    rule: Annotated[
        list[str] | None,
        typer.Option(
            "--rule",
            metavar="ID=SEVERITY",
            help="What follows when a rule is broken: off, warning or error (repeatable).",
            show_default=False,
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail for warnings, and for what was tolerated, too.")
    ] = False,
    json: Json = False,
) -> None:
    """Say which rules the APDUs in files break, and what had to be tolerated in them: one line each.

    Ends with 1 where a file cannot be read, or an APDU breaks a rule whose severity is error.
    """
    from iso_gateway.cli import inspecting

    severities = inspecting.severities(rule or [])
    named = ((file, _octets_or_error(file)) for file in files)
    if not inspecting.lint(named, Dialect(dialect), severities, strict=strict, json=json):
        raise typer.Exit(1)


@app.command()
def encode(
    file: File,
    *,
    as_hex: Annotated[bool, typer.Option("--hex", help="Write hexadecimal digits.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write to this file instead.", show_default=False
        ),
    ] = None,
) -> None:
    """Make the octets (BER) of an APDU from JSON, as `apdu decode --json` writes it."""
    from asn1.codec import encode as encode_apdu
    from asn1.json import JsonError
    from iso_gateway.cli.inspecting import apdu_from_json

    try:
        octets = encode_apdu(apdu_from_json(read(file)))
    except JsonError as error:
        raise GatewayError(f"{_named(file)} is no APDU in JSON: {error}") from None
    result = f"{octets.hex()}\n".encode("ascii") if as_hex else octets
    if output is not None:
        try:
            output.write_bytes(result)
        except OSError as error:
            raise GatewayError(f"cannot write {str(output)!r}: {error.strerror}") from None
        return
    if not as_hex and sys.stdout.isatty():
        raise GatewayError("octets would confuse the terminal: say --hex, --output FILE, or redirect them")
    sys.stdout.buffer.write(result)
    sys.stdout.buffer.flush()


@app.command()
def send(
    file: File,
    to: Annotated[str, typer.Option("--to", metavar="HOST:PORT", help="Where to; [ADDRESS]:PORT for IPv6.")],
    *,
    two_way: TwoWay = False,
    wait: Annotated[
        float,
        typer.Option(
            "--wait", min=0, max=3600, metavar="SECONDS", help="Two-way: how long answers are waited for."
        ),
    ] = 5.0,
    full: Full = False,
    json: Json = False,
) -> None:
    """Send the octets of a file (BER, or hexadecimal digits) as they are, and show what comes back.

    With 0 they were sent: one-way, the other side has taken them and closed the connection.
    """
    import asyncio

    from iso_gateway.cli.opening import quiet

    octets = octets_of(read(file))
    host, port = _address(to)
    quiet()
    answers = Answers(full=full, json=json, enough=1)
    asyncio.run(_send(octets, host, port, two_way=two_way, wait=wait, answers=answers))


@app.command()
def listen(
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, metavar="N", help="The port; 0 lets the system choose.")
    ],
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="The address.")] = "127.0.0.1",
    count: Annotated[
        int | None, typer.Option("--count", min=1, metavar="N", help="End after so many; else at Ctrl-C.")
    ] = None,
    *,
    two_way: TwoWay = False,
    full: Full = False,
    json: Json = False,
) -> None:
    """Listen on a port and show each APDU that arrives; nothing is answered.

    The first line says where it listens. With --json, each line is one object.
    """
    import asyncio

    from adapters.envelope import written
    from iso_gateway.cli.opening import quiet
    from iso_gateway.cli.output import write_json, write_lines

    def announce(bound_host: str, bound_port: int) -> None:
        if json:
            write_json({"listening": {"host": bound_host, "port": bound_port}}, indent=None)
        else:
            write_lines(f"listening on {written(bound_host, bound_port)}")
        sys.stdout.flush()

    quiet()
    printer = Printer(full=full, json=json, enough=count)
    asyncio.run(_listen(host, port, two_way=two_way, printer=printer, announce=announce))


class Printer:
    """Shows each APDU as it comes in: the receiver of the adapters (`adapters.receiver.Receiver`).

    Args:
        full: whether long values are shown as they are.
        json: whether each is one line of JSON.
        enough: `done` is set after so many; None is never.
    """

    def __init__(self, *, full: bool, json: bool, enough: int | None) -> None:
        import asyncio

        self._full = full
        self._json = json
        self._enough = enough
        self._count = 0
        self.done = asyncio.Event()

    async def element(self, octets: bytes, envelope: "Envelope") -> None:
        """Show an element, which may be no APDU all the same."""
        from asn1.codec import decode as decode_octets
        from asn1.errors import WireError
        from asn1.json import to_json
        from iso_gateway.cli import trees
        from iso_gateway.cli.output import write_json, write_lines

        try:
            apdu = decode_octets(octets)
        except WireError as error:
            await self.unreadable(octets, error, envelope)
            return
        if self._json:
            write_json({"peer": envelope.peer_address, "apdu": to_json(apdu)}, indent=None)
        else:
            write_lines(f"from {envelope.peer_address}, {len(octets)} octets:")
            write_lines(*trees.tree(apdu, full=self._full, with_patron_data=True))
        self._one_more()

    async def unreadable(self, octets: bytes, error: "WireError", envelope: "Envelope") -> None:
        """Show octets that are no APDU, with the reason."""
        from iso_gateway.cli import data, trees
        from iso_gateway.cli.output import write_json, write_lines

        if self._json:
            row = {
                "peer": envelope.peer_address,
                "octets": {"hex": octets.hex()},
                "error": data.wire_error(error),
            }
            write_json(row, indent=None)
        else:
            write_lines(f"from {envelope.peer_address}, {len(octets)} octets, unreadable: {error}")
            write_lines(*trees.dump(octets, most=None if self._full else 64))
        self._one_more()

    async def settled(self, connection_id: str) -> None:
        """Nothing is ever written here, so there is nothing to wait for."""

    def _one_more(self) -> None:
        sys.stdout.flush()
        self._count += 1
        if self._count == self._enough:
            self.done.set()


class Answers(Printer):
    """Shows what comes back on a connection that we opened."""

    async def settled(self, connection_id: str) -> None:  # noqa: ARG002 - the signature of Receiver
        """The other side has ended the connection: no more will come."""
        self.done.set()


async def _send(octets: bytes, host: str, port: int, *, two_way: bool, wait: float, answers: Answers) -> None:
    import asyncio
    import contextlib

    from adapters.tcp_sender import TcpSender
    from config.settings import Limits, ListenerMode, TcpTransport

    silence = max(timedelta(seconds=wait), GRACE)
    sender = TcpSender(answers, Limits(answer_timeout=silence), lambda: "1")
    mode = ListenerMode.TWO_WAY if two_way else ListenerMode.ONE_WAY
    transport = TcpTransport(host=host, port=port, mode=mode)
    await sender.send(transport, octets, connect_timeout=CONNECT_TIMEOUT, send_timeout=SEND_TIMEOUT)
    if two_way:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(answers.done.wait(), wait)
        # Our side is ended now; what the peer still sends before it ends its own is shown, too.
        await sender.stop(GRACE)


async def _listen(
    host: str, port: int, *, two_way: bool, printer: Printer, announce: Callable[[str, int], None]
) -> None:
    import asyncio
    import itertools
    import signal

    from adapters.tcp_listener import TcpListeners
    from config.settings import Limits, Listener, ListenerMode

    mode = ListenerMode.TWO_WAY if two_way else ListenerMode.ONE_WAY
    listener = Listener(name="listen", mode=mode, host=host, port=port)
    numbers = itertools.count(1)
    listeners = TcpListeners([listener], Limits(), printer, lambda: str(next(numbers)))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, printer.done.set)
    await listeners.start()
    announce(*listeners.addresses[listener.name])
    await printer.done.wait()
    await _quiet(listeners)
    await listeners.stop(GRACE)


async def _quiet(listeners: "TcpListeners") -> None:
    """Let senders end their connections themselves: a reset would tell them that nothing arrived."""
    import asyncio

    for _ in range(int(GRACE.total_seconds() / _LOOK)):
        if not listeners.connections:
            return
        await asyncio.sleep(_LOOK)


def read(file: str) -> bytes:
    """The contents of a file, or of standard input.

    Raises:
        GatewayError: it cannot be read, or is far too long to be an APDU.
    """
    try:
        if file == _STANDARD_INPUT:
            data = sys.stdin.buffer.read(MOST_OCTETS + 1)
        else:
            with Path(file).open("rb") as stream:
                data = stream.read(MOST_OCTETS + 1)
    except OSError as error:
        raise GatewayError(f"cannot read {_named(file)}: {error.strerror}") from None
    if len(data) > MOST_OCTETS:
        raise GatewayError(f"{_named(file)} has more than {MOST_OCTETS} octets: that is no APDU")
    return data


def _octets_or_error(file: str) -> bytes | GatewayError:
    """What a file stands for, or why it stands for nothing: with many files, one such is one finding."""
    try:
        return octets_of(read(file))
    except GatewayError as error:
        return error


def octets_of(data: bytes) -> bytes:
    """The octets that a file stands for: its own, or those that its hexadecimal digits write.

    There is no doubt which: every APDU has a protocol-version-num, whose tag 0x80 is no digit.

    Raises:
        GatewayError: the number of digits is odd.
    """
    if not data.strip() or not _HEX.issuperset(data):
        return data
    digits = b"".join(data.split()).decode("ascii")
    if len(digits) % 2:
        raise GatewayError(
            f"an odd number of hexadecimal digits ({len(digits)}): one is missing, or too many"
        )
    return bytes.fromhex(digits)


def _named(file: str) -> str:
    return "standard input" if file == _STANDARD_INPUT else repr(file)


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
        raise typer.BadParameter(
            f"{text!r} is no HOST:PORT, such as 192.0.2.7:1611 or [2001:db8::7]:499", param_hint="--to"
        )
    return host, int(port)
