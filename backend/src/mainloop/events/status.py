"""How it stands with each agent: kept in its row, announced to whoever looks right now, never an event."""

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
        self._newest: dict[str, tuple[int, dict[str, object]]] = {}
        self._count = 0
        self._lock = threading.Lock()

    def tell(self, thread_id: str, status: Status) -> None:
        """Announce how it stands with a thread's agent now."""
        with self._lock:
            self._count += 1
            self._newest.pop(thread_id, None)
            self._newest[thread_id] = (self._count, {"thread_id": thread_id, **status.model_dump(mode="json")})
            while len(self._newest) > KEPT:
                del self._newest[next(iter(self._newest))]
        self._bell.ring([DELTAS])

    def news(self, seen: int) -> tuple[int, list[dict[str, object]]]:
        """What was announced since `seen`, and the number to ask with next time."""
        with self._lock:
            return self._count, [told for number, told in self._newest.values() if number > seen]
