"""What an agent does right now, when it was last heard, and whether its runner can be reached.

It changes with every call of a tool and every try of a request, so it lies in the agent's row and is announced, and the
log is left alone. Only a runner that can't be reached, and its return, are told to the features: they may say more.
"""

import threading
import time
from collections import Counter
from datetime import datetime, timedelta
from typing import Final

from mainloop.db.engine import Row
from mainloop.errors import StorageFull
from mainloop.events.status import Statuses
from mainloop.events.unit import Database, UnitOfWork, now
from mainloop.runs import calls, store
from mainloop.runs.registry import Registry, Said
from mainloop_models import runner as r
from mainloop_models.events import Activity, Status, Steps

# A poll is answered after 25 s at most, so a runner that asks for nothing this long is overdue.
OVERDUE: Final = timedelta(seconds=60)
# That a runner was seen, or an agent heard, is written down this often at most.
NOTED_EVERY: Final = timedelta(seconds=10)
PIECES_NOTED_EVERY: Final = 30.0
LONGEST: Final = 200
NO_ROOM: Final = "The disk is full, so its agent is not started. It starts by itself when there is room."


def status_of(row: Row) -> Status:
    """How it stands with the agent of this row, or of a row that has its columns."""
    return Status(
        activity=Activity.model_validate(row.activity) if row.activity else None,
        steps=Steps.model_validate(row.steps) if row.steps else None,
        heard_at=row.heard_at,
        last_seen=row.last_seen,
    )


