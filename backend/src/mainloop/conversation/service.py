"""What the person says, in any thread; the main thread itself; the first screen."""

import uuid
from typing import Final

import sqlalchemy as sa

from mainloop.access.schemas import DeviceName
from mainloop.access.service import SignedIn
from mainloop.conversation import search, store
from mainloop.conversation.prompts import main_prompt
from mainloop.conversation.schemas import (
    Hit,
    Hits,
    HitSession,
    MainThread,
    Mark,
    Message,
    Person,
    QueuedMessage,
    Read,
    SandboxState,
    Say,
    ShownSettings,
    State,
)
from mainloop.errors import UnknownThread
from mainloop.events import log
from mainloop.events.deltas import OpenMessages
from mainloop.events.unit import Database, UnitOfWork
from mainloop.inbox import store as inbox_store
from mainloop.inbox.schemas import Item
from mainloop.inbox.service import Inbox
from mainloop.inbox.store import BESIDE_TURNS
from mainloop.projects import store as projects_store
from mainloop.projects.service import as_project
from mainloop.runs import attachments, mailbox
from mainloop.runs import store as runs_store
from mainloop.runs.registry import Registry
from mainloop.runs.service import Runs
from mainloop.runs.status import status_of
from mainloop.sessions import store as sessions_store
from mainloop.sessions.agents import AgentKinds, Default
from mainloop.sessions.service import Sessions, as_session
from mainloop.settings import Settings
from mainloop_models.asks import Decision
from mainloop_models.events import ItemBody, MessageBody

MAIN: Final = "main"


