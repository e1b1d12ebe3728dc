"""`mainloop`, which kills itself at one point of keeping a workspace, or of merging: `KILL_AT` says where, `KILL_ONCE` that
it did."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mainloop.forges.local import LocalForge
from mainloop.main import main
from mainloop.projects.mirror import Mirror
from mainloop.sessions.service import Sessions
from mainloop.workspaces.local import LocalWorkspaces, keeping


def die(*_: object) -> None:
    once = Path(os.environ["KILL_ONCE"])
    if not once.exists():
        once.touch()
        os.kill(os.getpid(), signal.SIGKILL)


def before(owner: Any, name: str, when: Callable[[Path], bool] | None = None) -> None:
    act = getattr(owner, name)

    def wrapped(*arguments: Any, **named: Any) -> Any:
        if when is None or when(*arguments):
            die()
        return act(*arguments, **named)

    setattr(owner, name, wrapped)


def after(owner: Any, name: str) -> None:
    act = getattr(owner, name)

    def wrapped(*arguments: Any, **named: Any) -> Any:
        done = act(*arguments, **named)
        die()
        return done

    setattr(owner, name, wrapped)


def half(owner: Any, name: str) -> None:
    """A part of the folder is gone when it happens."""
    act = getattr(owner, name)

    def wrapped(folder: Path) -> None:
        if folder.name.startswith("removed"):
            next(path for path in folder.rglob("*") if path.is_file()).unlink()
            die()
        act(folder)

    setattr(owner, name, wrapped)


POINTS: dict[str, Callable[[], None]] = {
    "before anything": lambda: before(LocalWorkspaces, "keep"),
    "the snapshot is written": lambda: before(Mirror, "keep"),
    "the mirror has it": lambda: after(Mirror, "keep"),
    "the workspace is kept": lambda: after(LocalWorkspaces, "keep"),
    "that is being told": lambda: after(Sessions, "became_of_work"),
    "before it is removed": lambda: before(LocalWorkspaces, "remove"),
    "it is renamed": lambda: before(keeping, "removed", lambda folder: folder.name.startswith("removed")),
    "half of it is gone": lambda: half(keeping, "removed"),
    "all of it is gone": lambda: after(LocalWorkspaces, "remove"),
    "before it is put back": lambda: before(Mirror, "put_back"),
    "it is being put back": lambda: after(Mirror, "put_back"),
    "it is back": lambda: after(LocalWorkspaces, "prepare"),
}

MERGING: dict[str, Callable[[], None]] = {
    "before it is merged": lambda: before(LocalForge, "merge"),
    "it is merged": lambda: after(LocalForge, "merge"),
    "it is handed over": lambda: after(LocalForge, "hand_over"),
    "that is being told": lambda: before(Sessions, "close"),
}

if __name__ == "__main__":
    # Armed by the test: the first start prepares workspaces, too.
    if Path(os.environ["KILL_ONCE"]).with_name("armed").exists():
        (MERGING if os.environ.get("KILL_IN") == "merging" else POINTS)[os.environ["KILL_AT"]]()
    sys.exit(main(sys.argv[1:]))