class Standing:
    """Writes down and announces how it stands with agents."""

    def __init__(self, database: Database, statuses: Statuses, registry: Registry) -> None:
        self._database = database
        self._statuses = statuses
        self._registry = registry
        # Threads whose pieces were noted a moment ago.
        self._noted: dict[str, float] = {}
        self._lock = threading.Lock()

    # -- what it does ------------------------------------------------------------------------------------------
    def reported(self, unit: UnitOfWork, said: Said, report: r.Report) -> None:
        """A report was applied: what it says of what the agent does now."""
        body = report.body
        match body:
            case r.Retrying(text=text) if text:
                before = status_of(said.thread).activity
                since = before.since if before is not None and before.kind == body.what else report.at
                self._does(
                    unit,
                    said.thread,
                    Activity(kind=body.what, text=_short(text), since=since, attempt=body.attempt, of=body.of),
                )
            case r.Said() | r.Reasoned() if said.thread.activity is None:
                pass  # no call runs
            case r.ToolCalled() | r.ToolEnded() | r.Said() | r.Reasoned() | r.Retrying():
                self._goes_on(unit, said.thread, report.at)
            case r.TurnStarted() | r.TurnEnded():
                self._is_at(unit, said.thread, None)
                self._does(unit, said.thread, None)
            case r.Todo(entries=entries):
                count = Counter(entry.status for entry in entries)
                steps = Steps(done=count["completed"], doing=count["in_progress"], of=len(entries))
                self._is_at(unit, said.thread, steps if entries else None)
            case _:
                pass

    def unwritten(self, thread_id: str, why: str) -> None:
        """Its runner can't put on disk what it says, and holds it up; or can again, where `why` is empty.

        Where our own disk is full as well, it is announced only.
        """
        text = _short(f"Its disk can't be written to ({why}). It waits, and goes on by itself when there is room.")
        activity = Activity(kind="unwritten", text=text, since=now())

        def note(unit: UnitOfWork) -> None:
            row = store.agent(unit.connection, thread_id)
            if why:
                self._does(unit, row, activity)
            else:
                self._goes_on(unit, row, unit.now)

        try:
            self._database.write(note)
        except StorageFull:
            self._statuses.tell(thread_id, Status(activity=activity))
            raise

    def no_room(self, unit: UnitOfWork, thread_id: str) -> None:
        """It can't be started because the disk is full."""
        row = store.agent(unit.connection, thread_id)
        before = status_of(row).activity
        since = before.since if before is not None and before.kind == "unwritten" else unit.now
        self._does(unit, row, Activity(kind="unwritten", text=NO_ROOM, since=since))

    def restarting(self, unit: UnitOfWork, thread_id: str, attempt: int, of: int) -> None:
        """Its process has ended and is started again."""
        text = "Its process ended; it is being started again."
        activity = Activity(kind="restarting", text=text, since=unit.now, attempt=attempt, of=of)
        self._does(unit, store.agent(unit.connection, thread_id), activity)

    def at_rest(self, unit: UnitOfWork, thread_id: str) -> None:
        """It does nothing that could be named, and is at none of its steps."""
        self._is_at(unit, store.agent(unit.connection, thread_id), None)
        self._does(unit, store.agent(unit.connection, thread_id), None)

    def _goes_on(self, unit: UnitOfWork, row: Row, at: datetime) -> None:
        """With the call that began last and still runs."""
        call = calls.newest(unit.connection, row.thread_id)
        if call is None:
            self._does(unit, row, None)
        else:
            self._does(unit, row, Activity(kind="tool", text=_short(call.body["title"]), since=call.at or at))

    def _does(self, unit: UnitOfWork, row: Row, activity: Activity | None) -> None:
        written = activity.model_dump(mode="json") if activity else None
        if row.activity != written:
            store.update(unit, row.thread_id, activity=written)
            self._tell(unit, row.thread_id)

    def _is_at(self, unit: UnitOfWork, row: Row, steps: Steps | None) -> None:
        written = steps.model_dump(mode="json") if steps else None
        if row.steps != written:
            store.update(unit, row.thread_id, steps=written)
            self._tell(unit, row.thread_id)

    # -- whether it is heard and seen --------------------------------------------------------------------------
    def heard(self, unit: UnitOfWork, row: Row) -> None:
        """The agent of this row has said or done something."""
        if row.heard_at is None or unit.now - row.heard_at > NOTED_EVERY:
            store.update(unit, row.thread_id, heard_at=unit.now)
            self._tell(unit, row.thread_id)

    def heard_pieces(self, thread_id: str) -> None:
        """The same for pieces of a message, which come many times a second."""
        clock = time.monotonic()
        with self._lock:
            if clock - self._noted.get(thread_id, -PIECES_NOTED_EVERY) < PIECES_NOTED_EVERY:
                return
            self._noted = {k: at for k, at in self._noted.items() if clock - at < PIECES_NOTED_EVERY}
            self._noted[thread_id] = clock
        self._database.write(lambda unit: self.heard(unit, store.agent(unit.connection, thread_id)))

    def is_to_be_noted(self, row: Row, run: Row) -> bool:
        """Whether it would be written down that this run of the agent `row` is seen now."""
        return row.last_seen is not None or run.seen_at is None or now() - run.seen_at > NOTED_EVERY

    def seen(self, unit: UnitOfWork, run: Row, row: Row) -> None:
        """A runner of the agent `row` has asked or told something: it lives and reaches us."""
        if run.seen_at is None or unit.now - run.seen_at > NOTED_EVERY:
            store.update_run(unit, run.thread_id, run.number, seen_at=unit.now)
        if row.last_seen is not None:
            self.back(unit, run.thread_id, "Its runner is back.")

    def overdue(self, unit: UnitOfWork, run: Row) -> None:
        """A runner that holds its lock has not been heard of for too long."""
        if store.agent(unit.connection, run.thread_id).last_seen is None:
            store.update(unit, run.thread_id, last_seen=run.seen_at)
            self._tell(unit, run.thread_id)
            for handle in self._registry.overdue:
                handle(unit, run.thread_id)

    def unreachable(self, unit: UnitOfWork, run: Row) -> None:
        """That lasts: only the person can say whether it may last longer."""
        for handle in self._registry.unreachable:
            handle(unit, run.thread_id, run.number, run.seen_at)

    def back(self, unit: UnitOfWork, thread_id: str, why: str) -> None:
        """It is not overdue, or not any more."""
        if store.agent(unit.connection, thread_id).last_seen is None:
            return
        store.update(unit, thread_id, last_seen=None)
        self._tell(unit, thread_id)
        for handle in self._registry.back:
            handle(unit, thread_id, why)

    def _tell(self, unit: UnitOfWork, thread_id: str) -> None:
        status = status_of(store.agent(unit.connection, thread_id))
        unit.after_commit(lambda: self._statuses.tell(thread_id, status))


def _short(text: str) -> str:
    return " ".join(text.split())[:LONGEST]


def is_overdue(run: Row, now: datetime) -> bool:
    """Whether a living run has not been heard of for too long."""
    return run.seen_at is not None and now - run.seen_at > OVERDUE
