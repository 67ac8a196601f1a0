"""`iso-gateway apdu send` and `listen`: APDUs on a connection of their own, past the gateway.

Beside `simulation`, what of the command may import adapters.
"""

import sys
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Final

import typer

from adapters.errors import DeliveryFailed, Failure, ListenError
from iso_gateway.cli.apdu.files import octets_of, read
from iso_gateway.cli.shared.options import Full, Json
from iso_gateway.errors import GatewayError

if TYPE_CHECKING:
    from adapters.envelope import Envelope
    from adapters.tcp_listener import TcpListeners
    from adapters.tcp_sender import Delivery
    from asn1.errors import WireError

#: What goes wrong on the way in and out, for the root of the command to report.
FAILURES: Final = (DeliveryFailed, ListenError)


#: How long another host may take to accept a connection, and then an APDU.
CONNECT_TIMEOUT: Final = timedelta(seconds=10)
SEND_TIMEOUT: Final = timedelta(seconds=30)
#: How long what is in hand may take to end.
GRACE: Final = timedelta(seconds=2)
#: How often we look whether connections have ended, in seconds.
_LOOK: Final = 0.01


TwoWay = Annotated[
    bool, typer.Option("--two-way", help="A two-way connection, on which answers come back (port 499).")
]


def send(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The file; - is standard input.")],
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

    from iso_gateway.cli.shared.installation import quiet

    octets = octets_of(read(file))
    host, port = _address(to)
    quiet(warnings=two_way)
    answers = Answers(full=full, json=json, enough=1)
    asyncio.run(_send(octets, host, port, two_way=two_way, wait=wait, answers=answers))


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
    from iso_gateway.cli.shared.installation import quiet
    from iso_gateway.cli.shared.output import write_json, write_lines

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
        from iso_gateway.cli.apdu import tree
        from iso_gateway.cli.shared.output import write_json, write_lines
        from iso_gateway.cli.shared.vocabulary import counted

        try:
            apdu = decode_octets(octets)
        except WireError as error:
            await self.unreadable(octets, error, envelope)
            return
        if self._json:
            write_json({"peer": envelope.peer_address, "apdu": to_json(apdu)}, indent=None)
        else:
            write_lines(f"from {envelope.peer_address}, {counted(len(octets), 'octet')}:")
            write_lines(*tree.tree(apdu, full=self._full, with_patron_data=True))
        self._one_more()

    async def unreadable(self, octets: bytes, error: "WireError", envelope: "Envelope") -> None:
        """Show octets that are no APDU, with the reason."""
        from iso_gateway.cli.apdu import tree
        from iso_gateway.cli.shared.output import write_json, write_lines
        from iso_gateway.cli.shared.plain import wire_error
        from iso_gateway.cli.shared.vocabulary import counted

        if self._json:
            row = {
                "peer": envelope.peer_address,
                "octets": {"hex": octets.hex()},
                "error": wire_error(error),
            }
            write_json(row, indent=None)
        else:
            write_lines(f"from {envelope.peer_address}, {counted(len(octets), 'octet')}, unreadable: {error}")
            write_lines(*tree.dump(octets, most=None if self._full else 64))
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
    try:
        delivery = await sender.send(
            transport, octets, connect_timeout=CONNECT_TIMEOUT, send_timeout=SEND_TIMEOUT
        )
    except DeliveryFailed as error:
        if two_way or error.failure not in _ODD:
            raise
        raise GatewayError(f"{error}; {_TRY_TWO_WAY}") from error
    if not two_way:
        _tell(delivery)
        return
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(answers.done.wait(), wait)
    # Our side is ended now; what the peer still sends before it ends its own is shown, too.
    await sender.stop(GRACE)


#: What a port for two-way connections does to a connection that it takes for one.
_ODD: Final = frozenset({Failure.CLOSED, Failure.RESET, Failure.SEND_TIMEOUT})
_TRY_TWO_WAY: Final = "a port for two-way connections (499) can be like that: try --two-way"


def _tell(delivery: "Delivery") -> None:
    """Say what is odd about a delivery on a one-way connection.

    Raises:
        GatewayError: nobody knows whether it arrived.
    """
    from iso_gateway.cli.shared.output import complain
    from iso_gateway.cli.shared.vocabulary import counted

    if not delivery.closed_by_peer:
        raise GatewayError(
            f"{delivery.peer_address} did not end the connection, so nobody knows whether it has what was"
            f" sent; {_TRY_TWO_WAY}"
        )
    if delivery.ignored:
        back = counted(delivery.ignored, "octet")
        complain(f"note: {back} came back, and were not looked at: --two-way shows what comes back")


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


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
        raise typer.BadParameter(
            f"{text!r} is no HOST:PORT, such as 192.0.2.7:1611 or [2001:db8::7]:499", param_hint="--to"
        )
    return host, int(port)
