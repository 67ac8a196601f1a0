"""Why something cannot be done about a request now, in staff's words, and what can be done instead."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC

from config.settings import Settings
from iso_gateway.acting import precedent
from iso_gateway.acting.action import NotPossibleNowError, NotUnderstoodError
from iso_gateway.acting.precedent import Precedent
from iso_gateway.cli.requests import offers
from iso_gateway.cli.shared import vocabulary
from iso_gateway.cli.shared.output import shown
from iso_gateway.cli.shared.typist import Typist
from iso_gateway.protocol.events import Service
from iso_gateway.protocol.states import Role
from iso_gateway.store.keyring import KeyDisposedError
from iso_gateway.store.records import HalfId
from iso_gateway.store.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusing:
    """What a refusal is made of; each method gives its lines.

    Args:
        settings: local symbols, for their time zones.
        uow: the unit of work in which it was refused.
        half_id: which request.
        typist: how commands are typed.
    """

    settings: Settings
    uow: UnitOfWork
    half_id: HalfId
    typist: Typist

    def done_already(self, before: Precedent) -> tuple[str, ...]:
        """The same was done last, and nothing came since."""
        return (
            f"error: that is done already: {self._told(before)}, and nothing came since; nothing was sent",
            f"to send it once more, in case it was lost: {offers.repeat_of(self.half_id, self.typist)}",
            "to do it a second time: the same command with --again",
        )

    def not_possible(self, error: NotPossibleNowError) -> tuple[str, ...]:
        """The state tables do not allow it now."""
        half = self.uow.halves.get(self.half_id)
        verb, role = offers.verb_of(error.service), Role(half.role)
        doer = offers.done_by(error.service)
        if doer is not None and doer is not role:
            its, ours = (vocabulary.role_in_words(one) for one in (doer, role))
            why = f"that is for the {its}, and we are the {ours}"
        else:
            why = f"it is not possible in {vocabulary.state_in_words(half.state)}"
        lines = [f"error: {verb}: {why}; nothing was sent"]
        before = precedent.latest(self.uow, self.half_id, error.service)
        if before is not None:
            lines.append(f"it was done already: {self._told(before)}")
            lines.append(f"to send our last message once more: {offers.repeat_of(self.half_id, self.typist)}")
        return (*lines, *self._offered("possible now", error.possible))

    def not_understood(self, error: NotUnderstoodError) -> tuple[str, ...]:
        """The partner's software cannot take it."""
        refusal = error.refusal
        why = f"{shown(refusal.partner)} does not understand {refusal.service.phrase}, says its profile"
        lines = [f"error: {offers.verb_of(refusal.service)}: {why}; nothing was sent"]
        if not refusal.instead:
            return (*lines, "nothing that it understands says the same: reach its staff another way")
        return (*lines, *self._offered("what works instead", refusal.instead))

    def _told(self, before: Precedent) -> str:
        half = self.uow.halves.get(self.half_id)
        zone = next((one.zone for one in self.settings.local if one.name == half.local), UTC)
        by = "" if before.actor is None else f" by {shown(before.actor)}"
        at = vocabulary.moment(before.at.astimezone(zone))
        return f"{before.service.phrase}, {at}{by}, message {before.message_id}"

    def _offered(self, title: str, services: Iterable[Service]) -> Iterator[str]:
        yield f"{title}:"
        half = self.uow.halves.get(self.half_id)
        try:
            copy = offers.is_copy(self.uow.transactions.summary(half.transaction_id))
        except KeyDisposedError:
            copy = False
        for offer in offers.offers(self.half_id, services, self.typist, copy=copy):
            yield f"  {offer.command}"
