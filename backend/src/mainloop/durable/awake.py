"""How long a server has been looking without a break: who was asleep judges nobody by the time that he slept."""

import time
from datetime import datetime
from typing import Final

from mainloop.events.unit import now

# A server that has not looked for this long was asleep, or hung (seconds).
BREAK: Final = 8.0


class Awake:
    """Told of every look. A machine's sleep shows on the wall's clock, a stopped process on the other one."""

    def __init__(self) -> None:
        self._wall, self._clock = now(), time.monotonic()
        self._since = self._clock
        # How often it woke up.
        self.breaks = 0

    def look(self, clock: float) -> None:
        """It looks now. `clock`: seconds of a clock that only goes forward."""
        wall: datetime = now()
        passed = (wall - self._wall).total_seconds()
        # A wall's clock that was set back says nothing about how long it was.
        if clock - self._clock > BREAK or passed > BREAK or passed < 0:
            self.begin_anew(clock)
        self._wall, self._clock = wall, clock

    def begin_anew(self, clock: float) -> None:
        """What it saw before counts no more."""
        self._since = clock
        self.breaks += 1

    @property
    def seconds(self) -> float:
        """How long it has looked without a break."""
        return self._clock - self._since
