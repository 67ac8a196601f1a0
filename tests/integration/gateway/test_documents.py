"""Documents: a link that goes out with SHIPPED is mailed once, whatever happens on the way."""

import email
import email.policy
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final

import pytest
import structlog
from sqlalchemy import update

from asn1 import ill
from asn1.codec import decode
from asn1.ill import ILLServiceType
from asn1.schema import GeneralString
from config.settings import DocumentLink, Documents, Language, Mail, Partner, Settings
from iso_gateway import documents
from iso_gateway.errors import PrimitiveInvalidError, PrimitiveRefusedError, TemplateUnusableError
from iso_gateway.failure import Failure
from iso_gateway.message.identity import request_number
from iso_gateway.outbox import operating
from iso_gateway.outbox.dispatcher import Dispatcher
from iso_gateway.reception.returns import MailFate, MailNotice
from iso_gateway.replay.verifying import Part, Problem, verify
from iso_gateway.request.primitives import Ship
from iso_gateway.running.mailing import mark_of
from iso_gateway.services import Arrival
from iso_gateway.store.records import (
    BreakerState,
    DocumentRecord,
    HalfId,
    OutboxId,
    OutboxKind,
    OutboxStatus,
    PartnerStateRecord,
    Transport,
    Unmailed,
)
from iso_gateway.store.tables import outbox
from tests.integration.adapters.mails import HOST, MailServer
from tests.support import gateway
from tests.support.apdus import ill_request
from tests.support.dispatching import LogLines, Wire, dispatching
from tests.support.gateway import AT_SFU, BEX, SFU, Desk
from tests.support.noticing import Lookout

URL: Final = "https://illume.example/document/7?key=a%20b"
LATER: Final = "https://illume.example/document/8"
DOCS: Final = "docs@sfu.example"
COPY: Final = Ship(
    service_type=ILLServiceType.copy_non_returnable, document_url=URL, note="Second part follows."
)
TITLE: Final = "La détresse\r\nBcc: evil@evil.example"
REQUEST: Final = replace(
    ill_request(requester="ILLUME:SFU"),
    item_id=ill.ItemId(title=GeneralString(TITLE.encode()), author=GeneralString.from_text("Roy, G.")),
)
BORROWER: Final = replace(SFU, display_name="Simon Fraser University", document_email=DOCS)


def configured(directory: Path, partner: Partner = BORROWER, **changes: Any) -> Settings:
    local = replace(
        BEX,
        display_name="Bibliothèque Bowen",
        public_mail="ill@bex.example",
        document_contact="desk@bex.example",
    )
    whole: dict[str, Any] = {"local": (local,), "mail": Mail(relay_host=HOST), **changes}
    return replace(gateway.with_partner(gateway.settings_in(directory), partner), **whole)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Desk.open(configured(tmp_path)) as one:
        yield one


def shipped(desk: Desk, primitive: Ship = COPY) -> HalfId:
    half_id = desk.receive(REQUEST, peer=AT_SFU).half_id
    assert half_id is not None
    desk.act(HalfId(half_id), primitive)
    return HalfId(half_id)


def added(desk: Desk, half_id: HalfId, url: str = LATER, **given: Any) -> documents.Posted:
    with desk.site.store.unit_of_work() as uow:
        return desk.site.gateway.add_document(uow, half_id, url, actor="anna", **given)


def documents_of(desk: Desk, half_id: HalfId) -> tuple[DocumentRecord, ...]:
    with desk.reading() as uow:
        return uow.documents.of(half_id)


def only(desk: Desk, half_id: HalfId) -> DocumentRecord:
    [document] = documents_of(desk, half_id)
    return document


def said(desk: Desk, document: DocumentRecord) -> dict[str, object]:
    assert document.mail is not None
    with desk.reading() as uow:
        return uow.mails.said(document.mail.id)


def sent_apdu(desk: Desk) -> ill.Shipped:
    with desk.reading() as uow:
        [row] = [row for row in uow.outbox.list() if row.kind is OutboxKind.MESSAGE]
        assert row.message_id is not None
        apdu = decode(uow.messages.raw(row.message_id))
    assert isinstance(apdu, ill.Shipped)
    return apdu


