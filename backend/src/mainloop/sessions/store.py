"""Rows of sessions, and a session as the world sees it."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from mainloop.db import tables as t
from mainloop.db.engine import Row, upsert
from mainloop.events.unit import UnitOfWork
from mainloop.runs.status import status_of
from mainloop.runs.store import MICROS, agent
from mainloop_models.events import (
    After,
    Anchor,
    Branched,
    Change,
    Changed,
    ContextUse,
    KeptWork,
    SessionBody,
    SessionResult,
    Watch,
)

OVER: Final = ("failed", "cancelled", "done")
# A hue is free again this long after its session ended.
HUE_KEPT: Final = timedelta(days=1)
SHOWN_OVER: Final = 50


def add(unit: UnitOfWork, **values: Any) -> None:
    unit.execute(t.session.insert().values(created_at=unit.now, updated_at=unit.now, **values))


def find(connection: sa.Connection, session_id: str) -> Row | None:
    return connection.execute(sa.select(t.session).where(t.session.c.id == session_id)).first()


def some(connection: sa.Connection, ids: Collection[str]) -> list[Row]:
    return list(connection.execute(sa.select(t.session).where(t.session.c.id.in_(ids))))


def find_by_name(connection: sa.Connection, name: str) -> Row | None:
    """The session with this id or handle; of several with one handle the newest."""
    mine = sa.or_(t.session.c.id == name, t.session.c.handle == name)
    return connection.execute(sa.select(t.session).where(mine).order_by(t.session.c.created_at.desc())).first()


def update(unit: UnitOfWork, session_id: str, **values: Any) -> None:
    unit.execute(sa.update(t.session).where(t.session.c.id == session_id).values(updated_at=unit.now, **values))


def demo_chosen(connection: sa.Connection) -> bool:
    """Whether the person let the demo agent answer."""
    return bool(connection.execute(sa.select(t.installation.c.demo)).scalar_one())


def taken_handles(connection: sa.Connection) -> set[str]:
    open_ones = sa.select(t.session.c.handle).where(t.session.c.state.not_in(OVER))
    return set(connection.execute(open_ones).scalars())


def taken_hues(connection: sa.Connection, now: datetime) -> list[int]:
    kept = sa.or_(t.session.c.ended_at.is_(None), t.session.c.ended_at > now - HUE_KEPT)
    return list(connection.execute(sa.select(t.session.c.hue).where(kept)).scalars())


# Looked at after every event, so they are put together once.
_next_queued: Final = (
    sa.select(t.session)
    .where(t.session.c.state == "starting", t.session.c.queued_at.is_not(None))
    .order_by(t.session.c.queued_at, t.session.c.id)
    .limit(1)
)
_at_a_standstill: Final = (
    sa.select(t.session.c.id)
    .join(t.agent, t.agent.c.thread_id == t.session.c.id)
    .where(t.session.c.state.in_(("starting", "working")), t.session.c.queued_at.is_(None))
    .where(t.session.c.held_at.is_(None), t.agent.c.working.is_(False))
)
_held: Final = sa.select(t.session).where(t.session.c.state == "starting", t.session.c.held_at.is_not(None))


def next_queued(connection: sa.Connection) -> Row | None:
    """The session that has waited longest for a slot."""
    return connection.execute(_next_queued).first()


def ahead(connection: sa.Connection, session: SessionBody) -> int | None:
    """How many get a slot before this session; None where it does not wait for one."""
    if session.queued_at is None:
        return None
    earlier = (t.session.c.state == "starting", t.session.c.queued_at < session.queued_at)
    return connection.execute(sa.select(sa.func.count()).select_from(t.session).where(*earlier)).scalar_one()


def after_of(session: Row) -> list[After]:
    """The sessions that it begins after."""
    return [After.model_validate(one) for one in session.after]


def waits(session: Row) -> bool:
    """Whether one of them is still waited for."""
    return any(one.state == "waits" for one in after_of(session))


def held_for(connection: sa.Connection, session_id: str) -> list[str]:
    """The sessions that wait for this one."""
    held = [(row.id, after_of(row)) for row in connection.execute(_held)]
    return [
        ident for ident, after in held if any((one.session_id, one.state) == (session_id, "waits") for one in after)
    ]


def at_a_standstill(connection: sa.Connection) -> list[str]:
    """Sessions that hold a slot while no turn of theirs is open."""
    return list(connection.execute(_at_a_standstill).scalars())


def add_report(unit: UnitOfWork, session_id: str, turn: int, text: str, outcome: str) -> None:
    """What the agent reported in a turn; said again, the later words count."""
    row = upsert(unit.connection, t.result).values(
        session_id=session_id, turn=turn, text=text, outcome=outcome, source="report", at=unit.now
    )
    unit.execute(
        row.on_conflict_do_update(
            index_elements=["session_id", "turn"], set_={"text": text, "outcome": outcome, "at": unit.now}
        )
    )


def carry_report_over(unit: UnitOfWork, session_id: str, turn: int) -> None:
    """What was reported in a turn that was cut off, and not delivered, is the report of the one that goes on."""
    mine = (t.result.c.session_id == session_id, t.result.c.turn < turn, t.result.c.delivered.is_(False))
    unit.execute(sa.update(t.result).where(*mine).values(turn=turn))


def result_of(connection: sa.Connection, session_id: str, turn: int) -> Row | None:
    mine = (t.result.c.session_id == session_id, t.result.c.turn == turn)
    return connection.execute(sa.select(t.result).where(*mine)).first()


def add_text_result(unit: UnitOfWork, session_id: str, turn: int, text: str) -> None:
    row = upsert(unit.connection, t.result).values(
        session_id=session_id, turn=turn, text=text, outcome="done", source="text", at=unit.now
    )
    unit.execute(row.on_conflict_do_nothing())


def deliver_result(unit: UnitOfWork, session_id: str, turn: int) -> Row | None:
    """Mark a turn's result as delivered; None if there is none or it was delivered before."""
    mine = (t.result.c.session_id == session_id, t.result.c.turn == turn, t.result.c.delivered.is_(False))
    return unit.execute(sa.update(t.result).where(*mine).values(delivered=True).returning(t.result)).first()


