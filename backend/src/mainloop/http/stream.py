"""The one event stream: everything behind a cursor, then what comes, then what is being written."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from fastapi import Request
from starlette.responses import StreamingResponse

from mainloop.errors import BadInput
from mainloop.events.bell import DELTAS, heard
from mainloop.events.feed import FEED
from mainloop.http.context import Parts

HEARTBEAT = 15.0
# A client this many events behind is told to load the state again.
TOO_FAR = 5000
# Deltas are joined for this long, so that a fast writer costs few frames (seconds).
BREATH = 0.05
SHUTDOWN = "shutdown"
RESET = b"event: reset\ndata: {}\n\n"


def cursor_of(request: Request, after: str | None) -> int | None:
    """The cursor to start behind: `Last-Event-ID` wins over `after`. None: from now on. Raises BadInput."""
    given = request.headers.get("last-event-id") or after
    if not given:
        return None
    if not (given.isascii() and given.isdigit()):
        raise BadInput(what=f"{given!r} is no cursor. Take the one from /api/state.")
    return int(given)


@dataclass(frozen=True)
class Guest:
    """Who reads a stream. When `topic` rings the stream asks whether they may stay, and ends where not."""

    topic: str
    may_stay: Callable[[], bool]


def stream(parts: Parts, cursor: int | None, threads: set[str] | None, guest: Guest) -> StreamingResponse:
    """The answer of `GET /api/events`."""
    return StreamingResponse(
        _frames(parts, cursor, threads, guest),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _frames(parts: Parts, cursor: int | None, threads: set[str] | None, guest: Guest) -> AsyncIterator[bytes]:
    # Open messages are in the state the client has; it merges by offset, so sending them whole once is harmless.
    sent: dict[str, int] = {}
    told = 0
    with parts.bell.listen(FEED, DELTAS, SHUTDOWN, guest.topic) as ear, parts.bell.listen(guest.topic) as doubt:
        distance = await parts.feed.distance(cursor or 0)
        if cursor is None:
            cursor = distance
        elif distance < 0 or distance > TOO_FAR:
            yield RESET
            return
        yield b": hello\n\n"
        clock = asyncio.get_running_loop().time
        # Events go out at once; pieces of open messages wait until the last ones are a breath ago.
        deltas_at = 0.0
        while not parts.stopping:
            ear.clear()
            if doubt.is_set():
                doubt.clear()
                if not await asyncio.to_thread(guest.may_stay):
                    return
            while events := await parts.feed.after(cursor):
                cursor = events[-1][0]
                yield b"".join(frame for _, frame in events)
            if clock() < deltas_at:
                await heard(ear, deltas_at - clock())
                continue
            told, statuses = parts.statuses.news(told)
            for kind, news in statuses:
                yield f"event: {kind}\ndata: {json.dumps(news, ensure_ascii=False)}\n\n".encode()
            for piece in parts.open_messages.news(sent, threads):
                deltas_at = clock() + BREATH
                yield f"event: delta\ndata: {json.dumps(piece, ensure_ascii=False)}\n\n".encode()
            if not await heard(ear, HEARTBEAT):
                yield b": beat\n\n"
