"""Coming back: one line in the main thread says what happened while nobody looked."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from mainloop.db import tables as t
from mainloop.events.unit import UnitOfWork
from mainloop.testing.by_hand import HandRunner
from mainloop.testing.inprocess import InProcessServer
from mainloop.testing.server import Person
from mainloop_models import runner as r
from mainloop_models.events import ModelUsage


def working(server: InProcessServer, ident: str) -> HandRunner:
    server.person.post("/api/sessions", {"id": ident, "prompt": "look around"})
    runner = server.runner(ident)
    runner.hello()
    runner.begin()
    return runner


def looks(person: Person) -> None:
    person.http.put("/api/presence").raise_for_status()


def leave(server: InProcessServer, ago: timedelta = timedelta(minutes=71)) -> None:
    """The person looked then, and not since: what is there was done before, what comes is done while they are away."""
    looks(server.person)
    moment = datetime.now(UTC) - ago
    before = moment - timedelta(minutes=1)

    def act(unit: UnitOfWork) -> None:
        unit.execute(sa.update(t.device).values(looked_at=moment))
        unit.execute(sa.update(t.result).values(at=before))
        unit.execute(sa.update(t.item).values(opened_at=before, closed_at=before))

    server.parts.database.write(act)


def lines(server: InProcessServer) -> list[dict[str, Any]]:
    return [e["body"] for e in server.person.events() if e["kind"] == "away"]


def spend(runner: HandRunner, usd: float | None, tokens: int) -> None:
    used = ModelUsage(model="claude", input_tokens=tokens, cost_usd=usd)
    runner.say(r.Spent(turn=1, models=[used]))


@pytest.mark.spec("unread-8")
def test_who_comes_back_reads_what_finished_what_waits_what_ran_and_what_it_cost(server: InProcessServer) -> None:
    one, two, three = (working(server, f"session-{n}") for n in range(1, 4))
    spend(one, 1.0, 100)
    one.end(text="before they left")
    wish = {"pattern": "make build", "scope": "session", "session": "session-2"}
    server.person.post("/api/permissions", wish, expect=201)
    two.ask_permission("make build")
    leave(server)

    two.ask_permission("make build")
    two.ask_permission("cd src && make build")
    spend(two, 0.25, 50)
    two.end(text="all is built")
    spend(three, None, 70)
    asked, later = three.ask_permission("make all"), three.ask_permission("make more")
    server.person.post(f"/api/inbox/{later}/snooze", {"until": (datetime.now(UTC) + timedelta(days=1)).isoformat()})
    looks(server.person)
    [line] = lines(server)
    took = datetime.fromisoformat(line.pop("back_at")) - datetime.fromisoformat(line.pop("left_at"))
    assert timedelta(minutes=71) <= took < timedelta(minutes=80)
    assert line == {
        "sessions": ["session-2"],
        "finished": 1,
        "failed": 0,
        "waiting": 1,
        "standing": 2,
        "cost_usd": 0.25,
        "unpriced_tokens": 70,
    }
    assert asked in {i["id"] for i in server.person.get("/api/inbox")["items"]}


@pytest.mark.spec("unread-8", "unread-9")
def test_it_is_said_once_after_a_quarter_of_an_hour_and_not_where_nothing_happened(server: InProcessServer) -> None:
    runner = working(server, "session-1")
    looks(server.person)  # the first time ever is no coming back
    leave(server)
    looks(server.person)
    assert lines(server) == []  # nothing happened
    ask = runner.ask_permission()
    leave(server, timedelta(minutes=14))
    looks(server.person)
    assert lines(server) == []  # they were not away
    leave(server)
    looks(server.person)
    assert lines(server) == []  # it was there before they left
    leave(server)
    server.person.answer(ask, "deny")
    runner.end(text="done")
    people = [server.person, server.pair(), server.pair()]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(looks, people))
    assert [line["finished"] for line in lines(server)] == [1]
    looks(server.person)
    assert len(lines(server)) == 1
