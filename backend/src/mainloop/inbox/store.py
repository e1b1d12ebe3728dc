"""Rows of the inbox. Every change of a row is an event with the whole item."""

from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from pydantic import TypeAdapter

from mainloop.db import tables as t
from mainloop.db.engine import Row, upsert
from mainloop.events.unit import UnitOfWork, blob_of, fits
from mainloop.inbox.short import as_text, shortened
from mainloop_models.asks import ASKS, Answer, AskBody, Decision, UnknownAsk
from mainloop_models.events import ItemBody, StandingUse

_ASK: Final[TypeAdapter[AskBody]] = TypeAdapter(AskBody)
# Who answered, where the person did not have to.
STANDING: Final = "standing permission"
# What blocks an agent before what informs.
URGENCY: Final = {
    **{kind: ask.urgency for kind, ask in ASKS.items()},
    **{"sign_in": 3, "ceiling": 4, "stall": 5, "failure": 6, "way": 7, "order": 7, "watch": 8},
}
# What is no ask and stops no turn: its answer concerns nobody's work.
BESIDE_TURNS: Final = ("stall", "ceiling", "way", "watch", "order")
_LEAST_URGENT: Final = 9
_URGENCY = sa.case(URGENCY, value=t.item.c.kind, else_=_LEAST_URGENT)


def open_items(connection: sa.Connection) -> list[ItemBody]:
    """Everything that waits, most urgent first, then oldest first; what is put off comes last."""
    order = (t.item.c.snoozed_at.is_not(None), _URGENCY, t.item.c.opened_at, t.item.c.id)
    rows = connection.execute(sa.select(t.item).where(t.item.c.state == "open").order_by(*order))
    return [body_of(row) for row in rows]


# Asked every second, so it is put together once.
_waits_later: Final = sa.select(t.item.c.id).where(t.item.c.state == "open", t.item.c.snoozed_at.is_not(None))
_put_off_till_back: Final = _waits_later.where(t.item.c.snoozed_until.is_(None))
_put_off: Final = _waits_later.where(t.item.c.snoozed_until <= sa.bindparam("until", type_=t.item.c.snoozed_until.type))


def put_off(connection: sa.Connection, until: datetime | None) -> list[str]:
    """What was put off until a moment that has come; without one: until the person is back."""
    query = _put_off_till_back if until is None else _put_off
    return list(connection.execute(query, {} if until is None else {"until": until}).scalars())


def newest(connection: sa.Connection, *, state: str, kind: str | None, limit: int) -> list[Row]:
    """Items in a state, of one kind or of all; open ones by their urgency, others newest first."""
    query = sa.select(t.item).where(t.item.c.state == state).limit(limit)
    if kind is not None:
        query = query.where(t.item.c.kind == kind)
    order = (_URGENCY, t.item.c.opened_at, t.item.c.id) if state == "open" else (t.item.c.closed_at.desc(), t.item.c.id)
    return list(connection.execute(query.order_by(*order)))


def beside(connection: sa.Connection, item: Row, since: datetime | None) -> list[Row]:
    """Other items of its kind that are open, or were until `since`."""
    others = sa.select(t.item).where(t.item.c.kind == item.kind, t.item.c.id != item.id)
    lately = sa.true() if since is None else t.item.c.closed_at >= since
    return list(connection.execute(others.where(sa.or_(t.item.c.state == "open", lately))))


def decided_by(connection: sa.Connection, message_id: str) -> list[str]:
    """The sentences of a message of the person that answered an item."""
    said = t.item.c.answer["said"]
    rows = connection.execute(
        sa.select(said["words"].as_string()).where(
            t.item.c.state == "answered", said["message_id"].as_string() == message_id
        )
    )
    return list(rows.scalars())


def find(connection: sa.Connection, item_id: str) -> Row | None:
    return connection.execute(sa.select(t.item).where(t.item.c.id == item_id)).first()


# Run at every turn, so they are put together once.
_in_thread: Final = t.item.c.thread_id == sa.bindparam("its_thread", type_=t.item.c.thread_id.type)
_open_notices: Final = sa.select(t.item.c.id).where(
    t.item.c.state == "open", _in_thread, t.item.c.ask.is_(None), t.item.c.kind.not_in(BESIDE_TURNS)
)
_open_asks: Final = sa.select(t.item.c.id).where(
    t.item.c.state == "open", _in_thread, t.item.c.turn == sa.bindparam("its_turn"), t.item.c.ask.is_not(None)
)
_answers_taken: Final = (
    sa.update(t.item)
    .where(t.item.c.state == "answered", _in_thread, t.item.c.turn <= sa.bindparam("its_turn"))
    .values(taken=True)
)


