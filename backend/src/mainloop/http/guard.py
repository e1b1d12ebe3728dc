"""Which requests are let in at all: by host name, by origin, by size. Answers carry headers that keep the page ours."""

from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mainloop.errors import BadInput, MainloopError, WrongHost, WrongOrigin
from mainloop.http.problems import problem

LARGEST_BODY = 4 * 1024 * 1024
# A report is whatever an agent's tool gave; one that is refused would hold up all behind it.
LARGEST_REPORT = 64 * 1024 * 1024
# A file that the person gives: its own limit says more in words, so it is reached first.
LARGEST_FILE = 32 * 1024 * 1024
FILES = "/api/attachments"
RUNNERS = "/runner/"
READING = {"GET", "HEAD", "OPTIONS"}
# Where an answer does not say otherwise itself.
_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", b"frame-ancestors 'none'"),
)
_NOT_STORED: Final = (*_HEADERS, (b"cache-control", b"no-store"))


class _TooLarge(BadInput):
    """This request is larger than {limit} bytes."""

    status = 413
    code = "request_too_large"


class Guard:
    """Refuses foreign names (DNS rebinding), foreign origins (other sites' pages) and oversized bodies.

    `hosts`: host names without port under which this server answers.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str], expected: str) -> None:
        self.app = app
        self.hosts = hosts
        self.expected = expected

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        refusal = self._refusal(scope)
        if refusal is not None:
            return await problem(refusal)(scope, receive, send)

        limit, size = _limit(scope), 0

        async def counted() -> Message:
            """A body sent in pieces does not say how large it will be; beyond the limit the app hears no more."""
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            return message if size <= limit else {"type": "http.disconnect"}

        async def with_headers(message: Message) -> None:
            if size > limit:
                return
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message["headers"]}
                ours = _NOT_STORED if scope["path"].startswith(("/api", "/runner")) else _HEADERS
                message["headers"] = [*message["headers"], *(one for one in ours if one[0] not in given)]
            await send(message)

        await self.app(scope, counted, with_headers)
        if size > limit:
            await problem(_TooLarge(limit=limit))(scope, receive, send)

    def _refusal(self, scope: Scope) -> MainloopError | None:
        headers = Headers(scope=scope)
        host = _name(headers.get("host", ""))
        if host not in self.hosts:
            return WrongHost(host=host or "(none)")
        origin = headers.get("origin")
        if origin and scope["method"] not in READING and _name(origin.partition("://")[2]) not in self.hosts:
            return WrongOrigin(origin=origin, expected=self.expected)
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()) or len(length) > 15 or int(length) > _limit(scope):
            return _TooLarge(limit=_limit(scope))
        return None


def _limit(scope: Scope) -> int:
    if scope["path"] == FILES:
        return LARGEST_FILE
    return LARGEST_REPORT if scope["path"].startswith(RUNNERS) else LARGEST_BODY


@lru_cache(maxsize=256)
def _name(netloc: str) -> str:
    """The host name of `name:port`, brackets of an IPv6 address kept off."""
    try:
        return (urlsplit(f"//{netloc}").hostname or "").lower()
    except ValueError:
        return ""
