"""The APDUs that `iso_gateway.compose` makes of everything that can be asked for, each as full as it can be.

One list, so that each APDU is held to the codec, to the rules and to libyaz alike.
"""

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Final

from asn1 import ill
from asn1.extensions import (
    APDUDeliveryInfo,
    APDUDeliveryParameters,
    APDUEncoding,
    OCLCILLServiceType,
    OCLCSpecificStatus,
    ReasonInReview,
    make_extension,
)
from asn1.ill import ILLApdu, ILLRequest, ILLServiceType, MediumType, SupplyMediumType, TransactionResults
from asn1.schema import GeneralString
from config.settings import ClientIdPolicy, DocumentLink, LocalSymbol, MailTransport, Partner, TcpTransport
from config.symbols import Symbol
from iso_gateway import compose
from iso_gateway.protocol.events import Service
from iso_gateway.protocol.states import CurrentState, Role
from iso_gateway.request import primitives, request_file
from iso_gateway.request.new_request import (
    Address,
    Client,
    Cost,
    ElectronicAddress,
    Item,
    NewRequest,
    SystemNumber,
)
from iso_gateway.request.primitives import Amount, PostalAddress, SingleApduPrimitive, UnitsSupplied

ROOT: Final = Path(__file__).resolve().parents[2]
NOW: Final = dt.datetime(2026, 11, 18, 10, 30, tzinfo=dt.timezone(dt.timedelta(hours=-8)))
DUE: Final = dt.date(2026, 12, 16)

BEX: Final = LocalSymbol(
    name="BEX",
    symbol=Symbol("ILLUME", "BEX"),
    public_address="ill.bex.example:1611",
    public_mail="ill@bex.example",
)
SFU: Final = Partner(
    name="SFU", symbols=(Symbol("ILLUME", "SFU"),), transport=TcpTransport(host="ill.sfu.example", port=1611)
)
#: Takes the link to a document in the details of electronic delivery, and is told who the patron is.
UBC: Final = Partner(
    name="UBC",
    symbols=(Symbol("ILLUME", "UBC"),),
    transport=MailTransport(address="ill@ubc.example"),
    document_link=DocumentLink.ELECTRONIC_DELIVERY,
    client_id=ClientIdPolicy.FORWARD,
)
TO_SFU: Final = compose.Terms.between(BEX, SFU)
TO_UBC: Final = compose.Terms.between(BEX, UBC)

FRAME: Final = compose.opening_frame(
    compose.transaction_id_of(BEX.symbol, group="20261118", qualifier="7F3K9Q"),
    local=BEX.symbol,
    partner=SFU.symbols[0],
    at=NOW,
)

ADDRESS: Final = PostalAddress(
    name="Bowen Example Library",
    department="Interlibrary Loans",
    street="1 Trunk Road",
    post_office_box="PO Box 7",
    city="Bowen Example",
    region="BC",
    country="Canada",
    postal_code="V0N 1G0",
)
FULL: Final = NewRequest(
    item=Item(
        item_type=ill.ItemType.serial,
        medium=MediumType.printed,
        call_number="QA 1 .J8",
        author="Doe, J.",
        title="Journal of Examples",
        sub_title="Series B",
        sponsoring_body="Society of Examples",
        place_of_publication="Victoria",
        publisher="Example Press",
        series="Examples 4",
        volume_issue="12(3)",
        edition="2nd",
        publication_date="2019",
        component_date="March 2019",
        article_author="Roe, R.",
        article_title="On été and hiver",
        pages="101-119",
        isbn="978-1-84195-645-9",
        issn="1234-5679",
        other_numbers="OCLC 1234567",
        system_numbers=(
            SystemNumber(system="oclc", database="WorldCat", number="1234567"),
            SystemNumber(system="AMICUS", number="42"),
        ),
        verified_in="AMICUS",
    ),
    services=(
        ILLServiceType.copy_non_returnable,
        ILLServiceType.loan,
        ILLServiceType.responder_specific,
    ),
    specific_service=OCLCILLServiceType.directToLender,
    need_before=dt.date(2026, 12, 20),
    expires=dt.date(2026, 12, 10),
    level_of_service="A",
    media=(SupplyMediumType.machine_readable, SupplyMediumType.photocopy),
    hold=ill.PlaceOnHoldType.yes,
    delivery=Address(postal=ADDRESS, electronic=ElectronicAddress(service="SMTP", address="ill@bex.example")),
    transport="courier",
    billing=Address(postal=PostalAddress(name="Accounts", city="Bowen Example")),
    cost=Cost(
        account="A-77",
        maximum=Amount(value="15.00", currency="CAD"),
        reciprocal=True,
        will_pay=True,
        paid=True,
    ),
    copyright="CA:fair-dealing",
    may_forward=True,
    send_to=("ILLUME:UBC", "ILLUME:TRU"),
    send_in_order=True,
    already_tried=("ILLUME:KPU", "RRU"),
    reference="BEX-2026-0042",
    note="Colour, please",
    client=Client(name="Jane Roe", status="graduate", identifier="29876"),
    patron_contact="jane@roe.example",
)
REQUEST: Final = compose.ill_request(FULL, FRAME, TO_SFU)

