"""What the store gives back: plain frozen values, no row of SQLAlchemy's leaves the package.

States, roles, services, verdicts and table profiles are words of `iso_gateway.protocol`; here they are
text, so that the store can be read and verified without the machine that wrote it. The closed sets below
are the store's own.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import NewType

from iso_gateway.failure import Failure

MessageId = NewType("MessageId", int)
ProcessingId = NewType("ProcessingId", int)
TransactionId = NewType("TransactionId", int)
HalfId = NewType("HalfId", int)
OutboxId = NewType("OutboxId", int)
DocumentId = NewType("DocumentId", int)
DailyMailId = NewType("DailyMailId", int)
GatewayId = NewType("GatewayId", str)
AuditId = NewType("AuditId", int)
KeyId = NewType("KeyId", int)
AttentionId = NewType("AttentionId", int)


class Direction(enum.StrEnum):
    """Whether a message came to us or left us."""

    RECEIVED = "received"
    SENT = "sent"


class Transport(enum.StrEnum):
    """How a message travelled; LOCAL is one that never was on a wire (imported, or made for a local side)."""

    TCP_ONE_WAY = "tcp-one-way"
    TCP_TWO_WAY = "tcp-two-way"
    MAIL = "mail"
    LOCAL = "local"


class Side(enum.StrEnum):
    """On which side of the gateway a message came in or goes out."""

    PARTNER = "partner"
    ILLUME = "illume"
    LOCAL = "local"


class Basis(enum.StrEnum):
    """How we know the state of a half: our own machine, what we saw pass, a status report, or a deduction."""

    OURS = "ours"
    OBSERVED = "observed"
    REPORTED = "reported"
    INFERRED = "inferred"


class InputKind(enum.StrEnum):
    """What moved a half."""

    APDU = "apdu"
    PRIMITIVE = "primitive"
    TIMER = "timer"


class DeadlineKind(enum.StrEnum):
    """What a half's deadline is for: the words of `iso_gateway.protocol.timers`."""

    EXPIRY = "expiry"
    NO_ANSWER = "no-answer"
    REPLY = "reply"
    OVERDUE = "overdue"


class Unarrived(enum.Enum):
    """Why a message of ours is not with the partner of its request."""

    WAITING = "waiting"
    """It is still to be sent."""
    NOT_DELIVERED = "not-delivered"
    """It was given up, and nothing of the request arrived since."""


class OutboxKind(enum.StrEnum):
    """What an outbox row sends: the octets of a stored message, or a mail of its own (`store.mails`)."""

    MESSAGE = "message"
    MAIL = "mail"


class Unmailed(enum.StrEnum):
    """Why no mail says where a document is."""

    LOGIN = "login"
    NO_ADDRESS = "no-address"
    NO_MAIL_SERVER = "no-mail-server"


class OutboxStatus(enum.StrEnum):
    """The fate of an outbox row. WAITING, SENDING and HELD are unfinished and hold up their lane."""

    WAITING = "waiting"
    SENDING = "sending"
    DELIVERED = "delivered"
    NOT_DELIVERED = "not-delivered"
    HELD = "held"


class AttemptOutcome(enum.StrEnum):
    """How one sending ended. ABANDONED: the sender vanished, so it may or may not have arrived."""

    DELIVERED = "delivered"
    FAILED = "failed"
    GAVE_UP = "gave-up"
    ABANDONED = "abandoned"


