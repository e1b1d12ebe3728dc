"""`make bench`: one table of ratios. How each row is measured, and beside what: README.md in this folder.

With words as arguments only the rows whose name contains one: `bench/run.py memory start`.
"""

import asyncio
import json
import os
import platform
import signal
import statistics
import sys
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import attention
import browser
import changes
import inbox
import lasting
import projects
import search
from measured import (
    HERE,
    Baseline,
    Quiet,
    Row,
    beside,
    cpu_of,
    cpu_of_children_that_ended,
    folder,
    headers_of,
    ours,
    pid_of,
    pss_of,
    quantile,
    ratio,
    until_healthy,
)
from wire import Connection, Listeners

from mainloop.testing.crowd import crowd
from mainloop.testing.server import Person, ServerProcess, script

RESULTS: Final = HERE / "results" / "latest.md"
STARTS: Final = 3
SETTLE: Final = 5.0
CLIENTS: Final = 50
EVENTS: Final = 100
TURNS: Final = 12
PIECES: Final = 10
# Seconds from piece to piece.
PACE: Final = 0.1
REPLY: Final = "A reply of some length that says what was found, where, and what comes next. " * 8
SESSIONS: Final = 50
READERS: Final = 8
WAITING: Final = 1000
READING: Final = 5.0
# A row's own loop ends after this, with what it has; a row that would begin later than LATEST is left out (seconds).
ENOUGH: Final = 25.0
LATEST: Final = 240.0


# -- rows --------------------------------------------------------------------------------------------------------
def start_up() -> list[Row]:
    """CPU from nothing to the first healthy answer, what was started and waited for on the way included."""

    def once(make: Callable[[Path], ServerProcess | Baseline]) -> float:
        with folder() as at:
            server = make(at)
            before = cpu_of_children_that_ended()
            server.spawn()
            until_healthy(server.port)
            server.kill()
            return cpu_of_children_that_ended() - before

    once(lambda at: Baseline("bare", at))  # so that nobody pays for cold files
    mine: list[float] = []
    bare: list[float] = []
    for _ in range(STARTS):
        mine.append(once(ServerProcess))
        bare.append(once(lambda at: Baseline("bare", at)))
    a, b = statistics.median(mine), statistics.median(bare)
    return [Row("start to the first healthy answer, CPU", f"{a:.2f} s", f"{b:.2f} s", f"{a / b:.1f}", "")]


def at_rest() -> list[Row]:
    """Memory and CPU of a server to which nothing happens."""

    def look(pid: int) -> tuple[float, float]:
        time.sleep(2)
        before = cpu_of(pid)
        time.sleep(SETTLE)
        return pss_of(pid), (cpu_of(pid) - before) / SETTLE * 1000

    with folder() as at, ours(ServerProcess(at)) as server:
        server.person().state()
        memory, cpu = look(pid_of(server))
    with folder() as at, beside("bare", at) as bare:
        bare_memory, bare_cpu = look(pid_of(bare))
    return [
        Row(
            "memory at rest, PSS", f"{memory:.0f} MB", f"{bare_memory:.0f} MB", f"{memory / bare_memory:.1f}", "150 MB"
        ),
        Row("CPU at rest, per second", f"{cpu:.0f} ms", f"{bare_cpu:.0f} ms", ratio(cpu, bare_cpu), ""),
    ]


def event_to_client() -> list[Row]:
    """From the commit of an event to its last byte at a client, with many clients at one stream."""
    with folder() as at, ours(Quiet(at, [sys.executable, str(HERE / "timed.py")])) as server:
        person = server.person()
        queued = person.say("Nobody takes this message; it is edited instead.")
        path = f"/api/threads/main/messages/{queued}"
        size = len(json.dumps(person.events()[-1]))
        text = "x" * 400
        mine = asyncio.run(
            spread(
                server.port,
                f"/api/events?after={person.state()['cursor']}",
                headers_of(person),
                at / "rings",
                lambda number: ("PATCH", path, json.dumps({"text": f"{text}{number}"}).encode()),
            )
        )
        size += len(text)
    with folder() as at, beside("echo", at) as echo:
        body = json.dumps({"text": "x" * (size - 12)}).encode()
        bare = asyncio.run(spread(echo.port, "/events", {}, at / "rings", lambda _: ("POST", "/say", body)))
    return [
        Row(
            f"event committed → at each of {CLIENTS} clients, p{part}",
            f"{quantile(mine, part):.1f} ms",
            f"{quantile(bare, part):.1f} ms",
            ratio(quantile(mine, part), quantile(bare, part)),
            goal,
        )
        for part, goal in ((50, ""), (99, "10 ms"))
    ]


