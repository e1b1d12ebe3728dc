"""What becomes of a thread whose runner, agent or server died at an awkward moment; runners are played by hand."""

import pytest

from mainloop.db import tables as t
from mainloop.db.engine import Row
from mainloop.runs.store import agent
from mainloop.testing.by_hand import HandRunner
from mainloop.testing.inprocess import InProcessServer, NewServer
from mainloop.testing.ledger import faults, read, unsettled
from mainloop.testing.waiting import eventually
from mainloop_models import runner as r
from mainloop_models.asks import Decision
from mainloop_models.events import AgentError

CRASHED = AgentError(code="crashed", message="It ended unexpectedly.")


def working(server: InProcessServer, thread: str = "main", run: int | None = None) -> HandRunner:
    runner = server.runner(thread, run)
    runner.hello()
    runner.begin()
    return runner


def dies(server: InProcessServer, runner: HandRunner) -> None:
    runner.die()
    server.look_after()


def settled(server: InProcessServer) -> None:
    eventually(lambda: unsettled(read(server.parts.database)) == [])
    assert faults(read(server.parts.database)) == []


@pytest.mark.spec("kills-14")
def test_a_turn_that_was_deferred_without_a_question_goes_on_by_itself(server: InProcessServer) -> None:
    server.person.say("do it")
    runner = working(server)
    runner.end("deferred", deferred_call="c1")  # its machine told it to end, and the call needed nobody's word
    runner.goodbye()
    later = server.runner("main", 2)
    assert later.hello().deferred_call == "c1"
    assert later.work().wanted == "run"
    later.say(
        r.TurnStarted(turn=1, message_ids=runner.taken),
        r.TurnEnded(turn=1, outcome="completed", finished=runner.taken),
    )
    settled(server)


def test_an_agent_that_died_is_told_what_was_cut_off_when_it_goes_on(server: InProcessServer) -> None:
    said = server.person.say("do it")
    runner = working(server)
    runner.end("cut_off", error=CRASHED)
    runner.say(r.RunEnded(reason="failed", error=CRASHED))
    runner.die()
    later = server.runner("main", 2)
    later.hello()
    given = later.take()
    assert (given.id, given.again) == (said, True)
    assert "stopped in the middle of turn 1" in given.follow_up


@pytest.mark.spec("kills-27")
def test_a_turn_that_was_ended_for_the_disk_asks_the_person_and_goes_on_when_told_to(server: InProcessServer) -> None:
    said = server.person.say("do it")
    runner = working(server)
    full = AgentError(code="disk", message="The disk is nearly full.", hint="Free some space.")
    runner.end("failed", error=full)
    runner.say(r.RunEnded(reason="parked", error=full))
    runner.die()
    server.look_after()
    item = server.person.until_item()
    assert (item["kind"], item["title"], item["notice"]["hint"]) == ("failure", full.message, full.hint)
    assert server.starts("main") == [1]  # nothing is tried by itself
    server.person.answer(item["id"], "retry")
    later = server.runner("main", 2)
    later.hello()
    assert (later.take().id, later.take().again) == (said, True)


def test_a_call_that_was_let_through_stays_known_however_many_runners_die_after_it(server: InProcessServer) -> None:
    server.person.say("do it")
    runner = working(server)
    runner.say(r.Released(call_id="c1", turn=1, by="policy"))
    dies(server, runner)
    runner = working(server, run=2)
    dies(server, runner)
    last = server.runner("main", 3)
    assert last.hello().released == ["c1"]
    last.begin()
    last.end()
    last.goodbye()
    server.person.say("and more")
    assert server.runner("main", 4).hello().released == []


@pytest.mark.spec("kills-12")
def test_deaths_are_counted_anew_when_the_person_writes(server: InProcessServer) -> None:
    server.person.say("do it")
    for run in range(1, 11):
        if run == 6:
            server.person.say("go on, please")
        dies(server, working(server, run=run))
    assert server.person.get("/api/inbox")["items"] == []
    dies(server, working(server, run=11))
    server.runner("main", 12).bring()
    assert server.person.until_item()["kind"] == "failure"


@pytest.mark.spec("kills-12")
def test_what_the_last_of_many_runners_had_finished_is_brought_before_anybody_gives_up(server: InProcessServer) -> None:
    said = server.person.say("do it")
    for run in range(1, 6):
        dies(server, working(server, run=run))
    runner = working(server, run=6)
    runner.write(r.TurnEnded(turn=6, outcome="completed", finished=[said]))
    dies(server, runner)
    bringing = server.runner("main", 7)
    bringing.hello()
    bringing.send(runner.spool[-1:])
    assert server.person.until_turn_ended(6)["body"]["outcome"] == "completed"
    assert server.person.get("/api/inbox")["items"] == []
    bringing.goodbye()
    settled(server)


@pytest.mark.spec("kills-12")
def test_a_runner_that_dies_while_it_brings_something_is_the_last(server: InProcessServer) -> None:
    server.person.say("do it")
    for run in range(1, 7):
        dies(server, working(server, run=run))
    bringing = server.runner("main", 7)
    bringing.hello()
    dies(server, bringing)
    assert server.person.until_item()["kind"] == "failure"
    server.look_after()
    assert server.starts("main") == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.spec("kills-13")
