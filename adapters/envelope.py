"""How a piece of BER reached the gateway: everything that is known about it without reading it.

Imports nothing of ours.
"""

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv6Address, ip_address
from typing import Final

#: In place of a listener's name, for what came back on a connection that the gateway opened itself.
OUTBOUND: Final = "outbound"


class Transport(Enum):
    """By which of the protocol's ways an APDU travels (protocol.md 5.4)."""

    TCP_ONE_WAY = "tcp-one-way"
    """Who connected sends; nothing is ever written back."""
    TCP_TWO_WAY = "tcp-two-way"
    """Both ends may send on the connection."""
    MAIL = "mail"
    """In a mail; nothing is ever written back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Where one element came from. The time is not here: the use case that receives it reads the clock.

    Args:
        transport: by which way it came, so also whether an answer may go back on the same connection.
        listener: the configured name of the listener, or `OUTBOUND`.
        peer_address: host and port of the peer, as `192.0.2.7:51234` or `[2001:db8::7]:51234`; for mail, who
            sent it, as `adapters.mail_inbox` writes it.
        peer_host: the host alone, as `192.0.2.7`; an IPv4 address that came by an IPv6 socket is written as
            IPv4. For mail, the same as `peer_address`.
        connection_id: which connection, unlike that of every other connection of this process.
    """

    transport: Transport
    listener: str
    peer_address: str
    peer_host: str
    connection_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """The far end of a connection.

    Args:
        host: an IP address in its shortest form.
        port: the TCP port.
    """

    host: str
    port: int

    @classmethod
    def of(cls, name: tuple[str, int] | tuple[str, int, int, int]) -> "Peer":
        """Returns the peer that a socket's `getpeername` tells.

        An IPv4 address in IPv6 form (`::ffff:192.0.2.7`, as a socket for both families reports it) becomes
        plain IPv4, because allowed sources and the cap per address are about the address, not about our
        socket.
        """
        address = ip_address(name[0])
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return cls(host=str(address), port=name[1])

    def __str__(self) -> str:
        return written(self.host, self.port)


def written(host: str, port: int) -> str:
    """Returns host and port as one text; an IPv6 address stands in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
