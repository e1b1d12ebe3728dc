"""docs/cost.md with the real program: each ceiling stops it, keeps others from beginning, and lets it go on."""

import uuid
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from mainloop.db import tables as t
from mainloop.testing.kills import Model, database_of, processes
from mainloop.testing.repositories import Repository
from mainloop.testing.scripted_model import call, script
from mainloop.testing.server import Person, ServerProcess

# What one answer of the model costs is far more than a tenth of this, and less than all of it.
LIMIT = 0.05
USED = {"usage": {"input_tokens": 8000, "output_tokens": 1000}}


class Purse:
    """A server with the real program, and what it has spent."""

    def __init__(self, server: ServerProcess, me: Person) -> None:
        self.server, self.me = server, me

    def start(self, steps: int = 1, **more: Any) -> str:
        """A session that runs a command so often, each time after an answer that costs, and then says that it is done."""
        ident = str(uuid.uuid4())
        work = [{**call("Bash", command="echo one >> steps"), **USED} for _ in range(steps)]
        prompt = script(*work, {"text": "All of it is done."})
        self.me.post("/api/sessions", {"id": ident, "prompt": prompt, "title": "work", **more})
        return ident

    def limit(self, scope: str, amount: float, **whose: str) -> None:
        answer = self.me.http.put("/api/ceilings", json={"scope": scope, "unit": "usd", "amount": amount, **whose})
        assert answer.status_code == 200, answer.text

    def ceiling(self) -> dict[str, Any]:
        item = self.me.until_item(lambda item: item["kind"] == "ceiling")
        assert len(self.me.get("/api/inbox")["items"]) == 1
        return item

    def steps(self, session: str) -> int:
        path = self.server.home / "threads" / session / "workspace/steps"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def waiting(self) -> list[str]:
        """Threads that wait at a ceiling, by the books."""
        books = database_of(self.server)
        try:
            return list(books.read(lambda c: c.execute(sa.select(t.pause.c.thread_id)).scalars()))
        finally:
            books.close()

    def spent(self, **whose: str) -> float:
        return self.me.get("/api/usage", **whose)["total"]["cost_usd"] or 0.0


@pytest.fixture
def purse(home: Path) -> Generator[Purse]:
    model = Model()
    server = ServerProcess(home / "server", {**model.environment, "MAINLOOP_COMMANDS": "allow"})
    me = None
    try:
        server.start()
        me = server.person()
        yield Purse(server, me)
    finally:
        if me is not None:
            me.http.close()
        server.stop()
        model.close()


@pytest.mark.long
@pytest.mark.spec("cost-7", "cost-8", "cost-10", "cost-11")
def test_a_turn_stops_at_its_ceiling_and_goes_on_in_another(purse: Purse) -> None:
    purse.limit("turn", LIMIT)
    session = purse.start()
    item = purse.ceiling()
    assert item["notice"]["reached"]["scope"] == "turn"
    purse.me.until_session(session, "waiting")
    assert purse.steps(session) == 0  # the call that the answer made has not run
    purse.me.answer(item["id"], "raise_once")
    assert purse.me.until_session(session, "idle")["result"]["text"] == "All of it is done."


@pytest.mark.long
@pytest.mark.spec("cost-9", "cost-10", "cost-12", "cost-13")
def test_a_project_that_has_used_what_it_may_begins_no_other_session(purse: Purse, home: Path) -> None:
    Repository.make(home / "repository")
    purse.me.post("/api/projects", {"id": "project-1", "name": "work", "source": str(home / "repository")})
    purse.limit("project", LIMIT, project="project-1")
    first = purse.start(project="work")
    item = purse.ceiling()
    assert item["notice"]["reached"]["scope"] == "project"
    spent = purse.spent(project="project-1")
    second = purse.start(project="work")
    purse.me.until_session(second, "waiting")
    # It is told by the same item, and nobody has asked a model for it.
    assert purse.ceiling()["id"] == item["id"]
    assert purse.spent(project="project-1") == spent
    assert processes(purse.server.home, second).agents == []
    # A session without this project is none of its business.
    free = purse.start()
    purse.me.until_session(free, "idle")
    purse.me.answer(item["id"], "raise")
    purse.me.until_session(first, "idle")
    purse.limit("project", 100, project="project-1")  # another one like the first needs more than that
    purse.me.until_session(second, "idle")
    assert purse.me.get("/api/inbox")["items"] == []


@pytest.mark.long
@pytest.mark.spec("cost-9", "cost-10", "cost-13")
def test_of_many_that_start_at_once_none_runs_past_the_day_and_one_item_asks(purse: Purse) -> None:
    purse.limit("day", 4 * LIMIT)
    sessions = [purse.start(steps=4) for _ in range(5)]
    item = purse.ceiling()
    assert item["notice"]["reached"]["scope"] == "day"

    def at_rest() -> bool:
        states = [purse.me.get(f"/api/sessions/{session}")["state"] for session in sessions]
        return set(states) == {"waiting"}

    purse.me.until("all to wait", at_rest)
    # One answer of the model each may have been under way.
    spent = purse.spent()
    assert 3 * LIMIT <= spent <= 4 * LIMIT + len(sessions) * LIMIT
    assert sum(map(purse.steps, sessions)) < 4 * len(sessions)
    # Not after a restart, and not the main thread either.
    purse.server.kill()
    purse.server.start()
    message = purse.me.say("and you?")
    purse.me.until("the main thread to wait as well", lambda: len(purse.waiting()) == len(sessions) + 1)
    assert (purse.spent(), purse.me.replies()) == (spent, [])
    assert purse.ceiling()["id"] == item["id"]
    purse.limit("day", 100)
    for session in sessions:
        # A call that the ceiling kept from running is not made again by itself, but the work goes on to its end.
        assert purse.me.until_session(session, "idle")["result"]["text"] == "All of it is done."
    purse.me.until_event("the answer", lambda e: e["kind"] == "turn_started" and message in e["body"]["message_ids"])
    assert purse.me.get("/api/inbox")["items"] == []
