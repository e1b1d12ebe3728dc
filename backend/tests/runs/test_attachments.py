"""Files that the person gives with a message: kept once, named plainly, handed to no other thread's runner."""

import hashlib
import time
import zlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from mainloop.backup import export_home, import_home
from mainloop.db import tables as t
from mainloop.db.engine import make_engine
from mainloop.durable.janitor import TIDY_EVERY
from mainloop.events.unit import UnitOfWork
from mainloop.runs.attachments import find, plain_name, type_of
from mainloop.settings import Settings
from mainloop.testing.inprocess import InProcessServer

PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def give(server: InProcessServer, data: bytes, **headers: str) -> httpx.Response:
    return server.person.http.post("/api/attachments", content=data, headers=headers)


def kept(server: InProcessServer, data: bytes) -> dict[str, Any]:
    answer = give(server, data)
    assert answer.status_code == 201, answer.text
    return answer.json()


def say(
    server: InProcessServer, ident: str, text: str, *files: tuple[str, str], thread: str = "main"
) -> httpx.Response:
    attachments = [{"id": file, "name": name} for file, name in files]
    body = {"id": ident, "text": text, "attachments": attachments}
    return server.person.http.post(f"/api/threads/{thread}/messages", json=body)


@pytest.mark.spec("writing-1", "writing-5")
def test_a_file_is_kept_once_by_its_content_and_stands_in_the_message(server: InProcessServer) -> None:
    first, again = kept(server, PNG), kept(server, PNG)
    assert first == again == {"id": hashlib.sha256(PNG).hexdigest(), "type": "image/png", "size": len(PNG)}
    message = say(server, "message-1", "what is this?", (first["id"], "shot.png"))
    assert message.status_code == 201, message.text
    shown = [{"id": first["id"], "name": "shot.png", "type": "image/png", "size": len(PNG)}]
    assert message.json()["attachments"] == shown
    [event] = [e for e in server.person.events("main") if e["kind"] == "message"]
    assert event["body"]["attachments"] == shown
    data = server.person.http.get(f"/api/attachments/{first['id']}")
    assert data.content == PNG


@pytest.mark.spec("writing-1")
def test_the_same_message_again_is_one_and_with_other_files_it_is_refused(server: InProcessServer) -> None:
    one, other = kept(server, PNG)["id"], kept(server, b"hello")["id"]
    assert say(server, "message-1", "see", (one, "a.png")).status_code == 201
    assert say(server, "message-1", "see", (one, "a.png")).status_code == 200
    for files in ((), ((other, "a.png"),), ((one, "b.png"),)):
        refused = say(server, "message-1", "see", *files)
        assert (refused.status_code, refused.json()["code"]) == (409, "message_exists")
    # With a file no words are needed.
    assert say(server, "message-2", "", (other, "note.txt")).status_code == 201
    assert say(server, "message-3", "").status_code == 422


@pytest.mark.spec("writing-4")
def test_what_can_not_be_taken_is_refused_in_words(server: InProcessServer) -> None:
    empty = give(server, b"")
    assert (empty.status_code, empty.json()["detail"]) == (422, "This file is empty. There is nothing in it to send.")
    large = give(server, bytes(10 * 1024 * 1024 + 1))
    assert (large.status_code, large.json()["code"]) == (413, "attachment_too_large")
    assert "larger than 10 MB" in large.json()["detail"]
    endless = server.person.http.post("/api/attachments", content=(bytes(1 << 20) for _ in range(40)))
    assert (endless.status_code, endless.json()["code"]) == (413, "request_too_large")
    ident = kept(server, b"one")["id"]
    many = say(server, "message-1", "all of it", *[(ident, f"{n}.txt") for n in range(20)])
    assert many.status_code == 422
    assert "at most 10 files, and these are 20" in many.json()["detail"]
    unknown = say(server, "message-1", "this", ("0" * 64, "lost.txt"))
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_attachment")
    assert say(server, "message-1", "this", ("../../etc/passwd", "x")).status_code == 422
    assert not [e for e in server.person.events("main") if e["kind"] == "message"]
    assert httpx.post(f"{server.url}/api/attachments", content=b"x").status_code == 401


@pytest.mark.spec("writing-6")
def test_a_file_that_is_opened_by_itself_is_stored_and_never_run(server: InProcessServer) -> None:
    ident = give(server, SVG, **{"content-type": "image/svg+xml"}).json()
    assert ident["type"] == "text/plain"
    answer = server.person.http.get(f"/api/attachments/{ident['id']}")
    assert answer.headers["content-disposition"] == "attachment"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.spec("writing-5")
def test_what_a_file_is_says_its_content(server: InProcessServer) -> None:
    assert give(server, b"%PDF-1.7 ...", **{"content-type": "image/png"}).json()["type"] == "application/pdf"
    assert give(server, b"#!/bin/sh\n", **{"content-type": "image/png"}).json()["type"] == "text/plain"
    assert type_of(b"RIFF\x00\x00\x00\x00WEBPVP8 ") == "image/webp"
    assert type_of(b"RIFF\x00\x00\x00\x00WAVEfmt ") == "application/octet-stream"
    assert type_of("Größe: 5 µm".encode()) == "text/plain"
    assert type_of(zlib.compress(b"text")) == "application/octet-stream"
    assert type_of(b"text\x00with a zero") == "application/octet-stream"


