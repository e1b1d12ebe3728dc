"""The slot for workspaces: where a thread's files and its runner live.

Adapters are made with `(home, sandbox)`: mainloop's one directory and what stands around an agent. They keep no
state in memory that a restarted server would miss. All verbs are synchronous, may be called from any thread, and
may be repeated after a crash: each looks before it acts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from mainloop.errors import MainloopError


class WorkspaceRefused(MainloopError):
    """The workspace can't be made: {why}"""

    status = 409
    code = "workspace_refused"


class WorkspaceBroken(MainloopError):
    """The workspace of {thread_id} can't be read: {why} Nothing in it was touched."""

    status = 409
    code = "workspace_broken"


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
class WorkspaceSpec:
    """`source` is None for a thread without a project: its workspace is an empty folder."""

    thread_id: str
    source: Source | None = None


@dataclass(frozen=True)
class Prepared:
    path: str
    branch: str | None = None
    base_commit: str | None = None


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


@dataclass(frozen=True)
class Description:
    """For the person: where the workspace is, in words, and what is there."""

    where: str
    exists: bool
    alive: bool


class Keep(Protocol):
    """Where commits are kept; a project's mirror (`mainloop.projects.mirror.Mirror`) is one."""

    @property
    def path(self) -> Path:
        """The repository that clones borrow objects from."""
        ...

    def save_session(self, session_id: str, source: Path, branch: str, wrap: Sequence[str]) -> str | None:
        """Fetches from a repository or a bundle; `wrap` stands around the reading side. Raises GitFailed."""
        ...


class Workspaces(Protocol):
    def prepare(self, spec: WorkspaceSpec) -> Prepared:
        """The workspace is there, ready for an agent.

        Before start: made whole or not at all. While a runner lives and after a restart: found and left exactly as
        it is, whatever the agent made of it. Never deletes what an agent may have written.
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

    def describe(self, thread_id: str) -> Description:
        """Looks from outside only; cheap."""
        ...
