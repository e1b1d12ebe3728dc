"""One story over every seam, cut at every request: what is asked for again happens once.

The person writes to the main thread, whose agent starts a session; that one asks a question, asks for permission,
runs a command and reports; the main thread is woken by the result. The server, its database and the runners are real;
the runners live in threads of this process, so that each of their requests can be cut: before it arrives, or before
its answer does. Where a runner dies of it, another one takes over.
"""

import asyncio
import contextlib
import itertools
import shutil
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal

import httpx
import pytest

from mainloop.testing import ledger
from mainloop.testing.inprocess import InProcessServer, NewServer
from mainloop.testing.server import script
from mainloop.workspaces.base import RunSpec
from mainloop_agent.runner import live
from mainloop_agent.server import Refused, Server
from mainloop_models.runner import RunFile

SECONDS: Final = 60
STEP: Final = 0.05
Point = Literal["before", "after"]
# Decides about a request of a runner (role, route, number of this route from 1): where it is cut, if at all.
Plan = Callable[[str, str, int], Point | None]


class Wire(httpx.AsyncBaseTransport):
    """A runner's way to the server, cut where the plan says."""

    def __init__(self, life: "Life") -> None:
        self._life = life
        self._real = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        point = self._life.story.cut_at(self._life.role, request.url.path.rsplit("/", 1)[1])
        if point == "before":
            self._life.cut()
            raise httpx.ConnectError("cut before it arrived", request=request)
        response = await self._real.handle_async_request(request)
        await response.aread()
        if point == "after":
            self._life.cut()
            raise httpx.ReadError("cut before its answer arrived", request=request)
        return response

    async def aclose(self) -> None:
        await self._real.aclose()


class Life:
    """One run of a real runner, in a thread of its own."""

    def __init__(self, story: "Story", spec: RunSpec) -> None:
        self.story = story
        self.role = "main" if spec.thread_id == "main" else "session"
        self._spec = spec
        self._task: asyncio.Task[None] | None = None
        self.thread = threading.Thread(target=lambda: asyncio.run(self._whole()), daemon=True)
        self.thread.start()

    def cut(self) -> None:
        """The wire is cut; where the story wants it, the runner dies of it."""
        if self.story.deadly and self._task is not None:
            self._task.cancel()

    async def _whole(self) -> None:
        home = self.story.server.settings.home / "threads" / self._spec.thread_id
        for folder in ("home", "workspace"):
            (home / folder).mkdir(parents=True, exist_ok=True)
        run = RunFile(
            thread_id=self._spec.thread_id,
            run=self._spec.run,
            server=self._spec.server,
            token_file="",
            home=str(home),
            agent_home=str(home / "home"),
            workspace=str(home / "workspace"),
            environment=dict(self._spec.environment),
        )
        server = Server(self._spec.server, self._spec.token, Wire(self))
        self._task = asyncio.create_task(live(run, server, asyncio.Event()))
        try:
            with contextlib.suppress(Refused, asyncio.CancelledError):
                await self._task
        finally:
            await server.close()
            # Its lock is free.
            self.story.server.workspaces.end(self._spec.thread_id)


