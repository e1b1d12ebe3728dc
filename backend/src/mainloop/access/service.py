"""Pairing and the question that every request asks: who is this?"""

import hmac
import secrets
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Final

import sqlalchemy as sa
from fastapi import Depends, Request

from mainloop.access import store
from mainloop.errors import BadPairingCode, DeviceRevoked, NotSignedIn, UnknownDevice
from mainloop.events.unit import Database, UnitOfWork, now
from mainloop.http.context import database_of
from mainloop.http.stream import Guest

COOKIE: Final = "mainloop_device"
HEADER: Final = "X-Mainloop-Key"
CODE_LASTS: Final = timedelta(minutes=10)
# `seen_at` is written at most this often.
SEEN_EVERY: Final = timedelta(minutes=1)


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


def who(database: Database, cookie: str | None, key: str | None) -> SignedIn:
    """The device with these two secrets. Cookies ignore ports, so the cookie alone opens nothing.

    Raises NotSignedIn or DeviceRevoked.
    """
    if not cookie or not key:
        raise NotSignedIn

    def look(connection: sa.Connection) -> SignedIn:
        row = store.device_of(connection, cookie)
        if row is None or not hmac.compare_digest(row.key_hash, store.hashed(key)):
            raise NotSignedIn
        if row.revoked_at is not None:
            raise DeviceRevoked
        device = SignedIn(row.id, row.name)
        stale.append(now() - row.seen_at > SEEN_EVERY)
        return device

    stale: list[bool] = []
    device = database.read(look)
    if stale[0]:
        database.write(lambda unit: store.saw(unit, device.id))
    return device


def revoke(database: Database, device_id: str) -> None:
    """Sign a device out; streams it has open end. Raises UnknownDevice."""

    def act(unit: UnitOfWork) -> None:
        if store.revoke(unit, device_id) is None:
            raise UnknownDevice(id=device_id)
        unit.ring(_signed_out(device_id))

    database.write(act)


def guest(database: Database, device: SignedIn) -> Guest:
    """This device as the reader of a stream."""
    return Guest(_signed_out(device.id), lambda: database.read(lambda c: store.may_come_in(c, device.id)))


def _signed_out(device_id: str) -> str:
    return f"signed-out:{device_id}"


def current_device(request: Request) -> SignedIn:
    """For routes: the device that asks, or a 401 in words."""
    return who(database_of(request), request.cookies.get(COOKIE), request.headers.get(HEADER))


CurrentDevice = Annotated[SignedIn, Depends(current_device)]
