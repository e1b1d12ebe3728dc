"""Sessions: started by an agent or by hand, moved by what their runners report, ended by the person."""

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from mainloop.db.engine import Row
from mainloop.errors import AgentUnavailable, BadInput, NotAllowedNow, SessionExists
from mainloop.events.unit import UnitOfWork
from mainloop.inbox.service import Inbox
from mainloop.lines import one_line
from mainloop.permissions.ceilings import Ceilings
from mainloop.permissions.store import QUEUED
from mainloop.projects.service import Projects
from mainloop.runs import mailbox
from mainloop.runs import store as runs_store
from mainloop.runs.service import Runs
from mainloop.sessions import store
from mainloop.sessions.agents import AgentKinds
from mainloop.sessions.moves import KEEP, PREPARE, Moves
from mainloop.sessions.names import handle_for, looks_for
from mainloop.sessions.schemas import Session
from mainloop.sessions.states import OVER
from mainloop_models.events import (
    After,
    AgentError,
    Anchor,
    Attachment,
    SessionBody,
    SessionStartedBody,
    SessionState,
)

S = SessionState
LONGEST_TITLE: Final = 200
# Starts come one after the other, or two would get one handle, or the last slot.
STARTING: Final = 0x6D6C7374
# What an agent is told when the person resumes a session in which nothing is open.
GO_ON: Final = "The person lets you go on after you were stopped. See where you were, then go on with your task."
WHERE_ARE_WE: Final = "The person opened this session again. Say in one or two sentences where things stand, then wait."
BRANCHED: Final = (
    'You are a branch of session "{other}", made at the end of its turn {turn}, and are called "{handle}" from now on. What '
    "you remember was said and done there, up to the end of that turn; whatever was said or done later is not part of you. "
    "Your workspace is a new one, in your working directory and on a branch of its own: its files lie as they lay then, "
    "without those that git ignores. Paths into the old one lead nowhere."
)
PUT_BACK: Final = "Your workspace was taken away when the session was closed and is back as it was, but for this:"
# One namespace for ids that must be the same when a report is applied a second time.
_IDS: Final = uuid.UUID("6d61696e-6c6f-4f70-8000-000000000001")


def id_from(*parts: object) -> str:
    """The same id for the same parts."""
    return str(uuid.uuid5(_IDS, "/".join(map(str, parts))))


@dataclass(frozen=True)
class Branch:
    """What a new session goes on from: another one, as it was at the end of a turn."""

    session: Row
    agent: Row
    turn: int

    @property
    def fork(self) -> dict[str, Any]:
        """As it is kept with the new one's agent."""
        return {"session_id": self.session.id, "handle": self.session.handle, "turn": self.turn}


@dataclass(frozen=True)
class Start:
    """What a new session is to be."""

    id: str
    prompt: str
    title: str | None = None
    project: str | None = None
    agent: str | None = None
    model: str | None = None
    workspace: str | None = None
    done_when: str = ""
    wake: bool = False
    # Files that come with its first message.
    attachments: tuple[Attachment, ...] = ()
    # The sessions that it begins after.
    after: tuple[After, ...] = ()
    # Without a prompt: it waits for the person's first message.
    branch: Branch | None = None


