"""The newest events as ready bytes, read once per server and handed to every stream."""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from typing import Final

from mainloop.errors import MainloopError
from mainloop.events.bell import LOG, heard
from mainloop.events.log import PAGE, frames_after, latest_cursor
from mainloop.events.unit import Database

log = logging.getLogger(__name__)

KEPT: Final = 2000
# An announcement may be missed when a database connection breaks: look anyway, this often (seconds).
LOOK_ANYWAY: Final = 3.0
FEED: Final = "feed"
# A reader is handed this much at a time, so that one that sleeps holds no more than this (bytes).
PORTION: Final = 256 * 1024


class Feed:
    """Follows the log. A reader asks for what lies behind its cursor and gets it from memory or from the table."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._frames: deque[tuple[int, bytes]] = deque(maxlen=KEPT)
        self._newest = 0

    def start(self) -> None:
        """Begin at the newest event. Call once, before the first reader."""
        self._newest = self._database.read(latest_cursor)

    async def follow(self) -> None:
        """Read new events whenever one is announced, for as long as the server lives."""
        with self._database.bell.listen(LOG) as ear:
            while True:
                ear.clear()
                try:
                    await self._catch_up()
                except MainloopError as error:
                    log.warning("The log can't be read right now: %s", error)
                    await asyncio.sleep(1)
                await heard(ear, LOOK_ANYWAY)

    async def _catch_up(self) -> None:
        while True:
            behind = self._newest
            frames = await asyncio.to_thread(self._read, behind)
            if frames:
                self._frames.extend(frames)
                self._newest = frames[-1][0]
                self._database.bell.ring([FEED])
            if len(frames) < PAGE:
                return

    def _read(self, cursor: int) -> list[tuple[int, bytes]]:
        return self._database.read(lambda c: frames_after(c, cursor))

    async def after(self, cursor: int) -> list[tuple[int, bytes]]:
        """Events behind `cursor`, at most a page and not many bytes; empty when there are none yet."""
        if cursor >= self._newest:
            return []
        if self._frames and self._frames[0][0] <= cursor + 1:
            return _portion(frame for frame in self._frames if frame[0] > cursor)
        return _portion(await asyncio.to_thread(self._read, cursor))

    async def distance(self, cursor: int) -> int:
        """How many events lie behind `cursor`; negative if it is of another installation's log."""
        newest = await asyncio.to_thread(self._database.read, latest_cursor)
        return newest - cursor


def _portion(frames: Iterable[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    taken: list[tuple[int, bytes]] = []
    size = 0
    for frame in frames:
        taken.append(frame)
        size += len(frame[1])
        if size >= PORTION or len(taken) == PAGE:
            break
    return taken
