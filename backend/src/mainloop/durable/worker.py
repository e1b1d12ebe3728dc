"""Who takes phases out of the queue: looks when there is something to take, and sleeps for as long as there is not."""

import threading
import time
from typing import Final

from dbos import DBOS, _workflow_commands
from dbos._queue import queue_worker_thread

# After something may have become free: DBOS writes down a moment later that a phase has ended (seconds).
OFTEN: Final = 0.1
FOR: Final = 1.0

# Between two looks for what is never there: something in the queue that DBOS keeps for its own use, a workflow of ours
# that was put off or given a time limit (seconds).
SELDOM: Final = 60.0


def quieten(dbos: DBOS) -> None:
    """Let DBOS' own workers leave our queue to `Worker`, and look seldom for what we don't use. Call before the launch.

    Every second they would be a third of what a server costs that has nothing to do.
    """
    DBOS.listen_queues([])
    dbos._registry.get_internal_queue()._polling_interval_sec = SELDOM  # pyright: ignore[reportPrivateUsage]
    _workflow_commands._BACKGROUND_JOBS_INTERVAL_SEC = SELDOM  # pyright: ignore[reportPrivateUsage]


class _Pause:
    """Stands where DBOS' worker expects the event that ends it, and cuts its waiting between two looks short."""

    def __init__(self) -> None:
        self._cut = threading.Event()
        self._ended = False
        self._often_until = 0.0

    def is_set(self) -> bool:
        return self._ended

    def wait(self, timeout: float) -> bool:
        """Wait for the next look; True if there is to be none."""
        self._cut.wait(OFTEN if time.monotonic() < self._often_until else timeout)
        self._cut.clear()
        return self._ended

    def cut(self, *, often: bool = False) -> None:
        if often:
            self._often_until = time.monotonic() + FOR
        self._cut.set()

    def end(self) -> None:
        self._ended = True
        self._cut.set()


class Worker:
    """DBOS' own worker of one queue, in a thread of ours.

    DBOS would look at the queue every so often, some milliseconds of CPU each time. This one is told: by the commit
    that enqueues and by the end of a phase that another may have waited for. The queue's polling interval is for what
    nobody here tells: another server that has more than it may do at a time, or is dead.
    """

    def __init__(self, dbos: DBOS, queue: str) -> None:
        """Call after DBOS was launched."""
        self._pause = _Pause()
        self._thread = threading.Thread(
            target=queue_worker_thread,
            args=(self._pause, dbos, DBOS.retrieve_queue(queue)),
            name=f"queue-{queue}",
            daemon=True,
        )
        self._thread.start()

    def look(self) -> None:
        """Something was enqueued."""
        self._pause.cut()

    def look_often(self) -> None:
        """Something in the queue is about to become free."""
        self._pause.cut(often=True)

    def stop(self) -> None:
        """Take nothing more."""
        self._pause.end()
        self._thread.join()
