"""What an agent is to the runner, and what the runner is to an agent.

The runner owns turns, asks and reports; an agent owns a conversation and a way to drive it. One object is one life
of an agent's process: made, started, prompted any number of times, closed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from mainloop_agent.policy import ToolCall
from mainloop_models.asks import Allow, Deny
from mainloop_models.events import AgentError, ContextUse, ModelUsage, TodoEntry, TurnOutcome
from mainloop_models.runner import RunFile, ToolAnswer, Welcome


@dataclass(frozen=True)
class Setup:
    """What an agent is made from."""

    run: RunFile
    welcome: Welcome


@dataclass(frozen=True)
class Capabilities:
    # Takes a message into a running turn.
    can_steer: bool
    # Ends a turn in an open call so that another process can go on with it. Without: a refusal, and a new call later.
    can_defer: bool
    # Recognises a message id that it has recorded before.
    exactly_once: bool
    # Is shown the pictures of a message.
    sees: bool = False


@dataclass(frozen=True)
class Picture:
    """A picture that came with a message, for an agent that sees."""

    type: str
    data: bytes


@dataclass(frozen=True)
class Prompt:
    """One message for the agent, as it is to read it."""

    id: str
    text: str
    # Given before, in a turn that did not finish it. Recorded then: the agent is told `follow_up` instead.
    again: bool = False
    follow_up: str = ""
    # Others that went into the unfinished turn. Those that are recorded are finished by this one: it names them as taken.
    beside: Sequence["Prompt"] = ()
    # Files that came with it: the text says which and where, these are the ones to be shown.
    pictures: Sequence[Picture] = ()

    @property
    def anew(self) -> str:
        """What an agent reads that has not recorded the message: all of it, and what became of the last attempt."""
        return f"{self.text}\n\n{self.follow_up}" if self.again and self.follow_up else self.text


@dataclass(frozen=True)
class TurnEnd:
    outcome: TurnOutcome
    # The last text of the turn.
    text: str = ""
    # Messages that went in beside the one that began the turn.
    taken: Sequence[str] = ()
    error: AgentError | None = None
    deferred_call: str | None = None
    duration_ms: int = 0


@dataclass(frozen=True)
class Defer:
    """Neither yes nor no: end the turn in this call; a later run goes on with it."""


Decision = Allow | Deny | Defer


class AgentFailed(Exception):
    """The agent can't be started, or has died."""

    def __init__(self, error: AgentError) -> None:
        super().__init__(error.message)
        self.error = error


class ResumeRefused(AgentFailed):
    """The agent's own record of the conversation is gone or unusable: a new one is needed."""


class Agent(Protocol):
    """One life of an agent."""

    capabilities: Capabilities

    async def start(self) -> None:
        """Opens or resumes the conversation. A call that an earlier life deferred goes on at once: see `carry_on`.

        Raises AgentFailed, or ResumeRefused where the conversation can't be resumed.
        """
        ...

    async def prompt(self, prompt: Prompt) -> TurnEnd:
        """Begins a turn with this message and returns when it has ended."""
        ...

    async def carry_on(self) -> TurnEnd:
        """Follows a turn that the agent goes on with by itself: a deferred call, work it left in the background."""
        ...

    async def stirred(self) -> None:
        """Returns when the agent has begun a turn by itself. Raises AgentFailed when it has died."""
        ...

    async def steer(self, prompt: Prompt) -> None:
        """Hands a message into the running turn. `Host.taken` says that it went in; else it begins the next turn."""
        ...

    async def interrupt(self) -> None:
        """Stops the running turn; its prompt returns as interrupted."""
        ...

    async def close(self, *, at_once: bool = False) -> None:
        """Ends the agent, whatever it does. What it has recorded can be resumed. May be called twice.

        At once: it is killed, with everything it has started.
        """
        ...


class Host(Protocol):
    """What an agent tells while it works, and what it asks. Telling never waits."""

    def agent_session(self, session: str, version: str) -> None:
        """The conversation is in the agent's own records from now on."""
        ...

    def delta(self, message: str, text: str, what: Literal["text", "reasoning"] = "text") -> None: ...

    def said(self, message: str, text: str) -> None: ...

    def reasoned(self, message: str, text: str, duration_ms: int) -> None: ...

    def tool_called(self, call: ToolCall) -> None: ...

    def tool_ended(self, call_id: str, ok: bool, output: str) -> None: ...

    def output(self, call_id: str, text: str, left_out: int = 0) -> None:
        """A piece of what a running call puts out, as it comes. `left_out`: how much before it is not told."""
        ...

    def todo(self, entries: Sequence[TodoEntry]) -> None: ...

    def retrying(self, text: str, attempt: int = 0, of: int = 0) -> None:
        """The model's service can't be reached, or refuses for now: the agent tries again, for the `attempt`th time."""
        ...

    def compacting(self, text: str) -> None:
        """The agent makes its conversation shorter before it goes on."""
        ...

    def going_on(self) -> None:
        """Whatever kept the agent from going on is over."""
        ...

    def spent(self, models: Sequence[ModelUsage], *, on_plan: bool = False, context: ContextUse | None = None) -> None:
        """What this life of the agent has used so far, model by model, whole. Said before every call of a tool."""
        ...

    def taken(self, message_id: str) -> None:
        """A steering message went into the running turn."""
        ...

    async def decide(self, call: ToolCall) -> Decision:
        """May this call run? Asked twice about the same call, the answer is the same."""
        ...

    async def request(self, call_id: str, tool: str, arguments: dict[str, object]) -> ToolAnswer:
        """Runs one of our own tools. Cancelling the wait does not undo the call."""
        ...