REQUESTER: Final[tuple[SingleApduPrimitive, ...]] = (
    primitives.ConditionalReply(answer=True, note="Gladly"),
    primitives.ConditionalReply(answer=False),
    primitives.Cancel(note="Found here"),
    primitives.Receive(date_received=dt.date(2026, 11, 17), service_type=ILLServiceType.loan, note="Intact"),
    primitives.Receive(),
    primitives.Return(
        date_returned=DUE, via="courier", insured_for=Amount(value="100", currency="CAD"), note="Thanks"
    ),
    primitives.Return(),
    primitives.Renew(desired_due_date=DUE, note="Two more weeks"),
    primitives.Renew(),
)
BOTH: Final[tuple[SingleApduPrimitive, ...]] = (
    primitives.SendMessage(note="Is volume 2 enough?"),
    primitives.ReportLost(note="In the flood"),
    primitives.ReportDamaged(note="The spine"),
    primitives.ReportDamaged(whole=True),
    primitives.ReportDamaged(units=(1, 3), note="Two reels"),
    primitives.QueryStatus(note="Any news?"),
)
RESPONDER: Final[tuple[SingleApduPrimitive, ...]] = (
    primitives.Answer(
        result=TransactionResults.unfilled,
        reason="responder-specific",
        specific=primitives.SpecificResults(
            status=OCLCSpecificStatus.review,
            reasons=(
                primitives.ReviewReason(reason=ReasonInReview.noTitle),
                primitives.ReviewReason(reason=ReasonInReview.reasonOther, text="As agreed"),
            ),
        ),
    ),
    primitives.Answer(
        result=TransactionResults.conditional,
        reason="proposed-delivery-service",
        date=DUE,
        proposed_delivery="surface mail",
        locations=("ILLUME:KPU",),
        note="No courier here",
    ),
    primitives.Answer(
        result=TransactionResults.retry, reason="on-order", date=DUE, locations=("ILLUME:KPU",)
    ),
    primitives.Answer(result=TransactionResults.unfilled, reason="policy-problem", locations=("KPU",)),
    primitives.Answer(
        result=TransactionResults.locations_provided, reason="lacking", locations=("ILLUME:KPU", "RRU")
    ),
    primitives.Answer(
        result=TransactionResults.will_supply,
        reason="electronic-delivery",
        date=DUE,
        return_to=ADDRESS,
        locations=("ILLUME:KPU",),
    ),
    primitives.Answer(
        result=TransactionResults.hold_placed, date=DUE, medium=MediumType.microform, locations=("KPU",)
    ),
    primitives.Answer(result=TransactionResults.estimate, cost="CAD 12.50", locations=("ILLUME:KPU",)),
    primitives.Ship(
        service_type=ILLServiceType.loan,
        date_shipped=dt.date(2026, 11, 17),
        date_due=DUE,
        renewable=False,
        chargeable_units=3,
        cost=Amount(value="12.50", currency="CAD"),
        conditions="library-use-only",
        shipped_via="courier",
        insured_for=Amount(value="1 000,00"),
        return_insurance=Amount(value="80", currency="USD"),
        units=(
            UnitsSupplied(medium=SupplyMediumType.printed, units=2),
            UnitsSupplied(medium=SupplyMediumType.microform, units=9999),
        ),
        return_to=ADDRESS,
        supplier="ILLUME:KPU",
        note="In two parcels",
    ),
    primitives.Ship(
        service_type=ILLServiceType.copy_non_returnable,
        document_url="https://illume.example/document/7?key=a%20b",
        note="Ready",
    ),
    primitives.CancelReply(answer=True, note="Done"),
    primitives.CancelReply(answer=False),
    primitives.RenewAnswer(answer=True, date_due=DUE, renewable=False),
    primitives.RenewAnswer(answer=False, note="Others wait"),
    primitives.RecallItem(note="Needed here"),
    primitives.ReportOverdue(date_due=DUE, renewable=True, note="Please"),
    primitives.CheckIn(date=DUE, note="With thanks"),
)
PRIMITIVES: Final = (*REQUESTER, *BOTH, *RESPONDER)


