"""The one door to SQLite: a file of tables that may be lost at any time without harm.

A database that is damaged is set aside and begun anew; one that is locked, read-only or out
of reach is replaced by one in memory. Either is a warning, and never an error.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar

if TYPE_CHECKING:
    from sqlite3 import Connection

T = TypeVar("T")

Cell: TypeAlias = "str | int | float | None"
Row: TypeAlias = tuple[Cell, ...]
Statement: TypeAlias = tuple[str, Iterable[Row]]
"""What is done, once for each row of values."""

_NAMES = "SELECT name FROM sqlite_master WHERE type = 'table'"

_UNFIT = ("locked", "busy", "readonly", "unable to open", "full")
"""What SQLite says of a database that is sound, but not for us, or not now."""


_LARGEST = 2**63 - 1


class DamagedError(Exception):
    """What was read from a database was never written so; the text says what became of it."""


@dataclass(frozen=True)
class Table:
    """A table, and the columns that tell its rows apart: they come first."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]

    @property
    def create(self) -> str:
        """The statement that makes it."""
        columns, key = ", ".join(self.columns), ", ".join(self.key)
        return f"CREATE TABLE {self.name} ({columns}, UNIQUE ({key}))"

    @property
    def insert(self) -> str:
        """The statement that adds a row, or replaces the one of the same key."""
        values = ", ".join("?" for _ in self.columns)
        return f"INSERT OR REPLACE INTO {self.name} VALUES ({values})"  # noqa: S608 - our own names

    @property
    def select(self) -> str:
        """The beginning of a statement that reads rows."""
        return f"SELECT {', '.join(self.columns)} FROM {self.name}"  # noqa: S608 - our own names

    @property
    def select_by_key(self) -> str:
        """The statement that reads one row."""
        return f"{self.select} WHERE {' AND '.join(f'{column} = ?' for column in self.key)}"


@dataclass(frozen=True)
class Schema:
    """What a database holds; a database of a higher version is not touched."""

    version: int
    tables: tuple[Table, ...]


class Database:
    """A database file; any number of threads may use it at once.

    Attributes:
        warnings: What the user should know of it.
    """

    def __init__(self, path: Path, schema: Schema, *, busy_timeout: float) -> None:
        """Open it, or make it.

        Args:
            path: Where it is; its folder is made too.
            schema: What it holds.
            busy_timeout: Seconds that another process may hold it before it is done without.
        """
        self.warnings: list[str] = []
        self._path = path
        self._schema = schema
        self._busy_timeout = busy_timeout
        self._lock = threading.RLock()
        self._was_replaced = False
        self._connection = self._opened()

    def read(self, query: str, values: Row, read: Callable[[Row], T]) -> tuple[T, ...]:
        """Rows as `read` makes them out; none where the database turns out to be unfit.

        Args:
            query: The statement.
            values: For its question marks.
            read: Raises DamagedError where a row was never written so.
        """
        found = self._guarded(
            lambda connection: tuple(read(row) for row in connection.execute(query, values))
        )
        return found or ()

    def write(self, statements: Iterable[Statement]) -> None:
        """Do all of it or nothing; where the database turns out to be unfit, do it to the next."""
        planned = [
            (statement, tuple(tuple(map(_storable, row)) for row in rows))
            for statement, rows in statements
        ]

        def work(connection: Connection) -> bool:
            with _transaction(connection):
                for statement, rows in planned:
                    connection.executemany(statement, rows)
            return True

        if not self._guarded(work):
            self._guarded(work)

    def close(self) -> None:
        """Close the file; `contextlib.closing` does it at a block's end."""
        with self._lock:
            self._connection.close()

    def _guarded(self, work: Callable[[Connection], T]) -> T | None:
        """Work with the database; None where it turned out to be unfit, and was replaced."""
        import sqlite3  # noqa: PLC0415  (a command that needs no state starts without it)

        with self._lock:
            try:
                return work(self._connection)
            except sqlite3.ProgrammingError:
                raise
            except (sqlite3.Error, DamagedError) as error:
                self._connection.close()
                self._connection = self._replacement(error)
                return None

    def _opened(self) -> Connection:
        import sqlite3  # noqa: PLC0415

        try:
            return _connect(self._path, self._schema, self._busy_timeout)
        except (OSError, sqlite3.Error, DamagedError) as error:
            return self._replacement(error)

    def _replacement(self, error: Exception) -> Connection:
        """What the run goes on with: a new database once, then one in memory."""
        is_sound = isinstance(error, OSError) or any(word in str(error) for word in _UNFIT)
        if is_sound or self._was_replaced:
            self.warnings.append(f"{self._path} can't be used: {error}; this run does without it")
            return _connect(None, self._schema, self._busy_timeout)
        self._was_replaced = True
        try:
            aside = _set_aside(self._path)
        except OSError as refusal:
            return self._replacement(refusal)
        self.warnings.append(
            f"{self._path} {_fault(error)}: it is set aside as {aside.name}, "
            "and what it held is found out anew"
        )
        return self._opened()


def _storable(cell: Cell) -> Cell:
    """A value as SQLite takes it: numbers of 64 bits, texts without lone surrogates."""
    if isinstance(cell, str):
        return cell.encode("utf-8", "backslashreplace").decode()
    return max(-_LARGEST, min(_LARGEST, cell)) if isinstance(cell, int) else cell


def _fault(error: Exception) -> str:
    return str(error) if isinstance(error, DamagedError) and str(error) else "is damaged"


def _connect(path: Path | None, schema: Schema, busy_timeout: float) -> Connection:
    """Open a database and see to its tables; None is one in memory."""
    import sqlite3  # noqa: PLC0415

    if path:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    connection = sqlite3.connect(
        path or ":memory:", timeout=busy_timeout, isolation_level=None, check_same_thread=False
    )
    try:
        _prepare(connection, schema)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: Connection, schema: Schema) -> None:
    version = _version_of(connection)
    if version > schema.version:
        raise DamagedError("was made by a newer version")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA journal_mode = WAL")
    if version == schema.version:
        return
    with _transaction(connection):
        if _version_of(connection) == schema.version:
            return  # another process was faster
        there = {name for (name,) in connection.execute(_NAMES)} if version else set()
        for table in schema.tables:
            if table.name not in there:
                connection.execute(table.create)
        connection.execute(f"PRAGMA user_version = {schema.version}")


def _version_of(connection: Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


@contextmanager
def _transaction(connection: Connection) -> Iterator[None]:
    import sqlite3  # noqa: PLC0415

    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _set_aside(path: Path) -> Path:
    """Rename a database, and its journal with it: a new one must not find that."""
    aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    for suffix in ("-wal", "-shm", ""):
        with suppress(FileNotFoundError):
            Path(f"{path}{suffix}").replace(f"{aside}{suffix}")
    return aside
