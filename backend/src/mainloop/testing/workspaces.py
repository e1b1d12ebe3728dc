"""Workspaces without processes: folders are real, runners are a note in memory that a test starts and ends."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from mainloop.git import GitFailed
from mainloop.sandboxes.base import Sandbox
from mainloop.workspaces.base import (
    Description,
    Keep,
    Looked,
    Prepared,
    Process,
    RunSpec,
    WorkspaceBroken,
    WorkspaceBusy,
    WorkspaceSpec,
)
from mainloop.workspaces.local.along import bring_along
from mainloop.workspaces.local.checks import LocalChecks
from mainloop.workspaces.local.keeping import keep_all, take_away
from mainloop.workspaces.local.laying import lay_out
from mainloop.workspaces.local.looking import look_at

_RUNNERS: dict[Path, dict[str, RunSpec]] = {}


class MemoryWorkspaces:
    """`started` holds every run in order. `on_start` is called with each, for tests that answer as its runner does.

    `commit` of a session is what a test puts into `commits`; nothing is cloned.
    """

    def __init__(self, home: Path, sandbox: Sandbox) -> None:
        self._home = home
        self._sandbox = sandbox
        self._threads = home / "threads"
        self.checks = LocalChecks(home, sandbox)
        self._lock = threading.Lock()
        # Runners outlive their server: the next one of this home and process finds them.
        self._alive = _RUNNERS.setdefault(home, {})
        self.started: list[RunSpec] = []
        self.killed: list[str] = []
        self.commits: dict[str, str] = {}
        self.room = True
        self.on_start: Callable[[RunSpec], None] | None = None

    def get_ready(self) -> None:
        return

    def has_room(self) -> bool:
        return self.room

    def prepare(self, spec: WorkspaceSpec) -> Prepared:
        path = self._workspace(spec.thread_id)
        with self._lock:
            put_back = spec.kept is not None and not (path.is_dir() and any(path.iterdir()))
            path.mkdir(parents=True, exist_ok=True)
            empty = not any(path.iterdir())
            if put_back and spec.kept is not None:
                spec.kept.keep.put_back(spec.thread_id, spec.kept.number, path, {})
            if empty and spec.laid is not None:
                lay_out(spec.laid, path)
            if empty and spec.beside is not None:
                bring_along(spec.beside, spec.files, path)
            if spec.source is None:
                return Prepared(str(path), put_back=put_back, made=empty)
            self.commits.setdefault(spec.thread_id, spec.source.commit)
        return Prepared(str(path), spec.source.branch, spec.source.commit, put_back, empty)

    def start_run(self, spec: RunSpec) -> int | None:
        with self._lock:
            if spec.thread_id in self._alive:
                return None
            self._alive[spec.thread_id] = spec
            self.started.append(spec)
            # No process has such a number.
            number = 2**22 + len(self.started)
        if self.on_start:
            self.on_start(spec)
        return number

    def alive(self, thread_id: str) -> bool:
        with self._lock:
            return thread_id in self._alive

    def end(self, thread_id: str) -> None:
        """The runner of this thread ends by itself."""
        with self._lock:
            self._alive.pop(thread_id, None)

    def kill(self, thread_id: str, grace: float = 10.0) -> None:
        with self._lock:
            if self._alive.pop(thread_id, None) is not None:
                self.killed.append(thread_id)

    def save(self, thread_id: str, branch: str, keep: Keep) -> str | None:
        path = self._workspace(thread_id)
        if not (path / ".git").exists():
            if thread_id in self.commits:
                return self.commits[thread_id]
            raise WorkspaceBroken(thread_id=thread_id, why="It holds no repository.")
        try:
            return keep.save_session(thread_id, path, branch, ())
        except GitFailed as error:
            raise WorkspaceBroken(thread_id=thread_id, why=error.line) from error

    def keep(self, thread_id: str, number: int, keep: Keep, wanted: Sequence[str] = ()) -> bool:
        path = self._workspace(thread_id)
        if self.alive(thread_id):
            raise WorkspaceBusy(thread_id=thread_id)
        with self._lock:
            if not path.is_dir() or not any(path.iterdir()):
                return keep.has(thread_id, number)
            scratch = path.with_name("keeping")
            keep_all(path, scratch, self._sandbox, self._home, keep, thread_id, number, wanted)
        return True

    def look(self, thread_id: str, mirror: Path, base: str | None) -> Looked | None:
        path = self._workspace(thread_id)
        if not path.is_dir():
            return None
        return look_at(path, path.with_name("looking"), self._sandbox, self._home, mirror, base)

    def remove(self, thread_id: str, allowed: Callable[[], bool]) -> bool:
        path = self._workspace(thread_id)
        if self.alive(thread_id):
            raise WorkspaceBusy(thread_id=thread_id)
        with self._lock:
            return take_away(path, path.with_name("lock"), thread_id, allowed) if path.parent.is_dir() else allowed()

    def processes(self, thread_id: str) -> list[Process] | None:
        return None

    def describe(self, thread_id: str) -> Description:
        path = self._workspace(thread_id)
        return Description(f"{path} (in a test)", path.is_dir(), self.alive(thread_id))

    def _workspace(self, thread_id: str) -> Path:
        return self._threads / thread_id / "workspace"
