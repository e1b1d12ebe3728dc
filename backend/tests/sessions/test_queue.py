"""No more sessions work at a time than there are places, whatever makes them work; who waits goes on in order."""

from typing import Any

import pytest
import sqlalchemy as sa

from mainloop.db import tables as t
from mainloop.runs.look import SELDOM
from mainloop.settings import available_memory
from mainloop.testing.by_hand import HandRunner
from mainloop.testing.inprocess import InProcessServer, NewServer
from mainloop_models import runner as r
from mainloop_models.events import AgentError


def start(server: InProcessServer, ident: str) -> Any:
    return server.person.post("/api/sessions", {"id": ident, "prompt": "look around"})


def play(server: InProcessServer, thread: str, run: int | None = None) -> HandRunner:
    runner = server.runner(thread, run)
    runner.hello()
    return runner


def working(server: InProcessServer, ident: str) -> HandRunner:
    start(server, ident)
    runner = play(server, ident)
    runner.begin()
    return runner


def shown(server: InProcessServer, ident: str) -> tuple[str, str, int | None]:
    session = server.person.get(f"/api/sessions/{ident}")
    return session["state"], session["reason"], session["ahead"]


def holding(server: InProcessServer) -> set[str]:
    """The sessions that hold a place at work."""
    sessions = server.person.state()["sessions"]
    return {s["id"] for s in sessions if s["state"] in ("starting", "working") and not s["queued_at"]}


@pytest.fixture
def full(new_server: NewServer) -> InProcessServer:
    """A server with one place."""
    return new_server(max_alive=1)


@pytest.mark.spec("waiting-5")
def test_a_word_to_an_idle_session_waits_for_a_place_and_its_runner_gets_nothing_before(full: InProcessServer) -> None:
    idle = working(full, "session-0")
    idle.end()
    busy = working(full, "session-1")
    said = full.person.say("more", "session-0")
    assert shown(full, "session-0") == ("starting", "queued", 0)
    for _ in range(6):
        full.look_after()
    work = idle.work()
    assert (work.messages, work.wanted) == ([], "park")  # its memory is of use to others meanwhile
    idle.goodbye()
    assert full.starts("session-0") == [1]
    busy.end()
    later = play(full, "session-0", 2)
    assert later.take().id == said
    later.begin()
    assert shown(full, "session-0") == ("working", "", None)


@pytest.mark.spec("waiting-5")
def test_a_session_that_is_answered_in_its_call_waits_for_a_place_and_then_goes_on_in_it(full: InProcessServer) -> None:
    asking = working(full, "session-0")
    ask = asking.ask_permission(call_id="c1")
    busy = working(full, "session-1")
    full.person.answer(ask, "allow")
    assert shown(full, "session-0") == ("starting", "queued", 0)
    held = asking.work()
    assert (held.answers, held.wanted) == ([], "run")  # the call is held, as before the answer
    busy.end()
    assert [a.ask_id for a in asking.until_work(lambda work: work.answers).answers] == [ask]
    assert shown(full, "session-0") == ("working", "", None)
    assert len(holding(full)) == 1


@pytest.mark.spec("waiting-5")
def test_a_parked_session_that_is_answered_waits_for_a_place_before_a_runner_starts(full: InProcessServer) -> None:
    asking = working(full, "session-0")
    ask = asking.ask_permission(call_id="c1")
    asking.end("deferred", deferred_call="c1")
    asking.goodbye()
    busy = working(full, "session-1")
    full.person.answer(ask, "allow")
    for _ in range(6):
        full.look_after()
    assert shown(full, "session-0") == ("starting", "queued", 0)
    assert full.starts("session-0") == [1]
    busy.end()
    later = play(full, "session-0", 2)
    assert [a.ask_id for a in later.work().answers] == [ask]


@pytest.mark.spec("waiting-6")
def test_who_waits_goes_on_in_the_order_of_asking_and_is_told_how_many_are_ahead(full: InProcessServer) -> None:
    first = working(full, "session-0")
    first.end()
    busy = working(full, "session-1")
    start(full, "session-2")
    full.person.say("more", "session-0")  # it is older, and asked later
    start(full, "session-3")
    assert [shown(full, f"session-{n}")[2] for n in (2, 0, 3)] == [0, 1, 2]
    state = full.person.state()
    assert ([s["ahead"] for s in state["sessions"]], state["settings"]["places"]) == ([1, None, 0, 2], 1)
    full.person.say("list them")
    main = play(full, "main")
    main.begin()  # the main thread needs no place
    assert "starting (queued, 1 ahead)" in main.request("get_session", id="session-0").text
    assert "starting (queued, 2 ahead)" in main.request("list_sessions").text
    busy.end()
    second = play(full, "session-2")
    second.begin()
    assert [shown(full, f"session-{n}")[2] for n in (0, 3)] == [0, 1]
    second.end()
    first.begin()
    assert shown(full, "session-3") == ("starting", "queued", 0)


