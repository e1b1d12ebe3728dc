"""Fan-out has a ceiling from the first day: how many work at a time, how deep, how many starts a turn and a day."""

from datetime import timedelta

from mainloop.errors import CeilingReached
from mainloop.events.unit import UnitOfWork
from mainloop.permissions import store
from mainloop.settings import Settings


class Ceilings:
    """The bounds of this installation."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def check_start(self, unit: UnitOfWork, *, parent: str, turn: int, depth: int) -> None:
        """Whether an agent may start another session now. Raises CeilingReached in words for agent and person."""
        s = self._settings
        if depth > s.max_depth:
            raise CeilingReached(
                what=f"Sessions may be nested {s.max_depth} deep (MAINLOOP_MAX_DEPTH); this one may not start another. "
                "Do the work yourself, or report what should be started."
            )
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

    def has_slot(self, unit: UnitOfWork) -> bool:
        """Whether one more session may work right now. Those that wait for a slot, or for the person, hold none."""
        unit.alone(store.SLOTS)
        return store.alive(unit.connection) < self._settings.max_alive

    def has_slot_for_newcomer(self, unit: UnitOfWork) -> bool:
        """The same for one that has not queued: nobody who waits is overtaken."""
        return self.has_slot(unit) and not store.is_anybody_queued(unit.connection)
