"""What a session needs from the outside world: a workspace to start in, its work kept after each turn and at its end."""

import logging
from typing import Any, Final

from mainloop.db.engine import Row
from mainloop.errors import MainloopError
from mainloop.forges.base import BaseSplit
from mainloop.projects.mirror import Newest
from mainloop.projects.service import Projects
from mainloop.runs import store as runs_store
from mainloop.runs.phases import wait_until_gone
from mainloop.runs.service import Runs
from mainloop.sessions import store
from mainloop.sessions.kept_turns import KeptTurns
from mainloop.sessions.moves import KEEP, PREPARE, SAVE
from mainloop.sessions.service import Sessions
from mainloop.workspaces.base import Kept, Laid, Source, WorkspaceBroken, Workspaces, WorkspaceSpec

log = logging.getLogger(__name__)

# A stopped runner needs this long at most to end by itself (seconds).
ENDS_BY_ITSELF: Final = 4.0


class NotOnTop(MainloopError):
    """It was to begin after {handle}, whose change was merged into {into} as {merged}; but it begins at {base}, which does not have that. Bring {into} into {base}, then try again."""

    status = 409
    code = "not_on_top"


def define(sessions: Sessions, runs: Runs, projects: Projects, workspaces: Workspaces, kept_turns: KeptTurns) -> None:
    """Register all with DBOS."""
    database = runs.database

    # -- prepare -------------------------------------------------------------------------------------------------
    def prepare(session_id: str) -> None:
        row = database.read(lambda c: store.find(c, session_id))
        if row is None or row.state != "starting":
            return
        try:
            source, apart = _source(session_id, row) if row.project_id else (None, "")
            beside, files = projects.files(row.project_id) if row.project_id else (None, ())
            laid = _laid(session_id, row)
            spec = WorkspaceSpec(session_id, source, _kept(session_id, row), laid, beside, files)
            prepared = workspaces.prepare(spec)
            if laid is not None and source is not None and prepared.made:
                workspaces.save(session_id, source.branch, projects.mirror(row.project_id))
        except MainloopError as error:
            sentence = error.sentence
            database.write(lambda unit: sessions.fail(unit, session_id, sentence))
            return
        database.write(
            lambda unit: sessions.prepared(
                unit,
                session_id,
                branch=prepared.branch,
                base=prepared.base_commit,
                upstream=source.upstream if source else None,
                put_back=prepared.put_back,
                to_set_up=_to_set_up(row) if prepared.made or row.branch is None else None,
                apart=apart,
            )
        )

    def _to_set_up(row: Row) -> bool:
        return bool(row.project_id and projects.settings(row.project_id).set_up)

    def _source(session_id: str, row: Row) -> tuple[Source, str]:
        """Where it begins; and, in words, what was merged here that is not there. Raises BaseSplit, NotOnTop."""
        mirror = projects.mirror(row.project_id)
        projects.refresh(row.project_id)
        merged = [one for one in store.after_of(row) if one.merged]
        upstream = row.upstream or next((one.into for one in reversed(merged) if one.into), None)
        upstream = upstream or projects.branch(row.project_id)
        newest = Newest(row.base) if row.base else mirror.newest_of(upstream)
        split = newest.without and BaseSplit(base=upstream, commit=newest.without[:12], repository=mirror.path)
        for one in merged if row.base is None else ():
            if one.merged and not mirror.has_all_of(newest.commit, one.merged):
                raise split or NotOnTop(handle=one.handle, merged=one.merged[:12], into=one.into, base=upstream)
        source = Source(
            mirror=mirror.path,
            commit=mirror.start_session(session_id, newest.commit),
            upstream=upstream,
            branch=row.branch or _free_branch(session_id, row),
        )
        return source, split.sentence if split else ""

    def _free_branch(session_id: str, row: Row) -> str:
        """A handle is free again when its session is over; its branch is not."""
        taken = database.read(lambda c: store.branches_beside(c, session_id, row.project_id))
        names = (f"mainloop/{row.handle}", *(f"mainloop/{row.handle}-{n}" for n in range(2, len(taken) + 3)))
        return next(name for name in names if name not in taken)

    def _kept(session_id: str, row: Row) -> Kept | None:
        """What its workspace is put back from, where it is gone."""
        kept = database.read(lambda c: store.newest_kept(c, session_id))
        if kept is None or kept.state not in ("kept", "back"):
            return None
        return Kept(projects.keeps(row.project_id), kept.number)

    def _laid(session_id: str, row: Row) -> Laid | None:
        """What its workspace begins with, where it branched off another session."""
        fork = database.read(lambda c: runs_store.agent(c, session_id)).fork
        return kept_turns.laid(fork["session_id"], fork["turn"]) if fork else None

    def not_prepared(session_id: str, error: Exception) -> None:
        database.write(lambda unit: sessions.fail(unit, session_id, f"Its workspace could not be made: {error}"))

    # -- save ----------------------------------------------------------------------------------------------------
    def save(session_id: str) -> None:
        row = database.read(lambda c: store.find(c, session_id))
        if row is None:
            return
        try:
            if row.project_id and row.branch:
                workspaces.save(session_id, row.branch, projects.mirror(row.project_id))
                database.write(lambda unit: sessions.saved(unit, session_id))
        finally:  # where git can't read its repository, its files can still be looked at
            kept_turns.keep(session_id)

    def not_saved(session_id: str, error: Exception) -> None:
        kept_turns.not_kept(session_id, error)
        log.error("The commits of %s were not collected, they stay in its workspace: %s", session_id, error)

    # -- keep ----------------------------------------------------------------------------------------------------
    def keep(session_id: str) -> None:
        """First everything is kept, then that is said, then the workspace goes."""
        row = database.read(lambda c: store.find(c, session_id))
        kept = database.read(lambda c: store.newest_kept(c, session_id))
        if row is None or kept is None or row.state != "done":
            return  # it goes on already
        if kept.state == "keeping":
            _end_runner(session_id)
            try:
                found = _keep_all(session_id, row, kept.number)
            except MainloopError as error:
                return became(session_id, kept.number, state="failed", why=error.sentence)
            became(session_id, kept.number, **found)
        if workspaces.remove(session_id, lambda: database.read(lambda c: store.may_go(c, session_id, kept.number))):
            # The next one is another one.
            database.write(lambda unit: store.update(unit, session_id, set_up=False))

    def _keep_all(session_id: str, row: Row, number: int) -> dict[str, Any]:
        mirror = projects.keeps(row.project_id)
        left_out: list[str] = []
        try:
            workspaces.save(session_id, row.branch or "", mirror)
        except WorkspaceBroken as error:
            if row.project_id:
                left_out = [f"git can't read its repository ({error.values['why']}), so it comes back as broken."]
        if not workspaces.keep(session_id, number, mirror, _wanted(row.project_id)):
            return {"state": "empty"}
        snapshot = mirror.kept(session_id, number)
        count = snapshot.count()
        left_out += snapshot.about.left_out()
        return {
            "state": "kept",
            "files": count.files,
            "added": count.added,
            "removed": count.removed,
            "left_out": left_out,
        }

    def _wanted(project_id: str | None) -> list[str]:
        return list(database.read(lambda c: projects.named(c, project_id)).keep_ignored) if project_id else []

    def _end_runner(session_id: str) -> None:
        if not wait_until_gone(workspaces.alive, session_id, ENDS_BY_ITSELF):
            workspaces.kill(session_id, grace=2.0)

    def became(session_id: str, number: int, **values: Any) -> None:
        database.write(lambda unit: sessions.became_of_work(unit, session_id, number, **values))

    def not_kept(session_id: str, error: Exception) -> None:
        """Whatever it was, nothing went that was not kept."""
        log.error("The workspace of %s was not taken away: %s", session_id, error)
        kept = database.read(lambda c: store.newest_kept(c, session_id))
        if kept is not None and kept.state == "keeping":
            why = f"What is in the workspace could not be kept, so it stays as it is: {error} Close the session again."
            became(session_id, kept.number, state="failed", why=why)

    runs.phases.define(PREPARE, prepare, not_prepared)
    runs.phases.define(SAVE, save, not_saved)
    runs.phases.define(KEEP, keep, not_kept)
