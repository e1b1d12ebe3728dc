"""Projects: added by path or address, mirrored, refreshed before each session."""

import re
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import sqlalchemy as sa

from mainloop.db.engine import Row
from mainloop.durable.phases import Phases
from mainloop.errors import BadInput, MainloopError, ProjectExists, UnknownProject
from mainloop.events.unit import Database, UnitOfWork
from mainloop.projects import store
from mainloop.projects.mirror import Mirror, checked_source, mirror_of
from mainloop.projects.proposals import proposals
from mainloop.projects.schemas import AddProject, ChangeProject, Found, Project, ProjectSettings

FETCH: Final = "fetch_project"
# Projects are added one after the other, or two would get one name.
ADDING: Final = 0x6D6C7072


class Projects:
    """All projects of this installation. `mirrors`: the folder their mirrors lie in."""

    def __init__(self, database: Database, phases: Phases, mirrors: Path) -> None:
        self._database = database
        self._phases = phases
        self.mirrors = mirrors
        self._moved: list[Callable[[UnitOfWork, str], None]] = []

    def on_moved(self, listen: Callable[[UnitOfWork, str], None]) -> None:
        """Call `listen` when a fetch found that branches of a project have moved, or how it merges was set otherwise."""
        self._moved.append(listen)

    def define_phases(self) -> None:
        """Register the fetching of a project with DBOS."""
        self._phases.define(FETCH, self.fetch, self._failed)

    def mirror(self, project_id: str) -> Mirror:
        return mirror_of(self.mirrors, project_id)

    def keeps(self, project_id: str | None) -> Mirror:
        """Where work of a project's sessions is kept, or of sessions without a project."""
        return Mirror.create(mirror_of(self.mirrors, project_id).path)

    def change(self, unit: UnitOfWork, id_or_name: str, given: ChangeProject) -> Project:
        """Change a project's settings. Raises UnknownProject, BadInput."""
        row = self.named(unit.connection, id_or_name)
        changes: dict[str, Any] = {}
        if given.keep_ignored is not None:
            changes["keep_ignored"] = [pattern for pattern in given.keep_ignored if pattern]
        if given.settings is not None:
            if given.settings.files and not _is_folder(row.source):
                raise BadInput(
                    what="Files can be copied where the project is a folder of this machine, not an address."
                )
            said = given.settings.model_dump(exclude_unset=True)
            if "merge" in said:
                said["merge"] = {**row.settings.get("merge", {}), **said["merge"]}
            changes["settings"] = {**row.settings, **said}
        if changes:
            store.update(unit, row.id, **changes)
        # What waits for its merge may be ready by them.
        if any(row.settings.get(name) != changes.get("settings", row.settings).get(name) for name in ("merge", "test")):
            for listen in self._moved:
                listen(unit, row.id)
        return as_project(self.named(unit.connection, row.id))

    def check(self, id_or_name: str, given: ChangeProject) -> None:
        """What has to be looked up in the mirror before a change. Raises UnknownProject, BranchMissing, BadInput."""
        branch = given.settings.branch if given.settings else None
        row = self._database.read(lambda c: self.named(c, id_or_name))
        if branch is None:
            return
        if row.default_branch is None:
            raise BadInput(what="Its branches are not known before it has been fetched. Set one then.")
        self.mirror(row.id).resolve(branch)

    def settings(self, project_id: str) -> ProjectSettings:
        """What the person has set for it. Raises UnknownProject."""
        row = self._database.read(lambda c: self.named(c, project_id))
        return ProjectSettings.model_validate(row.settings)

    def branch(self, project_id: str) -> str:
        """The branch that sessions start from and changes are merged into. Raises UnknownProject."""
        row = self._database.read(lambda c: self.named(c, project_id))
        return ProjectSettings.model_validate(row.settings).branch or str(row.default_branch)

    def files(self, project_id: str) -> tuple[Path | None, tuple[str, ...]]:
        """The person's checkout, and what of it each new workspace gets."""
        row = self._database.read(lambda c: self.named(c, project_id))
        files = ProjectSettings.model_validate(row.settings).files
        return (Path(row.source), tuple(files)) if files else (None, ())

    def found(self, project_id: str) -> Found:
        """What a look into the project finds that its settings could say. Raises UnknownProject."""
        row = self._database.read(lambda c: self.named(c, project_id))
        if row.default_branch is None:
            return Found(branches=[], set_up=[], test=[])
        mirror = self.mirror(row.id)
        branches = mirror.branches()
        wanted = ProjectSettings.model_validate(row.settings).branch or row.default_branch
        commit = branches.get(wanted) or branches.get(row.default_branch)
        set_up, test = proposals(mirror, commit) if commit else ([], [])
        return Found(branches=sorted(name for name in branches if name != "HEAD"), set_up=set_up, test=test)

    def add(self, unit: UnitOfWork, given: AddProject) -> tuple[Project, bool]:
        """Remember a project and start fetching it; answers it and whether it is new. Raises BadInput, ProjectExists."""
        source = _source(given.source)
        unit.alone(ADDING)
        known = store.with_source(unit.connection, source)
        if known is not None:
            if known.state == "failed":
                self._fetch_again(unit, known.id)
                known = store.find(unit.connection, known.id)
                assert known is not None
            return as_project(known), False
        if given.id is not None and store.find(unit.connection, given.id) is not None:
            raise ProjectExists(id=given.id)
        name = _free_name(unit.connection, given.name or _name_of(source))
        row = store.add(unit, id=given.id or uuid.uuid4().hex, name=name, source=source)
        self._phases.enqueue(unit, FETCH, row.id, "1")
        return as_project(row), True

    def _fetch_again(self, unit: UnitOfWork, project_id: str) -> None:
        store.update(unit, project_id, state="fetching", error="")
        self._phases.enqueue(unit, FETCH, project_id, uuid.uuid4().hex[:8])

    def named(self, connection: sa.Connection, id_or_name: str) -> Row:
        """The project with this id or name. Raises UnknownProject."""
        row = store.find(connection, id_or_name)
        if row is None:
            known = ", ".join(p.name for p in store.all_projects(connection)) or "none yet"
            raise UnknownProject(name=id_or_name, known=known)
        return row

    def fetch(self, project_id: str) -> None:
        """Make or refresh the mirror. What is wrong with the source is kept in words with the project."""
        row = self._database.read(lambda c: store.find(c, project_id))
        if row is None:
            return
        try:
            branch = self._fetch_mirror(project_id, row.source, lambda words: self._tell(project_id, words))
        except MainloopError as error:
            self._failed(project_id, error)
            return
        self._database.write(
            lambda unit: store.update(unit, project_id, state="ready", error="", progress="", default_branch=branch)
        )

    def _fetch_mirror(self, project_id: str, source: str, tell: Callable[[str], None] | None = None) -> str:
        return Mirror.create(self.mirror(project_id).path).fetch_upstream(source, tell).default_branch

    def _tell(self, project_id: str, progress: str) -> None:
        self._database.write(lambda unit: store.update(unit, project_id, progress=progress))

    def refresh(self, project_id: str) -> Row:
        """The project with its newest commits; with those it has, where the source can't be reached right now.

        Raises the mirror's errors where there is nothing to start from.
        """
        row = self._database.read(lambda c: self.named(c, project_id))
        try:
            self.fetch_newest(project_id)
        except MainloopError:
            if row.state != "ready":
                raise
        return self._database.read(lambda c: self.named(c, project_id))

    def fetch_newest(self, project_id: str) -> bool:
        """Have its newest commits here; whether a branch has moved, which is told then. Raises UnknownProject, the mirror's errors."""
        row = self._database.read(lambda c: self.named(c, project_id))
        before = self.mirror(project_id).branches() if row.state == "ready" else {}
        branch = self._fetch_mirror(project_id, str(row.source))
        has_moved = self.mirror(project_id).branches() != before
        if has_moved or (row.state, row.default_branch) != ("ready", branch):
            self._database.write(lambda unit: self._refreshed(unit, project_id, branch, has_moved=has_moved))
        return has_moved

    def _refreshed(self, unit: UnitOfWork, project_id: str, branch: str, *, has_moved: bool) -> None:
        store.update(unit, project_id, state="ready", error="", progress="", default_branch=branch)
        for listen in self._moved if has_moved else ():
            listen(unit, project_id)

    def _failed(self, project_id: str, error: Exception) -> None:
        words = error.sentence if isinstance(error, MainloopError) else f"It could not be fetched: {error}"
        self._database.write(lambda unit: store.update(unit, project_id, state="failed", error=words, progress=""))


