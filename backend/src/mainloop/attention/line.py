"""Whether this machine reaches anybody at all, as far as what it sends tells."""

import threading
from collections import Counter
from datetime import datetime


class Line:
    """Of this process: another server has a line of its own. May be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._heard_at: datetime | None = None
        # Deliveries that wait for the line, and how often each was tried without one.
        self._waiting: set[str] = set()
        self._tried: Counter[str] = Counter()

    def heard(self, at: datetime) -> list[str]:
        """Somebody was there: the deliveries that waited for that."""
        with self._lock:
            self._heard_at = at
            waiting, self._waiting = sorted(self._waiting), set()
            return waiting

    def was_heard_since(self, at: datetime) -> bool:
        return self._heard_at is not None and self._heard_at >= at

    def tried_without(self, delivery: str) -> int:
        return self._tried[delivery]

    def wait(self, delivery: str) -> None:
        """It was tried, and there was no line."""
        with self._lock:
            self._waiting.add(delivery)
            self._tried[delivery] += 1

    def settled(self, delivery: str) -> None:
        with self._lock:
            self._waiting.discard(delivery)
            self._tried.pop(delivery, None)
