"""How far the person has read: the same on every device, only ever forward but for one explicit way back."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mainloop.testing.by_hand import HandRunner
from mainloop.testing.inprocess import InProcessServer
from mainloop_models import runner as r


def says(runner: HandRunner, text: str) -> None:
    runner.say(r.Said(id=f"m-{text}", turn=1, text=text))


def mark(server: InProcessServer, thread: str = "session-1") -> tuple[int, int]:
    """How far it was read, and up to where there is something to read."""
    found = server.person.get(f"/api/threads/{thread}/read")
    [same] = [m for m in server.pair().state()["marks"] if m["thread_id"] == thread]
    assert found == same
    return found["read"], found["told"]


def read(server: InProcessServer, seq: int, **more: Any) -> int:
    answer = server.person.http.put("/api/threads/session-1/read", json={"seq": seq, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()["read"]


def last(server: InProcessServer, thread: str = "session-1") -> int:
    return server.person.events(thread)[-1]["seq"]


@pytest.mark.spec("unread-3")
def test_what_tells_something_is_unread_and_nothing_else(server: InProcessServer) -> None:
    runner = server.working()
    assert mark(server) == (0, 0)  # what the person said, and that it works now
    says(runner, "hello")
    told = mark(server)[1]
    assert server.person.events("session-1")[told - 1]["body"]["text"] == "hello"
    server.person.post("/api/threads/session-1/messages", {"id": "message-1", "text": "go on"}, expect=201)
    assert mark(server) == (0, told)
    ask = runner.ask_permission()
    asked = mark(server)[1]
    assert asked > told
    server.person.post(f"/api/inbox/{ask}/snooze", {})
    server.person.answer(ask, "deny")
    assert mark(server) == (0, asked)
    runner.end(text="done")
    result = mark(server)[1]
    assert server.person.events("session-1")[result - 1]["kind"] == "result"


@pytest.mark.spec("unread-1")
def test_every_device_is_told_at_once_and_it_survives_a_restart(server: InProcessServer) -> None:
    says(server.working(), "hello")
    told = mark(server)[1]
    other = server.pair()
    with other.follow(other.state()["cursor"]) as follower:
        assert read(server, told) == told
        news = follower.until(lambda name, _: name == "read")[-1][2]
    assert news == {"thread_id": "session-1", "read": told, "told": told, "replies": 1}
    server.stop()
    server.start()
    assert mark(server) == (told, told)


@pytest.mark.spec("unread-2")
def test_it_only_moves_forward_and_not_past_the_end(server: InProcessServer) -> None:
    runner = server.working()
    for n in range(5):
        says(runner, f"line {n}")
    end = last(server)

    def up_to(seq: int) -> int:
        return read(server, seq)

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(up_to, [3, 5, 4, 2, 3]))
    assert mark(server)[0] == 5
    assert read(server, 1) == 5
    assert read(server, 2**62) == end
    says(runner, "and one more")
    assert mark(server) == (end, end + 1)


@pytest.mark.spec("unread-7")
def test_it_goes_back_only_where_that_is_said(server: InProcessServer) -> None:
    says(server.working(), "hello")
    told = mark(server)[1]
    read(server, told)
    assert read(server, told, unread=True) == told - 1
    assert mark(server) == (told - 1, told)
    assert read(server, told + 100, unread=True) == told - 1  # it is unread there already
    assert read(server, told) == told


def test_what_is_no_place_in_a_thread_is_refused_in_words(server: InProcessServer) -> None:
    server.working()
    for body in ({}, {"seq": 0}, {"seq": -1}, {"seq": 2**70}, {"seq": "all"}):
        assert server.person.http.put("/api/threads/session-1/read", json=body).status_code == 422, body
    assert server.person.http.put("/api/threads/no-such/read", json={"seq": 1}).json()["code"] == "unknown_thread"
    assert server.person.http.get("/api/threads/no-such/read").json()["code"] == "unknown_thread"
    assert mark(server) == (0, 0)
