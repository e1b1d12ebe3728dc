"""A bad line: a TCP proxy that delays, drops in the middle of a request or of an answer, and refuses for a while.

What it does is rolled by a seed; `calm` lets everything through from then on.
"""

import contextlib
import random
import select
import socket
import threading
import time
from collections import Counter
from typing import Final, Self

from mainloop.testing.server import free_port

CHUNK: Final = 1 << 16
STEP: Final = 0.05


class Flapping:
    def __init__(self, target: int, seed: int) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        # What happened, by what it was.
        self.happened: Counter[str] = Counter()
        self._target = target
        self._dice = random.Random(seed)
        self._lock = threading.Lock()
        self._calm = threading.Event()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._serve, daemon=True)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in list(self._threads):
            thread.join(20)

    def calm(self) -> None:
        self._calm.set()

    def _roll(self, *chances: tuple[str, float]) -> tuple[str, float]:
        """What happens now, and a number between 0 and 1 for how much of it."""
        with self._lock:
            rolled, amount = self._dice.random(), self._dice.random()
            if self._calm.is_set():
                return "", amount
            for what, chance in chances:
                rolled -= chance
                if rolled < 0:
                    self.happened[what] += 1
                    return what, amount
            return "", amount

    def _serve(self) -> None:
        while not self._over.is_set():
            with socket.socket() as listener:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(("127.0.0.1", self.port))
                listener.listen(64)
                listener.settimeout(STEP)
                self._take(listener)
            # Nobody listens: whoever comes now is refused.
            self._over.wait(0.2 + self._roll()[1] * 2)

    def _take(self, listener: socket.socket) -> None:
        while not self._over.is_set():
            with contextlib.suppress(TimeoutError):
                client, _ = listener.accept()
                thread = threading.Thread(target=self._carry, args=(client,), daemon=True)
                self._threads.append(thread)
                thread.start()
                if self._roll(("refuse", 0.1))[0]:
                    return

    def _carry(self, client: socket.socket) -> None:
        with client, socket.socket() as server, contextlib.suppress(OSError):
            server.connect(("127.0.0.1", self._target))
            while not self._over.is_set():
                for source in select.select([client, server], [], [], STEP)[0]:
                    data = source.recv(CHUNK)
                    if not data or not self._pass_on(data, source is client, server if source is client else client):
                        return

    def _pass_on(self, data: bytes, asked: bool, to: socket.socket) -> bool:
        """Whether the line still stands."""
        where = "request" if asked else "answer"
        what, amount = self._roll((f"{where} dropped", 0.06), (f"{where} torn", 0.08), (f"{where} late", 0.1))
        if what.endswith("dropped"):
            return False
        if what.endswith("torn"):
            to.sendall(data[: int(len(data) * amount)])
            return False
        if what.endswith("late"):
            time.sleep(amount)
        to.sendall(data)
        return True
