"""docs/kills.md: whatever is killed, however, in whatever situation, with the real agent and a scripted model.

A situation is reached, somebody is killed in it, and what held it up is let go. Then everything has to come to its
end by itself, and one list of what must be true is read off the books.
"""

import contextlib
import os
import signal
import time
import uuid
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, get_args

import pytest

from mainloop.access.service import new_code
from mainloop.events.unit import Database
from mainloop.testing import ledger
from mainloop.testing.kills import Model, Victim, alive, database_of, kill, processes
from mainloop.testing.scripted_model import call, script
from mainloop.testing.server import Person, ServerProcess
from mainloop.testing.waiting import eventually

# Generous: a loaded machine is slow, a hang is a failure all the same.
SECONDS: Final = 120
SIGNALS: Final = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
LONG_TEXT: Final = " ".join(f"word-{n}" for n in range(40))
# Appends a line each time it runs, then waits until the test lets it go on.
COMMAND: Final = "echo run >> runs; cat gate"
SUMMARY: Final = "<analysis>all of it</analysis>\n<summary>\nWhat was said.\n</summary>"
COMPACTION: Final = (
    {"match": "^CRITICAL: Respond with TEXT ONLY", "steps": [{"gate_mid": "compact", "text": SUMMARY}]},
    {"match": "This session is being continued", "steps": [{"text": "gone on after the summary"}]},
)
# How an agent learns that it was cut off.
TOLD: Final = ("was stopped in the middle of turn", "You were cut off", "its outcome is unknown")


@dataclass
class Stage:
    """One session on a server of its own."""

    server: ServerProcess
    me: Person
    database: Database
    model: Model
    session: str = ""
    # What the person said, by the words that are in nothing else.
    said: list[str] = field(default_factory=list[str])

    @property
    def workspace(self) -> Path:
        return self.server.home / "threads" / self.session / "workspace"

    def start(self, text: str = "the first words") -> None:
        self.session = str(uuid.uuid4())
        self.me.post("/api/sessions", {"id": self.session, "prompt": self._marked(text), "title": "work"})

    def say(self, *steps: dict[str, Any]) -> None:
        self.me.say(self._marked(script(*steps)), self.session)

    def _marked(self, text: str) -> str:
        self.said.append(f"Request {uuid.uuid4().hex[:8]}.")
        return f"{self.said[-1]} {text}"

    def idle(self) -> None:
        """A session that has answered once."""
        self.start()
        self.me.until_session(self.session, "idle")
        os.mkfifo(self.workspace / "gate")

    def item(self) -> str:
        return self.me.until_item(lambda item: item["session_id"] == self.session)["id"]

    def runs(self) -> int:
        path = self.workspace / "runs"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def let_go(self) -> None:
        """Whoever reads the gate goes on; nobody has to."""
        with contextlib.suppress(OSError):
            os.close(os.open(self.workspace / "gate", os.O_WRONLY | os.O_NONBLOCK))

    def books(self) -> ledger.Ledger:
        return ledger.read(self.database)


Release = Callable[[], object]


@dataclass(frozen=True)
class Situation:
    """`reach` brings a session into it and answers what lets it go on."""

    spec: pytest.MarkDecorator
    name: str
    reach: Callable[[Stage], Release]
    victims: tuple[Victim, ...] = ("server", "runner", "agent", "machine")
    commands: str = "ask"
    hold_minutes: float = 30
    # Whether it goes on, to its end, without a server.
    alone: bool = False
    # How often its command runs, at least and at most, whatever is killed.
    runs: tuple[int, int] = (0, 0)


def idle(stage: Stage) -> Release:
    stage.idle()
    return lambda: stage.say({"text": "still here"})


def beginning(stage: Stage) -> Release:
    """The very first words, and the model has not begun to answer."""
    stage.start(script({"gate": "begin", "text": LONG_TEXT}))
    eventually(stage.model.requests, SECONDS)
    return lambda: stage.model.open("begin")


def streaming(stage: Stage) -> Release:
    stage.idle()
    stage.say({"text": LONG_TEXT, "gate_mid": "middle"})
    eventually(lambda: stage.me.state()["open_messages"], SECONDS)
    return lambda: stage.model.open("middle")


