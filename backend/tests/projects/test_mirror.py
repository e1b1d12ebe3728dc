"""A project's mirror: what it takes from where, in which words it refuses, and that it loses nothing."""

import os
import random
import re
import shutil
import socket
import stat
import subprocess
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mainloop.errors import MainloopError
from mainloop.git import GitFailed, GitTimedOut, git, git_bytes
from mainloop.projects.mirror import (
    BranchMissing,
    EmptyRepository,
    Mirror,
    NotARepository,
    Unreachable,
    UnsafeSource,
    session_ref,
)
from mainloop.sandboxes.none import NoSandbox
from mainloop.testing.repositories import Repository
from mainloop.workspaces.base import Looked
from mainloop.workspaces.local.looking import look_at
from mainloop_models.events import Changed


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    return Mirror.create(tmp_path / "mirrors" / "project.git")


@pytest.fixture
def project(tmp_path: Path) -> Repository:
    return Repository.make(tmp_path / "project", commits=2)


@pytest.fixture
def session(tmp_path: Path, mirror: Mirror, project: Repository) -> Repository:
    """A session's workspace as the local adapter makes it."""
    mirror.fetch_upstream(str(project.path))
    workspace = Repository(tmp_path / "workspace")
    workspace.path.mkdir()
    workspace.git("init", "--quiet", "--initial-branch=mainloop/fox")
    (workspace.path / ".git/objects/info/alternates").write_text(f"{mirror.path / 'objects'}\n")
    workspace.git("reset", "--quiet", "--hard", mirror.start_session("s1", mirror.resolve("main")))
    return workspace


def test_a_folder_is_fetched_with_its_branches(mirror: Mirror, project: Repository) -> None:
    project.git("branch", "feature/one")
    found = mirror.fetch_upstream(str(project.path))
    assert (found.default_branch, found.branches) == ("main", ("feature/one", "main"))
    assert mirror.resolve("feature/one") == project.commit_at("HEAD")


@pytest.mark.spec("projects-10")
def test_a_fetch_tells_how_far_it_is(mirror: Mirror, project: Repository) -> None:
    told: list[str] = []
    mirror.fetch_upstream(project.path.as_uri(), told.append)
    assert told
    assert all(re.fullmatch(r"[A-Z][a-z ]+, \d+ %(, [\d.]+ \w+)?", words) for words in told), told
    with pytest.raises(Unreachable, match="nowhere"):
        mirror.fetch_upstream(f"{project.path.as_uri()}/nowhere", told.append)


