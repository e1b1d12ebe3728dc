"""Status is honest: what an agent does, whether it is heard, whether its runner can be reached. None of it floods the log."""

import time
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from mainloop.db import tables as t
from mainloop.durable import awake, janitor
from mainloop.events.unit import now
from mainloop.runs import look
from mainloop.testing.by_hand import HandRunner
from mainloop.testing.inprocess import InProcessServer, NewServer
from mainloop_models import runner as r

ID = "session-1"


def working(server: InProcessServer, thread: str = ID) -> HandRunner:
    if thread == "main":
        server.person.say("hello")
    else:
        server.person.post("/api/sessions", {"id": thread, "prompt": "look around"})
    runner = server.runner(thread)
    runner.hello()
    runner.begin()
    return runner


def status(server: InProcessServer, thread: str = ID) -> Any:
    if thread == "main":
        return server.person.state()["main"]["status"]
    return server.person.get(f"/api/sessions/{thread}")["status"]


def call(ident: str, title: str) -> r.ToolCalled:
    return r.ToolCalled(id=ident, turn=1, tool="Bash", title=title, input={})


def tried(told: Any, thread: str) -> int | None:
    """For the how-manieth time a request is tried, as an announcement about a thread says."""
    return told["activity"]["attempt"] if told["thread_id"] == thread and told["activity"] else None


@pytest.mark.spec("waiting-10")
@pytest.mark.parametrize("thread", ["main", ID])
def test_each_try_of_a_request_is_announced_and_none_is_an_event(server: InProcessServer, thread: str) -> None:
    runner = working(server, thread)
    before = server.person.events(thread)
    with server.person.follow(server.person.state()["cursor"]) as follower:
        for attempt in (1, 2, 3, 4):
            runner.say(r.Retrying(turn=1, text="The model's service is overloaded.", attempt=attempt, of=6))
            frames = follower.until(lambda event, data, n=attempt: event == "status" and tried(data, thread) == n)
            activity = frames[-1][2]["activity"]
            assert (activity["kind"], activity["of"]) == ("retrying", 6)
        assert status(server, thread)["activity"]["since"] == activity["since"]  # since the first of them
        assert status(server, thread)["activity"]["attempt"] == 4
        runner.say(r.Retrying(turn=1))
        follower.until(lambda event, data: event == "status" and data["activity"] is None)
    assert status(server, thread)["activity"] is None
    assert server.person.events(thread) == before
    runner.end()


@pytest.mark.spec("sessions-31")
def test_how_far_an_agent_is_with_its_steps_is_known_while_its_turn_runs(server: InProcessServer) -> None:
    def steps(*statuses: str) -> r.Todo:
        return r.Todo.model_validate({"turn": 1, "entries": [{"text": "a step", "status": s} for s in statuses]})

    runner = working(server)
    assert status(server)["steps"] is None
    with server.person.follow(server.person.state()["cursor"]) as follower:
        runner.say(steps("completed", "completed", "in_progress", "pending"))
        follower.until(lambda event, data: event == "status" and data["steps"] == {"done": 2, "doing": 1, "of": 4})
    assert status(server)["steps"] == {"done": 2, "doing": 1, "of": 4}
    runner.reply("Nearly.")
    runner.reply("Done.")
    runner.end()
    assert status(server)["steps"] is None
    [mark] = [m for m in server.person.state()["marks"] if m["thread_id"] == ID]
    assert mark["replies"] == 2


@pytest.mark.spec("sessions-31")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_of_a_turn_that_was_stopped_no_steps_are_left(server: InProcessServer) -> None:
    runner = working(server)
    entries = [{"text": "a step", "status": "in_progress"}]
    runner.say(r.Todo.model_validate({"turn": 1, "entries": entries}))
    assert status(server)["steps"]
    runner.die()
    server.person.post(f"/api/sessions/{ID}/cancel")
    server.person.until_event("its end", lambda e: e["kind"] == "turn_ended", ID)
    assert status(server)["steps"] is None


@pytest.mark.spec("waiting-10")
def test_the_call_that_began_last_is_what_an_agent_does_and_an_older_one_is_shown_when_it_has_ended(
    server: InProcessServer,
) -> None:
    runner = working(server)
    runner.say(call("c1", "run make"))
    first = status(server)["activity"]
    assert (first["kind"], first["text"]) == ("tool", "run make")
    runner.say(call("c2", "read a.txt"))
    assert status(server)["activity"]["text"] == "read a.txt"
    runner.say(r.ToolEnded(id="c2", turn=1, status="ok"))
    assert status(server)["activity"] == first
    runner.say(r.ToolEnded(id="c1", turn=1, status="ok"))
    assert status(server)["activity"] is None
    runner.say(call("c3", "run make again"))
    runner.end()
    assert status(server)["activity"] is None
    assert status(server)["heard_at"] is not None


def silent_for(server: InProcessServer, minutes: float, thread: str = ID) -> None:
    """As if the runner had asked for nothing since then, and the janitor looked."""
    moment = now() - timedelta(minutes=minutes)
    server.parts.database.write(
        lambda unit: unit.execute(sa.update(t.run).where(t.run.c.thread_id == thread).values(seen_at=moment)) and None
    )
    for _ in range(look.SELDOM):
        server.look_after()


