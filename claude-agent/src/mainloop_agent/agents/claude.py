"""Claude, driven through the Claude Agent SDK: this file and `speech.py` alone know that library.

The program is started through a small script that puts the sandbox around it; its whole configuration lies in the
session's own home. Every tool call meets one decision of the runner, asked for by a hook and by the permission
callback alike, because on a resume either may come first. Messages carry ids that the program records, so that one is
never taken twice.
"""

import asyncio
import base64
import json
import logging
import shlex
import shutil
import time
import uuid
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import claude_agent_sdk
from claude_agent_sdk import (
    AssistantMessage,
    ClaudeAgentOptions,
    ClaudeSDKClient,
    ClaudeSDKError,
    CLINotFoundError,
    HookMatcher,
    Message,
    PermissionResultAllow,
    PermissionResultDeny,
    ResultError,
    ResultMessage,
    StreamEvent,
    SystemMessage,
    TaskStartedMessage,
    ToolPermissionContext,
    UserMessage,
)
from claude_agent_sdk.types import HookContext, HookInput, HookJSONOutput, SystemPromptCustom, SystemPromptPreset

from mainloop_agent.agents.base import (
    AgentFailed,
    Capabilities,
    Decision,
    Defer,
    Host,
    Picture,
    Prompt,
    ResumeRefused,
    Setup,
    TurnEnd,
)
from mainloop_agent.agents.counters import Counters
from mainloop_agent.agents.problems import api_problem
from mainloop_agent.agents.record import bring_record_along, holds, mend, take_over
from mainloop_agent.agents.speech import Speech
from mainloop_agent.bounds import OFFER, end_all
from mainloop_agent.policy import ToolCall
from mainloop_agent.tools import PREFIX, SERVER, tool_server
from mainloop_models.asks import Deny
from mainloop_models.events import AgentError

log = logging.getLogger(__name__)

# Wake-ups that die with the process, and ways to other sessions that go past the person.
UNWANTED = [
    "CronCreate",
    "CronDelete",
    "CronList",
    "EnterWorktree",
    "ExitWorktree",
    "ListAgents",
    "Monitor",
    "ReportFindings",
    "ScheduleWakeup",
    "SendMessage",
    "Workflow",
]
# Longer than anybody waits, shorter than the 24.8 days above which the program's clock turns over.
HOOK_SECONDS = 2_000_000
LARGEST_LINE = 64 << 20
CUT_OFF = "You were cut off in the middle of your last turn. Check what was done and what was not, then go on."

SETTINGS = {
    # Records are kept: a session may wait for months.
    "cleanupPeriodDays": 36_500,
    # No model decides what the person is to decide.
    "permissions": {"disableAutoMode": "disable"},
}
# Below what the run file says.
DEFAULTS = {"CLAUDE_CODE_MAX_RETRIES": "6"}
# Above it.
FIXED = {
    "TMPDIR": "/tmp",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    # One tool that writes the whole list of steps.
    "CLAUDE_CODE_ENABLE_TODO_TOOLS": "1",
    "CLAUDE_CODE_ENABLE_TASKS": "0",
}
# Reading commands are let through unasked, so git must not run what a folder of the agent's making tells it to.
GIT_SETTINGS = {"core.fsmonitor": "false", "safe.bareRepository": "explicit"}


