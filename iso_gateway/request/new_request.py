"""A request of our own, before it is an ILL-REQUEST: what a request file says, and what code asks for.

The text under a field is its line in docs/request-file.md, so it says what library staff need to know. The
values are plain dataclasses; `iso_gateway.request.request_file` reads them from files and is where they are
checked. Whoever builds one in code is told by `iso_gateway.compose.ill_request` what an APDU cannot say.
"""

from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field, with_config

from asn1.ill import ILLServiceType, PlaceOnHoldType
from config.fields import Flag
from iso_gateway.request.primitives import Amount, PostalAddress
from iso_gateway.request.request_fields import (
    Day,
    HoldName,
    IsbnText,
    IssnText,
    ItemTypeName,
    LevelOfService,
    LibrarySymbol,
    Line,
    MediumName,
    NoteText,
    RequestNumber,
    ServiceName,
    SpecificServiceName,
    SupplyMediumName,
    SystemName,
)


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class SystemNumber:
    """A number by which a bibliographic system knows the item."""

    system: SystemName
    """Whose number it is, as `oclc`."""
    database: Line | None = None
    """The database of that system, where it has several."""
    number: Line
    """The number."""


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What is asked for: the bibliographic description. At least a title, of the whole or of the article."""

    item_type: ItemTypeName | None = None
    """What it is."""
    medium: MediumName | None = None
    """In what form the library that is asked holds it."""
    call_number: Line | None = None
    """Call number at the library that is asked."""
    author: Line | None = None
    """Author of the whole."""
    title: Line | None = None
    """Title of the whole: the book, or the journal that an article is in."""
    sub_title: Line | None = None
    """Subtitle."""
    sponsoring_body: Line | None = None
    """Corporate body behind it."""
    place_of_publication: Line | None = None
    """Place of publication."""
    publisher: Line | None = None
    """Publisher."""
    series: Line | None = None
    """Title and number of the series."""
    volume_issue: Line | None = None
    """Volume and issue."""
    edition: Line | None = None
    """Edition."""
    publication_date: Line | None = None
    """Date of publication, as it is cited."""
    component_date: Line | None = None
    """Date of the issue or part that is wanted, as it is cited."""
    article_author: Line | None = None
    """Author of the article or chapter."""
    article_title: Line | None = None
    """Title of the article or chapter."""
    pages: Line | None = None
    """Its pages."""
    isbn: IsbnText | None = None
    """ISBN of 10 or 13 digits, with or without hyphens."""
    issn: IssnText | None = None
    """ISSN, with or without hyphen."""
    other_numbers: Line | None = None
    """Any other number or letters that tell it from others, as an OCLC number."""
    system_numbers: Annotated[tuple[SystemNumber, ...], Field(max_length=20)] = ()
    """The numbers that bibliographic systems have given it; most software shows `other_numbers` sooner."""
    verified_in: Line | None = None
    """Where the citation was verified."""


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class ElectronicAddress:
    """Where a document is delivered by network."""

    service: Line
    """The service, as `SMTP` or `FTP`."""
    address: Line
    """The address there, as `ill@library.example`."""


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where something goes, by post, by network or both: the library's address, never the patron's."""

    postal: PostalAddress | None = None
    """By post."""
    electronic: ElectronicAddress | None = None
    """By network."""


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Who pays, and how much at most."""

    account: Line | None = None
    """Our account at the library that is asked."""
    maximum: Amount | None = None
    """The most that we pay."""
    reciprocal: Flag = False
    """Whether an agreement makes it free both ways."""
    will_pay: Flag = False
    """Whether we pay a fee."""
    paid: Flag = False
    """Whether we have paid already."""


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """The patron, as far as the partner may be told: only where its profile says `client_id = "forward"`."""

    name: Line | None = None
    """Name."""
    status: Line | None = None
    """Kind of patron, as `graduate`."""
    identifier: Line | None = None
    """Number, as that of the library card."""


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class NewRequest:
    """A request file: what is asked of a partner. Which partner, and for which library, the command says."""

    item: Item
    """What is asked for."""
    services: Annotated[tuple[ServiceName, ...], Field(min_length=1, max_length=5)] = (ILLServiceType.loan,)
    """What would serve, the most welcome first."""
    specific_service: SpecificServiceName | None = None
    """What `responder-specific` among the services means; OCLC's are the only ones with a registered form."""
    need_before: Day | None = None
    """The day after which it is of no use."""
    expires: Day | None = None
    """The day at whose end the request expires if it has not been answered; left out, it does not expire."""
    level_of_service: LevelOfService | None = None
    """How urgent it is, in a letter that the libraries agreed on."""
    media: Annotated[tuple[SupplyMediumName, ...], Field(max_length=7)] = ()
    """In which forms it may be supplied, the most welcome first."""
    hold: HoldName = PlaceOnHoldType.according_to_responder_policy
    """Whether to place it on hold where it is not available now."""
    delivery: Address | None = None
    """Where to deliver it."""
    transport: Line | None = None
    """How a thing may travel, in words, as `courier`."""
    billing: Address | None = None
    """Where the bill goes, if not to the delivery address."""
    cost: Cost | None = None
    """Who pays."""
    copyright: Line | None = None
    """Which rule of copyright the request complies with, as `CA:fair-dealing`."""
    may_forward: Flag = False
    """Whether the library that is asked may hand the request on to another one."""
    send_to: Annotated[tuple[LibrarySymbol, ...], Field(max_length=100)] = ()
    """To which libraries it may be handed on; needs `may_forward`. Left out, to any."""
    send_in_order: Flag = False
    """Whether those libraries are to be asked in the order in which they stand."""
    already_tried: tuple[LibrarySymbol, ...] = ()
    """Libraries that were asked before, so that it is not handed on to them."""
    reference: Line | None = None
    """Our own number of the request; the partner is told it too."""
    note: NoteText | None = None
    """A note to the partner. Nothing about the patron."""
    retry_of: RequestNumber | None = None
    """The number of the request of ours that this one tries again."""
    client: Client | None = field(default=None, repr=False)
    """The patron; stays in the gateway, encrypted, unless the partner's profile says otherwise."""
    patron_contact: NoteText | None = field(default=None, repr=False)
    """How to reach the patron. Never leaves the gateway, whatever a profile says."""
