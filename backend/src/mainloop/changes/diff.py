"""What git says about two trees, as values.

Nothing of the repository decides how they are compared: its attributes are not read, and no program of its own
converts or compares anything.
"""

import hashlib
import io
import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from unidiff.patch import PatchedFile, PatchSet

from mainloop.changes.changed_words import Effort, changed_words
from mainloop.changes.generated import is_generated
from mainloop.changes.schemas import ChangeCommit, ChangedFile, FileDiff, FileKind, FileStatus, Hunk
from mainloop.errors import MainloopError
from mainloop.git import GitFailed, git_bytes, git_command

EMPTY_TREE: Final = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
# What is larger is not compared line by line.
_LARGE: Final = 1024 * 1024  # bytes
# What is larger is not handed out.
LARGEST: Final = 10 * 1024 * 1024  # bytes
_MOST_LINES: Final = 10_000
# Words are compared in so many lines of a file.
_MOST_COMPARED: Final = 2000
_LONGEST_LINE: Final = 2000
_MOST_COMMITS: Final = 200
_CONTEXT: Final = 3
_CONFIG: Final = (f"core.bigFileThreshold={_LARGE}", "core.attributesFile=/dev/null", "diff.renameLimit=2000")
_PLAIN: Final = ("--no-ext-diff", "--no-textconv", "--full-index", "--no-color", "--diff-algorithm=histogram")
_STATUS: Final[dict[str, FileStatus]] = {"A": "added", "D": "deleted", "R": "renamed"}
_PICTURES: Final = (".png", ".jpg", ".jpeg", ".gif", ".webp")
# The last second that a date can hold.
_LAST: Final = int(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())
_NOTHING: Final = re.compile("^0+$")


class FileTooLarge(MainloopError):
    """This file has {size} bytes, and more than {limit} are not shown. Look at it in the session's workspace."""

    status = 413
    code = "file_too_large"


class UnknownContent(MainloopError):
    """There is no such content here any more. Load the change again."""

    status = 404
    code = "unknown_content"


@dataclass(frozen=True)
class Entry:
    """A line of git's own list. Names as git has them, byte by byte."""

    status: str
    old_mode: str
    new_mode: str
    old: str
    new: str
    old_path: str
    path: str

    @property
    def id(self) -> str:
        return hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]

    @property
    def names(self) -> tuple[str, ...]:
        return (self.old_path, self.path) if self.old_path != self.path else (self.path,)


