"""What is kept of a workspace before it goes: in whatever state git is, and whatever an agent has laid into its way."""

import os
import resource
import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mainloop.git import git
from mainloop.projects.mirror import Mirror
from mainloop.testing.contracts.workspaces import scatter, seen
from mainloop.testing.repositories import Repository
from mainloop.workspaces.base import Kept, WorkspaceNotKept, WorkspaceSpec
from mainloop.workspaces.local import LocalWorkspaces

from .test_local import acts, agent, session

Mess = Callable[[Repository, Path], None]


def clean(work: Repository, aside: Path) -> None:
    work.commit("committed", {"new": "committed"})


def dirty(work: Repository, aside: Path) -> None:
    (work.path / "README.md").write_text("changed and not staged")
    (work.path / "untracked").write_text("untracked")
    (work.path / "a").unlink()


def staged(work: Repository, aside: Path) -> None:
    """What is staged is neither what is committed nor what lies there."""
    (work.path / "README.md").write_text("staged")
    work.git("add", "README.md")
    (work.path / "README.md").write_text("changed again")
    (work.path / "gone").write_text("staged, then deleted")
    work.git("add", "gone")
    (work.path / "gone").unlink()


def detached(work: Repository, aside: Path) -> None:
    work.commit("on a branch", {"b": "b"})
    work.git("checkout", "--quiet", "--detach")
    work.commit("on none", {"c": "c"})
    (work.path / "c").write_text("not committed")


def diverged(work: Repository, merge: str) -> None:
    work.commit("ours", {"README.md": "ours"})
    work.git("checkout", "--quiet", "-b", "other", "HEAD~1")
    work.commit("theirs", {"README.md": "theirs"})
    subprocess.run(["git", *merge.split()], cwd=work.path, capture_output=True, check=False, env=by_somebody())
    assert "<<<<<<<" in (work.path / "README.md").read_text()


def merging(work: Repository, aside: Path) -> None:
    diverged(work, "merge mainloop/s1")


def rebasing(work: Repository, aside: Path) -> None:
    diverged(work, "rebase mainloop/s1")


def stashed(work: Repository, aside: Path) -> None:
    for words in ("first", "second"):
        (work.path / "README.md").write_text(words)
        work.git("stash", "--quiet")
    work.git("tag", "mine")


def submodule(work: Repository, aside: Path) -> None:
    other = Repository.make(aside / "other")
    work.git("submodule", "--quiet", "add", str(other.path), "sub")
    work.commit("with a submodule")
    inside = Repository(work.path / "sub")
    inside.commit("not pushed", {"inside": "committed"})
    (inside.path / "inside").write_text("not committed")


def nested(work: Repository, aside: Path) -> None:
    inside = Repository.make(work.path / "nested")
    (inside.path / "README.md").write_text("not committed")
    Repository(work.path / "unborn").path.mkdir()
    Repository(work.path / "unborn").git("init", "--quiet")
    (work.path / "unborn/file").write_text("in an empty repository")


def worktree(work: Repository, aside: Path) -> None:
    """As sub-agents make them, in a folder that is ignored."""
    work.git("worktree", "add", "--quiet", ".claude/worktrees/helper", "-b", "helper")
    (work.path / ".claude/worktrees/helper/README.md").write_text("of a helper")


def big_files(work: Repository, aside: Path) -> None:
    scatter(work.path / "scattered")
    work.git("config", "filter.lfs.clean", "echo pointer")
    work.git("config", "filter.lfs.smudge", "echo smudged")
    (work.path / ".git/lfs/objects/ab").mkdir(parents=True)
    (work.path / ".git/lfs/objects/ab/abcd").write_text("the content behind a pointer")


def tracked_but_ignored(work: Repository, aside: Path) -> None:
    work.commit("tracked", {"logs/kept.log": "tracked"})
    work.commit("ignored", {".gitignore": "logs/\n"})
    (work.path / "logs/kept.log").write_text("changed")


