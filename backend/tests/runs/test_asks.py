"""Asks as the runner sees them: held, parked, orphaned, answered, used up."""

import json

import pytest

from mainloop.testing.by_hand import HandRunner
from mainloop.testing.inprocess import InProcessServer
from mainloop_models import runner as r
from mainloop_models.asks import Decision, PermissionAsk, Question, QuestionAsk, form_of


def working(server: InProcessServer, thread: str = "main") -> HandRunner:
    server.person.say("do it", thread)
    runner = server.runner(thread)
    runner.hello()
    runner.begin()
    return runner


def test_an_answer_reaches_exactly_the_call_that_asked_and_stays_until_it_is_taken(server: InProcessServer) -> None:
    runner = working(server)
    one, two = runner.ask_permission("make"), runner.ask_permission("make install")
    server.person.answer(two, "deny", text="not that")
    answers = runner.work().answers
    assert [(a.ask_id, a.answer.decision, a.answer.text) for a in answers] == [(two, Decision.DENY, "not that")]
    assert runner.work().answers == answers
    runner.say(r.AnswerTaken(ask_id=two))
    assert runner.work().answers == []
    server.person.answer(one, "allow")
    assert [a.ask_id for a in runner.work().answers] == [one]
    runner.say(r.Released(call_id="c", turn=1, by="answer", ask_id=one))
    assert runner.work().answers == []


@pytest.mark.spec("inbox-18")
def test_an_ask_too_long_for_an_event_is_cut_there_and_whole_where_it_is_decided(server: InProcessServer) -> None:
    person = server.person
    runner = working(server)
    command = f"echo {'x' * 40_000} && rm -r /the/end"
    ask = runner.ask_permission(command)
    (item,) = person.get("/api/inbox")["items"]
    (event,) = [e for e in person.events() if e["kind"] == "item"]
    assert len(json.dumps(event["body"])) < 32 * 1024
    assert item["ask"] == event["body"]["ask"]
    assert item["blob"] == event["body"]["blob"]
    whole = json.loads(person.http.get(f"/api/blobs/{item['blob']['id']}").text)
    assert whole["command"] == whole["input"]["command"] == command
    assert whole["kind"] == item["ask"]["kind"]
    # Its runner dies: what was approved is what may run, to the last letter.
    runner.die()
    server.look_after()
    person.answer(ask, "allow")
    assert [a.input["command"] for a in server.runner("main", 2).hello().approved] == [command]


def test_a_long_question_is_answered_by_its_whole_text_and_a_short_ask_has_no_blob(server: InProcessServer) -> None:
    runner = working(server)
    question = f"Which one? {'It is a long story. ' * 1000}"
    ask = runner.ask_question(question)
    (item,) = server.person.get("/api/inbox")["items"]
    assert item["blob"] is not None
    server.person.answer(ask, "answer", answers={question: "that one"})
    assert runner.work().answers[0].answer.answers == {question: "that one"}
    runner.ask_question("Short?")
    (item,) = server.person.get("/api/inbox")["items"]
    assert item["blob"] is None


@pytest.mark.parametrize("lists", [[["y" * 9] * 9] * 9000, {f"{n}": "z" * 5000 for n in range(200)}, {"k" * 50_000: 1}])
def test_an_ask_of_any_shape_fits_into_an_event(server: InProcessServer, lists: object) -> None:
    runner = working(server)
    runner.ask(PermissionAsk(tool="Odd", input={"given": lists}))
    (event,) = [e for e in server.person.events() if e["kind"] == "item"]
    assert len(json.dumps(event["body"])) < 32 * 1024


