"""Keeps all that is in a workspace before it goes, and takes it away."""

import fcntl
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from mainloop.errors import MainloopError
from mainloop.git import GitFailed, git
from mainloop.sandboxes.base import Policy, Sandbox, inside
from mainloop.workspaces.base import Keep, WorkspaceBusy, WorkspaceNotKept
from mainloop.workspaces.local.alternates import alternate

_SNAPSHOT = Path(__file__).with_name("snapshot.py")
# Long enough for a large workspace on a slow disk; one that hangs ends.
_SECONDS = 3600

# Written by agents for themselves, never part of a change.
EXCLUDED = ("/.claude/settings.local.json", "/.claude/worktrees/")


def keep_all(
    workspace: Path,
    scratch: Path,
    sandbox: Sandbox,
    hidden: Path,
    keep: Keep,
    session_id: str,
    number: int,
    wanted: Sequence[str],
) -> None:
    """Writes a snapshot into a repository at `scratch`, inside the sandbox, and hands that over to `keep`.

    The workspace is read-only for it. Raises WorkspaceNotKept.
    """
    try:
        removed(scratch)
        if keep.has(session_id, number):
            return
        git("init", "--quiet", "--bare", "--template=", "--", str(scratch))
        borrowed = (keep.path, workspace / ".git")
        (scratch / "objects/info/alternates").write_bytes(b"".join(map(alternate, borrowed)))
        (scratch / "info").mkdir()
        (scratch / "info/exclude").write_text("".join(f"{line}\n" for line in EXCLUDED))
        read_only = (workspace, keep.path / "objects")
        writing = Policy(
            chdir=scratch,
            writable=(scratch,),
            read_only=(*read_only, _SNAPSHOT),
            hidden=(hidden,),
            network=False,
        )
        base = keep.newest(session_id) or ""
        command = (sys.executable, "-I", str(_SNAPSHOT), str(workspace), str(scratch), base, *wanted)
        run_inside(inside(sandbox.wrap(writing), command), scratch, _SECONDS, WorkspaceNotKept)
        reading = Policy(chdir=scratch, read_only=(*read_only, scratch), hidden=(hidden,), network=False)
        keep.keep(session_id, number, scratch, sandbox.wrap(reading))
        removed(scratch)
    except GitFailed as error:
        raise WorkspaceNotKept(why=f"git says: {error.line}.") from error
    except OSError as error:
        raise WorkspaceNotKept(why=f"{error.strerror or error}.") from error


def take_away(workspace: Path, lock: Path, session_id: str, allowed: Callable[[], bool]) -> bool:
    """One rename, so that what stands at its place is whole or nothing; then what was renamed goes."""
    with _nobody_runs(lock, session_id):
        if not allowed():
            return False
        if workspace.is_dir() and not workspace.is_symlink():
            workspace.rename(free_name(workspace.with_name("removed")))
    clear_away(workspace.parent)
    return True


def clear_away(folder: Path) -> None:
    """What was taken away once and is still there, because a server was killed in the middle of it, goes."""
    for old in folder.glob("removed*"):
        removed(old)


def free_name(path: Path) -> Path:
    """`path`, or with a number behind it what is free."""
    number, candidate = 1, path
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.name}-{number}")
    return candidate


@contextmanager
def _nobody_runs(lock: Path, session_id: str) -> Generator[None]:
    """The runner's lock is ours for this moment; a runner that comes now waits for it."""
    with os.fdopen(os.open(lock, os.O_RDWR | os.O_CREAT, 0o600), "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WorkspaceBusy(thread_id=session_id) from None
        yield


def run_inside(command: Sequence[str], folder: Path, seconds: float, refused: Callable[..., MainloopError]) -> str:
    """What a program of ours prints that reads a workspace. Raises `refused`, made with `why`."""
    with subprocess.Popen(
        command,
        cwd=folder,
        env={"PATH": os.environ.get("PATH", os.defpath), "HOME": "/", "LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(timeout=seconds)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                raise refused(why=f"Reading it took longer than {seconds // 60:.0f} minutes.") from None
            raise
    if process.returncode != 0:
        raise refused(why=_trouble(out) or (err.strip().splitlines() or ["Reading it ended early."])[-1])
    return out


def _trouble(out: str) -> str:
    with suppress(ValueError, KeyError, TypeError):
        return str(json.loads(out)["trouble"])
    return ""


def removed(folder: Path) -> None:
    """Goes also where an agent took its own right to write away."""

    def once_more(act: Callable[..., Any], path: str, _: tuple[type, BaseException, TracebackType]) -> None:
        for place in (os.path.dirname(path), path):  # noqa: PTH120 - rmtree speaks in strings
            if not stat.S_ISLNK(os.lstat(place).st_mode):
                os.chmod(place, 0o700)  # noqa: PTH101
        if act in (os.open, os.scandir):  # it could not look into it
            shutil.rmtree(path)
        else:
            act(path)

    if folder.exists():
        shutil.rmtree(folder, onerror=once_more)
