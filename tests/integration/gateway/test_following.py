"""A daemon that reads its configuration anew: everybody follows, and nobody goes on with the old one."""

import asyncio
import gc
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from adapters.mail_sender import MailSender
from adapters.tcp_connections import TcpConnections
from config import starter
from config.loading import load
from config.settings import Limits, Listener, ListenerMode, Mail, TcpTransport
from iso_gateway import configuration
from iso_gateway.configuration import Examined
from iso_gateway.daemon import Daemon
from iso_gateway.errors import UnavailableError
from iso_gateway.running import reloading
from iso_gateway.running.connecting import KnownConnections
from iso_gateway.running.mailing import MailTransmitter
from iso_gateway.running.service_manager import ServiceManager
from iso_gateway.running.watchdog import REFUSED, watch_over
from iso_gateway.site import Site
from iso_gateway.store.writer import Writer
from tests.support.authority import Authority
from tests.support.gateway import settings_in
from tests.support.service_manager import ServiceManager as Hearing
from tests.support.service_manager import service_manager


@pytest.fixture
def hearing(tmp_path: Path) -> Iterator[Hearing]:
    with service_manager(tmp_path) as manager:
        yield manager


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Following means other logging too; the next test has its own."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def holders(value: object) -> set[str]:
    """Give the classes of ours whose instances have an attribute that is this very value."""

    def attributes(one: Any) -> Iterator[object]:
        yield from getattr(one, "__dict__", {}).values()
        for kind in type(one).__mro__:
            for name in getattr(kind, "__slots__", ()):
                yield getattr(one, name, None)

    return {
        type(one).__qualname__
        for one in gc.get_objects()
        if str(type(one).__module__).startswith(("iso_gateway.", "adapters."))
        and any(attribute is value for attribute in attributes(one))
    }


async def told(hearing: Hearing, assignment: str) -> str:
    """Give what is said with an assignment."""
    return await asyncio.to_thread(hearing.await_said, assignment)


async def test_nobody_goes_on_with_the_old_settings(
    tmp_path: Path, hearing: Hearing, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = settings_in(tmp_path / "site")
    new = replace(old, limits=Limits(max_depth=8), partners=old.partners[:1])
    read: list[Path] = []

    def read_anew(path: Path) -> Examined:
        read.append(path)
        return Examined(settings=new, warnings=())

    monkeypatch.setattr(configuration, "examine", read_anew)
    daemon = Daemon(old, manager=ServiceManager(notify=hearing.address))
    task = asyncio.create_task(daemon.run())
    await told(hearing, "READY=1")
    assert {"Gateway", "Dispatcher", "TcpTransmitter"} <= holders(old)
    assert {"TcpListeners", "TcpSender"} <= holders(old.limits)
    daemon.reload()
    assert (await told(hearing, "READY=1")).startswith("serves 1 partner;")
    # The daemon itself started with them, and starts with no others.
    assert holders(old) == {"Daemon"}
    assert holders(old.limits) == set()
    assert holders(new.limits) == {"TcpListeners", "TcpSender", "MailInbox"}
    daemon.stop()
    await task
    assert read == [old.source]


@pytest.mark.parametrize(
    ("change", "disowned"),
    [
        ({}, set()),
        ({"days_to_respond": 9}, set()),
        ({"allowed_sources": ()}, {"YAZ"}),
        ({"transport": TcpTransport(host="192.0.2.1", port=1611)}, {"YAZ"}),
        ({"name": "ZAY"}, {"YAZ"}),
    ],
)
def test_a_partner_that_is_met_elsewhere_has_no_connection_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], disowned: set[str]
) -> None:
    held = load(starter.write(tmp_path)[0])
    partners = tuple(replace(one, **change) if one.name == "YAZ" else one for one in held.partners)
    connections = TcpConnections()
    told: set[str] = set()
    monkeypatch.setattr(connections, "disown", told.add)
    KnownConnections(held, connections).follow(replace(held, partners=partners))
    assert told == disowned


async def test_whatever_reading_does_the_gateway_goes_on(
    tmp_path: Path, hearing: Hearing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_path: Path) -> Examined:
        raise RecursionError

    monkeypatch.setattr(configuration, "examine", broken)
    daemon = Daemon(settings_in(tmp_path / "site"), manager=ServiceManager(notify=hearing.address))
    task = asyncio.create_task(daemon.run())
    await told(hearing, "READY=1")
    with capture_logs() as logs:
        daemon.reload()
        said = await told(hearing, "READY=1")
    assert "it could not be read: RecursionError" in said
    assert [one["event"] for one in logs] == [reloading.REFUSED]
    daemon.stop()
    await task


async def test_a_certificate_that_goes_bad_after_it_was_read_is_refused(
    tmp_path: Path, hearing: Hearing, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    identity = authority.identity("gateway")
    listener = Listener(
        name="two-way",
        mode=ListenerMode.TWO_WAY,
        host="127.0.0.1",
        port=0,
        tls=True,
        certificate_file=str(identity.certificate),
        key_file=str(identity.key),
    )
    settings = replace(settings_in(tmp_path / "site"), listeners=(listener,))

    def read_anew(_path: Path) -> Examined:
        identity.key.write_bytes(b"")
        return Examined(settings=replace(settings, limits=Limits(max_depth=8)), warnings=())

    monkeypatch.setattr(configuration, "examine", read_anew)
    daemon = Daemon(settings, manager=ServiceManager(notify=hearing.address))
    task = asyncio.create_task(daemon.run())
    await told(hearing, "READY=1")
    with capture_logs() as logs:
        daemon.reload()
        said = await told(hearing, "READY=1")
    assert "the old one holds: " in said
    assert "its certificate or key cannot be used any more" in said
    assert [one["event"] for one in logs] == [reloading.REFUSED]
    assert "TcpListeners" in holders(settings.limits)
    daemon.stop()
    await task


def test_the_certificates_of_the_mail_server_are_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(settings_in(tmp_path / "site"), mail=Mail())
    told: list[MailSender] = []

    def forget(sender: MailSender) -> None:
        told.append(sender)

    monkeypatch.setattr(MailSender, "forget_certificates", forget)
    site = Site.create_or_open(settings)
    MailTransmitter(settings, site).follow(settings)
    MailTransmitter(replace(settings, mail=None), site).follow(settings)
    site.close()
    assert len(told) == 1


async def test_a_database_that_refuses_does_live(
    tmp_path: Path, hearing: Hearing, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site.create_or_open(settings_in(tmp_path / "site"))
    writer = Writer(site.store)
    manager = ServiceManager(notify=hearing.address, watchdog=timedelta(milliseconds=30))

    async def full(_function: object) -> None:
        raise UnavailableError("database or disk is full; make room on its disk")

    monkeypatch.setattr(writer, "run", full)
    with capture_logs() as logs:
        watching = asyncio.create_task(watch_over(manager, writer, lambda: "serves"))
        assert (await told(hearing, "WATCHDOG=1")).startswith(
            "the database refuses: database or disk is full"
        )
        monkeypatch.undo()
        while (await told(hearing, "WATCHDOG=1")) != "serves":
            pass
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching
    assert {one["event"] for one in logs} == {REFUSED}
    await asyncio.to_thread(writer.close)
    site.close()
