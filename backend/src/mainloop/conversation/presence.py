"""Whether the person is there: what they looked at last, on any device, and what is said when they are back."""

from datetime import timedelta
from typing import Final

from mainloop.access import store as access_store
from mainloop.conversation import store
from mainloop.db.engine import Row
from mainloop.events.unit import UnitOfWork
from mainloop.inbox.service import Inbox
from mainloop.runs.store import MICROS
from mainloop.settings import Settings
from mainloop.spending import store as spending_store
from mainloop_models.events import AwayBody

MAIN: Final = "main"
# Two devices that come back at once are one coming back.
LOOKS: Final = 0x6D6C6C6F
# Sessions that are named in the line of what happened.
NAMED: Final = 8


class Presence:
    """Told by every page that is before somebody's eyes, about once a minute."""

    def __init__(self, settings: Settings, inbox: Inbox) -> None:
        self._away_after = timedelta(minutes=settings.away_minutes)
        self._inbox = inbox

    def looks(self, unit: UnitOfWork, device_id: str) -> None:
        """The person looks at a page of this device now."""
        unit.alone(LOOKS)
        before = access_store.last_look(unit.connection)
        spent = spending_store.spent_so_far(unit.connection)
        access_store.looks(unit, device_id, *spent)
        if before is not None and unit.now - before.looked_at < self._away_after:
            return
        self._inbox.person_is_back(unit)
        if before is not None:
            self._say(unit, before, spent)

    def _say(self, unit: UnitOfWork, before: Row, spent: tuple[int, int]) -> None:
        """One line of what happened meanwhile; nothing where nothing did."""
        happened = store.since(unit.connection, before.looked_at)
        body = AwayBody(
            left_at=before.looked_at,
            back_at=unit.now,
            sessions=happened.sessions[:NAMED],
            finished=len(happened.sessions),
            failed=happened.failed,
            waiting=happened.waiting,
            standing=happened.standing,
            cost_usd=max(0, spent[0] - before.looked_micros) / MICROS,
            unpriced_tokens=max(0, spent[1] - before.looked_unpriced),
        )
        news = (body.finished, body.failed, happened.asked, body.standing, body.cost_usd, body.unpriced_tokens)
        if any(news):
            unit.append(MAIN, "away", body)