class TestShip:
    def test_the_link_is_queued_with_the_apdu(self, desk: Desk) -> None:
        half_id = shipped(desk)
        document = only(desk, half_id)
        assert document.content == {
            "url": URL,
            "note": COPY.note,
            "downloads": 5,
            "until": "2027-02-14",
            "recipient": DOCS,
        }
        assert document.mail is not None
        assert (document.mail.kind, document.mail.status, document.mail.partner) == (
            OutboxKind.MAIL,
            OutboxStatus.WAITING,
            "SFU",
        )
        mail = said(desk, document)
        assert {name: mail[name] for name in ("author", "author_name", "recipient", "reply_to")} == {
            "author": "ill@bex.example",
            "author_name": "Bibliothèque Bowen",
            "recipient": DOCS,
            "reply_to": "desk@bex.example",
        }
        for part in ("subject", "text", "html"):
            assert "La détresse Bcc: evil@evil.example" in str(mail[part])
            assert request_number(REQUEST.transaction_id) in str(mail[part])
        text = str(mail["text"])
        assert f"\n{URL}\n" in text
        assert "downloaded 5 times, until February 14, 2027 (90 days)" in text
        assert f"Our request number:   {half_id}\n" in text
        assert "Bibliothèque Bowen (ILLUME:BEX)" in text
        assert "The lender wrote: Second part follows." in text
        assert "Simon Fraser University" in text
        assert URL in str(sent_apdu(desk).responder_note)
        [event] = [one for one in desk.events() if one.kind == documents.ADDED]
        assert event.detail == {"document": document.id, "mailed": True, "unmailed": None, "actor": "anna"}

    def test_a_repeated_apdu_does_not_mail_again(self, desk: Desk) -> None:
        half_id = shipped(desk)
        desk.repeat(half_id)
        assert len(documents_of(desk, half_id)) == 1

    def test_a_link_that_is_none_ships_nothing(self, desk: Desk) -> None:
        with pytest.raises(PrimitiveInvalidError, match="user or a password"):
            shipped(desk, replace(COPY, document_url="https://a:b@illume.example/d"))
        assert desk.outgoing() == []

    def test_without_a_link_there_is_no_document(self, desk: Desk) -> None:
        assert documents_of(desk, shipped(desk, Ship())) == ()

    @pytest.mark.parametrize(
        ("partner", "changes", "why", "told"),
        [
            (replace(BORROWER, illume_login=True), {}, Unmailed.LOGIN, False),
            (replace(BORROWER, document_email=None), {}, Unmailed.NO_ADDRESS, False),
            (
                replace(BORROWER, document_email=None, document_link=DocumentLink.NONE),
                {},
                Unmailed.NO_ADDRESS,
                True,
            ),
            (BORROWER, {"mail": None}, Unmailed.NO_MAIL_SERVER, True),
            (BORROWER, {"local": (BEX,)}, Unmailed.NO_MAIL_SERVER, True),
        ],
    )
    def test_who_gets_no_mail(
        self, partner: Partner, changes: dict[str, Any], why: Unmailed, tmp_path: Path, *, told: bool
    ) -> None:
        with Desk.open(configured(tmp_path, partner, **changes)) as desk:
            half_id = shipped(desk)
            document = only(desk, half_id)
            assert (document.mail, document.unmailed) == (None, why)
            assert len(desk.outgoing()) == 1
            with desk.reading() as uow:
                assert desk.site.gateway.preview_document(uow, half_id).unmailed is why
            assert ("attention" in [event.kind for event in desk.events()]) is told

    def test_a_partner_that_wants_nothing_of_it_in_the_apdu(self, tmp_path: Path) -> None:
        partner = replace(BORROWER, document_link=DocumentLink.NONE)
        with Desk.open(configured(tmp_path, partner)) as desk:
            half_id = shipped(desk)
            apdu = sent_apdu(desk)
            assert URL not in str(apdu)
            assert apdu.responder_note == GeneralString.from_text(str(COPY.note))
            assert URL in str(said(desk, only(desk, half_id))["text"])

    def test_in_french_and_other_limits(self, tmp_path: Path) -> None:
        partner = replace(BORROWER, document_language=Language.FRENCH)
        limits = Documents(max_downloads=3, keep_days=15)
        with Desk.open(configured(tmp_path, partner, documents=limits)) as desk:
            mail = said(desk, only(desk, shipped(desk)))
        assert str(mail["subject"]).startswith("Demande ")
        assert "téléchargé 3 fois, jusqu'au 1er décembre 2026 (15 jours)" in str(mail["text"])
        assert "répondez à ce courriel" in str(mail["html"])

    def test_it_is_sealed_and_disposed_of_with_the_request(self, desk: Desk) -> None:
        half_id = shipped(desk)
        database = (desk.site.settings.state_dir / "gateway.db").read_bytes()
        database += (desk.site.settings.state_dir / "gateway.db-wal").read_bytes()
        assert b"illume.example" not in database
        with desk.site.store.unit_of_work() as uow:
            uow.transactions.dispose(uow.halves.get(half_id).transaction_id, at=desk.clock.now)
        document = only(desk, half_id)
        assert (document.content, document.disposed) == (None, True)


