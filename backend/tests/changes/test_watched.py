"""Checks and the servers that look after them: one dies, another comes."""

import contextlib
import os
import signal
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from mainloop.db import tables as t
from mainloop.testing.inprocess import InProcessServer
from mainloop.testing.repositories import Repository

from .conftest import Gate, World, checked, log, sets_test


class Ground:
    """One home, and servers over it one after the other."""

    def __init__(self, path: Path, **settings: Any) -> None:
        self._path = path
        self._settings = settings
        self.source = Repository.make(path / "source")
        self.server = self.start()
        self.server.person.post("/api/projects", {"id": "the-project", "source": str(self.source.path)})
        self.server.person.until("the project", lambda: self._project()["state"] == "ready")

    def start(self) -> InProcessServer:
        self.server = InProcessServer(self._path / "home", **self._settings).start()
        return self.server

    def world(self) -> World:
        return World(self.server, self.source, "the-project")

    def _project(self) -> Any:
        return self.server.person.get("/api/projects")["projects"][0]


@pytest.fixture
def alone(home: Path) -> Generator[Callable[..., Ground]]:
    made: list[Ground] = []

    def make(**settings: Any) -> Ground:
        made.append(Ground(home, **settings))
        return made[0]

    yield make
    for ground in made:
        ground.server.close()


@pytest.mark.spec("changes-34")
def test_tests_go_on_while_the_server_is_away_and_begin_anew_where_their_machine_died(
    alone: Callable[..., Ground], gate: Gate
) -> None:
    ground = alone()
    world = ground.world()
    world.sets(repairs=0)
    sets_test(world, f"echo begun; {gate.waits}; false")
    agent = world.start()
    agent.works({"app.py": "1\n"})
    check = checked(agent, "running")["id"]
    agent.server.person.until("a word", lambda: "begun" in log(agent, check)["text"])
    process = process_of(ground, check)
    assert process is not None
    # Where it ran is said to be another machine: this one is renamed.
    with ground.server.parts.database.engine.begin() as connection:
        connection.execute(sa.update(t.change_check).values(host="as it was called"))
    ground.server.stop()
    assert process_of(ground, check) == process
    agent.server = ground.start()
    agent.server.look_after()
    assert process_of(ground, check) == process
    # It dies, and so does what is begun in its place; a machine that goes down in order asks it to.
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
        os.kill(process, number)

        def another(old: int = process) -> int | None:
            found = process_of(ground, check)
            if agent.change["checks"][0]["state"] == "failed":
                return old
            return found if found != old else None

        process = agent.server.person.until("another one, or the end", another)
    failed = checked(agent, "failed")
    assert (failed["id"], failed["excerpt"]) == (check, "It was cut off 3 times, and is not begun again.")


@pytest.mark.spec("changes-35")
def test_tests_that_take_too_long_are_ended_and_only_so_many_run_at_a_time(
    alone: Callable[..., Ground], gate: Gate
) -> None:
    ground = alone(check_minutes=0.03, max_checks=1)
    world = ground.world()
    world.sets(repairs=0)
    sets_test(world, f"echo begun; {gate.waits}")
    first, second = world.start(), world.start()
    first.works({"app.py": "1\n"})
    checked(first, "running")
    second.works({"other.py": "1\n"})
    assert checked(second, "queued")["started_at"] is None
    late = checked(first, "failed")
    assert "It took longer than" in late["excerpt"]
    checked(second, "running")
    checked(second, "failed")


def process_of(ground: Ground, check: str) -> int | None:
    """The process that runs a check."""
    mark = str(ground.server.settings.home / "checks" / check / "check.json")
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "cmdline").read_text().rstrip("\0").split("\0")[-1] == mark:
                return int(entry.name)
    return None
