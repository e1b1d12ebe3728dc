"""What the inbox says about a ceiling that was reached, and what it would take to go on."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mainloop.spending.amounts import in_words, plain
from mainloop.spending.store import MAIN
from mainloop_models.events import ItemBody, NoticeItem, Reached

# What is offered for going on once: this part of the ceiling.
OFFER: Final = 5


@dataclass(frozen=True)
class Bound:
    """A ceiling as it applies to one thread. Amounts are millionths of a dollar, or tokens."""

    scope: str
    # The thread, the project, or nothing for the day.
    owner: str
    unit: str
    # Of it the part that was added once.
    raised: int
    limit: int


@dataclass(frozen=True)
class Level:
    """Where a thread stands below a ceiling."""

    bound: Bound
    spent: int
    # Held back for others.
    held: int

    @property
    def room(self) -> int:
        return self.bound.limit - self.spent - self.held


def reached_item(ident: str, thread_id: str, reached: Level, name: str, at: datetime) -> ItemBody:
    """The one item for all that wait at a ceiling; `name` is whose ceiling it is, in words."""
    return ItemBody(
        id=ident,
        kind="ceiling",
        thread_id=thread_id,
        session_id=thread_id if thread_id != MAIN else None,
        title=sentence(reached),
        notice=NoticeItem(
            kind="ceiling",
            text=f"{sentence(reached)} {explained(reached)}",
            hint="What was asked stays: it goes on where it stood.",
            decisions=["raise_once", "raise", "stop"],
            reached=_told(reached, name),
        ),
        opened_at=at,
    )


def is_enough(reached: Level, more: int) -> bool:
    """Whether a turn could begin with so much more."""
    return reached.room + more > 0


def starts_item(ident: str, why: str, started: int, limit: int, at: datetime) -> ItemBody:
    """Agents start sessions too fast, or such that fail at once: nothing more is started before the person says so."""
    return ItemBody(
        id=ident,
        kind="ceiling",
        thread_id=MAIN,
        title="Agents start sessions faster than anybody can follow.",
        notice=NoticeItem(
            kind="ceiling",
            text=f"{why} No agent starts another one before you say so; those you start by hand are not held up.",
            hint="Go on: they may start so many again. Stop: they may not before it has been quiet.",
            decisions=["raise_once", "stop"],
            reached=Reached(scope="starts", unit="starts", limit=limit, spent=started, offer=limit),
        ),
        opened_at=at,
    )


def _told(reached: Level, name: str) -> Reached:
    bound = reached.bound
    # So much that there is room beyond what is used and held for others right now.
    offer = max(bound.limit // OFFER, bound.limit // OFFER - reached.room, 1)
    return Reached.model_validate(
        {
            "scope": bound.scope,
            "owner": bound.owner,
            "name": name,
            "unit": bound.unit,
            "limit": plain(bound.unit, bound.limit),
            "spent": plain(bound.unit, reached.spent),
            "held": plain(bound.unit, reached.held),
            "offer": plain(bound.unit, offer),
            "raise_to": plain(bound.unit, max(2 * (bound.limit - bound.raised), bound.limit - bound.raised + offer)),
        }
    )


def sentence(reached: Level) -> str:
    """Which ceiling it is, as a title."""
    whose = {"turn": "of one turn", "session": "of this session", "project": "of its project", "day": "of today"}
    bound = reached.bound
    return f"The spending ceiling {whose[bound.scope]} is reached: {in_words(bound.unit, bound.limit)}."


def explained(reached: Level) -> str:
    """What was used, and what others hold."""
    bound = reached.bound
    used = f"{in_words(bound.unit, reached.spent)} of {in_words(bound.unit, bound.limit)} are used."
    if reached.spent < bound.limit and reached.held:
        used += f" The rest, {in_words(bound.unit, reached.held)}, is held for turns that work right now."
    return used
