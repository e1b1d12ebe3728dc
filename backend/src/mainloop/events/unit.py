"""The unit of work: one request, one report or one step is one transaction, and its events get their numbers last."""

import contextlib
import hashlib
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError

from mainloop.db import tables as t
from mainloop.db.engine import begin, locked_rows, unreadable, upsert
from mainloop.db.file import DatabaseFile
from mainloop.errors import DatabaseAway, DatabaseDamaged, StorageFull
from mainloop.events.bell import LOG, Bell
from mainloop_models.base import Model
from mainloop_models.events import BlobRef, MessageBody, is_news

log = logging.getLogger(__name__)
T = TypeVar("T")

# A body stays below 32 KiB; text beyond this (in bytes) goes into a blob, its head and tail stay in the event.
HEAD: Final = 12 * 1024
TAIL: Final = 4 * 1024
CHANNEL: Final = "mainloop"
TRIES: Final = 5

_MORE: Final = sa.bindparam("more", type_=sa.BigInteger)
# Which of them is the last that tells the person something; 0: none.
_TOLD: Final = sa.bindparam("told", type_=sa.BigInteger)
_COUNT_IN_THREAD: Final = (
    sa.update(t.thread)
    .where(t.thread.c.id == sa.bindparam("thread"))
    .values(
        last_seq=t.thread.c.last_seq + _MORE,
        last_told=sa.case((_TOLD > 0, t.thread.c.last_seq + _TOLD), else_=t.thread.c.last_told),
        replies=t.thread.c.replies + sa.bindparam("replies", type_=sa.Integer),
    )
    .returning(t.thread.c.last_seq)
)
_TIME_OF_LAST: Final = sa.select(t.event.c.at).order_by(t.event.c.cursor.desc()).limit(1).scalar_subquery()
_COUNT_IN_ALL: Final = (
    sa.update(t.installation)
    .values(cursor=t.installation.c.cursor + _MORE)
    .returning(t.installation.c.cursor, _TIME_OF_LAST.label("last_at"))
)
_INSERT_EVENTS: Final = t.event.insert()


def now() -> datetime:
    return datetime.now(UTC)


def fits(text: str) -> bool:
    """Whether a text may stand in an event whole."""
    return len(text.encode()) <= HEAD + TAIL


def blob_of(thread_id: str, text: str) -> BlobRef:
    """The blob of a text. Named by its content: a message that is said again needs no second copy."""
    return BlobRef(id=hashlib.sha256(f"{thread_id}/{text}".encode()).hexdigest()[:32], size=len(text.encode()))


class Written(NamedTuple):
    """An event as it stands in its row; the body is JSON."""

    cursor: int
    thread_id: str
    seq: int
    kind: str
    at: datetime
    body: str


class Said(NamedTuple):
    """What is to become an event at the end of the transaction."""

    thread_id: str
    kind: str
    body: Model


# Writes what goes with events into their own transaction.
Along: TypeAlias = Callable[[sa.Connection, list[tuple[Written, Model]]], None]


