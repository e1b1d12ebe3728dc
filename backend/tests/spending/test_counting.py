"""What a turn uses is counted once, however often and in whatever order it is told."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mainloop.events.unit import Database
from mainloop.spending import store
from mainloop.testing.by_hand import HandRunner
from mainloop.testing.inprocess import InProcessServer, NewServer
from mainloop_models import runner as r
from mainloop_models.events import ModelUsage, Usage

TOKENS = tuple(Usage.model_fields)


def at_work(server: InProcessServer, ident: str = "session-1", **more: Any) -> HandRunner:
    server.person.post("/api/sessions", {"id": ident, "prompt": "look around", **more})
    runner = server.runner(ident)
    runner.hello()
    runner.begin()
    return runner


@pytest.mark.spec("cost-1")
def test_a_report_that_comes_again_late_or_with_less_changes_nothing(server: InProcessServer) -> None:
    runner = at_work(server)
    runner.spent(0.10, 1000)
    runner.spent(0.25, 3000)
    runner.send(runner.spool)  # the answer was lost: all of it again
    runner.spent(0.20, 2000)  # what an agent that counts wrongly would say
    runner.end()
    runner.spent(0.25, 3000, turn=1)
    total = server.person.get("/api/usage")["total"]
    assert (total["cost_usd"], total["tokens"], total["unpriced_tokens"]) == (0.25, 3000, 0)
    session = server.person.get("/api/sessions/session-1")
    assert (session["cost_usd"], session["tokens"]) == (0.25, 3000)


@pytest.mark.spec("cost-3")
def test_a_turn_that_goes_on_in_another_run_counts_from_nothing_there(server: InProcessServer) -> None:
    runner = at_work(server)
    runner.spent(0.10, 1000)
    runner.write(r.Spent(turn=1, models=[ModelUsage(model="opus", cost_usd=0.15, input_tokens=1500)]))
    runner.die()  # the newest figure is in its spool
    server.look_after()
    second = server.runner("session-1")
    second.send(runner.spool)
    second.hello()
    second.begin()
    second.spent(0.05, 500)
    second.end()
    total = server.person.get("/api/usage")["total"]
    assert (total["cost_usd"], total["tokens"]) == (0.2, 2000)


@pytest.mark.spec("cost-2")
def test_a_price_that_is_not_known_is_said_to_be_unknown(server: InProcessServer) -> None:
    runner = at_work(server)
    runner.spent(None, 1200, model="my-own")
    runner.end()
    report = server.person.get("/api/usage")
    assert (report["total"]["cost_usd"], report["total"]["unpriced_tokens"]) == (None, 1200)
    assert server.person.get("/api/sessions/session-1")["cost_usd"] is None
    server.person.say("more", "session-1")
    runner.begin()
    runner.spent(0.5, 100)
    runner.end()
    report = server.person.get("/api/usage")
    assert (report["total"]["cost_usd"], report["total"]["unpriced_tokens"]) == (0.5, 1200)
    assert {m["model"]: m["cost_usd"] for m in report["models"]} == {"opus": 0.5, "my-own": None}


@pytest.mark.spec("cost-4")
def test_money_of_a_subscription_is_told_apart(server: InProcessServer) -> None:
    runner = at_work(server)
    used = ModelUsage(model="opus", cost_usd=0.3, input_tokens=10)
    runner.say(r.Spent(turn=1, models=[used], on_plan=True))
    runner.end()
    total = server.person.get("/api/usage")["total"]
    assert (total["cost_usd"], total["plan_usd"]) == (0.3, 0.3)
    assert server.person.get("/api/sessions/session-1")["on_plan"]


@pytest.mark.spec("cost-5")
def test_usage_is_told_by_day_model_session_and_project(server: InProcessServer) -> None:
    runner = at_work(server)
    two = [
        ModelUsage(model="opus", cost_usd=0.4, input_tokens=40),
        ModelUsage(model="haiku", cost_usd=0.1, output_tokens=7),
    ]
    runner.say(r.Spent(turn=1, models=two))
    runner.end()
    server.person.say("hello")
    main = server.runner()
    main.hello()
    main.begin()
    main.spent(1.0, 5)
    main.end()
    report = server.person.get("/api/usage")
    assert len(report["days"]) == 30
    assert report["days"][-1]["day"] == report["today"]
    assert [(m["model"], m["cost_usd"]) for m in report["models"]] == [("opus", 1.4), ("haiku", 0.1)]
    assert [(s["id"], s["cost_usd"]) for s in report["sessions"]] == [("main", 1.0), ("session-1", 0.5)]
    assert [(p["id"], p["cost_usd"]) for p in report["projects"]] == [(None, 1.5)]
    only = server.person.get("/api/usage", session="session-1")
    assert (only["total"]["cost_usd"], only["total"]["output_tokens"]) == (0.5, 7)


@pytest.mark.spec("cost-14")
def test_a_day_is_the_person_s(new_server: NewServer) -> None:
    server = new_server(time_zone="Pacific/Auckland")
    runner = at_work(server)
    body = r.Spent(turn=1, models=[ModelUsage(model="opus", cost_usd=0.1)])
    late = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)  # after midnight in Auckland
    runner.spool.append(r.Report(run=1, number=len(runner.spool) + 1, at=late, body=body))
    runner.say()
    days = server.person.get("/api/usage", first="2026-11-19", last="2026-11-22")["days"]
    assert {d["day"]: d["cost_usd"] for d in days if d["cost_usd"]} == {"2026-11-21": 0.1}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"first": "2026-11-20", "last": "2026-11-01"}, "after the last"),
        ({"first": "2020-01-01", "last": "2026-11-01"}, "at most 400 days"),
    ],
)
def test_a_report_of_days_that_can_not_be_is_refused_in_words(
    server: InProcessServer, asked: dict[str, str], said: str
) -> None:
    answer = server.person.http.get("/api/usage", params=asked)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


figures = st.builds(
    ModelUsage,
    model=st.sampled_from(["opus", "haiku"]),
    cost_usd=st.one_of(st.none(), st.integers(0, 2_000_000).map(lambda n: n / 1e6)),
    **{name: st.integers(0, 10**6) for name in TOKENS},
)
reports = st.tuples(st.integers(1, 3), st.integers(1, 4), figures, st.integers(0, 2))


@pytest.mark.spec("cost-1")
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=st.lists(reports, max_size=12), order=st.randoms(use_true_random=False), again=st.integers(0, 12))
def test_reports_come_to_the_same_sum_in_any_order_and_however_often(
    database: Database, told: list[Any], order: Any, again: int
) -> None:
    thread = f"t-{datetime.now(UTC).timestamp()}-{order.random()}"
    noon = datetime(2026, 11, 28, tzinfo=UTC)

    def apply(sequence: list[Any], name: str) -> None:
        for run, turn, used, day in sequence:
            when = (noon + timedelta(days=day)).date().isoformat()
            database.write(
                lambda unit, run=run, turn=turn, used=used, when=when: store.count(
                    unit, name, run, turn, used, day=when, project_id=None, on_plan=False
                )
            )

    def sums(name: str) -> Any:
        count: Callable[[str], int] = lambda u: database.read(lambda c: store.in_session(c, name, u))  # noqa: E731
        return count("usd"), count("tokens")

    shuffled = [*told, *told[:again]]
    order.shuffle(shuffled)
    apply(told, f"{thread}-a")
    apply(shuffled, f"{thread}-b")
    highest: dict[Any, dict[str, int]] = {}
    for run, turn, used, _ in told:
        best = highest.setdefault((run, turn, used.model), {})
        for name in TOKENS:
            best[name] = max(best.get(name, 0), getattr(used, name))
        best["micros"] = max(best.get("micros", 0), round((used.cost_usd or 0) * 1e6))
    wanted = sum(b["micros"] for b in highest.values()), sum(b[name] for b in highest.values() for name in TOKENS)
    assert sums(f"{thread}-a") == sums(f"{thread}-b") == wanted
