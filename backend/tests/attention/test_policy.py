"""The policy on its own: twenty days of it, and what always holds."""

import heapq
import math
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from itertools import count
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainloop.attention.policy import (
    LOOKING,
    Decided,
    Preferences,
    Waiting,
    Way,
    Why,
    back_after,
    decide,
    grace,
    next_hour,
    ways_for,
)

from .days import DAY, DAYS, SESSIONS, Asked, Person, asked

MIDNIGHT = datetime(2026, 11, 2, tzinfo=UTC)
EVERY_DAY = Preferences(ZoneInfo("UTC"))
# When they are told what happened.
HOURS = (time(8), time(12), time(18))
# Of each recorded seed: words, digests at the hours they chose beside them, items that were told, and reminders.
GOLDEN = {
    1: (826, 60, 1097, 13),
    2: (868, 60, 1120, 15),
    3: (847, 60, 1077, 18),
    4: (832, 60, 1072, 16),
    5: (892, 60, 1139, 16),
}
NOON = MIDNIGHT + timedelta(hours=12)


def at(minutes: float) -> datetime:
    return MIDNIGHT + timedelta(minutes=minutes)


@dataclass
class Days:
    """What twenty days came to."""

    words: int = 0
    digests: int = 0
    at_night: int = 0
    while_looking: int = 0
    told: Counter[str] = field(default_factory=Counter[str])
    told_too_late: int = 0
    reminded: int = 0


def live_through(seed: int) -> Days:
    person, days = Person(seed), Days()
    everything = {one.id: one for one in asked(seed)}
    tie = count()
    agenda: list[tuple[float, int, str, str]] = []

    def plan(when: float, what: str, ident: str = "") -> None:
        heapq.heappush(agenda, (when, next(tie), what, ident))

    for one in everything.values():
        plan(one.at, "opens", one.id)
        if one.again is not None:
            plan(one.again, "opens", one.id)
        if one.gone is not None:
            plan(one.gone, "closes", one.id)
    for start, where in person.spans:
        if where == "looking":
            plan(start, "looks")
    waits: dict[str, Waiting] = {}
    ended: set[str] = set()
    last: datetime | None = None
    digest_at = next_hour(MIDNIGHT, HOURS, UTC)
    # When it is decided next in any case.
    wakes = math.inf
    while agenda:
        minute, _, what, ident = heapq.heappop(agenda)
        if minute >= DAYS * DAY:
            break
        wakes = math.inf if minute >= wakes else wakes
        if what == "opens" and ident not in waits and ident not in ended:
            waits[ident] = Waiting(ident, everything[ident].kind, at(everything[ident].at))
        if what == "closes" and ident not in ended:
            ended.add(ident)
            waits.pop(ident, None)
        if person.where(minute) == "looking":
            for seen in waits:
                plan(person.sees(minute), "closes", seen)
        looked = person.looked(minute)
        seen = None if looked is None else at(looked)
        decided = decide(at(minute), list(waits.values()), seen, last, EVERY_DAY, digest_at)
        if decided.digest is not None and decided.digest.why is Why.DIGEST:
            days.digests += 1
            days.at_night += person.where(minute) == "asleep"
            days.while_looking += person.where(minute) == "looking"
            last, digest_at = at(minute), next_hour(at(minute), HOURS, UTC)
        if decided.told:
            last = at(minute)
            note(days, person, minute, decided, everything)
            reacts = person.reacts(minute)
            for told in decided.told:
                waits[told] = Waiting(
                    told,
                    waits[told].kind,
                    waits[told].opened_at,
                    told_at=last,
                    reminded=waits[told].told_at is not None,
                )
                days.reminded += waits[told].reminded
                if reacts is not None:
                    plan(reacts, "closes", told)
        if last == at(minute):
            # Whoever looks again, a server that was killed right then too, tells nothing a second time.
            again = decide(at(minute), list(waits.values()), seen, last, EVERY_DAY, digest_at)
            assert not again.told
            assert again.digest is None or again.digest.why is not Why.DIGEST
        if decided.next is not None:
            then = max(minute + 0.01, (decided.next - MIDNIGHT) / timedelta(minutes=1))
            if then < wakes:
                wakes = then
                plan(then, "wakes")
    return days


def note(days: Days, person: Person, minute: float, decided: Decided, everything: dict[str, Asked]) -> None:
    days.words += 1
    days.at_night += person.where(minute) == "asleep"
    days.while_looking += person.where(minute) == "looking"
    days.told.update(decided.told)
    days.told_too_late += any((gone := everything[i].gone) is not None and gone < minute for i in decided.told)


@pytest.mark.spec("attention-1")
@pytest.mark.parametrize("seed", range(1, 6))
def test_in_twenty_busy_days_nobody_is_told_too_often_or_at_the_wrong_moment(seed: int) -> None:
    days = live_through(seed)
    assert days.words / (DAYS * SESSIONS) <= 1.8
    assert (days.at_night, days.while_looking, days.told_too_late) == (0, 0, 0)
    # Once, and one reminder.
    assert max(days.told.values()) <= 2
    assert len(days.told) > DAYS * SESSIONS / 2
    # As it was recorded: whoever changes what is decided sees here what that comes to.
    assert (days.words, days.digests, len(days.told), days.reminded) == GOLDEN[seed]


