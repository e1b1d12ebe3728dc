"""Whether the person is there: what they looked at last, on any device, and what is said when they are back."""

from datetime import timedelta
from typing import Final, Literal

from mainloop.access import store as access_store
from mainloop.attention.policy import back_after
from mainloop.conversation import store
from mainloop.conversation.store import Told
from mainloop.db.engine import Row
from mainloop.events.unit import UnitOfWork
from mainloop.inbox.service import Inbox
from mainloop.runs.store import MICROS
from mainloop.settings import Settings
from mainloop.spending import store as spending_store
from mainloop_models.events import AwayBody

Why = Literal["away", "day", "long", "hour"]
MAIN: Final = "main"
# Two devices that come back at once are one coming back; and nothing is said twice, on looking and at an hour.
LOOKS: Final = 0x6D6C6C6F
# Sessions that are named in the line of what happened.
NAMED: Final = 8


class Presence:
    """Told by every page that is before somebody's eyes, about once a minute."""

    def __init__(self, settings: Settings, inbox: Inbox) -> None:
        self._away_after = timedelta(minutes=settings.away_minutes)
        self._zone = settings.zone
        self._inbox = inbox

    def looks(self, unit: UnitOfWork, device_id: str) -> None:
        """The person looks at a page of this device now."""
        unit.alone(LOOKS)
        before = access_store.last_look(unit.connection)
        spent = spending_store.spent_so_far(unit.connection)
        access_store.looks(unit, device_id, *spent)
        back = "away" if before is None else back_after(unit.now, before.looked_at, self._away_after, self._zone)
        if back is None:
            return
        self._inbox.person_is_back(unit)
        if before is not None:
            self._say(unit, back, before, spent)

    def digest(self, unit: UnitOfWork) -> str:
        """It is an hour that the person chose: what happened since they looked, in a line; empty where nothing did."""
        unit.alone(LOOKS)
        before = access_store.last_look(unit.connection)
        if before is None:
            return ""
        spent = spending_store.spent_so_far(unit.connection)
        body = self._say(unit, "hour", before, spent)
        if body is None:
            return ""
        store.digested(unit, *spent)
        counted = {"finished": body.finished, "merged": body.merged, "failed": body.failed, "waiting": body.waiting}
        words = [f"{number} {what}" for what, number in counted.items() if number]
        return " · ".join([*words, *([f"${body.cost_usd:.2f}"] if body.cost_usd else [])])

    def _say(self, unit: UnitOfWork, why: Why, before: Row, spent: tuple[int, int]) -> AwayBody | None:
        """What happened since they last looked or a digest told them; nothing where nothing did."""
        looked = Told(before.looked_at, before.looked_micros, before.looked_unpriced)
        last = max(looked, store.last_digest(unit.connection) or looked)
        happened = store.since(unit.connection, last.at)
        body = AwayBody(
            why=why,
            left_at=last.at if why == "hour" else before.looked_at,
            back_at=unit.now,
            sessions=happened.sessions[:NAMED],
            finished=len(happened.sessions),
            failed=happened.failed,
            merged=happened.merged,
            waiting=happened.waiting,
            standing=happened.standing,
            cost_usd=max(0, spent[0] - last.micros) / MICROS,
            unpriced_tokens=max(0, spent[1] - last.unpriced),
        )
        news = (body.finished, body.failed, body.merged, happened.asked, body.standing, body.cost_usd)
        if not any((*news, body.unpriced_tokens)):
            return None
        if why != "away":
            body = body.model_copy(update=store.lines(unit.connection, last.at, happened)._asdict())
        unit.append(MAIN, "away", body)
        return body
