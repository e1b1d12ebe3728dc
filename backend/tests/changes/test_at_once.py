"""What two transactions do at the same time, of which only PostgreSQL has any: neither loses what the other one says."""

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

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
