"""Schedules over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request

from mainloop.access.service import CurrentDevice
from mainloop.http.context import CurrentDatabase, CurrentParts
from mainloop.schedules import store
from mainloop.schedules.schemas import AddSchedule, Schedule, Schedules
from mainloop.schedules.service import ScheduleBook, as_schedule

router = APIRouter(prefix="/api/schedules", tags=["schedules"])


async def _book(request: Request) -> ScheduleBook:
    return request.app.state.parts.schedules


Ident = Annotated[str, Path(min_length=1, max_length=64)]
CurrentBook = Annotated[ScheduleBook, Depends(_book)]


@router.get("", name="list_schedules")
def list_schedules(database: CurrentDatabase, parts: CurrentParts, me: CurrentDevice) -> Schedules:
    """What is still to come, the next first."""
    rows = database.read(store.listed)
    return Schedules(schedules=[as_schedule(row) for row in rows], time_zone=parts.settings.zone_name)


@router.put("/{schedule_id}", name="add_schedule")
def add_schedule(
    schedule_id: Ident, given: AddSchedule, database: CurrentDatabase, book: CurrentBook, me: CurrentDevice
) -> Schedule:
    """Have the main agent do something at a time. The same id again is the same schedule."""
    return database.write(lambda unit: book.add(unit, schedule_id, given))


@router.patch("/{schedule_id}", name="change_schedule")
def change_schedule(
    schedule_id: Ident, given: AddSchedule, database: CurrentDatabase, book: CurrentBook, me: CurrentDevice
) -> Schedule:
    """Have something else done, or at another time."""
    return database.write(lambda unit: book.change(unit, schedule_id, given))


@router.delete("/{schedule_id}", name="cancel_schedule", status_code=204)
def cancel_schedule(schedule_id: Ident, database: CurrentDatabase, book: CurrentBook, me: CurrentDevice) -> None:
    """Take it back."""
    database.write(lambda unit: book.cancel(unit, schedule_id))
