"""The settings of a gateway as typed values: its listeners, its own symbols, its partners and the routes.

The text under a field is its line in docs/configuration.md, so it says what an operator needs. The values are
plain dataclasses; `config.loading` reads them from files and is the only place where they are checked.
Imports nothing of ours outside `config`.
"""

from dataclasses import dataclass, field
from datetime import time, timedelta
from enum import Enum, StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, with_config

from config.fields import (
    CalendarDay,
    Count,
    Days,
    Depth,
    Duration,
    Elements,
    Factor,
    Flag,
    GraceDays,
    HolidayRegion,
    HookUrl,
    Host,
    ListeningPort,
    MailAddress,
    MailSender,
    Name,
    NetworkText,
    Octets,
    PathText,
    Port,
    PublicAddress,
    RouteEnd,
    RuleSettings,
    Share,
    SymbolText,
    Text,
    TimeOfDay,
    Wait,
    ZoneName,
)
from config.senders import comparable
from config.symbols import Symbol, SymbolIndex

ANY_PARTNER: Final = "*"
"""In a route: every partner that has no route of its own."""

DEFAULT_TIME_ZONE: Final = "America/Vancouver"
"""The gateway was made for British Columbia; APDUs carry local times without a zone."""


class ListenerMode(Enum):
    """How a TCP connection is used (protocol.md 5.4)."""

    ONE_WAY = "one-way"
    """Who connects sends, the other never does; the usual port is 1611."""
    TWO_WAY = "two-way"
    """Both send; the usual port is 499."""


class RouteMode(Enum):
    """Where the gateway stands in a conversation."""

    SERVE = "serve"
    """The gateway is the endpoint for the local symbol."""
    RELAY = "relay"
    """The gateway stands between Illume and the partner and observes; not in this version."""


class Side(Enum):
    """On which side of the gateway a partner is."""

    PARTNER = "partner"
    """A library with ILL software of its own."""
    ILLUME = "illume"
    """Illume itself."""


class Dialect(Enum):
    """How far what a partner writes may depart from the abstract syntax."""

    STRICT = "strict"
    """Only what the abstract syntax allows."""
    STANDARD = "standard"
    """That, and the departures that nobody can misunderstand."""
    BIBLIO_ILL = "biblio-ill"
    """That, and how the Perl library Biblio::ILL::ISO writes APDUs."""


class CharacterSet(Enum):
    """How the octets of a partner's strings are read, and ours written; they are always kept as they came."""

    UTF_8 = "utf-8"
    LATIN_1 = "latin-1"


class TableProfile(Enum):
    """Which state tables a partner is held to."""

    STRICT = "strict"
    """The tables of the standard."""
    LENIENT = "lenient"
    """Those, and the transitions that real partners make although the standard does not have them."""


class Acknowledge(Enum):
    """What a partner is told when its request has arrived."""

    NONE = "none"
    """Nothing, as the protocol has it."""
    STATUS_REPORT = "status-report"
    """A Status-Or-Error-Report with the status of the request, on the connection the request came by."""


class WhenOverdue(Enum):
    """What follows when an item that a partner borrowed is not back in time."""

    NOTHING = "nothing"
    """Nobody watches it."""
    ATTENTION = "attention"
    """Our staff are told."""
    SEND = "send"
    """The partner is sent OVERDUE."""


class ClientIdPolicy(Enum):
    """What becomes of the Client-Id, which names the patron, in APDUs from and to a partner."""

    KEEP = "keep"
    """It stays in the gateway, encrypted, and goes to nobody."""
    FORWARD = "forward"
    """It is sent on to this partner."""


class MailTls(Enum):
    """How the connection to our own mail server is protected."""

    NONE = "none"
    """Not at all: for a server on this machine, or behind a tunnel."""
    STARTTLS = "starttls"
    """It begins in the clear and goes on with TLS, or is not used; the usual port is 587 or 25."""
    TLS = "tls"
    """It is TLS from the first octet on; the usual port is 465."""


