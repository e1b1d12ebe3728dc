"""Has the main agent do something at its time: once for each time, whatever died or slept meanwhile."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from mainloop.db.engine import Row
from mainloop.errors import BadInput, MainloopError, NotAllowedNow
from mainloop.events.unit import Act, UnitOfWork, now
from mainloop.runs import mailbox
from mainloop.runs import store as runs_store
from mainloop.runs.registry import Call, Registry
from mainloop.runs.service import Runs
from mainloop.schedules import store
from mainloop.schedules.schemas import AddSchedule, CancelSchedule, ListSchedules, Schedule
from mainloop.schedules.times import check_rule, moment, next_of
from mainloop.sessions.service import id_from
from mainloop.settings import Settings

MAIN: Final = "main"
MOST: Final = 100
SCHEDULE: Final = (
    "Have yourself told at a time, once or again and again, to do what the person asked for: at, in_minutes or cron. "
    "Only what the person wants done then; no polling of sessions."
)
LIST: Final = "What is still to come, with the times."
CANCEL: Final = "Take a schedule back."


class UnknownSchedule(MainloopError):
    """There is no schedule {id} that is still to come."""

    status = 404
    code = "unknown_schedule"


class ScheduleBook:
    """All schedules of this installation."""

    def __init__(self, settings: Settings, runs: Runs) -> None:
        self._zone = settings.zone
        self._runs = runs

    def register(self, registry: Registry) -> None:
        """Offer them to the main agent."""
        registry.tool("schedule", SCHEDULE, AddSchedule, self._add_by_words, roles={"main"})
        registry.tool("list_schedules", LIST, ListSchedules, self._list_by_words, roles={"main"})
        registry.tool("cancel_schedule", CANCEL, CancelSchedule, self._cancel_by_words, roles={"main"})

    # -- time ----------------------------------------------------------------------------------------------------
    def look(self, connection: sa.Connection) -> Iterable[Act]:
        """The janitor's look, in every server: what is due. Missed several times it is done once."""
        for row in store.due(connection, now()):
            yield lambda unit, seen=row: self._go_off(unit, seen)

    def _go_off(self, unit: UnitOfWork, seen: Row) -> None:
        following = next_of(seen.cron, unit.now, self._zone) if seen.cron else None
        if not store.went_off(unit, seen.id, seen.next_at, following):
            return
        due = seen.next_at.astimezone(self._zone)
        letter = mailbox.Letter(
            id=id_from("schedule", seen.id, seen.next_at.isoformat()),
            text=f"It is time ({due:%a %d %b %H:%M}) for what was scheduled: {seen.instruction}",
            role="system",
        )
        runs_store.lock(unit, MAIN)
        mailbox.post(unit, MAIN, letter)
        self._runs.take_up(unit, MAIN)

    # -- the person ----------------------------------------------------------------------------------------------
    def add(self, unit: UnitOfWork, ident: str, given: AddSchedule) -> Schedule:
        """Asked again with the same id it is the same one. Raises BadInput."""
        at = self._next(unit, given)
        if store.find(unit.connection, ident) is None and len(store.listed(unit.connection)) >= MOST:
            raise BadInput(what=f"{MOST} schedules are to come already. Cancel one first.")
        store.add(unit, ident, instruction=given.instruction, cron=given.cron, next_at=at)
        return self._found(unit, ident)

    def change(self, unit: UnitOfWork, ident: str, given: AddSchedule) -> Schedule:
        """Something else, or at another time, from now on. Raises BadInput, UnknownSchedule."""
        at = self._next(unit, given)
        if not store.change(unit, ident, instruction=given.instruction, cron=given.cron, next_at=at):
            raise UnknownSchedule(id=ident)
        return self._found(unit, ident)

    def _next(self, unit: UnitOfWork, given: AddSchedule) -> datetime | None:
        if given.cron is None:
            return moment(unit.now, given.at, given.in_minutes, self._zone)
        check_rule(given.cron, unit.now, self._zone)
        return next_of(given.cron, unit.now, self._zone)

    @staticmethod
    def _found(unit: UnitOfWork, ident: str) -> Schedule:
        row = store.find(unit.connection, ident)
        assert row is not None
        return as_schedule(row)

    def cancel(self, unit: UnitOfWork, ident: str) -> None:
        if not store.cancel(unit, ident):
            raise UnknownSchedule(id=ident)

    # -- the main agent ------------------------------------------------------------------------------------------
    def _add_by_words(self, unit: UnitOfWork, call: Call, given: AddSchedule) -> str:
        self._check_wished(unit, call)
        added = self.add(unit, id_from("schedule", call.thread_id, call.call_id), given)
        return self._said(added)

    def _list_by_words(self, unit: UnitOfWork, call: Call, given: ListSchedules) -> str:
        rows = [as_schedule(row) for row in store.listed(unit.connection)]
        return "\n".join(self._said(row) for row in rows) or "Nothing is scheduled."

    def _cancel_by_words(self, unit: UnitOfWork, call: Call, given: CancelSchedule) -> str:
        self._check_wished(unit, call)
        self.cancel(unit, given.id)
        return f"Schedule {given.id} is cancelled."

    def _check_wished(self, unit: UnitOfWork, call: Call) -> None:
        if not mailbox.said_in_turn(unit.connection, call.thread_id, call.turn):
            raise NotAllowedNow(
                what="Nobody has written in this turn, so nothing is scheduled or cancelled. Tell the person what you would "
                "do; a word of theirs is enough."
            )

    def _said(self, schedule: Schedule) -> str:
        here = schedule.next_at.astimezone(self._zone).isoformat(timespec="minutes") if schedule.next_at else None
        shown = {"id": schedule.id, "next": here, "rule": schedule.cron, "instruction": schedule.instruction}
        return json.dumps({name: value for name, value in shown.items() if value}, ensure_ascii=False)


def as_schedule(row: Row) -> Schedule:
    return Schedule.model_validate({name: getattr(row, name) for name in Schedule.model_fields})
