"""The whole server inside the test's own process: real HTTP, real database, workspaces in memory.

Cheaper than `ServerProcess` and open to the eye: a test reads `server.parts` and plays runners by hand.
"""

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Self

import httpx
import sqlalchemy as sa
import uvicorn

from mainloop.access.service import new_code
from mainloop.app import Parts, create_app
from mainloop.durable.phases import Phases
from mainloop.settings import Settings
from mainloop.testing.by_hand import HandRunner
from mainloop.testing.server import PATIENCE, Person, client, free_port
from mainloop.testing.workspaces import MemoryWorkspaces
from mainloop.workspaces.base import RunSpec

PLAIN: Final[Mapping[str, Any]] = {
    "agent": "scripted",
    "workspace": "memory",
    "sandbox": "none",
    "user": "sam",
    # Not what this machine's memory allows.
    "max_alive": 10,
    "host": "127.0.0.1",
    # Nothing is found by the clock, or it would be found at another moment each time.
    "look_minutes": 0,
}


NewServer = Callable[..., "InProcessServer"]


class InProcessServer:
    """A server on a home of its own. `settings` are fields of `Settings`."""

    def __init__(self, home: Path, database_url: str = "", **settings: Any) -> None:
        self.settings = Settings.model_validate(
            {**PLAIN, "port": free_port(), **settings, "home": home, "database_url": database_url}
        )
        self.url = self.settings.server_url
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._people: list[Person] = []
        self._runners: list[HandRunner] = []
        self._started = threading.Condition()
        self._person: Person | None = None

    def start(self) -> Self:
        """Start it in a thread and wait until it answers."""
        self.app = create_app(self.settings, {"PATH": "/usr/bin:/bin"})
        config = uvicorn.Config(
            self.app,
            host=self.settings.host,
            port=self.settings.port,
            timeout_graceful_shutdown=2,
            log_level="critical",
            access_log=False,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, name="server in process", daemon=True)
        self._thread.start()
        until = time.monotonic() + PATIENCE
        while not self._server.started:
            assert self._thread.is_alive(), "the server did not start; the log says why"
            assert time.monotonic() < until, "the server does not answer"
            time.sleep(0.005)
        self.workspaces.on_start = self._on_start
        return self

    def stop(self) -> None:
        """End it as SIGTERM does: streams and polls first."""
        if self._server is None or self._thread is None:
            return
        wait_until_at_rest(self.parts.phases)
        pool = self.parts.database.engine.pool
        self.parts.stop()
        self._server.should_exit = True
        self._thread.join(timeout=40)
        assert not self._thread.is_alive(), "the server does not end"
        self._server = self._thread = None
        wait_until_at_rest(self.parts.phases, pool)
        pool.dispose()
        self.parts.database.close()

    def close(self) -> None:
        """End it and whoever talks to it."""
        self.stop()
        for person in self._people:
            person.http.close()
        for runner in self._runners:
            runner.http.close()

    @property
    def parts(self) -> Parts:
        return self.app.state.parts

    @property
    def workspaces(self) -> MemoryWorkspaces:
        found = self.parts.workspaces
        assert isinstance(found, MemoryWorkspaces)
        return found

    @property
    def person(self) -> Person:
        """The person, at the browser paired first."""
        if self._person is None:
            self._person = self.pair()
        return self._person

    def pair(self) -> Person:
        """The person at one more browser."""
        person = Person(self.url, new_code(self.parts.database))
        self._people.append(person)
        return person

    def look_after(self) -> None:
        """The janitor's round with all that it looks at, now instead of within some seconds."""
        self.parts.janitor.beat(time.monotonic(), anyway=True)

    # -- runners -----------------------------------------------------------------------------------------------
    def working(self, ident: str = "session-1", **more: Any) -> HandRunner:
        """A session in its first turn, its runner played by the test. `more`: of the request that starts it."""
        self.person.post("/api/sessions", {"id": ident, "prompt": "look around", **more})
        runner = self.runner(ident)
        runner.hello()
        runner.begin()
        return runner

    def runner(self, thread_id: str = "main", run: int | None = None) -> HandRunner:
        """Play the runner that was started for a thread: run `run`, or the next that nobody plays yet."""
        played = {(r.thread_id, r.run) for r in self._runners}

        def look() -> RunSpec | None:
            mine = [s for s in self.workspaces.started if s.thread_id == thread_id]
            if run is not None:
                return next((s for s in mine if s.run == run), None)
            return next((s for s in reversed(mine) if (s.thread_id, s.run) not in played), None)

        with self._started:
            found = self._started.wait_for(look, timeout=PATIENCE)
        assert found is not None, f"no runner was started for {thread_id}"
        runner = HandRunner(self.url, found, self.workspaces)
        self._runners.append(runner)
        return runner

    def starts(self, thread_id: str) -> list[int]:
        """The numbers of the runs that were started for a thread."""
        return [s.run for s in self.workspaces.started if s.thread_id == thread_id]

    def _on_start(self, _: RunSpec) -> None:
        with self._started:
            self._started.notify_all()

    # -- raw requests ------------------------------------------------------------------------------------------
    def anonymous(self, **headers: str) -> httpx.Client:
        """Somebody who is not signed in."""
        return client(self.url, headers=headers, timeout=30)


def wait_until_at_rest(phases: Phases, pool: sa.Pool | None = None) -> None:
    """Until no phase is in the middle of its work, and no connection of `pool` in use.

    A process takes its threads along when it ends; in a test they would go on over the next one.
    """
    until = time.monotonic() + 15
    while time.monotonic() < until:
        # A pool that was closed counts below zero when the last connections come back.
        if not phases.running and not (isinstance(pool, sa.QueuePool) and pool.checkedout() > 0):
            return
        time.sleep(0.01)
