"""What was kept of a workspace: a commit beside a mirror, written by `workspaces/local/snapshot.py`, and its way back.

Nothing here runs a program that a repository names, converts a line ending or obeys an attribute: files come back
byte by byte.
"""

import json
import os
import subprocess
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Final, Literal

from pydantic import BaseModel

from mainloop.git import GitFailed, git, git_command

_CHUNK: Final = 1 << 20
_EMPTY_TREE: Final = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_SECONDS: Final = 1800
_LINK: Final = "120000"
_PROGRAM: Final = "100755"
_FILES: Final = ("100644", _PROGRAM, _LINK)


@dataclass(frozen=True)
class Change:
    """A file that differs from the commit the work is compared with. Lines are None for what is no text."""

    path: str
    status: Literal["added", "changed", "deleted"]
    added: int | None
    removed: int | None


@dataclass(frozen=True)
class Count:
    files: int
    added: int
    removed: int


@dataclass(frozen=True)
class _Entry:
    mode: str
    object: str
    path: str


class About(BaseModel):
    """What is no file, as the snapshot wrote it down."""

    empty: tuple[str, ...] = ()
    # Left out, the first ones by name.
    ignored: tuple[str, ...] = ()
    ignored_more: int = 0
    special: tuple[str, ...] = ()
    # In words: what git was in the middle of.
    unfinished: tuple[str, ...] = ()
    # Repositories inside of it.
    nested: tuple[str, ...] = ()

    def left_out(self) -> list[str]:
        """Sentences for the person: what can't be brought back."""
        told: list[str] = []
        if self.ignored:
            more = f" and {self.ignored_more} more" if self.ignored_more else ""
            told.append(f"Ignored by git, so not kept: {', '.join(self.ignored)}{more}.")
        if self.special:
            told.append(f"Neither file nor folder nor link, so not kept: {', '.join(self.special)}.")
        return told


@dataclass(frozen=True)
class Look:
    """The permission bits of a file or folder, and the nanosecond when it was changed."""

    mode: int
    changed: int

    def put_on(self, place: Path) -> None:
        os.utime(place, ns=(self.changed, self.changed))
        place.chmod(self.mode)


