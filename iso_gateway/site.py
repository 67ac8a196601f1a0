"""One installation, for the daemon and the command alike: its configuration, its database, its keys."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from config import places
from config.settings import Settings
from iso_gateway.errors import GatewayError
from iso_gateway.services import Gateway
from iso_gateway.store.engine import current, open_engine, parsed_url, upgrade
from iso_gateway.store.keyring import KeyRing, create_master_key
from iso_gateway.store.unit_of_work import Store


class WrongUserError(GatewayError):
    """The state belongs to another user: files made now would lock its owner out."""


class NotInitializedError(GatewayError):
    """There is no database yet."""


def utc_now() -> datetime:
    """The moment, aware."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Site:
    """An installation that is open for work."""

    store: Store
    gateway: Gateway
    clock: Callable[[], datetime]

    @classmethod
    def create_or_open(cls, settings: Settings, *, clock: Callable[[], datetime] = utc_now) -> Self:
        """Open an installation for the daemon; the first time, make its state directory, keys and tables.

        Raises:
            GatewayError: the state cannot be used as it is.
        """
        require_owner(settings)
        _make(settings.state_dir)
        if not places.exists(settings.master_key_file) and not _has_database(settings):
            _make(settings.master_key_file.parent)
            create_master_key(settings.master_key_file)
        return cls._opened(settings, clock, upgrading=True)

    @classmethod
    def open(cls, settings: Settings, *, clock: Callable[[], datetime] = utc_now) -> Self:
        """Open an installation for a command; nothing is made.

        Raises:
            GatewayError: there is none yet, or its state cannot be used as it is.
        """
        require_owner(settings)
        path = sqlite_path(settings)
        if path is not None and not path.exists():
            raise NotInitializedError(
                f"there is no database at {str(path)!r} yet: start the gateway once with 'iso-gateway serve'"
                " (as a service: systemctl start iso-gateway)"
            )
        return cls._opened(settings, clock, upgrading=False)

    @classmethod
    def _opened(cls, settings: Settings, clock: Callable[[], datetime], *, upgrading: bool) -> Self:
        ring = KeyRing.load(settings.master_key_file)
        engine = open_engine(settings.database_url)
        try:
            if upgrading:
                upgrade(engine)
            store = Store(engine, ring, clock=clock)
        except GatewayError:
            engine.dispose()
            raise
        return cls(store=store, gateway=Gateway(settings, clock=clock), clock=clock)

    @property
    def settings(self) -> Settings:
        """The configuration that holds now."""
        return self.gateway.settings

    def close(self) -> None:
        """Let go of the database."""
        self.store.engine.dispose()


@contextmanager
def opened(settings: Settings) -> Iterator[Site]:
    """An installation, open for the length of a command."""
    site = Site.open(settings)
    try:
        yield site
    finally:
        site.close()


@contextmanager
def opened_if_any(settings: Settings) -> Iterator[Site | None]:
    """An installation, open for the length of a command; None where no gateway has ever run."""
    try:
        site = Site.open(settings)
    except NotInitializedError:
        yield None
        return
    try:
        yield site
    finally:
        site.close()


@contextmanager
def exclusive(settings: Settings) -> Iterator[None]:
    """Hold the lock that keeps a second daemon from the same state directory, which is made if need be.

    Raises:
        GatewayError: another process holds it.
    """
    _make(settings.state_dir)
    path = settings.state_dir / "gateway.lock"
    try:
        opened = path.open("a+", encoding="ascii")
    except OSError as error:
        raise GatewayError(
            f"cannot open {str(path)!r}: {error.strerror}; see whose the files in state_dir are"
        ) from error
    with opened as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            holder = "".join(letter for letter in file.read(20) if letter.isdecimal())
            raise GatewayError(
                f"another gateway (process {holder or 'unknown'}) uses the state in"
                f" {str(settings.state_dir)!r}: stop it, or give this one a state_dir of its own"
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def _make(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise GatewayError(
            f"cannot make the directory {str(directory)!r}: {error.strerror}; make it, for the user that the"
            " gateway runs as"
        ) from error


def sqlite_path(settings: Settings) -> Path | None:
    """The file of the database, if it is SQLite. Raises StoreError where its URL is none."""
    url = parsed_url(settings.database_url)
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def _has_database(settings: Settings) -> bool:
    """Whether there may be data that a new master key could not open."""
    path = sqlite_path(settings)
    if path is not None:
        return path.exists() and path.stat().st_size > 0
    engine = open_engine(settings.database_url)
    try:
        return current(engine) != "base"
    finally:
        engine.dispose()


def require_owner(settings: Settings) -> None:
    """Raise WrongUserError unless the database is this user's, as far as it is a file."""
    path = sqlite_path(settings)
    try:
        owner = None if path is None else path.stat().st_uid
    except (FileNotFoundError, NotADirectoryError):
        return
    except PermissionError:
        raise WrongUserError(
            f"database {str(path)!r} is kept from user id {os.geteuid()}: run the command as the gateway's"
            " user, for example with sudo -u"
        ) from None
    if owner not in {None, os.geteuid()}:
        raise WrongUserError(
            f"database {str(path)!r} belongs to user id {owner}, and this is user id {os.geteuid()}:"
            " run the command as its owner, for example with sudo -u"
        )