@pytest.mark.spec("waiting-7")
def test_a_place_that_came_free_while_the_server_was_down_is_given_out_after_its_start(new_server: NewServer) -> None:
    server = new_server(max_alive=1)
    busy = working(server, "session-0")
    start(server, "session-1")
    server.parts.database.write(  # the last words of a server that was killed before it gave the place out
        lambda unit: (
            unit.execute(sa.update(t.session).where(t.session.c.id == "session-0").values(state="idle")) and None
        )
    )
    server.stop()
    busy.die()
    again = new_server(max_alive=1)
    again.look_after()
    assert play(again, "session-1").take().text == "look around"


@pytest.mark.parametrize("queued", [False, True], ids=["about to start", "queued"])
def test_a_word_that_is_taken_back_gives_the_place_back(full: InProcessServer, queued: bool) -> None:
    idle = working(full, "session-0")
    idle.end()
    full.person.post("/api/sessions/session-0/park")
    idle.goodbye()
    busy = working(full, "session-1") if queued else None
    if busy is None:
        full.workspaces.on_start = None
        full.parts.phases.enqueue = lambda *_: None  # type: ignore[method-assign]  # nobody starts a runner just now
    said = full.person.say("more", "session-0")
    assert shown(full, "session-0")[0] == "starting"
    answer = full.person.http.delete(f"/api/threads/session-0/messages/{said}")
    assert answer.status_code == 200
    assert shown(full, "session-0") == ("idle", "", None)
    assert len(holding(full)) == (1 if queued else 0)


def test_a_queued_session_that_is_interrupted_or_cancelled_leaves_the_queue(full: InProcessServer) -> None:
    asking = working(full, "session-0")
    ask = asking.ask_permission()
    working(full, "session-1")
    full.person.answer(ask, "allow")
    start(full, "session-2")
    full.person.post("/api/threads/session-0/interrupt", {"turn": 1}, expect=202)
    assert asking.work().interrupt == 1
    asking.say(r.AskWithdrawn(ask_id=ask, reason="interrupted"))
    asking.end("interrupted")
    assert shown(full, "session-0") == ("idle", "", None)
    assert shown(full, "session-2") == ("starting", "queued", 0)
    full.person.post("/api/sessions/session-2/cancel")
    assert shown(full, "session-2") == ("cancelled", "", None)


@pytest.mark.spec("waiting-5", "waiting-7")
def test_answered_written_to_woken_and_new_ones_never_exceed_the_ceiling(new_server: NewServer) -> None:
    server = new_server(max_alive=2, max_depth=2)
    asks: list[str] = []
    runners: dict[str, HandRunner] = {}
    for n in range(6):
        runner = runners[f"session-{n}"] = working(server, f"session-{n}")
        if n % 2:
            asks.append(runner.ask_permission(call_id=f"call-{n}"))
        else:
            runner.end()
    for ask in asks:
        server.person.answer(ask, "allow")
    for n in (0, 2, 4):
        server.person.say("more", f"session-{n}")
    start(server, "session-6")
    order = [
        s["id"] for s in sorted(server.person.state()["sessions"], key=lambda s: s["ahead"] or 0) if s["queued_at"]
    ]
    assert order == ["session-5", "session-0", "session-2", "session-4", "session-6"]
    while holders := holding(server):
        assert len(holders) <= 2
        current = next(iter(holders))
        runner = runners.get(current) or play(server, current)
        if f"ask-call-{current[-1]}" in asks:
            runner.until_work(lambda work: work.answers)
            runner.say(r.AnswerTaken(ask_id=f"ask-call-{current[-1]}"))
        else:
            runner.begin()
        runner.end()
        gained = holding(server) - holders
        assert list(gained) == order[:1]
        order = order[1:]
    assert {s["state"] for s in server.person.state()["sessions"]} == {"idle"}


# -- processes of those that do nothing --------------------------------------------------------------------------
def look(server: InProcessServer) -> None:
    for _ in range(SELDOM):
        server.look_after()


