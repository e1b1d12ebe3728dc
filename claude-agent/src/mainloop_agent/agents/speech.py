"""What the program says, told to the runner as it comes: pieces of a message, whole blocks, results, and what runs on."""

import asyncio
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from claude_agent_sdk import AssistantMessage, TextBlock, ThinkingBlock, ToolResultBlock, ToolUseBlock, UserMessage

from mainloop_agent.agents.base import Host
from mainloop_agent.agents.counters import Counters
from mainloop_agent.agents.todos import todo_entries
from mainloop_agent.output import follow_named
from mainloop_agent.policy import ToolCall

# A call by its id, its name, what it is given, and the call of the sub-agent that makes it.
MakeCall = Callable[[str, str, dict[str, Any], str | None], ToolCall]


@dataclass
class _Pieces:
    """The blocks of one message of the model, named in the order they come."""

    counts: dict[str, int] = field(default_factory=dict[str, int])
    names: dict[int, tuple[str, str]] = field(default_factory=dict[int, tuple[str, str]])
    began: float = 0.0

    def name(self, message: str, kind: str) -> str:
        number = self.counts.get(kind, 0)
        self.counts[kind] = number + 1
        return f"{message}-{kind}-{number}"


class Speech:
    """Of one process. `last_text`: what the agent itself said last in the running turn."""

    def __init__(self, host: Host, counters: Counters, scratch: Path, call: MakeCall) -> None:
        self._host = host
        self._counters = counters
        # Where a command's output lies while it runs.
        self._scratch = scratch
        self._call = call
        self.last_text = ""
        # The message of the model that is being written.
        self._current = ""
        self._streamed: dict[str, _Pieces] = {}
        self._whole: dict[str, _Pieces] = {}
        # It waits for the model's service, or shortens its conversation.
        self._held_up = False
        # What follows the output of a running command, by its call.
        self._outputs: dict[str, asyncio.Task[None]] = {}

    def begin_turn(self) -> None:
        """What was said before belongs to another turn."""
        self.last_text = ""
        self._streamed.clear()
        self._whole.clear()

    def close(self) -> None:
        """Follow no command any more."""
        for call in list(self._outputs):
            self._stop_following(call)

    def stream(self, event: dict[str, Any]) -> None:
        """Pieces of a message that is being written."""
        match event.get("type"):
            case "message_start":
                self.going_on()
                message = event["message"]
                self._counters.answering(str(message.get("model") or ""), message.get("usage") or {})
                self._current = str(message["id"])
                self._streamed[self._current] = _Pieces()
            case "content_block_start":
                kind = {"text": "text", "thinking": "reasoning"}.get(event["content_block"]["type"])
                pieces = self._streamed.get(self._current)
                if kind is not None and pieces is not None:
                    pieces.names[int(event["index"])] = (pieces.name(self._current, kind), kind)
                    pieces.began = time.monotonic()
            case "content_block_delta":
                pieces = self._streamed.get(self._current)
                name, kind = pieces.names.get(int(event["index"]), ("", "")) if pieces else ("", "")
                delta = event["delta"]
                if name and kind == "text" and delta.get("text"):
                    self._host.delta(name, delta["text"])
                elif name and delta.get("thinking"):
                    self._host.delta(name, delta["thinking"], "reasoning")
            case "message_stop":
                self._counters.count_soon()
            case _:
                pass

    def say(self, message: AssistantMessage) -> None:
        """Whole blocks. Those of a sub-agent are shown as its calls only; an error is told by the turn's end."""
        own = message.parent_tool_use_id is None
        if not own:
            self._counters.count_soon()
        identifier = message.message_id or message.uuid or str(uuid.uuid4())
        pieces = self._whole.setdefault(identifier, _Pieces())
        for block in message.content:
            match block:
                case TextBlock(text=text) if own and not message.error:
                    name = pieces.name(identifier, "text")
                    if text.strip():
                        self.last_text = text
                        self._host.said(name, text)
                case ThinkingBlock(thinking=thinking) if own:
                    name = pieces.name(identifier, "reasoning")
                    if thinking.strip():
                        streamed = self._streamed.get(identifier)
                        duration = int((time.monotonic() - streamed.began) * 1000) if streamed else 0
                        self._host.reasoned(name, thinking, duration)
                case ToolUseBlock():
                    self._host.tool_called(self._call(block.id, block.name, block.input, message.parent_tool_use_id))
                    if block.name == "TodoWrite" and own:
                        self._host.todo(todo_entries(block.input))
                case _:
                    pass

    def results(self, message: UserMessage) -> None:
        if isinstance(message.content, str):
            return
        for block in message.content:
            if isinstance(block, ToolResultBlock):
                self._stop_following(block.tool_use_id)
                self._host.tool_ended(block.tool_use_id, not block.is_error, text_of(block.content))

    def compacting(self) -> None:
        """Its conversation is being shortened."""
        self._held_up = True
        self._host.compacting("Shortening the conversation so that it fits.")

    def retrying(self, data: dict[str, Any]) -> None:
        """The model's service did not answer as it should."""
        reason = {429: "allows no more requests for now", 529: "is overloaded", 401: "refused the key"}
        why = reason.get(data.get("error_status") or 0, "can't be reached or answered with an error")
        attempt, most = int(data.get("attempt") or 0), int(data.get("max_retries") or 0)
        self._held_up = True
        self._host.retrying(f"The model's service {why}; trying again.", attempt, most)

    def going_on(self) -> None:
        """What had held it up is over."""
        if self._held_up:
            self._held_up = False
            self._host.going_on()

    def follow_output(self, call: str, task: str) -> None:
        """A command has been running for some seconds: from now on the program names the file that it writes to."""
        if call not in self._outputs:
            tell = partial(self._host.output, call)
            self._outputs[call] = asyncio.create_task(follow_named(self._scratch, f"{task}.output", tell))

    def _stop_following(self, call: str) -> None:
        if task := self._outputs.pop(call, None):
            task.cancel()


def text_of(content: str | list[dict[str, Any]] | None) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(str(block.get("text", f"({block.get('type')})")) for block in content or [])