class Story:
    """Played once. `plan` cuts requests of runners; `deadly`: a runner whose request is cut dies of it."""

    def __init__(self, server: InProcessServer, plan: Plan, deadly: bool) -> None:
        self.server = server
        self.deadly = deadly
        self.cuts = 0
        self._plan = plan
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        self._lives: list[Life] = []
        tell = server.workspaces.on_start

        def on_start(spec: RunSpec) -> None:
            if tell is not None:
                tell(spec)
            self._lives.append(Life(self, spec))

        server.workspaces.on_start = on_start

    def cut_at(self, role: str, route: str) -> Point | None:
        with self._lock:
            self._counts[role, route] += 1
            point = self._plan(role, route, self._counts[role, route])
            self.cuts += point is not None
            return point

    def play(self) -> ledger.Ledger:
        """From the first word to the end of everything."""
        options = [{"label": "left", "description": ""}, {"label": "right", "description": ""}]
        session = script(
            {"text": "I ask.", "tools": [use("ask", questions=[{"question": "Which?", "options": options}])]},
            {"text": "I run.", "tools": [use("Bash", command="echo run >> runs")]},
            {"text": "I report.", "tools": [use("mcp__mainloop__report", text="it went left")]},
            {"text": "That is all."},
        )
        spawn = use("mcp__mainloop__spawn_session", title="work", prompt=session, wake=True)
        self._twice("/api/threads/main/messages", {"text": script({"text": "I start.", "tools": [spawn]})})
        for decision in ({"decision": "answer", "answers": {"Which?": "left"}}, {"decision": "allow"}):
            item = self._until(lambda: next(iter(self.server.person.get("/api/inbox")["items"]), None))
            self._twice(f"/api/inbox/{item['id']}/answer", decision)
        return self._until(self._settled)

    def _twice(self, path: str, body: dict[str, Any]) -> None:
        """Written by a browser that did not hear the first answer."""
        write = {"id": str(uuid.uuid4()), **body}
        answers = [self.server.person.post(path, write) for _ in range(2)]
        assert answers[0]["id"] == answers[1]["id"]

    def _settled(self) -> ledger.Ledger | None:
        books = ledger.read(self.server.parts.database)
        done = ledger.unsettled(books) == [] and len(books.results) == 1 and len(books.outcomes("main")) >= 2
        return books if done else None

    def _until(self, look: Callable[[], Any]) -> Any:
        """As often as needed; the janitor looks after who died meanwhile."""
        until = time.monotonic() + SECONDS
        while not (found := look()):
            books = ledger.read(self.server.parts.database)
            assert time.monotonic() < until, (ledger.unsettled(books), books.results, books.outcomes("main"))
            self.server.look_after()
            time.sleep(STEP)
        return found

    def end(self) -> None:
        for thread in ("main", *(s["id"] for s in self.server.person.state()["sessions"])):
            self.server.parts.database.write(lambda unit, t=thread: self.server.parts.runs.want(unit, t, "stop"))
        for life in self._lives:
            life.thread.join(SECONDS)


def use(name: str, **given: Any) -> dict[str, Any]:
    return {"name": name, "input": given}


def only(here: tuple[str, str, int], point: Point) -> Plan:
    """One cut, there."""
    return lambda role, route, number: point if (role, route, number) == here else None


def check(books: ledger.Ledger, home: Path) -> None:
    """The story happened once, however often it was told."""
    assert ledger.faults(books) == []
    (session,) = books.sessions
    assert session.state == "idle"
    assert [r.text for r in books.results] == ["it went left"]
    assert [(i.kind, i.state, i.taken) for i in books.items] == [
        ("question", "answered", True),
        ("permission", "answered", True),
    ]
    assert [m.role for m in books.messages if m.thread_id == "main"] == ["user", "system"]
    runs = home / "threads" / session.id / "workspace" / "runs"
    assert len(runs.read_text().splitlines() if runs.exists() else []) <= 1


@pytest.mark.spec("kills-16", "kills-17", "kills-19")
@pytest.mark.parametrize(
    "database_kind",
    ["sqlite", pytest.param("postgresql", marks=[pytest.mark.postgres, pytest.mark.long])],
    indirect=True,
)
def test_every_request_of_every_runner_is_lost_once_on_its_way_and_once_on_its_way_back(
    new_server: NewServer, tmp_path: Path
) -> None:
    """Of three in a row the first does not arrive, the second arrives unanswered, the third gets through."""

    def plan(role: str, route: str, number: int) -> Point | None:
        cut: tuple[Point | None, ...] = ("before", "after", None)
        return cut[(number - 1) % 3]

    story = Story(new_server(), plan, deadly=False)
    books = story.play()
    story.end()
    check(books, tmp_path)
    assert story.cuts > 20
    assert all(run.number == 1 for run in books.runs)


@pytest.mark.long
@pytest.mark.spec("kills-18")
@pytest.mark.timeout(1800)
# A runner that dies here is a thread: what it was just starting is left to this process.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("point", ["before", "after"])
@pytest.mark.parametrize("route", ["hello", "reports", "work"])
@pytest.mark.parametrize("role", ["main", "session"])
@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_a_runner_that_dies_at_any_of_its_requests_is_followed_by_one_that_ends_the_story(
    request: pytest.FixtureRequest, tmp_path: Path, role: str, route: str, point: Point, kind: str
) -> None:
    for number in itertools.count(1):
        home = tmp_path / str(number)
        home.mkdir()
        with contextlib.ExitStack() as stack:
            url = ""
            if kind == "postgresql":
                url = stack.enter_context(request.getfixturevalue("postgres_server").database())
            else:
                shutil.copy(request.getfixturevalue("sqlite_template"), home / "mainloop.db")
            server = InProcessServer(home, url).start()
            stack.callback(server.close)
            story = Story(server, only((role, route, number), point), deadly=True)
            books = story.play()
            story.end()
        check(books, home)
        if story.cuts == 0:
            assert number > 1
            return
