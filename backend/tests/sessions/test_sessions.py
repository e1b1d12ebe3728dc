"""The story of a session: start, work, wait, deliver, end, go on."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mainloop.testing.by_hand import HandRunner
from mainloop.testing.inprocess import InProcessServer
from mainloop_models import runner as r
from mainloop_models.events import AgentError


def start(server: InProcessServer, ident: str = "session-1", prompt: str = "look around", **more: Any) -> Any:
    return server.person.post("/api/sessions", {"id": ident, "prompt": prompt, **more})


def working(server: InProcessServer, ident: str = "session-1") -> HandRunner:
    """A session in its first turn."""
    start(server, ident)
    runner = server.runner(ident)
    runner.hello()
    runner.begin()
    return runner


def desk(server: InProcessServer) -> HandRunner:
    """The main thread's runner, in a turn."""
    server.person.say("do something")
    runner = server.runner()
    runner.hello()
    runner.begin()
    return runner


def state(server: InProcessServer, ident: str = "session-1") -> tuple[str, str]:
    session = server.person.get(f"/api/sessions/{ident}")
    return session["state"], session["reason"]


def kinds(server: InProcessServer, thread: str, *wanted: str) -> list[dict[str, Any]]:
    return [e["body"] for e in server.person.events(thread) if e["kind"] in wanted]


def test_a_session_goes_from_starting_to_working_to_idle_and_every_change_is_an_event(server: InProcessServer) -> None:
    session = start(server, title="Look around", prompt="Look around the repository")
    assert (session["state"], session["handle"], session["hue"], session["creature"]) == (
        "starting",
        "look-around",
        1,
        "crab",
    )
    runner = server.runner("session-1")
    welcome = runner.hello()
    assert (welcome.role, welcome.agent, welcome.resume) == ("session", "scripted", False)
    assert "look-around" in welcome.prompt
    assert [t.name for t in welcome.tools] == ["ask", "form", "reply", "report", "spawn_session"]
    assert runner.take().text == "Look around the repository"
    runner.begin()
    assert state(server) == ("working", "")
    runner.end(text="All quiet.")
    assert state(server) == ("idle", "")
    shown = kinds(server, "session-1", "session")
    seen = [s["state"] for n, s in enumerate(shown) if n == 0 or s["state"] != shown[n - 1]["state"]]
    assert seen == ["starting", "working", "idle"]


def test_the_same_start_twice_is_one_session_and_another_prompt_is_refused(server: InProcessServer) -> None:
    first = server.person.post("/api/sessions", {"id": "session-1", "prompt": "look"}, expect=201)
    again = server.person.post("/api/sessions", {"id": "session-1", "prompt": "look"}, expect=200)
    assert {**again, "updated_at": ""} == {**first, "updated_at": "", "reason": again["reason"]}
    refusal = server.person.post("/api/sessions", {"id": "session-1", "prompt": "other"}, expect=409)
    assert refusal["code"] == "session_exists"
    assert len(server.person.get("/api/sessions")["sessions"]) == 1


def test_many_starts_at_once_are_each_one_session_with_a_handle_of_its_own(server: InProcessServer) -> None:
    def send(number: int) -> int:
        body = {"id": f"session-{number % 4}", "prompt": "same", "title": "One title"}
        return server.person.http.post("/api/sessions", json=body).status_code

    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(send, range(12)))
    assert set(codes) <= {200, 201}
    sessions = server.person.get("/api/sessions")["sessions"]
    assert sorted(s["handle"] for s in sessions) == ["one-title", "one-title-2", "one-title-3", "one-title-4"]
    assert sorted(s["hue"] for s in sessions) == [1, 2, 3, 4]