def orphan(work: Repository, aside: Path) -> None:
    work.git("checkout", "--quiet", "--orphan", "nothing-yet")
    (work.path / "more").write_text("on a branch without a commit")


def no_repository(work: Repository, aside: Path) -> None:
    dirty(work, aside)
    subprocess.run(["rm", "-r", work.path / ".git"], check=True)


def broken_head(work: Repository, aside: Path) -> None:
    dirty(work, aside)
    (work.path / ".git/HEAD").write_text("nonsense")


def broken_index(work: Repository, aside: Path) -> None:
    dirty(work, aside)
    (work.path / ".git/index").write_bytes(b"DIRC nonsense")


def broken_objects(work: Repository, aside: Path) -> None:
    work.commit("broken", {"b": "b"})
    dirty(work, aside)
    for found in (work.path / ".git/objects").glob("??/*"):
        found.chmod(0o644)
        found.write_bytes(b"nonsense")


def a_file_for_git(work: Repository, aside: Path) -> None:
    dirty(work, aside)
    (work.path / ".git").rename(work.path / "old")
    (work.path / ".git").write_text("gitdir: old\n")


MESSES = [
    clean,
    dirty,
    staged,
    detached,
    merging,
    rebasing,
    stashed,
    submodule,
    nested,
    worktree,
    big_files,
    tracked_but_ignored,
    orphan,
    no_repository,
    broken_head,
    broken_index,
    broken_objects,
    a_file_for_git,
]


