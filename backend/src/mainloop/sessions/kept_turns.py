"""What lies in a session's workspace when a turn has ended: kept, shown as a change of its own, and a place to go back to."""

import logging
from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa

from mainloop.db.engine import Row
from mainloop.errors import MainloopError, UnknownSession
from mainloop.events.unit import UnitOfWork
from mainloop.lines import one_line
from mainloop.projects.service import Projects
from mainloop.runs import mailbox
from mainloop.runs import store as runs_store
from mainloop.runs.registry import Registry, Said
from mainloop.runs.service import Runs
from mainloop.sessions import store
from mainloop.sessions.moves import SAVE, Moves
from mainloop.sessions.overlaps import Overlaps
from mainloop.sessions.schemas import KeptTurn
from mainloop.sessions.service import Branch, Sessions, Start
from mainloop.workspaces.base import Laid, Workspaces
from mainloop_models.events import Anchor, Changed, SessionBody
from mainloop_models.runner import TurnEnded

log = logging.getLogger(__name__)
MAIN: Final = "main"
# Of the message that a turn began with.
LONGEST_TEXT: Final = 200
# The newest turns that are listed.
LISTED: Final = 500


class UnknownTurn(MainloopError):
    """The session {handle} has no turn {turn} that has ended. Its newest is {newest}."""

    status = 404
    code = "unknown_turn"


class TurnNotKept(MainloopError):
    """What lay in the workspace of {handle} at the end of turn {turn} is not there: {why}"""

    status = 409
    code = "turn_not_kept"


