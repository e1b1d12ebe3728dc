"""Files of the person's checkout that git does not have and that a new workspace gets along: `.env`, local settings."""

import errno
import os
import shutil
import stat
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mainloop.workspaces.base import WorkspaceRefused

# All of them together (bytes).
MOST = 100 * 1024 * 1024
# An agent may have written anything there.
_MOST_EXCLUDED = 1024 * 1024


def bring_along(beside: Path, names: Sequence[str], workspace: Path) -> None:
    """Copy these files and folders of `beside` into a workspace that nobody works in; what is there stays.

    Links lead nowhere out of either: of the person's, those out of `beside` are refused and those inside of a folder
    are left out; one that an agent put on the way to a file stays, and the file is not copied. Raises WorkspaceRefused
    where one is missing, or where they are too large.
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
            _copy(source, workspace, source.relative_to(root))
    # What is no folder of git's own is the agent's.
    if names and stat.S_ISDIR(_mode(workspace / ".git")):
        _exclude(workspace, names)


def _copy(source: Path, workspace: Path, name: Path) -> None:
    with _folder(workspace, name.parent) as folder:
        # O_EXCL: a link is there too, wherever it leads.
        target = None if folder is None else _opened(name.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, folder)
        if target is None:
            return
        with os.fdopen(target, "wb") as writing, source.open("rb") as reading:
            shutil.copyfileobj(reading, writing)
            of = os.fstat(reading.fileno())
            os.fchmod(target, stat.S_IMODE(of.st_mode))
            writing.flush()
            os.utime(target, ns=(of.st_atime_ns, of.st_mtime_ns))


def _exclude(workspace: Path, names: Sequence[str]) -> None:
    with _folder(workspace, Path(".git/info")) as folder:
        # O_NONBLOCK: a pipe is not waited for.
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK
        target = None if folder is None else _opened("exclude", flags, folder)
        if target is None:
            return
        with os.fdopen(target, "r+b", buffering=0) as exclude:
            if not stat.S_ISREG(os.fstat(target).st_mode):
                return
            # A workspace that was put back has them already.
            before = os.pread(target, _MOST_EXCLUDED, 0)
            lines = [f"/{_escaped(name)}".encode() for name in names]
            missing = [line + b"\n" for line in lines if line not in before.splitlines()]
            unended = b"\n" if missing and before and not before.endswith(b"\n") else b""
            exclude.write(unended + b"".join(missing))


@contextmanager
def _folder(workspace: Path, name: Path) -> Generator[int | None]:
    """A folder of a workspace, made where it is missing; None where something else is on the way to it."""
    at: int | None = os.open(workspace, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in name.parts:
            assert at is not None
            if not _there(part, at):
                os.mkdir(part, dir_fd=at)
            above, at = at, _opened(part, os.O_RDONLY | os.O_DIRECTORY, at)
            os.close(above)
            if at is None:
                break
        yield at
    finally:
        if at is not None:
            os.close(at)


def _opened(name: str, flags: int, folder: int) -> int | None:
    """None where a link or something else has the place."""
    try:
        return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENXIO):
            return None
        raise


def _there(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _mode(path: Path) -> int:
    try:
        return path.lstat().st_mode
    except FileNotFoundError:
        return 0


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