class Conversation:
    """The main thread and the words of the person in any thread."""

    def __init__(self, settings: Settings, runs: Runs, sessions: Sessions, inbox: Inbox, kinds: AgentKinds) -> None:
        self._settings = settings
        self._runs = runs
        self._sessions = sessions
        self._inbox = inbox
        self._kinds = kinds

    def register(self, registry: Registry) -> None:
        registry.prompt("main", lambda connection, _row: self._prompt(connection))
        self._inbox.on_done(self._item_done)

    def _item_done(self, unit: UnitOfWork, item: ItemBody) -> None:
        """What went wrong in the main thread is tried again or given up, as the person said."""
        if item.thread_id != MAIN or item.ask is not None or item.answer is None or item.kind in BESIDE_TURNS:
            return
        if item.answer.decision is Decision.RETRY:
            self._runs.go_on(unit, MAIN)
        else:
            self._runs.abandon(unit, MAIN)

    def _prompt(self, connection: sa.Connection) -> str:
        ready = [p.name for p in projects_store.all_projects(connection) if p.state != "failed"]
        return main_prompt(self._settings.person, ready)

    def ensure(self, unit: UnitOfWork) -> None:
        """The main thread, made at the first start."""
        if store.thread_exists(unit.connection, MAIN):
            self._adopt_settings(unit)
            return
        default = self._kinds.default(unit.connection)
        runs_store.add_thread(unit, MAIN, "main")
        runs_store.add_agent(
            unit,
            MAIN,
            role="main",
            kind=default.kind,
            model=self._settings.model or None,
            agent_session=str(uuid.uuid4()),
            demo=default.demo,
        )

    def _adopt_settings(self, unit: UnitOfWork) -> None:
        """The settings may name another agent or model than at the last start."""
        row = runs_store.lock(unit, MAIN)
        default = self._kinds.default(unit.connection)
        if (row.kind, row.demo) != (default.kind, default.demo):
            self._change_agent(unit, default)
        if (row.model or "") != self._settings.model:
            runs_store.update(unit, MAIN, model=self._settings.model or None)

    def choose_agent(self, unit: UnitOfWork, *, demo: bool) -> None:
        """Answer with the demo agent from now on, or with the one of the settings again."""
        store.set_demo(unit, demo)
        row = runs_store.lock(unit, MAIN)
        default = self._kinds.default(unit.connection)
        if (row.kind, row.demo) != (default.kind, default.demo):
            self._change_agent(unit, default)

    def _change_agent(self, unit: UnitOfWork, default: Default) -> None:
        """Another agent has no record of the talk so far; it begins one of its own. The log stays whole."""
        runs_store.update(
            unit,
            MAIN,
            kind=default.kind,
            demo=default.demo,
            agent_session=str(uuid.uuid4()),
            recorded=False,
            deferred_call=None,
            blocked=False,
            restarts=0,
        )
        self._inbox.close_all(unit, MAIN, "Another agent answers from now on.")
        self._runs.want(unit, MAIN, "park")

    # -- what the person says ----------------------------------------------------------------------------------
    def say(self, unit: UnitOfWork, thread_id: str, given: Say) -> tuple[Message, bool]:
        """Accept a message; answers it and whether it is new. Raises UnknownThread, UnknownAttachment and what
        `mailbox.post` raises."""
        runs_store.lock(unit, thread_id)
        files = attachments.named(unit, [(file.id, file.name) for file in given.attachments])
        letter = mailbox.Letter(given.id, given.text, given.mode, attachments=tuple(files))
        body, new = mailbox.post(unit, thread_id, letter)
        if new:
            self._wake(unit, thread_id)
        return _message(body), new

    def withdraw(self, unit: UnitOfWork, thread_id: str, message_id: str) -> Message:
        """Take back a queued message. Raises UnknownThread, UnknownMessage, MessageDelivered."""
        runs_store.lock(unit, thread_id)
        body = mailbox.withdraw(unit, thread_id, message_id)
        self._sessions.taken_back(unit, thread_id)
        return _message(body)

    def read(self, unit: UnitOfWork, thread_id: str, given: Read) -> Mark:
        """The person has read a thread that far, or wants it to be unread from there. Raises UnknownThread."""
        known_thread(unit.connection, thread_id)
        back, forward = store.unread, store.read
        moved = back(unit, thread_id, given.seq - 1) if given.unread else forward(unit, thread_id, given.seq)
        [mark] = store.marks(unit.connection, thread_id)
        if moved and not given.unread and mark.read >= mark.told:
            self._inbox.seen(unit, thread_id)
        if moved:
            told = mark.model_dump(exclude={"thread_id"})
            unit.after_commit(lambda: self._runs.statuses.announce("read", thread_id, told))
        return mark

    def set_keys(self, unit: UnitOfWork, keys: dict[str, str]) -> None:
        """The person's keys of the page, on every device."""
        store.set_keys(unit, keys)
        unit.after_commit(lambda: self._runs.statuses.announce("keys", MAIN, {"keys": keys}))

    def _wake(self, unit: UnitOfWork, thread_id: str) -> None:
        """The person wrote: whatever stood in the way of the thread's agent is out of it."""
        if thread_id == MAIN:
            self._inbox.close_notices(unit, MAIN, "You wrote again.")
            row = runs_store.lock(unit, MAIN)
            if row.blocked or row.restarts:
                runs_store.update(unit, MAIN, blocked=False, restarts=0)
        else:
            self._sessions.said_to(unit, thread_id)
        self._runs.take_up(unit, thread_id)

    def search(
        self, connection: sa.Connection, text: str, *, thread_id: str | None, before: int | None, limit: int
    ) -> Hits:
        """Where something was said, the newest first. Raises UnknownThread."""
        if thread_id is not None:
            known_thread(connection, thread_id)
        found = search.find(connection, text, thread_id=thread_id, before=before, limit=limit + 1)
        of = {hit.about or hit.thread_id for hit in found}
        sessions = {row.id: row for row in sessions_store.some(connection, of)}

        def shown(hit: search.Found) -> Hit:
            row = sessions.get(hit.about or hit.thread_id)
            session = HitSession.model_validate(row, from_attributes=True) if row is not None else None
            said = {name: getattr(hit, name) for name in ("thread_id", "seq", "at", "kind", "who", "excerpt", "marks")}
            return Hit(cursor=str(hit.cursor), session=session, **said)

        return Hits(hits=[shown(hit) for hit in found[:limit]], more=len(found) > limit)

    # -- the first screen --------------------------------------------------------------------------------------
    def state(
        self, database: Database, open_messages: OpenMessages, device: SignedIn, version: str, sandbox: SandboxState
    ) -> State:
        """Everything the first screen needs, true for one cursor."""

        def look(c: sa.Connection) -> State:
            main = runs_store.agent(c, MAIN)
            default = self._kinds.default(c)
            shown = sessions_store.shown(c)
            return State(
                cursor=str(log.latest_cursor(c)),
                version=version,
                person=Person(name=self._settings.person, keys=store.keys(c)),
                device=DeviceName(id=device.id, name=device.name),
                main=MainThread(
                    id=MAIN, turn=main.turn, working=main.working, seq=store.last_seq(c, MAIN), status=status_of(main)
                ),
                sessions=[as_session(c, body) for body in shown],
                marks=store.marks(c, MAIN, *(body.id for body in shown)),
                items=[Item.of(body) for body in inbox_store.open_items(c)],
                projects=[as_project(row) for row in projects_store.all_projects(c)],
                queued=[QueuedMessage(thread_id=at, message=_message(body)) for at, body in mailbox.all_queued(c)],
                open_messages=open_messages.all(),
                settings=ShownSettings(
                    agents=self._kinds.all(),
                    default_agent=default.kind,
                    demo=default.demo,
                    sandbox=sandbox,
                    credentials=self._kinds.credentials(),
                    places=self._settings.max_alive,
                ),
            )

        return database.read(look)


def known_thread(connection: sa.Connection, thread_id: str) -> str:
    """`thread_id`, if there is such a thread. Raises UnknownThread."""
    if not store.thread_exists(connection, thread_id):
        raise UnknownThread(id=thread_id)
    return thread_id


def _message(body: MessageBody) -> Message:
    return Message.model_validate(body.model_dump())