def test_the_main_agent_starts_two_sessions_at_once_below_the_message_that_asked(server: InProcessServer) -> None:
    main = desk(server)
    for subject in ("X", "Y"):
        answer = main.request(
            "spawn_session", title=f"Topic {subject}", prompt=f"Find out {subject}", done_when="known"
        )
        assert not answer.is_error
        assert f"topic-{subject.lower()}" in answer.text
    sessions = server.person.get("/api/sessions")["sessions"]
    assert [s["anchor"]["message_id"] for s in sessions] == main.taken * 2
    assert [e["session_id"] for e in kinds(server, "main", "session_started")] == [s["id"] for s in reversed(sessions)]
    runners = [server.runner(s["id"]) for s in sessions]
    for runner in runners:
        runner.hello()
        assert runner.take().text.endswith("Done when: known")
        runner.begin()
    assert {s["state"] for s in server.person.get("/api/sessions")["sessions"]} == {"working"}
    main.end()
    for number, runner in enumerate(runners):
        runner.reply(f"reply {number}")
        runner.end(text=f"reply {number}")
        assert server.person.replies(runner.thread_id) == [f"reply {number}"]


def test_a_spawn_repeated_after_the_runners_death_returns_the_first_session(server: InProcessServer) -> None:
    main = desk(server)
    wish = {"title": "Look", "prompt": "Look around"}
    first = main.request("spawn_session", call_id="before", **wish)
    main.die()
    server.look_after()
    later = server.runner("main", 2)
    later.hello()
    assert later.take().again
    later.begin()
    again = later.request("spawn_session", call_id="after", **wish)
    assert not again.is_error
    assert "already started" in again.text
    ident = server.person.get("/api/sessions")["sessions"][0]["id"]
    assert ident in first.text
    assert ident in again.text
    other = later.request("spawn_session", call_id="other", title="Look", prompt="Look elsewhere")
    assert "already" not in other.text
    later.end()
    server.person.say("once more, please")
    later.begin()
    wanted = later.request("spawn_session", call_id="wanted", **wish)
    assert "already" not in wanted.text
    assert len(server.person.get("/api/sessions")["sessions"]) == 3


def test_a_result_is_shown_at_once_and_told_to_the_main_agent_with_its_next_turn_once(server: InProcessServer) -> None:
    main = desk(server)
    main.request("spawn_session", title="Look", prompt="Look around")
    main.end()
    session = server.person.get("/api/sessions")["sessions"][0]["id"]
    runner = server.runner(session)
    runner.hello()
    runner.begin()
    assert "Reported" in runner.request("report", text="Found it.", outcome="partial").text
    runner.reply("bye")
    runner.end(text="bye")

    assert [(b["text"], b["source"], b["outcome"]) for b in kinds(server, session, "result")] == [
        ("Found it.", "report", "partial")
    ]
    assert [(b["about"], b["text"]) for b in kinds(server, "main", "notice")] == [("result", "Found it.")]
    assert server.person.get(f"/api/sessions/{session}")["result"]["text"] == "Found it."
    assert main.work().messages == []  # told, not woken
    server.person.say("well?")
    context = main.take().context
    assert len(context) == 1
    assert "Found it." in context[0]
    assert main.take().context == context  # the same for the same message
    main.begin()
    main.end()
    server.person.say("and?")
    assert main.take().context == []


@pytest.mark.spec("sessions-12")
def test_what_was_not_done_and_what_one_has_to_know_is_told_wherever_the_result_is(server: InProcessServer) -> None:
    main = desk(server)
    main.request("spawn_session", title="Look", prompt="Look around")
    main.end()
    session = server.person.get("/api/sessions")["sessions"][0]["id"]
    runner = server.runner(session)
    runner.hello()
    runner.begin()
    long = "It was a long way. " * 60
    runner.request("report", text=long, not_done="The cellar.", know="The stairs are steep.")
    runner.end(text="bye")
    parts = "\n\n**Not done:** The cellar.\n\n**To know:** The stairs are steep."
    assert [b["text"] for b in kinds(server, session, "result")] == [long + parts]
    shown = server.person.get(f"/api/sessions/{session}")["result"]["text"]
    assert len(shown) <= 600
    assert shown.startswith("It was a long way.")
    assert shown.endswith("…" + parts)
    server.person.say("well?")
    assert (long + parts) in main.take().context[0]
    # However much the one is, the other is not missed.
    server.person.say("And the rest?", session)
    runner.begin()
    runner.request("report", text=long, not_done=long, know="The stairs are steep.")
    runner.end(text="bye")
    shown = server.person.get(f"/api/sessions/{session}")["result"]["text"]
    assert len(shown) <= 600
    assert "**Not done:** It was" in shown
    assert shown.endswith("…\n\n**To know:** The stairs are steep.")


