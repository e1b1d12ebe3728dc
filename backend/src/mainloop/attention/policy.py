"""The one function that decides whether something reaches the person now. Nothing here reads a clock or a database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import Final, Literal

# Who was seen with the page before their eyes this recently looks at it now; who acted this recently is at that device.
LOOKING: Final = timedelta(seconds=30)
AT_HAND: Final = timedelta(minutes=5)
# One reminder, this long after the first word.
REMIND_AFTER: Final = timedelta(minutes=30)
# Who was away for this long is told what happened as a digest.
LONG_AWAY: Final = timedelta(hours=2)
# Somebody's day begins so long after midnight.
DAY_BEGINS: Final = timedelta(hours=4)
# What a digest is called beside items.
DIGEST: Final = "digest"
SHORT_GAP: Final = timedelta(minutes=2)
# What is in no hurry, and a reminder, is no reason for another word so soon after the last.
LONG_GAP: Final = timedelta(minutes=15)
# What the person asked to be told is told once.
_ONCE: Final = frozenset({"watch"})
# Kinds that are told at once, and kinds that may go away by themselves for a while; the rest lies between.
_AT_ONCE: Final = frozenset({"ceiling"})
_CAN_WAIT: Final = frozenset({"plan", "failure", "stall", "way"})


class Why(StrEnum):
    """What was decided of an item."""

    PUSH = "push"
    REMIND = "remind"
    PUT_OFF = "put_off"
    MUTED = "muted"
    TOLD = "told"
    LOOKING = "looking"
    QUIET = "quiet"
    GRACE = "grace"
    GAP = "gap"
    # Of a digest: its hour has not come; it goes out; nothing had happened.
    HOUR = "hour"
    DIGEST = "digest"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Waiting:
    """An open item. `muted`: the person wants to hear of neither its kind, its session nor its project."""

    id: str
    kind: str
    opened_at: datetime
    put_off: bool = False
    muted: bool = False
    told_at: datetime | None = None
    reminded: bool = False


@dataclass(frozen=True)
class Preferences:
    """`quiet`: hours of the day in which nobody is disturbed, from and until, over midnight too; None: none.

    `always`: kinds that are told even then. `reminders`: whether what was told and still waits is told once more.
    """

    zone: tzinfo
    quiet: tuple[time, time] | None = (time(22, 30), time(7, 30))
    always: frozenset[str] = frozenset()
    reminders: bool = True


@dataclass(frozen=True)
class Decision:
    """Of one item. `until`: when the clock alone may change it; None: only something that happens does."""

    item: str
    why: Why
    until: datetime | None = None


@dataclass(frozen=True)
class Decided:
    """`told`: the items that go out now, as one word; the oldest first."""

    decisions: tuple[Decision, ...]
    told: tuple[str, ...] = ()
    # Of the digest that is due next, where the person chose hours.
    digest: Decision | None = None

    @property
    def next(self) -> datetime | None:
        """When to decide again if nothing happens until then."""
        all_of_them = (*self.decisions, *([self.digest] if self.digest else []))
        return min((d.until for d in all_of_them if d.until is not None), default=None)


def decide(
    now: datetime,
    waiting: Sequence[Waiting],
    looked_at: datetime | None,
    last_word_at: datetime | None,
    preferences: Preferences,
    digest_at: datetime | None = None,
) -> Decided:
    """What becomes of everything that waits, and of the digest that is due at `digest_at`.

    `looked_at`: when the person last had the page before their eyes, on any device; `last_word_at`: when they were
    last told something. What goes out now are the items whose decision is PUSH or REMIND.
    """
    looking = looked_at is not None and looked_at <= now < looked_at + LOOKING
    quiet = _quiet_until(now, preferences)
    decisions = [_of(item, now, looked_at if looking else None, quiet, last_word_at, preferences) for item in waiting]
    if any(decision.why in (Why.PUSH, Why.REMIND) for decision in decisions):
        # What would be told next anyway comes along.
        decisions = [_along(item, decision) for item, decision in zip(waiting, decisions, strict=True)]
    out = [d.item for d in decisions if d.why in (Why.PUSH, Why.REMIND)]
    opened = {item.id: item.opened_at for item in waiting}
    told = tuple(sorted(out, key=lambda ident: (opened[ident], ident)))
    last = now if told else last_word_at
    digest = _of_digest(digest_at, now, looked_at if looking else None, quiet, last, preferences) if digest_at else None
    return Decided(tuple(decisions), told, digest)


def _of_digest(
    due: datetime,
    now: datetime,
    looks_since: datetime | None,
    quiet: datetime | None,
    last_word_at: datetime | None,
    preferences: Preferences,
) -> Decision:
    if now < due:
        return Decision(DIGEST, Why.HOUR, due)
    if looks_since is not None:
        return Decision(DIGEST, Why.LOOKING, looks_since + LOOKING)
    # An hour that was chosen within the quiet ones was chosen on purpose; one that was slept through comes in the morning.
    if quiet is not None and _quiet_until(due, preferences) is None:
        return Decision(DIGEST, Why.QUIET, quiet)
    if last_word_at is not None and last_word_at <= now < (free := last_word_at + SHORT_GAP):
        return Decision(DIGEST, Why.GAP, free)
    return Decision(DIGEST, Why.DIGEST)


def next_hour(now: datetime, hours: Sequence[time], zone: tzinfo) -> datetime | None:
    """When one of these hours of the day is met next, by the clock on the wall."""
    today = now.astimezone(zone).date()
    days = [today + timedelta(days=more) for more in range(3)]
    due = [datetime.combine(day, hour, zone).astimezone(UTC) for day in days for hour in hours]
    return min((moment for moment in due if moment > now), default=None)


BackAfter = Literal["away", "day", "long"]


def back_after(now: datetime, left: datetime, away_after: timedelta, zone: tzinfo) -> BackAfter | None:
    """What it means that somebody looks who looked last at `left`: nothing; a line; a digest for the day, or for hours."""
    if now - left < away_after:
        return None
    if _day(now, zone) != _day(left, zone):
        return "day"
    return "long" if now - left >= LONG_AWAY else "away"


def _day(moment: datetime, zone: tzinfo) -> date:
    """The person's day, which ends when they sleep and not at midnight."""
    return (moment.astimezone(zone) - DAY_BEGINS).date()