class KeptTurns:
    """The ended turns of all sessions."""

    def __init__(
        self, runs: Runs, projects: Projects, workspaces: Workspaces, sessions: Sessions, moves: Moves
    ) -> None:
        self._moves = moves
        self.overlaps = Overlaps(runs.database, projects, moves)
        self._runs = runs
        self._database = runs.database
        self._projects = projects
        self._workspaces = workspaces
        self._sessions = sessions

    def register(self, registry: Registry) -> None:
        """Take part in the end of turns."""
        registry.on(TurnEnded, self._turn_ended)
        registry.on_cut_off(self._cut_off)

    def _turn_ended(self, unit: UnitOfWork, said: Said, body: TurnEnded) -> None:
        if said.thread.role == "session" and body.outcome != "deferred":
            self._is_over(unit, said.thread_id, body.turn, f"turn-{body.turn}-{said.run}")

    def _cut_off(self, unit: UnitOfWork, thread_id: str) -> None:
        row = runs_store.agent(unit.connection, thread_id)
        if row.role == "session":
            self._is_over(unit, thread_id, row.turn, f"turn-{row.turn}-cut-off")

    def _is_over(self, unit: UnitOfWork, session_id: str, turn: int, key: str) -> None:
        store.add_kept_turn(unit, session_id, turn)
        self._runs.phases.enqueue(unit, SAVE, session_id, key)

    # -- keep ------------------------------------------------------------------------------------------------------
    def keep(self, session_id: str) -> None:
        """Look at the workspace, for every turn that has ended and is not kept yet. Raises WorkspaceUnread, GitFailed."""
        session = self._database.read(lambda c: store.find(c, session_id))
        wanted = self._database.read(lambda c: store.turns_to_keep(c, session_id))
        if session is None or not wanted:
            return
        mirror = self._projects.keeps(session.project_id)
        looked = self._workspaces.look(session_id, mirror.path, session.base)
        if looked is None:
            return self._failed(session_id, wanted, "its workspace was gone already.")
        newest = self._database.read(lambda c: runs_store.agent(c, session_id)).turn
        refs = mirror.session_refs(session_id)
        head = (refs.get(f"heads/{session.branch}") or refs.get("head") or session.base) if session.project_id else None
        for turn in wanted:
            tree, at = mirror.keep_turn(session_id, turn, looked, head)
            found = {"state": "kept", "head": at, "tree": tree, "late": newest > turn}
            self._database.write(lambda unit, t=turn, f=found: store.update_kept_turn(unit, session_id, t, **f))
        if session.project_id and session.base:
            changed = mirror.changed(session.base, looked.tree)
            self._database.write(lambda unit: self._has_changed(unit, session_id, changed))
            if head is not None:
                self.overlaps.turn_kept(session, head, looked.tree)

    def _has_changed(self, unit: UnitOfWork, session_id: str, changed: Changed | None) -> None:
        """Counted where the files are looked at anyway, so that lists can say how much it is and nobody has to look again."""
        runs_store.lock(unit, session_id)  # what is said of the session is how it stands
        told = changed.model_dump() if changed is not None and changed.files else None
        session = store.find(unit.connection, session_id)
        if session is not None and session.changed != told:
            store.update(unit, session_id, changed=told)
            self._moves.say(unit, session_id)

    def not_kept(self, session_id: str, error: Exception) -> None:
        """It was tried again and again."""
        wanted = self._database.read(lambda c: store.turns_to_keep(c, session_id))
        self._failed(session_id, wanted, str(error))

    def _failed(self, session_id: str, turns: Sequence[int], why: str) -> None:
        def note(unit: UnitOfWork) -> None:
            for turn in turns:
                store.update_kept_turn(unit, session_id, turn, state="failed", why=why)

        self._database.write(note)

    # -- look ------------------------------------------------------------------------------------------------------
    def all_of(self, connection: sa.Connection, session_id: str) -> list[KeptTurn]:
        """The turns of a session that have ended, newest first. Raises UnknownSession."""
        session = store.find(connection, session_id)
        if session is None:
            raise UnknownSession(id=session_id)
        rows = store.kept_turns(connection, session_id, LISTED + 1)
        texts = mailbox.turns_of(connection, session_id, [row.turn for row in rows])
        found: list[KeptTurn] = []
        first = [store.turn_before(connection, session_id, rows[-1].turn)] if rows else []
        for row, before in zip(rows, [*rows[1:], *first], strict=True):
            files = row.state == "kept" and row.tree != (before.tree if before else None)
            text = one_line(texts.get(row.turn, ""))[:LONGEST_TEXT]
            found.append(
                KeptTurn(turn=row.turn, state=row.state, files=files, late=row.late, why=row.why, text=text, at=row.at)
            )
        return found[:LISTED]

    def laid(self, session_id: str, turn: int) -> Laid | None:
        """What a workspace begins with that goes on from the end of a turn."""
        session = self._database.read(lambda c: store.find(c, session_id))
        row = self._database.read(lambda c: store.kept_turn(c, session_id, turn))
        if session is None or row is None or row.tree is None:
            return None
        return Laid(row.tree, self._projects.keeps(session.project_id).with_kept, row.head)

    # -- back ------------------------------------------------------------------------------------------------------
    def branch(self, unit: UnitOfWork, session_id: str, turn: int, new_id: str) -> SessionBody:
        """A new session that goes on from the end of a turn, in files and conversation; the old one stays as it is.

        Asked again with the same id, it is the same one. Raises UnknownSession, UnknownTurn, TurnNotKept, SessionExists.
        """
        session = store.find(unit.connection, session_id)
        if session is None:
            raise UnknownSession(id=session_id)
        agent = runs_store.agent(unit.connection, session_id)
        row = store.kept_turn(unit.connection, session_id, turn)
        if row is None:
            raise UnknownTurn(handle=session.handle, turn=turn, newest=_newest(agent))
        if row.state == "failed":
            raise TurnNotKept(handle=session.handle, turn=turn, why=row.why)
        if row.state == "keeping":
            raise TurnNotKept(handle=session.handle, turn=turn, why="it is just being kept. Try again in a moment.")
        start = Start(
            id=new_id,
            prompt="",
            title=session.title,
            project=session.project_id,
            agent=agent.kind,
            model=agent.model,
            workspace=session.workspace,
            branch=Branch(session, agent, turn),
        )
        return self._sessions.start(unit, start, anchor=Anchor(thread_id=MAIN), turn=0, depth=session.depth)


def _newest(agent: Row) -> int:
    return agent.turn - 1 if agent.working else agent.turn
