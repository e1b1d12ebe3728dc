"""Writes all that is in a workspace into a repository beside it, byte by byte.

A program of its own: it is run inside the sandbox, reads the workspace and changes nothing there. It needs no
working git in the workspace and obeys none of its configuration, filters or attributes, so it keeps a repository in
any state, a broken one too.

The commit `refs/heads/kept` has the files as its tree; its message names its parents, in order:
`base`, the commit that the work is compared with; `git`, whose tree holds the data of git itself; `staged`, what was
staged. In the tree of `git` names that no tree may have are marked: see `hidden`. Beside them, in `looks.json`, stands
what a tree does not hold of each path: its permission bits, and when it was changed.
"""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import IO, Any

_CHUNK = 1 << 20
_SHOWN = 50
# What git leaves beside its own data while something is unfinished, in words.
_UNFINISHED = {
    b".git/rebase-merge": "a rebase",
    b".git/rebase-apply": "a rebase",
    b".git/MERGE_HEAD": "a merge",
    b".git/CHERRY_PICK_HEAD": "a cherry-pick",
    b".git/REVERT_HEAD": "a revert",
    b".git/BISECT_LOG": "a bisection",
    b".git/logs/refs/stash": "stashes",
    b".git/worktrees": "worktrees",
}


class NotKept(Exception):
    """Something can't be kept; said in words."""


def hidden(path: bytes) -> bytes:
    """A path as it may stand in a tree of git: `.git` gets a mark, and what looks marked gets one more."""
    parts = path.split(b"/")
    return b"/".join(b"%" + part if part.lower() == b".git" or part[:1] == b"%" else part for part in parts)


