"""Devices and pairing codes. Secrets are stored as hashes only."""

import hashlib
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from mainloop.db import tables as t
from mainloop.db.engine import Row
from mainloop.events.unit import UnitOfWork

# Asked by every request, so it is put together once.
_device_of: Final = sa.select(t.device).where(t.device.c.cookie_hash == sa.bindparam("cookie_hash"))


def hashed(secret: str) -> str:
    """Secrets are 256 random bits, so a plain hash is enough."""
    return hashlib.sha256(secret.encode()).hexdigest()


def add_code(unit: UnitOfWork, code: str, lasts: timedelta) -> None:
    unit.execute(sa.delete(t.pairing).where(t.pairing.c.expires_at < unit.now))
    unit.execute(t.pairing.insert().values(code_hash=hashed(code), expires_at=unit.now + lasts))


def use_code(unit: UnitOfWork, code: str) -> bool:
    """Whether the code was good; it is used up by this."""
    used = (
        sa.update(t.pairing)
        .where(t.pairing.c.code_hash == hashed(code), t.pairing.c.used_at.is_(None), t.pairing.c.expires_at > unit.now)
        .values(used_at=unit.now)
        .returning(t.pairing.c.code_hash)
    )
    return unit.execute(used).first() is not None


def add_device(unit: UnitOfWork, device_id: str, name: str, cookie: str, key: str) -> None:
    unit.execute(
        t.device.insert().values(
            id=device_id,
            name=name,
            cookie_hash=hashed(cookie),
            key_hash=hashed(key),
            created_at=unit.now,
            seen_at=unit.now,
        )
    )


def device_of(connection: sa.Connection, cookie: str) -> Row | None:
    return connection.execute(_device_of, {"cookie_hash": hashed(cookie)}).first()


def devices(connection: sa.Connection) -> list[Row]:
    return list(
        connection.execute(sa.select(t.device).where(t.device.c.revoked_at.is_(None)).order_by(t.device.c.created_at))
    )


def may_come_in(connection: sa.Connection, device_id: str) -> bool:
    mine = (t.device.c.id == device_id, t.device.c.revoked_at.is_(None))
    return connection.execute(sa.select(t.device.c.id).where(*mine)).first() is not None


def saw(unit: UnitOfWork, device_id: str) -> None:
    unit.execute(sa.update(t.device).where(t.device.c.id == device_id).values(seen_at=unit.now))


def last_look(connection: sa.Connection) -> Row | None:
    """When the person last looked, at any device, and what all had cost by then; None if nobody ever did."""
    columns = (t.device.c.looked_at, t.device.c.looked_micros, t.device.c.looked_unpriced)
    newest = sa.select(*columns).where(t.device.c.looked_at.is_not(None)).order_by(t.device.c.looked_at.desc())
    return connection.execute(newest.limit(1)).first()


def looks(unit: UnitOfWork, device_id: str, micros: int, unpriced: int) -> None:
    """The person looks there now, and so much was spent. What a clock that ran ahead wrote down counts as now."""
    mine = sa.or_(t.device.c.id == device_id, t.device.c.looked_at > unit.now)
    seen = {"looked_at": unit.now, "looked_micros": micros, "looked_unpriced": unpriced}
    unit.execute(sa.update(t.device).where(mine).values(**seen))


def revoke(unit: UnitOfWork, device_id: str) -> datetime | None:
    """When the device was signed out; None if there is no such device."""
    gone = (
        sa.update(t.device)
        .where(t.device.c.id == device_id)
        .values(revoked_at=sa.func.coalesce(t.device.c.revoked_at, unit.now))
        .returning(t.device.c.revoked_at)
    )
    return unit.execute(gone).scalar_one_or_none()
