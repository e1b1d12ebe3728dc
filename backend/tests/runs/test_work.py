"""What is open for a runner: level-triggered, in order, closed by the report of its effect."""

import threading

from mainloop.testing.by_hand import HandRunner
from mainloop.testing.inprocess import InProcessServer
from mainloop_models import runner as r
from mainloop_models.events import AgentError


def first(server: InProcessServer, thread: str = "main") -> HandRunner:
    """The living runner of a thread to which something was said."""
    runner = server.runner(thread)
    runner.hello()
    return runner


def message(server: InProcessServer, message_id: str, thread: str = "main") -> dict[str, object]:
    """The newest event of a message."""
    return [e["body"] for e in server.person.events(thread) if e["body"].get("id") == message_id][-1]


def test_fetching_loses_nothing_and_an_unchanged_answer_is_the_same(server: InProcessServer) -> None:
    said = server.person.say("hello")
    runner = first(server)
    work = runner.work()
    assert [m.id for m in work.messages] == [said]
    assert runner.work() == work
    assert runner.work() == work  # as often as it likes: what is open stays open


def test_a_poll_waits_until_something_changes(server: InProcessServer) -> None:
    server.person.say("hello")
    runner = first(server)
    runner.whole_turn("hi")
    idle = runner.work()
    got: list[r.Work] = []
    waiting = threading.Thread(target=lambda: got.append(runner.work(idle.version)))
    waiting.start()
    said = server.person.say("more")
    waiting.join(timeout=10)
    assert [m.id for m in got[0].messages] == [said]


def test_queued_messages_are_given_one_a_turn_in_order(server: InProcessServer) -> None:
    ids = [server.person.say(f"number {n}") for n in range(3)]
    runner = first(server)
    for n, ident in enumerate(ids):
        assert [(m.id, m.text) for m in runner.work().messages] == [(ident, f"number {n}")]
        runner.begin()
        assert [m.id for m in runner.work().messages] == [ident]
        runner.end()
    assert runner.work().messages == []
    queued = [q["message"]["id"] for q in server.person.state()["queued"]]
    assert queued == []


def test_a_steering_message_goes_into_the_running_turn_past_queued_ones(server: InProcessServer) -> None:
    server.person.say("start")
    runner = first(server)
    turn = runner.begin()
    queued = server.person.say("later")
    steer = server.person.say("left!", mode="steer")
    work = runner.work()
    assert [(m.id, m.mode) for m in work.messages[1:]] == [(steer, "steer")]
    runner.say(r.MessageTaken(turn=turn, message_id=steer))
    runner.end(finished=[*runner.taken, steer])
    assert [m.id for m in runner.work().messages] == [queued]


def test_a_steering_message_that_came_too_late_is_an_ordinary_one(server: InProcessServer) -> None:
    server.person.say("start")
    runner = first(server)
    runner.begin()
    steer = server.person.say("left!", mode="steer")
    assert runner.work().messages[-1].id == steer
    runner.end()  # it had nothing more to do when the message came
    assert [m.id for m in runner.work().messages] == [steer]
    runner.begin()
    runner.end()
    assert runner.work().messages == []


def test_a_queued_message_is_edited_and_withdrawn_and_a_delivered_one_is_not(server: InProcessServer) -> None:
    person = server.person
    taken = person.say("start")
    runner = first(server)
    runner.begin()
    edited, withdrawn, steered = person.say("secnod"), person.say("third"), person.say("now")

    def change(ident: str, **body: str) -> tuple[int, str]:
        answer = person.http.patch(f"/api/threads/main/messages/{ident}", json=body)
        return answer.status_code, answer.json().get("code", answer.json().get("text"))

    def withdraw(ident: str) -> tuple[int, str]:
        answer = person.http.delete(f"/api/threads/main/messages/{ident}")
        return answer.status_code, answer.json().get("code", answer.json().get("status"))

    assert change(edited, text="second") == (200, "second")
    assert withdraw(withdrawn) == (200, "withdrawn")
    assert withdraw(withdrawn) == (404, "unknown_message")
    assert change(withdrawn, text="back again") == (404, "unknown_message")
    assert change(edited, text="  ") == (422, "bad_input")
    assert change(taken, text="too late") == (409, "message_delivered")
    assert withdraw(taken) == (409, "message_delivered")
    assert change("no-such-message", text="x") == (404, "unknown_message")
    assert change(steered, mode="steer") == (200, "now")
    assert [m.id for m in runner.work().messages] == [taken, steered]
    assert withdraw(steered) == (409, "message_delivered")
    runner.end(finished=[taken, steered])
    assert [(m.id, m.text) for m in runner.work().messages] == [(edited, "second")]
    assert message(server, withdrawn)["status"] == "withdrawn"
    runner.begin()
    runner.end()
    assert runner.work().messages == []
    assert change(edited, text="far too late") == (409, "message_delivered")


