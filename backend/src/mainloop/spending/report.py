"""What was used, put together for the page."""

from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa

from mainloop.db.engine import Row
from mainloop.runs.store import MICROS
from mainloop.spending import store
from mainloop.spending.schemas import DaySum, ModelSum, ProjectSum, SessionSum, Sum, UsageReport

MAIN_TITLE = "The main conversation"
NO_PROJECT = "Without a project"


def report(
    connection: sa.Connection,
    first: date,
    last: date,
    *,
    today: date,
    time_zone: str,
    project: str | None,
    session: str | None,
) -> UsageReport:
    """Everything from a day to a day; a day on which nothing was used is there all the same."""

    def rows(by: str | None) -> list[Row]:
        return store.summed(connection, by, first.isoformat(), last.isoformat(), project=project, session=session)

    days = {row.key: _sum(row) for row in rows("day")}
    dates = [(first + timedelta(days=n)).isoformat() for n in range((last - first).days + 1)]
    threads, projects = rows("thread_id"), rows("project_id")
    sessions = store.names(connection, "session", [row.key for row in threads])
    names = store.names(connection, "project", [row.key for row in projects if row.key])
    return UsageReport(
        time_zone=time_zone,
        today=today.isoformat(),
        first=first.isoformat(),
        last=last.isoformat(),
        total=Sum(**_sum(rows(None)[0])),
        days=[DaySum(day=day, **days.get(day, {})) for day in dates],
        models=[ModelSum(model=row.key, **_sum(row)) for row in rows("model")],
        sessions=[_session(row, sessions.get(row.key)) for row in threads],
        projects=[
            ProjectSum(id=row.key, name=names[row.key].name if row.key in names else NO_PROJECT, **_sum(row))
            for row in projects
        ],
    )


def _session(row: Row, session: Row | None) -> SessionSum:
    if session is None:
        about: dict[str, Any] = {"title": MAIN_TITLE, "handle": "main", "hue": 0, "project_id": None, "state": ""}
    else:
        about = {name: getattr(session, name) for name in ("title", "handle", "hue", "project_id", "state")}
    return SessionSum(id=row.key, **about, **_sum(row))


def _sum(row: Row) -> dict[str, Any]:
    tokens = {name: int(getattr(row, name)) for name in store.TOKENS}
    return {
        **tokens,
        "tokens": sum(tokens.values()),
        "cost_usd": None if row.micros is None else int(row.micros) / MICROS,
        "unpriced_tokens": int(row.unpriced_tokens),
        "plan_usd": int(row.plan_micros or 0) / MICROS,
    }
