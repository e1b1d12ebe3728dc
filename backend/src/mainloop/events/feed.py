"""The newest events as ready bytes, read once per server and handed to every stream."""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Iterable
from typing import Final

from mainloop.errors import MainloopError
from mainloop.events.bell import LOG, heard
from mainloop.events.log import PAGE, frame, frames_after, latest_cursor
from mainloop.events.unit import Database, Written

log = logging.getLogger(__name__)

KEPT: Final = 2000
# An announcement may be missed when a database connection breaks: look anyway, this often (seconds).
LOOK_ANYWAY: Final = 3.0
FEED: Final = "feed"
HANDED: Final = "handed"
# A reader is handed this much at a time, so that one that sleeps holds no more than this (bytes).
PORTION: Final = 256 * 1024


class Feed:
    """Follows the log. A reader asks for what lies behind its cursor and gets it from memory or from the table.

    What this process commits is handed over; what another server does is announced, and read.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._frames: deque[tuple[int, bytes]] = deque(maxlen=KEPT)
        self._newest = 0
        self._handed: dict[int, bytes] = {}
        self._lock = threading.Lock()
        database.on_events(self._take)

    def start(self) -> None:
        """Begin at the newest event. Call once, before the first reader."""
        self._newest = self._database.read(latest_cursor)

    async def follow(self) -> None:
        """Pass new events on as they come, for as long as the server lives."""
        bell, look = self._database.bell, False
        with bell.listen(HANDED, LOG) as ear, bell.listen(LOG) as elsewhere:
            while True:
                ear.clear()
                look = look or elsewhere.is_set()
                elsewhere.clear()
                try:
                    if not self._pass_on(self._next()) or look:
                        await self._catch_up()
                except MainloopError as error:
                    log.warning("The log can't be read right now: %s", error)
                    await asyncio.sleep(1)
                look = not await heard(ear, LOOK_ANYWAY)

    def _take(self, events: list[Written]) -> None:
        frames = {event.cursor: frame(event) for event in events}
        with self._lock:
            self._handed.update(frames)
        self._database.bell.ring([HANDED])

    def _next(self) -> list[tuple[int, bytes]]:
        """What was handed over and follows on the newest."""
        frames: list[tuple[int, bytes]] = []
        with self._lock:
            self._handed = {cursor: data for cursor, data in self._handed.items() if cursor > self._newest}
            while data := self._handed.pop(self._newest + len(frames) + 1, None):
                frames.append((self._newest + len(frames) + 1, data))
        return frames

    def _pass_on(self, frames: list[tuple[int, bytes]]) -> bool:
        """Whether nothing is known to be missing now."""
        if frames:
            self._frames.extend(frames)
            self._newest = frames[-1][0]
            self._database.bell.ring([FEED])
        # Two threads may have handed over in another order than they committed.
        return not self._handed

    async def _catch_up(self) -> None:
        while True:
            frames = await asyncio.to_thread(self._read, self._newest)
            self._pass_on(frames)
            if len(frames) < PAGE:
                return

    def _read(self, cursor: int) -> list[tuple[int, bytes]]:
        return self._database.read(lambda c: frames_after(c, cursor))

    async def after(self, cursor: int) -> list[tuple[int, bytes]]:
        """Events behind `cursor`, at most a page and not many bytes; empty when there are none yet."""
        if cursor >= self._newest:
            return []
        if self._frames and self._frames[0][0] <= cursor + 1:
            return _portion(one for one in self._frames if one[0] > cursor)
        return _portion(await asyncio.to_thread(self._read, cursor))

    async def distance(self, cursor: int) -> int:
        """How many events lie behind `cursor`; negative if it is of another installation's log."""
        newest = await asyncio.to_thread(self._database.read, latest_cursor)
        return newest - cursor


def _portion(frames: Iterable[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    taken: list[tuple[int, bytes]] = []
    size = 0
    for one in frames:
        taken.append(one)
        size += len(one[1])
        if size >= PORTION or len(taken) == PAGE:
            break
    return taken