class ClaudeAgent:
    capabilities = Capabilities(can_steer=True, can_defer=True, exactly_once=True, sees=True)

    def __init__(self, setup: Setup, host: Host) -> None:
        self._run = setup.run
        self._welcome = setup.welcome
        self._host = host
        self._home = Path(setup.run.home)
        self._client: ClaudeSDKClient | None = None
        self._pump: asyncio.Task[None] | None = None
        # What the program has said and nobody has looked at yet; an exception is its end.
        self._frames: deque[Message | Exception] = deque()
        self._arrived = asyncio.Event()
        self._errors: deque[str] = deque(maxlen=20)
        # The ids of messages given to this process, as the program knows them, and as the server does.
        self._given: dict[str, str] = {}
        # Those of them that were handed into a running turn and have not gone in yet.
        self._inside: set[str] = set()
        # Not set while it may yet turn out that the running turn's message is known, and the turn begins with another.
        self._steady = asyncio.Event()
        self._steady.set()
        # Set while no call waits to be decided, and none was deferred.
        self._decided = asyncio.Event()
        self._decided.set()
        self._undecided = 0
        self._recorded = setup.welcome.resume
        self._version = ""
        # Said once in each run, whose build of the program it is.
        self._told = False
        self._counters = Counters(host, setup.run.environment, self._ask_for_counters, resumed=setup.welcome.resume)
        self._mode_file = self._home / "claude-mode"
        self._speech = Speech(host, self._counters, self._scratch, self._call)
        # What went into the running turn.
        self._taken: list[str] = []
        # A deferred call that could not be deferred again in the ordinary way: the process was ended in it.
        self._left_in: str | None = None
        # The call that the open turn is to go on with is not in the record.
        self._is_missing = False

    # ---- the process ------------------------------------------------------------------------------------------
    async def start(self) -> None:
        program = find_program(self._run.environment.get("PATH"))
        if program is None:
            raise AgentFailed(
                AgentError(
                    code="not_installed",
                    message="Claude Code is not installed.",
                    hint="Install the package claude-agent-sdk into mainloop's environment; it brings the program.",
                )
            )
        await asyncio.to_thread(clear, self._scratch)
        if self._recorded:
            await asyncio.to_thread(self._prepare_record)
        try:
            await self._connect(program, resume=self._recorded)
        except _InUseError:
            # The record exists, but the report of it was lost with an earlier run.
            self._recorded = True
            await asyncio.to_thread(self._prepare_record)
            await self._connect(program, resume=True)
        assert self._client is not None
        self._pump = asyncio.create_task(self._read(self._client))
        # A call that was deferred may have been begun by now, but not its model's next answer: `decide` counts first.
        await self._counters.count()

    def _prepare_record(self) -> None:
        config, conversation = Path(self._run.agent_home) / ".claude", self._welcome.agent_session
        workspace = Path(self._run.workspace)
        bring_record_along(config, workspace, conversation)
        fork, home = self._welcome.fork, self._run.fork_home
        if fork is not None and home is not None and not any((config / "projects").glob(f"*/{conversation}.jsonl")):
            last, later = ({as_uuid(message) for message in some} for some in (fork.last, fork.later))
            if not take_over(Path(home) / ".claude", config, workspace, conversation, last, later):
                log.warning("the record of the other conversation does not show where that turn ended")
        stands = mend(config, conversation, self._welcome.deferred_call)
        self._is_missing = bool(self._welcome.open_turn) and not stands

    async def _connect(self, program: Path, resume: bool) -> None:
        client = ClaudeSDKClient(self._options(self._wrapper(program), resume))
        self._errors.clear()
        try:
            await client.connect()
        except CLINotFoundError as error:
            raise AgentFailed(AgentError(code="not_installed", message="Claude Code can't be started.")) from error
        except ClaudeSDKError as error:
            raise self._start_failed(error, resume) from error
        except Exception as error:
            # A control request that timed out, or the pipe of a process that ended.
            raise self._start_failed(error, resume) from error
        self._client = client

    def _start_failed(self, error: Exception, resume: bool) -> Exception:
        said = " ".join([*self._errors, str(error)])
        if not resume and "already in use" in said:
            return _InUseError()
        tail = " ".join(self._errors)[-400:] or str(error)[:400]
        # A sandbox or a program that does not start says nothing about the conversation.
        if resume and (isinstance(error, ResultError) or "No conversation found" in said):
            return ResumeRefused(AgentError(code="refused", message=f"The conversation can't be resumed: {tail}"))
        return AgentFailed(
            AgentError(
                code="crashed",
                message=f"Claude Code did not start: {tail}",
                hint="`mainloop doctor` says whether the sandbox works and what is missing.",
            )
        )

    def _wrapper(self, program: Path) -> str:
        """The command that the library starts: the sandbox around the program. It lies where no agent can write."""
        path = self._home / "agent"
        command = [*self._run.wrap, "--", str(program)] if self._run.wrap else [str(program)]
        lines = [
            "#!/bin/sh",
            f"echo $$ > {shlex.quote(str(self._process_file))}",
            OFFER,
            # exec: the sandbox is the runner's own child, and dies with it.
            f'exec {shlex.join(command)} "$@"',
        ]
        path.write_text("\n".join(lines) + "\n")
        path.chmod(0o700)
        return str(path)

    @property
    def _scratch(self) -> Path:
        """Where the program puts what it needs for a while: the output of commands, among others, while they run."""
        return Path(self._run.agent_home) / ".scratch"

    @property
    def _process_file(self) -> Path:
        return self._home / "agent.pid"

    def _options(self, command: str, resume: bool) -> ClaudeAgentOptions:
        welcome = self._welcome
        session = welcome.role == "session"
        own_prompt: SystemPromptCustom = {"type": "custom", "prompt": welcome.prompt, "snapshot": False}
        added_prompt: SystemPromptPreset = {"type": "preset", "preset": "claude_code", "append": welcome.prompt}
        server: Any = {"type": "sdk", "name": SERVER, "instance": tool_server(welcome.tools, self._host.request)}
        return ClaudeAgentOptions(
            cwd=self._run.workspace,
            cli_path=command,
            env=self._environment(),
            model=welcome.model,
            system_prompt=added_prompt if session else own_prompt,
            tools=None if session else [],
            disallowed_tools=UNWANTED if session else [],
            mcp_servers={SERVER: server} if welcome.tools else {},
            strict_mcp_config=True,
            setting_sources=[],
            settings=json.dumps(SETTINGS),
            permission_mode="plan" if self._planning else "default",
            can_use_tool=self._permission,
            # Nothing is ever allowed ahead: on a resume that would go past both.
            # A decision that fails is a no.
            hooks={"PreToolUse": [HookMatcher(hooks=[self._before_tool], timeout=HOOK_SECONDS, on_failure="block")]},
            thinking={"type": "adaptive", "display": "summarized"},
            include_partial_messages=True,
            max_buffer_size=LARGEST_LINE,
            stderr=self._note_error,
            # Says when a message has been taken in.
            extra_args={"replay-user-messages": None},
            resume=welcome.agent_session if resume else None,
            session_id=None if resume else welcome.agent_session,
        )

    def _environment(self) -> dict[str, str]:
        home = self._run.agent_home
        environment = {**DEFAULTS, **self._run.variables, **self._run.environment, **FIXED}
        environment.update({"HOME": home, "CLAUDE_CONFIG_DIR": f"{home}/.claude"})
        environment["CLAUDE_CODE_TMPDIR"] = str(self._scratch)
        if self._welcome.deferred_call is None:
            # A call that was never reported as deferred is over. Else it would be taken up now, in a turn of its own.
            environment["CLAUDE_CODE_DISABLE_DEFERRED_TOOL_RESUME"] = "1"
        if self._welcome.role != "session":
            # So few tools are all shown at once.
            environment["ENABLE_TOOL_SEARCH"] = "false"
        count = int(environment.get("GIT_CONFIG_COUNT", "0"))
        for number, (name, value) in enumerate(GIT_SETTINGS.items(), start=count):
            environment[f"GIT_CONFIG_KEY_{number}"], environment[f"GIT_CONFIG_VALUE_{number}"] = name, value
        environment["GIT_CONFIG_COUNT"] = str(count + len(GIT_SETTINGS))
        return environment

    def _note_error(self, line: str) -> None:
        self._errors.append(line)
        log.info("claude: %s", line[:1000])

    async def close(self, *, at_once: bool = False) -> None:
        if at_once:
            self._kill()
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):
                await client.disconnect()
        self._counters.close()
        self._speech.close()
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)
        self._put(AgentFailed(self._died()))

    def _kill(self) -> None:
        """Ends the process and everything it has started, whether a sandbox stands around them or not."""
        if self._client is not None:
            with suppress(OSError, ValueError):
                end_all(int(self._process_file.read_text()))

    async def _read(self, client: ClaudeSDKClient) -> None:
        try:
            async for message in client.receive_messages():
                self._put(message)
            self._put(AgentFailed(self._died()))
        except Exception as error:  # the library raises whatever it met; all of it is the end of the process
            log.warning("the agent ended: %s", error)
            self._put(AgentFailed(self._died()))

    def _died(self) -> AgentError:
        said = " ".join(self._errors)[-300:]
        return AgentError(
            code="crashed",
            message="Claude Code ended unexpectedly" + (f": {said}" if said else "."),
            hint="The session can be resumed; what it had recorded is kept.",
        )

    def _put(self, frame: Message | Exception) -> None:
        self._frames.append(frame)
        self._arrived.set()

    async def _next(self) -> Message:
        while not self._frames:
            self._arrived.clear()
            await self._arrived.wait()
        frame = self._frames[0]
        if isinstance(frame, Exception):
            # Stays: whoever asks next is told the same.
            raise frame
        self._frames.popleft()
        return frame

    # ---- turns ------------------------------------------------------------------------------------------------
    async def prompt(self, prompt: Prompt) -> TurnEnd:
        name = as_uuid(prompt.id)
        if name in self._inside:
            # It was handed into a turn that ended without it: the program goes on with it by itself.
            end = await self._follow(name)
        elif prompt.again or name in self._given:
            # What is handed in meanwhile would be merged with the words about what was cut off.
            self._steady.clear()
            try:
                end = await self._prompt_again(name, prompt)
            finally:
                self._steady.set()
        else:
            await self._give(name, prompt.id, prompt.anew, prompt.pictures)
            end = await self._follow(name)
        self._inside.discard(name)
        assert end is not None
        return end

    async def _prompt_again(self, name: str, prompt: Prompt) -> TurnEnd | None:
        if not await self._holds(prompt, prompt):
            await self._give(name, prompt.id, prompt.anew, prompt.pictures)
            if (end := await self._follow(name, may_be_known=True)) is not None:
                return end
        beside = [other.id for other in prompt.beside if await self._holds(prompt, other)]
        for message in beside:
            self._host.taken(message)
        told = str(uuid.uuid4())
        await self._give(told, prompt.id, prompt.follow_up or CUT_OFF)
        end = await self._follow(told)
        return end and replace(end, taken=(*end.taken, *beside))

    async def _holds(self, first: Prompt, other: Prompt) -> bool:
        config = Path(self._run.agent_home) / ".claude"
        conversation = self._welcome.agent_session
        return await asyncio.to_thread(holds, config, conversation, as_uuid(first.id), as_uuid(other.id), other.text)

    async def carry_on(self) -> TurnEnd:
        if self._is_missing:
            self._is_missing = False
            return TurnEnd("cut_off", error=self._died())
        end = await self._follow(None)
        assert end is not None
        return end

    async def stirred(self) -> None:
        while True:
            while not self._frames:
                self._arrived.clear()
                await self._arrived.wait()
            frame = self._frames[0]
            if isinstance(frame, Exception):
                raise frame
            if begins_turn(frame):
                return
            self._frames.popleft()
            self._take(frame)

    async def steer(self, prompt: Prompt) -> None:
        await self._steady.wait()
        await self._decided.wait()
        name = as_uuid(prompt.id)
        if name not in self._given:
            self._inside.add(name)
            try:
                await self._give(name, prompt.id, prompt.text, prompt.pictures)
            except AgentFailed:
                self._inside.discard(name)
                raise

    async def interrupt(self) -> None:
        if self._client is not None:
            try:
                await self._client.interrupt()
            except Exception as error:
                # It had ended, or did not answer in time.
                raise AgentFailed(self._died()) from error

    async def _give(self, name: str, message: str, text: str, pictures: Sequence[Picture] = ()) -> None:
        if self._client is None:
            raise AgentFailed(self._died())
        self._given[name] = message
        content = [{"type": "text", "text": text}, *map(as_block, pictures)] if pictures else text

        async def one() -> AsyncIterator[dict[str, Any]]:
            yield {
                "type": "user",
                "uuid": name,
                "parent_tool_use_id": None,
                "message": {"role": "user", "content": content},
            }

        try:
            await self._client.query(one())
        except ClaudeSDKError as error:
            raise AgentFailed(self._died()) from error

    async def _follow(self, name: str | None, may_be_known: bool = False) -> TurnEnd | None:
        """Follows a turn to its end. None: the program knows the message from before, and does nothing."""
        self._taken = []
        self._speech.begin_turn()
        began = time.monotonic()
        under_way = False
        try:
            while True:
                frame = await self._next()
                under_way = under_way or begins_turn(frame)
                if under_way:
                    self._steady.set()
                if isinstance(frame, UserMessage) and frame.uuid == name and may_be_known and not under_way:
                    return None
                self._take(frame, current=name)
                if isinstance(frame, ResultMessage) and not (name and is_foreign(frame)):
                    return self._ended(frame, name)
        except AgentFailed as failed:
            duration = int((time.monotonic() - began) * 1000)
            if self._left_in is not None:
                return TurnEnd("deferred", deferred_call=self._left_in, taken=self._taken, duration_ms=duration)
            return TurnEnd(
                "cut_off", text=self._speech.last_text, taken=self._taken, error=failed.error, duration_ms=duration
            )

    def _ended(self, result: ResultMessage, name: str | None) -> TurnEnd:
        self._note_recorded()
        for taken in result.user_message_uuids or []:
            self._note_taken(taken, name)
        self._counters.note(result.model_usage or {})
        end = TurnEnd(
            "completed",
            text=result.result or self._speech.last_text,
            taken=tuple(self._taken),
            duration_ms=result.duration_ms,
        )
        if result.deferred_tool_use is not None:
            return replace(
                end, outcome="deferred", deferred_call=result.deferred_tool_use.id, text=self._speech.last_text
            )
        if (result.terminal_reason or "").startswith("aborted"):
            return replace(end, outcome="interrupted", text=self._speech.last_text)
        if result.is_error:
            return replace(end, outcome="failed", error=problem_of(result), text=self._speech.last_text)
        return end

    # ---- what it says -----------------------------------------------------------------------------------------
    def _take(self, frame: Message, current: str | None = None) -> None:
        """Tells the runner what a frame means."""
        match frame:
            case StreamEvent(parent_tool_use_id=None):
                self._note_recorded()
                self._speech.stream(frame.event)
            case AssistantMessage():
                self._note_recorded()
                self._speech.say(frame)
            case UserMessage():
                if frame.uuid is not None and frame.parent_tool_use_id is None:
                    self._note_taken(frame.uuid, current)
                self._speech.results(frame)
            case TaskStartedMessage(tool_use_id=str(call), task_id=task) if frame.data.get("task_type") == "local_bash":
                self._speech.follow_output(call, task)
            case SystemMessage():
                self._system(frame)
            case _:
                pass

    def _system(self, message: SystemMessage) -> None:
        data = message.data
        match message.subtype:
            case "init":
                self._version = str(data.get("claude_code_version", ""))
            case "status":
                mode = data.get("permissionMode")
                if isinstance(mode, str):
                    self._note_mode(mode)
                if data.get("status") == "compacting":
                    self._speech.compacting()
                else:
                    self._speech.going_on()
            case "api_retry":
                self._speech.retrying(data)
            case _:
                pass

    def _note_recorded(self) -> None:
        """The first answer of the model: from here on the conversation is in the program's own records."""
        self._recorded = True
        if not self._told:
            self._told = True
            self._host.agent_session(self._welcome.agent_session, self._version)

    def _note_taken(self, name: str, current: str | None) -> None:
        message = self._given.get(name)
        self._inside.discard(name)
        if message is not None and name != current and message not in self._taken:
            self._taken.append(message)
            self._host.taken(message)

    def _ask_for_counters(self, question: dict[str, Any]) -> Awaitable[dict[str, Any]] | None:
        """The library has no word for it, the program has."""
        query = self._client and self._client._query  # pyright: ignore[reportPrivateUsage]
        return None if query is None else query._send_control_request(question)

    # ---- planning ---------------------------------------------------------------------------------------------
    @property
    def _planning(self) -> bool:
        """Whether it was planning when it last said so, in this life or an earlier one."""
        return self._mode_file.exists() and self._mode_file.read_text() == "plan"

    def _note_mode(self, mode: str) -> None:
        self._mode_file.write_text(mode)

    # ---- decisions --------------------------------------------------------------------------------------------
    def _call(
        self, identifier: str, name: str, given: dict[str, Any], parent: str | None = None, subagent: str | None = None
    ) -> ToolCall:
        ours = name.startswith(PREFIX)
        return ToolCall(
            id=identifier,
            name=name.removeprefix(PREFIX),
            input=given,
            ours=ours,
            parent_id=parent,
            subagent=subagent,
            planning=self._planning,
        )

    async def _before_tool(self, given: HookInput, tool_use_id: str | None, context: HookContext) -> HookJSONOutput:
        """Asked before every tool call; the one place where a call can be deferred."""
        hook = cast("dict[str, Any]", given)
        mode = hook.get("permission_mode")
        if isinstance(mode, str):
            self._note_mode(mode)
        name = str(hook["tool_name"])
        identifier = str(tool_use_id or hook.get("tool_use_id"))
        tool_input = cast("dict[str, Any]", hook["tool_input"])
        if name == "ExitPlanMode" and not tool_input.get("plan"):
            # Nothing was written down: the plan is what it said last.
            tool_input = {**tool_input, "plan": self._speech.last_text}
        call = self._call(identifier, name, tool_input, subagent=hook.get("agent_id"))
        await self._counters.count()
        decision = await self._decide(call)
        match decision:
            case Defer():
                return hook_says("defer")
            case Deny(reason=reason):
                return hook_says("deny", reason)
            case _:
                # A question and a plan are answered by the permission callback alone.
                return {} if name in ("AskUserQuestion", "ExitPlanMode") else hook_says("allow")

    async def _decide(self, call: ToolCall) -> Decision:
        """Whether a call may run. What is said meanwhile goes in afterwards: behind a deferred call it would be lost."""
        self._undecided += 1
        self._decided.clear()
        decision: Decision | None = None
        try:
            decision = await self._host.decide(call)
            return decision
        finally:
            if not isinstance(decision, Defer):
                self._undecided -= 1
                if not self._undecided:
                    self._decided.set()

    async def _permission(
        self, name: str, given: dict[str, Any], context: ToolPermissionContext
    ) -> PermissionResultAllow | PermissionResultDeny:
        identifier = context.tool_use_id or ""
        decision = await self._decide(self._call(identifier, name, given, subagent=context.agent_id))
        match decision:
            case Deny(reason=reason):
                return PermissionResultDeny(message=reason)
            case Defer():
                # A resumed call that went past the hook: unanswered, it is still deferred in the record.
                self._left_in = identifier
                self._kill()
                await asyncio.Event().wait()
                raise AssertionError
            case _:
                return PermissionResultAllow(updated_input=cast("dict[str, Any] | None", decision.input))