def by_somebody() -> dict[str, str]:
    who = {f"GIT_{role}_{what}": "x@y" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return {**os.environ, **who}


def told(folder: Path) -> list[str]:
    """What git says of a repository, in several ways."""
    questions = (
        "status --porcelain=v2 --branch --untracked-files=all",
        "diff",
        "diff --cached",
        "stash list",
        "for-each-ref",
        "log --all --format=%H",
    )
    answers: list[str] = []
    for question in questions:
        done = subprocess.run(["git", *question.split()], cwd=folder, capture_output=True, text=True, check=False)
        answers.append(f"{done.returncode} {done.stdout}")
    return answers


@pytest.mark.spec("kept-1", "kept-2")
@pytest.mark.parametrize("mess", MESSES)
def test_whatever_state_git_is_in_the_workspace_comes_back_as_it_was(
    confined: LocalWorkspaces, mirror: Mirror, project: Repository, home: Path, mess: Mess
) -> None:
    project.commit("more", {"a": "a"})
    spec = session(mirror, project)
    work = Repository(Path(confined.prepare(spec).path))
    (home / "aside").mkdir()
    mess(work, home / "aside")
    said, before = told(work.path), seen(work.path)
    confined.keep("s1", 1, mirror)
    assert seen(work.path).keys() == before.keys()
    before = seen(work.path)  # asking git above writes its index anew
    assert confined.remove("s1", lambda: True)
    assert not work.path.exists()
    confined.prepare(WorkspaceSpec("s1", spec.source, Kept(mirror, 1)))
    after = seen(work.path)
    assert {path for path in before if before[path] != after.get(path, "missing")} <= {".git/index"}
    assert after.keys() == before.keys()
    # Without its objects git can't tell any more whether a file that looks new is.
    assert told(work.path) == said or mess is broken_objects
    checked = ["git", "--git-dir", mirror.kept("s1", 1).repository, "fsck", "--connectivity-only"]
    assert subprocess.run(checked, capture_output=True, check=False).returncode == 0


@pytest.mark.spec("kept-1")
def test_what_is_kept_is_a_commit_over_the_sessions_last_one(
    confined: LocalWorkspaces, mirror: Mirror, project: Repository
) -> None:
    project.commit("more", {"a": "1\n2\n"})
    work = Repository(Path(confined.prepare(session(mirror, project)).path))
    head = work.commit("work", {"b": "b"})
    confined.save("s1", "mainloop/s1", mirror)
    staged(work, work.path)
    dirty(work, work.path)
    confined.keep("s1", 1, mirror)
    kept = mirror.kept("s1", 1)
    assert kept.parents["base"] == head
    assert {(c.path, c.status, c.added, c.removed) for c in kept.changes()} == {
        ("README.md", "changed", 1, 1),
        ("untracked", "added", 1, 0),
        ("a", "deleted", 0, 2),
    }
    assert (kept.count().files, kept.count().added, kept.count().removed) == (3, 2, 3)
    ref = subprocess.check_output(
        ["git", "--git-dir", kept.repository, "show", f"{kept.parents['staged']}:README.md"], text=True
    )
    assert ref == "staged"


@pytest.mark.spec("kept-3")
def test_ignored_files_are_kept_where_the_person_wants_it_and_named_where_not(
    confined: LocalWorkspaces, mirror: Mirror, project: Repository
) -> None:
    project.commit("rules", {".gitignore": "*.env\nbuild/\ncache/\n"})
    spec = session(mirror, project)
    path = Path(confined.prepare(spec).path)
    for name in ("local.env", "build/out", "cache/data/deep", "cache/other"):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(name)
    confined.keep("s1", 1, mirror, ["*.env", "cache/data/"])
    assert mirror.kept("s1", 1).about.left_out() == ["Ignored by git, so not kept: build/, cache/."]
    confined.remove("s1", lambda: True)
    confined.prepare(WorkspaceSpec("s1", spec.source, Kept(mirror, 1)))
    assert (path / "local.env").read_text() == "local.env"
    assert (path / "cache/data/deep").read_text() == "cache/data/deep"
    assert not (path / "build").exists()
    assert not (path / "cache/other").exists()


def every_object(repository: Path) -> str:
    """All that a repository can read, its alternates included: what an agent would run that looks for secrets."""
    listed = "cat-file --batch-all-objects --batch-check='%(objectname)'"
    return f"git --git-dir={shlex.quote(str(repository))} {listed} | git --git-dir={shlex.quote(str(repository))} cat-file --batch | tr -cd '[:print:]'"


@pytest.mark.spec("kept-17")
def test_no_other_session_reads_what_was_kept(
    confined: LocalWorkspaces, mirror: Mirror, project: Repository, home: Path
) -> None:
    project.commit("rules", {".gitignore": "*.env\n"})
    spec = session(mirror, project)
    work = Repository(Path(confined.prepare(spec).path))
    work.commit("made", {"made": "what was committed"})
    (work.path / "local.env").write_text("TOKEN=hunter2")
    (work.path / "draft").write_text("what was not committed")
    confined.save("s1", "mainloop/s1", mirror)
    confined.keep("s1", 1, mirror, ["*.env"])
    confined.remove("s1", lambda: True)
    # Another session starts, its agent reads all it can reach, and what it can't reach is all there.
    other = confined.prepare(session(mirror, project, "s2"))
    look = every_object(Path(other.path, ".git"))
    place = shlex.quote(str(home / "mirrors"))
    said = acts(confined, home, replace(agent(f"{look}; grep -ra TOKEN {place}/*kept*", mirror), thread_id="s2"))
    assert "what was committed" in said
    assert "hunter2" not in said
    assert "what was not committed" not in said
    confined.prepare(WorkspaceSpec("s1", spec.source, Kept(mirror, 1)))
    assert (work.path / "local.env").read_text() == "TOKEN=hunter2"


@pytest.mark.spec("kept-17")
def test_what_an_older_mainloop_kept_in_the_mirror_itself_is_found(
    confined: LocalWorkspaces, mirror: Mirror, project: Repository, home: Path
) -> None:
    spec = session(mirror, project)
    work = Path(confined.prepare(spec).path)
    (work / "draft").write_text("not committed")
    confined.keep("s1", 1, mirror)
    beside, ref = home / "mirrors/project.kept.git", "refs/sessions/s1/kept/1"
    git("fetch", "--quiet", "--", str(beside), f"{ref}:{ref}", repository=mirror.path)
    shutil.rmtree(beside)
    assert confined.keep("s1", 1, mirror)
    assert confined.remove("s1", lambda: True)
    assert not beside.exists()
    confined.prepare(WorkspaceSpec("s1", spec.source, Kept(mirror, 1)))
    assert (work / "draft").read_text() == "not committed"


def test_the_work_of_a_session_of_a_shallow_checkout_is_kept(
    confined: LocalWorkspaces, mirror: Mirror, project: Repository, home: Path
) -> None:
    project.git("clone", "--quiet", "--depth=1", f"file://{project.path}", str(home / "shallow"))
    work = Path(confined.prepare(session(mirror, Repository(home / "shallow"))).path)
    (work / "draft").write_text("not committed")
    confined.keep("s1", 1, mirror)
    assert [change.path for change in mirror.kept("s1", 1).changes()] == ["draft"]


@pytest.mark.spec("kept-4")
@pytest.mark.parametrize("trap", ["fsmonitor", "filter", "hooks", "attributes", "pager", "alias", "include"])
def test_nothing_a_workspace_configures_is_run(
    local: LocalWorkspaces, mirror: Mirror, project: Repository, home: Path, trap: str
) -> None:
    """Also where there is no sandbox: no git that reads its configuration is started at all."""
    work = Repository(Path(local.prepare(session(mirror, project)).path))
    command = f"touch {shlex.quote(str(home / 'ran'))}; false"
    if trap == "fsmonitor":
        work.git("config", "core.fsmonitor", command)
    elif trap in ("filter", "attributes"):
        (work.path / ".gitattributes").write_text("* filter=trap diff=trap merge=trap ident working-tree-encoding=x\n")
        for name in ("filter.trap.clean", "filter.trap.smudge", "filter.trap.process", "diff.trap.textconv"):
            work.git("config", name, command)
        work.git("config", "filter.trap.required", "true")
    elif trap == "hooks":
        for name in ("pre-commit", "post-checkout", "post-index-change", "reference-transaction", "pre-auto-gc"):
            hook = work.path / ".git/hooks" / name
            hook.parent.mkdir(exist_ok=True)
            hook.write_text(f"#!/bin/sh\n{command}\n")
            hook.chmod(0o755)
    elif trap == "include":
        (work.path / "more").write_text(f"[core]\n\tfsmonitor = {command}\n")
        work.git("config", "include.path", "../more")
    else:
        name = {"pager": "core.pager", "alias": "alias.ls-files"}[trap]
        work.git("config", name, f"!{command}")
    (work.path / "README.md").write_text("changed")
    assert local.keep("s1", 1, mirror)
    mirror.kept("s1", 1).changes()
    spec = WorkspaceSpec("s1", None, Kept(mirror, 1))
    local.remove("s1", lambda: True)
    local.prepare(spec)
    assert (work.path / "README.md").read_text() == "changed"
    assert not (home / "ran").exists()


@pytest.mark.spec("kept-4")
@pytest.mark.parametrize("way", ["link", "index", "gitfile", "worktrees", "alternates"])
def test_no_trick_has_a_file_of_the_person_kept(
    confined: LocalWorkspaces, mirror: Mirror, project: Repository, home: Path, way: str
) -> None:
    private = Repository.make(home / "private")
    private.commit("secret", {"secret": "canary"})
    workspace = Path(confined.prepare(session(mirror, project)).path)
    theirs, mine = private.path / ".git", workspace / ".git"
    if way == "link":
        (workspace / "secrets").symlink_to(private.path)
        (workspace / "secret").symlink_to(private.path / "secret")
    elif way == "index":
        (mine / "index").unlink()
        (mine / "index").symlink_to(theirs / "index")
    elif way == "gitfile":
        mine.rename(workspace / "old")
        mine.write_text(f"gitdir: {theirs}\n")
    elif way == "worktrees":
        (mine / "worktrees/x").mkdir(parents=True)
        (mine / "worktrees/x/gitdir").write_text(f"{private.path}/.git\n")
    else:
        (mine / "objects/info/alternates").write_text(f"{theirs / 'objects'}\n")
    assert confined.keep("s1", 1, mirror)
    everything = ["git", "--git-dir", mirror.path, "cat-file", "--batch", "--batch-all-objects", "--unordered"]
    assert b"canary" not in subprocess.check_output(everything)


@pytest.mark.spec("kept-6")
@pytest.mark.parametrize("step", ["snapshot", "mirror"])
def test_a_disk_that_is_full_keeps_the_workspace_and_says_so(
    local: LocalWorkspaces, mirror: Mirror, project: Repository, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(local.prepare(session(mirror, project)).path)
    (path / "large").write_bytes(os.urandom(2_000_000))
    before = seen(path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    take = mirror.keep

    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))

    def full_at_last(*arguments: object) -> None:
        full()
        take(*arguments)  # pyright: ignore[reportArgumentType]

    if step == "mirror":
        monkeypatch.setattr(mirror, "keep", full_at_last)
    else:
        full()
    try:
        with pytest.raises(WorkspaceNotKept) as refused:
            local.keep("s1", 1, mirror)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "the workspace" in refused.value.sentence.lower()
    assert "stays as it is" in refused.value.sentence
    assert not mirror.has("s1", 1)
    assert seen(path) == before
    monkeypatch.undo()
    assert local.keep("s1", 1, mirror)


@pytest.mark.spec("kept-6")
def test_a_file_nobody_may_read_is_named(confined: LocalWorkspaces, mirror: Mirror) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    path = Path(confined.prepare(WorkspaceSpec("s1")).path)
    (path / "closed").write_text("x")
    (path / "closed").chmod(0)
    with pytest.raises(WorkspaceNotKept, match="closed: Permission denied"):
        confined.keep("s1", 1, mirror)


def test_what_is_neither_file_nor_folder_nor_link_is_named(confined: LocalWorkspaces, mirror: Mirror) -> None:
    path = Path(confined.prepare(WorkspaceSpec("s1")).path)
    os.mkfifo(path / "pipe")
    assert confined.keep("s1", 1, mirror)
    assert mirror.kept("s1", 1).about.left_out() == ["Neither file nor folder nor link, so not kept: pipe."]


@pytest.mark.spec("kept-5")
def test_what_a_killed_keeping_left_behind_is_in_nobodys_way(
    confined: LocalWorkspaces, mirror: Mirror, home: Path
) -> None:
    path = Path(confined.prepare(WorkspaceSpec("s1")).path)
    (path / "notes").write_text("mine")
    for left in ("keeping/objects", "removed/old", "removed-2/old"):
        (home / "threads/s1" / left).mkdir(parents=True)
    assert confined.keep("s1", 1, mirror)
    # Killed when the mirror had it, and before its own copy was gone.
    (home / "threads/s1/keeping/objects").mkdir(parents=True)
    assert confined.keep("s1", 1, mirror)
    assert confined.remove("s1", lambda: True)
    assert not {"keeping", "removed", "removed-2", "workspace"} & {p.name for p in (home / "threads/s1").iterdir()}


def test_folders_nobody_may_write_go_as_well(confined: LocalWorkspaces, mirror: Mirror) -> None:
    path = Path(confined.prepare(WorkspaceSpec("s1")).path)
    (path / "cache/deep").mkdir(parents=True)
    (path / "cache/deep/file").write_text("x")
    for folder in (path / "cache/deep", path / "cache"):
        folder.chmod(0o555)
    assert confined.keep("s1", 1, mirror)
    assert confined.remove("s1", lambda: True)
    assert not path.exists()
