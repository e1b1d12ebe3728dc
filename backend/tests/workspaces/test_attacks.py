"""Attacks on the host through a workspace: whatever an agent makes of it, at each place where mainloop reads it.

Two tables. What could run a program runs none: neither by the host nor, since no git of ours reads an agent's
configuration, anywhere. What could lead out of the workspace leads nowhere: nothing of the person's is read.
"""

import json
import os
import shlex
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mainloop import plugins
from mainloop.changes.diff import Repository as Compared
from mainloop.changes.taking import take_over
from mainloop.db.engine import Row
from mainloop.errors import MainloopError
from mainloop.forges.base import Place, Proposal
from mainloop.git import GitFailed
from mainloop.projects.mirror import Mirror
from mainloop.projects.restore import restore
from mainloop.sandboxes.base import Policy, inside
from mainloop.testing.repositories import Repository
from mainloop.workspaces.base import CheckSpec, Kept, Laid, Looked, Source, WorkspaceSpec
from mainloop.workspaces.local import LocalWorkspaces

BRANCH = "mainloop/s1"
SECRET = "the person's own secret"


@dataclass
class Ground:
    """A project, its mirror, and the workspace of a session that an agent has made something of."""

    local: LocalWorkspaces
    home: Path
    mirror: Mirror
    project: Repository
    base: str
    work: Repository
    private: Repository
    ran: Path = field(init=False)
    # Set by a trap with which nothing can be read any more: then it is said in words.
    broken: bool = False

    def __post_init__(self) -> None:
        self.ran = self.home / "ran"

    @property
    def strike(self) -> str:
        """A command that leaves a trace, wherever it may write."""
        return f"touch {shlex.quote(str(self.ran))}; echo struck >&2; false"

    @property
    def own(self) -> Path:
        return self.work.path / ".git"

    def program(self) -> str:
        path = self.work.path / "strike"
        path.write_text(f"#!/bin/sh\n{self.strike}\n")
        path.chmod(0o755)
        return str(path)

    def look(self) -> Looked:
        found = self.local.look("s1", self.mirror.path, self.base)
        assert found is not None
        return found

    def save(self) -> str | None:
        return self.local.save("s1", BRANCH, self.mirror)


# -- what could run something ------------------------------------------------------------------------------------
def configured(*names: str, value: str = "") -> Callable[[Ground], None]:
    def plant(ground: Ground) -> None:
        for name in names:
            ground.work.git("config", name, value or ground.program())

    return plant


def hooks(ground: Ground) -> None:
    for folder in (ground.own / "hooks", ground.work.path / "more-hooks"):
        folder.mkdir(exist_ok=True)
        for name in (
            *("pre-commit", "post-checkout", "post-index-change", "reference-transaction", "pre-auto-gc"),
            *("post-merge", "update", "pre-receive", "post-update", "fsmonitor-watchman", "pre-push", "proc-receive"),
        ):
            (folder / name).write_text(f"#!/bin/sh\n{ground.strike}\n")
            (folder / name).chmod(0o755)
    ground.work.git("config", "core.hooksPath", str(ground.work.path / "more-hooks"))


def attributes(ground: Ground) -> None:
    line = "* filter=x diff=x merge=x ident text=auto working-tree-encoding=utf-7\n"
    (ground.work.path / ".gitattributes").write_text(line)
    (ground.own / "info/attributes").write_text(line)
    program = ground.program()
    for name in (
        *("filter.x.clean", "filter.x.smudge", "filter.x.process", "diff.x.command", "diff.x.textconv"),
        *("merge.x.driver", "diff.external", "merge.default"),
    ):
        ground.work.git("config", name, program)
    ground.work.git("config", "filter.x.required", "true")


def included(ground: Ground) -> None:
    more = ground.work.path / "more-config"
    more.write_text(f"[core]\n\tfsmonitor = {ground.program()}\n\tsshCommand = {ground.program()}\n")
    ground.work.git("config", "include.path", "../more-config")
    ground.work.git("config", "includeIf.gitdir:**.path", "../more-config")