@pytest.mark.spec("waiting-16")
def test_beyond_the_places_whoever_has_done_nothing_longest_is_parked_and_never_who_works(
    new_server: NewServer,
) -> None:
    server = new_server(max_alive=3, spare_memory_mb=0)
    runners = [working(server, f"session-{n}") for n in range(3)]
    asked = runners[0].ask_permission(call_id="c0")  # it waits in its turn since before the other was idle
    runners[1].end()
    look(server)
    assert [runner.work().wanted for runner in runners] == ["run"] * 3
    runners += [working(server, "session-3")]
    look(server)
    assert [runner.work().wanted for runner in runners] == ["park", "run", "run", "run"]
    runners[0].end("deferred", deferred_call="c0")
    runners[0].goodbye()
    runners += [working(server, "session-4")]
    look(server)
    assert [runner.work().wanted for runner in runners[1:]] == ["park", "run", "run", "run"]
    runners[1].goodbye()
    look(server)
    assert [runner.work().wanted for runner in runners[2:]] == ["run"] * 3
    runners[2].end()
    server.person.answer(asked, "allow")
    later = play(server, "session-0", 2)
    assert [a.ask_id for a in later.work().answers] == [asked]


@pytest.mark.spec("waiting-16")
def test_a_session_that_asks_while_something_runs_beside_it_stays(new_server: NewServer) -> None:
    server = new_server(max_alive=1, spare_memory_mb=0)
    asking = working(server, "session-0")
    for call in ("c1", "c2"):
        asking.say(r.ToolCalled(id=call, turn=1, tool="Bash", title=call, input={}))
    asking.ask_permission(call_id="c1")
    working(server, "session-1")
    look(server)
    assert asking.work().wanted == "run"
    asking.say(r.ToolEnded(id="c2", turn=1, status="ok"))
    look(server)
    assert asking.work().wanted == "park"


@pytest.mark.spec("waiting-16")
@pytest.mark.skipif(available_memory() is None, reason="this system does not say how much memory is left")
def test_when_memory_runs_short_those_that_do_nothing_are_parked_one_after_the_other(new_server: NewServer) -> None:
    server = new_server(spare_memory_mb=10**9)
    runners = [working(server, f"session-{n}") for n in range(3)]
    for runner in runners[:2]:
        runner.end()
    look(server)
    assert [runner.work().wanted for runner in runners] == ["park", "run", "run"]
    runners[0].goodbye()
    look(server)
    look(server)
    assert [runner.work().wanted for runner in runners[1:]] == ["park", "run"]
    assert server.person.get("/api/sessions/session-0")["parked"]


# -- a full disk -------------------------------------------------------------------------------------------------
def doing(server: InProcessServer, thread: str) -> str:
    state = server.person.state()
    status = state["main"]["status"] if thread == "main" else server.person.get(f"/api/sessions/{thread}")["status"]
    return (status["activity"] or {"kind": ""})["kind"]


@pytest.mark.spec("kills-30")
def test_while_the_disk_is_full_nothing_is_started_and_everything_begins_by_itself_when_there_is_room(
    server: InProcessServer,
) -> None:
    idle = working(server, "session-0")
    idle.end()
    server.person.post("/api/sessions/session-0/park")
    idle.goodbye()
    server.workspaces.room = False
    server.person.say("more", "session-0")
    start(server, "session-1")
    server.person.say("list them")
    server.person.until("the main thread to say so", lambda: doing(server, "main") == "unwritten")
    look(server)
    assert [shown(server, f"session-{n}") for n in (0, 1)] == [("starting", "queued", 0), ("starting", "queued", 1)]
    assert [doing(server, f"session-{n}") for n in (0, 1)] == ["unwritten"] * 2
    assert [server.starts(thread) for thread in ("main", "session-0", "session-1")] == [[], [1], []]
    server.workspaces.room = True
    look(server)
    for thread, run in (("main", 1), ("session-0", 2), ("session-1", 1)):
        runner = play(server, thread, run)
        runner.whole_turn("There.")
        assert doing(server, thread) == ""
    assert server.person.get("/api/inbox")["items"] == []


@pytest.mark.spec("kills-30")
def test_a_session_that_waits_for_room_on_the_disk_can_be_stopped(server: InProcessServer) -> None:
    server.workspaces.room = False
    start(server, "session-0")
    server.person.post("/api/sessions/session-0/cancel")
    assert (shown(server, "session-0")[0], doing(server, "session-0")) == ("cancelled", "")


@pytest.mark.spec("kills-32")
@pytest.mark.parametrize("decision", ["retry", "dismiss"])
def test_an_idle_session_whose_background_filled_the_disk_goes_on_after_its_item_was_answered(
    server: InProcessServer, decision: str
) -> None:
    idle = working(server, "session-0")
    idle.end()
    full = AgentError(code="disk", message="The disk is nearly full.", hint="Free some space.")
    idle.say(r.RunEnded(reason="failed", error=full))
    idle.die()
    item = server.person.until_item()
    assert "The disk is nearly full." in str(item)
    assert shown(server, "session-0")[0] == "idle"
    server.person.answer(item["id"], decision)
    server.person.say("and on", "session-0")
    play(server, "session-0", 2).whole_turn("There.")
    assert shown(server, "session-0") == ("idle", "", None)
