"""Rows of calls: those of the agent's tools that run right now or were let run, and those of ours with their answer."""

from typing import Any, Final

import sqlalchemy as sa

from mainloop.db import tables as t
from mainloop.db.engine import Row, upsert
from mainloop.events.unit import UnitOfWork
from mainloop_models.events import ToolCallBody
from mainloop_models.runner import ToolAnswer, ToolRequest

# Run at the end of every turn, so they are put together once.
_of_thread: Final = sa.bindparam("its_thread", type_=t.tool_call.c.thread_id.type)
_newest: Final = (
    sa.select(t.tool_call).where(t.tool_call.c.thread_id == _of_thread).order_by(t.tool_call.c.at.desc()).limit(1)
)
_all_ended: Final = (
    sa.delete(t.tool_call)
    .where(t.tool_call.c.thread_id == _of_thread, t.tool_call.c.turn == sa.bindparam("its_turn"))
    .returning(t.tool_call.c.body)
)
_forget_released: Final = sa.delete(t.released).where(t.released.c.thread_id == _of_thread)


def started(unit: UnitOfWork, thread_id: str, call: ToolCallBody) -> bool:
    """A tool of the agent runs; False if that was known."""
    row = upsert(unit.connection, t.tool_call).values(
        thread_id=thread_id, call_id=call.id, turn=call.turn, body=call.model_dump(mode="json"), at=unit.now
    )
    return unit.execute(row.on_conflict_do_nothing().returning(t.tool_call.c.call_id)).first() is not None


def ended(unit: UnitOfWork, thread_id: str, call_id: str) -> dict[str, Any] | None:
    """A call runs no longer: the body it began with; None if it was not running."""
    mine = (t.tool_call.c.thread_id == thread_id, t.tool_call.c.call_id == call_id)
    return unit.execute(sa.delete(t.tool_call).where(*mine).returning(t.tool_call.c.body)).scalar()


def all_ended(unit: UnitOfWork, thread_id: str, turn: int) -> list[dict[str, Any]]:
    """No call of a turn runs any longer: the bodies they began with."""
    return list(unit.connection.execute(_all_ended, {"its_thread": thread_id, "its_turn": turn}).scalars())


def newest(connection: sa.Connection, thread_id: str) -> Row | None:
    """The call that began last, of those that run."""
    return connection.execute(_newest, {"its_thread": thread_id}).first()


def release(unit: UnitOfWork, thread_id: str, call_id: str, turn: int) -> None:
    """The policy let a call run."""
    row = upsert(unit.connection, t.released).values(thread_id=thread_id, call_id=call_id, turn=turn)
    unit.execute(row.on_conflict_do_nothing())


def released(connection: sa.Connection, thread_id: str) -> list[str]:
    """Calls that were let run since the last turn that ended well."""
    return list(
        connection.execute(sa.select(t.released.c.call_id).where(t.released.c.thread_id == thread_id)).scalars()
    )


def forget_released(unit: UnitOfWork, thread_id: str) -> None:
    """A turn ended well: nothing of it, nor of what it went on with, is ever asked about again."""
    unit.connection.execute(_forget_released, {"its_thread": thread_id})


def answered(connection: sa.Connection, thread_id: str, call_id: str) -> ToolAnswer | None:
    """What a call of one of our tools was answered; None if it was not carried out yet."""
    mine = (t.tool_request.c.thread_id == thread_id, t.tool_request.c.call_id == call_id)
    row = connection.execute(sa.select(t.tool_request).where(*mine)).first()
    return None if row is None else ToolAnswer(text=row.text, is_error=row.is_error)


def answer(unit: UnitOfWork, thread_id: str, request: ToolRequest, given: ToolAnswer) -> None:
    """A call of one of our tools was carried out: asked again it is answered the same."""
    unit.execute(
        t.tool_request.insert().values(
            thread_id=thread_id,
            call_id=request.call_id,
            turn=request.turn,
            tool=request.tool,
            arguments=request.arguments,
            text=given.text,
            is_error=given.is_error,
            at=unit.now,
        )
    )


def carried_out(connection: sa.Connection, thread_id: str, tool: str, *, since_turn: int) -> list[Row]:
    """Calls of one of our tools that did what they should, oldest first."""
    mine = (
        t.tool_request.c.thread_id == thread_id,
        t.tool_request.c.tool == tool,
        t.tool_request.c.turn >= since_turn,
        t.tool_request.c.is_error.is_(False),
    )
    return list(connection.execute(sa.select(t.tool_request).where(*mine).order_by(t.tool_request.c.at)))
