"""What the rules look at: plain values, read out of the store by `gathering`."""

import enum
from dataclasses import dataclass
from datetime import datetime, tzinfo

from iso_gateway.store.records import (
    BreakerState,
    DailyMailRecord,
    HalfId,
    MessageId,
    OutboxId,
    WebhookRecord,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """A request of ours, or a wish about one, that the partner has not answered.

    Args:
        half_id: our half.
        partner: who is to answer.
        asked_at: when we asked last.
        zone: of our library.
        queried_at: when we last sent a Status-Query since.
        reported: what its last report since then says, in words.
    """

    half_id: HalfId
    partner: str
    asked_at: datetime
    zone: tzinfo
    queried_at: datetime | None = None
    reported: str | None = None


class Whereabouts(enum.Enum):
    """Where an item is that a partner supplies."""

    #: SHIPPED has come
    ON_ITS_WAY = enum.auto()
    #: RECEIVED has gone
    HERE = enum.auto()
    #: SHIPPED has come for a request that was over
    UNEXPECTED = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """An item that a partner supplies to a library of ours.

    Args:
        half_id: our half.
        local: name of our library.
        partner: who supplies it.
        since: when its half moved last, or the late SHIPPED came.
        whereabouts: where it is.
        reference: our own number for the request, if it has one.
        title: title and author in letters and digits alone, to be compared; None without a title.
    """

    half_id: HalfId
    local: str
    partner: str
    since: datetime
    whereabouts: Whereabouts
    reference: str | None
    title: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerFacts:
    """How it stands with a partner.

    Args:
        name: its name.
        last_heard: when its last message came; None if none ever did.
        waiting, oldest: how much waits to be sent to it, and since when.
        suspended_at, suspended_by: since when and by whom it is suspended.
        breaker, failing_since, last_error: whether it takes what is sent, since when not, and why.
    """

    name: str
    last_heard: datetime | None = None
    waiting: int = 0
    oldest: datetime | None = None
    suspended_at: datetime | None = None
    suspended_by: str | None = None
    breaker: BreakerState = BreakerState.CLOSED
    failing_since: datetime | None = None
    last_error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    """A message that was given up, or that the gateway holds back because it may have arrived.

    Args:
        outbox_id: its row in the outbox.
        message_id: the message.
        partner: whom it is for.
        half_id: the request that it belongs to, if any.
        at: since when.
        held: whether it is held back.
    """

    outbox_id: OutboxId
    message_id: MessageId | None
    partner: str | None
    half_id: HalfId | None
    at: datetime
    held: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LateShipped:
    """A SHIPPED that came for a request that was over."""

    message_id: MessageId
    half_id: HalfId
    partner: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A message that is no APDU. `source` is the partner, or the host that it came from."""

    message_id: MessageId
    source: str
    partner: str | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """A message that came for a request which was disposed of. `half_id` is None if that cannot be told."""

    message_id: MessageId
    half_id: HalfId | None
    partner: str | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Unclassified:
    """A message that came, and that the gateway could not classify."""

    message_id: MessageId
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphaned:
    """A partner that is not configured (any more), and how many requests with it are not at their end."""

    partner: str
    requests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """What the protocol machine, or a deadline, put before a person, and nothing has settled since."""

    sequence: int
    half_id: HalfId
    partner: str
    message_id: MessageId | None
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All of them, as of one moment."""

    awaited: tuple[Awaited, ...] = ()
    supplies: tuple[Supply, ...] = ()
    partners: tuple[PartnerFacts, ...] = ()
    stuck: tuple[Stuck, ...] = ()
    late: tuple[LateShipped, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    forgotten: tuple[Forgotten, ...] = ()
    orphaned: tuple[Orphaned, ...] = ()
    unclassified: tuple[Unclassified, ...] = ()
    raised: tuple[Raised, ...] = ()
    webhooks: tuple[WebhookRecord, ...] = ()
    lost: tuple[DailyMailRecord, ...] = ()