class UnitOfWork:
    """A write transaction. Events are collected and written at the very end, under the locks that number them."""

    def __init__(self, connection: sa.Connection, along: Sequence[Along] = (), before: Sequence["Before"] = ()) -> None:
        self.connection = connection
        self._along = along
        self._before = before
        self.now = now()
        # Open messages that become events with this commit.
        self.landed: set[str] = set()
        # Its events as they are stored, once they are.
        self.written: list[Written] = []
        self._events: list[tuple[str, str, str, Model]] = []
        self._topics: set[str] = set()
        self._after: list[Callable[[], None]] = []

    def execute(self, statement: sa.Executable) -> sa.CursorResult[Any]:
        return self.connection.execute(statement)

    def append(self, thread_id: str, kind: str, body: Model) -> None:
        """Say that something happened in a thread. It becomes an event if and when the transaction commits."""
        self._events.append((thread_id, kind, body.model_dump_json(exclude_defaults=False), body))

    def ring(self, topic: str) -> None:
        """Wake whoever listens to `topic`, after the commit."""
        self._topics.add(topic)

    def after_commit(self, act: Callable[[], None]) -> None:
        """Run `act` in this process once the commit is certain. Nothing that must not be lost belongs here."""
        self._after.append(act)

    @contextlib.contextmanager
    def savepoint(self) -> Generator[None]:
        """A part of the transaction that is undone as a whole, its events included, if it raises."""
        before = (list(self._events), set(self._topics), list(self._after))
        held = set(locked_rows(self.connection))
        try:
            with self.connection.begin_nested():
                yield
        except BaseException:
            self._events, self._topics, self._after = before
            locked = locked_rows(self.connection)
            for name in list(locked):  # a lock that was taken inside goes as well
                if name in held:
                    locked[name] = None
                else:
                    del locked[name]
            raise

    def alone(self, number: int) -> None:
        """Nobody else who names this number writes until the transaction ends. SQLite has one writer anyway."""
        if self.connection.dialect.name == "postgresql":
            self.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))

    def among(self, number: int) -> None:
        """Others who say the same of this number may write meanwhile; whoever wants to be alone with it waits."""
        if self.connection.dialect.name == "postgresql":
            self.execute(sa.select(sa.func.pg_advisory_xact_lock_shared(number)))

    def shorten(self, thread_id: str, text: str) -> tuple[str, BlobRef | None]:
        """`text` as it may stand in an event: itself, or its head and tail with a reference to the whole."""
        if fits(text):
            return text, None
        data = text.encode()
        head, tail = data[:HEAD].decode(errors="ignore"), data[-TAIL:].decode(errors="ignore")
        return f"{head}\n… {len(data) - HEAD - TAIL} bytes left out …\n{tail}", self.keep(thread_id, text)

    def keep(self, thread_id: str, text: str) -> BlobRef:
        """Store the whole of a text beside the log."""
        ref = blob_of(thread_id, text)
        row = upsert(self.connection, t.blob).values(
            id=ref.id, thread_id=thread_id, size=ref.size, text=text, created_at=self.now
        )
        self.execute(row.on_conflict_do_nothing())
        return ref

    def write_events(self) -> None:
        """Number and insert what was collected. Lock order: threads by id, then the one counter."""
        seen = 0
        while self._before and seen < len(self._events):
            happened = [Said(thread_id, kind, body) for thread_id, kind, _, body in self._events[seen:]]
            seen = len(self._events)
            for act in self._before:
                act(self, happened)
        if self._events:
            self._number_and_insert()
        if self.connection.dialect.name == "postgresql":
            for topic in sorted({*self._topics, *([LOG] if self.written else [])}):
                self.execute(sa.select(sa.func.pg_notify(CHANNEL, topic)))

    def _number_and_insert(self) -> None:
        count: dict[str, int] = defaultdict(int)
        told: dict[str, int] = {}
        replies: dict[str, int] = defaultdict(int)
        for thread_id, kind, _, body in self._events:
            count[thread_id] += 1
            if is_news(kind, body):
                told[thread_id] = count[thread_id]
            if isinstance(body, MessageBody) and body.role == "assistant":
                replies[thread_id] += 1
        next_seq: dict[str, int] = {}
        for thread_id in sorted(count):
            counted = {"thread": thread_id, "more": count[thread_id], "told": told.get(thread_id, 0)}
            counted["replies"] = replies[thread_id]
            row = self.connection.execute(_COUNT_IN_THREAD, counted)
            next_seq[thread_id] = row.scalar_one() - count[thread_id]
        last, last_at = self.connection.execute(_COUNT_IN_ALL, {"more": len(self._events)}).one()
        cursor = last - len(self._events)
        # A clock that was set back must not put times out of the order of the numbers.
        at = max(self.now, last_at or self.now)
        for thread_id, kind, text, _ in self._events:
            cursor += 1
            next_seq[thread_id] += 1
            self.written.append(Written(cursor, thread_id, next_seq[thread_id], kind, at, text))
        self.connection.execute(_INSERT_EVENTS, [row._asdict() for row in self.written])
        for act in self._along:
            act(self.connection, [(row, body) for row, (_, _, _, body) in zip(self.written, self._events, strict=True)])

    def committed(self, bell: Bell) -> None:
        bell.ring(self._topics)
        for act in self._after:
            act()


