"""The scripted agent: a real agent without a model, for the demo and for tests. No program, no network, no account.

A message may carry its script, `[[script]] [ {step}, … ] [[/script]]`, in the language of the scripted model server:

    text, thinking, tools     what is said and called; "{{result}}", "{{user}}", "{{step}}", "{{find:REGEX}}"
    chunks or words, chunk_delay, delay, tail_delay    how it is streamed
    gate, gate_mid            waits until the gate is open (a server's, named by SCRIPTED_GATES in the environment)
    error                     {"status": 529, "message": "…", "times": 1}; tried again by itself, as often as
                              CLAUDE_CODE_MAX_RETRIES of its environment says, after "pause" seconds
    usage                     {"input_tokens", "output_tokens", …, "cost_usd"}: what the step has used; it has no model,
                              so by itself it costs nothing

Its tools are real: they meet the same policy, and run inside the same sandbox. Its record lies in its home, so that a
conversation is resumed, a deferred call goes on with the same id, and a message it knows is not taken twice.
"""

import asyncio
import codecs
import json
import os
import re
import signal
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import httpx

from mainloop_agent import VERSION
from mainloop_agent.agents import demo
from mainloop_agent.agents.base import Capabilities, Defer, Host, Prompt, ResumeRefused, Setup, TurnEnd
from mainloop_agent.agents.problems import api_problem
from mainloop_agent.agents.todos import todo_entries
from mainloop_agent.bounds import end_all
from mainloop_agent.output import NEWEST
from mainloop_agent.policy import ToolCall
from mainloop_agent.spending import TOKENS
from mainloop_models.asks import Deny
from mainloop_models.events import AgentError, ModelUsage

Step = dict[str, Any]

OPEN, CLOSE = "[[script]]", "[[/script]]"
PREFIX = "mcp__mainloop__"


@dataclass
class _Call:
    """One call of a step; without a result it is still to be made."""

    id: str
    name: str
    input: dict[str, Any]
    result: str | None = None
    ok: bool = True


@dataclass
class _Turn:
    """What the agent has recorded of one turn."""

    message: str
    text: str
    steps: list[Step]
    at: int = 0
    spoken: bool = False
    ended: bool = False
    calls: list[_Call] = field(default_factory=list[_Call])
    results: list[str] = field(default_factory=list[str])
    said: list[str] = field(default_factory=list[str])
    steered: dict[str, str] = field(default_factory=dict[str, str])
    errors: int = 0


class _Deferred(Exception):
    def __init__(self, call: str) -> None:
        self.call = call


class _Problem(Exception):
    def __init__(self, error: AgentError) -> None:
        self.error = error


