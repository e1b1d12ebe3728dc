"""docs/kills.md: faults of the machine under whole processes, with the real agent and a scripted model."""

import os
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from mainloop.testing import ledger
from mainloop.testing.flapping import Flapping
from mainloop.testing.kills import Model, database_of, processes
from mainloop.testing.scripted_model import call, script
from mainloop.testing.server import Person, ServerProcess, free_port
from mainloop.testing.small_disk import fill, small_disk
from mainloop.testing.waiting import eventually

# More than what is left in the pages of files that are there.
LONG = "I go on. " + "x" * 30_000
ABLE = {"MAINLOOP_COMMANDS": "allow", "MAINLOOP_SANDBOX": "auto"}


def activity(me: Person, session: str) -> Any:
    return me.get(f"/api/sessions/{session}")["status"]["activity"] or {"kind": ""}


@contextmanager
def running(home: Path, settings: dict[str, str]) -> Generator[tuple[ServerProcess, Person]]:
    with started(ServerProcess(home, settings)) as (server, me):
        yield server, me


@contextmanager
def started(server: ServerProcess) -> Generator[tuple[ServerProcess, Person]]:
    try:
        me = server.start().person()
        yield server, me
        me.http.close()
    finally:
        server.stop()


def settled(server: ServerProcess) -> ledger.Ledger:
    database = database_of(server)
    try:
        eventually(lambda: ledger.unsettled(ledger.read(database)) == [], 120)
        books = ledger.read(database)
        assert ledger.faults(books) == []
        return books
    finally:
        database.close()


@pytest.mark.long
@pytest.mark.spec("kills-24")
def test_a_session_on_a_full_disk_is_held_shown_and_goes_on(home: Path, model: Model) -> None:
    able = {**model.environment, **ABLE}
    with small_disk(home / "threads", megabytes=64) as threads, running(home, able) as (server, me):
        steps = [
            call("Bash", command="echo one >> runs"),
            {"gate": "full", "text": LONG, **call("Bash", command="echo two >> runs")},
            {"text": "That was all."},
        ]
        me.post("/api/sessions", {"id": "session-1", "prompt": script(*steps)})
        runs = threads / "session-1/workspace/runs"
        me.until("the first command", runs.exists)
        filler = fill(threads)
        model.open("full")
        me.until("its status", lambda: activity(me, "session-1")["kind"] == "unwritten")
        assert "No space left" in activity(me, "session-1")["text"]
        assert runs.read_text() == "one\n"
        filler.unlink()
        me.until_session("session-1", "idle")
        books = settled(server)
        assert runs.read_text() == "one\ntwo\n"
        assert [r.text for r in books.results] == ["That was all."]


@pytest.mark.long
@pytest.mark.spec("kills-30")
def test_what_is_asked_for_on_a_full_disk_begins_when_there_is_room(home: Path, model: Model) -> None:
    able = {**model.environment, **ABLE, "MAINLOOP_AGENT": "claude"}
    with small_disk(home / "threads", megabytes=64) as threads, running(home, able) as (server, me):
        me.post("/api/sessions", {"id": "session-1", "prompt": script({"text": "First."})})
        me.until_session("session-1", "idle")
        me.post("/api/sessions/session-1/park")
        me.until("its process to end", lambda: not server.runners())
        filler = fill(threads)
        me.say(script({"text": "Second."}), "session-1")
        me.post("/api/sessions", {"id": "session-2", "prompt": script({"text": "Third."})})
        me.say(script({"text": "Fourth."}))
        for session in ("session-1", "session-2"):
            me.until("its status", lambda session=session: activity(me, session)["kind"] == "unwritten")
        me.until("the main thread to say so", lambda: me.state()["main"]["status"]["activity"])
        assert server.runners() == []
        filler.unlink()
        me.until_turn_ended(2, "session-1")
        me.until_turn_ended(1, "session-2")
        me.until_turn_ended(1)
        settled(server)
        assert [me.replies(t)[-1] for t in ("session-1", "session-2", "main")] == ["Second.", "Third.", "Fourth."]
        assert me.get("/api/inbox")["items"] == []


QUESTION: Final = {
    "question": "Which?",
    "header": "",
    "multiSelect": False,
    "options": [{"label": "left", "description": ""}],
}