class Sessions:
    """All sessions of this installation."""

    def __init__(
        self,
        runs: Runs,
        inbox: Inbox,
        projects: Projects,
        ceilings: Ceilings,
        kinds: AgentKinds,
        moves: Moves,
    ) -> None:
        self._runs = runs
        self._inbox = inbox
        self._projects = projects
        self._ceilings = ceilings
        self._moves = moves
        self._kinds = kinds
        self._settings = runs.settings
        self._saved: list[Callable[[UnitOfWork, str], None]] = []
        self._closed: list[Callable[[UnitOfWork, str], None]] = []

    def on_saved(self, listen: Callable[[UnitOfWork, str], None]) -> None:
        """Call `listen` when the commits of a turn are in the mirror."""
        self._saved.append(listen)

    def on_closed(self, listen: Callable[[UnitOfWork, str], None]) -> None:
        self._closed.append(listen)

    def saved(self, unit: UnitOfWork, session_id: str) -> None:
        """The commits of its last turn are in the mirror."""
        for listen in self._saved:
            listen(unit, session_id)

    # -- start -------------------------------------------------------------------------------------------------
    def start(self, unit: UnitOfWork, start: Start, *, anchor: Anchor, turn: int, depth: int) -> SessionBody:
        """Accept a new session: it is there when this commits, and its workspace is being prepared.

        The same id and prompt again is the same session. Raises SessionExists, UnknownProject, AgentUnavailable,
        and what `mailbox.clean` raises for the prompt.
        """
        branch = start.branch
        prompt = mailbox.clean(start.prompt) if branch is None else f"{branch.session.id}/{branch.turn}"
        prompt_hash = hashlib.sha256(prompt.encode()).hexdigest()
        unit.alone(STARTING)
        known = store.find(unit.connection, start.id)
        if known is not None:
            if known.prompt_hash != prompt_hash:
                raise SessionExists
            return self._moves.body(unit.connection, start.id)
        default = self._kinds.default(unit.connection)
        kind = start.agent or default.kind
        self._check_kind(kind)
        workspace = start.workspace or self._settings.workspace
        if workspace != self._settings.workspace:
            raise BadInput(what=f"There is no workspace {workspace} here; {self._settings.workspace} is.")
        project = self._projects.named(unit.connection, start.project) if start.project else None
        title = (one_line(start.title or "") or one_line(prompt))[:LONGEST_TITLE]
        hue, creature = looks_for(store.taken_hues(unit.connection, unit.now))
        has_slot = not start.after and self._ceilings.has_slot_for_newcomer(unit)
        runs_store.add_thread(unit, start.id, "session")
        runs_store.add_agent(
            unit,
            start.id,
            role="session",
            kind=kind,
            model=start.model or self._settings.model or None,
            agent_session=branch.agent.agent_session if branch else str(uuid.uuid4()),
            recorded=branch is not None,
            fork=branch.fork if branch else None,
            demo=default.demo and kind == default.kind,
            wanted="hold",
        )
        store.add(
            unit,
            id=start.id,
            title=title,
            handle=handle_for(title, store.taken_handles(unit.connection)),
            hue=hue,
            creature=creature,
            state=S.STARTING,
            reason="preparing" if has_slot else QUEUED,
            queued_at=None if has_slot or start.after else unit.now,
            held_at=unit.now if start.after else None,
            after=[one.model_dump(mode="json") for one in start.after],
            workspace=workspace,
            project_id=project.id if project else None,
            base=branch.session.base if branch else None,
            upstream=branch.session.upstream if branch else None,
            anchor={**anchor.model_dump(), "turn": turn},
            parent=anchor.thread_id,
            depth=depth,
            wake=start.wake,
            done_when=start.done_when,
            prompt_hash=prompt_hash,
            confined=self._kinds.confined,
        )
        if branch is None:
            letter = mailbox.Letter(
                id=id_from("prompt", start.id),
                text=_brief(prompt, start.done_when),
                # By hand it is the person's own word; else another agent's.
                from_thread=anchor.thread_id if anchor.call_id else None,
                attachments=start.attachments,
            )
            mailbox.post(unit, start.id, letter)
        else:
            handle = self._moves.body(unit.connection, start.id).handle
            words = BRANCHED.format(other=branch.session.handle, turn=branch.turn, handle=handle)
            mailbox.note(unit, start.id, f"branched-{start.id}", words)
        unit.append(anchor.thread_id, "session_started", SessionStartedBody(session_id=start.id, anchor=anchor))
        if start.after:
            self._moves.enter(unit, start.id)
        elif has_slot:
            self._runs.phases.enqueue(unit, PREPARE, start.id, "1")
        else:
            self._moves.no_room(unit, start.id)
        return self._moves.say(unit, start.id)

    def _check_kind(self, kind: str) -> None:
        known = {k.kind: k for k in self._kinds.all()}
        if kind not in known:
            raise BadInput(what=f"There is no agent {kind}. Known are: {', '.join(sorted(known))}.")
        if not known[kind].available:
            raise AgentUnavailable(kind=kind, why=known[kind].why)

    def prepared(
        self,
        unit: UnitOfWork,
        session_id: str,
        *,
        branch: str | None,
        base: str | None,
        upstream: str | None = None,
        put_back: bool = False,
        to_set_up: bool | None = None,
        apart: str = "",
    ) -> None:
        """The workspace is there: its agent may start. `put_back`: it was gone, and is there as it was kept.

        `to_set_up`: it is new, and whether its project has a set-up for it. `apart`: why it has not what was merged here.
        """
        row = runs_store.lock(unit, session_id)
        session = store.find(unit.connection, session_id)
        assert session is not None
        if session.state != S.STARTING:
            return
        if session.branch is None and branch is not None:
            store.update(unit, session_id, branch=branch, base=base, upstream=upstream)
            if apart:
                self._moves.notice(unit, session_id, "apart", f"It begins without what was merged here. {apart}", 0)
        if to_set_up is not None:
            store.update(unit, session_id, set_up=not to_set_up)
        kept = store.newest_kept(unit.connection, session_id)
        if kept is not None and kept.state == "kept":
            store.update_kept(unit, session_id, kept.number, state="back")
            if put_back and kept.left_out:
                words = f"{PUT_BACK} {' '.join(kept.left_out)}"
                mailbox.note(unit, session_id, f"kept-{session_id}-{kept.number}", words)
        store.update(unit, session_id, reason="starting")
        if row.fork and not mailbox.queued(unit.connection, session_id):  # it has nothing to do yet
            runs_store.update(unit, session_id, wanted="run")
            self._moves.settle(unit, session_id)
            return
        self._moves.say(unit, session_id)
        self._runs.release(unit, session_id)

    def fail(self, unit: UnitOfWork, session_id: str, why: str) -> None:
        """It could not even begin; the inbox says why."""
        row = runs_store.lock(unit, session_id)
        session = store.find(unit.connection, session_id)
        if session is None or S(session.state) in OVER:
            return
        self._runs.turns.block(unit, session_id, AgentError(code="other", message=why, hint="Mend it, then try again."))
        self._moves.move(unit, session_id, S.FAILED, why)
        self._runs.want(unit, session_id, "stop")
        self._moves.notice(unit, session_id, "failed", why, row.turn)

    # -- what the person does ----------------------------------------------------------------------------------
    def cancel(self, unit: UnitOfWork, session_id: str, reason: str = "") -> SessionBody:
        """Stop it now: its processes are gone within seconds, its workspace and its words stay."""
        row = runs_store.lock(unit, self._known(unit.connection, session_id))
        state = S(self._moves.body(unit.connection, session_id).state)
        if state is S.CANCELLED:
            return self._moves.body(unit.connection, session_id)
        if row.working:  # also where it is opened again before its runner has heard of the stop
            self._runs.interrupt(unit, session_id, row.turn)
        self._moves.move(unit, session_id, S.CANCELLED, reason)
        self._inbox.close_all(unit, session_id, "The session was stopped.")
        self._runs.want(unit, session_id, "stop")
        self._moves.notice(unit, session_id, "cancelled", reason or "Stopped by you.", 0)
        self._moves.free_slot(unit)
        return self._moves.body(unit.connection, session_id)

    def close(self, unit: UnitOfWork, session_id: str, reason: str = "", told: str = "") -> SessionBody:
        """Done with it: its agent ends, its work is kept, its workspace goes, it moves to Earlier.

        Where its work could not be kept, closing it again tries again. `told`: what the thread that started it is told.
        """
        row = runs_store.lock(unit, self._known(unit.connection, session_id))
        state = S(self._moves.body(unit.connection, session_id).state)
        kept = store.newest_kept(unit.connection, session_id)
        if state is S.DONE:
            if kept is None or kept.state == "failed":
                self._keep(unit, session_id)
                self._moves.say(unit, session_id)
            return self._moves.body(unit.connection, session_id)
        session = store.find(unit.connection, session_id)
        only_waits = session is not None and session.held_at is not None
        if row.working or state is S.WORKING or (state is S.STARTING and not only_waits):
            raise NotAllowedNow(what="It is still working. Stop it first, or wait until it is done.")
        self._runs.want(unit, session_id, "stop")
        self._keep(unit, session_id)
        self._moves.move(unit, session_id, S.DONE, reason)
        self._inbox.close_all(unit, session_id, "The session was closed.")
        self._moves.notice(unit, session_id, "done", told or reason or "Closed.", 0)
        for listen in self._closed:
            listen(unit, session_id)
        return self._moves.body(unit.connection, session_id)

    def _keep(self, unit: UnitOfWork, session_id: str) -> None:
        number = store.add_kept(unit, session_id)
        self._runs.phases.enqueue(unit, KEEP, session_id, str(number))

    def became_of_work(self, unit: UnitOfWork, session_id: str, number: int, **values: Any) -> None:
        """Say what became of its files, see `KeptWork`."""
        runs_store.lock(unit, session_id)
        store.update_kept(unit, session_id, number, **values)
        self._moves.say(unit, session_id)
        self._moves.let_others_look(unit, session_id)
        if values["state"] == "failed":
            self._moves.notice(unit, session_id, "failed", values["why"], 0)

    def park(self, unit: UnitOfWork, session_id: str) -> SessionBody:
        """End its agent until it is needed again. A working one is parked when its turn is over."""
        runs_store.lock(unit, self._known(unit.connection, session_id))
        if S(self._moves.body(unit.connection, session_id).state) not in OVER:
            self._runs.want(unit, session_id, "park")
        return self._moves.body(unit.connection, session_id)

    def resume(self, unit: UnitOfWork, session_id: str) -> SessionBody:
        """Go on with it, whatever ended it."""
        runs_store.lock(unit, self._known(unit.connection, session_id))
        state = S(self._moves.body(unit.connection, session_id).state)
        self._inbox.close_notices(unit, session_id, "You went on with it.")
        if state not in OVER:
            self._runs.go_on(unit, session_id)
        else:
            if not mailbox.queued(unit.connection, session_id) and not mailbox.delivered(unit.connection, session_id):
                words = WHERE_ARE_WE if state is S.DONE else GO_ON
                mailbox.post(unit, session_id, mailbox.Letter(id=str(uuid.uuid4()), text=words, role="system"))
            self.reopen(unit, session_id)
        return self._moves.body(unit.connection, session_id)

    def reopen(self, unit: UnitOfWork, session_id: str) -> None:
        """It was over and has something to do again: its workspace is looked after first, then its agent starts."""
        store.drop_unkept(unit, session_id)
        runs_store.update(unit, session_id, wanted="hold", blocked=False, restarts=0)
        self._moves.enter(unit, session_id)

    def said_to(self, unit: UnitOfWork, session_id: str) -> None:
        """A message was queued for it: what was over is open again, what was stuck may go on."""
        session = store.find(unit.connection, session_id)
        if session is None:
            return
        self._inbox.close_notices(unit, session_id, "You wrote to it.")
        if S(session.state) in OVER:
            self.reopen(unit, session_id)
        else:
            runs_store.update(unit, session_id, blocked=False, restarts=0)
            self._moves.say(unit, session_id)

    def taken_back(self, unit: UnitOfWork, thread_id: str) -> None:
        """A message for it was withdrawn: with nothing else to do it works and waits no more."""
        self._moves.settle(unit, thread_id)

    def _known(self, connection: sa.Connection, session_id: str) -> str:
        return self._moves.body(connection, session_id).id


def _brief(prompt: str, done_when: str) -> str:
    return f"{prompt}\n\nDone when: {done_when}" if done_when.strip() else prompt


def as_session(connection: sa.Connection, body: SessionBody) -> Session:
    """A session as it stands now, its place in the queue included."""
    # Not checked again: every part of `body` was.
    return Session.model_construct(**dict(body), ahead=store.ahead(connection, body))
