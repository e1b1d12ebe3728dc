"""Whether this machine reaches anybody at all, as far as what it sends tells."""

import threading
from collections import Counter
from collections.abc import Iterable
from datetime import datetime


class Line:
    """Of this process: another server has a line of its own. May be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._heard_at: datetime | None = None
        # Deliveries that wait for the line, and how often each failed although there was one.
        self._waiting: set[str] = set()
        self._failed: Counter[str] = Counter()

    def heard(self, at: datetime) -> list[str]:
        """Somebody was there: the deliveries that waited for that."""
        with self._lock:
            self._heard_at = at
            waiting, self._waiting = sorted(self._waiting), set()
            return waiting

    def was_heard_since(self, at: datetime) -> bool:
        return self._heard_at is not None and self._heard_at >= at

    def failures(self, delivery: str) -> int:
        """How often it failed although there was one: a server that starts begins anew, which costs some tries more."""
        return self._failed[delivery]

    def fail(self, delivery: str) -> None:
        """It was tried, and that was no fault of the line."""
        with self._lock:
            self._failed[delivery] += 1

    def wait(self, delivery: str) -> None:
        """It was tried, and there was no line."""
        with self._lock:
            self._waiting.add(delivery)

    def known(self) -> set[str]:
        """The deliveries of which something is kept."""
        with self._lock:
            return self._waiting | self._failed.keys()

    def forget(self, deliveries: Iterable[str]) -> None:
        """They are settled."""
        with self._lock:
            for delivery in deliveries:
                self._waiting.discard(delivery)
                self._failed.pop(delivery, None)
