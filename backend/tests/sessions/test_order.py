"""Sessions without a project that begin after others, with few places and over a restart."""

from datetime import timedelta

import pytest

from mainloop.durable import phases
from mainloop.testing.inprocess import InProcessServer, NewServer


def one_after_another(server: InProcessServer) -> None:
    """The first has talked and is idle; the second waits for it."""
    for ident, after in (("first-one", []), ("second-one", ["first-one"])):
        server.person.post("/api/sessions", {"id": ident, "prompt": "Talk.", "title": ident, "after": after})
    first = server.runner("first-one")
    first.hello()
    first.whole_turn("Talked.")
    first.goodbye()
    server.person.until_session("first-one", "idle")


@pytest.mark.spec("changes-38")
def test_who_waits_holds_no_place_and_stands_in_nobodys_way(new_server: NewServer) -> None:
    server = new_server(max_alive=1)
    one_after_another(server)
    server.person.post("/api/sessions", {"id": "third-one", "prompt": "Talk."})
    third = server.runner("third-one")
    third.hello()
    third.begin()
    waits = server.person.get("/api/sessions/second-one")
    assert (waits["reason"], waits["queued_at"]) == ("waits for first-one to be closed", None)
    # Now it asks for the place as everybody does.
    server.person.post("/api/sessions/first-one/close")
    server.person.until("the queue", lambda: server.person.get("/api/sessions/second-one")["ahead"] == 0)
    third.end(text="Talked.")
    server.runner("second-one").hello()


@pytest.mark.spec("changes-38", "changes-39")
def test_who_only_waits_can_be_closed_and_opened_again(new_server: NewServer) -> None:
    server = new_server()
    person = server.person
    one_after_another(server)
    person.post("/api/sessions", {"id": "third-one", "prompt": "Talk.", "title": "third-one", "after": ["second-one"]})
    assert person.get("/api/sessions/third-one")["reason"] == "waits for second-one to be closed"
    closed = person.post("/api/sessions/second-one/close")
    assert (closed["state"], closed["held_at"]) == ("done", None)
    # Nothing was there that could be kept.
    person.until("its end", lambda: person.get("/api/sessions/second-one")["kept"]["state"] == "empty")
    server.runner("third-one").hello()
    again = person.post("/api/sessions/second-one/resume")
    assert (again["state"], again["reason"]) == ("starting", "waits for first-one to be closed")
    assert server.starts("second-one") == []
    person.post("/api/sessions/first-one/close")
    assert server.runner("second-one").hello()
    assert person.get("/api/sessions/second-one")["queued"] == 1


@pytest.mark.spec("changes-43")
def test_what_ended_while_nobody_looked_lets_it_begin_after_the_next_start(
    new_server: NewServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = new_server()
    one_after_another(server)
    with monkeypatch.context() as patch:
        # Killed before any phase that was asked for was carried out.
        patch.setattr(server.parts.phases, "_hand_over", _dropped)
        server.person.post("/api/sessions/first-one/close")
    assert server.person.get("/api/sessions/second-one")["held_at"]
    server.stop()
    again = new_server()
    # As half a minute later.
    monkeypatch.setattr(phases, "HEAL_AFTER", timedelta(minutes=-1))
    again.parts.phases.heal()
    again.runner("second-one").hello()
    assert again.starts("second-one") == [1]


def _dropped(*given: object) -> None:
    """Nobody carries it out."""
