"""A disk that is full, for real: a write is refused in words, nothing of it stays, and it goes on when there is room."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from mainloop.testing.inprocess import InProcessServer
from mainloop.testing.small_disk import fill, small_disk


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "small", megabytes=8) as place:
        yield place


@pytest.mark.spec("home-9")
def test_a_full_disk_refuses_a_write_in_words_and_takes_it_when_there_is_room(small: Path) -> None:
    server = InProcessServer(small).start()
    try:
        server.person.say("before")
        filler = fill(small)
        message = {"id": str(uuid.uuid4()), "text": "x" * 200_000, "mode": "queue"}
        refused = server.person.http.post("/api/threads/main/messages", json=message)
        assert refused.status_code == 507, refused.text
        assert refused.json()["code"] == "storage_full"
        assert "Free some space" in refused.json()["detail"]
        # What is there can still be read, and nothing of the refused is there.
        queued = [q["message"]["text"] for q in server.person.state()["queued"]]
        said = [e["body"]["text"] for e in server.person.events() if e["kind"] == "message"]
        assert not [text for text in [*queued, *said] if text.startswith("x")]
        filler.unlink()
        taken = server.person.http.post("/api/threads/main/messages", json=message)
        assert taken.status_code == 201, taken.text
        seqs = [event["seq"] for event in server.person.events()]
        assert seqs == list(range(1, len(seqs) + 1))
    finally:
        server.close()
