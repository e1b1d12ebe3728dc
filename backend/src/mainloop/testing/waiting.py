"""Waiting in tests: for something to come true, never for time to pass."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(true: Callable[[], T], seconds: float = 30) -> T:
    """What `true` gave as soon as it gave something; fails when it never does."""
    until = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < until, f"it did not come true within {seconds:.0f} seconds"
        time.sleep(0.01)
    return found
