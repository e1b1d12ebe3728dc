"""Which requests are let in at all: by host name, by origin, by size. Answers carry headers that keep the page ours."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mainloop.errors import BadInput, MainloopError, WrongHost, WrongOrigin
from mainloop.http.problems import problem

LARGEST_BODY = 4 * 1024 * 1024
READING = {"GET", "HEAD", "OPTIONS"}


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

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Referrer-Policy", "no-referrer")
                headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
                headers.setdefault("Content-Security-Policy", "frame-ancestors 'none'")
                if scope["path"].startswith(("/api", "/runner")):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        return await self.app(scope, receive, with_headers)

    def _refusal(self, scope: Scope) -> MainloopError | None:
        headers = Headers(scope=scope)
        host = _name(headers.get("host", ""))
        if host not in self.hosts:
            return WrongHost(host=host or "(none)")
        origin = headers.get("origin")
        if origin and scope["method"] not in READING and _name(urlsplit(origin).netloc) not in self.hosts:
            return WrongOrigin(origin=origin, expected=self.expected)
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > LARGEST_BODY:
            return _TooLarge(limit=LARGEST_BODY)
        return None


def _name(netloc: str) -> str:
    """The host name of `name:port`, brackets of an IPv6 address kept off."""
    return (urlsplit(f"//{netloc}").hostname or "").lower()
