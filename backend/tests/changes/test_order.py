"""Sessions that begin after others: who waits for whom, what lets one begin, and what only the person can say."""

import threading
from typing import Any

import pytest
import sqlalchemy as sa

from mainloop.db import tables as t
from mainloop.events.unit import Database

from .conftest import Agent, World
from .test_merging import Killed


def shown(world: World, ident: str) -> Any:
    return world.server.person.get(f"/api/sessions/{ident}")


def begins_at(world: World, ident: str) -> str:
    """The commit that it began at, once it has."""
    person = world.server.person
    person.until("its begin", lambda: person.get(f"/api/sessions/{ident}")["branch"])
    return world.server.workspaces.commits[ident]


def merged(agent: Agent, files: dict[str, str]) -> str:
    """It works, and its change is approved and merged; as what."""
    commit = agent.works(files)
    agent.until("its change", lambda c: c["commit"] == commit and c["state"] == "open")
    agent.approves(commit)
    return agent.until("its merge", lambda c: c["state"] == "merged")["merged"]


def orders(world: World, ident: str, *others: str, expect: int = 200) -> Any:
    answer = world.server.person.http.put(f"/api/sessions/{ident}/after", json={"after": list(others)})
    assert answer.status_code == expect, answer.text
    return answer.json()


def asked(world: World, ident: str) -> Any:
    return world.server.person.until_item(lambda i: (i["session_id"], i["kind"]) == (ident, "order"))


def wait_for(world: World, ident: str, reason: str) -> None:
    world.server.person.until(reason, lambda: shown(world, ident)["reason"] == reason)


def seen_to(world: World, *idents: str) -> None:
    """All that goes on by itself about these has been done."""
    parts = world.server.parts
    for ident in idents:
        world.server.person.until("rest", lambda i=ident: i not in parts.database.read(parts.phases.subjects_to_do))


@pytest.mark.spec("changes-38", "changes-39")
def test_a_session_waits_for_another_ones_merge_and_begins_on_top_of_it(world: World) -> None:
    first = world.start(title="first")
    handle = first.session["handle"]
    others = [world.start_after(first.id, title="second"), world.start_after(handle, title="third")]
    words = f"waits for {handle}'s change to be merged"
    for ident in others:
        session = shown(world, ident)
        assert (session["state"], session["reason"], session["ahead"]) == ("starting", words, None)
        assert session["held_at"]
        assert session["queued_at"] is None
        assert [(one["handle"], one["state"]) for one in session["after"]] == [(handle, "waits")]
    world.server.person.say("And mind the tests.", others[0])
    world.server.person.say("What waits?")
    main = world.server.runner("main")
    main.hello()
    main.begin()
    assert f"starting ({words})" in main.request("get_session", id=others[0]).text
    main.end(text="Those.")
    main.goodbye()
    # Its change alone is not enough.
    commit = first.works({"app.py": "1\n"})
    first.until("its change", lambda c: c["state"] == "open")
    seen_to(world, first.id, *others)
    assert [shown(world, ident)["reason"] for ident in others] == [words, words]
    first.approves(commit)
    result = first.until("its merge", lambda c: c["state"] == "merged")["merged"]
    assert [begins_at(world, ident) for ident in others] == [result, result]
    after = shown(world, others[0])["after"]
    assert [(one["state"], one["merged"], one["into"]) for one in after] == [("merged", result, "main")]
    second = world.begun(others[0])
    work = second.runner.work()
    assert [message.text for message in work.messages] == ["Go on."]
    assert second.session["queued"] == 1
    told = "\n".join(work.messages[0].context)
    assert f"its change is in main, at {result[:12]}; your workspace has it" in told
    assert (second.folder / "app.py").read_text() == "1\n"


