"""The life of one run, from hello to the last receipt.

Welcome → what older runs left in their spools → the agent → work, until parked, stopped or broken. Work is looked at
as a whole each time it changes: what is open is done, what is done is reported, and the report closes it. So work may
come twice, late or together, and nothing blocks what stands behind it.
"""

import asyncio
import logging
import os
import socket
import uuid
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

from mainloop_agent import VERSION, attachments
from mainloop_agent.agents import create
from mainloop_agent.agents.base import (
    Agent,
    AgentFailed,
    Decision,
    Host,
    Picture,
    Prompt,
    ResumeRefused,
    Setup,
    TurnEnd,
)
from mainloop_agent.bounds import Keeper, end_all
from mainloop_agent.calls import Calls, in_words
from mainloop_agent.policy import Rules, ToolCall
from mainloop_agent.reporter import Reporter, deliver_spool
from mainloop_agent.server import Refused, Server
from mainloop_agent.set_up import TOOL as SET_UP
from mainloop_agent.set_up import Outcome as SetUpOutcome
from mainloop_agent.set_up import SetUp
from mainloop_agent.spending import Counter
from mainloop_agent.spool import Spool, older_runs
from mainloop_agent.titles import title_of
from mainloop_models.asks import Deny
from mainloop_models.events import AgentError, ContextUse, ModelUsage, TodoEntry, Usage
from mainloop_models.runner import (
    AgentSession,
    Hello,
    MessageTaken,
    Reasoned,
    Retrying,
    RunEnded,
    RunFile,
    Said,
    Spent,
    Todo,
    ToolAnswer,
    ToolCalled,
    ToolEnded,
    ToolRequest,
    TurnEnded,
    TurnStarted,
    Welcome,
    Work,
    WorkMessage,
    WorkspaceSetUp,
)

log = logging.getLogger(__name__)

# What one tool gives back is kept up to this many characters, its head and its tail.
LONGEST_OUTPUT = 400_000
# A runner that was told by a signal to end waits this long for its last words to arrive; the next run has the rest.
LAST_WORDS_SECONDS = 15.0
# An agent that does not end its turn so many seconds after an interrupt is interrupted again, then ended.
INTERRUPT_SECONDS = 5.0
# An agent whose record ends in a call that was cut off goes on with it within so many seconds, or not at all.
STIR_SECONDS = 10.0
# Between two looks at work that has not changed.
IDLE_PAUSE = 0.1


# Characters of a failed set-up's output that the agent is told.
SET_UP_EXCERPT = 4000

NOT_SET_UP = AgentError(
    code="other",
    message="The set-up of its workspace was stopped before it ended.",
    hint="Try again to run it anew, or change it in the settings of the project.",
)
PAUSED = AgentError(code="ceiling", message="A spending ceiling was reached.")

MakeAgent = Callable[[Setup, Host], Agent]


@dataclass
class _Turn:
    number: int
    messages: list[str]
    interrupted: bool = False
    # Stopped because a ceiling was reached: what it is about stays open.
    paused: bool = False
    # It begins with the project's set-up, which has not ended.
    setting_up: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)
    # The agent knows that it was interrupted, or it is over: a call that is refused now brings no further request.
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    # Why it was ended by us.
    error: AgentError | None = None
    called: dict[str, ToolCall] = field(default_factory=dict[str, ToolCall])
    ended: set[str] = field(default_factory=set[str])


async def live(run: RunFile, server: Server, parking: asyncio.Event, make_agent: MakeAgent = create) -> None:
    """One run, whole. Returns when it is over, all of it told. Raises Refused when the server does not want it."""
    beginning = asyncio.create_task(begin(run, server))
    parked = asyncio.create_task(parking.wait())
    await asyncio.wait({beginning, parked}, return_when=asyncio.FIRST_COMPLETED)
    parked.cancel()
    if not beginning.done():
        # Told to end before the server was there: nothing has been done yet.
        beginning.cancel()
        return
    welcome, spool = beginning.result()
    await Runner(run, welcome, server, spool, parking, make_agent).live()


