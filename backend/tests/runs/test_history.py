"""An agent whose own record is gone is told what the log says, and the person reads that this was so."""

import pytest

from mainloop.runs import history
from mainloop.testing.by_hand import HandRunner
from mainloop.testing.inprocess import InProcessServer
from mainloop_models import runner as r


def play(server: InProcessServer, run: int) -> tuple[HandRunner, r.Welcome]:
    runner = server.runner("session-1", run)
    return runner, runner.hello()


@pytest.mark.spec("waiting-3")
def test_the_answer_goes_on_in_a_new_record_that_knows_question_answer_and_what_was_said(
    server: InProcessServer,
) -> None:
    person = server.person
    person.post("/api/sessions", {"id": "session-1", "prompt": "look around"})
    first, welcome = play(server, 1)
    assert welcome.before == ""
    first.begin()
    first.reply("I see a tree.")
    first.end()
    person.say("cut it down", "session-1")
    first.begin()
    question = first.ask_question("With what?", call_id="c1")
    first.end("deferred", deferred_call="c1")
    first.goodbye()

    person.answer(question, "answer", answers={"With what?": "the axe"})
    refused, welcome = play(server, 2)
    assert (welcome.resume, welcome.deferred_call) == (True, "c1")
    refused.say(r.TurnStarted(turn=2, message_ids=first.taken), r.TurnEnded(turn=2, outcome="cut_off"))
    refused.goodbye("fresh_session")

    fresh, welcome = play(server, 3)
    assert not welcome.resume
    assert welcome.agent_session not in ("s-session-1", refused.thread_id)
    told = welcome.before.split("\n\n")[1:]
    assert told[:2] == ["Person: look around", "Agent: I see a tree."]
    assert "Agent asked: With what?\nPerson answered: answer. With what?: the axe" in told
    assert "cut it down" not in welcome.before  # it is given again, as it was
    given = fresh.take()
    assert (given.text, given.again) == ("cut it down", True)
    assert fresh.work().answers == []  # the call that asked is gone: the answer is in what it is told
    lines = [
        e["body"]["text"] for e in person.events("session-1") if e["kind"] == "run" and e["body"]["what"] == "fresh"
    ]
    assert len(lines) == 1
    assert "record" in lines[0]
    fresh.begin()
    fresh.end()
    fresh.goodbye()
    person.say("thanks", "session-1")
    assert play(server, 4)[1].before == ""
    assert person.get("/api/sessions/session-1")["state"] == "starting"


def test_an_approval_of_a_call_that_is_gone_is_used_up_by_an_identical_one(server: InProcessServer) -> None:
    server.person.post("/api/sessions", {"id": "session-1", "prompt": "look around"})
    first, _ = play(server, 1)
    first.begin()
    ask = first.ask_permission("make", call_id="c1")
    first.end("deferred", deferred_call="c1")
    first.goodbye()
    server.person.answer(ask, "allow")
    refused, _ = play(server, 2)
    refused.say(r.TurnStarted(turn=1, message_ids=first.taken), r.TurnEnded(turn=1, outcome="cut_off"))
    refused.goodbye("fresh_session")
    fresh, welcome = play(server, 3)
    assert [(a.ask_id, a.input) for a in welcome.approved] == [(ask, {"command": "make"})]
    assert fresh.work().answers == []


def test_of_a_long_conversation_the_newest_is_told(server: InProcessServer) -> None:
    server.person.say("hello")
    runner = server.runner()
    runner.hello()
    runner.begin()
    for n in range(40):
        runner.reply(f"{n} {'x' * 3000}")
    told = server.parts.database.read(lambda c: history.so_far(c, "main"))
    assert len(told) < history.LONGEST + 1000
    assert "39 xxx" in told
    assert "(what was before that is left out)" in told
    assert "Agent: 1 x" not in told
