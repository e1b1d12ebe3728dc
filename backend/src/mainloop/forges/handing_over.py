"""What was merged here comes into the person's own repository: only as far as they want it, and over nothing of theirs.

It is their repository, so their git configuration holds, as with their own `git pull`; no hook is run.
"""

import os
from pathlib import Path
from typing import Final

from mainloop.forges.base import NotHandedOver, Reach
from mainloop.git import BRING, GitFailed, git

_UNFINISHED: Final = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "BISECT_LOG", "rebase-merge", "rebase-apply")
_SECONDS: Final = 600


def hand_over(mirror: Path, branch: str, folder: Path, reach: Reach) -> str | None:
    """The person's branch stands where ours does; the commit, or None where nothing was to be done.

    It only ever goes forward. May be repeated. Raises NotHandedOver.
    """
    if reach == "never":
        return None
    commit = git("for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}", repository=mirror).strip()
    if not commit:
        return None

    def refuse(why: str) -> NotHandedOver:
        return NotHandedOver(branch=branch, folder=folder, why=why, mirror=mirror)

    try:
        checkout = _checkout(folder, branch)
        if checkout is None:
            # git itself refuses to move it backwards, or where somebody works on it, in the middle of a rebase too.
            refspec = f"refs/heads/{branch}:refs/heads/{branch}"
            _git(folder, *BRING, "--", str(mirror), refspec)
            return commit
        if reach == "branch":
            raise refuse(f"it is checked out in {checkout}, and only a branch that is not may be moved.")
        if trouble := _trouble(checkout):
            raise refuse(trouble)
        _git(checkout, *BRING, "--", str(mirror), f"refs/heads/{branch}")
        # Here, too, git refuses what would not be a step forward, and to write over a file it does not know.
        _git(checkout, "merge", "--quiet", "--ff-only", "--no-autostash", commit)
        return commit
    except GitFailed as error:
        raise refuse(error.why) from error
    except OSError as error:
        raise refuse(f"{error.strerror or error}.") from error


def _checkout(folder: Path, branch: str) -> Path | None:
    """Where the branch is checked out."""
    path = None
    for line in _git(folder, "worktree", "list", "--porcelain", "-z").split("\0"):
        if line.startswith("worktree "):
            path = Path(line.removeprefix("worktree "))
        if line == f"branch refs/heads/{branch}":
            return path
    return None


def _trouble(checkout: Path) -> str:
    """Why nothing is moved below the person's hands; empty where nothing is in the way."""
    if _git(checkout, "status", "--porcelain", "-z", "--untracked-files=no", "--ignore-submodules=none"):
        return f"{checkout} has changes that are not committed. Commit or stash them, then try again."
    for name in _UNFINISHED:
        if os.path.lexists(checkout / _git(checkout, "rev-parse", "--git-path", name).rstrip("\n")):
            return f"git is in the middle of something in {checkout}. Finish that, then try again."
    return ""


def _git(folder: Path, *arguments: str) -> str:
    # What a change brings along fetches no further repository.
    return git("-C", str(folder), *arguments, as_person=True, config=("submodule.recurse=false",), timeout=_SECONDS)
