"""Documents and their mails, on both databases."""

from datetime import timedelta

import pytest

from iso_gateway.errors import StoreError
from iso_gateway.store.mails import QueuedMail
from iso_gateway.store.records import DocumentId, HalfId, OutboxId, OutboxStatus, Unmailed
from iso_gateway.store.unit_of_work import Store, UnitOfWork
from tests.integration.store import samples


def add(uow: UnitOfWork, half_id: HalfId, partner: str | None = "SFU") -> DocumentId:
    end = samples.NOW + timedelta(days=14)
    mail = None if partner is None else QueuedMail(
        payload={"subject": "s"}, partner=partner, expires_at=end, check_at=samples.LATER
    )  # fmt: skip
    return uow.documents.add(
        half_id=half_id,
        message_id=None,
        content={"url": "https://a.example/"},
        mail=mail,
        unmailed=Unmailed.LOGIN if mail is None else None,
        actor="anna",
        at=samples.NOW,
    )


def test_mails_are_found_apart_from_messages(store: Store) -> None:
    with store.unit_of_work() as uow:
        half = samples.add_half(uow, samples.add_transaction(uow))
        message = samples.queue(uow, samples.add_message(uow))
        first, second, third = add(uow, half), add(uow, half, "UBC"), add(uow, half, None)
        assert [one.lane for one in uow.due.mails(samples.NOW)] == ["document 1", "document 2"]
        assert uow.due.mails(samples.NOW - timedelta(seconds=1)) == ()
        assert uow.due.next_mails(samples.NOW) == {"SFU": samples.NOW, "UBC": samples.NOW}
        mail, other, none = (one.mail for one in uow.documents.of(half))
        assert mail is not None
        assert other is not None
        assert none is None
        fence = uow.leases.claim(mail.id, "one", samples.NOW, samples.LATER)
        assert fence == 1
        assert uow.leases.delivered(mail.id, fence, samples.NOW)
        assert uow.due.next_mails(samples.NOW) == {"UBC": samples.NOW}
        about = uow.mails.subject(other.id)
        assert (about.words, about.half_id, about.detail) == ("document 2", half, {"document": second})
        assert uow.mails.subject(message).half_id is None
        assert uow.mails.said(other.id) == {"subject": "s"}
    with store.reading() as uow:
        assert [one.id for one in uow.documents.list()] == [third, second, first]
        assert [one.unmailed for one in uow.documents.of(half)] == [None, None, Unmailed.LOGIN]
        delivered = uow.documents.of(half)[0].mail
        assert delivered is not None
        assert delivered.status is OutboxStatus.DELIVERED
        for number in (message, OutboxId(99)):
            with pytest.raises(StoreError, match="is no mail"):
                uow.mails.said(number)