def test_runners_that_die_while_there_is_nothing_to_do_are_not_counted(server: InProcessServer) -> None:
    for run in range(1, 9):
        server.person.say(f"number {run}")
        runner = server.runner("main", run)
        runner.hello()
        runner.whole_turn("done")
        dies(server, runner)
        assert _agent(server, "main").restarts == 0
    settled(server)


@pytest.mark.spec("kills-12")
def test_a_record_that_can_never_be_resumed_is_given_up_with_an_item(server: InProcessServer) -> None:
    server.person.say("do it")
    for run in range(1, server.settings.max_restarts + 2):
        runner = server.runner("main", run)
        runner.hello()
        runner.work()
        refused = AgentError(code="refused", message="The conversation can't be resumed.")
        runner.say(r.RunEnded(reason="fresh_session", error=refused))
        runner.die()
    item = server.person.until_item()
    assert (item["kind"], item["title"]) == ("failure", "The conversation can't be resumed.")
    server.look_after()
    assert server.starts("main") == list(range(1, server.settings.max_restarts + 2))


def test_a_call_that_asks_again_is_answered_although_its_first_runner_died(server: InProcessServer) -> None:
    person = server.person
    person.say("do it")
    runner = working(server)
    ask = runner.ask_permission("make", call_id="c1")
    dies(server, runner)
    later = server.runner("main", 2)
    later.hello()
    later.work()
    later.say(r.TurnStarted(turn=2, message_ids=runner.taken))
    later.ask_permission("make", call_id="c1")
    person.answer(ask, "allow")
    assert [a.ask_id for a in later.work().answers] == [ask]
    # It took the answer, and died before it could let the call run.
    later.say(r.AnswerTaken(ask_id=ask))
    assert later.work().answers == []
    later.ask_permission("make", call_id="c1")
    assert [(a.ask_id, a.answer.decision) for a in later.work().answers] == [(ask, Decision.ALLOW)]
    assert faults(read(server.parts.database)) == []


@pytest.mark.spec("kills-15")
def test_a_session_that_was_stopped_while_it_waited_takes_up_the_next_message(server: InProcessServer) -> None:
    person = server.person
    person.post("/api/sessions", {"id": "session-1", "prompt": "look"})
    runner = working(server, "session-1")
    runner.ask_permission("make", call_id="c1")
    runner.end("deferred", deferred_call="c1")
    runner.goodbye()
    person.post("/api/sessions/session-1/cancel")
    person.until("the end of its turn", lambda: not _agent(server, "session-1").deferred_call)
    settled(server)
    said = person.say("something else", "session-1")
    later = server.runner("session-1", 2)
    assert later.hello().deferred_call is None
    assert later.take().id == said


def test_an_ask_that_closed_itself_is_open_again_when_its_call_asks_again(server: InProcessServer) -> None:
    person = server.person
    person.say("do it")
    runner = working(server)
    ask = runner.ask_permission("make", call_id="c1")
    runner.say(r.AskWithdrawn(ask_id=ask, reason="gone"))
    assert person.get("/api/inbox")["items"] == []
    runner.ask_permission("make", call_id="c1")
    assert [i["id"] for i in person.get("/api/inbox")["items"]] == [ask]
    person.answer(ask, "allow")
    assert [a.ask_id for a in runner.work().answers] == [ask]


def test_the_same_call_id_in_two_threads_is_two_asks(server: InProcessServer) -> None:
    person = server.person
    person.post("/api/sessions", {"id": "session-1", "prompt": "look"})
    person.say("do it")
    asks = {working(server, thread).ask_permission("make", call_id="c1") for thread in ("main", "session-1")}
    assert {i["id"] for i in person.get("/api/inbox")["items"]} == asks
    assert len(asks) == 2


def test_a_piece_that_comes_when_its_turn_is_over_opens_nothing(server: InProcessServer) -> None:
    server.person.say("do it")
    runner = working(server)
    runner.delta("m1", 0, "half of it")
    runner.end()
    assert server.person.replies() == ["half of it"]
    assert runner.delta("m1", 0, "half of it, and more") == len("half of it, and more")
    runner.delta("m2", 0, "too late")
    assert server.person.state()["open_messages"] == []
    server.parts.open_messages.store()
    settled(server)


def test_a_message_that_is_whole_is_not_half_written_after_a_restart(new_server: NewServer) -> None:
    server = new_server()
    server.person.say("do it")
    runner = working(server)
    runner.delta("m1", 0, "all of it")
    server.parts.open_messages.store()
    runner.reply("all of it", "m1")
    # The pieces were being stored when it landed, and the server died before it could take them out again.
    piece = {"message_id": "m1", "offset": 0, "thread_id": "main", "turn": 1, "what": "text", "text": "all of it"}
    server.parts.database.write(lambda unit: unit.execute(t.chunk.insert().values(**piece)))
    server.stop()
    again = new_server()
    assert again.pair().state()["open_messages"] == []


def _agent(server: InProcessServer, thread: str) -> Row:
    return server.parts.database.read(lambda c: agent(c, thread))