@pytest.mark.spec("kills-25")
@pytest.mark.parametrize(
    ("kind", "seed"),
    [("scripted", 1), *(pytest.param("claude", seed, marks=pytest.mark.long) for seed in (2, 3, 4))],
)
def test_a_bad_line_between_runners_and_server_loses_and_doubles_nothing(
    home: Path, request: pytest.FixtureRequest, kind: str, seed: int
) -> None:
    commands = [str(n) for n in range(2 if kind == "scripted" else 5)]
    settings: dict[str, str] = {} if kind == "scripted" else request.getfixturevalue("model").environment
    port = free_port()
    with Flapping(port, seed) as line:
        server = ServerProcess(home, {**settings, **ABLE, "PROXY_URL": line.url}, port)
        server.program = (str(Path(__file__).with_name("behind_proxy.py")),)
        with started(server) as (_, me):
            work = script(
                {"text": "I ask.", **call("mcp__mainloop__ask", questions=[QUESTION])},
                *({"text": f"Step {n}.", **call("Bash", command=f"echo {n} >> runs")} for n in commands),
                call("mcp__mainloop__report", text="it went left"),
                {"text": " ".join(["All of it."] * 40), "chunks": 10, "chunk_delay": 0.02},
            )
            spawn = call("mcp__mainloop__spawn_session", title="work", prompt=work, wake=True)
            me.say(script({"text": "I start.", **spawn}, {"text": "Started."}))
            item = me.until_item(lambda i: i["kind"] == "question")
            me.answer(item["id"], "answer", answers={"Which?": "left"})
            me.until_session(item["session_id"], "idle")
            books = settled(server)
            line.calm()
            assert [r.text for r in books.results] == ["it went left"]
            assert [(i.kind, i.state, i.taken) for i in books.items] == [("question", "answered", True)]
            assert [m.role for m in books.messages if m.thread_id == "main"] == ["user", "system"]
            runs = home / "threads" / item["session_id"] / "workspace/runs"
            assert runs.read_text().split() == commands
            # A bad line kills nobody.
            assert {run.number for run in books.runs} == {1}
            assert sum(line.happened.values()) > 5, line.happened


def resident(pid: int) -> int:
    """Megabytes of memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20


@pytest.mark.long
@pytest.mark.spec("kills-29")
def test_half_a_gigabyte_of_output_burdens_nobody(home: Path, model: Model) -> None:
    with running(home, {**model.environment, **ABLE}) as (server, me):
        assert server.process is not None
        before = resident(server.process.pid)
        flood = "echo beginning; yes abcdefghi | head -c 500000000; echo; echo ending"
        me.post("/api/sessions", {"id": "session-1", "prompt": script(call("Bash", command=flood), {"text": "done"})})
        most, states = before, ("starting", "working")
        while me.get("/api/sessions/session-1")["state"] in states:
            me.say("meanwhile", message_id="meanwhile")
            most = max(most, resident(server.process.pid))
        me.until_turn_ended(1)
        settled(server)
        (ended,) = [
            e["body"] for e in me.events("session-1") if e["kind"] == "tool_call" and e["body"]["status"] != "running"
        ]
        assert ended["status"] == "ok"
        assert len(ended["output"]) < 20_000
        assert "only the first 64MB were saved" in ended["output"]
        taken = sum(path.stat().st_size for path in home.rglob("*") if path.is_file()) >> 20
        assert taken < 100
        assert most - before < 50


# Longer than a runner may be silent (seconds).
NIGHT: Final = 75.0


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.spec("waiting-15")
@pytest.mark.parametrize("first", ["the server", "the others"])
def test_where_all_processes_stood_still_for_a_while_nobody_is_judged(home: Path, model: Model, first: str) -> None:
    with running(home, {**model.environment, **ABLE}) as (server, me):
        sessions = ["session-1", "session-2"]
        for session in sessions:
            me.post("/api/sessions", {"id": session, "prompt": script({"gate": "morning", "text": "Awake."})})
        for session in sessions:
            me.until("its turn", lambda session=session: me.get(f"/api/sessions/{session}")["turn"] == 1)
        assert server.process is not None
        groups = [[server.process.pid], [pid for session in sessions for pid in processes(home, session).all()]]
        for pid in groups[0] + groups[1]:
            os.kill(pid, signal.SIGSTOP)
        threading.Event().wait(NIGHT)
        for pids in groups if first == "the server" else reversed(groups):
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
            threading.Event().wait(3)
        model.open("morning")
        for session in sessions:
            me.until_session(session, "idle")
        books = settled(server)
        assert sorted((run.thread_id, run.number) for run in books.runs) == [(session, 1) for session in sessions]
        assert me.get("/api/inbox")["items"] == []
