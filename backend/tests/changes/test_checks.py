"""The project's tests on a change, at the API: real commands in real clones, the agent played by hand."""

import pytest

from mainloop.changes.excerpt import excerpt
from mainloop.testing.repositories import Repository

from .conftest import Gate, World, checked, log, sets_test, whole


@pytest.mark.spec("changes-30")
def test_the_tests_run_in_a_clean_clone_of_the_commit_after_its_set_up_and_can_be_followed(
    world: World, gate: Gate
) -> None:
    sets_test(
        world,
        f"echo begun; {gate.waits}; cat app.py ready; ls; echo says $WORD; git status --short",
        set_up="echo made > ready",
        environment={"WORD": "hello"},
    )
    agent = world.start()
    agent.runner.begin()
    Repository(agent.folder).commit("It", {"app.py": "committed\n"})
    (agent.folder / "scratch").write_text("not committed")
    agent.runner.end(text="Done.")
    change = agent.until("its tests", lambda c: c["checks"] and c["checks"][0]["state"] == "running")
    assert (change["waits"], change["checks"][0]["commit"]) == ("Its tests run.", agent.head)
    check = change["checks"][0]["id"]
    person = agent.server.person
    begun = person.until("a word", lambda: "begun\n" in (piece := log(agent, check))["text"] and piece)
    assert not begun["ended"]
    approved = agent.approves(agent.head)
    assert (approved["state"], approved["waits"]) == ("open", "Its tests run.")
    gate.open()
    agent.until("its merge", lambda c: c["state"] == "merged")
    text = whole(agent, check)
    assert begun["text"] + log(agent, check, begun["next"])["text"] == text
    assert "$ echo made > ready\n" in text
    assert "committed\nmade\n" in text
    assert "scratch" not in text
    assert "says hello\n" in text
    assert text.endswith("?? ready\n")
    clone = agent.server.settings.home / "checks" / check / "clone"
    person.until("its clone to be gone", lambda: not clone.exists())
    refused = person.http.get(f"/api/sessions/{agent.id}/change/checks/nothing/log")
    assert refused.json()["code"] == "unknown_check"


@pytest.mark.spec("changes-31")
def test_red_tests_go_to_the_agent_with_what_tells_most_and_then_to_the_person(world: World) -> None:
    world.sets(repairs=1, needs_approval=False)
    sets_test(world, "seq 200; echo 'ERROR: app.py is wrong'; seq 100; grep good app.py")
    agent = world.start()
    commit = agent.works({"app.py": "bad\n"})
    failed = checked(agent, "failed")
    assert failed["commit"] == commit
    told = agent.said()
    for words in ("ERROR: app.py is wrong", "It ended with 1.", commit[:12], "grep good app.py"):
        assert words in told
    assert "\n17\n" not in told.split("ERROR")[0]
    again = agent.works({"app.py": "still bad\n"})
    item = agent.server.person.until_item(lambda i: i["session_id"] == agent.id)
    assert item["title"] == f"Its tests fail on {again[:7]}."
    assert "It ended with 1." in item["notice"]["text"]
    change = agent.change
    assert (change["waits"], change["state"]) == ("Its tests have failed.", "open")
    here = {"commit": again, "base_commit": change["base_commit"]}
    assert agent.ask("/merge", 409, **here)["code"] == "not_green"
    agent.server.person.answer(item["id"], "retry")
    assert "still bad" not in agent.said()
    agent.works({"app.py": "good\n"})
    agent.until("its merge", lambda c: c["state"] == "merged")


@pytest.mark.spec("changes-31")
def test_who_goes_back_to_a_commit_that_was_red_is_told_of_that_one(world: World) -> None:
    world.sets(repairs=3)
    sets_test(world, "cat app.py; false")
    agent = world.start()
    for word in ("first", "second"):
        commit = agent.works({"app.py": f"the {word} one\n"})
        agent.until("its tests", lambda c, commit=commit: c["commit"] == commit and c["checks"][0]["state"] == "failed")
        assert f"the {word} one" in agent.said()
    agent.runner.begin()
    agent.git("reset", "--quiet", "--hard", "HEAD~1")
    agent.runner.end(text="Back.")
    told = agent.said()
    assert "the first one" in told
    assert agent.head[:12] in told


