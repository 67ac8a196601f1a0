"""A partner that has another name in the configuration: what is stored of it goes by that from then on."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from config.settings import Settings
from iso_gateway import upkeep
from iso_gateway.errors import GatewayError, NotFoundError
from iso_gateway.outbox import operating
from iso_gateway.reception import Verdict
from iso_gateway.replay import verifying
from iso_gateway.site import exclusive
from iso_gateway.store.records import HalfId
from iso_gateway.store.unit_of_work import UnitOfWork
from tests.support import apdus
from tests.support.dispatching import begun, say
from tests.support.gateway import AT_SFU, SFU, Desk
from tests.support.noticing import Lookout

REQUEST = apdus.ill_request(requester="ILLUME:SFU", transaction="SFU1")
CANCEL = apdus.cancel(REQUEST)


def renamed(settings: Settings) -> Settings:
    others = tuple(one for one in settings.partners if one.name != SFU.name)
    return replace(settings, partners=(*others, replace(SFU, name="Burnaby")))


@pytest.fixture
def desk(portable: Settings) -> Iterator[Desk]:
    """A gateway with a request of SFU's, to which two messages wait; SFU has another name by now."""
    with Desk.open(portable) as before:
        half = begun(before)
        say(before, half, "a")
        say(before, half, "b")
        with before.site.store.unit_of_work() as uow:
            operating.suspend(uow, "SFU", actor="anna", reason="why", at=before.clock.now)
        with before.under(renamed(before.site.settings)) as desk:
            yield desk


def rename(desk: Desk, old: str = "SFU", new: str = "Burnaby") -> dict[str, int]:
    return dict(upkeep.rename_partner(desk.site, old, new, actor="anna", reason="it moved"))


def test_what_is_stored_of_it_goes_by_its_new_name(desk: Desk) -> None:
    assert desk.receive(CANCEL, peer=AT_SFU).verdict is Verdict.NOT_THE_PARTNER
    assert rename(desk) == {"halves": 1, "processings": 3, "outbox": 2}
    assert desk.half(1).partner == "Burnaby"
    assert desk.receive(CANCEL, peer=AT_SFU).verdict is Verdict.APPLIED
    # The same octets again are known to be its own.
    assert desk.receive(REQUEST, peer=AT_SFU).verdict is Verdict.EXACT_DUPLICATE
    # What is queued now goes behind what waits, and all of it waits for whoever suspended it.
    say(desk, HalfId(1), "c")
    lanes = {one.row.lane for one in desk.outgoing() if one.row.connection_id is None}
    assert lanes == {"transaction 1 Burnaby"}
    with desk.reading() as uow:
        assert set(uow.partners.all()) == {"Burnaby"}
        assert uow.partners.get("Burnaby").suspended
        [audit] = [one for one in uow.audit.list() if one.action == upkeep.PARTNER_RENAMED]
    assert audit.reason == "SFU to Burnaby: it moved"
    found = verifying.verify(desk.site.store, desk.site.settings, desk.clock.now)
    assert not [problem for progress in found for problem in progress.problems]
    # Once more there is nothing left to do.
    assert not any(rename(desk).values())


@pytest.mark.parametrize("suspended", ["SFU", "Burnaby"])
def test_of_two_states_the_suspended_one_stays(settings: Settings, suspended: str) -> None:
    def fails(uow: UnitOfWork, name: str) -> None:
        uow.partners.set_breaker(replace(uow.partners.get(name), failures=1))

    with Desk.open(renamed(settings)) as desk:
        with desk.site.store.unit_of_work() as uow:
            for name in ("SFU", "Burnaby"):
                fails(uow, name)
            operating.suspend(uow, suspended, actor="anna", reason="why", at=desk.clock.now)
        rename(desk)
        with desk.reading() as uow:
            [(name, state)] = uow.partners.all().items()
        assert (name, state.suspended) == ("Burnaby", True)


def test_former_partners_too(desk: Desk) -> None:
    with desk.site.store.unit_of_work() as uow:
        uow.halves.pass_on(HalfId(1), "UBC", former=("YAZ", "SFU"), at=desk.clock.now)
    rename(desk)
    assert desk.half(1).former_partners == ("Burnaby", "YAZ")


def test_only_after_the_file_and_with_the_gateway_stopped(settings: Settings) -> None:
    with Desk.open(settings) as desk, pytest.raises(GatewayError, match="'SFU' is still configured"):
        rename(desk)
    with Desk.open(renamed(settings)) as desk:
        with pytest.raises(NotFoundError, match="no partner 'Elsewhere'"):
            rename(desk, new="Elsewhere")
        with exclusive(desk.site.settings), pytest.raises(GatewayError, match="another gateway"):
            rename(desk)


def test_a_person_is_told_until_it_is_done(desk: Desk) -> None:
    lookout = Lookout(desk.site)
    lookout.look()
    [row] = [one for one in lookout.standing() if one.kind == "not-configured"]
    assert "1 request under way with SFU, which is not configured" in row.reason
    rename(desk)
    lookout.look()
    assert not [one for one in lookout.standing() if one.kind == "not-configured"]
