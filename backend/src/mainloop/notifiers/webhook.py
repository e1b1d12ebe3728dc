"""A signed request to an address of the person's own, as the Standard Webhooks specification has it."""

import base64
import hashlib
import hmac
import secrets
import time
from typing import Final

from mainloop.notifiers.base import BadTarget, NotDelivered, Notification, Setup, Target, TargetGone
from mainloop.outgoing import NotReached

_PREFIX: Final = "whsec_"
# What a server that has enough for now says nothing about (seconds).
_REST: Final = 30.0


class Webhook:
    def __init__(self, setup: Setup) -> None:
        self._outgoing = setup.outgoing

    def complete(self, target: Target) -> dict[str, str]:
        """The target with a secret of its own, by which the other side knows us."""
        return {**target, "secret": _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()}

    def check(self, target: Target) -> None:
        self._outgoing.check(target.get("address", ""))
        if not target.get("secret", "").startswith(_PREFIX):
            raise BadTarget(why="it has no secret to sign with.")

    def send(self, target: Target, notification: Notification) -> None:
        self.check(target)
        body = notification.model_dump_json().encode()
        at = str(int(time.time()))
        headers = {
            "content-type": "application/json",
            "webhook-id": notification.id,
            "webhook-timestamp": at,
            "webhook-signature": f"v1,{_signature(target['secret'], notification.id, at, body)}",
        }
        try:
            back = self._outgoing.post(target["address"], headers, body)
        except NotReached as error:
            raise NotDelivered(why=error.sentence, again=True, after=_REST, reached=error.connected) from error
        if back.status == 410:
            raise TargetGone(why="the other side answered 410, that it wants no more.")
        if not 200 <= back.status < 300:
            raise NotDelivered(why=f"the other side answered {back.status}.", again=True, after=_REST)


def _signature(secret: str, ident: str, at: str, body: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    return base64.b64encode(hmac.digest(key, f"{ident}.{at}.".encode() + body, hashlib.sha256)).decode()