moments = st.integers(0, 3 * DAY).map(at)
kinds = st.sampled_from(
    ["question", "permission", "plan", "form", "failure", "stall", "ceiling", "sign_in", "new kind"]
)
preferences = st.builds(
    Preferences,
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"]).map(ZoneInfo),
    st.none() | st.tuples(st.times(), st.times()),
    st.frozensets(kinds),
    st.booleans(),
)
anything = st.lists(
    st.builds(
        Waiting, st.uuids().map(str), kinds, moments, st.booleans(), st.booleans(), st.none() | moments, st.booleans()
    ),
    unique_by=lambda item: item.id,
    max_size=8,
)


@pytest.mark.spec("attention-2")
@given(moments, anything, st.none() | moments, st.none() | moments, preferences)
def test_whatever_waits_goes_out_or_is_held_for_a_reason(
    now: datetime, waiting: list[Waiting], looked: datetime | None, last: datetime | None, preferences: Preferences
) -> None:
    decided = decide(now, waiting, looked, last, preferences)
    assert [d.item for d in decided.decisions] == [w.id for w in waiting]
    # What only the clock holds back says until when, and that is to come.
    by_clock = {Why.LOOKING, Why.QUIET, Why.GRACE, Why.GAP}
    for decision in decided.decisions:
        assert decision.until is not None if decision.why in by_clock else True
        assert decision.until is None or decision.until > now
    if looked is not None and looked <= now < looked + LOOKING:
        assert not decided.told
    # Decided again, once it was told, nothing goes out again.
    after = [
        Waiting(w.id, w.kind, w.opened_at, w.put_off, w.muted, now, w.told_at is not None)
        if w.id in decided.told
        else w
        for w in waiting
    ]
    assert not decide(now, after, looked, now if decided.told else last, preferences).told


@pytest.mark.spec("attention-3")
def test_what_waits_long_is_told_at_last() -> None:
    item = Waiting("a", "question", NOON)
    now, told = NOON, 0
    while told < 2:
        decided = decide(now, [item], None, item.told_at, EVERY_DAY)
        if decided.told:
            told += 1
            item = Waiting("a", "question", NOON, told_at=now, reminded=told == 2)
        else:
            assert decided.next is not None
            now = decided.next
    assert now == NOON + grace("question") + timedelta(minutes=30)
    assert decide(now + timedelta(days=3), [item], None, now, EVERY_DAY).next is None


@pytest.mark.spec("attention-4")
def test_quiet_hours_are_those_of_the_clock_on_the_wall() -> None:
    # The night in which Berlin puts its clocks forward: 22:30 to 7:30 is one hour less.
    berlin = Preferences(ZoneInfo("Europe/Berlin"))
    evening = datetime(2026, 3, 28, 23, 0, tzinfo=ZoneInfo("Europe/Berlin"))
    held = decide(evening, [Waiting("a", "question", evening - timedelta(hours=1))], None, None, berlin).decisions[0]
    assert (held.why, held.until) == (Why.QUIET, datetime(2026, 3, 29, 5, 30, tzinfo=UTC))
    urgent = Preferences(ZoneInfo("Europe/Berlin"), always=frozenset({"question"}))
    assert decide(evening, [Waiting("a", "question", evening - timedelta(hours=1))], None, None, urgent).told == ("a",)
    # Within one day, and none at all.
    lunch = Preferences(ZoneInfo("UTC"), quiet=(time(12), time(13)))
    assert decide(NOON, [Waiting("a", "question", MIDNIGHT)], None, None, lunch).decisions[0].why is Why.QUIET
    assert decide(NOON, [Waiting("a", "question", MIDNIGHT)], None, None, Preferences(ZoneInfo("UTC"), None)).told


@pytest.mark.spec("attention-5")
def test_a_clock_that_was_set_back_holds_nothing() -> None:
    later = NOON + timedelta(hours=1)
    assert decide(NOON, [Waiting("a", "question", later)], later, later, EVERY_DAY).told == ("a",)


@pytest.mark.spec("attention-6")
def test_five_hundred_at_once_are_one_word() -> None:
    many = [Waiting(f"{n:03}", "permission", NOON + timedelta(seconds=n % 50)) for n in range(500)]
    decided = decide(NOON + timedelta(minutes=1), many, None, None, EVERY_DAY)
    assert len(decided.told) == 500
    assert decided.told[0] == "000"


