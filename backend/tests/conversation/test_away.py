"""Coming back: one line in the main thread says what happened while nobody looked."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from mainloop.attention import service
from mainloop.db import tables as t
from mainloop.events.unit import UnitOfWork
from mainloop.testing.by_hand import HandRunner
from mainloop.testing.clock import Clock
from mainloop.testing.inprocess import InProcessServer, NewServer
from mainloop.testing.push_service import PushService
from mainloop.testing.server import Person
from mainloop_models import runner as r
from mainloop_models.events import ModelUsage


def looks(person: Person) -> None:
    person.http.put("/api/presence").raise_for_status()


def leave(server: InProcessServer, ago: timedelta = timedelta(minutes=71)) -> None:
    """The person looked then, and not since: what is there was done before, what comes is done while they are away."""
    looks(server.person)
    moment = datetime.now(UTC) - ago
    before = moment - timedelta(minutes=1)

    def act(unit: UnitOfWork) -> None:
        unit.execute(sa.update(t.device).values(looked_at=moment))
        unit.execute(sa.update(t.result).values(at=before))
        unit.execute(sa.update(t.item).values(opened_at=before, closed_at=before))

    server.parts.database.write(act)


def lines(server: InProcessServer) -> list[dict[str, Any]]:
    return [e["body"] for e in server.person.events() if e["kind"] == "away"]


def spend(runner: HandRunner, usd: float | None, tokens: int) -> None:
    used = ModelUsage(model="claude", input_tokens=tokens, cost_usd=usd)
    runner.say(r.Spent(turn=1, models=[used]))


@pytest.mark.spec("unread-8")
def test_who_comes_back_reads_what_finished_what_waits_what_ran_and_what_it_cost(server: InProcessServer) -> None:
    one, two, three = (server.working(f"session-{n}") for n in range(1, 4))
    spend(one, 1.0, 100)
    one.end(text="before they left")
    wish = {"pattern": "make build", "scope": "session", "session": "session-2"}
    server.person.post("/api/permissions", wish, expect=201)
    two.ask_permission("make build")
    leave(server)

    two.ask_permission("make build")
    two.ask_permission("cd src && make build")
    spend(two, 0.25, 50)
    two.end(text="all is built")
    spend(three, None, 70)
    asked, later = three.ask_permission("make all"), three.ask_permission("make more")
    server.person.post(f"/api/inbox/{later}/snooze", {"until": (datetime.now(UTC) + timedelta(days=1)).isoformat()})
    looks(server.person)
    [line] = lines(server)
    took = datetime.fromisoformat(line.pop("back_at")) - datetime.fromisoformat(line.pop("left_at"))
    assert timedelta(minutes=71) <= took < timedelta(minutes=80)
    assert (
        line.items()
        >= {
            "sessions": ["session-2"],
            "finished": 1,
            "failed": 0,
            "waiting": 1,
            "standing": 2,
            "cost_usd": 0.25,
            "unpriced_tokens": 70,
        }.items()
    )
    assert asked in {i["id"] for i in server.person.get("/api/inbox")["items"]}


@pytest.mark.spec("unread-8", "unread-9")
def test_it_is_said_once_after_a_quarter_of_an_hour_and_not_where_nothing_happened(server: InProcessServer) -> None:
    runner = server.working("session-1")
    looks(server.person)  # the first time ever is no coming back
    leave(server)
    looks(server.person)
    assert lines(server) == []  # nothing happened
    ask = runner.ask_permission()
    leave(server, timedelta(minutes=14))
    looks(server.person)
    assert lines(server) == []  # they were not away
    leave(server)
    looks(server.person)
    assert lines(server) == []  # it was there before they left
    leave(server)
    server.person.answer(ask, "deny")
    runner.end(text="done")
    people = [server.person, server.pair(), server.pair()]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(looks, people))
    assert [line["finished"] for line in lines(server)] == [1]
    looks(server.person)
    assert len(lines(server)) == 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch, service)


@pytest.mark.spec("unread-11")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_after_hours_it_is_a_digest_with_the_names_and_with_what_comes_next(
    new_server: NewServer, clock: Clock
) -> None:
    server = new_server(time_zone="UTC")
    looks(server.person)
    one, two = server.working("session-1"), server.working("session-2")
    server.person.put("/api/sessions/session-1/watches/done", {})
    one.request("report", text="**It is built.**\nAll of it.")
    spend(one, 1.25, 10)
    one.end()
    two.ask_permission("make install")
    server.person.put("/api/schedules/morning", {"instruction": "Say what waits.", "cron": "0 8 * * *"})
    clock.go_on(hours=2.5)
    looks(server.person)
    looks(server.pair())
    (said,) = lines(server)
    assert said["why"] in ("long", "day")
    assert (said["finished"], said["merged"], said["waiting"], said["cost_usd"]) == (1, 0, 2, 1.25)
    handles = [server.person.get(f"/api/sessions/session-{n}")["handle"] for n in (1, 2)]
    (delivered,) = said["delivered_lines"]
    assert (delivered["text"], delivered["session_id"]) == (f"{handles[0]}: It is built.", "session-1")
    waiting = {f"{handles[0]} is done: It is built.", f"{handles[1]}: Run make install?"}
    assert {line["text"] for line in said["waiting_lines"]} == waiting
    (following,) = said["next_lines"]
    assert (following["text"], following["at"] is not None) == ("Say what waits.", True)
    # A quiet time says nothing.
    clock.go_on(hours=30)
    looks(server.person)
    assert len(lines(server)) == 1


@pytest.mark.spec("unread-12")
def test_at_the_hours_that_were_chosen_it_is_said_and_sent_once_to_the_ways_that_are_for_it(
    new_server: NewServer, clock: Clock
) -> None:
    server = new_server(time_zone="UTC", reachable="127.0.0.1")
    looks(server.person)
    with PushService() as push:
        phone, pager = push.browser("phone"), push.browser("pager")
        server.person.put("/api/attention/subscription", {**phone.subscription, "mobile": True})
        only = {"kind": "webhook", "name": "pager", "address": pager.endpoint, "kinds": ["permission"]}
        server.person.post("/api/attention/notifiers", only, expect=201)
        hour = (clock.now() + timedelta(hours=5)).replace(minute=0, second=0, microsecond=0)
        wanted = {"quiet_from": None, "quiet_until": None, "digest_hours": [hour.strftime("%H:%M")]}
        server.person.put("/api/attention/preferences", wanted)
        runner = server.working("session-1")
        runner.request("report", text="It is built.")
        runner.end()
        server.look_after()
        assert lines(server) == []
        # Missed for three days, it is said once.
        clock.go_on(days=3, hours=1)
        for _ in range(3):
            server.look_after()
        (word,) = phone.wait_for(1)
        assert (word["about"], word["tag"], word["title"], word["text"]) == (
            "digest",
            "digest",
            "What happened",
            "1 finished",
        )
        (said,) = lines(server)
        assert (said["why"], said["finished"]) == ("hour", 1)
        # On the next days nothing had happened; whoever comes back knows it already.
        clock.go_on(days=1)
        server.look_after()
        looks(server.person)
        assert len(lines(server)) == 1
        whys = [[decision["why"] for decision in one] for one in server.person.get("/api/attention")["digests"]]
        assert whys == [["nothing"], ["digest"]]
        assert (len(phone.got), pager.asked) == (1, 0)


@pytest.mark.spec("unread-12")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_digest_that_was_due_while_nothing_ran_is_said_by_the_next_server_once(
    new_server: NewServer, clock: Clock
) -> None:
    server = new_server(time_zone="UTC")
    looks(server.person)
    hours = {"quiet_from": None, "quiet_until": None, "digest_hours": ["06:00", "12:00", "18:00"]}
    server.person.put("/api/attention/preferences", hours)
    server.working("session-1").end(text="It is built.")
    server.stop()
    clock.go_on(days=2)
    server.start()
    server.look_after()
    server.person.until("it is said", lambda: lines(server))
    server.stop()
    server.start()
    server.look_after()
    assert len(lines(server)) == 1