def test_an_interrupt_is_for_its_turn_and_no_other(server: InProcessServer) -> None:
    person = server.person
    person.say("one")
    runner = first(server)
    assert person.post("/api/threads/main/interrupt", {"turn": 1}, expect=409)["code"] == "turn_over"
    turn = runner.begin()
    for other in (0, turn + 1, 10**12):
        assert person.post("/api/threads/main/interrupt", {"turn": other}, expect=409)["code"] == "turn_over"
    assert runner.work().interrupt is None
    person.post("/api/threads/main/interrupt", {"turn": turn}, expect=202)
    person.post("/api/threads/main/interrupt", {"turn": turn}, expect=202)
    assert runner.work().interrupt == turn
    runner.end("interrupted")
    assert person.post("/api/threads/main/interrupt", {"turn": turn}, expect=409)["code"] == "turn_over"
    assert runner.work().interrupt is None
    assert runner.work().messages == []
    person.say("two")
    runner.begin()
    assert runner.work().interrupt is None


def test_a_turn_that_was_cut_off_gives_its_message_again_and_says_what_was_cut_off(server: InProcessServer) -> None:
    person = server.person
    said = person.say("build it")
    runner = first(server)
    runner.begin()
    runner.say(
        r.ToolCalled(id="c1", turn=1, tool="Bash", title="make", input={}),
        r.Released(call_id="c1", turn=1, by="policy"),
    )
    runner.delta("m1", 0, "I am buil")
    waiting = person.say("and then test it")
    runner.die()
    server.look_after()

    later = server.runner("main", 2)
    welcome = later.hello()
    assert (welcome.resume, welcome.open_turn, welcome.last_turn, welcome.released) == (True, 0, 1, ["c1"])
    again = later.work().messages
    assert [(m.id, m.again, m.attempt) for m in again] == [(said, True, 1)]
    assert "turn 1" in again[0].follow_up
    events = person.events()
    assert [e["body"]["outcome"] for e in events if e["kind"] == "turn_ended"] == ["cut_off"]
    assert [e["body"]["status"] for e in events if e["kind"] == "tool_call"] == ["running", "unknown"]
    assert person.replies() == ["I am buil"]
    assert [e["body"]["what"] for e in events if e["kind"] == "run"] == ["started", "lost", "started"]

    later.begin()
    later.end()
    assert [(m.id, m.again, m.follow_up) for m in later.work().messages] == [(waiting, False, "")]


def test_a_message_that_no_turn_took_is_given_again_as_if_for_the_first_time(server: InProcessServer) -> None:
    said = server.person.say("hello")
    runner = first(server)
    assert runner.take().id == said
    runner.die()
    server.look_after()
    later = server.runner("main", 2)
    welcome = later.hello()
    assert (welcome.resume, welcome.open_turn) == (False, 0)
    given = later.take()
    assert (given.id, given.again, given.attempt, given.follow_up) == (said, False, 0, "")


def test_a_runner_that_dies_before_its_hello_is_followed_by_another(server: InProcessServer) -> None:
    said = server.person.say("hello")
    server.runner("main", 1).die()
    server.person.until("the next run", lambda: server.look_after() or 2 in server.starts("main"), patience=40)
    later = server.runner("main", 2)
    later.hello()
    assert later.take().id == said


def test_a_thread_whose_runners_keep_dying_asks_the_person_and_goes_on_when_told(server: InProcessServer) -> None:
    person = server.person
    said = person.say("hello")
    for run in range(1, 7):
        runner = server.runner("main", run)
        runner.hello()
        runner.begin()
        runner.die()
        server.look_after()
    server.runner("main", 7).bring()
    item = person.until_item(lambda i: i["kind"] == "failure")
    assert "6 times" in item["title"]
    server.look_after()
    assert server.starts("main") == [1, 2, 3, 4, 5, 6, 7]
    person.answer(item["id"], "retry")
    later = server.runner("main", 8)
    later.hello()
    assert [m.id for m in later.work().messages] == [said]
    assert person.get("/api/inbox")["items"] == []


