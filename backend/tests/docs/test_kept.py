"""The spec of kept work, sentence by sentence."""

import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from mainloop.testing.server import ServerProcess

from .conftest import ANSWERED, Desk, run, running
from .killed_at import POINTS
from .test_sessions import git, repository

ABLE = {"MAINLOOP_COMMANDS": "allow"}
# A session's work: one commit, something staged that was changed again, a file git does not know.
WORK = run(
    "git switch -q -C side && echo one >> readme && git commit -qam 'one more' && echo two >> readme && git add readme "
    "&& echo three >> readme && printf 'a\\nb\\n' > new && chmod 750 new && touch -d @1000000000 new && ln -s new link && echo x > local.env "
    "&& git stash list"
)


@pytest.fixture(scope="module")
def able(ground: Path) -> Generator[Desk]:
    """A server whose agents may run commands."""
    with running(ServerProcess(ground / "able", ABLE)) as desk:
        if not desk.me.state()["settings"]["sandbox"]["confined"]:
            pytest.skip("there is no sandbox here")
        yield desk


@pytest.fixture(scope="module")
def checkout(ground: Path) -> Path:
    path = repository(ground / "checkout")
    (path / ".gitignore").write_text("*.env\n")
    git(path, "add", ".gitignore")
    git(path, "commit", "-qm", "rules")
    return path


def photograph(checkout: Path) -> object:
    """All of the person's checkout, what git thinks of it included."""
    files = {str(path): path.read_bytes() for path in sorted(checkout.rglob("*")) if path.is_file()}
    return files, git(checkout, "for-each-ref"), git(checkout, "status", "--porcelain")


def project_of(desk: Desk, checkout: Path) -> dict[str, Any]:
    project = desk.me.post("/api/projects", {"source": str(checkout)})

    def ready() -> Any:
        return [
            p for p in desk.me.get("/api/projects")["projects"] if p["id"] == project["id"] and p["state"] == "ready"
        ]

    desk.me.until("the project", ready)
    return project


def close(desk: Desk, session: str, state: str = "kept") -> dict[str, Any]:
    """Closes it; what became of its work."""
    desk.me.post(f"/api/sessions/{session}/close")
    return became(desk, session, state)


def became(desk: Desk, session: str, state: str = "kept") -> dict[str, Any]:
    def look() -> Any:
        kept = desk.me.get(f"/api/sessions/{session}")["kept"]
        gone = state == "failed" or not desk.workspace(session).exists()
        return kept if kept and kept["state"] == state and gone else None

    return desk.me.until(f"its work to be {state}", look)


def told(desk: Desk, session: str, command: str) -> str:
    """What a command says in the workspace of a session, run by its agent."""
    before = desk.me.get(f"/api/sessions/{session}")["turn"]
    desk.me.say(script_of(run(command), ANSWERED), session)
    desk.me.until_turn_ended(before + 1, session)
    return desk.me.replies(session)[-1]


def script_of(*steps: dict[str, Any]) -> str:
    return f"[[script]]{json.dumps(list(steps))}[[/script]]"


STATE = "git status --porcelain --branch; git diff; git diff --cached; cat readme new link; test -x new && echo runs"


