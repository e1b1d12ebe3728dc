"""Answers that a page loads whole, made small for a phone's line. Streams and files go as they are."""

from typing import Final

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

LOADED: Final = ("/api/state", "/api/threads/", "/api/sessions", "/api/inbox", "/api/search")
# Less than this fits into a packet or two (bytes). A higher level takes longer than it saves.
SMALLEST: Final = 2048
LEVEL: Final = 5


class Compressed:
    """Middleware: what is read below these addresses is compressed for who takes that; nothing else is touched."""

    def __init__(self, app: ASGIApp) -> None:
        self._plain = app
        self._compressing = GZipMiddleware(app, minimum_size=SMALLEST, compresslevel=LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        read = scope["type"] == "http" and scope["method"] == "GET" and scope["path"].startswith(LOADED)
        await (self._compressing if read else self._plain)(scope, receive, send)
