"""Column types that mean the same on SQLite and PostgreSQL."""

import enum
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, String, Text
from sqlalchemy.types import TypeDecorator

EnumT = TypeVar("EnumT", bound=enum.StrEnum)

#: Row ids: 64 bits on PostgreSQL; SQLite only numbers rows by itself when the type is exactly INTEGER.
ROW_ID = BigInteger().with_variant(Integer(), "sqlite")


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: aware in, aware (UTC) out, so that no time zone is ever guessed.

    SQLite keeps it as text in UTC with microseconds, which sorts as time does; PostgreSQL as
    TIMESTAMP WITH TIME ZONE. A naive value raises ValueError: it is a mistake of the caller.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive time; SQLite gets UTC without an offset because its text form has none."""
        if value is None:
            return None
        if value.tzinfo is None or value.utcoffset() is None:
            raise ValueError(f"naive datetime {value!r} given to the store; give an aware one")
        in_utc = value if value.tzinfo is UTC else value.astimezone(UTC)
        return in_utc.replace(tzinfo=None) if dialect.name == "sqlite" else in_utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Give the instant back in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class EnumText(TypeDecorator[EnumT]):
    """One of a closed set of words, kept as text; the table's CHECK constraint holds the set.

    Why not sqlalchemy.Enum: its native form differs between the databases, and changing a set would be
    another kind of migration on each.
    """

    impl = String(32)
    cache_ok = True

    def __init__(self, members: type[EnumT]) -> None:
        super().__init__()
        self.members = members

    def process_bind_param(self, value: EnumT | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Accept members only: a word outside of the set raises ValueError before the database sees it."""
        return None if value is None else self.members(value).value

    def process_result_value(self, value: str | None, dialect: Dialect) -> EnumT | None:  # noqa: ARG002
        """Give the member back."""
        return None if value is None else self.members(value)


class NameList(TypeDecorator[tuple[str, ...]]):
    """A set of names (a half's flags) as JSON text, sorted, so that equal sets are equal text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Iterable[str] | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Sort and drop repetitions: the order of flags carries no meaning."""
        return None if value is None else json.dumps(sorted(set(value)), separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[str, ...] | None:  # noqa: ARG002
        """Give the names back in order."""
        return None if value is None else tuple(json.loads(value))


class JsonObject(TypeDecorator[Mapping[str, object]]):
    """An object as JSON text, its keys sorted. It is kept in plain, so it must hold no patron data."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Mapping[str, object] | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Write it as text."""
        return None if value is None else json.dumps(value, sort_keys=True, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Mapping[str, object] | None:  # noqa: ARG002
        """Give the object back."""
        if value is None:
            return None
        decoded: dict[str, object] = json.loads(value)
        return decoded
