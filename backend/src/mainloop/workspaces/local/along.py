"""Files of the person's checkout that git does not have and that a new workspace gets along: `.env`, local settings."""

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from mainloop.workspaces.base import WorkspaceRefused

# All of them together (bytes).
MOST = 100 * 1024 * 1024


def bring_along(beside: Path, names: Sequence[str], workspace: Path) -> None:
    """Copy these files and folders of `beside` into a workspace that no agent has seen yet; what is there stays.

    Links lead nowhere out of the folder, and those inside of a folder are left out. Raises WorkspaceRefused where one is missing, or where they are
    too large.
    """
    root, room = beside.resolve(), MOST
    for name in names:
        place = root / name
        if not place.resolve().is_relative_to(root) or not place.exists():
            raise WorkspaceRefused(
                why=f"{name} is to be copied into each workspace, and {root} has no such file. Put it there, or take it "
                "out of the project's settings."
            )
        for source in _files(place):
            room -= source.stat().st_size
            if room < 0:
                raise WorkspaceRefused(
                    why=f"The files that the project copies into each workspace are more than {MOST // 2**20} MB. Name "
                    "fewer of them in its settings."
                )
            target = workspace / source.relative_to(root)
            if not os.path.lexists(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)
    if names and (workspace / ".git").is_dir():
        with (workspace / ".git/info/exclude").open("a") as exclude:
            exclude.writelines(f"/{_escaped(name)}\n" for name in names)


def _files(place: Path) -> Iterator[Path]:
    if place.is_dir():
        for folder, _, files in os.walk(place):
            yield from (path for path in map(Path(folder).joinpath, sorted(files)) if _is_file(path))
    elif place.is_file():
        yield place


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _escaped(name: str) -> str:
    return "".join(f"\\{sign}" if sign in "*?[]\\ " else sign for sign in name)
