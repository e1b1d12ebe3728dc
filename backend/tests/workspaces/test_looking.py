"""Looking at a workspace while an agent works in it: what it may have made of it, and what the sandbox keeps away."""

import os
import subprocess
from pathlib import Path

import pytest

from mainloop.git import git_bytes
from mainloop.projects.mirror import Mirror
from mainloop.testing.repositories import Repository
from mainloop.workspaces.base import Looked, Source, WorkspaceSpec
from mainloop.workspaces.local import LocalWorkspaces


@pytest.fixture
def base(mirror: Mirror, project: Repository) -> str:
    (project.path / "tracked.log").write_text("tracked\n")
    (project.path / ".gitignore").write_text("*.log\n")
    project.git("add", "--force", "tracked.log")
    project.commit("rules")
    mirror.fetch_upstream(str(project.path))
    return mirror.start_session("s1", mirror.resolve("main"))


def prepare(workspaces: LocalWorkspaces, mirror: Mirror, base: str) -> Repository:
    spec = WorkspaceSpec("s1", Source(mirror.path, base, "main", "mainloop/fox"))
    return Repository(Path(workspaces.prepare(spec).path))


def look(workspaces: LocalWorkspaces, mirror: Mirror, base: str) -> Looked:
    found = workspaces.look("s1", mirror.path, base)
    assert found is not None
    return found


def files(found: Looked) -> dict[str, str]:
    said = git_bytes("ls-tree", "-r", "-z", found.tree, repository=found.repository, behind=found.behind)
    rows = (row.split("\t", 1) for row in said.decode(errors="replace").split("\0") if row)
    return {path: what.split()[2] for what, path in rows}


@pytest.mark.spec("changes-8")
def test_a_fresh_workspace_is_what_it_began_with(local: LocalWorkspaces, mirror: Mirror, base: str) -> None:
    prepare(local, mirror, base)
    found = look(local, mirror, base)
    assert found.tree == git_bytes("rev-parse", f"{base}^{{tree}}", repository=mirror.path).decode().strip()
    assert found.unread == ()


@pytest.mark.spec("changes-8")
@pytest.mark.parametrize("trick", ["gitfile", "link", "gone", "broken", "commondir"])
def test_what_became_of_its_repository_does_not_matter(
    local: LocalWorkspaces, mirror: Mirror, base: str, home: Path, trick: str
) -> None:
    secret = Repository.make(home / "private")
    secret.commit("secret", {"secret.txt": "the secret\n"})
    work = prepare(local, mirror, base)
    (work.path / "new.txt").write_text("new\n")
    own = work.path / ".git"
    if trick in ("gitfile", "link", "gone"):
        own.rename(work.path / "moved")
        subprocess.run(["rm", "-r", work.path / "moved"], check=True)
    if trick == "gitfile":
        own.write_text(f"gitdir: {secret.path / '.git'}\n")
    elif trick == "link":
        own.symlink_to(secret.path / ".git")
    elif trick == "broken":
        (own / "index").write_bytes(b"no index")
        (own / "HEAD").write_text("nothing\n")
    elif trick == "commondir":
        (own / "commondir").write_text(f"{secret.path / '.git'}\n")
    found = files(look(local, mirror, base))
    assert "new.txt" in found
    assert "secret.txt" not in found
    assert {"README.md", "tracked.log"} <= found.keys()


@pytest.mark.spec("changes-8")
def test_nothing_runs_outside_the_sandbox_and_nothing_outside_is_read(
    confined: LocalWorkspaces, mirror: Mirror, base: str, home: Path
) -> None:
    secret = home / "secret.txt"
    secret.write_text("the secret\n")
    work = prepare(confined, mirror, base)
    ran = home / "ran"
    inner = Repository.make(work.path / "inner")
    for repository in (work, inner):
        repository.git("config", "core.fsmonitor", f"touch '{ran}'")
    (work.path / "way-out").symlink_to(secret)
    (work.path / "folder-out").symlink_to(home)
    os.mkfifo(work.path / "pipe")
    Repository(work.path / "unborn").path.mkdir()
    Repository(work.path / "unborn").git("init", "--quiet")
    (work.path / "unborn/file").write_text("x\n")
    (work.path / "new.txt").write_text("new\n")
    found = look(confined, mirror, base)
    assert not ran.exists()
    listed = files(found)
    assert listed.keys() >= {"new.txt", "way-out", "folder-out", "inner"}
    shown = git_bytes("cat-file", "blob", listed["way-out"], repository=found.repository, behind=found.behind)
    assert shown == os.fsencode(secret)
    # A repository without a commit is none of ours; what is in it is named, not lost without a word.
    assert any("unborn" in line for line in found.unread) or "unborn/file" in listed


@pytest.mark.spec("changes-8")
def test_a_look_that_was_killed_and_objects_that_went_do_no_harm(
    local: LocalWorkspaces, mirror: Mirror, base: str, home: Path
) -> None:
    work = prepare(local, mirror, base)
    (work.path / "new.txt").write_text("new\n")
    first = look(local, mirror, base)
    scratch = home / "threads/s1/looking"
    (scratch / "index.lock").touch()
    assert look(local, mirror, base) == first
    (scratch / "ready").unlink()
    assert look(local, mirror, base) == first
    local.remove("s1", lambda: True)
    assert not scratch.exists()
