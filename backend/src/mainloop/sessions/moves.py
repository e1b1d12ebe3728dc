"""The one way a session's state changes, and how the world is told."""

import re
import uuid
from typing import Final

import sqlalchemy as sa

from mainloop.errors import UnknownSession
from mainloop.events.unit import UnitOfWork
from mainloop.permissions.ceilings import Ceilings
from mainloop.permissions.store import QUEUED
from mainloop.runs.service import Runs
from mainloop.sessions import store
from mainloop.sessions.states import OVER, check_move
from mainloop_models.events import NoticeBody, SessionBody
from mainloop_models.events import SessionState as S

PREPARE: Final = "prepare_session"
SAVE: Final = "save_session"
LONGEST_REASON: Final = 2000
LONGEST_NOTICE: Final = 300


_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Moves:
    """Every change of a session is an event with the whole of it; what concerns its starter is a notice there."""

    def __init__(self, runs: Runs, ceilings: Ceilings) -> None:
        self._runs = runs
        self._ceilings = ceilings

    def become(self, unit: UnitOfWork, session_id: str, state: S) -> None:
        """Move where the table allows it; what a late report says of a session that is over changes nothing."""
        session = store.find(unit.connection, session_id)
        assert session is not None
        old = S(session.state)
        if old is state or old in OVER:
            self.say(unit, session_id)
            return
        if old is S.STARTING and state in (S.WAITING, S.IDLE):
            self.move(unit, session_id, S.WORKING, "")
        self.move(unit, session_id, state, "")

    def move(self, unit: UnitOfWork, session_id: str, state: S, reason: str) -> None:
        """Move, with the reason in words; raises NotAllowedNow where the table has no such move."""
        session = store.find(unit.connection, session_id)
        assert session is not None
        if S(session.state) is not state:
            check_move(S(session.state), state)
        store.update(
            unit, session_id, state=state, reason=reason[:LONGEST_REASON], ended_at=unit.now if state in OVER else None
        )
        self.say(unit, session_id)

    def say(self, unit: UnitOfWork, session_id: str) -> SessionBody:
        """Tell the world how the session stands now."""
        body = self.body(unit.connection, session_id)
        unit.append(session_id, "session", body)
        return body

    def notice(self, unit: UnitOfWork, session_id: str, about: str, text: str, turn: int) -> None:
        """One line in the thread that started the session, leading into it: how `text` begins."""
        session = store.find(unit.connection, session_id)
        if session is None or session.parent is None:
            return
        beginning = text.strip().split("\n\n", 1)[0]
        notice = NoticeBody.model_validate(
            {"session_id": session_id, "about": about, "text": one_line(beginning)[:LONGEST_NOTICE], "turn": turn}
        )
        unit.append(session.parent, "notice", notice)

    def body(self, connection: sa.Connection, session_id: str) -> SessionBody:
        """A session, whole. Raises UnknownSession."""
        body = store.body(connection, session_id)
        if body is None:
            raise UnknownSession(id=session_id)
        return body

    def look_for_slots(self) -> None:
        """The janitor's look, read-only unless somebody waits: nobody waits for a slot that is free."""
        if self._runs.database.read(lambda c: store.next_queued(c, QUEUED)) is not None:
            self._runs.database.write(self.free_slot)

    def free_slot(self, unit: UnitOfWork) -> None:
        """Whoever has waited longest for a slot may have one now."""
        while self._ceilings.has_slot(unit):
            waiting = store.next_queued(unit.connection, QUEUED)
            if waiting is None:
                return
            store.update(unit, waiting.id, reason="preparing")
            self.say(unit, waiting.id)
            self._runs.phases.enqueue(unit, PREPARE, waiting.id, uuid.uuid4().hex[:8])


def one_line(text: str) -> str:
    """`text` without line breaks and control characters, for a row of a list."""
    return " ".join(_CONTROL.sub("", " ".join(text.split())).split())