def _of(
    item: Waiting,
    now: datetime,
    looks_since: datetime | None,
    quiet: datetime | None,
    last_word_at: datetime | None,
    preferences: Preferences,
) -> Decision:
    if item.put_off:
        return Decision(item.id, Why.PUT_OFF)
    if item.muted:
        return Decision(item.id, Why.MUTED)
    if item.told_at is not None and (item.reminded or not preferences.reminders or item.kind in _ONCE):
        return Decision(item.id, Why.TOLD)
    # By a clock that was set back it has waited long enough.
    opened = item.opened_at if item.opened_at <= now else now - grace(item.kind)
    due = opened + grace(item.kind) if item.told_at is None else item.told_at + REMIND_AFTER
    if item.told_at is not None and now < due:
        return Decision(item.id, Why.TOLD, due)
    if looks_since is not None:
        return Decision(item.id, Why.LOOKING, looks_since + LOOKING)
    if now < due:
        return Decision(item.id, Why.GRACE, due)
    if quiet is not None and item.kind not in preferences.always:
        return Decision(item.id, Why.QUIET, quiet)
    rest = gap(item.kind) if item.told_at is None else LONG_GAP
    if last_word_at is not None and last_word_at <= now < (free := last_word_at + rest):
        return Decision(item.id, Why.GAP, free)
    return Decision(item.id, Why.PUSH if item.told_at is None else Why.REMIND)


def _along(item: Waiting, decision: Decision) -> Decision:
    if decision.why not in (Why.GRACE, Why.GAP):
        return decision
    return Decision(item.id, Why.PUSH if item.told_at is None else Why.REMIND)


def grace(kind: str) -> timedelta:
    """So long it may go away by itself, or be seen, before anybody is told."""
    if kind in _AT_ONCE:
        return timedelta(0)
    return timedelta(minutes=4) if kind in _CAN_WAIT else timedelta(minutes=1)


# What stops nobody's question: of these alone it is offered to say nothing any more. Whoever is asked something, or has to
# sign in or to raise a ceiling, would else never hear why nothing goes on.
MAY_BE_MUTED: Final = ("failure", "stall")
# So many of a kind that were answered in the same way are a habit.
HABIT: Final = 3


def is_habit(answers: Sequence[str]) -> bool:
    """Whether the newest answers to a kind say that the person wants nothing of it."""
    return len(answers) >= HABIT and all(answer == "dismiss" for answer in answers[:HABIT])


def is_urgent(kind: str) -> bool:
    """Whether a phone that sleeps is woken for it."""
    return kind not in _CAN_WAIT


def gap(kind: str) -> timedelta:
    """So long after the last word nothing of this kind is a reason for another."""
    return LONG_GAP if kind in _CAN_WAIT else SHORT_GAP


def _quiet_until(now: datetime, preferences: Preferences) -> datetime | None:
    """When the quiet hours end that it is in now; None outside of them. By the clock on the person's wall."""
    if preferences.quiet is None:
        return None
    start, end = preferences.quiet
    here = now.astimezone(preferences.zone)
    clock = here.time()
    if not _within(clock, start, end):
        return None
    day = here.date() + timedelta(days=1) if clock >= end else here.date()
    return max(datetime.combine(day, end, preferences.zone).astimezone(now.tzinfo), now + timedelta(seconds=1))


@dataclass(frozen=True)
class Way:
    """A way to reach the person. `device`: it is a browser, where they last looked at `looked_at`.

    `kinds`: of items that go there; `hours`: of the day in which it is used, from and until. None: all.
    """

    id: str
    device: bool = False
    mobile: bool = False
    looked_at: datetime | None = None
    kinds: frozenset[str] | None = None
    hours: tuple[time, time] | None = None


def ways_for(now: datetime, kinds: frozenset[str], ways: Sequence[Way], zone: tzinfo) -> tuple[str, ...]:
    """By which ways something goes out: of the devices the one that was in use within five minutes, else the phones,
    else all; and every other way that is for it at this hour."""
    clock = now.astimezone(zone).time()
    usable = [
        way
        for way in ways
        if (way.kinds is None or kinds & way.kinds) and (way.hours is None or _within(clock, *way.hours))
    ]
    devices = [way for way in usable if way.device]
    lately = [way for way in devices if way.looked_at is not None and now - way.looked_at <= AT_HAND]
    if lately:
        devices = [max(lately, key=lambda way: (way.looked_at or now, way.id))]
    else:
        devices = [way for way in devices if way.mobile] or devices
    return tuple(way.id for way in usable if not way.device or way in devices)


def _within(clock: time, start: time, end: time) -> bool:
    """Whether a time of day lies between two, over midnight too."""
    return start <= clock < end if start <= end else clock >= start or clock < end