@pytest.mark.spec("writing-7")
@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("shot.png", "shot.png"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\sam\\plan.txt", "plan.txt"),
        ("..", "file"),
        ("a/..", "file"),
        ("", "file"),
        ("invoice\u202egnp.exe", "invoicegnp.exe"),
        ("two\nlines\x00.txt", "twolines.txt"),
        ("x" * 300 + ".pdf", "x" * 196 + ".pdf"),
        ("書" * 116 + ".pdf", "書" * 65 + ".pdf"),
        ("書" * 116, "書" * 66),
        ("\ud800.txt", "?.txt"),
    ],
)
def test_a_name_is_a_name_and_no_way(given: str, name: str) -> None:
    assert plain_name(given) == name


@pytest.mark.spec("writing-8")
def test_a_runner_gets_the_files_of_its_own_messages_and_no_others(server: InProcessServer) -> None:
    server.person.post("/api/sessions", {"id": "session-1", "prompt": "look"})
    server.person.post("/api/sessions", {"id": "session-2", "prompt": "look"})
    ident = kept(server, PNG)["id"]
    say(server, "message-1", "here", (ident, "../shot.png"), thread="session-1")
    mine, other = server.runner("session-1"), server.runner("session-2")
    for runner in (mine, other):
        runner.hello()
        runner.begin()
        runner.end()
    [attachment] = mine.take().attachments
    assert (attachment.id, attachment.name, attachment.type) == (ident, "shot.png", "image/png")
    path = f"/runner/v1/messages/message-1/attachments/{ident}"
    assert mine.http.get(path).content == PNG
    assert other.http.get(path).status_code == 404
    unsent = kept(server, b"not sent")["id"]
    assert mine.http.get(f"/runner/v1/messages/message-1/attachments/{unsent}").status_code == 404
    assert httpx.get(server.url + path).status_code == 401


@pytest.mark.spec("writing-10")
@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_an_export_holds_the_files(server: InProcessServer, tmp_path_factory: pytest.TempPathFactory) -> None:
    ident = kept(server, PNG)["id"]
    say(server, "message-1", "keep it", (ident, "shot.png"))
    folder: Path = tmp_path_factory.mktemp("export")
    export_home(server.settings, folder / "all.tar.gz", "0")
    import_home(Settings.model_validate({"home": folder / "home"}), folder / "all.tar.gz")
    engine = make_engine(f"sqlite:///{folder / 'home' / 'mainloop.db'}")
    with engine.connect() as connection:
        assert find(connection, ident).data == PNG
    engine.dispose()


@pytest.mark.spec("writing-9")
def test_the_main_agent_hands_a_file_on_by_its_name(server: InProcessServer) -> None:
    old, new = kept(server, b"the old plan")["id"], kept(server, b"the new plan")["id"]
    say(server, "message-1", "this is the plan", (old, "plan.txt"))
    desk = server.runner("main")
    desk.hello()
    desk.begin()
    desk.end()
    say(server, "message-2", "no, this one: work by it", (new, "plan.txt"))
    desk.begin()
    refused = desk.request("spawn_session", title="Build", prompt="build", files=["plan.md"])
    assert refused.is_error
    assert "no file plan.md here. There are: plan.txt." in refused.text
    assert not desk.request("spawn_session", title="Build", prompt="build by plan.txt", files=["plan.txt"]).is_error
    [session] = server.person.get("/api/sessions")["sessions"]
    runner = server.runner(session["id"])
    runner.hello()
    message = runner.take()
    assert [file.name for file in message.attachments] == ["plan.txt"]
    path = f"/runner/v1/messages/{message.id}/attachments/{new}"
    assert runner.http.get(path).content == b"the new plan"
    assert not desk.request("message_session", id=session["id"], text="again", files=["plan.txt"]).is_error


@pytest.mark.spec("writing-16")
def test_a_file_that_was_never_sent_is_forgotten_after_a_month(server: InProcessServer) -> None:
    sent, unsent, again = (kept(server, data)["id"] for data in (PNG, b"never sent", b"given again"))
    assert say(server, "message-1", "see", (sent, "a.png")).status_code == 201
    young = kept(server, b"of today")["id"]
    of_then = sa.update(t.attachment).where(t.attachment.c.id != young)

    def age(unit: UnitOfWork) -> None:
        unit.execute(of_then.values(created_at=unit.now - timedelta(days=31)))

    server.parts.database.write(age)
    kept(server, b"given again")
    server.parts.janitor.beat(time.monotonic() + 2 * TIDY_EVERY)

    found = {ident: server.person.http.get(f"/api/attachments/{ident}").status_code for ident in (sent, young, again)}
    assert found == {sent: 200, young: 200, again: 200}
    assert server.person.http.get(f"/api/attachments/{unsent}").json()["code"] == "unknown_attachment"
    refused = say(server, "message-2", "see", (unsent, "b.txt"))
    assert refused.json()["code"] == "unknown_attachment"