def test_a_result_wakes_the_main_agent_where_it_asked_for_that(server: InProcessServer) -> None:
    main = desk(server)
    main.request("spawn_session", title="Look", prompt="Look around", wake=True)
    main.end()
    main.goodbye()
    session = server.person.get("/api/sessions")["sessions"][0]["id"]
    runner = server.runner(session)
    runner.hello()
    runner.whole_turn("All quiet.")
    woken = server.runner("main", 2)
    woken.hello()
    given = woken.take()
    assert "delivered its result" in given.text
    assert "All quiet." in given.context[0]
    shown = next(m for m in kinds(server, "main", "message") if m["id"] == given.id)
    assert (shown["role"], shown["from_thread"]) == ("system", session)


def test_the_last_text_is_the_result_where_nothing_was_reported_and_each_turn_has_its_own(
    server: InProcessServer,
) -> None:
    runner = working(server)
    runner.end(text="First answer.")
    server.person.say("more", "session-1")
    runner.begin()
    runner.end(text="Second answer.")
    server.person.say("and silence", "session-1")
    runner.begin()
    runner.end(text="")
    assert [(b["turn"], b["text"], b["source"]) for b in kinds(server, "session-1", "result")] == [
        (1, "First answer.", "text"),
        (2, "Second answer.", "text"),
    ]


@pytest.mark.spec("changes-67")
def test_an_agent_answers_only_a_comment_that_was_made(server: InProcessServer) -> None:
    runner = working(server)
    runner.end(text="Done.")
    server.person.say("**a.py, line 3** (comment k3x9a)\n\nWhy?", "session-1")
    runner.begin()
    assert not runner.request("reply", comment="k3x9a", text="Because.").is_error
    for name in ("k3x9", "other"):
        told = runner.request("reply", comment=name, text="Because.")
        assert told.is_error
        assert f"Nobody made a comment {name}." in told.text


def test_what_was_reported_is_delivered_however_the_turn_ends(server: InProcessServer) -> None:
    runner = working(server)
    runner.request("report", text="Reported before the interrupt.")
    runner.end("interrupted")
    server.person.say("more", "session-1")
    runner.begin()
    runner.request("report", text="Reported before the stop.")
    server.person.post("/api/sessions/session-1/cancel")
    server.person.until("the end of it", lambda: len(kinds(server, "session-1", "result")) == 2)
    assert [b["text"].split()[-1] for b in kinds(server, "session-1", "result")] == ["interrupt.", "stop."]


@pytest.mark.spec("kills-19")
@pytest.mark.parametrize("again", [True, False])
def test_what_was_reported_before_a_crash_is_delivered_once_by_the_turn_that_goes_on(
    server: InProcessServer, again: bool
) -> None:
    runner = working(server)
    runner.request("report", call_id="c1", text="Reported before the crash.")
    runner.die()
    server.look_after()
    later = server.runner("session-1", 2)
    later.hello()
    later.begin()
    assert kinds(server, "session-1", "result") == []  # its work goes on, so its result is still to come
    if again:
        later.request("report", call_id="c2", text="Reported after it.")
    later.end(text="That is all.")
    (result,) = kinds(server, "session-1", "result")
    assert (result["turn"], result["source"]) == (2, "report")
    assert result["text"] == ("Reported after it." if again else "Reported before the crash.")
    assert [n["about"] for n in kinds(server, "main", "notice")] == ["result"]


@pytest.mark.spec("kills-19")
def test_what_was_reported_before_the_last_of_many_crashes_is_delivered_when_it_is_given_up(
    server: InProcessServer,
) -> None:
    runner = working(server)
    runner.request("report", text="Reported before the crash.")
    for run in range(2, server.settings.max_restarts + 3):
        runner.die()
        server.look_after()
        if run <= server.settings.max_restarts + 1:
            runner = server.runner("session-1", run)
            runner.hello()
            runner.begin()
    server.runner("session-1", server.settings.max_restarts + 2).bring()
    assert server.person.until_item()["kind"] == "failure"
    assert [b["text"] for b in kinds(server, "session-1", "result")] == ["Reported before the crash."]


