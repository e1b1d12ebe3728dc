"""Whether the person is there: what they looked at last, on any device, and what happens when they are back."""

from datetime import timedelta
from typing import Final

from mainloop.access import store
from mainloop.events.unit import UnitOfWork
from mainloop.inbox.service import Inbox
from mainloop.settings import Settings

# Two devices that come back at once are one coming back.
LOOKS: Final = 0x6D6C6C6F


class Presence:
    """Told by every page that is before somebody's eyes, about once a minute."""

    def __init__(self, settings: Settings, inbox: Inbox) -> None:
        self._away_after = timedelta(minutes=settings.away_minutes)
        self._inbox = inbox

    def looks(self, unit: UnitOfWork, device_id: str) -> None:
        """The person looks at a page of this device now."""
        unit.alone(LOOKS)
        before = store.last_look(unit.connection)
        store.looks(unit, device_id)
        if before is None or unit.now - before >= self._away_after:
            self._inbox.person_is_back(unit)
