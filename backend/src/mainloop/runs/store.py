"""Rows of agents and their runs. Whoever changes anything about a thread locks its agent row first."""

from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from mainloop.db import tables as t
from mainloop.db.engine import Row, locked_rows, updating
from mainloop.errors import UnknownThread
from mainloop.events.unit import UnitOfWork

# What may be wanted of a thread's runner: run, park (until there is work), stop, hold (its workspace is not ready), or
# queue (all slots are taken).
NO_RUNNER: Final = ("stop", "hold", "queue")
# Money is kept in millionths of a dollar.
MICROS: Final = 1_000_000

# Asked by every runner again and again, so they are put together once.
_its: Final = sa.bindparam("thread_id", type_=t.agent.c.thread_id.type)
_agent: Final = sa.select(t.agent).where(t.agent.c.thread_id == _its)
_locked_agent: Final = _agent.with_for_update()
_run: Final = sa.select(t.run).where(t.run.c.thread_id == _its, t.run.c.number == sa.bindparam("number"))
_run_with_token: Final = (
    sa.select(t.run.c.thread_id, t.run.c.number, t.run.c.state, t.agent.c.run.label("newest"))
    .join(t.agent, t.agent.c.thread_id == t.run.c.thread_id)
    .where(t.run.c.token_hash == sa.bindparam("token_hash"))
)
_open_runs: Final = sa.select(t.run).where(
    t.run.c.state.in_(("starting", "live")), t.run.c.host == sa.bindparam("host")
)
_acked: Final = sa.select(t.run.c.number, t.run.c.acked).where(t.run.c.thread_id == _its)
_runs: Final = sa.select(t.run).where(t.run.c.thread_id == _its)
_open_asks: Final = (
    sa.select(t.item)
    .where(t.item.c.thread_id == _its, t.item.c.state == "open", t.item.c.ask.is_not(None))
    .order_by(t.item.c.opened_at)
)
_asks: Final = (
    sa.select(t.item)
    .where(
        t.item.c.thread_id == _its,
        t.item.c.ask.is_not(None),
        sa.or_(t.item.c.state == "open", sa.and_(t.item.c.state == "answered", t.item.c.taken.is_(False))),
    )
    .order_by(t.item.c.opened_at)
)
_untaken_answers: Final = (
    sa.select(t.item)
    .where(
        t.item.c.thread_id == _its, t.item.c.state == "answered", t.item.c.ask.is_not(None), t.item.c.taken.is_(False)
    )
    .order_by(t.item.c.closed_at)
)


_allowance: Final = sa.select(t.allowance).where(t.allowance.c.thread_id == _its)


def allowance(connection: sa.Connection, thread_id: str) -> Row | None:
    """What a thread's turn, running or about to begin, may use."""
    return connection.execute(_allowance, {"thread_id": thread_id}).first()


def add_thread(unit: UnitOfWork, thread_id: str, kind: str) -> None:
    unit.execute(t.thread.insert().values(id=thread_id, kind=kind, created_at=unit.now))


def add_agent(
    unit: UnitOfWork,
    thread_id: str,
    *,
    role: str,
    kind: str,
    model: str | None,
    agent_session: str,
    demo: bool,
    wanted: str = "run",
    recorded: bool = False,
    fork: dict[str, Any] | None = None,
) -> None:
    """`fork`: where its conversation branched off, whose record it goes on from."""
    unit.execute(
        t.agent.insert().values(
            thread_id=thread_id,
            role=role,
            kind=kind,
            model=model or None,
            agent_session=agent_session,
            demo=demo,
            wanted=wanted,
            recorded=recorded,
            fork=fork,
            quiet_since=unit.now,
        )
    )


def lock(unit: UnitOfWork, thread_id: str) -> Row:
    """The agent row of a thread, locked to the end of the transaction. Raises UnknownThread."""
    locked = locked_rows(unit.connection)
    if thread_id in locked:
        return agent(unit.connection, thread_id)
    row = unit.connection.execute(_locked_agent, {"thread_id": thread_id}).first()
    if row is None:
        raise UnknownThread(id=thread_id)
    locked[thread_id] = row
    return row


def agent(connection: sa.Connection, thread_id: str) -> Row:
    """The agent row of a thread, to look at. Raises UnknownThread."""
    locked = locked_rows(connection)
    known = locked.get(thread_id)
    if known is not None:
        return known
    row = connection.execute(_agent, {"thread_id": thread_id}).first()
    if row is None:
        raise UnknownThread(id=thread_id)
    if thread_id in locked:
        locked[thread_id] = row
    return row


