"""The spec of turns, sentence by sentence: whole servers, real runners, real git."""

import json
import uuid
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from mainloop.testing.kills import Model
from mainloop.testing.server import ServerProcess, script

from .conftest import Desk, run, running
from .test_kept import ABLE, project_of, script_of
from .test_sessions import git, repository


@pytest.fixture(scope="module")
def able(ground: Path) -> Generator[Desk]:
    """A server whose agents may run commands."""
    with running(ServerProcess(ground / "able", ABLE)) as desk:
        if not desk.me.state()["settings"]["sandbox"]["confined"]:
            pytest.skip("there is no sandbox here")
        yield desk


@pytest.fixture(scope="module")
def project(able: Desk, ground: Path) -> str:
    path = repository(ground / "checkout")
    (path / ".gitignore").write_text("*.env\n")
    git(path, "add", ".gitignore")
    git(path, "commit", "-qm", "rules")
    return project_of(able, path)["name"]


def turns(desk: Desk, session: str) -> list[dict[str, Any]]:
    """Its ended turns, once all of them are kept."""

    def look() -> Any:
        found = desk.me.get(f"/api/sessions/{session}/turns")["turns"]
        newest = desk.me.get(f"/api/sessions/{session}")["turn"]
        return found if len(found) == newest and all(turn["state"] != "keeping" for turn in found) else None

    return desk.me.until("its turns to be kept", look)


def worked(desk: Desk, *commands: str, **more: Any) -> str:
    """A session with a turn for each command, each kept before the next begins."""
    session = desk.start(run(commands[0]), {"text": "Did 1."}, **more)
    for number, command in enumerate(commands, 1):
        if number > 1:
            desk.me.say(script_of(run(command), {"text": f"Did {number}."}), session)
        desk.me.until_turn_ended(number, session)
        turns(desk, session)
    desk.me.until_session(session, "idle", "in_review")
    return session


def paths(desk: Desk, session: str, of: str) -> list[tuple[str, str]]:
    found = desk.me.get(f"/api/sessions/{session}/diff", of=of)
    return [(file["path"], file["status"]) for file in found["files"]]


def lines(desk: Desk, session: str, of: str) -> list[str]:
    found = desk.me.get(f"/api/sessions/{session}/diff", of=of)
    ids = [file["id"] for file in found["files"]]
    asked = desk.me.get(f"/api/sessions/{session}/diff/lines", version=found["version"], file=ids)["files"]
    return [line for file in asked for hunk in file["hunks"] for line in hunk["lines"] if line[0] != " "]


def back(desk: Desk, session: str, turn: int) -> dict[str, Any]:
    """The session that goes on from there, once it waits."""
    made = desk.me.post(f"/api/sessions/{session}/turns/{turn}/branch", {"id": str(uuid.uuid4())}, expect=201)
    return desk.me.until_session(made["id"], "idle")


def files(desk: Desk, session: str) -> dict[str, str]:
    folder = desk.workspace(session)
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file() and path.name != "README.md"}


