"""A configuration as the gateway can use it: read, and looked at where `config` cannot look.

`config` knows what stands in the files. What they mean is known here: which rules there are, whether the
templates of a site write mails, whether the master key is one, whether the state can be kept.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from asn1.rules import RULES
from config import loading, places
from config.errors import ConfigError, ConfigErrors
from config.loading import Reading
from config.settings import Settings
from iso_gateway.documents import rendering
from iso_gateway.errors import StoreError
from iso_gateway.noticing import reporting
from iso_gateway.site import sqlite_path
from iso_gateway.store.keyring import KeyRing


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """A configuration that a gateway can run with.

    Args:
        settings: what it says.
        warnings: what hardly is what was meant.
    """

    settings: Settings
    warnings: tuple[ConfigError, ...]


def read(path: Path) -> Settings:
    """Read a configuration for a command, which needs no more of it than the files say.

    Raises:
        ConfigErrors: with everything that is wrong in them.
    """
    return loading.load(path, rules=RULES)


def examine(path: Path) -> Examined:
    """Read a configuration for a gateway, or for who wants to know whether one can run with it.

    Raises:
        ConfigErrors: with everything that is wrong in its files, and in those that they name.
    """
    reading = loading.read(path, rules=RULES)
    errors = (
        *reading.errors,
        *_of_the_database(path, reading.settings),
        *_of_the_state(path, reading.state_dir),
        *_of_the_key(path, reading),
        *_of_the_templates(reading),
    )
    if reading.settings is None or errors:
        raise ConfigErrors(errors)
    return Examined(settings=reading.settings, warnings=reading.warnings)


def _of_the_database(path: Path, settings: Settings | None) -> Iterator[ConfigError]:
    try:
        if settings is not None:
            sqlite_path(settings)
    except StoreError as error:
        expected = "'sqlite:///PATH' or 'postgresql+psycopg://USER@HOST/NAME'"
        yield ConfigError(file=path, key="database_url", problem=str(error), expected=expected)


def _of_the_state(path: Path, state_dir: Path | None) -> Iterator[ConfigError]:
    problem = None if state_dir is None else _what_keeps_from_writing(state_dir)
    if problem is not None:
        expected = "a directory of the user that the gateway runs as"
        yield ConfigError(file=path, key="state_dir", problem=problem, expected=expected)


def _of_the_key(path: Path, reading: Reading) -> Iterator[ConfigError]:
    file = reading.master_key_file
    if file is None:
        return
    expected = "the key of this database, as base64, for the user that the gateway runs as"
    problem: str | None = None
    # Who may not look whether it is there is told so when it is read.
    if places.exists(file) or _is_hidden(file.parent) or _is_missed(reading.settings):
        try:
            KeyRing.load(file)
        except StoreError as error:
            problem = str(error)
    elif file.parent != reading.state_dir:
        problem = _what_keeps_from_writing(file.parent)
        expected = "a directory in which the gateway can make the key"
    if problem is not None:
        yield ConfigError(file=path, key="master_key_file", problem=problem, expected=expected)


def _what_keeps_from_writing(directory: Path) -> str | None:
    """Why nothing can be written in a directory that may have to be made; None where all is well."""
    there = directory
    while not places.exists(there) and there != there.parent:
        there = there.parent
    if not places.is_directory(there):
        return f"{str(there)!r} is no directory"
    if os.access(there, os.W_OK | os.X_OK):
        return None
    what = "written" if there == directory else f"made, because {str(there)!r} cannot be written"
    return f"{str(directory)!r} cannot be {what} by this user (id {os.geteuid()})"


def _is_hidden(directory: Path) -> bool:
    return places.exists(directory) and not os.access(directory, os.X_OK)


def _is_missed(settings: Settings | None) -> bool:
    """Whether there is a database that a new key could not open; a server's is asked when it is opened."""
    try:
        database = None if settings is None else sqlite_path(settings)
    except StoreError:
        return False
    return database is not None and places.exists(database) and database.stat().st_size > 0


def _of_the_templates(reading: Reading) -> Iterator[ConfigError]:
    of_each = (
        (reading.document_templates, rendering.mistakes_in, "docs/documents.md"),
        (reading.daily_templates, reporting.mistakes_in, "docs/noticing.md"),
    )
    for directory, mistakes_in, manual in of_each:
        if directory is None or not places.is_directory(directory):
            continue
        for mistake in mistakes_in(directory):
            yield ConfigError(
                file=mistake.file,
                key="" if mistake.line is None else f"line {mistake.line}",
                problem=mistake.problem,
                expected=f"a template as {manual} has it",
            )