def open_in(connection: sa.Connection, thread_id: str) -> list[str]:
    """What waits in a thread."""
    return _open(connection, t.item.c.thread_id == thread_id)


def open_notices(connection: sa.Connection, thread_id: str) -> list[str]:
    """What went wrong in a thread and waits for the person to act; a runner that can't be reached waits for itself,
    a ceiling and an order for an answer of their own."""
    return list(connection.execute(_open_notices, {"its_thread": thread_id}).scalars())


def open_of(connection: sa.Connection, kind: str) -> list[str]:
    """What is open of a kind."""
    return _open(connection, t.item.c.kind == kind)


def open_watches(connection: sa.Connection, thread_id: str) -> list[str]:
    """What the person asked to be told of a thread and has not seen yet."""
    return _open(connection, t.item.c.thread_id == thread_id, t.item.c.kind == "watch")


def open_stalls(connection: sa.Connection, thread_id: str) -> list[str]:
    """What says that a thread's runner can't be reached."""
    return _open(connection, t.item.c.thread_id == thread_id, t.item.c.kind == "stall")


def last_plan(connection: sa.Connection, thread_id: str) -> Row | None:
    """The plan that was shown last in a thread."""
    mine = (t.item.c.thread_id == thread_id, t.item.c.kind == "plan")
    newest = sa.select(t.item).where(*mine).order_by(t.item.c.opened_at.desc(), t.item.c.version.desc(), t.item.c.id)
    return connection.execute(newest.limit(1)).first()


def open_asks(connection: sa.Connection, thread_id: str, turn: int) -> list[str]:
    """What the agent asked in a turn and has no answer for."""
    return list(connection.execute(_open_asks, {"its_thread": thread_id, "its_turn": turn}).scalars())


def _open(connection: sa.Connection, *which: sa.ColumnElement[bool]) -> list[str]:
    return list(connection.execute(sa.select(t.item.c.id).where(t.item.c.state == "open", *which)).scalars())


# What an item is from the beginning; the rest becomes of it.
_FROM_THE_BEGINNING: Final = {
    *("id", "kind", "thread_id", "session_id", "title", "ask", "notice", "turn", "call_id"),
    *("pattern", "allowed_before", "standing", "version"),
}


def open(unit: UnitOfWork, item: ItemBody, **more: Any) -> ItemBody | None:
    """Add an item; None if it was opened before."""
    values = {
        "state": "open",
        "opened_at": unit.now,
        **item.model_dump(mode="json", include=_FROM_THE_BEGINNING),
        **more,
    }
    row = upsert(unit.connection, t.item).values(**values)
    added = unit.execute(row.on_conflict_do_nothing().returning(t.item)).first()
    return None if added is None else _say(unit, added)


def answer_by_standing(unit: UnitOfWork, item: ItemBody) -> None:
    """An ask, new or asked again, that standing permissions allow: it was never open."""
    allowed = Answer(decision=Decision.ALLOW).model_dump(mode="json")
    values = {"state": "answered", "answer": allowed, "closed_by": STANDING, "closed_at": unit.now}
    if open(unit, item, **values) is not None:
        return
    uses = [one.model_dump(mode="json") for one in item.standing or []]
    mine = (t.item.c.id == item.id, t.item.c.thread_id == item.thread_id)
    again = {**values, "standing": uses, "taken": False, "orphaned": False}
    row = unit.execute(sa.update(t.item).where(*mine).values(**again).returning(t.item)).first()
    if row is not None:
        _say(unit, row)


def close_by_standing(unit: UnitOfWork, thread_id: str, item_id: str, uses: list[StandingUse]) -> ItemBody | None:
    """An ask that waits is answered by standing permissions; None if it does not wait any more."""
    allowed = Answer(decision=Decision.ALLOW).model_dump(mode="json")
    said = [one.model_dump(mode="json") for one in uses]
    return close(unit, thread_id, item_id, state="answered", answer=allowed, closed_by=STANDING, standing=said)