async def spread(
    port: int,
    stream: str,
    headers: dict[str, str],
    rings: Path,
    request: Callable[[int], tuple[str, str, bytes]],
) -> list[float]:
    """One event after the other; per event and client the milliseconds from the server's word to the arrival."""
    found: list[float] = []
    async with Listeners(port, stream, headers, CLIENTS) as listeners, Connection(port, headers) as writer:
        known = len(moments(rings))
        over = time.monotonic() + ENOUGH
        for number in range(EVENTS):
            if time.monotonic() > over:
                break
            asked = time.monotonic_ns()
            await writer.ask(*request(number))
            await listeners.have(number + 1)
            told = next(when for when in moments(rings)[known:] if when > asked)
            found += [(arrived[number] - told) / 1e6 for arrived in listeners.arrivals]
            # Whatever the server joins or waits for after an event is over.
            await asyncio.sleep(0.07)
    return found


def moments(rings: Path) -> list[int]:
    """What a server wrote down of its commits."""
    return [int(line) for line in rings.read_text().splitlines()] if rings.exists() else []


def chat_turn() -> list[Row]:
    """The server's CPU for one message of the person and its reply in pieces; the agent's own is not counted."""
    steps = script({"text": REPLY, "chunks": PIECES, "chunk_delay": PACE})
    with folder() as at, ours(ServerProcess(at)) as server:
        person = server.person()
        pid = pid_of(server)
        with person.follow(person.state()["cursor"]) as follower:

            def turn(number: int) -> None:
                person.say(steps)
                follower.until(lambda _, data: data.get("kind") == "turn_ended" and data["body"]["turn"] == number)

            for number in (1, 2):
                turn(number)
            idle_from, began = cpu_of(pid), time.monotonic()
            time.sleep(SETTLE)
            idle = (cpu_of(pid) - idle_from) / (time.monotonic() - began)
            before, began = cpu_of(pid), time.monotonic()
            number = 2
            while number < 2 + TURNS and time.monotonic() < began + ENOUGH:
                number += 1
                turn(number)
            took = time.monotonic() - began
            mine = (cpu_of(pid) - before - idle * took) / (number - 2) * 1000
    with folder() as at, beside("echo", at) as echo:
        bare = asyncio.run(echo_turns(echo)) * 1000
    what = f"server CPU per chat turn of {PIECES} pieces, one page open"
    return [Row(what, f"{mine:.0f} ms", f"{bare:.1f} ms", ratio(mine, bare), "30 ms")]


