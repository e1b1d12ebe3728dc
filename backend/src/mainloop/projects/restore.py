"""Brings kept work back into a folder of the person's, as a repository of its own that knows nothing of an agent's."""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mainloop.errors import MainloopError
from mainloop.git import GitFailed, git
from mainloop.projects.kept import Snapshot
from mainloop.projects.mirror import Mirror, session_ref

# What git of the session had in hand can be looked up under this name.
KEPT = "refs/mainloop/kept"


class FolderTaken(MainloopError):
    """{folder} holds something already, and nothing is ever written over. Name a new or an empty folder with --to."""

    status = 409
    code = "folder_taken"


class NotRestored(MainloopError):
    """It could not be brought back: {why} What is kept is still kept."""

    status = 409
    code = "not_restored"


@dataclass(frozen=True)
class Restored:
    path: Path
    # None: there is no repository, or it stands on no branch.
    branch: str | None
    # Sentences: what did not come back.
    told: list[str]


def restore(mirror: Mirror, session_id: str, number: int, folder: Path, origin: str | None) -> Restored:
    """Files, branches and what was staged, in a new or empty folder; whole or not at all.

    Not the agent's own configuration and hooks: git runs what stands there. Raises FolderTaken, NotRestored.
    """
    folder = folder.expanduser().absolute()
    if os.path.lexists(folder) and (folder.is_symlink() or not folder.is_dir() or any(folder.iterdir())):
        raise FolderTaken(folder=folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix=f".{folder.name[:50]}-", dir=folder.parent))
        try:
            making.chmod(0o755)
            branch, told = _fill(making, mirror, session_id, number, origin)
            making.rename(folder)
        except BaseException:
            shutil.rmtree(making, ignore_errors=True)
            raise
    except GitFailed as error:
        raise NotRestored(why=f"git says: {error.line}.") from error
    except OSError as error:
        raise NotRestored(why=f"{error.filename or folder}: {error.strerror or error}.") from error
    return Restored(folder, branch, told)


def _fill(
    folder: Path, mirror: Mirror, session_id: str, number: int, origin: str | None
) -> tuple[str | None, list[str]]:
    snapshot, refs = mirror.kept(session_id, number), mirror.session_refs(session_id)
    told = snapshot.about.left_out()
    branch = None
    if refs.keys() & {"head", "base"}:
        branch = _repository(folder / ".git", mirror, session_id, snapshot, refs, origin)
        told += _not_here(snapshot, f"git keeps its record of it in {KEPT}")
    elif snapshot.about.nested or snapshot.git_file(".git/HEAD") is not None:
        beside = ".git-as-it-was"
        snapshot.write_git(folder / beside)
        told += _not_here(snapshot, f"git's record of it lies in {beside}; read from there, don't run git in it")
    snapshot.write_files(folder)
    return branch, told


def _repository(
    repository: Path, mirror: Mirror, session_id: str, snapshot: Snapshot, refs: dict[str, str], origin: str | None
) -> str | None:
    git("init", "--quiet", "--bare", "--template=", "--", str(repository))
    git("config", "core.bare", "false", repository=repository)
    if origin:
        git("config", "remote.origin.url", origin, repository=repository)
        git("config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*", repository=repository)
    wanted = [f"+{session_ref(session_id, '*')}:refs/heads/*"]
    wanted += [f"+refs/upstream/{name}:refs/remotes/origin/{name}" for name in mirror.branches() if name != "HEAD"]
    fetch = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--update-shallow", "--refmap=")
    git(*fetch, "--", str(mirror.path), *wanted, repository=repository, timeout=3600)
    git(*fetch, "--", str(snapshot.repository), f"+{snapshot.ref}:{KEPT}", repository=repository, timeout=3600)
    said = (snapshot.git_file(".git/HEAD") or "").strip()
    branch = said.removeprefix("ref: refs/heads/") if said.startswith("ref: refs/heads/") else None
    head = refs.get("head") or refs["base"]
    if branch is not None and f"heads/{branch}" in refs:
        git("symbolic-ref", "HEAD", f"refs/heads/{branch}", repository=repository)
        head = refs[f"heads/{branch}"]
    else:
        branch = None
        git("update-ref", "--no-deref", "HEAD", head, repository=repository)
    git("read-tree", snapshot.parents.get("staged", head), repository=repository)
    return branch


def _not_here(snapshot: Snapshot, where: str) -> list[str]:
    told: list[str] = []
    if snapshot.about.unfinished:
        what = " and ".join(snapshot.about.unfinished)
        told.append(f"git was in the middle of {what}: the files are here as they were, {where}.")
    if snapshot.about.nested:
        names = ", ".join(snapshot.about.nested)
        told.append(f"Repositories inside of it came back as files: {names}; {where}.")
    return told
