"""Tells the person what they asked to be told of a session: in the transaction in which it becomes so, and by nobody's
looking again and again. What is told is an item, so it reaches them as everything does."""

import uuid
from collections.abc import Sequence
from typing import Final

from mainloop.errors import BadInput, MainloopError, NotAllowedNow, UnknownSession
from mainloop.events.unit import Said as Happened
from mainloop.events.unit import UnitOfWork
from mainloop.inbox.service import Inbox
from mainloop.lines import one_line
from mainloop.runs import mailbox
from mainloop.runs import store as runs_store
from mainloop.runs.registry import Call, Registry, Said
from mainloop.sessions import store as sessions_store
from mainloop.sessions.moves import Moves
from mainloop.watches.conditions import OVER, failed_sentence, met, sentence
from mainloop.watches.schemas import SetWatch, WatchTool
from mainloop_models import runner as r
from mainloop_models.events import ItemBody, NoticeItem, SessionBody, Watch, WatchedFor
from mainloop_models.events import SessionState as S

# The kind of item that says that something is as the person wanted to know.
WATCH: Final = "watch"
LONGEST: Final = 300
TOOL: Final = (
    "Have the person told when a session is done, green, merged, asks something or has cost more than an amount: once, "
    "unless they want it each time. Only what they asked for; you are not woken by it."
)


class AlreadySo(MainloopError):
    """{what}"""

    status = 409
    code = "already_so"


class UnknownWatch(MainloopError):
    """Nobody waits for that of {handle}."""

    status = 404
    code = "unknown_watch"


class Watches:
    """All of them; each is kept with its session."""

    def __init__(self, inbox: Inbox, moves: Moves) -> None:
        self._inbox = inbox
        self._moves = moves
        inbox.on_done(self._item_done)

    def register(self, registry: Registry) -> None:
        """Offer them to the main agent; hear of what is used. After whoever counts it."""
        registry.tool("watch", TOOL, WatchTool, self._by_words, roles={"main"})
        registry.on(r.Spent, self._spent)

    # -- the person ----------------------------------------------------------------------------------------------
    def add(self, unit: UnitOfWork, session_id: str, condition: WatchedFor, given: SetWatch) -> SessionBody:
        """Set again it is the same one with other values. Raises UnknownSession, BadInput, AlreadySo, NotAllowedNow."""
        if (condition == "cost") != (given.above is not None):
            raise BadInput(what="An amount is needed for cost, and for nothing else.")
        if condition in ("cost", "merged") and given.again:
            raise BadInput(what="That can be so once only.")
        session = self._locked(unit, session_id)
        if session.state in OVER:
            raise NotAllowedNow(what=f"{session.handle} is over: nothing comes of it any more.")
        if condition in ("green", "merged") and session.project_id is None:
            raise NotAllowedNow(what=f"{session.handle} belongs to no project, so it has nothing to test or merge.")
        watch = Watch(condition=condition, above=given.above, again=given.again, since=unit.now)
        if met(watch, session):
            if not given.again:
                raise AlreadySo(what=f"It is so already: {sentence(watch, session)}")
            watch = watch.model_copy(update={"armed": False})
        others = [one for one in session.watches if one.condition != condition]
        return self._keep(unit, session_id, [*others, watch])

    def take_back(self, unit: UnitOfWork, session_id: str, condition: WatchedFor) -> SessionBody:
        """Raises UnknownSession, UnknownWatch."""
        session = self._locked(unit, session_id)
        others = [one for one in session.watches if one.condition != condition]
        if len(others) == len(session.watches):
            raise UnknownWatch(handle=session.handle)
        return self._keep(unit, session_id, others)

    def _by_words(self, unit: UnitOfWork, call: Call, given: WatchTool) -> str:
        if not mailbox.said_in_turn(unit.connection, call.thread_id, call.turn):
            raise NotAllowedNow(
                what="Nobody has written in this turn, so nobody has asked to be told. Tell the person what you would have "
                "them told; a word of theirs is enough."
            )
        row = sessions_store.find_by_name(unit.connection, given.session.strip())
        if row is None:
            raise UnknownSession(id=given.session)
        if given.stop:
            return f"The person is not told any more when {self.take_back(unit, row.id, given.condition).handle} is so."
        body = self.add(unit, row.id, given.condition, SetWatch(above=given.above, again=given.again))
        return f"The person is told {'each time' if given.again else 'once'}, when {body.handle}: {given.condition}."

    # -- what happens --------------------------------------------------------------------------------------------
    def look(self, unit: UnitOfWork, happened: Sequence[Happened]) -> None:
        """With the events of a transaction, before they are written: as each session stands at its end."""
        newest = {event.thread_id: event.body for event in happened if isinstance(event.body, SessionBody)}
        for session in newest.values():
            if session.watches:
                self._look_at(unit, session.id)

    def _spent(self, unit: UnitOfWork, said: Said, body: r.Spent) -> None:
        if said.thread.role != "session":
            return
        row = sessions_store.find(unit.connection, said.thread_id)
        if row is not None and any(watch["condition"] == "cost" for watch in row.watches):
            self._look_at(unit, said.thread_id)

    def _item_done(self, unit: UnitOfWork, item: ItemBody) -> None:
        """It has asked, and the person knows."""
        if item.ask is None or item.answer is None or item.session_id is None:
            return
        row = sessions_store.find(unit.connection, item.session_id)
        before = [] if row is None else [Watch.model_validate(one) for one in row.watches]
        after = [watch for watch in before if watch.condition != "asks" or watch.again]
        if len(after) < len(before):
            self._keep(unit, item.session_id, after)

    def _look_at(self, unit: UnitOfWork, session_id: str) -> None:
        session = self._locked(unit, session_id)
        kept: list[Watch] = []
        for watch in session.watches:
            so = met(watch, session)
            if so and watch.armed:
                self._tell(unit, session, sentence(watch, session))
            elif session.state is S.FAILED:
                self._tell(unit, session, failed_sentence(watch, session))
            if session.state not in OVER and (watch.again or not so):
                kept.append(watch.model_copy(update={"armed": not so}))
        if kept != session.watches:
            self._keep(unit, session.id, kept)

    def _tell(self, unit: UnitOfWork, session: SessionBody, words: str) -> None:
        line = one_line(words)[:LONGEST]
        item = ItemBody(
            id=f"{WATCH}-{uuid.uuid4()}",
            kind=WATCH,
            thread_id=session.id,
            session_id=session.id,
            title=line,
            notice=NoticeItem(kind=WATCH, text=line, hint="You asked to be told.", decisions=["dismiss"]),
            turn=session.turn,
            opened_at=unit.now,
        )
        self._inbox.open(unit, item)

    def _locked(self, unit: UnitOfWork, session_id: str) -> SessionBody:
        if sessions_store.find(unit.connection, session_id) is None:
            raise UnknownSession(id=session_id)
        runs_store.lock(unit, session_id)
        return self._moves.body(unit.connection, session_id)

    def _keep(self, unit: UnitOfWork, session_id: str, watches: list[Watch]) -> SessionBody:
        sessions_store.update(unit, session_id, watches=[watch.model_dump(mode="json") for watch in watches])
        return self._moves.say(unit, session_id)
