"""Status is honest: a run whose lock is free is over, an idle one is parked, and open work always has a runner."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

import sqlalchemy as sa

from mainloop.db.engine import Row
from mainloop.durable.awake import Awake
from mainloop.durable.phases import Phases
from mainloop.events.unit import Act, UnitOfWork, now
from mainloop.runs import store
from mainloop.runs.phases import STARTING, Starter
from mainloop.runs.service import HOST, Runs
from mainloop.runs.status import OVERDUE
from mainloop.settings import available_memory
from mainloop.workspaces.base import process_lives

# What is in no hurry is looked at every so many beats.
SELDOM: Final = 5
# Nobody's silence is judged before having looked for this long: who was asleep himself has heard nobody.
AWAKE: Final = timedelta(seconds=30)


class LookAtRuns:
    """The janitor's look at this host's runs, about once a second."""

    def __init__(self, runs: Runs, starter: Starter, phases: Phases, awake: Awake) -> None:
        self._runs = runs
        self._starter = starter
        self._phases = phases
        self._park_after = timedelta(minutes=runs.settings.park_minutes)
        self._patience = timedelta(minutes=runs.settings.unreachable_minutes)
        self._round = 0
        self._awake = awake
        self._breaks = awake.breaks

    def __call__(self, connection: sa.Connection) -> Iterable[Act]:
        for run in store.open_runs(connection, HOST):
            if not self._starter.alive(run.thread_id) and not self._may_be_coming(run):
                yield lambda unit, run=run: self._lost(unit, run)
        if self._awake.breaks != self._breaks:
            self._breaks = self._awake.breaks
            yield self._woke
        self._round += 1
        if self._round % SELDOM == 0:
            yield from self._look_at_leisure(connection)

    def _look_at_leisure(self, connection: sa.Connection) -> Iterable[Act]:
        if store.quiet(connection, now() - self._park_after):
            yield self._park_idle
        if (number := self._too_many(connection)) > 0:
            yield lambda unit: self._make_room(unit, number)
        if self._starter.has_room() and store.threads_with_messages(connection):
            yield self._restart_forgotten
        # A runner that holds its lock and asks for nothing: frozen, or cut off from us.
        if self._awake.seconds >= AWAKE.total_seconds():
            for run in store.overdue(connection, now() - min(OVERDUE, self._patience)):
                yield lambda unit, run=run: self._silent(unit, run)

    def _lost(self, unit: UnitOfWork, seen: Row) -> None:
        row = store.lock(unit, seen.thread_id)
        newest = store.run(unit.connection, seen.thread_id, row.run)
        if newest is None or newest.number != seen.number or newest.state != seen.state or newest.state == "ended":
            return
        self._runs.lost(unit, row, newest)
        if row.wanted == "stop":
            return
        after = store.agent(unit.connection, seen.thread_id)
        # Beyond the last restart one more brings what is in the spools, and does nothing else.
        beyond = after.restarts - self._runs.settings.max_restarts
        if beyond > (1 if after.working else 0):
            self._runs.turns.give_up(unit, after)
        elif after.working or store.has_work(unit.connection, after):
            self._runs.request(unit, seen.thread_id)

    def _silent(self, unit: UnitOfWork, seen: Row) -> None:
        row = store.lock(unit, seen.thread_id)
        run = store.run(unit.connection, seen.thread_id, row.run)
        if run is None or run.state != "live" or run.seen_at is None or run.seen_at != seen.seen_at:
            return
        self._runs.standing.overdue(unit, run)
        # What happens on another machine, its own server judges: it may be asleep.
        if run.host == HOST and unit.now - run.seen_at > self._patience:
            self._runs.standing.unreachable(unit, run)

    def _woke(self, unit: UnitOfWork) -> None:
        """While this machine was asleep nobody on it was silent."""
        for thread_id in store.working_on(unit.connection, HOST):
            self._runs.standing.heard(unit, store.agent(unit.connection, thread_id))

    def _park_idle(self, unit: UnitOfWork) -> None:
        """Give memory back: an agent that has been quiet for a while is ended; the next message resumes it."""
        for row in store.quiet(unit.connection, unit.now - self._park_after):
            if not store.has_work(unit.connection, row):
                self._runs.want(unit, row.thread_id, "park")

    def _too_many(self, connection: sa.Connection) -> int:
        """How many of the agents that do nothing are to go before their time."""
        settings = self._runs.settings
        beyond = store.living_sessions(connection, HOST) - settings.max_alive
        free = available_memory() if settings.spare_memory_mb else None
        # One gives back what it has in its own time: then it is looked at again.
        short = free is not None and free < settings.spare_memory_mb * 2**20
        return max(beyond, int(short))

    def _make_room(self, unit: UnitOfWork, number: int) -> None:
        for row in store.resting(unit.connection, HOST)[:number]:
            if not store.has_work(unit.connection, row):
                self._runs.want(unit, row.thread_id, "park")

    def _restart_forgotten(self, unit: UnitOfWork) -> None:
        """Open work without a runner, a phase or a reason: the request for one was lost with a dead server."""
        asked = self._phases.subjects_to_do(unit.connection)
        for row in store.threads_with_messages(unit.connection):
            if row.thread_id not in asked and store.has_work(unit.connection, row):
                self._runs.take_up(unit, row.thread_id)

    def _may_be_coming(self, run: Row) -> bool:
        """It was started a moment ago, or when this machine fell asleep, and its process lives."""
        if run.state != "starting":
            return False
        age = (now() - run.started_at).total_seconds()
        if run.pid is None:
            return age <= STARTING
        return min(age, self._awake.seconds) <= STARTING and process_lives(run.pid)
