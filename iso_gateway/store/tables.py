"""The tables, as SQLAlchemy Core: the whole data model, described in docs/data-model.md.

Everything that may hold patron data is sealed (LargeBinary, see `keyring`); nothing else may hold any.
Portable types only. The migrations build the same tables; a test holds the two together on both databases.
"""

import enum
from collections.abc import Iterable

from sqlalchemy import (
    DDL,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    event,
    false,
    text,
)

from iso_gateway.failure import Failure
from iso_gateway.store.records import (
    AttemptOutcome,
    Basis,
    BreakerState,
    DeadlineKind,
    Direction,
    InputKind,
    KeyPurpose,
    OutboxKind,
    OutboxStatus,
    Side,
    Transport,
    Unmailed,
)
from iso_gateway.store.types import ROW_ID, EnumText, JsonObject, NameList, UtcDateTime

#: Every constraint has a name, so that a migration can speak of it on both databases.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _one_of(column: str, members: Iterable[enum.StrEnum]) -> CheckConstraint:
    words = ", ".join(f"'{member.value}'" for member in members)
    return CheckConstraint(f"{column} IN ({words})", name=column)


def _both_or_neither(first: str, second: str, name: str) -> CheckConstraint:
    return CheckConstraint(f"({first} IS NULL) = ({second} IS NULL)", name=name)


keys = Table(
    "keys",
    metadata,
    Column("id", ROW_ID, primary_key=True),
    Column("purpose", EnumText(KeyPurpose), nullable=False),
    Column("wrapped", LargeBinary, comment="the key, sealed by the master key; NULL once disposed of"),
    Column("master_id", String(64), nullable=False, comment="fingerprint of the master key that sealed it"),
    Column("created_at", UtcDateTime, nullable=False),
    Column("disposed_at", UtcDateTime),
    _one_of("purpose", KeyPurpose),
    CheckConstraint("(wrapped IS NULL) = (disposed_at IS NOT NULL)", name="disposed"),
    # Two digest keys would hide duplicates from each other.
    Index(
        "uq_keys_digest",
        "purpose",
        unique=True,
        sqlite_where=text("purpose = 'digest' AND disposed_at IS NULL"),
        postgresql_where=text("purpose = 'digest' AND disposed_at IS NULL"),
    ),
    comment="the keys of the key ring; the master key that seals them is a file outside of the database",
    sqlite_autoincrement=True,
)

messages = Table(
    "messages",
    metadata,
    Column("id", ROW_ID, primary_key=True),
    Column("direction", EnumText(Direction), nullable=False),
    Column("stored_at", UtcDateTime, nullable=False),
    Column("transport", EnumText(Transport), nullable=False),
    Column("listener", String(255)),
    Column("peer_address", String(255)),
    Column("connection_id", String(255)),
    Column("side", EnumText(Side), nullable=False),
    Column("size", Integer, nullable=False, comment="octets of the APDU before sealing"),
    Column("raw", LargeBinary, nullable=False, comment="the octets, sealed by the message's own data key"),
    Column("digest", LargeBinary(32), nullable=False, comment="keyed digest of the octets"),
    Column(
        "received_as", ROW_ID, ForeignKey("messages.id"), comment="the message of which this is the relay"
    ),
    _one_of("direction", Direction),
    _one_of("transport", Transport),
    _one_of("side", Side),
    CheckConstraint("size >= 0", name="size"),
    CheckConstraint("received_as IS NULL OR direction = 'sent'", name="received_as"),
    Index("ix_messages_digest", "digest"),
    # Covering, so that the search for unprocessed messages at start never touches the octets.
    Index("ix_messages_direction_id", "direction", "id"),
    Index("ix_messages_stored_at", "stored_at"),
    comment="every APDU as it came or went; rows are never changed",
    sqlite_autoincrement=True,
)

message_keys = Table(
    "message_keys",
    metadata,
    Column("message_id", ROW_ID, ForeignKey("messages.id"), primary_key=True, autoincrement=False),
    Column("key_id", ROW_ID, ForeignKey("keys.id"), nullable=False),
    Column("wrapped", LargeBinary, nullable=False, comment="the message's data key, sealed by key_id"),
    Index("ix_message_keys_key_id", "key_id"),
    comment="apart from messages, so that a data key can pass from the intake key to a transaction's",
)

