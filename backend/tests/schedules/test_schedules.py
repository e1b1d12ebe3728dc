"""Something is done at its time: once each time, by the clock on the wall, whatever slept or died meanwhile."""

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import tzlocal

from mainloop.errors import BadInput
from mainloop.schedules import service
from mainloop.schedules.times import check_rule, moment, next_of
from mainloop.settings import Settings
from mainloop.testing.clock import Clock
from mainloop.testing.inprocess import InProcessServer, NewServer

BERLIN = ZoneInfo("Europe/Berlin")


def at_home(*fields: int) -> datetime:
    return datetime(*fields, tzinfo=BERLIN)


@pytest.mark.spec("schedules-2")
def test_eight_is_eight_on_the_wall_all_year() -> None:
    winter, summer = at_home(2026, 3, 28, 9), at_home(2026, 3, 29, 9)
    assert next_of("0 8 * * *", winter, BERLIN) == at_home(2026, 3, 29, 8)
    assert next_of("0 8 * * *", summer, BERLIN) == at_home(2026, 3, 30, 8)
    # The hour that is not there, and the one that is there twice, are each met once.
    due: list[datetime] = []
    now = at_home(2026, 10, 24, 12)
    while len(due) < 3:
        following = next_of("30 2 * * *", now, BERLIN)
        assert following is not None
        due.append(following)
        now = following
    assert [d.astimezone(BERLIN).date().day for d in due] == [25, 26, 27]
    skipped = next_of("30 2 * * *", winter, BERLIN)
    assert skipped is not None
    assert skipped.astimezone(BERLIN).date().day == 29


@pytest.mark.spec("schedules-3")
def test_what_can_never_be_done_or_too_often_is_refused_in_words() -> None:
    now = at_home(2026, 11, 29, 12)
    for rule, why in (
        ("every day", "is no rule"),
        ("0 8 31 2 *", "is n"),
        ("* * * * *", "15 minutes"),
        ("0,5 8 * * *", "15 minutes"),
    ):
        with pytest.raises(BadInput) as refused:
            check_rule(rule, now, BERLIN)
        assert why in refused.value.sentence
    for at in (now, now - timedelta(days=1), now + timedelta(days=400)):
        with pytest.raises(BadInput):
            moment(now, at, None, BERLIN)
    assert moment(now, datetime(2026, 11, 30, 8), None, BERLIN) == at_home(2026, 11, 30, 8)
    assert moment(now, None, 120, BERLIN) == now + timedelta(hours=2)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch, service)


def put(server: InProcessServer, **given: Any) -> str:
    ident = uuid.uuid4().hex
    server.person.put(f"/api/schedules/{ident}", {"instruction": "Say what waits.", **given})
    return ident


def told(server: InProcessServer) -> list[str]:
    """What the main thread was told by the clock."""
    queued = [q["message"]["text"] for q in server.person.state()["queued"]]
    return [text for text in queued if text.startswith("It is time")]


def listed(server: InProcessServer) -> list[str]:
    return [s["id"] for s in server.person.get("/api/schedules")["schedules"]]


@pytest.mark.spec("schedules-1", "schedules-4")
def test_each_time_is_told_once_and_missed_ones_once(new_server: NewServer, clock: Clock) -> None:
    server = new_server(time_zone="Europe/Berlin")
    once = put(server, instruction="Once", in_minutes=120)
    put(server, instruction="At eight", cron="0 8 * * *")
    put(server, instruction="At nine", cron="0 9 * * *")

    def times(instruction: str) -> int:
        return sum(text.endswith(instruction) for text in told(server))

    server.look_after()
    assert times("Once") == 0
    clock.go_on(minutes=121)
    server.person.until("it is told", lambda: times("Once"))
    assert once not in listed(server)
    # A week in which nothing ran.
    before = times("At eight"), times("At nine")
    server.stop()
    clock.go_on(days=7)
    server.start()
    server.person.until("each once", lambda: times("At eight") > before[0] and times("At nine") > before[1])
    for _ in range(6):
        server.look_after()
    assert (times("Once"), times("At eight"), times("At nine")) == (1, before[0] + 1, before[1] + 1)
    assert len(listed(server)) == 2


@pytest.mark.spec("schedules-2")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_whose_clock_is_meant_is_said_and_a_time_without_a_zone_is_read_by_it(new_server: NewServer) -> None:
    server = new_server(time_zone="Asia/Kathmandu")
    day = datetime.now(UTC).date() + timedelta(days=2)
    put(server, at=f"{day}T08:00")
    answer = server.person.get("/api/schedules")
    assert answer["time_zone"] == server.person.get("/api/attention")["time_zone"] == "Asia/Kathmandu"
    assert datetime.fromisoformat(answer["schedules"][0]["next_at"]) == datetime.fromisoformat(f"{day}T02:15+00:00")


@pytest.mark.spec("schedules-5")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_what_was_taken_back_is_not_done_and_the_same_again_is_the_same(server: InProcessServer, clock: Clock) -> None:
    ident = put(server, in_minutes=30)
    server.person.put(f"/api/schedules/{ident}", {"instruction": "Another", "in_minutes": 5})
    assert [s["instruction"] for s in server.person.get("/api/schedules")["schedules"]] == ["Say what waits."]
    # What is changed is another from then on, at its own time.
    other = {"instruction": "Look again", "cron": "0 8 * * *"}
    assert server.person.http.patch(f"/api/schedules/{ident}", json=other).json()["cron"] == "0 8 * * *"
    refused = server.person.http.patch(f"/api/schedules/{ident}", json={**other, "cron": "* * * * *"})
    assert refused.json()["code"] == "bad_input"
    assert [s["instruction"] for s in server.person.get("/api/schedules")["schedules"]] == ["Look again"]
    assert server.person.http.delete(f"/api/schedules/{ident}").status_code == 204
    assert server.person.http.delete(f"/api/schedules/{ident}").json()["code"] == "unknown_schedule"
    assert server.person.http.patch(f"/api/schedules/{ident}", json=other).json()["code"] == "unknown_schedule"
    clock.go_on(days=2)
    server.look_after()
    assert told(server) == []
    both = server.person.http.put("/api/schedules/x", json={"instruction": "x", "in_minutes": 5, "cron": "0 8 * * *"})
    assert both.status_code == 422


@pytest.mark.spec("schedules-6")
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_the_main_agent_schedules_only_where_the_person_has_written(server: InProcessServer, clock: Clock) -> None:
    server.person.say("In two hours look again")
    runner = server.runner()
    runner.hello()
    runner.begin()
    assert "Look again" in runner.request("schedule", instruction="Look again", in_minutes=120).text
    (ident,) = listed(server)
    assert ident in runner.request("list_schedules").text
    runner.end()
    clock.go_on(hours=3)
    server.person.until("it is told", lambda: told(server) or "It is time" in str(server.person.events()))
    runner.begin()
    assert "Nobody has written" in runner.request("schedule", instruction="Again", in_minutes=120).text
    assert listed(server) == []


@pytest.mark.spec("schedules-2", "attention-4")
def test_where_none_is_set_it_is_the_machines_own_zone_with_its_changes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    tzlocal.reload_localzone()
    zone = Settings(home=tmp_path).zone
    monkeypatch.undo()
    tzlocal.reload_localzone()
    # The night before summer: eight is one hour sooner than yesterday.
    assert next_of("0 8 * * *", datetime(2026, 3, 28, 12, tzinfo=UTC), zone) == datetime(2026, 3, 29, 6, tzinfo=UTC)
