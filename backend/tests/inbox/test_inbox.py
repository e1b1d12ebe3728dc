"""What waits for the person: each thing once, with one answer."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from mainloop.db import tables as t
from mainloop.events import unit
from mainloop.testing.by_hand import HandRunner
from mainloop.testing.inprocess import InProcessServer
from mainloop_models import runner as r
from mainloop_models.asks import Option, PermissionAsk, PlanAsk, Question, QuestionAsk, UnknownAsk, form_of

RUN = PermissionAsk(tool="Bash", input={"command": "make 2"}, command="make 2")


def give(server: InProcessServer, item: str, decision: str, **more: Any) -> tuple[int, Any]:
    body = {"id": str(uuid.uuid4()), "decision": decision, **more}
    answer = server.person.http.post(f"/api/inbox/{item}/answer", json=body)
    return answer.status_code, answer.json()


def waiting(server: InProcessServer) -> list[str]:
    return [i["id"] for i in server.person.get("/api/inbox")["items"]]


def test_an_ask_has_one_answer_and_the_second_answerer_is_shown_the_first(server: InProcessServer) -> None:
    runner = server.working()
    ask = runner.ask_permission()
    status, item = give(server, ask, "deny", id="answer-1", text="not now")
    assert (status, item["state"], item["answer"]["decision"], item["closed_by"]) == (200, "answered", "deny", "test")
    assert give(server, ask, "deny", id="answer-1", text="not now") == (status, item)
    assert give(server, ask, "allow", id="answer-1") == (status, item)  # the same answer, whatever it says now
    status, problem = give(server, ask, "allow", id="answer-2")
    assert (status, problem["code"]) == (409, "already_answered")
    assert "deny · not now" in problem["detail"]
    assert problem["item"] == item
    assert [a.answer.text for a in runner.work().answers] == ["not now"]


def test_of_many_answers_at_once_one_counts(server: InProcessServer) -> None:
    runner = server.working()
    ask = runner.ask_permission()

    def decide(decision: str) -> tuple[int, Any]:
        return give(server, ask, decision)

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(decide, ["allow", "deny"] * 4))
    won = [body for status, body in results if status == 200]
    assert len(won) == 1
    assert {body["code"] for status, body in results if status == 409} == {"already_answered"}
    assert [a.answer.decision.value for a in runner.work().answers] == [won[0]["answer"]["decision"]]


def test_each_kind_is_answered_in_its_own_words(server: InProcessServer) -> None:
    runner = server.working()
    asks = {
        "permission": runner.ask_permission(),
        "question": runner.ask_question("Which?"),
        "plan": runner.ask(PlanAsk(plan="1. Look")),
        "form": runner.ask(FORM),
    }
    allowed = {
        "permission": {"allow", "deny"},
        "question": {"answer", "dismiss"},
        "plan": {"approve", "revise", "deny"},
        "form": {"answer", "deny", "dismiss"},
    }
    for kind, ask in asks.items():
        for decision in {"allow", "deny", "approve", "revise", "answer", "dismiss", "retry"} - allowed[kind]:
            status, problem = give(server, ask, decision)
            assert (status, problem["code"]) == (422, "bad_input")
            assert sorted(allowed[kind]) == sorted(problem["detail"].split(": ")[1].rstrip(".").split(", "))
    assert give(server, asks["permission"], "perhaps")[0] == 422
    assert sorted(waiting(server)) == sorted(asks.values())
    assert give(server, asks["plan"], "revise", text="look twice")[0] == 200


def test_every_question_needs_its_answer_or_the_persons_own_words(server: InProcessServer) -> None:
    runner = server.working()
    ask = runner.ask_question("Which?", "How many?")
    wrong: list[tuple[dict[str, Any], str]] = [
        ({}, "Not answered yet: Which?"),
        ({"Which?": "red"}, "Not answered yet: How many?"),
        ({"Which?": "red", "How many?": ""}, "Not answered yet: How many?"),
        ({"Which?": "red", "How many?": []}, "Not answered yet: How many?"),
        ({"Which?": "red", "How many?": "2", "Who?": "me"}, "This was not asked: Who?"),
        ({"Which?": "red", "How many?": ["2", "3"]}, "Only one answer fits here: How many?"),
    ]
    for answers, words in wrong:
        status, problem = give(server, ask, "answer", answers=answers)
        assert (status, problem["detail"]) == (422, words)
    assert give(server, ask, "answer", answers={"Which?": "red", "How many?": ["2"]})[0] == 200
    own = runner.ask_question("Really?")
    assert give(server, own, "answer", text="ask me tomorrow")[0] == 200
    given = runner.work().answers
    assert given[0].answer.answers == {"Which?": "red", "How many?": ["2"]}
    assert given[1].answer.text == "ask me tomorrow"


def test_a_question_for_any_number_of_options_takes_several(server: InProcessServer) -> None:
    runner = server.working()
    options = [Option(label=label) for label in ("left", "right", "both")]
    ask = runner.ask(QuestionAsk(questions=[Question(question="Where?", multi_select=True, options=options)]))
    chosen = {"Where?": ["left", "in the middle"]}
    assert give(server, ask, "answer", answers=chosen)[1]["answer"]["answers"] == chosen
    assert runner.work().answers[0].answer.answers == chosen


# ---- forms ----------------------------------------------------------------------------------------------------
FORM = form_of(
    "Where shall it run?",
    {
        "type": "object",
        "properties": {
            "host": {"type": "string", "title": "Host", "minLength": 3},
            "copies": {"type": "integer", "title": "Copies", "minimum": 1, "maximum": 9, "default": 2},
            "ratio": {"type": "number"},
            "public": {"type": "boolean"},
            "zone": {"type": "string", "enum": ["eu", "us"], "enumNames": ["Europe", "America"]},
            "days": {"type": "array", "items": {"enum": ["mon", "tue", "wed"]}, "maxItems": 2},
        },
        "required": ["host"],
    },
)


@pytest.mark.spec("inbox-28")
def test_a_form_is_an_item_with_its_fields_and_its_values_reach_the_call_that_asked(server: InProcessServer) -> None:
    runner = server.working()
    ask = runner.ask(FORM, title="Where shall it run?")
    [item] = server.person.get("/api/inbox")["items"]
    assert (item["kind"], item["decisions"], item["ask"]["message"]) == (
        "form",
        ["deny", "answer", "dismiss"],
        "Where shall it run?",
    )
    assert [(f["name"], f["kind"], f["required"]) for f in item["ask"]["fields"]][:2] == [
        ("host", "text", True),
        ("copies", "integer", False),
    ]
    values = {"host": "ash", "copies": 3, "ratio": 0.5, "public": True, "zone": "eu", "days": ["mon", "wed"]}
    status, answered = give(server, ask, "answer", values=values)
    assert (status, answered["answer"]["values"]) == (200, values)
    assert runner.work().answers[0].answer.values == values


@pytest.mark.spec("inbox-29")
def test_values_that_do_not_fit_are_refused_with_the_field_by_name(server: InProcessServer) -> None:
    runner = server.working()
    ask = runner.ask(FORM)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({}, "Not filled in yet: Host"),
        ({"host": "a"}, "Host: at least 3 characters are needed."),
        ({"host": "ash", "copies": 12}, "Copies: at most 9."),
        ({"host": "ash", "zone": "asia"}, "zone: choose one of eu, us."),
        ({"host": "ash", "days": ["mon", "tue", "wed"]}, "days: choose at most 2."),
        ({"host": "ash", "port": 1}, "This was not asked: port"),
    ]
    for values, words in wrong:
        status, problem = give(server, ask, "answer", values=values)
        assert (status, problem["detail"]) == (422, words)
    assert give(server, ask, "answer", values={"host": "a" * 20_001})[0] == 422
    assert give(server, ask, "deny", values={"host": "ash"})[0] == 422
    assert give(server, runner.ask_permission(), "allow", values={"host": "ash"})[0] == 422
    assert give(server, ask, "deny")[0] == 200
    assert give(server, runner.ask(FORM), "dismiss")[0] == 200


def test_an_ask_of_a_kind_that_a_newer_runner_knows_is_kept_and_can_be_dismissed(server: InProcessServer) -> None:
    runner = server.working()
    ask = runner.ask(UnknownAsk.model_validate({"kind": "teleport", "to": "Mars"}), title="Shall I go?")
    [item] = server.person.get("/api/inbox")["items"]
    assert (item["kind"], item["title"], item["decisions"]) == ("teleport", "Shall I go?", ["dismiss"])
    assert give(server, ask, "allow")[1]["detail"] == "An ask is answered with one of: dismiss."
    assert give(server, ask, "dismiss")[0] == 200
    assert runner.work().answers[0].answer.decision == "dismiss"


def test_an_answer_with_text_no_database_stores_is_taken(server: InProcessServer) -> None:
    runner = server.working()
    ask = runner.ask_question("Which?")
    assert give(server, ask, "answer", id="answer\x00-1", answers={"Which?": "a\x00b"}, text="\x00")[0] == 200
    assert len(runner.work().answers) == 1


def test_several_are_answered_at_once_each_with_its_own_result(server: InProcessServer) -> None:
    runner = server.working()
    one, two, three = (runner.ask_permission(f"make {n}") for n in range(3))
    give(server, three, "deny")

    def answer(item: str, decision: str = "allow") -> dict[str, str]:
        return {"id": str(uuid.uuid4()), "item": item, "decision": decision}

    wanted = [answer(one), answer("no-such"), answer(three), answer(two, "approve"), answer(two)]
    results = server.person.post("/api/inbox/answers", {"answers": wanted})["results"]
    assert [(x["item"], x["status"], x["code"]) for x in results] == [
        (one, 200, ""),
        ("no-such", 404, "unknown_item"),
        (three, 409, "already_answered"),
        (two, 422, "bad_input"),
        (two, 200, ""),
    ]
    assert all(x["detail"] for x in results if x["status"] != 200)
    assert waiting(server) == []


def test_what_is_no_item_or_no_answer_is_refused_in_words(server: InProcessServer) -> None:
    ask = server.working().ask_permission()
    assert give(server, "nothing", "allow")[1]["code"] == "unknown_item"
    assert give(server, "%00", "allow")[1]["code"] == "unknown_item"
    assert give(server, ask, "allow", id="short")[1]["code"] == "bad_input"
    assert give(server, ask, "allow", scope="always")[1]["code"] == "bad_input"
    assert give(server, ask, "allow", text="x" * 20_001)[1]["code"] == "bad_input"
    assert server.person.http.post("/api/inbox/answers", json={"answers": []}).status_code == 422
    assert waiting(server) == [ask]


@pytest.mark.spec("inbox-13")
def test_a_megabyte_is_no_answer_wherever_it_stands(server: InProcessServer) -> None:
    runner = server.working()
    question, permission = runner.ask_question("Which?"), runner.ask_permission()
    much = "x" * 1_000_000
    for item, decision, more, words in (
        (question, "answer", {"text": much}, "at most 20000"),
        (question, "answer", {"answers": {"Which?": much}}, "20000 characters at most, this one has 1000000"),
        (question, "answer", {"answers": {"Which?": ["x"] * 20_001}}, "20000 characters at most"),
        (question, "answer", {"answers": {much: "yes"}}, "This was not asked: xxx"),
        (question, "dismiss", {"answers": {"Which?": "yes"}}, "Only a question that is answered"),
        (permission, "allow", {"answers": {much: "yes"}}, "Only a question that is answered"),
        (permission, "deny", {"id": much}, "at most 64"),
        (permission, "allow", {"scope": "session", "pattern": much}, "at most 20000"),
    ):
        status, problem = give(server, item, decision, **more)
        assert (status, problem["code"]) == (422, "bad_input")
        assert words in problem["detail"]
        assert len(problem["detail"]) < 2000
    assert give(server, much[:50_000], "allow")[0] in (404, 414)
    assert sorted(waiting(server)) == sorted([question, permission])
    assert give(server, question, "answer", answers={"Which?": "x" * 20_000})[0] == 200
    assert len(runner.work().answers) == 1


def many(runner: HandRunner, number: int) -> list[str]:
    """So many asks of one session, in one report."""
    asks = [
        r.AskOpened(
            id=f"ask-session-1-call-{n}",
            call_id=f"call-{n}",
            turn=1,
            title=f"Run {n}?",
            ask=PermissionAsk(tool="Bash", input={"command": f"make {n}"}, command=f"make {n}"),
        )
        for n in range(number)
    ]
    runner.say(*asks)
    return [ask.id for ask in asks]


def denials(items: list[str]) -> dict[str, Any]:
    return {"answers": [{"id": str(uuid.uuid4()), "item": item, "decision": "deny"} for item in items]}


@pytest.mark.spec("inbox-3", "inbox-14")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_many_at_once_are_all_there(server: InProcessServer) -> None:
    asked = many(server.working(), 201)
    items = waiting(server)
    assert sorted(items) == sorted(asked)
    assert [item["id"] for item in server.person.state()["items"]] == items
    too_many = server.person.http.post("/api/inbox/answers", json=denials(items[:201]))
    assert (too_many.status_code, too_many.json()["code"]) == (422, "bad_input")
    results = server.person.post("/api/inbox/answers", denials(items[:20]))["results"]
    assert {result["status"] for result in results} == {200}
    assert waiting(server) == items[20:]


@pytest.mark.long
@pytest.mark.spec("inbox-3", "inbox-14")
def test_five_hundred_are_answered_by_hundreds(server: InProcessServer) -> None:
    runner = server.working()
    items = many(runner, 500)
    assert sorted(waiting(server)) == sorted(items)
    for start in range(0, 500, 200):
        results = server.person.post("/api/inbox/answers", denials(items[start : start + 200]))["results"]
        assert {result["status"] for result in results} == {200}
    assert waiting(server) == []
    assert len(runner.work().answers) == 500
    assert server.person.get("/api/sessions/session-1")["state"] != "waiting"


@pytest.mark.spec("inbox-7", "inbox-15")
@pytest.mark.parametrize("database_kind", ["sqlite"])
@pytest.mark.parametrize("jump", [timedelta(days=-400), timedelta(days=400)], ids=["back", "forth"])
def test_a_clock_that_jumps_loses_no_ask_and_no_answer(
    server: InProcessServer, monkeypatch: pytest.MonkeyPatch, jump: timedelta
) -> None:
    runner = server.working()
    before, question = runner.ask_permission(), runner.ask_question()
    right = unit.now
    monkeypatch.setattr(unit, "now", lambda: right() + jump)
    after = runner.ask_permission("make install")
    server.look_after()
    assert sorted(waiting(server)) == sorted([before, question, after])
    for ask in (before, after):
        assert give(server, ask, "allow")[0] == 200
        assert give(server, ask, "deny")[1]["code"] == "already_answered"
    assert {answer.ask_id for answer in runner.work().answers} == {before, after}
    monkeypatch.undo()
    server.look_after()
    assert waiting(server) == [question]
    assert server.person.get("/api/sessions/session-1")["state"] == "waiting"
    assert give(server, question, "dismiss")[0] == 200
    assert len(runner.work().answers) == 3


def closed(server: InProcessServer, item: str, thread: str = "session-1") -> tuple[str, str]:
    """What the log says of an item at last, and what an answer gets."""
    body = [e["body"] for e in server.person.events(thread) if e["kind"] == "item" and e["body"]["id"] == item][-1]
    status, problem = give(server, item, "allow")
    assert (status, problem["code"], problem["item"]["state"]) == (409, "item_closed", "closed")
    assert body["closed_by"] in problem["detail"]
    return body["state"], body["closed_by"]


def test_an_ask_that_lost_its_cause_closes_itself_and_says_why(server: InProcessServer) -> None:
    runner = server.working()
    by_end = runner.ask_permission("one")
    runner.end()
    assert closed(server, by_end) == ("closed", "The turn that asked has ended.")
    server.person.say("go on", "session-1")
    runner.begin()
    by_interrupt = runner.ask_permission("two")
    runner.end("interrupted")
    assert closed(server, by_interrupt) == ("closed", "The turn that asked has ended.")
    server.person.say("go on", "session-1")
    runner.begin()
    by_runner = runner.ask_permission("three")
    runner.say(r.AskWithdrawn(ask_id=by_runner, reason="The call was interrupted."))
    assert closed(server, by_runner) == ("closed", "The call was interrupted.")
    by_cancel = runner.ask_permission("four")
    server.person.post("/api/sessions/session-1/cancel")
    assert closed(server, by_cancel) == ("closed", "The session was stopped.")
    runner.die()
    assert waiting(server) == []


def test_an_ask_of_another_turn_or_thread_stays_when_a_turn_ends(server: InProcessServer) -> None:
    runner, other = server.working(), server.working("session-2")
    stays = other.ask_permission()
    runner.ask_permission()
    runner.end()
    assert waiting(server) == [stays]


def test_the_badge_is_the_number_of_open_rows_most_urgent_first(server: InProcessServer) -> None:
    runner, other = server.working(), server.working("session-2")
    plan = runner.ask(PlanAsk(plan="1. Look"))
    question = other.ask_question()
    permission = runner.ask_permission()
    assert waiting(server) == [permission, question, plan]
    assert [i["id"] for i in server.person.state()["items"]] == [permission, question, plan]
    give(server, question, "dismiss")
    assert len(server.person.state()["items"]) == 2


# -- putting off ---------------------------------------------------------------------------------------------------
def snooze(server: InProcessServer, item: str, until: datetime | None = None, expect: int = 200) -> Any:
    body = {"until": None if until is None else until.isoformat()}
    answer = server.person.http.post(f"/api/inbox/{item}/snooze", json=body)
    assert answer.status_code == expect, answer.text
    return answer.json()


def snoozed(server: InProcessServer) -> list[str]:
    return [i["id"] for i in server.person.get("/api/inbox")["items"] if i["snoozed_at"]]


def days_later(monkeypatch: pytest.MonkeyPatch, days: float) -> None:
    for module in ("mainloop.events.unit", "mainloop.inbox.service"):
        monkeypatch.setattr(f"{module}.now", lambda: datetime.now(UTC) + timedelta(days=days))


def last_looked(server: InProcessServer, ago: timedelta) -> None:
    """The person looks, that long before now."""
    server.person.http.put("/api/presence").raise_for_status()
    moment = datetime.now(UTC) - ago
    server.parts.database.write(lambda unit: unit.execute(sa.update(t.device).values(looked_at=moment)))


@pytest.mark.spec("inbox-19", "inbox-20", "inbox-21")
def test_what_is_put_off_stands_last_until_its_time_has_come_and_its_agent_is_not_told(
    server: InProcessServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = server.working()
    one, two = runner.ask_permission("make one"), runner.ask_permission("make two")
    seen, until = runner.work().version, datetime.now(UTC) + timedelta(days=1)
    other = server.pair()
    with other.follow(other.state()["cursor"]) as follower:
        assert snooze(server, one, until)["snoozed_until"] == until.isoformat().replace("+00:00", "Z")
        told = follower.until(lambda name, data: name == "event" and data["kind"] == "item")[-1][2]
    assert (told["body"]["id"], told["body"]["state"], told["body"]["snoozed_until"] is None) == (one, "open", False)
    assert waiting(server) == [two, one]
    assert snoozed(server) == [one]
    assert (runner.work().version, runner.work().answers) == (seen, [])

    server.look_after()
    assert snoozed(server) == [one]
    server.stop()  # nothing of it lives in the process
    days_later(monkeypatch, 0.9)
    server.start()
    server.look_after()
    assert snoozed(server) == [one]
    days_later(monkeypatch, 1.1)  # the machine slept over it, or its clock was set
    server.look_after()
    assert (snoozed(server), waiting(server)) == ([], [one, two])
    server.look_after()
    events = server.person.get("/api/threads/session-1/events")["events"]
    assert len([e for e in events if e["kind"] == "item" and e["body"]["id"] == one]) == 3  # asked, put off, back


@pytest.mark.spec("inbox-20")
def test_what_is_put_off_until_they_are_back_waits_while_they_are_there(server: InProcessServer) -> None:
    ask = server.working().ask_permission()
    last_looked(server, timedelta(minutes=5))
    snooze(server, ask)
    server.pair().http.put("/api/presence").raise_for_status()  # another device: they never left
    assert snoozed(server) == [ask]
    last_looked(server, timedelta(minutes=14))
    server.person.http.put("/api/presence").raise_for_status()
    assert snoozed(server) == [ask]
    last_looked(server, timedelta(minutes=16))
    server.look_after()
    assert snoozed(server) == [ask]  # nobody is back yet
    server.person.http.put("/api/presence").raise_for_status()
    assert snoozed(server) == []
    # A clock that ran ahead keeps nobody from coming back.
    snooze(server, ask)
    last_looked(server, -timedelta(days=400))
    server.person.http.put("/api/presence").raise_for_status()
    last_looked(server, timedelta(minutes=16))
    server.person.http.put("/api/presence").raise_for_status()
    assert snoozed(server) == []


@pytest.mark.spec("inbox-19", "inbox-21")
def test_what_is_put_off_can_be_woken_answered_and_closes_itself_as_before(server: InProcessServer) -> None:
    runner = server.working()
    one, two, three = (runner.ask_permission(f"make {n}") for n in range(3))
    for ask in (one, two, three):
        snooze(server, ask)
    woken = server.person.post(f"/api/inbox/{one}/wake", {})
    assert woken["snoozed_at"] is None
    assert server.person.post(f"/api/inbox/{one}/wake", {}) == woken  # it is awake already
    assert give(server, two, "allow")[0] == 200
    assert [a.ask_id for a in runner.work().answers] == [two]
    runner.say(r.AskWithdrawn(ask_id=three, reason="It went on without."))
    assert waiting(server) == [one]
    assert snooze(server, two, expect=409)["code"] == "already_answered"
    assert snooze(server, three, expect=409)["code"] == "item_closed"
    assert snooze(server, "no-such", expect=404)["code"] == "unknown_item"
    assert server.person.http.post(f"/api/inbox/{three}/wake").status_code == 409
    # Its call is made again: it is a new ask, which nobody has put off.
    runner.say(r.AskOpened(id=three, turn=1, call_id=three, title="Run make 2", ask=RUN))
    assert (waiting(server), snoozed(server)) == ([one, three], [])


@pytest.mark.spec("inbox-19")
def test_a_time_that_has_passed_or_is_years_away_is_refused_in_words(server: InProcessServer) -> None:
    ask = server.working().ask_permission()
    past, far = datetime.now(UTC) - timedelta(seconds=1), datetime.now(UTC) + timedelta(days=400)
    assert "has passed already" in snooze(server, ask, past, expect=422)["detail"]
    assert "more than a year" in snooze(server, ask, far, expect=422)["detail"]
    assert server.person.http.post(f"/api/inbox/{ask}/snooze", json={"until": "later"}).status_code == 422
    assert snoozed(server) == []


# -- plans ---------------------------------------------------------------------------------------------------------
@pytest.mark.spec("inbox-27")
def test_a_plan_that_comes_again_says_its_version_and_takes_the_place_of_one_that_waits(
    server: InProcessServer,
) -> None:
    runner = server.working()
    plans: dict[str, int] = {}

    def shows() -> str:
        plan = runner.ask(PlanAsk(plan="1. Look"), title="Look")
        plans[plan] = next(i["version"] for i in server.person.get("/api/inbox")["items"] if i["id"] == plan)
        return plan

    give(server, shows(), "revise", text="twice")
    waits = shows()
    newest = shows()  # it did not wait for the answer
    assert list(plans.values()) == [1, 2, 3]
    assert waiting(server) == [newest]
    status, problem = give(server, waits, "approve")
    assert (status, problem["code"]) == (409, "item_closed")
    assert "Version 3 took its place." in problem["detail"]
    assert server.person.get("/api/sessions/session-1")["state"] == "waiting"
    give(server, newest, "approve")
    again = shows()  # another plan, not another version
    assert plans[again] == 1
    assert runner.ask(PlanAsk(plan="1. Look"), call_id=again.removeprefix("ask-session-1-"), title="Look") == again
    assert [i["version"] for i in server.person.get("/api/inbox")["items"]] == [1]
