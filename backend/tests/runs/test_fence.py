"""The number of a run is the fence: only the newest may act."""

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy import event

from mainloop.db import tables as t
from mainloop.testing.by_hand import HandRunner
from mainloop.testing.inprocess import InProcessServer
from mainloop_models import runner as r


def two_runs(server: InProcessServer) -> tuple[HandRunner, HandRunner]:
    """A run that is over although its process lives on, and the one that took its place."""
    server.person.say("hello")
    old = server.runner()
    old.hello()
    old.begin()
    old.die()
    server.look_after()
    return old, server.runner("main", 2)


def refused(answer: httpx.Response, status: int, code: str) -> bool:
    return (answer.status_code, answer.json()["code"]) == (status, code) and answer.json()["detail"] != ""


def test_an_older_run_is_refused_at_every_door_and_changes_nothing(server: InProcessServer) -> None:
    old, new = two_runs(server)
    new.hello()
    before = server.person.events()
    old.write(r.Said(id="m1", turn=1, text="too late"))
    assert refused(old.try_hello(), 409, "run_refused")
    assert refused(old.try_send(old.spool), 409, "run_refused")
    assert refused(old.try_work(), 409, "run_refused")
    assert refused(old.try_deltas(r.Delta(message_id="m", turn=1, offset=0, text="x")), 409, "run_refused")
    assert server.person.events() == before


def test_a_run_that_wrote_a_moment_ago_is_refused_at_every_door_as_soon_as_a_newer_one_begins(
    server: InProcessServer,
) -> None:
    server.person.say("hello")
    old = server.runner()
    old.hello()
    turn = old.begin()
    assert old.delta("m", 0, "Hel") == 3
    old.die()
    server.look_after()
    server.runner("main", 2)
    assert refused(old.try_deltas(r.Delta(message_id="m", turn=turn, offset=3, text="lo")), 409, "run_refused")
    assert refused(old.try_work(), 409, "run_refused")
    assert refused(old.try_send(old.spool), 409, "run_refused")


def test_pieces_of_a_run_that_was_let_in_are_taken_without_a_look_at_the_database(server: InProcessServer) -> None:
    server.person.say("hello")
    runner = server.runner()
    runner.hello()
    runner.begin()
    runner.delta("m", 0, "Hel")
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "WHERE run.token_hash" in statement:
            asked.append(statement)

    engine = server.parts.database.engine
    event.listen(engine, "before_cursor_execute", note)
    assert runner.delta("m", 3, "lo") == 5
    assert asked == []
    runner.hello()
    assert len(asked) == 1, "a look that is made is seen here"
    event.remove(engine, "before_cursor_execute", note)


def test_a_run_that_waits_for_work_is_refused_when_a_newer_one_begins(server: InProcessServer) -> None:
    server.person.say("hello")
    old = server.runner()
    old.hello()
    old.whole_turn("hi")
    version = old.work().version
    old.die()
    server.look_after()
    server.person.say("again")
    server.runner("main", 2)
    assert refused(old.try_work(version), 409, "run_refused")


def test_a_forged_token_opens_nothing(server: InProcessServer) -> None:
    server.person.say("hello")
    runner = server.runner()
    real = runner.http.headers["Authorization"]
    for forged in ("Bearer nonsense", "Bearer", "", "Basic abc", real + "x", real[:-1]):
        runner.http.headers["Authorization"] = forged
        assert refused(runner.try_hello(), 401, "unknown_run")
        assert refused(runner.try_work(), 401, "unknown_run")
        assert refused(runner.try_send([]), 401, "unknown_run")


def test_a_token_speaks_for_its_own_run_and_thread_only(server: InProcessServer) -> None:
    server.person.post("/api/sessions", {"id": "session-1", "prompt": "look"})
    server.person.say("hello")
    main, other = server.runner(), server.runner("session-1")
    main.hello()
    other.hello()
    other.thread_id = "main"
    assert refused(other.try_hello(), 409, "run_refused")
    assert refused(other.try_send([]), 409, "run_refused")
    other.thread_id, other.run = "session-1", 2
    assert refused(other.try_hello(), 409, "run_refused")
    other.write(r.Said(id="m", turn=1, text="from a run that never was"))
    assert refused(other.try_send(other.spool), 409, "run_refused")
    assert server.person.replies("session-1") == []


def test_a_runner_can_not_touch_another_threads_asks(server: InProcessServer) -> None:
    server.person.post("/api/sessions", {"id": "session-1", "prompt": "look"})
    server.person.say("hello")
    main, other = server.runner(), server.runner("session-1")
    for runner in (main, other):
        runner.hello()
        runner.begin()
    ask = other.ask_permission()
    main.say(r.AskWithdrawn(ask_id=ask, reason="not mine"))
    assert [i["id"] for i in server.person.get("/api/inbox")["items"]] == [ask]
    server.person.answer(ask, "allow")
    main.say(r.AnswerTaken(ask_id=ask), r.Released(call_id="c", turn=1, by="answer", ask_id=ask))
    assert [a.ask_id for a in other.work().answers] == [ask]


def test_tokens_of_runs_are_stored_as_hashes_only(server: InProcessServer) -> None:
    server.person.say("hello")
    runner = server.runner()
    token = runner.http.headers["Authorization"].removeprefix("Bearer ")
    everything = server.parts.database.read(
        lambda c: [str(row) for table in t.metadata.sorted_tables for row in c.execute(sa.select(table))]
    )
    assert everything
    assert not any(token in row for row in everything)


@pytest.mark.spec("kills-20")
def test_the_number_is_raised_only_when_the_lock_is_free(server: InProcessServer) -> None:
    server.person.say("hello")
    runner = server.runner()
    runner.hello()
    runner.begin()
    for _ in range(3):
        server.person.say("more")
        server.look_after()  # silent, but it holds its lock
    assert server.starts("main") == [1]
    runner.die()
    server.look_after()
    server.runner("main", 2)
    assert server.starts("main") == [1, 2]


def test_a_hello_said_twice_is_one_start(server: InProcessServer) -> None:
    server.person.say("hello")
    runner = server.runner()
    assert runner.hello() == runner.hello()
    assert [e["body"]["what"] for e in server.person.events() if e["kind"] == "run"] == ["started"]
