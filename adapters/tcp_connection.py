"""One TCP connection on which APDUs arrive, whoever opened it: reading, answering, and above all how it ends.

The protocol has no acknowledgement: the end of the connection is all that a sender gets (protocol.md 5.4). So
the end says something, and it must be true:

- An orderly close (FIN) comes only after the peer has ended its own side or sent octets that cannot be read,
  and says that every octet up to there was stored durably, readable or not. Sending the same again would not
  help.
- A reset (RST) says that something may not have been stored and has to be sent again. A one-way connection
  that is ended on our own initiative (silence, stop, too many, or the octets could not be stored) is always
  reset: were it closed in good order, a peer that was just sending would take our FIN for the receipt of what
  we never read. The system resets those of a gateway that is killed (`tcp_socket.reset_at_death`).
- On a two-way connection ended on our own initiative we end our side first, and for a moment go on receiving
  until the peer ends its own: a reset could destroy answers that it has not read yet.

Reading stops while an element is being received, so a peer is never read faster than the store can write.
Imports asn1 and config, nothing of iso_gateway.
"""

import asyncio
import contextlib
import os
import socket
import ssl
import traceback
from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Final, assert_never

import structlog
from structlog.typing import FilteringBoundLogger

from adapters.envelope import OUTBOUND, Envelope, Transport
from adapters.errors import DeliveryFailed, Failure, number_of
from adapters.permit import Permit, always
from adapters.receiver import Receiver
from adapters.tcp_socket import acknowledged, is_established, keep_alive, reset
from adapters.tcp_stream import Stream
from adapters.tls import HANDSHAKE, describe_tls, is_rejection
from asn1.errors import WireError
from asn1.framing import Framer
from config.settings import Limits

OPENED: Final = "connection.opened"
CLOSED: Final = "connection.closed"
REFUSED: Final = "connection.refused"
UNPROTECTED: Final = "connection.unprotected"
FAILED: Final = "connection.failed"

#: Octets taken from the socket at a time, and the most that waits in memory while an element is being
#: received.
CHUNK: Final = 65_536

#: How long a peer gets to end its side after we have ended ours. Long enough for one round trip anywhere.
LINGER: Final = timedelta(seconds=1)

#: The same when the gateway stops and nothing has happened on the connection for as long as `LINGER`.
IDLE_LINGER: Final = timedelta(milliseconds=200)

_log: FilteringBoundLogger = structlog.get_logger(__name__)


class Ending(Enum):
    """Why nothing more is read from a connection."""

    PEER_CLOSED = "peer-closed"
    """The peer has ended its side after whole elements."""
    UNREADABLE = "unreadable"
    """What came is no element, or ended in the middle of one."""
    SILENT = "silent"
    """Nothing came for too long, or an element took too long."""
    STOPPED = "stopped"
    """The gateway is being stopped."""
    LOST = "lost"
    """The connection broke."""
    NOT_STORED = "not-stored"
    """What came could not be stored."""
    NO_TLS = "no-tls"
    """It was to be protected by TLS, and the peer did not agree on that."""


