"""The agent kinds. Each file but `base` drives one protocol; `create` finds the one a run asks for."""

from collections.abc import Callable

from mainloop_agent.agents.base import Agent, AgentFailed, Host, Setup
from mainloop_agent.agents.claude import ClaudeAgent
from mainloop_agent.agents.scripted import ScriptedAgent
from mainloop_models.events import AgentError

KINDS: dict[str, Callable[[Setup, Host], Agent]] = {
    "claude": ClaudeAgent,
    "scripted": ScriptedAgent,
}


def create(setup: Setup, host: Host) -> Agent:
    kind = setup.welcome.agent
    if kind not in KINDS:
        raise AgentFailed(
            AgentError(
                code="not_installed",
                message=f"This runner knows no agent called {kind}.",
                hint=f"Choose one of {', '.join(sorted(KINDS))} in the settings.",
            )
        )
    return KINDS[kind](setup, host)
