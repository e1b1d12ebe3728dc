"""How it stands with each thread: kept in its row, announced to whoever looks right now, never an event."""

import threading
from typing import Final

from mainloop.events.bell import DELTAS, Bell
from mainloop_models.events import Status

# Announcements kept for streams that begin now; what is older they have in their state.
KEPT: Final = 500


class Statuses:
    """The newest announcement of each thread. Called from request threads and from the event loop alike."""

    def __init__(self, bell: Bell) -> None:
        self._bell = bell
        self._newest: dict[tuple[str, str], tuple[int, str, dict[str, object]]] = {}
        self._count = 0
        self._lock = threading.Lock()

    def tell(self, thread_id: str, status: Status) -> None:
        """Announce how it stands with a thread's agent now."""
        self.announce("status", thread_id, status.model_dump(mode="json"))

    def announce(self, kind: str, thread_id: str, what: dict[str, object]) -> None:
        """Send a frame of this kind to every stream; a newer one of a thread replaces it."""
        with self._lock:
            self._count += 1
            self._newest.pop((kind, thread_id), None)
            self._newest[kind, thread_id] = (self._count, kind, {"thread_id": thread_id, **what})
            while len(self._newest) > KEPT:
                del self._newest[next(iter(self._newest))]
        self._bell.ring([DELTAS])

    def news(self, seen: int) -> tuple[int, list[tuple[str, dict[str, object]]]]:
        """What was announced since `seen`, each with its kind, and the number to ask with next time."""
        with self._lock:
            return self._count, [(kind, told) for number, kind, told in self._newest.values() if number > seen]
