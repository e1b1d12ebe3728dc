"""Rows of usage, of what is held back for turns at work, of ceilings the person set, and of threads that wait at one."""

from collections.abc import Iterable
from functools import cache
from typing import Any, Final

import sqlalchemy as sa

from mainloop.db import tables as t
from mainloop.db.engine import Row, upsert, upsert_in
from mainloop.events.unit import UnitOfWork
from mainloop.runs import store as runs_store
from mainloop.runs.store import MICROS
from mainloop_models.events import ModelUsage, Usage

TOKENS: Final = tuple(Usage.model_fields)
MAIN: Final = "main"
_tokens_of_row = sum((t.usage.c[name] for name in TOKENS[1:]), start=t.usage.c[TOKENS[0]])
_tokens = sa.func.coalesce(_tokens_of_row, 0)
_MOST_SESSIONS: Final = 200


_project_of: Final = sa.select(t.session.c.project_id).where(t.session.c.id == sa.bindparam("thread_id"))


def project_of(connection: sa.Connection, thread_id: str) -> str | None:
    """The project of a session; the main thread has none."""
    return None if thread_id == MAIN else connection.execute(_project_of, {"thread_id": thread_id}).scalar()


def name_of(connection: sa.Connection, owner: str) -> str:
    """What a session or project is called; empty for what is neither."""
    names = sa.union_all(
        sa.select(t.session.c.handle.label("name")).where(t.session.c.id == owner),
        sa.select(t.project.c.name).where(t.project.c.id == owner),
    )
    return str(connection.execute(names).scalars().first() or "")


# Run at every turn, so they are put together once.
_its: Final = sa.bindparam("its_thread", type_=t.allowance.c.thread_id.type)
_let_go: Final = sa.delete(t.allowance).where(t.allowance.c.thread_id == _its)
_paused: Final = sa.select(t.pause).where(t.pause.c.thread_id == _its)
_ceilings: Final = sa.select(t.ceiling).where(t.ceiling.c.owner.in_(sa.bindparam("owners", expanding=True)))
_counted: Final = sa.select(
    *(sa.func.coalesce(sa.func.sum(t.usage.c[name]), 0).label(name) for name in (*TOKENS, "micros"))
).where(*(t.usage.c[name] == sa.bindparam(name) for name in ("thread_id", "run", "turn", "model")))
_open_items: Final = sa.select(t.item.c.id, t.item.c.thread_id, t.item.c.notice, t.item.c.opened_at).where(
    t.item.c.state == "open", t.item.c.kind == "ceiling"
)
_is_counted: Final = (
    sa.select(t.usage.c.model)
    .where(*(t.usage.c[name] == sa.bindparam(name) for name in ("thread_id", "run", "turn")))
    .limit(1)
)


# -- what was used -------------------------------------------------------------------------------------------------
def count(
    unit: UnitOfWork,
    thread_id: str,
    run: int,
    turn: int,
    used: ModelUsage,
    *,
    day: str,
    project_id: str | None,
    on_plan: bool,
) -> None:
    """Raise what is counted of (thread, run, turn, model) to these whole figures; what is new of them counts today.

    Said twice, late or in another order it comes to the same sum: nothing is ever lowered.
    """
    key = {"thread_id": thread_id, "run": run, "turn": turn, "model": used.model[:128]}
    known = unit.connection.execute(_counted, key).one()
    more: dict[str, Any] = {name: max(0, getattr(used, name) - int(getattr(known, name))) for name in TOKENS}
    micros = None if used.cost_usd is None else max(0, round(used.cost_usd * MICROS) - int(known.micros))
    if not any(more.values()) and not micros:
        return
    values = {**key, **more, "day": day, "micros": micros, "project_id": project_id, "on_plan": on_plan}
    unit.connection.execute(_raise(unit.connection.dialect.name, priced=micros is not None), values)


@cache
def _raise(dialect: str, *, priced: bool) -> Any:
    row = upsert_in(dialect, t.usage)
    raised: dict[str, Any] = {name: t.usage.c[name] + row.excluded[name] for name in TOKENS}
    if priced:
        raised["micros"] = sa.func.coalesce(t.usage.c.micros, 0) + row.excluded.micros
    return row.on_conflict_do_update(index_elements=["thread_id", "run", "turn", "model", "day"], set_=raised)


def note_context(unit: UnitOfWork, thread_id: str, context: dict[str, Any]) -> None:
    runs_store.update(unit, thread_id, context=context)


