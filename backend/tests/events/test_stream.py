"""The one event stream: everything once, in order, whatever the client does."""

import contextlib
import itertools
import json
import os
import socket
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import httpx

from mainloop.events.unit import UnitOfWork
from mainloop.http.stream import TOO_FAR
from mainloop.runs import store
from mainloop.testing.inprocess import InProcessServer
from mainloop.testing.server import Person
from mainloop_models.events import RunBody
from mainloop_models.runner import Said

Frame = tuple[str, str, Any]


def append(server: InProcessServer, count: int, thread: str = "main", text: str = "") -> None:
    def act(unit: UnitOfWork) -> None:
        for n in range(count):
            unit.append(thread, "run", RunBody(run=n, what="started", text=text))

    server.parts.database.write(act)


@contextlib.contextmanager
def frames(person: Person, **request: Any) -> Generator[Iterator[Frame]]:
    """The frames of a stream as (event, id, data), without announcements of what agents do."""

    def read(lines: Iterator[str]) -> Iterator[Frame]:
        name = ident = ""
        for line in lines:
            field, _, value = line.partition(": ")
            match field:
                case "event":
                    name = value
                case "id":
                    ident = value
                case "data" if name != "status":
                    yield name, ident, json.loads(value)
                case _:
                    pass

    with person.http.stream("GET", "/api/events", **request) as answer:
        assert answer.status_code == 200
        lines = answer.iter_lines()
        # From the first line on, which may be the greeting, the stream knows where it begins.
        yield read(itertools.chain([next(lines)], lines))


def test_a_client_that_reconnects_again_and_again_sees_each_event_once_in_order(server: InProcessServer) -> None:
    person = server.person
    start = cursor = int(person.state()["cursor"])
    total, seen = 300, list[int]()
    writers = [threading.Thread(target=lambda: [append(server, 3) for _ in range(50)]) for _ in range(2)]
    for writer in writers:
        writer.start()
    while len(seen) < total:
        take = 1 + len(seen) % 17
        with frames(person, headers={"Last-Event-ID": str(cursor)}, params={"after": "0"}) as stream:
            for name, ident, data in stream:
                assert (name, data["cursor"]) == ("event", ident)
                seen.append(int(ident))
                cursor = int(ident)
                take -= 1
                if not take or len(seen) == total:
                    break
    for writer in writers:
        writer.join()
    assert seen == list(range(start + 1, start + total + 1))


def test_a_client_without_a_cursor_hears_what_comes_from_now_on(server: InProcessServer) -> None:
    append(server, 5)
    before = int(server.person.state()["cursor"])
    with frames(server.person) as stream:
        append(server, 1)
        assert int(next(stream)[1]) == before + 1


def test_a_client_that_is_too_far_behind_is_told_to_load_the_state_again(server: InProcessServer) -> None:
    append(server, TOO_FAR + 1)
    with frames(server.person, params={"after": "0"}) as stream:
        assert list(stream) == [("reset", "", {})]
    with frames(server.person, params={"after": "1"}) as stream:
        assert [next(stream)[0] for _ in range(TOO_FAR)] == ["event"] * TOO_FAR


def test_a_cursor_of_another_installation_is_told_to_load_the_state_again(server: InProcessServer) -> None:
    for foreign in ("999999999", "9" * 40):
        with frames(server.person, params={"after": foreign}) as stream:
            assert list(stream) == [("reset", "", {})]


def test_what_is_no_cursor_is_refused_in_words(server: InProcessServer) -> None:
    for wrong in ("abc", "-1", "1.5", "²"):
        answer = server.person.http.get("/api/events", params={"after": wrong})
        assert (answer.status_code, answer.json()["code"]) == (422, "bad_input")
        assert "is no cursor" in answer.json()["detail"]


def test_a_client_that_never_reads_costs_no_memory_and_nobody_else_waits(server: InProcessServer) -> None:
    person = server.person
    cookies = "; ".join(f"{name}={value}" for name, value in person.http.cookies.items())
    ask = (
        f"GET /api/events?after=0 HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookies}\r\n"
        f"X-Mainloop-Key: {person.http.headers['X-Mainloop-Key']}\r\n\r\n"
    )
    append(server, 100, text="x" * 4000)
    before = resident()
    with contextlib.ExitStack() as asleep:
        for _ in range(40):
            sleeper = asleep.enter_context(socket.socket())
            sleeper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sleeper.connect((server.settings.host, server.settings.port))
            sleeper.sendall(ask.encode())
            assert sleeper.recv(12) == b"HTTP/1.1 200"
        for _ in range(25):
            append(server, 100, text="x" * 4000)
        cursor = int(person.state()["cursor"])
        with frames(person, params={"after": str(cursor - 10)}) as stream:
            assert [int(next(stream)[1]) for _ in range(10)] == list(range(cursor - 9, cursor + 1))
        grown = resident() - before
    # 10 MB went by, for 40 sleepers 400 MB. What is kept is the newest 2,000 events once, and a portion for each.
    assert grown < 100e6


