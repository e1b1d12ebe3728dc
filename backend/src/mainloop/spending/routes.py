"""Usage and ceilings over HTTP."""

from datetime import date, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request

from mainloop.access.service import CurrentDevice
from mainloop.errors import BadInput
from mainloop.events.unit import now
from mainloop.http.context import CurrentDatabase
from mainloop.spending.report import report
from mainloop.spending.schemas import CeilingList, SetCeiling, UsageReport
from mainloop.spending.service import Spending

router = APIRouter(prefix="/api", tags=["spending"])
# Days in a report: more would be drawn thinner than a line.
LONGEST: Final = 400
SHOWN: Final = 30


async def _spending(request: Request) -> Spending:
    return request.app.state.parts.spending


CurrentSpending = Annotated[Spending, Depends(_spending)]


@router.get("/usage", name="get_usage")
def get_usage(
    database: CurrentDatabase,
    spending: CurrentSpending,
    me: CurrentDevice,
    first: Annotated[date | None, Query(description="As 2026-11-28; without it the last 30 days")] = None,
    last: Annotated[date | None, Query(description="Without it today")] = None,
    project: Annotated[str | None, Query(description="Id of a project")] = None,
    session: Annotated[str | None, Query(description="Id of a session, or main")] = None,
) -> UsageReport:
    """What was used and what it cost: all together, and by day, model, session and project."""
    today = date.fromisoformat(spending.day_of(now()))
    last = last or today
    first = first or last - timedelta(days=SHOWN - 1)
    if first > last:
        raise BadInput(what="The first day is after the last one.")
    if (last - first).days >= LONGEST:
        raise BadInput(what=f"A report covers at most {LONGEST} days.")
    return database.read(
        lambda c: report(c, first, last, today=today, time_zone=spending.time_zone, project=project, session=session)
    )


@router.get("/ceilings", name="list_ceilings")
def list_ceilings(
    database: CurrentDatabase,
    spending: CurrentSpending,
    me: CurrentDevice,
    session: Annotated[str | None, Query(description="Id of a session")] = None,
    project: Annotated[str | None, Query(description="Id of a project")] = None,
) -> CeilingList:
    """The ceilings on spending that hold for a session, for a project, or where nothing else is said."""
    return CeilingList(ceilings=database.read(lambda c: spending.ceilings(c, session, project)))


@router.put("/ceilings", name="set_ceiling")
def set_ceiling(
    given: SetCeiling, database: CurrentDatabase, spending: CurrentSpending, me: CurrentDevice
) -> CeilingList:
    """Set one ceiling, from now on; whoever waited at it goes on where there is room again."""
    return CeilingList(ceilings=database.write(lambda unit: spending.set_ceiling(unit, given)))
