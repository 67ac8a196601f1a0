"""One Postfix for all tests that need one: its start takes longer than any of them."""

from collections.abc import Iterator

import pytest
import structlog

from tests.support import postfix
from tests.support.authority import Authority
from tests.support.mail_libraries import BORROWER, BOX, LENDER, Log, MailSystem
from tests.support.ports import free_port
from tests.support.postfix import HOST


@pytest.fixture(scope="session")
def mail_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailSystem]:
    """The mail server of all libraries."""
    authority = Authority(tmp_path_factory.mktemp("tls"))
    identity = authority.identity("mx", host=HOST)
    with postfix.installed(LENDER, BORROWER, maildirs=(BOX,), identity=identity) as server:
        ports = {domain: free_port() for domain in (LENDER, BORROWER)}
        server.route(ports)
        server.start()
        yield MailSystem(server=server, ports=ports, authority=authority.file)


@pytest.fixture
def system(mail_system: MailSystem) -> Iterator[MailSystem]:
    """The mail server; what it could not deliver in one test does not come in the next."""
    yield mail_system
    mail_system.server.forget()
    for file in (mail_system.box / "new").glob("*"):
        file.unlink()


@pytest.fixture
def lines() -> Iterator[Log]:
    """The log of all gateways of a test."""
    before = structlog.get_config()
    yield Log().capture()
    structlog.configure(**before)
