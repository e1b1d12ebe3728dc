"""What a person sets for a project: refused in words where it can't hold, and there for each session that begins."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mainloop.testing.inprocess import InProcessServer

from .test_projects_api import repository, settled

POLICY = {
    "how": "squash",
    "needs_green": True,
    "needs_approval": True,
    "by_itself": True,
    "reach": "never",
    "repairs": 2,
}


@pytest.fixture(params=["sqlite"])
def database_kind(request: pytest.FixtureRequest) -> str:
    """Nothing here depends on the database."""
    return request.param


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return repository(tmp_path / "rocket")


@pytest.fixture
def project(server: InProcessServer, source: Path) -> str:
    made = server.person.post("/api/projects", {"source": str(source)})
    return str(settled(server, made["id"])["id"])


def commit(source: Path, files: dict[str, str], branch: str = "trunk") -> None:
    who = ("-c", "user.name=sam", "-c", "user.email=sam@example.org")
    subprocess.run(["git", "checkout", "-q", "-B", branch], cwd=source, check=True)
    for name, text in files.items():
        (source / name).write_text(text)
    subprocess.run(["git", "add", "-A"], cwd=source, check=True)
    subprocess.run(["git", *who, "commit", "-q", "-m", "more"], cwd=source, check=True)


def change(server: InProcessServer, project: str, expect: int = 200, **settings: Any) -> Any:
    return patch(server, project, {"settings": settings}, expect)


def patch(server: InProcessServer, project: str, body: dict[str, Any], expect: int = 200) -> Any:
    # As any program may write it: signs that are no text included.
    answer = server.person.http.patch(
        f"/api/projects/{project}", content=json.dumps(body), headers={"content-type": "application/json"}
    )
    assert answer.status_code == expect, answer.text
    return answer.json()


@pytest.mark.spec("projects-1")
def test_settings_are_kept_and_what_is_not_named_stays(server: InProcessServer, project: str) -> None:
    given: dict[str, Any] = {
        "set_up": " npm ci ",
        "test": "npm test",
        "environment": {"CI": "1"},
        "instructions": "Be brief.",
    }
    changed = change(server, project, **given)
    assert changed["settings"] == {**given, "set_up": "npm ci", "branch": None, "files": [], "merge": POLICY}
    patch(server, project, {"keep_ignored": ["*.log"]})
    patch(server, project, {"settings": {"test": "npm test"}})
    (again,) = server.person.get("/api/projects")["projects"]
    assert again["settings"] == changed["settings"]
    assert again["keep_ignored"] == ["*.log"]


@pytest.mark.spec("projects-11")
def test_how_changes_are_merged_is_set_part_by_part(server: InProcessServer, project: str) -> None:
    assert change(server, project, merge={"how": "rebase"})["settings"]["merge"] == {**POLICY, "how": "rebase"}
    changed = change(server, project, merge={"repairs": 0, "reach": "branch"})
    assert changed["settings"]["merge"] == {**POLICY, "how": "rebase", "repairs": 0, "reach": "branch"}
    assert change(server, project, merge={"how": "by hope"}, expect=422)["code"] == "bad_input"


@pytest.mark.spec("projects-2")
@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"branch": "nowhere"}, "There is no branch nowhere in this project. It has: trunk."),
        ({"environment": {"ANTHROPIC_API_KEY": "x"}}, "it says how the agent itself runs"),
        ({"environment": {"LD_PRELOAD": "x.so"}}, "it says how the agent itself runs"),
        ({"environment": {"1A": "x"}}, "no name for a variable"),
        ({"environment": {"A": "\0"}}, "a sign that is no text"),
        ({"environment": {"A": "\ud800"}}, "a sign that is no text"),
        ({"set_up": "echo \0"}, "a sign that is no text"),
        ({"instructions": "\udfff"}, "should be a valid string"),
        ({"files": ["../.ssh/id_rsa"]}, "no path inside of the project"),
        ({"files": ["/etc/passwd"]}, "no path inside of the project"),
        ({"files": [".git/config"]}, "no path inside of the project"),
        ({"files": ["a\nb"]}, "each is one line"),
        ({"set_up": "x" * 10_001}, "10000"),
    ],
)
def test_what_can_not_hold_is_refused_in_a_sentence(
    server: InProcessServer, project: str, settings: dict[str, Any], says: str
) -> None:
    refused = change(server, project, expect=422, **settings)
    assert says in refused["detail"]
    (kept,) = server.person.get("/api/projects")["projects"]
    assert kept["settings"]["environment"] == {}


@pytest.mark.spec("projects-3")
@pytest.mark.parametrize(
    ("files", "set_up", "test"),
    [
        ({"package.json": '{"scripts": {"test": "vitest"}}', "package-lock.json": "{}"}, ["npm ci"], ["npm test"]),
        ({"package.json": "not json", "pnpm-lock.yaml": ""}, ["pnpm install --frozen-lockfile"], []),
        ({"uv.lock": "", "pyproject.toml": ""}, ["uv sync"], ["uv run pytest"]),
        ({"Makefile": "install:\n\ttrue\ntest: install\n\ttrue\nA := b\n"}, ["make install"], ["make test"]),
        ({"go.mod": "module x\n"}, ["go mod download"], ["go test ./..."]),
        ({"Cargo.toml": ""}, ["cargo fetch"], ["cargo test"]),
        ({"README": "nothing to go by"}, [], []),
    ],
)
def test_set_up_and_test_commands_are_found_by_the_files_of_the_project(
    server: InProcessServer, source: Path, tmp_path: Path, files: dict[str, str], set_up: list[str], test: list[str]
) -> None:
    commit(source, files)
    made = server.person.post("/api/projects", {"source": str(source)})
    settled(server, made["id"])
    found = server.person.get(f"/api/projects/{made['id']}/found")
    assert found["branches"] == ["trunk"]
    assert [proposal["command"] for proposal in found["set_up"]] == set_up
    assert [proposal["command"] for proposal in found["test"]] == test


@pytest.mark.spec("projects-4", "projects-5", "projects-6", "projects-8", "projects-9")
def test_a_session_begins_with_what_was_set(server: InProcessServer, source: Path) -> None:
    commit(source, {"a": "1"})
    commit(source, {"b": "2"}, branch="next")
    subprocess.run(["git", "checkout", "-q", "trunk"], cwd=source, check=True)
    (source / ".env").write_text("KEY=local")
    (source / "local").mkdir()
    (source / "local/settings").write_text("mine")
    made = server.person.post("/api/projects", {"source": str(source)})
    project = settled(server, made["id"])["id"]
    change(
        server, project, branch="next", set_up="make ready", test="make test", environment={"CI": "1"},
        instructions="Write British English.", files=[".env", "local"],
    )  # fmt: skip
    server.person.post("/api/sessions", {"id": "session-1", "prompt": "Do it.", "project": project})
    runner = server.runner("session-1")
    welcome = runner.hello()
    assert welcome.set_up == "make ready"
    assert "`make test`" in welcome.prompt
    assert "Write British English." in welcome.prompt
    (run,) = [spec for spec in server.workspaces.started if spec.thread_id == "session-1"]
    assert run.variables == {"CI": "1"}
    workspace = server.settings.home / "threads/session-1/workspace"
    assert (workspace / ".env").read_text() == "KEY=local"
    assert (workspace / "local/settings").read_text() == "mine"
    assert server.workspaces.commits["session-1"] == _commit(source, "next")


def _commit(source: Path, branch: str) -> str:
    asked = subprocess.run(["git", "rev-parse", branch], cwd=source, check=True, capture_output=True, text=True)
    return asked.stdout.strip()


@pytest.mark.spec("projects-6")
def test_a_set_up_that_comes_later_runs_in_no_workspace_that_was_worked_in(
    server: InProcessServer, project: str
) -> None:
    server.person.post("/api/sessions", {"id": "session-1", "prompt": "Do it.", "project": project})
    runner = server.runner("session-1")
    assert runner.hello().set_up == ""
    change(server, project, set_up="git clean -fdx")
    assert runner.hello().set_up == ""
    server.person.post("/api/sessions", {"id": "session-2", "prompt": "Do it.", "project": project})
    assert server.runner("session-2").hello().set_up == "git clean -fdx"


@pytest.mark.spec("projects-2")
def test_a_branch_is_set_once_the_branches_are_known(server: InProcessServer, tmp_path: Path) -> None:
    made = server.person.post("/api/projects", {"source": str(tmp_path / "nothing here")}, expect=422)
    assert "detail" in made
    (tmp_path / "plain").mkdir()
    failed = settled(server, server.person.post("/api/projects", {"source": str(tmp_path / "plain")})["id"])
    assert "has been fetched" in change(server, failed["id"], expect=422, branch="main")["detail"]