@dataclass(frozen=True)
class Repository:
    """Where both sides can be read: a bare repository of ours, `behind` a sandbox where an agent wrote what is in it."""

    path: Path
    behind: tuple[str, ...] = ()

    def changed(self, old: str, new: str) -> tuple[list[Entry], list[ChangedFile]]:
        """The files that differ, in the order of their paths. Raises GitFailed."""
        said = self._text("diff-tree", "-r", "-z", "--raw", "--numstat", "-M", *_PLAIN, old, new)
        fields = iter(said.split("\0"))
        entries, counts = _read_list(fields)
        sizes = self._sizes(oid for entry in entries if counts[entry.path] is None for oid in (entry.old, entry.new))
        return entries, [_as_file(entry, counts[entry.path], sizes) for entry in entries]

    def hunks(self, old: str, new: str, wanted: Iterable[Entry]) -> Iterator[FileDiff]:
        """The lines of some files of that list. Raises GitFailed."""
        wanted = list(wanted)
        effort = Effort()
        for renamed in (False, True):
            entries = [entry for entry in wanted if (entry.status == "R") is renamed]
            if not entries:
                continue
            names = [name for entry in entries for name in entry.names]
            found = "-M" if renamed else "--no-renames"
            options = ("-r", "--raw", "-p", f"-U{_CONTEXT}", found, *_PLAIN)
            said = self._text("--literal-pathspecs", "diff-tree", *options, old, new, "--", *names)
            patches = dict(_read_patches(said))
            for entry in entries:
                yield _as_diff(entry, patches.get((entry.old, entry.new), ""), effort)

    def commits(self, base: str, head: str) -> list[ChangeCommit]:
        """What was committed since `base`, newest first. Raises GitFailed."""
        form = "--format=%H%x00%s%x00%an%x00%at%x00"
        said = self._text("log", "-z", f"--max-count={_MOST_COMMITS}", form, f"{base}..{head}", "--")
        fields = [field.strip("\n") for field in said.split("\0")]
        rows = (fields[at : at + 4] for at in range(0, len(fields) - 4, 5))
        return [ChangeCommit(id=i, subject=readable(s), author=readable(a), at=_moment(at)) for i, s, a, at in rows]

    def tree(self, name: str) -> str:
        """The tree of a commit. Raises GitFailed."""
        return self._text("rev-parse", "--verify", f"{name}^{{tree}}").strip()

    def common(self, one: str, other: str) -> str:
        """The newest commit that two have in common; the empty tree where there is none. Raises GitFailed."""
        try:
            return self._text("merge-base", one, other).strip()
        except GitFailed as error:
            if error.code != 1:
                raise
            return EMPTY_TREE

    def parent(self, commit: str) -> str:
        """The first parent of a commit; the empty tree where it has none. Raises GitFailed."""
        said = self._text("rev-list", "--parents", "--max-count=1", commit, "--").split()
        return said[1] if len(said) > 1 else EMPTY_TREE

    def content(self, oid: str) -> bytes:
        """One content, whole. Raises UnknownContent, FileTooLarge."""
        command, environment = git_command("cat-file", "--batch", repository=self.path)
        with subprocess.Popen(
            [*self.behind, *command],
            cwd="/",
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            assert process.stdin
            assert process.stdout
            try:
                process.stdin.write(f"{oid}\n".encode())
                process.stdin.close()
                said = process.stdout.readline().split()
                if len(said) != 3 or said[1] != b"blob":
                    raise UnknownContent
                if int(said[2]) > LARGEST:
                    raise FileTooLarge(size=int(said[2]), limit=LARGEST)
                return process.stdout.read(int(said[2]))
            finally:
                process.kill()

    def _sizes(self, oids: Iterable[str]) -> dict[str, int]:
        wanted = sorted({oid for oid in oids if not _NOTHING.match(oid)})
        if not wanted:
            return {}
        asked = "".join(f"{oid}\n" for oid in wanted).encode()
        said = self._git("cat-file", "--batch-check=%(objectname) %(objecttype) %(objectsize)", stdin=asked)
        rows = (line.split() for line in said.decode().splitlines())
        return {row[0]: int(row[2]) for row in rows if len(row) == 3 and row[1] == "blob"}

    def _text(self, *arguments: str) -> str:
        return self._git(*arguments).decode("utf-8", "surrogateescape")

    def _git(self, *arguments: str, stdin: bytes | None = None) -> bytes:
        return git_bytes(*arguments, repository=self.path, config=_CONFIG, behind=self.behind, stdin=stdin)


def readable(text: str) -> str:
    """Without what no text can hold."""
    return text.encode("utf-8", "surrogateescape").decode(errors="replace")


def _moment(seconds: str) -> datetime:
    """An agent writes any date, and git hands on what it can't read: that is the first moment, as git shows it."""
    read = int(seconds) if re.fullmatch("[0-9]{1,20}", seconds) else 0
    return datetime.fromtimestamp(min(read, _LAST), UTC)


def _read_list(fields: Iterator[str]) -> tuple[list[Entry], dict[str, tuple[int, int] | None]]:
    entries: list[Entry] = []
    counts: dict[str, tuple[int, int] | None] = {}
    for field in fields:
        if field.startswith(":"):
            old_mode, new_mode, old, new, status = field[1:].split()
            old_path = next(fields)
            path = next(fields) if status[0] in "RC" else old_path
            entries.append(Entry(status[0], old_mode, new_mode, old, new, old_path, path))
        elif field:
            added, removed, path = field.split("\t", 2)
            if not path:
                next(fields)
                path = next(fields)
            counts[path] = None if added == "-" else (int(added), int(removed))
    return entries, {entry.path: counts.get(entry.path) for entry in entries}


def _read_patches(said: str) -> Iterator[tuple[tuple[str, str], str]]:
    """The patch of each pair of contents. What was a link and is a file has two, which are one here."""
    head, *parts = re.split(r"^diff --git .*\n", said, flags=re.M)
    texts = iter(parts)
    for line in head.splitlines():
        if not line.startswith(":"):
            continue
        _, _, old, new, status = line.split("\t", 1)[0].split()
        text = next(texts, "")
        if status == "T":
            text += next(texts, "")
        yield (old, new), text


def _as_file(entry: Entry, count: tuple[int, int] | None, sizes: dict[str, int]) -> ChangedFile:
    path = readable(entry.path)
    there = {side: None if _NOTHING.match(oid) else oid for side, oid in (("old", entry.old), ("new", entry.new))}
    old_size, new_size = sizes.get(entry.old), sizes.get(entry.new)
    return ChangedFile(
        id=entry.id,
        path=path,
        old_path=readable(entry.old_path) if entry.old_path != entry.path else None,
        status=_STATUS.get(entry.status, "changed"),
        kind=_kind(entry, count, max(old_size or 0, new_size or 0)),
        old_mode=entry.old_mode if there["old"] else None,
        new_mode=entry.new_mode if there["new"] else None,
        old=there["old"],
        new=there["new"],
        added=count[0] if count else None,
        removed=count[1] if count else None,
        old_size=old_size,
        new_size=new_size,
        generated=is_generated(path),
    )


def _kind(entry: Entry, count: tuple[int, int] | None, size: int) -> FileKind:
    modes = (entry.old_mode, entry.new_mode)
    if "160000" in modes:
        return "submodule"
    if count is not None:
        return "link" if "120000" in modes else "text"
    if entry.path.lower().endswith(_PICTURES):
        return "picture"
    return "large" if size > _LARGE else "binary"


def _as_diff(entry: Entry, patch: str, effort: Effort) -> FileDiff:
    hunks: list[Hunk] = []
    left, more = _MOST_LINES, 0
    for hunk in _read_hunks(patch):
        kept = hunk.lines[:left]
        more += len(hunk.lines) - len(kept)
        left -= len(kept)
        if kept:
            unended = [number for number in hunk.unended if number < len(kept)]
            words = _words(kept, effort) if _MOST_LINES - left <= _MOST_COMPARED else {}
            hunks.append(hunk.model_copy(update={"lines": kept, "unended": unended, "words": words}))
    return FileDiff(id=entry.id, hunks=hunks, more=more)


def _read_hunks(patch: str) -> Iterator[Hunk]:
    """Reads what follows git's own headers, in which names stand that agents chose."""
    for part in re.split(r"^(?=@@ )", patch, flags=re.M)[1:]:
        text = re.split(r"^(?:deleted file mode|new file mode|old mode|index) .*", part, maxsplit=1, flags=re.M)[0]
        read: PatchedFile
        for read in PatchSet(io.StringIO(f"--- a\n+++ b\n{readable(text)}", newline="\n")):
            for hunk in read:
                lines: list[str] = []
                unended: list[int] = []
                for line in hunk:
                    if line.line_type == "\\":
                        unended.append(len(lines) - 1)
                    else:
                        lines.append(line.line_type + line.value.removesuffix("\n"))
                yield _finished(hunk.source_start, hunk.target_start, hunk.section_header, lines, unended)


def _finished(old_start: int, new_start: int, heading: str, lines: list[str], unended: list[int]) -> Hunk:
    cut = {n: len(line) - 1 - _LONGEST_LINE for n, line in enumerate(lines) if len(line) - 1 > _LONGEST_LINE}
    for number in cut:
        lines[number] = lines[number][: _LONGEST_LINE + 1]
    return Hunk(
        old_start=old_start,
        new_start=new_start,
        heading=heading[:_LONGEST_LINE],
        lines=lines,
        cut=cut,
        unended=unended,
    )


def _words(lines: list[str], effort: Effort) -> dict[int, list[tuple[int, int]]]:
    found: dict[int, list[tuple[int, int]]] = {}
    at = 0
    while at < len(lines):
        removed = _run(lines, at, "-")
        added = _run(lines, at + len(removed), "+")
        if removed and added:
            for offset, places in enumerate(part for side in changed_words(removed, added, effort) for part in side):
                if places:
                    found[at + offset] = places
        at += max(1, len(removed) + len(added))
    return found


def _run(lines: list[str], at: int, sign: str) -> list[str]:
    end = at
    while end < len(lines) and lines[end].startswith(sign):
        end += 1
    return [line[1:] for line in lines[at:end]]
