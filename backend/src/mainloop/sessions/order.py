"""The order of sessions: who begins after whom, and what lets one begin.

Whatever may have ended somebody's waiting asks for one phase, which looks at everyone that is waited for. It may be asked
for too often, and repeated; that a session begins is written in the same transaction as why.
"""

import uuid
from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa

from mainloop.db.engine import Row
from mainloop.errors import MainloopError, NotAllowedNow, UnknownSession
from mainloop.events.unit import UnitOfWork
from mainloop.inbox import store as inbox_store
from mainloop.inbox.service import Inbox
from mainloop.projects.service import Projects
from mainloop.runs import mailbox
from mainloop.runs import store as runs_store
from mainloop.runs.service import Runs
from mainloop.sessions import store
from mainloop.sessions.after import Lost, fate_of, listed, waiting_words
from mainloop.sessions.moves import ENDING, ORDER, Moves
from mainloop.sessions.service import Sessions
from mainloop_models.asks import Decision
from mainloop_models.events import After, ItemBody, NoticeItem, SessionBody
from mainloop_models.events import SessionState as S

# Orders are set one after the other, or two of them could make a circle.
SETTING: Final = 0x6D6C6F72
_ITEM: Final = "order-"


class BadOrder(MainloopError):
    """{handle} can't begin after {other}: {why}"""

    status = 422
    code = "bad_order"


def named(connection: sa.Connection, names: Sequence[str]) -> tuple[After, ...]:
    """Sessions to begin after by their ids or handles, each once. Raises UnknownSession."""
    found: dict[str, After] = {}
    for name in names:
        row = store.find_by_name(connection, name.strip())
        if row is None:
            raise UnknownSession(id=name)
        found[row.id] = After(session_id=row.id, handle=row.handle)
    return tuple(found.values())