def change_of(connection: sa.Connection, session_id: str) -> Change | None:
    """The newest of what it wants to bring into its project, as it was last seen."""
    row = connection.execute(sa.select(t.change.c.body).where(t.change.c.session_id == session_id)).first()
    return None if row is None else Change.model_validate(row.body)


def has_open_change(connection: sa.Connection, session_id: str) -> bool:
    """Whether it has something to bring into its project."""
    mine = (t.change.c.session_id == session_id, t.change.c.state.in_(("open", "merging")))
    return connection.execute(sa.select(t.change.c.session_id).where(*mine)).first() is not None


def add_kept(unit: UnitOfWork, session_id: str) -> int:
    """Its files are to be kept; the number under which. A number is never used again."""
    last = sa.select(sa.func.coalesce(sa.func.max(t.kept.c.number), 0)).where(t.kept.c.session_id == session_id)
    number = int(unit.execute(last).scalar_one()) + 1
    unit.execute(
        t.kept.insert().values(session_id=session_id, number=number, state="keeping", left_out=[], at=unit.now)
    )
    return number


def newest_kept(connection: sa.Connection, session_id: str) -> Row | None:
    """What became of its files when it was last closed."""
    mine = (t.kept.c.session_id == session_id, t.kept.c.state != "dropped")
    return connection.execute(sa.select(t.kept).where(*mine).order_by(t.kept.c.number.desc())).first()


def update_kept(unit: UnitOfWork, session_id: str, number: int, **values: Any) -> None:
    mine = (t.kept.c.session_id == session_id, t.kept.c.number == number)
    unit.execute(sa.update(t.kept).where(*mine).values(**values))