# Does what follows from events, before they are written: what that appends is looked at as well.
Before: TypeAlias = Callable[[UnitOfWork, Sequence[Said]], None]
# What a look finds to do.
Act: TypeAlias = Callable[[UnitOfWork], object]
Look: TypeAlias = Callable[[sa.Connection], Iterable[Act]]


class Database:
    """Opens units of work and consistent reads; retries what is worth retrying, says the rest in words."""

    def __init__(self, engine: sa.Engine, bell: Bell) -> None:
        self.engine = engine
        self.bell = bell
        self._file = DatabaseFile(engine)
        self._listeners: list[Callable[[list[Written]], None]] = []
        self._along: list[Along] = []
        self._before: list[Before] = []

    def close(self) -> None:
        """Let go of every connection. (Were the engine asked to tell, it would do so at every statement, too.)"""
        self.engine.dispose()
        self._file.close()

    def along_with_events(self, act: Along) -> None:
        """Call `act` with the events of each transaction before it is committed, to write what belongs to them."""
        self._along.append(act)

    def before_events(self, act: Before) -> None:
        """Call `act` with what happened in each transaction, before it is written, to do what follows from it."""
        self._before.append(act)

    def on_events(self, listen: Callable[[list[Written]], None]) -> None:
        """Call `listen` with the events of each commit of this process, in the thread that committed them."""
        self._listeners.append(listen)

    def write(self, act: Callable[[UnitOfWork], T]) -> T:
        """Run `act` in one transaction and commit it, or leave nothing behind.

        Raises StorageFull, DatabaseAway, DatabaseGone or DatabaseDamaged where the database could not take it, and
        whatever `act` raises.
        A deadlock or a lost connection before the commit runs `act` again, so it must touch nothing but the unit.
        """
        for attempt in range(1, TRIES + 1):
            try:
                with self.engine.connect() as connection:
                    begin(connection, write=True)
                    unit = UnitOfWork(connection, self._along, self._before)
                    answer = act(unit)
                    unit.write_events()
                    self._file.refuse_gone()
                    connection.commit()
                if unit.written:
                    for listen in self._listeners:
                        listen(unit.written)
                unit.committed(self.bell)
                return answer
            except DBAPIError as error:
                self._file.refuse_gone()
                if _is_full(error):
                    raise StorageFull from error
                if unreadable(error):
                    raise DatabaseDamaged(path=self._file.path, why=str(error.orig)) from error
                if not _is_passing(error):
                    raise
                if attempt == TRIES:
                    raise DatabaseAway from error
                log.warning("Try %d of a transaction failed, running it again: %s", attempt, error.orig)
                time.sleep(0.02 * attempt)
        raise AssertionError("unreachable")

    def read(self, look: Callable[[sa.Connection], T]) -> T:
        """Run `look` on one consistent picture of the database.

        Raises DatabaseAway where it can't be reached.
        """
        try:
            with self.engine.connect() as connection:
                if connection.dialect.name == "postgresql":
                    connection = connection.execution_options(isolation_level="REPEATABLE READ")
                begin(connection, write=False)
                try:
                    return look(connection)
                finally:
                    connection.rollback()
        except OperationalError as error:
            raise DatabaseAway from error

    def see_to(self, *looks: Look) -> None:
        """Run `looks` on one consistent picture, then what they found to do, each in a transaction of its own.

        What is to be done looks again: meanwhile somebody else may have done it.
        """
        for act in self.read(lambda connection: [found for look in looks for found in look(connection)]):
            self.write(act)


def _is_full(error: DBAPIError) -> bool:
    text = str(error.orig).lower()
    return "disk is full" in text or "no space left" in text or "disk i/o error" in text


def _is_passing(error: DBAPIError) -> bool:
    """A connection that broke, a lock that was not had in time, a deadlock: worth another try."""
    text = str(error.orig).lower()
    return (
        error.connection_invalidated
        or "database is locked" in text
        or "deadlock detected" in text
        or "could not serialize" in text
        or (isinstance(error, OperationalError) and "connect" in text)
    )