def test_a_queued_message_keeps_the_session_working_until_it_is_done(server: InProcessServer) -> None:
    runner = working(server)
    server.person.say("next", "session-1")
    assert server.person.get("/api/sessions/session-1")["queued"] == 1
    runner.end()
    assert state(server)[0] == "working"
    runner.begin()
    runner.end()
    assert state(server)[0] == "idle"


def test_an_ask_makes_it_wait_and_the_answer_lets_it_work(server: InProcessServer) -> None:
    runner = working(server)
    one, two = runner.ask_permission("make"), runner.ask_permission("make install")
    assert state(server)[0] == "waiting"
    server.person.answer(one, "allow")
    assert state(server)[0] == "waiting"
    server.person.answer(two, "deny")
    assert state(server)[0] == "working"


def test_a_parked_session_is_starting_again_when_it_is_answered(server: InProcessServer) -> None:
    runner = working(server)
    ask = runner.ask_permission("make", call_id="c1")
    runner.end("deferred", deferred_call="c1")
    runner.goodbye()
    session = server.person.get("/api/sessions/session-1")
    assert (session["state"], session["parked"]) == ("waiting", True)
    server.person.answer(ask, "allow")
    assert state(server)[0] == "starting"
    later = server.runner("session-1", 2)
    later.hello()
    later.say(r.TurnStarted(turn=2, message_ids=runner.taken))
    session = server.person.get("/api/sessions/session-1")
    assert (session["state"], session["parked"]) == ("working", False)


def test_cancel_stops_the_turn_and_its_runner_and_closes_what_waits(server: InProcessServer) -> None:
    runner = working(server)
    runner.ask_permission()
    waiting = server.person.say("queued", "session-1")
    session = server.person.post("/api/sessions/session-1/cancel", {"reason": "Not needed."})
    assert (session["state"], session["reason"]) == ("cancelled", "Not needed.")
    assert server.person.post("/api/sessions/session-1/cancel")["state"] == "cancelled"
    assert server.person.get("/api/inbox")["items"] == []
    assert runner.work().wanted == "stop"
    server.person.until("its runner to be killed", lambda: "session-1" in server.workspaces.killed)
    server.person.until("the turn's end", lambda: kinds(server, "session-1", "turn_ended"))
    assert [b["outcome"] for b in kinds(server, "session-1", "turn_ended")] == ["interrupted"]
    assert [b["about"] for b in kinds(server, "main", "notice")] == ["item", "cancelled"]
    server.look_after()
    assert server.starts("session-1") == [1]
    assert waiting in [q["message"]["id"] for q in server.person.state()["queued"]]


def test_a_late_report_changes_nothing_of_a_session_that_is_over(server: InProcessServer) -> None:
    runner = working(server)
    server.person.post("/api/sessions/session-1/cancel")
    runner.reply("too late")
    runner.end(text="too late")
    assert state(server)[0] == "cancelled"
    assert server.person.replies("session-1") == ["too late"]


def test_close_ends_an_idle_session_and_not_a_working_one(server: InProcessServer) -> None:
    runner = working(server)
    refusal = server.person.post("/api/sessions/session-1/close", expect=409)
    assert refusal["code"] == "not_allowed_now"
    assert state(server)[0] == "working"
    runner.end()
    assert server.person.post("/api/sessions/session-1/close", {"reason": "Good."})["state"] == "done"
    assert server.person.post("/api/sessions/session-1/close")["state"] == "done"
    assert runner.work().wanted == "stop"
    assert server.person.post("/api/sessions/session-1/cancel", expect=409)["code"] == "not_allowed_now"


def test_a_message_opens_a_session_that_was_over_again(server: InProcessServer) -> None:
    runner = working(server)
    runner.end()
    person = server.person
    for run, ending in ((2, "cancel"), (3, "close"), (4, "cancel")):
        person.post(f"/api/sessions/session-1/{ending}")
        assert runner.work().wanted == "stop"
        runner.goodbye("stopped")
        said = person.say(f"go on, {run}", "session-1")
        assert state(server)[0] == "starting"
        runner = server.runner("session-1", run)
        assert runner.hello().resume
        assert runner.take().id == said
        runner.begin()
        assert state(server)[0] == "working"
        runner.end()
        assert state(server)[0] == "idle"


