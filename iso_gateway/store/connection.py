"""A connection on which a statement that comes again goes straight to the driver.

Theory of operation. What a message costs is the CPU time of its statements, and nine tenths of that was
SQLAlchemy's: to find the compiled statement, to make an execution context, to wrap the rows, some 60 µs
for what takes SQLite 5. So a statement of SQLAlchemy Core is executed by SQLAlchemy the first time that
a database gets it, and when the same object comes again it is compiled for good: its text, and the
conversions of its values and results. From then on the driver executes it, in the transaction that
SQLAlchemy holds. Statements that are constants of a module get there by themselves; one that is put
together for one question never does. Errors are SQLAlchemy's, and a connection that broke is given up,
as they are otherwise.
"""

import enum
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, assert_never
from weakref import WeakKeyDictionary

import sqlalchemy
from sqlalchemy import CompoundSelect, Delete, Dialect, Insert, Select, Table, Update
from sqlalchemy.exc import DBAPIError, NoResultFound
from sqlalchemy.sql.compiler import SQLCompiler

from iso_gateway.store.types import UtcDateTime

Statement = Select[*tuple[Any, ...]] | CompoundSelect[*tuple[Any, ...]] | Insert | Update | Delete

_Convert = Callable[[Any], Any]
"""Makes of a value what the driver takes, or of what the driver gives a value."""


class _Not(enum.Enum):
    """Why a statement has no form."""

    #: it came for the first time, and may be one that is put together for one question
    YET = enum.auto()
    #: its text depends on its values, as that of an IN over a list does
    EVER = enum.auto()


class Answer:
    """What the database answered: all of its rows, and how many it changed. Rows are as SQLAlchemy's."""

    __slots__ = ("_rows", "rowcount")

    def __init__(self, rows: Sequence[Any], rowcount: int) -> None:
        self._rows = rows
        self.rowcount = rowcount

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)

    def all(self) -> Sequence[Any]:
        """All rows."""
        return self._rows

    def scalars(self) -> Sequence[Any]:
        """The first value of each row."""
        return [row[0] for row in self._rows]

    def one_or_none(self) -> Any:
        """The only row, or None: the statement is such that there is not more than one."""
        return self._rows[0] if self._rows else None

    def scalar(self) -> Any:
        """The first value of the only row; None without a row."""
        return self._rows[0][0] if self._rows else None

    def scalar_one(self) -> Any:
        """The first value of the only row. Raises NoResultFound without a row."""
        if not self._rows:
            raise NoResultFound("no row came back where there has to be one")
        return self._rows[0][0]


class Statements:
    """The statements that one database has got: from the second time on in the form that its driver takes."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Statement, _Form | _Not] = WeakKeyDictionary()

    def form(self, statement: Statement, names: Iterable[str], dialect: Dialect) -> "_Form | None":
        """The form of a statement with values of these names; None where SQLAlchemy is to execute it."""
        known = self._known.get(statement)
        match known:
            case _Form():
                return known
            case None:
                self._known[statement] = _Not.YET
                return None
            case _Not.YET:
                form = _compiled(statement, names, dialect)
                self._known[statement] = _Not.EVER if form is None else form
                return form
            case _Not.EVER:
                return None
            case _:
                assert_never(known)


class Connection:
    """SQLAlchemy's connection, as the repositories use it.

    Args:
        connection: the one that SQLAlchemy opened.
        statements: what its database has got so far; without them it begins anew.
    """

    __slots__ = ("_plain", "_statements", "dialect", "engine")

    def __init__(self, connection: sqlalchemy.Connection, statements: Statements | None = None) -> None:
        self._plain = connection
        self._statements = Statements() if statements is None else statements
        self.dialect = connection.dialect
        self.engine = connection.engine

    def execute(
        self,
        statement: Statement,
        parameters: Mapping[str, object] | Sequence[Mapping[str, object]] | None = None,
    ) -> Answer:
        """Execute a statement; with a sequence of parameters, once for each of them."""
        given = {} if parameters is None else parameters
        if isinstance(given, dict):
            form = self._statements.form(statement, given, self.dialect)
            if form is not None and form.takes(given):
                return self._driver(form.text, form.values(given), form)
        result = self._plain.execute(statement, given or None)
        return Answer(result.all() if result.returns_rows else (), result.rowcount)

    def exec_driver_sql(self, text: str) -> None:
        """Execute a statement as it is written, which gives nothing back."""
        self._plain.exec_driver_sql(text)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A part of the transaction: an exception undoes it, and is raised on."""
        self._driver("SAVEPOINT part", (), None)
        try:
            yield
        except BaseException:
            if not self._plain.invalidated:
                self._driver("ROLLBACK TO SAVEPOINT part", (), None)
                self._driver("RELEASE SAVEPOINT part", (), None)
            raise
        self._driver("RELEASE SAVEPOINT part", (), None)

    def _driver(self, text: str, values: Any, form: "_Form | None") -> Answer:
        """Let the driver execute a statement; `form` says what its rows mean, if it gives any."""
        if not self._plain.in_transaction():
            # SQLAlchemy begins by itself before what it executes itself.
            self._plain.begin()
        cursor = self._plain.connection.cursor()
        try:
            cursor.execute(text, values)
            rows = () if form is None or not form.returns_rows else form.rows(cursor.fetchall())
            return Answer(rows, cursor.rowcount)
        except self.dialect.loaded_dbapi.Error as error:
            raise self._explained(cursor, error) from error
        finally:
            cursor.close()

    def _explained(self, cursor: Any, error: Any) -> BaseException:
        """The error as SQLAlchemy raises it; a connection that broke is given up."""
        broken = self.dialect.is_disconnect(error, self._plain.connection, cursor)
        if broken:
            self._plain.invalidate(error)
        explained: BaseException = DBAPIError.instance(
            None,
            None,
            error,
            self.dialect.loaded_dbapi.Error,
            connection_invalidated=broken,
            dialect=self.dialect,
        )
        return explained


