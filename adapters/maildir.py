"""Mail from a Maildir, for a site whose mail server shall not connect to the gateway.

The server writes a file under `tmp` and moves it to `new`; there we look for it now and then. A file is moved
to `cur` only when all that it holds is stored, so a crash in between has it received a second time, as the
exact duplicate that it is, and never lost. What is refused or cannot be read goes to `cur` flagged (`F`), and
is visible among the messages; a file that cannot be opened stays where it is.
Imports asn1 and config, nothing of iso_gateway.
"""

import asyncio
import os
import stat
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final, Protocol

import structlog
from structlog.typing import FilteringBoundLogger

from adapters.mime import MailLimits, MailRefused, address_in, parse_header
from adapters.throttle import Throttle
from config.errors import escaped
from config.settings import Mail

NAME: Final = "maildir"

MAIL_RECEIVED: Final = "mail.received"
MAIL_REFUSED: Final = "mail.refused"
UNREADABLE: Final = "maildir.unreadable"
NOT_STORED: Final = "mail.not-stored"

#: Seen, and seen but refused: what a Maildir's file names say after the colon.
_SEEN: Final = ":2,S"
_FLAGGED: Final = ":2,FS"

_INTERVAL: Final = timedelta(minutes=5)

_log: FilteringBoundLogger = structlog.get_logger(__name__)


class Inbox(Protocol):
    """What mails are given to; see `adapters.mail_inbox`."""

    async def receive(
        self, octets: bytes, *, listener: str, sender: str | None, recipients: Sequence[str]
    ) -> None:
        """Takes a mail; returns when all of it is stored."""

    async def keep(self, octets: bytes, reason: str, *, listener: str) -> None:
        """Takes the beginning of a mail that is not read any further."""


class Maildir:
    """A Maildir that is watched.

    Args:
        mail: where it is, how often to look, what a mail may cost.
        inbox: who gets the mails.
        rest: waits for a time; the daemon's is `asyncio.sleep`.
    """

    def __init__(
        self, mail: Mail, inbox: Inbox, *, rest: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._directory = Path(mail.maildir or "")
        self._interval = mail.maildir_interval.total_seconds()
        self._max_octets = mail.max_mail_octets
        self._header_limits = MailLimits(header_octets=mail.max_header_octets)
        self._inbox = inbox
        self._rest = rest
        self._unreadable = Throttle(_INTERVAL, asyncio.get_running_loop().time)

    async def watch(self) -> None:
        """Looks again and again, until it is cancelled; a mail in hand is then received once more, later."""
        while True:
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next look may do better
                _log.error(NOT_STORED, error=type(error).__qualname__)
            await self._rest(self._interval)

    async def look(self) -> int:
        """Takes every mail that is there now, oldest name first; returns how many were dealt with."""
        try:
            names = await asyncio.to_thread(self._names)
        except OSError as error:
            self._complain(error)
            return 0
        taken = 0
        for name in names:
            try:
                taken += await self._take(name)
            except OSError as error:
                self._complain(error)
        return taken

    def _names(self) -> list[str]:
        return sorted(entry.name for entry in os.scandir(self._directory / "new") if entry.name[0] != ".")

    async def _take(self, name: str) -> bool:
        path = self._directory / "new" / name
        octets = await asyncio.to_thread(_read, path, self._max_octets + 1)
        try:
            flags = await self._receive(octets)
        except Exception as error:  # noqa: BLE001 - it stays in `new`, and the others are served
            # Neither its text nor its traceback: a database error carries the values it was about.
            _log.error(NOT_STORED, error=type(error).__qualname__)
            return False
        await asyncio.to_thread(self._put_away, path, flags)
        _log.info(MAIL_RECEIVED, octets=len(octets))
        return True

    async def _receive(self, octets: bytes) -> str:
        """Has a mail stored; returns how its file is to be marked."""
        if len(octets) > self._max_octets:
            return await self._refuse(octets, f"it is longer than {self._max_octets} octets")
        try:
            sender, recipients = self._envelope(octets)
            await self._inbox.receive(octets, listener=NAME, sender=sender, recipients=recipients)
        except MailRefused as refusal:
            return await self._refuse(octets, refusal.reason)
        return _SEEN

    async def _refuse(self, octets: bytes, reason: str) -> str:
        _log.warning(MAIL_REFUSED, reason=reason, octets=len(octets))
        await self._inbox.keep(octets, f"a mail that was not read: {reason}", listener=NAME)
        return _FLAGGED

    def _envelope(self, octets: bytes) -> tuple[str | None, tuple[str, ...]]:
        """Returns what the delivering server wrote on top: the envelope's sender, and its recipients.

        Only the first Return-Path is the server's own; a further one came with the mail.
        """
        header = parse_header(octets, self._header_limits)
        sender = address_in(header.first("return-path"))
        to = (header.first("delivered-to"), header.first("x-original-to"))
        return sender, tuple(address for value in to if (address := address_in(value)) is not None)

    def _put_away(self, path: Path, flags: str) -> None:
        cur = self._directory / "cur"
        cur.mkdir(mode=0o700, exist_ok=True)
        path.rename(cur / (path.name.partition(":")[0] + flags))

    def _complain(self, error: OSError) -> None:
        if count := self._unreadable.happened():
            told = escaped((error.strerror or type(error).__name__).lower())
            _log.error(UNREADABLE, directory=str(self._directory), error=told, count=count)


def _read(path: Path, at_most: int) -> bytes:
    """Returns the beginning of a regular file; a link, or anything else, is an OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "not a regular file")
        return file.read(at_most)