def update(unit: UnitOfWork, thread_id: str, **values: object) -> None:
    statement = updating(t.agent, ("thread_id",), tuple(values))
    unit.connection.execute(statement, {**values, "key_thread_id": thread_id})
    locked = locked_rows(unit.connection)
    if thread_id in locked:
        locked[thread_id] = None


def add_run(unit: UnitOfWork, thread_id: str, number: int, *, kind: str, token_hash: str, host: str) -> None:
    unit.execute(
        t.run.insert().values(
            thread_id=thread_id,
            number=number,
            state="starting",
            kind=kind,
            token_hash=token_hash,
            host=host,
            started_at=unit.now,
        )
    )


def run(connection: sa.Connection, thread_id: str, number: int) -> Row | None:
    return connection.execute(_run, {"thread_id": thread_id, "number": number}).first()


def last_runs(connection: sa.Connection, thread_id: str, most: int) -> list[Row]:
    """The runs of a thread, newest first."""
    columns = (t.run.c.number, t.run.c.state, t.run.c.version, t.run.c.agent_version, t.run.c.host, t.run.c.pid)
    times = (t.run.c.started_at, t.run.c.ended_at, t.run.c.end)
    query = sa.select(*columns, *times).where(t.run.c.thread_id == thread_id)
    return list(connection.execute(query.order_by(t.run.c.number.desc()).limit(most)))


def run_with_token(connection: sa.Connection, token_hash: str) -> Row | None:
    """Thread, number and state of the run with this token, and the number of the thread's newest."""
    return connection.execute(_run_with_token, {"token_hash": token_hash}).first()


def update_run(unit: UnitOfWork, thread_id: str, number: int, **values: object) -> None:
    statement = updating(t.run, ("thread_id", "number"), tuple(values))
    unit.connection.execute(statement, {**values, "key_thread_id": thread_id, "key_number": number})


def acked(connection: sa.Connection, thread_id: str) -> dict[int, int]:
    return {row.number: row.acked for row in connection.execute(_acked, {"thread_id": thread_id})}


def runs(connection: sa.Connection, thread_id: str) -> list[Row]:
    """Every run of a thread."""
    return list(connection.execute(_runs, {"thread_id": thread_id}))


def open_runs(connection: sa.Connection, host: str) -> list[Row]:
    """Runs that have not ended, of this host."""
    return list(connection.execute(_open_runs, {"host": host}))


def newest_runs(connection: sa.Connection) -> list[Row]:
    """Every thread with its newest run, where it had one: number, state, host and process."""
    newest = sa.and_(t.run.c.thread_id == t.agent.c.thread_id, t.run.c.number == t.agent.c.run)
    columns = (t.agent.c.thread_id, t.agent.c.working, t.agent.c.run, t.run.c.state, t.run.c.host, t.run.c.pid)
    query = sa.select(*columns).select_from(t.agent.outerjoin(t.run, newest))
    return list(connection.execute(query.order_by(t.agent.c.thread_id)))


def open_asks(connection: sa.Connection, thread_id: str) -> list[Row]:
    """Asks of a thread that wait for the person."""
    return list(connection.execute(_open_asks, {"thread_id": thread_id}))


def untaken_answers(connection: sa.Connection, thread_id: str) -> list[Row]:
    """Answers whose call has not got them yet."""
    return list(connection.execute(_untaken_answers, {"thread_id": thread_id}))


def asks(connection: sa.Connection, thread_id: str) -> tuple[list[Row], list[Row]]:
    """Both in one look: asks that wait for the person, and answers whose call has not got them yet."""
    rows = list(connection.execute(_asks, {"thread_id": thread_id}))
    answered = sorted((row for row in rows if row.state == "answered"), key=lambda row: row.closed_at)
    return [row for row in rows if row.state == "open"], answered


def orphan_asks(unit: UnitOfWork, thread_id: str, deferred_call: str) -> None:
    """No runner holds the calls that asked any more; a deferred one is resumed by the next run as by the last."""
    unit.execute(
        sa.update(t.item)
        .where(
            t.item.c.thread_id == thread_id,
            t.item.c.ask.is_not(None),
            t.item.c.taken.is_(False),
            t.item.c.state.in_(("open", "answered")),
            t.item.c.call_id != deferred_call,
        )
        .values(orphaned=True)
    )


def has_work(connection: sa.Connection, row: Row) -> bool:
    """Whether a runner of this thread would have something to do right now."""
    return not row.blocked and row.wanted not in NO_RUNNER and is_open(connection, row)


