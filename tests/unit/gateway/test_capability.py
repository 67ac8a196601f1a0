"""What a partner's profile says it cannot take, and what is offered instead."""

from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from config.loading import load
from config.settings import ApduName, Capabilities, Partner, TcpTransport, TransactionResults
from config.symbols import Symbol
from iso_gateway.message.capability import ALTERNATIVES, refusal, understands
from iso_gateway.protocol.events import Service
from iso_gateway.protocol.validate import REQUESTER_SENDS, RESPONDER_SENDS

ROOT: Final = Path(__file__).resolve().parents[3]
SHIPPED: Final = {partner.name: partner for partner in load(ROOT / "gateway.toml").partners}
ANYBODY: Final = Partner(
    name="ANYBODY", symbols=(Symbol("ILLUME", "ANY"),), transport=TcpTransport(host="any.example", port=1)
)


def taking(*accepts: ApduName, results: frozenset[TransactionResults] | None = None) -> Partner:
    """Give a partner that takes so many APDUs, and no others."""
    capabilities = Capabilities(accepts=frozenset(accepts))
    if results is not None:
        capabilities = replace(capabilities, accepts_results=results)
    return replace(ANYBODY, name="LITTLE", capabilities=capabilities)


@pytest.mark.parametrize("service", Service)
def test_who_says_nothing_takes_everything(service: Service) -> None:
    assert refusal(ANYBODY, service) is None


@pytest.mark.parametrize("service", Service)
def test_who_takes_nothing_is_sent_reports_only(service: Service) -> None:
    found = refusal(taking(), service)
    if service is Service.STR:
        assert found is None
    else:
        assert found is not None
        assert found.instead == ()
        assert str(found) == (
            f"LITTLE does not understand {service.phrase}, says its profile: reach its staff another way"
        )


def test_alma_takes_no_condition_and_is_told_no_or_asked_in_a_message() -> None:
    found = refusal(SHIPPED["SFU"], Service.ANS_CO)
    assert found is not None
    assert found.instead == (Service.ANS_UN, Service.MSG)
    assert str(found) == (
        "SFU does not understand ILL-ANSWER conditional, says its profile: send ILL-ANSWER unfilled or"
        " MESSAGE instead"
    )


def test_nothing_is_offered_that_the_tables_do_not_allow_now() -> None:
    found = refusal(SHIPPED["SFU"], Service.ANS_CO, possible=(Service.MSG, Service.STQ))
    assert found is not None
    assert found.instead == (Service.MSG,)


def test_alma_takes_what_its_documentation_lists_and_nothing_else() -> None:
    taken = {service for service in Service if refusal(SHIPPED["SFU"], service) is None}
    assert taken == {
        *(Service.ILL, Service.RCV, Service.RET, Service.CAN, Service.REN, Service.MSG),
        *(Service.SHI, Service.CHK, Service.ANS_UN, Service.CAR_YES, Service.CAR_NO),
        *(Service.REA_YES, Service.REA_NO, Service.EXP, Service.STR),
    }


def test_relais_takes_everything() -> None:
    assert all(refusal(SHIPPED["UBC"], service) is None for service in Service)


def test_a_result_is_refused_though_answers_are_taken() -> None:
    partner = taking(
        ApduName.ILL_ANSWER, results=frozenset({TransactionResults.RETRY, TransactionResults.WILL_SUPPLY})
    )
    refused = {service for service in Service if refusal(partner, service) is None}
    assert refused == {Service.ANS_RY, Service.ANS_WS, Service.STR}
    unfilled = refusal(partner, Service.ANS_UN)
    assert unfilled is not None
    assert unfilled.instead == (Service.ANS_RY,)


def test_an_answer_is_refused_though_its_result_is_taken() -> None:
    found = refusal(taking(ApduName.MESSAGE), Service.ANS_UN)
    assert found is not None
    assert found.instead == (Service.MSG,)


def test_a_message_to_who_takes_none_can_be_the_note_of_a_query() -> None:
    found = refusal(taking(ApduName.STATUS_QUERY), Service.MSG)
    assert found is not None
    assert found.instead == (Service.STQ,)


@pytest.mark.parametrize("service", Service)
def test_what_is_offered_is_what_the_same_side_may_send(service: Service) -> None:
    for side, other in ((REQUESTER_SENDS, RESPONDER_SENDS), (RESPONDER_SENDS, REQUESTER_SENDS)):
        if service in side:
            assert not other.intersection(ALTERNATIVES[service])
    assert service not in ALTERNATIVES[service]
    assert len(set(ALTERNATIVES[service])) == len(ALTERNATIVES[service])


@pytest.mark.parametrize("name", sorted(SHIPPED))
@pytest.mark.parametrize("service", Service)
def test_what_is_offered_to_a_partner_that_ships_is_understood(name: str, service: Service) -> None:
    found = refusal(SHIPPED[name], service)
    if found is not None:
        assert all(understands(SHIPPED[name].capabilities, one) for one in found.instead)