@pytest.mark.spec("changes-39")
def test_it_waits_for_all_of_several_and_for_the_end_of_what_has_nothing_to_merge(world: World) -> None:
    person = world.server.person
    first, idle = world.start(title="first"), world.start(title="idle")
    talk = world.start_after(title="talk", project=False)
    runner = world.server.runner(talk)
    runner.hello()
    ident = world.start_after(first.id, idle.id, talk)
    a, b, c = (shown(world, one)["handle"] for one in (first.id, idle.id, talk))
    wait_for(world, ident, f"waits for the changes of {a} and {b} to be merged and for {c} to be closed")
    runner.whole_turn("Talked.")
    runner.goodbye()
    person.until_session(talk, "idle")
    person.post(f"/api/sessions/{talk}/close")
    wait_for(world, ident, f"waits for the changes of {a} and {b} to be merged")
    # It has looked, and found nothing to do.
    idle.works({})
    idle.runner.goodbye()
    person.until_session(idle.id, "idle")
    person.post(f"/api/sessions/{idle.id}/close")
    wait_for(world, ident, f"waits for {a}'s change to be merged")
    result = merged(first, {"app.py": "1\n"})
    assert begins_at(world, ident) == result
    assert [one["state"] for one in shown(world, ident)["after"]] == ["merged", "closed", "closed"]
    # What is merged already is not waited for.
    assert begins_at(world, world.start_after(first.id)) == result


@pytest.mark.spec("changes-39", "forges-9")
def test_a_merge_by_hand_that_is_found_lets_it_begin_on_top_of_that(world: World) -> None:
    first = world.start(title="first")
    ident = world.start_after(first.id)
    commit = first.works({"app.py": "1\n"})
    first.until("its change", lambda c: c["state"] == "open")
    world.source.commit("Mine", {"mine.py": ""})
    first.ask("/take-over", branch="theirs")
    world.source.git("merge", "--quiet", "--no-edit", "theirs")
    world.server.parts.projects.refresh(world.project)
    found = first.until("its merge", lambda c: c["state"] == "merged")
    assert found["merged"] == world.source.commit_at("main") == begins_at(world, ident)
    assert world.git("merge-base", commit, found["merged"]) == commit
    told = [e["body"]["text"] for e in world.server.person.events() if e["kind"] == "notice"]
    assert f"Merged into main as {found['merged'][:7]} (by hand): It is done." in told


@pytest.mark.spec("changes-40")
def test_of_what_will_not_be_merged_the_person_is_asked_once_and_begins_it_or_not(world: World) -> None:
    person = world.server.person
    first = world.start(title="first")
    handle = first.session["handle"]
    ident, other = world.start_after(first.id), world.start_after(first.id)
    person.post(f"/api/sessions/{first.id}/cancel")
    item = asked(world, ident)
    assert item["title"] == f"It can't begin: {handle} was cancelled."
    assert item["decisions"] == ["begin", "stop"]
    assert shown(world, ident)["reason"] == f"waits for you: {handle} was cancelled"
    # A word to it changes nothing about that, nor does another look.
    person.say("Still there?", ident)
    world.server.parts.order.see_to(ident)
    assert len([i for i in person.get("/api/inbox")["items"] if i["session_id"] == ident]) == 1
    # The other one goes on: nothing is to be decided any more, until it is lost again.
    person.post(f"/api/sessions/{first.id}/resume")
    person.until("it is settled", lambda: not [i for i in person.get("/api/inbox")["items"] if i["kind"] == "order"])
    wait_for(world, ident, f"waits for {handle}'s change to be merged")
    person.post(f"/api/sessions/{first.id}/cancel")
    again = asked(world, ident)
    assert again["id"] != item["id"]
    person.answer(again["id"], "begin")
    assert begins_at(world, ident) == world.source.commit_at("main")
    assert (shown(world, ident)["after"], shown(world, ident)["held_at"]) == ([], None)
    person.answer(asked(world, other)["id"], "stop")
    assert person.until_session(other, "cancelled")["branch"] is None
    # Resumed, it has its order still.
    person.post(f"/api/sessions/{other}/resume")
    wait_for(world, other, f"waits for you: {handle} was cancelled")
    asked(world, other)