class _InUseError(Exception):
    """A conversation of this id exists already."""


def clear(folder: Path) -> None:
    """Takes a folder away with all that is in it; a link of that name goes, and what it leads to stays.

    So does what is nested too deep.
    """
    with suppress(OSError, RecursionError):
        folder.unlink() if folder.is_symlink() else shutil.rmtree(folder)


def find_program(path: str | None) -> Path | None:
    """The agent's program: the one that comes with the library, else one on the path."""
    bundled = Path(claude_agent_sdk.__file__).parent / "_bundled" / "claude"
    if bundled.is_file():
        return bundled
    found = shutil.which("claude", path=path)
    return Path(found) if found else None


def as_uuid(message: str) -> str:
    """A message's id in the form that the program records; the same for the same message, always."""
    try:
        return str(uuid.UUID(message))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, message))


def as_block(picture: Picture) -> dict[str, Any]:
    """A picture as the model is shown it."""
    data = base64.b64encode(picture.data).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": picture.type, "data": data}}


def begins_turn(frame: Message) -> bool:
    match frame:
        case SystemMessage(subtype="status", data=data):
            return data.get("status") in ("requesting", "compacting")
        case StreamEvent(parent_tool_use_id=parent) | AssistantMessage(parent_tool_use_id=parent):
            return parent is None
        case ResultMessage():
            return True
        case _:
            return False


def is_foreign(result: ResultMessage) -> bool:
    """The end of a turn that nobody asked for: work in the background had ended."""
    origin = cast("dict[str, Any] | None", result.origin)
    return origin is not None and origin.get("kind") not in (None, "user", "human") and not result.user_message_uuids


def hook_says(decision: str, reason: str = "") -> HookJSONOutput:
    output: dict[str, Any] = {"hookEventName": "PreToolUse", "permissionDecision": decision}
    if reason:
        output["permissionDecisionReason"] = reason
    return cast("HookJSONOutput", {"hookSpecificOutput": output})


def problem_of(result: ResultMessage) -> AgentError:
    said = result.result or "; ".join(result.errors or []) or result.subtype
    if result.subtype == "error_max_turns":
        return AgentError(code="max_turns", message="The turn took more steps than it may.", hint="Tell it to go on.")
    if result.subtype == "error_max_budget_usd":
        return AgentError(code="budget", message="The session has spent what it may.", hint="Raise its ceiling.")
    if result.terminal_reason == "prompt_too_long":
        said = "prompt is too long"
    return api_problem(result.api_error_status, said)
