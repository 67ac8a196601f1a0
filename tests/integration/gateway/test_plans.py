"""How the databases find what the daemon asks for at every message: by an index, however much is stored.

Found once: SQLite looked for exact duplicates by the direction of a message, and went through all of them.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from sqlalchemy import Connection, event

from config.settings import Settings
from iso_gateway.errors import DeliveryError
from iso_gateway.failure import Failure
from iso_gateway.outbox import telling
from iso_gateway.store.connection import Statements
from iso_gateway.store.tables import metadata
from tests.support import apdus
from tests.support.dispatching import LogLines, Wire, dispatching
from tests.support.gateway import AT_SFU, ELSEWHERE, Desk

REQUEST: Final = apdus.ill_request(requester="ILLUME:SFU")

#: Tables that hold what there is now, not what there was, and what is no table: the walk along an index, and
#: the few rows that a search has found already.
SMALL: Final = frozenset({"gateways", "site_state", "partner_states", "waited_for", "CONSTANT", "newest"})
#: Indexes of what is unfinished: whoever goes through one goes through the work at hand.
AT_HAND: Final = frozenset(
    str(index.name)
    for table in metadata.sorted_tables
    for index in table.indexes
    if index.dialect_options["sqlite"]["where"] is not None
)
SQLITE_SCAN: Final = re.compile(r"SCAN (?P<table>\w+)(?: USING (?:COVERING )?INDEX (?P<index>\w+))?")
POSTGRESQL_SCAN: Final = re.compile(
    r"(?<!Bitmap )(?:Seq|Index|Index Only) Scan (?:Backward )?(?:using (?P<index>\w+) )?on (?P<table>\w+)"
)
#: Asked at a start, and when the clock was set back.
AT_START: Final = "UPDATE outbox SET next_attempt_at="
#: Searches by which SQLite finds a good part of all rows.
COARSE: Final = (
    "ix_messages_direction_id (direction=?)",
    "ix_halves_partner_id (partner=?)",
    "ix_halves_state_id (state=?)",
    "ix_processings_partner_message_id (partner=?)",
)


@pytest.fixture
def desk(portable: Settings) -> Iterator[Desk]:
    with Desk.open(portable) as desk:
        yield desk


@pytest.fixture
def asked(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the gateway asks its database: the texts, and the last values of each."""
    seen: dict[str, Any] = {}
    monkeypatch.setattr(Statements, "form", lambda *_: None)

    def note(*arguments: Any) -> None:
        _, _, text, values, _, _ = arguments
        seen[text] = values

    event.listen(desk.site.store.engine, "before_cursor_execute", note)
    return seen


async def test_nothing_is_gone_through_row_by_row(desk: Desk, lines: LogLines, asked: dict[str, Any]) -> None:
    """Requests, an exact duplicate, a question, a stranger; what answers them; and a partner that is away."""
    desk.receive(REQUEST, peer=AT_SFU)
    desk.receive(REQUEST, peer=AT_SFU)
    desk.receive(apdus.status_query(REQUEST), peer=AT_SFU)
    desk.receive(apdus.ill_request())
    desk.receive(REQUEST, peer=ELSEWHERE, connection="c-9")
    wire = Wire()
    wire.failing["SFU"] = [DeliveryError("away", temporary=True, failure=Failure.REFUSED)]
    async with dispatching(desk, wire):
        for _ in range(2):
            await lines.until_any({telling.APDU_DELIVERED, telling.APDU_DEFERRED})
    with desk.site.store.engine.connect() as connection:
        plans = {
            text: plan(connection, text, values)
            for text, values in asked.items()
            if text.startswith(("SELECT", "UPDATE", "DELETE", "WITH")) and not text.startswith(AT_START)
        }
    assert len(plans) > 20
    assert {text: found for text, steps in plans.items() if (found := list(slow(steps)))} == {}


def plan(connection: Connection, text: str, values: Any) -> list[str]:
    """What the database would do, step by step."""
    driver = connection.connection.cursor()
    if connection.dialect.name == "sqlite":
        return [row[3] for row in driver.execute(f"EXPLAIN QUERY PLAN {text}", values)]
    # There are hardly any rows here, so it would go through them: unless that is said to be slow.
    driver.execute("SET enable_seqscan = off")
    return [row[0].strip() for row in driver.execute(f"EXPLAIN {text}", values)]


def slow(steps: list[str]) -> Iterator[str]:
    """The steps that go through all that is stored of something, in the words of either database."""
    for step, following in zip(steps, [*steps[1:], ""], strict=True):
        if step.startswith("SEARCH") and step.endswith(COARSE):
            yield step
        scan = SQLITE_SCAN.match(step) or POSTGRESQL_SCAN.search(step)
        if scan is None or scan["table"] in SMALL or scan["index"] in AT_HAND:
            continue
        if not (scan["index"] and following.startswith("Index Cond")):
            yield step


def test_a_search_through_everything_would_be_noticed() -> None:
    """The steps of both databases for what was slow once, and for what is not."""
    assert list(
        slow(
            [
                "SEARCH messages USING INDEX ix_messages_direction_id (direction=?)",
                "SEARCH messages USING INDEX ix_messages_digest (digest=?)",
                "SCAN messages",
                "SCAN outbox USING INDEX ix_outbox_unfinished",
                "SCAN outbox USING COVERING INDEX ix_outbox_message_id",
                "SCAN CONSTANT ROW",
                "->  Seq Scan on messages  (cost=0.00..1.00 rows=1 width=8)",
                "->  Index Scan using ix_messages_digest on messages  (cost=0.00..1.00 rows=1 width=8)",
                "Filter: (size > 0)",
                "->  Index Scan using ix_messages_digest on messages  (cost=0.00..1.00 rows=1 width=8)",
                "Index Cond: (digest = 'x'::bytea)",
            ]
        )
    ) == [
        "SEARCH messages USING INDEX ix_messages_direction_id (direction=?)",
        "SCAN messages",
        "SCAN outbox USING COVERING INDEX ix_outbox_message_id",
        "->  Seq Scan on messages  (cost=0.00..1.00 rows=1 width=8)",
        "->  Index Scan using ix_messages_digest on messages  (cost=0.00..1.00 rows=1 width=8)",
    ]