class TestAdd:
    def test_a_later_document_is_mailed_again(self, desk: Desk) -> None:
        half_id = shipped(desk)
        posted = added(desk, half_id, note="The missing pages")
        assert (posted.recipient, posted.unmailed) == (DOCS, None)
        first, second = documents_of(desk, half_id)
        assert first.message_id is not None
        assert second.message_id is None
        assert "The missing pages" in str(said(desk, second)["text"])
        assert LATER in str(said(desk, second)["html"])
        with desk.reading() as uow:
            assert [one.id for one in uow.documents.list()] == [second.id, first.id]
            assert uow.audit.list()[0].action == documents.ADDED

    def test_the_same_twice_is_a_double_click(self, desk: Desk) -> None:
        half_id = shipped(desk)
        with pytest.raises(PrimitiveRefusedError, match=r"document 1 .* has this very link already"):
            added(desk, half_id, URL)
        added(desk, half_id, URL, again=True)
        assert len(documents_of(desk, half_id)) == 2

    def test_the_same_can_be_given_when_its_mail_was_lost(self, desk: Desk) -> None:
        def lose() -> OutboxId:
            mail = documents_of(desk, half_id)[-1].mail
            assert mail is not None
            with desk.site.store.unit_of_work() as uow:
                assert uow.outbox.end_waiting(mail.id, desk.clock.now, "gone", Failure.MAIL_REFUSED)
            return mail.id

        def missing() -> list[str]:
            lookout.look()
            assert {row.half_id for row in lookout.standing()} <= {half_id}
            return [row.key for row in lookout.standing()]

        lookout = Lookout(desk.site)
        half_id = shipped(desk)
        first = lose()
        assert missing() == [f"not-delivered:{first}"]
        added(desk, half_id, LATER)
        assert missing() == [f"not-delivered:{first}"], "that is another"
        added(desk, half_id, URL)
        assert missing() == []
        second = lose()
        assert missing() == [f"not-delivered:{second}"], "and so is told of by itself"

    def test_not_before_it_is_shipped_nor_as_its_borrower(self, desk: Desk) -> None:
        processed = desk.receive(REQUEST, peer=AT_SFU)
        assert processed.half_id is not None
        with pytest.raises(PrimitiveRefusedError, match="not shipped yet"):
            added(desk, HalfId(processed.half_id))
        asked = desk.request()
        with pytest.raises(PrimitiveRefusedError, match="we are the borrower"):
            added(desk, asked.half_id)
        with desk.reading() as uow, pytest.raises(PrimitiveRefusedError, match="we are the borrower"):
            desk.site.gateway.preview_document(uow, asked.half_id)

    @pytest.mark.parametrize("url", ["mailto:a@b.example", "https://a.example/\r\nBcc: c@d.example"])
    def test_what_is_no_link(self, url: str, desk: Desk) -> None:
        half_id = shipped(desk)
        with pytest.raises(PrimitiveInvalidError):
            added(desk, half_id, url)