@pytest.mark.spec("changes-31")
def test_who_has_mended_it_is_not_told_again_while_that_is_on_its_way(world: World) -> None:
    sets_test(world, "grep good app.py")
    agent = world.start()
    agent.works({"app.py": "bad\n"})
    assert "did not end well" in agent.said()
    with agent.uncollected():
        good = agent.works({"app.py": "good\n"})
        # Something else had it looked at: a branch that moved, the beginning of its tests.
        agent.server.parts.life.see_to(agent.id)
        assert agent.runner.work().messages == []
    change = agent.until("its tests", lambda c: c["commit"] == good and c["checks"][0]["state"] == "passed")
    assert change["waits"] == "It waits for your approval."
    assert agent.runner.work().messages == []


@pytest.mark.spec("changes-31")
def test_the_person_may_merge_what_is_red_by_saying_so(world: World) -> None:
    world.sets(repairs=0)
    sets_test(world, "false")
    agent = world.start()
    commit = agent.works({"app.py": "1\n"})
    checked(agent, "failed")
    agent.server.person.until_item(lambda i: i["session_id"] == agent.id)
    agent.ask("/merge", 202, commit=commit, base_commit=agent.change["base_commit"], anyway=True)
    agent.until("its merge", lambda c: c["state"] == "merged")
    assert agent.server.person.get("/api/inbox")["items"] == []


@pytest.mark.spec("changes-32")
def test_tests_are_stopped_by_the_person_by_newer_commits_and_by_the_end_of_the_change(
    world: World, gate: Gate
) -> None:
    sets_test(world, f"{gate.waits}; true")
    agent = world.start()
    agent.works({"app.py": "1\n"})
    first = checked(agent, "running")
    stopped = agent.server.person.http.delete(f"/api/sessions/{agent.id}/change/check").json()
    assert (stopped["checks"][0]["state"], stopped["waits"]) == ("stopped", "Its tests were stopped.")
    running = agent.server.workspaces.checks
    agent.server.person.until("its end", lambda: not running.alive(first["id"]))
    second = agent.ask("/check")["checks"][0]
    assert second["id"] != first["id"]
    assert agent.ask("/check")["checks"][0]["id"] == second["id"]
    checked(agent, "running")
    agent.server.person.say("More.", agent.id)
    newer = agent.works({"app.py": "2\n"})
    change = agent.until("its newer tests", lambda c: c["checks"][0]["commit"] == newer)
    assert change["checks"][1]["state"] == "stopped"
    agent.server.person.until("its end", lambda: not running.alive(second["id"]))
    third = checked(agent, "running")
    agent.ask("/discard")
    agent.server.person.until("its end", lambda: not running.alive(third["id"]))
    refused = agent.ask("/check", 409)
    assert refused["code"] == "request_over"


@pytest.mark.spec("changes-35")
def test_tests_are_not_started_where_the_disk_has_no_room(world: World) -> None:
    sets_test(world, "true")
    agent = world.start()
    agent.server.workspaces.room = False
    try:
        agent.works({"app.py": "1\n"})
        checked(agent, "queued")
        agent.server.look_after()
        assert checked(agent, "queued")["started_at"] is None
    finally:
        agent.server.workspaces.room = True
    checked(agent, "passed")


@pytest.mark.spec("changes-33")
@pytest.mark.parametrize("megabytes", [20, pytest.param(500, marks=pytest.mark.long)])
def test_of_very_much_output_the_beginning_and_the_end_are_kept(world: World, megabytes: int) -> None:
    sets_test(world, f"echo first; head -c {megabytes}M /dev/zero | tr '\\0' x; echo; echo last; false", set_up="")
    world.sets(repairs=0)
    agent = world.start()
    agent.works({"app.py": "1\n"})
    failed = checked(agent, "failed")
    file = agent.server.settings.home / "checks" / failed["id"] / "log"
    assert file.stat().st_size < 5 * 2**20
    text = whole(agent, failed["id"])
    assert text.startswith("$ echo first")
    assert "bytes left out" in text
    assert text.endswith("last\n\nIt ended with 1.\n")
    assert failed["excerpt"].endswith("last\n\nIt ended with 1.")
    assert len(failed["excerpt"]) <= 3000


def test_an_excerpt_has_the_last_lines_and_those_that_speak_of_errors() -> None:
    lines = [f"line {n}" for n in range(500)]
    lines[100] = "\x1b[31mE   AssertionError: 1 != 2\x1b[0m"
    lines[300] = "progress 1%\rprogress 99%\rnot ok 3"
    told = excerpt("\n".join(lines)).split("\n")
    assert told[:3] == ["E   AssertionError: 1 != 2", "not ok 3", "…"]
    assert told[-1] == "line 499"
    assert len(told) == 43
    assert len(excerpt("x" * 100_000 + "\n" + "error " * 50_000)) <= 3000
