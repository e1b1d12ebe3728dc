"""Status is honest: a run whose lock is free is over, an idle one is parked, and open work always has a runner."""

from datetime import timedelta
from typing import Final

from mainloop.db.engine import Row
from mainloop.durable.phases import Phases
from mainloop.events.unit import UnitOfWork, now
from mainloop.runs import store
from mainloop.runs.phases import STARTING, Starter
from mainloop.runs.service import HOST, Runs
from mainloop.runs.status import OVERDUE
from mainloop.workspaces.base import process_lives

# What is in no hurry is looked at every so many beats.
SELDOM: Final = 5
# Who has not looked for this long was asleep himself, and judges nobody's silence before having looked as long again.
AWAKE: Final = timedelta(seconds=30)


class Watch:
    """The janitor's look at this host's runs, about once a second."""

    def __init__(self, runs: Runs, starter: Starter, phases: Phases) -> None:
        self._runs = runs
        self._starter = starter
        self._phases = phases
        self._park_after = timedelta(minutes=runs.settings.park_minutes)
        self._patience = timedelta(minutes=runs.settings.unreachable_minutes)
        self._round = 0
        self._looked = self._awake_since = now()

    def __call__(self) -> None:
        database = self._runs.database
        for run in database.read(lambda c: store.open_runs(c, HOST)):
            if not self._starter.alive(run.thread_id) and not _may_be_coming(run):
                database.write(lambda unit, run=run: self._lost(unit, run))
        if now() - self._looked > AWAKE:
            self._awake_since = now()
        self._looked = now()
        self._round += 1
        if self._round % SELDOM == 0:
            if database.read(lambda c: store.quiet(c, now() - self._park_after)):
                database.write(self._park_idle)
            if database.read(store.threads_with_messages):
                database.write(self._restart_forgotten)
            if now() - self._awake_since > AWAKE:
                self._look_for_silence()

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

    def _look_for_silence(self) -> None:
        """A runner that holds its lock and asks for nothing: frozen, or cut off from us."""
        database = self._runs.database
        for run in database.read(lambda c: store.overdue(c, now() - min(OVERDUE, self._patience))):
            database.write(lambda unit, run=run: self._silent(unit, run))

    def _silent(self, unit: UnitOfWork, seen: Row) -> None:
        row = store.lock(unit, seen.thread_id)
        run = store.run(unit.connection, seen.thread_id, row.run)
        if run is None or run.state != "live" or run.seen_at is None or run.seen_at != seen.seen_at:
            return
        self._runs.standing.overdue(unit, run)
        if unit.now - run.seen_at > self._patience:
            self._runs.standing.unreachable(unit, run)

    def _park_idle(self, unit: UnitOfWork) -> None:
        """Give memory back: an agent that has been quiet for a while is ended; the next message resumes it."""
        for row in store.quiet(unit.connection, unit.now - self._park_after):
            if not store.has_work(unit.connection, row):
                self._runs.want(unit, row.thread_id, "park")

    def _restart_forgotten(self, unit: UnitOfWork) -> None:
        """Open work without a runner, a phase or a reason: the request for one was lost with a dead server."""
        asked = self._phases.subjects_to_do(unit.connection)
        for row in store.threads_with_messages(unit.connection):
            if row.thread_id not in asked and store.has_work(unit.connection, row):
                self._runs.take_up(unit, row.thread_id)


def _may_be_coming(run: Row) -> bool:
    """It was started a moment ago and its process lives."""
    if run.state != "starting" or (now() - run.started_at).total_seconds() > STARTING:
        return False
    if run.pid is None:
        return True
    return process_lives(run.pid)
