"""Writes the files of a workspace, as they lie there now, into a tree of a repository beside it.

A program of its own: it is run inside the sandbox, where the workspace is read-only. The repository has its own
configuration, and an index that remembers what was read before, so a second look reads what has changed only. Neither
the workspace's repository nor its index says what has changed: an agent can make both say anything.
"""

import json
import os
import shutil
import stat
import subprocess
import sys

_SHOWN = 20
# Names that only other systems refuse are names. Larger files are written as they are, piece by piece.
_CONFIG = (
    *("-c", "core.protectNTFS=false", "-c", "core.protectHFS=false", "-c", "core.fsmonitor=false"),
    *("-c", "core.safecrlf=false", "-c", "core.bigFileThreshold=8m", "-c", "core.looseCompression=1"),
    *("-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0", "-c", "core.quotePath=false"),
)


class NotRead(Exception):
    """It can't be looked at; said in words."""


def main() -> int:
    """Prints the tree, or what was in the way."""
    workspace, repository, base = (os.fsencode(argument) for argument in sys.argv[1:4])
    try:
        found = Tree(workspace, repository).look(base)
    except NotRead as error:
        print(json.dumps({"trouble": str(error)}))
        return 1
    print(json.dumps(found))
    return 0


class Tree:
    """`repository`: a bare one of our own, whose alternate is the mirror's objects."""

    def __init__(self, workspace: bytes, repository: bytes) -> None:
        self._root = workspace
        self._repository = repository
        self._index = os.path.join(repository, b"index")

    def look(self, base: bytes) -> dict[str, object]:
        """The tree, and paths that could not be read."""
        self._begin(base)
        said = self._add("--", ".")
        forced = self._known_to_the_agent()
        if forced:
            names = b"".join(path + b"\0" for path in forced)
            said += self._add("--force", "--pathspec-from-file=-", "--pathspec-file-nul", stdin=names)
        tree = self._git("write-tree").decode().strip()
        return {"tree": tree, "unread": self._unread(said)}

    def _add(self, *what: str, stdin: bytes | None = None) -> bytes:
        """What git says about it. It gives up at a file that is not in the encoding its attributes name: as it is, then."""
        command = ("add", "--all", "--ignore-errors", "--no-warn-embedded-repo", *what)
        said = self._git(*command, stdin=stdin, may_fail=True)
        if not any(line.startswith(b"fatal: ") for line in said.splitlines()):
            return said
        above_all = os.path.join(self._repository, b"info", b"attributes")
        with open(above_all, "wb") as file:
            file.write(b"* !working-tree-encoding\n")
        try:
            return self._git(*command, stdin=stdin, may_fail=True)
        finally:
            os.unlink(above_all)

    def _begin(self, base: bytes) -> None:
        """With what the base holds, so that files that are ignored and yet tracked are compared as well."""
        if os.path.exists(self._index + b".lock"):  # of a look that was killed
            os.unlink(self._index + b".lock")
        began = os.path.join(self._repository, b"began")
        try:
            with open(began, "rb") as file:
                known = file.read() == base
        except FileNotFoundError:
            known = False
        if known and os.path.exists(self._index):
            return
        self._git("read-tree", base.decode() if base else "--empty")
        with open(began, "wb") as file:
            file.write(base)

    def _known_to_the_agent(self) -> list[bytes]:
        """Files that it has added although they are ignored."""
        theirs = self._names(self._copied(os.path.join(self._root, b".git", b"index")))
        missing = theirs - self._names(self._index) if theirs else set[bytes]()
        return [path for path in sorted(missing) if self._is_file(path)]

    def _is_file(self, path: bytes) -> bool:
        try:
            found = os.lstat(os.path.join(self._root, path))
        except OSError:
            return False
        return stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode)

    def _names(self, index: bytes | None) -> set[bytes]:
        said = self._git("ls-files", "-z", "--cached", index=index, may_fail=True) if index else b""
        return {path for path in said.split(b"\0") if path}

    def _copied(self, index: bytes) -> bytes | None:
        """git wants to write beside an index that it reads."""
        copy = os.path.join(self._repository, b"index-read")
        try:
            if os.path.islink(os.path.dirname(index)) or not stat.S_ISREG(os.lstat(index).st_mode):
                return None
            shutil.copyfile(index, copy)
        except OSError:
            return None
        return copy

    def _unread(self, said: bytes) -> list[str]:
        lines = said.decode(errors="replace").splitlines()
        found = [line.split(":", 1)[1].strip() for line in lines if line.startswith(("error: ", "fatal: "))]
        return list(dict.fromkeys(found))[:_SHOWN]

    def _git(
        self, *arguments: str, index: bytes | None = None, stdin: bytes | None = None, may_fail: bool = False
    ) -> bytes:
        """What it answers; of one that may fail, what it says about it besides."""
        done = subprocess.run(
            ["git", *_CONFIG, b"--git-dir=" + self._repository, b"--work-tree=" + self._root, *arguments],
            cwd=self._root,
            env={**_ENVIRONMENT, "GIT_INDEX_FILE": index or self._index},
            input=b"" if stdin is None else stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if may_fail and arguments[0] == "add" else subprocess.PIPE,
            check=False,
        )
        if done.returncode != 0 and not may_fail:
            lines = (done.stderr or b"").decode(errors="replace").strip().splitlines()
            raise NotRead(f"git says: {lines[-1].removeprefix('fatal: ') if lines else done.returncode}.")
        return done.stdout


_ENVIRONMENT = {
    "PATH": os.environ.get("PATH", os.defpath),
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_TERMINAL_PROMPT": "0",
    # Names that agents chose are names, whatever signs are in them.
    "GIT_LITERAL_PATHSPECS": "1",
    "HOME": "/",
    "LC_ALL": "C.UTF-8",
}


if __name__ == "__main__":
    sys.exit(main())
