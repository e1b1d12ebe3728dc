"""Decisions, ways to reach the person, and what they were told."""

from datetime import datetime
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from mainloop.attention.policy import DIGEST, Decision
from mainloop.db import tables as t
from mainloop.db.engine import Row, upsert
from mainloop.events.unit import UnitOfWork

# Of an item so many decisions are kept: it may be held for a month of nights.
KEPT: Final = 40


# -- installation ----------------------------------------------------------------------------------------------------
def push_key(connection: sa.Connection) -> str:
    return connection.execute(sa.select(t.installation.c.push_key)).scalar_one()


def set_push_key(unit: UnitOfWork, key: str) -> None:
    """The first one stays."""
    unit.execute(sa.update(t.installation).where(t.installation.c.push_key == "").values(push_key=key))


def preferences(connection: sa.Connection) -> dict[str, Any]:
    return connection.execute(sa.select(t.installation.c.attention)).scalar_one()


def set_preferences(unit: UnitOfWork, values: dict[str, Any]) -> None:
    unit.execute(sa.update(t.installation).values(attention=values))


# -- items -----------------------------------------------------------------------------------------------------------
_COLUMNS: Final = ("id", "kind", "thread_id", "session_id", "title", "opened_at", "snoozed_at")
_WAITING: Final = (
    sa.select(
        *(t.item.c[name] for name in _COLUMNS),
        t.session.c.project_id,
        t.session.c.handle,
        t.session.c.watches,
        t.attention.c.decisions,
        t.attention.c.told_at,
        t.attention.c.reminded,
    )
    .outerjoin(t.session, t.session.c.id == t.item.c.session_id)
    .outerjoin(t.attention, t.attention.c.item_id == t.item.c.id)
    .where(t.item.c.state == "open")
    .order_by(t.item.c.opened_at, t.item.c.id)
)


def waiting(connection: sa.Connection) -> list[Row]:
    """Everything open, the oldest first, with what was decided of it."""
    return list(connection.execute(_WAITING).all())


def decided(unit: UnitOfWork, row: "Row | Due", decision: Decision, *, told: bool) -> None:
    """Write down what was decided of an item, and whether it is told with that."""
    until = decision.until.isoformat() if decision.until else None
    before: list[list[str | None]] = row.decisions or []
    history = [*before, [decision.why.value, unit.now.isoformat(), until]][-KEPT:]
    values: dict[str, Any] = {"decisions": history}
    if told:
        values |= {"told_at": row.told_at or unit.now, "reminded": row.told_at is not None}
    statement = upsert(unit.connection, t.attention).values(item_id=row.id, **values)
    unit.execute(statement.on_conflict_do_update(index_elements=["item_id"], set_=values))


def decisions(connection: sa.Connection, limit: int) -> list[Row]:
    """The items that were decided of last."""
    columns = (t.item.c.id, t.item.c.title, t.item.c.state, t.attention.c.decisions)
    query = sa.select(*columns).join(t.attention, t.attention.c.item_id == t.item.c.id)
    return list(connection.execute(query.order_by(t.item.c.opened_at.desc(), t.item.c.id).limit(limit)))


def decisions_of(connection: sa.Connection, item_id: str) -> Row | None:
    """The same of one item, which may have none yet."""
    columns = (t.item.c.id, t.item.c.title, t.item.c.state, t.attention.c.decisions)
    query = sa.select(*columns).outerjoin(t.attention, t.attention.c.item_id == t.item.c.id)
    return connection.execute(query.where(t.item.c.id == item_id)).first()


def last_answers(connection: sa.Connection, kind: str, limit: int) -> list[str]:
    """What the person decided of the newest items of a kind, the newest first."""
    query = sa.select(t.item.c.answer["decision"].as_string()).where(
        t.item.c.kind == kind, t.item.c.state == "answered"
    )
    return list(connection.execute(query.order_by(t.item.c.closed_at.desc(), t.item.c.id).limit(limit)).scalars())


def any_open(connection: sa.Connection, items: list[str]) -> bool:
    return (
        connection.execute(sa.select(t.item.c.id).where(t.item.c.id.in_(items), t.item.c.state == "open")).first()
        is not None
    )


# -- digest ----------------------------------------------------------------------------------------------------------
class Due(NamedTuple):
    """The next digest at an hour that the person chose, with what was decided of it."""

    id: str
    at: datetime
    decisions: list[list[str | None]] | None
    told_at: datetime | None = None


_DIGEST: Final = f"{DIGEST}-"