class TestPreview:
    def test_of_what_was_sent_of_a_link_and_of_an_example(self, desk: Desk) -> None:
        processed = desk.receive(REQUEST, peer=AT_SFU)
        half_id = HalfId(processed.half_id or 0)
        with desk.reading() as uow:
            example = desk.site.gateway.preview_document(uow, half_id)
            given = desk.site.gateway.preview_document(uow, half_id, url=LATER)
        assert "https://illume.example/document/example" in example.rendered.text
        assert LATER in given.rendered.text
        assert (given.recipient, given.reply_to, given.unmailed) == (DOCS, "desk@bex.example", None)
        desk.act(half_id, COPY)
        desk.clock.advance(days=3)
        with desk.reading() as uow:
            sent = desk.site.gateway.preview_document(uow, half_id)
        assert sent.rendered.text == said(desk, only(desk, half_id))["text"]


class TestTemplates:
    @pytest.fixture
    def own(self, tmp_path: Path) -> Path:
        (tmp_path / "own" / "en").mkdir(parents=True)
        return tmp_path / "own"

    def test_a_sites_own_stands_before_ours(self, own: Path, tmp_path: Path) -> None:
        (own / "en" / "letter.html").write_text("<b>{{ title }}</b> {{ link }}", encoding="utf-8")
        markup = replace(REQUEST, item_id=ill.ItemId(title=GeneralString(b"<i>x</i>")))
        with Desk.open(configured(tmp_path, documents=Documents(template_dir=str(own)))) as desk:
            half_id = HalfId(desk.receive(markup, peer=AT_SFU).half_id or 0)
            desk.act(half_id, COPY)
            mail = said(desk, only(desk, half_id))
        assert mail["html"] == f"<b>&lt;i&gt;x&lt;/i&gt;</b> {URL}"
        assert "<i>x</i>" in str(mail["text"])

    @pytest.mark.parametrize(
        ("template", "why"),
        [
            ("{{ nothing }}", "'nothing' is undefined"),
            ("{% if %}", "line 1"),
            ("{{ title.__class__.__mro__ }}", "unsafe"),
            ("{{ 1 / 0 }}", "ZeroDivisionError"),
            ("{% include '../../secret' %}", "TemplateNotFound"),
            ("\xff", "cannot be read"),
        ],
    )
    def test_one_that_is_wrong_ships_nothing(
        self, template: str, why: str, own: Path, tmp_path: Path
    ) -> None:
        (own / "en" / "letter.txt").write_bytes(template.encode("latin-1"))
        with Desk.open(configured(tmp_path, documents=Documents(template_dir=str(own)))) as desk:
            half_id = desk.receive(REQUEST, peer=AT_SFU).half_id
            with pytest.raises(TemplateUnusableError, match=r"en/letter\.txt") as caught:
                desk.act(HalfId(half_id or 0), COPY)
            assert why in str(caught.value)
            assert desk.half(half_id).state == "IN-PROCESS"
            assert desk.outgoing() == []


@dataclass(slots=True)
class Running:
    """A dispatcher over the desk, a wire for APDUs, and a mail server."""

    dispatcher: Dispatcher
    wire: Wire
    server: MailServer
    lines: LogLines


@asynccontextmanager
async def sending(desk: Desk, server: MailServer) -> AsyncIterator[Running]:
    lines = LogLines()
    before = structlog.get_config()
    structlog.configure(processors=[lines])
    wire = Wire()
    try:
        async with dispatching(desk, wire, fenced=True, relay=(HOST, server.port)) as dispatcher:
            yield Running(dispatcher=dispatcher, wire=wire, server=server, lines=lines)
    finally:
        structlog.configure(**before)


