"""Which kinds of agents there are, and whether each can run here."""

import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from pydantic import BaseModel

from mainloop.environment import sign_ins
from mainloop.sessions import store
from mainloop.settings import Settings

MODELS: Final = ("opus", "sonnet", "haiku")


class AgentKind(BaseModel):
    """A kind of agent; `why` says in words what is missing where it can't run."""

    kind: str
    name: str
    available: bool
    why: str = ""
    models: list[str] = []
    # Is shown the pictures that come with a message.
    sees: bool = False


class Credentials(BaseModel):
    """What was found, by name; never a value."""

    found: bool
    text: str
    hint: str = ""


@dataclass(frozen=True)
class Default:
    kind: str
    demo: bool


class AgentKinds:
    """`environment`: what the server was started with, its `.env` included."""

    def __init__(self, settings: Settings, environment: Mapping[str, str], *, confined: bool) -> None:
        self._settings = settings
        self._environment = environment
        self.confined = confined

    def default(self, connection: sa.Connection) -> Default:
        """What runs where nothing else is asked for; the demo, once it was chosen."""
        if self._settings.demo or store.demo_chosen(connection):
            return Default("scripted", True)
        return Default(self._settings.agent, False)

    def all(self) -> list[AgentKind]:
        program = claude_program()
        why = "" if program else "its program is missing; install mainloop again."
        return [
            AgentKind(
                kind="claude", name="Claude", available=program is not None, why=why, models=list(MODELS), sees=True
            ),
            AgentKind(kind="scripted", name="Demo agent", available=True),
        ]

    def credentials(self) -> Credentials:
        """Whether Claude has something to sign in with."""
        found = sign_ins(self._environment)
        if found:
            return Credentials(found=True, text=f"{' and '.join(found)} {'is' if len(found) == 1 else 'are'} set.")
        return Credentials(
            found=False,
            text="No credentials for Claude were found.",
            hint="Put ANTHROPIC_API_KEY into the .env file next to where you start mainloop, or run "
            "make setup-claude-creds to sign in with your own plan, then start mainloop again.",
        )


def claude_program() -> Path | None:
    """Where the CLI lies that the agent package brings; looked up, never imported."""
    try:
        spec = importlib.util.find_spec("claude_agent_sdk")
    except (ImportError, ValueError):
        return None
    if spec is None or not spec.submodule_search_locations:
        return None
    name = "claude.exe" if sys.platform == "win32" else "claude"
    program = Path(next(iter(spec.submodule_search_locations))) / "_bundled" / name
    return program if program.is_file() else None
