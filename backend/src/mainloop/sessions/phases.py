"""What a session needs from the outside world: a workspace to start in, its commits kept after each turn."""

import logging

from mainloop.db.engine import Row
from mainloop.errors import MainloopError
from mainloop.projects.service import Projects
from mainloop.runs.service import Runs
from mainloop.sessions import store
from mainloop.sessions.moves import PREPARE, SAVE
from mainloop.sessions.service import Sessions
from mainloop.workspaces.base import Source, Workspaces, WorkspaceSpec

log = logging.getLogger(__name__)


def define(sessions: Sessions, runs: Runs, projects: Projects, workspaces: Workspaces) -> None:
    """Register both with DBOS."""
    database = runs.database

    def prepare(session_id: str) -> None:
        row = database.read(lambda c: store.find(c, session_id))
        if row is None or row.state != "starting":
            return
        try:
            source = _source(session_id, row) if row.project_id else None
            prepared = workspaces.prepare(WorkspaceSpec(session_id, source))
        except MainloopError as error:
            sentence = error.sentence
            database.write(lambda unit: sessions.fail(unit, session_id, sentence))
            return
        database.write(
            lambda unit: sessions.prepared(unit, session_id, branch=prepared.branch, base=prepared.base_commit)
        )

    def _source(session_id: str, row: Row) -> Source:
        mirror = projects.mirror(row.project_id)
        upstream = str(projects.refresh(row.project_id).default_branch)
        return Source(
            mirror=mirror.path,
            commit=mirror.start_session(session_id, row.base or mirror.resolve(upstream)),
            upstream=upstream,
            branch=row.branch or f"mainloop/{row.handle}",
        )

    def save(session_id: str) -> None:
        row = database.read(lambda c: store.find(c, session_id))
        if row is not None and row.project_id and row.branch:
            workspaces.save(session_id, row.branch, projects.mirror(row.project_id))

    def not_prepared(session_id: str, error: Exception) -> None:
        database.write(lambda unit: sessions.fail(unit, session_id, f"Its workspace could not be made: {error}"))

    def not_saved(session_id: str, error: Exception) -> None:
        log.error("The commits of %s were not collected, they stay in its workspace: %s", session_id, error)

    runs.phases.define(PREPARE, prepare, not_prepared)
    runs.phases.define(SAVE, save, not_saved)
