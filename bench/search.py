"""The measure of search: what was said in a busy month, by words of every kind."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import httpx
from measured import Row, beside, folder, ours, quantile, ratio

from mainloop.testing.crowd import busy
from mainloop.testing.server import ServerProcess

# What few, many and none have said; beginnings, words that stand together, and many at once.
ASKED: Final = ("question 4711", "copy volume", "the", "score.py", "a", "figures then week", "quokka", "postgres or 17")
ROUNDS: Final = 3


def search() -> list[Row]:
    """Answers of `/api/search`, in one thread and in all."""
    asked = [{"text": text, **more} for text in ASKED for more in ({}, {"thread": "main"})] * ROUNDS
    with folder() as at:
        busy(at)
        with ours(ServerProcess(at)) as server:
            person = server.person()
            same = person.http.get("/api/search", params={"text": "the"}).content
            mine = [took(person.http, "/api/search", params) for params in asked]

    def lay(at: Path) -> object:
        return (at / "same.json").write_bytes(same)

    with (
        folder() as at,
        beside("echo", at, lay) as echo,
        httpx.Client(base_url=f"http://127.0.0.1:{echo.port}") as http,
    ):
        bare = [took(http, "/same", {}) for _ in asked]
    what = "a search over 100,000 events"
    rows = [(f"{what}: answered", 50, "50 ms"), (f"{what}: p99", 99, "200 ms")]
    pairs = [(name, quantile(mine, part), quantile(bare, part), goal) for name, part, goal in rows]
    return [Row(name, f"{a:.0f} ms", f"{b:.1f} ms", ratio(a, b), goal) for name, a, b, goal in pairs]


def took(http: httpx.Client, path: str, params: dict[str, str]) -> float:
    """Milliseconds of one answer."""
    began = time.monotonic()
    http.get(path, params=params).raise_for_status()
    return (time.monotonic() - began) * 1000


ROWS: Final[dict[str, Callable[[], list[Row]]]] = {"search": search}
