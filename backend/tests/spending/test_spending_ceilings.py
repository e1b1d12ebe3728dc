"""Nothing runs past a ceiling: a turn that reaches one stops, the next does not begin, and the inbox asks once."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mainloop.events import unit as unit_of_work
from mainloop.testing.by_hand import HandRunner
from mainloop.testing.inprocess import InProcessServer, NewServer
from mainloop.testing.repositories import Repository
from mainloop_models import runner as r
from mainloop_models.events import AgentError


def start(server: InProcessServer, ident: str = "session-1", **more: Any) -> Any:
    return server.person.post("/api/sessions", {"id": ident, "prompt": "look around", **more})


def play(server: InProcessServer, thread: str = "session-1") -> HandRunner:
    runner = server.runner(thread)
    runner.hello()
    return runner


def at_work(server: InProcessServer) -> HandRunner:
    """The runner of a new session, in the middle of its first turn."""
    start(server)
    runner = play(server)
    runner.begin()
    return runner


def ceiling(server: InProcessServer) -> Any:
    """The one item there is."""
    (item,) = server.person.until("an item", lambda: server.person.state()["items"])
    assert item["kind"] == "ceiling"
    return item


def state(server: InProcessServer, ident: str = "session-1") -> str:
    return server.person.get(f"/api/sessions/{ident}")["state"]


def at_ceiling(server: InProcessServer, used: float = 0.25) -> HandRunner:
    """A session whose turn was stopped."""
    runner = at_work(server)
    runner.spent(used, 10)
    runner.paused()
    return runner


@pytest.mark.spec("cost-8")
@pytest.mark.spec("cost-10")
def test_a_turn_that_reaches_a_ceiling_is_stopped_and_the_inbox_says_which(new_server: NewServer) -> None:
    server = new_server(max_usd_per_session=0.20)
    at_ceiling(server)
    item = ceiling(server)
    assert item["session_id"] == "session-1"
    assert item["title"] == "The spending ceiling of this session is reached: $0.20."
    assert item["notice"]["text"] == f"{item['title']} $0.25 of $0.20 are used."
    reached = item["notice"]["reached"]
    assert (reached["scope"], reached["unit"], reached["limit"], reached["spent"]) == ("session", "usd", 0.20, 0.25)
    assert (reached["offer"], reached["raise_to"]) == (0.09, 0.4)
    session = server.person.get("/api/sessions/session-1")
    assert (session["state"], session["reason"]) == ("waiting", item["title"])


@pytest.mark.spec("cost-11")
def test_raised_once_it_goes_on_where_it_stood_and_its_message_is_not_lost(new_server: NewServer) -> None:
    server = new_server(max_usd_per_session=0.20)
    runner = at_ceiling(server)
    message = runner.taken
    server.person.answer(ceiling(server)["id"], "raise_once")
    again = runner.take()
    assert ([again.id], again.text, again.again) == (message, "look around", True)
    assert "spending ceiling" in again.follow_up
    runner.begin(again.id)
    assert runner.work().limit.usd == pytest.approx(0.0145)  # a twentieth of 0.29
    runner.spent(0.02, 10)
    runner.end(text="Done.")
    assert state(server) == "idle"
    assert server.person.get("/api/sessions/session-1")["cost_usd"] == 0.27
    server.person.say("more", "session-1")
    runner.begin()
    runner.spent(0.05)
    runner.paused()  # once is once
    assert ceiling(server)["notice"]["reached"]["limit"] == 0.29


@pytest.mark.spec("cost-12")
def test_raised_for_good_it_is_the_session_s_own_ceiling(new_server: NewServer) -> None:
    server = new_server(max_usd_per_session=0.20)
    runner = at_ceiling(server)
    server.person.answer(ceiling(server)["id"], "raise")
    runner.begin()
    runner.end()
    own = server.person.get("/api/ceilings", session="session-1")["ceilings"]
    found = next(c for c in own if (c["scope"], c["unit"]) == ("session", "usd"))
    assert (found["amount"], found["source"], found["spent"]) == (0.4, "session", 0.25)


@pytest.mark.spec("cost-12")
def test_stopped_it_is_tried_no_further_and_asks_no_more_before_the_person_acts(new_server: NewServer) -> None:
    server = new_server(max_usd_per_session=0.20)
    runner = at_ceiling(server)
    server.person.say("and this", "session-1")  # waits behind it
    server.person.answer(ceiling(server)["id"], "stop")
    assert state(server) == "idle"
    for _ in range(3):
        server.look_after()
    assert not runner.work().messages
    assert not server.person.state()["items"]
    server.person.post("/api/sessions/session-1/resume")
    runner.until_work(lambda _: server.person.state()["items"])
    assert not runner.work().messages
    assert state(server) == "waiting"


@pytest.mark.spec("cost-9")
@pytest.mark.spec("cost-13")
def test_beyond_the_day_s_ceiling_nobody_begins_and_one_item_speaks_for_all(new_server: NewServer) -> None:
    server = new_server(max_usd_per_day=1.00)
    runner = at_work(server)
    runner.spent(1.00)
    runner.end()  # it was done before it could be stopped
    assert not server.person.state()["items"]
    start(server, "session-2")
    server.person.until_session("session-2", "waiting")
    server.person.say("more", "session-1")
    server.person.say("hello")
    assert not runner.until_work(lambda _: state(server) == "waiting").messages
    item = ceiling(server)
    assert (item["thread_id"], item["session_id"]) == ("main", None)
    assert item["title"] == "The spending ceiling of today is reached: $1.00."
    assert (state(server), state(server, "session-2")) == ("waiting", "waiting")
    server.person.answer(item["id"], "raise_once")
    assert runner.take().text == "more"
    assert [play(server, thread).take().text for thread in ("session-2", "main")] == ["look around", "hello"]
    assert server.starts("session-2") == server.starts("main") == [1]


@pytest.mark.spec("cost-17")
def test_what_a_ceiling_offers_is_enough_to_go_on_when_the_person_looks(new_server: NewServer) -> None:
    server = new_server(max_usd_per_day=1.00, max_usd_per_turn=None, max_usd_per_session=None)
    first = at_work(server)
    start(server, "session-2")
    second = play(server, "session-2")
    second.begin()
    second.spent(0.90)
    first.spent(0.05)
    first.paused()
    before = ceiling(server)
    assert before["notice"]["reached"]["offer"] == 0.2
    # The other one's model was in the middle of a long answer.
    second.spent(1.30)
    second.paused()
    # Whoever answers what stands no longer is told so, and nothing beyond what they agreed to is given.
    late = server.person.http.post(
        f"/api/inbox/{before['id']}/answer", json={"id": "answer-too-late", "decision": "raise_once", "amount": 0.2}
    )
    assert (late.status_code, late.json()["detail"].startswith("Meanwhile more was used")) == (422, True)
    server.look_after()
    after = ceiling(server)
    assert after["id"] == before["id"]
    reached = after["notice"]["reached"]
    assert (reached["spent"], reached["offer"]) == (1.35, 0.55)
    assert "$1.35 of $1.00 are used" in after["notice"]["text"]
    server.person.answer(after["id"], "raise_once", amount=0.55)
    assert first.take().text == second.take().text == "look around"
    assert not server.person.state()["items"]


@pytest.mark.spec("cost-13")
def test_of_ten_that_begin_at_the_edge_only_as_many_do_as_there_is_room_for(new_server: NewServer) -> None:
    server = new_server(max_usd_per_day=1.00, max_usd_per_turn=None, max_usd_per_session=None)
    start(server)
    first = play(server)
    first.begin()
    first.spent(0.85)
    first.end()
    for n in range(10):
        start(server, f"parallel-{n}")
    states = {n: server.person.until_session(f"parallel-{n}", "waiting", "working", "starting") for n in range(10)}

    def settled() -> list[int]:
        states.update({n: server.person.get(f"/api/sessions/parallel-{n}") for n in states})
        waiting = [n for n in states if states[n]["state"] == "waiting"]
        started = [n for n in states if server.starts(f"parallel-{n}")]
        return started if len(waiting) + len(started) == 10 else []

    started = server.person.until("each to begin or to wait", settled)
    assert len(started) == 3  # a twentieth of the ceiling is held back for each
    begun = [play(server, f"parallel-{n}") for n in started]
    assert "held for turns that work right now" in ceiling(server)["notice"]["text"]
    for runner in begun:
        runner.begin()
        runner.spent(0.05)
        runner.paused()
    assert server.person.get("/api/usage")["total"]["cost_usd"] == 1.0
    for _ in range(6):
        server.look_after()
    assert len([n for n in range(10) if server.starts(f"parallel-{n}")]) == 3
    assert ceiling(server)


@pytest.mark.spec("cost-14")
def test_what_others_held_back_and_did_not_use_lets_the_next_go_on(new_server: NewServer) -> None:
    server = new_server(max_usd_per_day=1.00)
    start(server)
    first = play(server)
    first.begin()
    first.spent(0.97)
    start(server, "session-2")
    server.person.until_session("session-2", "waiting")
    item = ceiling(server)
    first.end()
    server.look_after()
    assert play(server, "session-2").take().text == "look around"
    assert not server.person.state()["items"]
    closed = [e["body"] for e in server.person.events() if e["kind"] == "item" and e["body"]["id"] == item["id"]]
    assert (closed[-1]["state"], closed[-1]["closed_by"]) == ("closed", "There is room below it again.")


@pytest.mark.spec("cost-14")
def test_a_new_day_lets_everybody_go_on(new_server: NewServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server = new_server(max_usd_per_day=1.00, unreachable_minutes=10**6)
    runner = at_work(server)
    runner.spent(1.05)
    runner.paused()
    item = ceiling(server)
    today = unit_of_work.now
    for module in ("mainloop.events.unit", "mainloop.spending.service"):
        monkeypatch.setattr(f"{module}.now", lambda: today() + timedelta(days=1))
    server.look_after()
    assert runner.take().text == "look around"
    events = [e["body"] for e in server.person.events() if e["kind"] == "item" and e["body"]["id"] == item["id"]]
    assert events[-1]["closed_by"] == "A new day has begun."


@pytest.mark.spec("cost-14")
def test_a_ceiling_that_is_raised_among_the_settings_closes_its_item(new_server: NewServer) -> None:
    server = new_server(max_usd_per_day=1.00)
    runner = at_work(server)
    runner.spent(1.05)
    runner.paused()
    item = ceiling(server)
    server.person.http.put("/api/ceilings", json={"scope": "day", "unit": "usd", "amount": "none"})
    assert runner.take().text == "look around"
    assert not server.person.state()["items"]
    gone = server.person.http.post(f"/api/inbox/{item['id']}/answer", json={"id": "late-answer", "decision": "raise"})
    assert gone.status_code == 409


@pytest.mark.spec("cost-13")
def test_a_ceiling_holds_after_the_server_was_started_again(new_server: NewServer) -> None:
    server = new_server(max_usd_per_session=0.20)
    at_ceiling(server).die()
    server.stop()
    server = new_server(max_usd_per_session=0.20)
    item = ceiling(server)
    server.person.say("go on then", "session-1")
    server.person.post("/api/sessions/session-1/resume")
    server.person.until_session("session-1", "waiting")
    assert ceiling(server)["id"] == item["id"]
    assert server.starts("session-1") == []


@pytest.mark.spec("cost-13")
def test_a_project_s_ceiling_counts_all_its_sessions(new_server: NewServer, tmp_path: Path) -> None:
    server = new_server(max_usd_per_project=1.00)
    project = server.person.post("/api/projects", {"source": str(Repository.make(tmp_path / "repo").path)})["id"]
    for n in (1, 2):
        start(server, f"session-{n}", project=project)
    first, second = play(server), play(server, "session-2")
    for runner, used in ((first, 0.60), (second, 0.30)):
        runner.begin()
        runner.spent(used)
    second.spent(0.50)
    second.paused()
    assert ceiling(server)["notice"]["reached"]["scope"] == "project"
    start(server, "session-3")  # of no project
    assert play(server, "session-3").take()


@pytest.mark.spec("cost-7")
def test_tokens_have_ceilings_too_and_a_turn_has_its_own(new_server: NewServer) -> None:
    server = new_server(max_tokens_per_turn=10_000, max_usd_per_turn=None)
    runner = at_work(server)
    assert runner.work().limit.tokens == 500
    runner.spent(None, 400, model="unpriced")
    assert runner.work().limit.tokens == 900
    runner.spent(None, 10_500, model="unpriced")
    runner.paused()
    item = ceiling(server)
    assert item["title"] == "The spending ceiling of one turn is reached: 10,000 tokens."
    server.person.answer(item["id"], "raise_once")
    runner.begin()
    assert runner.work().limit.tokens == 500  # its next turn has a whole ceiling


@pytest.mark.spec("cost-13")
def test_a_turn_that_an_agent_begins_by_itself_is_stopped_at_the_ceiling(new_server: NewServer) -> None:
    server = new_server(max_usd_per_session=0.20)
    runner = at_work(server)
    runner.spent(0.30)
    runner.end()
    runner.begin("none")
    runner.paused()
    assert ceiling(server)["notice"]["reached"]["scope"] == "session"


@pytest.mark.spec("cost-13")
def test_an_answer_does_not_wake_an_agent_that_may_spend_no_more(new_server: NewServer) -> None:
    server = new_server(max_usd_per_session=0.20)
    runner = at_work(server)
    ask = runner.ask_permission(call_id="call-1")
    runner.spent(0.19)
    runner.end("deferred", deferred_call="call-1")
    runner.goodbye()
    server.person.http.put(
        "/api/ceilings", json={"scope": "session", "unit": "usd", "session": "session-1", "amount": 0.1}
    )
    server.person.answer(ask, "allow")
    item = ceiling(server)
    assert server.starts("session-1") == [1]
    server.person.answer(item["id"], "raise")
    second = server.runner("session-1")
    assert second.hello().open_turn == 1
    assert second.work().answers[0].ask_id == ask


@pytest.mark.spec("cost-10")
def test_a_cancelled_session_leaves_no_ceiling_behind_and_is_not_woken_by_its_answer(new_server: NewServer) -> None:
    server = new_server(max_usd_per_day=0.20)
    at_ceiling(server)
    start(server, "session-2")
    server.person.until_session("session-2", "waiting")
    server.person.post("/api/sessions/session-1/cancel")
    server.person.answer(ceiling(server)["id"], "raise")
    assert play(server, "session-2").take()
    assert state(server) == "cancelled"
    assert server.starts("session-1") == [1]


@pytest.mark.spec("cost-15")
@pytest.mark.parametrize(
    ("amount", "said"),
    [
        (0, "more than nothing"),
        (-5, "more than nothing"),
        ("much", "a number of dollars, or none"),
        (1e12, "at most $1,000,000"),
        (0.0001, "at least one cent"),
        (True, "a number of dollars"),
        ("NaN", "a number of dollars"),
        ([5], "a number of dollars"),
    ],
)
def test_an_amount_that_can_not_be_is_refused_in_a_sentence(server: InProcessServer, amount: Any, said: str) -> None:
    answer = server.person.http.put("/api/ceilings", json={"scope": "day", "unit": "usd", "amount": amount})
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


@pytest.mark.spec("cost-15")
def test_a_ceiling_that_nobody_can_have_is_refused_in_a_sentence(server: InProcessServer) -> None:
    start(server)
    for body, said in (
        ({"scope": "day", "session": "session-1"}, "has no ceiling per day"),
        ({"scope": "turn", "session": "nobody-here"}, "nobody-here"),
        ({"scope": "turn", "unit": "tokens", "amount": 1.5}, "whole number of tokens"),
        ({"scope": "turn", "unit": "tokens", "amount": 5}, "from 1,000"),
    ):
        answer = server.person.http.put("/api/ceilings", json={"unit": "usd", "amount": 5, **body})
        assert answer.status_code in (404, 422)
        assert said in answer.json()["detail"]


@pytest.mark.spec("cost-7")
def test_the_nearest_value_holds_and_can_be_taken_back(new_server: NewServer) -> None:
    server = new_server(max_usd_per_turn=3)
    start(server)

    def turn(**where: str) -> Any:
        found = server.person.get("/api/ceilings", **where)["ceilings"]
        return next((c["amount"], c["source"]) for c in found if (c["scope"], c["unit"]) == ("turn", "usd"))

    def put(amount: Any, **where: str) -> None:
        answer = server.person.http.put(
            "/api/ceilings", json={"scope": "turn", "unit": "usd", "amount": amount, **where}
        )
        assert answer.status_code == 200, answer.text

    assert turn() == (3, "settings")
    put("$4")
    put("none", session="session-1")
    assert (turn(), turn(session="session-1")) == ((4, "installation"), (None, "session"))
    put(None, session="session-1")
    assert turn(session="session-1") == (4, "installation")
    put(None)
    assert turn() == (3, "settings")


@pytest.mark.spec("cost-16")
def test_agents_whose_sessions_fail_before_they_begin_are_held_up_and_the_person_is_asked(
    new_server: NewServer,
) -> None:
    server = new_server(max_starts_per_turn=50)
    server.person.say("many")
    main = play(server, "main")
    main.begin()

    def spawn(n: int) -> str | None:
        answer = main.request("spawn_session", title=f"Number {n}", prompt=f"Do {n}")
        return answer.text if answer.is_error else None

    def fails(title: str) -> None:
        session = next(s for s in server.person.get("/api/sessions")["sessions"] if s["title"] == title)
        error = AgentError(code="not_installed", message="Claude Code is not installed.")
        runner = play(server, session["id"])
        runner.say(r.RunEnded(reason="failed", error=error))
        runner.die()
        assert state(server, session["id"]) == "failed"

    assert [spawn(n) for n in range(2)] == [None] * 2
    for n in range(2):
        fails(f"Number {n}")
    assert spawn(2) is None  # two are no proof
    fails("Number 2")
    for n in (3, 4):
        assert "The last 3 sessions that agents started failed before they began." in str(spawn(n))
        server.look_after()
    [item] = [i for i in server.person.get("/api/inbox")["items"] if i["kind"] == "ceiling"]
    assert "failed before they began" in item["notice"]["text"]
    start(server, "by-hand-1")
    server.person.answer(item["id"], "raise_once")
    assert spawn(5) is None


@pytest.mark.spec("cost-16")
def test_agents_that_start_sessions_too_fast_are_held_up_and_the_person_is_asked_once(new_server: NewServer) -> None:
    server = new_server(max_starts_at_once=3, max_starts_per_turn=50)
    server.person.say("many")
    main = play(server, "main")
    main.begin()

    def spawn(n: int) -> str | None:
        answer = main.request("spawn_session", title=f"Number {n}", prompt=f"Do {n}")
        return answer.text if answer.is_error else None

    assert [spawn(n) for n in range(3)] == [None] * 3
    for n in (3, 4):
        refused = spawn(n)
        assert refused is not None
        assert "MAINLOOP_MAX_STARTS_AT_ONCE" in refused
        server.look_after()
    item = ceiling(server)
    assert item["notice"]["decisions"] == ["raise_once", "stop"]
    start(server, "by-hand-1")
    server.person.answer(item["id"], "raise_once")
    assert spawn(5) is None
    assert [spawn(n) for n in (6, 7)] == [None, None]
    assert spawn(8) is not None
    server.look_after()
    server.person.answer(ceiling(server)["id"], "stop")
    assert "stopped the starting" in str(spawn(9))
    server.look_after()
    assert not server.person.state()["items"]
