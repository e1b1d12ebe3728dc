"""Messages that are still being written: held once, stored a few times a second, gone when the message lands."""

import asyncio
import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import sqlalchemy as sa
from pydantic import BaseModel

from mainloop.errors import MainloopError
from mainloop.events import chunks
from mainloop.events.bell import DELTAS
from mainloop.events.unit import Database, UnitOfWork
from mainloop_models.runner import Delta

log = logging.getLogger(__name__)

# So much is held of what a running call has put out (characters): its newest.
NEWEST: Final = 8_000
# How often new pieces of all threads together are written (seconds). A runner sends again what a killed server had not.
STORE_EVERY: Final = 2.0


What = Literal["text", "reasoning", "output"]


class OpenMessage(BaseModel):
    """A message that is still being written, whole so far."""

    thread_id: str
    message_id: str
    turn: int
    what: Literal["text", "reasoning"]
    text: str


@dataclass
class _Growing:
    thread_id: str
    turn: int
    what: What
    pieces: list[str] = field(default_factory=list[str])
    # Where what is held begins and ends, in characters of all there was. Only output loses its beginning.
    start: int = 0
    length: int = 0
    stored: int = 0
    # How often its pieces were taken to be stored, and how often that was done.
    begun: int = 0
    done: int = 0

    def text(self, start: int = 0) -> str:
        if len(self.pieces) > 1:
            self.pieces = ["".join(self.pieces)]
        return self.pieces[0][start:] if self.pieces else ""