def of_one_worktree(ground: Ground) -> None:
    ground.work.git("config", "extensions.worktreeConfig", "true")
    (ground.own / "config.worktree").write_text(
        f"[core]\n\tfsmonitor = {ground.program()}\n\tpager = {ground.program()}\n"
    )


def promised(ground: Ground) -> None:
    """A remote that is asked for objects that are missing, by a program."""
    for name, value in (
        ("remote.far.url", f"ext::{ground.program()}"),
        ("remote.far.promisor", "true"),
        ("remote.far.partialclonefilter", "blob:none"),
        ("protocol.ext.allow", "always"),
        ("extensions.partialClone", "far"),
        ("core.repositoryFormatVersion", "1"),
    ):
        ground.work.git("config", name, value)
    blob = ground.work.git("rev-parse", "HEAD:app.py")
    (ground.own / f"objects/{blob[:2]}/{blob[2:]}").unlink()
    ground.broken = True


def submodules(ground: Ground) -> None:
    inner = Repository.make(ground.work.path / "inner")
    inner.git("config", "core.fsmonitor", ground.program())
    (ground.work.path / ".gitmodules").write_text(
        f'[submodule "inner"]\n\tpath = inner\n\turl = ext::{ground.program()}\n\tupdate = !{ground.program()}\n'
        f'[submodule "../../x"]\n\tpath = -x\n\turl = -u{ground.program()}\n'
    )
    ground.work.git("config", "submodule.recurse", "true")
    ground.work.git("config", "submodule.inner.url", f"ext::{ground.program()}")
    ground.work.git("config", "submodule.inner.update", f"!{ground.program()}")
    ground.work.git("config", "core.fsmonitor", "false")
    ground.work.git("add", "--all")
    ground.work.git("commit", "--quiet", "-m", "a repository inside")


def branches(ground: Ground) -> None:
    """Names that a shell, an option or a path would take for something else; git writes what it is told."""
    head = ground.work.commit_at("HEAD")
    for name in (f"$(touch${{IFS}}{ground.ran})", "`touch ran`", "-x", "--upload-pack=strike", "a;touch ran", "HEAD"):
        path = ground.own / "refs/heads" / name.replace("/", "%")
        path.write_text(f"{head}\n")
    (ground.own / "refs/heads/refs/heads").mkdir(parents=True)
    (ground.own / "refs/heads/refs/heads/main").write_text(f"{head}\n")


def packed(ground: Ground) -> None:
    """Names that lead out of the repository: git itself refuses to read what has one."""
    head = ground.work.commit_at("HEAD")
    with (ground.own / "packed-refs").open("a") as names:
        names.write(f"{head} refs/heads/../../../out\n{head} refs/upstream/main\n")
    ground.broken = True


RUNS: dict[str, Callable[[Ground], None]] = {
    "fsmonitor": configured("core.fsmonitor", "core.useBuiltinFSMonitor"),
    "hooks": hooks,
    "attributes, filters and drivers": attributes,
    "how others are reached": configured(
        *("core.sshCommand", "core.gitProxy", "core.askPass", "credential.helper", "core.alternateRefsCommand"),
        *("uploadpack.packObjectsHook", "remote.origin.uploadpack", "remote.origin.vcs", "gc.recentObjectsHook"),
    ),
    "what one writes and reads with": configured(
        *("core.editor", "core.pager", "pager.diff", "sequence.editor", "gpg.program", "gpg.ssh.program"),
        *("interactive.diffFilter", "diff.tool", "trace2.eventTarget", "web.browser"),
    ),
    "another name for a command": configured("alias.upload-pack", "alias.ls-files", "alias.add", value="!touch ran"),
    "another address": configured("url.ext::sh -c touch% ran .insteadOf", value="/"),
    "included": included,
    "of one worktree": of_one_worktree,
    "promised": promised,
    "submodules": submodules,
    "branches": branches,
    "packed branches": packed,
}


# -- what could lead out -----------------------------------------------------------------------------------------
def gitfile(ground: Ground) -> None:
    ground.own.rename(ground.work.path / "moved")
    ground.own.write_text(f"gitdir: {ground.private.path / '.git'}\n")
    ground.broken = True


