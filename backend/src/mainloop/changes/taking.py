"""The branch of a session in the person's own repository: taken over, to go on with there.

It is their repository, so their git configuration holds, as with their own `git fetch`; no hook is run.
"""

from pathlib import Path
from typing import Final

from pydantic import BaseModel

from mainloop.db.engine import Row
from mainloop.errors import MainloopError, NotAllowedNow
from mainloop.forges.base import BadBranch
from mainloop.git import BRING, GitFailed, git
from mainloop.projects.mirror import Mirror

_SECONDS: Final = 600


class NotTakenOver(MainloopError):
    """The branch {branch} in {folder} was left as it is: {why} Take it over under another name, or make way for it."""

    status = 409
    code = "not_taken_over"


class Taken(BaseModel):
    """A branch in the person's own repository, checked out nowhere."""

    branch: str
    commit: str
    folder: str


def take_over(mirror: Mirror, session: Row, source: str, name: str = "") -> Taken:
    """Repeated, it is the same; a branch of this name that is there only ever goes forward.

    Raises NotAllowedNow, BadBranch, NotTakenOver.
    """
    folder, branch = Path(source), name or str(session.branch)
    if not folder.is_absolute():
        raise NotAllowedNow(
            what="The project is an address, not a folder of this machine, so there is nowhere to take it."
        )
    ref = f"refs/sessions/{session.id}/heads/{session.branch}"
    commit = mirror.session_refs(session.id).get(f"heads/{session.branch}")
    if session.branch is None or commit is None:
        raise NotAllowedNow(what="It has committed nothing yet, so there is nothing to take over.")
    _check(branch)
    try:
        fetch = (*BRING, "--", str(mirror.path), f"{ref}:refs/heads/{branch}")
        git("-C", str(folder), *fetch, as_person=True, config=("submodule.recurse=false",), timeout=_SECONDS)
    except GitFailed as error:
        raise NotTakenOver(branch=branch, folder=folder, why=error.why) from error
    except OSError as error:
        raise NotTakenOver(branch=branch, folder=folder, why=f"{error.strerror or error}.") from error
    return Taken(branch=branch, commit=commit, folder=str(folder))


def _check(branch: str) -> None:
    try:
        if branch == "HEAD" or branch.startswith(("-", "refs/")):
            raise BadBranch(branch=repr(branch))
        git("check-ref-format", f"refs/heads/{branch}")
    except (GitFailed, ValueError) as error:
        raise BadBranch(branch=repr(branch)) from error
