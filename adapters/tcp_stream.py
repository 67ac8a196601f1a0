"""The octets of one TCP connection, in the clear or by TLS: reading, writing, and the end of each side.

Theory of operation. asyncio's own TLS ends both sides at once, as soon as the peer has ended its own. A peer
would then take that end for the receipt of an APDU that we have read and not stored yet, and could not be
answered after its half-close. So TLS is run here over memory (`ssl.MemoryBIO`), and its end of one side
(close_notify) is sent when the end of a plain connection (FIN) would be: the two mean the same above.

Two things differ, and both are the safe way round. An end of TCP without the end of TLS is no end but a
break: anybody on the way could have forged it. And a peer that shows no certificate, or a wrong one, is
reset. Imports nothing of ours but `adapters.tcp_socket`.
"""

import asyncio
import contextlib
import ssl
from typing import Final

from adapters.tcp_socket import close, reset_at_death

#: Octets of TLS taken from the socket at a time.
_CHUNK: Final = 65_536


class Stream:
    """A plain connection.

    Args:
        reader, writer: the two halves of the open connection.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer: Final = writer
        # Drained shall mean that the kernel has all of it: then a time-out tells what the peer cannot have.
        writer.transport.set_write_buffer_limits(high=0)
        reset_at_death(writer.get_extra_info("socket"))

    @property
    def protection(self) -> str | None:
        """The version of TLS, as `TLSv1.3`; None in the clear."""
        return None

    async def open(self) -> None:
        """Makes the connection ready for octets of APDUs. Raises OSError when that cannot be done."""

    async def confirm(self) -> None:
        """Waits, on our own connection, until the peer has accepted us. Raises OSError if it does not."""

    async def read(self, size: int) -> bytes:
        """Returns what has come, at most `size` octets; none when the peer has ended its side."""
        return await self._reader.read(size)

    def write(self, octets: bytes) -> None:
        """Hands octets to the system as far as it takes them."""
        self.writer.write(octets)

    def end(self) -> None:
        """Ends our side, so that the peer can tell that nothing more comes; it may go on with its own."""
        self.writer.write_eof()

    def close(self) -> None:
        """Ends our side if it is not ended, and lets go of the connection once the system has all of it."""
        close(self.writer)


class TlsStream(Stream):
    """A connection protected by TLS 1.2 or later.

    Args:
        reader, writer: the two halves of the open connection.
        context: what to show, and whom to trust.
        server_name: on a connection that we opened, the name that the peer's certificate has to bear; None on
            one that was opened to us.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        context: ssl.SSLContext,
        *,
        server_name: str | None = None,
    ) -> None:
        super().__init__(reader, writer)
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server_name is None, server_hostname=server_name
        )
        self._early = b""
        self._ended = False

    @property
    def protection(self) -> str | None:
        """The version of TLS, as `TLSv1.3`; None before it is agreed on."""
        return self._tls.version()

    async def open(self) -> None:
        """Agrees on keys and checks certificates. Raises OSError, of which SSLError is one kind."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._fetch()
            else:
                return
            finally:
                self._flush()  # an alert goes out, too: it tells the peer's operator what is wrong

    async def confirm(self) -> None:
        """Waits until the peer has accepted our certificate, or said that it wants one that we do not have.

        In TLS 1.3 the peer checks it after we are done. Octets written meanwhile are acknowledged by its
        system and thrown away, which looks like a delivery. What it sends right after it has accepted us is a
        session ticket; one that sends none is given up waiting for by the caller, and has to be believed.
        """
        while self._tls.version() == "TLSv1.3" and not self._has_ticket():
            await self._fetch()
            try:
                self._early = self._tls.read(_CHUNK)
            except ssl.SSLWantReadError:
                continue
            return  # it speaks to us

    def _has_ticket(self) -> bool:
        session = self._tls.session
        return session is not None and session.has_ticket

    async def read(self, size: int) -> bytes:
        """Returns what has come, at most `size` octets; none when the peer has ended its side of TLS.

        Raises OSError when the connection ends in any other way.
        """
        if self._early:
            octets, self._early = self._early[:size], self._early[size:]
            return octets
        while True:
            try:
                return self._tls.read(size)
            except ssl.SSLWantReadError:
                await self._fetch()
            except ssl.SSLZeroReturnError:
                return b""
            finally:
                self._flush()

    def write(self, octets: bytes) -> None:
        """Hands octets to the system as far as it takes them."""
        self._tls.write(octets)
        self._flush()

    def end(self) -> None:
        """Ends our side of TLS, and of TCP, so that the peer can tell it as it would without TLS."""
        self._end()
        self.writer.write_eof()

    def close(self) -> None:
        """Ends our side if it is not ended, and lets go of the connection once the system has all of it."""
        if not self._ended:
            self._end()
        close(self.writer)

    def _end(self) -> None:
        self._ended = True
        # What is here already has to be read first: OpenSSL refuses to end our side while it is not.
        with contextlib.suppress(OSError):
            while octets := self._tls.read(_CHUNK):
                self._early += octets
        # It sends our end and then wants the peer's, which comes in its own time.
        with contextlib.suppress(OSError):
            self._tls.unwrap()
        self._flush()

    async def _fetch(self) -> None:
        self._flush()
        octets = await self._reader.read(_CHUNK)
        if octets:
            self._incoming.write(octets)
        else:
            self._incoming.write_eof()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self.writer.write(self._outgoing.read())
