"""What a report does to its thread: its events, its messages, its turn. Features add their own part after this."""

import json
from typing import cast

from mainloop.db.engine import Row
from mainloop.events.bell import work_of
from mainloop.events.deltas import OpenMessages
from mainloop.events.unit import UnitOfWork
from mainloop.runs import calls, mailbox, store
from mainloop.runs.registry import Registry, Said
from mainloop.runs.status import Standing
from mainloop_models import runner as r
from mainloop_models.events import (
    AgentError,
    MessageBody,
    ReasoningBody,
    RunBody,
    TodoBody,
    ToolCallBody,
    TurnEndedBody,
    TurnStartedBody,
)

FRESH = (
    "The agent's own record of this conversation could not be used. It begins a new one and is told what mainloop's log "
    "says, your answers included."
)
# Characters of one text in a call's input that an event shows.
LONG_INPUT = 4000
# Errors after which the same message may be tried again without the person, a bounded number of times.
PASSING = {"network", "overloaded", "crashed"}


class Turns:
    """Applies reports. One method per kind, found by the kind's name."""

    def __init__(self, open_messages: OpenMessages, registry: Registry, standing: Standing, max_restarts: int) -> None:
        self._open = open_messages
        self._standing = standing
        self._registry = registry
        self._max_restarts = max_restarts

    def only_brings(self, row: Row) -> bool:
        """Whether an agent was started once more than it may, for what is in the spools."""
        return row.restarts > self._max_restarts

    def apply(self, unit: UnitOfWork, said: Said, report: r.Report) -> None:
        """The effect of one report, ours first, then the features'."""
        body = report.body
        ours = getattr(self, f"_{body.kind}", None)
        if ours is not None:
            ours(unit, said, body)
        self._standing.reported(unit, said, report)
        for handle in self._registry.handlers.get(type(body), ()):
            handle(unit, said, body)

    def _agent_session(self, unit: UnitOfWork, said: Said, body: r.AgentSession) -> None:
        store.update(unit, said.thread_id, agent_session=body.agent_session, recorded=True, record_lost=False)
        store.update_run(unit, said.thread_id, said.run, agent_version=body.version[:64])

    def _turn_started(self, unit: UnitOfWork, said: Said, body: r.TurnStarted) -> None:
        mailbox.take(unit, said.thread_id, body.message_ids, body.turn)
        store.update(
            unit,
            said.thread_id,
            turn=body.turn,
            turn_run=said.run,
            working=True,
            interrupt=None,
            quiet_since=None,
            turn_started_at=unit.now,
        )
        unit.append(said.thread_id, "turn_started", TurnStartedBody(turn=body.turn, message_ids=body.message_ids))
        if any(message.mode == "steer" for message in mailbox.queued(unit.connection, said.thread_id)):
            unit.ring(work_of(said.thread_id))

    def _message_taken(self, unit: UnitOfWork, said: Said, body: r.MessageTaken) -> None:
        mailbox.take(unit, said.thread_id, [body.message_id], body.turn)

    def _said(self, unit: UnitOfWork, said: Said, body: r.Said) -> None:
        text, ref = unit.shorten(said.thread_id, body.text)
        message = MessageBody(id=body.id, role="assistant", text=text, turn=body.turn, blob=ref, demo=said.thread.demo)
        unit.append(said.thread_id, "message", message)
        self._open.landed(unit, body.id)

    def _reasoned(self, unit: UnitOfWork, said: Said, body: r.Reasoned) -> None:
        text, ref = unit.shorten(said.thread_id, body.text)
        reasoning = ReasoningBody(id=body.id, text=text, turn=body.turn, duration_ms=body.duration_ms, blob=ref)
        unit.append(said.thread_id, "reasoning", reasoning)
        self._open.landed(unit, body.id)

    def _tool_called(self, unit: UnitOfWork, said: Said, body: r.ToolCalled) -> None:
        call = ToolCallBody(
            id=body.id,
            turn=body.turn,
            tool=body.tool,
            title=body.title[:500],
            input=_short_input(unit, said.thread_id, body.input),
            parent_id=body.parent_id,
        )
        if calls.started(unit, said.thread_id, call):
            unit.append(said.thread_id, "tool_call", call)

    def _tool_ended(self, unit: UnitOfWork, said: Said, body: r.ToolEnded) -> None:
        began = calls.ended(unit, said.thread_id, body.id)
        if began is None:
            return
        self._open.call_ended(unit, body.id)
        output, ref = unit.shorten(said.thread_id, body.output)
        ended = ToolCallBody.model_validate({**began, "status": body.status, "output": output, "blob": ref})
        unit.append(said.thread_id, "tool_call", ended)

    def _todo(self, unit: UnitOfWork, said: Said, body: r.Todo) -> None:
        unit.append(said.thread_id, "todo", TodoBody(turn=body.turn, entries=body.entries))

    def _released(self, unit: UnitOfWork, said: Said, body: r.Released) -> None:
        calls.release(unit, said.thread_id, body.call_id, body.turn)

    def _turn_ended(self, unit: UnitOfWork, said: Said, body: r.TurnEnded) -> None:
        mailbox.finish(unit, said.thread_id, body.finished)
        mailbox.leave_open(unit, said.thread_id)
        well = body.outcome in ("completed", "interrupted")
        values: dict[str, object] = {
            "working": False,
            "interrupt": None,
            "deferred_call": body.deferred_call if body.outcome == "deferred" else None,
            "quiet_since": unit.now,
        }
        if well:
            values |= {"restarts": 0, "cut_off": ""}
            calls.forget_released(unit, said.thread_id)
        if body.outcome == "cut_off":
            # A deferred call that it was going on with is still the last thing in the agent's record.
            values |= {"cut_off": cut_off_words(body.turn), "deferred_call": said.thread.deferred_call}
        if body.outcome == "deferred":
            values["cut_off"] = ""
        if body.error is not None and body.error.code == "ceiling":
            values["cut_off"] = paused_words(body.turn)
        store.update(unit, said.thread_id, **values)
        self._close(unit, said.thread_id, body.turn, keep_calls=body.outcome == "deferred")
        ended = TurnEndedBody(
            turn=body.turn,
            outcome=body.outcome,
            error=body.error,
            usage=body.usage,
            cost_usd=body.cost_usd,
            duration_ms=body.duration_ms,
        )
        unit.append(said.thread_id, "turn_ended", ended)
        if body.outcome == "failed":
            self._try_again_or_block(unit, said, body.error or AgentError(code="other", message="The turn failed."))

    def _try_again_or_block(self, unit: UnitOfWork, said: Said, error: AgentError, *, fresh: bool = False) -> None:
        if (fresh or error.code in PASSING) and said.thread.restarts < self._max_restarts:
            store.update(unit, said.thread_id, restarts=said.thread.restarts + 1)
        else:
            self.block(unit, said.thread_id, error)

    def block(self, unit: UnitOfWork, thread_id: str, error: AgentError) -> None:
        """Nothing is delivered to this thread until the person acts."""
        store.update(unit, thread_id, blocked=True)
        self._standing.at_rest(unit, thread_id)
        for handle in self._registry.blocked:
            handle(unit, thread_id, error)

    def _run_ended(self, unit: UnitOfWork, said: Said, body: r.RunEnded) -> None:
        store.update_run(unit, said.thread_id, said.run, state="ended", ended_at=unit.now, end=body.reason)
        if said.run != said.thread.run:
            return
        if body.reason == "fresh_session":
            # A new one knows of no call; it is told what was said, and what the person decided, from the log.
            store.update(unit, said.thread_id, recorded=False, record_lost=True, deferred_call=None)
            unit.append(said.thread_id, "run", RunBody(run=said.run, what="fresh", text=FRESH))
            store.orphan_asks(unit, said.thread_id, "")
            mailbox.leave_open(unit, said.thread_id)
        if body.reason in ("failed", "fresh_session"):
            error = body.error or AgentError(code="crashed", message="The agent could not be started.")
            self._try_again_or_block(unit, said, error, fresh=body.reason == "fresh_session")
        if body.reason == "parked":
            unit.append(said.thread_id, "run", RunBody(run=said.run, what="parked"))

    def cut_off(self, unit: UnitOfWork, thread: Row) -> None:
        """The open turn's runner is dead and has nothing more to say: the turn ended there."""
        thread_id, turn = str(thread.thread_id), int(thread.turn)
        mailbox.leave_open(unit, thread_id)
        self._close(unit, thread_id, turn, keep_calls=False)
        unit.append(thread_id, "turn_ended", TurnEndedBody(turn=turn, outcome="cut_off"))
        store.update(unit, thread_id, working=False, interrupt=None, cut_off=cut_off_words(turn), quiet_since=unit.now)
        self._standing.at_rest(unit, thread_id)
        for handle in self._registry.cut_off:
            handle(unit, thread_id)

    def stopped(self, unit: UnitOfWork, thread: Row) -> None:
        """The person stopped the thread in the middle of a turn; its processes are gone."""
        thread_id, turn = str(thread.thread_id), int(thread.turn)
        delivered = [m.id for m in mailbox.delivered(unit.connection, thread_id)]
        mailbox.finish(unit, thread_id, delivered)
        self._close(unit, thread_id, turn, keep_calls=False)
        unit.append(thread_id, "turn_ended", TurnEndedBody(turn=turn, outcome="interrupted"))
        store.update(unit, thread_id, working=False, interrupt=None, deferred_call=None, quiet_since=unit.now)
        self._standing.at_rest(unit, thread_id)
        for handle in self._registry.cut_off:
            handle(unit, thread_id)

    def give_up(self, unit: UnitOfWork, thread: Row) -> None:
        """Its runners died too often in a row: only the person can say go on."""
        if thread.working:
            self.cut_off(unit, thread)
        error = AgentError(
            code="crashed",
            message=f"Its process ended {thread.restarts} times in a row.",
            hint="Look at its log, then try again; what was said so far is kept.",
        )
        self.block(unit, str(thread.thread_id), error)

    def _close(self, unit: UnitOfWork, thread_id: str, turn: int, *, keep_calls: bool) -> None:
        """A turn leaves nothing half-open: text so far becomes a message, running calls have an unknown outcome."""
        for growing in self._open.left_in(unit, thread_id):
            if growing.turn != turn:
                continue
            text, ref = unit.shorten(thread_id, growing.text)
            if growing.what == "text":
                body = MessageBody(id=growing.message_id, role="assistant", text=text, turn=turn, blob=ref)
                unit.append(thread_id, "message", body)
            else:
                thought = ReasoningBody(id=growing.message_id, text=text, turn=turn, blob=ref)
                unit.append(thread_id, "reasoning", thought)
            self._open.landed(unit, growing.message_id)
        if keep_calls:
            return
        self._open.turn_over(unit, thread_id, turn)
        for began in calls.all_ended(unit, thread_id, turn):
            unit.append(thread_id, "tool_call", ToolCallBody.model_validate({**began, "status": "unknown"}))


