"""Pages of one thread."""

from typing import Any

import pytest

from mainloop.events.unit import UnitOfWork
from mainloop.runs import store
from mainloop.testing.inprocess import InProcessServer
from mainloop_models.events import RunBody


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
