"""One engine for our tables and for DBOS beside them."""

import hashlib
import re
import sqlite3
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import quote
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

POOL_SIZE: Final = 10
# What PostgreSQL can't store, and no UTF-8 can say.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
# A row as the stores hand it out.
Row: TypeAlias = sa.Row[*tuple[Any, ...]]
_locked: Final = WeakKeyDictionary[sa.Connection, dict[str, Row | None]]()


class Instant(sa.TypeDecorator[datetime]):
    """A moment in UTC, aware of it on both databases."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None or dialect.name != "sqlite":
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Words(sa.TypeDecorator[str]):
    """Text from anywhere, the same on both databases: what can't be stored is replaced.

    A value longer than its column, an agent's own id say, is stored and found by its beginning and a hash of it.
    """

    impl = sa.String
    cache_ok = True

    def __init__(self, length: int | None = None) -> None:
        super().__init__(length)
        self.length = length
        if length is None:
            self.impl = sa.Text()

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        if value is None:
            return None
        value = _UNSTORABLE.sub("\ufffd", value)
        if self.length is None or len(value) <= self.length:
            return value
        mark = hashlib.sha256(value.encode()).hexdigest()[: self.length // 2]
        return value[: self.length - len(mark)] + mark


def make_engine(url: str) -> sa.Engine:
    """The engine for `url` (SQLite or PostgreSQL).

    SQLite: write-ahead log, `synchronous=FULL` (accepted means durable, also at power loss), and immediate
    transactions, so that a read inside a write transaction is never stale. A file that is not there is not made:
    that is for `migrate`, and a server whose file was deleted must not go on with an empty one.
    """
    file = sqlite_file(sa.make_url(url))
    if file is None:
        return sa.create_engine(url, pool_size=POOL_SIZE, max_overflow=POOL_SIZE, pool_pre_ping=True)
    engine = sa.create_engine(url, pool_size=POOL_SIZE, max_overflow=POOL_SIZE, creator=lambda: connect_to(file))
    event.listen(engine, "connect", _prepare_sqlite)
    return engine


def connect_to(file: Path) -> sqlite3.Connection:
    """A connection of the driver's own to a SQLite file, which has to be there."""
    return sqlite3.connect(f"file:{quote(str(file))}?mode=rw", uri=True, timeout=30, check_same_thread=False)


def sqlite_file(url: sa.URL) -> Path | None:
    """The file of a SQLite database; None on PostgreSQL."""
    return Path(url.database or "").absolute() if url.get_backend_name() == "sqlite" else None


def unreadable(error: DBAPIError) -> bool:
    """Whether this says that a SQLite file is damaged."""
    text = str(error.orig).lower()
    return "malformed" in text or "not a database" in text or "unsupported file format" in text


def _prepare_sqlite(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = "IMMEDIATE"
    for pragma in (
        "busy_timeout=30000",
        "auto_vacuum=INCREMENTAL",  # has its effect before the first table only
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def begin(connection: sa.Connection, *, write: bool) -> None:
    """Open the transaction at once: on SQLite the driver would begin it only at the first write."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


@cache
def updating(table: sa.Table, keys: tuple[str, ...], names: tuple[str, ...]) -> sa.Update:
    """The statement that sets the columns `names` of rows that are known by the columns `keys`.

    Values go by the columns' names, keys by `key_` and theirs. To put a statement together costs more than to run it, so
    those that run many times a second are put together once.
    """
    mine = [table.c[key] == sa.bindparam(f"key_{key}", type_=table.c[key].type) for key in keys]
    return sa.update(table).where(*mine).values({name: sa.bindparam(name) for name in names})


def locked_rows(connection: sa.Connection) -> dict[str, Row | None]:
    """Rows that this transaction has locked, by what their store calls them: nobody else changes one before its end.

    Whoever changes one says so by None: it is to be read again.
    """
    return _locked.setdefault(connection, {})


def upsert(connection: sa.Connection, table: sa.Table) -> Any:
    """The dialect's `insert` into `table`, which knows `on_conflict_do_nothing`."""
    return upsert_in(connection.dialect.name, table)


def upsert_in(dialect: str, table: sa.Table) -> Any:
    """The same for a dialect's name, by which a statement that was put together may be kept."""
    return sqlite_insert(table) if dialect == "sqlite" else postgresql_insert(table)
