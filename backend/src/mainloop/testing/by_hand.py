"""A runner played by hand: says what a test wants, when it wants, over the real protocol."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx

from mainloop.testing.server import client
from mainloop.testing.workspaces import MemoryWorkspaces
from mainloop.workspaces.base import RunSpec
from mainloop_models import runner as r
from mainloop_models.asks import AskBody, Option, PermissionAsk, Question, QuestionAsk
from mainloop_models.events import AgentError, ModelUsage, TurnOutcome


class HandRunner:
    """The runner of one run. `spool` holds all it ever said, as its file would."""

    def __init__(self, url: str, spec: RunSpec, workspaces: MemoryWorkspaces) -> None:
        self.thread_id, self.run = spec.thread_id, spec.run
        self.http = client(url, headers={"Authorization": f"Bearer {spec.token}"}, timeout=40)
        self.spool: list[r.Report] = []
        self._sent = 0
        self._workspaces = workspaces
        self._turn = 0
        self.taken: list[str] = []

    # -- the four routes ---------------------------------------------------------------------------------------
    def try_hello(self) -> httpx.Response:
        hello = r.Hello(thread_id=self.thread_id, run=self.run, pid=1, host="here", version="test")
        return self.http.post("/runner/v1/hello", content=hello.model_dump_json(), headers=_JSON)

    def hello(self) -> r.Welcome:
        answer = self.try_hello()
        assert answer.status_code == 200, answer.text
        welcome = r.Welcome.model_validate_json(answer.content)
        self._turn = welcome.last_turn
        return welcome

    def try_send(self, reports: list[r.Report]) -> httpx.Response:
        body = r.Reports(thread_id=self.thread_id, reports=reports)
        return self.http.post("/runner/v1/reports", content=body.model_dump_json(), headers=_JSON)

    def send(self, reports: list[r.Report]) -> r.Receipt:
        answer = self.try_send(reports)
        assert answer.status_code == 200, answer.text
        return r.Receipt.model_validate_json(answer.content)

    def try_work(self, seen: str = "") -> httpx.Response:
        return self.http.get("/runner/v1/work", params={"seen": seen})

    def work(self, seen: str = "") -> r.Work:
        """What is open; with `seen` it waits until that changes."""
        answer = self.try_work(seen)
        assert answer.status_code == 200, answer.text
        return r.Work.model_validate_json(answer.content)

    def try_deltas(self, *deltas: r.Delta) -> httpx.Response:
        body = r.Deltas(thread_id=self.thread_id, run=self.run, deltas=list(deltas))
        return self.http.post("/runner/v1/deltas", content=body.model_dump_json(), headers=_JSON)

    def delta(self, message_id: str, offset: int, text: str, turn: int | None = None) -> int:
        """Send a piece; how many characters the server holds of its message."""
        given = r.Delta(message_id=message_id, turn=turn or self._turn, offset=offset, text=text)
        answer = self.try_deltas(given)
        assert answer.status_code == 200, answer.text
        return r.DeltasTaken.model_validate_json(answer.content).lengths[message_id]

    # -- saying ------------------------------------------------------------------------------------------------
    def write(self, *bodies: r.ReportBody) -> list[r.Report]:
        """Write reports into the spool without sending them."""
        new = [
            r.Report(run=self.run, number=len(self.spool) + n, at=datetime.now(UTC), body=body)
            for n, body in enumerate(bodies, 1)
        ]
        self.spool += new
        return new

    def say(self, *bodies: r.ReportBody) -> r.Receipt:
        """Write reports and send all that was not sent yet."""
        self.write(*bodies)
        receipt = self.send(self.spool[self._sent :])
        self._sent = len(self.spool)
        return receipt

    def until_work(self, fits: Callable[[r.Work], object]) -> r.Work:
        """Ask for work until it fits, as a runner's long poll does."""
        work = self.work()
        for _ in range(20):
            if fits(work):
                return work
            work = self.work(work.version)
        raise AssertionError(f"the work never fitted: {work}")

    def take(self) -> r.WorkMessage:
        """The first open message, waiting until there is one."""
        return self.until_work(lambda work: work.messages).messages[0]

    def begin(self, *message_ids: str) -> int:
        """Start the next turn with these messages, or with the one that is open; its number."""
        ids = list(message_ids) or [self.take().id]
        self._turn += 1
        self.say(
            r.AgentSession(agent_session="s-" + self.thread_id[:40], version="1"),
            r.TurnStarted(turn=self._turn, message_ids=ids),
        )
        self.taken = ids
        return self._turn

    def end(
        self,
        outcome: TurnOutcome = "completed",
        *,
        finished: list[str] | None = None,
        text: str = "",
        error: AgentError | None = None,
        deferred_call: str | None = None,
    ) -> r.Receipt:
        """End the turn."""
        done = self.taken if outcome in ("completed", "interrupted") else []
        return self.say(
            r.TurnEnded(
                turn=self._turn,
                outcome=outcome,
                finished=done if finished is None else finished,
                text=text,
                error=error,
                deferred_call=deferred_call,
            )
        )

    def spent(
        self, usd: float | None = None, tokens: int = 0, model: str = "opus", turn: int | None = None
    ) -> r.Receipt:
        """What the turn has used so far in this run."""
        used = ModelUsage(model=model, cost_usd=usd, input_tokens=tokens)
        return self.say(r.Spent(turn=turn or self._turn, models=[used]))

    def paused(self) -> r.Work:
        """Wait until the turn is to be stopped because a ceiling was reached, and stop it."""
        work = self.until_work(lambda work: work.pause == self._turn)
        self.end("failed", error=AgentError(code="ceiling", message="A spending ceiling was reached."))
        return work

    def reply(self, text: str, message_id: str | None = None) -> r.Receipt:
        return self.say(r.Said(id=message_id or f"said-{uuid.uuid4()}", turn=self._turn, text=text))

    def whole_turn(self, text: str) -> int:
        """Take a message, answer it, end the turn."""
        turn = self.begin()
        self.reply(text)
        self.end(text=text)
        return turn

    def request(self, tool: str, call_id: str | None = None, **arguments: Any) -> r.ToolAnswer:
        """Call one of our tools."""
        call = call_id or f"call-{uuid.uuid4().hex[:12]}"
        receipt = self.say(r.ToolRequest(call_id=call, turn=self._turn, tool=tool, arguments=arguments))
        return receipt.answers[call]

    def ask(self, ask: AskBody, call_id: str | None = None, title: str = "May I?") -> str:
        """Open an ask; its id."""
        call = call_id or f"call-{uuid.uuid4().hex[:12]}"
        ident = f"ask-{self.thread_id}-{call}"
        self.say(r.AskOpened(id=ident, call_id=call, turn=self._turn, title=title, ask=ask))
        return ident

    def ask_permission(self, command: str = "make", call_id: str | None = None) -> str:
        ask = PermissionAsk(tool="Bash", input={"command": command}, command=command)
        return self.ask(ask, call_id, title=f"Run {command}?")

    def ask_question(self, *questions: str, call_id: str | None = None) -> str:
        asked = [Question(question=q, options=[Option(label="yes"), Option(label="no")]) for q in questions or ["Ok?"]]
        return self.ask(QuestionAsk(questions=asked), call_id, title=asked[0].question)

    # -- ending ------------------------------------------------------------------------------------------------
    def bring(self) -> None:
        """The life of a runner that finds nothing in the spools of older ones, and is wanted for nothing else."""
        self.hello()
        self.until_work(lambda work: work.wanted == "park")
        self.goodbye()

    def goodbye(self, reason: str = "parked") -> None:
        """Report the run's end and let go of the lock."""
        self.say(r.RunEnded.model_validate({"reason": reason}))
        self.die()

    def die(self) -> None:
        """The process is gone; nobody holds the lock any more."""
        self._workspaces.end(self.thread_id)


_JSON = {"Content-Type": "application/json"}
