"""“Tell me when …”: said once, when it is so, in the transaction in which it becomes so."""

from typing import Any

import pytest

from mainloop.attention import service
from mainloop.testing.clock import Clock
from mainloop.testing.inprocess import InProcessServer, NewServer
from mainloop_models import runner as r
from mainloop_models.events import ModelUsage

ALWAYS: dict[str, Any] = {"quiet_from": None, "quiet_until": None}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch, service)


def watch(server: InProcessServer, condition: str, **given: Any) -> dict[str, Any]:
    return server.person.put(f"/api/sessions/session-1/watches/{condition}", given)


def waits_for(server: InProcessServer) -> list[str]:
    return [one["condition"] for one in server.person.get("/api/sessions/session-1")["watches"]]


def told(server: InProcessServer) -> list[str]:
    items = server.person.get("/api/inbox")["items"]
    return [item["title"] for item in items if item["kind"] == "watch"]


@pytest.mark.spec("watches-1", "watches-2")
def test_a_session_that_is_done_is_told_once_to_who_asked(server: InProcessServer, clock: Clock) -> None:
    runner = server.working(title="Pine")
    server.person.put("/api/attention/preferences", {**ALWAYS, "muted_sessions": ["session-1"]})
    watch(server, "done")
    watch(server, "done")
    assert (waits_for(server), told(server)) == (["done"], [])
    runner.request("report", text="**It is `built`.**\nAll of it.")
    runner.end()
    assert (waits_for(server), told(server)) == ([], ["pine is done: It is built."])
    # Muted before, and asked for since: it goes out, once, and nobody is reminded of it.
    for _ in range(3):
        clock.go_on(minutes=31)
        server.look_after()
    (item,) = server.person.get("/api/inbox")["items"]
    decided = next(one for one in server.person.get("/api/attention")["items"] if one["item"] == item["id"])
    assert [decision["why"] for decision in decided["decisions"] if decision["why"] in ("push", "remind")] == ["push"]
    # Once more it is over, which nobody asked for.
    server.person.post("/api/threads/session-1/messages", {"id": "message-1", "text": "And the rest?"}, expect=201)
    runner.begin()
    runner.end()
    assert len(told(server)) == 1
    # Whoever has read what is in it knows.
    mark = server.person.get("/api/threads/session-1/read")
    server.person.put("/api/threads/session-1/read", {"seq": mark["told"]})
    assert told(server) == []


@pytest.mark.spec("watches-2")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_each_time_is_told_to_who_wants_that_and_nothing_after_it_was_taken_back(server: InProcessServer) -> None:
    runner = server.working(title="Pine")
    watch(server, "done", again=True)
    runner.end()
    assert told(server) == ["pine has stopped."]
    for number in range(2):
        text = {"id": f"message-{number}", "text": "And the rest?"}
        server.person.post("/api/threads/session-1/messages", text, expect=201)
        runner.begin()
        runner.end()
        assert len(told(server)) == number + 2
    assert server.person.http.delete("/api/sessions/session-1/watches/done").status_code == 200
    assert server.person.http.delete("/api/sessions/session-1/watches/done").json()["code"] == "unknown_watch"
    server.person.post("/api/threads/session-1/messages", {"id": "message-9", "text": "And more?"}, expect=201)
    runner.begin()
    runner.end()
    assert len(told(server)) == 3


@pytest.mark.spec("watches-3")
def test_what_it_costs_is_told_while_it_works(server: InProcessServer) -> None:
    runner = server.working(title="Pine")
    watch(server, "cost", above=2)
    runner.say(r.Spent(turn=1, models=[ModelUsage(model="opus", cost_usd=1.5, input_tokens=10)]))
    assert told(server) == []
    runner.say(r.Spent(turn=1, models=[ModelUsage(model="opus", cost_usd=2.5, input_tokens=20)]))
    assert told(server) == ["pine has cost more than $2.00."]
    runner.say(r.Spent(turn=1, models=[ModelUsage(model="opus", cost_usd=3.5, input_tokens=30)]))
    assert (len(told(server)), waits_for(server)) == (1, [])


