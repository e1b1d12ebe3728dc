"""The agent kinds. Each file but `base` drives one protocol; `create` finds the one a run asks for."""

from collections.abc import Callable

from mainloop_agent.agents.base import Agent, AgentFailed, Capabilities, Host, Prompt, Setup, TurnEnd
from mainloop_agent.agents.claude import ClaudeAgent
from mainloop_agent.agents.scripted import ScriptedAgent
from mainloop_models.events import AgentError

KINDS: dict[str, Callable[[Setup, Host], Agent]] = {
    "claude": ClaudeAgent,
    "scripted": ScriptedAgent,
}


def create(setup: Setup, host: Host) -> Agent:
    return KINDS.get(setup.welcome.agent, UnknownAgent)(setup, host)


class UnknownAgent:
    """Stands for a kind that this runner does not know: says so when it is started."""

    capabilities = Capabilities(can_steer=False, can_defer=False, exactly_once=False)

    def __init__(self, setup: Setup, host: Host) -> None:
        self._error = AgentError(
            code="not_installed",
            message=f"This runner knows no agent called {setup.welcome.agent}.",
            hint=f"Choose one of {', '.join(sorted(KINDS))} in the settings.",
        )

    async def start(self) -> None:
        raise AgentFailed(self._error)

    async def prompt(self, prompt: Prompt) -> TurnEnd:
        raise AgentFailed(self._error)

    async def carry_on(self) -> TurnEnd:
        raise AgentFailed(self._error)

    async def stirred(self) -> None:
        raise AgentFailed(self._error)

    async def steer(self, prompt: Prompt) -> None:
        raise AgentFailed(self._error)

    async def interrupt(self) -> None:
        raise AgentFailed(self._error)

    async def close(self, *, at_once: bool = False) -> None:
        return
