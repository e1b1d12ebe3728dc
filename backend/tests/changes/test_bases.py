"""What moved in a project is found by the clock: while nobody does anything, cheaply, and never beside a merge."""

from collections.abc import Callable, Generator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from mainloop.changes import bases
from mainloop.db import tables as t
from mainloop.durable import janitor
from mainloop.forges.local import LocalForge
from mainloop.projects import fetching, mirror
from mainloop.testing.clock import Clock
from mainloop.testing.inprocess import InProcessServer

from .conftest import Agent, World

OPEN = "its change to be open"
EVERY = 5  # minutes


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch, bases)


@pytest.fixture
def asked(world: World, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What git was asked for at the person's repository: `ls-remote` or `fetch`."""
    seen: list[str] = []

    def counted(real: Callable[..., str]) -> Callable[..., str]:
        def git(*arguments: str, **more: Any) -> str:
            if str(world.source.path) in arguments:
                seen.append(arguments[0])
            return real(*arguments, **more)

        return git

    for module in (mirror, fetching):
        monkeypatch.setattr(module, "git", counted(module.git))
    return seen


@pytest.fixture(scope="module")
def server(ground: Path) -> Generator[InProcessServer]:
    with pytest.MonkeyPatch.context() as patch:
        # Its janitor looks when a test lets time go on, and at no other moment.
        patch.setattr(janitor, "BEAT", 3600.0)
        server = InProcessServer(ground / "home", max_alive=100, look_minutes=EVERY).start()
        yield server
        server.close()


def time_goes_on(world: World, clock: Clock, minutes: float = EVERY + 1) -> None:
    """So much later everything that is due then has been done."""
    clock.go_on(minutes=minutes)
    world.server.look_after()
    parts = world.server.parts
    rest = lambda: world.project not in parts.database.read(parts.phases.subjects_to_do)  # noqa: E731
    world.server.person.until("the look", rest)


def open_one(world: World, files: dict[str, str]) -> Agent:
    agent = world.start()
    agent.works(files)
    agent.until(OPEN, lambda c: c["state"] == "open")
    agent.server.person.until_session(agent.id, "in_review")
    return agent


@pytest.mark.spec("changes-71", "changes-39", "changes-23")
def test_a_merge_by_hand_is_found_while_nobody_does_anything(world: World, clock: Clock) -> None:
    first = open_one(world, {"app.py": "one\n2\nthree\n"})
    second = open_one(world, {"app.py": "one\ntwo too\nthree\n"})
    waiting = world.start_after(first.id)
    time_goes_on(world, clock)
    assert [agent.change["state"] for agent in (first, second)] == ["open", "open"]
    first.ask("/take-over", branch="theirs")
    world.source.commit("Mine", {"mine.py": ""})
    world.source.git("merge", "--quiet", "--no-edit", "theirs")
    there = world.source.commit_at("main")
    time_goes_on(world, clock)
    assert first.until("its merge", lambda c: c["state"] == "merged")["merged"] == there
    world.begun(waiting)
    assert world.server.workspaces.commits[waiting] == there
    # The other one conflicts by now, and its agent is at it.
    assert second.until("the conflict", lambda c: c["conflicts"])["base_commit"] == there
    assert "app.py" in second.said()


@pytest.mark.spec("changes-71")
def test_where_nothing_has_moved_nothing_is_fetched_and_where_nothing_is_open_nobody_is_asked(
    world: World, clock: Clock, asked: list[str]
) -> None:
    agent = open_one(world, {"app.py": "1\n"})
    time_goes_on(world, clock)
    before = agent.server.person.events(agent.id)
    asked.clear()
    for _ in range(3):
        time_goes_on(world, clock)
    assert asked == ["ls-remote"] * 3
    assert agent.server.person.events(agent.id) == before
    # Within the interval it is not asked again.
    time_goes_on(world, clock, minutes=1)
    assert asked == ["ls-remote"] * 3
    agent.ask("/discard")
    agent.server.person.until_session(agent.id, "done")
    asked.clear()
    for _ in range(3):
        time_goes_on(world, clock)
    assert asked == []


@pytest.mark.spec("changes-71")
def test_a_clock_that_was_set_back_stops_no_look(world: World, clock: Clock, asked: list[str]) -> None:
    agent = open_one(world, {"app.py": "1\n"})
    for _ in range(2):
        time_goes_on(world, clock)
    # The second time it goes once more through the minutes that it has just gone through.
    for back in (3 * 60.0, 4 * (EVERY + 1)):
        asked.clear()
        clock.go_on(minutes=-back)
        for _ in range(4):
            time_goes_on(world, clock)
        # The first of them is a time of its own within the first interval.
        assert asked == ["ls-remote"] * 3
    theirs = world.source.commit("theirs", {"theirs.py": ""})
    time_goes_on(world, clock)
    agent.until("the new base", lambda c: c["base_commit"] == theirs)


@pytest.mark.spec("changes-71")
def test_of_several_servers_one_asks_in_each_interval(world: World, clock: Clock, asked: list[str]) -> None:
    open_one(world, {"app.py": "1\n"})
    parts = world.server.parts
    other = bases.Bases(parts.runs, parts.projects, parts.life)
    asked.clear()
    # A minute at a time: each has a moment of its own in the interval.
    for _ in range(1 + 4 * EVERY):
        for act in parts.database.read(lambda connection: list(other.look(connection))):
            parts.database.write(act)
        time_goes_on(world, clock, minutes=1)
    wanted = sa.select(t.phase.c.created_at).where(t.phase.c.name == bases.LOOK, t.phase.c.subject == world.project)
    moments = sorted(parts.database.read(lambda connection: connection.execute(wanted).scalars().all()))
    assert asked == ["ls-remote"] * len(moments)
    assert len(moments) >= 3
    assert min(b - a for a, b in pairwise(moments)) >= timedelta(minutes=EVERY * 0.9)


@pytest.mark.spec("changes-71")
def test_a_project_that_does_not_answer_is_asked_less_and_less_often_and_nobody_is_bothered(
    world: World, clock: Clock, asked: list[str]
) -> None:
    agent = open_one(world, {"app.py": "1\n"})
    time_goes_on(world, clock)
    here, away = (world.source.path / name for name in (".git", "away"))
    here.rename(away)
    steps: list[int] = []
    for step in range(1, 36):
        asked.clear()
        time_goes_on(world, clock)
        steps += [step] * len(asked)
    # Each time at first, then after 10, 20 and 40 minutes, and once an hour in the end.
    assert steps == [1, 2, 4, 8, 15, 25, 35]
    assert agent.change["problem"] == ""
    assert [i for i in agent.server.person.get("/api/inbox")["items"] if i["session_id"] == agent.id] == []
    away.rename(here)
    world.source.commit("theirs", {"theirs.py": ""})
    time_goes_on(world, clock, minutes=61)
    agent.until("the new base", lambda c: c["base_commit"] == world.source.commit_at("main"))
    # From now on as often as before.
    asked.clear()
    time_goes_on(world, clock, minutes=61)
    asked.clear()
    time_goes_on(world, clock)
    assert asked == ["ls-remote"]


@pytest.mark.spec("changes-71")
def test_no_project_is_looked_at_beside_a_merge(
    world: World, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = open_one(world, {"app.py": "1\n"})
    looks: list[int] = []
    real = LocalForge.merge

    def merge(*given: Any, **more: Any) -> Any:
        before = len(asked)
        world.server.parts.bases.see_to(world.project)
        looks.append(len(asked) - before)
        return real(*given, **more)

    monkeypatch.setattr(LocalForge, "merge", merge)
    world.server.parts.bases.see_to(world.project)
    assert asked[-1] == "ls-remote"
    agent.approves(agent.head)
    agent.until("its merge", lambda c: c["state"] == "merged")
    assert looks == [0]


@pytest.mark.spec("changes-71")
def test_what_a_server_had_fetched_and_did_not_come_to_tell_is_found_with_the_next_look(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = open_one(world, {"app.py": "1\n"})
    theirs = world.source.commit("theirs", {"theirs.py": ""})
    with monkeypatch.context() as patch:
        patch.setattr(world.server.parts.projects, "_refreshed", _killed)
        with pytest.raises(Killed):
            world.server.parts.projects.refresh(world.project)
    assert agent.change["base_commit"] != theirs
    world.server.parts.bases.see_to(world.project)
    agent.until("the new base", lambda c: c["base_commit"] == theirs)


class Killed(BaseException):
    """The server is gone at this moment."""


def _killed(*given: object, **more: object) -> None:
    raise Killed
