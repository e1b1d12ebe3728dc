"""A clock that goes on as the real one does, and ahead when it is told to."""

from datetime import datetime, timedelta
from types import ModuleType

import pytest

from mainloop.events import unit


class Clock:
    """What transactions go by from here on, and the given modules, each of which has taken `now` over by its name."""

    def __init__(self, patch: pytest.MonkeyPatch, *modules: ModuleType) -> None:
        self._right, self._ahead = unit.now, timedelta()
        for module in (unit, *modules):
            patch.setattr(module, "now", self.now)

    def now(self) -> datetime:
        return self._right() + self._ahead

    def go_on(self, **ahead: float) -> None:
        """By so much, in the words of `timedelta`."""
        self._ahead += timedelta(**ahead)