class Unclear(Enum):
    """What becomes of an APDU that a partner may have or not; TCP has no receipt that would tell."""

    RETRY = "retry"
    """It is sent again with identical octets, which an ISO 10161 system takes for the duplicate they are."""
    DELIVERED = "delivered"
    """It counts as delivered; if it was lost on the way, nobody sends it again."""
    HOLD = "hold"
    """It is held back, and with it what follows it in its request, until an operator decides."""


class DocumentLink(Enum):
    """Where, in a Shipped, a partner's software shows the link to a document."""

    NOTE = "note"
    """In the note."""
    ELECTRONIC_DELIVERY = "electronic-delivery"
    """In the details of electronic delivery; version 2 of the protocol only, else in the note."""
    NONE = "none"
    """Nowhere: a Shipped says nothing of it."""


class Language(Enum):
    """In which language a library is written to."""

    ENGLISH = "en"
    FRENCH = "fr"


class Wish(Enum):
    """How much the gateway asks of a partner that it sends an optional message (protocol.md 2.7)."""

    REQUIRES = "requires"
    """A partner that cannot send it refuses the request."""
    DESIRES = "desires"
    """It sends it if it can."""
    NEITHER = "neither"
    """It may leave it out."""


class LogLevel(Enum):
    """From which severity on something is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(Enum):
    """How a log line is written."""

    JSON = "json"
    """One JSON object a line, for journald and what reads it."""
    CONSOLE = "console"
    """For people."""


class ApduName(Enum):
    """The twenty APDU types, as the standard spells them (protocol.md section 2)."""

    ILL_REQUEST = "ILL-Request"
    FORWARD_NOTIFICATION = "Forward-Notification"
    SHIPPED = "Shipped"
    ILL_ANSWER = "ILL-Answer"
    CONDITIONAL_REPLY = "Conditional-Reply"
    CANCEL = "Cancel"
    CANCEL_REPLY = "Cancel-Reply"
    RECEIVED = "Received"
    RECALL = "Recall"
    RETURNED = "Returned"
    CHECKED_IN = "Checked-In"
    OVERDUE = "Overdue"
    RENEW = "Renew"
    RENEW_ANSWER = "Renew-Answer"
    LOST = "Lost"
    DAMAGED = "Damaged"
    MESSAGE = "Message"
    STATUS_QUERY = "Status-Query"
    STATUS_OR_ERROR_REPORT = "Status-Or-Error-Report"
    EXPIRED = "Expired"


class TransactionResults(Enum):
    """What an ILL-Answer can say, as the standard spells it."""

    CONDITIONAL = "conditional"
    RETRY = "retry"
    UNFILLED = "unfilled"
    LOCATIONS_PROVIDED = "locations-provided"
    WILL_SUPPLY = "will-supply"
    HOLD_PLACED = "hold-placed"
    ESTIMATE = "estimate"


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """A port on which partners reach the gateway."""

    name: Name
    """What the log and the operator call it."""
    mode: ListenerMode
    """Whether answers go back on the connection."""
    host: Host
    """Address to listen on; `0.0.0.0` and `::` are all of this machine's."""
    port: ListeningPort
    """TCP port; 0 lets the system choose one, which is for tests."""
    tls: Flag = False
    """Whether connections are protected by TLS, 1.2 or later; then nothing is taken in the clear."""
    certificate_file: PathText | None = None
    """With TLS: the certificate that partners are shown, and those that lead to its CA, as a PEM file."""
    key_file: PathText | None = None
    """With TLS: the private key of the certificate, without a passphrase, as a PEM file."""
    client_ca_file: PathText | None = None
    """With TLS: CAs, as a PEM file; a peer has to show a certificate of theirs. Left out, it need not."""


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one peer may cost the gateway."""

    max_apdu_octets: Octets = 262_144
    """The longest APDU that is read, in octets; a longer one closes the connection."""
    max_depth: Depth = 32
    """How deep the elements of an APDU may nest."""
    max_elements: Elements = 4_096
    """How many elements an APDU may have; more close the connection."""
    max_string_octets: Octets = 262_144
    """The longest string in an APDU, in octets."""
    max_connections: Count = 200
    """Connections open at once, over all listeners."""
    max_connections_per_address: Count = 100
    """Connections open at once from one address."""
    idle_timeout: Duration = timedelta(seconds=300)
    """How long a connection may say nothing."""
    apdu_timeout: Duration = timedelta(seconds=60)
    """How long one APDU may take to arrive, from its first octet to its last."""
    answer_timeout: Duration = timedelta(seconds=30)
    """How long a two-way connection stays open for its answers after the peer has ended its own side."""


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """When an APDU that could not be delivered is tried again, and when that ends."""

    first_delay: Duration = timedelta(seconds=5)
    """The wait after the first failure."""
    factor: Factor = 2.0
    """Each further wait is this many times the last."""
    max_delay: Duration = timedelta(hours=1)
    """No wait is longer, before jitter."""
    jitter: Share = 0.2
    """The share (0 to 1) of a wait by which it varies at random, so that partners are not tried in step."""
    lifetime: Duration = timedelta(days=14)
    """After this, or at the end of its request if that is earlier, an APDU is given up as not delivered."""
    warn_after: Duration = timedelta(hours=4)
    """When an APDU has not been delivered for so long, an event says so."""
    warn_before: Duration = timedelta(days=1)
    """So long before an APDU is given up, an event says so."""
    ambiguous: Unclear = Unclear.RETRY
    """What follows when the connection broke while an APDU was sent, or nothing acknowledged it in time."""
    unclosed: Unclear = Unclear.DELIVERED
    """What follows when a one-way partner took an APDU whole, and did not end the connection in time."""
    concurrency: Count = 4
    """How many APDUs are on their way to one partner at once; only one while it fails."""
    breaker_after: Count = 3
    """After so many failures in a row only one APDU at a time is tried, and the others wait for its fate."""
    resume_rate: Count = 60
    """How many APDUs a minute go to a partner that was suspended, until what had waited is sent."""
    connect_timeout: Duration = timedelta(seconds=10)
    """How long a partner may take to accept a connection."""
    send_timeout: Duration = timedelta(seconds=30)
    """How long a partner may take to accept an APDU."""


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """What gateways that share one PostgreSQL database have to agree on."""

    lease: Duration = timedelta(seconds=60)
    """For how long a gateway that is not heard of keeps what it had in hand; then another takes it over."""


class NoticeKind(StrEnum):
    """What is noticed; the words are kept in the database, and told to programs."""

    ANSWER_DUE = "answer-due"
    """A partner has not answered, and the day by which it is to is near."""
    NO_ANSWER = "no-answer"
    """That day is over."""
    SILENT = "silent"
    """Nothing at all comes from a partner that owes us an answer."""
    UNSENT = "unsent"
    """Something waits to be sent for long."""
    UNREACHABLE = "unreachable"
    """A partner takes nothing."""
    SUSPENDED = "suspended"
    """A partner is suspended, and something waits for it."""
    NOT_DELIVERED = "not-delivered"
    """A message was given up."""
    HELD_BACK = "held-back"
    """A message may have arrived or not, and an operator has to decide."""
    LATE_SHIPPED = "late-shipped"
    """An item was shipped for a request that was over."""
    DOUBLE_SUPPLY = "double-supply"
    """Two partners supply one item."""
    UNREADABLE = "unreadable"
    """Octets came that are no APDU."""
    DISPOSED_OF = "disposed-of"
    """A message came for a request that was disposed of."""
    UNCLASSIFIED = "unclassified"
    """A message came that the gateway cannot classify."""
    NOT_CONFIGURED = "not-configured"
    """Requests are with a partner that is not configured."""
    REQUEST = "request"
    """The protocol machine, or a deadline, put a request before a person."""
    WEBHOOK = "webhook"
    """A webhook does not take what it is told."""


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class DailyMail:
    """Somebody who is told by mail, on the morning of each working day, what wants a person
    (docs/noticing.md). It goes through the mail server of `[mail]`."""

    to: MailAddress
    """Whom it goes to: a person or a list of the library's own staff."""
    at: TimeOfDay = time(7, 30)
    """When, by the clock where the library is."""
    local: tuple[Name, ...] = ()
    """Only what is about requests of these local symbols, and what is about no request; left out, of all."""
    partners: tuple[Name, ...] = ()
    """Only what is about these partners; left out, whatever it is about."""
    kinds: frozenset[NoticeKind] = frozenset(NoticeKind)
    """Only what is of these kinds."""
    language: Language = Language.ENGLISH
    """In which language."""
    always: Flag = False
    """Whether a mail goes out although there is nothing to tell."""


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class Noticing:
    """What the gateway notices by itself, for `iso-gateway attention` and `iso-gateway status`."""

    interval: Duration = timedelta(minutes=5)
    """How often it looks whether something is missing."""
    holidays: HolidayRegion = "CA-BC"
    """Whose public holidays are no working days; Saturdays and Sundays never are."""
    closed_days: tuple[CalendarDay, ...] = ()
    """Other days on which nobody works, as between Christmas and New Year."""
    answer_warning_days: GraceDays = 2
    """So many working days before the last day of a partner's `days_to_respond`, a request that it has not
    answered is put before a person."""
    silence_days: Days = 3
    """After so many working days without a word from a partner that owes us an answer, it is silent."""
    unreachable_after: Duration = timedelta(minutes=30)
    """After so long without a message delivered to a partner that takes none, it is called unreachable."""
    look_back: Duration = timedelta(days=30)
    """For how long what happened once (an APDU that was unreadable, or not delivered) is put before a
    person who has not cleared it."""
    status_queries: Flag = True
    """Whether a partner that has not answered in time is asked by a Status-Query, where its profile says that
    it takes one: once each working day, from the warning on."""
    mail: tuple[DailyMail, ...] = ()
    """Who is told by mail on the morning of each working day."""
    template_dir: PathText | None = None
    """A directory with templates of the site's own for these mails; what is not in it is as it comes with the
    gateway."""


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Somebody who is told of events as they happen, by HTTP (docs/noticing.md), without patron data."""

    name: Name
    """What the gateway remembers by it up to which event it has been told; a new name begins with now."""
    url: HookUrl = field(repr=False)
    """Where events are posted to; it may hold a secret, so it is in no log."""
    secret_file: PathText
    """A file with the secret that signs what is posted: at least 16 octets, of which spaces and line ends
    around it are no part."""
    timeout: Duration = timedelta(seconds=10)
    """How long it may take to answer."""


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class Logging:
    """What is logged, and how. Patron data never is."""

    level: LogLevel = LogLevel.INFO
    """The least severity that is logged."""
    format: LogFormat = LogFormat.CONSOLE
    """How a line is written."""


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """How APDUs travel by mail: out through the site's own mail server, in from it (docs/mail.md)."""

    relay_host: Host = "127.0.0.1"
    """Our mail server, which sends on what we give it."""
    relay_port: Port = 25
    """Its TCP port."""
    tls: MailTls = MailTls.NONE
    """How the connection to it is protected."""
    ca_file: PathText | None = None
    """Certificates (PEM) by which it is known; left out, those of the system."""
    user: Text | None = None
    """The name by which we log in to it; left out, we do not."""
    password_file: PathText | None = None
    """A file with the password and nothing else; it is read again for each login."""
    variable_sender: Flag = True
    """Whether each mail has a sub-address of its own as its envelope's sender, as
    `ill+17-abc@library.example`, by which any bounce is tied to it; the mail server must deliver such
    addresses here."""
    lmtp_host: Host | None = None
    """Address of this machine's own, as `127.0.0.1`, where our mail server hands mail over by LMTP."""
    lmtp_port: ListeningPort = 1624
    """TCP port for it; 0 lets the system choose one, which is for tests."""
    lmtp_socket: PathText | None = None
    """A Unix socket for LMTP, for user and group; the group of a set-gid directory says who gets in."""
    maildir: PathText | None = None
    """A Maildir into which our mail server puts mail."""
    maildir_interval: Duration = timedelta(seconds=5)
    """How often it is looked at."""
    max_mail_octets: Octets = 10_485_760
    """The longest mail that is read, in octets."""
    max_parts: Count = 100
    """How many parts a mail may have."""
    max_header_octets: Octets = 65_536
    """How long the header of a mail, or of a part, may be, in octets."""
    max_connections: Count = 20
    """LMTP connections open at once."""


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """The mails with which borrowing libraries get the links to their documents (docs/documents.md)."""

    max_downloads: Count = 5
    """How often Illume lets a document be fetched; the mail says so."""
    keep_days: Days = 90
    """For how many days Illume keeps a document; the mail names the last of them."""
    template_dir: PathText | None = None
    """A directory with templates of the site's own; what is not in it is as it comes with the gateway."""


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class OptionalMessages:
    """Which optional messages a library of ours sends, and which it asks for.

    A partner is told less where its profile says that it cannot take or send one: what it cannot take we do
    not offer, and what it cannot send we do not ask for.
    """

    sends_received: Flag = True
    """As borrower, whether its staff say that an item has come (Received)."""
    sends_returned: Flag = True
    """As borrower, whether they say that it is on its way back (Returned)."""
    sends_shipped: Flag = True
    """As lender, whether they say that an item is on its way (Shipped)."""
    sends_checked_in: Flag = True
    """As lender, whether they say that it is back (Checked-In)."""
    shipped: Wish = Wish.DESIRES
    """As borrower, what it asks of Shipped."""
    checked_in: Wish = Wish.DESIRES
    """As borrower, what it asks of Checked-In."""
    received: Wish = Wish.DESIRES
    """As lender, what it asks of Received."""
    returned: Wish = Wish.DESIRES
    """As lender, what it asks of Returned."""


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSymbol:
    """A library that the gateway speaks for."""

    name: Name
    """What routes and the operator call it."""
    symbol: SymbolText
    """Its symbol, `AUTHORITY:SYMBOL`."""
    aliases: tuple[SymbolText, ...] = ()
    """Other symbols by which APDUs address it."""
    display_name: Text | None = None
    """The library's name, for people."""
    time_zone: ZoneName = DEFAULT_TIME_ZONE
    """The zone of the dates and times in the APDUs it sends."""
    public_address: PublicAddress | None = None
    """Where partners reach the gateway by TCP; requests tell it, so that whoever gets one can answer."""
    public_mail: MailAddress | None = None
    """Where partners reach the gateway by mail; what it sends so comes from there, and requests tell it."""
    optional_messages: OptionalMessages = field(default_factory=OptionalMessages)
    """Which optional messages it sends, and which it asks for."""
    document_contact: MailAddress | None = None
    """Where partners may ask about a document: the answers to its mail go there, else to `public_mail`."""
    test: Flag = False
    """Whether it is there for rehearsal only."""

    @property
    def zone(self) -> ZoneInfo:
        """The time zone itself."""
        return ZoneInfo(self.time_zone)


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How the gateway stands between one local symbol and one partner."""

    local: Name
    """Name of a local symbol."""
    partner: RouteEnd
    """Name of a partner, or `*` for every partner without a route of its own."""
    mode: RouteMode = RouteMode.SERVE
    """Where the gateway stands; this version only serves."""


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class TcpTransport:
    """APDUs reach the partner by TCP."""

    kind: Literal["tcp"] = "tcp"
    """Says that this is TCP."""
    host: Host
    """Host name or address of the partner."""
    port: Port
    """TCP port of the partner."""
    mode: ListenerMode = ListenerMode.ONE_WAY
    """Whether the partner answers on the connections that we open."""
    reuse: Flag | None = None
    """Whether APDUs may follow each other on one connection; left out, on two-way connections only. The end
    of a one-way connection is a receipt, and there is none for an APDU that is followed by others."""
    idle_timeout: Duration = timedelta(seconds=60)
    """How long a connection that is kept for the next APDU may be idle."""
    max_age: Duration = timedelta(hours=1)
    """How old a connection that we opened may be when an APDU is written on it."""
    tls: Flag = False
    """Whether our connections are protected by TLS, 1.2 or later."""
    server_name: Host | None = None
    """With TLS: the name that the partner's certificate has to bear; left out, `host`."""
    ca_file: PathText | None = None
    """With TLS: the CAs that may vouch for the partner, as a PEM file; left out, those of this machine."""
    certificate_file: PathText | None = None
    """With TLS: the certificate that we show when the partner asks for one, as a PEM file."""
    key_file: PathText | None = None
    """With TLS: the private key of our certificate, without a passphrase, as a PEM file."""

    @property
    def keeps(self) -> bool:
        """Whether a connection is kept for the APDUs that follow."""
        return self.mode is ListenerMode.TWO_WAY if self.reuse is None else self.reuse


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class MailTransport:
    """APDUs reach the partner by mail (RFC 2503), through the mail server of `[mail]` in `gateway.toml`."""

    kind: Literal["mail"] = "mail"
    """Says that this is mail."""
    address: MailAddress
    """E-mail address of the partner's ILL software."""