class TcpConnection:
    """Reads one connection to its end, and writes answers on it meanwhile.

    Args:
        stream: the open connection, in the clear or by TLS.
        envelope: where everything that comes in on it comes from.
        limits: how long and deep an element may be, how long it may take in all, and how long answers are
            waited for. The time is the guard against a peer that sends an octet now and then only to hold the
            connection.
        silence: how long the peer may say nothing; an element may not take longer either.
        receiver: who gets the elements.
    """

    def __init__(
        self,
        stream: Stream,
        *,
        envelope: Envelope,
        limits: Limits,
        silence: timedelta,
        receiver: Receiver,
    ) -> None:
        self.envelope: Final = envelope
        self.ours: Final = envelope.listener == OUTBOUND
        self._stream = stream
        self._writer = stream.writer
        self._limits = limits
        self._silence = silence.total_seconds()
        self._longest = min(silence, limits.apdu_timeout).total_seconds()
        self._receiver = receiver
        self._clock = asyncio.get_running_loop().time
        self.opened_at: Final = self._clock()
        self._active_at = self.opened_at
        self._element_since: float | None = None
        self._timer: asyncio.Timeout | None = None
        self._stopping = asyncio.Event()
        self._closing = False
        self._writing = asyncio.Lock()
        self._framer = Framer(
            max_octets=limits.max_apdu_octets,
            max_depth=limits.max_depth,
            max_elements=limits.max_elements,
        )
        self._octets = 0
        self._elements = 0
        self._ended = False
        keep_alive(self._writer)

    @property
    def live(self) -> bool:
        """Whether something can still be written."""
        return not self._closing and not self._writer.transport.is_closing()

    @property
    def active_at(self) -> float:
        """When something was last read or written, by the event loop's clock."""
        return self._active_at

    @property
    def healthy(self) -> bool:
        """Whether an APDU that belongs to nothing on this connection may be written on it.

        Not once the peer has ended its side, though it still reads: whoever does that is about to go.
        """
        return self.live and not self._ended and not self._stopping.is_set() and is_established(self._writer)

    @property
    def idle(self) -> bool:
        """Whether nothing is being written now."""
        return not self._writing.locked()

    async def run(self) -> Ending:
        """Hands every element to the receiver to the end, then closes; what the receiver raises stays here.

        Cancelling it resets the connection.
        """
        log = _log.bind(
            connection_id=self.envelope.connection_id,
            listener=self.envelope.listener,
            peer=self.envelope.peer_address,
        )
        try:
            try:
                if (refused := await self._open(log)) is not None:
                    ending = last = refused
                else:
                    if (version := self._stream.protection) is not None:
                        log = log.bind(tls=version)
                    log.info(OPENED, transport=self.envelope.transport.value)
                    ending = last = await self._receive()
                    self._ended = True
                    await self._settle(ending)
                    if self._ends_too_early(ending):
                        last = await self._receive_last(ending)
            except Exception as error:  # noqa: BLE001 - whatever it is, it must not look like a receipt
                # Neither its text nor its traceback: a database error carries the values it was about.
                log.error(FAILED, error=type(error).__qualname__, where=_where(error))  # noqa: TRY400
                ending = last = Ending.NOT_STORED
            self._closing = True
            await self._close(last)
        except BaseException:
            self._closing = True
            reset(self._writer)
            raise
        log.info(CLOSED, ending=ending.value, elements=self._elements)
        return ending

    def finish(self) -> None:
        """Lets what was read already be received and ends the connection; returns at once, `run` soon."""
        self._stopping.set()
        if self._timer is not None and not self._timer.expired():
            self._timer.reschedule(self._clock())

    async def write(
        self,
        octets: bytes,
        *,
        within: timedelta,
        permit: Permit = always,
        still: Callable[[], bool] | None = None,
    ) -> None:
        """Writes one APDU whole, and returns when the peer's system has acknowledged all of it.

        Args:
            octets: the encoded APDU.
            within: how long the peer may take to make room for it. After that the connection is reset,
                because nothing else can follow a part of an APDU.
            permit: asked immediately before.
            still: asked after that: whether it is still to be written on this connection.

        Raises DeliveryFailed when the connection is gone, breaks, or the time is over; with the failure
        CONNECTION_GONE when nothing of it was written.
        """
        async with self._writing:
            await permit()
            if not self.live or (still is not None and not still()):
                raise gone(self.envelope.connection_id)
            self._active_at = self._clock()
            timer = asyncio.timeout(within.total_seconds())
            try:
                async with timer:
                    self._stream.write(octets)
                    await self._writer.drain()
                    await acknowledged(self._writer)
            except OSError as error:
                failure = undelivered(self._writer, self.envelope.peer_address, error, late=timer.expired())
                reset(self._writer)
                raise failure from error
            except BaseException:
                if self._writer.transport.get_write_buffer_size():  # nothing can follow a part of an APDU
                    reset(self._writer)
                raise
            self._active_at = self._clock()

    def reset(self) -> None:
        """Ends the connection at once, so that the peer sees an error and not an end."""
        reset(self._writer)

    async def _open(self, log: FilteringBoundLogger) -> Ending | None:
        """Agrees on TLS where that is wanted; returns why nothing is read, or None when it may be."""
        self._timer = timer = asyncio.timeout(0 if self._stopping.is_set() else HANDSHAKE)
        try:
            async with timer:
                await self._stream.open()
        except OSError as error:
            if self._stopping.is_set():
                return Ending.STOPPED
            reason = "it did not begin TLS in time" if timer.expired() else describe(error)
            log.warning(UNPROTECTED, reason=reason)
            return Ending.NO_TLS
        finally:
            self._timer = None
        return None

    async def _receive(self) -> Ending:
        framer = self._framer
        while True:
            data = await self._read(at_boundary=framer.at_boundary)
            if isinstance(data, Ending):
                if data is Ending.STOPPED or framer.at_boundary:
                    return data
                error = WireError(
                    "the element is cut off: the connection ended or fell silent first", offset=framer.pending
                )
                await self._receiver.unreadable(framer.remainder, error, self.envelope)
                return Ending.UNREADABLE if data is Ending.PEER_CLOSED else data
            self._octets += len(data)
            elements, wrong = _split(framer, data)
            for element in elements:
                await self._receiver.element(element, self.envelope)
                self._elements += 1
            if elements:
                self._element_since = None
            if wrong is not None:
                # A place in the octets that are kept: nobody sees the stream before them any more.
                begins = self._octets - framer.pending
                error = WireError(wrong.reason, offset=wrong.offset - begins, kind=wrong.kind)
                await self._receiver.unreadable(framer.remainder, error, self.envelope)
                return Ending.UNREADABLE

    async def _read(self, *, at_boundary: bool) -> bytes | Ending:
        # Both times count from here: how long we took to store the last element is not the peer's silence.
        self._active_at = self._clock()
        if at_boundary:
            self._element_since = None
        elif self._element_since is None:
            self._element_since = self._active_at
        while self._closing or not self._stopping.is_set():
            timer = asyncio.timeout_at(self._deadline())
            self._timer = timer
            try:
                async with timer:
                    data = await self._stream.read(CHUNK)
            except OSError:
                # A TimeoutError is an OSError, and may also be the connection's own (ETIMEDOUT).
                if not timer.expired():
                    return Ending.LOST
            else:
                if data:
                    return data
                # A connection that we reset while writing ends like one that the peer has ended.
                return Ending.LOST if self._writer.transport.is_closing() else Ending.PEER_CLOSED
            finally:
                self._timer = None
            # What we wrote meanwhile counts as life, too: the peer may be busy with our answer.
            if self._writing.locked():
                self._active_at = self._clock()
            if self._clock() >= self._deadline() and (self._closing or not self._stopping.is_set()):
                return Ending.SILENT
        return Ending.STOPPED

    def _deadline(self) -> float:
        silent = self._active_at + self._silence
        return silent if self._element_since is None else min(silent, self._element_since + self._longest)

    async def _settle(self, ending: Ending) -> None:
        if self._is_one_way_in:
            return
        if ending in {Ending.PEER_CLOSED, Ending.UNREADABLE, Ending.STOPPED}:
            with contextlib.suppress(TimeoutError):  # the answers go another way
                async with asyncio.timeout(self._limits.answer_timeout.total_seconds()):
                    await self._receiver.settled(self.envelope.connection_id)

    @property
    def _is_one_way_in(self) -> bool:
        return self.envelope.transport is Transport.TCP_ONE_WAY and not self.ours

    def _ends_too_early(self, ending: Ending) -> bool:
        """Tells whether the peer gets a moment to end its side: not if it fell silent within an element."""
        if self._is_one_way_in:
            return False
        return ending is Ending.STOPPED or (ending is Ending.SILENT and self._framer.at_boundary)

    async def _receive_last(self, ending: Ending) -> Ending:
        """Ends our side, and for a moment receives what the peer sends before it ends its own."""
        self._closing = True
        now = self._clock()
        until = max(now + IDLE_LINGER.total_seconds(), self._active_at + LINGER.total_seconds())
        if ending is Ending.SILENT:
            until = now + LINGER.total_seconds()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                self._stream.end()
                return await self._receive()
        return ending

    async def _close(self, ending: Ending) -> None:
        match ending:
            case Ending.PEER_CLOSED:
                await self._close_in_order()
            case Ending.UNREADABLE:
                await self._read_away()
                await self._close_in_order()
            case Ending.SILENT | Ending.STOPPED | Ending.LOST | Ending.NOT_STORED | Ending.NO_TLS:
                reset(self._writer)
            case _:
                assert_never(ending)

    async def _read_away(self) -> None:
        """Ends our side and throws away what still comes, for a moment.

        Closing with octets unread would reset the connection, and could destroy answers under way.
        """
        with contextlib.suppress(OSError):
            async with asyncio.timeout(LINGER.total_seconds()):
                self._stream.end()
                while await self._stream.read(CHUNK):
                    pass

    async def _close_in_order(self) -> None:
        self._stream.close()
        with contextlib.suppress(OSError):
            async with asyncio.timeout(LINGER.total_seconds()):
                await self._writer.wait_closed()
            return
        reset(self._writer)