def linked(part: str) -> Callable[[Ground], None]:
    def plant(ground: Ground) -> None:
        mine, theirs = ground.own / part, ground.private.path / ".git" / part
        if mine.exists():
            mine.rename(ground.work.path / "moved")
        mine.symlink_to(theirs)
        ground.broken = True

    return plant


def commondir(ground: Ground) -> None:
    (ground.own / "commondir").write_text(f"{ground.private.path / '.git'}\n")
    ground.broken = True


def borrowed(ground: Ground) -> None:
    with (ground.own / "objects/info/alternates").open("a") as alternates:
        alternates.write(f"{ground.private.path / '.git/objects'}\n")
    (ground.own / "refs/heads/stolen").write_text(f"{ground.private.commit_at('HEAD')}\n")
    ground.broken = True


def elsewhere(ground: Ground) -> None:
    secret = json.dumps(str(ground.private.path / "secret"))
    with (ground.own / "config").open("a") as config:
        config.write(f"[core]\n\texcludesFile = {secret}\n\tattributesFile = {secret}\n\tworktree = {secret}\n")
        config.write(f"[include]\n\tpath = {secret}\n")
    ground.broken = True


def links(ground: Ground) -> None:
    (ground.work.path / "file-out").symlink_to(ground.private.path / "secret")
    (ground.work.path / "folder-out").symlink_to(ground.private.path)
    (ground.work.path / "up").symlink_to("../../../private/secret")
    (ground.work.path / "pipe").unlink(missing_ok=True)
    os.mkfifo(ground.work.path / "pipe")


def replaced(ground: Ground) -> None:
    """A name for another content, by which a look would see another file than there is."""
    blob = ground.work.git("rev-parse", "HEAD:app.py")
    (ground.own / "refs/replace").mkdir()
    (ground.own / "refs/replace" / blob).write_text(f"{ground.private.git('rev-parse', 'HEAD:secret')}\n")
    (ground.own / "info/grafts").write_text(f"{ground.work.commit_at('HEAD')}\n")


LEADS_OUT: dict[str, Callable[[Ground], None]] = {
    "a .git file": gitfile,
    "a .git link": linked(""),
    "objects": linked("objects"),
    "refs": linked("refs"),
    "HEAD": linked("HEAD"),
    "index": linked("index"),
    "config": linked("config"),
    "commondir": commondir,
    "alternates": borrowed,
    "configured": elsewhere,
    "links": links,
    "replaced": replaced,
}


# -- where it is read --------------------------------------------------------------------------------------------
def shown(ground: Ground) -> None:
    found = ground.look()
    compared = Compared(found.repository, found.behind)
    entries, files = compared.changed(ground.base, found.tree)
    assert "new.txt" in {file.path for file in files}
    list(compared.hunks(ground.base, found.tree, entries))
    for file in files:
        if file.new is not None and file.kind != "submodule":
            assert SECRET.encode() not in compared.content(file.new)


def proposed(ground: Ground) -> None:
    ground.save()


def turn_kept(ground: Ground) -> None:
    ground.mirror.keep_turn("s1", 1, ground.look(), ground.base)


def gone_back_to(ground: Ground) -> None:
    looked = ground.look()
    ground.mirror.keep_turn("s1", 1, looked, ground.base)
    source = Source(ground.mirror.path, ground.base, "main", "mainloop/s2")
    laid = Laid(looked.tree, ground.mirror.with_kept, ground.base)
    folder = Path(ground.local.prepare(WorkspaceSpec("s2", source, laid=laid)).path)
    assert (folder / "new.txt").read_text() == "new\n"


def closed_and_opened(ground: Ground) -> None:
    assert ground.local.keep("s1", 1, ground.mirror)
    assert ground.local.remove("s1", lambda: True)
    source = Source(ground.mirror.path, ground.base, "main", BRANCH)
    ground.local.prepare(WorkspaceSpec("s1", source, Kept(ground.mirror, 1)))
    assert (ground.work.path / "new.txt").read_text() == "new\n"


def restored(ground: Ground) -> None:
    with suppress(MainloopError):
        ground.save()
    assert ground.local.keep("s1", 1, ground.mirror)
    place = ground.home / "restored"
    restore(ground.mirror, "s1", 1, place, None)
    assert (place / "new.txt").read_text() == "new\n"


