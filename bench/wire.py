"""HTTP as thin as it goes, so that the measuring costs little beside what is measured."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self


class Connection:
    """One connection that is kept open: a request, its answer, the next one."""

    def __init__(self, port: int, headers: Mapping[str, str]) -> None:
        self._port = port
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in headers.items())

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    def send(self, method: str, path: str, body: bytes = b"") -> None:
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n{self._headers}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._writer.write(head.encode() + body)

    async def ask(self, method: str, path: str, body: bytes = b"") -> bytes:
        """The answer's body. Fails on every status but 2xx."""
        self.send(method, path, body)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = next((int(line[15:]) for line in head.split("\r\n") if line.startswith("content-length:")), 0)
        answer = await self._reader.readexactly(length)
        if not head.startswith("http/1.1 2"):
            raise RuntimeError(f"{method} {path}: {head.splitlines()[0]} {answer[:300]!r}")
        return answer

    async def frame(self) -> tuple[int, bytes]:
        """The next frame of an event stream, comments left out, and when its last byte was here."""
        while True:
            frame = await self._reader.readuntil(b"\n\n")
            if b"data:" in frame:
                return time.monotonic_ns(), frame


@dataclass
class Listeners:
    """Clients of one event stream. `arrivals` holds, per client, when each event arrived."""

    port: int
    path: str
    headers: Mapping[str, str]
    count: int
    arrivals: list[list[int]] = field(default_factory=list[list[int]])

    async def __aenter__(self) -> Self:
        self._tasks: list[asyncio.Task[None]] = []
        self._connections: list[Connection] = []
        self.arrivals = [[] for _ in range(self.count)]
        for number in range(self.count):
            connection = await Connection(self.port, self.headers).__aenter__()
            connection.send("GET", self.path)
            self._connections.append(connection)
            self._tasks.append(asyncio.create_task(self._listen(connection, self.arrivals[number])))
        await asyncio.sleep(1)
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in self._connections:
            await connection.__aexit__()

    async def _listen(self, connection: Connection, arrivals: list[int]) -> None:
        while True:
            when, frame = await connection.frame()
            if b"event: event" in frame:
                arrivals.append(when)

    async def have(self, events: int, patience: float = 10) -> None:
        """Wait until every client has this many."""
        until = time.monotonic() + patience
        while any(len(arrived) < events for arrived in self.arrivals):
            if time.monotonic() > until:
                raise TimeoutError(f"after {patience} s not every client had {events} events")
            await asyncio.sleep(0.002)
