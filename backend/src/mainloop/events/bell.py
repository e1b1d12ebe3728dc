"""Wake-ups: something changed, look again. Announced, never carried."""

import asyncio
import contextlib
import threading
from collections import defaultdict
from collections.abc import Generator, Iterable
from typing import Final

# Another server has added to the log.
LOG: Final = "log"
DELTAS: Final = "deltas"


def work_of(thread_id: str) -> str:
    """The topic of what is open for a thread's runner."""
    return f"work:{thread_id}"


class Bell:
    """In-process wake-ups by topic; safe to ring from any thread.

    A listener registers before it reads, so that nothing rung after its read is missed. A flag, no queue: a
    listener that sleeps costs nothing.
    """

    def __init__(self) -> None:
        self._ears: dict[str, set[asyncio.Event]] = defaultdict(set)
        # How often a topic was rung that somebody counts.
        self._counted: dict[str, int] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loops_thread = 0

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Name the loop on which the listeners live; called there. Before that, ringing is silent."""
        self._loop, self._loops_thread = loop, threading.get_ident()

    def detach(self) -> None:
        self._loop = None

    def ring(self, topics: Iterable[str]) -> None:
        """Wake everybody who listens to one of `topics`."""
        loop, wanted = self._loop, set(topics)
        for topic in wanted & self._counted.keys():
            self._counted[topic] += 1
        if loop is None or not wanted:
            return
        if threading.get_ident() == self._loops_thread:
            return self._wake(wanted)
        with contextlib.suppress(RuntimeError):  # the loop has been closed: the server is going down
            loop.call_soon_threadsafe(self._wake, wanted)

    def ring_all(self) -> None:
        """Wake everybody: after an announcement may have been missed, and at shutdown."""
        self.ring({*self._ears, *self._counted})

    def _wake(self, topics: set[str]) -> None:
        for topic in topics:
            for ear in self._ears.get(topic, ()):
                ear.set()

    def count(self, topic: str) -> int:
        """A number that is another one after the topic was rung. Take it before you read, compare it after."""
        return self._counted.setdefault(topic, 0)

    @contextlib.contextmanager
    def listen(self, *topics: str) -> Generator[asyncio.Event]:
        """An event that is set whenever one of `topics` rings."""
        ear = asyncio.Event()
        for topic in topics:
            self._ears[topic].add(ear)
        try:
            yield ear
        finally:
            for topic in topics:
                self._ears[topic].discard(ear)
                if not self._ears[topic]:
                    del self._ears[topic]


async def heard(ear: asyncio.Event, timeout: float) -> bool:
    """Wait until `ear` is set, at most `timeout` seconds; True if it was."""
    try:
        async with asyncio.timeout(timeout):
            await ear.wait()
    except TimeoutError:
        return False
    return True
