"""Fan-out has a ceiling from the first day: how many work at a time, how deep, how many starts a turn and a day."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from mainloop.errors import CeilingReached
from mainloop.events.unit import UnitOfWork
from mainloop.permissions import store
from mainloop.settings import Settings

# Long enough for a burst to be one, short enough to be over soon.
LATELY: Final = timedelta(minutes=10)
# So many started by agents that failed before they began, one after the other, are no accident.
FAILURES: Final = 3


class Ceilings:
    """The bounds of this installation."""

    # How the ids of items begin that ask about sessions started too fast.
    ITEM: Final = "ceiling-starts-"

    def __init__(self, settings: Settings, has_room: Callable[[], bool]) -> None:
        """`has_room`: whether the disk has room for the start of an agent."""
        self._settings = settings
        self.has_room = has_room

    def check_start(self, unit: UnitOfWork, *, parent: str, turn: int, depth: int) -> None:
        """Whether an agent may start another session now. Raises CeilingReached in words for agent and person."""
        s = self._settings
        if depth > s.max_depth:
            raise CeilingReached(
                what=f"Sessions may be nested {s.max_depth} deep (MAINLOOP_MAX_DEPTH); this one may not start another. "
                "Do the work yourself, or report what should be started."
            )
        fast = self.too_fast(unit.connection, unit.now)
        if fast is not None:
            raise CeilingReached(what=f"{fast} Nothing more was started: the person is asked whether to go on.")
        if store.starts_in_turn(unit.connection, parent, turn) >= s.max_starts_per_turn:
            raise CeilingReached(
                what=f"{s.max_starts_per_turn} sessions were started in this turn already "
                "(MAINLOOP_MAX_STARTS_PER_TURN). Nothing more was started: ask the person whether to go on."
            )
        if store.starts_since(unit.connection, unit.now - timedelta(days=1)) >= s.max_starts_per_day:
            raise CeilingReached(
                what=f"{s.max_starts_per_day} sessions were started in the last 24 hours (MAINLOOP_MAX_STARTS_PER_DAY)."
                " Nothing more was started: the person can start sessions by hand or raise the ceiling."
            )

    def too_fast(self, connection: sa.Connection, moment: datetime) -> str | None:
        """Why agents may start no more sessions for now, in words; None: they may."""
        since = max(moment - LATELY, store.starts_allowed_at(connection, self.ITEM, moment - LATELY) or moment - LATELY)
        if store.is_starting_stopped(connection, self.ITEM, moment - LATELY):
            return "The person stopped the starting of sessions a moment ago."
        started = store.starts_since(connection, since)
        if started >= self._settings.max_starts_at_once:
            return f"Agents have started {started} sessions within ten minutes (MAINLOOP_MAX_STARTS_AT_ONCE)."
        if store.failed_at_once(connection, since, FAILURES):
            return f"The last {FAILURES} sessions that agents started failed before they began."
        return None

    def is_asked(self, connection: sa.Connection, moment: datetime) -> bool:
        """Whether the person is asked about it, or has said lately that it is to stop."""
        stopped = store.is_starting_stopped(connection, self.ITEM, moment - LATELY)
        return stopped or store.is_asked_about_starts(connection, self.ITEM)

    def started_lately(self, connection: sa.Connection, moment: datetime) -> int:
        return store.starts_since(connection, moment - LATELY)

    def has_slot(self, unit: UnitOfWork) -> bool:
        """Whether one more session may work right now. Those that wait for a slot, or for the person, hold none."""
        unit.alone(store.SLOTS)
        return store.alive(unit.connection) < self._settings.max_alive and self.has_room()

    def has_slot_for_newcomer(self, unit: UnitOfWork) -> bool:
        """The same for one that has not queued: nobody who waits is overtaken."""
        return self.has_slot(unit) and not store.is_anybody_queued(unit.connection)
