"""The recorded day, brought back into a home."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mainloop.testing.day import RECORDED, load, recorded
from mainloop.testing.inprocess import InProcessServer


def test_a_home_in_which_the_day_has_just_ended_is_served_as_any_other(tmp_path: Path) -> None:
    until = datetime.now(UTC)
    load(tmp_path / "home", until)
    server = InProcessServer(tmp_path / "home")
    try:
        server.start()
        person = server.person
        state, day = person.state(), recorded()
        events = person.events("main")
        assert [e["body"] for e in events if e["kind"] == "message"] == [
            e["body"] for e in day["events"] if e["thread_id"] == "main" and e["kind"] == "message"
        ]
        assert until - timedelta(hours=11) < datetime.fromisoformat(events[0]["at"]) < until
        evening = day["marks"][-1]["state"]
        assert {s["id"]: s["state"] for s in state["sessions"]} == {s["id"]: s["state"] for s in evening["sessions"]}
        assert {i["id"] for i in state["items"]} == {i["id"] for i in evening["items"]}
        hits = person.get("/api/search", text="prefecture")["hits"]
        assert hits[0]["session"]["title"] == "Address form for Japan"
        review = next(s["id"] for s in state["sessions"] if s["state"] == "in_review")
        assert person.get(f"/api/sessions/{review}/change")["state"] == "open"
        # It can be worked in.
        person.say("And good night.")
        runner = server.runner("main")
        runner.hello()
        runner.whole_turn("Good night.")
        assert person.replies()[-1] == "Good night."
    finally:
        server.close()


def test_nothing_of_the_machine_it_was_recorded_on_is_in_it() -> None:
    text = json.dumps(recorded())
    assert not [word for word in ("/var/tmp", "/root", "127.0.0.1", "[[script]]", "mainloop-day-") if word in text]
    assert RECORDED.stat().st_size < 500_000
