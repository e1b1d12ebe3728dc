"""Fan-out has a ceiling: how many work at a time, how deep, how many starts a turn and a day."""

from typing import Any

from mainloop.testing.by_hand import HandRunner
from mainloop.testing.inprocess import InProcessServer, NewServer


def start(server: InProcessServer, ident: str) -> Any:
    return server.person.post("/api/sessions", {"id": ident, "prompt": "look around"})


def play(server: InProcessServer, thread: str) -> HandRunner:
    runner = server.runner(thread)
    runner.hello()
    runner.begin()
    return runner


def spawn(main: HandRunner, number: int) -> str | None:
    """Start a session by tool; why it was refused, if it was."""
    answer = main.request("spawn_session", title=f"Number {number}", prompt=f"Do {number}")
    return answer.text if answer.is_error else None


def test_a_turn_may_start_so_many_and_the_next_turn_again(new_server: NewServer) -> None:
    server = new_server(max_starts_per_turn=2)
    server.person.say("many, please")
    main = play(server, "main")
    assert [spawn(main, n) for n in range(2)] == [None, None]
    refused = spawn(main, 3)
    assert refused is not None
    assert "MAINLOOP_MAX_STARTS_PER_TURN" in refused
    start(server, "by-hand-1")  # the person may
    assert len(server.person.get("/api/sessions")["sessions"]) == 3
    main.end()
    server.person.say("more")
    main.begin()
    assert spawn(main, 4) is None


def test_a_day_has_so_many_starts_and_those_by_hand_do_not_count(new_server: NewServer) -> None:
    server = new_server(max_starts_per_day=3)
    start(server, "by-hand-1")
    server.person.say("many, please")
    main = play(server, "main")
    assert [spawn(main, n) for n in range(3)] == [None] * 3
    refused = spawn(main, 4)
    assert refused is not None
    assert "MAINLOOP_MAX_STARTS_PER_DAY" in refused
    start(server, "by-hand-2")


def test_a_session_may_start_none_until_the_depth_allows_it(new_server: NewServer) -> None:
    server = new_server(max_depth=2)
    server.person.say("nest")
    main = play(server, "main")
    assert spawn(main, 1) is None
    outer_id = server.person.get("/api/sessions")["sessions"][0]["id"]
    outer = server.runner(outer_id)
    assert "spawn_session" in [t.name for t in outer.hello().tools]
    outer.begin()
    assert spawn(outer, 2) is None
    inner_id = server.person.get("/api/sessions")["sessions"][0]["id"]
    inner = server.runner(inner_id)
    assert "spawn_session" not in [t.name for t in inner.hello().tools]
    inner.begin()
    assert spawn(inner, 3) is not None
    inner.end(text="From within.")
    outer.end()
    server.person.say("and?", outer_id)
    assert "From within." in outer.take().context[0]  # to whom started it, not to the main thread


def test_beyond_the_ceiling_a_session_waits_and_nothing_of_it_runs_before_a_slot_is_free(new_server: NewServer) -> None:
    server = new_server(max_alive=2)
    person = server.person
    for n in range(4):
        start(server, f"session-{n}")
    running = [play(server, f"session-{n}") for n in range(2)]
    assert [person.get(f"/api/sessions/session-{n}")["reason"] for n in (2, 3)] == ["queued", "queued"]
    person.say("hurry", "session-2")  # a word to it starts it no sooner
    person.post("/api/sessions/session-3/resume")
    for _ in range(6):
        server.look_after()
    assert server.starts("session-2") == server.starts("session-3") == []
    running[0].end()
    second = play(server, "session-2")
    assert second.work().messages[0].text == "look around"
    assert server.starts("session-3") == []
    person.post("/api/sessions/session-1/cancel")
    play(server, "session-3")


def test_ten_that_wait_for_the_person_never_block_the_eleventh(server: InProcessServer) -> None:
    asks: list[str] = []
    for n in range(10):
        start(server, f"session-{n}")
        runner = play(server, f"session-{n}")
        asks.append(runner.ask_permission(call_id=f"call-of-{n}"))
    start(server, "session-10")
    assert play(server, "session-10").thread_id == "session-10"
    assert len(server.person.state()["items"]) == 10


def test_a_session_that_is_opened_again_waits_for_a_slot_too(new_server: NewServer) -> None:
    server = new_server(max_alive=1)
    start(server, "session-0")
    first = play(server, "session-0")
    first.end()
    server.person.post("/api/sessions/session-0/close")
    runs = "/api/sessions/session-0/runs"
    server.person.until("its runner is gone", lambda: server.person.get(runs)["runs"][0]["state"] == "ended")
    start(server, "session-1")
    second = play(server, "session-1")
    server.person.say("go on", "session-0")
    for _ in range(6):
        server.look_after()
    assert server.person.get("/api/sessions/session-0")["reason"] == "queued"
    second.end()
    server.person.until("a run of the first", lambda: len(server.starts("session-0")) == 2)


def test_a_session_cancelled_while_it_waited_for_a_slot_never_runs(new_server: NewServer) -> None:
    server = new_server(max_alive=1)
    start(server, "session-0")
    start(server, "session-1")
    start(server, "session-2")
    first = play(server, "session-0")
    server.person.post("/api/sessions/session-1/cancel")
    first.end()
    play(server, "session-2")
    assert server.starts("session-1") == []
