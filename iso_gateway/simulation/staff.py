"""Our own side's people, played from a scenario: they see what the gateway tells them, and act through it.

The rules are those of a simulated partner's scenario, read from the other side, but that a rule's `state` is
that after what came in; `on = "ILL-REQUEST"` with `role = "requester"` is a request of our own that was just
begun. What is done goes through the use cases like
anything that a person asks for, so nothing here can misbehave: repeats, copies and ways of sending are
refused when the staff are hired.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

from config.settings import LocalSymbol, Partner
from iso_gateway.acting.action import Acted
from iso_gateway.errors import GatewayError, PrimitiveRefusedError
from iso_gateway.protocol.events import Service
from iso_gateway.protocol.states import Role, State
from iso_gateway.request.new_request import NewRequest
from iso_gateway.simulation import templates
from iso_gateway.simulation.partner import Pause, pause_for
from iso_gateway.simulation.scenario import Arrival, Rule, Scenario, Step, rule_for
from iso_gateway.site import Site
from iso_gateway.store.keyring import KeyDisposedError
from iso_gateway.store.records import EventRecord, HalfId, HalfListing
from iso_gateway.store.unit_of_work import UnitOfWork

#: Who acts, in the audit trail.
ACTOR: Final = "simulated staff"
_MOST: Final = 10_000

_INDICATIONS: Final = {f"{service.apdu_name.lower()}.indication" for service in Service}
_BEGUN: Final = f"{Service.ILL.apdu_name.lower()}.request"

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A step that the gateway refused.

    Args:
        half_id: the request.
        service: what was to be done.
        reason: why not.
    """

    half_id: HalfId
    service: Service
    reason: str