def tested(ground: Ground) -> None:
    commit = ground.save()
    assert commit
    checks = ground.local.checks
    source = Source(ground.mirror.path, commit, "main", BRANCH)
    checks.start(CheckSpec("c1", source, ("git status --short >/dev/null; cat app.py",), {"PATH": os.environ["PATH"]}))
    try:
        until = time.monotonic() + 60
        while checks.ended("c1") is None:
            assert time.monotonic() < until
            time.sleep(0.02)
        assert b"$ git status" in checks.log("c1", 0, 1 << 20)
    finally:
        checks.end("c1")


def merged(ground: Ground) -> None:
    commit = ground.save()
    assert commit
    forge = plugins.make_forge("local", Place(repository=ground.mirror.path, source=str(ground.project.path)))
    request = forge.open(Proposal(key="s1", branch=BRANCH, commit=commit, base="main", title="It", text=""))
    for how in ("merge", "rebase", "squash"):
        with suppress(MainloopError):
            forge.merge(request.number, how, commit=commit, base_commit=request.base_commit or "")
    assert forge.look(request.number).state == "merged"
    ground.project.git("switch", "--quiet", "--detach")
    forge.hand_over("main", "branch")


def taken_over(ground: Ground) -> None:
    assert ground.save()
    session = cast("Row", SimpleNamespace(id="s1", branch=BRANCH))
    taken = take_over(ground.mirror, session, str(ground.project.path), "mine")
    assert ground.project.commit_at("mine") == taken.commit


PLACES: dict[str, Callable[[Ground], Any]] = {
    place.__name__: place
    for place in (
        *(shown, proposed, turn_kept, gone_back_to, closed_and_opened, restored),
        *(tested, merged, taken_over),
    )
}


@pytest.fixture
def ground(local: LocalWorkspaces, home: Path, mirror: Mirror, project: Repository) -> Ground:
    project.commit("app", {"app.py": "one\n"})
    private = Repository.make(home / "private")
    private.commit("secret", {"secret": f"{SECRET}\n"})
    mirror.fetch_upstream(str(project.path))
    base = mirror.start_session("s1", mirror.resolve("main"))
    spec = WorkspaceSpec("s1", Source(mirror.path, base, "main", BRANCH))
    work = Repository(Path(local.prepare(spec).path))
    (work.path / ".git/info").mkdir(exist_ok=True)
    work.commit("work", {"app.py": "two\n"})
    (work.path / "new.txt").write_text("new\n")
    return Ground(local, home, mirror, project, base, work, private)


def reads(ground: Ground, place: Callable[[Ground], Any]) -> None:
    """What can't be read any more is refused in words, and only that."""
    ground.ran.unlink(missing_ok=True)  # of our own commands, planting
    try:
        place(ground)
    except (MainloopError, GitFailed, AssertionError):
        if not ground.broken:
            raise


def each_alone(table: dict[str, Callable[[Ground], None]]) -> Any:
    rows = [pytest.param([plant], id=name) for name, plant in table.items()]
    return pytest.mark.parametrize("traps", rows)


@pytest.mark.spec("changes-8")
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
def test_nothing_an_agent_makes_of_its_workspace_runs_anything(ground: Ground, place: Callable[[Ground], Any]) -> None:
    """All at once; each alone is in the long run."""
    for plant in (submodules, branches, hooks, attributes, of_one_worktree, included):
        plant(ground)
    for name in ("fsmonitor", "how others are reached", "what one writes and reads with", "another name for a command"):
        RUNS[name](ground)
    reads(ground, place)
    assert not ground.ran.exists()


@pytest.mark.long
@pytest.mark.spec("changes-8")
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
@each_alone(RUNS)
def test_no_single_trap_in_a_workspace_runs_anything(
    ground: Ground, place: Callable[[Ground], Any], traps: list[Callable[[Ground], None]]
) -> None:
    for plant in traps:
        plant(ground)
    reads(ground, place)
    assert not ground.ran.exists()