def forwarded(request: ILLRequest = REQUEST) -> ILLRequest:
    """Give a request as we hand it on to UBC, when we were asked as SFU."""
    return compose.forwarded_request(
        request,
        FRAME.to(UBC.symbols[0], encoding="utf-8"),
        TO_UBC,
        intermediary=SFU.symbols[0],
        requester_address=ill.SystemAddress(telecom_service_address=GeneralString(b"bex.example:1611")),
        note="We own it not",
    )


def with_delivery_info(request: ILLRequest, address: str) -> ILLRequest:
    """Give a request that says that its requester is reached at an address, and says no more."""
    sender = APDUDeliveryParameters(
        encoding=(APDUEncoding.bER,),
        transport=ill.SystemAddress(telecom_service_address=GeneralString.from_text(address)),
    )
    info = APDUDeliveryInfo(sender_info=(sender,), recipient_info=(sender,))
    return replace(request, iLL_request_extensions=(make_extension(info),))


def _history() -> ill.StatusOrErrorReport:
    services = (Service.ILL, Service.ANS_WS, Service.SHI, Service.RCV, Service.REN)
    history = [
        compose.ServiceRecord(
            service=service,
            at=NOW + dt.timedelta(days=day),
            by_us=service in (Service.ILL, Service.RCV, Service.REN),
            changed_state=service is not Service.ANS_WS,
            loan=day > 1,
        )
        for day, service in enumerate(services)
    ]
    return compose.status_report(FRAME, REQUEST, history, CurrentState.RENEW_PENDING, role=Role.REQUESTER)


#: By name, everything: APDUs to SFU and some to UBC, and those that are not of one primitive.
APDUS: Final[dict[str, ILLApdu]] = {
    **{
        f"{type(primitive).__name__} {number}": compose.apdu_for(primitive, REQUEST, FRAME, TO_SFU)
        for number, primitive in enumerate(PRIMITIVES)
    },
    "a link in the details": compose.apdu_for(PRIMITIVES[-8], REQUEST, FRAME, TO_UBC),
    "a full request": REQUEST,
    "a full request with its client": compose.ill_request(FULL, FRAME, TO_UBC),
    "the shortest request": compose.ill_request(
        NewRequest(item=Item(title="Emma")),
        FRAME,
        compose.Terms.between(replace(BEX, public_address=None), SFU),
    ),
    "the loan among the examples": compose.ill_request(
        request_file.read(ROOT / "examples/request-loan.toml"), FRAME, TO_SFU
    ),
    "the copy among the examples": compose.ill_request(
        request_file.read(ROOT / "examples/request-copy.toml"), FRAME, TO_SFU
    ),
    "a retry": compose.as_retry(REQUEST, FRAME, TO_UBC),
    "a forwarded request": forwarded(),
    "a forward-notification": compose.forward_notification(
        FRAME, to=UBC.symbols[0], address=TO_UBC.their_address, note="We own it not"
    ),
    "a repeat": compose.repeat_of(
        compose.apdu_for(PRIMITIVES[0], REQUEST, FRAME, TO_SFU), NOW + dt.timedelta(hours=1)
    ),
    "a repeated request": compose.repeat_of(REQUEST, NOW + dt.timedelta(hours=1)),
    "expired": compose.expired(FRAME),
    "a status report of a requester": _history(),
}