def paused_words(turn: int) -> str:
    """What the agent is told when it goes on after a ceiling stopped it."""
    return (
        f"You were stopped in turn {turn} because a spending ceiling was reached; a call that was about to run did not. "
        "The person lets you go on. Check where you were, then go on from there."
    )


def cut_off_words(turn: int) -> str:
    """What the agent is told when it goes on after a turn that was cut off."""
    return (
        f"Your process was stopped in the middle of turn {turn}; what you had not finished saying or doing then is "
        "lost, and the outcome of a call that was running is unknown. Check the state of things, then go on."
    )


def _short_input(unit: UnitOfWork, thread_id: str, given: dict[str, object]) -> dict[str, object]:
    """A call's input as it may stand in an event: long texts cut, the whole kept as a blob that they name."""

    def short(value: object) -> object:
        if isinstance(value, str):
            text, ref = unit.shorten(thread_id, value) if len(value) > LONG_INPUT else (value, None)
            return text if ref is None else f"{text[:LONG_INPUT]}\n… the whole is stored as {ref.id}"
        if isinstance(value, dict):
            return {str(k): short(v) for k, v in cast("dict[object, object]", value).items()}
        if isinstance(value, list):
            return [short(v) for v in cast("list[object]", value)]
        return value

    shown = {key: short(value) for key, value in given.items()}
    whole = json.dumps(shown, ensure_ascii=False)
    _, ref = unit.shorten(thread_id, whole)
    if ref is None:
        return shown
    return {"input": f"{whole[:LONG_INPUT]}\n… the whole is stored as {ref.id}"}