@pytest.mark.spec("changes-40")
@pytest.mark.parametrize("how", ["discarded", "closed half done"])
def test_what_was_closed_with_commits_that_nobody_merged_lets_nobody_begin(world: World, how: str) -> None:
    person = world.server.person
    first = world.start(title="first")
    handle = first.session["handle"]
    ident = world.start_after(first.id)
    first.works({"app.py": "1\n"}, outcome="done" if how == "discarded" else "partial")
    if how == "discarded":
        first.until("its change", lambda c: c["state"] == "open")
    first.runner.goodbye()
    seen_to(world, first.id)
    if how == "discarded":
        first.ask("/discard")
    else:
        person.post(f"/api/sessions/{first.id}/close")
    why = "and its change was not merged" if how == "discarded" else "with commits that were not merged"
    assert asked(world, ident)["title"] == f"It can't begin: {handle} was closed{',' * (how == 'discarded')} {why}."


@pytest.mark.spec("changes-41")
def test_an_order_that_makes_no_sense_is_refused_in_words(world: World) -> None:
    first = world.start(title="first")
    second, third = world.start_after(first.id, title="second"), world.start_after(first.id, title="third")
    b, c = (shown(world, one)["handle"] for one in (second, third))
    assert orders(world, third, second, expect=200)["reason"] == f"waits for {b}'s change to be merged"
    itself = orders(world, second, second, expect=422)
    assert (itself["code"], itself["detail"].startswith(f"{b} can't begin after itself")) == ("bad_order", True)
    circle = orders(world, second, first.id, c, expect=422)
    assert circle["detail"] == (
        f"{b} can't begin after {c}: that would be a circle ({c} after {b}), and none of them would ever begin."
    )
    assert orders(world, second, "nobody", expect=404)["code"] == "unknown_session"
    assert orders(world, "nobody", second, expect=404)["code"] == "unknown_session"
    begun = orders(world, first.id, second, expect=409)
    assert begun["detail"].endswith("has begun already, so it can't begin after others.")
    # Nothing of it was kept.
    assert [one["handle"] for one in shown(world, second)["after"]] == [first.session["handle"]]
    world.server.person.post(f"/api/sessions/{second}/cancel")
    over = orders(world, second, first.id, expect=409)
    assert over["detail"] == f"{b} is cancelled: only what has not begun can begin after others."
    unknown = world.server.person.http.post(
        "/api/sessions", json={"id": "session-unknown", "prompt": "x", "after": ["nobody"]}
    )
    assert unknown.status_code == 404


@pytest.mark.spec("changes-42")
def test_the_order_is_changed_and_cleared_until_it_begins(world: World) -> None:
    first, other = world.start(title="first"), world.start(title="other")
    ident = world.start_after(first.id)
    world.server.person.post(f"/api/sessions/{first.id}/cancel")
    asked(world, ident)
    handle = other.session["handle"]
    # What is lost is asked for in the new order as well.
    orders(world, ident, first.id, other.id)
    asked(world, ident)
    assert orders(world, ident, other.id)["reason"] == f"waits for {handle}'s change to be merged"
    assert [i for i in world.server.person.get("/api/inbox")["items"] if i["session_id"] == ident] == []
    now = orders(world, ident)
    assert (now["after"], now["held_at"]) == ([], None)
    begins_at(world, ident)
    assert orders(world, ident, expect=409)["code"] == "not_allowed_now"


@pytest.mark.spec("changes-38", "changes-41", "changes-42")
def test_the_main_agent_starts_in_an_order_and_sets_another(world: World) -> None:
    first, other = world.start(title="first"), world.start(title="other")
    world.server.person.say("Do the second when the first is in.")
    main = world.server.runner("main")
    main.hello()
    main.begin()
    given = {"title": "Second one", "prompt": "Go on.", "project": world.project}
    a, b = first.session["handle"], other.session["handle"]
    said = main.request("spawn_session", call_id="call-second", **given, after=[a]).text
    assert f"waits for {a}'s change to be merged; then it starts by itself." in said
    assert main.request("spawn_session", **given, after=["nobody"]).is_error
    sessions = world.server.person.get("/api/sessions", text="Second one")["sessions"]
    (ident,) = [s["id"] for s in sessions if s["after"] and s["after"][0]["session_id"] == first.id]
    assert f"waits for {b}'s change to be merged" in main.request("set_order", id=ident, after=[other.id]).text
    refused = main.request("set_order", id=ident, after=[ident])
    assert (refused.is_error, "itself" in refused.text) == (True, True)
    assert not main.request("set_order", id=ident, after=[]).is_error
    main.end(text="It works.")
    main.goodbye()
    begins_at(world, ident)


