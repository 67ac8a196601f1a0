"""Mail from the site's own mail server by LMTP (RFC 2033): on loopback or a Unix socket, never from outside.

Why a server of our own and not a library's: docs/adr/0010-lmtp.md. It knows what our mail server needs and no
more, reads within bounds whatever comes, and says 250 for a mail only after all of it is stored. Of a mail
that is refused the beginning is kept, so that an operator finds what its sender was told. The end of a mail
is CRLF, dot, CRLF and nothing else, so no line that merely looks like it can smuggle in another mail.
LMTP has no authentication: who can connect can write in any partner's name.
Imports asn1 and config, nothing of iso_gateway.
"""

import asyncio
import contextlib
import re
import socket
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final, Protocol

import structlog
from structlog.typing import FilteringBoundLogger

from adapters.envelope import written
from adapters.errors import ListenError
from adapters.mime import MailRefused
from adapters.throttle import Throttle
from config import mailing
from config.senders import comparable
from config.settings import Mail

NAME: Final = mailing.LMTP

MAIL_RECEIVED: Final = "mail.received"
MAIL_REFUSED: Final = "mail.refused"
SESSION_REFUSED: Final = "lmtp.refused"
NOT_STORED: Final = "mail.not-stored"

#: The longest command line that is read; RFC 5321 asks for 512 and what extensions need.
_LONGEST_LINE: Final = 1_024
#: Commands that make no sense, before the connection is ended.
_PATIENCE: Final = 10
#: Recipients of one mail; RFC 5321 asks for 100.
_MOST_RECIPIENTS: Final = 100
_CHUNK: Final = 65_536
#: Seconds for the last answer to go out.
_GOODBYE: Final = 1.0
_END: Final = b"\r\n.\r\n"
#: How much is kept of a mail that is refused, in octets.
_KEPT: Final = 16_384
_TOO_LONG: Final = ("552 5.3.4", "it is longer than this gateway reads")

#: At most one line of the log in this time says what was refused, and how many times.
_INTERVAL: Final = timedelta(seconds=10)

_PATH: Final = re.compile(r"\s*<([!-;=?A-~]{1,64}@[A-Za-z0-9.-]{1,255})?>((?: [!-~]+)*)\s*", re.ASCII)

_log: FilteringBoundLogger = structlog.get_logger(__name__)


class Inbox(Protocol):
    """What mails are given to; see `adapters.mail_inbox`."""

    async def receive(
        self, octets: bytes, *, listener: str, sender: str | None, recipients: Sequence[str]
    ) -> None:
        """Takes a mail; returns when all of it is stored."""

    async def keep(self, octets: bytes, reason: str, *, listener: str, sender: str | None = None) -> None:
        """Takes the beginning of a mail that is not read any further."""