class Order:
    """Who begins after whom, in this installation."""

    def __init__(self, runs: Runs, inbox: Inbox, projects: Projects, sessions: Sessions, moves: Moves) -> None:
        self._runs = runs
        self._database = runs.database
        self._inbox = inbox
        self._projects = projects
        self._sessions = sessions
        self._moves = moves

    def register(self) -> None:
        """Register the phase, and take part in what is answered."""
        self._runs.phases.define(ORDER, self.see_to, self._given_up)
        self._inbox.on_done(self._item_done)

    # -- set -----------------------------------------------------------------------------------------------------
    def set(self, unit: UnitOfWork, session_id: str, names: Sequence[str]) -> SessionBody:
        """The whole order of a session that has not begun; after nobody: it begins.

        Raises UnknownSession, BadOrder, NotAllowedNow.
        """
        unit.alone(SETTING)
        self._moves.body(unit.connection, session_id)
        agent = runs_store.lock(unit, session_id)
        session = store.find(unit.connection, session_id)
        assert session is not None
        _refuse_begun(session, agent)
        wanted = named(unit.connection, names)
        for one in wanted:
            _refuse_circle(unit.connection, session, one)
        known = {one.session_id: one for one in store.after_of(session)}
        self._put(unit, session_id, [known.get(one.session_id, one) for one in wanted])
        self._close_item(unit, session_id, "The order was changed.")
        session = store.find(unit.connection, session_id)
        assert session is not None
        if session.held_at is not None or store.waits(session):
            self._moves.enter(unit, session_id)
        return self._moves.body(unit.connection, session_id)

    @staticmethod
    def _put(unit: UnitOfWork, session_id: str, after: Sequence[After]) -> None:
        store.update(unit, session_id, after=[one.model_dump(mode="json") for one in after])

    # -- what comes of it ----------------------------------------------------------------------------------------
    def see_to(self, session_id: str) -> None:
        """Let a session begin that waits for nobody any more; ask the person where it would wait for ever."""
        # Whoever ends just now either saw this one wait, or is through with it behind this line.
        self._database.write(lambda unit: unit.alone(ENDING))
        session = self._database.read(lambda c: store.find(c, session_id))
        if session is None or session.held_at is None:
            return
        others = self._database.read(lambda c: store.some(c, [one.session_id for one in store.after_of(session)]))
        unmerged = {other.id: self._has_commits(other) for other in others if S(other.state) is S.DONE}
        self._database.write(lambda unit: self._look(unit, session_id, unmerged))

    def _has_commits(self, other: Row) -> bool:
        """Whether a session has committed anything."""
        if other.project_id is None or other.branch is None:
            return False
        commit = self._projects.mirror(other.project_id).session_refs(other.id).get(f"heads/{other.branch}")
        return commit not in (None, other.base)

    def _look(self, unit: UnitOfWork, session_id: str, unmerged: dict[str, bool]) -> None:
        runs_store.lock(unit, session_id)
        session = store.find(unit.connection, session_id)
        if session is None or session.held_at is None:
            return  # somebody was here before
        before = store.after_of(session)
        after, lost = list(before), list[Lost]()
        for at, one in enumerate(before):
            if one.state != "waits":
                continue
            fate = fate_of(unit.connection, session, one, unmerged)
            if isinstance(fate, Lost):
                lost.append(fate)
            elif fate.state != "waits":
                after[at] = fate
                mailbox.note(unit, session_id, f"after-{session_id}-{one.session_id}", _told(fate))
        self._put(unit, session_id, after)
        if all(one.state != "waits" for one in after):
            self._close_item(unit, session_id, "It begins.")
            self._moves.enter(unit, session_id)
            return
        self._ask(unit, session, lost)
        words = f"waits for you: {listed([one.words for one in lost])}" if lost else ""
        reason = words or waiting_words(unit.connection, after)
        if (reason, after) != (session.reason, before):
            self._moves.move(unit, session_id, S.STARTING, reason, held=True)

    def _given_up(self, session_id: str, error: Exception) -> None:
        """Nobody knows whether it may begin: that is the person's to say."""

        def ask(unit: UnitOfWork) -> None:
            runs_store.lock(unit, session_id)
            session = store.find(unit.connection, session_id)
            if session is not None and session.held_at is not None:
                lost = Lost("mainloop", f"could not see how they stand ({error})")
                self._ask(unit, session, [lost])

        self._database.write(ask)

    # -- the person ----------------------------------------------------------------------------------------------
    def _ask(self, unit: UnitOfWork, session: Row, lost: Sequence[Lost]) -> None:
        """Once as long as somebody is lost; where nobody is any more, there is nothing to decide."""
        if not lost:
            return self._close_item(unit, session.id, "What it waits for goes on.")
        known = self._open_items(unit.connection, session.id)
        words = listed([one.words for one in lost])
        item = ItemBody(
            id=known[0] if known else f"{_ITEM}{uuid.uuid4()}",
            kind="order",
            thread_id=session.id,
            session_id=session.id,
            title=f"It can't begin: {words}."[:200],
            notice=NoticeItem(
                kind="order",
                text=f"It waits for others to be merged or closed first, but {words}.",
                hint="Let it begin without that, or cancel it. Where you go on with the other one, it goes on waiting.",
                decisions=["begin", "stop"],
            ),
            turn=0,
            opened_at=unit.now,
        )
        if known:
            self._inbox.renew(unit, item)
        else:
            self._inbox.open(unit, item)

    @staticmethod
    def _open_items(connection: sa.Connection, session_id: str) -> list[str]:
        return [ident for ident in inbox_store.open_in(connection, session_id) if ident.startswith(_ITEM)]

    def _close_item(self, unit: UnitOfWork, session_id: str, why: str) -> None:
        for ident in self._open_items(unit.connection, session_id):
            self._inbox.close(unit, session_id, ident, why)

    def _item_done(self, unit: UnitOfWork, item: ItemBody) -> None:
        if not item.id.startswith(_ITEM) or item.answer is None:
            return
        session = store.find(unit.connection, item.thread_id)
        if session is None or session.held_at is None:
            return
        if item.answer.decision is Decision.STOP:
            self._sessions.cancel(unit, session.id)
            return
        without = [one for one in store.after_of(session) if one.state == "waits"]
        self._put(unit, session.id, [one for one in store.after_of(session) if one.state != "waits"])
        names = listed([one.handle for one in without])
        words = (
            f"You were to begin after session {names}. The person lets you begin without that: nothing of it is there."
        )
        mailbox.note(unit, session.id, f"after-{session.id}-begun", words)
        self._moves.enter(unit, session.id)


def _refuse_begun(session: Row, agent: Row) -> None:
    if S(session.state) is not S.STARTING:
        state = session.state.replace("_", " ")
        raise NotAllowedNow(what=f"{session.handle} is {state}: only what has not begun can begin after others.")
    if agent.turn or session.base is not None or (session.queued_at is None and session.held_at is None):
        raise NotAllowedNow(what=f"{session.handle} has begun already, so it can't begin after others.")


def _refuse_circle(connection: sa.Connection, session: Row, one: After) -> None:
    """Whoever it is to begin after must not wait for it, not over others either."""
    if one.session_id == session.id:
        raise BadOrder(handle=session.handle, other="itself", why="it would never begin. Name other sessions.")
    ways: list[list[After]] = [[one]]
    seen = {one.session_id}
    while ways:
        way = ways.pop()
        row = store.find(connection, way[-1].session_id)
        for following in store.after_of(row) if row is not None else []:
            if following.session_id == session.id:
                chain = " after ".join([*(step.handle for step in way), session.handle])
                raise BadOrder(
                    handle=session.handle,
                    other=one.handle,
                    why=f"that would be a circle ({chain}), and none of them would ever begin.",
                )
            if following.state == "waits" and following.session_id not in seen:
                seen.add(following.session_id)
                ways.append([*way, following])


def _told(one: After) -> str:
    """For the agent, with its first message."""
    if one.state == "closed":
        return f'Session "{one.handle}" (id {one.session_id}), after which you were to begin, is closed. It left no commits.'
    there = f"{one.into}, at {one.merged[:12]}; your workspace has it" if one.merged else "its own project"
    return f'Session "{one.handle}" (id {one.session_id}), after which you were to begin: its change is in {there}.'