def late(stage: Stage) -> Release:
    """In the middle of a reply, behind a command that has run."""
    stage.idle()
    stage.say(call("Bash", command="echo run >> runs"), {"text": LONG_TEXT, "gate_mid": "middle"})
    eventually(lambda: stage.me.state()["open_messages"], SECONDS)
    return lambda: stage.model.open("middle")


def in_a_tool(stage: Stage) -> Release:
    stage.idle()
    stage.say(call("Bash", command=COMMAND), {"text": "so: {{result}}"})
    eventually(stage.runs, SECONDS)
    return stage.let_go


def question(stage: Stage) -> Release:
    stage.idle()
    options = [{"label": "left", "description": ""}, {"label": "right", "description": ""}]
    asked = {"question": "Which one?", "header": "", "multiSelect": False, "options": options}
    stage.say(call("AskUserQuestion", questions=[asked]), {"text": "so: {{result}}"})
    item = stage.item()
    return lambda: stage.me.answer(item, "answer", answers={"Which one?": "left"})


def permission(stage: Stage) -> Release:
    stage.idle()
    stage.say(call("Bash", command="echo run >> runs"), {"text": "so: {{result}}"})
    item = stage.item()
    return lambda: stage.me.answer(item, "allow")


def deferred(stage: Stage) -> Release:
    release = permission(stage)
    stage.me.until("the session to be parked", lambda: stage.me.get(f"/api/sessions/{stage.session}")["parked"])
    eventually(lambda: not processes(stage.server.home, stage.session).all(), SECONDS)
    return release


def approved(stage: Stage) -> Release:
    """A deferred call that the person has allowed meanwhile, while it runs."""
    stage.idle()
    stage.say(call("Bash", command=COMMAND), {"text": "so: {{result}}"})
    item = stage.item()
    stage.me.until("the session to be parked", lambda: stage.me.get(f"/api/sessions/{stage.session}")["parked"])
    stage.me.answer(item, "allow")
    eventually(stage.runs, SECONDS)
    return stage.let_go


def queued(stage: Stage) -> Release:
    release = streaming(stage)
    stage.say({"text": "the second reply"})
    return release


def compacting(stage: Stage) -> Release:
    stage.model.rules(*COMPACTION)
    stage.idle()
    too_long = {"status": 400, "type": "invalid_request_error", "message": "prompt is too long: 210000 tokens > 200000"}
    stage.say({"error": too_long, "text": "answered"})
    eventually(lambda: stage.model.requests(lambda r: r["user"].startswith("CRITICAL")), SECONDS)
    return lambda: stage.model.open("compact")


SITUATIONS: Final = (
    Situation(pytest.mark.spec("kills-1"), "idle", idle),
    Situation(pytest.mark.spec("kills-2"), "beginning", beginning, alone=True),
    Situation(pytest.mark.spec("kills-3"), "streaming", streaming, alone=True),
    Situation(pytest.mark.spec("kills-4"), "late", late, commands="allow", alone=True, runs=(1, 1)),
    Situation(
        pytest.mark.spec("kills-5"), "tool", in_a_tool, (*get_args(Victim),), commands="allow", alone=True, runs=(1, 1)
    ),
    Situation(pytest.mark.spec("kills-6"), "question", question),
    Situation(pytest.mark.spec("kills-7"), "permission", permission, runs=(0, 1)),
    Situation(pytest.mark.spec("kills-8"), "deferred", deferred, ("server", "machine"), hold_minutes=0.01, runs=(1, 1)),
    Situation(
        pytest.mark.spec("kills-9"),
        "approved",
        approved,
        (*get_args(Victim),),
        hold_minutes=0.01,
        alone=True,
        runs=(1, 1),
    ),
    Situation(pytest.mark.spec("kills-10"), "queued", queued),
    Situation(pytest.mark.spec("kills-11"), "compacting", compacting, alone=True),
)


