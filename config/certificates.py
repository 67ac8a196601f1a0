"""The certificates and keys that a configuration names for TLS: whether they can be used, and until when.

A file that cannot be used is a mistake in the configuration, told with all others; what a peer shows later is
not known here. Imports nothing of ours outside `config`.
"""

import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

from config.documents import Document, Findings
from config.errors import shown
from config.keys import Location
from config.settings import Listener, MailTransport, Settings, TcpTransport

T = TypeVar("T", Listener, TcpTransport | MailTransport)

FILES: Final = ("certificate_file", "key_file", "ca_file", "client_ca_file")
"""The keys that name a file for TLS, of a listener and of a transport."""

WARNING: Final = timedelta(days=30)
"""How long before its end a certificate is warned of."""

_ONLY_WITH_TLS: Final = (*FILES, "server_name")
_PEM: Final = "a PEM file that the gateway may read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """When a certificate of ours ends.

    Args:
        file: where it stands.
        at: the moment, aware.
    """

    file: Path
    at: datetime


def check(document: Document, location: Location, findings: Findings, *, shows_one: bool) -> None:
    """Notes what is wrong with the keys for TLS of one table.

    Args:
        document: the document.
        location: where the table stands in it.
        findings: what is wrong is added here.
        shows_one: whether the table has to name a certificate of ours, as a listener does.
    """
    table = _table(document, location)
    named = [key for key in _ONLY_WITH_TLS if key in table]
    if table.get("tls", False) is False:
        for key in named:
            # Why not ignored: whoever wrote it believes the connection protected.
            problem = f"{key} means something with TLS only, and tls is false"
            findings.add(document.file_of((*location, key)), (*location, key), problem, "tls = true")
        return
    wanted = ("certificate_file", "key_file")
    if shows_one or any(key in table for key in wanted):
        for key in wanted:
            if key not in table:
                findings.add(document.file_of(location), (*location, key), "is missing", "a path")
    for key in ("ca_file", "client_ca_file"):
        if isinstance(table.get(key), str):
            _check_authorities(document, (*location, key), findings)
    if all(isinstance(table.get(key), str) for key in wanted):
        _check_pair(document, location, findings)


def check_mail(document: Document, findings: Findings) -> None:
    """Notes what is wrong with the certificates by which our mail server is known."""
    location: Location = ("mail", "ca_file")
    table = _table(document, ("mail",)) if "mail" in document.table else {}
    if not isinstance(table.get("ca_file"), str):
        return
    if table.get("tls", "none") == "none":
        problem = "ca_file means something with TLS only, and tls is 'none'"
        findings.add(document.file_of(location), location, problem, "tls = 'starttls' or 'tls'")
    else:
        _check_authorities(document, location, findings)


def with_absolute_files(value: T, document: Document, location: Location) -> T:
    """Returns what a table was read as, with absolute paths of the files that it names for TLS."""
    table = _table(document, location)
    files: dict[str, Any] = {
        key: str(_path(document, (*location, key))) for key in FILES if isinstance(table.get(key), str)
    }
    return replace(value, **files)


def expiries(settings: Settings, *, now: datetime) -> tuple[Expiry, ...]:
    """Returns which of our certificates have ended or will within `WARNING`, the first to end first."""
    files = {Path(one.certificate_file) for one in _shown_by_us(settings) if one.certificate_file is not None}
    found = (Expiry(file=file, at=_end_of(file)) for file in files)
    return tuple(sorted((one for one in found if one.at < now + WARNING), key=lambda one: (one.at, one.file)))


def _shown_by_us(settings: Settings) -> Iterable[Listener | TcpTransport]:
    yield from settings.listeners
    yield from (one.transport for one in settings.partners if isinstance(one.transport, TcpTransport))


def _end_of(file: Path) -> datetime:
    # Why so late: it takes a twentieth of a second to import, and few configurations have TLS.
    from cryptography import x509

    return x509.load_pem_x509_certificates(file.read_bytes())[0].not_valid_after_utc


def _table(document: Document, location: Location) -> Mapping[str, Any]:
    table: Any = document.table
    for step in location:
        table = table[step]
    return table if isinstance(table, dict) else {}


def _path(document: Document, location: Location) -> Path:
    *above, key = location
    name: str = _table(document, tuple(above))[str(key)]
    return document.file_of(location).absolute().parent / name


def _written(document: Document, location: Location) -> str:
    """Returns a path as it stands in the file, for people."""
    return shown(_table(document, location[:-1])[str(location[-1])])


def _check_authorities(document: Document, location: Location, findings: Findings) -> None:
    path = _path(document, location)
    if _is_readable(document, location, findings):
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
        except ssl.SSLError:
            problem = f"{_written(document, location)} holds no certificate"
            findings.add(document.file_of(location), location, problem, "a PEM file with certificates of CAs")


def _check_pair(document: Document, location: Location, findings: Findings) -> None:
    certificate, key = (*location, "certificate_file"), (*location, "key_file")
    both = [_is_readable(document, one, findings) for one in (certificate, key)]
    if not all(both):
        return
    files = _path(document, certificate), _path(document, key)
    try:
        # Why a passphrase: without one, OpenSSL would ask for it on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*files, password=lambda: b"")
        _end_of(files[0])
    except (ssl.SSLError, ValueError):
        problem = (
            f"{_written(document, key)} is not the private key of the certificate in"
            f" {_written(document, certificate)}"
        )
        expected = "a certificate and its own key, without a passphrase, both PEM"
        findings.add(document.file_of(key), key, problem, expected)


def _is_readable(document: Document, location: Location, findings: Findings) -> bool:
    path = _path(document, location)
    try:
        path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no path at all"
        problem = f"{_written(document, location)} cannot be read: {reason}"
        findings.add(document.file_of(location), location, problem, _PEM)
        return False
    return True
