"""Twenty days of twenty-five sessions and of the person who has them, the same for the same seed; in minutes.

A model, not a study: what asks how often, how often the cause goes away by itself and how quickly somebody reacts are
our own guesses, so only orders of magnitude mean something.
"""

import bisect
import random
from dataclasses import dataclass
from typing import Final

DAYS: Final = 20
SESSIONS: Final = 25
DAY: Final = 24 * 60
# By kind: how many a session, how often the cause goes away by itself, after how many minutes, how often it is said twice.
KINDS: Final = {
    "question": (0.6, 0.05, 30, 0.0),
    "permission": (1.2, 0.25, 8, 0.6),
    "plan": (0.3, 0.0, 1, 0.0),
    "failure": (0.25, 0.45, 6, 0.3),
    "stall": (0.08, 0.3, 15, 0.0),
    "ceiling": (0.05, 0.0, 1, 0.0),
}
# Where the person is, with how many minutes at a time.
STAYS: Final = {"looking": 6, "desk": 25, "phone": 30, "meeting": 40}
AT_WORK, AT_HOME = (0.18, 0.47, 0.25, 0.10), (0.07, 0.18, 0.75, 0.0)
# Minutes until they react to a push, as the logarithm of the middle.
REACTS: Final = {"looking": -0.5, "desk": 0.6, "phone": 1.1, "meeting": 2.8}


@dataclass(frozen=True)
class Asked:
    id: str
    kind: str
    at: float
    # When its cause goes away by itself.
    gone: float | None
    # When it is said a second time.
    again: float | None


def asked(seed: int) -> list[Asked]:
    """Everything that comes to wait, in order."""
    dice = random.Random(seed)
    found: list[Asked] = []
    for day in range(DAYS):
        for _ in range(SESSIONS):
            start = day * DAY + dice.triangular(7 * 60, 26 * 60, 14 * 60)
            lasts = dice.lognormvariate(3.7, 0.8)
            for kind, (mean, goes, after, twice) in KINDS.items():
                for _ in range(int(mean) + (dice.random() < mean % 1)):
                    at = start + dice.random() * lasts
                    gone = at + dice.expovariate(1 / after) if dice.random() < goes else None
                    again = at + dice.random() * 3 if dice.random() < twice else None
                    found.append(Asked(f"{kind}-{len(found)}", kind, at, gone, again))
    return sorted(found, key=lambda one: one.at)


class Person:
    """Where the person is at any minute."""

    def __init__(self, seed: int) -> None:
        dice = random.Random(seed + 99)
        self.spans: list[tuple[float, str]] = []
        for day in range(DAYS):
            at, night = day * DAY + 7.5 * 60, day * DAY + 23 * 60
            self.spans.append((day * DAY, "asleep"))
            while at < night:
                at_work = 9 <= (at % DAY) / 60 < 18
                where = dice.choices(tuple(STAYS), AT_WORK if at_work else AT_HOME)[0]
                self.spans.append((at, where))
                at += dice.expovariate(1 / STAYS[where]) + 1
            self.spans.append((night, "asleep"))
        self._starts = [start for start, _ in self.spans]
        self._dice = random.Random(seed + 7)

    def where(self, at: float) -> str:
        return self.spans[bisect.bisect_right(self._starts, at) - 1][1]

    def looked(self, at: float) -> float | None:
        """When they last looked at the page: now, or at the end of the last time they did."""
        number = bisect.bisect_right(self._starts, at) - 1
        if self.spans[number][1] == "looking":
            return at
        for earlier in range(number - 1, -1, -1):
            if self.spans[earlier][1] == "looking":
                return self._starts[earlier + 1]
        return None

    def reacts(self, at: float) -> float | None:
        """When they answer what they were told; not at all while they sleep."""
        where = self.where(at)
        return None if where == "asleep" else at + self._dice.lognormvariate(REACTS[where], 0.8)

    def sees(self, at: float) -> float:
        """When they answer what they have before their eyes."""
        return at + self._dice.lognormvariate(0.2, 0.6)
