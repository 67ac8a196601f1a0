"""The use cases of documents: a link goes out with SHIPPED, a later one is added, a mail is previewed."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from asn1.ill import ILLRequest
from config.settings import DocumentLink, Partner, Settings
from iso_gateway import links
from iso_gateway.documents.describing import describe
from iso_gateway.documents.rendering import render
from iso_gateway.errors import PrimitiveRefusedError
from iso_gateway.half.movement import Ends, ends_of, raise_attention
from iso_gateway.half.record import original_request
from iso_gateway.lettering import Rendered
from iso_gateway.lifetime import lifetime_end, next_check
from iso_gateway.protocol.states import Role
from iso_gateway.store.mails import QueuedMail
from iso_gateway.store.records import DocumentId, DocumentRecord, HalfId, MessageId, OutboxStatus, Unmailed
from iso_gateway.store.unit_of_work import UnitOfWork

#: The kind of the event, and the action in the audit.
ADDED = "document.added"

#: What `preview` shows where there is no link yet.
EXAMPLE = "https://illume.example/document/example"


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """What became of a link.

    Args:
        document_id: its number.
        half_id: the request that it is for.
        recipient: whom it is mailed to.
        unmailed: why it is mailed to nobody.
    """

    document_id: DocumentId
    half_id: HalfId
    recipient: str | None
    unmailed: Unmailed | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A mail as it would be, or was.

    Args:
        recipient: whom it goes to; None where nobody gets one.
        unmailed: why nobody does.
        reply_to: where an answer goes.
        rendered: what it says.
    """

    recipient: str | None
    unmailed: Unmailed | None
    reply_to: str | None
    rendered: Rendered


def post(
    settings: Settings,
    uow: UnitOfWork,
    ends: Ends,
    request: ILLRequest,
    url: str,
    *,
    note: str | None,
    message_id: MessageId | None,
    actor: str,
    at: datetime,
) -> Posted:
    """Store a link, and queue the mail that says it, for a partner that needs one.

    Args:
        settings: what the mail says of Illume's limits, and our mail server.
        uow: the transaction in which the item is shipped.
        ends: the two libraries.
        request: the ILL-Request.
        url: the link.
        note: what the lender's staff wrote with it.
        message_id: the SHIPPED that it comes with; None for a later one.
        actor: who gives it.
        at: now, aware.

    Raises:
        PrimitiveInvalidError: it is no link.
        TemplateUnusableError: a template of the site's own is wrong; nothing was stored.
    """
    url = links.checked(url)
    half, partner = ends.half, ends.partner
    unmailed = _unmailed(settings, ends)
    content: dict[str, object] = {
        "url": url,
        "note": note,
        "downloads": settings.documents.max_downloads,
        "until": _until(settings, ends, at).date().isoformat(),
        "recipient": None if unmailed is not None else partner.document_email,
    }
    mail: QueuedMail | None = None
    if unmailed is None:
        rendered = _render(settings, ends, request, url, note, at)
        expires_at = lifetime_end(at, partner.retry, None)
        mail = QueuedMail(
            payload={
                "author": ends.local.public_mail,
                "author_name": ends.local.display_name or ends.local.name,
                "recipient": partner.document_email,
                "reply_to": ends.local.document_contact,
                "subject": rendered.subject,
                "text": rendered.text,
                "html": rendered.html,
            },
            partner=partner.name,
            expires_at=expires_at,
            check_at=next_check(created_at=at, expires_at=expires_at, policy=partner.retry, now=at),
        )
    document_id = uow.documents.add(
        half_id=half.id,
        message_id=message_id,
        content=content,
        mail=mail,
        unmailed=unmailed,
        actor=actor,
        at=at,
    )
    if _is_lost_on(partner, unmailed):
        raise_attention(uow, half, "the borrower was not mailed the link: see documents list", at, message_id)
    detail = {
        "document": document_id,
        "mailed": unmailed is None,
        "unmailed": None if unmailed is None else unmailed.value,
        "actor": actor,
    }
    uow.events.append(kind=ADDED, half_id=half.id, message_id=message_id, detail=detail, at=at)
    return Posted(
        document_id=document_id,
        half_id=half.id,
        recipient=None if unmailed is not None else partner.document_email,
        unmailed=unmailed,
    )


