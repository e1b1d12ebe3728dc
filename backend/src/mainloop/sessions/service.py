"""Sessions: started by an agent or by hand, moved by what their runners report, ended by the person."""

import hashlib
import uuid
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from pydantic import BaseModel, Field

from mainloop.errors import AgentUnavailable, BadInput, NotAllowedNow, SessionExists, UnknownSession
from mainloop.events.unit import UnitOfWork
from mainloop.inbox.service import Inbox
from mainloop.permissions.ceilings import QUEUED, Ceilings
from mainloop.projects.service import Projects
from mainloop.runs import mailbox
from mainloop.runs import store as runs_store
from mainloop.runs.registry import Call, Registry, Said
from mainloop.runs.service import Runs
from mainloop.sessions import store
from mainloop.sessions.agents import AgentKinds
from mainloop.sessions.names import handle_for, looks_for
from mainloop.sessions.prompts import session_prompt
from mainloop.sessions.states import OVER, check_move
from mainloop_models import runner as r
from mainloop_models.asks import Decision
from mainloop_models.events import (
    AgentError,
    Anchor,
    ItemBody,
    NoticeBody,
    ResultBody,
    SessionBody,
    SessionResult,
    SessionStartedBody,
    SessionState,
)

S = SessionState
PREPARE: Final = "prepare_session"
SAVE: Final = "save_session"
LONGEST_TITLE: Final = 200
PREVIEW: Final = 600
# One namespace for ids that must be the same when a report is applied a second time.
_IDS: Final = uuid.UUID("6d61696e-6c6f-4f70-8000-000000000001")


def id_from(*parts: object) -> str:
    """The same id for the same parts."""
    return str(uuid.uuid5(_IDS, "/".join(map(str, parts))))


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


class ReportArguments(BaseModel):
    text: str = Field(description="What you found or did, for the person: outcome first, then what they should know.")
    outcome: str = Field(default="done", pattern="^(done|partial|blocked)$", description="done, partial or blocked")


class AskArguments(BaseModel):
    questions: list["AskQuestion"] = Field(min_length=1, max_length=4)


class AskQuestion(BaseModel):
    question: str
    header: str = Field(default="", description="one or two words")
    multi_select: bool = False
    options: list["AskOption"] = Field(default=[], max_length=8)


class AskOption(BaseModel):
    label: str
    description: str = ""


