"""Measures of the page in a browser, over the main thread of a busy month."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from measured import HERE, Row, folder, ours, ratio

from mainloop.testing import day
from mainloop.testing.crowd import busy
from mainloop.testing.server import ServerProcess

# Milliseconds after which a loop of the browser ends with what it has.
ENOUGH: Final = 20_000


def _look(script: str, *arguments: str, fill: Callable[[Path], None] = busy) -> dict[str, Any]:
    """What a script of the browser found over a busy month, or another home."""
    with folder() as at:
        fill(at)
        with ours(ServerProcess(at)) as server:
            link = json.loads(server.run("pair", "--json").stdout)["url"]
            command = ["node", str(HERE / script), link, *arguments]
            done = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent, check=False, timeout=300)
    if done.returncode:
        why = [line for line in done.stderr.splitlines() if "Error" in line]
        raise RuntimeError(why[0].strip() if why else "the browser ended")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def opening() -> list[Row]:
    """A first visit over a phone's lines, a session that is opened again, a message of another device."""
    found = _look("opening.mjs")
    arrival = found["arrival"]
    return [
        Row(
            "page, first visit at 1.6 Mbit/s, CPU 4x slower: largest paint", f"{found['bad']:.0f} ms", "", "", "1800 ms"
        ),
        Row("page, first visit at 9 Mbit/s, CPU 2x slower: largest paint", f"{found['good']:.0f} ms", "", "", "900 ms"),
        Row("page, first visit: shift of what stands there", f"{found['shifts']:.3f}", "", "", "0.02"),
        Row("page, a session opened again → painted", f"{found['session']:.0f} ms", "", "", "100 ms"),
        Row(
            "page, a message's request on another device → on screen, p95",
            f"{arrival['request']:.0f} ms",
            "",
            "",
            "150 ms",
        ),
        Row("page, a message's key on another device → on screen, p95", f"{arrival['key']:.0f} ms", "", "", ""),
    ]


def recorded_day() -> list[Row]:
    """A recorded day of sixty sessions, opened by a browser that was there before."""
    found = _look("day.mjs", fill=day.load)
    what = f"page, a recorded day of 60 sessions opened → line and list ({found['rows']} rows) stand"
    return [Row(what, f"{found['opened']:.0f} ms", "", "", "")]


def long_thread() -> list[Row]:
    """A thread of a hundred thousand events, and a reply that grows."""
    found = _look("length.mjs", str(ENOUGH))
    rows, frames, plain = found["rows"], found["scrolling"], found["plain"]
    held = f"page, {rows} rows of 100,000 events held"
    made = [
        Row(f"{held}: a page's last byte → painted", f"{found['painted']:.0f} ms", "", "", "200 ms"),
        Row(f"{held}: heap", f"{found['heap']:.0f} MB", "", "", "60 MB"),
        Row(
            f"{held}: frame while scrolling, p95",
            f"{frames['p95']:.1f} ms",
            f"{plain['p95']:.1f} ms",
            ratio(frames["p95"], plain["p95"]),
            "17 ms",
        ),
        Row(
            f"{held}: frame while scrolling, worst",
            f"{frames['worst']:.0f} ms",
            f"{plain['worst']:.0f} ms",
            ratio(frames["worst"], plain["worst"]),
            "50 ms",
        ),
    ]
    early, late = found["early"], found["late"]
    if early and late:
        what = f"page, a token of a reply of {late['at'] / 1000:.0f} KB"
        made.append(Row(what, f"{late['ms']:.2f} ms", f"{early['ms']:.2f} ms", ratio(late["ms"], early["ms"]), "2 ms"))
    return made


ROWS: Final[dict[str, Callable[[], list[Row]]]] = {
    "page length": long_thread,
    "page opening": opening,
    "page day": recorded_day,
}
