"""Measures of the inbox: an ask until its row is on a phone-size page, an answer until its agent has it, a long list."""

import asyncio
import contextlib
import json
import queue
import shutil
import statistics
import subprocess
import threading
import time
import urllib.request
import uuid
from collections.abc import Generator
from pathlib import Path
from typing import IO, Any, Final

from measured import HERE, Baseline, Row, beside, folder, headers_of, ours, quantile, ratio
from wire import Connection

from mainloop.testing.crowd import crowd
from mainloop.testing.server import Person, ServerProcess, script

ASKS: Final = 12
ITEMS: Final = 500
READS: Final = 30
LOOKS: Final = 3
PATIENCE: Final = 60.0
NODE: Final = HERE.parent / ".venv" / "bin" / "node"


class Page:
    """A browser the size of a phone; `page.mjs` says when rows appear."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._said: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, args=(process.stdout,), daemon=True).start()
        # Milliseconds from the start of loading until what was waited for stood there.
        self.opened = self.next()[1]

    def _read(self, lines: IO[str]) -> None:
        for line in lines:
            self._said.put(line)
        self._said.put("")

    def next(self) -> tuple[str, float]:
        line = self._said.get(timeout=PATIENCE)
        if not line:
            raise RuntimeError("the browser did not start, or ended: is Chromium installed (CHROMIUM_PATH)?")
        key, value = json.loads(line)
        return key, value

    def row(self, key: str) -> float:
        """When the row of this key appeared, in milliseconds of the common clock."""
        while True:
            found, when = self.next()
            if found == key:
                return when


@contextlib.contextmanager
def page(url: str, row: str, person: Person | None = None, **more: Any) -> Generator[Page]:
    told: dict[str, Any] = {"url": url, "row": row, **more}
    if person is not None:
        told["storage"] = {"mainloop.key": person.http.headers["X-Mainloop-Key"]}
        told["cookies"] = [
            {"name": name, "value": value, "domain": "127.0.0.1", "path": "/"}
            for name, value in person.http.cookies.items()
        ]
    process = subprocess.Popen(
        [str(NODE), str(HERE / "page.mjs"), json.dumps(told)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=HERE.parent,
    )
    try:
        yield Page(process)
    finally:
        # Its end is how it learns that it is over.
        assert process.stdin is not None
        process.stdin.close()
        process.wait(PATIENCE)


def asked_and_answered() -> list[Row]:
    """One ask after the other of an agent in its real runner: each is answered as soon as its row is there."""
    # The file's time is the moment before it asks; what it asks for writes down when it may.
    steps: list[dict[str, Any]] = []
    for number in range(ASKS):
        steps.append({"tools": [{"name": "Bash", "input": {"command": f"touch asks-{number}"}}]})
        steps.append({"tools": [{"name": "Bash", "input": {"command": f"date +%s%N >> had; echo {number}"}}]})
    shown: list[float] = []
    delivered: list[float] = []
    with folder() as at, ours(ServerProcess(at, {"MAINLOOP_COMMANDS": "ask"})) as server:
        person = server.person()
        with page(f"{server.url}/sessions", "[data-ask]", person) as phone:
            ident = str(uuid.uuid4())
            person.post("/api/sessions", {"id": ident, "prompt": script(*steps, {"text": "done"})})
            workspace = at / "threads" / ident / "workspace"
            for number in range(ASKS):
                item = person.until_item(lambda item, n=number: item["title"].endswith(f"echo {n}"))
                there = phone.row(item["id"])
                shown.append(there - (workspace / f"asks-{number}").stat().st_mtime_ns / 1e6)
                answered = time.time_ns()
                person.answer(item["id"], "allow")
                had = workspace / "had"
                person.until("the answer at the agent", lambda h=had, n=number: h.exists() and len(lines(h)) > n)
                delivered.append((int(lines(had)[number]) - answered) / 1e6)
    with folder() as at, beside("echo", at) as echo:
        with page(f"http://127.0.0.1:{echo.port}/page", "li") as phone:
            bare_shown = [appears(echo, phone) for _ in range(ASKS)]
        bare_delivered = asyncio.run(passes(echo))
    a, b = statistics.median(shown[1:]), statistics.median(bare_shown[1:])
    c, d = statistics.median(delivered[1:]), statistics.median(bare_delivered[1:])
    return [
        Row("ask raised → its row on a phone-size page", f"{a:.0f} ms", f"{b:.1f} ms", ratio(a, b), "1 s"),
        Row("answer → the agent has it and runs the command", f"{c:.0f} ms", f"{d:.1f} ms", ratio(c, d), ""),
    ]


def lines(file: Path) -> list[str]:
    return file.read_text().split()


def appears(echo: Baseline, phone: Page) -> float:
    """Milliseconds from a word to the bare server to its line on the bare page."""
    key = uuid.uuid4().hex
    asked = urllib.request.Request(f"http://127.0.0.1:{echo.port}/say", data=key.encode(), method="POST")
    began = time.time_ns() / 1e6
    urllib.request.urlopen(asked).close()
    return phone.row(key) - began


async def passes(echo: Baseline) -> list[float]:
    """Milliseconds from a word to the bare server until it is at who follows, who starts a program with it."""
    times: list[float] = []
    async with Connection(echo.port, {}) as reader, Connection(echo.port, {}) as writer:
        reader.send("GET", "/events")
        await asyncio.sleep(0.5)
        for _ in range(ASKS):
            began = time.monotonic()
            await writer.ask("POST", "/say", b"{}")
            await reader.frame()
            program = await asyncio.create_subprocess_exec(shutil.which("date") or "date", stdout=subprocess.DEVNULL)
            await program.wait()
            times.append((time.monotonic() - began) * 1000)
    return times


def long_list() -> list[Row]:
    """Five hundred items: the list alone, and the page with all of them."""
    with folder() as at:
        crowd(at, ITEMS)
        with ours(ServerProcess(at)) as server:
            person = server.person()
            same = person.http.get("/api/inbox").content
            assert len(json.loads(same)["items"]) == ITEMS
            mine = asyncio.run(reads(server.port, "/api/inbox", headers_of(person)))
            url = f"{server.url}/sessions"
            looks = [opens(url, "[data-ask]", person=person, count=1, text=str(ITEMS)) for _ in range(LOOKS)]
    with folder() as at, beside("echo", at, lambda at: (at / "same.json").write_bytes(same)) as echo:
        bare = asyncio.run(reads(echo.port, "/same", {}))
        url = f"http://127.0.0.1:{echo.port}/page"
        bare_looks = [opens(url, "li", count=ITEMS) for _ in range(LOOKS)]
    what = f"list of {ITEMS} items ({len(same) // 1024} KB)"
    a, b = quantile(mine, 50), quantile(bare, 50)
    c, d = statistics.median(looks), statistics.median(bare_looks)
    return [
        Row(what, f"{a:.0f} ms", f"{b:.1f} ms", ratio(a, b), ""),
        Row(f"{what}, page loaded with all of them", f"{c:.0f} ms", f"{d:.0f} ms", ratio(c, d), ""),
    ]


def opens(url: str, row: str, person: Person | None = None, **more: Any) -> float:
    with page(url, row, person, **more) as phone:
        return phone.opened


async def reads(port: int, path: str, headers: dict[str, str]) -> list[float]:
    """Milliseconds of each answer, one after the other."""
    times: list[float] = []
    async with Connection(port, headers) as connection:
        for _ in range(READS):
            began = time.monotonic()
            await connection.ask("GET", path)
            times.append((time.monotonic() - began) * 1000)
    return times


ROWS: Final = {"inbox ask answer": asked_and_answered, "inbox list": long_list}
