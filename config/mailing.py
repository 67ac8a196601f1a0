"""Whether mail can go out and come in as a configuration has it: to partners, and for links to documents.

Imports nothing of ours outside `config`.
"""

from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from config import places, secrets
from config.documents import Document, Findings, valid_items
from config.errors import shown
from config.keys import Location
from config.settings import Listener, LocalSymbol, Mail, MailTls

WAYS_IN: Final = ("lmtp_host", "lmtp_socket", "maildir")
"""The keys of `[mail]` that each name a way by which mail comes in."""

LMTP: Final = "lmtp"
"""What the listener for LMTP is called, in the log and by systemd."""

#: Octets of the longest path that a Unix socket can have: sun_path of unix(7), without the zero at its end.
_LONGEST_SOCKET: Final = 107


def check(document: Document, partners: Sequence[Document], findings: Findings) -> None:
    """Notes what keeps mail from working.

    Args:
        document: gateway.toml.
        partners: the partners' files.
        findings: what is wrong is added here.
    """
    path, table = document.own_file, document.table
    by_mail = [one for one in partners if _is_by_mail(one)]
    if by_mail and "mail" not in table:
        for one in by_mail:
            location: Location = ("transport", "kind")
            problem = f"{path} has no [mail], so nothing can be sent by mail"
            findings.add(one.file_of(location), location, problem, "a table [mail] there")
    elif by_mail:
        whose = shown(by_mail[0].table.get("name"))
        for place, local in valid_items(LocalSymbol, table.get("local")):
            if local.public_mail is None:
                problem = f"is missing, and {whose} is reached by mail"
                findings.add(
                    path, ("local", place, "public_mail"), problem, "the address of its ILL software"
                )
        if isinstance(table["mail"], dict) and not _has_way_in(table["mail"]):
            # Why no warning: the partner's answers would be returned to it, or lie where nobody looks.
            problem = f"no mail can come in, and {whose} is reached by mail: its answers would be lost"
            findings.add(path, ("mail",), problem, _one_of(WAYS_IN))
    for _, mail in valid_items(Mail, [table["mail"]] if "mail" in table else []):
        _check_server(path, mail, findings)
        _check_ways_in(path, mail, table.get("listeners"), findings)


def doubt(document: Document, partners: Iterable[Document], doubts: Findings) -> None:
    """Notes that links to documents cannot be mailed to partners that ask for it, or cannot come back.

    Args:
        document: gateway.toml.
        partners: the partners' files.
        doubts: it is added here.
    """
    path, table = document.own_file, document.table
    names = [
        shown(one.table.get("name"))
        for one in partners
        if isinstance(one.table.get("document_email"), str) and not one.table.get("illume_login", False)
    ]
    if not names:
        return
    whose = ", ".join(names)
    if "mail" not in table:
        problem = f"is missing, so no link to a document is mailed to the document_email of {whose}"
        doubts.add(path, ("mail",), problem, "a table [mail] (docs/mail.md)")
        return
    for place, local in valid_items(LocalSymbol, table.get("local")):
        if local.public_mail is None:
            problem = f"is missing, so it mails no link to a document to the document_email of {whose}"
            doubts.add(path, ("local", place, "public_mail"), problem, "the address that its mail comes from")
    if isinstance(table["mail"], dict) and not _has_way_in(table["mail"]):
        problem = f"no mail can come in, so nobody learns that a link did not reach {whose}"
        doubts.add(path, ("mail",), problem, _one_of(WAYS_IN))


def _is_by_mail(document: Document) -> bool:
    transport = document.table.get("transport")
    return isinstance(transport, dict) and transport.get("kind") == "mail"


def _has_way_in(table: dict[str, Any]) -> bool:
    return any(key in table for key in WAYS_IN)


def _one_of(keys: Iterable[str]) -> str:
    return f"one of {', '.join(keys)} (docs/mail.md)"


def _check_server(path: Path, mail: Mail, findings: Findings) -> None:
    if (mail.user is None) != (mail.password_file is None):
        key = "user" if mail.user is None else "password_file"
        findings.add(path, ("mail", key), "is missing", "both user and password_file, or neither")
    elif mail.user is not None and mail.tls is MailTls.NONE and not is_loopback(mail.relay_host):
        problem = "the password would go to another machine in the clear"
        findings.add(path, ("mail", "tls"), problem, "'starttls' or 'tls'")
    if mail.password_file is not None:
        wrong = secrets.problem_with_password(path.absolute().parent / mail.password_file)
        if wrong is not None:
            problem = f"{shown(mail.password_file)} {wrong}"
            findings.add(path, ("mail", "password_file"), problem, secrets.A_PASSWORD)


def _check_ways_in(path: Path, mail: Mail, listeners: object, findings: Findings) -> None:
    here = path.absolute().parent
    if mail.lmtp_host is not None:
        if not is_loopback(mail.lmtp_host):
            # Why: LMTP has no authentication, and whoever reaches it can send in any partner's name.
            problem = f"{shown(mail.lmtp_host)} can be reached from other machines"
            findings.add(path, ("mail", "lmtp_host"), problem, "'127.0.0.1' or '::1'")
        for place, listener in valid_items(Listener, listeners):
            if mail.lmtp_port and listener.port == mail.lmtp_port:
                problem = f"listeners[{place}] listens on port {listener.port} too"
                findings.add(path, ("mail", "lmtp_port"), problem, "a port of its own")
    if mail.lmtp_host is not None and mail.lmtp_socket is not None:
        findings.add(path, ("mail", "lmtp_socket"), "there is an lmtp_host too", "one of the two")
    if mail.lmtp_host is not None or mail.lmtp_socket is not None:
        for place, listener in valid_items(Listener, listeners):
            if listener.name == LMTP:
                problem = f"{shown(LMTP)} is the name of the listener of [mail]"
                findings.add(path, ("listeners", place, "name"), problem, "a name of its own")
    if mail.lmtp_socket is not None:
        length = len(str(here / mail.lmtp_socket).encode())
        if length > _LONGEST_SOCKET:
            problem = f"the whole path has {length} octets, and a Unix socket's has {_LONGEST_SOCKET} at most"
            findings.add(path, ("mail", "lmtp_socket"), problem, "a shorter path")
        if places.exists(here / mail.lmtp_socket) and not places.is_socket(here / mail.lmtp_socket):
            problem = f"{shown(mail.lmtp_socket)} is there, and is no socket"
            findings.add(path, ("mail", "lmtp_socket"), problem, "a path at which nothing is")
    if mail.maildir is not None:
        directory = here / mail.maildir
        if places.exists(directory) and not places.is_directory(directory):
            problem = f"{shown(mail.maildir)} is no directory"
            findings.add(path, ("mail", "maildir"), problem, "a Maildir, which has a directory new")


def is_loopback(host: str) -> bool:
    """Tells whether an address is this machine's own, for nobody else."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
