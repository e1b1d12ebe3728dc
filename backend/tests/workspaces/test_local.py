"""Local workspaces with real git, real sandboxes and real processes."""

import contextlib
import dataclasses
import json
import os
import secrets
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mainloop.environment import agent_environment
from mainloop.git import git_identity
from mainloop.projects.mirror import Mirror
from mainloop.sandboxes.base import Policy, Sandbox
from mainloop.sandboxes.none import NoSandbox
from mainloop.testing.contracts.sandboxes import sleeping
from mainloop.testing.repositories import Repository
from mainloop.testing.waiting import eventually
from mainloop.workspaces.base import (
    Kept,
    RunSpec,
    Source,
    WorkspaceBroken,
    WorkspaceBusy,
    WorkspaceRefused,
    WorkspaceSpec,
)
from mainloop.workspaces.local import LONGEST_LOG, LocalWorkspaces

from .conftest import STAND_IN


def session(mirror: Mirror, project: Repository, thread_id: str = "s1", upstream: str = "main") -> WorkspaceSpec:
    mirror.fetch_upstream(str(project.path))
    commit = mirror.start_session(thread_id, mirror.resolve(upstream))
    return WorkspaceSpec(thread_id, Source(mirror.path, commit, upstream, f"mainloop/{thread_id}"))


def agent(script: str, mirror: Mirror | None = None, number: int = 1, **more: str) -> RunSpec:
    """A run of the stand-in whose agent is a shell script."""
    environment = {**agent_environment(os.environ, "claude"), **git_identity(), "AGENT": script, **more}
    return RunSpec("s1", number, "the-token", "http://127.0.0.1:9", environment, mirror.path if mirror else None)


def acts(local: LocalWorkspaces, home: Path, spec: RunSpec) -> str:
    """What the agent said until it ended."""
    folder = home / "threads" / spec.thread_id
    (folder / "agent-ended").unlink(missing_ok=True)
    assert local.start_run(spec) is not None
    eventually((folder / "agent-ended").exists)
    local.kill(spec.thread_id, grace=0)
    return (folder / "log").read_text()


def test_a_session_stands_on_its_own_branch_at_its_base(
    local: LocalWorkspaces, mirror: Mirror, project: Repository
) -> None:
    prepared = local.prepare(session(mirror, project))
    workspace = Repository(Path(prepared.path))
    assert (prepared.branch, prepared.base_commit) == ("mainloop/s1", project.commit_at("main"))
    assert workspace.git("symbolic-ref", "HEAD") == "refs/heads/mainloop/s1"
    assert workspace.git("status", "--porcelain") == ""
    assert (workspace.path / "README.md").read_text() == "line 2\n"


def test_a_session_compares_with_origin_as_agents_are_used_to(
    local: LocalWorkspaces, mirror: Mirror, project: Repository
) -> None:
    workspace = Repository(Path(local.prepare(session(mirror, project)).path))
    workspace.commit("work", {"new": "new"})
    assert workspace.git("diff", "--name-only", "origin/main") == "new"
    assert workspace.git("log", "--format=%s", "origin/HEAD..") == "work"


@pytest.mark.parametrize("upstream", ["größe/zweig", "v1.0", "a-b_c"])
def test_a_session_starts_from_any_branch(
    local: LocalWorkspaces, mirror: Mirror, project: Repository, upstream: str
) -> None:
    project.git("branch", upstream)
    workspace = Repository(Path(local.prepare(session(mirror, project, upstream=upstream)).path))
    assert workspace.commit_at(f"origin/{upstream}") == project.commit_at("main")


def test_a_session_starts_from_a_checkout_without_a_branch(
    local: LocalWorkspaces, mirror: Mirror, project: Repository
) -> None:
    project.git("checkout", "--quiet", "--detach", "HEAD~1")
    workspace = Repository(Path(local.prepare(session(mirror, project, upstream="HEAD")).path))
    assert workspace.commit_at("origin/HEAD") == project.commit_at("HEAD")


def test_a_session_of_a_shallow_checkout_works_and_is_saved(
    local: LocalWorkspaces, mirror: Mirror, project: Repository, home: Path
) -> None:
    project.git("clone", "--quiet", "--depth=1", f"file://{project.path}", str(home / "shallow"))
    workspace = Repository(Path(local.prepare(session(mirror, Repository(home / "shallow"))).path))
    assert workspace.git("log", "--format=%s") == "commit 2"
    commit = workspace.commit("work")
    assert local.save("s1", "mainloop/s1", mirror) == commit