def next_digest(connection: sa.Connection) -> Due | None:
    at = connection.execute(sa.select(t.installation.c.digest_at)).scalar_one()
    if at is None:
        return None
    ident = f"{_DIGEST}{at.isoformat()}"
    mine = sa.select(t.attention.c.decisions).where(t.attention.c.item_id == ident)
    return Due(ident, at, connection.execute(mine).scalar())


def set_next_digest(unit: UnitOfWork, at: datetime | None) -> None:
    unit.execute(sa.update(t.installation).values(digest_at=at))


def digests(connection: sa.Connection, limit: int) -> list[Row]:
    """What was decided of the newest ones."""
    mine = sa.select(t.attention.c.item_id, t.attention.c.decisions).where(t.attention.c.item_id.startswith(_DIGEST))
    return list(connection.execute(mine.order_by(t.attention.c.item_id.desc()).limit(limit)))


# -- notifiers -------------------------------------------------------------------------------------------------------
_LOOKED = t.device.c.looked_at
_SIGNED_IN = sa.or_(t.notifier.c.device_id.is_(None), t.device.c.revoked_at.is_(None))
_USED = sa.and_(t.notifier.c.gone == "", _SIGNED_IN)


def notifiers(connection: sa.Connection, *, used: bool) -> list[Row]:
    """Those of devices that are signed in, and all others; with `used` without those that are gone."""
    query = sa.select(t.notifier, _LOOKED).outerjoin(t.device, t.device.c.id == t.notifier.c.device_id)
    query = query.where(_USED if used else _SIGNED_IN)
    return list(connection.execute(query.order_by(t.notifier.c.created_at, t.notifier.c.id)))


def notifier(connection: sa.Connection, ident: str, *, used: bool = False) -> Row | None:
    """One of them, as `notifiers` has them."""
    query = sa.select(t.notifier).outerjoin(t.device, t.device.c.id == t.notifier.c.device_id)
    return connection.execute(query.where(t.notifier.c.id == ident, _USED if used else _SIGNED_IN)).first()


def subscribe(unit: UnitOfWork, ident: str, device_id: str, name: str, target: dict[str, str], mobile: bool) -> None:
    """One subscription a browser: a new one takes the place of the old."""
    others = (t.notifier.c.device_id == device_id, t.notifier.c.id != ident)
    unit.execute(sa.delete(t.notifier).where(*others))
    values = {"kind": "web_push", "device_id": device_id, "name": name, "target": target, "mobile": mobile, "gone": ""}
    statement = upsert(unit.connection, t.notifier).values(id=ident, created_at=unit.now, **values)
    unit.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))


def add_notifier(unit: UnitOfWork, ident: str, **values: Any) -> None:
    unit.execute(t.notifier.insert().values(id=ident, created_at=unit.now, **values))


def change_notifier(unit: UnitOfWork, ident: str, **values: Any) -> bool:
    return unit.execute(sa.update(t.notifier).where(t.notifier.c.id == ident).values(**values)).rowcount > 0


def remove_notifier(unit: UnitOfWork, ident: str) -> bool:
    return unit.execute(sa.delete(t.notifier).where(t.notifier.c.id == ident)).rowcount > 0


def gone(unit: UnitOfWork, ident: str, why: str, **more: Any) -> bool:
    """It is used no more. Whether it was until now."""
    mine = (t.notifier.c.id == ident, t.notifier.c.gone == "")
    return unit.execute(sa.update(t.notifier).where(*mine).values(gone=why, **more)).rowcount > 0


def arrived(unit: UnitOfWork, ident: str) -> bool:
    """Something arrived there: it is used. Whether that is news."""
    failing = sa.or_(t.notifier.c.failing_since.is_not(None), t.notifier.c.gone != "")
    mine = (t.notifier.c.id == ident, failing)
    return unit.execute(sa.update(t.notifier).where(*mine).values(failing_since=None, gone="")).rowcount > 0


def forget_signed_out(unit: UnitOfWork) -> None:
    """Where browsers were reached that were signed out is not kept."""
    out = sa.select(t.device.c.id).where(t.device.c.revoked_at.is_not(None))
    unit.execute(sa.delete(t.notifier).where(t.notifier.c.device_id.in_(out)))


def failed(unit: UnitOfWork, ident: str) -> datetime:
    """Nothing arrives there; since when."""
    since = sa.func.coalesce(t.notifier.c.failing_since, unit.now)
    mine = sa.update(t.notifier).where(t.notifier.c.id == ident).values(failing_since=since)
    return unit.execute(mine.returning(t.notifier.c.failing_since)).scalar_one_or_none() or unit.now