def drop_unkept(unit: UnitOfWork, session_id: str) -> None:
    """It goes on before its files were kept: they are where they were."""
    mine = (t.kept.c.session_id == session_id, t.kept.c.state.in_(("keeping", "failed", "empty")))
    unit.execute(sa.update(t.kept).where(*mine).values(state="dropped"))


def may_go(connection: sa.Connection, session_id: str, number: int) -> bool:
    """Whether its workspace may be taken away: it is closed, and what was in it is kept."""
    session, kept = find(connection, session_id), newest_kept(connection, session_id)
    return (
        session is not None
        and session.state == "done"
        and kept is not None
        and (kept.number, kept.state) in ((number, "kept"), (number, "empty"))
    )


def all_kept(connection: sa.Connection, name: str | None = None) -> list[Row]:
    """The newest kept work of each session, or of those with this id or handle, newest first."""
    newest = (
        sa.select(t.kept.c.session_id, sa.func.max(t.kept.c.number).label("number"))
        .where(t.kept.c.state.in_(("kept", "back")))
        .group_by(t.kept.c.session_id)
        .subquery()
    )
    query = (
        sa.select(t.kept, t.session.c.handle, t.session.c.title, t.session.c.branch, t.session.c.project_id)
        .add_columns(t.project.c.name.label("project"), t.project.c.source)
        .join(newest, sa.and_(newest.c.session_id == t.kept.c.session_id, newest.c.number == t.kept.c.number))
        .join(t.session, t.session.c.id == t.kept.c.session_id)
        .outerjoin(t.project, t.project.c.id == t.session.c.project_id)
        .order_by(t.kept.c.at.desc(), t.kept.c.session_id)
    )
    if name is not None:
        query = query.where(sa.or_(t.session.c.id == name, t.session.c.handle == name))
    return list(connection.execute(query))


def add_kept_turn(unit: UnitOfWork, session_id: str, turn: int) -> None:
    """A turn has ended: what lies in its workspace is to be kept."""
    row = upsert(unit.connection, t.kept_turn).values(session_id=session_id, turn=turn, state="keeping", at=unit.now)
    unit.execute(row.on_conflict_do_nothing())


def update_kept_turn(unit: UnitOfWork, session_id: str, turn: int, **values: Any) -> None:
    mine = (t.kept_turn.c.session_id == session_id, t.kept_turn.c.turn == turn)
    unit.execute(sa.update(t.kept_turn).where(*mine).values(**values))


def turns_to_keep(connection: sa.Connection, session_id: str) -> list[int]:
    mine = (t.kept_turn.c.session_id == session_id, t.kept_turn.c.state == "keeping")
    return list(connection.execute(sa.select(t.kept_turn.c.turn).where(*mine).order_by(t.kept_turn.c.turn)).scalars())


def kept_turns(connection: sa.Connection, session_id: str, limit: int) -> list[Row]:
    """The newest turns that have ended, newest first."""
    mine = sa.select(t.kept_turn).where(t.kept_turn.c.session_id == session_id)
    return list(connection.execute(mine.order_by(t.kept_turn.c.turn.desc()).limit(limit)))


def kept_turn(connection: sa.Connection, session_id: str, turn: int) -> Row | None:
    """A turn that has ended."""
    mine = (t.kept_turn.c.session_id == session_id, t.kept_turn.c.turn == turn)
    return connection.execute(sa.select(t.kept_turn).where(*mine)).first()


def newest_kept_turn(connection: sa.Connection, session_id: str) -> Row | None:
    """The newest turn whose files were kept."""
    mine = (t.kept_turn.c.session_id == session_id, t.kept_turn.c.state == "kept")
    return connection.execute(sa.select(t.kept_turn).where(*mine).order_by(t.kept_turn.c.turn.desc()).limit(1)).first()