def test_what_would_take_too_long_to_count_is_not_counted_and_its_paths_are_known(
    mirror: Mirror, project: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror.fetch_upstream(str(project.path))
    before = project.commit_at("main")
    after = project.commit("more", {"new.py": "1\n"})
    mirror.fetch_upstream(str(project.path))
    assert mirror.changed(before, after) == Changed(files=1, added=1, removed=0)
    monkeypatch.setattr("mainloop.projects.mirror._COUNTING_SECONDS", -1)
    assert mirror.changed(before, after) is None
    assert mirror.changed_since_common(after, f"{after}^{{tree}}", before) == {"new.py"}


class _BadLine:
    """A line to git's own server that breaks whenever so much has come over it, and after so many times stays down."""

    def __init__(self, served: Path, most: int) -> None:
        self.most, self.left, self.came = most, 1_000_000, 0
        command = ["git", "daemon", "--inetd", "--export-all", f"--base-path={served}"]
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"git://127.0.0.1:{self._listening.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, args=(command,))
        self._thread.start()

    def _serve(self, command: list[str]) -> None:
        while True:
            line, _ = self._listening.accept()
            with line:
                if self.left <= 0:
                    if line.recv(1) == b"":
                        return
                    continue
                self.left -= 1
                self._carry(line, command)

    def _carry(self, line: socket.socket, command: list[str]) -> None:
        """What git says goes straight over; what it answers is counted."""
        with subprocess.Popen(
            command, stdin=line.fileno(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            assert process.stdout
            came = 0
            while came < self.most and (data := os.read(process.stdout.fileno(), 65536)):
                came += len(data)
                try:
                    line.sendall(data)
                except OSError:
                    break
            self.came += came
            line.shutdown(socket.SHUT_RDWR)
            process.kill()

    def close(self) -> None:
        self.left = 0
        socket.create_connection(self._listening.getsockname()).close()
        self._thread.join()
        self._listening.close()


@pytest.mark.spec("projects-21")
def test_a_first_fetch_that_is_cut_off_goes_on_and_what_came_stays(tmp_path: Path) -> None:
    served = tmp_path / "served"
    served.mkdir()
    big = served / "big.git"
    git("init", "--quiet", "--bare", "--initial-branch=main", "--", str(big))
    stream = bytearray()
    for number in range(1200):
        body = random.Random(number).randbytes(4096)
        stream += f"commit refs/heads/main\ncommitter a <a@b> {1_600_000_000 + number} +0000\ndata 1\nx\n".encode()
        stream += f"M 644 inline {number % 40}\ndata {len(body)}\n".encode() + body + b"\n"
    git_bytes("fast-import", "--quiet", repository=big, stdin=bytes(stream))
    whole = sum(pack.stat().st_size for pack in big.glob("objects/pack/*.pack"))
    git("branch", "other", "main~7", repository=big)
    line = _BadLine(served, whole * 2 // 3)
    mirror = Mirror.create(tmp_path / "mirrors/big.git")
    try:
        # One connection that asks what there is, one that is cut off, and some steps; then nothing any more.
        line.left = 5
        with pytest.raises(Unreachable):
            mirror.fetch_upstream(f"{line.address}/big.git")
        assert mirror.branches() == {}
        # What a killed git leaves.
        (mirror.path / "objects/pack/tmp_pack_torn").write_bytes(b"x" * 1000)
        line.left, before, told = 1_000_000, line.came, list[str]()
        found = mirror.fetch_upstream(f"{line.address}/big.git", told.append)
    finally:
        line.close()
    assert found.branches == ("main", "other")
    # The line never bears as much as all of it, and what had come did not come again.
    assert line.came - before < whole * 9 // 10
    assert any(words.startswith("Step ") for words in told)
    assert mirror.branches()["main"] == git("rev-parse", "main", repository=big).strip()
    assert git("rev-list", "--all", "--count", repository=mirror.path).strip() == "1200"
    git("fsck", "--connectivity-only", "--no-dangling", repository=mirror.path)
    assert not (mirror.path / "shallow").exists()
    assert git("for-each-ref", "refs/fetching", repository=mirror.path) == ""
    assert [path.name for path in mirror.path.rglob("tmp_*")] == []


def test_a_fetch_again_brings_what_is_new(mirror: Mirror, project: Repository) -> None:
    mirror.fetch_upstream(str(project.path))
    new = project.commit("later")
    mirror.fetch_upstream(str(project.path))
    assert mirror.resolve("main") == new


def test_the_default_branch_is_the_one_the_project_names(mirror: Mirror, tmp_path: Path) -> None:
    project = Repository.make(tmp_path / "other", branch="trunk")
    project.git("branch", "main")
    assert mirror.fetch_upstream(str(project.path)).default_branch == "trunk"


def test_a_detached_checkout_has_its_main_branch_as_default(mirror: Mirror, project: Repository) -> None:
    project.git("checkout", "--quiet", "--detach", "HEAD~1")
    assert mirror.fetch_upstream(str(project.path)).default_branch == "main"
    assert mirror.resolve("HEAD") == project.commit_at("HEAD")


def test_a_detached_checkout_without_branches_is_known_as_head(mirror: Mirror, project: Repository) -> None:
    project.git("checkout", "--quiet", "--detach")
    project.git("branch", "-D", "main")
    assert mirror.fetch_upstream(str(project.path)).default_branch == "HEAD"
    assert mirror.resolve("HEAD") == project.commit_at("HEAD")


@pytest.mark.parametrize("name", ['it\'s a "project"', "line\nend", "größe 日本", "$(touch pwned)", "semi;colon"])
def test_a_folder_with_any_name_is_fetched(mirror: Mirror, tmp_path: Path, name: str) -> None:
    project = Repository.make(tmp_path / name)
    if "\n" in name:
        with pytest.raises(UnsafeSource):
            mirror.fetch_upstream(str(project.path))
    else:
        assert mirror.fetch_upstream(str(project.path)).default_branch == "main"


def test_a_worktree_a_bare_repository_and_a_file_address_are_repositories_too(
    mirror: Mirror, project: Repository, tmp_path: Path
) -> None:
    project.git("worktree", "add", "--quiet", "-b", "side", str(tmp_path / "side"))
    project.git("clone", "--quiet", "--bare", ".", str(tmp_path / "bare.git"))
    assert mirror.fetch_upstream(str(tmp_path / "side")).default_branch == "side"
    assert mirror.fetch_upstream(str(tmp_path / "bare.git")).default_branch == "main"
    assert mirror.fetch_upstream(f"file://{project.path}").default_branch == "main"


def test_a_shallow_checkout_is_fetched(mirror: Mirror, project: Repository, tmp_path: Path) -> None:
    project.git("clone", "--quiet", "--depth=1", f"file://{project.path}", str(tmp_path / "shallow"))
    mirror.fetch_upstream(str(tmp_path / "shallow"))
    assert mirror.resolve("main") == project.commit_at("main")


def test_a_project_with_a_submodule_is_fetched_without_it(mirror: Mirror, project: Repository, tmp_path: Path) -> None:
    part = Repository.make(tmp_path / "part")
    project.git("submodule", "--quiet", "add", str(part.path), "part")
    commit = project.commit("with a part")
    mirror.fetch_upstream(str(project.path))
    assert mirror.resolve("main") == commit


def test_the_persons_repository_is_left_as_it_was(mirror: Mirror, project: Repository) -> None:
    def all_of_it() -> dict[str, bytes]:
        return {str(file): file.read_bytes() for file in project.path.rglob("*") if file.is_file()}

    before = all_of_it()
    mirror.fetch_upstream(str(project.path))
    assert all_of_it() == before


def refused(mirror: Mirror, source: str, kind: type[MainloopError]) -> str:
    with pytest.raises(kind) as caught:
        mirror.fetch_upstream(source)
    return caught.value.sentence


def test_a_folder_that_is_no_repository_says_what_to_give(mirror: Mirror, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    assert refused(mirror, str(plain), NotARepository) == (
        f"{plain} is no git repository. Give the folder that contains .git, or an address."
    )
    assert "missing is no git repository" in refused(mirror, str(tmp_path / "missing"), NotARepository)


@pytest.mark.parametrize("source", ["~nobody-has-this-name/project", "/" + "long/" * 2000, "relative/path"])
def test_a_path_that_can_not_be_looked_at_is_no_repository(mirror: Mirror, source: str) -> None:
    refused(mirror, source, NotARepository)


def test_a_folder_inside_a_repository_is_no_repository(mirror: Mirror, project: Repository) -> None:
    project.commit("folder", {"src/a": "a"})
    refused(mirror, str(project.path / "src"), NotARepository)


def test_a_repository_without_a_commit_says_so(mirror: Mirror, tmp_path: Path) -> None:
    empty = Repository.make(tmp_path / "empty", commits=0)
    assert "has no commit yet" in refused(mirror, str(empty.path), EmptyRepository)


@pytest.mark.parametrize(
    "source",
    [
        "ext::sh -c touch% /tmp/pwned",
        "fd::17",
        "--upload-pack=touch pwned",
        "-u",
        "ssh://-oProxyCommand=touch pwned/x",
        "weird://host/x",
        "a\nb",
        "  ",
    ],
)
def test_an_address_that_could_start_a_program_is_refused(mirror: Mirror, source: str) -> None:
    refused(mirror, source, UnsafeSource)


def test_an_address_that_can_not_be_reached_is_told_in_gits_own_words(mirror: Mirror) -> None:
    said = refused(mirror, "http://person:secret@127.0.0.1:9/project.git", Unreachable)
    assert said.startswith("http://127.0.0.1:9/project.git can't be read. git says: ")
    assert "Failed to connect" in said or "Couldn't connect" in said
    assert "secret" not in said


def test_an_address_that_wants_a_password_fails_instead_of_asking(mirror: Mirror) -> None:
    with _locked_server() as address:
        assert "could not read Username" in refused(mirror, f"{address}/project.git", Unreachable)


def test_the_persons_credential_helper_is_asked_for_an_address(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    helper = tmp_path / "helper"
    asked = tmp_path / "asked"
    helper.write_text(f'#!/bin/sh\necho "$GCM_INTERACTIVE" > "{asked}"\necho username=person\necho password=secret\n')
    helper.chmod(helper.stat().st_mode | stat.S_IXUSR)
    (tmp_path / ".gitconfig").write_text(f"[credential]\n\thelper = {helper}\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    with _locked_server() as address:
        said = refused(mirror, f"{address}/project.git", Unreachable)
    assert "Authentication failed" in said
    assert "secret" not in said
    # Nor does it open a window.
    assert asked.read_text() == "never\n"


@pytest.mark.parametrize(
    "name", ["nope", "--upload-pack=x", "-", "main~1", "main:README.md", "../../etc", "a\nb", "\0", ""]
)
def test_a_branch_that_is_not_there_is_refused_with_those_that_are(
    mirror: Mirror, project: Repository, name: str
) -> None:
    project.git("branch", "other")
    mirror.fetch_upstream(str(project.path))
    with pytest.raises(BranchMissing) as caught:
        mirror.resolve(name)
    assert caught.value.sentence == f"There is no branch {name} in this project. It has: main, other."


def test_git_that_does_not_end_is_ended_with_all_it_started(tmp_path: Path) -> None:
    fifo = tmp_path / "repository/.git"
    Repository.make(tmp_path / "repository")
    (fifo / "HEAD").unlink()
    os.mkfifo(fifo / "HEAD")
    with pytest.raises(GitTimedOut):
        git("ls-remote", "--", str(tmp_path / "repository"), timeout=0.5)
    assert not _running(str(tmp_path / "repository"))


@pytest.mark.spec("projects-12")
def test_a_branch_deleted_or_renamed_in_the_project_is_gone_from_the_mirror_and_its_commits_are_kept(
    mirror: Mirror, project: Repository
) -> None:
    project.git("checkout", "--quiet", "-b", "old")
    only_there = project.commit("only there")
    project.git("branch", "same")
    project.git("checkout", "--quiet", "main")
    mirror.fetch_upstream(str(project.path))
    project.git("branch", "-D", "old", "same")
    project.git("branch", "--move", "main", "trunk")
    found = mirror.fetch_upstream(str(project.path))
    assert found.branches == ("trunk",)
    assert {name for name in mirror.branches() if name != "HEAD"} == {"trunk"}
    for name in ("old", "main"):
        with pytest.raises(BranchMissing):
            mirror.resolve(name)
    assert git("rev-parse", f"refs/gone/{only_there}", repository=mirror.path).strip() == only_there


@pytest.mark.parametrize(("first", "then"), [("topic", "topic/part"), ("topic/part", "topic")])
def test_a_branch_that_stands_in_the_way_of_another_makes_way_and_is_kept(
    mirror: Mirror, project: Repository, first: str, then: str
) -> None:
    project.git("checkout", "--quiet", "-b", first)
    only_there = project.commit("only there")
    mirror.fetch_upstream(str(project.path))
    project.git("checkout", "--quiet", "main")
    project.git("branch", "-D", first)
    project.git("branch", then)
    mirror.fetch_upstream(str(project.path))
    assert mirror.resolve(then) == project.commit_at("main")
    assert git("rev-parse", f"refs/gone/{only_there}", repository=mirror.path).strip() == only_there


def test_a_persons_own_prune_setting_does_not_reach_the_mirror(
    mirror: Mirror, project: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".gitconfig").write_text("[fetch]\n\tprune = true\n\tpruneTags = true\n[gc]\n\tauto = 1\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    project.git("branch", "old")
    mirror.fetch_upstream(str(project.path))
    project.git("branch", "-D", "old")
    mirror.fetch_upstream(str(project.path))
    # Gone as a branch, never with its commits.
    assert git("for-each-ref", "refs/gone/", repository=mirror.path)


def test_what_git_would_tidy_away_it_may_not(mirror: Mirror, project: Repository) -> None:
    mirror.fetch_upstream(str(project.path))
    with pytest.raises(GitFailed, match="precious"):
        git("prune", repository=mirror.path)
    with pytest.raises(GitFailed, match="precious"):
        git("repack", "-a", "-d", repository=mirror.path)


def test_a_mirror_is_made_once_by_many_at_the_same_time(tmp_path: Path, project: Repository) -> None:
    path = tmp_path / "mirrors/p.git"

    def add(_: int) -> str:
        return Mirror.create(path).fetch_upstream(str(project.path)).default_branch

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(add, range(8))) == {"main"}
    assert list(path.parent.iterdir()) == [path]


def test_a_session_begins_once(mirror: Mirror, project: Repository) -> None:
    mirror.fetch_upstream(str(project.path))
    first = mirror.start_session("s1", mirror.resolve("main"))
    project.commit("later")
    mirror.fetch_upstream(str(project.path))
    assert mirror.start_session("s1", mirror.resolve("main")) == first
    assert mirror.session_refs("s1") == {"base": first}


def test_commits_of_a_session_are_kept(mirror: Mirror, session: Repository) -> None:
    commit = session.commit("work", {"new": "new"})
    assert mirror.save_session("s1", session.path, "mainloop/fox") == commit
    ref = session_ref("s1", "mainloop/fox")
    assert git("show", f"{ref}:new", repository=mirror.path) == "new"
    assert mirror.sessions() == ["s1"]


def test_saving_again_without_anything_new_changes_nothing(mirror: Mirror, session: Repository) -> None:
    commit = session.commit("work")
    mirror.save_session("s1", session.path, "mainloop/fox")
    before = mirror.session_refs("s1")
    assert mirror.save_session("s1", session.path, "mainloop/fox") == commit
    assert mirror.session_refs("s1") == before


def test_a_detached_head_is_kept_too(mirror: Mirror, session: Repository) -> None:
    session.git("checkout", "--quiet", "--detach")
    commit = session.commit("on no branch")
    mirror.save_session("s1", session.path, "mainloop/fox")
    assert mirror.session_refs("s1")["head"] == commit


def test_other_branches_of_a_session_are_kept_too(mirror: Mirror, session: Repository) -> None:
    session.git("checkout", "--quiet", "-b", "another")
    commit = session.commit("elsewhere")
    base = mirror.session_refs("s1")["base"]
    assert mirror.save_session("s1", session.path, "mainloop/fox") == base
    assert mirror.session_refs("s1")["heads/another"] == commit


def test_a_branch_the_agent_deleted_is_told_as_gone_and_kept(mirror: Mirror, session: Repository) -> None:
    commit = session.commit("work")
    mirror.save_session("s1", session.path, "mainloop/fox")
    session.git("checkout", "--quiet", "-b", "another")
    session.git("branch", "-D", "mainloop/fox")
    assert mirror.save_session("s1", session.path, "mainloop/fox") is None
    assert mirror.session_refs("s1")["heads/mainloop/fox"] == commit


def test_commits_the_agent_rewrote_stay_reachable(mirror: Mirror, session: Repository) -> None:
    first = session.commit("first try")
    mirror.save_session("s1", session.path, "mainloop/fox")
    session.git("reset", "--quiet", "--hard", "HEAD~1")
    second = session.commit("second try")
    assert mirror.save_session("s1", session.path, "mainloop/fox") == second
    log = git("reflog", "show", "--format=%H", session_ref("s1", "mainloop/fox"), repository=mirror.path)
    assert log.split() == [second, first]


def test_an_agent_that_renamed_its_branch_below_itself_is_saved(mirror: Mirror, session: Repository) -> None:
    session.git("checkout", "--quiet", "-b", "topic")
    mirror.save_session("s1", session.path, "mainloop/fox")
    session.git("checkout", "--quiet", "mainloop/fox")
    session.git("branch", "-D", "topic")
    session.git("checkout", "--quiet", "-b", "topic/part")
    commit = session.commit("below")
    mirror.save_session("s1", session.path, "mainloop/fox")
    assert mirror.session_refs("s1")["heads/topic/part"] == commit


def test_an_unborn_branch_is_saved_as_nothing(mirror: Mirror, session: Repository) -> None:
    session.git("checkout", "--quiet", "--orphan", "fresh")
    base = mirror.session_refs("s1")["base"]
    assert mirror.save_session("s1", session.path, "mainloop/fox") == base


def test_a_bundle_is_taken_as_well(mirror: Mirror, session: Repository, tmp_path: Path) -> None:
    commit = session.commit("work")
    session.git("bundle", "create", "--quiet", str(tmp_path / "b"), "mainloop/fox", "HEAD", "^HEAD~1")
    assert mirror.save_session("s1", tmp_path / "b", "mainloop/fox") == commit


def test_two_sessions_do_not_touch_each_other(mirror: Mirror, session: Repository, tmp_path: Path) -> None:
    other = Repository(tmp_path / "other session")
    session.git("clone", "--quiet", ".", str(other.path))
    mirror.start_session("s2", mirror.resolve("main"))
    commits = (session.commit("mine"), other.commit("theirs"))
    workspaces = (session.path, other.path)
    with ThreadPoolExecutor(2) as pool:
        saved = pool.map(mirror.save_session, ("s1", "s2"), workspaces, ("mainloop/fox", "mainloop/fox"))
    assert tuple(saved) == commits
    assert mirror.session_refs("s1")["heads/mainloop/fox"] == commits[0]


@pytest.mark.parametrize("name", ["../s2", "a/b", "-x", "", "a b", "a\nb"])
def test_a_session_id_is_never_a_path(mirror: Mirror, name: str) -> None:
    with pytest.raises(ValueError, match="no session"):
        mirror.session_refs(name)


def test_programs_named_in_a_workspaces_configuration_never_run(
    mirror: Mirror, session: Repository, tmp_path: Path
) -> None:
    trap, ran = tmp_path / "trap", tmp_path / "ran"
    trap.write_text(f'#!/bin/sh\necho "$0 $@" >> "{ran}"\nexec "$@"\n')
    trap.chmod(0o755)
    commit = session.commit("work")
    for setting in (
        "core.fsmonitor",
        "core.sshCommand",
        "core.pager",
        "core.editor",
        "core.askPass",
        "core.alternateRefsCommand",
        "core.gitProxy",
        "uploadpack.packObjectsHook",
        "credential.helper",
        "gpg.program",
        "diff.external",
        "filter.x.smudge",
        "filter.x.clean",
        "remote.origin.uploadpack",
    ):
        session.git("config", setting, str(trap))
    session.git("config", "alias.upload-pack", f"!{trap}")
    session.git("config", "alias.pack-objects", f"!{trap}")
    session.git("config", "core.hooksPath", str(tmp_path / "hooks"))
    (tmp_path / "hooks").mkdir()
    for folder in (tmp_path / "hooks", session.path / ".git/hooks"):
        folder.mkdir(exist_ok=True)
        for hook in ("post-checkout", "pre-commit", "reference-transaction", "post-update", "fsmonitor-watchman"):
            (folder / hook).symlink_to(trap)
    assert mirror.save_session("s1", session.path, "mainloop/fox") == commit
    assert not ran.exists()


def test_settings_of_the_person_do_not_reach_the_reading_of_a_workspace(
    mirror: Mirror, session: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trap, ran = tmp_path / "trap", tmp_path / "ran"
    trap.write_text(f'#!/bin/sh\necho ran >> "{ran}"\nexec "$@"\n')
    trap.chmod(0o755)
    (tmp_path / ".gitconfig").write_text(f"[uploadpack]\n\tpackObjectsHook = {trap}\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    commit = session.commit("work")
    assert mirror.save_session("s1", session.path, "mainloop/fox") == commit
    assert not ran.exists()


def test_a_workspace_that_claims_a_shallow_past_does_not_cut_the_mirrors(mirror: Mirror, session: Repository) -> None:
    commit = session.commit("work")
    (session.path / ".git/shallow").write_text(f"{session.commit_at('HEAD~1')}\n")
    mirror.save_session("s1", session.path, "mainloop/fox")
    assert not (mirror.path / "shallow").exists()
    assert git("rev-list", "--count", commit, repository=mirror.path).strip() == "3"


def test_a_workspace_without_its_repository_is_an_error_and_changes_nothing(
    mirror: Mirror, session: Repository
) -> None:
    session.commit("work")
    mirror.save_session("s1", session.path, "mainloop/fox")
    before = mirror.session_refs("s1")
    (session.path / ".git").rename(session.path / "moved")
    with pytest.raises(GitFailed):
        mirror.save_session("s1", session.path, "mainloop/fox")
    assert mirror.session_refs("s1") == before


class _Locked(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="project"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@contextmanager
def _locked_server() -> Generator[str]:
    """The address of a server that lets nobody in."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Locked) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _running(mark: str) -> list[str]:
    out = subprocess.run(["ps", "-axww", "-o", "command="], capture_output=True, text=True, check=True).stdout
    return [line for line in out.splitlines() if mark in line and "pytest" not in line]


def looked(mirror: Mirror, workspace: Repository, scratch: Path) -> Looked:
    return look_at(workspace.path, scratch, NoSandbox(), scratch.with_name("hidden"), mirror.path, None)


def size(repository: Path) -> int:
    return sum(path.stat().st_size for path in (repository / "objects").rglob("*") if path.is_file())


@pytest.mark.spec("turns-3")
def test_a_year_of_turns_is_some_large_files_and_nothing_of_it_goes(
    mirror: Mirror, session: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two", "three"):
        (session.path / name).write_text(name + "".join(f"line {n}\n" for n in range(20_000)))
    beside = mirror.path.with_name("project.kept.git")
    head = session.commit_at("HEAD")
    trees: dict[int, str] = {}
    first = 0
    for turn in range(1, 10):
        if turn % 3:
            (session.path / f"file-{turn}").write_text(f"{turn}\n")
        if turn == 5:  # what lies beside a workspace is thrown away now and then
            shutil.rmtree(tmp_path / "looking")
        look = looked(mirror, session, tmp_path / "looking")
        assert mirror.keep_turn("s1", turn, look, head) == (look.tree, head)
        trees[turn] = look.tree
        first = first or size(beside)
    # Of a turn that changed nothing there is nothing; of the others a commit, a tree and the one file.
    mine = mirror.turns("s1")
    assert sorted(mine) == [1, 2, 4, 5, 7, 8]
    assert size(beside) - first < 10_000 < first
    monkeypatch.setattr("mainloop.projects.mirror._MANY_LOOSE", 0)
    (beside / "objects/17").mkdir(exist_ok=True)
    (session.path / "last").write_text("last\n")
    mirror.keep_turn("s1", 10, looked(mirror, session, tmp_path / "looking"), head)
    assert not list((beside / "refs").rglob("turns/*"))
    assert len(list((beside / "objects").rglob("*.pack"))) == 1
    assert not list((beside / "objects").glob("[0-9a-f][0-9a-f]/*"))
    assert {turn: commit for turn, commit in mirror.turns("s1").items() if turn < 10} == mine
    for turn, commit in mine.items():
        assert git("rev-parse", f"{commit}^{{tree}}", repository=beside).strip() == trees[turn]
    git("fsck", "--connectivity-only", "--no-dangling", repository=beside)
