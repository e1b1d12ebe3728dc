"""Looks at the files of a workspace while an agent may be writing them."""

import fcntl
import os
import shutil
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import BaseModel, Field

from mainloop.git import GitFailed, git
from mainloop.sandboxes.base import Policy, Sandbox, inside
from mainloop.workspaces.base import Looked, WorkspaceUnread
from mainloop.workspaces.local.alternates import alternate
from mainloop.workspaces.local.keeping import EXCLUDED, run_inside

_TREE = Path(__file__).with_name("tree.py")
# Long enough for a first look into a large workspace on a slow disk (seconds).
_SECONDS = 600
# What looks have left behind is thrown away when it is more than this many files, or bytes.
_MOST_FILES = 20_000
_MOST_BYTES = 1 << 30


class _Found(BaseModel):
    tree: str = Field(pattern="^[0-9a-f]{40,64}$")
    unread: tuple[str, ...]


def look_at(workspace: Path, scratch: Path, sandbox: Sandbox, hidden: Path, mirror: Path, base: str | None) -> Looked:
    """Lets a program inside the sandbox write the tree into a repository at `scratch`, which may go at any time.

    One look at a time: who comes meanwhile waits. Raises WorkspaceUnread.
    """
    try:
        with _alone(scratch.with_name(f"{scratch.name}.lock")):
            _make(scratch, mirror)
            read_only = (workspace, mirror / "objects")
            writing = Policy(
                chdir=scratch,
                writable=(scratch,),
                read_only=(*read_only, _TREE),
                hidden=(hidden,),
                network=False,
            )
            command = (sys.executable, "-I", str(_TREE), str(workspace), str(scratch), base or "")
            said = run_inside(inside(sandbox.wrap(writing), command), scratch, _SECONDS, WorkspaceUnread)
            found = _Found.model_validate_json(said)
    except GitFailed as error:
        raise WorkspaceUnread(why=f"git says: {error.line}.") from error
    except (OSError, ValueError) as error:
        raise WorkspaceUnread(why=f"{error}.") from error
    reading = Policy(chdir=scratch, read_only=(mirror / "objects", scratch), hidden=(hidden,), network=False)
    return Looked(
        tree=found.tree,
        repository=scratch,
        behind=tuple(inside(sandbox.wrap(reading), ())),
        unread=found.unread,
    )


def _make(scratch: Path, mirror: Path) -> None:
    """A repository of our own that borrows from the mirror; anew where it has become large, or borrows from elsewhere."""
    borrowed = scratch / "objects/info/alternates"
    with suppress(FileNotFoundError):
        if borrowed.read_bytes() == alternate(mirror) and (scratch / "ready").exists() and not _is_large(scratch):
            return
    shutil.rmtree(scratch, ignore_errors=True)
    git("init", "--quiet", "--bare", "--template=", "--", str(scratch))
    borrowed.write_bytes(alternate(mirror))
    (scratch / "info").mkdir()
    (scratch / "info/exclude").write_text("".join(f"{line}\n" for line in EXCLUDED))
    (scratch / "ready").touch()


def _is_large(scratch: Path) -> bool:
    """As git itself guesses: by one of its 256 folders. Packs, of large files, are looked at one by one."""
    with suppress(FileNotFoundError):
        if sum(1 for _ in (scratch / "objects/17").iterdir()) * 256 > _MOST_FILES:
            return True
    packs = (scratch / "objects/pack").glob("*.pack")
    return sum(pack.stat().st_size for pack in packs) > _MOST_BYTES


@contextmanager
def _alone(lock: Path) -> Generator[None]:
    with os.fdopen(os.open(lock, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
