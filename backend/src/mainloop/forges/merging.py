"""Merges in a bare repository with plain git: without a work tree, so nothing a repository brings along is run.

No hook, filter, merge driver or signing program: commits are put together as text, trees by `git merge-tree`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Final

from mainloop.forges.base import BadBranch, CommitMissing, How, MergeConflicts, NothingToMerge, Unmergeable
from mainloop.git import GitFailed, git, git_bytes, git_identity

_COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
# What of a commit's head says nothing about another one that has its change.
_NOT_COPIED: Final = (b"tree ", b"parent ", b"committer ", b"gpgsig", b"mergetag ", b" ")
_SECONDS: Final = 600
DURABLE: Final = ("core.fsync=committed,reference",)
_PLAIN: Final = ("core.attributesFile=/dev/null", "merge.renormalize=false", "merge.default=text")


@dataclass(frozen=True)
class Merging:
    repository: Path

    def check_branch(self, name: str) -> None:
        """Raises BadBranch for what git takes for something else than a branch."""
        try:
            if name == "HEAD" or name.startswith(("-", "refs/")):
                raise BadBranch(branch=repr(name))
            self._git("check-ref-format", f"refs/heads/{name}")
        except (GitFailed, ValueError) as error:
            raise BadBranch(branch=repr(name)) from error

    def check_commit(self, commit: str) -> None:
        """Raises CommitMissing."""
        try:
            if not _COMMIT.fullmatch(commit) or self._git("cat-file", "-t", commit).strip() != "commit":
                raise CommitMissing(commit=commit[:12])
        except GitFailed as error:
            if not self.repository.is_dir():
                raise
            raise CommitMissing(commit=commit[:12]) from error

    def contains(self, commit: str, other: str) -> bool:
        """Whether `commit` has all of `other`."""
        return self._git("rev-list", "--max-count=1", other, f"^{commit}").strip() == ""

    def has_other(self, base: str, commit: str) -> bool:
        """Whether `base` has all that a commit changes, in other commits: merged, it would change nothing."""
        try:
            tree, conflicts = self._merged(base, commit)
        except Unmergeable:
            return False
        if conflicts or tree != self._tree(base):
            return False
        # What changes nothing by itself is nowhere.
        common = self._git("merge-base", "--all", base, commit).split()
        return self._tree(commit) not in {self._tree(one) for one in common}

    def conflicts(self, base: str, commit: str) -> tuple[str, ...]:
        """The files in which they conflict. Raises Unmergeable."""
        return self._merged(base, commit)[1]

    def make(self, how: How, base: str, commit: str, into: str, message: str) -> str:
        """The commit that the branch `into`, which stands at `base`, would get; no branch is moved.

        Raises MergeConflicts, Unmergeable, NothingToMerge.
        """
        if self.contains(base, commit):
            raise NothingToMerge(base=into)
        if how == "rebase":
            return self._rebased(base, commit, into)
        tree = self._clean(base, commit, into)
        if how == "merge":
            return self.commit(tree, (base, commit), message, self.ours())
        if tree == self._tree(base):
            raise NothingToMerge(base=into)
        return self.commit(tree, (base,), message, self._author(commit))

    def _rebased(self, base: str, commit: str, into: str) -> str:
        said = self._git("rev-list", "--reverse", "--topo-order", "--parents", commit, f"^{base}")
        lines = [line.split() for line in said.splitlines()]
        if any(len(line) != 2 for line in lines):
            raise Unmergeable(why="among its commits are merges, which a rebase would lose. Squash it, or merge it.")
        newest = base
        for name, parent in lines:
            # git finds the parent as what both have in common, so that the change of this one commit is what is merged.
            stand_in = self.commit(self._tree(newest), (parent,), "", self.ours())
            tree = self._clean(stand_in, name, into)
            if tree != self._tree(newest):
                newest = self._copy(name, tree, newest)
        if newest == base:
            raise NothingToMerge(base=into)
        return newest

    def _clean(self, base: str, commit: str, into: str) -> str:
        tree, conflicts = self._merged(base, commit)
        if conflicts:
            more = f" and {len(conflicts) - 5} more" if len(conflicts) > 5 else ""
            raise MergeConflicts(base=into, files=", ".join(conflicts[:5]) + more)
        return tree

    def _merged(self, base: str, commit: str) -> tuple[str, tuple[str, ...]]:
        try:
            said = self._git("merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", base, commit)
        except GitFailed as error:
            if error.code != 1:
                if not self.repository.is_dir():
                    raise
                raise Unmergeable(why=f"git says: {error.line}.") from error
            tree, *files = error.out.decode("utf-8", "surrogateescape").split("\0")
            return tree, tuple(dict.fromkeys(_readable(file) for file in files if file))
        return said.split("\0")[0], ()

    # -- commits -------------------------------------------------------------------------------------------------
    def commit(self, tree: str, parents: Iterable[str], message: str, author: bytes) -> str:
        """Written, and in no branch yet."""
        head = [f"tree {tree}".encode(), *(f"parent {parent}".encode() for parent in parents)]
        return self._write([*head, b"author " + author, b"committer " + self.ours()], _text(message))

    def _copy(self, commit: str, tree: str, parent: str) -> str:
        """The same author, time and words over another parent."""
        head, _, message = self._raw(commit).partition(b"\n\n")
        kept = [line for line in head.split(b"\n") if not line.startswith(_NOT_COPIED)]
        first = [f"tree {tree}".encode(), f"parent {parent}".encode(), kept[0], b"committer " + self.ours()]
        return self._write([*first, *kept[1:]], message)

    def _write(self, head: list[bytes], message: bytes) -> str:
        text = b"\n".join(head) + b"\n\n" + message
        command = ("hash-object", "-t", "commit", "-w", "--stdin")
        return git_bytes(*command, repository=self.repository, stdin=text, config=DURABLE).decode().strip()

    def _raw(self, commit: str) -> bytes:
        return git_bytes("cat-file", "commit", commit, repository=self.repository)

    def _author(self, commit: str) -> bytes:
        """Who made it, at this moment."""
        lines = self._raw(commit).partition(b"\n\n")[0].split(b"\n")
        said = next(line for line in lines if line.startswith(b"author ")).removeprefix(b"author ")
        return said.rsplit(b" ", 2)[0] + b" %d +0000" % time()

    def ours(self) -> bytes:
        """Who commits are by that mainloop puts together, at this moment."""
        known = git_identity()
        name, mail = (re.sub(r"[<>\n\0]", "", known[f"GIT_COMMITTER_{what}"]) for what in ("NAME", "EMAIL"))
        return f"{name} <{mail}> {int(time())} +0000".encode()

    def _tree(self, commit: str) -> str:
        return self._git("rev-parse", "--verify", f"{commit}^{{tree}}").strip()

    def _git(self, *arguments: str) -> str:
        return git(*arguments, repository=self.repository, config=(*DURABLE, *_PLAIN), timeout=_SECONDS)


def _text(message: str) -> bytes:
    return message.replace("\0", "").strip().encode("utf-8", "replace") + b"\n"


def _readable(path: str) -> str:
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