@pytest.fixture
def wide_awake(monkeypatch: pytest.MonkeyPatch) -> None:
    """The janitor trusts its own eyes from the start."""
    monkeypatch.setattr(look, "AWAKE", timedelta(0))


@pytest.mark.spec("waiting-11")
@pytest.mark.usefixtures("wide_awake")
@pytest.mark.parametrize("thread", ["main", ID])
def test_a_runner_that_is_not_heard_of_is_last_seen_then_an_item_that_closes_itself(
    server: InProcessServer, thread: str
) -> None:
    runner = working(server, thread)
    silent_for(server, 2, thread)
    assert status(server, thread)["last_seen"] is not None
    assert server.person.state()["items"] == []
    if thread == ID:
        told = [e["body"]["status"]["last_seen"] for e in server.person.events(ID) if e["kind"] == "session"]
        assert (told[-2], told[-1]) == (None, status(server)["last_seen"])
    silent_for(server, 11, thread)
    for _ in range(2 * look.SELDOM):
        server.look_after()
    (item,) = server.person.state()["items"]
    assert (item["kind"], item["thread_id"], item["notice"]["decisions"]) == ("stall", thread, ["retry", "dismiss"])
    assert item["notice"]["hint"]
    runner.work()
    assert server.person.state()["items"] == []
    assert status(server, thread)["last_seen"] is None
    (closed,) = [e["body"] for e in server.person.events(thread) if e["kind"] == "item"][1:]
    assert (closed["state"], closed["closed_by"]) == ("closed", "Its runner is back.")
    runner.end()
    assert server.starts(thread) == [1]  # silence alone starts nobody


@pytest.mark.spec("waiting-11")
@pytest.mark.usefixtures("wide_awake")
def test_a_silence_that_was_dismissed_is_not_told_again(server: InProcessServer) -> None:
    runner = working(server)
    moment = 11.0
    silent_for(server, moment)
    (item,) = server.person.state()["items"]
    seen = server.parts.database.read(lambda c: c.execute(sa.select(t.run.c.seen_at)).scalar_one())
    server.person.answer(item["id"], "dismiss")
    for _ in range(look.SELDOM):
        server.look_after()
    assert server.parts.database.read(lambda c: c.execute(sa.select(t.run.c.seen_at)).scalar_one()) == seen
    assert server.person.state()["items"] == []
    assert server.person.get(f"/api/sessions/{ID}")["state"] == "working"
    runner.end()
    assert server.person.get(f"/api/sessions/{ID}")["state"] == "idle"


def looks(server: InProcessServer, clock: float, seconds: int) -> float:
    """The janitor's rounds in so many seconds of its clock, which is handed back."""
    for _ in range(0, seconds, 4):
        clock += 4
        server.parts.janitor.beat(clock)
    return clock


@pytest.mark.spec("waiting-15")
@pytest.mark.parametrize("sleep", ["the machine slept", "the processes were stopped"])
def test_nobody_is_judged_by_the_time_that_the_machine_slept(
    new_server: NewServer, sleep: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look, "SELDOM", 1)
    # The only looks are the test's.
    monkeypatch.setattr(janitor, "BEAT", 3600)
    server = new_server()
    runner = working(server)
    clock = looks(server, time.monotonic(), 60)
    assert server.parts.janitor.awake.seconds > look.AWAKE.total_seconds()
    night = timedelta(hours=8)
    if sleep == "the machine slept":
        monkeypatch.setattr(awake, "now", lambda: now() + night)
    else:
        clock += night.total_seconds()
    evening = now() - night
    for values in (sa.update(t.run).values(seen_at=evening), sa.update(t.agent).values(heard_at=evening)):
        server.parts.database.write(lambda unit, values=values: unit.execute(values) and None)
    clock = looks(server, clock, 28)
    assert status(server)["last_seen"] is None
    assert server.person.state()["items"] == []
    assert now() - datetime.fromisoformat(status(server)["heard_at"]) < timedelta(minutes=5)
    # Awake for half a minute, it sees who really does not ask any more.
    clock = looks(server, clock, 12)
    assert status(server)["last_seen"] is not None
    runner.work()
    looks(server, clock, 12)
    assert status(server)["last_seen"] is None
    assert server.starts(ID) == [1]


@pytest.mark.spec("waiting-15")
def test_a_runner_of_another_machine_is_not_judged_from_here(server: InProcessServer) -> None:
    working(server)
    server.parts.database.write(lambda unit: unit.execute(sa.update(t.run).values(host="elsewhere")) and None)
    silent_for(server, 60)
    assert server.person.state()["items"] == []


@pytest.mark.spec("waiting-12", "waiting-13")
@pytest.mark.usefixtures("wide_awake")
def test_retry_ends_a_runner_that_can_not_be_reached_and_its_turn_goes_on_in_another(server: InProcessServer) -> None:
    working(server)
    silent_for(server, 11)
    (item,) = server.person.state()["items"]
    server.person.answer(item["id"], "retry")
    server.person.until("it to be killed", lambda: ID in server.workspaces.killed)
    server.look_after()
    shown = server.person.get(f"/api/sessions/{ID}")["status"]
    assert shown["last_seen"] is None
    assert (shown["activity"]["kind"], shown["activity"]["attempt"], shown["activity"]["of"]) == (
        "restarting",
        1,
        server.settings.max_restarts,
    )
    later = server.runner(ID, 2)
    later.hello()
    assert status(server)["activity"] is None
    assert later.take().again