def test_an_error_that_only_the_person_can_cure_blocks_and_keeps_every_message(server: InProcessServer) -> None:
    person = server.person
    said = person.say("hello")
    runner = first(server)
    runner.begin()
    waiting = person.say("and this")
    runner.end("failed", error=AgentError(code="authentication", message="Not signed in.", hint="Sign in."))
    assert runner.work().messages == []
    item = person.until_item()
    assert (item["kind"], item["title"], item["notice"]["hint"]) == ("sign_in", "Not signed in.", "Sign in.")
    person.answer(item["id"], "retry")
    given = runner.until_work(lambda work: work.messages).messages
    assert [(m.id, m.attempt) for m in given] == [(said, 1)]
    runner.begin()
    runner.end()
    assert [m.id for m in runner.work().messages] == [waiting]


def test_a_blocked_thread_goes_on_when_the_person_writes_and_the_item_closes_itself(server: InProcessServer) -> None:
    person = server.person
    said = person.say("hello")
    runner = first(server)
    runner.begin()
    runner.end("failed", error=AgentError(code="prompt_too_long", message="Too long."))
    person.until_item(lambda i: i["kind"] == "failure")
    person.say("try again")
    assert person.get("/api/inbox")["items"] == []
    assert [m.id for m in runner.work().messages] == [said]


def test_a_passing_error_is_tried_again_a_bounded_number_of_times(server: InProcessServer) -> None:
    person = server.person
    said = person.say("hello")
    runner = first(server)
    for attempt in range(server.settings.max_restarts + 1):
        given = runner.work().messages[0]
        assert (given.id, given.attempt) == (said, attempt)
        runner.begin(given.id)
        runner.end("failed", error=AgentError(code="overloaded", message="Overloaded."))
    assert runner.work().messages == []
    assert person.until_item()["kind"] == "failure"


def test_an_idle_runner_is_parked_and_the_next_message_starts_another(server: InProcessServer) -> None:
    server.person.post("/api/sessions", {"id": "session-1", "prompt": "look"})
    runner = first(server, "session-1")
    runner.begin()
    server.person.post("/api/sessions/session-1/park")
    assert runner.work().wanted == "run"  # when the turn is over
    runner.end()
    assert runner.work().wanted == "park"
    runner.goodbye()
    assert server.person.get("/api/sessions/session-1")["parked"]
    server.look_after()
    assert server.starts("session-1") == [1]
    said = server.person.say("go on", "session-1")
    later = server.runner("session-1", 2)
    assert later.hello().resume
    assert later.take().id == said


def test_a_message_that_comes_while_the_runner_parks_is_not_forgotten(server: InProcessServer) -> None:
    server.person.post("/api/sessions", {"id": "session-1", "prompt": "look"})
    runner = first(server, "session-1")
    runner.begin()
    runner.end()
    server.person.post("/api/sessions/session-1/park")
    assert runner.work().wanted == "park"
    said = server.person.say("one more", "session-1")
    runner.goodbye()
    later = server.runner("session-1", 2)
    later.hello()
    assert later.take().id == said


def test_the_same_message_twice_is_one_and_another_text_is_refused(server: InProcessServer) -> None:
    person = server.person
    body = {"id": "message-1", "text": "hello"}
    first_answer = person.post("/api/threads/main/messages", body, expect=201)
    assert person.post("/api/threads/main/messages", body, expect=200) == first_answer
    refusal = person.post("/api/threads/main/messages", {**body, "text": "other"}, expect=409)
    assert refusal["code"] == "message_exists"
    person.post("/api/sessions", {"id": "session-1", "prompt": "look"})
    assert person.post("/api/threads/session-1/messages", body, expect=409)["code"] == "message_exists"
    runner = first(server)
    runner.whole_turn("hi")
    assert person.post("/api/threads/main/messages", body, expect=200)["status"] == "finished"
    assert runner.work().messages == []


def test_many_clients_that_send_one_message_at_once_make_one(server: InProcessServer) -> None:
    person = server.person
    codes: list[int] = []

    def send() -> None:
        body = {"id": "message-1", "text": "hello"}
        codes.append(person.http.post("/api/threads/main/messages", json=body).status_code)

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [200] * 7 + [201]
    assert len([e for e in person.events() if e["kind"] == "message"]) >= 1
    runner = first(server)
    runner.whole_turn("hi")
    assert runner.work().messages == []