# -- notifications ---------------------------------------------------------------------------------------------------
def last_word_at(connection: sa.Connection) -> datetime | None:
    return connection.execute(
        sa.select(sa.func.max(t.notification.c.at)).where(t.notification.c.about.in_(("push", "digest")))
    ).scalar_one()


def add_notification(unit: UnitOfWork, ident: str, about: str, body: dict[str, Any], items: list[str]) -> None:
    unit.execute(t.notification.insert().values(id=ident, about=about, body=body, at=unit.now))
    for item in items:
        statement = upsert(unit.connection, t.told).values(item_id=item, notification_id=ident)
        unit.execute(statement.on_conflict_do_update(index_elements=["item_id"], set_={"notification_id": ident}))


def add_delivery(unit: UnitOfWork, ident: str, notification_id: str, notifier_id: str) -> None:
    values = {"notification_id": notification_id, "notifier_id": notifier_id, "state": "waiting", "at": unit.now}
    unit.execute(t.delivery.insert().values(id=ident, **values))


def notification(connection: sa.Connection, ident: str) -> Row | None:
    return connection.execute(sa.select(t.notification).where(t.notification.c.id == ident)).first()


def notification_of(connection: sa.Connection, item: str) -> str | None:
    return connection.execute(sa.select(t.told.c.notification_id).where(t.told.c.item_id == item)).scalar()


def items_of(connection: sa.Connection, notification_id: str) -> list[str]:
    """The items that were told there and nowhere else since."""
    query = sa.select(t.told.c.item_id).where(t.told.c.notification_id == notification_id)
    return list(connection.execute(query).scalars())


def newest(connection: sa.Connection, limit: int) -> list[Row]:
    query = sa.select(t.notification).where(t.notification.c.about != "clear")
    return list(connection.execute(query.order_by(t.notification.c.at.desc(), t.notification.c.id).limit(limit)))


def deliveries(connection: sa.Connection, notifications: list[str]) -> list[Row]:
    """Of these, with the names of their ways."""
    query = sa.select(t.delivery, t.notifier.c.name).outerjoin(t.notifier, t.notifier.c.id == t.delivery.c.notifier_id)
    return list(connection.execute(query.where(t.delivery.c.notification_id.in_(notifications))))


def delivery(connection: sa.Connection, ident: str) -> Row | None:
    return connection.execute(sa.select(t.delivery).where(t.delivery.c.id == ident)).first()


def settle(unit: UnitOfWork, ident: str, state: str, why: str = "") -> None:
    """What became of a delivery, if nobody said so before."""
    _move(unit, ident, state=state, why=why, at=unit.now, tries=t.delivery.c.tries + int(state != "late"))


def try_again(unit: UnitOfWork, ident: str, why: str, at: datetime) -> None:
    _move(unit, ident, why=why, at=at, tries=t.delivery.c.tries + 1)


def try_now(unit: UnitOfWork, idents: list[str], at: datetime) -> None:
    """Those of them that wait for their next try were due at `at`."""
    mine = (t.delivery.c.id.in_(idents), t.delivery.c.state == "waiting", t.delivery.c.at > at)
    unit.execute(sa.update(t.delivery).where(*mine).values(at=at))


def on_their_way(connection: sa.Connection) -> set[str]:
    """The deliveries that are not settled."""
    return set(connection.execute(sa.select(t.delivery.c.id).where(t.delivery.c.state == "waiting")).scalars())


def is_replaced(connection: sa.Connection, row: Row, notifier_id: str) -> bool:
    """Whether a later one of its tag arrived there already."""
    query = sa.select(t.notification.c.body["tag"].as_string()).join(
        t.delivery, t.delivery.c.notification_id == t.notification.c.id
    )
    mine = (t.delivery.c.notifier_id == notifier_id, t.delivery.c.state == "sent")
    later = query.where(t.notification.c.at > row.at, *mine)
    # What takes away does so only of what was there before it.
    if row.about != "clear":
        later = later.where(t.notification.c.about != "clear")
    return row.body["tag"] in connection.execute(later).scalars()


def _move(unit: UnitOfWork, ident: str, **values: Any) -> None:
    mine = (t.delivery.c.id == ident, t.delivery.c.state == "waiting")
    unit.execute(sa.update(t.delivery).where(*mine).values(**values))


def due(connection: sa.Connection, until: datetime) -> list[Row]:
    """Deliveries whose next try has come, what was said first before the rest."""
    mine = (t.delivery.c.state == "waiting", t.delivery.c.tries > 0, t.delivery.c.at <= until)
    query = sa.select(t.delivery).join(t.notification, t.notification.c.id == t.delivery.c.notification_id)
    return list(connection.execute(query.where(*mine).order_by(t.notification.c.at, t.delivery.c.id)))
