"""Web push: to the service worker of a browser, through the service of its maker, readable by that browser alone.

RFC 8030 (the request), 8291 (the encryption), 8292 (who sends it).
"""

import base64
import os
import time
from collections.abc import Callable
from typing import Final, cast
from urllib.parse import urlsplit

import http_ece  # pyright: ignore[reportMissingTypeStubs]
import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from mainloop.notifiers.base import BadTarget, NotDelivered, Notification, Setup, Target, TargetGone
from mainloop.outgoing import Answer, NotReached

_encrypt = cast("Callable[..., bytes]", http_ece.encrypt)  # pyright: ignore[reportUnknownMemberType]
_TOKEN_LASTS: Final = 12 * 3600
# What a service that has enough of us for now says nothing about (seconds).
_REST: Final = 60.0
# Whom a service may write to; some refuse whoever names nobody.
_NOBODY: Final = "mailto:nobody@example.com"


class WebPush:
    def __init__(self, setup: Setup) -> None:
        self._key = setup.key
        self._public = setup.public
        self._contact = setup.home if setup.home.startswith("https://") else _NOBODY
        self._outgoing = setup.outgoing

    def complete(self, target: Target) -> dict[str, str]:
        return dict(target)

    def check(self, target: Target) -> None:
        self._outgoing.check(target.get("endpoint", ""))
        try:
            ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _bytes(target["p256dh"]))
            if len(_bytes(target["auth"])) != 16:
                raise ValueError("a secret of another length")
        except (KeyError, ValueError) as error:
            raise BadTarget(why="the keys of this subscription are none. Subscribe again in the browser.") from error

    def send(self, target: Target, notification: Notification) -> None:
        self.check(target)
        # There each message has to show something, so nothing can be taken away by one.
        if notification.about == "clear" and _host(target).endswith("push.apple.com"):
            return
        headers = {
            "authorization": f"vapid t={self._token(target['endpoint'])}, k={self._public}",
            "content-encoding": "aes128gcm",
            "content-type": "application/octet-stream",
            "ttl": str(notification.lasts),
            "urgency": "high" if notification.urgent else "normal",
            # A service keeps only the newest of a topic for a device that is switched off.
            "topic": _text(notification.tag.encode())[:32],
        }
        body = notification.model_dump_json().encode()
        try:
            back = self._outgoing.post(target["endpoint"], headers, self._encrypted(body, target))
        except NotReached as error:
            raise NotDelivered(why=error.sentence, again=True, reached=error.connected) from error
        _judge(back)

    def _encrypted(self, body: bytes, target: Target) -> bytes:
        return _encrypt(
            body,
            salt=os.urandom(16),
            private_key=ec.generate_private_key(ec.SECP256R1()),
            dh=_bytes(target["p256dh"]),
            auth_secret=_bytes(target["auth"]),
            version="aes128gcm",
        )

    def _token(self, endpoint: str) -> str:
        parts = urlsplit(endpoint)
        claims = {
            "aud": f"{parts.scheme}://{parts.netloc}",
            "exp": int(time.time()) + _TOKEN_LASTS,
            "sub": self._contact,
        }
        return jwt.encode(claims, self._key, algorithm="ES256")


def _host(target: Target) -> str:
    return urlsplit(target["endpoint"]).hostname or ""


def _judge(back: Answer) -> None:
    """Raises what an answer means, where it is no success."""
    if 200 <= back.status < 300:
        return
    said = f"the service of this browser answered {back.status}" + (f": {back.text[:200]}" if back.text else ".")
    if back.status in (404, 410):
        raise TargetGone(why=said)
    again = back.status in (408, 429) or back.status >= 500
    raise NotDelivered(why=said, again=again, after=_rest(back) if again else 0)


def _rest(back: Answer) -> float:
    given = back.headers.get("retry-after", "")
    return float(given) if given.isdecimal() else _REST


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