def test_a_project_with_a_submodule_becomes_a_session_with_an_empty_folder_for_it(
    local: LocalWorkspaces, mirror: Mirror, project: Repository, home: Path
) -> None:
    part = Repository.make(home / "part")
    project.git("submodule", "--quiet", "add", str(part.path), "part")
    project.commit("with a part")
    workspace = Repository(Path(local.prepare(session(mirror, project)).path))
    assert not list((workspace.path / "part").iterdir())
    assert workspace.git("status", "--porcelain") == ""


@pytest.mark.parametrize("name", ['"quoted', "#hash", "line\nend", "it's", "größe"])
def test_a_home_with_any_name_holds_sessions(bubblewrap: Sandbox, project: Repository, home: Path, name: str) -> None:
    local = LocalWorkspaces(home / name, bubblewrap, STAND_IN)
    mirror = Mirror.create(home / name / "mirrors" / "p.git")
    workspace = Repository(Path(local.prepare(session(mirror, project)).path))
    commit = workspace.commit("work")
    assert local.save("s1", "mainloop/s1", mirror) == commit


def test_a_relative_home_below_tmp_works_too(
    bubblewrap: Sandbox, project: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    local = LocalWorkspaces(Path("home"), bubblewrap, STAND_IN)
    mirror = Mirror.create(Path("mirrors/p.git"))
    local.prepare(session(mirror, project))
    monkeypatch.chdir("/")
    script = "git commit --quiet --allow-empty -m made && git log --format=%s"
    assert "made\n" in acts(local, tmp_path / "home", agent(script, mirror))


def test_nothing_of_the_persons_templates_and_filters_runs_at_a_checkout(
    local: LocalWorkspaces, mirror: Mirror, project: Repository, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.commit("filtered", {".gitattributes": "* filter=trap\n", "a": "a"})
    ran, template = home / "ran", home / "template/hooks"
    template.mkdir(parents=True)
    (template / "post-checkout").write_text(f"#!/bin/sh\ntouch '{ran}'\n")
    (template / "post-checkout").chmod(0o755)
    config = home / "config"
    config.write_text(
        f'[init]\n\ttemplateDir = "{str(template.parent).replace(chr(34), chr(92) + chr(34))}"\n'
        f'[filter "trap"]\n\tsmudge = touch /var/tmp/mainloop-trap\n\trequired = true\n'
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    workspace = Path(local.prepare(session(mirror, project)).path)
    assert (workspace / "a").read_text() == "a"
    assert not ran.exists()
    assert not Path("/var/tmp/mainloop-trap").exists()
    assert not (workspace / ".git/hooks").exists()


def test_a_half_made_workspace_is_made_anew(
    local: LocalWorkspaces, mirror: Mirror, project: Repository, home: Path
) -> None:
    unfinished = home / "threads/s1/making-crashed/.git"
    unfinished.mkdir(parents=True)
    (home / "threads/s1/workspace").mkdir()
    workspace = Path(local.prepare(session(mirror, project)).path)
    assert (workspace / "README.md").exists()
    assert not unfinished.exists()


def test_a_workspace_that_holds_anything_is_never_made_anew(
    local: LocalWorkspaces, mirror: Mirror, project: Repository
) -> None:
    spec = session(mirror, project)
    workspace = Path(local.prepare(spec).path)
    (workspace / "unsaved").write_text("work")
    subprocess.run(["rm", "-r", workspace / ".git"], check=True)
    local.prepare(spec)
    assert (workspace / "unsaved").read_text() == "work"


def test_a_session_from_a_commit_that_is_not_there_is_refused_in_words(
    local: LocalWorkspaces, mirror: Mirror, project: Repository, home: Path
) -> None:
    mirror.fetch_upstream(str(project.path))
    for commit in ("0" * 39 + "1", "--hard", "main"):
        with pytest.raises(WorkspaceRefused) as refused:
            local.prepare(WorkspaceSpec("s1", Source(mirror.path, commit, "main", "mainloop/s1")))
        assert refused.value.sentence.startswith("The workspace can't be made: ")
    assert not (home / "threads/s1/workspace").exists()


@pytest.mark.parametrize("branch", ["--upload-pack=x", "a..b", "a b", ""])
def test_a_branch_git_does_not_take_is_refused_in_words(
    local: LocalWorkspaces, mirror: Mirror, project: Repository, branch: str
) -> None:
    source = session(mirror, project).source
    assert source
    with pytest.raises(WorkspaceRefused):
        local.prepare(WorkspaceSpec("s1", Source(mirror.path, source.commit, "main", branch)))


@pytest.mark.parametrize("name", ["../s1", "a/b", "", "-x", "a b"])
def test_a_thread_id_is_never_a_path(local: LocalWorkspaces, name: str) -> None:
    with pytest.raises(ValueError, match="no thread"):
        local.prepare(WorkspaceSpec(name))


def test_nobody_else_may_look_into_a_thread(local: LocalWorkspaces, home: Path) -> None:
    local.prepare(WorkspaceSpec("s1"))
    acts(local, home, agent("true"))
    folder = home / "threads/s1"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}
    assert (modes["s1"], modes["home"], modes["workspace"], modes["run.json"], modes["log"]) == (
        0o700,
        0o700,
        0o700,
        0o600,
        0o600,
    )


@pytest.mark.spec("home-13")
def test_a_long_log_is_put_aside_when_the_next_runner_starts(local: LocalWorkspaces, home: Path) -> None:
    local.prepare(WorkspaceSpec("s1"))
    log = home / "threads" / "s1" / "log"
    for number, text in enumerate(("the first", "the second"), start=1):
        log.write_text(text)
        os.truncate(log, LONGEST_LOG + 1)
        acts(local, home, agent("true", number=number))
        assert log.stat().st_size < LONGEST_LOG
        assert log.with_name("log.1").read_text().startswith(text)
    assert sorted(path.name for path in log.parent.glob("log*")) == ["log", "log.1"]


def test_the_token_lies_in_a_file_for_the_runner_alone(local: LocalWorkspaces, home: Path) -> None:
    folder = home / "threads/s1"
    local.prepare(WorkspaceSpec("s1"))
    local.start_run(agent(f"cat {shlex.quote(str(folder))}/*; env; cat /proc/*/environ; cat /proc/*/cmdline"))
    eventually((folder / "agent-ended").exists)
    assert "the-token" not in (folder / "run.json").read_text()
    assert "the-token" not in (folder / "log").read_text()


def test_an_agents_commit_in_the_sandbox_is_saved_into_the_mirror(
    local: LocalWorkspaces, mirror: Mirror, project: Repository, home: Path
) -> None:
    local.prepare(session(mirror, project))
    said = acts(local, home, agent("echo hi > n && git add -A && git commit -qm made && git rev-parse HEAD", mirror))
    assert local.save("s1", "mainloop/s1", mirror) == said.splitlines()[-1]


def test_the_agent_can_not_change_the_mirror(
    confined: LocalWorkspaces, mirror: Mirror, project: Repository, home: Path
) -> None:
    confined.prepare(session(mirror, project))
    place = shlex.quote(str(mirror.path))
    said = acts(confined, home, agent(f"echo x > {place}/objects/canary; rm -rf {place}", mirror))
    assert "Read-only file system" in said
    assert mirror.resolve("main") == project.commit_at("main")
    assert not (mirror.path / "objects/canary").exists()


def test_the_agent_sees_its_workspace_and_home_and_nothing_else_of_mainloop(
    confined: LocalWorkspaces, home: Path, nobodys_home: Path
) -> None:
    (home / "mainloop.db").write_text("canary-database")
    (nobodys_home / "diary").write_text("canary-diary")
    for thread in ("s1", "s2"):
        confined.prepare(WorkspaceSpec(thread))
        (home / f"threads/{thread}/spool").mkdir()
        (home / f"threads/{thread}/spool/1.jsonl").write_text("canary-spool")
        (home / f"threads/{thread}/workspace/file").write_text(f"work of {thread}")
    said = acts(
        confined,
        home,
        agent(
            f"cat {shlex.quote(str(home))}/* {shlex.quote(str(home))}/threads/*/* "
            f"{shlex.quote(str(home))}/threads/*/*/* {shlex.quote(str(nobodys_home))}/* 2>/dev/null; "
            "touch ~/mine here && echo wrote; (echo x > ../spool/1.jsonl; echo x > ../run.json) 2>/dev/null"
        ),
    )
    assert said == "work of s1wrote\n"
    assert json.loads((home / "threads/s1/run.json").read_text())["run"] == 1


def test_a_secret_of_the_server_reaches_no_agent(home: Path, sandbox: Sandbox) -> None:
    """Started by a server of its own, whose environment holds what must not be seen."""
    server = f"""
import os, sys
from pathlib import Path
from mainloop import plugins
from mainloop.environment import agent_environment
from mainloop.workspaces.base import RunSpec, WorkspaceSpec
from mainloop.workspaces.local import LocalWorkspaces
local = LocalWorkspaces(Path(sys.argv[1]), plugins.load("sandboxes", {sandbox.name!r})(), sys.argv[2:])
local.prepare(WorkspaceSpec("s1"))
script = "env; cat /proc/*/environ | tr '\\\\0' '\\\\n'"
environment = {{**agent_environment(os.environ, "claude"), "AGENT": script}}
local.start_run(RunSpec("s1", 1, "the-token", "http://127.0.0.1:9", environment))
os.kill(os.getpid(), 9)
"""
    secret = {
        "MAINLOOP_DATABASE_URL": "postgresql://canary",
        "DATABASE_URL": "postgresql://canary",
        "GITHUB_TOKEN": "canary",
        "AWS_SECRET_ACCESS_KEY": "canary",
        "OPENAI_API_KEY": "canary",
        "SSH_AUTH_SOCK": "/canary",
        "PIP_PASSWORD": "canary",
        "UV_PUBLISH_TOKEN": "canary",
        "MCP_TOOL_TIMEOUT": "4000",
        "ANTHROPIC_API_KEY": "for-the-agent",
    }
    subprocess.run(
        [sys.executable, "-c", server, str(home), *STAND_IN],
        env={**os.environ, **secret},
        check=False,
        timeout=60,
    )
    eventually((home / "threads/s1/agent-ended").exists)
    LocalWorkspaces(home, sandbox, STAND_IN).kill("s1", grace=0)
    said = (home / "threads/s1/log").read_text()
    assert "ANTHROPIC_API_KEY=for-the-agent" in said
    assert "canary" not in said
    assert "MCP_TOOL_TIMEOUT" not in said
    assert "the-token" not in said


def test_a_certificate_file_of_the_person_is_seen_by_the_agent(confined: LocalWorkspaces, home: Path) -> None:
    (home / "ca.pem").write_text("a certificate")
    confined.prepare(WorkspaceSpec("s1"))
    said = acts(confined, home, agent('cat "$SSL_CERT_FILE"', SSL_CERT_FILE=str(home / "ca.pem")))
    assert said == "a certificate"


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_kill_leaves_no_process(local: LocalWorkspaces, home: Path, stubborn: bool) -> None:
    mark = f"4321.{secrets.randbelow(10**9):09}"
    local.prepare(WorkspaceSpec("s1"))
    script = f"setsid nohup sleep {mark} >/dev/null 2>&1 & (sleep {mark} &) ; trap '' TERM; sleep {mark}"
    pid = local.start_run(agent(script, STUBBORN="yes") if stubborn else agent(script))
    eventually(lambda: len(sleeping(mark)) == 3)
    local.kill("s1", grace=0.1)
    assert not local.alive("s1")
    assert not sleeping(mark)
    assert pid is not None
    eventually(lambda: not Path(f"/proc/{pid}").exists())


def test_what_an_unconfined_agent_detached_ends_with_the_kill(home: Path) -> None:
    """As on a system where nothing ends an agent's processes with it."""

    class Nothing:
        name, confined = "none", False

        def wrap(self, policy: object) -> list[str]:
            return []

    mark = f"4321.{secrets.randbelow(10**9):09}"
    local = LocalWorkspaces(home, Nothing(), STAND_IN)  # pyright: ignore[reportArgumentType]
    local.prepare(WorkspaceSpec("s1"))
    local.start_run(agent(f"setsid nohup sleep {mark} >/dev/null 2>&1 & sleep {mark}"))
    eventually(lambda: len(sleeping(mark)) == 2)
    local.kill("s1", grace=0)
    assert not sleeping(mark)


@pytest.mark.spec("kills-33")
def test_what_hides_whose_it_is_ends_with_its_run_where_there_are_no_namespaces(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = NoSandbox()
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        assert "unshare" not in sandbox.wrap(Policy(home))
    mark = f"4321.{secrets.randbelow(10**9):09}"
    local = LocalWorkspaces(home, sandbox, STAND_IN)
    local.prepare(WorkspaceSpec("s1"))
    local.start_run(agent(f"sh -c 'env -i setsid nohup sleep {mark} >/dev/null 2>&1 &'; sleep {mark}"))
    eventually(lambda: len(sleeping(mark)) == 2)
    local.kill("s1", grace=0)
    eventually(lambda: not sleeping(mark))


def test_a_runner_killed_from_outside_takes_all_with_it(local: LocalWorkspaces) -> None:
    mark = f"4321.{secrets.randbelow(10**9):09}"
    local.prepare(WorkspaceSpec("s1"))
    pid = local.start_run(agent(f"setsid nohup sleep {mark} >/dev/null 2>&1 & sleep {mark}"))
    assert pid is not None
    eventually(lambda: len(sleeping(mark)) == 2)
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not sleeping(mark) and not local.alive("s1"))


def test_a_kill_spares_the_runner_beside_it(local: LocalWorkspaces) -> None:
    for thread in ("s1", "s11"):
        local.prepare(WorkspaceSpec(thread))
        local.start_run(RunSpec(thread, 1, "t", "http://127.0.0.1:9", {"PATH": os.environ["PATH"]}))
        eventually(lambda thread=thread: local.alive(thread))
    local.kill("s1", grace=0)
    assert local.alive("s11")


def test_a_kill_spares_a_process_that_only_names_the_run_file(local: LocalWorkspaces, home: Path) -> None:
    run_file = home / "threads/s1/run.json"
    local.prepare(WorkspaceSpec("s1"))
    local.start_run(agent("true"))
    eventually(lambda: local.alive("s1"))
    with subprocess.Popen(["tail", "-f", run_file], stdout=subprocess.DEVNULL) as reader:
        local.kill("s1", grace=0)
        assert reader.poll() is None
        reader.kill()


def test_two_that_look_at_the_same_time_do_not_take_each_other_for_a_runner(local: LocalWorkspaces, home: Path) -> None:
    local.prepare(WorkspaceSpec("s1"))
    (home / "threads/s1/lock").touch()
    script = (
        "import sys\nfrom pathlib import Path\nfrom mainloop.workspaces.local.processes import locked\n"
        "print(sum(locked(Path(sys.argv[1])) for _ in range(5000)))"
    )
    lookers = [
        subprocess.Popen([sys.executable, "-c", script, home / "threads/s1/lock"], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [looker.communicate()[0].strip() for looker in lookers] == ["0", "0"]


@pytest.mark.spec("sessions-28")
def test_what_an_agent_runs_is_told_without_what_stands_around_it(local: LocalWorkspaces, home: Path) -> None:
    assert local.processes("s1") == []
    local.prepare(WorkspaceSpec("s1"))
    before = datetime.now(UTC) - timedelta(seconds=2)
    local.start_run(agent("sleep 4321 & exec sleep 1234"))
    eventually(lambda: len(local.processes("s1") or []) == 2)
    found = local.processes("s1")
    assert found is not None
    assert sorted(process.command for process in found) == ["sleep 1234", "sleep 4321"]
    for process in found:
        assert before <= process.started_at <= datetime.now(UTC) + timedelta(seconds=2)
        assert 0 < process.memory < 100_000_000
    assert local.processes("s2") == []
    local.kill("s1", grace=0)
    assert local.processes("s1") == []


def test_a_runner_outlives_the_server_that_started_it(home: Path, sandbox: Sandbox) -> None:
    server = f"""
import os, sys
from pathlib import Path
from mainloop import plugins
from mainloop.workspaces.base import RunSpec, WorkspaceSpec
from mainloop.workspaces.local import LocalWorkspaces
local = LocalWorkspaces(Path(sys.argv[1]), plugins.load("sandboxes", {sandbox.name!r})(), sys.argv[2:])
local.prepare(WorkspaceSpec("s1"))
local.start_run(RunSpec("s1", 1, "t", "http://127.0.0.1:9", {{"PATH": os.environ["PATH"], "AGENT": "sleep 60"}}))
while not (Path(sys.argv[1], "threads/s1/lock").exists() and local.alive("s1")):
    pass
os.killpg(os.getpgid(0), 9)
"""
    subprocess.run(
        [sys.executable, "-c", server, str(home), *STAND_IN], start_new_session=True, check=False, timeout=60
    )
    next_server = LocalWorkspaces(home, sandbox, STAND_IN)
    assert next_server.alive("s1")
    assert next_server.start_run(agent("true", number=2)) is None
    next_server.kill("s1", grace=0)
    assert not next_server.alive("s1")


def test_saving_what_has_no_repository_says_so(local: LocalWorkspaces, mirror: Mirror) -> None:
    local.prepare(WorkspaceSpec("s1"))
    with pytest.raises(WorkspaceBroken) as broken:
        local.save("s1", "mainloop/s1", mirror)
    assert broken.value.sentence == (
        "The workspace of s1 can't be read: Its .git folder is gone. Nothing in it was touched."
    )


@pytest.mark.parametrize("trick", ["file", "link", "commondir", "objects", "alternates", "refs"])
def test_an_agent_can_not_have_another_repository_of_the_person_read(
    confined: LocalWorkspaces, mirror: Mirror, project: Repository, home: Path, trick: str
) -> None:
    private = Repository.make(home / "private")
    secret = private.commit("secret", {"secret": "canary"})
    workspace = Path(confined.prepare(session(mirror, project)).path)
    theirs, mine = private.path / ".git", workspace / ".git"
    if trick in ("file", "link"):
        mine.rename(workspace / "old")
        if trick == "file":
            mine.write_text(f"gitdir: {theirs}\n")
        else:
            mine.symlink_to(theirs)
    elif trick == "commondir":
        (mine / "commondir").write_text(f"{theirs}\n")
    elif trick == "alternates":
        with (mine / "objects/info/alternates").open("a") as alternates:
            alternates.write(f"{theirs / 'objects'}\n")
        (mine / "refs/heads/stolen").write_text(f"{secret}\n")
    else:
        (mine / trick).rename(mine / "old")
        (mine / trick).symlink_to(theirs / trick)
        if trick == "objects":
            (mine / "refs/heads/mainloop/s1").write_text(f"{secret}\n")
    with contextlib.suppress(WorkspaceBroken):
        confined.save("s1", "mainloop/s1", mirror)
    assert secret not in mirror.session_refs("s1").values()
    found = subprocess.run(
        ["git", "--git-dir", mirror.path, "cat-file", "-e", secret], capture_output=True, check=False
    )
    assert found.returncode != 0


def test_a_program_in_a_workspaces_configuration_does_not_run_on_the_host(
    local: LocalWorkspaces, mirror: Mirror, project: Repository, home: Path
) -> None:
    workspace = Repository(Path(local.prepare(session(mirror, project)).path))
    commit = workspace.commit("work")
    ran = home / "ran"
    for setting in ("core.fsmonitor", "uploadpack.packObjectsHook", "core.alternateRefsCommand", "core.pager"):
        workspace.git(
            "config", setting, f"touch {shlex.quote(str(ran))} {shlex.quote(tempfile.gettempdir())}/ran; false"
        )
    assert local.save("s1", "mainloop/s1", mirror) == commit
    assert not ran.exists()


@pytest.mark.spec("projects-9")
def test_files_that_came_along_are_ignored_by_git_there(
    local: LocalWorkspaces, mirror: Mirror, project: Repository, home: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    for name in (".env", "a [b] c", "README"):
        (mine / name).write_text("mine")
    spec = dataclasses.replace(session(mirror, project), beside=mine, files=(".env", "a [b] c"))
    workspace = Path(local.prepare(spec).path)
    assert (workspace / "a [b] c").read_text() == "mine"
    seen = subprocess.run(
        ["git", "status", "--porcelain", "-uall"], cwd=workspace, check=True, capture_output=True, text=True
    )
    assert seen.stdout == ""


@pytest.mark.spec("projects-9")
@pytest.mark.parametrize("way", ["local", ".git/info", ".git/info/exclude", ".git", None])
def test_files_that_come_along_again_go_through_no_link_of_an_agent(
    local: LocalWorkspaces, mirror: Mirror, project: Repository, home: Path, tmp_path: Path, way: str | None
) -> None:
    (tmp_path / "mine/local").mkdir(parents=True)
    (tmp_path / "mine/local/settings").write_text("mine")
    spec = dataclasses.replace(session(mirror, project), beside=tmp_path / "mine", files=("local",))
    workspace = Path(local.prepare(spec).path)
    # What the agent would have written for it.
    outside = home / "outside"
    (outside / "info").mkdir(parents=True)
    (outside / "exclude").write_text("")
    shutil.rmtree(workspace / "local")
    if way == ".git/info/exclude":
        (workspace / way).unlink()
        (workspace / way).symlink_to(outside / "exclude")
    elif way is not None:
        shutil.rmtree(workspace / way, ignore_errors=True)
        (workspace / way).symlink_to(outside)
    else:
        shutil.rmtree(workspace / ".git/info")
    (workspace / "notes").write_text("the agent's")
    assert local.keep("s1", 1, mirror)
    assert local.remove("s1", lambda: True)

    assert local.prepare(dataclasses.replace(spec, kept=Kept(mirror, 1))).put_back
    assert (workspace / "notes").read_text() == "the agent's"
    assert [p for p in outside.rglob("*") if p.is_file()] == [outside / "exclude"]
    assert (outside / "exclude").read_text() == ""
    if way is None:
        assert (workspace / "local/settings").read_text() == "mine"
        assert "/local\n" in (workspace / ".git/info/exclude").read_text()


def test_what_came_along_is_named_once_to_git_however_often_a_workspace_is_put_back(
    local: LocalWorkspaces, mirror: Mirror, project: Repository, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    for name in (".env", "local"):
        (tmp_path / "mine" / name).write_text("mine")
    spec = dataclasses.replace(session(mirror, project), beside=tmp_path / "mine", files=(".env",))
    exclude = Path(local.prepare(spec).path) / ".git/info/exclude"
    with exclude.open("a") as own:
        own.write("# the agent's, without an end")
    for number, names in ((1, (".env",)), (2, (".env", "local"))):
        assert local.keep("s1", number, mirror)
        assert local.remove("s1", lambda: True)
        assert local.prepare(dataclasses.replace(spec, files=names, kept=Kept(mirror, number))).put_back
    lines = exclude.read_text().splitlines()
    assert [lines.count(line) for line in ("/.env", "/local", "# the agent's, without an end")] == [1, 1, 1]


def test_a_session_is_saved_while_its_agent_works(
    local: LocalWorkspaces, mirror: Mirror, project: Repository, home: Path
) -> None:
    local.prepare(session(mirror, project))
    local.start_run(agent("while :; do git commit --quiet --allow-empty -m more; done", mirror))
    base = project.commit_at("main")
    eventually(lambda: local.save("s1", "mainloop/s1", mirror) not in (base, None))
    first = local.save("s1", "mainloop/s1", mirror)
    eventually(lambda: local.save("s1", "mainloop/s1", mirror) != first)
    local.kill("s1", grace=0)


@pytest.mark.spec("kills-22")
@pytest.mark.parametrize("replaced", [False, True])
def test_a_runner_whose_lock_was_taken_away_loses_nothing_and_no_second_one_works_beside_it(
    local: LocalWorkspaces, mirror: Mirror, home: Path, replaced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # This one does not leave, however long one waits.
    monkeypatch.setattr("mainloop.workspaces.local.LEAVING_SECONDS", 0.5)
    first, second = (f"4321.{secrets.randbelow(10**9):09}" for _ in range(2))
    workspace = Path(local.prepare(WorkspaceSpec("s1")).path)
    (workspace / "work").touch()
    local.start_run(agent(f"sleep {first}"))
    eventually(lambda: sleeping(first))
    (home / "threads/s1/lock").unlink()
    if replaced:
        (home / "threads/s1/lock").touch()
    with pytest.raises(WorkspaceBusy):
        local.keep("s1", 1, mirror)
    with pytest.raises(WorkspaceBusy):
        local.remove("s1", lambda: True)
    assert (workspace / "work").exists()
    if replaced:
        # A free lock reads as a dead runner: whoever lives all the same is ended before another one starts.
        local.start_run(agent(f"sleep {second}", number=2))
        eventually(lambda: sleeping(second))
        assert not sleeping(first)
    else:
        assert local.alive("s1")
        assert local.start_run(agent(f"sleep {second}", number=2)) is None
        assert sleeping(first)
