"""The slot for workspaces: where a thread's files and its runner live.

Adapters are made with `(home, sandbox)`: mainloop's one directory and what stands around an agent. They keep no
state in memory that a restarted server would miss. All verbs are synchronous, may be called from any thread, and
may be repeated after a crash: each looks before it acts.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

from mainloop.errors import MainloopError


class WorkspaceRefused(MainloopError):
    """The workspace can't be made: {why}"""

    status = 409
    code = "workspace_refused"


class WorkspaceBroken(MainloopError):
    """The workspace of {thread_id} can't be read: {why} Nothing in it was touched."""

    status = 409
    code = "workspace_broken"


class WorkspaceNotKept(MainloopError):
    """What is in the workspace could not be kept, so it stays as it is: {why} Mend that, then close the session \
again."""

    status = 409
    code = "workspace_not_kept"


class WorkspaceUnread(MainloopError):
    """What is in the workspace can't be looked at: {why}"""

    status = 409
    code = "workspace_unread"


class WorkspaceBusy(MainloopError):
    """An agent still works in the workspace of {thread_id}."""

    status = 409
    code = "workspace_busy"


class CheckNotStarted(MainloopError):
    """The tests could not be started: {why}"""

    status = 409
    code = "check_not_started"


class RunnerNotStarted(MainloopError):
    """The runner of {thread_id} could not be started: {why}"""

    code = "runner_not_started"


@dataclass(frozen=True)
class Source:
    """What a session of a project begins with."""

    mirror: Path
    # The commit it starts at, which the mirror holds.
    commit: str
    # The branch of the project it starts from, known inside as `origin/<upstream>`.
    upstream: str
    # The session's own branch, made at `commit`.
    branch: str


@dataclass(frozen=True)
class Laid:
    """What a workspace begins with that goes on from another one: its branch at `commit`, and these files above it."""

    tree: str
    # What has the tree.
    repository: Path
    commit: str | None = None


@dataclass(frozen=True)
class WorkspaceSpec:
    """`source` is None for a thread without a project: its workspace is an empty folder.

    `kept`: what was kept of its workspace when that was removed, see `Workspaces.keep`.
    `beside` is only read, and git is told to ignore what came from there.
    """

    thread_id: str
    source: Source | None = None
    kept: "Kept | None" = None
    laid: Laid | None = None
    # A folder of the person's, and what of it a new workspace gets besides: files and folders by their path inside.
    beside: Path | None = None
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prepared:
    path: str
    branch: str | None = None
    base_commit: str | None = None
    # The workspace was gone and is there again, as it was kept.
    put_back: bool = False
    # It was made just now: nobody has worked in it.
    made: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class Kept:
    """A workspace as it was kept: the `number`th time."""

    keep: "Keep"
    number: int


@dataclass(frozen=True)
class RunSpec:
    """One life of a runner. The phase that starts it has committed its number and the hash of its token."""

    thread_id: str
    run: int
    token: str = field(repr=False)
    # Where the runner finds the server.
    server: str
    # The agent's whole environment: see `mainloop.environment`.
    environment: Mapping[str, str] = field(repr=False, default_factory=dict[str, str])
    # The mirror of the session's project, which its clone borrows objects from.
    mirror: Path | None = None
    # The names in `environment` by which the agent signs in.
    credentials: tuple[str, ...] = ()
    # The thread whose agent's conversation this one's branches off.
    fork_of: str | None = None
    # What the project sets for everything that runs in its workspaces.
    variables: Mapping[str, str] = field(repr=False, default_factory=dict[str, str])


@dataclass(frozen=True)
class Process:
    """A process that lives for an agent."""

    pid: int
    # What it was started with, as it shows itself; its first thousand signs.
    command: str
    started_at: datetime
    # Bytes that it holds in memory, its own and shared ones.
    memory: int


@dataclass(frozen=True)
class Description:
    """For the person: where the workspace is, in words, and what is there."""

    where: str
    exists: bool
    alive: bool


@dataclass(frozen=True)
class Looked:
    """The files of a workspace as they lay there at one moment: a tree that git can compare with others."""

    tree: str
    # The repository that holds it, and finds what the mirror holds.
    repository: Path
    # What stands before a command that reads it: an agent wrote what is in there.
    behind: tuple[str, ...] = ()
    # Paths that could not be read.
    unread: tuple[str, ...] = ()


@dataclass(frozen=True)
class CheckSpec:
    """Commands that say whether a commit is well, in a clone of their own."""

    id: str
    source: Source
    # One after the other, until one does not end well.
    commands: tuple[str, ...]
    # All that they run with, besides HOME.
    environment: Mapping[str, str] = field(repr=False, default_factory=dict[str, str])
    # They are ended after so long.
    seconds: float = 3600
    # What they may take together, and what they leave free on the disk (bytes; 0: no bound).
    memory: int = 0
    keep_free: int = 0