@pytest.mark.spec("watches-4")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_an_ask_of_a_muted_session_is_told_where_that_was_asked_for(server: InProcessServer, clock: Clock) -> None:
    runner = server.working(title="Pine")
    muting = {**ALWAYS, "muted_sessions": ["session-1"], "muted_kinds": ["permission"]}
    server.person.put("/api/attention/preferences", muting)

    def whys(item: str) -> list[str]:
        items = server.person.get("/api/attention")["items"]
        return [decision["why"] for one in items if one["item"] == item for decision in one["decisions"]]

    quiet = runner.ask_permission("make one")
    clock.go_on(seconds=61)
    server.look_after()
    assert whys(quiet) == ["muted"]
    server.person.post(f"/api/inbox/{quiet}/answer", {"id": "answer-1", "decision": "allow"})
    watch(server, "asks")
    asked = runner.ask_permission("make two")
    clock.go_on(seconds=61)
    server.look_after()
    assert whys(asked)[-1] == "push"
    # Of its own it is told nothing beside, and once it was answered nothing is asked for any more.
    assert told(server) == []
    server.person.post(f"/api/inbox/{asked}/answer", {"id": "answer-2", "decision": "allow"})
    assert waits_for(server) == []


@pytest.mark.spec("watches-5")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_what_makes_no_sense_is_refused_in_a_sentence_and_who_closes_a_session_is_not_told(
    server: InProcessServer,
) -> None:
    runner = server.working(title="Pine")

    def refused(condition: str, session: str = "session-1", **given: Any) -> str:
        answer = server.person.http.put(f"/api/sessions/{session}/watches/{condition}", json=given)
        assert answer.status_code >= 400, answer.text
        return answer.json()["code"]

    assert refused("cost") == "bad_input"
    assert refused("done", above=2) == "bad_input"
    assert refused("cost", above=2, again=True) == "bad_input"
    assert refused("green") == "not_allowed_now"
    assert refused("rainbow") == "bad_input"
    assert refused("done", "nobody") == "unknown_session"
    watch(server, "done")
    watch(server, "asks")
    server.person.post("/api/sessions/session-1/cancel", {})
    assert (told(server), waits_for(server)) == ([], [])
    assert refused("done") == "not_allowed_now"
    del runner


@pytest.mark.spec("watches-5")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_what_is_so_already_is_said_at_once(server: InProcessServer) -> None:
    runner = server.working(title="Pine")
    runner.request("report", text="All of it.")
    runner.end()
    answer = server.person.http.put("/api/sessions/session-1/watches/done", json={})
    assert (answer.status_code, answer.json()["code"]) == (409, "already_so")
    assert "pine is done: All of it." in answer.json()["detail"]


@pytest.mark.spec("watches-6")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_the_main_agent_sets_one_by_the_persons_word_alone(server: InProcessServer) -> None:
    server.working(title="Pine")
    server.person.say("Tell me when pine is done")
    main = server.runner()
    main.hello()
    main.begin()
    assert "told once" in main.request("watch", session="pine", condition="done").text
    assert "told when: done" in main.request("list_sessions").text
    assert "not told any more" in main.request("watch", session="pine", condition="done", stop=True).text
    main.request("watch", session="pine", condition="cost", above=5)
    main.end()
    assert waits_for(server) == ["cost"]
    server.person.put("/api/schedules/soon", {"instruction": "Look again", "in_minutes": 0.0001})
    server.look_after()
    main.begin()
    assert "Nobody has written" in main.request("watch", session="pine", condition="done").text


@pytest.mark.spec("watches-2")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_it_outlives_the_server(new_server: NewServer) -> None:
    server = new_server()
    runner = server.working(title="Pine")
    watch(server, "done")
    server.stop()
    server.start()
    runner.end()
    server.person.until("it is told", lambda: told(server))
    assert len(told(server)) == 1
