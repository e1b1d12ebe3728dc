"""Between an ask and its answer, the answer and its delivery, the delivery and its acknowledgement: whoever dies there,
the answer reaches the real agent's call, once."""

import signal
import socket
import uuid
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import pytest

from mainloop.access.service import new_code
from mainloop.events.unit import Database
from mainloop.testing import ledger
from mainloop.testing.flapping import Flapping
from mainloop.testing.kills import Model, Victim, database_of, kill
from mainloop.testing.scripted_model import call, script
from mainloop.testing.server import Person, ServerProcess, free_port
from mainloop.testing.waiting import eventually

SECONDS: Final = 120
Seam = Literal["asked", "answered", "delivered"]
QUESTION: Final = {
    "question": "Which one?",
    "header": "",
    "multiSelect": False,
    "options": [{"label": "left", "description": ""}, {"label": "right", "description": ""}],
}


@dataclass(frozen=True)
class Kind:
    """How an agent comes to ask, what the person says to it, and what the agent reads then."""

    steps: tuple[dict[str, Any], ...]
    answer: dict[str, Any]
    told: str


KINDS: Final = {
    "question": Kind(
        (call("AskUserQuestion", questions=[QUESTION]),),
        {"decision": "answer", "answers": {"Which one?": "left"}},
        "left",
    ),
    "plan": Kind(
        (
            call("EnterPlanMode"),
            call("Write", file_path=r"{{find:create your plan at (\S+?\.md)}}", content="# Tidy up\n\n1. Look"),
            call("ExitPlanMode"),
        ),
        {"decision": "revise", "text": "look twice"},
        "look twice",
    ),
    "form": Kind(
        (
            call(
                "mcp__mainloop__form",
                message="Where to?",
                schema={"type": "object", "properties": {"host": {"type": "string"}}, "required": ["host"]},
            ),
        ),
        {"decision": "answer", "values": {"host": "ash"}},
        "ash",
    ),
    "permission": Kind((call("Bash", command="echo run >> runs; echo ran"),), {"decision": "allow"}, "ran"),
}


class HeldLine(Flapping):
    """A line that lets everything through but what is held: all of it, or requests of one kind."""

    def __init__(self, target: int) -> None:
        super().__init__(target, 0)
        self.calm()
        self.held: bytes | None = None

    def _pass_on(self, data: bytes, asked: bool, to: socket.socket) -> bool:
        if self.held is not None and (self.held == b"" or (asked and self.held in data)):
            return False
        return super()._pass_on(data, asked, to)


@dataclass
class Scene:
    server: ServerProcess
    line: HeldLine
    me: Person
    database: Database
    session: str

    def item(self) -> Any:
        [item] = ledger.read(self.database).items
        return item

    def spool(self) -> str:
        folder = self.server.home / "threads" / self.session / "spool"
        return "".join(path.read_text() for path in folder.glob("*.jsonl"))


@pytest.fixture
def scene(home: Path, model: Model) -> Generator[Scene]:
    port = free_port()
    with HeldLine(port) as line:
        server = ServerProcess(home, {**model.environment, "MAINLOOP_COMMANDS": "ask", "PROXY_URL": line.url}, port)
        server.program = (str(Path(__file__).with_name("behind_proxy.py")),)
        try:
            server.start()
            database = database_of(server)
            me = Person(server.url, new_code(database))
            yield Scene(server, line, me, database, str(uuid.uuid4()))
            me.http.close()
            database.close()
        finally:
            server.stop()


def cells() -> list[Any]:
    fast = ("permission", "delivered", "server")
    found: list[Any] = []
    for kind in KINDS:
        for seam in ("asked", "answered", "delivered"):
            for victim in ("server", "runner", "machine"):
                cell = (kind, seam, victim)
                found.append(pytest.param(*cell, marks=[] if cell == fast else pytest.mark.long, id="-".join(cell)))
    return found


@pytest.mark.timeout(400)
@pytest.mark.spec("inbox-16", "kills-6", "kills-7")
@pytest.mark.parametrize(("kind", "seam", "victim"), cells())
def test_an_answer_reaches_the_call_that_asked_wherever_it_was_lost(
    scene: Scene, kind: str, seam: Seam, victim: Victim
) -> None:
    asks = KINDS[kind]
    prompt = script(*asks.steps, {"text": "so: {{result}}"})
    scene.me.post("/api/sessions", {"id": scene.session, "prompt": prompt, "title": "work"})
    item = scene.me.until_item()
    assert item["kind"] == kind
    answer = {"id": str(uuid.uuid4()), **asks.answer}

    def give() -> None:
        scene.me.post(f"/api/inbox/{item['id']}/answer", answer)

    reached: dict[Seam, Callable[[], None]] = {
        "asked": lambda: None,
        "answered": lambda: on_the_way(scene, give, b""),
        "delivered": lambda: on_the_way(scene, give, b"POST /runner/v1/reports"),
    }
    reached[seam]()
    assert kill(scene.server, scene.session, victim, signal.SIGKILL)
    scene.line.held = None
    if victim in ("server", "machine"):
        scene.server.start()
    give()  # the answer that was lost, or the same again

    eventually(lambda: not ledger.unsettled(ledger.read(scene.database)), SECONDS)
    books = ledger.read(scene.database)
    assert ledger.faults(books) == []
    assert [(i.kind, i.state, i.taken, i.answer_id) for i in books.items] == [(kind, "answered", True, answer["id"])]
    assert scene.me.get(f"/api/sessions/{scene.session}")["state"] == "idle"
    runs = scene.server.home / "threads" / scene.session / "workspace/runs"
    ran = runs.read_text().splitlines() if runs.exists() else []
    assert len(ran) <= 1
    cut_off = [turn for turn, outcome in books.outcomes(scene.session) if outcome == "cut_off"]
    if victim == "server":
        assert cut_off == []
        assert asks.told in scene.me.replies(scene.session)[-1]
        assert len(ran) == (kind == "permission")


def on_the_way(scene: Scene, give: Callable[[], None], held: bytes) -> None:
    """The answer is with the server and no further; or with the agent, and the server does not know."""
    scene.line.held = held
    give()
    if held:
        eventually(lambda: '"answer_taken"' in scene.spool(), SECONDS)
    item = scene.item()
    assert (item.state, item.taken) == ("answered", False)
    assert ('"answer_taken"' in scene.spool()) == bool(held)
