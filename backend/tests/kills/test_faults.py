"""docs/kills.md: faults of the machine under whole processes, with the real agent and a scripted model."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mainloop.testing import ledger
from mainloop.testing.kills import Model, database_of
from mainloop.testing.scripted_model import call, script
from mainloop.testing.server import Person, ServerProcess
from mainloop.testing.small_disk import fill, small_disk
from mainloop.testing.waiting import eventually

# More than what is left in the pages of files that are there.
LONG = "I go on. " + "x" * 30_000
ABLE = {"MAINLOOP_COMMANDS": "allow", "MAINLOOP_SANDBOX": "auto"}


def activity(me: Person, session: str) -> Any:
    return me.get(f"/api/sessions/{session}")["status"]["activity"] or {"kind": ""}


@contextmanager
def running(home: Path, settings: dict[str, str]) -> Generator[tuple[ServerProcess, Person]]:
    server = ServerProcess(home, settings)
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
        database.engine.dispose()


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
