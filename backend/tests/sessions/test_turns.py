"""What is kept of a turn, however it ended, and whatever comes between."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from mainloop.sessions import store
from mainloop.testing.by_hand import HandRunner
from mainloop.testing.inprocess import InProcessServer

from .test_sessions import working


def workspace(server: InProcessServer, ident: str = "session-1") -> Path:
    return server.settings.home / "threads" / ident / "workspace"


def turns(server: InProcessServer, count: int, ident: str = "session-1") -> list[dict[str, Any]]:
    def look() -> Any:
        found = server.person.get(f"/api/sessions/{ident}/turns")["turns"]
        return found if len(found) == count and all(turn["state"] != "keeping" for turn in found) else None

    return server.person.until("its turns", look)


def paths(server: InProcessServer, of: str, ident: str = "session-1") -> list[str]:
    return [file["path"] for file in server.person.get(f"/api/sessions/{ident}/diff", of=of)["files"]]


def next_turn(server: InProcessServer, runner: HandRunner) -> None:
    message = server.person.say("go on", "session-1")
    runner.until_work(lambda work: any(m.id == message for m in work.messages))
    runner.begin(message)


@pytest.mark.spec("turns-1", "turns-3", "turns-4", "turns-11")
def test_a_turn_is_kept_however_it_ended(server: InProcessServer) -> None:
    runner = working(server)
    assert server.person.get("/api/sessions/session-1/turns") == {"turns": []}
    (workspace(server) / "a").write_text("1\n")
    runner.end("interrupted")
    turns(server, 1)
    next_turn(server, runner)
    (workspace(server) / "b").write_text("2\n")
    runner.end(text="Done.")
    found = turns(server, 2)
    assert [(turn["turn"], turn["state"], turn["files"], turn["text"]) for turn in found] == [
        (2, "kept", True, "go on"),
        (1, "kept", True, "look around"),
    ]
    assert (paths(server, "turn:1"), paths(server, "turn:2")) == (["a"], ["b"])
    # The machine ends its process in the middle of one.
    next_turn(server, runner)
    (workspace(server) / "c").write_text("3\n")
    runner.die()
    again = server.runner("session-1")
    again.hello()
    again.begin()
    assert [turn["files"] for turn in turns(server, 3)] == [True, True, True]
    assert paths(server, "turn:3") == ["c"]
    # Closed, with its workspace gone, what each turn left is still there, and one can go back to it.
    again.end(text="Over.")
    turns(server, 4)
    again.die()
    server.person.post("/api/sessions/session-1/close")
    server.person.until("it is gone", lambda: not workspace(server).exists())
    assert paths(server, "turn:2") == ["b"]
    server.person.post("/api/sessions/session-1/turns/2/branch", {"id": "branch-1"}, expect=201)
    server.person.until_session("branch-1", "idle")
    assert sorted(path.name for path in workspace(server, "branch-1").iterdir()) == ["a", "b"]


@pytest.mark.spec("turns-5", "turns-10")
def test_where_a_workspace_was_gone_its_turn_says_so_and_nobody_goes_back_there(server: InProcessServer) -> None:
    runner = working(server)
    shutil.rmtree(workspace(server))
    runner.end(text="Gone.")
    (turn,) = turns(server, 1)
    assert (turn["state"], turn["why"], turn["files"]) == ("failed", "its workspace was gone already.", False)
    refused = server.person.post("/api/sessions/session-1/turns/1/branch", {"id": "branch-1"}, expect=409)
    assert refused["detail"] == (
        "What lay in the workspace of look-around at the end of turn 1 is not there: its workspace was gone already."
    )


@pytest.mark.spec("turns-5")
def test_a_turn_that_was_looked_at_when_the_next_had_begun_is_marked(server: InProcessServer) -> None:
    runner = working(server)
    second = server.person.say("and more", "session-1")
    look = server.parts.workspaces.look

    def late(*given: Any) -> Any:
        runner.until_work(lambda work: any(m.id == second for m in work.messages))
        if not (workspace(server) / "second").exists():
            runner.begin(second)
            (workspace(server) / "second").touch()
        return look(*given)

    server.parts.workspaces.look = late  # type: ignore[method-assign]
    runner.end(text="First.")
    (turn,) = server.person.until(
        "it is kept",
        lambda: [t for t in server.person.get("/api/sessions/session-1/turns")["turns"] if t["state"] == "kept"],
    )
    assert turn["late"]


@pytest.mark.spec("turns-2")
def test_a_turn_is_kept_once_though_its_server_was_killed_between_the_two_writes(server: InProcessServer) -> None:
    runner = working(server)
    (workspace(server) / "a").write_text("1\n")
    runner.end(text="Done.")
    turns(server, 1)
    mirror = server.parts.projects.keeps(None)
    before = mirror.turns("session-1")
    # As it is when the commit was written and the row was not.
    (workspace(server) / "a").write_text("later\n")
    forgotten = {"state": "keeping", "tree": None}
    server.parts.database.write(lambda unit: store.update_kept_turn(unit, "session-1", 1, **forgotten))
    server.parts.kept_turns.keep("session-1")
    assert mirror.turns("session-1") == before
    assert paths(server, "turn:1") == ["a"]