class Checks(Protocol):
    """Runs checks, each in a process of its own that outlives the server."""

    def start(self, spec: CheckSpec) -> None:
        """It runs: in a clean clone, in the sandbox. Begun anew where it was cut off, left alone where it runs or has ended.

        Raises CheckNotStarted.
        """
        ...

    def alive(self, check_id: str) -> bool:
        """Whether it runs now."""
        ...

    def ended(self, check_id: str) -> Literal["passed", "failed"] | None:
        """How it ended by itself; None while it runs, and where it was ended."""
        ...

    def log(self, check_id: str, after: int, limit: int) -> bytes:
        """What it has put out, from a byte on; the same bytes for ever. Of very much only the beginning and, later, the end."""
        ...

    def end(self, check_id: str) -> None:
        """It does not run any more, and its clone is gone. What it has put out stays."""
        ...

    def forget(self, check_id: str) -> None:
        """Nothing is left of it."""
        ...


class Keep(Protocol):
    """Where commits are kept; a project's mirror (`mainloop.projects.mirror.Mirror`) is one."""

    @property
    def path(self) -> Path:
        """The repository that clones borrow objects from."""
        ...

    def save_session(self, session_id: str, source: Path, branch: str, wrap: Sequence[str]) -> str | None:
        """Fetches from a repository or a bundle; `wrap` stands around the reading side. Raises GitFailed."""
        ...

    def newest(self, session_id: str) -> str | None:
        """The commit a session's work is compared with: where it stood when it was saved, or where it began."""
        ...

    def keep(self, session_id: str, number: int, source: Path, wrap: Sequence[str]) -> None:
        """Takes over the branch `kept` of a repository, whole and for good. Raises GitFailed."""
        ...

    def has(self, session_id: str, number: int) -> bool:
        """Whether this was taken over."""
        ...

    def put_back(self, session_id: str, number: int, folder: Path, instead: Mapping[str, bytes]) -> None:
        """Writes what was kept into an empty folder; `instead` of some files other contents. Raises GitFailed."""
        ...


class Workspaces(Protocol):
    @property
    def checks(self) -> Checks: ...

    def get_ready(self) -> None:
        """Called once, when the server answers: what makes the first start quick may be done ahead. It need not be."""
        ...

    def has_room(self) -> bool:
        """Whether there is room for what the start of an agent writes. Cheap."""
        ...

    def prepare(self, spec: WorkspaceSpec) -> Prepared:
        """The workspace is there, ready for an agent.

        Before start: made whole or not at all, as it was kept if the spec says so. While a runner lives and after a
        restart: found and left exactly as it is, whatever the agent made of it. Never deletes what an agent may have
        written.
        Raises WorkspaceRefused where it can't be made.
        """
        ...

    def start_run(self, spec: RunSpec) -> int | None:
        """Starts a runner that outlives the server; its process id, or None where one lives already.

        Returns before the runner has taken its lock: until then `alive` is still False, so a repeated phase may
        start a second one. That one waits for the lock, and the older is refused at its hello.
        Raises RunnerNotStarted.
        """
        ...

    def alive(self, thread_id: str) -> bool:
        """Whether a runner holds this thread now. False before start, after its end, and for unknown threads."""
        ...

    def kill(self, thread_id: str, grace: float = 10.0) -> None:
        """No runner of this thread is left, nor anything that it started: asked first, ended after `grace` seconds.

        Does nothing where there is none. The workspace stays.
        """
        ...

    def save(self, thread_id: str, branch: str, keep: Keep) -> str | None:
        """The session's commits are in `keep`; the commit its branch stands at, or None where it is gone.

        Right at any time, also while the agent works. What is not committed is not kept.
        Raises WorkspaceBroken where there is no repository to read.
        """
        ...

    def keep(self, thread_id: str, number: int, keep: Keep, wanted: Sequence[str] = ()) -> bool:
        """All that is in the workspace is in `keep` under `number`, in whatever state git is; False: it was empty.

        Files that git ignores are left out, except tracked ones and those `wanted` names, in patterns as of a
        `.gitignore`. Kept once: under a number that is there already nothing is written. The workspace is not touched.
        Raises WorkspaceBusy while a runner lives, and WorkspaceNotKept, where `keep` has nothing under this number.
        """
        ...

    def look(self, thread_id: str, mirror: Path, base: str | None) -> Looked | None:
        """All files as they lie there now, committed or not; None where there is no workspace.

        Right at any time, also while the agent works; cheap where little has changed since the last look. Files that
        git ignores are left out, except those that `base`, a commit of `mirror`, or the agent's own index knows.
        Nothing is written but beside the workspace, and what it configures is not run outside the sandbox.
        Raises WorkspaceUnread.
        """
        ...

    def remove(self, thread_id: str, allowed: Callable[[], bool]) -> bool:
        """The workspace is gone, at once and whole, unless `allowed`, asked when nobody else can touch it, says no.

        Whoever calls has kept it. Does nothing where there is none. Whether it is gone.
        Raises WorkspaceBusy while a runner lives.
        """
        ...

    def processes(self, thread_id: str) -> list[Process] | None:
        """What lives for this agent now, its own program included, without what is ours; the oldest first.

        None where it can't be told: elsewhere than on this machine, say.
        """
        ...

    def describe(self, thread_id: str) -> Description:
        """Looks from outside only; cheap."""
        ...


def process_lives(pid: int) -> bool:
    """Whether a process of this machine has this number, somebody else's included."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