class BreakerState(enum.StrEnum):
    """Whether anything is sent to a partner: everything, nothing, or one message that tells if it is back."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class KeyPurpose(enum.StrEnum):
    """What a key of the database is for."""

    INTAKE = "intake"
    TRANSACTION = "transaction"
    DIGEST = "digest"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRecord:
    """One APDU as it was received or sent, without its octets (`uow.messages.raw`). `size` is in octets."""

    id: MessageId
    direction: Direction
    stored_at: datetime
    transport: Transport
    listener: str | None
    peer_address: str | None
    connection_id: str | None
    side: Side
    size: int
    received_as: MessageId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessingRecord:
    """One classification of a message: what it was taken for, when, by which profile, and why."""

    id: ProcessingId
    message_id: MessageId
    at: datetime
    verdict: str
    reason: str
    error_offset: int | None
    error_path: str | None
    apdu_type: str | None
    partner: str | None
    profile_digest: str | None
    transaction_id: TransactionId | None
    half_id: HalfId | None
    answer_message_id: MessageId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageListing:
    """A message and its latest classification; None while it has not been processed."""

    message: MessageRecord
    processing: ProcessingRecord | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionRecord:
    """A transaction. Its Transaction-Id and description are sealed: `uow.transactions.summary`."""

    id: TransactionId
    key_id: KeyId
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlineRecord:
    """When something happens to a half although nothing comes."""

    half_id: HalfId
    kind: DeadlineKind
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRecord:
    """A message that came too early: it is tried again when its transaction moves, and decided at `until`."""

    message_id: MessageId
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfRecord:
    """One party's view of a transaction: the unit that the protocol machine moves.

    `former_partners` are those that the request was with before it was forwarded.
    """

    id: HalfId
    transaction_id: TransactionId
    role: str
    local: str
    partner: str
    state: str
    basis: Basis
    flags: tuple[str, ...]
    tables: str
    protocol_version: int
    created_at: datetime
    updated_at: datetime
    last_service_at: datetime | None
    former_partners: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfListing:
    """A half and its transaction's summary; None once the transaction's key has been disposed of."""

    half: HalfRecord
    summary: Mapping[str, object] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRecord:
    """One thing that moved (or was refused by) a half, with what it moved: enough to replay it.

    `provenance` is that of the table row used (S, K or I; see the protocol package). `payload` holds the
    fields of a primitive; it is None when there were none, or when `disposed` says that they can no longer
    be read. `facts` is what else the machine was told (`iso_gateway.half.record`); None in those from before
    they were kept.
    """

    half_id: HalfId
    sequence: int
    kind: InputKind
    message_id: MessageId | None
    payload: Mapping[str, object] | None
    disposed: bool
    at: datetime
    service: str
    repeat: bool
    table_profile: str
    profile_digest: str | None
    state_before: str
    state_after: str
    flags_before: tuple[str, ...]
    flags_after: tuple[str, ...]
    verdict: str
    provenance: str | None
    facts: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """Something the local side is told. `detail` is None when there was none or it has been `disposed` of."""

    sequence: int
    at: datetime
    kind: str
    half_id: HalfId | None
    message_id: MessageId | None
    detail: Mapping[str, object] | None
    disposed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRecord:
    """One thing to send. `fence` counts the claims: only the holder of the latest may say how it ended.

    `failure` is what went wrong last, by its word. `check_at` is when it is looked at next for being late.
    `held_by` is the operator who held it back; None when the gateway did, because it may have arrived.
    `partner` is the address, for a mail to our own people.
    """

    id: OutboxId
    lane: str
    kind: OutboxKind
    message_id: MessageId | None
    partner: str | None
    connection_id: str | None
    status: OutboxStatus
    attempts: int
    next_attempt_at: datetime
    lease_owner: str | None
    lease_until: datetime | None
    fence: int
    created_at: datetime
    expires_at: datetime
    finished_at: datetime | None
    last_error: str | None
    failure: Failure | None
    check_at: datetime | None
    held_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRecord:
    """A document that a borrower can fetch, and the mail that says where.

    Args:
        id: its number.
        half_id: the request that it is for.
        message_id: the SHIPPED that it came with; None for one that was added later.
        mail: the mail, and what became of it; None where there is none.
        unmailed: why there is none.
        actor: who gave the link.
        added_at: when.
        content: the link and what was told with it, as JSON values; None once it has been `disposed` of.
    """

    id: DocumentId
    half_id: HalfId
    message_id: MessageId | None
    mail: OutboxRecord | None
    unmailed: Unmailed | None
    actor: str
    added_at: datetime
    content: Mapping[str, object] | None
    disposed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyMailRecord:
    """What somebody was told on the morning of a day of what wants a person.

    Args:
        id: its number.
        recipient: whose, as `store.daily_mails.comparable` writes the address.
        day: of which day, where our library is.
        made_at: when.
        newest: the newest row of attention that there was then, 0 for none: what has a greater number is
            new in the next mail.
        entries: how much it tells of.
        mail: the mail, and what became of it; None where there was nothing to tell.
    """

    id: DailyMailId
    recipient: str
    day: date
    made_at: datetime
    newest: int
    entries: int
    mail: OutboxRecord | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What waits for one partner (or for senders that we do not know): how much, and since when."""

    partner: str | None
    count: int
    oldest: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerStateRecord:
    """What stands between us and one partner.

    Args:
        partner: its name.
        suspended_at, suspended_by, audit_id: when and by whom it was suspended, and where the reason stands.
        paced_until, backlog_id: after it was resumed, when the next message may go, and the newest row of
            what had waited.
        breaker, failures, retry_at: see `outbox.breaker`.
        failing_since, failure, last_error: since when it has failed without a break, and how it failed last.
    """

    partner: str
    suspended_at: datetime | None = None
    suspended_by: str | None = None
    audit_id: AuditId | None = None
    paced_until: datetime | None = None
    backlog_id: OutboxId | None = None
    breaker: BreakerState = BreakerState.CLOSED
    failures: int = 0
    retry_at: datetime | None = None
    failing_since: datetime | None = None
    failure: Failure | None = None
    last_error: str | None = None

    @property
    def suspended(self) -> bool:
        """Whether an operator suspended it."""
        return self.suspended_at is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """One sending of an outbox row; unfinished while it is under way. `ambiguous`: it may have arrived."""

    outbox_id: OutboxId
    message_id: MessageId | None
    fence: int
    started_at: datetime
    finished_at: datetime | None
    outcome: AttemptOutcome | None
    error: str | None
    failure: Failure | None
    ambiguous: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayRecord:
    """A gateway process that uses the database, or did: one run of `iso-gateway serve`."""

    id: GatewayId
    state_id: str
    host: str
    pid: int
    started_at: datetime
    last_seen_at: datetime
    stopped_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingHold:
    """Why nothing is sent from this database, and since when."""

    reason: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """What an operator did, and why; `reason` is None once it has been `disposed` of."""

    id: AuditId
    at: datetime
    actor: str
    action: str
    half_id: HalfId | None
    message_id: MessageId | None
    reason: str | None
    disposed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionRecord:
    """Something that was put before a person.

    Args:
        id: its number.
        key: what it is about; one key stands once at a time.
        kind: of what kind, a word of `iso_gateway.noticing`.
        reason: in our words; no patron data.
        partner, half_id, message_id: what it concerns.
        since: the moment of the cause.
        raised_at, seen_at: when it was noticed first and last.
        cleared_at, cleared_by, audit_id: when and by whom it was cleared, and where the reason stands; by
            nobody, if it cleared itself.
        gone_at: when its cause was gone.
    """

    id: AttentionId
    key: str
    kind: str
    reason: str
    partner: str | None
    half_id: HalfId | None
    message_id: MessageId | None
    since: datetime
    raised_at: datetime
    seen_at: datetime
    cleared_at: datetime | None
    cleared_by: str | None
    audit_id: AuditId | None
    gone_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRecord:
    """Up to which event a webhook has been told, and whether it answers.

    Args:
        name: as configured.
        sequence: the last event that it has been told of.
        failures, failing_since, retry_at, last_error: posts that failed in a row, since when, when it is
            tried again, and why.
        lease_owner, lease_until: which gateway posts to it now, and until when at most.
    """

    name: str
    sequence: int
    failures: int = 0
    failing_since: datetime | None = None
    retry_at: datetime | None = None
    last_error: str | None = None
    lease_owner: str | None = None
    lease_until: datetime | None = None
