"""The life of a change with whole processes: a real agent in its sandbox, real tests, a server that dies."""

import json
import signal
import uuid
from pathlib import Path
from typing import Any

import pytest

from mainloop.testing.kills import Model
from mainloop.testing.server import ServerProcess

from .conftest import Desk, run, running
from .killed_at import MERGING
from .test_kept import ABLE, project_of, script_of
from .test_sessions import git, repository

SECRET = "sk-that-no-test-may-see"
# Green where what the agent wrote is there, and nothing that no test may see.
TEST = (
    "env; cat {home}/server.log; ls {home}; "
    "grep -q more readme && ! env | grep -q {secret} && ! test -e {home}/mainloop.db && test -w . && echo all is well"
)


def sets(desk: Desk, project: str, **settings: Any) -> None:
    answer = desk.me.http.patch(f"/api/projects/{project}", json={"settings": settings})
    assert answer.status_code == 200, answer.text


def until(desk: Desk, session: str, state: str) -> Any:
    def look() -> Any:
        change = desk.me.get(f"/api/sessions/{session}")["change"]
        return change if change is not None and change["state"] == state else None

    return desk.me.until(f"its change to be {state}", look)


def works(desk: Desk, project: str, more: str = "more") -> str:
    done = {"text": "It says more now."}
    return desk.start(run(f"echo {more} >> readme && git commit -qam '{more}'"), done, title="More", project=project)


def approve(desk: Desk, session: str, commit: str) -> None:
    word = {"id": str(uuid.uuid4()), "verdict": "approved", "commit": commit}
    desk.me.post(f"/api/sessions/{session}/change/review", word)


@pytest.mark.long
@pytest.mark.spec("changes-19", "changes-21", "changes-27", "changes-29", "changes-30", "changes-36")
def test_a_change_is_made_tested_in_the_sandbox_approved_merged_and_taken_over(home: Path) -> None:
    checkout = repository(home / "checkout")
    server = ServerProcess(home / "home", {**ABLE, "ANTHROPIC_API_KEY": SECRET})
    with running(server) as desk:
        if not desk.me.state()["settings"]["sandbox"]["confined"]:
            pytest.skip("there is no sandbox here")
        project = project_of(desk, checkout)
        command = TEST.format(home=server.home, secret=SECRET)
        sets(desk, project["id"], test=command, environment={"WORD": "hello"}, merge={"reach": "checkout"})
        session = works(desk, project["name"])
        change = until(desk, session, "open")
        desk.me.until("its tests", lambda: until(desk, session, "open")["checks"][0]["state"] == "passed")
        check = until(desk, session, "open")["checks"][0]["id"]
        log = desk.me.get(f"/api/sessions/{session}/change/checks/{check}/log")["text"]
        assert "WORD=hello" in log
        assert SECRET not in log.split("\n", 1)[1]
        assert log.endswith("all is well\n")
        handle = desk.me.get(f"/api/sessions/{session}")["handle"]
        taken = json.loads(server.run("take", handle, "--as", "mine", "--json").stdout)
        assert taken == {"branch": "mine", "commit": change["commit"], "folder": str(checkout)}
        git(checkout, "switch", "-q", "mine")
        refused = server.run("take", handle, "--as", "mine")
        assert (refused.returncode, "checked out" in refused.stderr) == (1, True)
        git(checkout, "switch", "-q", "main")
        approve(desk, session, change["commit"])
        merged = until(desk, session, "merged")
        desk.me.until_session(session, "done")
        assert git(checkout, "rev-parse", "HEAD") == merged["merged"]
        assert (checkout / "readme").read_text() == "hello\nmore\n"
        # Opened again it goes on where it was.
        kept = lambda: desk.me.get(f"/api/sessions/{session}")["kept"]["state"] == "kept"  # noqa: E731
        desk.me.until("its files to be kept", kept)
        again = run(
            f"git merge -q {merged['merged']} && echo and more >> readme && git commit -qam again && cat readme"
        )
        desk.me.say(f"[[script]]{json.dumps([again, {'text': '{{result}}'}])}[[/script]]", session)
        later = desk.me.until(
            "another change", lambda: (c := until(desk, session, "open"))["number"] != change["number"] and c
        )
        assert (later["files"], later["added"]) == (1, 1)


