"""What keeps a message from being delivered: a closed set of words, and what can be done about each.

The words are stored with every attempt, so a word that was given out is never taken back or given another
meaning.
"""

import enum
from typing import assert_never


class Failure(enum.StrEnum):
    """Why an attempt to send failed, or why there will be no more."""

    NO_SUCH_HOST = "no-such-host"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    CONNECT_TIMEOUT = "connect-timeout"
    TLS = "tls"
    CLOSED = "closed"
    SEND_TIMEOUT = "send-timeout"
    RESET = "reset"
    NO_CLOSE = "no-close"
    CONNECTION_GONE = "connection-gone"
    MAIL_SERVER = "mail-server"
    MAIL_DEFERRED = "mail-deferred"
    MAIL_REFUSED = "mail-refused"
    RETURNED = "returned"
    NOT_CONFIGURED = "not-configured"
    NOT_SUPPORTED = "not-supported"
    UNKNOWN_SENDER = "unknown-sender"
    UNREADABLE = "unreadable"
    INTERRUPTED = "interrupted"
    INTERNAL = "internal"
    LIFETIME = "lifetime"

    @property
    def of_the_partner(self) -> bool:
        """Whether it says that the partner takes nothing at present, whatever the message is."""
        return self in _OF_THE_PARTNER


_OF_THE_PARTNER = frozenset(
    {
        Failure.NO_SUCH_HOST,
        Failure.REFUSED,
        Failure.UNREACHABLE,
        Failure.CONNECT_TIMEOUT,
        Failure.TLS,
        Failure.CLOSED,
        Failure.SEND_TIMEOUT,
        Failure.RESET,
        Failure.MAIL_SERVER,
        Failure.MAIL_DEFERRED,
    }
)


def advice(failure: Failure) -> str:
    """What the operator can do about it, in words."""
    match failure:
        case Failure.NO_SUCH_HOST:
            return "check the spelling of transport.host, and whether this machine's name server answers"
        case Failure.REFUSED:
            return "ask the partner whether its ILL system runs, and check transport.port"
        case Failure.UNREACHABLE:
            return "check this machine's network and the partner's address"
        case Failure.CONNECT_TIMEOUT:
            return "ask the partner whether its machine is up and its firewall lets this one in"
        case Failure.TLS:
            return "compare certificates and TLS settings with the partner's"
        case Failure.CLOSED:
            return "ask the partner whether its ILL system allows connections from this machine's address"
        case Failure.SEND_TIMEOUT:
            return "ask the partner to look at its ILL system, which is connected but takes nothing"
        case Failure.RESET:
            return "ask the partner to look at its log; it breaks off what it is sent"
        case Failure.NO_CLOSE:
            return "ask the partner whether it arrived; if it never ends connections, set retry.unclosed"
        case Failure.CONNECTION_GONE:
            return "nothing: it goes to the partner's address next"
        case Failure.MAIL_SERVER:
            return "look whether our own mail server runs and lets this gateway in, and at [mail]"
        case Failure.MAIL_DEFERRED:
            return "nothing yet; if it lasts, ask whoever runs our own mail server"
        case Failure.MAIL_REFUSED:
            return (
                "read the mail server's words: correct the partner's address, or have the server take such"
                " mails; then send it again by replay, a link by documents add"
            )
        case Failure.RETURNED:
            return (
                "correct the partner's address, or ask about its mailbox; then send it again by replay,"
                " a link by documents add"
            )
        case Failure.NOT_CONFIGURED:
            return "put the partner's file back, or hold the message"
        case Failure.NOT_SUPPORTED:
            return "change the partner's transport to one that this gateway has"
        case Failure.UNKNOWN_SENDER:
            return "configure the sender as a partner if it is one; it has to send again then"
        case Failure.UNREADABLE:
            return "nothing: what it said is gone"
        case Failure.INTERRUPTED:
            return "nothing: it goes out when a gateway runs again"
        case Failure.INTERNAL:
            return "report this as a fault of the gateway, with its log"
        case Failure.LIFETIME:
            return "reach the partner another way, then send it again or end the request"
        case _:
            assert_never(failure)