@pytest.mark.spec("turns-1", "turns-4", "turns-6", "turns-7", "turns-8", "turns-10")
def test_one_goes_back_to_the_end_of_a_turn_in_files_and_conversation(able: Desk, project: str) -> None:
    session = worked(
        able,
        "echo one >> readme && git commit -qam 'The word is APPLE' && echo open > new && echo x > local.env && echo APPLE",
        "rm new && echo two >> readme && echo later > second && git add -A && git commit -qm 'The word is PLUM' && echo PLUM",
        "true",
        project=project,
    )
    assert [(turn["turn"], turn["files"], turn["late"]) for turn in turns(able, session)] == [
        (3, False, False),
        (2, True, False),
        (1, True, False),
    ]
    assert paths(able, session, "turn:1") == [("new", "added"), ("readme", "changed")]
    assert paths(able, session, "turn:2") == [("new", "deleted"), ("readme", "changed"), ("second", "added")]
    assert lines(able, session, "turn:2") == ["-open", "+two", "+later"]
    assert paths(able, session, "turn:3") == []

    before = files(able, session)
    made = back(able, session, 1)
    old = able.me.get(f"/api/sessions/{session}")
    assert made["branched"] == {"session_id": session, "handle": old["handle"], "turn": 1}
    assert (made["title"], made["project"], made["handle"] != old["handle"]) == (old["title"], old["project"], True)
    assert made["branch"] == f"mainloop/{made['handle']}"
    found = files(able, made["id"])
    assert (found["readme"], found["new"]) == ("hello\none\n", "open\n")
    assert not {"second", "local.env"} & found.keys()
    # What was committed is committed, and what was not is not.
    place = able.workspace(made["id"])
    assert git(place, "log", "-1", "--format=%s") == "The word is APPLE"
    assert git(place, "status", "--porcelain") == "?? new"
    assert git(place, "branch", "--show-current") == made["branch"]
    # Its change has all of the work, as the person would merge it.
    assert paths(able, made["id"], "all") == [("new", "added"), ("readme", "changed")]
    shown = able.me.get(f"/api/sessions/{made['id']}/diff")
    assert [commit["subject"] for commit in shown["commits"]] == ["The word is APPLE"]
    # No process lives for it before the person has a word for it.
    assert able.me.get(f"/api/sessions/{made['id']}/runs")["runs"] == []

    able.me.say("Go on.", made["id"])
    able.me.until_turn_ended(1, made["id"])
    remembered, told = heard(able, made["id"])
    assert ("APPLE" in remembered, "PLUM" in remembered) == (True, False)
    assert f'You are a branch of session "{old["handle"]}", made at the end of its turn 1' in told
    assert told.endswith("Go on.")
    turns(able, made["id"])
    assert paths(able, made["id"], "turn:1") == []

    # The old one is as it was, and goes on.
    assert files(able, session) == before
    able.me.say(script_of(run("cat second"), {"text": "{{result}}"}), session)
    able.me.until_turn_ended(4, session)
    assert able.me.replies(session)[-1] == "later"
    assert len(heard(able, session)) == 4

    twice = {"id": str(uuid.uuid4())}
    first = able.me.post(f"/api/sessions/{session}/turns/2/branch", twice, expect=201)
    assert able.me.post(f"/api/sessions/{session}/turns/2/branch", twice, expect=200)["handle"] == first["handle"]
    assert able.me.post(f"/api/sessions/{session}/turns/3/branch", twice, expect=409)["code"] == "session_exists"
    refused = able.me.post(f"/api/sessions/{session}/turns/9/branch", {"id": str(uuid.uuid4())}, expect=404)
    assert refused["detail"] == f"The session {old['handle']} has no turn 9 that has ended. Its newest is 4."
    answer = able.me.http.get(f"/api/sessions/{session}/diff", params={"of": "turn:9"})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_turn")


@pytest.mark.long
@pytest.mark.spec("turns-1", "turns-6", "turns-11")
def test_a_branch_is_gone_back_in_like_any_other_and_needs_no_project(able: Desk) -> None:
    session = worked(able, "echo APPLE > one && chmod 755 one && ln -s one link", "echo PLUM > two")
    made = back(able, session, 1)
    assert files(able, made["id"]) == {"one": "APPLE\n", "link": "APPLE\n"}
    assert (able.workspace(made["id"]) / "one").stat().st_mode & 0o111
    assert (able.workspace(made["id"]) / "link").is_symlink()
    able.me.say(script_of(run("echo PEAR > three"), {"text": "Did."}), made["id"])
    able.me.until_turn_ended(1, made["id"])
    turns(able, made["id"])
    assert paths(able, made["id"], "turn:1") == [("three", "added")]
    again = back(able, made["id"], 1)
    assert files(able, again["id"]) == {"one": "APPLE\n", "link": "APPLE\n", "three": "PEAR\n"}
    able.me.say("Go on.", again["id"])
    able.me.until_turn_ended(1, again["id"])
    first, second, told = heard(able, again["id"])
    assert ("APPLE" in first, "PEAR" in second, "PLUM" in first + second + told) == (True, True, False)


