"""The registered extensions of ISO-10161-ILL-1, by object identifier, as typed Python values.

What an Extension holds, and what stands in responder-specific-service, responder-specific-results and
system-no, is an EXTERNAL: a value of a type that an object identifier names. `EXTENSIONS` lists the types
that are known here; `extension_of` and `external_of` give the value of one, or its octets where it is none
of them; `make_extension` and `make_external` are their inverses. Types are written as in `asn1.ill`. Those of
1.0.10161 come from the registered modules; the prompt is the accessControl prompt-1 of Z39.50-1995.

Pure, and recursive in one place: ClientInfoData holds itself, as deep as the limits of the codec allow.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Final, TypeAlias, TypeVar, assert_never, cast

from asn1.codec import Limits, WireError, decode_value, encode_value
from asn1.ill import (
    Amount,
    ConditionalResults,
    EstimateResults,
    Extension,
    HoldPlacedResults,
    LocationsResults,
    PostalAddress,
    RetryResults,
    SystemAddress,
    SystemId,
    TransactionResults,
    UnfilledResults,
    WillSupplyResults,
)
from asn1.schema import (
    AnyValue,
    Apdu,
    Arbitrary,
    Choice,
    Enumerated,
    External,
    ILLString,
    Named,
    Null,
    ObjectIdentifier,
    OctetAligned,
    Primitive,
    Sequence,
    SingleASN1Type,
    Size,
    Type,
    Unlisted,
    describe,
    explicit,
    implicit,
)

_DEFAULT_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class SequenceOfType:
    """Base of a type that is a SEQUENCE OF and stands alone."""

    asn1_name: ClassVar[str]

    elements: tuple[Any, ...]


# -- OCLC-Prism-ILL-Error, 1.0.10161.13.1


class PrismIllErrorCode(Enumerated):
    """The ENUMERATED of OCLC-Prism-Ill-Error.prism-Ill-Error-Code."""

    missing_required_field = 1
    invalid_field_length = 2
    invalid_field_id = 3
    invalid_data_format = 4
    invalid_institution_symbol = 5
    resource_limitation = 6
    unknown_result = 7


# in OCLC-Prism-Ill-Error: SEQUENCE {
#     prism-Ill-Field-Id [0] IMPLICIT INTEGER OPTIONAL,
#     prism-Ill-Error-Code [1] IMPLICIT ENUMERATED OPTIONAL,
#     prism-Ill-Error-Text [2] EXPLICIT ILL-String OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class PrismIllError(Sequence):
    """The SEQUENCE of OCLC-Prism-Ill-Error."""

    asn1_name: ClassVar[str] = "OCLC-Prism-Ill-Error"

    prism_Ill_Field_Id: Annotated[int | None, implicit(0)] = None
    prism_Ill_Error_Code: Annotated[PrismIllErrorCode | Unlisted | None, implicit(1)] = None
    prism_Ill_Error_Text: Annotated[ILLString | None, explicit(2)] = None


# OCLC-Prism-Ill-Error ::= SEQUENCE OF SEQUENCE
@dataclass(frozen=True, slots=True)
class OCLCPrismIllError(SequenceOfType):
    """OCLC-Prism-Ill-Error."""

    asn1_name: ClassVar[str] = "OCLC-Prism-Ill-Error"

    elements: tuple[PrismIllError, ...]


# -- OCLCILLRequestExtension, 1.0.10161.13.2


# OCLCILLRequestExtension ::= SEQUENCE {
#     clientDepartment [0] EXPLICIT ILL-String OPTIONAL,
#     paymentMethod [1] EXPLICIT ILL-String OPTIONAL,
#     uniformTitle [2] EXPLICIT ILL-String OPTIONAL,
#     dissertation [3] EXPLICIT ILL-String OPTIONAL,
#     issueNumber [4] EXPLICIT ILL-String OPTIONAL,
#     volume [5] EXPLICIT ILL-String OPTIONAL,
#     affiliations [6] EXPLICIT ILL-String OPTIONAL,
#     source [7] EXPLICIT ILL-String OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class OCLCILLRequestExtension(Sequence):
    """OCLCILLRequestExtension."""

    asn1_name: ClassVar[str] = "OCLCILLRequestExtension"

    clientDepartment: Annotated[ILLString | None, explicit(0)] = None
    paymentMethod: Annotated[ILLString | None, explicit(1)] = None
    uniformTitle: Annotated[ILLString | None, explicit(2)] = None
    dissertation: Annotated[ILLString | None, explicit(3)] = None
    issueNumber: Annotated[ILLString | None, explicit(4)] = None
    volume: Annotated[ILLString | None, explicit(5)] = None
    affiliations: Annotated[ILLString | None, explicit(6)] = None
    source: Annotated[ILLString | None, explicit(7)] = None


# -- ILL-APDU-Delivery-Info, 1.0.10161.13.3


class APDUEncoding(Enumerated):
    """APDU-Encoding ::= ENUMERATED."""

    eDIFACT = 1
    bER_IN_MIME = 2
    bER = 3


# APDU-Delivery-Parameters ::= SEQUENCE {
#     encoding [0] IMPLICIT SEQUENCE OF APDU-Encoding (SIZE (1..3)),
#     transport [1] IMPLICIT System-Address,
#     aliases [2] IMPLICIT SEQUENCE OF System-Id OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class APDUDeliveryParameters(Sequence):
    """APDU-Delivery-Parameters."""

    asn1_name: ClassVar[str] = "APDU-Delivery-Parameters"

    encoding: Annotated[tuple[APDUEncoding | Unlisted, ...], implicit(0), Size(1, 3)]
    transport: Annotated[SystemAddress, implicit(1)]
    aliases: Annotated[tuple[SystemId, ...] | None, implicit(2)] = None


# APDU-Delivery-Info ::= SEQUENCE {
#     sender-info [0] IMPLICIT SEQUENCE OF APDU-Delivery-Parameters,
#     recipient-info [1] IMPLICIT SEQUENCE OF APDU-Delivery-Parameters,
#     transponder-info [2] IMPLICIT SEQUENCE OF APDU-Delivery-Parameters OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class APDUDeliveryInfo(Sequence):
    """APDU-Delivery-Info."""

    asn1_name: ClassVar[str] = "APDU-Delivery-Info"

    sender_info: Annotated[tuple[APDUDeliveryParameters, ...], implicit(0)]
    recipient_info: Annotated[tuple[APDUDeliveryParameters, ...], implicit(1)]
    transponder_info: Annotated[tuple[APDUDeliveryParameters, ...] | None, implicit(2)] = None


# -- ILL-Supplemental-Client-Info, 1.0.10161.13.4


class StandardClientInfoType(Enumerated):
    """Standard-Client-Info-Type ::= ENUMERATED."""

    idInfo = 0
    nameInfo = 1
    contactInfo = 2
    statusInfo = 3
    otherInfo = 4
    homeAddressInfo = 5
    workAddressInfo = 6
    faxNumber = 7
    voiceNumber = 8
    pagerNumber = 9
    eMailInfo = 10
    notes = 101
    maximumCost = 102
    billingInfo = 103
    systemIdNo = 21
    socialSecurityNo = 22
    accountNo = 23
    driversLicenceNo = 24
    other = 25
    wholeName = 30
    lastName = 31
    firstName = 32
    initials = 33
    prefix = 34
    suffix = 35
    name = 40  # type: ignore[assignment] # the standard's name; that of the member stays a str
    department = 100
    streetAndNumber = 41
    additionalInfo = 42
    boxAddress = 43
    city_town = 44
    state_prov_region = 45
    country = 46
    postalCode = 47
    telephoneCountryCode = 50
    telephoneAreaCode = 51
    telephoneLocalNumber = 52
    teleponeExtension = 53
    eMailService = 60
    eMailAddress = 61


# ClientInfoType ::= CHOICE {
#     standard [1] EXPLICIT Standard-Client-Info-Type,
#     local [2] EXPLICIT ILL-String }
@dataclass(frozen=True, slots=True, kw_only=True)
class ClientInfoType(Choice):
    """ClientInfoType."""

    asn1_name: ClassVar[str] = "ClientInfoType"

    standard: Annotated[StandardClientInfoType | Unlisted | None, explicit(1)] = None
    local: Annotated[ILLString | None, explicit(2)] = None


class StatusCode(Enumerated):
    """StatusCode ::= ENUMERATED."""

    undergraduate = 0
    graduate = 1
    faculty = 2
    staff = 3
    visitor = 4
    generalUser = 5
    juvenile = 6
    vip = 7
    subscriber = 8
    suspended = 9
    other = 10
    unspecified = 11


# ClientInfoContent ::= CHOICE {
#     stringContent [1] EXPLICIT ILL-String,
#     postalAddress [2] IMPLICIT Postal-Address,
#     nameOrId [3] IMPLICIT System-Id,
#     statusCode [4] IMPLICIT StatusCode,
#     definedNumber [5] IMPLICIT INTEGER,
#     nested [6] IMPLICIT ClientInfoData,
#     amount [7] IMPLICIT Amount }
@dataclass(frozen=True, slots=True, kw_only=True)
class ClientInfoContent(Choice):
    """ClientInfoContent."""

    asn1_name: ClassVar[str] = "ClientInfoContent"

    stringContent: Annotated[ILLString | None, explicit(1)] = None
    postalAddress: Annotated[PostalAddress | None, implicit(2)] = None
    nameOrId: Annotated[SystemId | None, implicit(3)] = None
    statusCode: Annotated[StatusCode | Unlisted | None, implicit(4)] = None
    definedNumber: Annotated[int | None, implicit(5)] = None
    nested: Annotated["ClientInfoData | None", implicit(6)] = None
    amount: Annotated[Amount | None, implicit(7)] = None


# ClientInfoData ::= SEQUENCE {
#     infoType ClientInfoType,
#     infoContent [3] IMPLICIT SEQUENCE OF ClientInfoContent }
@dataclass(frozen=True, slots=True, kw_only=True)
class ClientInfoData(Sequence):
    """ClientInfoData."""

    asn1_name: ClassVar[str] = "ClientInfoData"

    infoType: ClientInfoType
    infoContent: Annotated[tuple[ClientInfoContent, ...], implicit(3)]


# SupplementalClientInfo ::= SEQUENCE OF ClientInfoData
@dataclass(frozen=True, slots=True)
class SupplementalClientInfo(SequenceOfType):
    """SupplementalClientInfo."""

    asn1_name: ClassVar[str] = "SupplementalClientInfo"

    elements: tuple[ClientInfoData, ...]


# -- Forwarded-Additional-Info, 1.0.10161.13.5


# Forwarded-Add-Info ::= Unfilled-Results
@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardedAddInfo(UnfilledResults):
    """Forwarded-Add-Info."""

    asn1_name: ClassVar[str] = "Forwarded-Add-Info"


# -- IPIG-Additional-User-Error-Information, 1.0.10161.13.6


# Identifier ::= ILL-String -- APDU-NAME.element.element
Identifier: TypeAlias = ILLString


# Element-Truncated ::= SEQUENCE {
#     element [0] EXPLICIT Identifier,
#     truncated-value [1] EXPLICIT ILL-String }
@dataclass(frozen=True, slots=True, kw_only=True)
class ElementTruncated(Sequence):
    """Element-Truncated."""

    asn1_name: ClassVar[str] = "Element-Truncated"

    element: Annotated[Identifier, explicit(0)]
    truncated_value: Annotated[ILLString, explicit(1)]


# Unsupported-Field-Length ::= SEQUENCE {
#     element [0] EXPLICIT Identifier,
#     min-length [1] EXPLICIT INTEGER OPTIONAL,
#     max-length [2] EXPLICIT INTEGER OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class UnsupportedFieldLength(Sequence):
    """Unsupported-Field-Length."""

    asn1_name: ClassVar[str] = "Unsupported-Field-Length"

    element: Annotated[Identifier, explicit(0)]
    min_length: Annotated[int | None, explicit(1)] = None
    max_length: Annotated[int | None, explicit(2)] = None


# Unrecognized-Data ::= SEQUENCE {
#     element [0] EXPLICIT Identifier,
#     data [1] EXPLICIT ILL-String OPTIONAL,
#     expected-format [2] EXPLICIT ILL-String OPTIONAL,
#     supported-values [3] EXPLICIT ILL-String OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class UnrecognizedData(Sequence):
    """Unrecognized-Data."""

    asn1_name: ClassVar[str] = "Unrecognized-Data"

    element: Annotated[Identifier, explicit(0)]
    data: Annotated[ILLString | None, explicit(1)] = None
    expected_format: Annotated[ILLString | None, explicit(2)] = None
    supported_values: Annotated[ILLString | None, explicit(3)] = None


# in Additional-User-Error-Report-Info: CHOICE {
#     element-truncated [4] IMPLICIT Element-Truncated,
#     missing-required-element [5] EXPLICIT Identifier,
#     unsupported-field-length [6] IMPLICIT Unsupported-Field-Length,
#     unrecognized-data [7] IMPLICIT Unrecognized-Data,
#     inconsistent-data [8] EXPLICIT ILL-String,
#     other [9] EXPLICIT ILL-String }
@dataclass(frozen=True, slots=True, kw_only=True)
class AdditionalUserError(Choice):
    """The CHOICE of Additional-User-Error-Report-Info."""

    asn1_name: ClassVar[str] = "Additional-User-Error-Report-Info"

    element_truncated: Annotated[ElementTruncated | None, implicit(4)] = None
    missing_required_element: Annotated[Identifier | None, explicit(5)] = None
    unsupported_field_length: Annotated[UnsupportedFieldLength | None, implicit(6)] = None
    unrecognized_data: Annotated[UnrecognizedData | None, implicit(7)] = None
    inconsistent_data: Annotated[ILLString | None, explicit(8)] = None
    other: Annotated[ILLString | None, explicit(9)] = None


# Additional-User-Error-Report-Info ::= SEQUENCE OF CHOICE
@dataclass(frozen=True, slots=True)
class AdditionalUserErrorReportInfo(SequenceOfType):
    """Additional-User-Error-Report-Info."""

    asn1_name: ClassVar[str] = "Additional-User-Error-Report-Info"

    elements: tuple[AdditionalUserError, ...]


# -- Suppliers-Reference, 1.0.10161.13.7


# Suppliers-Reference ::= SEQUENCE {
#     supplier-authority [0] EXPLICIT ILL-String,
#     supplier-reference [1] EXPLICIT ILL-String }
@dataclass(frozen=True, slots=True, kw_only=True)
class SuppliersReference(Sequence):
    """Suppliers-Reference."""

    asn1_name: ClassVar[str] = "Suppliers-Reference"

    supplier_authority: Annotated[ILLString, explicit(0)]
    supplier_reference: Annotated[ILLString, explicit(1)]


# -- Internal-Reference-Number, 1.0.10161.13.8


# Internal-Reference-Type ::= SEQUENCE {
#     reference-authority [0] EXPLICIT ILL-String OPTIONAL,
#     internal-reference [1] EXPLICIT ILL-String }
@dataclass(frozen=True, slots=True, kw_only=True)
class InternalReferenceType(Sequence):
    """Internal-Reference-Type."""

    asn1_name: ClassVar[str] = "Internal-Reference-Type"

    reference_authority: Annotated[ILLString | None, explicit(0)] = None
    internal_reference: Annotated[ILLString, explicit(1)]


# Internal-Reference ::= SEQUENCE {
#     requester-reference [0] IMPLICIT Internal-Reference-Type OPTIONAL,
#     responder-reference [1] IMPLICIT Internal-Reference-Type OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class InternalReference(Sequence):
    """Internal-Reference."""

    asn1_name: ClassVar[str] = "Internal-Reference"

    requester_reference: Annotated[InternalReferenceType | None, implicit(0)] = None
    responder_reference: Annotated[InternalReferenceType | None, implicit(1)] = None


# -- IPIG-ILL-Request-Extension, 1.0.10161.13.9


class RequestedMaterialFormat(Enumerated):
    """Requested-Material-Format ::= ENUMERATED."""

    archival_material = 1
    audio_cassette = 2
    audio_cD = 3
    computer_software = 4
    conference_proceedings = 5
    dVD = 6
    film8mm = 7
    film16_32mm = 8
    government_document = 9
    kit = 10
    legal_document = 11
    machine_readable_computer_file = 12
    manuscript = 13
    map = 14
    microform = 15
    monograph_bound = 16
    monograph_unbound = 17
    monograph_electronic = 18
    monograph_braille = 19
    music_score = 20
    newspaper_bound = 21
    newspaper_unbound = 22
    newspaper_film = 23
    official_publication = 24
    patent = 25
    phD_dissertation_own_institution = 26
    phD_dissertation_other_institution = 27
    photograph = 28
    serial_bound = 29
    serial_unbound = 30
    serial_microfilm = 31
    serial_microfiche = 32
    serial_opaque = 33
    serial_electonic = 34
    special_collection = 35
    standard = 36
    technical_report = 37
    thesis_own_institution = 38
    thesis_other_institution = 39
    translation = 40
    videocassette = 41
    videodisc = 42
    videorecording = 43
    videotape = 44
    other = 45


# in Dissertation-Thesis.type: CHOICE {
#     phD-dissertation [1] IMPLICIT NULL,
#     masters-thesis [2] IMPLICIT NULL,
#     undergraduate-honors-thesis [3] IMPLICIT NULL,
#     other [4] EXPLICIT ILL-String }
@dataclass(frozen=True, slots=True, kw_only=True)
class DissertationThesisKind(Choice):
    """The CHOICE of Dissertation-Thesis.type."""

    asn1_name: ClassVar[str] = "type"

    phD_dissertation: Annotated[Null | None, implicit(1)] = None
    masters_thesis: Annotated[Null | None, implicit(2)] = None
    undergraduate_honors_thesis: Annotated[Null | None, implicit(3)] = None
    other: Annotated[ILLString | None, explicit(4)] = None


# Dissertation-Thesis-Details ::= SEQUENCE {
#     granting-institution [1] EXPLICIT ILL-String OPTIONAL,
#     date-granted [2] EXPLICIT ILL-String OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class DissertationThesisDetails(Sequence):
    """Dissertation-Thesis-Details."""

    asn1_name: ClassVar[str] = "Dissertation-Thesis-Details"

    granting_institution: Annotated[ILLString | None, explicit(1)] = None
    date_granted: Annotated[ILLString | None, explicit(2)] = None


# Dissertation-Thesis ::= SEQUENCE {
#     type [1] EXPLICIT CHOICE OPTIONAL,
#     details [2] IMPLICIT Dissertation-Thesis-Details }
@dataclass(frozen=True, slots=True, kw_only=True)
class DissertationThesis(Sequence):
    """Dissertation-Thesis."""

    asn1_name: ClassVar[str] = "Dissertation-Thesis"

    type: Annotated[DissertationThesisKind | None, explicit(1)] = None
    details: Annotated[DissertationThesisDetails, implicit(2)]


# in Payment-Type.credit-card.type: CHOICE {
#     visa [1] IMPLICIT NULL,
#     master-card [2] IMPLICIT NULL,
#     american-express [3] IMPLICIT NULL,
#     diners-club [4] IMPLICIT NULL,
#     other [5] EXPLICIT ILL-String }
@dataclass(frozen=True, slots=True, kw_only=True)
class CreditCardIssuer(Choice):
    """The CHOICE of Payment-Type.credit-card.type."""

    asn1_name: ClassVar[str] = "type"

    visa: Annotated[Null | None, implicit(1)] = None
    master_card: Annotated[Null | None, implicit(2)] = None
    american_express: Annotated[Null | None, implicit(3)] = None
    diners_club: Annotated[Null | None, implicit(4)] = None
    other: Annotated[ILLString | None, explicit(5)] = None


# in Payment-Type.credit-card: SEQUENCE {
#     type [1] EXPLICIT CHOICE,
#     card-number [2] EXPLICIT ILL-String,
#     expiry-date [3] EXPLICIT ILL-String,
#     name-on-card [4] EXPLICIT ILL-String }
@dataclass(frozen=True, slots=True, kw_only=True)
class CreditCard(Sequence):
    """The SEQUENCE of Payment-Type.credit-card."""

    asn1_name: ClassVar[str] = "credit-card"

    type: Annotated[CreditCardIssuer, explicit(1)]
    card_number: Annotated[ILLString, explicit(2)] = field(repr=False)
    expiry_date: Annotated[ILLString, explicit(3)]
    name_on_card: Annotated[ILLString, explicit(4)] = field(repr=False)


# in Payment-Type.deposit-account: SEQUENCE {
#     account-name [1] EXPLICIT ILL-String,
#     account-number [2] EXPLICIT ILL-String }
@dataclass(frozen=True, slots=True, kw_only=True)
class DepositAccount(Sequence):
    """The SEQUENCE of Payment-Type.deposit-account."""

    asn1_name: ClassVar[str] = "deposit-account"

    account_name: Annotated[ILLString, explicit(1)]
    account_number: Annotated[ILLString, explicit(2)]


# in Payment-Type.bank-electronic-payment: SEQUENCE {
#     bank-name [1] EXPLICIT ILL-String,
#     bank-address [2] EXPLICIT ILL-String,
#     routing-number [3] EXPLICIT ILL-String,
#     account-number [4] EXPLICIT ILL-String }
@dataclass(frozen=True, slots=True, kw_only=True)
class BankElectronicPayment(Sequence):
    """The SEQUENCE of Payment-Type.bank-electronic-payment."""

    asn1_name: ClassVar[str] = "bank-electronic-payment"

    bank_name: Annotated[ILLString, explicit(1)]
    bank_address: Annotated[ILLString, explicit(2)]
    routing_number: Annotated[ILLString, explicit(3)]
    account_number: Annotated[ILLString, explicit(4)]


# in Payment-Type: CHOICE {
#     reciprocal-agreement [1] IMPLICIT NULL,
#     prepaid [2] IMPLICIT NULL,
#     uNESCO-voucher [3] IMPLICIT NULL,
#     aLIA-voucher [4] IMPLICIT NULL,
#     iFLA-voucher [5] IMPLICIT NULL,
#     other-voucher-or-coupon [6] EXPLICIT ILL-String,
#     rLG-shares [7] IMPLICIT NULL,
#     oCLC-iFM [8] IMPLICIT NULL,
#     other-payment-scheme [9] EXPLICIT ILL-String,
#     cash [10] IMPLICIT NULL,
#     check [11] IMPLICIT NULL,
#     credit-card [12] IMPLICIT SEQUENCE,
#     deposit-account [13] IMPLICIT SEQUENCE,
#     bank-electronic-payment [14] IMPLICIT SEQUENCE,
#     other-payment-type [15] EXPLICIT ILL-String }
@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentMethod(Choice):
    """The CHOICE of Payment-Type."""

    asn1_name: ClassVar[str] = "Payment-Type"

    reciprocal_agreement: Annotated[Null | None, implicit(1)] = None
    prepaid: Annotated[Null | None, implicit(2)] = None
    uNESCO_voucher: Annotated[Null | None, implicit(3)] = None
    aLIA_voucher: Annotated[Null | None, implicit(4)] = None
    iFLA_voucher: Annotated[Null | None, implicit(5)] = None
    other_voucher_or_coupon: Annotated[ILLString | None, explicit(6)] = None
    rLG_shares: Annotated[Null | None, implicit(7)] = None
    oCLC_iFM: Annotated[Null | None, implicit(8)] = None
    other_payment_scheme: Annotated[ILLString | None, explicit(9)] = None
    cash: Annotated[Null | None, implicit(10)] = None
    check: Annotated[Null | None, implicit(11)] = None
    credit_card: Annotated[CreditCard | None, implicit(12)] = None
    deposit_account: Annotated[DepositAccount | None, implicit(13)] = None
    bank_electronic_payment: Annotated[BankElectronicPayment | None, implicit(14)] = None
    other_payment_type: Annotated[ILLString | None, explicit(15)] = None


# Payment-Type ::= SEQUENCE OF CHOICE
PaymentType: TypeAlias = tuple[PaymentMethod, ...]


# Item-Language ::= SEQUENCE OF ILL-String
ItemLanguage: TypeAlias = tuple[ILLString, ...]


# Rights-Information ::= SEQUENCE {
#     rights-information-country [1] EXPLICIT ILL-String,
#     rights-information-type [2] EXPLICIT ILL-String,
#     rights-information-value [3] EXPLICIT ILL-String }
@dataclass(frozen=True, slots=True, kw_only=True)
class RightsInformation(Sequence):
    """Rights-Information."""

    asn1_name: ClassVar[str] = "Rights-Information"

    rights_information_country: Annotated[ILLString, explicit(1)]
    rights_information_type: Annotated[ILLString, explicit(2)]
    rights_information_value: Annotated[ILLString, explicit(3)]


# in IPIG-ILL-Request-Extension: CHOICE {
#     uniform-title [0] EXPLICIT ILL-String,
#     material-type [1] EXPLICIT Requested-Material-Format,
#     responder-specific-info [2] EXPLICIT ILL-String,
#     dissertation-thesis [3] EXPLICIT Dissertation-Thesis,
#     volume [4] EXPLICIT ILL-String,
#     issue-number [5] EXPLICIT ILL-String,
#     affiliations [6] EXPLICIT ILL-String,
#     requested-material-language [7] EXPLICIT Item-Language,
#     form-content-info [8] EXPLICIT ILL-String,
#     payment-method [9] EXPLICIT Payment-Type,
#     this-edition-only [10] IMPLICIT NULL,
#     unique-item-iD [11] EXPLICIT ILL-String,
#     rights-info [12] EXPLICIT Rights-Information }
@dataclass(frozen=True, slots=True, kw_only=True)
class RequestDetail(Choice):
    """The CHOICE of IPIG-ILL-Request-Extension."""

    asn1_name: ClassVar[str] = "IPIG-ILL-Request-Extension"

    uniform_title: Annotated[ILLString | None, explicit(0)] = None
    material_type: Annotated[RequestedMaterialFormat | Unlisted | None, explicit(1)] = None
    responder_specific_info: Annotated[ILLString | None, explicit(2)] = None
    dissertation_thesis: Annotated[DissertationThesis | None, explicit(3)] = None
    volume: Annotated[ILLString | None, explicit(4)] = None
    issue_number: Annotated[ILLString | None, explicit(5)] = None
    affiliations: Annotated[ILLString | None, explicit(6)] = None
    requested_material_language: Annotated[ItemLanguage | None, explicit(7)] = None
    form_content_info: Annotated[ILLString | None, explicit(8)] = None
    payment_method: Annotated[PaymentType | None, explicit(9)] = None
    this_edition_only: Annotated[Null | None, implicit(10)] = None
    unique_item_iD: Annotated[ILLString | None, explicit(11)] = None
    rights_info: Annotated[RightsInformation | None, explicit(12)] = None


# IPIG-ILL-Request-Extension ::= SEQUENCE OF CHOICE
@dataclass(frozen=True, slots=True)
class IPIGILLRequestExtension(SequenceOfType):
    """IPIG-ILL-Request-Extension."""

    asn1_name: ClassVar[str] = "IPIG-ILL-Request-Extension"

    elements: tuple[RequestDetail, ...]


# -- IPIG-System-Number, 1.0.10161.6.1


class WellKnownSystem(Enumerated):
    """Well-Known-System ::= ENUMERATED."""

    library_of_Congress = 1
    bNB = 2
    canadiana = 3
    oCLC = 4
    dialog = 5
    rLIN = 6
    wLN = 7
    cARL = 8


# in IPIG-system-number.type: CHOICE {
#     well-known [1] EXPLICIT Well-Known-System,
#     other [2] EXPLICIT System-Id }
@dataclass(frozen=True, slots=True, kw_only=True)
class SystemNumberSystem(Choice):
    """The CHOICE of IPIG-system-number.type."""

    asn1_name: ClassVar[str] = "type"

    well_known: Annotated[WellKnownSystem | Unlisted | None, explicit(1)] = None
    other: Annotated[SystemId | None, explicit(2)] = None


# in IPIG-system-number: SEQUENCE {
#     type CHOICE,
#     database-ID [3] EXPLICIT ILL-String OPTIONAL,
#     number [4] EXPLICIT ILL-String }
@dataclass(frozen=True, slots=True, kw_only=True)
class SystemNumber(Sequence):
    """The SEQUENCE of IPIG-system-number."""

    asn1_name: ClassVar[str] = "IPIG-system-number"

    type: SystemNumberSystem
    database_ID: Annotated[ILLString | None, explicit(3)] = None
    number: Annotated[ILLString, explicit(4)]


# IPIG-system-number ::= SEQUENCE OF SEQUENCE
@dataclass(frozen=True, slots=True)
class IPIGSystemNumber(SequenceOfType):
    """IPIG-system-number."""

    asn1_name: ClassVar[str] = "IPIG-system-number"

    elements: tuple[SystemNumber, ...]


# -- OCLCILLService, 1.0.10161.4.1000.2.1


class OCLCILLServiceType(Enumerated):
    """OCLCILLServiceType ::= ENUMERATED."""

    directToProfile = 1
    directToLender = 2
    directToReview = 3


# OCLCILLService ::= SEQUENCE {
#     oCLCILLServiceType [0] IMPLICIT OCLCILLServiceType }
@dataclass(frozen=True, slots=True, kw_only=True)
class OCLCILLService(Sequence):
    """OCLCILLService."""

    asn1_name: ClassVar[str] = "OCLCILLService"

    oCLCILLServiceType: Annotated[OCLCILLServiceType | Unlisted, implicit(0)]


# -- OCLCSpecificResults, 1.0.10161.8.1000.2.1


class OCLCSpecificStatus(Enumerated):
    """OCLCSpecificStatus ::= ENUMERATED."""

    review = 1
    reviewInProcess = 2
    saved = 3


class ReasonInReview(Enumerated):
    """ReasonInReview ::= ENUMERATED."""

    reasonUnknown = 1
    reasonOther = 2
    directToReviewService = 3
    noBibRecordNumbers = 4
    noBibRecordMatched = 5
    multipleBibRecordsMatched = 6
    problemMatchingBibRecord = 7
    noProfilesDefined = 8
    noProfileMatched = 9
    problemMatchingProfile = 10
    heldByYourLibrary = 11
    noValidLenders = 12
    firstLenderInvalid = 13
    notEnoughLenders = 14
    serialItem = 15
    holdingsPathNotFound = 16
    invalidHoldingsPath = 17
    noCustomHoldings = 18
    noPreferredLenders = 19
    constantDataNotFound = 20
    invalidNeedBeforeDate = 21
    invalidCopyrightCompliance = 22
    noShipToAddress = 23
    maxCostInvalidForIfm = 24
    produceOptionInProfileOff = 25
    noVerification = 26
    noTitle = 27
    noMainTitle = 28
    heldByYourCustomHoldingsGroup = 29
    holdingsGroupNotFound = 30
    potentialDuplicateRequest = 31


# in ReasonInReviewList: SEQUENCE {
#     reasonInReview [0] IMPLICIT ReasonInReview,
#     reasonInReviewText [1] EXPLICIT ILL-String OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewReason(Sequence):
    """The SEQUENCE of ReasonInReviewList."""

    asn1_name: ClassVar[str] = "ReasonInReviewList"

    reasonInReview: Annotated[ReasonInReview | Unlisted, implicit(0)]
    reasonInReviewText: Annotated[ILLString | None, explicit(1)] = None


# ReasonInReviewList ::= SEQUENCE OF SEQUENCE
ReasonInReviewList: TypeAlias = tuple[ReviewReason, ...]


# OCLCSpecificResults ::= SEQUENCE {
#     oclcSpecificStatus [0] IMPLICIT OCLCSpecificStatus,
#     reasonInReviewList [1] IMPLICIT ReasonInReviewList OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class OCLCSpecificResults(Sequence):
    """OCLCSpecificResults."""

    asn1_name: ClassVar[str] = "OCLCSpecificResults"

    oclcSpecificStatus: Annotated[OCLCSpecificStatus | Unlisted, implicit(0)]
    reasonInReviewList: Annotated[ReasonInReviewList | None, implicit(1)] = None


# -- OCLC-Shipped-Extension, 1.0.10161.13.1000.2.6


# OCLC-Shipped-Extension ::= SEQUENCE {
#     paymentMethod [0] EXPLICIT ILL-String }
@dataclass(frozen=True, slots=True, kw_only=True)
class OCLCShippedExtension(Sequence):
    """OCLC-Shipped-Extension."""

    asn1_name: ClassVar[str] = "OCLC-Shipped-Extension"

    paymentMethod: Annotated[ILLString, explicit(0)]


# -- Intermediary-Control, 1.0.10161.13.1000.2.7


class IntermediaryActions(Enumerated):
    """Intermediary-Actions ::= ENUMERATED."""

    statusInformation = 1
    controlRequest = 2
    controlRelease = 3
    controlDenied = 4


# in Intermediary-Responder-Control.resultsExplanation: CHOICE {
#     conditionalResults [1] EXPLICIT Conditional-Results,
#     retryResults [2] EXPLICIT Retry-Results,
#     unfilledResults [3] EXPLICIT Unfilled-Results,
#     locationsResults [4] EXPLICIT Locations-Results,
#     willSupplyResults [5] EXPLICIT Will-Supply-Results,
#     holdPlacedResults [6] EXPLICIT Hold-Placed-Results,
#     estimateResults [7] EXPLICIT Estimate-Results }
@dataclass(frozen=True, slots=True, kw_only=True)
class IntermediaryResultsExplanation(Choice):
    """The CHOICE of Intermediary-Responder-Control.resultsExplanation."""

    asn1_name: ClassVar[str] = "resultsExplanation"

    conditionalResults: Annotated[ConditionalResults | None, explicit(1)] = None
    retryResults: Annotated[RetryResults | None, explicit(2)] = None
    unfilledResults: Annotated[UnfilledResults | None, explicit(3)] = None
    locationsResults: Annotated[LocationsResults | None, explicit(4)] = None
    willSupplyResults: Annotated[WillSupplyResults | None, explicit(5)] = None
    holdPlacedResults: Annotated[HoldPlacedResults | None, explicit(6)] = None
    estimateResults: Annotated[EstimateResults | None, explicit(7)] = None


# Intermediary-Responder-Control ::= SEQUENCE {
#     transactionResults [1] IMPLICIT Transaction-Results,
#     resultsExplanation [2] EXPLICIT CHOICE OPTIONAL,
#     responderId [3] IMPLICIT System-Id }
@dataclass(frozen=True, slots=True, kw_only=True)
class IntermediaryResponderControl(Sequence):
    """Intermediary-Responder-Control."""

    asn1_name: ClassVar[str] = "Intermediary-Responder-Control"

    transactionResults: Annotated[TransactionResults | Unlisted, implicit(1)]
    resultsExplanation: Annotated[IntermediaryResultsExplanation | None, explicit(2)] = None
    responderId: Annotated[SystemId, implicit(3)]


# Intermediary-Control ::= SEQUENCE {
#     actionFlag [0] IMPLICIT Intermediary-Actions,
#     lastResponder [1] IMPLICIT Intermediary-Responder-Control OPTIONAL,
#     currentResponderId [2] IMPLICIT System-Id OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class IntermediaryControl(Sequence):
    """Intermediary-Control."""

    asn1_name: ClassVar[str] = "Intermediary-Control"

    actionFlag: Annotated[IntermediaryActions | Unlisted, implicit(0)]
    lastResponder: Annotated[IntermediaryResponderControl | None, implicit(1)] = None
    currentResponderId: Annotated[SystemId | None, implicit(2)] = None


# -- AccessControlFormat-prompt-1 of Z39.50-1995, 1.2.840.10003.8.1


# InternationalString ::= GeneralString
InternationalString: TypeAlias = Annotated[bytes, Named("InternationalString", Primitive.GENERAL_STRING)]


# OCTET STRING
OctetString: TypeAlias = Annotated[bytes, Named("OCTET STRING", Primitive.OCTET_STRING)]


# VisibleString
VisibleString: TypeAlias = Annotated[str, Named("VisibleString", Primitive.VISIBLE_STRING)]


# in PromptId.enumeratedPrompt: SEQUENCE {
#     type [1] IMPLICIT INTEGER -- groupId 0, userId 1, password 2, newPassword 3, copyright 4, sessionId 5
#     suggestedString [2] IMPLICIT InternationalString OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class EnumeratedPrompt(Sequence):
    """The SEQUENCE of PromptId.enumeratedPrompt."""

    asn1_name: ClassVar[str] = "enumeratedPrompt"

    type: Annotated[int, implicit(1)]
    suggestedString: Annotated[InternationalString | None, implicit(2)] = None


USER_ID: Final = 1
"""EnumeratedPrompt.type userId."""
PASSWORD: Final = 2
"""EnumeratedPrompt.type password."""


# PromptId ::= CHOICE {
#     enumeratedPrompt [1] IMPLICIT SEQUENCE,
#     nonEnumeratedPrompt [2] IMPLICIT InternationalString }
@dataclass(frozen=True, slots=True, kw_only=True)
class PromptId(Choice):
    """PromptId."""

    asn1_name: ClassVar[str] = "PromptId"

    enumeratedPrompt: Annotated[EnumeratedPrompt | None, implicit(1)] = None
    nonEnumeratedPrompt: Annotated[InternationalString | None, implicit(2)] = None


# Encryption ::= SEQUENCE {
#     cryptType [1] IMPLICIT OCTET STRING OPTIONAL,
#     credential [2] IMPLICIT OCTET STRING OPTIONAL,
#     data [3] IMPLICIT OCTET STRING }
@dataclass(frozen=True, slots=True, kw_only=True)
class Encryption(Sequence):
    """Encryption."""

    asn1_name: ClassVar[str] = "Encryption"

    cryptType: Annotated[OctetString | None, implicit(1)] = None
    credential: Annotated[OctetString | None, implicit(2)] = field(default=None, repr=False)
    data: Annotated[OctetString, implicit(3)] = field(repr=False)


# in DefaultDiagFormat.addinfo: CHOICE {
#     v2Addinfo VisibleString,
#     v3Addinfo InternationalString }
@dataclass(frozen=True, slots=True, kw_only=True)
class Addinfo(Choice):
    """The CHOICE of DefaultDiagFormat.addinfo."""

    asn1_name: ClassVar[str] = "addinfo"

    v2Addinfo: VisibleString | None = None
    v3Addinfo: InternationalString | None = None


# DefaultDiagFormat ::= SEQUENCE {
#     diagnosticSetId OBJECT IDENTIFIER,
#     condition INTEGER,
#     addinfo CHOICE }
@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultDiagFormat(Sequence):
    """DefaultDiagFormat."""

    asn1_name: ClassVar[str] = "DefaultDiagFormat"

    diagnosticSetId: ObjectIdentifier
    condition: int
    addinfo: Addinfo


# DiagRec ::= CHOICE {
#     defaultFormat DefaultDiagFormat,
#     externallyDefined EXTERNAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class DiagRec(Choice):
    """DiagRec."""

    asn1_name: ClassVar[str] = "DiagRec"

    defaultFormat: DefaultDiagFormat | None = None
    externallyDefined: External | None = None


# in Challenge.promptInfo: CHOICE {
#     character [1] IMPLICIT InternationalString,
#     encrypted [2] IMPLICIT Encryption }
@dataclass(frozen=True, slots=True, kw_only=True)
class PromptInfo(Choice):
    """The CHOICE of Challenge.promptInfo."""

    asn1_name: ClassVar[str] = "promptInfo"

    character: Annotated[InternationalString | None, implicit(1)] = None
    encrypted: Annotated[Encryption | None, implicit(2)] = None


# in Challenge: SEQUENCE {
#     promptId [1] EXPLICIT PromptId,
#     defaultResponse [2] IMPLICIT InternationalString OPTIONAL,
#     promptInfo [3] EXPLICIT CHOICE OPTIONAL,
#     regExpr [4] IMPLICIT InternationalString OPTIONAL,
#     responseRequired [5] IMPLICIT NULL OPTIONAL,
#     allowedValues [6] IMPLICIT SEQUENCE OF InternationalString OPTIONAL,
#     shouldSave [7] IMPLICIT NULL OPTIONAL,
#     dataType [8] IMPLICIT INTEGER OPTIONAL -- integer 1 to boolean 6
#     diagnostic [9] IMPLICIT EXTERNAL OPTIONAL }
@dataclass(frozen=True, slots=True, kw_only=True)
class ChallengeUnit(Sequence):
    """The SEQUENCE of Challenge."""

    asn1_name: ClassVar[str] = "Challenge"

    promptId: Annotated[PromptId, explicit(1)]
    defaultResponse: Annotated[InternationalString | None, implicit(2)] = None
    promptInfo: Annotated[PromptInfo | None, explicit(3)] = None
    regExpr: Annotated[InternationalString | None, implicit(4)] = None
    responseRequired: Annotated[Null | None, implicit(5)] = None
    allowedValues: Annotated[tuple[InternationalString, ...] | None, implicit(6)] = None
    shouldSave: Annotated[Null | None, implicit(7)] = None
    dataType: Annotated[int | None, implicit(8)] = None
    diagnostic: Annotated[External | None, implicit(9)] = None


# in Response.promptResponse: CHOICE {
#     string [1] IMPLICIT InternationalString,
#     accept [2] IMPLICIT BOOLEAN,
#     acknowledge [3] IMPLICIT NULL,
#     diagnostic [4] EXPLICIT DiagRec,
#     encrypted [5] IMPLICIT Encryption }
@dataclass(frozen=True, slots=True, kw_only=True)
class PromptResponse(Choice):
    """The CHOICE of Response.promptResponse. A password comes as `string`, which is kept out of the repr."""

    asn1_name: ClassVar[str] = "promptResponse"

    string: Annotated[InternationalString | None, implicit(1)] = field(default=None, repr=False)
    accept: Annotated[bool | None, implicit(2)] = None
    acknowledge: Annotated[Null | None, implicit(3)] = None
    diagnostic: Annotated[DiagRec | None, explicit(4)] = None
    encrypted: Annotated[Encryption | None, implicit(5)] = None


# in Response: SEQUENCE {
#     promptId [1] EXPLICIT PromptId,
#     promptResponse [2] EXPLICIT CHOICE }
@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseUnit(Sequence):
    """The SEQUENCE of Response."""

    asn1_name: ClassVar[str] = "Response"

    promptId: Annotated[PromptId, explicit(1)]
    promptResponse: Annotated[PromptResponse, explicit(2)]


# PromptObject ::= CHOICE {
#     challenge [1] IMPLICIT Challenge,
#     response [2] IMPLICIT Response }, each a SEQUENCE OF SEQUENCE
@dataclass(frozen=True, slots=True, kw_only=True)
class PromptObject1(Choice):
    """PromptObject of prompt-1: OCLC-style clients log in with a response in their first request."""

    asn1_name: ClassVar[str] = "PromptObject1"

    challenge: Annotated[tuple[ChallengeUnit, ...] | None, implicit(1)] = None
    response: Annotated[tuple[ResponseUnit, ...] | None, implicit(2)] = None


ExtensionValue: TypeAlias = (
    OCLCPrismIllError
    | OCLCILLRequestExtension
    | APDUDeliveryInfo
    | SupplementalClientInfo
    | ForwardedAddInfo
    | AdditionalUserErrorReportInfo
    | SuppliersReference
    | InternalReference
    | IPIGILLRequestExtension
    | IPIGSystemNumber
    | OCLCILLService
    | OCLCSpecificResults
    | OCLCShippedExtension
    | IntermediaryControl
    | PromptObject1
)

EXTENSIONS: Final[Mapping[ObjectIdentifier, type[ExtensionValue]]] = MappingProxyType(
    {
        ObjectIdentifier("1.0.10161.13.1"): OCLCPrismIllError,
        ObjectIdentifier("1.0.10161.13.2"): OCLCILLRequestExtension,
        ObjectIdentifier("1.0.10161.13.3"): APDUDeliveryInfo,
        ObjectIdentifier("1.0.10161.13.4"): SupplementalClientInfo,
        ObjectIdentifier("1.0.10161.13.5"): ForwardedAddInfo,
        ObjectIdentifier("1.0.10161.13.6"): AdditionalUserErrorReportInfo,
        ObjectIdentifier("1.0.10161.13.7"): SuppliersReference,
        ObjectIdentifier("1.0.10161.13.8"): InternalReference,
        ObjectIdentifier("1.0.10161.13.9"): IPIGILLRequestExtension,
        ObjectIdentifier("1.0.10161.6.1"): IPIGSystemNumber,
        ObjectIdentifier("1.0.10161.4.1000.2.1"): OCLCILLService,
        ObjectIdentifier("1.0.10161.8.1000.2.1"): OCLCSpecificResults,
        ObjectIdentifier("1.0.10161.13.1000.2.6"): OCLCShippedExtension,
        ObjectIdentifier("1.0.10161.13.1000.2.7"): IntermediaryControl,
        ObjectIdentifier("1.2.840.10003.8.1"): PromptObject1,
    }
)
"""The types that are known, by the direct-reference of the EXTERNAL that holds a value of them."""

OBJECT_IDENTIFIERS: Final[Mapping[type[ExtensionValue], ObjectIdentifier]] = MappingProxyType(
    {kind: identifier for identifier, kind in EXTENSIONS.items()}
)
"""The object identifier under which a value of each type travels."""

E = TypeVar("E", bound=ExtensionValue)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownExtension:
    """A value whose type is not known here: kept as it came.

    Args:
        object_identifier: what it says its type is; None where it does not say so by object identifier.
        octets: of an Extension its whole item; of an EXTERNAL the contents of its encoding.
    """

    object_identifier: ObjectIdentifier | None
    octets: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenExtension:
    """A value that says it is of a type that is known here, and is not: kept as it came.

    Args:
        object_identifier: what it says its type is.
        octets: as of `UnknownExtension`.
        reason, offset, path: what is wrong and where, as of a WireError; the offset is from the first of the
            octets that were to be the value.
    """

    object_identifier: ObjectIdentifier
    octets: bytes = field(repr=False)
    reason: str
    offset: int
    path: str


ExtensionReading: TypeAlias = ExtensionValue | UnknownExtension | BrokenExtension
"""What can be said of the contents of an EXTERNAL."""


def wire_type_of(kind: type[ExtensionValue]) -> Type:
    """Give the type of the abstract syntax that a class of `EXTENSIONS` stands for."""
    if issubclass(kind, SequenceOfType):
        return describe(cast("type[Sequence]", kind))[0].wire_type
    return kind


def decode_extension(kind: type[E], octets: bytes, limits: Limits = _DEFAULT_LIMITS) -> E:
    """Decode a value of one of the registered types.

    Args:
        kind: a class of `EXTENSIONS`.
        octets: its value in BER, and nothing after it.
        limits: what is accepted at most.

    Raises:
        WireError: the octets are anything else.
    """
    registered = cast("type[ExtensionValue]", kind)
    try:
        value = decode_value(wire_type_of(registered), octets, limits)
    except WireError as error:
        if not issubclass(registered, SequenceOfType):
            raise
        # A SEQUENCE OF has no name of its own.
        path = registered.asn1_name + error.path.removeprefix("value")
        raise WireError(error.reason, offset=error.offset, path=path, kind=error.kind) from None
    return cast("E", registered(value) if issubclass(registered, SequenceOfType) else value)


def encode_extension(value: ExtensionValue) -> bytes:
    """Encode a value of one of the registered types.

    Raises:
        TypeError, ValueError: as `asn1.codec.encode`.
    """
    elements = value.elements if isinstance(value, SequenceOfType) else value
    return encode_value(elements, wire_type_of(type(value)))


def external_of(external: External, limits: Limits = _DEFAULT_LIMITS) -> ExtensionReading:
    """Give the value in an EXTERNAL, such as that of system-no.

    An encoding that is octet-aligned is taken for the BER that it is in practice (X.690 8.18 leaves it to the
    transfer syntax, and no other is known for these types).

    Args:
        external: the EXTERNAL.
        limits: what is accepted at most of its contents.
    """
    octets = _contents(external)
    kind = None if external.direct_reference is None else EXTENSIONS.get(external.direct_reference)
    if kind is None:
        return UnknownExtension(object_identifier=external.direct_reference, octets=octets)
    return _read(kind, octets, octets, limits)


def extensions_of(apdu: Apdu) -> tuple[Extension, ...]:
    """Give the extensions of an APDU, which are the last component of each type."""
    extensions: tuple[Extension, ...] | None = getattr(apdu, describe(type(apdu))[-1].attribute)
    return extensions or ()


def extension_of(extension: Extension, limits: Limits = _DEFAULT_LIMITS) -> ExtensionReading:
    """Give the value of an Extension: that of the EXTERNAL that its item is.

    Args:
        extension: as it came; its identifier says nothing: 1 is in use for everything.
        limits: what is accepted at most of its contents.
    """
    item = extension.item.octets
    try:
        external = decode_value(Primitive.EXTERNAL, item, limits)
    except WireError:
        return UnknownExtension(object_identifier=None, octets=item)
    kind = None if external.direct_reference is None else EXTENSIONS.get(external.direct_reference)
    if kind is None:
        return UnknownExtension(object_identifier=external.direct_reference, octets=item)
    return _read(kind, _contents(external), item, limits)


def make_external(value: ExtensionValue) -> External:
    """Give the EXTERNAL that holds a value: its object identifier and single-ASN1-type, as all are sent.

    Raises:
        TypeError, ValueError: as `asn1.codec.encode`.
    """
    return External(
        direct_reference=OBJECT_IDENTIFIERS[type(value)],
        encoding=SingleASN1Type(encode_extension(value)),
    )


def make_extension(value: ExtensionValue, *, identifier: int = 1, critical: bool = False) -> Extension:
    """Give the Extension that holds a value.

    Args:
        value: of a type of `EXTENSIONS`.
        identifier: 1 is what everybody sends (protocol.md 3, read off yaz-illclient).
        critical: whether a receiver that does not understand it has to refuse the APDU.

    Raises:
        TypeError, ValueError: as `asn1.codec.encode`.
    """
    item = encode_value(make_external(value), Primitive.EXTERNAL)
    return Extension(identifier=identifier, critical=critical, item=AnyValue(item))


def _read(kind: type[ExtensionValue], octets: bytes, kept: bytes, limits: Limits) -> ExtensionReading:
    try:
        return decode_extension(kind, octets, limits)
    except WireError as error:
        return BrokenExtension(
            object_identifier=OBJECT_IDENTIFIERS[kind],
            octets=kept,
            reason=error.reason,
            offset=error.offset,
            path=error.path,
        )


def _contents(external: External) -> bytes:
    match external.encoding:
        case SingleASN1Type(octets) | OctetAligned(octets):
            return octets
        case Arbitrary(bits):
            return bits.octets
        case _:
            assert_never(external.encoding)