async def begin(run: RunFile, server: Server) -> tuple[Welcome, Spool]:
    """Says hello, delivers what older runs left, and opens this run's own spool."""
    spools = Path(run.home) / "spool"
    welcome = await server.hello(greeting(run))
    left = older_runs(spools, run.run)
    for older in left:
        await deliver_spool(server, Spool.open(spools, older, welcome.acked.get(older, 0)), run.thread_id)
    if left:
        # What the server knows has changed by what it has just read.
        welcome = await server.hello(greeting(run))
    return welcome, Spool.open(spools, run.run, welcome.acked.get(run.run, 0))


def greeting(run: RunFile) -> Hello:
    return Hello(thread_id=run.thread_id, run=run.run, pid=os.getpid(), host=socket.gethostname(), version=VERSION)


class Runner:
    """One run after its welcome: the work, the turns, and what the agent tells (agents.base.Host)."""

    def __init__(
        self,
        run: RunFile,
        welcome: Welcome,
        server: Server,
        spool: Spool,
        parking: asyncio.Event,
        make_agent: MakeAgent,
    ) -> None:
        self._run = run
        self._welcome = welcome
        self._server = server
        self._spool = spool
        # Set by a signal: end, so that the agent can be resumed.
        self._parking = parking
        self._reporter = Reporter(server, spool, run.thread_id)
        self._agent = make_agent(Setup(run, welcome), self)
        self._calls = Calls(
            thread=run.thread_id,
            rules=Rules(
                workspace=Path(run.workspace),
                agent_home=Path(run.agent_home),
                policy=welcome.policy,
                confined=run.confined,
                ours={tool.name: tool.via for tool in welcome.tools},
            ),
            report=self._reporter.report,
            stored=self._reporter.stored,
            can_defer=self._agent.capabilities.can_defer,
            released_before=frozenset(welcome.released),
            approved=list(welcome.approved),
        )
        self._work = Work(version="")
        # Set whenever the work has changed, for calls that wait for a higher limit.
        self._raised = asyncio.Event()
        self._counter = Counter()
        self._changed = asyncio.Event()
        # What is open has been read at least once: an answer that is there already is not asked for again.
        self._informed = asyncio.Event()
        self._turn: _Turn | None = None
        # What the agent and all it has started take of the machine, and why it was ended for that between two turns.
        self._bounds = Keeper(welcome.bounds, Path(run.workspace))
        self._overrun: AgentError | None = None
        self._last_turn = welcome.last_turn
        # What an agent without a record is told first.
        self._before = welcome.before
        # The agent can be talked to.
        self._started = False
        # Still to be run in this workspace.
        self._set_up = SetUp(run, welcome.set_up) if welcome.set_up else None
        # Messages that need no further turn; the newest attempt at each; those handed into a running turn.
        self._finished: set[str] = set()
        self._tried: dict[str, int] = {}
        self._steered: set[str] = set()
        self._beside: set[asyncio.Task[None]] = set()

    # ---- the life ---------------------------------------------------------------------------------------------
    async def live(self) -> None:
        driving = asyncio.create_task(self._drive())
        beside = (self._reporter.run(), self._poll(), self._watch_for_park(), self._keep_bounds())
        helpers = [asyncio.create_task(helper) for helper in beside]
        try:
            await asyncio.wait([driving, *helpers], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in [*self._beside, *helpers, *([] if driving.done() else [driving])]:
                task.cancel()
            results = await asyncio.gather(driving, *helpers, return_exceptions=True)
            self._spool.close()
        for result in results:
            raise_failure(result)
        if self._spool.is_told:
            self._spool.remove()

    async def _drive(self) -> None:
        try:
            ended = await self._with_agent()
        except (AgentFailed, OSError) as failed:
            ended = self._broken(failed)
        except (Refused, asyncio.CancelledError):
            await self._agent.close(at_once=True)
            raise
        await self._agent.close()
        self._calls.end_turn("The run has ended.", last=True)
        self._reporter.report(ended)
        # The server learns of it before the lock is free, unless a signal told us to go.
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_SECONDS if self._parking.is_set() else None):
                await self._reporter.delivered()

    def _broken(self, failed: AgentFailed | OSError) -> RunEnded:
        """Ends turn and run of an agent that is gone."""
        error = failed.error if isinstance(failed, AgentFailed) else no_room(failed)
        error = self._overrun or error
        if self._turn is not None:
            over = self._finish(TurnEnd("cut_off", error=error))
            if over is not None and over.reason == "parked":
                return over
        return RunEnded(reason="fresh_session" if isinstance(failed, ResumeRefused) else "failed", error=error)

    async def _with_agent(self) -> RunEnded:
        welcome = self._welcome
        await self._informed.wait()
        if (ending := self._ending()) is not None:
            # It only had to bring what older runs left.
            return RunEnded(reason=ending)
        if welcome.deferred_call is not None and welcome.open_turn:
            # The turn that an earlier run left in a deferred call goes on, as the same turn.
            turn = _Turn(welcome.open_turn, list(welcome.open_messages))
            self._begin(turn)
            self._reporter.report(TurnStarted(turn=turn.number, message_ids=list(turn.messages)))
            await self._start_agent()
            if (ended := self._finish(await self._agent.carry_on())) is not None:
                return ended
        else:
            await self._start_agent()
            if welcome.deferred_call is not None and await self._stirs_soon():
                # The call ran when its turn was cut off: the agent asks about it once more, and is told so.
                self._start_turn(list(welcome.open_messages))
                if (ended := self._finish(await self._agent.carry_on())) is not None:
                    return ended
        while True:
            if self._overrun is not None:
                return RunEnded(reason="failed", error=self._overrun)
            if (ending := self._ending()) is not None:
                return RunEnded(reason=ending)
            if (turn := await self._next_turn()) is not None:
                end = await self._take_up(turn)
            elif await self._agent_stirs():
                self._start_turn([])
                end = await self._agent.carry_on()
            else:
                continue
            if (ended := self._finish(end)) is not None:
                return ended

    async def _take_up(self, prompt: Prompt) -> TurnEnd:
        """One turn of the agent; the first one in a new workspace begins with the project's set-up."""
        if self._set_up is not None and self._turn is not None:
            words = await self._run_set_up(self._set_up)
            self._turn.setting_up = False
            if words is None:
                return TurnEnd("interrupted") if self._ending() == "stopped" else TurnEnd("failed", error=NOT_SET_UP)
            self._set_up = None
            prompt = replace(prompt, text="\n\n".join([*framed([words]), prompt.text]))
            self._heed()
        return await self._agent.prompt(prompt)

    async def _run_set_up(self, set_up: SetUp) -> str | None:
        """Runs it as a call that is seen like the agent's own. What the agent is told of it; None: it was cut off."""
        call = ToolCall(f"set-up-{uuid.uuid4()}", SET_UP, {"command": set_up.command})
        self.tool_called(call)
        try:
            outcome = await set_up.run(partial(self.output, call.id))
        except (OSError, ValueError) as error:
            outcome = SetUpOutcome(False, f"It could not be started: {error}")
        self.tool_ended(call.id, outcome.ok, outcome.output)
        if outcome.cut_off or (self._turn is not None and self._turn.error is not None):
            return None
        self._reporter.report(WorkspaceSetUp(turn=self._number, ok=outcome.ok))
        if outcome.ok:
            return f"This workspace was set up for you: `{set_up.command}` ended well."
        excerpt = outcome.output[-SET_UP_EXCERPT:]
        return (
            f"The project's set-up failed in this workspace: `{set_up.command}`. Mend what you need of it. Its last output:"
            f"\n\n{excerpt}"
        )

    async def _start_agent(self) -> None:
        await self._agent.start()
        self._started = True

    async def _stirs_soon(self) -> bool:
        """Whether the agent goes on by itself. One that doesn't is given the message again."""
        with suppress(TimeoutError):
            async with asyncio.timeout(STIR_SECONDS):
                await self._agent.stirred()
                return True
        return False

    async def _agent_stirs(self) -> bool:
        """Waits until there is work (False), or the agent has begun a turn by itself (True)."""
        changed = asyncio.create_task(self._changed.wait())
        stirred = asyncio.create_task(self._agent.stirred())
        try:
            await asyncio.wait({changed, stirred}, return_when=asyncio.FIRST_COMPLETED)
            if stirred.done():
                stirred.result()
                return True
            self._changed.clear()
            return False
        finally:
            for task in (changed, stirred):
                task.cancel()
            await asyncio.gather(changed, stirred, return_exceptions=True)

    def _ending(self) -> Literal["parked", "stopped"] | None:
        if self._work.wanted == "stop":
            return "stopped"
        return "parked" if self._parking.is_set() or self._work.wanted == "park" else None

    # ---- work -------------------------------------------------------------------------------------------------
    async def _poll(self) -> None:
        """Keeps what is open up to date."""
        while True:
            seen, self._work = self._work, await self._server.work(self._work.version)
            if seen.version == self._work.version:
                # Nothing new, or a server on its way down that lets nobody wait.
                await asyncio.sleep(IDLE_PAUSE)
            self._informed.set()
            self._heed()

    async def _watch_for_park(self) -> None:
        await self._parking.wait()
        self._heed()
        await asyncio.Event().wait()

    def _heed(self) -> None:
        """Looks at everything that is open and does what can't wait for the end of the turn."""
        self._changed.set()
        self._raised.set()
        self._calls.answers(self._work.answers)
        ending = self._ending()
        if ending is not None:
            self._calls.park()
        turn = self._turn
        if turn is None:
            return
        stop, pause = self._work.interrupt == turn.number or ending == "stopped", self._work.pause == turn.number
        if (stop or pause) and not turn.interrupted:
            turn.interrupted, turn.paused = True, not stop
            self._do_beside(self._interrupt(turn))
        if self._agent.capabilities.can_steer and self._started and not turn.setting_up:
            for message in self._work.messages:
                # What was given before is told with the turn that it was in.
                fresh = message.mode == "steer" and not message.again and message.id not in self._steered
                if fresh and self._is_open(message):
                    self._steered.add(message.id)
                    self._do_beside(self._steer(message))

    def _do_beside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    async def _interrupt(self, turn: "_Turn") -> None:
        """Stops this turn and no other. An agent that does not heed is asked again, then ended."""
        if turn.setting_up and self._set_up is not None:
            return self._set_up.stop()
        for _ in range(3):
            with suppress(AgentFailed, TimeoutError):
                async with asyncio.timeout(INTERRUPT_SECONDS):
                    await self._agent.interrupt()
                    turn.heard.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(INTERRUPT_SECONDS):
                    await turn.over.wait()
                return
        log.warning("turn %s did not end when interrupted: ending the agent", turn.number)
        await self._agent.close(at_once=True)

    async def _steer(self, message: WorkMessage) -> None:
        try:
            await self._agent.steer(await self._with_files(self._prompt(message)))
        except AgentFailed:
            # It has died; the message begins a turn of a later run.
            self._steered.discard(message.id)

    def _is_open(self, message: WorkMessage) -> bool:
        return message.id not in self._finished and (self._turn is None or message.id not in self._turn.messages)

    async def _next_turn(self) -> Prompt | None:
        """Begins the next turn, if there is a reason for one, and says what the agent is to be told.

        Files are fetched before: what is said into a turn that has begun would overtake its own message.
        """
        # What was handed into the turn that has ended is in the agent's hands already: it comes first.
        handed_in = [m for m in self._work.messages if m.id in self._steered]
        for message in (*handed_in, *self._work.messages):
            if self._is_open(message) and self._tried.get(message.id, -1) < message.attempt:
                self._tried[message.id] = message.attempt
                prompt = await self._with_files(self._prompt(message, self._decisions()))
                self._start_turn([message.id], setting_up=self._set_up is not None)
                return prompt
        if decisions := self._decisions():
            self._start_turn([], setting_up=self._set_up is not None)
            return Prompt(id=str(uuid.uuid4()), text="\n\n".join([*framed(self._take_before()), decisions]))
        return None

    def _prompt(self, message: WorkMessage, decisions: str = "") -> Prompt:
        context = framed([*self._take_before(), *self._bounds.take_ended(), *message.context])
        beside = [m for m in self._work.messages if m.id != message.id and self._is_open(m)]
        others = (m for m in beside if message.again and m.again)
        return Prompt(
            id=message.id,
            text="\n\n".join([*context, *([decisions] if decisions else []), *self._text(message)]),
            again=message.again,
            follow_up="\n\n".join(part for part in (message.follow_up, decisions) if part),
            beside=[Prompt(id=m.id, text="\n\n".join([*framed(m.context), *self._text(m)])) for m in others],
        )

    def _text(self, message: WorkMessage) -> list[str]:
        """What the person wrote, and what is said of the files that came with it."""
        home, sees = Path(self._run.agent_home), self._agent.capabilities.sees
        given = message.attachments
        words = attachments.in_words(home, given, has_files=self._has_files, sees=sees) if given else ""
        return [part for part in (message.text, words) if part]

    @property
    def _has_files(self) -> bool:
        return self._welcome.role == "session"

    async def _with_files(self, prompt: Prompt) -> Prompt:
        """The files of a message, fetched: laid into the agent's home, or into its text where it has no files."""
        message = next((m for m in self._work.messages if m.id == prompt.id), None)
        if message is None or not message.attachments:
            return prompt
        pictures: list[Picture] = []
        texts: list[str] = []
        for attachment in message.attachments:
            data = await self._server.attachment(message.id, attachment.id)
            if data is None:
                continue
            if self._has_files:
                try:
                    await asyncio.to_thread(attachments.put, Path(self._run.agent_home), attachment, data)
                except OSError as error:
                    texts.append(f"({attachment.name} could not be put there: {error.strerror or error})")
            elif attachment.type == "text/plain":
                texts.append(attachments.as_text(attachment, data))
            if attachments.is_picture(attachment):
                pictures.append(Picture(attachment.type, data))
        return replace(prompt, text="\n\n".join([prompt.text, *texts]), pictures=pictures)

    def _take_before(self) -> list[str]:
        before, self._before = self._before, ""
        return [before] if before else []

    def _decisions(self) -> str:
        """Answers whose calls are gone, in words for the agent. Each is told once."""
        words: list[str] = []
        for answer in self._calls.unclaimed():
            self._calls.claim(answer.ask_id)
            words.append(in_words(answer))
        return "\n\n".join(words)

    # ---- turns ------------------------------------------------------------------------------------------------
    def _start_turn(self, messages: list[str], *, setting_up: bool = False) -> None:
        self._last_turn += 1
        self._begin(_Turn(self._last_turn, messages, setting_up=setting_up))
        self._reporter.report(TurnStarted(turn=self._last_turn, message_ids=messages))

    def _begin(self, turn: _Turn) -> None:
        self._turn = turn
        self._last_turn = max(self._last_turn, turn.number)
        self._calls.turn = turn.number
        self._bounds.turn_begins()
        self._heed()

    def _finish(self, end: TurnEnd) -> RunEnded | None:
        """Reports how the turn ended; says whether the run ends with it."""
        turn = self._turn
        assert turn is not None
        for message in end.taken:
            self._taken(turn, message)
        outcome, error = end.outcome, turn.error or end.error
        if turn.error is not None:
            outcome = "failed"
        elif outcome == "interrupted" and not turn.interrupted:
            outcome = "cut_off"
        if outcome == "interrupted" and turn.paused:
            outcome, error = "failed", PAUSED
        for name in self._reporter.open_messages():
            # What was half said stays said.
            self._reporter.report(Said(id=name, turn=turn.number, text=self._reporter.written(name) or ""))
        self._reporter.forget_pieces()
        for call in turn.called.keys() - turn.ended - {end.deferred_call}:
            self._reporter.report(ToolEnded(id=call, turn=turn.number, status="unknown"))
        if outcome == "cut_off":
            self._calls.cut_off()
        else:
            self._calls.end_turn("The turn was interrupted." if outcome == "interrupted" else "The turn has ended.")
        spent = self._counter.end_turn()
        finished = turn.messages if outcome in ("completed", "interrupted") else []
        self._finished.update(finished)
        self._reporter.report(
            TurnEnded(
                turn=turn.number,
                outcome=outcome,
                finished=finished,
                text=end.text,
                error=error,
                deferred_call=end.deferred_call,
                usage=Usage.model_validate(spent.model_dump()),
                cost_usd=spent.cost_usd,
                duration_ms=end.duration_ms,
            )
        )
        self._turn = None
        self._bounds.turn_ended()
        turn.over.set()
        turn.heard.set()
        if outcome == "deferred":
            return RunEnded(reason="stopped" if self._ending() == "stopped" else "parked")
        if outcome == "cut_off":
            return RunEnded(reason="failed", error=error)
        if error is not None and (error.code in ("authentication", "disk") or error == NOT_SET_UP):
            # Another key comes with another environment, hence with another run; an agent that was ended needs one, too. And
            # a set-up runs anew when the person wants it to.
            return RunEnded(reason="parked", error=error)
        return None

    async def _keep_bounds(self) -> None:
        """Ends the agent, and with it all it has started, where it takes too much of the disk."""
        error = await self._bounds.run()
        log.warning("the agent is ended: %s", error.message)
        if self._turn is not None:
            self._turn.error = error
        else:
            self._overrun = error
        # Where no sandbox ends what the agent has started, it would write on.
        end_all()
        await self._agent.close(at_once=True)
        self._changed.set()
        await asyncio.Event().wait()

    def _taken(self, turn: _Turn, message: str) -> None:
        if message not in turn.messages:
            turn.messages.append(message)
            self._reporter.report(MessageTaken(turn=turn.number, message_id=message))

    # ---- what the agent tells (agents.base.Host) --------------------------------------------------------------
    @property
    def _number(self) -> int:
        return self._turn.number if self._turn else self._last_turn

    def agent_session(self, session: str, version: str) -> None:
        self._reporter.report(AgentSession(agent_session=session, version=version))

    def delta(self, message: str, text: str, what: Literal["text", "reasoning"] = "text") -> None:
        self._reporter.delta(message, self._number, text, what)

    def said(self, message: str, text: str) -> None:
        self._reporter.report(Said(id=message, turn=self._number, text=text))

    def reasoned(self, message: str, text: str, duration_ms: int) -> None:
        self._reporter.report(Reasoned(id=message, turn=self._number, text=text, duration_ms=duration_ms))

    def tool_called(self, call: ToolCall) -> None:
        if self._turn is None or call.id in self._turn.called:
            return
        self._turn.called[call.id] = call
        self._reporter.report(
            ToolCalled(
                id=call.id,
                turn=self._number,
                tool=call.name,
                title=title_of(call.name, call.input, self._run.workspace),
                input=call.input,
                parent_id=call.parent_id,
            )
        )

    def tool_ended(self, call_id: str, ok: bool, output: str) -> None:
        turn = self._turn
        if turn is None or call_id in turn.ended:
            return
        turn.ended.add(call_id)
        status: Literal["ok", "error", "denied", "unknown"] = "ok" if ok else "error"
        if call_id in self._calls.unknown:
            status = "unknown"
        elif call_id in self._calls.denied:
            status = "denied"
        elif turn.interrupted and not ok:
            # To the agent it reads as rejected, but it may have run.
            status = "unknown"
        if not ok:
            output = "\n".join([*self._bounds.take_ended(), output])
        self._reporter.report(ToolEnded(id=call_id, turn=turn.number, status=status, output=shortened(output)))

    def output(self, call_id: str, text: str, left_out: int = 0) -> None:
        turn = self._turn
        if turn is not None and call_id in turn.called and call_id not in turn.ended:
            self._reporter.output(call_id, turn.number, text, left_out)

    def todo(self, entries: Sequence[TodoEntry]) -> None:
        self._reporter.report(Todo(turn=self._number, entries=list(entries)))

    def retrying(self, text: str, attempt: int = 0, of: int = 0) -> None:
        self._reporter.report(Retrying(turn=self._number, text=text, attempt=attempt, of=of))

    def compacting(self, text: str) -> None:
        self._reporter.report(Retrying(turn=self._number, text=text, what="compacting"))

    def going_on(self) -> None:
        self._reporter.report(Retrying(turn=self._number))

    def spent(self, models: Sequence[ModelUsage], *, on_plan: bool = False, context: ContextUse | None = None) -> None:
        fresh = self._counter.count(models)
        # Between two turns it counts for the next one.
        if self._turn is not None and fresh:
            self._reporter.report(Spent(turn=self._turn.number, models=fresh, on_plan=on_plan, context=context))

    def taken(self, message_id: str) -> None:
        if self._turn is not None:
            self._taken(self._turn, message_id)

    async def decide(self, call: ToolCall) -> Decision:
        if call.subagent is None:
            self.tool_called(call)
        turn = self._turn
        while turn is not None and not turn.over.is_set() and self._counter.is_over(self._work.limit):
            # Nothing more is called, hence nothing more asked of the model, before the server says so.
            if turn.interrupted:
                # Refused any sooner, it would ask the model what to do instead.
                await turn.heard.wait()
                self._calls.denied.add(call.id)
                return Deny(PAUSED.message)
            self._raised.clear()
            await self._raised.wait()
        return await self._calls.decide(call)

    async def request(self, call_id: str, tool: str, arguments: dict[str, object]) -> ToolAnswer:
        told = self._calls.answer_told(call_id)
        if told is not None:
            return told
        # In the spool before the first wait: the agent may be interrupted, the call is made all the same.
        request = ToolRequest(call_id=call_id, turn=self._number, tool=tool, arguments=arguments)
        return await asyncio.shield(self._reporter.request(request))


def no_room(error: OSError) -> AgentError:
    """The agent can't put on disk what it needs there. What is reported of it waits for room, so it goes on by itself."""
    return AgentError(
        code="crashed",
        message=f"The agent's files could not be written: {error.strerror or error}.",
        hint="Free some space on the disk.",
    )


def framed(texts: list[str]) -> list[str]:
    """Texts as data: none can end its own frame."""
    data = [text.replace("</context", "<\\/context") for text in texts]
    return [f"<context>\n{text}\n</context>" for text in data]


def raise_failure(result: object) -> None:
    """Raises what a task met, a refusal first; that it was cancelled is no failure."""
    if isinstance(result, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", result)
        refusals = group.subgroup(Refused)
        raise_failure((refusals or group).exceptions[0])
    elif isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
        raise result


def shortened(text: str) -> str:
    if len(text) <= LONGEST_OUTPUT:
        return text
    half = LONGEST_OUTPUT // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"
