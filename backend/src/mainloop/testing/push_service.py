"""Plays the service of a browser's maker: takes real web pushes on loopback, and reads them as the browser would."""

import base64
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import http_ece  # pyright: ignore[reportMissingTypeStubs]
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mainloop.testing.waiting import eventually


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Browser:
    """One subscription: its keys, and what came for it."""

    def __init__(self, service: "PushService", name: str) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.secret = os.urandom(16)
        self.endpoint = f"{service.url}/{name}"
        # What came, read; and what the service answers next, 201 where nothing is said.
        self.got: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answers: list[int] = []
        # How often the service was asked.
        self.asked = 0
        # While this is clear the service answers nobody.
        self.answering = threading.Event()
        self.answering.set()

    @property
    def subscription(self) -> dict[str, Any]:
        """As `PushSubscription.toJSON` gives it."""
        point = self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return {"endpoint": self.endpoint, "keys": {"p256dh": _text(point), "auth": _text(self.secret)}}

    def wait_for(self, number: int) -> list[dict[str, Any]]:
        """What came, as soon as it is so many."""
        eventually(lambda: len(self.got) >= number)
        return self.got

    def read(self, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
        """Raises where it was not meant for this browser or not signed by who says so."""
        scheme, _, given = headers["authorization"].partition(" ")
        assert scheme == "vapid"
        token, key = (part.strip().split("=", 1)[1] for part in given.split(","))
        point = base64.urlsafe_b64decode(key + "=" * (-len(key) % 4))
        signer = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        jwt.decode(token, signer, algorithms=["ES256"], audience=self.endpoint.rsplit("/", 1)[0])
        plain = http_ece.decrypt(  # pyright: ignore[reportUnknownMemberType]
            body, private_key=self.key, auth_secret=self.secret, version="aes128gcm"
        )
        return json.loads(plain)


class PushService:
    def __init__(self) -> None:
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                service.take(self)

            def log_message(self, format: str, *args: object) -> None: ...

        self._handler = Handler
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._browsers: dict[str, Browser] = {}

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def back(self) -> None:
        """Who was closed answers again, where it did before."""
        self._server = ThreadingHTTPServer(self._server.server_address[:2], self._handler)
        self._server.daemon_threads = True
        self.__enter__()

    def __exit__(self, *_: object) -> None:
        for browser in self._browsers.values():
            browser.answering.set()
        self.close()

    def close(self) -> None:
        """Nobody answers here any more."""
        self._server.shutdown()
        self._server.server_close()

    def browser(self, name: str) -> Browser:
        self._browsers[name] = Browser(self, name)
        return self._browsers[name]

    def take(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["content-length"]))
        browser = self._browsers[request.path.strip("/")]
        headers = {name.lower(): value for name, value in request.headers.items()}
        browser.asked += 1
        browser.answering.wait()
        status = browser.answers.pop(0) if browser.answers else 201
        if status == 201:
            browser.got.append(browser.read(body, headers))
            browser.headers.append(headers)
        request.send_response(status)
        if status == 429:
            request.send_header("retry-after", "1")
        request.send_header("content-length", "0")
        request.end_headers()