def turn_before(connection: sa.Connection, session_id: str, turn: int) -> Row | None:
    """The newest kept turn before it; of a session that branched off another, the one it began with."""
    c = t.kept_turn.c
    mine = (c.session_id == session_id, c.turn < turn, c.state == "kept")
    row = connection.execute(sa.select(t.kept_turn).where(*mine).order_by(c.turn.desc()).limit(1)).first()
    fork = agent(connection, session_id).fork if row is None else None
    return kept_turn(connection, fork["session_id"], fork["turn"]) if fork else row


def is_of_turn(connection: sa.Connection, session_id: str, tree: str) -> bool:
    """Whether one of a session's turns left these files."""
    mine = (t.kept_turn.c.session_id == session_id, t.kept_turn.c.tree == tree)
    return connection.execute(sa.select(t.kept_turn.c.turn).where(*mine).limit(1)).first() is not None


def touched(connection: sa.Connection, session_id: str) -> Row | None:
    """The files that a session has changed."""
    return connection.execute(sa.select(t.touched).where(t.touched.c.session_id == session_id)).first()


def set_touched(unit: UnitOfWork, session_id: str, **values: Any) -> None:
    row = upsert(unit.connection, t.touched).values(session_id=session_id, **values)
    unit.execute(row.on_conflict_do_update(index_elements=["session_id"], set_=values))


def touched_beside(connection: sa.Connection, session_id: str, project_id: str) -> list[Row]:
    """The same of all other open sessions of the project, with their handles and titles, oldest first."""
    query = (
        sa.select(t.touched, t.session.c.handle, t.session.c.title)
        .join(t.session, t.session.c.id == t.touched.c.session_id)
        .where(t.touched.c.project_id == project_id, t.session.c.id != session_id, t.session.c.state.not_in(OVER))
        .order_by(t.session.c.created_at, t.session.c.id)
    )
    return list(connection.execute(query))


def branches_beside(connection: sa.Connection, session_id: str, project_id: str) -> set[str]:
    """The branches of all other sessions of the project, and those that open ones are about to make."""
    s = t.session.c
    mine = sa.select(s.branch, s.handle, s.state).where(s.project_id == project_id, s.id != session_id)
    rows = list(connection.execute(mine))
    made = {row.branch for row in rows if row.branch}
    return made | {f"mainloop/{row.handle}" for row in rows if not row.branch and row.state not in OVER}


_queued = (
    sa.select(sa.func.count())
    .where(t.message.c.thread_id == t.session.c.id, t.message.c.status == "queued")
    .scalar_subquery()
)
_later = t.kept.alias()
_used = (t.usage.c.input_tokens, t.usage.c.output_tokens, t.usage.c.cache_read_tokens, t.usage.c.cache_write_tokens)
_tokens = sum(_used[1:], start=_used[0])


def _spent(figure: sa.ColumnElement[Any]) -> sa.ScalarSelect[Any]:
    return sa.select(figure).where(t.usage.c.thread_id == t.session.c.id).correlate(t.session).scalar_subquery()