@dataclass(frozen=True)
class Snapshot:
    """`ref`: the commit's name in `repository`."""

    repository: Path
    ref: str

    @cached_property
    def parents(self) -> dict[str, str]:
        """Its parents by name: `base`, `git`, `staged`."""
        said = self._git("show", "--no-patch", "--format=%P%n%b", self.ref)
        commits, _, body = said.partition("\n")
        names = next(line for line in body.splitlines() if line.startswith("Parents: ")).split()[1:]
        return dict(zip(names, commits.split(), strict=True))

    @cached_property
    def about(self) -> About:
        return About.model_validate(json.loads(self._git("cat-file", "blob", f"{self.parents['git']}:about.json")))

    @cached_property
    def looks(self) -> dict[str, "Look"]:
        """Of each path what a tree does not hold; of what was kept by an older mainloop nothing."""
        try:
            said = self._git("cat-file", "blob", f"{self.parents['git']}:looks.json")
        except GitFailed:
            return {}
        # Not what another user's program runs as, whatever an agent has set.
        return {str(path): Look(int(mode) & 0o777, int(changed)) for path, (mode, changed) in json.loads(said).items()}

    def changes(self) -> list[Change]:
        """What differs from the base; without one, all files."""
        names: dict[str, Literal["added", "deleted"]] = {"A": "added", "D": "deleted"}
        options = ("-r", "-z", "--no-renames", self.parents.get("base", _EMPTY_TREE), self.ref)
        said = self._git("diff-tree", "--no-ext-diff", "--no-textconv", "--numstat", *options).split("\0")
        letters = self._git("diff-tree", "--name-status", *options).split("\0")
        status = dict(zip(letters[1::2], letters[0::2], strict=False))
        found: list[Change] = []
        for line in said:
            if line:
                added, removed, path = line.split("\t", 2)
                lines = (None, None) if added == "-" else (int(added), int(removed))
                found.append(Change(_readable(path), names.get(status[path], "changed"), *lines))
        return found

    def count(self) -> Count:
        changes = self.changes()
        return Count(len(changes), sum(c.added or 0 for c in changes), sum(c.removed or 0 for c in changes))

    def write_all(self, folder: Path, instead: Mapping[str, bytes]) -> None:
        """The whole workspace as it was, what git had in hand included. `folder` is empty and nobody else's."""
        own = [_Entry(e.mode, e.object, _shown(e.path)) for e in self._entries(f"{self.parents['git']}:git")]
        self._write(folder, [*self._entries(self.ref), *own], instead)
        for path in self.about.empty:
            _inside(folder, path).mkdir(parents=True, exist_ok=True)
        self._dress_folders(folder, lambda path: True)

    def write_files(self, folder: Path) -> None:
        """The files alone, without the data of git: nothing in them is run by looking at them with git."""
        self._write(folder, self._entries(self.ref), {})
        for path in self.about.empty:
            if not _is_of_git(path):
                _inside(folder, path).mkdir(parents=True, exist_ok=True)
        self._dress_folders(folder, lambda path: not _is_of_git(path))

    def write_git(self, folder: Path) -> None:
        """The data of git as plain files, under names that no git takes for a repository."""
        self._write(folder, self._entries(f"{self.parents['git']}:git"), {})

    def git_file(self, path: str) -> str | None:
        """One file of the data of git, such as `.git/HEAD`."""
        marked = "/".join("%" + part if part.lower() == ".git" else part for part in path.split("/"))
        try:
            return self._git("cat-file", "blob", f"{self.parents['git']}:git/{marked}")
        except GitFailed:
            return None

    def _entries(self, tree: str) -> list[_Entry]:
        try:
            lines = self._git("ls-tree", "-r", "-z", tree).split("\0")
        except GitFailed:
            if ":" in tree:  # a workspace without any git
                return []
            raise
        parts = (line.split("\t", 1) for line in lines if line)
        found = (_Entry(what.split()[0], what.split()[2], path) for what, path in parts)
        return [entry for entry in found if entry.mode in _FILES]

    def _write(self, folder: Path, entries: list[_Entry], instead: Mapping[str, bytes]) -> None:
        """Links last, so that no path leads through one."""
        with self._reader() as (ask, answers):
            for entry in sorted(entries, key=lambda entry: entry.mode == _LINK):
                place = _inside(folder, entry.path)
                place.parent.mkdir(parents=True, exist_ok=True)
                ask.write(f"{entry.object}\n".encode())
                ask.flush()
                size = int(answers.readline().split()[2])
                if entry.mode == _LINK:
                    place.symlink_to(os.fsdecode(answers.read(size)))
                else:
                    mode = 0o755 if entry.mode == _PROGRAM else 0o644
                    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
                    with os.fdopen(os.open(place, flags, mode), "wb") as file:
                        _copy(answers, size, file)
                        if entry.path in instead:
                            file.seek(0)
                            file.truncate()
                            file.write(instead[entry.path])
                    if entry.path in self.looks:
                        self.looks[entry.path].put_on(place)
                answers.read(1)

    def _dress_folders(self, folder: Path, wanted: Callable[[str], bool]) -> None:
        """The inner before the outer: what is written into a folder changes it, and it may be closed to us then."""
        root = folder.resolve()
        for path in sorted(filter(wanted, self.looks), reverse=True):
            place = _inside(folder, path)
            # No link, and nothing that one leads to.
            if place.is_dir() and place.resolve() == root / path:
                self.looks[path].put_on(place)

    @contextmanager
    def _reader(self) -> Generator[tuple[IO[bytes], IO[bytes]]]:
        command, environment = git_command("cat-file", "--batch", repository=self.repository)
        with subprocess.Popen(
            command, cwd="/", env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            assert process.stdin
            assert process.stdout
            try:
                yield process.stdin, process.stdout
            finally:
                with suppress(BrokenPipeError):
                    process.stdin.close()
                process.kill()

    def _git(self, *arguments: str) -> str:
        return git(*arguments, repository=self.repository, timeout=_SECONDS)


def _is_of_git(path: str) -> bool:
    return ".git" in path.lower().split("/")


def _copy(source: IO[bytes], size: int, target: IO[bytes]) -> None:
    while size:
        piece = source.read(min(size, _CHUNK))
        if not piece:
            raise GitFailed(["cat-file"], 1, "fatal: it ended in the middle of a file")
        target.write(piece)
        size -= len(piece)


def _inside(folder: Path, path: str) -> Path:
    """Where a path of a tree lies. A tree that was made by hand may name what is not inside."""
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise GitFailed(["ls-tree"], 1, f"fatal: a tree names {path!r}")
    return folder.joinpath(*parts)


def _shown(path: str) -> str:
    """Undoes `hidden` of the snapshot."""
    return "/".join(part.removeprefix("%") for part in path.split("/"))


def _readable(path: str) -> str:
    """A path without what no text can hold."""
    return os.fsencode(path).decode(errors="replace")
