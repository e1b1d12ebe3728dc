"""What two transactions do at the same time, of which only PostgreSQL has any: neither loses what the other one says."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from mainloop.projects.mirror import Mirror
from mainloop.sessions.moves import Moves
from mainloop.testing.inprocess import InProcessServer, NewServer

from .conftest import World

_WAITING = sa.text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@pytest.fixture(params=[pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def server(new_server: NewServer) -> InProcessServer:
    return new_server()


def done_or_waiting(server: InProcessServer, done: Callable[[], object]) -> None:
    """Until that is done, or somebody waits for a lock: then it waits for whoever calls this."""

    def look() -> bool:
        return bool(done()) or server.parts.database.read(lambda c: c.execute(_WAITING).scalar_one()) > 0

    server.person.until("it is done, or waits", look)


@pytest.mark.spec("changes-40")
def test_who_begins_to_wait_while_the_other_one_is_lost_hears_of_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, parts = world.server, world.server.parts
    first = world.start(title="first")
    waiting: list[str] = []
    real = Moves.let_others_look

    def meanwhile(self: Moves, unit: Any, session_id: str) -> None:
        real(self, unit, session_id)
        if session_id == first.id and not waiting:
            waiting.append(world.start_after(first.id))
            done_or_waiting(server, lambda: waiting[0] not in parts.database.read(parts.phases.subjects_to_do))

    monkeypatch.setattr(Moves, "let_others_look", meanwhile)
    server.person.post(f"/api/sessions/{first.id}/cancel")
    item = server.person.until_item(lambda i: i["kind"] == "order")
    assert item["session_id"] == waiting[0]


@pytest.mark.spec("changes-68")
def test_how_much_it_has_changed_is_said_of_the_session_as_it_stands(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, person = world.server, world.server.person
    agent = world.start()
    other: list[threading.Thread] = []
    going_on = threading.Event()
    real, real_changed = Moves.say, Mirror.changed

    def changed(self: Mirror, old: str, new: str) -> Any:
        going_on.wait()
        return real_changed(self, old, new)

    def meanwhile(self: Moves, unit: Any, session_id: str) -> Any:
        body = real(self, unit, session_id)
        if going_on.is_set() and not other:
            other.append(threading.Thread(target=person.say, args=("And the rest?", agent.id)))
            other[0].start()
            done_or_waiting(server, lambda: not other[0].is_alive())
        return body

    monkeypatch.setattr(Moves, "say", meanwhile)
    monkeypatch.setattr(Mirror, "changed", changed)
    agent.runner.begin()
    (agent.folder / "app.py").write_text("1\n")
    agent.runner.end("interrupted")
    person.say("Once more.", agent.id)
    agent.runner.begin()
    going_on.set()
    person.until("it is counted", lambda: agent.session["changed"])
    other[0].join()
    said = [e["body"] for e in person.events(agent.id) if e["kind"] == "session"]
    assert (said[-1]["queued"], bool(said[-1]["changed"])) == (1, True)
