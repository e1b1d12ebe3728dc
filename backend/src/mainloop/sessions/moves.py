"""The one way a session's state changes, and how the world is told."""

import logging
import uuid
from collections.abc import Iterable
from typing import Final

import sqlalchemy as sa

from mainloop.errors import MainloopError, UnknownSession
from mainloop.events.unit import Act, UnitOfWork
from mainloop.lines import one_line
from mainloop.permissions.ceilings import Ceilings
from mainloop.permissions.store import QUEUED
from mainloop.runs import store as runs_store
from mainloop.runs.service import Runs
from mainloop.sessions import store
from mainloop.sessions.after import waiting_words
from mainloop.sessions.states import OVER, check_move
from mainloop_models.events import NoticeBody, SessionBody
from mainloop_models.events import SessionState as S

log = logging.getLogger(__name__)

PREPARE: Final = "prepare_session"
SAVE: Final = "save_session"
KEEP: Final = "keep_workspace"
ORDER: Final = "see_to_order"
# Who begins to wait looks while nobody is in the middle of ending: else neither would see the other.
ENDING: Final = 0x6D6C656E
LONGEST_REASON: Final = 2000
LONGEST_NOTICE: Final = 300


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
        self.move(unit, session_id, state, "")

    def rest(self, unit: UnitOfWork, session_id: str) -> None:
        """It has nothing to do: idle, or in review where its change is open."""
        self.become(unit, session_id, S.IN_REVIEW if store.has_open_change(unit.connection, session_id) else S.IDLE)

    def move(
        self, unit: UnitOfWork, session_id: str, state: S, reason: str, *, queued: bool = False, held: bool = False
    ) -> None:
        """Move, with the reason in words; raises NotAllowedNow where the table has no such move."""
        session = store.find(unit.connection, session_id)
        assert session is not None
        if S(session.state) is not state:
            check_move(S(session.state), state)
        if session.queued_at is not None and not queued:
            self._runs.standing.at_rest(unit, session_id)
        if not queued and runs_store.agent(unit.connection, session_id).wanted == "queue":
            runs_store.update(unit, session_id, wanted="run")
        store.update(
            unit,
            session_id,
            state=state,
            reason=reason[:LONGEST_REASON],
            queued_at=unit.now if queued else None,
            held_at=(session.held_at or unit.now) if held else None,
            ended_at=unit.now if state in OVER else None,
        )
        self.say(unit, session_id)
        if (S(session.state) in OVER) is not (state in OVER):
            self.let_others_look(unit, session_id)

    def let_others_look(self, unit: UnitOfWork, session_id: str) -> None:
        """What others wait for may have come, or may not come any more."""
        unit.among(ENDING)
        for waiting in store.held_for(unit.connection, session_id):
            self.look_at_order(unit, waiting)

    def look_at_order(self, unit: UnitOfWork, session_id: str) -> None:
        """See whether what it waits for has come."""
        self._runs.phases.enqueue(unit, ORDER, session_id, uuid.uuid4().hex[:8])

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

    # -- slots -------------------------------------------------------------------------------------------------
    def take_up(self, unit: UnitOfWork, session_id: str) -> None:
        """It has something to do: with a free slot it goes on now, else when its turn in the queue has come."""
        if runs_store.agent(unit.connection, session_id).role == "main":
            return
        session = store.find(unit.connection, session_id)
        if session is None or S(session.state) in (S.STARTING, S.WORKING, *OVER):
            return
        if runs_store.has_work(unit.connection, runs_store.agent(unit.connection, session_id)):
            self.enter(unit, session_id)

    def enter(self, unit: UnitOfWork, session_id: str) -> None:
        """Take a slot or queue for one. A workspace that is on hold for it is looked after first.

        What begins after other sessions waits for those before it waits for a slot.
        """
        session = store.find(unit.connection, session_id)
        if session is not None and store.waits(session):
            words = waiting_words(unit.connection, store.after_of(session))
            self.move(unit, session_id, S.STARTING, words, held=True)
            self.look_at_order(unit, session_id)
            return
        if self._ceilings.has_slot_for_newcomer(unit):
            self._go(unit, session_id)
            return
        if runs_store.agent(unit.connection, session_id).wanted != "hold":
            runs_store.update(unit, session_id, wanted="queue")
        self.no_room(unit, session_id)
        self.move(unit, session_id, S.STARTING, QUEUED, queued=True)

    def no_room(self, unit: UnitOfWork, session_id: str) -> None:
        """Say so where it queues because the disk is full."""
        if not self._ceilings.has_room():
            self._runs.standing.no_room(unit, session_id)

    def settle(self, unit: UnitOfWork, session_id: str) -> None:
        """What it was to do was taken back: it waits for nothing and holds no slot."""
        session = store.find(unit.connection, session_id)
        if session is None or S(session.state) not in (S.STARTING, S.WORKING):
            return
        row = runs_store.lock(unit, session_id)
        if row.working or row.blocked or row.wanted in ("hold", "stop") or runs_store.is_open(unit.connection, row):
            return
        self.rest(unit, session_id)
        self.free_slot(unit)

    def free_slot(self, unit: UnitOfWork) -> None:
        """A slot may have come free: once that is certain, whoever has waited longest goes on."""
        if store.next_queued(unit.connection) is not None:
            unit.after_commit(self._look_now)

    def _look_now(self) -> None:
        try:
            self._runs.database.see_to(self.look_for_slots)
        except MainloopError as error:  # the janitor looks again within a second
            log.warning("Nobody was given the slot that came free: %s", error)

    def look_for_slots(self, connection: sa.Connection) -> Iterable[Act]:
        """Nobody waits for a slot that is free, and nobody holds one for nothing."""
        if store.next_queued(connection) is not None:
            yield self._give_out
        for session_id in store.at_a_standstill(connection):
            yield lambda unit, ident=session_id: self.settle(unit, ident)

    def _give_out(self, unit: UnitOfWork) -> None:
        while self._ceilings.has_slot(unit):
            waiting = store.next_queued(unit.connection)
            if waiting is None:
                return
            runs_store.lock(unit, waiting.id)
            session = store.find(unit.connection, waiting.id)
            if session is not None and session.queued_at is not None:  # it may have been cancelled a moment ago
                self._go(unit, waiting.id)

    def _go(self, unit: UnitOfWork, session_id: str) -> None:
        row = runs_store.agent(unit.connection, session_id)
        if row.wanted == "hold":
            self.move(unit, session_id, S.STARTING, "preparing")
            self._runs.phases.enqueue(unit, PREPARE, session_id, uuid.uuid4().hex[:8])
            return
        newest = runs_store.run(unit.connection, session_id, row.run)
        if row.working and newest is not None and newest.state == "live":  # its runner holds the call that was answered
            self.move(unit, session_id, S.WORKING, "")
        else:
            self.move(unit, session_id, S.STARTING, "going on")
        self._runs.request(unit, session_id)