_newest = (
    sa.select(sa.func.max(_later.c.number))
    .where(_later.c.session_id == t.session.c.id, _later.c.state != "dropped")
    .correlate(t.session)
    .scalar_subquery()
)
_kept = {name: t.kept.c[name].label(f"kept_{name}") for name in KeptWork.model_fields}
_whole = (
    sa.select(
        t.session,
        *_kept.values(),
        t.change.c.body.label("change"),
        t.agent.c.kind.label("agent"),
        t.agent.c.model,
        t.agent.c.turn,
        t.agent.c.fork,
        t.agent.c.demo,
        t.agent.c.activity,
        t.agent.c.steps,
        t.agent.c.heard_at,
        t.agent.c.last_seen,
        t.agent.c.context,
        _spent(sa.func.sum(t.usage.c.micros)).label("micros"),
        _spent(sa.func.sum(_tokens)).label("tokens"),
        _spent(sa.func.sum(sa.case((t.usage.c.micros.is_(None), _tokens), else_=0))).label("unpriced_tokens"),
        _spent(sa.func.max(sa.cast(t.usage.c.on_plan, sa.Integer))).label("on_plan"),
        t.project.c.name.label("project"),
        _queued.label("queued"),
    )
    .join(t.agent, t.agent.c.thread_id == t.session.c.id)
    .outerjoin(t.project, t.project.c.id == t.session.c.project_id)
    .outerjoin(t.change, t.change.c.session_id == t.session.c.id)
    .outerjoin(t.kept, sa.and_(t.kept.c.session_id == t.session.c.id, t.kept.c.number == _newest))
)


def body(connection: sa.Connection, session_id: str) -> SessionBody | None:
    """A session, whole."""
    row = connection.execute(_whole.where(t.session.c.id == session_id)).first()
    return None if row is None else _body(row)


def bodies(connection: sa.Connection, *, state: str | None = None, text: str | None = None) -> list[SessionBody]:
    """Sessions, newest first, of a state and with a word in title, handle."""
    query = _whole.order_by(t.session.c.created_at.desc())
    if state:
        query = query.where(t.session.c.state == state)
    if text:
        like = f"%{text.replace('%', '')}%"
        query = query.where(sa.or_(t.session.c.title.ilike(like), t.session.c.handle.ilike(like)))
    return [_body(row) for row in connection.execute(query.limit(500))]


def shown(connection: sa.Connection) -> list[SessionBody]:
    """What the first screen lists: all that are not over, and the newest that are."""
    alive = list(connection.execute(_whole.where(t.session.c.state.not_in(OVER)).order_by(t.session.c.created_at)))
    over = connection.execute(
        _whole.where(t.session.c.state.in_(OVER)).order_by(t.session.c.updated_at.desc()).limit(SHOWN_OVER)
    )
    return [_body(row) for row in (*alive, *over)]


def _body(row: Row) -> SessionBody:
    return SessionBody(
        id=row.id,
        title=row.title,
        handle=row.handle,
        hue=row.hue,
        creature=row.creature,
        state=row.state,
        reason=row.reason,
        agent=row.agent,
        model=row.model,
        project_id=row.project_id,
        project=row.project,
        workspace=row.workspace,
        branch=row.branch,
        anchor=Anchor.model_validate(row.anchor) if row.anchor else None,
        branched=Branched.model_validate(row.fork) if row.fork else None,
        parked=row.parked,
        status=status_of(row),
        queued=row.queued,
        queued_at=row.queued_at,
        held_at=row.held_at,
        after=after_of(row),
        turn=row.turn,
        result=SessionResult.model_validate(row.result) if row.result else None,
        cost_usd=None if row.micros is None else int(row.micros) / MICROS,
        tokens=int(row.tokens or 0),
        unpriced_tokens=int(row.unpriced_tokens or 0),
        on_plan=bool(row.on_plan),
        context=ContextUse.model_validate(row.context) if row.context else None,
        demo=row.demo,
        confined=row.confined,
        kept=KeptWork(**{name: getattr(row, f"kept_{name}") for name in _kept}) if row.kept_number else None,
        changed=Changed.model_validate(row.changed) if row.changed else None,
        change=_carried(row.change) if row.change else None,
        watches=[Watch.model_validate(one) for one in row.watches],
        created_at=row.created_at,
        updated_at=row.updated_at,
        ended_at=row.ended_at,
    )


def _carried(change: Any) -> Change:
    """A change as its session carries it: without the texts that are read where somebody wants them."""
    whole = Change.model_validate(change)
    checks = [check.model_copy(update={"excerpt": ""}) for check in whole.checks]
    return whole.model_copy(update={"text": "", "checks": checks})