def is_open(connection: sa.Connection, row: Row) -> bool:
    """Whether something is open that does not wait for the person."""
    thread_id = row.thread_id
    if any(not answer.orphaned for answer in untaken_answers(connection, thread_id)):
        return True
    if open_asks(connection, thread_id):
        return False
    if row.deferred_call:
        # Deferred without a question, since its runner was told to park: nobody else will make it go on.
        return True
    waiting = sa.select(t.message.c.id).where(
        t.message.c.thread_id == thread_id, t.message.c.status.in_(("queued", "delivered"))
    )
    return connection.execute(waiting.limit(1)).first() is not None


def quiet(connection: sa.Connection, before: datetime) -> list[Row]:
    """Agents that live and have done nothing since a moment."""
    living = sa.select(t.run.c.thread_id).where(t.run.c.state == "live")
    query = sa.select(t.agent).where(
        t.agent.c.thread_id.in_(living),
        t.agent.c.working.is_(False),
        t.agent.c.wanted == "run",
        t.agent.c.quiet_since < before,
    )
    return list(connection.execute(query))


def living_sessions(connection: sa.Connection, host: str) -> int:
    """How many sessions have a process on this host that is not on its way out."""
    leaving = sa.and_(t.agent.c.wanted == "park", t.agent.c.working.is_(False))
    query = (
        sa.select(sa.func.count())
        .select_from(t.run)
        .join(t.agent, t.agent.c.thread_id == t.run.c.thread_id)
        .where(t.run.c.state.in_(("starting", "live")), t.run.c.host == host)
        .where(t.agent.c.role == "session", ~leaving)
    )
    return connection.execute(query).scalar_one()


def resting(connection: sa.Connection, host: str) -> list[Row]:
    """Agents of sessions that live on this host and do nothing, the one that has done nothing longest first.

    One whose turn waits for the person is among them, where nothing runs beside the call that asked.
    """
    living = sa.select(t.run.c.thread_id).where(t.run.c.state == "live", t.run.c.host == host)
    asked = (t.item.c.thread_id == t.agent.c.thread_id, t.item.c.state == "open", t.item.c.ask.is_not(None))
    asks = sa.select(sa.func.count()).select_from(t.item).where(*asked).scalar_subquery()
    asked_at = sa.select(sa.func.max(t.item.c.opened_at)).where(*asked).scalar_subquery()
    runs_on = sa.select(sa.func.count()).select_from(t.tool_call).where(t.tool_call.c.thread_id == t.agent.c.thread_id)
    waits = sa.and_(asks == 1, runs_on.scalar_subquery() <= 1)
    query = (
        sa.select(t.agent)
        .where(t.agent.c.thread_id.in_(living), t.agent.c.role == "session", t.agent.c.wanted == "run")
        .where(sa.or_(t.agent.c.working.is_(False), waits))
        .order_by(sa.func.coalesce(t.agent.c.quiet_since, asked_at), t.agent.c.thread_id)
    )
    return list(connection.execute(query))


def overdue(connection: sa.Connection, before: datetime) -> list[Row]:
    """Living runs that were last heard of before a moment, of every host."""
    mine = (t.run.c.state == "live", t.run.c.seen_at < before)
    return list(connection.execute(sa.select(t.run).where(*mine)))


def working_on(connection: sa.Connection, host: str) -> list[str]:
    """Threads in a turn whose runner is on this host."""
    mine = (t.run.c.state == "live", t.run.c.host == host, t.agent.c.working)
    query = sa.select(t.run.c.thread_id).join(t.agent, t.agent.c.thread_id == t.run.c.thread_id).where(*mine)
    return list(connection.execute(query).scalars())


def threads_with_messages(connection: sa.Connection) -> list[Row]:
    """Agents that have an open message or an untaken answer, wait for nobody, and have no living run."""
    living = sa.select(t.run.c.thread_id).where(t.run.c.state.in_(("starting", "live")))
    # Who waits for the person has an open message, too: the one whose turn has asked.
    asks = sa.exists().where(
        t.item.c.thread_id == t.message.c.thread_id, t.item.c.state == "open", t.item.c.ask.is_not(None)
    )
    defers = sa.exists().where(t.agent.c.thread_id == t.message.c.thread_id, t.agent.c.deferred_call.is_not(None))
    said = sa.select(t.message.c.thread_id).where(t.message.c.status.in_(("queued", "delivered")), ~asks, ~defers)
    answered = sa.select(t.item.c.thread_id).where(
        t.item.c.state == "answered", t.item.c.taken.is_(False), t.item.c.ask.is_not(None)
    )
    query = sa.select(t.agent).where(
        # One list: from two, joined by OR, a database would look at every agent there is.
        t.agent.c.thread_id.in_(said.union(answered)),
        t.agent.c.thread_id.not_in(living),
        t.agent.c.blocked.is_(False),
        t.agent.c.wanted.not_in(NO_RUNNER),
    )
    return list(connection.execute(query))