def resident() -> int:
    """Bytes of memory this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_a_message_being_written_is_streamed_and_replaced_by_its_event(server: InProcessServer) -> None:
    person = server.person
    person.say("hello")
    runner = server.runner()
    runner.hello()
    turn = runner.begin()
    with frames(person, params={"after": person.state()["cursor"]}) as stream:
        runner.delta("m1", 0, "Hel")
        got = next(stream)
        assert got == (
            "delta",
            "",
            {"thread_id": "main", "message_id": "m1", "turn": turn, "what": "text", "offset": 0, "text": "Hel"},
        )
        runner.delta("m1", 3, "lo")
        _, _, data = next(stream)
        assert (data["offset"], data["text"]) == (3, "lo")
        assert person.state()["open_messages"][0]["text"] == "Hello"
        runner.say(Said(id="m1", turn=turn, text="Hello!"))
        name, _, data = next(stream)
    assert (name, data["kind"], data["body"]["text"]) == ("event", "message", "Hello!")
    assert person.state()["open_messages"] == []


def test_a_new_stream_begins_with_open_messages_whole(server: InProcessServer) -> None:
    server.person.say("hello")
    runner = server.runner()
    runner.hello()
    runner.begin()
    runner.delta("m1", 0, "One ")
    runner.delta("m1", 4, "two")
    with frames(server.person, params={"after": server.person.state()["cursor"]}) as stream:
        _, _, data = next(stream)
    assert (data["offset"], data["text"]) == (0, "One two")


def test_a_client_hears_deltas_of_the_threads_in_its_view_only(server: InProcessServer) -> None:
    person = server.person
    session = person.post("/api/sessions", {"id": "session-1", "prompt": "look"})["id"]
    person.say("hello")
    main, other = server.runner(), server.runner(session)
    for runner in (main, other):
        runner.hello()
        runner.begin()
    cursor = person.state()["cursor"]
    with frames(person, params={"after": cursor, "live": session}) as stream:
        main.delta("in-main", 0, "unheard")
        other.delta("in-session", 0, "heard")
        assert next(stream)[2]["message_id"] == "in-session"
        append(server, 1)  # events of every thread come all the same
        assert next(stream)[2]["thread_id"] == "main"
    with frames(person, params={"after": person.state()["cursor"], "live": ""}) as stream:
        main.delta("in-main", 7, "!")
        append(server, 1)
        assert next(stream)[0] == "event"


def test_events_of_every_thread_come_in_the_order_of_their_cursors(server: InProcessServer) -> None:
    cursor = server.person.state()["cursor"]
    server.parts.database.write(lambda unit: store.add_thread(unit, "side", "session"))
    for thread in ("main", "side", "main"):
        append(server, 2, thread)
    with frames(server.person, params={"after": cursor}) as stream:
        found = [next(stream)[2] for _ in range(6)]
    assert [e["thread_id"] for e in found] == ["main"] * 2 + ["side"] * 2 + ["main"] * 2
    assert [e["seq"] for e in found if e["thread_id"] == "side"] == [1, 2]


def test_a_device_that_is_signed_out_hears_nothing_more(server: InProcessServer) -> None:
    phone = server.pair()
    cursor = phone.state()["cursor"]
    heard: list[Frame] = []
    with frames(phone, params={"after": cursor}) as stream:
        append(server, 1)
        heard.append(next(stream))
        assert server.person.http.delete(f"/api/devices/{phone.device['id']}").status_code == 204
        append(server, 1)
        heard += list(stream)  # ends by itself
    assert len(heard) == 1
    assert phone.http.get("/api/state").json()["code"] == "device_revoked"


def test_streams_and_polls_end_at_once_when_the_server_stops(server: InProcessServer) -> None:
    server.person.say("hello")
    runner = server.runner()
    runner.hello()
    seen = runner.work().version
    ended: list[str] = []
    waiting = threading.Event()

    def poll() -> None:
        with contextlib.suppress(httpx.TransportError):
            runner.work(seen)
        ended.append("poll")

    def follow() -> None:
        with contextlib.suppress(httpx.TransportError), frames(server.person) as stream:
            waiting.set()
            list(stream)
        ended.append("stream")

    threads = [threading.Thread(target=poll), threading.Thread(target=follow)]
    for thread in threads:
        thread.start()
    assert waiting.wait(10)
    server.stop()
    for thread in threads:
        thread.join(timeout=5)
    assert sorted(ended) == ["poll", "stream"]
