"""A thread with a real runner, against the protocol server and the scripted model."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from mainloop.testing.runner_server import ProtocolServer
from mainloop.testing.scripted_model import ScriptedModelServer
from mainloop_agent.__main__ import read_token
from mainloop_agent.agents import create
from mainloop_agent.runner import MakeAgent, live
from mainloop_agent.server import Server
from mainloop_models.runner import RunFile, Tool

# A test never fails because a machine was slow.
settings.register_profile("unhurried", parent=settings(), deadline=None)
settings.load_profile("unhurried")

# Generous: a loaded machine is slow, a hang is a failure all the same.
SECONDS = 60

TOOLS = [
    Tool(
        name="report",
        description="Reports the result",
        input_schema={"properties": {"text": {"type": "string"}}, "required": ["text"]},
    ),
    Tool(
        name="ask",
        description="Asks the person",
        input_schema={"properties": {"questions": {"type": "array"}}, "required": ["questions"]},
        via="ask",
    ),
    Tool(
        name="form",
        description="Asks the person to fill in a form",
        input_schema={
            "properties": {"message": {"type": "string"}, "schema": {"type": "object"}},
            "required": ["message", "schema"],
        },
        via="ask",
    ),
]


class Thread:
    """One thread of one kind of agent. Each `run` is a life of its runner, inside the test's own loop."""

    def __init__(self, kind: str, server: ProtocolServer, model: ScriptedModelServer) -> None:
        self.kind = kind
        self.server = server
        self.model = model
        # How often the agent itself tries a request again.
        self.retries = 0
        self._lives: list[tuple[asyncio.Task[None], asyncio.Event]] = []

    @property
    def workspace(self) -> Path:
        return self.server.home / "workspace"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "ANTHROPIC_BASE_URL": self.model.url,
            "ANTHROPIC_API_KEY": "none",
            "CLAUDE_CODE_MAX_RETRIES": str(self.retries),
            "SCRIPTED_GATES": self.model.url,
        }

    def run_file(self, **settings: Any) -> Path:
        tools: list[Tool] = settings.pop("tools", TOOLS)
        return self.server.new_run(self.environment, agent=self.kind, tools=tools, **settings)

    def run(self, make_agent: MakeAgent = create, **settings: Any) -> None:
        run = RunFile.model_validate_json(self.run_file(**settings).read_text())
        parking = asyncio.Event()
        self._lives.append((asyncio.create_task(self._live(run, parking, make_agent)), parking))

    async def _live(self, run: RunFile, parking: asyncio.Event, make_agent: MakeAgent) -> None:
        server = Server(run.server, read_token(Path(run.token_file)))
        try:
            await live(run, server, parking, make_agent)
        finally:
            await server.close()

    async def over(self) -> None:
        """Waits until the newest run has ended."""
        await asyncio.wait_for(self._lives[-1][0], SECONDS)

    async def park(self) -> None:
        self.server.want("park")
        await self.over()

    async def crash(self) -> None:
        """The newest run ends without a word, its agent with it."""
        self._lives[-1][0].cancel()
        with suppress(asyncio.CancelledError):
            await self._lives[-1][0]

    async def bodies(self, kind: str, count: int = 1) -> list[Any]:
        """Waits for so many reports of a kind."""
        return await self.server.until(lambda s: len(s.bodies(kind)) >= count and s.bodies(kind), seconds=SECONDS)

    async def writing(self) -> None:
        """Waits until a message is being written."""
        await self.server.until(lambda s: any(s.open.values()), seconds=SECONDS)

    async def informed(self) -> None:
        """Waits until the runner knows everything that is open."""
        await self.server.until(lambda s: s.work_seen, seconds=SECONDS)

    async def asked_for(self, file: str) -> None:
        """Waits until the runner wants a file."""
        await self.server.until(lambda s: file in s.files_asked, seconds=SECONDS)

    async def turn(self, number: int = 1) -> Any:
        """Waits for the end of a turn (of its last part, where it was deferred)."""
        return await self.server.until(
            lambda s: next((b for b in s.bodies("turn_ended") if b.turn == number and b.outcome != "deferred"), None),
            seconds=SECONDS,
        )

    async def finished(self, *messages: str) -> None:
        """Waits until turns have finished these messages."""
        await self.server.until(
            lambda s: set(messages) <= {name for body in s.bodies("turn_ended") for name in body.finished},
            seconds=SECONDS,
        )

    async def close(self) -> None:
        for life, _ in self._lives:
            life.cancel()
        await asyncio.gather(*(life for life, _ in self._lives), return_exceptions=True)


@pytest.fixture
async def model() -> AsyncIterator[ScriptedModelServer]:
    async with ScriptedModelServer() as model:
        yield model


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ProtocolServer]:
    async with ProtocolServer(tmp_path) as server:
        yield server


@pytest.fixture(params=["scripted", "claude"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
async def thread(kind: str, server: ProtocolServer, model: ScriptedModelServer) -> AsyncIterator[Thread]:
    thread = Thread(kind, server, model)
    yield thread
    await thread.close()
