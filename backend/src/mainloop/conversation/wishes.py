"""Whose wish a turn of the main thread's agent is: the person's, or nobody's, where a session's report woke it alone.

Sessions write whatever they were talked into. So what a turn without the person may do is settled before any of it was
read: sessions that were announced (`then`) in the person's own turn may follow, each once, and whoever reported can be
talked to. Everything else waits for a word of the person.
"""

from typing import Any, cast

import sqlalchemy as sa

from mainloop.errors import NotAllowedNow
from mainloop.runs import calls, mailbox
from mainloop.runs.registry import Call
from mainloop.sessions import store as sessions_store

SPAWN = "spawn_session"


def is_wished(connection: sa.Connection, call: Call) -> bool:
    """The person wrote something that this turn has taken in; or it is a session's own turn, with a task it was given."""
    return call.thread.role != "main" or bool(mailbox.said_in_turn(connection, call.thread_id, call.turn))


def check_start(connection: sa.Connection, call: Call, title: str, then: list[str]) -> None:
    """May the agent start this session in this turn? Raises NotAllowedNow with what to do instead."""
    if is_wished(connection, call):
        return
    announced = _announced(connection, call)
    if _plain(title) not in announced:
        raise NotAllowedNow(
            what="Nobody has written in this turn: the report of a session woke you, and what sessions say starts none. Tell "
            "the person what you would start and why; a word of theirs is enough. What shall follow on a result is announced "
            "with `then` when the first session is started."
        )
    if not {_plain(one) for one in then} <= announced - {_plain(title)}:
        raise NotAllowedNow(what="In a turn without a word of the person nothing new can be announced with `then`.")


def check_reach(connection: sa.Connection, call: Call, session_id: str, handle: str) -> None:
    """May the agent act on this session in this turn? Raises NotAllowedNow with what to do instead."""
    if is_wished(connection, call) or session_id in mailbox.woken_by(connection, call.thread_id, call.turn):
        return
    if _started_by(connection, session_id) in _calls_of(connection, call):
        return
    raise NotAllowedNow(
        what=f"Nobody has written in this turn: the report of another session woke you, and it can't reach {handle}. Tell "
        "the person what you would do; a word of theirs is enough."
    )


def check_files(connection: sa.Connection, call: Call, names: list[str]) -> None:
    """May the agent hand on files of the person in this turn? Raises NotAllowedNow with what to do instead."""
    if names and not is_wished(connection, call):
        raise NotAllowedNow(
            what="Nobody has written in this turn: the report of a session woke you, and files of the person are not handed "
            "on for it. Tell the person which file is wanted and why; a word of theirs is enough."
        )


def _announced(connection: sa.Connection, call: Call) -> set[str]:
    """Titles that may follow on the sessions that woke this turn, and have not yet."""
    waiting: set[str] = set()
    for session_id in mailbox.woken_by(connection, call.thread_id, call.turn):
        first = _started_by(connection, session_id)
        rows = calls.carried_out(connection, call.thread_id, SPAWN, since_turn=0)
        at = next((n for n, row in enumerate(rows) if row.call_id == first), None)
        if at is None:
            continue
        titles = {_plain(one) for one in rows[at].arguments.get("then", [])}
        followed = [row for row in rows[at + 1 :] if _followed(connection, call.thread_id, row.turn, session_id)]
        waiting |= titles - {_plain(row.arguments.get("title", "")) for row in followed}
    return waiting


def _followed(connection: sa.Connection, thread_id: str, turn: int, session_id: str) -> bool:
    """Whether what was started in a turn was started on the report of this session.

    What woke a turn that was cut off is told to a later one: then it may have been this.
    """
    woken_by = mailbox.woken_by(connection, thread_id, turn)
    return not mailbox.said_in_turn(connection, thread_id, turn) and (session_id in woken_by or not woken_by)


def _started_by(connection: sa.Connection, session_id: str) -> str | None:
    """The call that started a session."""
    session = sessions_store.find(connection, session_id)
    anchor = cast("dict[str, Any]", session.anchor or {}) if session is not None else {}
    return anchor.get("call_id")


def _calls_of(connection: sa.Connection, call: Call) -> set[str]:
    # What was begun in a turn that was cut off goes on in this one.
    since = call.turn - 1 if call.thread.cut_off else call.turn
    return {row.call_id for row in calls.carried_out(connection, call.thread_id, SPAWN, since_turn=since)}


def _plain(title: str) -> str:
    return " ".join(title.split()).casefold()