def cells() -> list[Any]:
    """Every row of the table; the most telling ones are in the fast set."""
    fast = {("tool", "machine", "SIGKILL"), ("streaming", "runner", "SIGKILL")}
    found: list[Any] = []
    for situation in SITUATIONS:
        for victim in situation.victims:
            for number in (signal.SIGKILL,) if victim == "machine" else SIGNALS:
                cell = (situation.name, victim, number.name)
                marks = [situation.spec] if cell in fast else [situation.spec, pytest.mark.long]
                found.append(pytest.param(situation, victim, number, marks=marks, id="-".join(cell)))
    return found


@pytest.fixture
def stage(home: Path, model: Model, situation: Situation) -> Generator[Stage]:
    settings = {"MAINLOOP_COMMANDS": situation.commands, "MAINLOOP_HOLD_MINUTES": str(situation.hold_minutes)}
    server = ServerProcess(home, {**model.environment, **settings})
    try:
        server.start()
        database = database_of(server)
        me = Person(server.url, new_code(database))
        yield Stage(server, me, database, model)
        me.http.close()
        database.close()
    finally:
        server.stop()


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("situation", "victim", "number"), cells())
def test_whoever_is_killed_nothing_is_lost_and_nothing_happens_twice(
    stage: Stage, situation: Situation, victim: Victim, number: signal.Signals
) -> None:
    release = situation.reach(stage)
    before = processes(stage.server.home, stage.session)
    turn = stage.me.get(f"/api/sessions/{stage.session}")["turn"]
    killed = kill(stage.server, stage.session, victim, number)
    assert killed or situation.name == "deferred"
    if victim == "agent" or (number is signal.SIGKILL and victim in ("runner", "machine")):
        # What belonged to it goes with it; and the model has noticed.
        gone = [*killed, *before.boxes, *before.agents, *before.tools]
        eventually(lambda: not any(alive(pid) for pid in gone))
        stage.model.requests()

    if victim == "server":
        # Nobody but the server is gone.
        assert processes(stage.server.home, stage.session).runners == before.runners
        if situation.alone:
            release()
            eventually(lambda: '"turn_ended"' in spool(stage), SECONDS)
    if victim in ("server", "machine"):
        stage.server.start()
    if victim != "server" or not situation.alone:
        release()

    settle(stage)
    books = stage.books()
    assert ledger.faults(books) == []
    assert stage.me.get(f"/api/sessions/{stage.session}")["state"] == "idle"
    assert stage.me.get("/api/inbox")["items"] == []
    least, most = situation.runs
    assert least <= stage.runs() <= most
    cut_off = [t for t, outcome in books.outcomes(stage.session) if outcome == "cut_off"]
    asked = stage.model.requests()
    # A conversation that was shortened is not said again either.
    shortened = situation.reach is compacting
    assert ledger.misheard(asked, stage.said, cut_off=bool(cut_off) or shortened) == []
    assert not cut_off or ledger.told(asked, *TOLD)
    if victim == "server":
        assert cut_off == []
    # One that dies while it is idle may have been given the next message.
    assert cut_off in ([], [turn], [turn + 1] if situation.name == "idle" else [turn])
    nothing_is_left_over(stage, before.all(), victim)


def spool(stage: Stage) -> str:
    folder = stage.server.home / "threads" / stage.session / "spool"
    return "".join(path.read_text() for path in folder.glob("*.jsonl"))


def settle(stage: Stage) -> None:
    """Everything comes to its end by itself."""
    until = time.monotonic() + SECONDS
    while open_ends := ledger.unsettled(stage.books()):
        if time.monotonic() > until:
            raise AssertionError(f"{open_ends}\n{stage.books().of(stage.session)[-12:]}\n{stage.server.log()[-2000:]}")
        time.sleep(0.1)


def nothing_is_left_over(stage: Stage, before: list[int], victim: Victim) -> None:
    """At most one runner lives, and what belonged to a dead one is gone."""
    now = processes(stage.server.home, stage.session)
    assert len(now.runners) <= 1
    if victim in ("runner", "machine"):
        eventually(lambda: not any(alive(pid) for pid in before))
    if not now.runners:
        eventually(lambda: not processes(stage.server.home, stage.session).all(), 20)
