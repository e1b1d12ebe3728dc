"""Workspaces on this machine: a folder and a runner process per thread, below `$MAINLOOP_HOME/threads`.

A session of a project works in a clone that borrows its objects from the project's mirror. Its runner is a session
leader of its own, so it lives on when the server ends.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mainloop.environment import named_paths
from mainloop.git import GitFailed
from mainloop.sandboxes.base import Policy, Sandbox
from mainloop.workspaces.base import (
    Description,
    Keep,
    Looked,
    Prepared,
    Process,
    RunnerNotStarted,
    RunSpec,
    WorkspaceBroken,
    WorkspaceBusy,
    WorkspaceRefused,
    WorkspaceSpec,
)
from mainloop.workspaces.local.along import bring_along
from mainloop.workspaces.local.alternates import alternate, point_at_mirror
from mainloop.workspaces.local.checks import LocalChecks
from mainloop.workspaces.local.cloning import clone
from mainloop.workspaces.local.keeping import clear_away, keep_all, take_away
from mainloop.workspaces.local.laying import lay_out
from mainloop.workspaces.local.looking import look_at
from mainloop.workspaces.local.processes import end_runner, gone_within, locked, of_agent, runs, sweep
from mainloop.workspaces.local.spawning import Spawner
from mainloop_models.runner import RunFile

# A runner's process takes this long at most to end after its last word.
LEAVING_SECONDS = 10.0
# -I: nothing of the folder it starts in or of the person's Python settings is imported.
_RUNNER = (sys.executable, "-I", "-m", "mainloop_agent")

# What an agent writes before it has said a word fits into this many times over.
ROOM = 20 * 1024 * 1024  # bytes
LONGEST_LOG = 5 * 1024 * 1024  # bytes


@dataclass(frozen=True)
class _Places:
    """A thread's folder. Its agent sees `home` and `workspace`, and nothing beside them."""

    folder: Path

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def workspace(self) -> Path:
        return self.folder / "workspace"

    @property
    def keeping(self) -> Path:
        return self.folder / "keeping"

    @property
    def looking(self) -> Path:
        return self.folder / "looking"

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    @property
    def run_file(self) -> Path:
        return self.folder / "run.json"

    @property
    def log(self) -> Path:
        return self.folder / "log"


