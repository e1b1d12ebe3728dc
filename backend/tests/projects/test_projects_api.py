"""Adding projects over HTTP: what is no repository ends in a sentence."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from mainloop.testing.inprocess import InProcessServer


@pytest.fixture(params=["sqlite"])
def database_kind(request: pytest.FixtureRequest) -> str:
    """Nothing here depends on the database."""
    return request.param


def repository(path: Path, *, commit: bool = True) -> Path:
    path.mkdir(parents=True)

    def git(*arguments: str) -> None:
        who = ("-c", "user.name=sam", "-c", "user.email=sam@example.org")
        subprocess.run(["git", *who, *arguments], cwd=path, check=True, capture_output=True)

    git("init", "-q", "-b", "trunk")
    if commit:
        git("commit", "-q", "--allow-empty", "-m", "first")
    return path


def settled(server: InProcessServer, ident: str) -> Any:
    """A project when it is no longer fetching."""

    def look() -> Any:
        projects = server.person.get("/api/projects")["projects"]
        return next((p for p in projects if p["id"] == ident and p["state"] != "fetching"), None)

    return server.person.until("the project to settle", look)


def test_a_repository_becomes_a_project_and_the_same_one_again_is_the_same(
    server: InProcessServer, tmp_path: Path
) -> None:
    source = repository(tmp_path / "rocket")
    first = server.person.post("/api/projects", {"source": str(source)}, expect=201)
    assert (first["name"], first["state"]) == ("rocket", "fetching")
    ready = settled(server, first["id"])
    assert (ready["state"], ready["default_branch"], ready["error"]) == ("ready", "trunk", "")
    again = server.person.post("/api/projects", {"source": f"{source}/"}, expect=200)
    assert again["id"] == first["id"]
    other = server.person.post("/api/projects", {"source": str(repository(tmp_path / "b" / "rocket"))}, expect=201)
    assert other["name"] == "rocket-2"


def test_what_is_no_repository_says_so_and_can_be_tried_again(server: InProcessServer, tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    project = server.person.post("/api/projects", {"source": str(folder)})
    failed = settled(server, project["id"])
    assert failed["state"] == "failed"
    assert "no git repository" in failed["error"]
    folder.rmdir()
    repository(folder)
    again = server.person.post("/api/projects", {"source": str(folder)}, expect=200)
    assert (again["id"], again["state"]) == (project["id"], "fetching")
    assert settled(server, project["id"])["state"] == "ready"


def test_an_empty_repository_says_so(server: InProcessServer, tmp_path: Path) -> None:
    project = server.person.post("/api/projects", {"source": str(repository(tmp_path / "empty", commit=False))})
    failed = settled(server, project["id"])
    assert (failed["state"], "no commit yet" in failed["error"]) == ("failed", True)


def test_sources_that_can_not_be(server: InProcessServer) -> None:
    for source in (
        "",
        "  ",
        "relative/path",
        "/no/such/folder",
        "--upload-pack=touch /var/tmp/pwned",
        "a\x00b",
        "/a\nb",
        "https://user:secret@example.org/x.git",
        "x" * 2001,
    ):
        answer = server.person.http.post("/api/projects", json={"source": source})
        assert answer.status_code == 422, source
        assert answer.json()["code"] in {"bad_input", "unsafe_source", "not_a_repository"}
        assert "secret" not in answer.text
    assert server.person.get("/api/projects") == {"projects": []}


def test_an_id_that_would_leave_the_folder_of_mirrors_is_refused(server: InProcessServer, tmp_path: Path) -> None:
    source = str(repository(tmp_path / "rocket"))
    for ident in ("../../../evil", "/var/tmp/evil-1", "a b c d e f", "project\x00-1", "-leading-dash"):
        answer = server.person.http.post("/api/projects", json={"id": ident, "source": source})
        assert (answer.status_code, answer.json()["code"]) == (422, "bad_input"), ident
    assert server.person.get("/api/projects") == {"projects": []}


def test_an_id_that_is_taken_by_another_source_is_refused(server: InProcessServer, tmp_path: Path) -> None:
    one, two = (str(repository(tmp_path / name)) for name in ("one", "two"))
    server.person.post("/api/projects", {"id": "project-1", "source": one}, expect=201)
    assert server.person.post("/api/projects", {"id": "project-1", "source": one}, expect=200)["id"] == "project-1"
    answer = server.person.http.post("/api/projects", json={"id": "project-1", "source": two})
    assert answer.status_code == 409
    assert len(answer.json()["detail"].split()) > 3


def test_a_session_of_a_project_works_on_a_branch_named_after_it(server: InProcessServer, tmp_path: Path) -> None:
    project = server.person.post("/api/projects", {"source": str(repository(tmp_path / "rocket"))})
    settled(server, project["id"])
    body = {"id": "session-1", "prompt": "look", "title": "Fix the engine", "project": "rocket"}
    server.person.post("/api/sessions", body)
    runner = server.runner("session-1")
    welcome = runner.hello()
    session = server.person.get("/api/sessions/session-1")
    assert (session["project"], session["branch"]) == ("rocket", "mainloop/fix-engine")
    assert "rocket" in welcome.prompt
    assert "mainloop/fix-engine" in welcome.prompt


def test_a_session_of_a_project_that_failed_says_why(server: InProcessServer, tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    project = server.person.post("/api/projects", {"source": str(folder)})
    settled(server, project["id"])
    server.person.post("/api/sessions", {"id": "session-1", "prompt": "look", "project": "plain"})
    session = server.person.until_session("session-1", "failed")
    assert "no git repository" in session["reason"]
    assert server.person.until_item()["session_id"] == "session-1"