def as_project(row: Row) -> Project:
    return Project.model_validate({name: getattr(row, name) for name in Project.model_fields})


def _source(given: str) -> str:
    """A folder made whole, or an address as it is. Raises BadInput, UnsafeSource, NotARepository."""
    text = given.strip()
    if urlsplit(text).password:
        raise BadInput(
            what="This address holds a password. Let git remember it instead (git credential), then give the address "
            "without it."
        )
    looks_local = "://" not in text and ":" not in text and not text.startswith(("/", "~", "-"))
    if text and looks_local:
        raise BadInput(what=f"{text} is not a whole path. Give it from the root, like /home/you/{text}.")
    return checked_source(text)


def _is_folder(source: str) -> bool:
    return Path(source).is_absolute()


def _name_of(source: str) -> str:
    last = re.split(r"[/:\\]", source.rstrip("/"))[-1].removesuffix(".git")
    return re.sub(r"[^\w.-]+", "-", last).strip("-.")[:60] or "project"


def _free_name(connection: sa.Connection, name: str) -> str:
    name = " ".join(name.split())[:100] or "project"
    taken = {p.name for p in store.all_projects(connection)}
    number, candidate = 1, name
    while candidate in taken:
        number += 1
        candidate = f"{name}-{number}"
    return candidate
