"""Pairing and the question that every request asks: who is this?"""

import asyncio
import hmac
import secrets
import time
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Final

from fastapi import Depends, Request

from mainloop.access import store
from mainloop.errors import BadPairingCode, DeviceRevoked, NotSignedIn, UnknownDevice
from mainloop.events.unit import Database, UnitOfWork, now
from mainloop.http.stream import Guest

COOKIE: Final = "mainloop_device"
HEADER: Final = "X-Mainloop-Key"
CODE_LASTS: Final = timedelta(minutes=10)
# `seen_at` is written at most this often.
SEEN_EVERY: Final = timedelta(minutes=1)
# Who was looked up is known for so long (seconds).
LET_IN: Final = 10.0
# Some device was signed out.
SIGNED_OUT: Final = "signed-out"


@dataclass(frozen=True)
class SignedIn:
    """The device behind a request."""

    id: str
    name: str


@dataclass(frozen=True)
class Keys:
    device_id: str
    name: str
    cookie: str
    key: str


def new_code(database: Database) -> str:
    """A pairing code: single use, ten minutes."""
    code = secrets.token_urlsafe(24)
    database.write(lambda unit: store.add_code(unit, code, CODE_LASTS))
    return code


def pair(database: Database, code: str, name: str) -> Keys:
    """Redeem a code for a device's two secrets. Raises BadPairingCode."""
    keys = Keys(uuid.uuid4().hex, name.strip() or "browser", secrets.token_urlsafe(32), secrets.token_urlsafe(32))

    def act(unit: UnitOfWork) -> None:
        if not store.use_code(unit, code):
            raise BadPairingCode
        store.add_device(unit, keys.device_id, keys.name, keys.cookie, keys.key)

    database.write(act)
    return keys


class Door:
    """Knows who asks. Whom it let in a moment ago it lets in without a look at the database, unless they were signed
    out meanwhile."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # By both secrets: the device, until when it is let in, and how often a signing out had been rung for.
        self._let_in: dict[tuple[str, str], tuple[SignedIn, float, int]] = {}

    def known(self, cookie: str | None, key: str | None) -> SignedIn | None:
        """The device with these two secrets, if it was let in a moment ago."""
        device, until, rung = self._let_in.get((cookie or "", key or ""), (None, 0.0, 0))
        return device if until > time.monotonic() and rung == self._signed_out() else None

    def who(self, cookie: str | None, key: str | None) -> SignedIn:
        """The device with these two secrets. Cookies ignore ports, so the cookie alone opens nothing.

        Raises NotSignedIn or DeviceRevoked.
        """
        if not cookie or not key:
            raise NotSignedIn
        rung = self._signed_out()
        row = self._database.read(lambda c: store.device_of(c, cookie))
        if row is None or not hmac.compare_digest(row.key_hash, store.hashed(key)):
            raise NotSignedIn
        if row.revoked_at is not None:
            raise DeviceRevoked
        if now() - row.seen_at > SEEN_EVERY:
            self._database.write(lambda unit: store.saw(unit, row.id))
        device, clock = SignedIn(row.id, row.name), time.monotonic()
        self._let_in = {known: entry for known, entry in self._let_in.items() if entry[1] > clock}
        self._let_in[cookie, key] = (device, clock + LET_IN, rung)
        return device

    def _signed_out(self) -> int:
        return self._database.bell.count(SIGNED_OUT)


def revoke(database: Database, device_id: str) -> None:
    """Sign a device out; streams it has open end. Raises UnknownDevice."""

    def act(unit: UnitOfWork) -> None:
        if store.revoke(unit, device_id) is None:
            raise UnknownDevice(id=device_id)
        unit.ring(_signed_out(device_id))
        unit.ring(SIGNED_OUT)

    database.write(act)


def guest(database: Database, device: SignedIn) -> Guest:
    """This device as the reader of a stream."""
    return Guest(_signed_out(device.id), lambda: database.read(lambda c: store.may_come_in(c, device.id)))


def _signed_out(device_id: str) -> str:
    return f"{SIGNED_OUT}:{device_id}"


async def current_device(request: Request) -> SignedIn:
    """For routes: the device that asks, or a 401 in words."""
    door: Door = request.app.state.parts.door
    cookie, key = request.cookies.get(COOKIE), request.headers.get(HEADER)
    return door.known(cookie, key) or await asyncio.to_thread(door.who, cookie, key)


CurrentDevice = Annotated[SignedIn, Depends(current_device)]
