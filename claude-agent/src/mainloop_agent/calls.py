"""What happens to a tool call between the agent's wish and its run: policy, release, ask, hold, defer.

A call that may run is *released*: in the spool before it runs, so that no later run repeats it unknowingly. A call
that only the person can decide opens an ask and is held until the answer is in the work, or until it has been held
long enough, or the runner is to park; then it is deferred, one call a turn, and the others are told to ask again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from mainloop_agent.agents.base import Decision, Defer
from mainloop_agent.policy import Ask, Rules, ToolCall
from mainloop_models.asks import Allow, Answer, Deny
from mainloop_models.asks import Decision as Said
from mainloop_models.runner import (
    AnswerTaken,
    ApprovedCall,
    AskOpened,
    AskWithdrawn,
    Released,
    ReportBody,
    ToolAnswer,
    WorkAnswer,
)

OUTCOME_UNKNOWN = (
    "This call was let through before the runner was cut off, so it may have run already; its outcome is unknown. "
    "Check what it did first, then make a new call if it is still needed."
)
ASK_AGAIN = "Another call waits for the person. Make this call again after that one has been answered."


@dataclass
class _Held:
    """An ask that waits for its answer."""

    call: ToolCall
    answer: asyncio.Future[Answer]


_Decided = tuple[ToolCall, asyncio.Task[Decision]]


@dataclass
class Calls:
    """The tool calls of one run."""

    thread: str
    rules: Rules
    report: Callable[[ReportBody], None]
    # Returns when everything reported so far is on disk.
    stored: Callable[[], Awaitable[None]]
    can_defer: bool
    # Calls that an earlier run released, and approvals that lost their run.
    released_before: frozenset[str]
    approved: list[ApprovedCall]

    turn: int = 0
    # The call that this turn ended in, to be run by a later run.
    deferred: str | None = None
    _parking: asyncio.Event = field(default_factory=asyncio.Event)
    _decisions: dict[str, _Decided] = field(default_factory=dict[str, "_Decided"])
    _held: dict[str, _Held] = field(default_factory=dict[str, _Held])
    # Answers in the work, by ask; those that this run has made use of or given up.
    _answers: dict[str, WorkAnswer] = field(default_factory=dict[str, WorkAnswer])
    _settled: set[str] = field(default_factory=set[str])
    denied: set[str] = field(default_factory=set[str])
    # Those that an earlier run let through and nobody knows the outcome of.
    unknown: set[str] = field(default_factory=set[str])
    # What the person answered to our own `ask` tool, for its handler.
    _told: dict[str, str] = field(default_factory=dict[str, str])

    async def decide(self, call: ToolCall) -> Decision:
        """May this call run? The same call is decided once, however often and by whomever it is asked."""
        known = self._decisions.get(call.id)
        if known is None:
            known = self._decisions[call.id] = (call, asyncio.create_task(self._decide_and_note(call)))
        return await asyncio.shield(known[1])

    def answer_told(self, call_id: str) -> ToolAnswer | None:
        """The person's answer to a call of our `ask`, if this is one."""
        text = self._told.get(call_id)
        return None if text is None else ToolAnswer(text=text)

    def answers(self, answers: Iterable[WorkAnswer]) -> None:
        """What the person has answered so far."""
        self._answers = {a.ask_id: a for a in answers}
        for ask_id, held in self._held.items():
            if ask_id in self._answers and not held.answer.done():
                held.answer.set_result(self._answers[ask_id].answer)

    def unclaimed(self) -> list[WorkAnswer]:
        """Answers to asks that no call of this run waits for."""
        return [a for ask_id, a in self._answers.items() if ask_id not in self._settled]

    def claim(self, ask_id: str) -> None:
        """The agent is told of this answer in words."""
        self._settled.add(ask_id)
        self.report(AnswerTaken(ask_id=ask_id))

    def park(self) -> None:
        """From here on a call defers, where that can be done, whatever it would have been told."""
        self._parking.set()

    def end_turn(self, reason: str, last: bool = False) -> None:
        """The turn is over: no call of it waits any more, but those of sub-agents that work on in the background."""
        for call_id, (call, task) in list(self._decisions.items()):
            if call.subagent is None or last:
                task.cancel()
                del self._decisions[call_id]
        for ask_id, held in list(self._held.items()):
            if held.call.subagent is None or last:
                del self._held[ask_id]
                if held.call.id != self.deferred:
                    self._withdraw(ask_id, reason)

    def cut_off(self) -> None:
        """The agent has died: what it asked stays open, and the answer is told to the next one in words."""
        self._held.clear()
        self.end_turn("", last=True)

    # ---- one call ---------------------------------------------------------------------------------------------
    async def _decide_and_note(self, call: ToolCall) -> Decision:
        """What runs is known to have run, whatever dies: it waits for a disk that is full."""
        decision = await self._decide(call)
        if isinstance(decision, Allow):
            await self.stored()
        return decision

    async def _decide(self, call: ToolCall) -> Decision:
        if call.id in self.released_before and not (call.ours and self.rules.ours.get(call.name) == "request"):
            # Our own requests are keyed by the call: asking again gives the first answer.
            self.unknown.add(call.id)
            return self._deny(call, OUTCOME_UNKNOWN)
        verdict = self.rules.judge(call)
        if isinstance(verdict, Deny):
            return self._deny(call, verdict.reason)
        if isinstance(verdict, Ask) and (approval := self._approval(call)) is not None:
            self.report(Released(call_id=call.id, turn=self.turn, by="answer", ask_id=approval.ask_id))
            if approval.ask_id not in self._settled:
                self.claim(approval.ask_id)
            return Allow()
        if self._parking.is_set() and not (isinstance(verdict, Ask) and self._asked(call) in self._answers):
            return self._defer(call)
        if isinstance(verdict, Allow):
            self.report(Released(call_id=call.id, turn=self.turn, by="policy"))
            return verdict
        return await self._ask(call, verdict)

    async def _ask(self, call: ToolCall, ask: Ask) -> Decision:
        ask_id = self._asked(call)
        held = _Held(call, asyncio.get_running_loop().create_future())
        if ask_id in self._answers:
            held.answer.set_result(self._answers[ask_id].answer)
        else:
            self.report(AskOpened(id=ask_id, call_id=call.id, turn=self.turn, title=ask.title, ask=ask.body))
        self._held[ask_id] = held
        try:
            answer = await self._wait(held)
        finally:
            if not held.answer.done():
                held.answer.cancel()
        if answer is None:
            return self._defer(call)
        del self._held[ask_id]
        self._settled.add(ask_id)
        return self._answered(call, ask_id, ask, answer)

    async def _wait(self, held: _Held) -> Answer | None:
        """The answer, or None when the call is to be deferred."""
        parking = asyncio.create_task(self._parking.wait())
        # A sub-agent's call, or one of an agent that can't defer, is held for as long as it takes.
        patience = self.rules.policy.hold_seconds if self._may_defer(held.call) else None
        try:
            await asyncio.wait({held.answer, parking}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        finally:
            parking.cancel()
        return held.answer.result() if held.answer.done() else None

    def _defer(self, call: ToolCall) -> Decision:
        if self._may_defer(call) and self.deferred is None:
            self.deferred = call.id
            self._parking.set()
            return Defer()
        ask_id = self._asked(call)
        if self._held.pop(ask_id, None) is not None:
            self._withdraw(ask_id, "Another call waits; this one is asked again afterwards.")
        return self._deny(call, ASK_AGAIN)

    def _may_defer(self, call: ToolCall) -> bool:
        return self.can_defer and call.subagent is None

    def _answered(self, call: ToolCall, ask_id: str, ask: Ask, answer: Answer) -> Decision:
        decision = ask.body.outcome(answer, call.input, ours=call.ours)
        if isinstance(decision, Deny):
            self.report(AnswerTaken(ask_id=ask_id))
            return self._deny(call, decision.reason)
        if decision.answer is not None:
            self._told[call.id] = decision.answer
        # In this order: an answer that was taken and released nothing would be lost with this process.
        self.report(Released(call_id=call.id, turn=self.turn, by="answer", ask_id=ask_id))
        self.report(AnswerTaken(ask_id=ask_id))
        return decision

    def _deny(self, call: ToolCall, reason: str) -> Deny:
        self.denied.add(call.id)
        return Deny(reason)

    def _approval(self, call: ToolCall) -> ApprovedCall | None:
        """An approval of this very call that lost its run; used up by this."""
        for approval in self.approved:
            if approval.tool == call.name and approval.input == call.input:
                self.approved.remove(approval)
                return approval
        return None

    def _withdraw(self, ask_id: str, reason: str) -> None:
        self._settled.add(ask_id)
        self.report(AskWithdrawn(ask_id=ask_id, reason=reason))

    def _asked(self, call: ToolCall) -> str:
        return f"ask-{self.thread}-{call.id}"


def in_words(answer: WorkAnswer) -> str:
    """A decision as a message, for an agent whose call is gone."""
    given = answer.answer
    lines = given.filled()
    if given.text:
        lines.append(given.text)
    said = {
        Said.ALLOW: "The person allowed the call you had asked about. Make it again if it is still needed.",
        Said.APPROVE: "The person approved.",
        Said.DENY: "The person refused the call you had asked about.",
        Said.REVISE: "The person wants your plan changed.",
        Said.ANSWER: "The person answered what you had asked.",
        Said.DISMISS: "The person chose not to answer; go on as you think best.",
        Said.RETRY: "The person wants you to try again.",
    }[given.decision]
    return "\n".join([said, *lines])