def holds(repository: Path, commit: str) -> bool:
    asked = subprocess.run(["git", "--git-dir", repository, "cat-file", "-e", commit], capture_output=True, check=False)
    return asked.returncode == 0


def leaks(ground: Ground) -> list[str]:
    """What of the person's own came into anything of ours, or into another workspace."""
    commit, blob = ground.private.commit_at("HEAD"), ground.private.git("rev-parse", "HEAD:secret")
    found = [f"{name}: {oid}" for name, oid in ground.mirror.session_refs("s1").items() if oid == commit]
    for repository in (
        ground.mirror.path,
        ground.mirror.path.with_name("project.kept.git"),
        ground.project.path / ".git",
    ):
        found += [
            f"{repository.name}: {oid}" for oid in (commit, blob) if repository.exists() and holds(repository, oid)
        ]
    for place in (ground.home / "threads/s2/workspace", ground.home / "restored", ground.home / "checks"):
        for path in place.rglob("*"):
            if path.is_file() and not path.is_symlink() and SECRET in path.read_text(errors="replace"):
                found.append(str(path))
    return found


@pytest.mark.long
@pytest.mark.spec("changes-8")
@pytest.mark.parametrize("sandbox", ["bubblewrap"], indirect=True)
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
@each_alone(LEADS_OUT)
def test_nothing_in_a_workspace_leads_out_of_it(
    ground: Ground, place: Callable[[Ground], Any], traps: list[Callable[[Ground], None]]
) -> None:
    for plant in traps:
        plant(ground)
    reads(ground, place)
    assert leaks(ground) == []


@pytest.mark.spec("changes-8")
@pytest.mark.parametrize("sandbox", ["bubblewrap"], indirect=True)
@pytest.mark.parametrize("trap", ["alternates", "links", "a .git file"])
def test_the_worst_ways_out_of_a_workspace_lead_nowhere(ground: Ground, trap: str) -> None:
    LEADS_OUT[trap](ground)
    for place in (shown, proposed, gone_back_to, closed_and_opened):
        reads(ground, place)
    assert leaks(ground) == []


@pytest.mark.spec("changes-8")
@pytest.mark.parametrize("sandbox", ["bubblewrap"], indirect=True)
def test_a_commit_whose_names_lead_out_is_laid_out_nowhere(ground: Ground) -> None:
    """git writes down any tree it is told to; whoever lays one out refuses it, in words, and writes nothing outside."""
    blob = ground.work.git("rev-parse", "HEAD:app.py")
    for name in (".git", "..", ".GIT", "a/../../out"):
        raw = b"100644 " + name.encode() + b"\0" + bytes.fromhex(blob)
        hostile = ground.home / "tree"
        hostile.write_bytes(raw)
        tree = ground.work.git("hash-object", "-t", "tree", "-w", "--literally", str(hostile))
        commit = ground.work.git("commit-tree", "-p", "HEAD", "-m", "out", tree)
        ground.work.git("update-ref", f"refs/heads/{BRANCH}", commit)
        before = {*ground.home.iterdir()} - {ground.home / "checks"}
        for place in (tested, taken_over):
            with suppress(MainloopError, GitFailed, AssertionError):
                place(ground)
            assert not any(ground.home.rglob("out"))
            assert {*ground.home.iterdir()} - {ground.home / "checks"} == before


@pytest.mark.spec("changes-8")
def test_an_agent_can_make_no_hard_link_to_what_is_not_its_own(ground: Ground) -> None:
    """What it may read lies on other mounts: a second name for it would be a way to have it written by the host."""
    sandbox, probe = plugins.choose_sandbox("bubblewrap")
    if not probe.ok:
        pytest.skip(probe.text)
    seen = ground.mirror.path / "config"
    policy = Policy(chdir=ground.work.path, writable=(ground.work.path,), read_only=(ground.mirror.path,))
    command = inside(sandbox.wrap(policy), ["ln", str(seen), "second"])
    tried = subprocess.run(command, cwd=ground.work.path, capture_output=True, text=True, check=False)
    assert tried.returncode != 0
    assert "link" in tried.stderr
    assert seen.stat().st_nlink == 1