_AWAKE: Final = {"snoozed_at": None, "snoozed_until": None}


def snooze(unit: UnitOfWork, item_id: str, until: datetime | None) -> ItemBody | None:
    """Put an open item off; None if it is not open any more."""
    return _move(unit, item_id, snoozed_at=unit.now, snoozed_until=until)


def wake(unit: UnitOfWork, item_id: str) -> ItemBody | None:
    """An item that was put off counts again; None if it was not, or is not open any more."""
    return _move(unit, item_id, t.item.c.snoozed_at.is_not(None), **_AWAKE)


def _move(unit: UnitOfWork, item_id: str, *which: sa.ColumnElement[bool], **values: Any) -> ItemBody | None:
    mine = (t.item.c.id == item_id, t.item.c.state == "open", *which)
    row = unit.execute(sa.update(t.item).where(*mine).values(**values).returning(t.item)).first()
    return None if row is None else _say(unit, row)


def renew(unit: UnitOfWork, item: ItemBody) -> None:
    """What an open item says is replaced."""
    assert item.notice is not None
    _move(unit, item.id, title=item.title, notice=item.notice.model_dump(mode="json"))


def ask_again(unit: UnitOfWork, thread_id: str, item_id: str) -> ItemBody | None:
    """The call of an ask was made again: one that had closed itself is open again, an answer is given again.

    The ask, if it is open again.
    """
    mine = sa.and_(t.item.c.id == item_id, t.item.c.thread_id == thread_id)
    unit.execute(sa.update(t.item).where(mine, t.item.c.state != "closed").values(taken=False, orphaned=False))
    anew = {"state": "open", "taken": False, "orphaned": False, "closed_at": None, "closed_by": "", **_AWAKE}
    row = unit.execute(sa.update(t.item).where(mine, t.item.c.state == "closed").values(**anew).returning(t.item))
    found = row.first()
    return None if found is None else _say(unit, found)


def close(unit: UnitOfWork, thread_id: str, item_id: str, **values: Any) -> ItemBody | None:
    """Close an open item of a thread; None if it is not open any more."""
    mine = (t.item.c.id == item_id, t.item.c.thread_id == thread_id, t.item.c.state == "open")
    row = unit.execute(sa.update(t.item).where(*mine).values(closed_at=unit.now, **values).returning(t.item)).first()
    return None if row is None else _say(unit, row)


def answer_taken(unit: UnitOfWork, thread_id: str, item_id: str) -> None:
    """The answer of an item needs no further delivery."""
    mine = (t.item.c.thread_id == thread_id, t.item.c.id == item_id, t.item.c.state == "answered")
    unit.execute(sa.update(t.item).where(*mine).values(taken=True))


def answers_taken(unit: UnitOfWork, thread_id: str, until_turn: int) -> None:
    """What was answered in a thread up to a turn needs no further delivery."""
    unit.connection.execute(_answers_taken, {"its_thread": thread_id, "its_turn": until_turn})


def _say(unit: UnitOfWork, row: Row) -> ItemBody:
    body = body_of(row)
    if body.blob is not None:
        unit.keep(row.thread_id, as_text(row.ask))
    unit.append(row.thread_id, "item", body)
    return body


def whole_ask(row: Row) -> AskBody | None:
    return None if row.ask is None else _ASK.validate_python(row.ask)


def decisions_of(row: Row) -> list[Decision]:
    """How an item can be answered, in a stable order."""
    if row.notice is not None:
        return [Decision(one) for one in row.notice["decisions"]]
    ask = ASKS.get(row.kind, UnknownAsk)
    return [decision for decision in Decision if decision in ask.decisions]


# What no column holds.
_MADE: Final = frozenset({"blob", "urgency", "decisions"})


def body_of(row: Row) -> ItemBody:
    """An item as it stands in an event; the row has its ask whole."""
    values = {name: getattr(row, name) for name in ItemBody.model_fields if name not in _MADE}
    values["urgency"] = URGENCY.get(row.kind, _LEAST_URGENT)
    values["decisions"] = decisions_of(row)
    if row.ask is not None and not fits(whole := as_text(row.ask)):
        values |= {"ask": shortened(row.ask), "blob": blob_of(row.thread_id, whole)}
    return ItemBody.model_validate(values)