def add(
    settings: Settings,
    uow: UnitOfWork,
    half_id: HalfId,
    url: str,
    *,
    note: str | None,
    actor: str,
    at: datetime,
    again: bool = False,
) -> Posted:
    """Give the borrower of a shipped item another link. `again`: although it has the very same.

    Raises:
        NotFoundError: the half's partner or local symbol is no longer configured.
        StoreError: there is no such half, or what it says has been disposed of.
        PrimitiveRefusedError: we are not its lender, it is not shipped, or the borrower has the link.
        PrimitiveInvalidError: it is no link.
        TemplateUnusableError: a template of the site's own is wrong.
    """
    ends = ends_of(settings, uow, half_id)
    if ends.half.role != Role.RESPONDER:
        raise PrimitiveRefusedError(
            f"we are the borrower of request {half_id}: its lender gives the documents"
        )
    if not ends.state.flags.shipped_seen:
        raise PrimitiveRefusedError(
            f"request {half_id} is not shipped yet: give the link with requests act {half_id} ship"
            " --document-url URL"
        )
    url = links.checked(url)
    if not again:
        _require_new(uow, half_id, url)
    uow.audit.append(at=at, actor=actor, action=ADDED, reason="", half_id=half_id)
    return post(
        settings,
        uow,
        ends,
        original_request(uow, ends.half),
        url,
        note=note,
        message_id=None,
        actor=actor,
        at=at,
    )


def preview(
    settings: Settings, uow: UnitOfWork, half_id: HalfId, *, url: str | None, at: datetime
) -> Preview:
    """The mail about a document as it would be: with a link, with the newest given, or with an example.

    Raises:
        NotFoundError: the half's partner or local symbol is no longer configured.
        StoreError: there is no such half, or what it says has been disposed of.
        PrimitiveRefusedError: we are not its lender.
        PrimitiveInvalidError: it is no link.
        TemplateUnusableError: a template of the site's own is wrong.
    """
    ends = ends_of(settings, uow, half_id)
    if ends.half.role != Role.RESPONDER:
        raise PrimitiveRefusedError(
            f"we are the borrower of request {half_id}: its lender gives the documents"
        )
    newest = next(reversed(uow.documents.of(half_id)), None)
    note: str | None = None
    if url is None and newest is not None and newest.content is not None:
        url, note = str(newest.content["url"]), _optional(newest.content.get("note"))
        at = newest.added_at
    rendered = _render(
        settings,
        ends,
        original_request(uow, ends.half),
        links.checked(EXAMPLE if url is None else url),
        note,
        at,
    )
    unmailed = _unmailed(settings, ends)
    return Preview(
        recipient=None if unmailed is not None else ends.partner.document_email,
        unmailed=unmailed,
        reply_to=ends.local.document_contact or ends.local.public_mail,
        rendered=rendered,
    )


def _render(
    settings: Settings, ends: Ends, request: ILLRequest, url: str, note: str | None, at: datetime
) -> Rendered:
    limits = settings.documents
    about = describe(
        request,
        link=url,
        local=ends.local,
        partner=ends.partner,
        lender_number=ends.half.id,
        note=note,
        downloads=limits.max_downloads,
        days=limits.keep_days,
        until=_until(settings, ends, at).date(),
    )
    return render(about, ends.partner.document_language, limits.template_dir)


def _until(settings: Settings, ends: Ends, at: datetime) -> datetime:
    """The last day on which the document can be fetched, where the borrower is."""
    return at.astimezone(ends.partner.zone) + timedelta(days=settings.documents.keep_days)


def _unmailed(settings: Settings, ends: Ends) -> Unmailed | None:
    if ends.partner.illume_login:
        return Unmailed.LOGIN
    if ends.partner.document_email is None:
        return Unmailed.NO_ADDRESS
    if settings.mail is None or ends.local.public_mail is None:
        return Unmailed.NO_MAIL_SERVER
    return None


def _is_lost_on(partner: Partner, unmailed: Unmailed | None) -> bool:
    """Whether a partner that should be mailed a link is not, or learns of it in no way at all."""
    nowhere = partner.document_link is DocumentLink.NONE and unmailed is Unmailed.NO_ADDRESS
    return nowhere or unmailed is Unmailed.NO_MAIL_SERVER


def _require_new(uow: UnitOfWork, half_id: HalfId, url: str) -> None:
    """Refuse a link that the borrower has: a double click. One whose mail was lost can be given again."""
    for document in uow.documents.of(half_id):
        same = document.content is not None and document.content["url"] == url
        if same and not _was_lost(document):
            raise PrimitiveRefusedError(
                f"document {document.id} of request {half_id} has this very link already: with --again it is"
                " mailed a second time"
            )


def _was_lost(document: DocumentRecord) -> bool:
    return document.mail is None or document.mail.status is OutboxStatus.NOT_DELIVERED


def _optional(value: object) -> str | None:
    return None if value is None else str(value)
