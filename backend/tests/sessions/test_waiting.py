"""Sessions that wait cost nothing: no row of theirs is looked at again and again."""

import re
from typing import Any

import pytest
from sqlalchemy import event

from mainloop.runs import store as runs_store
from mainloop.runs.look import SELDOM
from mainloop.testing.inprocess import InProcessServer, NewServer

ROUNDS = 2 * SELDOM


@pytest.fixture
def server(new_server: NewServer, database_kind: str) -> InProcessServer:
    if database_kind != "sqlite":
        pytest.skip("the plan of a query is read as SQLite words it; both databases have the same indexes")
    return new_server()


@pytest.mark.spec("waiting-4")
def test_what_is_looked_at_every_second_is_found_by_an_index_and_not_by_reading_all(server: InProcessServer) -> None:
    server.person.post("/api/sessions", {"id": "session-1", "prompt": "look around"})
    runner = server.runner("session-1")
    runner.hello()
    runner.begin()
    runner.ask_permission(call_id="c1")
    runner.end("deferred", deferred_call="c1")
    runner.goodbye()
    engine = server.parts.database.engine
    asked: dict[str, Any] = {}

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        asked[statement] = parameters

    event.listen(engine, "before_cursor_execute", note)
    for _ in range(ROUNDS):
        server.look_after()
    event.remove(engine, "before_cursor_execute", note)

    assert server.parts.database.read(runs_store.threads_with_messages) == []
    looked = {s: p for s, p in asked.items() if re.match(r"\s*SELECT", s) and "workflow" not in s}
    assert any("FROM run" in s for s in looked)
    plans: dict[str, list[str]] = {}
    with engine.connect() as connection:
        for statement, parameters in looked.items():
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            plans[statement] = [str(row[-1]) for row in rows]
    reads_all = {
        statement: plan
        for statement, plan in plans.items()
        if any(re.match(r"SCAN (session|agent|run|message|item|event|thread|tool_call|note)\b", step) for step in plan)
    }
    assert reads_all == {}