class ScriptedAgent:
    capabilities = Capabilities(can_steer=True, can_defer=True, exactly_once=True)

    def __init__(self, setup: Setup, host: Host) -> None:
        self._run = setup.run
        self._welcome = setup.welcome
        self._host = host
        self._path = Path(setup.run.agent_home) / "scripted" / f"{setup.welcome.agent_session}.json"
        self._turns: list[_Turn] = []
        self._planning = False
        self._told = False
        self._running: asyncio.Task[TurnEnd] | None = None
        self._steering: dict[str, str] = {}
        self._used = ModelUsage(model="scripted", cost_usd=0)
        self._tools = [tool.name for tool in setup.welcome.tools]

    async def start(self) -> None:
        self._take_over()
        if self._path.exists():
            self._load()
        elif self._welcome.resume:
            raise ResumeRefused(
                AgentError(code="refused", message="The scripted agent's record of this conversation is gone.")
            )

    def _take_over(self) -> None:
        """In a thread that branched off another its turns are the first ones of that one's."""
        fork, home = self._welcome.fork, self._run.fork_home
        theirs = Path(home or "") / "scripted" / self._path.name
        if fork is None or home is None or self._path.exists() or not theirs.is_file():
            return
        _, turns = _read(theirs)
        after = next((n for n, turn in enumerate(turns) if {turn.message, *turn.steered} & {*fork.later}), len(turns))
        if any({turn.message, *turn.steered} & {*fork.last} for turn in turns[:after]):
            self._turns = turns[:after]
            self._save()

    async def prompt(self, prompt: Prompt) -> TurnEnd:
        # A message that came for a turn which had no step left begins its own.
        self._steering.pop(prompt.id, None)
        known = next((t for t in self._turns if prompt.id == t.message or prompt.id in t.steered), None)
        beside = [other.id for other in prompt.beside if known is not None and other.id in known.steered]
        for message in beside:
            self._host.taken(message)
        if known is not None and not known.ended:
            return await self._go_on(known, beside)
        text = prompt.anew
        if known is not None:
            text = prompt.follow_up or "Go on."
        if known is None and not self._told:
            self._told = True
            self._host.agent_session(self._welcome.agent_session, VERSION)
        turn = _Turn(prompt.id, text, self._steps(text))
        self._turns.append(turn)
        self._save()
        return await self._go_on(turn, beside)

    async def carry_on(self) -> TurnEnd:
        turn = next((t for t in self._turns if not t.ended), None)
        return await self._go_on(turn) if turn else TurnEnd("completed")

    async def stirred(self) -> None:
        await asyncio.Event().wait()

    async def steer(self, prompt: Prompt) -> None:
        self._steering[prompt.id] = prompt.text

    async def interrupt(self) -> None:
        if self._running is not None:
            self._running.cancel()

    async def close(self, *, at_once: bool = False) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    # ---- a turn -----------------------------------------------------------------------------------------------
    async def _go_on(self, turn: _Turn, beside: Sequence[str] = ()) -> TurnEnd:
        began = time.monotonic()
        taken = list(beside)
        self._running = asyncio.create_task(self._play(turn, taken))
        try:
            end = await asyncio.shield(self._running)
        except asyncio.CancelledError:
            if not self._running.cancelled():
                self._running.cancel()
                raise
            turn.ended = True
            self._save()
            end = TurnEnd("interrupted", text=turn.said[-1] if turn.said else "")
        finally:
            self._running = None
        duration = int((time.monotonic() - began) * 1000)
        return replace(end, taken=tuple(taken), duration_ms=duration)

    async def _play(self, turn: _Turn, taken: list[str]) -> TurnEnd:
        try:
            while turn.at < len(turn.steps):
                self._take_in(turn, taken)
                step = turn.steps[turn.at]
                await self._step(turn, step)
                # As with a model: what calls no tool ends the turn.
                turn.at = turn.at + 1 if step.get("tools") else len(turn.steps)
                turn.spoken = False
                turn.results = [c.result or "" for c in turn.calls] or turn.results
                turn.calls = []
                self._save()
        except _Deferred as deferred:
            self._save()
            return TurnEnd("deferred", deferred_call=deferred.call)
        except _Problem as problem:
            # Not recorded as taken: the same message, given again, is tried again from here.
            self._save()
            return TurnEnd("failed", error=problem.error)
        turn.ended = True
        self._save()
        return TurnEnd("completed", text=turn.said[-1] if turn.said else "")

    def _take_in(self, turn: _Turn, taken: list[str]) -> None:
        """Messages that came meanwhile go in before the next step, as with a model."""
        if turn.at == 0 and not turn.said and not turn.results:
            return
        for message, text in self._steering.items():
            turn.steered[message] = text
            taken.append(message)
            self._host.taken(message)
        if self._steering:
            self._steering.clear()
            self._save()

    async def _step(self, turn: _Turn, step: Step) -> None:
        if not turn.spoken:
            await asyncio.sleep(step.get("delay", 0))
            await self._gate(step.get("gate"))
            error = step.get("error")
            if error:
                await self._fail(turn, error)
            known = self._known(turn)
            if step.get("thinking"):
                self._host.reasoned(f"thought-{uuid.uuid4()}", fill(step["thinking"], known), 0)
            if step.get("text") is not None:
                await self._say(turn, step, fill(step["text"], known))
            await asyncio.sleep(step.get("tail_delay", 0))
            self._use_up(turn, step)
            turn.calls = [
                _Call(t.get("id") or f"toolu_{uuid.uuid4().hex[:24]}", t["name"], fill(t.get("input", {}), known))
                for t in cast("list[Step]", step.get("tools", []))
            ]
            turn.spoken = True
            self._save()
        open_calls = [call for call in turn.calls if call.result is None]
        running = [asyncio.create_task(self._call(call)) for call in open_calls]
        try:
            results = await asyncio.gather(*running, return_exceptions=True)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        for result in sorted(results, key=lambda r: isinstance(r, _Deferred)):
            if isinstance(result, BaseException):
                raise result

    def _use_up(self, turn: _Turn, step: Step) -> None:
        """Counts what a step has used: as its script says, else a word is a token and nothing costs money."""
        said = {"input_tokens": len(turn.text) // 4 + 1, "output_tokens": len(str(step.get("text", ""))) // 4}
        used = ModelUsage.model_validate({"model": "scripted", "cost_usd": 0, **said, **step.get("usage", {})})
        cost = None if used.cost_usd is None or self._used.cost_usd is None else used.cost_usd + self._used.cost_usd
        sums = {name: getattr(used, name) + getattr(self._used, name) for name in TOKENS}
        self._used = ModelUsage(model="scripted", cost_usd=cost, **sums)
        self._host.spent([self._used])

    async def _fail(self, turn: _Turn, error: Step) -> None:
        """The service that this agent does not have refuses: it is tried again a number of times, as with a model."""
        most = int(self._run.environment.get("CLAUDE_CODE_MAX_RETRIES", "0"))
        attempt = 0
        while turn.errors < error.get("times", 1):
            turn.errors += 1
            problem = api_problem(error.get("status"), str(error.get("message", "scripted error")))
            attempt += 1
            if attempt > most:
                raise _Problem(problem)
            self._host.retrying(f"{problem.message.rstrip('.')}; trying again.", attempt, most)
            await asyncio.sleep(error.get("pause", 0))
        if attempt:
            self._host.going_on()

    async def _say(self, turn: _Turn, step: Step, text: str) -> None:
        name = f"said-{uuid.uuid4()}"
        waited = False
        for piece in pieces(text, step):
            self._host.delta(name, piece)
            if not waited:
                waited = True
                await self._gate(step.get("gate_mid"))
            await asyncio.sleep(step.get("chunk_delay", 0))
        self._host.said(name, text)
        turn.said.append(text)

    async def _gate(self, name: str | None) -> None:
        address = self._run.environment.get("SCRIPTED_GATES")
        if name and address:
            async with httpx.AsyncClient(trust_env=False, timeout=None, verify=address.startswith("https:")) as http:
                (await http.get(f"{address}/ctl/gate/{name}")).raise_for_status()

    # ---- tools ------------------------------------------------------------------------------------------------
    async def _call(self, wanted: _Call) -> None:
        name = wanted.name.removeprefix(PREFIX)
        ours = name in self._tools or wanted.name.startswith(PREFIX)
        call = ToolCall(wanted.id, name, wanted.input, ours=ours, planning=self._planning)
        self._host.tool_called(call)
        decision = await self._host.decide(call)
        if isinstance(decision, Defer):
            raise _Deferred(call.id)
        if isinstance(decision, Deny):
            wanted.result, wanted.ok = decision.reason, False
        else:
            given = decision.input or call.input
            if ours:
                answer = await self._host.request(call.id, name, given)
                wanted.result, wanted.ok = answer.text, not answer.is_error
            else:
                wanted.result, wanted.ok = await self._use(call.id, name, given)
        # Recorded before it is told: what was told to have ended is never made again.
        self._save()
        self._host.tool_ended(call.id, wanted.ok, wanted.result)

    async def _use(self, call: str, name: str, given: dict[str, Any]) -> tuple[str, bool]:
        match name:
            case "Bash":
                return await self._in_sandbox("bash", "-c", str(given.get("command", "")), call=call)
            case "Read":
                return await self._in_sandbox("cat", "--", str(given.get("file_path", "")))
            case "Write":
                write = 'mkdir -p "$(dirname -- "$1")" && cat > "$1"'
                path = str(given.get("file_path", ""))
                text, ok = await self._in_sandbox("sh", "-c", write, "sh", path, stdin=str(given.get("content", "")))
                return (f"Wrote {path}." if ok else text), ok
            case "TodoWrite":
                self._host.todo(todo_entries(given))
                return "The list of steps is up to date.", True
            case "AskUserQuestion":
                answers = cast("dict[str, str]", given.get("answers", {}))
                return "Your questions have been answered: " + "; ".join(f"{q} {a}" for q, a in answers.items()), True
            case "elicitation":
                said = {"action": given["action"], **({"content": given["content"]} if "content" in given else {})}
                return json.dumps(said, ensure_ascii=False), True
            case "EnterPlanMode":
                self._planning = True
                return "You are planning now.", True
            case "ExitPlanMode":
                self._planning = False
                return "The person has approved your plan. Go ahead.", True
            case _:
                return f"No such tool available: {name}", False

    async def _in_sandbox(self, *command: str, stdin: str = "", call: str = "") -> tuple[str, bool]:
        """Runs it to its end. What it puts out is told as of `call` while it comes."""
        wrap = [*self._run.wrap, "--"] if self._run.wrap else []
        process = await asyncio.create_subprocess_exec(
            *wrap,
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=self._run.workspace,
            env={**os.environ, **self._run.variables, **self._run.environment, "HOME": self._run.agent_home},
            start_new_session=True,
        )
        try:
            output = await self._listen(process, stdin, call)
        finally:
            if process.returncode is None:
                end_all(process.pid)
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        text = output.decode(errors="replace").strip()
        return (text, True) if process.returncode == 0 else (f"Exit code {process.returncode}\n{text}", False)

    async def _listen(self, process: asyncio.subprocess.Process, stdin: str, call: str) -> bytes:
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(BrokenPipeError, ConnectionResetError):
            process.stdin.write(stdin.encode())
            await process.stdin.drain()
        process.stdin.close()
        output = bytearray()
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        while piece := await process.stdout.read(NEWEST):
            output += piece
            if call:
                self._host.output(call, decoder.decode(piece))
        await process.wait()
        return bytes(output)

    # ---- what it says -----------------------------------------------------------------------------------------
    def _steps(self, text: str) -> list[Step]:
        start, end = text.find(OPEN), text.rfind(CLOSE)
        if 0 <= start < end:
            try:
                steps: Any = json.loads(text[start + len(OPEN) : end])
            except ValueError as error:
                return [{"text": f"(the script does not parse: {error})"}]
            return cast("list[Step]", steps) if isinstance(steps, list) else [cast("Step", steps)]
        context, words = split_context(text)
        if self._welcome.demo and self._welcome.role == "main":
            return demo.main_steps(words, context, self._tools)
        if self._welcome.demo:
            return demo.session_steps(words, not self._turns, self._tools)
        before = f" (before: {self._turns[-1].text[:60]})" if self._turns else ""
        return [{"text": f"ok: {words[:200]}{before}"}]

    def _known(self, turn: _Turn) -> dict[str, str]:
        texts = [t.text for t in self._turns if OPEN not in t.text] + list(turn.steered.values()) + turn.results
        return {
            "result": "\n".join(turn.results),
            "user": turn.text[:200],
            "model": "scripted",
            "step": str(turn.at),
            "all": "\n".join(texts),
        }

    # ---- its record -------------------------------------------------------------------------------------------
    def _save(self) -> None:
        record = json.dumps({"planning": self._planning, "turns": [asdict(t) for t in self._turns]})
        fresh = self._path.with_suffix(".new")
        # On a full disk it goes on from memory, as Claude Code does; the next save has all of it.
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_text(record)
            fresh.replace(self._path)

    def _load(self) -> None:
        self._planning, self._turns = _read(self._path)


def _read(path: Path) -> tuple[bool, list[_Turn]]:
    """Whether it plans, and its turns."""
    record = cast("dict[str, Any]", json.loads(path.read_text()))
    turns: list[_Turn] = []
    for kept in cast("list[dict[str, Any]]", record["turns"]):
        calls = [_Call(**c) for c in cast("list[dict[str, Any]]", kept.pop("calls"))]
        turns.append(_Turn(**kept, calls=calls))
    return bool(record["planning"]), turns


def fill(value: Any, known: Mapping[str, str]) -> Any:
    """Replaces "{{…}}" in every text of a step."""
    if isinstance(value, str):

        def look(match: re.Match[str]) -> str:
            found = re.search(match.group(1), known["all"])
            return (found.group(1) if found.groups() else found.group(0)) if found else ""

        text = re.sub(r"\{\{find:(.+?)\}\}", look, value)
        for name, replacement in known.items():
            text = text.replace("{{" + name + "}}", replacement)
        return text
    if isinstance(value, list):
        return [fill(v, known) for v in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {k: fill(v, known) for k, v in cast("dict[str, Any]", value).items()}
    return value


def pieces(text: str, step: Step) -> list[str]:
    if step.get("words"):
        return re.findall(r"\S+\s*|\s+", text) or [""]
    count = max(1, min(int(step.get("chunks", 3)), len(text) or 1))
    size = -(-len(text) // count) or 1
    return [text[i : i + size] for i in range(0, len(text), size)] or [""]


def split_context(text: str) -> tuple[list[str], str]:
    """What was put before a message as data, and the message itself."""
    found = re.findall(r"<context>\n(.*?)\n</context>\n*", text, re.S)
    return found, re.sub(r"<context>\n.*?\n</context>\n*", "", text, flags=re.S).strip()