class Staff:
    """People who work with a gateway, in this process beside it.

    Args:
        site: the installation; the staff's own, which nothing else in this process uses.
        scenario: what they do.
        pause: waits.
        partner: only requests with the partner of this name are theirs; None is all.
        turns: shared by staff who work with one gateway. Its database has one writer, and does not serve in
            order those who wait, so that of many who take no turns some wait for too long.
    """

    def __init__(
        self,
        site: Site,
        scenario: Scenario,
        *,
        pause: Pause = pause_for,
        partner: str | None = None,
        turns: asyncio.Lock | None = None,
    ) -> None:
        _require_honest(scenario)
        self._site = site
        self._scenario = scenario
        self._pause = pause
        self._woken = asyncio.Event()
        self._fitted: defaultdict[HalfId, Counter[int]] = defaultdict(Counter)
        self._seen: set[tuple[HalfId, Service]] = set()
        self._partner = partner
        self._last = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._using = turns or asyncio.Lock()
        self.left_out: list[LeftOut] = []

    def wake(self) -> None:
        """Tell them that something may have happened."""
        self._woken.set()

    async def request(self, new: NewRequest, *, partner: Partner, local: LocalSymbol) -> Acted:
        """Ask a partner for something.

        Raises:
            GatewayError: it cannot be asked for.
        """
        acted = await self._use(lambda: self._request(new, partner, local))
        self.wake()
        return acted

    async def requests(self) -> tuple[HalfListing, ...]:
        """Every request of theirs as the gateway has it, oldest first."""
        return await self._use(self._requests)

    async def run(self) -> None:
        """Work until cancelled; a step that fails for another reason than the protocol's is raised."""
        try:
            while True:
                await self._woken.wait()
                self._woken.clear()
                for event, listing in await self._use(self._news):
                    self._see(event, listing)
                for task in [task for task in self._tasks if task.done()]:
                    self._tasks.discard(task)
                    task.result()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _see(self, event: EventRecord, listing: HalfListing) -> None:
        rule = self._rule(event, listing)
        if rule is not None and rule.then:
            task = asyncio.ensure_future(self._follow(listing.half.id, rule.then))
            self._tasks.add(task)
            task.add_done_callback(lambda _: self.wake())

    def _rule(self, event: EventRecord, listing: HalfListing) -> Rule | None:
        half = listing.half
        role, detail = Role(half.role), event.detail or {}
        service = next((one for one in Service if one.phrase == detail.get("service")), None)
        seen = event.kind in _INDICATIONS or (event.kind == _BEGUN and role is Role.REQUESTER)
        if service is None or not seen:
            return None
        # A repeat whose original was lost is the first that they see of it.
        known = (half.id, service) in self._seen
        self._seen.add((half.id, service))
        if known and detail.get("repeat"):
            return None
        return rule_for(
            self._scenario,
            self._fitted[half.id],
            service=service,
            role=role,
            state=State(str(detail.get("state"))),
            title=str((listing.summary or {}).get("title") or ""),
        )

    async def _follow(self, half_id: HalfId, steps: tuple[Step, ...]) -> None:
        for step in steps:
            await self._pause(step.after)
            if step.send is None:
                raise AssertionError("staff who repeat or copy are refused when they are hired")
            try:
                await self._use(partial(self._act, half_id, step))
            except PrimitiveRefusedError as error:
                self.left_out.append(LeftOut(half_id=half_id, service=step.send, reason=str(error)))

    async def _use(self, work: Callable[[], T]) -> T:
        # One at a time: the database has one writer anyway, and the daemon beside us wants it too.
        async with self._using:
            return await asyncio.to_thread(work)

    def _news(self) -> list[tuple[EventRecord, HalfListing]]:
        with self._site.store.reading() as uow:
            events = uow.events.after(self._last, _MOST)
            concerned = {event.half_id for event in events if event.half_id is not None}
            listings = {half_id: self._listing(uow, half_id) for half_id in concerned}
        if events:
            self._last = events[-1].sequence
        news = [(event, listings[event.half_id]) for event in events if event.half_id is not None]
        return [(event, one) for event, one in news if self._partner in {None, one.half.partner}]

    def _requests(self) -> tuple[HalfListing, ...]:
        with self._site.store.reading() as uow:
            return tuple(reversed(self._theirs(uow)))

    def _listing(self, uow: UnitOfWork, half_id: HalfId) -> HalfListing:
        half = uow.halves.get(half_id)
        try:
            return HalfListing(half=half, summary=uow.transactions.summary(half.transaction_id))
        except KeyDisposedError:
            return HalfListing(half=half, summary=None)

    def _theirs(self, uow: UnitOfWork) -> tuple[HalfListing, ...]:
        return uow.halves.list(limit=_MOST, partner=self._partner)

    def _act(self, half_id: HalfId, step: Step) -> None:
        if step.template is None:
            raise AssertionError("staff who do what has no primitive are refused when they are hired")
        primitive = step.template.made(self._site.clock().date())

        def act(uow: UnitOfWork) -> Acted:
            summary = self._listing(uow, half_id).summary or {}
            told = summary.get("service_types")
            wanted = [kind for kind in told if isinstance(kind, int)] if isinstance(told, list) else []
            suiting = templates.suiting(primitive, wanted)
            return self._site.gateway.act(uow, half_id, suiting, actor=ACTOR)

        self._site.store.perform(act)

    def _request(self, new: NewRequest, partner: Partner, local: LocalSymbol) -> Acted:
        return self._site.store.perform(
            lambda uow: self._site.gateway.request(uow, new, partner=partner, local=local, actor=ACTOR)
        )


def _require_honest(scenario: Scenario) -> None:
    for rule in scenario.rules:
        if rule.before or rule.arrival is not Arrival.TAKEN:
            raise GatewayError(
                "our own staff see every message, in its order: leave out 'before' and 'arrival'"
            )
        for step in rule.then:
            if step.template is None or step.way is not None or step.force:
                raise GatewayError(
                    f"our own staff cannot do {step}: they act through the gateway, which sends as it should"
                )