class LocalWorkspaces:
    """`runner`: the command that is started with the path of a run file."""

    def __init__(self, home: Path, sandbox: Sandbox, runner: Sequence[str] = _RUNNER) -> None:
        self._home = home.absolute()
        self._sandbox = sandbox
        self.checks = LocalChecks(self._home, sandbox)
        self._runner = tuple(runner)
        # An agent can read the environment of what started it: nothing secret is in this one.
        self._environment = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}
        divides = self._runner == _RUNNER and sys.platform == "linux"
        self._spawner = Spawner(self._home, self._environment) if divides else None

    def get_ready(self) -> None:
        # Nobody waits for a start where there was none yet; one that was put off is woken by the next message.
        if self._spawner is not None and any((self._home / "threads").glob("*/run.json")):
            self._spawner.warm_up()

    def has_room(self) -> bool:
        threads = self._home / "threads"
        return shutil.disk_usage(threads if threads.exists() else self._home).free >= ROOM

    def prepare(self, spec: WorkspaceSpec) -> Prepared:
        at = self._places(spec.thread_id)
        put_back = made = False
        try:
            self._make_folders(at)
            with _held(at.folder / "preparing"):
                if not _has_work(at.workspace):
                    _make(at, spec)
                    made = True
                    put_back = spec.kept is not None
        except GitFailed as error:
            raise WorkspaceRefused(why=f"git says: {error.line}.") from error
        except OSError as error:
            raise WorkspaceRefused(why=f"{error.strerror or error}.") from error
        if spec.source is None:
            return Prepared(str(at.workspace), put_back=put_back, made=made)
        return Prepared(str(at.workspace), spec.source.branch, spec.source.commit, put_back, made)

    def start_run(self, spec: RunSpec) -> int | None:
        at = self._places(spec.thread_id)
        if self.alive(spec.thread_id):
            return None
        try:
            self._make_folders(at)
            at.workspace.mkdir(mode=0o700, exist_ok=True)
            # One whose lock was taken from it would go on beside the new one, as what an unconfined agent detached.
            end_runner(self._runner[-1], at.run_file, grace=0)
            sweep(at.home)
            if spec.mirror is not None:
                point_at_mirror(at.workspace, spec.mirror)
            token_file = at.folder / f"token-{spec.run}"
            _write_secret(token_file, spec.token)
            _write_secret(at.run_file, self._run_file(at, spec, token_file).model_dump_json())
            return self._spawn(at)
        except OSError as error:
            raise RunnerNotStarted(thread_id=spec.thread_id, why=f"{error}.") from error

    def alive(self, thread_id: str) -> bool:
        at = self._places(thread_id)
        if at.lock.exists():
            return locked(at.lock)
        # Nobody takes the lock's file away but by mistake; a runner makes it anew.
        return runs(self._runner[-1], at.run_file)

    def kill(self, thread_id: str, grace: float = 10.0) -> None:
        at = self._places(thread_id)
        end_runner(self._runner[-1], at.run_file, grace)
        sweep(at.home)

    def save(self, thread_id: str, branch: str, keep: Keep) -> str | None:
        at = self._places(thread_id)
        # A link or a file would let the agent choose which repository is read.
        if (at.workspace / ".git").is_symlink() or not (at.workspace / ".git").is_dir():
            raise WorkspaceBroken(thread_id=thread_id, why="Its .git folder is gone.")
        point_at_mirror(at.workspace, keep.path)
        reading = Policy(
            chdir=at.workspace,
            read_only=(at.workspace, keep.path / "objects"),
            hidden=(self._home,),
            network=False,
        )
        try:
            return keep.save_session(thread_id, at.workspace, branch, self._sandbox.wrap(reading))
        except GitFailed as error:
            raise WorkspaceBroken(thread_id=thread_id, why=f"git says: {error.line}.") from error

    def keep(self, thread_id: str, number: int, keep: Keep, wanted: Sequence[str] = ()) -> bool:
        at = self._places(thread_id)
        if not at.workspace.is_dir():
            return keep.has(thread_id, number)
        with _held(at.folder / "preparing"):
            if self._in_use(at):
                raise WorkspaceBusy(thread_id=thread_id)
            sweep(at.home)
            if not _has_work(at.workspace):
                return keep.has(thread_id, number)
            keep_all(at.workspace, at.keeping, self._sandbox, self._home, keep, thread_id, number, wanted)
        return True

    def look(self, thread_id: str, mirror: Path, base: str | None) -> Looked | None:
        at = self._places(thread_id)
        if not at.workspace.is_dir():
            return None
        return look_at(at.workspace, at.looking, self._sandbox, self._home, mirror, base)

    def remove(self, thread_id: str, allowed: Callable[[], bool]) -> bool:
        at = self._places(thread_id)
        if not at.folder.is_dir():
            return allowed()
        with _held(at.folder / "preparing"):
            if self._in_use(at):
                raise WorkspaceBusy(thread_id=thread_id)
            gone = take_away(at.workspace, at.lock, thread_id, allowed)
            if gone:
                shutil.rmtree(at.looking, ignore_errors=True)
            return gone

    def processes(self, thread_id: str) -> list[Process] | None:
        return of_agent(self._places(thread_id).home)

    def describe(self, thread_id: str) -> Description:
        at = self._places(thread_id)
        return Description(
            where=f"{at.workspace} on this machine",
            exists=at.workspace.is_dir(),
            alive=self.alive(thread_id),
        )

    def _in_use(self, at: _Places) -> bool:
        """Before anything is taken away: whether a runner lives, with its lock or without.

        One that has let go of its lock is on its way out, and is waited for.
        """
        return locked(at.lock) or not gone_within(LEAVING_SECONDS, self._runner[-1], at.run_file)

    def _places(self, thread_id: str) -> _Places:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", thread_id):
            raise ValueError(f"no thread has the id {thread_id!r}")
        return _Places(self._home / "threads" / thread_id)

    def _make_folders(self, at: _Places) -> None:
        self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (at.folder.parent, at.folder, at.home):
            folder.mkdir(mode=0o700, exist_ok=True)

    def _run_file(self, at: _Places, spec: RunSpec, token_file: Path) -> RunFile:
        policy = Policy(
            chdir=at.workspace,
            writable=(at.workspace, at.home),
            read_only=(*([spec.mirror] if spec.mirror else []), *named_paths(spec.environment)),
            hidden=(self._home,),
        )
        return RunFile(
            thread_id=spec.thread_id,
            run=spec.run,
            server=spec.server,
            token_file=str(token_file),
            home=str(at.folder),
            agent_home=str(at.home),
            workspace=str(at.workspace),
            wrap=self._sandbox.wrap(policy),
            confined=self._sandbox.confined,
            fork_home=str(self._places(spec.fork_of).home) if spec.fork_of else None,
            environment=dict(spec.environment),
            credentials=list(spec.credentials),
            variables=dict(spec.variables),
        )

    def _spawn(self, at: _Places) -> int:
        _put_aside(at.log)
        if self._spawner is not None and (pid := self._spawner.start(at.run_file)) is not None:
            return pid
        with _private(at.log, os.O_APPEND) as log:
            runner = subprocess.Popen(
                [*self._runner, str(at.run_file)],
                cwd=at.folder,
                env={**self._environment, "HOME": str(at.folder)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        # Its end is taken note of, so that no zombie stays while this server lives.
        threading.Thread(target=runner.wait, daemon=True, name=f"runner-{runner.pid}").start()
        return runner.pid


def _make(at: _Places, spec: WorkspaceSpec) -> None:
    """In a folder beside it, then by one rename: what stands at its place is whole."""
    if spec.source is None and spec.kept is None and spec.beside is None and spec.laid is None:
        at.workspace.mkdir(mode=0o700, exist_ok=True)
        return
    for unfinished in at.folder.glob("making-*"):
        shutil.rmtree(unfinished)
    clear_away(at.folder)
    making = Path(tempfile.mkdtemp(prefix="making-", dir=at.folder))
    if spec.kept is not None:
        # Where the mirror lies now; the home may have moved.
        objects = {".git/objects/info/alternates": alternate(spec.source.mirror)} if spec.source else {}
        spec.kept.keep.put_back(spec.thread_id, spec.kept.number, making, objects)
    elif spec.source is not None:
        clone(making, spec.source, spec.laid)
    elif spec.laid is not None:
        lay_out(spec.laid, making)
    if spec.beside is not None:
        bring_along(spec.beside, spec.files, making)
    making.rename(at.workspace)


def _has_work(workspace: Path) -> bool:
    with suppress(FileNotFoundError), os.scandir(workspace) as entries:
        return next(entries, None) is not None
    return False


def _put_aside(log: Path) -> None:
    """A long log begins anew, and the one before it is kept: there are never more than two."""
    with suppress(FileNotFoundError):
        if log.stat().st_size > LONGEST_LOG:
            log.replace(log.with_name(f"{log.name}.1"))


@contextmanager
def _held(path: Path) -> Generator[None]:
    with _private(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _write_secret(path: Path, text: str) -> None:
    """Whole or not at all, and never readable for others."""
    unfinished = path.with_name(f".{path.name}")
    unfinished.unlink(missing_ok=True)
    with _private(unfinished, os.O_EXCL) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)


def _private(path: Path, flags: int = 0) -> IO[str]:
    """Open for writing, readable for nobody else from the first moment."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | flags, 0o600), "w")
