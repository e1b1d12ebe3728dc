"""What a session's runner reports and what becomes of its asks: the session moves, its result is delivered."""

from typing import Any, Final

import sqlalchemy as sa
from pydantic import BaseModel, Field

from mainloop.db.engine import Row
from mainloop.errors import BadInput
from mainloop.events.unit import UnitOfWork
from mainloop.inbox.service import Inbox
from mainloop.inbox.store import BESIDE_TURNS
from mainloop.projects import store as projects_store
from mainloop.projects.schemas import ProjectSettings
from mainloop.runs import mailbox
from mainloop.runs import store as runs_store
from mainloop.runs.registry import Call, Registry, Said
from mainloop.runs.service import Runs
from mainloop.sessions import store
from mainloop.sessions.moves import SAVE, Moves
from mainloop.sessions.prompts import session_prompt
from mainloop.sessions.service import Sessions, id_from
from mainloop.sessions.states import OVER
from mainloop.spending.service import Spending
from mainloop_models import runner as r
from mainloop_models.asks import Decision
from mainloop_models.events import AgentError, ItemBody, ResultBody, SessionResult
from mainloop_models.events import SessionState as S

# Characters of a result that the session carries about; the whole is in its log.
PREVIEW: Final = 600
# How the parts of a report begin that tell what was not done, and what one has to know.
NOT_DONE: Final = "**Not done:**"
KNOW: Final = "**To know:**"

REPORT: Final = (
    "Tell the person and the main thread what you found or did. Call it once, at the end of your work; "
    "what you report is what they read first. What was left out, and what they have to know before they go on, have places "
    "of their own."
)
ASK: Final = (
    "Ask the person what only they can decide, with options where there are some. It may take long until they "
    "answer; your work goes on right here with their answer."
)


FORM: Final = (
    "Ask the person to fill in a form: several values at once, such as a name, a number, a date or a choice. The schema is "
    "a flat JSON Schema object whose properties are string (with format email, uri, date or date-time), number, integer, "
    "boolean, enum, or an array of an enum. Never ask for passwords or keys. Your work goes on right here with the values."
)


REPLY: Final = (
    "Answer a comment of the person on your change, at the line it stands at. `comment` is the name that stands beside it "
    "in their message. Say what you did about it or why not, in a few sentences; what the whole came to belongs in your "
    "report."
)


class ReplyArguments(BaseModel):
    comment: str = Field(pattern=r"^[A-Za-z0-9-]{1,40}$", description="the name of the comment, such as k3x9a")
    text: str = Field(min_length=1, max_length=20_000)


class ReportArguments(BaseModel):
    text: str = Field(description="What you found or did, for the person: outcome first.")
    outcome: str = Field(default="done", pattern="^(done|partial|blocked)$", description="done, partial or blocked")
    not_done: str = Field(default="", description="What of the task you did not do, and why. Empty: all of it is done.")
    know: str = Field(
        default="",
        description="What they have to know or decide before they merge or go on: risks, surprises, next steps.",
    )

    @property
    def whole(self) -> str:
        """All of it as one text, as it is shown and told everywhere."""
        parts = ((NOT_DONE, self.not_done), (KNOW, self.know))
        return "\n\n".join([self.text, *(f"{name} {part.strip()}" for name, part in parts if part.strip())])


class AskArguments(BaseModel):
    questions: list["AskQuestion"] = Field(min_length=1, max_length=4)


class AskQuestion(BaseModel):
    question: str
    header: str = Field(default="", description="one or two words")
    multi_select: bool = False
    options: list["AskOption"] = Field(default=[], max_length=8)


class FormArguments(BaseModel):
    message: str = Field(description="What it is for, in a sentence")
    # Not `schema`, a name that the library of models keeps for itself.
    schema_: dict[str, Any] = Field(alias="schema", description='{"type": "object", "properties": …, "required": […]}')


class AskOption(BaseModel):
    label: str
    description: str = ""