def gone(connection_id: str) -> DeliveryFailed:
    """Returns the failure of writing on a connection that is not there, or not for writing."""
    return DeliveryFailed(
        f"connection {connection_id} is gone; send by another way",
        temporary=True,
        ambiguous=False,
        failure=Failure.CONNECTION_GONE,
    )


def undelivered(writer: asyncio.StreamWriter, peer: str, error: OSError, *, late: bool) -> DeliveryFailed:
    """Returns the failure of writing to an open connection; to be asked before the connection is reset.

    Args:
        writer: what was written with; what is left in it never went out.
        peer: the address, for the operator.
        error: what the system said.
        late: whether it was not the system, but our own limit of time.
    """
    if not late and isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
        return DeliveryFailed(
            f"{peer} was reached, but {describe(error)}",
            temporary=True,
            ambiguous=not is_rejection(error),
            failure=Failure.TLS,
        )
    if not late:
        return DeliveryFailed(
            f"{peer} broke the connection while an APDU was sent ({describe(error)}); it may have it or not",
            temporary=True,
            ambiguous=True,
            failure=Failure.RESET,
        )
    if writer.transport.get_write_buffer_size():
        return DeliveryFailed(
            f"{peer} did not take the whole APDU in time; look whether its ILL system reads",
            temporary=True,
            ambiguous=False,
            failure=Failure.SEND_TIMEOUT,
        )
    return DeliveryFailed(
        f"{peer} did not acknowledge the whole APDU in time; it may have it or not",
        temporary=True,
        ambiguous=True,
        failure=Failure.SEND_TIMEOUT,
    )


def describe(error: OSError) -> str:
    """Returns what the system says about an error, in lower case; never anything that a peer wrote."""
    if isinstance(error, ssl.SSLError):
        return describe_tls(error)
    number = number_of(error)
    if number > 0 and not isinstance(error, socket.gaierror):
        # The system's own words: asyncio's have the address in them once more.
        return os.strerror(number).lower()
    return (error.strerror or type(error).__name__).lower()


def _split(framer: Framer, data: bytes) -> tuple[list[bytes], WireError | None]:
    """Returns the elements that the data completes, and what is wrong with what follows them."""
    elements: list[bytes] = []
    try:
        elements.extend(framer.feed(data))
    except WireError as error:
        return elements, error
    return elements, None


def _where(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"


async def end(tasks: Mapping[asyncio.Task[object], object], grace: timedelta) -> None:
    """Waits for tasks that are ending by themselves, and cancels those that have not after the grace."""
    if not tasks:
        return
    _, pending = await asyncio.wait(tuple(tasks), timeout=grace.total_seconds())
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
