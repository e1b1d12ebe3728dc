"""The two phases in a run's life: see that a runner lives, and see that it is gone."""

import logging
import time
from collections.abc import Callable
from typing import Protocol

from mainloop.events.unit import UnitOfWork
from mainloop.runs import store
from mainloop.runs.service import END_RUN, ENSURE_RUN, KILL_RUN, NewRun, Runs
from mainloop_models.events import AgentError

log = logging.getLogger(__name__)

# A runner that said goodbye needs this long at most to let go of its lock; a stopped one to end by itself (seconds).
LET_GO = 15.0
ENDS_BY_ITSELF = 4.0
# A runner that was started this long ago and holds no lock is not coming.
STARTING = 20.0


class Starter(Protocol):
    """The part of a workspace that runs know: start, look, kill."""

    def start(self, run: NewRun) -> int | None:
        """Start a runner for `run`; its process id where it has one here."""
        ...

    def has_room(self) -> bool:
        """Whether there is room on the disk for a start."""
        ...

    def alive(self, thread_id: str) -> bool:
        """Whether a runner of this thread holds its lock."""
        ...

    def kill(self, thread_id: str) -> None:
        """End the runner and everything it started, now."""
        ...


def define(runs: Runs, starter: Starter) -> None:
    """Register both with DBOS."""

    def ensure(thread_id: str) -> None:
        if starter.alive(thread_id):
            if runs.database.read(lambda c: _newest_state(c, thread_id)) != "ended":
                return
            wait_until_gone(starter.alive, thread_id, LET_GO)
        if not starter.has_room():
            # The watch asks again when there is.
            return runs.database.write(lambda unit: runs.standing.no_room(unit, thread_id))
        run = runs.database.write(lambda unit: None if _is_coming(unit, thread_id) else runs.begin(unit, thread_id))
        if run is None:
            return
        pid = starter.start(run)
        runs.database.write(lambda unit: store.update_run(unit, run.thread_id, run.number, pid=pid))

    def end(thread_id: str) -> None:
        if runs.database.read(lambda c: store.agent(c, thread_id)).wanted != "stop":
            return  # it goes on already
        if not wait_until_gone(starter.alive, thread_id, ENDS_BY_ITSELF):
            starter.kill(thread_id)
            wait_until_gone(starter.alive, thread_id, LET_GO)
        runs.database.write(lambda unit: _end(unit, thread_id))

    def _end(unit: UnitOfWork, thread_id: str) -> None:
        row = store.lock(unit, thread_id)
        if row.wanted != "stop":
            return
        store.update_run(unit, thread_id, row.run, state="ended", ended_at=unit.now, end="stopped")
        if row.working or row.deferred_call:
            runs.turns.stopped(unit, row)

    def give_up(thread_id: str, error: Exception) -> None:
        words = AgentError(code="crashed", message=f"The agent's process could not be started: {error}")
        runs.database.write(lambda unit: runs.turns.block(unit, thread_id, words))

    def kill(thread_id: str) -> None:
        # The watch sees that its lock is free, and starts another.
        starter.kill(thread_id)

    runs.phases.define(KILL_RUN, kill, lambda thread_id, error: log.error("%s was not killed: %s", thread_id, error))
    runs.phases.define(ENSURE_RUN, ensure, give_up)
    runs.phases.define(END_RUN, end, lambda thread_id, error: log.error("%s was not ended: %s", thread_id, error))


def _newest_state(connection: object, thread_id: str) -> str:
    row = store.agent(connection, thread_id)  # type: ignore[arg-type]
    newest = store.run(connection, thread_id, row.run)  # type: ignore[arg-type]
    return "ended" if newest is None else str(newest.state)


def _is_coming(unit: UnitOfWork, thread_id: str) -> bool:
    """A runner was started a moment ago and has not taken its lock yet."""
    row = store.lock(unit, thread_id)
    newest = store.run(unit.connection, thread_id, row.run)
    return (
        newest is not None
        and newest.state == "starting"
        and newest.pid is not None
        and (unit.now - newest.started_at).total_seconds() < STARTING
    )


def wait_until_gone(alive: Callable[[str], bool], thread_id: str, seconds: float) -> bool:
    """Give a thread's runner so long to end by itself; whether it has."""
    until = time.monotonic() + seconds
    while alive(thread_id):
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True
