"""Services, their APDUs, and the values that go into reports."""

from datetime import UTC, datetime

import pytest

from iso_gateway.protocol.errors import (
    AlreadyForwarded,
    GeneralProblem,
    GeneralProblemCode,
    Report,
    ReportSource,
    SecurityProblem,
    StateTransitionProhibited,
    TransactionIdProblem,
    TransactionIdProblemCode,
    UnableToPerform,
    UnableToPerformCode,
    source_of,
)
from iso_gateway.protocol.events import ApduType, EventKey, EventKind, Facts, Service
from iso_gateway.protocol.states import CurrentState


@pytest.mark.parametrize(
    ("service", "apdu_type", "name", "phrase"),
    [
        (Service.ILL, 1, "ILL-REQUEST", "ILL-REQUEST"),
        (Service.FWN, 2, "FORWARD-NOTIFICATION", "FORWARD-NOTIFICATION"),
        (Service.SHI, 3, "SHIPPED", "SHIPPED"),
        (Service.ANS_CO, 4, "ILL-ANSWER", "ILL-ANSWER conditional"),
        (Service.ANS_RY, 4, "ILL-ANSWER", "ILL-ANSWER retry"),
        (Service.ANS_UN, 4, "ILL-ANSWER", "ILL-ANSWER unfilled"),
        (Service.ANS_LP, 4, "ILL-ANSWER", "ILL-ANSWER locations-provided"),
        (Service.ANS_WS, 4, "ILL-ANSWER", "ILL-ANSWER will-supply"),
        (Service.ANS_HP, 4, "ILL-ANSWER", "ILL-ANSWER hold-placed"),
        (Service.ANS_ES, 4, "ILL-ANSWER", "ILL-ANSWER estimate"),
        (Service.C_REP_YES, 5, "CONDITIONAL-REPLY", "CONDITIONAL-REPLY answer TRUE"),
        (Service.C_REP_NO, 5, "CONDITIONAL-REPLY", "CONDITIONAL-REPLY answer FALSE"),
        (Service.CAN, 6, "CANCEL", "CANCEL"),
        (Service.CAR_YES, 7, "CANCEL-REPLY", "CANCEL-REPLY answer TRUE"),
        (Service.CAR_NO, 7, "CANCEL-REPLY", "CANCEL-REPLY answer FALSE"),
        (Service.RCV, 8, "RECEIVED", "RECEIVED"),
        (Service.RCL, 9, "RECALL", "RECALL"),
        (Service.RET, 10, "RETURNED", "RETURNED"),
        (Service.CHK, 11, "CHECKED-IN", "CHECKED-IN"),
        (Service.DUE, 12, "OVERDUE", "OVERDUE"),
        (Service.REN, 13, "RENEW", "RENEW"),
        (Service.REA_YES, 14, "RENEW-ANSWER", "RENEW-ANSWER answer TRUE"),
        (Service.REA_NO, 14, "RENEW-ANSWER", "RENEW-ANSWER answer FALSE"),
        (Service.LST, 15, "LOST", "LOST"),
        (Service.DAM, 16, "DAMAGED", "DAMAGED"),
        (Service.MSG, 17, "MESSAGE", "MESSAGE"),
        (Service.STQ, 18, "STATUS-QUERY", "STATUS-QUERY"),
        (Service.STR, 19, "STATUS-OR-ERROR-REPORT", "STATUS-OR-ERROR-REPORT"),
        (Service.EXP, 20, "EXPIRED", "EXPIRED"),
    ],
)
def test_each_service_names_its_apdu(service: Service, apdu_type: int, name: str, phrase: str) -> None:
    assert (service.apdu_type, service.apdu_name, service.phrase) == (apdu_type, name, phrase)


def test_all_twenty_apdu_types_are_carried_by_some_service() -> None:
    assert {service.apdu_type for service in Service} == set(ApduType)
    assert len(ApduType) == 20


@pytest.mark.parametrize(
    ("kind", "service", "code"),
    [
        (EventKind.APDU, Service.ANS_UN, "ANS-UN"),
        (EventKind.APDU, Service.FWN, "FWN"),
        (EventKind.PRIMITIVE, Service.SHI, "SHIreq"),
        (EventKind.PRIMITIVE, Service.ANS_UN, "ANSreq-UN"),
        (EventKind.PRIMITIVE, Service.C_REP_NO, "C-REPreq-"),
        (EventKind.PRIMITIVE, Service.REA_YES, "REAreq+"),
        (EventKind.PRIMITIVE, Service.FWN, "FWDreq"),
        (EventKind.TIMER, Service.EXP, "EXPIRY"),
    ],
)
def test_events_are_spelt_as_in_the_tables(kind: EventKind, service: Service, code: str) -> None:
    assert EventKey(kind, service).code == code


def test_a_time_without_a_zone_is_no_fact() -> None:
    naive = datetime(2026, 12, 1, tzinfo=UTC).replace(tzinfo=None)
    with pytest.raises(ValueError, match=r"expires_at .* has no time zone, pass an aware datetime"):
        Facts(expires_at=naive)


@pytest.mark.parametrize(
    ("report", "source"),
    [
        (GeneralProblem(code=GeneralProblemCode.BADLY_STRUCTURED_APDU), ReportSource.PROVIDER),
        (TransactionIdProblem(code=TransactionIdProblemCode.INVALID_TRANSACTION_ID), ReportSource.PROVIDER),
        (
            StateTransitionProhibited(apdu_type=ApduType.CANCEL, current_state=CurrentState.CHECKED_IN),
            ReportSource.PROVIDER,
        ),
        (AlreadyForwarded(), ReportSource.USER),
        (SecurityProblem(text="not a partner"), ReportSource.USER),
        (UnableToPerform(code=UnableToPerformCode.OTHER, note="an extension"), ReportSource.USER),
    ],
)
def test_each_report_has_its_source(report: Report, source: ReportSource) -> None:
    assert source_of(report) is source


def test_codes_are_those_of_the_abstract_syntax() -> None:
    assert [(code.name, int(code)) for code in GeneralProblemCode] == [
        ("UNRECOGNIZED_APDU", 1),
        ("MISTYPED_APDU", 2),
        ("BADLY_STRUCTURED_APDU", 3),
        ("PROTOCOL_VERSION_NOT_SUPPORTED", 4),
        ("OTHER", 5),
    ]
    assert [(code.name, int(code)) for code in TransactionIdProblemCode] == [
        ("DUPLICATE_TRANSACTION_ID", 1),
        ("INVALID_TRANSACTION_ID", 2),
        ("UNKNOWN_TRANSACTION_ID", 3),
    ]
    assert [(code.name, int(code)) for code in UnableToPerformCode] == [
        ("NOT_AVAILABLE", 1),
        ("RESOURCE_LIMITATION", 2),
        ("OTHER", 3),
    ]
    assert [(source.name, int(source)) for source in ReportSource] == [("USER", 1), ("PROVIDER", 2)]