transactions = Table(
    "transactions",
    metadata,
    Column("id", ROW_ID, primary_key=True),
    Column(
        "key_digest", LargeBinary(32), nullable=False, comment="keyed digest of the canonical Transaction-Id"
    ),
    Column("key_id", ROW_ID, ForeignKey("keys.id"), nullable=False),
    Column("sealed", LargeBinary, nullable=False, comment="JSON summary: Transaction-Id, title, author, ..."),
    Column("created_at", UtcDateTime, nullable=False),
    Column("number_digest", LargeBinary(32), comment="keyed digest of the ILL number; NULL if it is older"),
    UniqueConstraint("key_digest"),
    UniqueConstraint("key_id"),
    Index("ix_transactions_number_digest", "number_digest"),
    comment="ILL transactions; each has a key of its own, and losing that key is its disposal",
    sqlite_autoincrement=True,
)

halves = Table(
    "halves",
    metadata,
    Column("id", ROW_ID, primary_key=True),
    Column("transaction_id", ROW_ID, ForeignKey("transactions.id"), nullable=False),
    Column("role", String(16), nullable=False),
    Column("local", String(255), nullable=False, comment="name of the local symbol whose half this is"),
    Column("partner", String(255), nullable=False, comment="name of the partner at the other end"),
    Column("state", String(32), nullable=False),
    Column("basis", EnumText(Basis), nullable=False),
    Column("flags", NameList, nullable=False, comment="JSON list of names behind the tables' predicates"),
    Column("tables", String(16), nullable=False),
    Column("protocol_version", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("last_service_at", UtcDateTime),
    Column(
        "former_partners",
        NameList,
        nullable=False,
        server_default=text("'[]'"),
        comment="JSON list of the partners that the request was with before it was forwarded",
    ),
    UniqueConstraint("transaction_id", "role", "local"),
    CheckConstraint("role IN ('requester', 'responder')", name="role"),
    CheckConstraint("tables IN ('strict', 'lenient')", name="tables"),
    CheckConstraint("protocol_version >= 0", name="protocol_version"),
    CheckConstraint("state <> '' AND local <> '' AND partner <> ''", name="named"),
    _one_of("basis", Basis),
    Index("ix_halves_partner_id", "partner", "id"),
    Index("ix_halves_state_id", "state", "id"),
    comment="one party's view of a transaction: what the protocol machine moves",
    sqlite_autoincrement=True,
)

deadlines = Table(
    "deadlines",
    metadata,
    Column("half_id", ROW_ID, ForeignKey("halves.id"), primary_key=True, autoincrement=False),
    Column("kind", EnumText(DeadlineKind), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    _one_of("kind", DeadlineKind),
    Index("ix_deadlines_at", "at"),
    comment="when something happens to a half although nothing comes; one of each kind",
)

held = Table(
    "held",
    metadata,
    Column("message_id", ROW_ID, ForeignKey("messages.id"), primary_key=True, autoincrement=False),
    Column(
        "transaction_digest", LargeBinary(32), nullable=False, comment="as transactions.key_digest has it"
    ),
    Column("until", UtcDateTime, nullable=False, comment="when it is decided for good"),
    Index("ix_held_transaction_digest_message_id", "transaction_digest", "message_id"),
    Index("ix_held_until", "until"),
    comment="messages that came too early, and wait for those that they overtook",
)

processings = Table(
    "processings",
    metadata,
    Column("id", ROW_ID, primary_key=True),
    Column("message_id", ROW_ID, ForeignKey("messages.id"), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("verdict", String(64), nullable=False),
    Column("reason", Text, nullable=False, comment="for people; never text out of the message"),
    Column("error_offset", Integer, comment="octets from the start of the message"),
    Column("error_path", Text),
    Column("apdu_type", String(64)),
    Column("partner", String(255)),
    Column("profile_digest", String(128)),
    Column("transaction_id", ROW_ID, ForeignKey("transactions.id")),
    Column("half_id", ROW_ID, ForeignKey("halves.id")),
    Column("answer_message_id", ROW_ID, ForeignKey("messages.id")),
    CheckConstraint("verdict <> ''", name="verdict"),
    CheckConstraint("error_offset IS NULL OR error_offset >= 0", name="error_offset"),
    CheckConstraint("half_id IS NULL OR transaction_id IS NOT NULL", name="half"),
    Index("ix_processings_message_id_id", "message_id", "id"),
    Index("ix_processings_partner_message_id", "partner", "message_id"),
    Index("ix_processings_transaction_id_message_id", "transaction_id", "message_id"),
    comment="each time a message was classified",
    sqlite_autoincrement=True,
)

inputs = Table(
    "inputs",
    metadata,
    Column("id", ROW_ID, primary_key=True),
    Column("half_id", ROW_ID, ForeignKey("halves.id"), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("kind", EnumText(InputKind), nullable=False),
    Column("message_id", ROW_ID, ForeignKey("messages.id")),
    Column("payload", LargeBinary, comment="JSON fields of a primitive, sealed by the transaction's key"),
    Column("at", UtcDateTime, nullable=False, comment="the machine's now"),
    Column("service", String(32), nullable=False),
    Column("repeat", Boolean, nullable=False),
    Column("table_profile", String(16), nullable=False),
    Column("profile_digest", String(128)),
    Column("state_before", String(32), nullable=False),
    Column("state_after", String(32), nullable=False),
    Column("flags_before", NameList, nullable=False),
    Column("flags_after", NameList, nullable=False),
    Column("verdict", String(64), nullable=False),
    Column("provenance", String(16), comment="of the table row used: seen, known or inferred"),
    Column("facts", JsonObject, comment="JSON: what else the machine and the deadlines went by"),
    UniqueConstraint("half_id", "sequence"),
    _one_of("kind", InputKind),
    CheckConstraint("sequence >= 1", name="sequence"),
    CheckConstraint("kind <> 'apdu' OR message_id IS NOT NULL", name="message"),
    CheckConstraint("kind <> 'timer' OR payload IS NULL", name="payload"),
    CheckConstraint("table_profile IN ('strict', 'lenient')", name="table_profile"),
    Index("ix_inputs_message_id", "message_id"),
    # What a message needs of its half's history is found without going through it, however long it has grown.
    Index("ix_inputs_half_id_service_verdict_sequence", "half_id", "service", "verdict", "sequence"),
    Index(
        "ix_inputs_moves",
        "half_id",
        "sequence",
        sqlite_where=text("state_after <> state_before"),
        postgresql_where=text("state_after <> state_before"),
    ),
    comment="everything that moved a half, in order; never changed, and replaying it gives the state",
    sqlite_autoincrement=True,
)

events = Table(
    "events",
    metadata,
    Column("sequence", ROW_ID, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("kind", String(64), nullable=False),
    Column("half_id", ROW_ID, ForeignKey("halves.id")),
    Column("message_id", ROW_ID, ForeignKey("messages.id")),
    Column("key_id", ROW_ID, ForeignKey("keys.id")),
    Column("detail", LargeBinary, comment="JSON, sealed by key_id"),
    CheckConstraint("kind <> ''", name="kind"),
    _both_or_neither("key_id", "detail", "detail"),
    Index("ix_events_half_id", "half_id"),
    comment="what the local side is told; a sequence number is never used twice",
    sqlite_autoincrement=True,
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", ROW_ID, primary_key=True),
    Column("lane", String(600), nullable=False, comment="rows of one lane are sent one after the other"),
    Column("kind", EnumText(OutboxKind), nullable=False),
    Column("message_id", ROW_ID, ForeignKey("messages.id")),
    Column("key_id", ROW_ID, ForeignKey("keys.id")),
    Column("payload", LargeBinary, comment="a mail of its own, sealed by key_id"),
    Column("partner", String(255)),
    Column("connection_id", String(255), comment="the open connection to answer on first"),
    Column("status", EnumText(OutboxStatus), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", UtcDateTime, nullable=False),
    Column("lease_owner", String(128)),
    Column("lease_until", UtcDateTime),
    Column("fence", Integer, nullable=False, comment="counts the claims; an older claim's result is refused"),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("last_error", Text),
    Column("failure", EnumText(Failure), comment="what went wrong last, by its word"),
    Column("check_at", UtcDateTime, comment="when it is looked at next for being late"),
    Column("held_by", String(128), comment="the operator who held it back"),
    _one_of("kind", OutboxKind),
    _one_of("status", OutboxStatus),
    CheckConstraint("lane <> ''", name="lane"),
    CheckConstraint("attempts >= 0 AND fence >= 0", name="counts"),
    CheckConstraint(
        "(kind = 'message' AND message_id IS NOT NULL AND payload IS NULL)"
        " OR (kind = 'mail' AND payload IS NOT NULL)",
        name="content",
    ),
    _both_or_neither("key_id", "payload", "payload"),
    CheckConstraint("partner IS NOT NULL OR connection_id IS NOT NULL", name="destination"),
    CheckConstraint("(status = 'sending') = (lease_until IS NOT NULL)", name="lease_until"),
    CheckConstraint("(status = 'sending') = (lease_owner IS NOT NULL)", name="lease_owner"),
    CheckConstraint(
        "(status IN ('delivered', 'not-delivered')) = (finished_at IS NOT NULL)", name="finished_at"
    ),
    # Partial: the work at hand stays small however many rows have been delivered.
    Index(
        "ix_outbox_unfinished",
        "lane",
        "id",
        sqlite_where=text("finished_at IS NULL"),
        postgresql_where=text("finished_at IS NULL"),
    ),
    Index(
        "ix_outbox_partner_next_attempt_at",
        "partner",
        "next_attempt_at",
        "id",
        sqlite_where=text("finished_at IS NULL"),
        postgresql_where=text("finished_at IS NULL"),
    ),
    Index(
        "ix_outbox_check_at",
        "check_at",
        sqlite_where=text("finished_at IS NULL"),
        postgresql_where=text("finished_at IS NULL"),
    ),
    Index(
        "ix_outbox_connection_id",
        "connection_id",
        sqlite_where=text("finished_at IS NULL AND connection_id IS NOT NULL"),
        postgresql_where=text("finished_at IS NULL AND connection_id IS NOT NULL"),
    ),
    # Mails go out whatever is known of their partner's ILL software, so they are looked for by themselves.
    Index(
        "ix_outbox_mail",
        "next_attempt_at",
        "id",
        sqlite_where=text("finished_at IS NULL AND kind = 'mail'"),
        postgresql_where=text("finished_at IS NULL AND kind = 'mail'"),
    ),
    # What all gateways have on their way to a partner is counted, and is little however much waits.
    Index(
        "ix_outbox_sending",
        "partner",
        sqlite_where=text("status = 'sending'"),
        postgresql_where=text("status = 'sending'"),
    ),
    Index("ix_outbox_message_id", "message_id"),
    comment="everything that is to be sent; nothing is sent from anywhere else",
    sqlite_autoincrement=True,
)

documents = Table(
    "documents",
    metadata,
    Column("id", ROW_ID, primary_key=True),
    Column("half_id", ROW_ID, ForeignKey("halves.id"), nullable=False),
    Column("message_id", ROW_ID, ForeignKey("messages.id"), comment="the SHIPPED that it came with"),
    Column("outbox_id", ROW_ID, ForeignKey("outbox.id"), comment="the mail that says where it is"),
    Column("unmailed", EnumText(Unmailed), comment="why there is no mail"),
    Column("actor", String(128), nullable=False),
    Column("added_at", UtcDateTime, nullable=False),
    Column("key_id", ROW_ID, ForeignKey("keys.id"), nullable=False),
    Column("sealed", LargeBinary, nullable=False, comment="JSON: the link and what was told, by key_id"),
    UniqueConstraint("outbox_id"),
    _one_of("unmailed", Unmailed),
    CheckConstraint("outbox_id IS NULL OR unmailed IS NULL", name="mailed"),
    CheckConstraint("actor <> ''", name="actor"),
    Index("ix_documents_half_id_id", "half_id", "id"),
    comment="the documents whose links borrowers were given",
    sqlite_autoincrement=True,
)

daily_mails = Table(
    "daily_mails",
    metadata,
    Column("id", ROW_ID, primary_key=True),
    Column("recipient", String(255), nullable=False, comment="the address, in small letters"),
    Column("day", Date, nullable=False, comment="where our library is"),
    Column("made_at", UtcDateTime, nullable=False),
    Column("newest", ROW_ID, nullable=False, comment="the last number that attention had given then"),
    Column("entries", Integer, nullable=False, comment="how much it tells of"),
    Column("outbox_id", ROW_ID, ForeignKey("outbox.id"), comment="the mail; NULL if there was none to send"),
    UniqueConstraint("recipient", "day"),
    UniqueConstraint("outbox_id"),
    CheckConstraint("recipient <> ''", name="recipient"),
    CheckConstraint("newest >= 0 AND entries >= 0", name="counts"),
    comment="what each of our own people was told on a morning; one row, and at most one mail, a day",
    sqlite_autoincrement=True,
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", ROW_ID, primary_key=True),
    Column("outbox_id", ROW_ID, ForeignKey("outbox.id"), nullable=False),
    Column("message_id", ROW_ID, ForeignKey("messages.id")),
    Column("fence", Integer, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("outcome", EnumText(AttemptOutcome)),
    Column("error", Text),
    Column("failure", EnumText(Failure)),
    Column("ambiguous", Boolean, nullable=False, server_default=false(), comment="it may have arrived"),
    UniqueConstraint("outbox_id", "fence"),
    _one_of("outcome", AttemptOutcome),
    _both_or_neither("outcome", "finished_at", "finished"),
    Index("ix_attempts_message_id", "message_id"),
    comment="each time an outbox row was sent",
    sqlite_autoincrement=True,
)

audit = Table(
    "audit",
    metadata,
    Column("id", ROW_ID, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", String(128), nullable=False),
    Column("action", String(64), nullable=False),
    Column("half_id", ROW_ID, ForeignKey("halves.id")),
    Column("message_id", ROW_ID, ForeignKey("messages.id")),
    Column("key_id", ROW_ID, ForeignKey("keys.id"), nullable=False),
    Column("reason", LargeBinary, nullable=False, comment="the operator's words, sealed by key_id"),
    CheckConstraint("actor <> '' AND action <> ''", name="named"),
    Index("ix_audit_half_id", "half_id"),
    Index("ix_audit_message_id", "message_id"),
    comment="what operators did, and why",
    sqlite_autoincrement=True,
)

partner_states = Table(
    "partner_states",
    metadata,
    Column("partner", String(255), primary_key=True),
    Column("suspended_at", UtcDateTime),
    Column("suspended_by", String(128)),
    Column("audit_id", ROW_ID, ForeignKey("audit.id"), comment="says why it was suspended"),
    Column("paced_until", UtcDateTime, comment="when the next message of a backlog may go"),
    Column("backlog_id", ROW_ID, comment="the newest outbox row of the backlog when it was resumed"),
    Column("breaker", EnumText(BreakerState), nullable=False),
    Column("failures", Integer, nullable=False, comment="attempts that failed in a row"),
    Column("retry_at", UtcDateTime, comment="when the next probe goes, or is taken for lost"),
    Column("failing_since", UtcDateTime),
    Column("failure", EnumText(Failure)),
    Column("last_error", Text),
    _one_of("breaker", BreakerState),
    _both_or_neither("suspended_at", "suspended_by", "suspended"),
    _both_or_neither("paced_until", "backlog_id", "paced"),
    CheckConstraint("failures >= 0", name="failures"),
    CheckConstraint("partner <> ''", name="partner"),
    comment="what stands between us and a partner; a partner without a row has nothing in the way",
)

attention = Table(
    "attention",
    metadata,
    Column("id", ROW_ID, primary_key=True),
    Column("key", String(255), nullable=False, comment="what it is about; stands once at a time"),
    Column("kind", String(32), nullable=False),
    Column("reason", Text, nullable=False, comment="for people, in our words"),
    Column("partner", String(255)),
    Column("half_id", ROW_ID, ForeignKey("halves.id")),
    Column("message_id", ROW_ID, ForeignKey("messages.id")),
    Column("since", UtcDateTime, nullable=False, comment="the moment of the cause"),
    Column("raised_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False, comment="when the cause was seen last"),
    Column("cleared_at", UtcDateTime),
    Column("cleared_by", String(128), comment="the operator; NULL if it cleared itself"),
    Column("audit_id", ROW_ID, ForeignKey("audit.id"), comment="says why the operator cleared it"),
    Column("gone_at", UtcDateTime, comment="when the cause was gone"),
    CheckConstraint("key <> '' AND kind <> ''", name="named"),
    CheckConstraint("cleared_by IS NULL OR cleared_at IS NOT NULL", name="cleared"),
    CheckConstraint("gone_at IS NULL OR cleared_at IS NOT NULL", name="gone"),
    _both_or_neither("cleared_by", "audit_id", "audit"),
    Index(
        "uq_attention_key",
        "key",
        unique=True,
        sqlite_where=text("gone_at IS NULL"),
        postgresql_where=text("gone_at IS NULL"),
    ),
    comment="what is put before a person, until its cause is gone or somebody clears it",
    sqlite_autoincrement=True,
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("sequence", ROW_ID, nullable=False, comment="the last event that it has been told of"),
    Column("failures", Integer, nullable=False, comment="posts that failed in a row"),
    Column("failing_since", UtcDateTime),
    Column("retry_at", UtcDateTime, comment="when it is tried again"),
    Column("last_error", Text),
    Column("lease_owner", String(128)),
    Column("lease_until", UtcDateTime),
    CheckConstraint("name <> ''", name="name"),
    CheckConstraint("sequence >= 0 AND failures >= 0", name="counts"),
    _both_or_neither("lease_owner", "lease_until", "lease"),
    comment="up to which event each webhook has been told, and whether it answers",
)

gateways = Table(
    "gateways",
    metadata,
    Column("id", String(16), primary_key=True, comment="of one run; its connections' ids begin with it"),
    Column("state_id", String(32), nullable=False, comment="of the state directory that it ran on"),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("last_seen_at", UtcDateTime, nullable=False),
    Column("stopped_at", UtcDateTime, comment="it ended, or its successor found that it had"),
    CheckConstraint("length(id) = 16 AND state_id <> ''", name="identified"),
    comment="the gateway processes that use this database, and when each was last heard of",
)

site_state = Table(
    "site_state",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("detail", Text, nullable=False),
    Column("since", UtcDateTime, nullable=False),
    CheckConstraint("name IN ('sending-held')", name="name"),
    comment="what holds for the whole database; as sending-held: nothing is sent until it is resumed",
)

#: The channel on which PostgreSQL tells every gateway of a database that there may be something to do.
CHANNEL = "iso_gateway"
#: Which changes it tells of: table, trigger and the rows concerned.
ANNOUNCED = (
    ("deadlines", "AFTER INSERT OR UPDATE ON deadlines FOR EACH STATEMENT"),
    ("held", "AFTER INSERT OR UPDATE ON held FOR EACH STATEMENT"),
    ("outbox", "AFTER INSERT OR UPDATE ON outbox FOR EACH ROW WHEN (NEW.status = 'waiting')"),
    ("partner_states", "AFTER INSERT OR UPDATE ON partner_states FOR EACH STATEMENT"),
    ("site_state", "AFTER INSERT OR UPDATE OR DELETE ON site_state FOR EACH STATEMENT"),
)


def announcements() -> tuple[str, ...]:
    """The statements that make PostgreSQL tell of changes, once per transaction and table."""
    body = f"BEGIN PERFORM pg_notify('{CHANNEL}', TG_TABLE_NAME); RETURN NULL; END"
    return (
        f"CREATE FUNCTION announce() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$",
        *(f"CREATE TRIGGER {table}_announce {when} EXECUTE FUNCTION announce()" for table, when in ANNOUNCED),
    )


#: Tables whose rows the database itself refuses to change: the evidence.
IMMUTABLE = (messages, inputs)


def immutability(table_name: str) -> dict[str, tuple[str, ...]]:
    """The statements, by dialect, that make the rows of a table unchangeable (deleting is another matter)."""
    refusal = f"rows of {table_name} are never changed"
    trigger = f"CREATE TRIGGER {table_name}_immutable BEFORE UPDATE ON {table_name}"
    function = f"CREATE FUNCTION {table_name}_immutable() RETURNS trigger LANGUAGE plpgsql"
    return {
        "sqlite": (f"{trigger} BEGIN SELECT RAISE(ABORT, '{refusal}'); END",),
        "postgresql": (
            f"{function} AS $$ BEGIN RAISE EXCEPTION '{refusal}'; END $$",
            f"{trigger} FOR EACH ROW EXECUTE FUNCTION {table_name}_immutable()",
        ),
    }


for _table in IMMUTABLE:
    for _dialect, _statements in immutability(_table.name).items():
        for _statement in _statements:
            _ddl = DDL(_statement)  # type: ignore[no-untyped-call]
            event.listen(_table, "after_create", _ddl.execute_if(dialect=_dialect))

for _statement in announcements():
    _ddl = DDL(_statement)  # type: ignore[no-untyped-call]
    event.listen(metadata, "after_create", _ddl.execute_if(dialect="postgresql"))