def is_counted(connection: sa.Connection, thread_id: str, run: int, turn: int) -> bool:
    which = {"thread_id": thread_id, "run": run, "turn": turn}
    return connection.execute(_is_counted, which).first() is not None


@cache
def _used(unit_of: str, *columns: str) -> sa.Select[Any]:
    figure = sa.func.sum(t.usage.c.micros if unit_of == "usd" else _tokens)
    return sa.select(sa.func.coalesce(figure, 0)).where(*(t.usage.c[name] == sa.bindparam(name) for name in columns))


def used(connection: sa.Connection, unit_of: str, **which: Any) -> int:
    """Millionths of a dollar, or tokens, of the rows with these values in the columns named."""
    return int(connection.execute(_used(unit_of, *which), which).scalar_one())


def spent_so_far(connection: sa.Connection) -> tuple[int, int]:
    """Millionths of a dollar of everything there ever was, and tokens whose price is not known."""
    unpriced = sa.func.sum(sa.case((t.usage.c.micros.is_(None), _tokens_of_row), else_=0))
    row = connection.execute(sa.select(sa.func.sum(t.usage.c.micros), unpriced)).one()
    return int(row[0] or 0), int(row[1] or 0)


def in_turn(connection: sa.Connection, thread_id: str, turn: int, unit_of: str, run: int | None = None) -> int:
    mine = {"thread_id": thread_id, "turn": turn}
    return used(connection, unit_of, **mine, **({} if run is None else {"run": run}))


def in_session(connection: sa.Connection, thread_id: str, unit_of: str) -> int:
    return used(connection, unit_of, thread_id=thread_id)


def in_project(connection: sa.Connection, project_id: str, unit_of: str) -> int:
    return used(connection, unit_of, project_id=project_id)


def on_day(connection: sa.Connection, day: str, unit_of: str) -> int:
    return used(connection, unit_of, day=day)


def summed(
    connection: sa.Connection, by: str | None, first: str, last: str, *, project: str | None, session: str | None
) -> list[Row]:
    """What was used from a day to a day, all together or by `day`, `model`, `thread_id`, `project_id`."""
    figures = [sa.func.coalesce(sa.func.sum(t.usage.c[name]), 0).label(name) for name in TOKENS]
    unpriced = sa.func.coalesce(sa.func.sum(sa.case((t.usage.c.micros.is_(None), _tokens), else_=0)), 0)
    plan = sa.func.coalesce(sa.func.sum(sa.case((t.usage.c.on_plan, t.usage.c.micros), else_=0)), 0)
    query: sa.Select[Any] = sa.select(
        *figures,
        sa.func.sum(t.usage.c.micros).label("micros"),
        unpriced.label("unpriced_tokens"),
        plan.label("plan_micros"),
    ).where(t.usage.c.day >= first, t.usage.c.day <= last)
    if project is not None:
        query = query.where(t.usage.c.project_id == project)
    if session is not None:
        query = query.where(t.usage.c.thread_id == session)
    if by is not None:
        column = t.usage.c[by]
        query = query.add_columns(column.label("key")).group_by(column)
        query = query.order_by(column) if by == "day" else query.order_by(_dearest).limit(_MOST_SESSIONS)
    return list(connection.execute(query))


_dearest = sa.desc(sa.func.coalesce(sa.func.sum(t.usage.c.micros), 0))


def names(connection: sa.Connection, table: str, ids: Iterable[str]) -> dict[str, Row]:
    """Sessions or projects by id."""
    what = {"session": t.session, "project": t.project}[table]
    rows: list[Row] = list(connection.execute(sa.select(what).where(what.c.id.in_(list(ids)))))
    return {row.id: row for row in rows}


# -- what is held back ---------------------------------------------------------------------------------------------
def held(connection: sa.Connection, unit_of: str, *, but: str, project: str | None = None) -> int:
    """What is held back for turns of other threads, of all or of a project."""
    statement = _held(unit_of, of_project=project is not None)
    return int(connection.execute(statement, {"but": but, "project": project}).scalar_one())


@cache
def _held(unit_of: str, *, of_project: bool) -> sa.Select[Any]:
    left = t.allowance.c[f"left_{unit_of}"]
    mine = [t.allowance.c.thread_id != sa.bindparam("but")]
    if of_project:
        mine.append(t.allowance.c.project_id == sa.bindparam("project"))
    return sa.select(sa.func.coalesce(sa.func.sum(left), 0)).where(*mine)


