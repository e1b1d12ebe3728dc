"""The branches that open changes are for, looked at by the clock: what moved there is found although nobody does anything.

A project without an open change is never asked. One that does not answer is asked less and less often; what it had counts.
"""

import logging
import random
import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from mainloop.changes import store
from mainloop.changes.life import Life
from mainloop.db.engine import Row
from mainloop.durable.phases import OUTWARDS
from mainloop.errors import MainloopError
from mainloop.events.unit import Act, UnitOfWork, now
from mainloop.projects.mirror import BranchMissing
from mainloop.projects.service import Projects
from mainloop.runs.service import Runs

log = logging.getLogger(__name__)

LOOK: Final = "look_at_base"
# Whoever is asked is asked alone.
_LANE: Final = "bases"
# Which projects have an open change is looked up at most this often.
_ROUND: Final = timedelta(seconds=10)
# The rarest that one is asked which does not answer.
_RAREST: Final = timedelta(hours=1)
# Of an interval: after so much of it who comes a beat early is not taken for another server.
_NEARLY: Final = 0.9


class Bases:
    """All of this installation."""

    def __init__(self, runs: Runs, projects: Projects, life: Life) -> None:
        self._runs = runs
        self._database = runs.database
        self._projects = projects
        self._life = life
        self._every = timedelta(minutes=runs.settings.look_minutes)
        self._round_at: datetime | None = None
        # When each is looked at next, and how often in a row it did not answer. A server that starts begins anew.
        self._due: dict[str, datetime] = {}
        self._failures: dict[str, int] = {}

    def define_phases(self) -> None:
        """Register the look with DBOS."""
        self._runs.phases.define(LOOK, self.see_to, lambda project, error: self._missed(project, str(error)), OUTWARDS)

    def look(self, connection: sa.Connection) -> Iterable[Act]:
        """The janitor's look, in every server: whose time has come."""
        at, round_ = now(), min(_ROUND, self._every)
        if not self._every or (self._round_at is not None and at < self._round_at <= at + round_):
            return
        if self._round_at is not None and at < self._round_at:
            # The clock was set back: what it said before is not waited for.
            self._due.clear()
        self._round_at = at + round_
        wanted = store.projects_with_open(connection)
        # Each at a time of its own, the first one within the first interval.
        first = {project: at + self._every * random.random() for project in wanted}
        self._due = {project: self._due.get(project, first[project]) for project in wanted}
        for project in self._failures.keys() - wanted:
            self._failures.pop(project, None)
        due = [project for project, moment in self._due.items() if moment <= at]
        busy = self._runs.phases.subjects_to_do(connection) if due else set[str]()
        for project in due:
            if project not in busy:
                self._due[project] = at + self._pause(project)
                yield lambda unit, project=project: self._ask_for(unit, project)

    def _pause(self, project_id: str) -> timedelta:
        rarest = max(self._every, _RAREST)
        return min(self._every * 2 ** min(self._failures.get(project_id, 0), 10), rarest)

    def _ask_for(self, unit: UnitOfWork, project_id: str) -> None:
        """Once in each interval, however many servers there are."""
        last = self._runs.phases.last_wanted(unit.connection, LOOK, project_id)
        # Somebody asked a little while ago; or, by a clock that was set back since, who knows when.
        if last is None or not unit.now - self._every * _NEARLY < last <= unit.now:
            self._runs.phases.enqueue(unit, LOOK, project_id, uuid.uuid4().hex[:8], lane=_LANE)

    def see_to(self, project_id: str) -> None:
        """Ask a project whether it has moved, and look at each change that was last seen with another base."""
        changes = self._database.read(lambda c: store.open_of_project(c, project_id))
        if not changes or any(row.state == "merging" for row in changes):
            return  # a merge fetches for itself
        try:
            has_moved = self._projects.fetch_newest(project_id)
        except MainloopError as error:
            return self._missed(project_id, error.sentence)
        self._failures.pop(project_id, None)
        # Else it was told of. A server that was killed when it had just fetched did not come to that.
        missed = [] if has_moved else [row.session_id for row in changes if self._has_moved(row)]
        if missed:
            self._database.write(lambda unit: self._look_at(unit, missed))

    def _look_at(self, unit: UnitOfWork, session_ids: Iterable[str]) -> None:
        for session_id in session_ids:
            self._life.look_again(unit, session_id)

    def _missed(self, project_id: str, why: str) -> None:
        self._failures[project_id] = self._failures.get(project_id, 0) + 1
        log.info("Whether %s has moved is not known: %s", project_id, why)

    def _has_moved(self, row: Row) -> bool:
        try:
            newest = self._projects.mirror(row.project_id).newest_of(row.body["base"])
        except BranchMissing:
            return row.body["base_commit"] is not None
        return row.body["base_commit"] not in {newest.commit, newest.without or newest.commit}
