"""The least that a route and an event stream can be, without storing anything. `echo.py PORT FOLDER`.

`POST /say` hands its body to every stream of `GET /events` as it is; the moment is written to `FOLDER/rings`.
`GET /same` answers the bytes of `FOLDER/same.json`. `GET /page` shows each item of these, and each word of the stream, in a
line.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, StreamingResponse

PAGE = """<!doctype html><ul></ul><script>
const line = (text) => document.querySelector('ul').append(Object.assign(document.createElement('li'), {textContent: text}));
fetch('/same').then((answer) => answer.json()).then(({items = []}) => items.forEach((item) => line(item.title)));
new EventSource('/events').addEventListener('event', (event) => line(event.data));
</script>"""


def make_app(folder: Path, rings: IO[str]) -> FastAPI:
    app = FastAPI()
    queues: set[asyncio.Queue[bytes]] = set()

    @app.get("/api/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/say", status_code=204)
    async def say(request: Request) -> None:
        frame = b"event: event\ndata: " + await request.body() + b"\n\n"
        rings.write(f"{time.monotonic_ns()}\n")
        for waiting in queues:
            waiting.put_nowait(frame)

    @app.get("/events")
    async def events() -> StreamingResponse:
        return StreamingResponse(frames(), media_type="text/event-stream")

    async def frames() -> AsyncIterator[bytes]:
        mine: asyncio.Queue[bytes] = asyncio.Queue()
        queues.add(mine)
        yield b": hello\n\n"
        while True:
            yield await mine.get()

    @app.get("/same")
    def same() -> Response:
        return Response(answer, media_type="application/json")

    @app.get("/page")
    def page() -> HTMLResponse:
        return HTMLResponse(PAGE)

    same_bytes = folder / "same.json"
    answer = same_bytes.read_bytes() if same_bytes.exists() else b"{}"
    return app


if __name__ == "__main__":
    with (Path(sys.argv[2]) / "rings").open("a", buffering=1) as told:
        app = make_app(Path(sys.argv[2]), told)
        uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", access_log=False)