def hold(unit: UnitOfWork, thread_id: str, **values: Any) -> None:
    unit.connection.execute(_hold(unit.connection.dialect.name, *values), {"thread_id": thread_id, **values})


@cache
def _hold(dialect: str, *names: str) -> Any:
    row = upsert_in(dialect, t.allowance)
    held = {name: row.excluded[name] for name in names}
    return row.on_conflict_do_update(index_elements=["thread_id"], set_=held)


def let_go(unit: UnitOfWork, thread_id: str) -> None:
    unit.connection.execute(_let_go, {"its_thread": thread_id})


# -- ceilings ------------------------------------------------------------------------------------------------------
def ceilings(connection: sa.Connection, owners: Iterable[str]) -> list[Row]:
    return list(connection.execute(_ceilings, {"owners": list(owners)}))


def set_ceiling(unit: UnitOfWork, owner: str, scope: str, unit_of: str, amount: int | None) -> None:
    row = upsert(unit.connection, t.ceiling).values(owner=owner, scope=scope, unit=unit_of, once="", amount=amount)
    unit.execute(row.on_conflict_do_update(index_elements=["owner", "scope", "unit", "once"], set_={"amount": amount}))


def drop_ceiling(unit: UnitOfWork, owner: str, scope: str, unit_of: str) -> None:
    """Its own value is gone, with what was added to it."""
    mine = (t.ceiling.c.owner == owner, t.ceiling.c.scope == scope, t.ceiling.c.unit == unit_of)
    unit.execute(sa.delete(t.ceiling).where(*mine))


def raise_once(unit: UnitOfWork, owner: str, scope: str, unit_of: str, once: str, amount: int) -> None:
    row = upsert(unit.connection, t.ceiling).values(owner=owner, scope=scope, unit=unit_of, once=once, amount=amount)
    unit.execute(
        row.on_conflict_do_update(
            index_elements=["owner", "scope", "unit", "once"], set_={"amount": t.ceiling.c.amount + amount}
        )
    )


# -- who waits -----------------------------------------------------------------------------------------------------
def item_of(connection: sa.Connection, scope: str, owner: str, unit_of: str) -> str | None:
    """The open item that says a ceiling was reached."""
    mine = (t.pause.c.scope == scope, t.pause.c.owner == owner, t.pause.c.unit == unit_of)
    query = sa.select(t.item.c.id).join(t.pause, t.pause.c.item_id == t.item.c.id)
    return connection.execute(query.where(*mine, t.item.c.state == "open").limit(1)).scalar()


def pause(unit: UnitOfWork, thread_id: str, item_id: str, scope: str, owner: str, unit_of: str) -> None:
    values = {"item_id": item_id, "scope": scope, "owner": owner, "unit": unit_of}
    row = upsert(unit.connection, t.pause).values(thread_id=thread_id, **values)
    unit.execute(row.on_conflict_do_update(index_elements=["thread_id"], set_=values))


def paused(connection: sa.Connection, thread_id: str) -> Row | None:
    return connection.execute(_paused, {"its_thread": thread_id}).first()


def why_paused(connection: sa.Connection, thread_id: str) -> str:
    """The title of the item that a thread waits for."""
    query = sa.select(t.item.c.title).join(t.pause, t.pause.c.item_id == t.item.c.id)
    return str(connection.execute(query.where(t.pause.c.thread_id == thread_id)).scalar() or "")


def all_paused(connection: sa.Connection) -> list[Row]:
    """Every thread that waits at a ceiling, with where its item stands."""
    query = sa.select(t.pause, t.item.c.thread_id.label("said_in")).join(t.item, t.item.c.id == t.pause.c.item_id)
    return list(
        connection.execute(query.where(t.item.c.state == "open").order_by(t.pause.c.item_id, t.pause.c.thread_id))
    )


def paused_at(connection: sa.Connection, item_id: str) -> list[str]:
    mine = sa.select(t.pause.c.thread_id).where(t.pause.c.item_id == item_id).order_by(t.pause.c.thread_id)
    return list(connection.execute(mine).scalars())


def go_on(unit: UnitOfWork, thread_id: str) -> None:
    unit.execute(sa.delete(t.pause).where(t.pause.c.thread_id == thread_id))


def open_items(connection: sa.Connection) -> list[Row]:
    """Ceilings that are said to be reached."""
    return list(connection.execute(_open_items))