def test_resume_goes_on_with_what_is_open_whatever_ended_it(server: InProcessServer) -> None:
    person = server.person
    start(server)
    person.until("a runner", lambda: server.starts("session-1"))
    person.post("/api/sessions/session-1/cancel")
    server.runner("session-1").die()
    assert person.post("/api/sessions/session-1/resume")["state"] == "starting"
    later = server.runner("session-1", 2)
    later.hello()
    assert later.take().text == "look around"
    later.begin()
    later.end("failed", error=AgentError(code="budget", message="Too much."))
    assert state(server) == ("waiting", "Too much.")
    person.post("/api/sessions/session-1/resume")
    assert person.get("/api/inbox")["items"] == []
    assert later.take().text == "look around"
    later.begin()
    assert state(server)[0] == "working"


def test_a_workspace_that_can_not_be_made_fails_the_session_in_words_each_time(server: InProcessServer) -> None:
    person = server.person
    # A file stands where the workspace has to be.
    place = server.settings.home / "threads" / "session-1"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("in the way")
    start(server)
    person.until_session("session-1", "failed")
    item = person.until_item()
    assert (item["kind"], item["session_id"]) == ("failure", "session-1")
    assert item["notice"]["text"] != ""
    assert server.starts("session-1") == []
    person.answer(item["id"], "retry")
    again = person.until_item(lambda i: i["id"] != item["id"])  # it failed once more and says so once more
    person.until_session("session-1", "failed")
    place.unlink()
    person.answer(again["id"], "retry")
    runner = server.runner("session-1")
    runner.hello()
    assert runner.take().text == "look around"
    assert person.get("/api/inbox")["items"] == []


def test_a_session_is_steered_interrupted_and_looked_at_by_the_main_agent(server: InProcessServer) -> None:
    runner = working(server)
    main = desk(server)
    handle = server.person.get("/api/sessions/session-1")["handle"]
    assert "next step" in main.request("message_session", id=handle, text="left!", mode="steer").text
    steered = runner.work().messages[-1]
    assert (steered.text, steered.mode) == ("left!", "steer")
    shown = [m for m in kinds(server, "session-1", "message") if m["id"] == steered.id][-1]
    assert shown["from_thread"] == "main"
    runner.reply("I see a tree.")
    assert "I see a tree." in main.request("get_session", id=handle, part="tail").text
    assert "no result yet" in main.request("get_session", id=handle, part="result").text
    assert handle in main.request("list_sessions", state="working").text
    assert "no such session" in main.request("list_sessions", state="done").text
    assert "interrupted" in main.request("control_session", id=handle, action="interrupt").text
    assert runner.work().interrupt == 1
    runner.end("interrupted", finished=[*runner.taken, steered.id])
    assert main.request("control_session", id=handle, action="interrupt").is_error
    assert "done" in main.request("control_session", id=handle, action="close").text
    assert state(server)[0] == "done"


def test_a_tool_call_is_carried_out_whole_or_not_at_all(server: InProcessServer) -> None:
    runner = working(server)
    main = desk(server)
    before = server.person.events("session-1")
    refused = main.request("message_session", id="session-1", text="x" * 300_000)
    assert refused.is_error
    assert server.person.events("session-1") == before
    assert runner.work().messages[1:] == []


@pytest.mark.spec("sessions-28")
def test_its_runners_are_told_newest_first(server: InProcessServer) -> None:
    server.person.post("/api/sessions", {"id": "session-1", "prompt": "look"})
    runner = server.runner("session-1")
    runner.hello()
    [run] = server.person.get("/api/sessions/session-1/runs")["runs"]
    assert (run["number"], run["state"], run["version"], run["pid"]) == (1, "live", "test", 1)
    assert run["ended_at"] is None
    assert server.person.http.get("/api/sessions/nowhere/runs").json()["code"] == "unknown_session"