async def echo_turns(echo: Baseline) -> float:
    """CPU seconds for a message in and the same reply in as many pieces out at the same pace, stored nowhere."""
    pieces = [REPLY[: len(REPLY) // PIECES].encode()] * PIECES + [REPLY.encode()]
    pid = pid_of(echo)
    async with Listeners(echo.port, "/events", {}, 1) as listeners:
        idle_from, began = cpu_of(pid), time.monotonic()
        await asyncio.sleep(SETTLE)
        idle = (cpu_of(pid) - idle_from) / (time.monotonic() - began)
        async with Connection(echo.port, {}) as writer:
            before, began = cpu_of(pid), time.monotonic()
            for number in range(TURNS):
                for piece in [b"hello", *pieces]:
                    await writer.ask("POST", "/say", piece)
                    await asyncio.sleep(PACE)
                await listeners.have((number + 1) * (len(pieces) + 1))
        return (cpu_of(pid) - before - idle * (time.monotonic() - began)) / TURNS


def list_of_sessions() -> list[Row]:
    """The whole list, asked for again and again by some clients at once."""
    with folder() as at, ours(Quiet(at)) as server:
        person = server.person()
        for number in range(SESSIONS):
            prompt = f"Look into question {number} and report what you find. " * 4
            person.post("/api/sessions", {"id": str(uuid.uuid4()), "prompt": prompt, "title": f"Question {number}"})
        time.sleep(SETTLE)  # their workspaces are prepared
        same = person.http.get("/api/sessions").content
        assert len(json.loads(same)["sessions"]) == SESSIONS
        mine = asyncio.run(read(server.port, "/api/sessions", headers_of(person)))
    with folder() as at, beside("echo", at, lambda at: (at / "same.json").write_bytes(same)) as echo:
        bare = asyncio.run(read(echo.port, "/same", {}))
    rates = [len(times) / READING for times in (mine, bare)]
    what = f"list of {SESSIONS} sessions ({len(same) // 1024} KB), {READERS} clients"
    slow = [quantile(times, 99) for times in (mine, bare)]
    return [
        Row(what, f"{rates[0]:.0f} /s", f"{rates[1]:.0f} /s", f"{rates[0] / rates[1]:.2f}", ""),
        Row(f"{what}, p99", f"{slow[0]:.0f} ms", f"{slow[1]:.0f} ms", ratio(*slow), ""),
    ]


async def read(port: int, path: str, headers: dict[str, str]) -> list[float]:
    """Milliseconds of each answer."""
    times: list[float] = []
    over = time.monotonic() + READING

    async def reader() -> None:
        async with Connection(port, headers) as connection:
            while time.monotonic() < over:
                began = time.monotonic()
                await connection.ask("GET", path)
                times.append((time.monotonic() - began) * 1000)

    await asyncio.gather(*(reader() for _ in range(READERS)))
    return times


def many_wait() -> list[Row]:
    """A server whose thousand sessions wait for answers, beside one that has none: at rest, and when new work comes."""

    def look(at: Path, waiting: int) -> tuple[float, float, float, float]:
        with ours(ServerProcess(at)) as server:
            person = server.person()
            assert len(person.state()["items"]) == waiting
            pid = pid_of(server)
            time.sleep(2)
            before, memory, began = cpu_of(pid), pss_of(pid), time.monotonic()
            time.sleep(2 * SETTLE)
            share = (cpu_of(pid) - before) / (time.monotonic() - began) * 100
            growth = pss_of(pid) - memory
            return share, begin_work(person), memory, growth

    with folder() as at:
        crowd(at, WAITING)
        full = look(at, WAITING)
    with folder() as at:
        empty = look(at, 0)
    what = f"{WAITING} sessions wait"
    return [
        Row(
            f"{what}: a core's share, at rest", f"{full[0]:.1f} %", f"{empty[0]:.1f} %", ratio(full[0], empty[0]), "2 %"
        ),
        Row(
            f"{what}: new session → its first turn",
            f"{full[1]:.1f} s",
            f"{empty[1]:.1f} s",
            ratio(full[1], empty[1]),
            "",
        ),
        Row(f"{what}: memory, PSS", f"{full[2]:.0f} MB", f"{empty[2]:.0f} MB", ratio(full[2], empty[2]), ""),
        Row(f"{what}: growth in ten seconds", f"{full[3]:.1f} MB", f"{empty[3]:.1f} MB", "", "0"),
    ]


def begin_work(person: Person) -> float:
    """Seconds from the request for a session to the start of its turn; median of three."""
    times: list[float] = []
    for number in range(STARTS):
        ident = str(uuid.uuid4())
        with person.follow(person.state()["cursor"]) as follower:
            began = time.monotonic()
            person.post("/api/sessions", {"id": ident, "prompt": f"Question {number}"})
            follower.until(lambda _, data, i=ident: data.get("kind") == "turn_started" and data["thread_id"] == i)
            times.append(time.monotonic() - began)
        person.until_session(ident, "idle")
    return statistics.median(times)


# -- the table ---------------------------------------------------------------------------------------------------
ROWS: Final = {
    "start": start_up,
    "rest memory": at_rest,
    "event": event_to_client,
    "turn": chat_turn,
    "list": list_of_sessions,
    "waiting": many_wait,
    **inbox.ROWS,
    **attention.ROWS,
    **browser.ROWS,
    **changes.ROWS,
    **projects.ROWS,
    **search.ROWS,
    **lasting.ROWS,
}


def end(_signal: int, _frame: object) -> None:
    sys.exit(1)


def main() -> int:
    signal.signal(signal.SIGTERM, end)
    if not Path("/proc/self/smaps_rollup").exists():
        print("The measures read /proc, which only Linux has.")
        return 0
    wanted = sys.argv[1:]
    began = time.monotonic()
    load = os.getloadavg()[0]
    rows: list[Row] = []
    for name, measure in ROWS.items():
        if wanted and not any(word in name for word in wanted):
            continue
        if time.monotonic() > began + LATEST:
            rows.append(Row(name, "not measured: the time was up", "", "", ""))
            continue
        print(f"measuring: {name} …", file=sys.stderr, flush=True)
        try:
            rows += measure()
        except Exception as error:  # one row that fails leaves the others
            rows.append(Row(name, f"not measured: {error}", "", "", ""))
    lines = ["| | mainloop | beside it | ratio | goal |", "|---|---:|---:|---:|---:|"]
    lines += [f"| {r.what} | {r.ours} | {r.beside} | {r.ratio} | {r.goal} |" for r in rows]
    python = platform.python_version()
    lines += [
        "",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, load {load:.1f} before, Python {python}, "
        f"{time.monotonic() - began:.0f} s. Ratios are of one run, on this machine; absolute figures are its own.",
    ]
    text = "\n".join(lines)
    print(text)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