@pytest.mark.spec("turns-7")
def test_where_the_record_is_gone_the_agent_is_told_what_the_log_says_up_to_that_turn(able: Desk) -> None:
    session = worked(able, "echo APPLE", "echo PLUM", "echo PEAR")
    for record in (able.server.home / "threads" / session / "home/scripted").glob("*.json"):
        record.unlink()
    made = back(able, session, 2)
    able.me.say("What do you know?", made["id"])
    able.me.until_session(made["id"], "idle", "waiting")
    told = able.me.until("its turn", lambda: [e for e in able.me.events(made["id"]) if e["kind"] == "turn_ended"])
    assert told[-1]["body"]["outcome"] == "completed"
    (text,) = heard(able, made["id"])
    assert ("echo APPLE" in text, "echo PLUM" in text, "PEAR" in text) == (True, True, False)


def heard(desk: Desk, session: str) -> list[str]:
    """What the scripted agent has taken in, by its own record."""
    (record,) = (desk.server.home / "threads" / session / "home/scripted").glob("*.json")
    return [turn["text"] for turn in json.loads(record.read_text())["turns"]]


@pytest.mark.spec("turns-2")
def test_what_a_turn_left_is_seen_by_no_other_session(able: Desk, project: str) -> None:
    session = worked(able, "echo a-secret > notes", project=project)
    oid = able.me.get(f"/api/sessions/{session}/diff", of="turn:1")["files"][0]["new"]
    other = worked(able, f"git cat-file blob {oid} || echo nothing; git for-each-ref | wc -l", project=project)
    output = next(
        e["body"]["output"] for e in able.me.events(other) if e["kind"] == "tool_call" and e["body"]["output"]
    )
    assert "a-secret" not in output
    assert "nothing" in output


@pytest.mark.long
@pytest.mark.spec("turns-5")
def test_a_turn_that_followed_at_once_is_marked_and_loses_nothing(able: Desk, project: str) -> None:
    session = able.start(run("echo one > a"), {"text": "1"}, project=project)
    for number in (2, 3, 4):
        able.me.say(script_of(run(f"echo {number} > b{number}"), {"text": str(number)}), session)
    able.me.until_turn_ended(4, session)
    found = turns(able, session)
    assert [turn["turn"] for turn in found] == [4, 3, 2, 1]
    assert not found[0]["late"]
    seen = {path for turn in found for path, _ in paths(able, session, f"turn:{turn['turn']}")}
    assert seen == {"a", "b2", "b3", "b4"}


@pytest.fixture
def model() -> Generator[Model]:
    model = Model()
    yield model
    model.close()


