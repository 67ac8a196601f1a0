"""What is shown to peers by TLS and whom we trust, from the settings; and what an error of TLS means.

Imports config only, nothing of iso_gateway.
"""

import ssl
from typing import Final

from config.settings import Listener, ListenerMode, TcpTransport

#: Seconds, from the connection on, until peers that connect to us have to have agreed on TLS.
HANDSHAKE: Final = 10.0

#: Seconds that a peer gets, after TLS is agreed on, to say that it does not accept our certificate.
CONFIRMATION: Final = 1.0

#: What a peer says about our certificate, as OpenSSL names it. After any of these it has taken no octet of an
#: APDU.
_REJECTIONS: Final = frozenset(
    {
        "SSLV3_ALERT_BAD_CERTIFICATE",
        "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        "SSLV3_ALERT_CERTIFICATE_REVOKED",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
        "TLSV13_ALERT_CERTIFICATE_REQUIRED",
        "TLSV1_ALERT_ACCESS_DENIED",
        "TLSV1_ALERT_UNKNOWN_CA",
    }
)

#: What to do about the commonest reasons for not accepting a partner's certificate, by X.509's number for
#: each.
_ADVICE: Final = {
    10: "it has ended; the partner has to renew it",
    18: "it vouches for itself; if it is the right one, set ca_file to it",
    19: "its CA is none that we trust; if it is the right one, set ca_file to it",
    20: "its CA is none that we trust; set ca_file to that CA, or let the partner send those between",
    62: "it is another host's; check host, or set server_name to the name that it bears",
    64: "it is another host's; check host, or set server_name to the name that it bears",
}


def client_context(transport: TcpTransport) -> ssl.SSLContext:
    """Returns what protects the connections that we open to a partner.

    Raises OSError when a file that the settings name cannot be used.
    """
    context = _hardened(ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=transport.ca_file))
    if transport.certificate_file is not None:
        context.load_cert_chain(transport.certificate_file, transport.key_file)
    return context


def server_context(listener: Listener) -> ssl.SSLContext | None:
    """Returns what protects the connections that are opened to a listener; None where they are in the clear.

    Raises OSError when a file that the settings name cannot be used.
    """
    if not listener.tls or listener.certificate_file is None:
        return None
    context = _hardened(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    context.load_cert_chain(listener.certificate_file, listener.key_file)
    if listener.client_ca_file is not None:
        context.load_verify_locations(listener.client_ca_file)
        context.verify_mode = ssl.CERT_REQUIRED
    # Who only sends does not read, and a session ticket left unread would turn its close into a reset, which
    # throws away what we have not read yet. Who reads as well learns from it that we have accepted it.
    context.num_tickets = 0 if listener.mode is ListenerMode.ONE_WAY else 1
    return context


def _hardened(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Renegotiation lets a peer make us work for it as often as it likes, in the middle of a write.
    context.options |= ssl.OP_NO_RENEGOTIATION
    return context


def describe_tls(error: ssl.SSLError) -> str:
    """Returns what went wrong and what to do, for the operator; never anything that a peer wrote."""
    match error:
        case ssl.SSLCertVerificationError():
            advice = _ADVICE.get(error.verify_code, "ask the partner for its CA, and set ca_file to it")
            return (
                f"the certificate that it shows is not accepted (X.509 error {error.verify_code}): {advice}"
            )
        case ssl.SSLEOFError():
            return "it ended the connection without ending TLS"
        case _ if error.reason in _REJECTIONS:
            return (
                f"it does not accept our certificate, or the want of one ({_name(error)}):"
                " check certificate_file and key_file, and whether the partner knows our CA"
            )
        case _:
            return (
                f"it does not agree with us on TLS ({_name(error)}):"
                " check the port, and whether TLS 1.2 or later is spoken there"
            )


def is_rejection(error: OSError) -> bool:
    """Tells whether a peer has refused us by our certificate, and so taken nothing of what we wrote."""
    return isinstance(error, ssl.SSLError) and error.reason in _REJECTIONS


def _name(error: ssl.SSLError) -> str:
    return (error.reason or type(error).__name__).lower().replace("_", " ")
