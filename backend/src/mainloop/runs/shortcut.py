"""Pieces of messages that are being written, taken before a route is looked for.

They come ten times a second from each agent that writes, and to find their route and what it depends on costs several
times as much as taking them. Only the plain case is seen to here: what is not goes on to `POST /runner/v1/deltas`, as it
came, and is answered there.
"""

from typing import Final

from pydantic import ValidationError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mainloop_models.runner import Deltas

PATH: Final = "/runner/v1/deltas"
_BEARER: Final = b"bearer "


class Shortcut:
    """Inside of whatever decides who may come in at all."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            return await self.app(scope, receive, send)
        heard = [await receive()]
        while heard[-1]["type"] == "http.request" and heard[-1].get("more_body"):
            heard.append(await receive())
        answer = self._taken(scope, b"".join(message.get("body", b"") for message in heard))
        if answer is None:
            return await self.app(scope, _again(heard, receive), send)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    def _taken(self, scope: Scope, body: bytes) -> bytes | None:
        authorization = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        if not authorization.lower().startswith(_BEARER):
            return None
        try:
            deltas = Deltas.model_validate_json(body)
        except ValidationError:
            return None
        token = authorization[len(_BEARER) :].decode("latin-1")
        taken = scope["app"].state.parts.runs.take_more(token, deltas)
        return None if taken is None else taken.model_dump_json().encode()


def _again(heard: list[Message], receive: Receive) -> Receive:
    """`receive` as if nothing had been heard yet."""
    waiting = iter(heard)

    async def hear() -> Message:
        return next(waiting, None) or await receive()

    return hear
