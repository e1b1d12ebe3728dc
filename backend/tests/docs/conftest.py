"""The specs, sentence by sentence: a whole server, real runners, a person at the API."""

import contextlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from mainloop.testing.server import Person, ServerProcess, script


class Desk:
    """A running server and somebody who works with it.

    Results of sessions are put before the main agent's next message; where one may hold the mark of a script, `drain`
    comes first.
    """

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self._people: list[Person] = []
        self.me = self.person()

    def person(self) -> Person:
        """Somebody at a browser of their own."""
        self._people.append(self.server.person())
        return self._people[-1]

    def close(self) -> None:
        for person in self._people:
            person.http.close()
        self.server.stop()

    def start(self, *steps: dict[str, Any], **more: Any) -> str:
        """Start a session whose agent does these steps."""
        ident = str(uuid.uuid4())
        body = {"id": ident, "prompt": script(*steps) if steps else "The word is BANANA.", "title": "work", **more}
        self.me.post("/api/sessions", body)
        return ident

    def turn(self) -> int:
        return self.me.state()["main"]["turn"]

    def main(self, *steps: dict[str, Any]) -> str:
        """Let the main agent do these steps, to their end; the id of the message."""
        return self.turn_with(script(*steps))

    def drain(self) -> None:
        """Let the main agent read the results that wait for it, whatever they hold."""
        self.turn_with("What is new?")

    def turn_with(self, text: str) -> str:
        message = self.me.say(text)
        self.me.until_event(
            "the end of the message's turn",
            lambda e: e["kind"] == "turn_ended" and e["body"]["turn"] == self.turn_of(message) and done(e),
        )
        return message

    def turn_of(self, message: str, thread: str = "main") -> int | None:
        """The turn that took a message."""
        for event in self.me.events(thread):
            if event["kind"] == "turn_started" and message in event["body"]["message_ids"]:
                return event["body"]["turn"]
        return None

    def item_of(self, session: str) -> dict[str, Any]:
        """The open item of a session."""
        return self.me.until_item(lambda item: item["session_id"] == session)

    def of(self, thread: str, kind: str) -> list[dict[str, Any]]:
        """Bodies of one kind of event."""
        return [e["body"] for e in self.me.events(thread) if e["kind"] == kind]

    def runner_of(self, thread: str) -> int | None:
        """The process id of a thread's living runner."""
        for pid in self.server.runners():
            with contextlib.suppress(OSError):  # it has just ended
                if f"/threads/{thread}/".encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return pid
        return None

    def workspace(self, thread: str) -> Path:
        return self.server.home / "threads" / thread / "workspace"

    def restart(self) -> None:
        self.server.kill()
        self.server.start()


def done(event: dict[str, Any]) -> bool:
    return event["kind"] == "turn_ended" and event["body"]["outcome"] != "deferred"


def use(tool: str, **given: Any) -> dict[str, Any]:
    """A tool call of a step."""
    return {"name": tool, "input": given}


def question(text: str, *options: str) -> dict[str, Any]:
    return {
        "question": text,
        "header": "",
        "multiSelect": False,
        "options": [{"label": option, "description": ""} for option in options],
    }


ASKS = {"tools": [use("AskUserQuestion", questions=[question("Which one?", "left", "right")])]}
ANSWERED = {"text": "{{result}}"}


def run(command: str) -> dict[str, Any]:
    """A step that runs a command."""
    return {"tools": [use("Bash", command=command)]}


@contextlib.contextmanager
def running(server: ServerProcess) -> Generator[Desk]:
    try:
        desk = Desk(server.start())
    except BaseException:
        server.stop()
        raise
    try:
        yield desk
    finally:
        desk.close()


@pytest.fixture(scope="module")
def ground() -> Generator[Path]:
    """A folder for homes and repositories. Not below /tmp, which a sandboxed agent sees as its own."""
    path = Path(tempfile.mkdtemp(prefix="mainloop-test-", dir=os.environ.get("MAINLOOP_TEST_HOMES", "/var/tmp")))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def desk(ground: Path) -> Generator[Desk]:
    """One server for the tests of a module that do it no harm."""
    server = ServerProcess(ground / "shared", {"MAINLOOP_COMMANDS": "ask", "MAINLOOP_MAX_ALIVE": "50"})
    with running(server) as desk:
        yield desk


@pytest.fixture
def own(request: pytest.FixtureRequest, home: Path) -> Generator[Desk]:
    """A server of the test's own, with the settings of its `settings` mark."""
    mark = request.node.get_closest_marker("settings")
    server = ServerProcess(
        home, {f"MAINLOOP_{key.upper()}": str(value) for key, value in mark.kwargs.items()} if mark else {}
    )
    with running(server) as desk:
        yield desk