class OpenMessages:
    """Every open message of this server. Called from request threads and from the event loop alike."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._growing: dict[str, _Growing] = {}
        # Landed since the last store: pieces that were on their way then are taken out again.
        self._landed: set[str] = set()
        # The newest turn of each thread that is over: a piece of it that comes late is of no use any more.
        self._over: dict[str, int] = {}
        self._lock = threading.Lock()

    def load(self) -> None:
        """Read what an earlier server left half-written. Call before the first runner reports."""
        self._database.write(chunks.forget_what_is_over)
        with self._lock:
            self._growing = self._database.read(_stored)

    def take(self, thread_id: str, deltas: list[Delta]) -> dict[str, int]:
        """Add pieces; a piece that leaves a gap is not taken, one that overlaps is cut.

        Returns how many characters are held of each message named: the runner goes on from there.
        """
        lengths: dict[str, int] = {}
        with self._lock:
            for delta in deltas:
                if delta.turn <= self._over.get(thread_id, 0):
                    lengths[delta.message_id] = delta.offset + len(delta.text)
                    continue
                growing = self._growing.get(delta.message_id)
                if delta.what == "output":
                    growing = self._growing.setdefault(delta.message_id, _Growing(thread_id, delta.turn, "output"))
                    if growing.thread_id == thread_id and growing.what == "output":
                        _add_output(growing, delta)
                    lengths[delta.message_id] = growing.length
                    continue
                if growing is None:
                    if delta.offset:
                        lengths[delta.message_id] = 0
                        continue
                    growing = self._growing[delta.message_id] = _Growing(thread_id, delta.turn, delta.what)
                fresh = delta.text[growing.length - delta.offset :] if delta.offset <= growing.length else ""
                if fresh and growing.thread_id == thread_id:
                    growing.pieces.append(fresh)
                    growing.length += len(fresh)
                lengths[delta.message_id] = growing.length
        self._database.bell.ring([DELTAS])
        return lengths

    def landed(self, unit: UnitOfWork, message_id: str) -> None:
        """The message has become an event in `unit`: its pieces go with the same commit."""
        unit.landed.add(message_id)
        with self._lock:
            growing = self._growing.get(message_id)
            done = growing.done if growing is not None else 0
        chunks.forget(unit, [message_id])
        unit.after_commit(lambda: self._forget(message_id, done))

    def call_ended(self, unit: UnitOfWork, call_id: str) -> None:
        """What the call has put out is in its event now, which `unit` writes."""
        with self._lock:
            known = call_id in self._growing
        if known:
            unit.after_commit(lambda: self._forget(call_id))

    def turn_over(self, unit: UnitOfWork, thread_id: str, turn: int) -> None:
        """Nothing more is written in this turn, nor in one before it: whatever comes of them is too late."""
        unit.after_commit(lambda: self._close(thread_id, turn))

    def _close(self, thread_id: str, turn: int) -> None:
        with self._lock:
            self._over[thread_id] = max(turn, self._over.get(thread_id, 0))
            late = [k for k, g in self._growing.items() if g.thread_id == thread_id and g.turn <= turn]
        for message_id in late:
            self._forget(message_id)

    def _forget(self, message_id: str, taken_out: int = -1) -> None:
        """`taken_out`: what so many stores had written went with the commit of the message."""
        with self._lock:
            growing = self._growing.pop(message_id, None)
            if growing is None or growing.what == "output" or growing.begun == taken_out:
                return
            self._landed.add(message_id)
        # Pieces that were being stored meanwhile are taken out, also where no further ones come.
        self._database.bell.ring([DELTAS])

    def left_in(self, unit: UnitOfWork, thread_id: str) -> list[OpenMessage]:
        """Messages of a thread that are still open and have not landed in `unit` either."""
        return [m for m in self.all() if m.thread_id == thread_id and m.message_id not in unit.landed]

    def all(self) -> list[OpenMessage]:
        """Every open message, whole."""
        with self._lock:
            return [
                OpenMessage(thread_id=g.thread_id, message_id=key, turn=g.turn, what=g.what, text=g.text())
                for key, g in self._growing.items()
                if g.what != "output"
            ]

    def news(self, sent: dict[str, int], threads: set[str] | None) -> list[dict[str, object]]:
        """What a reader who has `sent[message]` characters of each lacks; advances `sent`.

        `threads`: only of these; None: of all.
        """
        pieces: list[dict[str, object]] = []
        with self._lock:
            for key in [k for k in sent if k not in self._growing]:
                del sent[key]
            for key, growing in self._growing.items():
                have = max(sent.get(key, 0), growing.start)
                if growing.length == have or (threads is not None and growing.thread_id not in threads):
                    continue
                pieces.append(
                    {
                        "thread_id": growing.thread_id,
                        "message_id": key,
                        "turn": growing.turn,
                        "what": growing.what,
                        "offset": have,
                        "text": growing.text(have - growing.start),
                    }
                )
                sent[key] = growing.length
        return pieces

    def store(self) -> None:
        """Write all new pieces in one transaction."""
        with self._lock:
            rows = [
                {
                    "message_id": key,
                    "offset": g.stored,
                    "thread_id": g.thread_id,
                    "turn": g.turn,
                    "what": g.what,
                    "text": g.text(g.stored),
                }
                for key, g in self._growing.items()
                if g.length > g.stored and g.what != "output"
            ]
            for row in rows:
                self._growing[str(row["message_id"])].begun += 1
            landed = list(self._landed)
        if not rows and not landed:
            return
        self._database.write(lambda unit: _store(unit, rows, landed))
        with self._lock:
            self._landed.difference_update(landed)
            for row in rows:
                growing = self._growing.get(str(row["message_id"]))
                if growing is not None:
                    growing.stored = int(str(row["offset"])) + len(str(row["text"]))
                    growing.done = growing.begun

    async def keep_storing(self) -> None:
        """Store new pieces a few times a second, for as long as the server lives."""
        with self._database.bell.listen(DELTAS) as ear:
            while True:
                await ear.wait()
                await asyncio.sleep(STORE_EVERY)
                ear.clear()
                try:
                    await asyncio.to_thread(self.store)
                except MainloopError as error:  # a full disk: the pieces stay in memory and are tried again
                    log.warning("Open messages could not be stored: %s", error)
                    ear.set()
                    await asyncio.sleep(1)


def _add_output(growing: _Growing, delta: Delta) -> None:
    """What overlaps is cut, a gap begins anew, and the oldest goes. It is not stored: its event will have it."""
    if delta.offset > growing.length:
        growing.pieces, growing.start, growing.length = [], delta.offset, delta.offset
    fresh = delta.text[growing.length - delta.offset :]
    growing.length += len(fresh)
    growing.pieces = [(growing.text() + fresh)[-NEWEST:]]
    growing.start = growing.length - len(growing.pieces[0])


def _store(unit: UnitOfWork, rows: Sequence[Mapping[str, object]], landed: list[str]) -> None:
    if rows:
        chunks.add(unit, rows)
    if landed:
        chunks.forget(unit, landed)


def _stored(connection: sa.Connection) -> dict[str, _Growing]:
    growing: dict[str, _Growing] = {}
    for row in chunks.in_order(connection):
        g = growing.setdefault(row.message_id, _Growing(row.thread_id, row.turn, row.what))
        if row.offset != g.length:  # a torn tail: the runner sends it again from here
            continue
        g.pieces.append(row.text)
        g.length = g.stored = g.length + len(row.text)
    return growing