def test_a_deferred_call_waits_without_a_runner_and_goes_on_with_the_answer(server: InProcessServer) -> None:
    person = server.person
    runner = working(server)
    ask = runner.ask_permission("make", call_id="c1")
    runner.end("deferred", deferred_call="c1")
    person.say("queued meanwhile")
    assert runner.work().wanted == "park"
    runner.goodbye()
    server.look_after()
    assert server.starts("main") == [1]  # waiting holds no process
    assert [i["id"] for i in person.get("/api/inbox")["items"]] == [ask]

    person.answer(ask, "allow")
    later = server.runner("main", 2)
    welcome = later.hello()
    assert (welcome.deferred_call, welcome.open_turn, welcome.open_messages) == ("c1", 1, runner.taken)
    work = later.work()
    assert [a.ask_id for a in work.answers] == [ask]
    assert work.messages == []  # nothing goes before the call that waits
    later.say(
        r.TurnStarted(turn=2, message_ids=runner.taken),
        r.Released(call_id="c1", turn=2, by="answer", ask_id=ask),
        r.TurnEnded(turn=2, outcome="completed", finished=runner.taken, text="made"),
    )
    assert [m.text for m in later.work().messages] == ["queued meanwhile"]


def test_an_answer_to_a_deferred_call_survives_the_death_of_the_runner_that_it_started(server: InProcessServer) -> None:
    person = server.person
    runner = working(server)
    ask = runner.ask_permission("make", call_id="c1")
    runner.end("deferred", deferred_call="c1")
    runner.goodbye()
    person.answer(ask, "allow")
    unlucky = server.runner("main", 2)
    unlucky.hello()
    assert [a.ask_id for a in unlucky.work().answers] == [ask]
    unlucky.die()
    server.look_after()
    later = server.runner("main", 3)
    assert later.hello().deferred_call == "c1"
    assert [a.ask_id for a in later.work().answers] == [ask]


def test_an_ask_whose_runner_died_stays_and_its_answer_is_told_and_used_up_once(server: InProcessServer) -> None:
    person = server.person
    runner = working(server)
    ask = runner.ask_permission("make", call_id="c1")
    runner.die()
    server.look_after()
    messenger = server.runner("main", 2)  # comes to deliver what the first left, and has nothing to do
    messenger.hello()
    assert messenger.work().wanted == "park"
    messenger.goodbye()
    server.look_after()
    assert server.starts("main") == [1, 2]
    assert [i["id"] for i in person.get("/api/inbox")["items"]] == [ask]

    person.answer(ask, "allow", text="go ahead")
    later = server.runner("main", 3)
    welcome = later.hello()
    assert [(a.ask_id, a.tool, a.input) for a in welcome.approved] == [(ask, "Bash", {"command": "make"})]
    work = later.work()
    assert work.answers == []  # no call waits for it any more
    assert "allow. go ahead" in work.messages[0].follow_up
    later.begin()
    later.say(r.Released(call_id="c2", turn=2, by="answer", ask_id=ask))
    later.end()
    later.goodbye()
    person.say("again")
    assert server.runner("main", 4).hello().approved == []


def test_a_question_whose_runner_died_is_told_in_words(server: InProcessServer) -> None:
    person = server.person
    runner = working(server)
    ask = runner.ask(
        QuestionAsk(questions=[Question(question="Which one?"), Question(question="How many?", multi_select=True)])
    )
    runner.die()
    server.look_after()
    messenger = server.runner("main", 2)
    messenger.hello()
    messenger.work()
    messenger.goodbye()
    person.answer(ask, "answer", answers={"Which one?": "the red", "How many?": ["2", "3"]})
    later = server.runner("main", 3)
    assert later.hello().approved == []
    told = later.work().messages[0].follow_up
    assert "Which one?: the red" in told
    assert "How many?: 2, 3" in told


def test_a_form_whose_runner_died_is_told_with_what_was_filled_in(server: InProcessServer) -> None:
    runner = working(server)
    fields = {"branch": {"type": "string"}, "sure": {"type": "boolean"}}
    ask = runner.ask(form_of("What to release", {"type": "object", "properties": fields}))
    runner.die()
    server.look_after()
    server.runner("main", 2).bring()
    server.person.answer(ask, "answer", values={"branch": "main", "sure": True})
    later = server.runner("main", 3)
    later.hello()
    told = later.work().messages[0].follow_up
    assert "branch: main; sure: yes" in told


def test_an_ask_reported_again_by_a_later_run_is_one_ask(server: InProcessServer) -> None:
    runner = working(server)
    ask = runner.ask_permission("make", call_id="c1")
    runner.end("deferred", deferred_call="c1")
    runner.ask_permission("make", call_id="c1")
    assert [i["id"] for i in server.person.get("/api/inbox")["items"]] == [ask]
