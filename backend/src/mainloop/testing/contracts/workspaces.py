"""What every kind of workspace promises. A subclass gives the fixture `workspaces`, whose runners stay until killed."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mainloop.testing.waiting import eventually
from mainloop.workspaces.base import RunSpec, Workspaces, WorkspaceSpec


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
