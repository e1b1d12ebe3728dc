"""What can be sent wrongly: each ends in a sentence, with nothing of it done and nothing lost."""

import json
from typing import Any

import httpx
import sqlalchemy as sa

from mainloop.testing.inprocess import InProcessServer


def problem(answer: httpx.Response, status: int, code: str, *words: str) -> None:
    """The answer is a problem document with this code and a sentence."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["code"] == code
    assert body["status"] == status
    assert body["type"] == f"/docs/errors#{code}"
    assert len(body["detail"].split()) >= 3
    for word in words:
        assert word in body["detail"]


def say(server: InProcessServer, thread: str = "main", **body: Any) -> httpx.Response:
    given = {"id": "message-1", "text": "hello", **body}
    return server.person.http.post(f"/api/threads/{thread}/messages", json=given)


def raw(server: InProcessServer, path: str, content: bytes) -> httpx.Response:
    return server.person.http.post(path, content=content, headers={"Content-Type": "application/json"})


def test_messages_that_can_not_be_sent(server: InProcessServer) -> None:
    for empty in ("", "   ", "\n\t\r\n", "\x00\x01\x02", " \x00 "):
        problem(say(server, text=empty), 422, "bad_input", "empty")
    problem(say(server, text="x" * 1_000_000), 413, "message_too_large", "1000000 bytes", "262144")
    problem(say(server, text="ä" * 200_000), 413, "message_too_large", "400000 bytes")
    problem(say(server, text=None), 422, "bad_input", "text")
    problem(say(server, text=["a"]), 422, "bad_input", "text")
    problem(say(server, id="short"), 422, "bad_input", "id")
    problem(say(server, id="x" * 65), 422, "bad_input", "id")
    for strange in ("../../etc/passwd", "message 1", "message\x001", "nachricht-ä", "<script>alert(1)</script>"):
        problem(say(server, id=strange), 422, "bad_input", "id")
    problem(say(server, mode="shout"), 422, "bad_input", "mode")
    assert [e for e in server.person.events() if e["kind"] == "message"] == []
    assert say(server, text="x" * 262_144).status_code == 201  # just small enough


def test_malformed_bodies(server: InProcessServer) -> None:
    path = "/api/threads/main/messages"
    for content in (b"", b"{", b"null", b"[]", b'"text"', b"\xff\xfe", b'{"id": "message-1"}', b"[" * 50_000):
        answer = raw(server, path, content)
        problem(answer, 422, "bad_input")
    assert server.person.http.post(path, data={"id": "message-1", "text": "a form"}).status_code == 422
    assert server.person.state()["queued"] == []


def test_text_that_no_screen_shows_is_taken_out_and_the_rest_is_kept(server: InProcessServer) -> None:
    answer = say(server, text="a\x00b\x1bc\r\nd\te \u202e 👩‍👩‍👧 ")
    assert answer.json()["text"] == "abc\nd\te \u202e 👩‍👩‍👧 "
    assert say(server, text="a\x00b\x1bc\r\nd\te \u202e 👩‍👩‍👧 ").status_code == 200


def test_half_a_character_is_refused_or_replaced_and_never_breaks_anything(server: InProcessServer) -> None:
    body = b'{"id": "message-1", "text": "half \\ud83d of it"}'
    first = raw(server, "/api/threads/main/messages", body)
    assert first.status_code in (201, 422)
    assert "detail" in first.json() or "half" in first.json()["text"]
    for path, field in (("/api/sessions", "title"), ("/api/projects", "source"), ("/api/pair", "code")):
        given = {"id": "session-1", "prompt": "look", "source": "/", "code": "x"}
        text = json.dumps({**given, field: "HALF"}).replace("HALF", "/\\ud83d")
        assert raw(server, path, text.encode()).status_code in (201, 400, 422), path
    server.person.state()
    server.person.events()


def test_threads_that_are_not_there(server: InProcessServer) -> None:
    person = server.person
    for ident in ("nowhere", "%00", "main%00", "%F0%9F%A6%80", "'%20OR%201=1", "x" * 3000):
        problem(say(server, ident), 404, "unknown_thread", "There is no thread")
        problem(person.http.get(f"/api/threads/{ident}/events"), 404, "unknown_thread")
        problem(person.http.post(f"/api/threads/{ident}/interrupt", json={"turn": 1}), 404, "unknown_thread")
        problem(person.http.patch(f"/api/threads/{ident}/messages/m", json={"text": "x"}), 404, "unknown_thread")
        problem(person.http.get(f"/api/sessions/{ident}"), 404, "unknown_session")
        for act in ("cancel", "close", "park", "resume"):
            problem(person.http.post(f"/api/sessions/{ident}/{act}", json={}), 404, "unknown_session")
        problem(person.http.get(f"/api/blobs/{ident}"), 404, "unknown_blob")
        problem(person.http.delete(f"/api/devices/{ident}"), 404, "unknown_device")
    problem(person.http.post("/api/sessions/main/cancel", json={}), 404, "unknown_session")
    assert person.http.get("/api/sessions", params={"text": "\x00%_'"}).json() == {"sessions": []}
    problem(person.http.get("/api/sessions", params={"state": "asleep"}), 422, "bad_input", "state")


def test_a_message_that_is_not_there_is_neither_changed_nor_withdrawn(server: InProcessServer) -> None:
    path = "/api/threads/main/messages"
    for ident in ("message-1", "%00", "x" * 500):
        problem(server.person.http.patch(f"{path}/{ident}", json={"text": "x"}), 404, "unknown_message")
        problem(server.person.http.delete(f"{path}/{ident}"), 404, "unknown_message")
    server.person.post("/api/sessions", {"id": "session-1", "prompt": "look"})
    say(server)
    elsewhere = server.person.http.delete("/api/threads/session-1/messages/message-1")
    problem(elsewhere, 404, "unknown_message")


def test_sessions_that_can_not_be_started(server: InProcessServer) -> None:
    def start(**body: Any) -> httpx.Response:
        return server.person.http.post("/api/sessions", json={"id": "session-1", "prompt": "look", **body})

    problem(start(prompt=""), 422, "bad_input", "prompt")
    problem(start(prompt=" \x00 "), 422, "bad_input", "empty")
    problem(start(prompt="x" * 1_000_000), 413, "message_too_large")
    problem(start(id="a b c d e"), 422, "bad_input", "id")
    problem(start(id="../../../x"), 422, "bad_input", "id")
    problem(start(agent="hal"), 422, "bad_input", "hal", "claude", "scripted")
    problem(start(agent="\x00"), 422, "bad_input")
    problem(start(workspace="moon"), 422, "bad_input", "moon")
    problem(start(project="nowhere"), 404, "unknown_project", "nowhere")
    problem(start(project="\x00"), 404, "unknown_project")
    problem(start(model="x" * 121), 422, "bad_input", "model")
    problem(start(title=7), 422, "bad_input", "title")
    assert server.person.get("/api/sessions") == {"sessions": []}
    assert [e for e in server.person.events() if e["kind"] == "session_started"] == []


def test_titles_of_every_kind_make_sessions_one_can_tell_apart(server: InProcessServer) -> None:
    titles = ["x " * 2_500, "\x00\x07", "   ", "One title", "One title", "<b>bold</b>", "a\nb\r\nc", "日本", None]
    sessions: list[Any] = []
    for number, title in enumerate(titles):
        body = {"id": f"session-{number}", "prompt": "Look around", "title": title, "model": "m\x00"}
        sessions.append(server.person.post("/api/sessions", body, expect=201))
    shown = [s["title"] for s in sessions]
    assert len(shown[0]) <= 200
    assert shown[1] == shown[2] == shown[8] == "Look around"
    assert shown[5:8] == ["<b>bold</b>", "a b c", "日本"]
    assert len({s["handle"] for s in sessions}) == len(sessions)
    assert len({(s["hue"], s["creature"]) for s in sessions}) == len(sessions)
    problem(
        server.person.http.post("/api/sessions", json={"id": "session-x", "prompt": "p", "title": "x" * 20_001}),
        422,
        "bad_input",
        "title",
    )


def test_reasons_of_every_kind_are_taken(server: InProcessServer) -> None:
    server.person.post("/api/sessions", {"id": "session-1", "prompt": "look"})
    path = "/api/sessions/session-1/cancel"
    problem(server.person.http.post(path, json={"reason": "x" * 2001}), 422, "bad_input", "reason")
    assert server.person.http.post(path, json={"reason": "because\x00"}).status_code == 200


def test_an_agent_that_is_not_installed_is_named_with_what_is_missing(server: InProcessServer) -> None:
    kinds = server.parts.kinds
    whole = kinds.all()

    class Without(type(kinds)):
        """As on a machine whose package for Claude lacks its program."""

        def all(self) -> Any:
            return [kind.model_copy(update={"available": False, "why": "its program is missing."}) for kind in whole]

    kinds.__class__ = Without
    answer = server.person.http.post("/api/sessions", json={"id": "session-1", "prompt": "look", "agent": "claude"})
    problem(answer, 409, "agent_unavailable", "claude", "program is missing")
    assert server.person.get("/api/sessions") == {"sessions": []}


def test_choosing_an_agent_that_does_not_exist_changes_nothing(server: InProcessServer) -> None:
    problem(server.person.http.put("/api/agent", json={"agent": "hal"}), 422, "bad_input")
    assert server.person.state()["settings"]["demo"] is False
    assert server.person.http.put("/api/agent", json={"agent": "demo"}).status_code == 204
    assert server.person.state()["settings"]["demo"] is True


def test_an_error_of_our_own_is_a_sentence_and_shows_nothing_of_the_inside(server: InProcessServer) -> None:
    server.parts.database.write(lambda unit: unit.execute(sa.text("DROP TABLE blob")) and None)
    answer = server.person.http.get("/api/blobs/any")
    assert answer.status_code in (500, 503)
    problem(answer, answer.status_code, answer.json()["code"])
    for inside in ("Traceback", "SELECT", "blob", "Error:"):
        assert inside not in answer.json()["detail"]
    with server.anonymous() as next_one:  # the connection of the request that failed is closed
        assert next_one.get("/api/health").status_code == 200
