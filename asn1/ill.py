"""ISO-10161-ILL-1: the abstract syntax of ISO 10161-1 as typed Python values.

Each type stands under its production, restated. Types are ordered so that each is defined before it is used;
the twenty APDUs are listed in `APDUS` at the end. Names are the standard's, with `_` for `-` (so the naming
rules of ruff are off here); class names are written together. An anonymous type is named after its component.
Strings keep their octets; the codec does not enforce sizes, ranges or alphabets.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Final, TypeAlias

from asn1.schema import (
    AnyValue,
    Apdu,
    Choice,
    Enumerated,
    External,
    ILLString,
    Named,
    Null,
    ObjectIdentifier,
    Primitive,
    Range,
    Sequence,
    Size,
    Tag,
    Unlisted,
    application,
    explicit,
    implicit,
)

VERSION_1: Final = 1
"""protocol-version-num version-1."""
VERSION_2: Final = 2
"""protocol-version-num version-2."""

PrintableString: TypeAlias = Annotated[str, Named("PrintableString", Primitive.PRINTABLE_STRING)]


# Person-Or-Institution-Symbol ::= CHOICE {
#     person-symbol [0] EXPLICIT ILL-String,
#     institution-symbol [1] EXPLICIT ILL-String }
@dataclass(frozen=True, slots=True, kw_only=True)
class PersonOrInstitutionSymbol(Choice):
    """Person-Or-Institution-Symbol."""

    asn1_name: ClassVar[str] = "Person-Or-Institution-Symbol"

    person_symbol: Annotated[ILLString | None, explicit(0)] = None
    institution_symbol: Annotated[ILLString | None, explicit(1)] = None


# Name-Of-Person-Or-Institution ::= CHOICE {
#     name-of-person [0] EXPLICIT ILL-String,
#     name-of-institution [1] EXPLICIT ILL-String }
@dataclass(frozen=True, slots=True, kw_only=True)
class NameOfPersonOrInstitution(Choice):
    """Name-Of-Person-Or-Institution."""

    asn1_name: ClassVar[str] = "Name-Of-Person-Or-Institution"

    name_of_person: Annotated[ILLString | None, explicit(0)] = None
    name_of_institution: Annotated[ILLString | None, explicit(1)] = None


# System-Id ::= SEQUENCE {
#     person-or-institution-symbol [0] EXPLICIT Person-Or-Institution-Symbol OPTIONAL,
#     name-of-person-or-institution [1] EXPLICIT Name-Of-Person-Or-Institution OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class SystemId(Sequence):
    """System-Id."""

    asn1_name: ClassVar[str] = "System-Id"

    person_or_institution_symbol: Annotated[PersonOrInstitutionSymbol | None, explicit(0)] = None
    name_of_person_or_institution: Annotated[NameOfPersonOrInstitution | None, explicit(1)] = None


# Transaction-Id ::= SEQUENCE {
#     initial-requester-id [0] IMPLICIT System-Id OPTIONAL,
#     transaction-group-qualifier [1] EXPLICIT ILL-String,
#     transaction-qualifier [2] EXPLICIT ILL-String,
#     sub-transaction-qualifier [3] EXPLICIT ILL-String OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionId(Sequence):
    """Transaction-Id."""

    asn1_name: ClassVar[str] = "Transaction-Id"

    initial_requester_id: Annotated[SystemId | None, implicit(0)] = None
    transaction_group_qualifier: Annotated[ILLString, explicit(1)]
    transaction_qualifier: Annotated[ILLString, explicit(2)]
    sub_transaction_qualifier: Annotated[ILLString | None, explicit(3)] = None


# ISO-Date ::= VisibleString -- YYYYMMDD
ISODate: TypeAlias = Annotated[str, Named("ISO-Date", Primitive.VISIBLE_STRING)]


# ISO-Time ::= VisibleString -- HHMMSS, local time of the invoker
ISOTime: TypeAlias = Annotated[str, Named("ISO-Time", Primitive.VISIBLE_STRING)]


# in Service-Date-Time.date-time-of-this-service: SEQUENCE {
#     date [0] IMPLICIT ISO-Date,
#     time [1] IMPLICIT ISO-Time OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class DateTimeOfThisService(Sequence):
    """The SEQUENCE of Service-Date-Time.date-time-of-this-service."""

    asn1_name: ClassVar[str] = "date-time-of-this-service"

    date: Annotated[ISODate, implicit(0)]
    time: Annotated[ISOTime | None, implicit(1)] = None


# in Service-Date-Time.date-time-of-original-service: SEQUENCE {
#     date [0] IMPLICIT ISO-Date,
#     time [1] IMPLICIT ISO-Time OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class DateTimeOfOriginalService(Sequence):
    """The SEQUENCE of Service-Date-Time.date-time-of-original-service."""

    asn1_name: ClassVar[str] = "date-time-of-original-service"

    date: Annotated[ISODate, implicit(0)]
    time: Annotated[ISOTime | None, implicit(1)] = None


# Service-Date-Time ::= SEQUENCE {
#     date-time-of-this-service [0] IMPLICIT SEQUENCE,
#     date-time-of-original-service [1] IMPLICIT SEQUENCE OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDateTime(Sequence):
    """Service-Date-Time."""

    asn1_name: ClassVar[str] = "Service-Date-Time"

    date_time_of_this_service: Annotated[DateTimeOfThisService, implicit(0)]
    date_time_of_original_service: Annotated[DateTimeOfOriginalService | None, implicit(1)] = None


class TransactionType(Enumerated):
    """Transaction-Type ::= ENUMERATED."""

    simple = 1
    chained = 2
    partitioned = 3


# Postal-Address ::= SEQUENCE {
#     name-of-person-or-institution [0] EXPLICIT Name-Of-Person-Or-Institution OPTIONAL,
#     extended-postal-delivery-address [1] EXPLICIT ILL-String OPTIONAL,
#     street-and-number [2] EXPLICIT ILL-String OPTIONAL,
#     post-office-box [3] EXPLICIT ILL-String OPTIONAL,
#     city [4] EXPLICIT ILL-String OPTIONAL,
#     region [5] EXPLICIT ILL-String OPTIONAL,
#     country [6] EXPLICIT ILL-String OPTIONAL,
#     postal-code [7] EXPLICIT ILL-String OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class PostalAddress(Sequence):
    """Postal-Address."""

    asn1_name: ClassVar[str] = "Postal-Address"

    name_of_person_or_institution: Annotated[NameOfPersonOrInstitution | None, explicit(0)] = None
    extended_postal_delivery_address: Annotated[ILLString | None, explicit(1)] = None
    street_and_number: Annotated[ILLString | None, explicit(2)] = None
    post_office_box: Annotated[ILLString | None, explicit(3)] = None
    city: Annotated[ILLString | None, explicit(4)] = None
    region: Annotated[ILLString | None, explicit(5)] = None
    country: Annotated[ILLString | None, explicit(6)] = None
    postal_code: Annotated[ILLString | None, explicit(7)] = None


# System-Address ::= SEQUENCE {
#     telecom-service-identifier [0] EXPLICIT ILL-String OPTIONAL,
#     telecom-service-address [1] EXPLICIT ILL-String OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class SystemAddress(Sequence):
    """System-Address."""

    asn1_name: ClassVar[str] = "System-Address"

    telecom_service_identifier: Annotated[ILLString | None, explicit(0)] = None
    telecom_service_address: Annotated[ILLString | None, explicit(1)] = None


# Delivery-Address ::= SEQUENCE {
#     postal-address [0] IMPLICIT Postal-Address OPTIONAL,
#     electronic-address [1] IMPLICIT System-Address OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAddress(Sequence):
    """Delivery-Address."""

    asn1_name: ClassVar[str] = "Delivery-Address"

    postal_address: Annotated[PostalAddress | None, implicit(0)] = None
    electronic_address: Annotated[SystemAddress | None, implicit(1)] = None


# Transportation-Mode ::= ILL-String
TransportationMode: TypeAlias = ILLString


# in Electronic-Delivery-Service.e-delivery-service: SEQUENCE {
#     e-delivery-mode [0] IMPLICIT OBJECT IDENTIFIER,
#     e-delivery-parameters [1] EXPLICIT ANY }
@dataclass(frozen=True, slots=True, kw_only=True)
class EDeliveryService(Sequence):
    """The SEQUENCE of Electronic-Delivery-Service.e-delivery-service."""

    asn1_name: ClassVar[str] = "e-delivery-service"

    e_delivery_mode: Annotated[ObjectIdentifier, implicit(0)]
    e_delivery_parameters: Annotated[AnyValue, explicit(1)]


# in Electronic-Delivery-Service.document-type: SEQUENCE {
#     document-type-id [2] IMPLICIT OBJECT IDENTIFIER,
#     document-type-parameters [3] EXPLICIT ANY }
@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentType(Sequence):
    """The SEQUENCE of Electronic-Delivery-Service.document-type."""

    asn1_name: ClassVar[str] = "document-type"

    document_type_id: Annotated[ObjectIdentifier, implicit(2)]
    document_type_parameters: Annotated[AnyValue, explicit(3)]


# in Electronic-Delivery-Service.e-delivery-details: CHOICE {
#     e-delivery-address [0] IMPLICIT System-Address,
#     e-delivery-id [1] IMPLICIT System-Id }
@dataclass(frozen=True, slots=True, kw_only=True)
class EDeliveryDetails(Choice):
    """The CHOICE of Electronic-Delivery-Service.e-delivery-details."""

    asn1_name: ClassVar[str] = "e-delivery-details"

    e_delivery_address: Annotated[SystemAddress | None, implicit(0)] = None
    e_delivery_id: Annotated[SystemId | None, implicit(1)] = None


# Electronic-Delivery-Service ::= SEQUENCE {
#     e-delivery-service [0] IMPLICIT SEQUENCE OPTIONAL,
#     document-type [1] IMPLICIT SEQUENCE OPTIONAL,
#     e-delivery-description [4] EXPLICIT ILL-String OPTIONAL,
#     e-delivery-details [5] EXPLICIT CHOICE,
#     name-or-code [6] EXPLICIT ILL-String OPTIONAL,
#     delivery-time [7] IMPLICIT ISO-Time OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class ElectronicDeliveryService(Sequence):
    """Electronic-Delivery-Service."""

    asn1_name: ClassVar[str] = "Electronic-Delivery-Service"

    e_delivery_service: Annotated[EDeliveryService | None, implicit(0)] = None
    document_type: Annotated[DocumentType | None, implicit(1)] = None
    e_delivery_description: Annotated[ILLString | None, explicit(4)] = None
    e_delivery_details: Annotated[EDeliveryDetails, explicit(5)]
    name_or_code: Annotated[ILLString | None, explicit(6)] = None
    delivery_time: Annotated[ISOTime | None, implicit(7)] = None


# Delivery-Service ::= CHOICE {
#     physical-delivery [7] EXPLICIT Transportation-Mode,
#     electronic-delivery [50] IMPLICIT SEQUENCE OF Electronic-Delivery-Service }
@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryService(Choice):
    """Delivery-Service."""

    asn1_name: ClassVar[str] = "Delivery-Service"

    physical_delivery: Annotated[TransportationMode | None, explicit(7)] = None
    electronic_delivery: Annotated[tuple[ElectronicDeliveryService, ...] | None, implicit(50)] = None


class ILLServiceType(Enumerated):
    """ILL-Service-Type ::= ENUMERATED."""

    loan = 1
    copy_non_returnable = 2
    locations = 3
    estimate = 4
    responder_specific = 5


class OptionalMessage(Enumerated):
    """What one side asks of an optional message of the other: the ENUMERATED of four components."""

    requires = 1
    desires = 2
    neither = 3


# Requester-Optional-Messages-Type ::= SEQUENCE {
#     can-send-RECEIVED [0] IMPLICIT BOOLEAN,
#     can-send-RETURNED [1] IMPLICIT BOOLEAN,
#     requester-SHIPPED [2] IMPLICIT ENUMERATED,
#     requester-CHECKED-IN [3] IMPLICIT ENUMERATED }
@dataclass(frozen=True, slots=True, kw_only=True)
class RequesterOptionalMessagesType(Sequence):
    """Requester-Optional-Messages-Type."""

    asn1_name: ClassVar[str] = "Requester-Optional-Messages-Type"

    can_send_RECEIVED: Annotated[bool, implicit(0)]
    can_send_RETURNED: Annotated[bool, implicit(1)]
    requester_SHIPPED: Annotated[OptionalMessage | Unlisted, implicit(2)]
    requester_CHECKED_IN: Annotated[OptionalMessage | Unlisted, implicit(3)]


class ExpiryFlag(Enumerated):
    """The ENUMERATED of Search-Type.expiry-flag."""

    need_Before_Date = 1
    other_Date = 2
    no_Expiry = 3


# Search-Type ::= SEQUENCE {
#     level-of-service [0] EXPLICIT ILL-String (SIZE (1)) OPTIONAL,
#     need-before-date [1] IMPLICIT ISO-Date OPTIONAL,
#     expiry-flag [2] IMPLICIT ENUMERATED DEFAULT no-Expiry,
#     expiry-date [3] IMPLICIT ISO-Date OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class SearchType(Sequence):
    """Search-Type."""

    asn1_name: ClassVar[str] = "Search-Type"

    level_of_service: Annotated[ILLString | None, explicit(0), Size(1, 1)] = None
    need_before_date: Annotated[ISODate | None, implicit(1)] = None
    expiry_flag: Annotated[ExpiryFlag | Unlisted, implicit(2)] = ExpiryFlag.no_Expiry
    expiry_date: Annotated[ISODate | None, implicit(3)] = None


class SupplyMediumType(Enumerated):
    """Supply-Medium-Type ::= ENUMERATED."""

    printed = 1
    photocopy = 2
    microform = 3
    film_or_video_recording = 4
    audio_recording = 5
    machine_readable = 6
    other = 7


# Supply-Medium-Info-Type ::= SEQUENCE {
#     supply-medium-type [0] IMPLICIT Supply-Medium-Type,
#     medium-characteristics [1] EXPLICIT ILL-String OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class SupplyMediumInfoType(Sequence):
    """Supply-Medium-Info-Type."""

    asn1_name: ClassVar[str] = "Supply-Medium-Info-Type"

    supply_medium_type: Annotated[SupplyMediumType | Unlisted, implicit(0)]
    medium_characteristics: Annotated[ILLString | None, explicit(1)] = None


class PlaceOnHoldType(Enumerated):
    """Place-On-Hold-Type ::= ENUMERATED."""

    yes = 1
    no = 2
    according_to_responder_policy = 3


# Client-Id ::= SEQUENCE {
#     client-name [0] EXPLICIT ILL-String OPTIONAL,
#     client-status [1] EXPLICIT ILL-String OPTIONAL,
#     client-identifier [2] EXPLICIT ILL-String OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class ClientId(Sequence):
    """Client-Id."""

    asn1_name: ClassVar[str] = "Client-Id"

    client_name: Annotated[ILLString | None, explicit(0)] = None
    client_status: Annotated[ILLString | None, explicit(1)] = None
    client_identifier: Annotated[ILLString | None, explicit(2)] = None


class ItemType(Enumerated):
    """The ENUMERATED of Item-Id.item-type."""

    monograph = 1
    serial = 2
    other = 3


class MediumType(Enumerated):
    """Medium-Type ::= ENUMERATED."""

    printed = 1
    microform = 3
    film_or_video_recording = 4
    audio_recording = 5
    machine_readable = 6
    other = 7


# Item-Id ::= SEQUENCE {
#     item-type [0] IMPLICIT ENUMERATED OPTIONAL,
#     held-medium-type [1] IMPLICIT Medium-Type OPTIONAL,
#     call-number [2] EXPLICIT ILL-String OPTIONAL,
#     author [3] EXPLICIT ILL-String OPTIONAL,
#     title [4] EXPLICIT ILL-String OPTIONAL,
#     sub-title [5] EXPLICIT ILL-String OPTIONAL,
#     sponsoring-body [6] EXPLICIT ILL-String OPTIONAL,
#     place-of-publication [7] EXPLICIT ILL-String OPTIONAL,
#     publisher [8] EXPLICIT ILL-String OPTIONAL,
#     series-title-number [9] EXPLICIT ILL-String OPTIONAL,
#     volume-issue [10] EXPLICIT ILL-String OPTIONAL,
#     edition [11] EXPLICIT ILL-String OPTIONAL,
#     publication-date [12] EXPLICIT ILL-String OPTIONAL,
#     publication-date-of-component [13] EXPLICIT ILL-String OPTIONAL,
#     author-of-article [14] EXPLICIT ILL-String OPTIONAL,
#     title-of-article [15] EXPLICIT ILL-String OPTIONAL,
#     pagination [16] EXPLICIT ILL-String OPTIONAL,
#     national-bibliography-no [17] EXPLICIT EXTERNAL OPTIONAL,
#     iSBN [18] EXPLICIT ILL-String (SIZE (10)) OPTIONAL,
#     iSSN [19] EXPLICIT ILL-String (SIZE (8)) OPTIONAL,
#     system-no [20] EXPLICIT EXTERNAL OPTIONAL,
#     additional-no-letters [21] EXPLICIT ILL-String OPTIONAL,
#     verification-reference-source [22] EXPLICIT ILL-String OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class ItemId(Sequence):
    """Item-Id."""

    asn1_name: ClassVar[str] = "Item-Id"

    item_type: Annotated[ItemType | Unlisted | None, implicit(0)] = None
    held_medium_type: Annotated[MediumType | Unlisted | None, implicit(1)] = None
    call_number: Annotated[ILLString | None, explicit(2)] = None
    author: Annotated[ILLString | None, explicit(3)] = None
    title: Annotated[ILLString | None, explicit(4)] = None
    sub_title: Annotated[ILLString | None, explicit(5)] = None
    sponsoring_body: Annotated[ILLString | None, explicit(6)] = None
    place_of_publication: Annotated[ILLString | None, explicit(7)] = None
    publisher: Annotated[ILLString | None, explicit(8)] = None
    series_title_number: Annotated[ILLString | None, explicit(9)] = None
    volume_issue: Annotated[ILLString | None, explicit(10)] = None
    edition: Annotated[ILLString | None, explicit(11)] = None
    publication_date: Annotated[ILLString | None, explicit(12)] = None
    publication_date_of_component: Annotated[ILLString | None, explicit(13)] = None
    author_of_article: Annotated[ILLString | None, explicit(14)] = None
    title_of_article: Annotated[ILLString | None, explicit(15)] = None
    pagination: Annotated[ILLString | None, explicit(16)] = None
    national_bibliography_no: Annotated[External | None, explicit(17)] = None
    iSBN: Annotated[ILLString | None, explicit(18), Size(10, 10)] = None
    iSSN: Annotated[ILLString | None, explicit(19), Size(8, 8)] = None
    system_no: Annotated[External | None, explicit(20)] = None
    additional_no_letters: Annotated[ILLString | None, explicit(21)] = None
    verification_reference_source: Annotated[ILLString | None, explicit(22)] = None


# Supplemental-Item-Description ::= SEQUENCE OF EXTERNAL
SupplementalItemDescription: TypeAlias = tuple[External, ...]


# Account-Number ::= ILL-String
AccountNumber: TypeAlias = ILLString


# AmountString ::= PrintableString -- digits, space, '.' and ','
AmountString: TypeAlias = Annotated[str, Named("AmountString", Primitive.PRINTABLE_STRING)]


# Amount ::= SEQUENCE {
#     currency-code [0] IMPLICIT PrintableString (SIZE (3)) OPTIONAL,
#     monetary-value [1] IMPLICIT AmountString (SIZE (1..10)) }
@dataclass(frozen=True, slots=True, kw_only=True)
class Amount(Sequence):
    """Amount."""

    asn1_name: ClassVar[str] = "Amount"

    currency_code: Annotated[PrintableString | None, implicit(0), Size(3, 3)] = None
    monetary_value: Annotated[AmountString, implicit(1), Size(1, 10)]


# Cost-Info-Type ::= SEQUENCE {
#     account-number [0] EXPLICIT Account-Number OPTIONAL,
#     maximum-cost [1] IMPLICIT Amount OPTIONAL,
#     reciprocal-agreement [2] IMPLICIT BOOLEAN DEFAULT FALSE,
#     will-pay-fee [3] IMPLICIT BOOLEAN DEFAULT FALSE,
#     payment-provided [4] IMPLICIT BOOLEAN DEFAULT FALSE }
@dataclass(frozen=True, slots=True, kw_only=True)
class CostInfoType(Sequence):
    """Cost-Info-Type."""

    asn1_name: ClassVar[str] = "Cost-Info-Type"

    account_number: Annotated[AccountNumber | None, explicit(0)] = None
    maximum_cost: Annotated[Amount | None, implicit(1)] = None
    reciprocal_agreement: Annotated[bool, implicit(2)] = False
    will_pay_fee: Annotated[bool, implicit(3)] = False
    payment_provided: Annotated[bool, implicit(4)] = False


class Preference(Enumerated):
    """The ENUMERATED of Third-Party-Info-Type.preference."""

    ordered = 1
    unordered = 2


# in Send-To-List-Type: SEQUENCE {
#     system-id [0] IMPLICIT System-Id,
#     account-number [1] EXPLICIT Account-Number OPTIONAL,
#     system-address [2] IMPLICIT System-Address OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class SendToItem(Sequence):
    """The SEQUENCE of Send-To-List-Type."""

    asn1_name: ClassVar[str] = "Send-To-List-Type"

    system_id: Annotated[SystemId, implicit(0)]
    account_number: Annotated[AccountNumber | None, explicit(1)] = None
    system_address: Annotated[SystemAddress | None, implicit(2)] = None


# Send-To-List-Type ::= SEQUENCE OF SEQUENCE
SendToListType: TypeAlias = tuple[SendToItem, ...]


# Already-Tried-List-Type ::= SEQUENCE OF System-Id
AlreadyTriedListType: TypeAlias = tuple[SystemId, ...]


# Third-Party-Info-Type ::= SEQUENCE {
#     permission-to-forward [0] IMPLICIT BOOLEAN DEFAULT FALSE,
#     permission-to-chain [1] IMPLICIT BOOLEAN DEFAULT FALSE,
#     permission-to-partition [2] IMPLICIT BOOLEAN DEFAULT FALSE,
#     permission-to-change-send-to-list [3] IMPLICIT BOOLEAN DEFAULT FALSE,
#     initial-requester-address [4] IMPLICIT System-Address OPTIONAL,
#     preference [5] IMPLICIT ENUMERATED DEFAULT unordered,
#     send-to-list [6] IMPLICIT Send-To-List-Type OPTIONAL,
#     already-tried-list [7] IMPLICIT Already-Tried-List-Type OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class ThirdPartyInfoType(Sequence):
    """Third-Party-Info-Type."""

    asn1_name: ClassVar[str] = "Third-Party-Info-Type"

    permission_to_forward: Annotated[bool, implicit(0)] = False
    permission_to_chain: Annotated[bool, implicit(1)] = False
    permission_to_partition: Annotated[bool, implicit(2)] = False
    permission_to_change_send_to_list: Annotated[bool, implicit(3)] = False
    initial_requester_address: Annotated[SystemAddress | None, implicit(4)] = None
    preference: Annotated[Preference | Unlisted, implicit(5)] = Preference.unordered
    send_to_list: Annotated[SendToListType | None, implicit(6)] = None
    already_tried_list: Annotated[AlreadyTriedListType | None, implicit(7)] = None


# Extension ::= SEQUENCE {
#     identifier [0] IMPLICIT INTEGER,
#     critical [1] IMPLICIT BOOLEAN DEFAULT FALSE,
#     item [2] EXPLICIT ANY }
@dataclass(frozen=True, slots=True, kw_only=True)
class Extension(Sequence):
    """Extension."""

    asn1_name: ClassVar[str] = "Extension"

    identifier: Annotated[int, implicit(0)]
    critical: Annotated[bool, implicit(1)] = False
    item: Annotated[AnyValue, explicit(2)]


# ILL-Request ::= [APPLICATION 1] EXPLICIT SEQUENCE {
#     protocol-version-num [0] IMPLICIT INTEGER,
#     transaction-id [1] IMPLICIT Transaction-Id,
#     service-date-time [2] IMPLICIT Service-Date-Time,
#     requester-id [3] IMPLICIT System-Id OPTIONAL,
#     responder-id [4] IMPLICIT System-Id OPTIONAL,
#     transaction-type [5] IMPLICIT Transaction-Type DEFAULT simple,
#     delivery-address [6] IMPLICIT Delivery-Address OPTIONAL,
#     delivery-service Delivery-Service OPTIONAL,
#     billing-address [8] IMPLICIT Delivery-Address OPTIONAL,
#     iLL-service-type [9] IMPLICIT SEQUENCE OF ILL-Service-Type (SIZE (1..5)),
#     responder-specific-service [10] EXPLICIT EXTERNAL OPTIONAL,
#     requester-optional-messages [11] IMPLICIT Requester-Optional-Messages-Type,
#     search-type [12] IMPLICIT Search-Type OPTIONAL,
#     supply-medium-info-type [13] IMPLICIT SEQUENCE OF Supply-Medium-Info-Type (SIZE (1..7)) OPTIONAL,
#     place-on-hold [14] IMPLICIT Place-On-Hold-Type DEFAULT according-to-responder-policy,
#     client-id [15] IMPLICIT Client-Id OPTIONAL,
#     item-id [16] IMPLICIT Item-Id,
#     supplemental-item-description [17] IMPLICIT Supplemental-Item-Description OPTIONAL,
#     cost-info-type [18] IMPLICIT Cost-Info-Type OPTIONAL,
#     copyright-compliance [19] EXPLICIT ILL-String OPTIONAL,
#     third-party-info-type [20] IMPLICIT Third-Party-Info-Type OPTIONAL,
#     retry-flag [21] IMPLICIT BOOLEAN DEFAULT FALSE,
#     forward-flag [22] IMPLICIT BOOLEAN DEFAULT FALSE,
#     requester-note [46] EXPLICIT ILL-String OPTIONAL,
#     forward-note [47] EXPLICIT ILL-String OPTIONAL,
#     iLL-request-extensions [49] IMPLICIT SEQUENCE OF Extension OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class ILLRequest(Apdu):
    """ILL-Request: an APDU."""

    asn1_name: ClassVar[str] = "ILL-Request"
    apdu_tag: ClassVar[Tag] = application(1)

    protocol_version_num: Annotated[int, implicit(0)]
    transaction_id: Annotated[TransactionId, implicit(1)]
    service_date_time: Annotated[ServiceDateTime, implicit(2)]
    requester_id: Annotated[SystemId | None, implicit(3)] = None
    responder_id: Annotated[SystemId | None, implicit(4)] = None
    transaction_type: Annotated[TransactionType | Unlisted, implicit(5)] = TransactionType.simple
    delivery_address: Annotated[DeliveryAddress | None, implicit(6)] = None
    delivery_service: DeliveryService | None = None
    billing_address: Annotated[DeliveryAddress | None, implicit(8)] = None
    iLL_service_type: Annotated[tuple[ILLServiceType | Unlisted, ...], implicit(9), Size(1, 5)]
    responder_specific_service: Annotated[External | None, explicit(10)] = None
    requester_optional_messages: Annotated[RequesterOptionalMessagesType, implicit(11)]
    search_type: Annotated[SearchType | None, implicit(12)] = None
    supply_medium_info_type: Annotated[tuple[SupplyMediumInfoType, ...] | None, implicit(13), Size(1, 7)] = (
        None
    )
    place_on_hold: Annotated[PlaceOnHoldType | Unlisted, implicit(14)] = (
        PlaceOnHoldType.according_to_responder_policy
    )
    client_id: Annotated[ClientId | None, implicit(15)] = None
    item_id: Annotated[ItemId, implicit(16)]
    supplemental_item_description: Annotated[SupplementalItemDescription | None, implicit(17)] = None
    cost_info_type: Annotated[CostInfoType | None, implicit(18)] = None
    copyright_compliance: Annotated[ILLString | None, explicit(19)] = None
    third_party_info_type: Annotated[ThirdPartyInfoType | None, implicit(20)] = None
    retry_flag: Annotated[bool, implicit(21)] = False
    forward_flag: Annotated[bool, implicit(22)] = False
    requester_note: Annotated[ILLString | None, explicit(46)] = None
    forward_note: Annotated[ILLString | None, explicit(47)] = None
    iLL_request_extensions: Annotated[tuple[Extension, ...] | None, implicit(49)] = None


# Forward-Notification ::= [APPLICATION 2] EXPLICIT SEQUENCE {
#     protocol-version-num [0] IMPLICIT INTEGER,
#     transaction-id [1] IMPLICIT Transaction-Id,
#     service-date-time [2] IMPLICIT Service-Date-Time,
#     requester-id [3] IMPLICIT System-Id OPTIONAL,
#     responder-id [4] IMPLICIT System-Id,
#     responder-address [24] IMPLICIT System-Address OPTIONAL,
#     intermediary-id [25] IMPLICIT System-Id,
#     notification-note [48] EXPLICIT ILL-String OPTIONAL,
#     forward-notification-extensions [49] IMPLICIT SEQUENCE OF Extension OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardNotification(Apdu):
    """Forward-Notification: an APDU."""

    asn1_name: ClassVar[str] = "Forward-Notification"
    apdu_tag: ClassVar[Tag] = application(2)

    protocol_version_num: Annotated[int, implicit(0)]
    transaction_id: Annotated[TransactionId, implicit(1)]
    service_date_time: Annotated[ServiceDateTime, implicit(2)]
    requester_id: Annotated[SystemId | None, implicit(3)] = None
    responder_id: Annotated[SystemId, implicit(4)]
    responder_address: Annotated[SystemAddress | None, implicit(24)] = None
    intermediary_id: Annotated[SystemId, implicit(25)]
    notification_note: Annotated[ILLString | None, explicit(48)] = None
    forward_notification_extensions: Annotated[tuple[Extension, ...] | None, implicit(49)] = None


# Shipped-Service-Type ::= ILL-Service-Type
ShippedServiceType: TypeAlias = ILLServiceType


# Responder-Optional-Messages-Type ::= SEQUENCE {
#     can-send-SHIPPED [0] IMPLICIT BOOLEAN,
#     can-send-CHECKED-IN [1] IMPLICIT BOOLEAN,
#     responder-RECEIVED [2] IMPLICIT ENUMERATED,
#     responder-RETURNED [3] IMPLICIT ENUMERATED }
@dataclass(frozen=True, slots=True, kw_only=True)
class ResponderOptionalMessagesType(Sequence):
    """Responder-Optional-Messages-Type."""

    asn1_name: ClassVar[str] = "Responder-Optional-Messages-Type"

    can_send_SHIPPED: Annotated[bool, implicit(0)]
    can_send_CHECKED_IN: Annotated[bool, implicit(1)]
    responder_RECEIVED: Annotated[OptionalMessage | Unlisted, implicit(2)]
    responder_RETURNED: Annotated[OptionalMessage | Unlisted, implicit(3)]


# Date-Due ::= SEQUENCE {
#     date-due-field [0] IMPLICIT ISO-Date,
#     renewable [1] IMPLICIT BOOLEAN DEFAULT TRUE }
@dataclass(frozen=True, slots=True, kw_only=True)
class DateDue(Sequence):
    """Date-Due."""

    asn1_name: ClassVar[str] = "Date-Due"

    date_due_field: Annotated[ISODate, implicit(0)]
    renewable: Annotated[bool, implicit(1)] = True


class ShippedConditions(Enumerated):
    """The ENUMERATED of Supply-Details.shipped-conditions."""

    library_use_only = 22
    no_reproduction = 23
    client_signature_required = 24
    special_collections_supervision_required = 25
    other = 27


# in Supply-Details.shipped-via: CHOICE {
#     physical-delivery [5] EXPLICIT Transportation-Mode,
#     electronic-delivery [50] IMPLICIT Electronic-Delivery-Service }
@dataclass(frozen=True, slots=True, kw_only=True)
class ShippedVia(Choice):
    """The CHOICE of Supply-Details.shipped-via."""

    asn1_name: ClassVar[str] = "shipped-via"

    physical_delivery: Annotated[TransportationMode | None, explicit(5)] = None
    electronic_delivery: Annotated[ElectronicDeliveryService | None, implicit(50)] = None


# Units-Per-Medium-Type ::= SEQUENCE {
#     medium [0] EXPLICIT Supply-Medium-Type,
#     no-of-units [1] EXPLICIT INTEGER (1..9999) }
@dataclass(frozen=True, slots=True, kw_only=True)
class UnitsPerMediumType(Sequence):
    """Units-Per-Medium-Type."""

    asn1_name: ClassVar[str] = "Units-Per-Medium-Type"

    medium: Annotated[SupplyMediumType | Unlisted, explicit(0)]
    no_of_units: Annotated[int, explicit(1), Range(1, 9999)]


# Supply-Details ::= SEQUENCE {
#     date-shipped [0] IMPLICIT ISO-Date OPTIONAL,
#     date-due [1] IMPLICIT Date-Due OPTIONAL,
#     chargeable-units [2] IMPLICIT INTEGER (1..9999) OPTIONAL,
#     cost [3] IMPLICIT Amount OPTIONAL,
#     shipped-conditions [4] IMPLICIT ENUMERATED OPTIONAL,
#     shipped-via CHOICE OPTIONAL,
#     insured-for [6] IMPLICIT Amount OPTIONAL,
#     return-insurance-require [7] IMPLICIT Amount OPTIONAL,
#     no-of-units-per-medium [8] IMPLICIT SEQUENCE OF Units-Per-Medium-Type OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class SupplyDetails(Sequence):
    """Supply-Details."""

    asn1_name: ClassVar[str] = "Supply-Details"

    date_shipped: Annotated[ISODate | None, implicit(0)] = None
    date_due: Annotated[DateDue | None, implicit(1)] = None
    chargeable_units: Annotated[int | None, implicit(2), Range(1, 9999)] = None
    cost: Annotated[Amount | None, implicit(3)] = None
    shipped_conditions: Annotated[ShippedConditions | Unlisted | None, implicit(4)] = None
    shipped_via: ShippedVia | None = None
    insured_for: Annotated[Amount | None, implicit(6)] = None
    return_insurance_require: Annotated[Amount | None, implicit(7)] = None
    no_of_units_per_medium: Annotated[tuple[UnitsPerMediumType, ...] | None, implicit(8)] = None


# Shipped ::= [APPLICATION 3] EXPLICIT SEQUENCE {
#     protocol-version-num [0] IMPLICIT INTEGER,
#     transaction-id [1] IMPLICIT Transaction-Id,
#     service-date-time [2] IMPLICIT Service-Date-Time,
#     requester-id [3] IMPLICIT System-Id OPTIONAL,
#     responder-id [4] IMPLICIT System-Id OPTIONAL,
#     responder-address [24] IMPLICIT System-Address OPTIONAL,
#     intermediary-id [25] IMPLICIT System-Id OPTIONAL,
#     supplier-id [26] IMPLICIT System-Id OPTIONAL,
#     client-id [15] IMPLICIT Client-Id OPTIONAL,
#     transaction-type [5] IMPLICIT Transaction-Type DEFAULT simple,
#     supplemental-item-description [17] IMPLICIT Supplemental-Item-Description OPTIONAL,
#     shipped-service-type [27] IMPLICIT Shipped-Service-Type (loan | copy-non-returnable),
#     responder-optional-messages [28] IMPLICIT Responder-Optional-Messages-Type OPTIONAL,
#     supply-details [29] IMPLICIT Supply-Details,
#     return-to-address [30] IMPLICIT Postal-Address OPTIONAL,
#     responder-note [46] EXPLICIT ILL-String OPTIONAL,
#     shipped-extensions [49] IMPLICIT SEQUENCE OF Extension OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped(Apdu):
    """Shipped: an APDU."""

    asn1_name: ClassVar[str] = "Shipped"
    apdu_tag: ClassVar[Tag] = application(3)

    protocol_version_num: Annotated[int, implicit(0)]
    transaction_id: Annotated[TransactionId, implicit(1)]
    service_date_time: Annotated[ServiceDateTime, implicit(2)]
    requester_id: Annotated[SystemId | None, implicit(3)] = None
    responder_id: Annotated[SystemId | None, implicit(4)] = None
    responder_address: Annotated[SystemAddress | None, implicit(24)] = None
    intermediary_id: Annotated[SystemId | None, implicit(25)] = None
    supplier_id: Annotated[SystemId | None, implicit(26)] = None
    client_id: Annotated[ClientId | None, implicit(15)] = None
    transaction_type: Annotated[TransactionType | Unlisted, implicit(5)] = TransactionType.simple
    supplemental_item_description: Annotated[SupplementalItemDescription | None, implicit(17)] = None
    shipped_service_type: Annotated[ShippedServiceType | Unlisted, implicit(27), Range(1, 2)]
    responder_optional_messages: Annotated[ResponderOptionalMessagesType | None, implicit(28)] = None
    supply_details: Annotated[SupplyDetails, implicit(29)]
    return_to_address: Annotated[PostalAddress | None, implicit(30)] = None
    responder_note: Annotated[ILLString | None, explicit(46)] = None
    shipped_extensions: Annotated[tuple[Extension, ...] | None, implicit(49)] = None


class TransactionResults(Enumerated):
    """Transaction-Results ::= ENUMERATED."""

    conditional = 1
    retry = 2
    unfilled = 3
    locations_provided = 4
    will_supply = 5
    hold_placed = 6
    estimate = 7


class Conditions(Enumerated):
    """The ENUMERATED of Conditional-Results.conditions."""

    cost_exceeds_limit = 13
    charges = 14
    prepayment_required = 15
    lacks_copyright_compliance = 16
    library_use_only = 22
    no_reproduction = 23
    client_signature_required = 24
    special_collections_supervision_required = 25
    other = 27
    responder_specific = 28
    proposed_delivery_service = 30


# Location-Info ::= SEQUENCE {
#     location-id [0] IMPLICIT System-Id,
#     location-address [1] IMPLICIT System-Address OPTIONAL,
#     location-note [2] EXPLICIT ILL-String OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class LocationInfo(Sequence):
    """Location-Info."""

    asn1_name: ClassVar[str] = "Location-Info"

    location_id: Annotated[SystemId, implicit(0)]
    location_address: Annotated[SystemAddress | None, implicit(1)] = None
    location_note: Annotated[ILLString | None, explicit(2)] = None


# Conditional-Results ::= SEQUENCE {
#     conditions [0] IMPLICIT ENUMERATED,
#     date-for-reply [1] IMPLICIT ISO-Date OPTIONAL,
#     locations [2] IMPLICIT SEQUENCE OF Location-Info OPTIONAL,
#     proposed-delivery-service Delivery-Service OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionalResults(Sequence):
    """Conditional-Results."""

    asn1_name: ClassVar[str] = "Conditional-Results"

    conditions: Annotated[Conditions | Unlisted, implicit(0)]
    date_for_reply: Annotated[ISODate | None, implicit(1)] = None
    locations: Annotated[tuple[LocationInfo, ...] | None, implicit(2)] = None
    proposed_delivery_service: DeliveryService | None = None


class ReasonNotAvailable(Enumerated):
    """The ENUMERATED of Retry-Results.reason-not-available."""

    in_use_on_loan = 1
    in_process = 2
    on_order = 6
    volume_issue_not_yet_available = 7
    at_bindery = 8
    cost_exceeds_limit = 13
    charges = 14
    prepayment_required = 15
    lacks_copyright_compliance = 16
    not_found_as_cited = 17
    on_hold = 19
    other = 27
    responder_specific = 28


# Retry-Results ::= SEQUENCE {
#     reason-not-available [0] IMPLICIT ENUMERATED OPTIONAL,
#     retry-date [1] IMPLICIT ISO-Date OPTIONAL,
#     locations [2] IMPLICIT SEQUENCE OF Location-Info OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class RetryResults(Sequence):
    """Retry-Results."""

    asn1_name: ClassVar[str] = "Retry-Results"

    reason_not_available: Annotated[ReasonNotAvailable | Unlisted | None, implicit(0)] = None
    retry_date: Annotated[ISODate | None, implicit(1)] = None
    locations: Annotated[tuple[LocationInfo, ...] | None, implicit(2)] = None


class ReasonUnfilled(Enumerated):
    """Reason-Unfilled ::= ENUMERATED."""

    in_use_on_loan = 1
    in_process = 2
    lost = 3
    non_circulating = 4
    not_owned = 5
    on_order = 6
    volume_issue_not_yet_available = 7
    at_bindery = 8
    lacking = 9
    not_on_shelf = 10
    on_reserve = 11
    poor_condition = 12
    cost_exceeds_limit = 13
    charges = 14
    prepayment_required = 15
    lacks_copyright_compliance = 16
    not_found_as_cited = 17
    locations_not_found = 18
    on_hold = 19
    policy_problem = 20
    mandatory_messaging_not_supported = 21
    expiry_not_supported = 22
    requested_delivery_services_not_supported = 23
    preferred_delivery_time_not_possible = 24
    other = 27
    responder_specific = 28


# Unfilled-Results ::= SEQUENCE {
#     reason-unfilled [0] IMPLICIT Reason-Unfilled,
#     locations [1] IMPLICIT SEQUENCE OF Location-Info OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class UnfilledResults(Sequence):
    """Unfilled-Results."""

    asn1_name: ClassVar[str] = "Unfilled-Results"

    reason_unfilled: Annotated[ReasonUnfilled | Unlisted, implicit(0)]
    locations: Annotated[tuple[LocationInfo, ...] | None, implicit(1)] = None


class ReasonLocsProvided(Enumerated):
    """Reason-Locs-Provided ::= ENUMERATED."""

    in_use_on_loan = 1
    in_process = 2
    lost = 3
    non_circulating = 4
    not_owned = 5
    on_order = 6
    volume_issue_not_yet_available = 7
    at_bindery = 8
    lacking = 9
    not_on_shelf = 10
    on_reserve = 11
    poor_condition = 12
    cost_exceeds_limit = 13
    on_hold = 19
    other = 27
    responder_specific = 28


# Locations-Results ::= SEQUENCE {
#     reason-locs-provided [0] IMPLICIT Reason-Locs-Provided OPTIONAL,
#     locations [1] IMPLICIT SEQUENCE OF Location-Info }
@dataclass(frozen=True, slots=True, kw_only=True)
class LocationsResults(Sequence):
    """Locations-Results."""

    asn1_name: ClassVar[str] = "Locations-Results"

    reason_locs_provided: Annotated[ReasonLocsProvided | Unlisted | None, implicit(0)] = None
    locations: Annotated[tuple[LocationInfo, ...], implicit(1)]


class ReasonWillSupply(Enumerated):
    """The ENUMERATED of Will-Supply-Results.reason-will-supply."""

    in_use_on_loan = 1
    in_process = 2
    on_order = 6
    at_bindery = 8
    on_hold = 19
    being_processed_for_supply = 26
    other = 27
    responder_specific = 28
    electronic_delivery = 30


# Will-Supply-Results ::= SEQUENCE {
#     reason-will-supply [0] EXPLICIT ENUMERATED,
#     supply-date [1] EXPLICIT ISO-Date OPTIONAL,
#     return-to-address [2] EXPLICIT Postal-Address OPTIONAL,
#     locations [3] IMPLICIT SEQUENCE OF Location-Info OPTIONAL,
#     electronic-delivery-service [4] EXPLICIT Electronic-Delivery-Service OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class WillSupplyResults(Sequence):
    """Will-Supply-Results."""

    asn1_name: ClassVar[str] = "Will-Supply-Results"

    reason_will_supply: Annotated[ReasonWillSupply | Unlisted, explicit(0)]
    supply_date: Annotated[ISODate | None, explicit(1)] = None
    return_to_address: Annotated[PostalAddress | None, explicit(2)] = None
    locations: Annotated[tuple[LocationInfo, ...] | None, implicit(3)] = None
    electronic_delivery_service: Annotated[ElectronicDeliveryService | None, explicit(4)] = None


# Hold-Placed-Results ::= SEQUENCE {
#     estimated-date-available [0] IMPLICIT ISO-Date,
#     hold-placed-medium-type [1] IMPLICIT Medium-Type OPTIONAL,
#     locations [2] IMPLICIT SEQUENCE OF Location-Info OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class HoldPlacedResults(Sequence):
    """Hold-Placed-Results."""

    asn1_name: ClassVar[str] = "Hold-Placed-Results"

    estimated_date_available: Annotated[ISODate, implicit(0)]
    hold_placed_medium_type: Annotated[MediumType | Unlisted | None, implicit(1)] = None
    locations: Annotated[tuple[LocationInfo, ...] | None, implicit(2)] = None


# Estimate-Results ::= SEQUENCE {
#     cost-estimate [0] EXPLICIT ILL-String,
#     locations [1] IMPLICIT SEQUENCE OF Location-Info OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateResults(Sequence):
    """Estimate-Results."""

    asn1_name: ClassVar[str] = "Estimate-Results"

    cost_estimate: Annotated[ILLString, explicit(0)]
    locations: Annotated[tuple[LocationInfo, ...] | None, implicit(1)] = None


# in ILL-Answer.results-explanation: CHOICE {
#     conditional-results [1] EXPLICIT Conditional-Results,
#     retry-results [2] EXPLICIT Retry-Results,
#     unfilled-results [3] EXPLICIT Unfilled-Results,
#     locations-results [4] EXPLICIT Locations-Results,
#     will-supply-results [5] EXPLICIT Will-Supply-Results,
#     hold-placed-results [6] EXPLICIT Hold-Placed-Results,
#     estimate-results [7] EXPLICIT Estimate-Results }
@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsExplanation(Choice):
    """The CHOICE of ILL-Answer.results-explanation."""

    asn1_name: ClassVar[str] = "results-explanation"

    conditional_results: Annotated[ConditionalResults | None, explicit(1)] = None
    retry_results: Annotated[RetryResults | None, explicit(2)] = None
    unfilled_results: Annotated[UnfilledResults | None, explicit(3)] = None
    locations_results: Annotated[LocationsResults | None, explicit(4)] = None
    will_supply_results: Annotated[WillSupplyResults | None, explicit(5)] = None
    hold_placed_results: Annotated[HoldPlacedResults | None, explicit(6)] = None
    estimate_results: Annotated[EstimateResults | None, explicit(7)] = None


# ILL-Answer ::= [APPLICATION 4] EXPLICIT SEQUENCE {
#     protocol-version-num [0] IMPLICIT INTEGER,
#     transaction-id [1] IMPLICIT Transaction-Id,
#     service-date-time [2] IMPLICIT Service-Date-Time,
#     requester-id [3] IMPLICIT System-Id OPTIONAL,
#     responder-id [4] IMPLICIT System-Id OPTIONAL,
#     transaction-results [31] IMPLICIT Transaction-Results,
#     results-explanation [32] EXPLICIT CHOICE OPTIONAL,
#     responder-specific-results [33] EXPLICIT EXTERNAL OPTIONAL,
#     supplemental-item-description [17] IMPLICIT Supplemental-Item-Description OPTIONAL,
#     send-to-list [23] IMPLICIT Send-To-List-Type OPTIONAL,
#     already-tried-list [34] IMPLICIT Already-Tried-List-Type OPTIONAL,
#     responder-optional-messages [28] IMPLICIT Responder-Optional-Messages-Type OPTIONAL,
#     responder-note [46] EXPLICIT ILL-String OPTIONAL,
#     ill-answer-extensions [49] IMPLICIT SEQUENCE OF Extension OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class ILLAnswer(Apdu):
    """ILL-Answer: an APDU."""

    asn1_name: ClassVar[str] = "ILL-Answer"
    apdu_tag: ClassVar[Tag] = application(4)

    protocol_version_num: Annotated[int, implicit(0)]
    transaction_id: Annotated[TransactionId, implicit(1)]
    service_date_time: Annotated[ServiceDateTime, implicit(2)]
    requester_id: Annotated[SystemId | None, implicit(3)] = None
    responder_id: Annotated[SystemId | None, implicit(4)] = None
    transaction_results: Annotated[TransactionResults | Unlisted, implicit(31)]
    results_explanation: Annotated[ResultsExplanation | None, explicit(32)] = None
    responder_specific_results: Annotated[External | None, explicit(33)] = None
    supplemental_item_description: Annotated[SupplementalItemDescription | None, implicit(17)] = None
    send_to_list: Annotated[SendToListType | None, implicit(23)] = None
    already_tried_list: Annotated[AlreadyTriedListType | None, implicit(34)] = None
    responder_optional_messages: Annotated[ResponderOptionalMessagesType | None, implicit(28)] = None
    responder_note: Annotated[ILLString | None, explicit(46)] = None
    ill_answer_extensions: Annotated[tuple[Extension, ...] | None, implicit(49)] = None


# Conditional-Reply ::= [APPLICATION 5] EXPLICIT SEQUENCE {
#     protocol-version-num [0] IMPLICIT INTEGER,
#     transaction-id [1] IMPLICIT Transaction-Id,
#     service-date-time [2] IMPLICIT Service-Date-Time,
#     requester-id [3] IMPLICIT System-Id OPTIONAL,
#     responder-id [4] IMPLICIT System-Id OPTIONAL,
#     answer [35] IMPLICIT BOOLEAN,
#     requester-note [46] EXPLICIT ILL-String OPTIONAL,
#     conditional-reply-extensions [49] IMPLICIT SEQUENCE OF Extension OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionalReply(Apdu):
    """Conditional-Reply: an APDU."""

    asn1_name: ClassVar[str] = "Conditional-Reply"
    apdu_tag: ClassVar[Tag] = application(5)

    protocol_version_num: Annotated[int, implicit(0)]
    transaction_id: Annotated[TransactionId, implicit(1)]
    service_date_time: Annotated[ServiceDateTime, implicit(2)]
    requester_id: Annotated[SystemId | None, implicit(3)] = None
    responder_id: Annotated[SystemId | None, implicit(4)] = None
    answer: Annotated[bool, implicit(35)]
    requester_note: Annotated[ILLString | None, explicit(46)] = None
    conditional_reply_extensions: Annotated[tuple[Extension, ...] | None, implicit(49)] = None


# Cancel ::= [APPLICATION 6] EXPLICIT SEQUENCE {
#     protocol-version-num [0] IMPLICIT INTEGER,
#     transaction-id [1] IMPLICIT Transaction-Id,
#     service-date-time [2] IMPLICIT Service-Date-Time,
#     requester-id [3] IMPLICIT System-Id OPTIONAL,
#     responder-id [4] IMPLICIT System-Id OPTIONAL,
#     requester-note [46] EXPLICIT ILL-String OPTIONAL,
#     cancel-extensions [49] IMPLICIT SEQUENCE OF Extension OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel(Apdu):
    """Cancel: an APDU."""

    asn1_name: ClassVar[str] = "Cancel"
    apdu_tag: ClassVar[Tag] = application(6)

    protocol_version_num: Annotated[int, implicit(0)]
    transaction_id: Annotated[TransactionId, implicit(1)]
    service_date_time: Annotated[ServiceDateTime, implicit(2)]
    requester_id: Annotated[SystemId | None, implicit(3)] = None
    responder_id: Annotated[SystemId | None, implicit(4)] = None
    requester_note: Annotated[ILLString | None, explicit(46)] = None
    cancel_extensions: Annotated[tuple[Extension, ...] | None, implicit(49)] = None


# Cancel-Reply ::= [APPLICATION 7] EXPLICIT SEQUENCE {
#     protocol-version-num [0] IMPLICIT INTEGER,
#     transaction-id [1] IMPLICIT Transaction-Id,
#     service-date-time [2] IMPLICIT Service-Date-Time,
#     requester-id [3] IMPLICIT System-Id OPTIONAL,
#     responder-id [4] IMPLICIT System-Id OPTIONAL,
#     answer [35] IMPLICIT BOOLEAN,
#     responder-note [46] EXPLICIT ILL-String OPTIONAL,
#     cancel-reply-extensions [49] IMPLICIT SEQUENCE OF Extension OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class CancelReply(Apdu):
    """Cancel-Reply: an APDU."""

    asn1_name: ClassVar[str] = "Cancel-Reply"
    apdu_tag: ClassVar[Tag] = application(7)

    protocol_version_num: Annotated[int, implicit(0)]
    transaction_id: Annotated[TransactionId, implicit(1)]
    service_date_time: Annotated[ServiceDateTime, implicit(2)]
    requester_id: Annotated[SystemId | None, implicit(3)] = None
    responder_id: Annotated[SystemId | None, implicit(4)] = None
    answer: Annotated[bool, implicit(35)]
    responder_note: Annotated[ILLString | None, explicit(46)] = None
    cancel_reply_extensions: Annotated[tuple[Extension, ...] | None, implicit(49)] = None


# Received ::= [APPLICATION 8] EXPLICIT SEQUENCE {
#     protocol-version-num [0] IMPLICIT INTEGER,
#     transaction-id [1] IMPLICIT Transaction-Id,
#     service-date-time [2] IMPLICIT Service-Date-Time,
#     requester-id [3] IMPLICIT System-Id OPTIONAL,
#     responder-id [4] IMPLICIT System-Id OPTIONAL,
#     supplier-id [26] IMPLICIT System-Id OPTIONAL,
#     supplemental-item-description [17] IMPLICIT Supplemental-Item-Description OPTIONAL,
#     date-received [36] IMPLICIT ISO-Date,
#     shipped-service-type [27] IMPLICIT Shipped-Service-Type (loan | copy-non-returnable),
#     requester-note [46] EXPLICIT ILL-String OPTIONAL,
#     received-extensions [49] IMPLICIT SEQUENCE OF Extension OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class Received(Apdu):
    """Received: an APDU."""

    asn1_name: ClassVar[str] = "Received"
    apdu_tag: ClassVar[Tag] = application(8)

    protocol_version_num: Annotated[int, implicit(0)]
    transaction_id: Annotated[TransactionId, implicit(1)]
    service_date_time: Annotated[ServiceDateTime, implicit(2)]
    requester_id: Annotated[SystemId | None, implicit(3)] = None
    responder_id: Annotated[SystemId | None, implicit(4)] = None
    supplier_id: Annotated[SystemId | None, implicit(26)] = None
    supplemental_item_description: Annotated[SupplementalItemDescription | None, implicit(17)] = None
    date_received: Annotated[ISODate, implicit(36)]
    shipped_service_type: Annotated[ShippedServiceType | Unlisted, implicit(27), Range(1, 2)]
    requester_note: Annotated[ILLString | None, explicit(46)] = None
    received_extensions: Annotated[tuple[Extension, ...] | None, implicit(49)] = None


# Recall ::= [APPLICATION 9] EXPLICIT SEQUENCE {
#     protocol-version-num [0] IMPLICIT INTEGER,
#     transaction-id [1] IMPLICIT Transaction-Id,
#     service-date-time [2] IMPLICIT Service-Date-Time,
#     requester-id [3] IMPLICIT System-Id OPTIONAL,
#     responder-id [4] IMPLICIT System-Id OPTIONAL,
#     responder-note [46] EXPLICIT ILL-String OPTIONAL,
#     recall-extensions [49] IMPLICIT SEQUENCE OF Extension OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class Recall(Apdu):
    """Recall: an APDU."""

    asn1_name: ClassVar[str] = "Recall"
    apdu_tag: ClassVar[Tag] = application(9)

    protocol_version_num: Annotated[int, implicit(0)]
    transaction_id: Annotated[TransactionId, implicit(1)]
    service_date_time: Annotated[ServiceDateTime, implicit(2)]
    requester_id: Annotated[SystemId | None, implicit(3)] = None
    responder_id: Annotated[SystemId | None, implicit(4)] = None
    responder_note: Annotated[ILLString | None, explicit(46)] = None
    recall_extensions: Annotated[tuple[Extension, ...] | None, implicit(49)] = None


# Returned ::= [APPLICATION 10] EXPLICIT SEQUENCE {
#     protocol-version-num [0] IMPLICIT INTEGER,
#     transaction-id [1] IMPLICIT Transaction-Id,
#     service-date-time [2] IMPLICIT Service-Date-Time,
#     requester-id [3] IMPLICIT System-Id OPTIONAL,
#     responder-id [4] IMPLICIT System-Id OPTIONAL,
#     supplemental-item-description [17] IMPLICIT Supplemental-Item-Description OPTIONAL,
#     date-returned [37] IMPLICIT ISO-Date,
#     returned-via [38] EXPLICIT Transportation-Mode OPTIONAL,
#     insured-for [39] IMPLICIT Amount OPTIONAL,
#     requester-note [46] EXPLICIT ILL-String OPTIONAL,
#     returned-extensions [49] IMPLICIT SEQUENCE OF Extension OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class Returned(Apdu):
    """Returned: an APDU."""

    asn1_name: ClassVar[str] = "Returned"
    apdu_tag: ClassVar[Tag] = application(10)

    protocol_version_num: Annotated[int, implicit(0)]
    transaction_id: Annotated[TransactionId, implicit(1)]
    service_date_time: Annotated[ServiceDateTime, implicit(2)]
    requester_id: Annotated[SystemId | None, implicit(3)] = None
    responder_id: Annotated[SystemId | None, implicit(4)] = None
    supplemental_item_description: Annotated[SupplementalItemDescription | None, implicit(17)] = None
    date_returned: Annotated[ISODate, implicit(37)]
    returned_via: Annotated[TransportationMode | None, explicit(38)] = None
    insured_for: Annotated[Amount | None, implicit(39)] = None
    requester_note: Annotated[ILLString | None, explicit(46)] = None
    returned_extensions: Annotated[tuple[Extension, ...] | None, implicit(49)] = None


# Checked-In ::= [APPLICATION 11] EXPLICIT SEQUENCE {
#     protocol-version-num [0] IMPLICIT INTEGER,
#     transaction-id [1] IMPLICIT Transaction-Id,
#     service-date-time [2] IMPLICIT Service-Date-Time,
#     requester-id [3] IMPLICIT System-Id OPTIONAL,
#     responder-id [4] IMPLICIT System-Id OPTIONAL,
#     date-checked-in [40] IMPLICIT ISO-Date,
#     responder-note [46] EXPLICIT ILL-String OPTIONAL,
#     checked-in-extensions [49] IMPLICIT SEQUENCE OF Extension OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedIn(Apdu):
    """Checked-In: an APDU."""

    asn1_name: ClassVar[str] = "Checked-In"
    apdu_tag: ClassVar[Tag] = application(11)

    protocol_version_num: Annotated[int, implicit(0)]
    transaction_id: Annotated[TransactionId, implicit(1)]
    service_date_time: Annotated[ServiceDateTime, implicit(2)]
    requester_id: Annotated[SystemId | None, implicit(3)] = None
    responder_id: Annotated[SystemId | None, implicit(4)] = None
    date_checked_in: Annotated[ISODate, implicit(40)]
    responder_note: Annotated[ILLString | None, explicit(46)] = None
    checked_in_extensions: Annotated[tuple[Extension, ...] | None, implicit(49)] = None


# Overdue ::= [APPLICATION 12] EXPLICIT SEQUENCE {
#     protocol-version-num [0] IMPLICIT INTEGER,
#     transaction-id [1] IMPLICIT Transaction-Id,
#     service-date-time [2] IMPLICIT Service-Date-Time,
#     requester-id [3] IMPLICIT System-Id OPTIONAL,
#     responder-id [4] IMPLICIT System-Id OPTIONAL,
#     date-due [41] IMPLICIT Date-Due,
#     responder-note [46] EXPLICIT ILL-String OPTIONAL,
#     overdue-extensions [49] EXPLICIT SEQUENCE OF Extension OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class Overdue(Apdu):
    """Overdue: an APDU."""

    asn1_name: ClassVar[str] = "Overdue"
    apdu_tag: ClassVar[Tag] = application(12)

    protocol_version_num: Annotated[int, implicit(0)]
    transaction_id: Annotated[TransactionId, implicit(1)]
    service_date_time: Annotated[ServiceDateTime, implicit(2)]
    requester_id: Annotated[SystemId | None, implicit(3)] = None
    responder_id: Annotated[SystemId | None, implicit(4)] = None
    date_due: Annotated[DateDue, implicit(41)]
    responder_note: Annotated[ILLString | None, explicit(46)] = None
    overdue_extensions: Annotated[tuple[Extension, ...] | None, explicit(49)] = None


# Renew ::= [APPLICATION 13] EXPLICIT SEQUENCE {
#     protocol-version-num [0] IMPLICIT INTEGER,
#     transaction-id [1] IMPLICIT Transaction-Id,
#     service-date-time [2] IMPLICIT Service-Date-Time,
#     requester-id [3] IMPLICIT System-Id OPTIONAL,
#     responder-id [4] IMPLICIT System-Id OPTIONAL,
#     desired-due-date [42] IMPLICIT ISO-Date OPTIONAL,
#     requester-note [46] EXPLICIT ILL-String OPTIONAL,
#     renew-extensions [49] IMPLICIT SEQUENCE OF Extension OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class Renew(Apdu):
    """Renew: an APDU."""

    asn1_name: ClassVar[str] = "Renew"
    apdu_tag: ClassVar[Tag] = application(13)

    protocol_version_num: Annotated[int, implicit(0)]
    transaction_id: Annotated[TransactionId, implicit(1)]
    service_date_time: Annotated[ServiceDateTime, implicit(2)]
    requester_id: Annotated[SystemId | None, implicit(3)] = None
    responder_id: Annotated[SystemId | None, implicit(4)] = None
    desired_due_date: Annotated[ISODate | None, implicit(42)] = None
    requester_note: Annotated[ILLString | None, explicit(46)] = None
    renew_extensions: Annotated[tuple[Extension, ...] | None, implicit(49)] = None


# Renew-Answer ::= [APPLICATION 14] EXPLICIT SEQUENCE {
#     protocol-version-num [0] IMPLICIT INTEGER,
#     transaction-id [1] IMPLICIT Transaction-Id,
#     service-date-time [2] IMPLICIT Service-Date-Time,
#     requester-id [3] IMPLICIT System-Id OPTIONAL,
#     responder-id [4] IMPLICIT System-Id OPTIONAL,
#     answer [35] IMPLICIT BOOLEAN,
#     date-due [41] IMPLICIT Date-Due OPTIONAL,
#     responder-note [46] EXPLICIT ILL-String OPTIONAL,
#     renew-answer-extensions [49] IMPLICIT SEQUENCE OF Extension OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class RenewAnswer(Apdu):
    """Renew-Answer: an APDU."""

    asn1_name: ClassVar[str] = "Renew-Answer"
    apdu_tag: ClassVar[Tag] = application(14)

    protocol_version_num: Annotated[int, implicit(0)]
    transaction_id: Annotated[TransactionId, implicit(1)]
    service_date_time: Annotated[ServiceDateTime, implicit(2)]
    requester_id: Annotated[SystemId | None, implicit(3)] = None
    responder_id: Annotated[SystemId | None, implicit(4)] = None
    answer: Annotated[bool, implicit(35)]
    date_due: Annotated[DateDue | None, implicit(41)] = None
    responder_note: Annotated[ILLString | None, explicit(46)] = None
    renew_answer_extensions: Annotated[tuple[Extension, ...] | None, implicit(49)] = None


# Lost ::= [APPLICATION 15] EXPLICIT SEQUENCE {
#     protocol-version-num [0] IMPLICIT INTEGER,
#     transaction-id [1] IMPLICIT Transaction-Id,
#     service-date-time [2] IMPLICIT Service-Date-Time,
#     requester-id [3] IMPLICIT System-Id OPTIONAL,
#     responder-id [4] IMPLICIT System-Id OPTIONAL,
#     note [46] EXPLICIT ILL-String OPTIONAL,
#     lost-extensions [49] IMPLICIT SEQUENCE OF Extension OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class Lost(Apdu):
    """Lost: an APDU."""

    asn1_name: ClassVar[str] = "Lost"
    apdu_tag: ClassVar[Tag] = application(15)

    protocol_version_num: Annotated[int, implicit(0)]
    transaction_id: Annotated[TransactionId, implicit(1)]
    service_date_time: Annotated[ServiceDateTime, implicit(2)]
    requester_id: Annotated[SystemId | None, implicit(3)] = None
    responder_id: Annotated[SystemId | None, implicit(4)] = None
    note: Annotated[ILLString | None, explicit(46)] = None
    lost_extensions: Annotated[tuple[Extension, ...] | None, implicit(49)] = None


# in Damaged-Details.damaged-portion: CHOICE {
#     complete-document [1] IMPLICIT NULL,
#     specific-units [2] IMPLICIT SEQUENCE OF INTEGER }
@dataclass(frozen=True, slots=True, kw_only=True)
class DamagedPortion(Choice):
    """The CHOICE of Damaged-Details.damaged-portion."""

    asn1_name: ClassVar[str] = "damaged-portion"

    complete_document: Annotated[Null | None, implicit(1)] = None
    specific_units: Annotated[tuple[int, ...] | None, implicit(2)] = None


# Damaged-Details ::= SEQUENCE {
#     document-type-id [0] IMPLICIT OBJECT IDENTIFIER OPTIONAL,
#     damaged-portion CHOICE }
@dataclass(frozen=True, slots=True, kw_only=True)
class DamagedDetails(Sequence):
    """Damaged-Details."""

    asn1_name: ClassVar[str] = "Damaged-Details"

    document_type_id: Annotated[ObjectIdentifier | None, implicit(0)] = None
    damaged_portion: DamagedPortion


# Damaged ::= [APPLICATION 16] EXPLICIT SEQUENCE {
#     protocol-version-num [0] IMPLICIT INTEGER,
#     transaction-id [1] IMPLICIT Transaction-Id,
#     service-date-time [2] IMPLICIT Service-Date-Time,
#     requester-id [3] IMPLICIT System-Id OPTIONAL,
#     responder-id [4] IMPLICIT System-Id OPTIONAL,
#     damaged-details [5] IMPLICIT Damaged-Details OPTIONAL,
#     note [46] EXPLICIT ILL-String OPTIONAL,
#     damaged-extensions [49] IMPLICIT SEQUENCE OF Extension OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class Damaged(Apdu):
    """Damaged: an APDU."""

    asn1_name: ClassVar[str] = "Damaged"
    apdu_tag: ClassVar[Tag] = application(16)

    protocol_version_num: Annotated[int, implicit(0)]
    transaction_id: Annotated[TransactionId, implicit(1)]
    service_date_time: Annotated[ServiceDateTime, implicit(2)]
    requester_id: Annotated[SystemId | None, implicit(3)] = None
    responder_id: Annotated[SystemId | None, implicit(4)] = None
    damaged_details: Annotated[DamagedDetails | None, implicit(5)] = None
    note: Annotated[ILLString | None, explicit(46)] = None
    damaged_extensions: Annotated[tuple[Extension, ...] | None, implicit(49)] = None


# Message ::= [APPLICATION 17] EXPLICIT SEQUENCE {
#     protocol-version-num [0] IMPLICIT INTEGER,
#     transaction-id [1] IMPLICIT Transaction-Id,
#     service-date-time [2] IMPLICIT Service-Date-Time,
#     requester-id [3] IMPLICIT System-Id OPTIONAL,
#     responder-id [4] IMPLICIT System-Id OPTIONAL,
#     note [46] EXPLICIT ILL-String,
#     message-extensions [49] IMPLICIT SEQUENCE OF Extension OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class Message(Apdu):
    """Message: an APDU."""

    asn1_name: ClassVar[str] = "Message"
    apdu_tag: ClassVar[Tag] = application(17)

    protocol_version_num: Annotated[int, implicit(0)]
    transaction_id: Annotated[TransactionId, implicit(1)]
    service_date_time: Annotated[ServiceDateTime, implicit(2)]
    requester_id: Annotated[SystemId | None, implicit(3)] = None
    responder_id: Annotated[SystemId | None, implicit(4)] = None
    note: Annotated[ILLString, explicit(46)]
    message_extensions: Annotated[tuple[Extension, ...] | None, implicit(49)] = None


# Status-Query ::= [APPLICATION 18] EXPLICIT SEQUENCE {
#     protocol-version-num [0] IMPLICIT INTEGER,
#     transaction-id [1] IMPLICIT Transaction-Id,
#     service-date-time [2] IMPLICIT Service-Date-Time,
#     requester-id [3] IMPLICIT System-Id OPTIONAL,
#     responder-id [4] IMPLICIT System-Id OPTIONAL,
#     note [46] EXPLICIT ILL-String OPTIONAL,
#     status-query-extensions [49] IMPLICIT SEQUENCE OF Extension OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class StatusQuery(Apdu):
    """Status-Query: an APDU."""

    asn1_name: ClassVar[str] = "Status-Query"
    apdu_tag: ClassVar[Tag] = application(18)

    protocol_version_num: Annotated[int, implicit(0)]
    transaction_id: Annotated[TransactionId, implicit(1)]
    service_date_time: Annotated[ServiceDateTime, implicit(2)]
    requester_id: Annotated[SystemId | None, implicit(3)] = None
    responder_id: Annotated[SystemId | None, implicit(4)] = None
    note: Annotated[ILLString | None, explicit(46)] = None
    status_query_extensions: Annotated[tuple[Extension, ...] | None, implicit(49)] = None


class ReasonNoReport(Enumerated):
    """Reason-No-Report ::= ENUMERATED."""

    temporary = 1
    permanent = 2


class MostRecentService(Enumerated):
    """The ENUMERATED of History-Report.most-recent-service."""

    iLL_REQUEST = 1
    fORWARD = 21
    fORWARD_NOTIFICATION = 2
    sHIPPED = 3
    iLL_ANSWER = 4
    cONDITIONAL_REPLY = 5
    cANCEL = 6
    cANCEL_REPLY = 7
    rECEIVED = 8
    rECALL = 9
    rETURNED = 10
    cHECKED_IN = 11
    rENEW_ANSWER = 14
    lOST = 15
    dAMAGED = 16
    mESSAGE = 17
    sTATUS_QUERY = 18
    sTATUS_OR_ERROR_REPORT = 19
    eXPIRED = 20


# History-Report ::= SEQUENCE {
#     date-requested [0] IMPLICIT ISO-Date OPTIONAL,
#     author [1] EXPLICIT ILL-String OPTIONAL,
#     title [2] EXPLICIT ILL-String OPTIONAL,
#     author-of-article [3] EXPLICIT ILL-String OPTIONAL,
#     title-of-article [4] EXPLICIT ILL-String OPTIONAL,
#     date-of-last-transition [5] IMPLICIT ISO-Date,
#     most-recent-service [6] IMPLICIT ENUMERATED,
#     date-of-most-recent-service [7] IMPLICIT ISO-Date,
#     initiator-of-most-recent-service [8] IMPLICIT System-Id,
#     shipped-service-type [9] IMPLICIT Shipped-Service-Type (loan | copy-non-returnable) OPTIONAL,
#     transaction-results [10] IMPLICIT Transaction-Results OPTIONAL,
#     most-recent-service-note [11] EXPLICIT ILL-String OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryReport(Sequence):
    """History-Report."""

    asn1_name: ClassVar[str] = "History-Report"

    date_requested: Annotated[ISODate | None, implicit(0)] = None
    author: Annotated[ILLString | None, explicit(1)] = None
    title: Annotated[ILLString | None, explicit(2)] = None
    author_of_article: Annotated[ILLString | None, explicit(3)] = None
    title_of_article: Annotated[ILLString | None, explicit(4)] = None
    date_of_last_transition: Annotated[ISODate, implicit(5)]
    most_recent_service: Annotated[MostRecentService | Unlisted, implicit(6)]
    date_of_most_recent_service: Annotated[ISODate, implicit(7)]
    initiator_of_most_recent_service: Annotated[SystemId, implicit(8)]
    shipped_service_type: Annotated[ShippedServiceType | Unlisted | None, implicit(9), Range(1, 2)] = None
    transaction_results: Annotated[TransactionResults | Unlisted | None, implicit(10)] = None
    most_recent_service_note: Annotated[ILLString | None, explicit(11)] = None


class CurrentState(Enumerated):
    """Current-State ::= ENUMERATED."""

    nOT_SUPPLIED = 1
    pENDING = 2
    iN_PROCESS = 3
    fORWARD = 4
    cONDITIONAL = 5
    cANCEL_PENDING = 6
    cANCELLED = 7
    sHIPPED = 8
    rECEIVED = 9
    rENEW_PENDING = 10
    nOT_RECEIVED_OVERDUE = 11
    rENEW_OVERDUE = 12
    oVERDUE = 13
    rETURNED = 14
    cHECKED_IN = 15
    rECALL = 16
    lOST = 17
    uNKNOWN = 18


# Status-Report ::= SEQUENCE {
#     user-status-report [0] IMPLICIT History-Report,
#     provider-status-report [1] IMPLICIT Current-State }
@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport(Sequence):
    """Status-Report."""

    asn1_name: ClassVar[str] = "Status-Report"

    user_status_report: Annotated[HistoryReport, implicit(0)]
    provider_status_report: Annotated[CurrentState | Unlisted, implicit(1)]


class ReportSource(Enumerated):
    """Report-Source ::= ENUMERATED."""

    user = 1
    provider = 2


# Already-Forwarded ::= SEQUENCE {
#     responder-id [0] IMPLICIT System-Id,
#     responder-address [1] IMPLICIT System-Address OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class AlreadyForwarded(Sequence):
    """Already-Forwarded."""

    asn1_name: ClassVar[str] = "Already-Forwarded"

    responder_id: Annotated[SystemId, implicit(0)]
    responder_address: Annotated[SystemAddress | None, implicit(1)] = None


class IntermediaryProblem(Enumerated):
    """Intermediary-Problem ::= ENUMERATED."""

    cannot_send_onward = 1


# Security-Problem ::= ILL-String
SecurityProblem: TypeAlias = ILLString


class UnableToPerform(Enumerated):
    """Unable-To-Perform ::= ENUMERATED."""

    not_available = 1
    resource_limitation = 2
    other = 3


# User-Error-Report ::= CHOICE {
#     already-forwarded [0] IMPLICIT Already-Forwarded,
#     intermediary-problem [1] IMPLICIT Intermediary-Problem,
#     security-problem [2] EXPLICIT Security-Problem,
#     unable-to-perform [3] IMPLICIT Unable-To-Perform }
@dataclass(frozen=True, slots=True, kw_only=True)
class UserErrorReport(Choice):
    """User-Error-Report."""

    asn1_name: ClassVar[str] = "User-Error-Report"

    already_forwarded: Annotated[AlreadyForwarded | None, implicit(0)] = None
    intermediary_problem: Annotated[IntermediaryProblem | Unlisted | None, implicit(1)] = None
    security_problem: Annotated[SecurityProblem | None, explicit(2)] = None
    unable_to_perform: Annotated[UnableToPerform | Unlisted | None, implicit(3)] = None


class GeneralProblem(Enumerated):
    """General-Problem ::= ENUMERATED."""

    unrecognized_APDU = 1
    mistyped_APDU = 2
    badly_structured_APDU = 3
    protocol_version_not_supported = 4
    other = 5


class TransactionIdProblem(Enumerated):
    """Transaction-Id-Problem ::= ENUMERATED."""

    duplicate_transaction_id = 1
    invalid_transaction_id = 2
    unknown_transaction_id = 3


class ILLAPDUType(Enumerated):
    """ILL-APDU-Type ::= ENUMERATED."""

    iLL_REQUEST = 1
    fORWARD_NOTIFICATION = 2
    sHIPPED = 3
    iLL_ANSWER = 4
    cONDITIONAL_REPLY = 5
    cANCEL = 6
    cANCEL_REPLY = 7
    rECEIVED = 8
    rECALL = 9
    rETURNED = 10
    cHECKED_IN = 11
    oVERDUE = 12
    rENEW = 13
    rENEW_ANSWER = 14
    lOST = 15
    dAMAGED = 16
    mESSAGE = 17
    sTATUS_QUERY = 18
    sTATUS_OR_ERROR_REPORT = 19
    eXPIRED = 20


# State-Transition-Prohibited ::= SEQUENCE {
#     aPDU-type [0] IMPLICIT ILL-APDU-Type,
#     current-state [1] IMPLICIT Current-State }
@dataclass(frozen=True, slots=True, kw_only=True)
class StateTransitionProhibited(Sequence):
    """State-Transition-Prohibited."""

    asn1_name: ClassVar[str] = "State-Transition-Prohibited"

    aPDU_type: Annotated[ILLAPDUType | Unlisted, implicit(0)]
    current_state: Annotated[CurrentState | Unlisted, implicit(1)]


# Provider-Error-Report ::= CHOICE {
#     general-problem [0] IMPLICIT General-Problem,
#     transaction-id-problem [1] IMPLICIT Transaction-Id-Problem,
#     state-transition-prohibited [2] IMPLICIT State-Transition-Prohibited }
@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderErrorReport(Choice):
    """Provider-Error-Report."""

    asn1_name: ClassVar[str] = "Provider-Error-Report"

    general_problem: Annotated[GeneralProblem | Unlisted | None, implicit(0)] = None
    transaction_id_problem: Annotated[TransactionIdProblem | Unlisted | None, implicit(1)] = None
    state_transition_prohibited: Annotated[StateTransitionProhibited | None, implicit(2)] = None


# Error-Report ::= SEQUENCE {
#     correlation-information [0] EXPLICIT ILL-String,
#     report-source [1] IMPLICIT Report-Source,
#     user-error-report [2] EXPLICIT User-Error-Report OPTIONAL,
#     provider-error-report [3] EXPLICIT Provider-Error-Report OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorReport(Sequence):
    """Error-Report."""

    asn1_name: ClassVar[str] = "Error-Report"

    correlation_information: Annotated[ILLString, explicit(0)]
    report_source: Annotated[ReportSource | Unlisted, implicit(1)]
    user_error_report: Annotated[UserErrorReport | None, explicit(2)] = None
    provider_error_report: Annotated[ProviderErrorReport | None, explicit(3)] = None


# Status-Or-Error-Report ::= [APPLICATION 19] EXPLICIT SEQUENCE {
#     protocol-version-num [0] IMPLICIT INTEGER,
#     transaction-id [1] IMPLICIT Transaction-Id,
#     service-date-time [2] IMPLICIT Service-Date-Time,
#     requester-id [3] IMPLICIT System-Id OPTIONAL,
#     responder-id [4] IMPLICIT System-Id OPTIONAL,
#     reason-no-report [43] IMPLICIT Reason-No-Report OPTIONAL,
#     status-report [44] IMPLICIT Status-Report OPTIONAL,
#     error-report [45] IMPLICIT Error-Report OPTIONAL,
#     note [46] EXPLICIT ILL-String OPTIONAL,
#     status-or-error-report-extensions [49] IMPLICIT SEQUENCE OF Extension OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class StatusOrErrorReport(Apdu):
    """Status-Or-Error-Report: an APDU."""

    asn1_name: ClassVar[str] = "Status-Or-Error-Report"
    apdu_tag: ClassVar[Tag] = application(19)

    protocol_version_num: Annotated[int, implicit(0)]
    transaction_id: Annotated[TransactionId, implicit(1)]
    service_date_time: Annotated[ServiceDateTime, implicit(2)]
    requester_id: Annotated[SystemId | None, implicit(3)] = None
    responder_id: Annotated[SystemId | None, implicit(4)] = None
    reason_no_report: Annotated[ReasonNoReport | Unlisted | None, implicit(43)] = None
    status_report: Annotated[StatusReport | None, implicit(44)] = None
    error_report: Annotated[ErrorReport | None, implicit(45)] = None
    note: Annotated[ILLString | None, explicit(46)] = None
    status_or_error_report_extensions: Annotated[tuple[Extension, ...] | None, implicit(49)] = None


# Expired ::= [APPLICATION 20] EXPLICIT SEQUENCE {
#     protocol-version-num [0] IMPLICIT INTEGER,
#     transaction-id [1] IMPLICIT Transaction-Id,
#     service-date-time [2] IMPLICIT Service-Date-Time,
#     requester-id [3] IMPLICIT System-Id OPTIONAL,
#     responder-id [4] IMPLICIT System-Id OPTIONAL,
#     expired-extensions [49] IMPLICIT SEQUENCE OF Extension OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class Expired(Apdu):
    """Expired: an APDU."""

    asn1_name: ClassVar[str] = "Expired"
    apdu_tag: ClassVar[Tag] = application(20)

    protocol_version_num: Annotated[int, implicit(0)]
    transaction_id: Annotated[TransactionId, implicit(1)]
    service_date_time: Annotated[ServiceDateTime, implicit(2)]
    requester_id: Annotated[SystemId | None, implicit(3)] = None
    responder_id: Annotated[SystemId | None, implicit(4)] = None
    expired_extensions: Annotated[tuple[Extension, ...] | None, implicit(49)] = None


# ILL-APDU ::= CHOICE of the twenty, each under its own APPLICATION tag
ILLApdu: TypeAlias = (
    ILLRequest
    | ForwardNotification
    | Shipped
    | ILLAnswer
    | ConditionalReply
    | Cancel
    | CancelReply
    | Received
    | Recall
    | Returned
    | CheckedIn
    | Overdue
    | Renew
    | RenewAnswer
    | Lost
    | Damaged
    | Message
    | StatusQuery
    | StatusOrErrorReport
    | Expired
)

APDUS: Final[tuple[type[ILLApdu], ...]] = (
    ILLRequest,
    ForwardNotification,
    Shipped,
    ILLAnswer,
    ConditionalReply,
    Cancel,
    CancelReply,
    Received,
    Recall,
    Returned,
    CheckedIn,
    Overdue,
    Renew,
    RenewAnswer,
    Lost,
    Damaged,
    Message,
    StatusQuery,
    StatusOrErrorReport,
    Expired,
)
"""The APDU types in the order of their APPLICATION tags, 1 to 20."""

APDU_BY_TAG: Final[dict[int, type[ILLApdu]]] = {apdu.apdu_tag.number: apdu for apdu in APDUS}
"""Each APDU type under the number of its APPLICATION tag."""
