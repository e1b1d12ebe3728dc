"""When a schedule is due. Times without a zone are those of the clock on the person's wall."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from cronsim import CronSim, CronSimError

from mainloop.errors import BadInput

# Each time costs a turn of the main agent.
CLOSEST: Final = timedelta(minutes=15)
FURTHEST: Final = timedelta(days=366)
# So many times of a rule are looked at for two that are too close.
_LOOKED_AT: Final = 100


def moment(now: datetime, at: datetime | None, in_minutes: float | None, zone: tzinfo) -> datetime:
    """The one time that is meant. Raises BadInput where it is past, or more than a year away."""
    meant = now + timedelta(minutes=in_minutes) if in_minutes is not None else at
    assert meant is not None
    meant = (meant if meant.tzinfo else meant.replace(tzinfo=zone)).astimezone(UTC)
    if not now < meant <= now + FURTHEST:
        raise BadInput(what=f"{meant:%Y-%m-%d %H:%M} UTC is past, or more than a year away.")
    return meant


def check_rule(cron: str, now: datetime, zone: tzinfo) -> None:
    """Raises BadInput where it is no rule, never due, or due too often."""
    times = _times(cron, now, zone)
    due = [time for _, time in zip(range(_LOOKED_AT), times, strict=False)]
    if not due:
        raise BadInput(what=f"“{cron}” is never due.")
    if any(later - earlier < CLOSEST for earlier, later in zip(due, due[1:], strict=False)):
        raise BadInput(what="More often than every 15 minutes nothing is repeated. Start a session for it instead.")


def next_of(cron: str, now: datetime, zone: tzinfo) -> datetime | None:
    """The next time after now: what was missed meanwhile is not made up for."""
    return next(_times(cron, now, zone), None)


def _times(cron: str, after: datetime, zone: tzinfo) -> Iterator[datetime]:
    """The times of a rule after a moment. On the days in which clocks change each is met once, as cron does."""
    try:
        steps = CronSim(cron, after.astimezone(zone))
    except CronSimError as error:
        raise BadInput(
            what=f"“{cron[:80]}” is no rule. Five fields: minute, hour, day, month, weekday; 0 8 * * 1-5 is eight on workdays."
        ) from error
    return (step.astimezone(UTC) for step in steps)