class Snapshot:
    """`repository`: a bare one of our own, whose alternates are the mirror's objects and the workspace's."""

    def __init__(self, workspace: bytes, repository: bytes, wanted: list[str]) -> None:
        self._root = workspace
        self._repository = repository
        self._wanted = [os.fsencode(pattern) for pattern in wanted]
        # Paths below the workspace, with what their files look like.
        self.files: dict[bytes, os.stat_result] = {}
        self.git: dict[bytes, os.stat_result] = {}
        self.folders: dict[bytes, os.stat_result] = {}
        self.empty: list[bytes] = []
        self.ignored: list[bytes] = []
        self.special: list[bytes] = []
        self.unfinished: list[str] = []
        self.nested: list[bytes] = []
        self._seen: set[bytes] = set()

    def look(self, base: str | None) -> None:
        """Finds what there is to keep."""
        self._look_into(b"", base)
        for worktree in self._worktrees():
            self._look_into(worktree, None)
        self.unfinished = list(dict.fromkeys(words for path, words in _UNFINISHED.items() if self._exists(path)))

    def _look_into(self, top: bytes, base: str | None) -> None:
        """A repository, or the workspace itself: its own rules say what is ignored."""
        if top in self._seen:
            return
        self._seen.add(top)
        if top:
            self.nested.append(top)
        named = self._named(top, base)
        ignored = set(self._listed(top, "--ignored", "--exclude-standard", "--directory"))
        self._walk(top, top, ignored, named)
        for path in named - self.files.keys():
            self._add(path)

    def _walk(self, folder: bytes, top: bytes, ignored: set[bytes], named: set[bytes]) -> None:
        entries = sorted(self._entries(folder))
        if not entries and folder:
            self.empty.append(folder)
        for name, found in entries:
            path = folder + b"/" + name if folder else name
            if stat.S_ISDIR(found.st_mode):
                self.folders[path] = found
            if name.lower() == b".git":
                self._add_all(path, found, self.git)
            elif path in ignored or path + b"/" in ignored:
                if path not in named:
                    self.ignored.append(path + (b"/" if stat.S_ISDIR(found.st_mode) else b""))
            elif not stat.S_ISDIR(found.st_mode):
                self._take(path, found, self.files)
            elif self._exists(path + b"/.git"):
                self._look_into(path, None)
            else:
                self._walk(path, top, ignored, named)

    def _add_all(self, path: bytes, found: os.stat_result, into: dict[bytes, os.stat_result]) -> None:
        if not stat.S_ISDIR(found.st_mode):
            self._take(path, found, into)
            return
        self.folders[path] = found
        entries = self._entries(path)
        if not entries:
            self.empty.append(path)
        for name, inside in sorted(entries):
            self._add_all(path + b"/" + name, inside, into)

    def _add(self, path: bytes) -> None:
        """A file that git knows although it is ignored, or that the person wants kept."""
        try:
            found = os.lstat(os.path.join(self._root, path))
        except (FileNotFoundError, NotADirectoryError):
            return
        if not stat.S_ISDIR(found.st_mode) and b".git" not in path.lower().split(b"/"):
            self._take(path, found, self.files)

    def _take(self, path: bytes, found: os.stat_result, into: dict[bytes, os.stat_result]) -> None:
        if stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode):
            into[path] = found
        else:
            self.special.append(path)

    def _entries(self, folder: bytes) -> list[tuple[bytes, os.stat_result]]:
        try:
            with os.scandir(os.path.join(self._root, folder)) as entries:
                return [(entry.name, entry.stat(follow_symlinks=False)) for entry in entries]
        except OSError as error:
            raise NotKept(f"{os.fsdecode(folder)}: {error.strerror}.") from error

    def _exists(self, path: bytes) -> bool:
        return os.path.lexists(os.path.join(self._root, path))

    # -- what git says, asked in a repository of our own ---------------------------------------------------------
    def _named(self, top: bytes, base: str | None) -> set[bytes]:
        """What is kept although it may be ignored: tracked files, and what the person wants."""
        patterns = [b"--exclude=" + pattern for pattern in self._wanted]
        named: set[bytes] = set(self._listed(top, "--ignored", *patterns) if patterns else [])
        index = self._copied(os.path.join(self._git_folder(top), b"index"))
        if index is not None:
            said = self._git("ls-files", "-z", "--cached", index=index) or b""
            named |= {os.path.join(top, path) for path in said.split(b"\0") if path}
        if base is not None:
            said = self._git("ls-tree", "-r", "-z", "--name-only", base) or b""
            named |= {path for path in said.split(b"\0") if path}
        return named

    def _listed(self, top: bytes, *options: str | bytes) -> list[bytes]:
        work_tree = b"--work-tree=" + os.path.join(self._root, top)
        said = self._git(work_tree, "ls-files", "-z", "--others", *options, index=self._no_index()) or b""
        return [os.path.join(top, path) for path in said.split(b"\0") if path]

    def _worktrees(self) -> Iterator[bytes]:
        """Further work trees of the workspace's repository that lie in it; sub-agents like to ignore theirs."""
        with_names = os.path.join(self._root, b".git/worktrees")
        for name in sorted(os.listdir(with_names)) if os.path.isdir(with_names) else []:
            try:
                with open(os.path.join(with_names, name, b"gitdir"), "rb") as file:
                    place = os.path.dirname(file.read(_CHUNK).strip())
            except OSError:
                continue
            inside = os.path.relpath(place, self._root) if place.startswith(self._root + b"/") else b".."
            if not inside.startswith(b"..") and os.path.isdir(place) and not os.path.islink(place):
                yield inside

    def _git_folder(self, top: bytes) -> bytes:
        """Where the data of a repository lie: those of a submodule or of a further work tree lie elsewhere."""
        entry = os.path.join(top, b".git")
        try:
            with open(os.path.join(self._root, entry), "rb") as file:
                said = file.read(_CHUNK).strip()
        except OSError:
            return entry
        place = os.path.join(self._root, top, said.removeprefix(b"gitdir: "))
        return os.path.relpath(place, self._root)

    def staged(self, base: str | None) -> str | None:
        """A tree of what is staged, where that can be said: not in a conflict, and not where objects are missing."""
        index = self._copied(b".git/index")
        tree = (self._git("write-tree", index=index) or b"").decode().strip() if index is not None else ""
        whole = bool(tree) and self._git("rev-list", "--objects", "--quiet", tree) is not None
        return tree if whole and tree != self._tree_of(base) else None

    def _tree_of(self, base: str | None) -> str | None:
        return (self._git("rev-parse", f"{base}^{{tree}}") or b"").decode().strip() if base else None

    def _copied(self, index: bytes) -> bytes | None:
        """git wants to write beside an index that it reads."""
        copy = os.path.join(self._repository, b"index-read")
        try:
            if not stat.S_ISREG(os.lstat(os.path.join(self._root, index)).st_mode):
                return None
            shutil.copyfile(os.path.join(self._root, index), copy)
        except OSError:
            return None
        return copy

    def _no_index(self) -> bytes:
        return os.path.join(self._repository, b"no-index")

    def _git(self, *arguments: str | bytes, index: bytes | None = None) -> bytes | None:
        done = subprocess.run(
            ["git", *_CONFIG, b"--git-dir=" + self._repository, *arguments],
            cwd=self._repository,
            env={**_ENVIRONMENT, "GIT_INDEX_FILE": index or self._no_index()},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        return done.stdout if done.returncode == 0 else None

    # -- writing -------------------------------------------------------------------------------------------------
    def write(self, base: str | None) -> None:
        """Makes the commit."""
        staged = self.staged(base)
        with subprocess.Popen(
            ["git", *_CONFIG, b"--git-dir=" + self._repository, "fast-import", "--quiet", "--force"],
            cwd=self._repository,
            env=_ENVIRONMENT,
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as importer:
            assert importer.stdin
            assert importer.stderr
            try:
                self._stream(importer.stdin, base, staged)
                importer.stdin.close()
            except BrokenPipeError:
                pass
            except BaseException:
                importer.kill()
                raise
            said = importer.stderr.read().decode(errors="replace").strip()
            if importer.wait() != 0:
                fatal = re.search(r"^(?:fatal|error): (.*)$", said, re.M)
                raise NotKept(f"git says: {fatal[1] if fatal else said[-200:]}.")

    def _stream(self, out: IO[bytes], base: str | None, staged: str | None) -> None:
        about = json.dumps(self.about()).encode()
        _commit(out, b"refs/heads/git", 1, b"What git had in hand")
        out.write(b"M 100644 inline about.json\ndata %d\n%s\n" % (len(about), about))
        looks = json.dumps(self.looks()).encode()
        out.write(b"M 100644 inline looks.json\ndata %d\n%s\n" % (len(looks), looks))
        for path, found in self.git.items():
            self._file(out, b"git/" + hidden(path), path, found)
        if staged is not None:
            _commit(out, b"refs/heads/staged", 2, b"What was staged", *([b"from " + base.encode()] if base else []))
            out.write(b"M 040000 " + staged.encode() + b" \n")
        parents = [(b"base", base.encode() if base else None), (b"git", b":1"), (b"staged", b":2" if staged else None)]
        there = [(name, place) for name, place in parents if place is not None]
        message = b"Work that was not committed\n\nParents: " + b" ".join(name for name, _ in there)
        lines = [(b"from " if number == 0 else b"merge ") + place for number, (_, place) in enumerate(there)]
        _commit(out, b"refs/heads/kept", 3, message, *lines, b"deleteall")
        for path, found in self.files.items():
            self._file(out, path, path, found)

    def _file(self, out: IO[bytes], name: bytes, path: bytes, found: os.stat_result) -> None:
        place = os.path.join(self._root, path)
        try:
            if stat.S_ISLNK(found.st_mode):
                target = os.readlink(place)
                out.write(b"M 120000 inline " + _quoted(name) + b"\ndata %d\n" % len(target) + target + b"\n")
                return
            with open(os.open(place, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
                mode = b"100755" if found.st_mode & 0o100 else b"100644"
                out.write(b"M " + mode + b" inline " + _quoted(name) + b"\ndata %d\n" % found.st_size)
                left = found.st_size
                while left:
                    piece = file.read(min(left, _CHUNK))
                    if not piece:
                        raise NotKept(f"{os.fsdecode(path)} changes while it is read.")
                    out.write(piece)
                    left -= len(piece)
                out.write(b"\n")
        except BrokenPipeError:
            raise
        except OSError as error:
            raise NotKept(f"{os.fsdecode(path)}: {error.strerror}.") from error

    def looks(self) -> dict[str, tuple[int, int]]:
        """By path: its permission bits, and the nanosecond when it was changed."""
        found = {**self.folders, **self.git, **self.files}
        for path in [*self.git, *self.files, *self.empty]:
            # Where it lies in a folder that is ignored, nobody has walked through that.
            while (path := os.path.dirname(path)) and path not in found:
                found[path] = os.lstat(os.path.join(self._root, path))
        return {os.fsdecode(path): (stat.S_IMODE(it.st_mode), it.st_mtime_ns) for path, it in found.items()}

    def about(self) -> dict[str, Any]:
        """What is no file: empty folders, what was left out, what git was in the middle of."""
        ignored = [path for path in self.ignored if not any(top.startswith(path) for top in self.nested)]
        return {
            "empty": [os.fsdecode(path) for path in self.empty],
            "ignored": [os.fsdecode(path) for path in ignored[:_SHOWN]],
            "ignored_more": max(0, len(ignored) - _SHOWN),
            "special": [os.fsdecode(path) for path in self.special[:_SHOWN]],
            "unfinished": self.unfinished,
            "nested": [os.fsdecode(path) for path in self.nested],
        }


def _commit(out: IO[bytes], ref: bytes, mark: int, message: bytes, *more: bytes) -> None:
    lines = [
        b"commit " + ref,
        b"mark :%d" % mark,
        b"committer mainloop <mainloop@localhost> %d +0000" % time.time(),
        b"data %d" % len(message),
        message,
        *more,
    ]
    out.write(b"\n".join(lines) + b"\n")


def _quoted(path: bytes) -> bytes:
    return b'"' + b"".join(b"\\%03o" % c if c < 32 or c in b'"\\' else bytes([c]) for c in path) + b'"'


# Names that only other systems refuse are names.
_CONFIG = ("-c", "core.protectNTFS=false", "-c", "core.protectHFS=false", "-c", "core.fsmonitor=false")
_ENVIRONMENT: dict[str, Any] = {
    "PATH": os.environ.get("PATH", os.defpath),
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_TERMINAL_PROMPT": "0",
    "HOME": "/",
    "LC_ALL": "C.UTF-8",
}


def main() -> int:
    """Prints what was found, or what was in the way."""
    workspace, repository, base = (sys.argv[number] for number in (1, 2, 3))
    snapshot = Snapshot(os.fsencode(workspace), os.fsencode(repository), sys.argv[4:])
    try:
        snapshot.look(base or None)
        snapshot.write(base or None)
    except NotKept as error:
        print(json.dumps({"trouble": str(error)}))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
