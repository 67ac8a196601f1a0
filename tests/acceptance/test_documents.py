"""A crash after SHIPPED loses neither it nor the mail with its link, and the mail goes out once.

A crash just before the mail is tried through a real mail server: tests/interop/test_postfix_documents.py.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from asn1.ill import Shipped
from config import starter
from iso_gateway.store.records import HalfId, OutboxStatus
from tests.integration.adapters.mails import MailServer
from tests.support.apdus import ill_request
from tests.support.daemon import Installation, PartnerListener

URL: Final = "https://illume.example/document/7"


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """A mail server on a thread of its own."""
    server, up, loop = MailServer(), threading.Event(), asyncio.new_event_loop()
    down = asyncio.Event()

    async def serve() -> None:
        async with server.running():
            up.set()
            await down.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), name="mail server")
    thread.start()
    try:
        assert up.wait(60)
        yield server
    finally:
        loop.call_soon_threadsafe(down.set)
        thread.join(60)
        loop.close()


def test_a_crash_loses_neither_and_mails_once(tmp_path: Path) -> None:
    with PartnerListener() as partner, mail_server() as server:
        installation = Installation(tmp_path, zed_port=partner.port)
        installation.edit(
            starter.GATEWAY_FILE,
            'symbol = "ILLUME:BEX"',
            'symbol = "ILLUME:BEX"\npublic_mail = "ill@bex.example"',
        )
        config = installation.config.read_text(encoding="utf-8")
        installation.config.write_text(f"{config}\n[mail]\nrelay_port = {server.port}\n", encoding="utf-8")
        installation.edit(
            "partners/ZED.toml", "test = true", 'test = true\ndocument_email = "docs@zed.example"'
        )
        with installation.running() as gateway:
            gateway.exchange("one-way", ill_request(requester="ILLUME:ZED"))
            gateway.kill()
        said = installation.command("requests", "act", 1, "ship", "--document-url", URL)
        assert said.returncode == 0, said.stderr
        assert b"queued for docs@zed.example" in said.stdout
        partner.listen()
        with installation.running() as gateway:
            assert isinstance(partner.apdu(), Shipped)
            gateway.await_line("document.delivered")
            gateway.await_line("apdu.delivered")
        with installation.running():
            listed = installation.command("documents", "list", "--json")
            assert b'"status": "delivered"' in listed.stdout
        with installation.reading() as uow:
            [document] = uow.documents.of(HalfId(1))
        assert document.mail is not None
        assert document.mail.status is OutboxStatus.DELIVERED
        [mail] = server.mails
        assert URL.encode() in mail
        assert len(server.said("RCPT")) == 1