def parsed(octets: bytes) -> EmailMessage:
    message = email.message_from_bytes(octets, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


class TestSending:
    async def test_the_mail_arrives_as_it_was_written(self, desk: Desk) -> None:
        half_id = shipped(desk)
        async with MailServer().running() as server, sending(desk, server) as running:
            line = await running.lines.until("document.delivered")
        document = only(desk, half_id)
        assert document.mail is not None
        assert (line["outbox_id"], line["message_id"]) == (document.mail.id, None)
        assert document.mail.status is OutboxStatus.DELIVERED
        [octets] = server.mails
        message = parsed(octets)
        mark = mark_of(desk.site.store, document.mail.id)
        assert message["Message-ID"] == f"<iso-ill.{mark}@bex.example>"
        assert message["To"].addresses[0].addr_spec == DOCS
        assert message["Reply-To"].addresses[0].addr_spec == "desk@bex.example"
        text = message.get_body(("plain",))
        assert text is not None
        assert text.get_content().replace("\r\n", "\n") == said(desk, document)["text"]
        assert server.said("RCPT")[0].startswith(f"RCPT TO:<{DOCS}>")
        assert len(server.said("RCPT")) == 1

    async def test_it_goes_out_although_the_partners_software_takes_nothing(self, desk: Desk) -> None:
        half_id = shipped(desk)
        down = PartnerStateRecord(
            partner="SFU",
            breaker=BreakerState.OPEN,
            failures=9,
            retry_at=desk.clock.now + timedelta(hours=1),
            failing_since=desk.clock.now,
            failure=Failure.REFUSED,
            last_error="connection refused",
        )
        with desk.site.store.unit_of_work() as uow:
            uow.partners.set_breaker(down)
        async with MailServer().running() as server, sending(desk, server) as running:
            await running.lines.until("document.delivered")
            assert running.wire.sent == []
        with desk.reading() as uow:
            assert uow.partners.get("SFU") == down
        assert len(server.mails) == 1
        assert only(desk, half_id).mail is not None

    async def test_to_a_suspended_partner_nothing_goes(self, desk: Desk) -> None:
        half_id = shipped(desk)
        with desk.site.store.unit_of_work() as uow:
            operating.suspend(uow, "SFU", actor="anna", reason="asked", at=desk.clock.now)
        other = ill_request(requester="ILLUME:YAZ")
        async with MailServer().running() as server, sending(desk, server) as running:
            desk.receive(other)
            running.dispatcher.wake()
            await running.lines.until("apdu.delivered")
            assert server.mails == []
            with desk.site.store.unit_of_work() as uow:
                operating.resume(uow, "SFU", actor="anna", reason="asked", at=desk.clock.now)
            running.dispatcher.wake()
            await running.lines.until("document.delivered")
        mail = only(desk, half_id).mail
        assert mail is not None
        assert mail.attempts == 1

    async def test_a_server_that_refuses_it_for_now_and_for_good(self, desk: Desk) -> None:
        half_id = shipped(desk)
        server = MailServer(answers={"RCPT": "450 4.2.1 busy"})
        async with server.running(), sending(desk, server) as running:
            await running.lines.until("document.deferred")
            server.answers["RCPT"] = "550 5.1.1 no such mailbox"
            desk.clock.advance(hours=2)
            running.dispatcher.wake()
            await running.lines.until("document.not-delivered")
        document = only(desk, half_id)
        assert document.mail is not None
        assert document.mail.failure is Failure.MAIL_REFUSED
        [event] = [one for one in desk.events() if one.kind == "message.not-delivered"]
        assert (event.half_id, event.message_id) == (half_id, None)
        assert event.detail is not None
        assert event.detail["document"] == document.id
        with desk.reading() as uow:
            assert uow.partners.get("SFU").breaker is BreakerState.CLOSED

    async def test_a_gateway_without_a_mail_server_keeps_it(self, desk: Desk) -> None:
        half_id = shipped(desk)
        async with MailServer().running() as server, sending(desk, server) as running:
            running.dispatcher._mailer = None
            await running.lines.until("document.deferred")
        mail = only(desk, half_id).mail
        assert mail is not None
        assert mail.last_error == "this gateway sends no mails: set [mail]"

    async def test_what_was_disposed_of_is_given_up(self, desk: Desk) -> None:
        half_id = shipped(desk)
        with desk.site.store.unit_of_work() as uow:
            uow.transactions.dispose(uow.halves.get(half_id).transaction_id, at=desk.clock.now)
        async with MailServer().running() as server, sending(desk, server) as running:
            await running.lines.until("document.not-delivered")
            assert server.mails == []


class TestBounces:
    @pytest.mark.parametrize(
        ("fate", "kind"),
        [(MailFate.FAILED, "message.not-delivered"), (MailFate.DELAYED, "message.delivery-delayed")],
    )
    def test_a_mail_that_came_back_is_that_documents(self, fate: MailFate, kind: str, desk: Desk) -> None:
        half_id = shipped(desk)
        mail = only(desk, half_id).mail
        assert mail is not None
        with desk.site.store.unit_of_work() as uow:
            fence = uow.leases.claim(mail.id, "one", desk.clock.now, desk.clock.now)
            assert fence is not None
            uow.leases.delivered(mail.id, fence, desk.clock.now)
        arrival = Arrival(
            transport=Transport.MAIL, listener="lmtp", peer_address="(none)", connection_id="m-1"
        )
        notice = MailNotice(outbox_id=mail.id, fate=fate, status="5.1.1")
        with desk.site.store.unit_of_work() as uow:
            processed = desk.site.gateway.receive_notice(uow, b"the notice", notice, arrival)
        assert processed.half_id == half_id
        assert desk.processing(processed).reason.endswith("about document 1")
        after = only(desk, half_id).mail
        assert after is not None
        assert (after.failure is Failure.RETURNED) is (fate is MailFate.FAILED)
        event = desk.events()[-1]
        assert (event.kind, event.half_id, event.message_id) == (kind, half_id, None)
        assert event.detail is not None
        assert event.detail["about"] == "document 1"


class TestGiven:
    def test_the_links_that_a_shipped_brings(self) -> None:
        electronic = ill.ElectronicDeliveryService(
            e_delivery_details=ill.EDeliveryDetails(
                e_delivery_address=ill.SystemAddress(telecom_service_address=GeneralString.from_text(LATER))
            ),
            name_or_code=GeneralString.from_text(URL),
        )
        with_details = ill.SupplyDetails(shipped_via=ill.ShippedVia(electronic_delivery=electronic))
        note = GeneralString.from_text(f"Here: {URL}; or http://other.example/3.")
        shipped = _shipped(supply_details=with_details, responder_note=note)
        assert [(one.url, one.place) for one in documents.given_in(shipped)] == [
            (URL, "name-or-code"),
            (LATER, "e-delivery-address"),
            ("http://other.example/3", "responder-note"),
        ]
        assert documents.given_in(_shipped(supply_details=ill.SupplyDetails(), responder_note=None)) == ()
        assert documents.given_in(REQUEST) == ()

    def test_an_electronic_delivery_by_a_name_alone(self) -> None:
        electronic = ill.ElectronicDeliveryService(
            e_delivery_details=ill.EDeliveryDetails(e_delivery_id=ill.SystemId()),
            name_or_code=GeneralString.from_text("Ariel"),
        )
        via = ill.SupplyDetails(shipped_via=ill.ShippedVia(electronic_delivery=electronic))
        assert documents.given_in(_shipped(supply_details=via, responder_note=None)) == ()


def _shipped(*, supply_details: ill.SupplyDetails, responder_note: Any) -> ill.Shipped:
    return ill.Shipped(
        protocol_version_num=ill.VERSION_2,
        transaction_id=REQUEST.transaction_id,
        service_date_time=REQUEST.service_date_time,
        shipped_service_type=ILLServiceType.copy_non_returnable,
        supply_details=supply_details,
        responder_note=responder_note,
    )


class TestVerifying:
    def test_what_was_changed_is_found(self, desk: Desk) -> None:
        shipped(desk)
        assert _problems(desk) == []
        with desk.site.store.engine.begin() as connection:
            connection.execute(update(outbox).where(outbox.c.kind == "mail").values(lane="document 2"))
        [problem] = _problems(desk)
        assert problem.part is Part.MAILS
        assert problem.text.startswith("outbox.payload:document 2 does not open")


def _problems(desk: Desk) -> list[Problem]:
    found = verify(desk.site.store, desk.site.settings, desk.clock.now)
    return [problem for progress in found for problem in progress.problems]