@pytest.mark.long
@pytest.mark.spec("turns-6", "turns-7", "turns-9")
def test_the_real_agents_model_is_told_what_was_said_up_to_that_turn_and_nothing_later(
    home: Path, model: Model, tmp_path: Path
) -> None:
    used = {"usage": {"input_tokens": 8000, "output_tokens": 1000}}
    with running(ServerProcess(home / "server", {**model.environment, **ABLE})) as desk:
        name = project_of(desk, repository(tmp_path / "checkout"))["name"]
        session = desk.start({**run("echo APPLE > one"), **used}, {"text": "APPLE is done.", **used}, project=name)
        desk.me.until_turn_ended(1, session)
        turns(desk, session)
        for word in ("PLUM", "PEAR"):
            desk.me.say(script({**run(f"echo {word} > one"), **used}, {"text": f"{word} is done.", **used}), session)
            desk.me.until_session(session, "idle", "in_review")
            desk.me.until("its reply", lambda w=word: f"{w} is done." in desk.me.replies(session))
            turns(desk, session)
        made = back(desk, session, 1)
        assert files(desk, made["id"])["one"] == "APPLE\n"
        model.reset()
        desk.me.say(script({"text": "Here I am.", **used}), made["id"])
        desk.me.until_turn_ended(1, made["id"])
        assert desk.me.replies(made["id"]) == ["Here I am."]
        asked = [
            json.dumps(request["body"]) for request in model.requests(lambda r: "Here I am." in json.dumps(r["body"]))
        ]
        assert asked
        for text in asked:
            assert "APPLE is done." in text  # its own record, not a tale of it
            assert "You are a branch of session" in text
            assert "Your own record of this conversation is gone" not in text
            assert ("PLUM" in text, "PEAR" in text) == (False, False)
        # A turn of its own, at the price of one answer: what the three turns had cost is not counted again.
        old, new = (desk.me.get("/api/usage", session=ident)["total"] for ident in (session, made["id"]))
        assert (old["input_tokens"], new["input_tokens"]) == (6 * 8000, 8000)
        assert 0 < new["cost_usd"] < old["cost_usd"] / 4
        # The old one remembers all of it.
        model.reset()
        desk.me.say(script({"text": "And I am here.", **used}), session)
        desk.me.until("its reply", lambda: "And I am here." in desk.me.replies(session))
        (request,) = model.requests(lambda r: "And I am here." in json.dumps(r["body"]))
        assert all(f"{word} is done." in json.dumps(request["body"]) for word in ("APPLE", "PLUM", "PEAR"))


def notices(desk: Desk, about: str) -> list[str]:
    return [e["body"]["text"] for e in desk.me.events() if e["kind"] == "notice" and e["body"]["about"] == about]


@pytest.mark.spec("turns-14", "turns-15")
def test_two_that_change_the_same_files_are_told_of_once_and_work_on_branches_of_their_own(
    able: Desk, ground: Path
) -> None:
    name = project_of(able, repository(ground / "shared"))["name"]
    first = worked(able, "echo one >> readme; echo mine > first", project=name, title="Auth")
    second = worked(able, "echo two >> readme && git commit -qam two; echo mine > second", project=name, title="Login")
    # One that branched off another changes the same by its nature.
    made = back(able, second, 1)
    able.me.say(script_of(run("echo three >> readme"), {"text": "Did."}), made["id"])
    able.me.until_turn_ended(1, made["id"])
    turns(able, made["id"])
    both = able.me.until("both notices", lambda: len(n := notices(able, "overlap")) == 2 and n)
    assert both == ["It changes readme, and so does auth."] * 2
    able.me.until_session(made["id"], "idle", "in_review")
    able.me.post(f"/api/sessions/{made['id']}/close")
    for one, other in ((first, second), (second, first)):
        (found,) = able.me.get(f"/api/sessions/{one}/overlaps")["overlaps"]
        assert (found["session_id"], found["paths"], found["more"]) == (other, ["readme"], 0)
    # The same again is not said again; another file is.
    for number, (session, command) in enumerate(((first, "echo more >> readme"), (first, "echo theirs > second")), 2):
        able.me.say(script_of(run(command), {"text": "Did."}), session)
        able.me.until_turn_ended(number, session)
        turns(able, session)
    told = able.me.until("the second file", lambda: (n := notices(able, "overlap")) and len(n) == 3 and n)
    assert told[-1] == "It changes readme, second, and so does login."
    # What is over meets nobody.
    able.me.post(f"/api/sessions/{first}/close")
    assert able.me.get(f"/api/sessions/{second}/overlaps") == {"overlaps": []}
    # Its handle is free again, its branch is not.
    third = able.start(run("git branch --show-current"), {"text": "{{result}}"}, project=name, title="Auth")
    able.me.until_turn_ended(1, third)
    shown = [able.me.get(f"/api/sessions/{session}") for session in (first, third)]
    assert [(session["handle"], session["branch"]) for session in shown] == [
        ("auth", "mainloop/auth"),
        ("auth", "mainloop/auth-2"),
    ]
    assert able.me.replies(third) == ["mainloop/auth-2"]