@pytest.mark.long
@pytest.mark.spec("kept-1", "kept-3", "kept-7", "kept-10", "kept-11", "kept-12", "kept-13", "kept-15")
def test_what_a_closed_session_leaves_comes_back(able: Desk, checkout: Path, ground: Path) -> None:
    before = photograph(checkout)
    project = project_of(able, checkout)
    session = able.start(WORK, ANSWERED, project=project["name"])
    able.me.until_session(session, "idle")
    state = told(able, session, STATE)
    assert "runs" in state
    able.me.post(f"/api/sessions/{session}/cancel")
    assert (able.workspace(session) / "new").read_text() == "a\nb\n"

    kept = close(able, session)
    assert (kept["files"], kept["added"], kept["removed"]) == (3, 5, 0)
    assert kept["left_out"] == ["Ignored by git, so not kept: local.env."]
    shown = able.me.get(f"/api/sessions/{session}/kept")
    assert {(f["path"], f["status"], f["added"]) for f in shown["files"]} == {
        ("readme", "changed", 2),
        ("new", "added", 2),
        ("link", "added", 1),
    }

    # In a folder of the person's.
    (row,) = [k for k in json.loads(able.server.run("restore", "--json").stdout)["kept"] if k["session_id"] == session]
    assert (row["handle"], row["files"], row["project"]) == (shown["handle"], 3, project["name"])
    listed = able.server.run("restore").stdout
    assert row["handle"] in listed
    assert "3 files not committed" in listed
    place = ground / "mine" / "back"
    done = able.server.run("restore", session, "--to", str(place), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["branch"] == "side"
    assert git(place, "log", "-1", "--format=%s") == "one more"
    assert git(place, "show", ":readme") == "hello\none\ntwo"
    assert (place / "readme").read_text() == "hello\none\ntwo\nthree\n"
    assert (place / "new").stat().st_mode & 0o7777 == 0o750
    assert (place / "new").stat().st_mtime == 1_000_000_000
    assert (place / "link").readlink() == Path("new")
    assert git(place, "remote", "get-url", "origin") == str(checkout)
    for taken in (place, checkout, checkout / "readme"):
        refused = able.server.run("restore", session, "--to", str(taken))
        assert refused.returncode == 1
        assert "holds something already" in refused.stderr
    able.server.kill()
    again = able.server.run("restore", session, "--to", str(ground / "mine/again"), "--json")
    able.server.start()
    assert again.returncode == 0, again.stderr
    assert (ground / "mine/again/readme").read_text() == "hello\none\ntwo\nthree\n"

    # In its own workspace.
    able.me.post(f"/api/sessions/{session}/resume")
    able.me.until_session(session, "idle")
    assert told(able, session, STATE) == state
    assert not (able.workspace(session) / "local.env").exists()
    assert able.me.get(f"/api/sessions/{session}")["kept"]["state"] == "back"
    assert photograph(checkout) == before


@pytest.mark.long
@pytest.mark.spec("kept-10")
def test_the_agent_is_told_what_did_not_come_back(able: Desk, checkout: Path) -> None:
    session = able.start(WORK, ANSWERED, project=project_of(able, checkout)["name"])
    able.me.until_session(session, "idle")
    close(able, session)
    able.me.say("What do you know?", session)
    able.me.until_session(session, "idle")
    notes = json.dumps(able.me.events(session))
    assert (able.workspace(session) / "new").exists()
    database = able.server.home / "mainloop.db"
    query = f"SELECT text FROM note WHERE thread_id = '{session}' AND message_id IS NOT NULL"
    found = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sqlite3; print(sqlite3.connect({str(database)!r}).execute({query!r}).fetchall())",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "not kept: local.env" in found, notes


@pytest.mark.long
@pytest.mark.spec("kept-3")
def test_a_projects_setting_names_ignored_files_to_keep(able: Desk, ground: Path) -> None:
    checkout = repository(ground / "with-env")
    project = project_of(able, checkout)
    answer = able.me.http.patch(f"/api/projects/{project['id']}", json={"keep_ignored": [" *.env ", ""]})
    assert answer.json()["keep_ignored"] == ["*.env"]
    session = able.start(
        run("echo '*.env' > .gitignore; echo secret > local.env; echo x > other.env"), ANSWERED, project=project["name"]
    )
    able.me.until_session(session, "idle")
    assert close(able, session)["left_out"] == []
    shown = able.me.get(f"/api/sessions/{session}/kept")
    assert [f["path"] for f in shown["files"]] == [".gitignore", "local.env", "other.env"]


@pytest.mark.spec("kept-8", "kept-12")
def test_files_without_a_project_are_kept_too(able: Desk, ground: Path) -> None:
    session = able.start(
        run("echo found > notes; mkdir -p clone && cd clone && git init -q && echo x > in-clone"), ANSWERED
    )
    able.me.until_session(session, "idle")
    assert close(able, session)["files"] == 2
    place = ground / "notes"
    done = able.server.run("restore", session, "--to", str(place))
    assert done.returncode == 0, done.stderr
    assert "came back as files: clone" in done.stdout
    assert (place / "notes").read_text() == "found\n"
    assert (place / "clone/in-clone").read_text() == "x\n"
    assert not (place / "clone/.git").exists()
    able.me.post(f"/api/sessions/{session}/resume")
    able.me.until_session(session, "idle")
    assert told(able, session, "cat notes; git -C clone status --porcelain") == "found\n?? in-clone"


def test_of_an_empty_workspace_nothing_is_listed(able: Desk) -> None:
    session = able.start()
    able.me.until_session(session, "idle")
    assert close(able, session, "empty")["files"] == 0
    refused = able.me.http.get(f"/api/sessions/{session}/kept")
    assert (refused.status_code, refused.json()["code"]) == (404, "nothing_kept")
    missing = able.server.run("restore", session)
    assert missing.returncode == 1
    assert missing.stderr.strip().endswith(f"Nothing is kept of a session {session}. `mainloop restore` lists what is.")


@pytest.mark.spec("kept-6")
def test_what_can_not_be_kept_stays_and_says_so(able: Desk, checkout: Path) -> None:
    """The mirror is out of order for a while: what is needed of it is not where it was."""
    session = able.start(WORK, ANSWERED, project=project_of(able, checkout)["name"])
    able.me.until_session(session, "idle")
    project = able.me.get(f"/api/sessions/{session}")["project_id"]
    objects = able.server.home / "mirrors" / f"{project}.git/objects"
    objects.rename(objects.with_name("objects-away"))
    try:
        kept = close(able, session, "failed")
    finally:
        objects.with_name("objects-away").rename(objects)
    assert "stays as it is" in kept["why"]
    assert "again" in kept["why"]
    assert (able.workspace(session) / "new").read_text() == "a\nb\n"
    assert [n for n in able.of("main", "notice") if n["session_id"] == session and n["about"] == "failed"]
    assert close(able, session)["files"] == 3


@pytest.mark.long
@pytest.mark.spec("kept-4")
def test_a_hostile_workspace_runs_nothing_outside(able: Desk, checkout: Path, ground: Path) -> None:
    trap = ground / "trap"
    command = shlex.quote(f"touch {trap}; false")
    session = able.start(
        run(
            f"for name in core.fsmonitor core.pager filter.x.clean filter.x.smudge; do git config $name {command}; done; "
            f"echo '* filter=x' > .gitattributes; mkdir -p .git/hooks; "
            f"for name in post-checkout post-index-change reference-transaction; do "
            f"printf '#!/bin/sh\\ntouch {trap}\\n' > .git/hooks/$name; chmod +x .git/hooks/$name; done; echo more > new"
        ),
        ANSWERED,
        project=project_of(able, checkout)["name"],
    )
    able.me.until_session(session, "idle")
    close(able, session)
    able.me.get(f"/api/sessions/{session}/kept")
    place = ground / "hostile"
    assert able.server.run("restore", session, "--to", str(place)).returncode == 0
    git(place, "status")
    git(place, "checkout", "-q", "-b", "mine")
    assert (place / "new").exists()
    able.me.post(f"/api/sessions/{session}/resume")
    able.me.until_session(session, "idle")
    assert not trap.exists()


@pytest.mark.spec("kept-5")
@pytest.mark.parametrize(
    "point", [pytest.param(p, marks=[] if p == "the workspace is kept" else [pytest.mark.long]) for p in POINTS]
)
def test_a_server_killed_while_it_keeps_a_workspace_loses_nothing(home: Path, point: str) -> None:
    checkout = repository(home / "checkout")
    once = home / "struck"
    server = ServerProcess(home / "home", {**ABLE, "KILL_AT": point, "KILL_ONCE": str(once)})
    server.program = (str(Path(__file__).with_name("killed_at.py")),)
    with running(server) as desk:
        if not desk.me.state()["settings"]["sandbox"]["confined"]:
            pytest.skip("there is no sandbox here")
        project = project_of(desk, checkout)
        session = desk.start(WORK, ANSWERED, project=project["name"])
        desk.me.until_session(session, "idle")
        state = told(desk, session, STATE)
        (home / "armed").touch()
        desk.restart()
        desk.me.post(f"/api/sessions/{session}/close")
        if "back" in point:
            became(desk, session)
            desk.me.post(f"/api/sessions/{session}/resume")
        assert server.process is not None
        assert server.process.wait(timeout=60) == -signal.SIGKILL
        assert once.exists()
        server.start()
        if "back" not in point:
            assert became(desk, session)["files"] == 4
            desk.me.post(f"/api/sessions/{session}/resume")
        desk.me.until_session(session, "idle")
        assert told(desk, session, STATE) == state
        mirror = home / "home/mirrors" / f"{project['id']}.kept.git"
        refs = git(mirror, "for-each-ref", "--format=%(refname)", f"refs/sessions/{session}/kept/").split()
        assert refs == [f"refs/sessions/{session}/kept/1"]
        assert git(mirror, "fsck", "--connectivity-only") == ""
        left = {path.name for path in (home / "home/threads" / session).iterdir()}
        assert not [name for name in left if name.startswith(("removed", "keeping", "making"))]
