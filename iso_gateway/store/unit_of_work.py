"""The store as the use cases see it: one unit of work is one database transaction.

Use cases take a `UnitOfWork` and never commit; whoever opened it does. So several use cases can share a
commit, each in a savepoint (`UnitOfWork.savepoint`), and none sees half of another.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TypeVar

import sqlalchemy
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from iso_gateway.errors import StoreError
from iso_gateway.store.attention import Attention
from iso_gateway.store.checking import Checks
from iso_gateway.store.connection import Connection, Statements
from iso_gateway.store.contention import HEAD_START, REPETITIONS, give_way, may_be_done_again
from iso_gateway.store.daily_mails import DailyMails
from iso_gateway.store.documents import Documents
from iso_gateway.store.due import Due
from iso_gateway.store.engine import BEGIN_OPTION, failure, may_take_long, require_current
from iso_gateway.store.gateways import Gateways, Sending
from iso_gateway.store.halves import Halves
from iso_gateway.store.history import Audit, Events, Inputs
from iso_gateway.store.keyring import KeyRing
from iso_gateway.store.keys import Vault, standing_keys
from iso_gateway.store.leases import Leases
from iso_gateway.store.mails import Mails
from iso_gateway.store.messages import Messages
from iso_gateway.store.observations import Observations
from iso_gateway.store.outbox import Outbox
from iso_gateway.store.partner_states import PartnerStates
from iso_gateway.store.searching import Search
from iso_gateway.store.transactions import Transactions
from iso_gateway.store.unarrived import UnarrivedMessages
from iso_gateway.store.waiting import Deadlines, Held
from iso_gateway.store.webhooks import Webhooks

T = TypeVar("T")


def _now() -> datetime:
    return datetime.now(UTC)


class UnitOfWork:
    """The repositories over one database transaction. Valid inside the `with` that gave it, on its thread."""

    __slots__ = (
        "_connection",
        "_tellings",
        "_vault",
        "attention",
        "audit",
        "checks",
        "daily_mails",
        "deadlines",
        "documents",
        "due",
        "events",
        "gateways",
        "halves",
        "held",
        "inputs",
        "leases",
        "mails",
        "messages",
        "observations",
        "outbox",
        "partners",
        "search",
        "sending",
        "transactions",
        "unarrived",
        "webhooks",
    )

    def __init__(self, connection: Connection, vault: Vault, *, writing: bool) -> None:
        self._connection = connection
        self._vault = vault
        self._tellings: list[Callable[[], object]] = []
        self.messages = Messages(connection, vault)
        self.transactions = Transactions(connection, vault)
        self.halves = Halves(connection, vault, writing=writing)
        self.deadlines = Deadlines(connection)
        self.held = Held(connection, vault)
        self.inputs = Inputs(connection, vault)
        self.events = Events(connection, vault)
        self.outbox = Outbox(connection)
        self.unarrived = UnarrivedMessages(connection)
        self.due = Due(connection)
        self.documents = Documents(connection, vault)
        self.daily_mails = DailyMails(connection, vault)
        self.mails = Mails(connection, vault)
        self.partners = PartnerStates(connection)
        self.audit = Audit(connection, vault)
        self.attention = Attention(connection)
        self.observations = Observations(connection)
        self.webhooks = Webhooks(connection)
        self.search = Search(connection, vault)
        self.checks = Checks(connection, vault)
        self.gateways = Gateways(connection)
        self.leases = Leases(connection)
        self.sending = Sending(connection)

    def once_stored(self, tell: Callable[[], object]) -> None:
        """Have something told, as a line of the log, once what it tells of is on disk; never if it is undone.

        Who reads the line may look for what it tells of, and finds it.
        """
        self._tellings.append(tell)

    def tell(self) -> None:
        """Tell what is to be told. For whoever has committed."""
        for tell in self._tellings:
            tell()

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A part that can fail alone: an exception undoes what was done inside, and is raised on.

        Errors of the database are raised as StoreError. Whoever goes on after an error has to let pass
        ConflictError and UnavailableError: they are not about this part, and the whole is done again.
        """
        told_before = len(self._tellings)
        try:
            with _explained(self._connection.engine), self._connection.savepoint():
                yield
        except BaseException:
            self._vault.forget()
            del self._tellings[told_before:]
            raise


class Store:
    """A database and the key ring that opens it."""

    def __init__(self, engine: Engine, keyring: KeyRing, *, clock: Callable[[], datetime] = _now) -> None:
        """Open the store, making its intake and digest keys the first time (dated by `clock`).

        Raises StoreError when the tables are not of this version (`engine.upgrade` first), or when another
        master key sealed the database.
        """
        require_current(engine)
        self._engine = engine
        self._ring = keyring
        self._statements = Statements()
        with _explained(engine):
            self._standing = standing_keys(engine, keyring, clock())

    @property
    def engine(self) -> Engine:
        """The engine, for `engine.data_version` and for closing."""
        return self._engine

    @property
    def is_shared(self) -> bool:
        """Whether several gateways can use it at once: SQLite has one, which holds its state directory."""
        return self._engine.dialect.name != "sqlite"

    def keyed_digest(self, data: bytes, *, context: str) -> bytes:
        """What proves that data was marked by this installation: nobody without its keys can make it.

        `context` keeps the digests of one purpose from those of others.
        """
        return self._ring.digest(self._standing.digest.secret, data, context=context)

    @contextmanager
    def unit_of_work(self) -> Iterator[UnitOfWork]:
        """One transaction: on disk when the `with` has ended, undone when it ends in an exception.

        Errors of the database are raised as StoreError.
        """
        with _explained(self._engine), self._engine.begin() as connection:
            uow = self._work(connection, writing=True)
            yield uow
        uow.tell()

    def perform(self, work: Callable[[UnitOfWork], T]) -> T:
        """Do work in a unit of work of its own, and again when it failed for another process only.

        So it may run several times; what its last run gives is given back once that is on disk.

        Raises:
            StoreError: the database refused it, or others were in the way each time.
        """
        for repetition in range(1, REPETITIONS + 1):
            committing = False
            try:
                with self.unit_of_work() as uow:
                    result = work(uow)
                    committing = True
            except StoreError as error:
                if repetition == REPETITIONS or not may_be_done_again(error, committing=committing):
                    raise
                give_way(error, HEAD_START * repetition)
            else:
                return result
        raise AssertionError("the last repetition neither gave nor raised anything")

    @contextmanager
    def reading(self) -> Iterator[UnitOfWork]:
        """One consistent view of the database, in which nothing can be written; it holds up no writer."""
        with _explained(self._engine), self._engine.connect() as plain, _read_only(plain) as connection:
            yield self._work(connection, writing=False)

    def _work(self, plain: sqlalchemy.Connection, *, writing: bool) -> UnitOfWork:
        connection = Connection(plain, self._statements)
        return UnitOfWork(connection, Vault(connection, self._ring, self._standing), writing=writing)


@contextmanager
def _read_only(connection: sqlalchemy.Connection) -> Iterator[sqlalchemy.Connection]:
    if connection.dialect.name == "postgresql":
        reading = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        may_take_long(reading)
        yield reading
        return
    reading = connection.execution_options(**{BEGIN_OPTION: "DEFERRED"})
    reading.exec_driver_sql("PRAGMA query_only = ON")
    try:
        yield reading
    finally:
        # The connection goes back to a pool that writers draw from too.
        reading.exec_driver_sql("PRAGMA query_only = OFF")


@contextmanager
def _explained(engine: Engine) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise failure(engine, error) from error
