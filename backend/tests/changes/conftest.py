"""A server, a project and sessions whose agents are the test."""

import os
import shutil
import tempfile
import threading
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mainloop.testing.by_hand import HandRunner
from mainloop.testing.inprocess import InProcessServer
from mainloop.testing.repositories import Repository


@dataclass
class Agent:
    """A session of a project, and the test in its agent's place: real commits, real requests."""

    server: InProcessServer
    id: str
    folder: Path
    runner: HandRunner = field(init=False)

    def __post_init__(self) -> None:
        self.wake()

    def wake(self) -> None:
        self.runner = self.server.runner(self.id)
        self.runner.hello()

    def works(self, files: dict[str, str], message: str = "Do it", says: str = "It is done.", outcome: str = "") -> str:
        """One turn with one commit; where its branch stands then."""
        self.runner.begin()
        if files:
            Repository(self.folder).commit(message, files)
        if outcome:
            self.runner.request("report", text=says, outcome=outcome)
        self.runner.end(text=says)
        return self.head

    @contextmanager
    def uncollected(self) -> Generator[None]:
        """What its turns leave has not come into the mirror yet, until this is over."""
        workspaces, over = self.server.workspaces, threading.Event()

        def save(*given: Any) -> None:
            assert over.wait(60)
            type(workspaces).save(workspaces, *given)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(workspaces, "save", save)
            try:
                yield
            finally:
                over.set()

    def diff(self, known: str = "") -> Any:
        """What it has changed; without the files where `known` is the version."""
        return self.server.person.get(f"/api/sessions/{self.id}/diff", known=known)

    def said(self) -> str:
        """What it is told next."""
        return self.runner.take().text

    def git(self, *arguments: str) -> str:
        return Repository(self.folder).git(*arguments)

    @property
    def head(self) -> str:
        return self.git("rev-parse", "HEAD")

    @property
    def session(self) -> Any:
        return self.server.person.get(f"/api/sessions/{self.id}")

    @property
    def change(self) -> Any:
        return self.server.person.get(f"/api/sessions/{self.id}/change")

    def until(self, what: str, fits: Callable[[Any], object]) -> Any:
        """Its change, as soon as it fits."""

        def look() -> Any:
            answer = self.server.person.http.get(f"/api/sessions/{self.id}/change")
            return change if answer.is_success and fits(change := answer.json()) else None

        return self.server.person.until(what, look)

    def ask(self, path: str, expect: int | None = None, **body: Any) -> Any:
        return self.server.person.post(f"/api/sessions/{self.id}/change{path}", body, expect=expect)

    def approves(self, commit: str, expect: int | None = None) -> Any:
        return self.ask("/review", expect, id=str(uuid.uuid4()), verdict="approved", commit=commit)


@dataclass
class World:
    """A person's repository and mainloop's mirror of it."""

    server: InProcessServer
    source: Repository
    project: str

    @property
    def mirror(self) -> Path:
        return self.server.parts.projects.mirror(self.project).path

    def sets(self, **merge: Any) -> None:
        answer = self.server.person.http.patch(f"/api/projects/{self.project}", json={"settings": {"merge": merge}})
        assert answer.status_code == 200, answer.text

    def start(self, prompt: str = "Work.", title: str = "work") -> Agent:
        ident = str(uuid.uuid4())
        person = self.server.person
        person.post("/api/sessions", {"id": ident, "prompt": prompt, "title": title, "project": self.project})
        return self.begun(ident)

    def start_after(self, *others: str, title: str = "later", project: bool = True) -> str:
        """A session that waits for others; its id."""
        ident = str(uuid.uuid4())
        given = {"id": ident, "prompt": "Go on.", "title": title, "after": list(others)}
        self.server.person.post("/api/sessions", {**given, "project": self.project if project else None})
        return ident

    def begun(self, ident: str) -> Agent:
        """Its agent, once it has begun."""
        person = self.server.person
        person.until("its branch", lambda: person.get(f"/api/sessions/{ident}")["branch"])
        folder = self.server.settings.home / "threads" / ident / "workspace"
        self.clone(ident, folder)
        return Agent(self.server, ident, folder)

    def clone(self, ident: str, folder: Path) -> None:
        """What a real workspace is: a clone below the mirror."""
        repository = Repository(folder)
        branch = self.server.person.get(f"/api/sessions/{ident}")["branch"]
        repository.git("init", "--quiet", f"--initial-branch={branch}")
        (folder / ".git/objects/info/alternates").write_text(f"{self.mirror / 'objects'}\n")
        begins = self.server.workspaces.commits[ident]
        repository.git("reset", "--quiet", "--hard", begins)

    def branch(self, name: str = "main") -> str:
        """Where the project's branch stands here; empty: nothing was merged yet."""
        return self.git("for-each-ref", "--format=%(objectname)", f"refs/heads/{name}")

    def subjects(self, name: str = "main") -> list[str]:
        """What was merged, newest first."""
        return self.git("log", "--format=%s", f"refs/heads/{name}").splitlines()

    def git(self, *arguments: str) -> str:
        return Repository(self.mirror).git(*arguments)


@pytest.fixture(scope="module")
def ground() -> Generator[Path]:
    path = Path(tempfile.mkdtemp(prefix="mainloop-test-", dir=os.environ.get("MAINLOOP_TEST_HOMES", "/var/tmp")))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def server(ground: Path) -> Generator[InProcessServer]:
    server = InProcessServer(ground / "home", max_alive=100).start()
    yield server
    server.close()


@pytest.fixture
def world(server: InProcessServer, ground: Path) -> World:
    name = f"rocket-{uuid.uuid4().hex[:8]}"
    source = Repository.make(ground / name)
    source.commit("before", {"app.py": "one\ntwo\nthree\n", "other.py": "1\n"})
    server.person.post("/api/projects", {"id": name, "source": str(source.path)})

    def ready() -> object:
        return any(p["id"] == name and p["state"] == "ready" for p in server.person.get("/api/projects")["projects"])

    server.person.until("the project", ready)
    return World(server, source, name)


# -- checks ------------------------------------------------------------------------------------------------------
def sets_test(world: World, command: str, **settings: Any) -> None:
    body = {"settings": {"test": command, **settings}}
    answer = world.server.person.http.patch(f"/api/projects/{world.project}", json=body)
    assert answer.status_code == 200, answer.text


def checked(agent: Agent, state: str) -> Any:
    """Its newest check, once it stands so."""
    change = agent.until(f"its tests: {state}", lambda c: c["checks"] and c["checks"][0]["state"] == state)
    return change["checks"][0]


def log(agent: Agent, check: str, after: int = 0) -> Any:
    return agent.server.person.get(f"/api/sessions/{agent.id}/change/checks/{check}/log", after=after)


def whole(agent: Agent, check: str) -> str:
    """All of it, piece by piece, as a page reads it."""
    text, after = "", 0
    while True:
        piece = log(agent, check, after)
        text, after = text + piece["text"], piece["next"]
        if piece["ended"]:
            return text


class Gate:
    """What a command waits for, and a test opens."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.waits = f"read word < {path}"
        self._path = path

    def open(self) -> None:
        self._path.write_text("on\n")


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "gate")