@lru_cache(maxsize=256)
def locking(query: Select[Any], *, skip: Table | None = None) -> Select[Any]:
    """A query that locks the rows it reads, where the database can: one object for each query.

    Args:
        query: the query, one that is kept.
        skip: the table whose rows are left out when another process has locked them, and alone are locked.
    """
    return query.with_for_update() if skip is None else query.with_for_update(skip_locked=True, of=skip)


class _Form:
    """A statement as one database's driver takes it."""

    __slots__ = ("_by_name", "_converts", "_expected", "_row", "_values", "returns_rows", "text")

    def __init__(
        self, statement: Statement, compiled: SQLCompiler, names: Iterable[str], dialect: Dialect
    ) -> None:
        self.text = str(compiled)
        self._expected = frozenset(names)
        # SQLite takes values by position, PostgreSQL by name.
        order = tuple(compiled.params) if compiled.positiontup is None else tuple(compiled.positiontup)
        self._by_name = None if compiled.positional else order
        self._values = tuple(_value(compiled, name, dialect) for name in order)
        given = list(statement.exported_columns)
        self.returns_rows = bool(given)
        self._row = _row_of([str(one.key) for one in given])
        converts = (one.type.dialect_impl(dialect).result_processor(dialect, None) for one in given)
        self._converts = tuple((at, convert) for at, convert in enumerate(converts) if convert is not None)

    def takes(self, parameters: Mapping[str, object]) -> bool:
        """Whether these are the values that it was made for: an INSERT may set other columns another time."""
        return parameters.keys() == self._expected

    def values(self, parameters: Mapping[str, object]) -> Any:
        """The values for the driver."""
        values = [
            fixed if name is None else parameters[name] if convert is None else convert(parameters[name])
            for name, convert, fixed in self._values
        ]
        return values if self._by_name is None else dict(zip(self._by_name, values, strict=True))

    def rows(self, found: Sequence[Sequence[Any]]) -> Sequence[Any]:
        """What the driver's rows mean."""
        if not self._converts:
            return [self._row(one) for one in found]
        rows = []
        for one in found:
            converted = list(one)
            for at, convert in self._converts:
                converted[at] = convert(converted[at])
            rows.append(self._row(converted))
        return rows


def _row_of(names: Sequence[str]) -> Callable[[Iterable[Any]], Any]:
    """What makes a row of values: a named tuple, with the mapping that SQLAlchemy's rows have."""
    # Why not typing.NamedTuple: its fields are written in the program, and these are the statement's.
    fields: Any = namedtuple("Row", names, rename=True)  # type: ignore[misc]  # noqa: PYI024
    row: Any = type("Row", (fields,), {"__slots__": (), "_mapping": property(fields._asdict)})
    made: Callable[[Iterable[Any]], Any] = row._make
    return made


def _compiled(statement: Statement, names: Iterable[str], dialect: Dialect) -> _Form | None:
    """The form of a statement; None where its text depends on its values."""
    columns = list(names) if isinstance(statement, Insert) else None
    compiled = statement.compile(dialect=dialect, column_keys=columns)
    return None if compiled.post_compile_params else _Form(statement, compiled, names, dialect)


def _value(compiled: SQLCompiler, name: str, dialect: Dialect) -> tuple[str | None, _Convert | None, Any]:
    """Where a value comes from: the name of a parameter and its conversion, or the statement itself."""
    bind = compiled.binds[name]
    convert = bind.type.dialect_impl(dialect).bind_processor(dialect)
    if convert is not None and isinstance(bind.type, UtcDateTime):
        # One moment stands in a dozen rows of one message, and is the most work of all values to write.
        convert = lru_cache(maxsize=64)(convert)
    if bind.required:
        return bind.key, convert, None
    fixed = compiled.params[name]
    return None, None, fixed if convert is None else convert(fixed)
