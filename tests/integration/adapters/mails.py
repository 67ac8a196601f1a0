"""The far ends of mail: an inbox that records, a client of LMTP, and a mail server that does as told."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Self

from adapters.envelope import Envelope
from adapters.mail_reading import Notice
from tests.integration.adapters.peers import Recorder

HOST: Final = "127.0.0.1"
OURS: Final = "ill@bex.example"
THEIRS: Final = "ill@sfu.example"

TYPE: Final = "Content-Type: application/iso-10161-ill-1; transfer-encoding=iso-8825-ber"


def carrying(*apdus: bytes, author: str = THEIRS) -> bytes:
    """Gives a mail with each APDU in a part of its own, as a mail system writes it."""
    parts = [
        f"--b\r\n{TYPE}\r\nContent-Transfer-Encoding: base64\r\n\r\n".encode("ascii")
        + base64.encodebytes(apdu).replace(b"\n", b"\r\n")
        for apdu in apdus
    ]
    header = f"From: {author}\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n".encode("ascii")
    return header + b"".join(parts) + b"--b--\r\n"


class MailRecorder(Recorder):
    """A receiver of mail that keeps everything."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[tuple[bytes, str]] = []
        self.notices: list[Notice] = []

    async def without_apdu(self, octets: bytes, reason: str, envelope: Envelope) -> None:
        if self.failure is not None:
            raise self.failure
        self.kept.append((octets, reason))
        self.envelopes.append(envelope)
        await self._tell()

    async def notice(self, octets: bytes, notice: Notice, envelope: Envelope) -> None:
        if self.failure is not None:
            raise self.failure
        self.kept.append((octets, notice.fate.value))
        self.notices.append(notice)
        self.envelopes.append(envelope)
        await self._tell()


class LmtpClient:
    """A client that says what it is told to, and reads answers line by line."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    @classmethod
    @asynccontextmanager
    async def connected(cls, port: int) -> AsyncIterator[Self]:
        """Connects, and reads the greeting."""
        reader, writer = await asyncio.open_connection(HOST, port)
        client = cls(reader, writer)
        try:
            assert (await client.answer()).startswith("220 ")
            yield client
        finally:
            writer.close()

    def write(self, octets: bytes) -> None:
        """Sends octets as they are."""
        self.writer.write(octets)

    async def answer(self) -> str:
        """Reads one answer: its last line."""
        while True:
            line = (await self._reader.readline()).decode("ascii")
            if line[3:4] != "-":
                return line.rstrip("\r\n")

    async def say(self, line: str) -> str:
        """Sends a command and reads its answer."""
        self.write(line.encode("latin-1") + b"\r\n")
        return await self.answer()

    async def begin(self, *recipients: str, sender: str = THEIRS) -> list[str]:
        """Says everything that comes before a mail; gives the answers to the recipients and to DATA."""
        await self.say("LHLO mx.example")
        assert (await self.say(f"MAIL FROM:<{sender}>")).startswith("250 ")
        return [
            *[await self.say(f"RCPT TO:<{one}>") for one in recipients or (OURS,)],
            await self.say("DATA"),
        ]

    async def deliver(self, mail: bytes, *recipients: str, sender: str = THEIRS) -> str:
        """Hands a mail over and gives the answer for its one, or its first, recipient."""
        await self.begin(*recipients, sender=sender)
        return await self.content(mail)

    async def content(self, mail: bytes) -> str:
        """Sends a mail after DATA."""
        stuffed = b"\r\n".join(b"." + line if line[:1] == b"." else line for line in mail.split(b"\r\n"))
        self.write(stuffed.removesuffix(b"\r\n") + b"\r\n.\r\n")
        return await self.answer()

    async def at_end(self) -> bool:
        """Waits for the end of the connection; tells whether nothing came before it."""
        try:
            return await self._reader.read() == b""
        except ConnectionError:
            return True


@dataclass(slots=True)
class MailServer:
    """A mail server that answers each command as `answers` says, and otherwise with consent.

    An answer is a text, `None` to break the connection, or `...` to say nothing at all. `connect` is asked
    before the greeting, and `.` after the end of a mail.
    """

    answers: dict[str, str | None] = field(default_factory=dict)
    extensions: tuple[str, ...] = ("SIZE 10000000", "DSN")
    commands: list[str] = field(default_factory=list)
    mails: list[bytes] = field(default_factory=list)
    port: int = 0
    on_command: Callable[[str], None] | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Serves on a port of its own."""
        server = await asyncio.start_server(self._serve, HOST, 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            await server.wait_closed()

    def said(self, command: str) -> Sequence[str]:
        """Gives the commands that begin so."""
        return [one for one in self.commands if one.upper().startswith(command)]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._converse(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not await self._answer(writer, reader, "connect", "220 mx.example"):
            return
        while line := (await reader.readline()).decode("latin-1").rstrip("\r\n"):
            self.commands.append(line)
            if self.on_command is not None:
                self.on_command(line)
            word = line.split(maxsplit=1)[0].upper()
            hello = "".join(f"250-{one}\r\n" for one in ("mx.example", *self.extensions)) + "250 OK"
            usual = {"EHLO": hello, "DATA": "354 go on", "QUIT": "221 bye"}.get(word, "250 2.0.0 OK")
            if not await self._answer(writer, reader, word, usual):
                return
            if word == "DATA" and "DATA" not in self.answers:
                self.mails.append((await reader.readuntil(b"\r\n.\r\n")).removesuffix(b".\r\n"))
                if not await self._answer(writer, reader, ".", "250 2.0.0 queued"):
                    return
            if word == "QUIT":
                return

    async def _answer(
        self, writer: asyncio.StreamWriter, reader: asyncio.StreamReader, to: str, usual: str
    ) -> bool:
        answer = self.answers.get(to, usual)
        if answer is None:
            writer.transport.abort()
            return False
        if answer == "...":
            await reader.read()
            return False
        writer.write(answer.encode("latin-1") + b"\r\n")
        await writer.drain()
        return True