class LmtpListener:
    """The LMTP listener.

    Args:
        mail: where to listen, and what a mail may cost.
        ours: addresses for which mail is taken; sub-addresses of them are ours, too.
        inbox: who gets the mails.
        silence: how long a client may say nothing, and how long one mail may take in all.
    """

    def __init__(self, mail: Mail, ours: Collection[str], inbox: Inbox, *, silence: timedelta) -> None:
        self._mail = mail
        self._inbox = inbox
        self._servers: list[asyncio.Server] = []
        self._own_socket: Path | None = None
        self._sessions: dict[asyncio.Task[object], _Session] = {}
        now = asyncio.get_running_loop().time
        self._refused = {event: Throttle(_INTERVAL, now) for event in (MAIL_REFUSED, SESSION_REFUSED)}
        self._stopping = False
        self.refusals = 0
        """How many mails and connections were refused."""
        self.follow(ours, silence=silence)

    def follow(self, ours: Collection[str], *, silence: timedelta) -> None:
        """Has these addresses, and this patience, hold for the clients that come from now on."""
        self._ours = frozenset(comparable(address) for address in ours)
        self._silence = silence

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port on which it listens, the first if it has several; None for a Unix socket."""
        if not self._servers or self._mail.lmtp_socket is not None:
            return None
        name = self._servers[0].sockets[0].getsockname()
        return name[0], name[1]

    async def start(self, sockets: Sequence[socket.socket] = ()) -> None:
        """Listens, if the configuration says where. Raises ListenError.

        Args:
            sockets: bound already, by who has made them and keeps them (socket activation); the configuration
                is not asked where, then. They belong to this object from now on.
        """
        mail = self._mail
        if sockets:
            for one in sockets:
                self._servers.append(await asyncio.start_server(self._accept, sock=one))
            return
        try:
            if mail.lmtp_socket is not None:
                path = Path(mail.lmtp_socket)
                self._servers.append(await asyncio.start_unix_server(self._accept, sock=_unix_socket(path)))
                self._own_socket = path
            elif mail.lmtp_host is not None:
                self._servers.append(await asyncio.start_server(self._accept, mail.lmtp_host, mail.lmtp_port))
        except OSError as error:
            where = mail.lmtp_socket or written(mail.lmtp_host or "", mail.lmtp_port)
            reason = f"{(error.strerror or type(error).__name__).lower()}; check the lmtp settings of [mail]"
            raise ListenError(listener=NAME, address=where, reason=reason) from error

    async def stop(self, grace: timedelta) -> None:
        """Stops listening, lets every mail that came whole be stored and answered, and ends the sessions.

        Args:
            grace: how long that may take.
        """
        self._stopping = True
        for server in self._servers:
            server.close()
        for session in self._sessions.values():
            session.finish()
        if self._sessions:
            _, pending = await asyncio.wait(tuple(self._sessions), timeout=grace.total_seconds())
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        for server in self._servers:
            await server.wait_closed()
        if self._own_socket is not None:
            _remove(self._own_socket)
        for event, throttle in self._refused.items():
            if count := throttle.rest():
                _log.warning(event, count=count)

    def refuse(self, event: str, reason: str) -> None:
        """Counts something that was refused, and says so now and then."""
        self.refusals += 1
        if count := self._refused[event].happened():
            _log.warning(event, reason=reason, count=count)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._stopping or len(self._sessions) >= self._mail.max_connections:
            writer.write(b"421 4.3.2 too many connections, try again later\r\n")
            writer.close()
            self.refuse(SESSION_REFUSED, "too many connections")
            return
        session = _Session(
            reader, writer, listener=self, mail=self._mail, ours=self._ours, silence=self._silence
        )
        task: asyncio.Task[object] = asyncio.create_task(session.run(self._inbox))
        self._sessions[task] = session
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[object]) -> None:
        del self._sessions[task]


def _unix_socket(path: Path) -> socket.socket:
    """Returns a bound socket for user and group; one that a gateway left behind is removed."""
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_socket():
            path.unlink()
        one.bind(str(path))
        path.chmod(0o660)
    except OSError:
        one.close()
        raise
    return one


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


@dataclass(slots=True)
class _Transaction:
    """What the client has said of a mail so far."""

    sender: str | None
    recipients: list[str] = field(default_factory=list)


class _EndOfSession(Exception):  # noqa: N818 - no fault
    """The client is gone, silent or hopeless; or we stop."""


class _Session:
    """One connection.

    Args:
        reader, writer: the connection.
        listener: counts what is refused.
        mail: what a mail may cost.
        ours: addresses of ours, comparable.
        silence: how long the client may take for a command, and for a mail.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        listener: LmtpListener,
        mail: Mail,
        ours: Collection[str],
        silence: timedelta,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._listener = listener
        self._max_octets = mail.max_mail_octets
        self._ours = ours
        self._silence = silence.total_seconds()
        self._buffer = bytearray()
        self._greeted = False
        self._mistakes = 0
        self._transaction: _Transaction | None = None
        self._reading: asyncio.Task[bytes] | None = None
        self._finishing = False

    def finish(self) -> None:
        """Ends the session at the next moment at which no mail is in hand."""
        self._finishing = True
        if self._reading is not None:
            self._reading.cancel()

    async def run(self, inbox: Inbox) -> None:
        """Serves the client to the end."""
        try:
            # However it ends, closing is all that is left.
            with contextlib.suppress(_EndOfSession, OSError):
                await self._say("220 iso-gateway LMTP")
                while await self._obey(await self._line(), inbox):
                    continue
        finally:
            self._writer.close()
        with contextlib.suppress(OSError):
            async with asyncio.timeout(_GOODBYE):
                await self._writer.wait_closed()
            return
        self._writer.transport.abort()

    async def _obey(self, line: bytes, inbox: Inbox) -> bool:
        """Does what one line asks for; False when the session is over."""
        word, _, rest = line.decode("latin-1").partition(" ")
        match word.upper():
            case "LHLO":
                self._greeted = True
                self._transaction = None
                await self._say(
                    "250-iso-gateway",
                    f"250-SIZE {self._max_octets}",
                    "250-8BITMIME",
                    "250-PIPELINING",
                    "250 ENHANCEDSTATUSCODES",
                )
            case "MAIL":
                await self._mail_from(rest, inbox)
            case "RCPT":
                await self._rcpt_to(rest)
            case "DATA":
                await self._data(inbox)
            case "RSET":
                self._transaction = None
                await self._say("250 2.0.0 ok")
            case "NOOP":
                await self._say("250 2.0.0 ok")
            case "VRFY":
                await self._say("252 2.5.0 send some mail")
            case "QUIT":
                await self._say("221 2.0.0 bye")
                return False
            case _:
                await self._mistake("500 5.5.2 no command of LMTP")
        return True

    async def _mail_from(self, rest: str, inbox: Inbox) -> None:
        path = _path_after("FROM:", rest)
        if not self._greeted:
            await self._mistake("503 5.5.1 LHLO comes first")
        elif self._transaction is not None:
            await self._mistake("503 5.5.1 a mail is begun already")
        elif path is None:
            await self._mistake("501 5.5.4 MAIL FROM:<address>")
        elif _size(path[1]) > self._max_octets:
            await self._say(await self._refused(b"", *_TOO_LONG, sender=path[0], inbox=inbox))
        else:
            self._transaction = _Transaction(sender=path[0])
            await self._say("250 2.1.0 ok")

    async def _rcpt_to(self, rest: str) -> None:
        path = _path_after("TO:", rest)
        if self._transaction is None:
            await self._mistake("503 5.5.1 MAIL comes first")
        elif path is None or path[0] is None:
            await self._mistake("501 5.5.4 RCPT TO:<address>")
        elif len(self._transaction.recipients) >= _MOST_RECIPIENTS:
            await self._say("452 4.5.3 too many recipients")
        elif comparable(path[0]) not in self._ours:
            await self._say("550 5.1.1 no such address here")
        else:
            self._transaction.recipients.append(path[0])
            await self._say("250 2.1.5 ok")

    async def _data(self, inbox: Inbox) -> None:
        transaction = self._transaction
        if transaction is None or not transaction.recipients:
            await self._mistake("503 5.5.1 RCPT comes first")
            return
        self._transaction = None
        await self._say("354 go on; end with a dot on a line of its own")
        octets, whole = await self._content()
        answer = (
            await self._received(octets, transaction, inbox)
            if whole
            else await self._refused(octets, *_TOO_LONG, sender=transaction.sender, inbox=inbox)
        )
        # LMTP: one answer for each recipient. It is one mail to us, so they are all the same.
        await self._say(*[answer] * len(transaction.recipients))

    async def _received(self, octets: bytes, transaction: _Transaction, inbox: Inbox) -> str:
        try:
            await inbox.receive(
                octets,
                listener=NAME,
                sender=transaction.sender,
                recipients=tuple(transaction.recipients),
            )
        except MailRefused as refusal:
            return await self._refused(
                octets[:_KEPT], "554 5.6.0", refusal.reason, sender=transaction.sender, inbox=inbox
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not look like a receipt
            return _not_stored(error)
        _log.info(MAIL_RECEIVED, octets=len(octets))
        return "250 2.0.0 stored"

    async def _refused(
        self, octets: bytes, code: str, reason: str, *, sender: str | None, inbox: Inbox
    ) -> str:
        """Has the beginning of a mail kept that is refused; returns what is answered.

        While it cannot be kept the mail is to come again: nobody here would know of it.
        """
        try:
            await inbox.keep(octets, f"a mail that was refused: {reason}", listener=NAME, sender=sender)
        except Exception as error:  # noqa: BLE001 - as for a mail that is taken
            return _not_stored(error)
        self._listener.refuse(MAIL_REFUSED, reason)
        return f"{code} {reason}"

    async def _content(self) -> tuple[bytes, bool]:
        """Reads a mail to its end; gives it, or the beginning of one too long, and whether it is whole."""
        mail = self._buffer
        # The line break before it belongs to the command, and may be part of the end.
        mail[:0] = b"\r\n"
        searched = 0
        begun: bytes | None = None
        deadline = asyncio.get_running_loop().time() + self._silence
        while (end := mail.find(_END, searched)) < 0:
            if begun is None and len(mail) > self._max_octets + _CHUNK:
                begun = bytes(mail[2 : _KEPT + 2])
            if begun is not None:
                del mail[: -len(_END)]
            searched = max(0, len(mail) - len(_END))
            mail += await self._read(deadline)
        octets = bytes(mail[2 : end + 2])
        del mail[: end + len(_END)]
        if begun is not None:
            return begun, False
        if len(octets) > self._max_octets:
            return octets[:_KEPT], False
        return octets.removeprefix(b".").replace(b"\r\n.", b"\r\n"), True

    async def _line(self) -> bytes:
        deadline = asyncio.get_running_loop().time() + self._silence
        while (end := self._buffer.find(b"\n")) < 0 or end > _LONGEST_LINE:
            if len(self._buffer) > _LONGEST_LINE:
                self._listener.refuse(SESSION_REFUSED, "a line that is no command")
                await self._say("500 5.5.2 no command is so long")
                raise _EndOfSession
            self._buffer += await self._read(deadline)
        line = bytes(self._buffer[:end]).rstrip(b"\r\n ")
        del self._buffer[: end + 1]
        return line

    async def _read(self, deadline: float) -> bytes:
        if self._finishing:
            raise _EndOfSession
        self._reading = asyncio.ensure_future(self._reader.read(_CHUNK))
        try:
            async with asyncio.timeout_at(deadline):
                data = await self._reading
        except TimeoutError:
            raise _EndOfSession from None
        except asyncio.CancelledError:
            if self._finishing:
                raise _EndOfSession from None
            raise
        finally:
            self._reading = None
        if not data:
            raise _EndOfSession
        return data

    async def _mistake(self, answer: str) -> None:
        self._mistakes += 1
        await self._say(answer)
        if self._mistakes >= _PATIENCE:
            self._listener.refuse(SESSION_REFUSED, "too many mistakes")
            raise _EndOfSession

    async def _say(self, *lines: str) -> None:
        self._writer.write("".join(f"{line}\r\n" for line in lines).encode("ascii"))
        try:
            async with asyncio.timeout(self._silence):
                await self._writer.drain()
        except TimeoutError:
            raise _EndOfSession from None


def _not_stored(error: Exception) -> str:
    """Says in the log that a mail could not be stored, and returns what is answered."""
    # Neither its text nor its traceback: a database error carries the values it was about.
    _log.error(NOT_STORED, error=type(error).__qualname__)
    return "451 4.3.0 cannot be stored now, try again later"


def _path_after(word: str, rest: str) -> tuple[str | None, str] | None:
    """Returns the address of a command, None for the null sender, and its parameters."""
    if rest[: len(word)].upper() != word:
        return None
    found = _PATH.fullmatch(rest[len(word) :])
    return None if found is None else (found[1], found[2])


def _size(parameters: str) -> int:
    """Returns the size that a client says its mail has; 0 where it does not."""
    for parameter in parameters.split():
        name, _, value = parameter.partition("=")
        if name.upper() == "SIZE" and value.isascii() and value.isdecimal():
            return int(value[:20])
    return 0