class Sessions:
    """All sessions of this installation."""

    def __init__(self, runs: Runs, inbox: Inbox, projects: Projects, ceilings: Ceilings, kinds: AgentKinds) -> None:
        self._runs = runs
        self._inbox = inbox
        self._projects = projects
        self._ceilings = ceilings
        self._kinds = kinds
        self._settings = runs.settings

    def register(self, registry: Registry) -> None:
        """Take part in what runners report and in what happens to asks."""
        registry.prompt("session", lambda c, row: session_prompt(self._body(c, row.thread_id)))
        registry.tool("report", REPORT, ReportArguments, self._report, roles={"session"})
        registry.ask_tool("ask", ASK, AskArguments, roles={"session"})
        registry.on(r.TurnStarted, self._turn_started)
        registry.on(r.ToolCalled, self._tool_called)
        registry.on(r.Retrying, self._retrying)
        registry.on(r.TurnEnded, self._turn_ended)
        registry.on(r.RunEnded, self._run_ended)
        registry.on_blocked(self._blocked)
        self._inbox.on_opened(self._item_opened)
        self._inbox.on_done(self._item_done)

    # -- start -------------------------------------------------------------------------------------------------
    def start(self, unit: UnitOfWork, start: Start, *, anchor: Anchor, turn: int, depth: int) -> SessionBody:
        """Accept a new session: it is there when this commits, and its workspace is being prepared.

        The same id and prompt again is the same session. Raises SessionExists, UnknownProject, AgentUnavailable,
        and what `mailbox.clean` raises for the prompt.
        """
        prompt = mailbox.clean(start.prompt)
        prompt_hash = hashlib.sha256(prompt.encode()).hexdigest()
        known = store.find(unit.connection, start.id)
        if known is not None:
            if known.prompt_hash != prompt_hash:
                raise SessionExists
            return self._body(unit.connection, start.id)
        default = self._kinds.default(unit.connection)
        kind = start.agent or default.kind
        self._check_kind(kind)
        workspace = start.workspace or self._settings.workspace
        if workspace != self._settings.workspace:
            raise BadInput(what=f"There is no workspace {workspace} here; {self._settings.workspace} is.")
        project = self._projects.named(unit.connection, start.project) if start.project else None
        title = _one_line(start.title or prompt)[:LONGEST_TITLE]
        hue, creature = looks_for(store.taken_hues(unit.connection, unit.now))
        has_slot = self._ceilings.has_slot(unit)
        runs_store.add_thread(unit, start.id, "session")
        runs_store.add_agent(
            unit,
            start.id,
            role="session",
            kind=kind,
            model=start.model or self._settings.model or None,
            agent_session=str(uuid.uuid4()),
            demo=default.demo and kind == default.kind,
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
            workspace=workspace,
            project_id=project.id if project else None,
            anchor={**anchor.model_dump(), "turn": turn},
            parent=anchor.thread_id,
            depth=depth,
            wake=start.wake,
            done_when=start.done_when,
            prompt_hash=prompt_hash,
            confined=self._kinds.confined,
        )
        letter = mailbox.Letter(id=id_from("prompt", start.id), text=_brief(prompt, start.done_when))
        mailbox.post(unit, start.id, letter)
        unit.append(anchor.thread_id, "session_started", SessionStartedBody(session_id=start.id, anchor=anchor))
        if has_slot:
            self._runs.phases.enqueue(unit, PREPARE, start.id, "1")
        return self._say(unit, start.id)

    def _check_kind(self, kind: str) -> None:
        known = {k.kind: k for k in self._kinds.all()}
        if kind not in known:
            raise BadInput(what=f"There is no agent {kind}. Known are: {', '.join(sorted(known))}.")
        if not known[kind].available:
            raise AgentUnavailable(kind=kind, why=known[kind].why)

    def prepared(self, unit: UnitOfWork, session_id: str, *, branch: str | None, base: str | None) -> None:
        """The workspace is there: its agent may start."""
        row = runs_store.lock(unit, session_id)
        session = store.find(unit.connection, session_id)
        assert session is not None
        if session.state != S.STARTING:
            return
        if session.branch is None and branch is not None:
            store.update(unit, session_id, branch=branch, base=base)
        store.update(unit, session_id, reason="starting")
        self._say(unit, session_id)
        if row.wanted != "stop":
            self._runs.request(unit, session_id)

    def fail(self, unit: UnitOfWork, session_id: str, why: str) -> None:
        """It could not even begin; the inbox says why."""
        row = runs_store.lock(unit, session_id)
        session = store.find(unit.connection, session_id)
        if session is None or S(session.state) in OVER:
            return
        self._runs.turns.block(unit, session_id, AgentError(code="other", message=why, hint="Mend it, then try again."))
        self._move(unit, session_id, S.FAILED, why)
        self._notice(unit, session_id, "failed", why, row.turn)

    # -- what the person does ----------------------------------------------------------------------------------
    def cancel(self, unit: UnitOfWork, session_id: str, reason: str = "") -> SessionBody:
        """Stop it now: its processes are gone within seconds, its workspace and its words stay."""
        runs_store.lock(unit, self._known(unit.connection, session_id))
        state = S(self._body(unit.connection, session_id).state)
        if state is S.CANCELLED:
            return self._body(unit.connection, session_id)
        self._move(unit, session_id, S.CANCELLED, reason)
        self._inbox.close_all(unit, session_id, "The session was stopped.")
        self._runs.want(unit, session_id, "stop")
        self._notice(unit, session_id, "cancelled", reason or "Stopped by you.", 0)
        self._free_slot(unit)
        return self._body(unit.connection, session_id)

    def close(self, unit: UnitOfWork, session_id: str, reason: str = "") -> SessionBody:
        """Done with it: its commits are kept, its agent ends, it moves to Earlier."""
        row = runs_store.lock(unit, self._known(unit.connection, session_id))
        state = S(self._body(unit.connection, session_id).state)
        if state is S.DONE:
            return self._body(unit.connection, session_id)
        if row.working or state in (S.WORKING, S.STARTING):
            raise NotAllowedNow(what="It is still working. Stop it first, or wait until it is done.")
        self._move(unit, session_id, S.DONE, reason)
        self._inbox.close_all(unit, session_id, "The session was closed.")
        self._runs.want(unit, session_id, "stop")
        self._notice(unit, session_id, "done", reason or "Closed.", 0)
        self._runs.phases.enqueue(unit, SAVE, session_id, f"close-{row.run}-{row.turn}")
        return self._body(unit.connection, session_id)

    def park(self, unit: UnitOfWork, session_id: str) -> SessionBody:
        """End its agent until it is needed again. A working one is parked when its turn is over."""
        runs_store.lock(unit, self._known(unit.connection, session_id))
        if S(self._body(unit.connection, session_id).state) not in OVER:
            self._runs.want(unit, session_id, "park")
        return self._body(unit.connection, session_id)

    def resume(self, unit: UnitOfWork, session_id: str) -> SessionBody:
        """Go on with it, whatever ended it."""
        runs_store.lock(unit, self._known(unit.connection, session_id))
        state = S(self._body(unit.connection, session_id).state)
        self._inbox.close_notices(unit, session_id, "You went on with it.")
        if state not in OVER:
            self._runs.go_on(unit, session_id)
        elif mailbox.queued(unit.connection, session_id) or mailbox.delivered(unit.connection, session_id):
            self._reopen(unit, session_id)
        else:
            self._move(unit, session_id, S.STARTING, "")
            self._reopen_idle(unit, session_id)
        return self._body(unit.connection, session_id)

    def _reopen(self, unit: UnitOfWork, session_id: str) -> None:
        """It was over and has something to do again: its workspace is looked after first, then its agent starts."""
        self._move(unit, session_id, S.STARTING, "preparing")
        runs_store.update(unit, session_id, wanted="run", blocked=False, restarts=0)
        self._runs.phases.enqueue(unit, PREPARE, session_id, uuid.uuid4().hex[:8])

    def _reopen_idle(self, unit: UnitOfWork, session_id: str) -> None:
        """Nothing is open in it: it waits for the next word, without an agent."""
        runs_store.update(unit, session_id, wanted="run", blocked=False, restarts=0)
        store.update(unit, session_id, state=S.IDLE, reason="", parked=True, ended_at=None)
        self._say(unit, session_id)

    def said_to(self, unit: UnitOfWork, session_id: str) -> None:
        """A message was queued for it: what was over is open again, what was stuck may go on."""
        session = store.find(unit.connection, session_id)
        if session is None:
            return
        self._inbox.close_notices(unit, session_id, "You wrote to it.")
        if S(session.state) in OVER:
            self._reopen(unit, session_id)
        else:
            runs_store.update(unit, session_id, blocked=False)
            self._say(unit, session_id)

    # -- what runners report -----------------------------------------------------------------------------------
    def _turn_started(self, unit: UnitOfWork, said: Said, body: r.TurnStarted) -> None:
        if said.thread.role != "session":
            return
        store.update(unit, said.thread_id, parked=False)
        self._become(unit, said.thread_id, S.WORKING)

    def _tool_called(self, unit: UnitOfWork, said: Said, body: r.ToolCalled) -> None:
        if said.thread.role == "session":
            store.set_activity(unit, said.thread_id, body.title[:200])

    def _retrying(self, unit: UnitOfWork, said: Said, body: r.Retrying) -> None:
        if said.thread.role == "session":
            store.set_activity(unit, said.thread_id, body.text[:200])
            self._say(unit, said.thread_id)

    def _report(self, unit: UnitOfWork, call: Call, given: ReportArguments) -> str:
        store.add_report(unit, call.thread_id, call.turn, mailbox.clean(given.text), given.outcome)
        return "Reported. It reaches the person and the main thread when this turn ends."

    def _turn_ended(self, unit: UnitOfWork, said: Said, body: r.TurnEnded) -> None:
        if said.thread.role != "session":
            return
        session_id = said.thread_id
        session = store.find(unit.connection, session_id)
        assert session is not None
        if body.cost_usd is not None:
            store.update(unit, session_id, cost_usd=(session.cost_usd or 0) + body.cost_usd)
        store.set_activity(unit, session_id, "")
        if body.outcome == "completed":
            if body.text.strip():
                store.add_text_result(unit, session_id, body.turn, body.text)
            self._deliver(unit, session_id, body.turn)
        if body.outcome in ("completed", "interrupted"):
            more = mailbox.queued(unit.connection, session_id)
            if S(session.state) is S.WORKING and not more:
                self._become(unit, session_id, S.IDLE)
            else:
                self._say(unit, session_id)
        if session.project_id is not None:
            self._runs.phases.enqueue(unit, SAVE, session_id, f"turn-{body.turn}-{said.run}")
        self._free_slot(unit)

    def _deliver(self, unit: UnitOfWork, session_id: str, turn: int) -> None:
        """A turn's result: in its own log, as a notice in the thread that started it, and for that thread's agent."""
        result = store.deliver_result(unit, session_id, turn)
        session = store.find(unit.connection, session_id)
        if result is None or session is None:
            return
        text, ref = unit.shorten(session_id, result.text)
        body = ResultBody(turn=turn, text=text, source=result.source, outcome=result.outcome, blob=ref)
        unit.append(session_id, "result", body)
        shown = SessionResult(turn=turn, text=result.text[:PREVIEW], outcome=result.outcome, at=unit.now)
        store.update(unit, session_id, result=shown.model_dump(mode="json"))
        self._notice(unit, session_id, "result", result.text, turn)
        if session.parent is None:
            return
        key = f"result-{session_id}-{turn}"
        words = f'Result of session "{session.handle}" (id {session_id}, {result.outcome}):\n{result.text}'
        mailbox.note(unit, session.parent, key, words)
        if session.wake:
            letter = mailbox.Letter(
                id=id_from(key),
                text=f"Session {session.handle} has delivered its result, as you asked to be told.",
                role="system",
                from_thread=session_id,
            )
            runs_store.lock(unit, session.parent)
            mailbox.post(unit, session.parent, letter)
            self._runs.take_up(unit, session.parent)

    def _run_ended(self, unit: UnitOfWork, said: Said, body: r.RunEnded) -> None:
        if said.thread.role == "session" and body.reason == "parked":
            store.update(unit, said.thread_id, parked=True)
            self._say(unit, said.thread_id)

    def _blocked(self, unit: UnitOfWork, thread_id: str, error: AgentError) -> None:
        session = store.find(unit.connection, thread_id)
        if session is None:
            return
        if S(session.state) is S.STARTING:  # it never got as far as a turn
            self._move(unit, thread_id, S.FAILED, error.message)
        elif S(session.state) is S.WORKING:
            self._move(unit, thread_id, S.WAITING, error.message)
        self._free_slot(unit)

    def _item_opened(self, unit: UnitOfWork, item: ItemBody) -> None:
        if item.session_id is None:
            return
        if item.ask is not None:
            self._become(unit, item.session_id, S.WAITING)
        self._notice(unit, item.session_id, "item", item.title, item.turn or 0)
        self._free_slot(unit)

    def _item_done(self, unit: UnitOfWork, item: ItemBody) -> None:
        if item.session_id is None or runs_store.open_asks(unit.connection, item.session_id):
            return
        session = store.find(unit.connection, item.session_id)
        if session is None:
            return
        state, answer = S(session.state), item.answer.decision if item.answer else None
        if item.ask is None and state in OVER and answer is Decision.RETRY:
            self._reopen(unit, item.session_id)
        elif state is not S.WAITING:
            return
        elif runs_store.agent(unit.connection, item.session_id).working:
            self._become(unit, item.session_id, S.WORKING)
        elif answer is not None and (item.ask is not None or answer is Decision.RETRY):
            self._move(unit, item.session_id, S.STARTING, "going on")
        else:
            self._become(unit, item.session_id, S.IDLE)

    # -- slots -------------------------------------------------------------------------------------------------
    def _free_slot(self, unit: UnitOfWork) -> None:
        """Somebody who waited for a slot may have one now."""
        waiting = store.next_queued(unit.connection, QUEUED)
        if waiting is not None and self._ceilings.has_slot(unit):
            store.update(unit, waiting.id, reason="preparing")
            self._say(unit, waiting.id)
            self._runs.phases.enqueue(unit, PREPARE, waiting.id, "1")

    def free_slots(self, unit: UnitOfWork) -> None:
        """The janitor's look: nobody waits for a slot that is free."""
        self._free_slot(unit)

    # -- the one way a state changes ---------------------------------------------------------------------------
    def _become(self, unit: UnitOfWork, session_id: str, state: SessionState) -> None:
        """Move where the table allows it; what a late report says of a session that is over changes nothing."""
        session = store.find(unit.connection, session_id)
        assert session is not None
        old = S(session.state)
        if old is state or old in OVER:
            self._say(unit, session_id)
            return
        if old is S.STARTING and state in (S.WAITING, S.IDLE):
            self._move(unit, session_id, S.WORKING, "")
        self._move(unit, session_id, state, "")

    def _move(self, unit: UnitOfWork, session_id: str, state: SessionState, reason: str) -> None:
        session = store.find(unit.connection, session_id)
        assert session is not None
        if S(session.state) is not state:
            check_move(S(session.state), state)
        store.update(unit, session_id, state=state, reason=reason[:2000], ended_at=unit.now if state in OVER else None)
        self._say(unit, session_id)

    def _say(self, unit: UnitOfWork, session_id: str) -> SessionBody:
        body = self._body(unit.connection, session_id)
        unit.append(session_id, "session", body)
        return body

    def _notice(self, unit: UnitOfWork, session_id: str, about: str, text: str, turn: int) -> None:
        session = store.find(unit.connection, session_id)
        if session is None or session.parent is None:
            return
        notice = NoticeBody.model_validate(
            {"session_id": session_id, "about": about, "text": _one_line(text)[:300], "turn": turn}
        )
        unit.append(session.parent, "notice", notice)

    def _body(self, connection: sa.Connection, session_id: str) -> SessionBody:
        body = store.body(connection, session_id)
        if body is None:
            raise UnknownSession(id=session_id)
        return body

    def _known(self, connection: sa.Connection, session_id: str) -> str:
        return self._body(connection, session_id).id


REPORT: Final = (
    "Tell the person and the main thread what you found or did. Call it once, at the end of your work; "
    "what you report is what they read first."
)
ASK: Final = (
    "Ask the person what only they can decide, with options where there are some. It may take long until they "
    "answer; your work goes on right here with their answer."
)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _brief(prompt: str, done_when: str) -> str:
    return f"{prompt}\n\nDone when: {done_when}" if done_when.strip() else prompt
