"""Status is honest: a run whose lock is free is over, an idle one is parked, and open work always has a runner."""

import os
from datetime import timedelta
from typing import Final

from mainloop.db.engine import Row
from mainloop.durable.phases import Phases
from mainloop.events.unit import UnitOfWork, now
from mainloop.runs import store
from mainloop.runs.phases import STARTING, Starter
from mainloop.runs.service import HOST, Runs

# What is in no hurry is looked at every so many beats.
SELDOM: Final = 5


class Watch:
    """The janitor's look at this host's runs, about once a second."""

    def __init__(self, runs: Runs, starter: Starter, phases: Phases, park_after: timedelta) -> None:
        self._runs = runs
        self._starter = starter
        self._phases = phases
        self._park_after = park_after
        self._round = 0

    def __call__(self) -> None:
        database = self._runs.database
        for run in database.read(lambda c: store.open_runs(c, HOST)):
            if not self._starter.alive(run.thread_id) and not _may_be_coming(run):
                database.write(lambda unit, run=run: self._lost(unit, run))
        self._round += 1
        if self._round % SELDOM == 0:
            database.write(self._park_idle)
            database.write(self._restart_forgotten)

    def _lost(self, unit: UnitOfWork, seen: Row) -> None:
        row = store.lock(unit, seen.thread_id)
        newest = store.run(unit.connection, seen.thread_id, row.run)
        if newest is None or newest.number != seen.number or newest.state != seen.state or newest.state == "ended":
            return
        self._runs.lost(unit, row, newest)
        if row.wanted == "stop":
            return
        after = store.agent(unit.connection, seen.thread_id)
        if after.restarts > self._runs.settings.max_restarts:
            self._runs.turns.give_up(unit, after)
        elif after.working or store.has_work(unit.connection, after):
            self._runs.request(unit, seen.thread_id)

    def _park_idle(self, unit: UnitOfWork) -> None:
        """Give memory back: an agent that has been quiet for a while is ended; the next message resumes it."""
        for row in store.quiet_since(unit.connection, unit.now - self._park_after):
            if not store.has_work(unit.connection, row):
                self._runs.want(unit, row.thread_id, "park")

    def _restart_forgotten(self, unit: UnitOfWork) -> None:
        """Open work without a runner, a phase or a reason: the request for one was lost with a dead server."""
        asked = self._phases.subjects_to_do(unit.connection)
        for row in store.threads_with_messages(unit.connection):
            if row.thread_id not in asked and store.has_work(unit.connection, row):
                self._runs.request(unit, row.thread_id)


def _may_be_coming(run: Row) -> bool:
    """It was started a moment ago and its process lives."""
    if run.state != "starting" or (now() - run.started_at).total_seconds() > STARTING:
        return False
    if run.pid is None:
        return True
    try:
        os.kill(run.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