@pytest.mark.spec("changes-43")
@pytest.mark.parametrize("afterwards", [False, True], ids=["before", "after"])
def test_a_server_killed_at_any_write_between_lets_it_begin_once(
    world: World, monkeypatch: pytest.MonkeyPatch, afterwards: bool
) -> None:
    parts = world.server.parts
    first = world.start(title="first")
    ident = world.start_after(first.id)
    seen_to(world, ident)
    with pytest.MonkeyPatch.context() as patch:
        # The phase is carried out here, by hand.
        patch.setattr(type(parts.runs.phases), "enqueue", _without_order(type(parts.runs.phases).enqueue))
        result = merged(first, {"app.py": "1\n"})
        deaths = 0
        while deaths < 8:
            with pytest.MonkeyPatch.context() as deadly:
                deadly.setattr(Database, "write", _dying(Database.write, deaths + 1, afterwards=afterwards))
                try:
                    parts.order.see_to(ident)
                    break
                except Killed:
                    deaths += 1
        assert deaths == 2
    assert begins_at(world, ident) == result
    world.begun(ident)
    assert world.server.starts(ident) == [1]
    prepared = [p for p in parts.database.read(_phases) if p.startswith(f"prepare_session:{ident}:")]
    assert len(prepared) == 1


def _phases(connection: Any) -> list[str]:
    return [row.id for row in connection.execute(sa.select(t.phase.c.id))]


def _dying(real: Any, number: int, *, afterwards: bool) -> Any:
    """This thread's server is killed at its write of this number."""
    mine, seen = threading.get_ident(), 0

    def write(self: Any, act: Any) -> Any:
        nonlocal seen
        if threading.get_ident() != mine:
            return real(self, act)
        seen += 1
        if seen == number and not afterwards:
            raise Killed
        answer = real(self, act)
        if seen == number:
            raise Killed
        return answer

    return write


def _without_order(real: Any) -> Any:
    def enqueue(self: Any, unit: Any, name: str, subject: str, key: str) -> None:
        if name != "see_to_order":
            real(self, unit, name, subject, key)

    return enqueue


@pytest.mark.spec("changes-44")
def test_a_project_that_went_on_without_what_was_merged_is_told_when_a_session_begins(world: World) -> None:
    person = world.server.person
    first, second = world.start(title="first"), world.start(title="second")
    ident = world.start_after(first.id, second.id)
    result = merged(first, {"app.py": "1\n"})
    theirs = world.source.commit("without it", {"more.py": ""})
    plain = world.start(title="plain")
    assert world.server.workspaces.commits[plain.id] == theirs
    told = [e["body"] for e in person.events() if e["kind"] == "notice" and e["body"]["about"] == "apart"]
    assert [body["session_id"] for body in told] == [plain.id]
    assert told[0]["text"].startswith("It begins without what was merged here. The project's branch main and what was")
    assert f"merge {result[:12]} there" in told[0]["text"]
    # What was to begin on top of that does not.
    second.works({})
    second.runner.goodbye()
    person.until_session(second.id, "idle")
    person.post(f"/api/sessions/{second.id}/close")
    failed = person.until_session(ident, "failed")
    assert "have gone apart" in failed["reason"]
    item = person.until_item(lambda i: i["session_id"] == ident)
    world.source.git("fetch", "--quiet", str(world.mirror), "refs/heads/main")
    world.source.git("merge", "--quiet", "--no-edit", result)
    person.answer(item["id"], "retry")
    assert begins_at(world, ident) == world.source.commit_at("main")