@pytest.mark.spec("attention-7")
def test_the_device_that_was_just_in_use_is_told_else_the_phones() -> None:
    laptop = Way("laptop", device=True, looked_at=NOON - timedelta(minutes=4))
    phone = Way("phone", device=True, mobile=True, looked_at=NOON - timedelta(hours=4))
    tablet = Way("tablet", device=True, mobile=True)

    def told(minutes: int, *ways: Way) -> tuple[str, ...]:
        return ways_for(NOON + timedelta(minutes=minutes), frozenset({"plan"}), ways, UTC)

    assert told(0, laptop, phone, tablet) == ("laptop",)
    assert told(2, laptop, phone, tablet) == ("phone", "tablet")
    assert told(2, laptop) == ("laptop",)
    assert told(0) == ()


@pytest.mark.spec("attention-21")
def test_every_other_way_is_told_of_what_it_is_for_at_its_hours() -> None:
    laptop = Way("laptop", device=True, looked_at=NOON)
    mail = Way("mail", kinds=frozenset({"failure", "stall"}))
    night = Way("night", hours=(time(22), time(6)))
    ways = (laptop, mail, night)
    assert ways_for(NOON, frozenset({"plan"}), ways, UTC) == ("laptop",)
    assert ways_for(NOON, frozenset({"plan", "stall"}), ways, UTC) == ("laptop", "mail")
    # Noon here is three in the morning there.
    assert ways_for(NOON, frozenset({"plan"}), ways, ZoneInfo("Pacific/Honolulu")) == ("laptop", "night")


@pytest.mark.spec("unread-11")
def test_who_is_back_reads_a_line_after_a_while_and_a_digest_after_hours_or_on_another_day() -> None:
    berlin, away = ZoneInfo("Europe/Berlin"), timedelta(minutes=15)

    def back(left: datetime, hours: float) -> str | None:
        return back_after(left + timedelta(hours=hours), left, away, berlin)

    evening = datetime(2026, 11, 2, 22, 50, tzinfo=berlin)
    assert [back(evening, hours) for hours in (0.1, 0.3, 1.5, 2, 5, 5.2, 10)] == [
        *(None, "away", "away", "long", "long", "day", "day")
    ]
    # A clock that was set back says nothing.
    assert back(evening, -3) is None


@pytest.mark.spec("unread-12")
def test_hours_are_those_on_the_wall_and_each_is_met_once_also_where_clocks_change() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    for day in (datetime(2026, 3, 28, 12, tzinfo=berlin), datetime(2026, 10, 24, 12, tzinfo=berlin)):
        now, met = day, list[datetime]()
        while len(met) < 4:
            following = next_hour(now, [time(2, 30), time(8)], berlin)
            assert following is not None
            now = following
            met.append(now.astimezone(berlin))
        assert [moment.day - day.day for moment in met] == [1, 1, 2, 2]
        assert [moment.hour for moment in met if moment.hour != 3] in ([2, 8, 2, 8], [8, 2, 8])
    assert next_hour(NOON, [], berlin) is None


@pytest.mark.spec("unread-12")
@given(moments, anything, st.none() | moments, st.none() | moments, preferences, moments)
def test_a_digest_is_held_for_a_reason_until_a_moment_or_goes_out_once(
    now: datetime,
    waiting: list[Waiting],
    looked: datetime | None,
    last: datetime | None,
    preferences: Preferences,
    due: datetime,
) -> None:
    with_digest = decide(now, waiting, looked, last, preferences, due)
    # It changes nothing of what waits.
    assert with_digest.decisions == decide(now, waiting, looked, last, preferences).decisions
    digest = with_digest.digest
    assert digest is not None
    if digest.why is Why.DIGEST:
        assert now >= due
        assert not with_digest.told
        assert looked is None or not looked <= now < looked + LOOKING
    else:
        assert digest.until is not None
        assert digest.until > now


@pytest.mark.spec("unread-12")
def test_a_digest_that_slipped_into_the_night_comes_in_the_morning_and_one_chosen_for_it_then() -> None:
    late = decide(MIDNIGHT, [], None, None, EVERY_DAY, MIDNIGHT - timedelta(hours=3)).digest
    assert late is not None
    assert (late.why, late.until) == (Why.QUIET, MIDNIGHT + timedelta(hours=7, minutes=30))
    chosen = decide(MIDNIGHT, [], None, None, EVERY_DAY, MIDNIGHT).digest
    assert chosen is not None
    assert chosen.why is Why.DIGEST
    # What is told now comes first, and the digest after it.
    both = decide(NOON, [Waiting("a", "question", NOON - timedelta(minutes=5))], None, None, EVERY_DAY, NOON)
    assert both.told == ("a",)
    assert both.digest is not None
    assert both.digest.why is Why.GAP


@pytest.mark.spec("watches-2")
def test_what_was_asked_for_is_told_once_and_nobody_is_reminded_of_it() -> None:
    told = Waiting("a", "watch", NOON, told_at=NOON + timedelta(minutes=1))
    decided = decide(NOON + timedelta(hours=3), [told], None, told.told_at, EVERY_DAY)
    assert (decided.told, decided.decisions[0].why, decided.next) == ((), Why.TOLD, None)
