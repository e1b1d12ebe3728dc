"""Pages of one thread."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event as sa_event

from mainloop.events.unit import UnitOfWork
from mainloop.runs import store
from mainloop.testing.crowd import busy
from mainloop.testing.inprocess import InProcessServer, NewServer
from mainloop_models import runner as r
from mainloop_models.events import RunBody, TodoEntry


@pytest.fixture
def ten(server: InProcessServer) -> InProcessServer:
    """A server whose thread `ten` has ten events."""

    def act(unit: UnitOfWork) -> None:
        store.add_thread(unit, "ten", "session")
        for n in range(1, 11):
            unit.append("ten", "run", RunBody(run=n, what="started"))

    server.parts.database.write(act)
    return server


def page(server: InProcessServer, **params: int) -> tuple[list[int], bool]:
    answer: Any = server.person.get("/api/threads/ten/events", **params)
    assert all(e["thread_id"] == "ten" and e["body"]["run"] == e["seq"] for e in answer["events"])
    return [e["seq"] for e in answer["events"]], answer["more"]


def test_a_thread_is_read_in_pages_in_both_directions(ten: InProcessServer) -> None:
    assert page(ten) == (list(range(1, 11)), False)
    assert page(ten, limit=3) == ([8, 9, 10], True)
    assert page(ten, before=8, limit=3) == ([5, 6, 7], True)
    assert page(ten, before=3, limit=3) == ([1, 2], False)
    assert page(ten, before=1) == ([], False)
    assert page(ten, after=0, limit=4) == ([1, 2, 3, 4], True)
    assert page(ten, after=7, limit=3) == ([8, 9, 10], False)
    assert page(ten, after=10) == ([], False)
    assert page(ten, after=10**15) == ([], False)


def test_a_page_that_can_not_be_is_refused_in_words(ten: InProcessServer) -> None:
    for name, value in (("limit", 0), ("limit", 501), ("after", -1), ("before", 0), ("after", 10**30)):
        answer = ten.person.http.get("/api/threads/ten/events", params={name: value})
        assert (answer.status_code, answer.json()["code"]) == (422, "bad_input"), answer.text
        assert name in answer.json()["detail"]


def numbers(server: InProcessServer, thread: str = "ten", **params: Any) -> list[int]:
    return [e["seq"] for e in server.person.get(f"/api/threads/{thread}/events", **params)["events"]]


def test_a_page_lies_around_an_event(ten: InProcessServer) -> None:
    assert numbers(ten, around=6, limit=4) == [4, 5, 6, 7]
    assert numbers(ten, around=1, limit=4) == [1, 2, 3, 4]
    assert numbers(ten, around=10, limit=4) == [8, 9, 10]
    assert numbers(ten, around=10**15, limit=4) == [8, 9, 10]
    assert numbers(ten, around=5, limit=1) == [5]
    assert ten.person.get("/api/threads/ten/events", around=5, limit=3)["newest"] == 10


@pytest.mark.spec("length-16")
def test_a_page_brings_the_newest_form_of_what_ends_behind_it(server: InProcessServer) -> None:
    server.person.post("/api/threads/main/messages", {"id": "message-1", "text": "look", "mode": "queue"})
    runner = server.runner()
    runner.hello()
    turn = runner.begin()
    runner.say(
        r.ToolCalled(id="slow", turn=turn, tool="Bash", title="run make", input={}),
        r.Todo(turn=turn, entries=[TodoEntry(text="build", status="in_progress")]),
    )
    item = runner.ask_question("Which way?")
    for n in range(5):
        runner.reply(f"Meanwhile {n}.")
    runner.say(
        r.ToolEnded(id="slow", turn=turn, status="ok", output="built"),
        r.Todo(turn=turn, entries=[TodoEntry(text="build", status="completed")]),
    )
    runner.end(text="Meanwhile 4.")

    events = server.person.events("main")
    edge = next(e["seq"] for e in events if e["kind"] == "item")
    page = server.person.get("/api/threads/main/events", before=edge + 1)
    later = {(e["kind"], e["body"].get("id") or e["body"]["turn"]): e for e in page["later"]}
    assert set(later) == {("tool_call", "slow"), ("todo", turn), ("item", item)}
    assert later["tool_call", "slow"]["body"]["output"] == "built"
    assert later["todo", turn]["body"]["entries"][0]["status"] == "completed"
    assert later["item", item]["body"]["state"] == "closed"
    newest = {e["seq"]: e for e in events}
    assert all(newest[e["seq"]] == e for e in page["later"])
    # Where the end is in the page nothing lies behind it.
    assert server.person.get("/api/threads/main/events")["later"] == []
    before = next(e["seq"] for e in events if e["kind"] == "tool_call")
    assert server.person.get("/api/threads/main/events", before=before)["later"] == []


@pytest.mark.spec("length-1")
def test_any_place_of_a_long_thread_is_read_by_number_and_by_time(
    tmp_path: Path, database_url: str, new_server: NewServer
) -> None:
    count, until = 3000, datetime(2026, 11, 28, 12, tzinfo=UTC)
    busy(tmp_path, count, until, database_url="" if database_url.startswith("sqlite") else database_url)
    server = new_server()
    assert len(server.person.state()["sessions"]) == 60
    everything = server.person.events()
    assert [e["seq"] for e in everything] == list(range(1, count + 1))
    times = [datetime.fromisoformat(e["at"]) for e in everything]
    for moment in (times[0] - timedelta(days=1), times[1200], times[1200] + timedelta(microseconds=1), times[-1]):
        page = server.person.get("/api/threads/main/events", at=moment.isoformat(), limit=10)["events"]
        first = next((n for n, at in enumerate(times, 1) if at >= moment), count)
        assert first in [e["seq"] for e in page]
        assert len(page) == 10 or first == count
    later = numbers(server, "main", at=(until + timedelta(days=1)).isoformat(), limit=10)
    assert later[-1] == count
    # Whatever is in the way, a moment has a zone.
    assert server.person.http.get("/api/threads/main/events", params={"at": "2026-11-28"}).status_code == 422


@pytest.mark.spec("length-1")
def test_the_place_of_a_page_costs_the_database_nothing(ten: InProcessServer) -> None:
    """Whatever is asked for is looked up in an index, and a moment by halving."""
    seen = dict[str, Any]()
    engine = ten.parts.database.engine
    if engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL reads a table of ten rows as a whole, index or not")

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        if "FROM event" in statement and "thread_id" in statement:
            seen[statement] = parameters

    moment = datetime(2026, 11, 28, tzinfo=UTC)
    sa_event.listen(engine, "before_cursor_execute", note)
    asked: list[dict[str, Any]] = [{}, {"before": 8}, {"after": 3}, {"around": 5}, {"at": moment.isoformat()}]
    for params in asked:
        numbers(ten, "ten", **params)
    sa_event.remove(engine, "before_cursor_execute", note)
    assert len(seen) >= 3
    with engine.connect() as connection:
        for read, parameters in seen.items():
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {read}", parameters)
            words = " ".join(str(row[-1]) for row in plan)
            assert "SEARCH event USING INDEX" in words, words
            assert "TEMP B-TREE" not in words, words