def preview(text: str) -> str:
    """Of a long result how it begins, and how the parts of it begin that are not to be missed."""
    if len(text) <= PREVIEW:
        return text
    at = [place for name in (NOT_DONE, KNOW) if (place := text.find(f"\n\n{name} ")) > 0]
    if not at:
        return text[:PREVIEW]
    at.sort()
    parts = [text[begin:end] for begin, end in zip(at, [*at[1:], len(text)], strict=True)]
    half = PREVIEW // 2
    return "".join([_cut(text[: at[0]], half), *(_cut(part, half // len(parts)) for part in parts)])


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


class Progress:
    """Takes part in every report of a session's run."""

    def __init__(self, runs: Runs, inbox: Inbox, moves: Moves, sessions: Sessions, spending: Spending) -> None:
        self._spending = spending
        self._runs = runs
        self._inbox = inbox
        self._moves = moves
        self._sessions = sessions

    def register(self, registry: Registry) -> None:
        """Take part in what runners report and in what happens to asks."""
        registry.prompt("session", self._prompt)
        registry.set_up = self._set_up_command
        registry.on(r.WorkspaceSetUp, self._set_up)
        registry.tool("report", REPORT, ReportArguments, self._report, roles={"session"})
        registry.tool("reply", REPLY, ReplyArguments, self._reply, roles={"session"})
        registry.ask_tool("ask", ASK, AskArguments, roles={"session"})
        registry.ask_tool("form", FORM, FormArguments, roles={"session"})
        registry.on(r.TurnStarted, self._turn_started)
        registry.on(r.TurnEnded, self._turn_ended)
        registry.on(r.RunEnded, self._run_ended)
        registry.on_blocked(self._blocked)
        registry.on_cut_off(self._cut_off)
        registry.on_work(self._moves.take_up)
        registry.on_overdue(self._seen_or_not)
        registry.on_back(lambda unit, thread_id, _why: self._seen_or_not(unit, thread_id))
        self._spending.on_stopped(self._no_longer_paused)
        self._inbox.on_opened(self._item_opened)
        self._inbox.on_done(self._item_done)

    def _prompt(self, connection: sa.Connection, row: Row) -> str:
        session = self._moves.body(connection, row.thread_id)
        return session_prompt(session, self._settings(connection, session.project_id))

    def _set_up_command(self, connection: sa.Connection, row: Row) -> str:
        session = store.find(connection, row.thread_id)
        settings = self._settings(connection, session.project_id) if session and not session.set_up else None
        return settings.set_up if settings else ""

    def _settings(self, connection: sa.Connection, project_id: str | None) -> ProjectSettings | None:
        project = projects_store.find(connection, project_id) if project_id else None
        return ProjectSettings.model_validate(project.settings) if project else None

    def _set_up(self, unit: UnitOfWork, said: Said, body: r.WorkspaceSetUp) -> None:
        store.update(unit, said.thread_id, set_up=True)

    def _turn_started(self, unit: UnitOfWork, said: Said, body: r.TurnStarted) -> None:
        if said.thread.role != "session":
            return
        store.update(unit, said.thread_id, parked=False)
        store.carry_report_over(unit, said.thread_id, body.turn)
        self._moves.become(unit, said.thread_id, S.WORKING)

    def _seen_or_not(self, unit: UnitOfWork, thread_id: str) -> None:
        """Its runner can't be reached, or can again: that is worth a word in its log."""
        if store.find(unit.connection, thread_id) is not None:
            self._moves.say(unit, thread_id)

    def _report(self, unit: UnitOfWork, call: Call, given: ReportArguments) -> str:
        store.add_report(unit, call.thread_id, call.turn, mailbox.clean(given.whole), given.outcome)
        return "Reported. It reaches the person and the main thread when this turn ends."

    def _reply(self, unit: UnitOfWork, call: Call, given: ReplyArguments) -> str:
        # The call itself is what the page shows at the line.
        if not mailbox.was_said(unit.connection, call.thread_id, f"(comment {given.comment})"):
            raise BadInput(what=f"Nobody made a comment {given.comment}. Its name stands beside it in the message.")
        return "It stands at that line now."

    def _turn_ended(self, unit: UnitOfWork, said: Said, body: r.TurnEnded) -> None:
        if said.thread.role != "session":
            return
        session_id = said.thread_id
        session = store.find(unit.connection, session_id)
        assert session is not None
        if body.outcome == "completed" and body.text.strip():
            store.add_text_result(unit, session_id, body.turn, body.text)
        if body.outcome in ("completed", "interrupted"):
            self._deliver(unit, session_id, body.turn)
        elif body.outcome != "deferred":
            self._deliver_what_is_over(unit, session_id, body.turn)
        if body.outcome in ("completed", "interrupted"):
            more = mailbox.queued(unit.connection, session_id)
            if S(session.state) in (S.STARTING, S.WORKING) and not more:
                self._moves.rest(unit, session_id)
            else:
                self._moves.say(unit, session_id)
        if session.project_id is not None:
            self._runs.phases.enqueue(unit, SAVE, session_id, f"turn-{body.turn}-{said.run}")
        self._moves.take_up(unit, session_id)
        self._moves.free_slot(unit)

    def _cut_off(self, unit: UnitOfWork, thread_id: str) -> None:
        """Its runner is gone; what it had reported until then counts."""
        if store.find(unit.connection, thread_id) is not None:
            self._deliver_what_is_over(unit, thread_id, runs_store.agent(unit.connection, thread_id).turn)

    def _deliver_what_is_over(self, unit: UnitOfWork, session_id: str, turn: int) -> None:
        """A turn ended badly. Where its message is given again, the turn that goes on with it delivers for both."""
        if not mailbox.delivered(unit.connection, session_id):
            self._deliver(unit, session_id, turn)

    def _deliver(self, unit: UnitOfWork, session_id: str, turn: int) -> None:
        """A turn's result: in its own log, as a notice in the thread that started it, and for that thread's agent."""
        result = store.deliver_result(unit, session_id, turn)
        session = store.find(unit.connection, session_id)
        if result is None or session is None:
            return
        text, ref = unit.shorten(session_id, result.text)
        body = ResultBody(turn=turn, text=text, source=result.source, outcome=result.outcome, blob=ref)
        unit.append(session_id, "result", body)
        shown = SessionResult(turn=turn, text=preview(result.text), outcome=result.outcome, at=unit.now)
        store.update(unit, session_id, result=shown.model_dump(mode="json"))
        self._moves.notice(unit, session_id, "result", result.text, turn)
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
            self._moves.say(unit, said.thread_id)

    def _blocked(self, unit: UnitOfWork, thread_id: str, error: AgentError) -> None:
        session = store.find(unit.connection, thread_id)
        if session is None:
            return
        turn = runs_store.agent(unit.connection, thread_id).turn
        self._deliver(unit, thread_id, turn)
        # A ceiling is known by name to whoever counts, not to the agent that it stopped.
        why = self._spending.why(unit.connection, thread_id) or error.message
        if S(session.state) is S.STARTING and turn == 0 and error.code != "ceiling":
            self._moves.move(unit, thread_id, S.FAILED, why)  # it never got as far as a turn
        elif S(session.state) in (S.STARTING, S.WORKING):
            self._moves.move(unit, thread_id, S.WAITING, why)
        self._moves.free_slot(unit)

    def _no_longer_paused(self, unit: UnitOfWork, thread_id: str) -> None:
        """A ceiling stopped it and the person wants no more of it for now."""
        session = store.find(unit.connection, thread_id)
        if session is None or runs_store.open_asks(unit.connection, thread_id):
            return
        if S(session.state) in (S.WAITING, S.STARTING):
            self._moves.rest(unit, thread_id)
            self._moves.free_slot(unit)

    def _item_opened(self, unit: UnitOfWork, item: ItemBody) -> None:
        if item.session_id is None:
            return
        if item.ask is not None:
            self._moves.become(unit, item.session_id, S.WAITING)
        self._moves.notice(unit, item.session_id, "item", item.title, item.turn or 0)
        self._moves.free_slot(unit)

    def _item_done(self, unit: UnitOfWork, item: ItemBody) -> None:
        if (
            item.session_id is None
            or item.kind in BESIDE_TURNS
            or runs_store.open_asks(unit.connection, item.session_id)
        ):
            return
        session = store.find(unit.connection, item.session_id)
        if session is None:
            return
        state, answer = S(session.state), item.answer.decision if item.answer else None
        if item.ask is None and answer is Decision.RETRY and state in OVER:
            self._sessions.reopen(unit, item.session_id)
        elif state is S.WAITING:
            self._go_on(unit, item.session_id, answer)

    def _go_on(self, unit: UnitOfWork, session_id: str, answer: Decision | None) -> None:
        """Nothing of it waits for the person any more."""
        if runs_store.agent(unit.connection, session_id).working:
            if answer is None:  # the call that asked is gone, its turn goes on without it
                self._moves.become(unit, session_id, S.WORKING)
            else:
                self._moves.enter(unit, session_id)
            return
        if answer is Decision.RETRY:
            self._runs.go_on(unit, session_id)
        elif answer is Decision.DISMISS:
            self._runs.abandon(unit, session_id)
        self._moves.take_up(unit, session_id)
        session = store.find(unit.connection, session_id)
        if session is not None and S(session.state) is S.WAITING:
            self._moves.rest(unit, session_id)
