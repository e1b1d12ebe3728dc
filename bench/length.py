"""Measures of the page in a browser, over the main thread of a busy month."""

import json
import subprocess
from collections.abc import Callable
from typing import Any, Final

from measured import HERE, Row, folder, ours, ratio

from mainloop.testing.crowd import busy
from mainloop.testing.server import ServerProcess

# Milliseconds after which a loop of the browser ends with what it has.
ENOUGH: Final = 20_000


def long_thread() -> list[Row]:
    """A thread of a hundred thousand events, and a reply that grows."""
    with folder() as at:
        busy(at)
        with ours(ServerProcess(at)) as server:
            link = json.loads(server.run("pair", "--json").stdout)["url"]
            command = ["node", str(HERE / "length.mjs"), link, str(ENOUGH)]
            done = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent, check=False, timeout=300)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "the browser ended")
    found: dict[str, Any] = json.loads(done.stdout)
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


ROWS: Final[dict[str, Callable[[], list[Row]]]] = {"length": long_thread}
