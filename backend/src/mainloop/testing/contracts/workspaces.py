"""What every kind of workspace promises. A subclass gives the fixture `workspaces`, whose runners stay until killed."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mainloop.git import git_bytes
from mainloop.projects.mirror import Mirror
from mainloop.testing.waiting import eventually
from mainloop.workspaces.base import Kept, RunSpec, WorkspaceBusy, WorkspaceRefused, Workspaces, WorkspaceSpec


class WorkspacesContract:
    def test_a_thread_without_a_project_gets_an_empty_folder(self, workspaces: Workspaces) -> None:
        prepared = workspaces.prepare(WorkspaceSpec("main"))
        assert (prepared.branch, prepared.base_commit) == (None, None)
        assert not list(Path(prepared.path).iterdir())

    def test_preparing_again_finds_the_workspace_as_the_agent_left_it(self, workspaces: Workspaces) -> None:
        first = workspaces.prepare(WorkspaceSpec("s1"))
        (Path(first.path) / "notes").write_text("mine")
        assert workspaces.prepare(WorkspaceSpec("s1")) == first
        assert (Path(first.path) / "notes").read_text() == "mine"

    @pytest.mark.spec("projects-9")
    def test_files_of_the_person_come_along_once_and_links_out_of_their_folder_do_not(
        self, workspaces: Workspaces, tmp_path: Path
    ) -> None:
        mine = tmp_path / "mine"
        (mine / "local").mkdir(parents=True)
        (mine / ".env").write_text("KEY=local")
        (mine / "local/settings").write_text("mine")
        (tmp_path / "secret").write_text("secret")
        (mine / "local/out").symlink_to(tmp_path / "secret")
        spec = WorkspaceSpec("s1", beside=mine, files=(".env", "local"))
        path = Path(workspaces.prepare(spec).path)
        assert {str(p.relative_to(path)) for p in path.rglob("*") if p.is_file()} == {".env", "local/settings"}
        (path / ".env").write_text("KEY=other")
        workspaces.prepare(spec)
        assert (path / ".env").read_text() == "KEY=other"
        assert (mine / ".env").read_text() == "KEY=local"
        (mine / "away").symlink_to(tmp_path / "secret")
        for missing in ("nowhere", "away"):
            with pytest.raises(WorkspaceRefused, match=f"{missing} is to be copied"):
                workspaces.prepare(WorkspaceSpec(f"s-{missing}", beside=mine, files=(missing,)))

    def test_many_may_prepare_the_same_workspace_at_once(self, workspaces: Workspaces) -> None:
        with ThreadPoolExecutor(8) as pool:
            assert len(set(pool.map(workspaces.prepare, [WorkspaceSpec("s1")] * 8))) == 1

    def test_two_threads_have_two_workspaces(self, workspaces: Workspaces) -> None:
        assert workspaces.prepare(WorkspaceSpec("s1")).path != workspaces.prepare(WorkspaceSpec("s2")).path

    def test_nobody_lives_before_a_start(self, workspaces: Workspaces) -> None:
        assert not workspaces.alive("s1")
        workspaces.prepare(WorkspaceSpec("s1"))
        assert not workspaces.alive("s1")

    def test_a_started_runner_lives_and_only_in_its_own_thread(self, workspaces: Workspaces) -> None:
        start(workspaces, "s1")
        workspaces.prepare(WorkspaceSpec("s2"))
        assert not workspaces.alive("s2")
        workspaces.kill("s1", grace=0)

    def test_where_a_runner_lives_no_second_one_is_started(self, workspaces: Workspaces) -> None:
        start(workspaces, "s1")
        assert workspaces.start_run(run("s1", 2)) is None
        assert workspaces.alive("s1")
        workspaces.kill("s1", grace=0)

    def test_a_killed_runner_is_dead_and_its_workspace_stays(self, workspaces: Workspaces) -> None:
        start(workspaces, "s1")
        path = Path(workspaces.prepare(WorkspaceSpec("s1")).path)
        (path / "notes").write_text("mine")
        workspaces.kill("s1", grace=0)
        assert not workspaces.alive("s1")
        assert (path / "notes").read_text() == "mine"

    def test_after_a_kill_a_new_run_starts(self, workspaces: Workspaces) -> None:
        start(workspaces, "s1")
        workspaces.kill("s1", grace=0)
        start(workspaces, "s1", 2)
        workspaces.kill("s1", grace=0)

    def test_killing_what_does_not_live_does_nothing(self, workspaces: Workspaces) -> None:
        workspaces.kill("s1", grace=0)
        workspaces.prepare(WorkspaceSpec("s1"))
        workspaces.kill("s1", grace=0)
        assert not workspaces.alive("s1")

    def test_a_description_says_what_is_there(self, workspaces: Workspaces) -> None:
        assert not workspaces.describe("s1").exists
        start(workspaces, "s1")
        found = workspaces.describe("s1")
        assert (found.exists, found.alive) == (True, True)
        workspaces.kill("s1", grace=0)
        assert not workspaces.describe("s1").alive

    def test_what_is_in_a_workspace_is_kept_and_comes_back_as_it_was(
        self, workspaces: Workspaces, mirror: Mirror
    ) -> None:
        path = Path(workspaces.prepare(WorkspaceSpec("s1")).path)
        scatter(path)
        before = seen(path)
        assert workspaces.keep("s1", 1, mirror)
        assert seen(path) == before
        assert workspaces.remove("s1", lambda: True)
        assert not path.exists()
        again = workspaces.prepare(WorkspaceSpec("s1", kept=Kept(mirror, 1)))
        assert again.put_back
        assert seen(Path(again.path)) == before

    def test_what_was_kept_is_kept_once(self, workspaces: Workspaces, mirror: Mirror) -> None:
        path = Path(workspaces.prepare(WorkspaceSpec("s1")).path)
        (path / "notes").write_text("first")
        workspaces.keep("s1", 1, mirror)
        (path / "notes").write_text("second")
        assert workspaces.keep("s1", 1, mirror)
        assert workspaces.keep("s1", 2, mirror)
        shutil.rmtree(path)
        for number, words in ((1, "first"), (2, "second")):
            back = Path(workspaces.prepare(WorkspaceSpec("s1", kept=Kept(mirror, number))).path)
            assert (back / "notes").read_text() == words
            shutil.rmtree(back)

    def test_a_workspace_that_stands_is_not_put_back_over(self, workspaces: Workspaces, mirror: Mirror) -> None:
        path = Path(workspaces.prepare(WorkspaceSpec("s1")).path)
        (path / "notes").write_text("first")
        workspaces.keep("s1", 1, mirror)
        (path / "notes").write_text("second")
        assert not workspaces.prepare(WorkspaceSpec("s1", kept=Kept(mirror, 1))).put_back
        assert (path / "notes").read_text() == "second"

    def test_in_an_empty_workspace_there_is_nothing_to_keep(self, workspaces: Workspaces, mirror: Mirror) -> None:
        assert not workspaces.keep("s1", 1, mirror)
        path = Path(workspaces.prepare(WorkspaceSpec("s1")).path)
        assert not workspaces.keep("s1", 1, mirror)
        assert mirror.session_refs("s1") == {}
        assert workspaces.remove("s1", lambda: True)
        assert not path.exists()
        assert workspaces.remove("s1", lambda: True)

    @pytest.mark.spec("kept-9")
    def test_while_a_runner_lives_nothing_is_kept_or_removed(self, workspaces: Workspaces, mirror: Mirror) -> None:
        start(workspaces, "s1")
        path = Path(workspaces.prepare(WorkspaceSpec("s1")).path)
        (path / "notes").write_text("mine")
        with pytest.raises(WorkspaceBusy):
            workspaces.keep("s1", 1, mirror)
        with pytest.raises(WorkspaceBusy):
            workspaces.remove("s1", lambda: True)
        workspaces.kill("s1", grace=0)
        assert (path / "notes").read_text() == "mine"
        assert mirror.session_refs("s1") == {}

    def test_what_may_not_go_any_more_stays(self, workspaces: Workspaces) -> None:
        path = Path(workspaces.prepare(WorkspaceSpec("s1")).path)
        (path / "notes").write_text("mine")
        assert not workspaces.remove("s1", lambda: False)
        assert (path / "notes").read_text() == "mine"

    def test_a_look_sees_the_files_as_they_lie_there(self, workspaces: Workspaces, mirror: Mirror) -> None:
        assert workspaces.look("s1", mirror.path, None) is None
        path = Path(workspaces.prepare(WorkspaceSpec("s1")).path)
        empty = workspaces.look("s1", mirror.path, None)
        (path / "notes").write_text("mine")
        (path / "closed").mkdir()
        (path / "closed/inside").write_text("inside")
        (path / "closed").chmod(0o500)
        before = seen(path)
        first, again = (workspaces.look("s1", mirror.path, None) for _ in range(2))
        assert empty is not None
        assert first is not None
        assert first == again != empty
        assert seen(path) == before
        listed = git_bytes("ls-tree", "-r", "--name-only", first.tree, repository=first.repository, behind=first.behind)
        assert listed.decode().split() == ["closed/inside", "notes"]
        (path / "closed").chmod(0o700)


def scatter(folder: Path) -> None:
    """Files of every sort, under names of every sort."""
    (folder / "deep/er").mkdir(parents=True)
    (folder / "empty/inside").mkdir(parents=True)
    (folder / "deep/er/bytes").write_bytes(bytes(range(256)) * 40)
    (folder / "lines").write_bytes(b"unix\nwindows\r\nnone")
    (folder / ".gitattributes").write_text("* text eol=crlf\n*.big filter=lfs diff=lfs merge=lfs -text\n")
    (folder / "video.big").write_text("not a pointer")
    (folder / "pointer.big").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    (folder / "run").write_text("#!/bin/sh\n")
    (folder / "run").chmod(0o755)
    (folder / "nothing").touch()
    for name, mode in {"secret": 0o600, "shared": 0o664, "for all": 0o777, "final": 0o444}.items():
        (folder / name).write_text(name)
        (folder / name).chmod(mode)
        os.utime(folder / name, ns=(0, 1_000_000_000_123_456_789 + mode))
    (folder / "closed").mkdir()
    (folder / "closed/inside").write_text("inside")
    (folder / "closed").chmod(0o500)
    for name in ('quo"te', "new\nline", "back\\slash", "%percent", "git~1", "ünïcode", "-dash", " space "):
        (folder / name).write_text(name)
    (folder / os.fsdecode(b"not-utf8-\xff")).write_text("x")
    (folder / "link").symlink_to("lines")
    (folder / "dangling").symlink_to("/nowhere/at/all")
    (folder / "to-folder").symlink_to("deep")


def seen(folder: Path) -> dict[str, object]:
    """Everything below a folder: links, contents, permissions, and when it was changed."""

    def look(place: Path) -> object:
        if place.is_symlink():
            return place.readlink()
        found = place.stat()
        contents = None if place.is_dir() else place.read_bytes()
        return contents, oct(found.st_mode), found.st_mtime_ns

    return {str(place.relative_to(folder)): look(place) for place in folder.rglob("*")}


def start(workspaces: Workspaces, thread_id: str, number: int = 1) -> int:
    """Prepares, starts a run, waits until it lives."""
    workspaces.prepare(WorkspaceSpec(thread_id))
    pid = workspaces.start_run(run(thread_id, number))
    assert pid is not None
    eventually(lambda: workspaces.alive(thread_id))
    return pid


def run(thread_id: str, number: int) -> RunSpec:
    # Nobody answers at this address; a runner goes on trying.
    return RunSpec(thread_id, number, f"token-{number}", "http://127.0.0.1:9", {"PATH": "/usr/bin:/bin"})
