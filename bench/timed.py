"""`mainloop up` that also writes when each commit announced its events, to `MAINLOOP_HOME/rings`."""

import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from mainloop.events.bell import Bell
from mainloop.events.feed import HANDED
from mainloop.main import main

rings = (Path(os.environ["MAINLOOP_HOME"]) / "rings").open("a", buffering=1)
plain = Bell.ring


def ring(self: Bell, topics: Iterable[str]) -> None:
    """Rung in the thread that has just committed."""
    wanted = set(topics)
    if HANDED in wanted:
        rings.write(f"{time.monotonic_ns()}\n")
    plain(self, wanted)


Bell.ring = ring
sys.exit(main(["up"]))