@pytest.mark.long
@pytest.mark.spec("changes-23", "changes-31")
def test_two_real_agents_mend_a_red_check_and_a_conflict_and_both_are_merged(home: Path) -> None:
    """Claude Code itself. What it is to do about a message of ours stands in what the tests put out."""
    checkout = repository(home / "checkout")
    model = Model()
    server = ServerProcess(home / "home", {**ABLE, **model.environment})
    try:
        with running(server) as desk:
            if not desk.me.state()["settings"]["sandbox"]["confined"]:
                pytest.skip("there is no sandbox here")
            mend = script_of(run("echo good > good && git add . && git commit -qm mended"), {"text": "Mended."})
            (checkout / "mend").write_text(f"{mend}\n")
            git(checkout, "add", "mend")
            git(checkout, "commit", "-qm", "second")
            project = project_of(desk, checkout)
            test = "test -e good || { echo ERROR; cat mend; false; }"
            sets(desk, project["id"], test=test)
            first = works(desk, project["name"])
            second = works(desk, project["name"], "other")
            green = [_green(desk, session) for session in (first, second)]
            # Both were red first, and sent back once.
            assert [desk.me.get(f"/api/sessions/{session}")["turn"] for session in (first, second)] == [2, 2]
            model.rules({"match": "it conflicts in readme", "steps": [_resolve(), {"text": "Both are in it."}]})
            approve(desk, first, green[0]["commit"])
            merged = until(desk, first, "merged")
            again = desk.me.until("the end of the conflict", lambda: _moved(desk, second, green[1]["commit"]))
            assert again["base_commit"] == merged["merged"]
            approve(desk, second, again["commit"])
            until(desk, second, "merged")
            mirror = server.home / "mirrors" / f"{project['id']}.git"
            assert git(mirror, "show", "refs/heads/main:readme").split() == ["hello", "more", "other"]
    finally:
        model.close()


def _green(desk: Desk, session: str) -> Any:
    def look() -> Any:
        change = desk.me.get(f"/api/sessions/{session}")["change"]
        newest = change["checks"][0] if change and change["checks"] else None
        return change if newest and newest["state"] == "passed" and newest["commit"] == change["commit"] else None

    return desk.me.until("its tests to be green", look)


def _moved(desk: Desk, session: str, old: str) -> Any:
    change = desk.me.get(f"/api/sessions/{session}")["change"]
    return change if change["commit"] != old and not change["conflicts"] else None


def _resolve() -> dict[str, Any]:
    """Merges what the message names, and keeps both lines."""
    return run(
        "git merge -q {{find:[0-9a-f]{40}(?=\\))}}; printf 'hello\\nmore\\nother\\n' > readme; git add . && git commit -qm both"
    )


@pytest.mark.long
@pytest.mark.spec("changes-26")
@pytest.mark.parametrize("point", MERGING)
def test_a_server_killed_between_approved_and_merged_merges_once(home: Path, point: str) -> None:
    checkout = repository(home / "checkout")
    once = home / "struck"
    wanted = {**ABLE, "KILL_AT": point, "KILL_IN": "merging", "KILL_ONCE": str(once)}
    server = ServerProcess(home / "home", wanted)
    server.program = (str(Path(__file__).with_name("killed_at.py")),)
    (home / "armed").touch()
    with running(server) as desk:
        project = project_of(desk, checkout)
        sets(desk, project["id"], merge={"reach": "checkout"})
        session = works(desk, project["name"])
        approve(desk, session, until(desk, session, "open")["commit"])
        assert server.process is not None
        assert server.process.wait(timeout=60) == -signal.SIGKILL
        assert once.exists()
        server.start()
        merged = until(desk, session, "merged")
        desk.me.until_session(session, "done")
        assert git(checkout, "log", "--format=%s").split("\n") == ["More", "first"]
        assert git(checkout, "rev-parse", "HEAD") == merged["merged"]
        told = [body for body in desk.of("main", "notice") if body["about"] == "done"]
        assert len(told) == 1
