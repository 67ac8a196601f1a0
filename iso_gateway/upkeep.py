"""What an operator does with the database as a whole: upgrade, back up, restore, copy, hold and resume.

Theory of operation. What is received and what is sent belong together, and only one copy of a database may
send. So every copy but a move is held (`store.gateways.Sending`) until an operator says that it is the one;
after a move, it is the old one that is held. What changes the tables, or moves them, needs the gateways
stopped; reading does not.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

from config.settings import Settings
from iso_gateway.errors import GatewayError, NotFoundError, StoreError
from iso_gateway.site import Site, exclusive, require_owner, sqlite_path, utc_now
from iso_gateway.store import backup, copying, engine, gateways
from iso_gateway.store.keyring import KeyRing
from iso_gateway.store.records import OutboxRecord, SendingHold
from iso_gateway.store.unit_of_work import Store, UnitOfWork

#: What the audit trail calls these.
HELD: Final = "sending-held"
RESUMED: Final = "sending-resumed"
PARTNER_RENAMED: Final = "partner.rename"


@dataclass(frozen=True, slots=True, kw_only=True)
class Revisions:
    """At which revision the tables are, and which one this version works with."""

    current: str
    newest: str


def revisions(settings: Settings) -> Revisions:
    """Tell the revision of the database's tables."""
    with _engine(settings) as database:
        return Revisions(current=engine.current(database), newest=engine.newest())


def upgrade(settings: Settings) -> Revisions:
    """Bring the tables up to date; gives where they were and are.

    Raises:
        GatewayError: a gateway runs, there is no database, or a newer version made it.
    """
    with _engine(settings) as database, _undisturbed(settings, database):
        before = engine.current(database)
        engine.upgrade(database)
        return Revisions(current=before, newest=engine.newest())


def back_up(site: Site, path: Path) -> Mapping[str, int]:
    """Write a backup to a new file, beside running gateways; gives its rows by table."""
    return backup.back_up(site.store.engine, path.absolute(), site.clock())


def restore(settings: Settings, path: Path) -> Mapping[str, int]:
    """Put a backup where the configuration has its database, which must be new; gives its rows by table.

    Raises:
        GatewayError: a gateway runs, the master key does not open the backup, or something is there already.
    """
    ring = KeyRing.load(settings.master_key_file)
    place = sqlite_path(settings)

    def check(made: Engine) -> None:
        Store(made, ring, clock=utc_now)

    with exclusive(settings):
        if place is not None:
            if place.exists():
                raise StoreError(
                    f"{str(place)!r} exists already, and is never overwritten; move it aside, with its -wal"
                    " and -shm, and restore again"
                )
            return backup.restore(path, place, place.parent, utc_now(), check=check)
        with _engine(settings) as database:
            _require_nobody(settings, database)
            return backup.restore(path, database, settings.state_dir, utc_now(), check=check)


def copy(site: Site, url: str, *, move: bool) -> Mapping[str, int]:
    """Copy everything to an empty database; gives the rows by table.

    Args:
        site: what is copied.
        url: where to, as `database_url` has it.
        move: the other database takes the place of this one: gateways have to be stopped, and this one is
            held. Else the other one is.

    Raises:
        GatewayError: a gateway runs, or one of the databases cannot be used.
    """
    target = engine.open_engine(url)
    try:
        source, at = site.store.engine, site.clock()
        # Held in the transaction that fills it: killed at any moment, at most one of the two sends.
        is_copy = partial(
            backup.hold_in, reason=f"this is a copy of {engine.describe(source)}", at=at, keep=move
        )
        if not move:
            return copying.copy(source, target, also=is_copy)
        with _undisturbed(site.settings, source):
            with site.store.reading() as uow:
                sends = uow.sending.held() is None
            counts = copying.copy(source, target, also=is_copy)
            backup.hold(source, f"this was moved to {engine.describe(target)}", at)
            if sends:
                backup.release(target)
            return counts
    finally:
        target.dispose()


def hold(site: Site, *, actor: str, reason: str) -> SendingHold | None:
    """Have nothing sent from the database any more, by any gateway.

    Returns:
        None; what holds it, if something did already, which is left as it is.
    """

    def held(uow: UnitOfWork) -> SendingHold | None:
        before = uow.sending.held()
        if before is None:
            uow.sending.hold(f"an operator held it: {actor}", site.clock())
            uow.audit.append(at=site.clock(), actor=actor, action=HELD, reason=reason)
        return before

    return site.store.perform(held)


def waiting_to_resume(uow: UnitOfWork) -> tuple[SendingHold, tuple[OutboxRecord, ...]] | None:
    """Why nothing is sent, and what would be: for the operator to decide on; None if it is not held."""
    held = uow.sending.held()
    return None if held is None else (held, uow.outbox.list(limit=1_000_000))


def resume(site: Site, *, actor: str, reason: str, at: datetime) -> bool:
    """Have everything sent again. False if it was not held any more."""

    def resumed(uow: UnitOfWork) -> bool:
        if not uow.sending.resume():
            return False
        uow.audit.append(at=at, actor=actor, action=RESUMED, reason=reason)
        return True

    return site.store.perform(resumed)


def rename_partner(site: Site, old: str, new: str, *, actor: str, reason: str) -> Mapping[str, int]:
    """Have all that is stored of a partner go by the name that the configuration gives it now.

    Gives how many rows of each table were changed.

    Raises:
        GatewayError: a gateway runs, the old name is still configured, or the new one is not.
    """
    if site.settings.partner(old) is not None:
        raise GatewayError(f"partner {old!r} is still configured: rename it in its file first")
    if site.settings.partner(new) is None:
        raise NotFoundError(f"there is no partner {new!r}; partners list shows those there are")

    def rename(uow: UnitOfWork) -> Mapping[str, int]:
        counts = uow.partners.rename(old, new)
        uow.audit.append(
            at=site.clock(), actor=actor, action=PARTNER_RENAMED, reason=f"{old} to {new}: {reason}"
        )
        return counts

    with _undisturbed(site.settings, site.store.engine):
        return site.store.perform(rename)


@contextmanager
def _engine(settings: Settings) -> Iterator[Engine]:
    require_owner(settings)
    path = sqlite_path(settings)
    if path is not None and not path.exists():
        raise NotFoundError(
            f"there is no database at {str(path)!r} yet: start the gateway once with 'iso-gateway serve'"
            " (as a service: systemctl start iso-gateway)"
        )
    database = engine.open_engine(settings.database_url)
    try:
        yield database
    finally:
        database.dispose()


@contextmanager
def _undisturbed(settings: Settings, database: Engine) -> Iterator[None]:
    """While no gateway uses the database. One on another machine is kept from nothing, but would be seen."""
    with exclusive(settings):
        _require_nobody(settings, database)
        yield


def _require_nobody(settings: Settings, database: Engine) -> None:
    # On SQLite the lock says it all; what stands in the table may be of one that was killed.
    if database.dialect.name == "sqlite":
        return
    alive = gateways.alive_in(database, utc_now() - settings.sharing.lease)
    if alive:
        names = ", ".join(f"process {one.pid} on {one.host}" for one in alive)
        wait = settings.sharing.lease / timedelta(seconds=1)
        raise GatewayError(
            f"gateways use the database ({names}): stop them first; one that died counts for {wait:.0f} s"
            " after it was last heard of"
        )