Transport = TcpTransport | MailTransport


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a partner's software can say and understand; what is not named here is everything."""

    sends: frozenset[ApduName] = frozenset(ApduName)
    """The APDU types it sends."""
    accepts: frozenset[ApduName] = frozenset(ApduName)
    """The APDU types it understands."""
    sends_results: frozenset[TransactionResults] = frozenset(TransactionResults)
    """What the ILL-Answers it sends can say."""
    accepts_results: frozenset[TransactionResults] = frozenset(TransactionResults)
    """What the ILL-Answers it understands can say."""


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class Partner:
    """A library, or Illume, with which the gateway exchanges APDUs."""

    name: Name
    """What routes and the operator call it; two names may not differ in the case of letters only."""
    symbols: Annotated[tuple[SymbolText, ...], Field(min_length=1)]
    """Its symbols, `AUTHORITY:SYMBOL`; the first is the one we write."""
    transport: Annotated[Transport, Field(discriminator="kind")]
    """How APDUs reach it."""
    display_name: Text | None = None
    """The library's name, for people."""
    aliases: tuple[SymbolText, ...] = ()
    """Other symbols by which it names itself, as a bare `SFU`."""
    side: Side = Side.PARTNER
    """On which side of the gateway it is."""
    dialect: Dialect = Dialect.STANDARD
    """How far what it writes may depart from the abstract syntax."""
    character_set: CharacterSet = CharacterSet.UTF_8
    """How the octets of its strings are read, and ours written for it; they are always kept as they came."""
    tables: TableProfile = TableProfile.STRICT
    """Which state tables it is held to."""
    rules: RuleSettings = ()
    """What follows when its APDUs break the rules of docs/rules.md; a rule left out keeps its default."""
    capabilities: Capabilities = field(default_factory=Capabilities)
    """What its software can say and understand."""
    time_zone: ZoneName = DEFAULT_TIME_ZONE
    """The zone of the dates and times in its APDUs."""
    days_to_respond: Days = 7
    """Days in which it is to answer a request before the request moves on."""
    when_overdue: WhenOverdue = WhenOverdue.ATTENTION
    """What follows when an item that it borrowed is not back in time."""
    overdue_grace_days: GraceDays = 0
    """Days after the date due in which an item that it borrowed is not called overdue yet."""
    hold_early: Wait | None = None
    """How long an APDU that comes too early waits for those that it overtook, before it is refused; without
    it 10 minutes for what comes one-way or by mail, and no time for what comes two-way."""
    illume_login: Flag = False
    """Whether its staff can log in to Illume, and so fetch documents there."""
    document_link: DocumentLink = DocumentLink.NOTE
    """Where, in a Shipped, its software shows the link to a document."""
    document_email: MailAddress | None = None
    """Where the links to documents are sent, for a partner that cannot log in to Illume."""
    document_language: Language = Language.ENGLISH
    """In which language they are sent."""
    allowed_sources: tuple[NetworkText, ...] = ()
    """Addresses and networks from which its APDUs may come; none named means any."""
    allowed_senders: tuple[MailSender, ...] = ()
    """Addresses from which its APDUs may come by mail, besides the `address` of its transport."""
    acknowledge: Acknowledge = Acknowledge.NONE
    """What it is told when a request of its own has arrived."""
    client_id: ClientIdPolicy = ClientIdPolicy.KEEP
    """What becomes of the Client-Id, which names the patron."""
    max_apdu_octets: Octets | None = None
    """The longest APDU that is read from it, in octets, instead of that under `limits`, and within it."""
    max_depth: Depth | None = None
    """How deep the elements of its APDUs may nest, instead of that under `limits`, and within it."""
    max_elements: Elements | None = None
    """How many elements its APDUs may have, instead of that under `limits`, and within it."""
    max_string_octets: Octets | None = None
    """The longest string in its APDUs, in octets, instead of that under `limits`."""
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    """What differs, for this partner, from `retry` in gateway.toml; keys left out keep their value there."""
    contact: Text | None = None
    """Whom to ask when its software does not answer: the staff of the library, never a patron."""
    policies_url: Text | None = None
    """Where its ILL policies are published."""
    test: Flag = False
    """Whether it is there for rehearsal only."""

    @property
    def zone(self) -> ZoneInfo:
        """The time zone itself."""
        return ZoneInfo(self.time_zone)

    @property
    def senders(self) -> frozenset[str]:
        """From where its mail may come: addresses, and domains as `@library.example`, made comparable."""
        own = (self.transport.address,) if isinstance(self.transport, MailTransport) else ()
        return frozenset(comparable(address) for address in (*own, *self.allowed_senders))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a gateway is told, as `config.loading.load` returns it: checked, every path absolute.

    Args:
        source: the file it was read from.
        state_dir: where the gateway keeps what it has to remember.
        database_url: as SQLAlchemy writes it; it may hold a password, so it is left out of the repr.
        master_key_file: the key that encrypts patron data.
        listeners, limits, retry, sharing, noticing, webhooks, local, routes, partners, logging: see the
            types. Without routes, every local symbol serves every partner.
        mail: how APDUs travel by mail; None where they do not.
        documents: what the mails with links to documents say.
    """

    source: Path
    state_dir: Path
    database_url: str = field(repr=False)
    master_key_file: Path
    listeners: tuple[Listener, ...] = ()
    limits: Limits = field(default_factory=Limits)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    sharing: Sharing = field(default_factory=Sharing)
    noticing: Noticing = field(default_factory=Noticing)
    webhooks: tuple[Webhook, ...] = ()
    local: tuple[LocalSymbol, ...] = ()
    routes: tuple[Route, ...] = ()
    partners: tuple[Partner, ...] = ()
    logging: Logging = field(default_factory=Logging)
    mail: Mail | None = None
    documents: Documents = field(default_factory=Documents)
    _partner_by_name: dict[str, Partner] = field(init=False, repr=False, compare=False)
    _partner_by_symbol: SymbolIndex[Partner] = field(init=False, repr=False, compare=False)
    _local_by_symbol: SymbolIndex[LocalSymbol] = field(init=False, repr=False, compare=False)
    _route_by_names: dict[tuple[str, str], Route] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.routes:
            served = tuple(Route(local=local.name, partner=ANY_PARTNER) for local in self.local)
            object.__setattr__(self, "routes", served)
        partners = {partner.name: partner for partner in self.partners}
        partner_symbols = SymbolIndex((one, one.symbols, one.aliases) for one in self.partners)
        local_symbols = SymbolIndex((one, (one.symbol,), one.aliases) for one in self.local)
        routes = {(route.local, route.partner): route for route in self.routes}
        object.__setattr__(self, "_partner_by_name", partners)
        object.__setattr__(self, "_partner_by_symbol", partner_symbols)
        object.__setattr__(self, "_local_by_symbol", local_symbols)
        object.__setattr__(self, "_route_by_names", routes)

    def partner(self, name: str) -> Partner | None:
        """Returns the partner of exactly this name."""
        return self._partner_by_name.get(name)

    def partner_for(self, symbol: Symbol) -> Partner | None:
        """Returns the partner that a symbol in an APDU names, by its symbols, then by its aliases.

        None when it names no partner, or when a symbol without authority fits several.
        """
        return self._partner_by_symbol.find(symbol)

    def local_for(self, symbol: Symbol) -> LocalSymbol | None:
        """Returns the library of ours that a symbol in an APDU names; None as for `partner_for`."""
        return self._local_by_symbol.find(symbol)

    def route(self, local: LocalSymbol, partner: Partner) -> Route | None:
        """Returns the route between the two: their own, else that of the local symbol to every partner."""
        own = self._route_by_names.get((local.name, partner.name))
        return own if own is not None else self._route_by_names.get((local.name, ANY_PARTNER))
