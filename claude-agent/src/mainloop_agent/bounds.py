"""What an agent and everything it has started may take of the machine: memory, and the disk that is left.

Read from /proc, so on Linux only. What runs away between two looks is caught by the kernel: agents offer themselves to
it before anybody else (`OFFER`).
"""

import asyncio
import ctypes
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from mainloop_models.events import AgentError
from mainloop_models.runner import Bounds

# Between two looks in a turn, and between two turns (seconds).
LOOK_PAUSE, IDLE_PAUSE = 0.5, 2.0
# Whose agent has written less than this since its turn began has not filled the disk (bytes).
WROTE_MUCH = 100 << 20
MB = 1 << 20
# A line of a shell script: from here on the kernel ends this process before others when memory runs out.
OFFER = "echo 500 2>/dev/null >/proc/self/oom_score_adj"

_PROC = Path("/proc")
# Of <linux/prctl.h>.
_CHILD_SUBREAPER = 36
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Keeper:
    """Keeps what runs below this process inside its bounds, in turns and between them."""

    def __init__(self, bounds: Bounds, workspace: Path) -> None:
        self._bounds = bounds
        self._workspace = workspace
        self._wrote_before = 0
        self._in_turn = asyncio.Event()
        # What was ended for its memory, in words; whoever tells of the call that ran, or gives the next message, takes
        # them.
        self._ended: list[str] = []

    def turn_begins(self) -> None:
        """What is written counts from here on, until the next one begins."""
        self._wrote_before = sum(map(_written, below(os.getpid())))
        self._in_turn.set()

    def turn_ended(self) -> None:
        self._in_turn.clear()

    def take_ended(self) -> list[str]:
        """What was ended since this was asked last."""
        ended, self._ended = self._ended, []
        return ended

    async def run(self) -> AgentError:
        """Ends what takes too much memory; returns when the agent has to be ended, and says why."""
        while True:
            await asyncio.sleep(LOOK_PAUSE)
            if not self._in_turn.is_set():
                # A turn that begins is looked at in its own time.
                with suppress(TimeoutError):
                    async with asyncio.timeout(IDLE_PAUSE - LOOK_PAUSE):
                        await self._in_turn.wait()
            self._look_at_memory()
            if (error := self._look_at_disk()) is not None:
                return error

    def _look_at_memory(self) -> None:
        if not self._bounds.memory_mb:
            return
        sizes = {pid: _resident(pid) for pid in below(os.getpid())}
        total = sum(sizes.values())
        if total <= self._bounds.memory_mb * MB:
            return
        largest = max(sizes, key=lambda pid: sizes[pid])
        name = _name(largest)
        with suppress(ProcessLookupError):
            os.kill(largest, signal.SIGKILL)
        self._ended.append(
            f"mainloop ended {name}: together with what else runs here it took {total // MB} MB of memory, and "
            f"{self._bounds.memory_mb} MB are allowed (MAINLOOP_SESSION_MEMORY_MB)."
        )

    def _look_at_disk(self) -> AgentError | None:
        if not self._bounds.keep_free_mb:
            return None
        free = shutil.disk_usage(self._workspace).free
        if free >= self._bounds.keep_free_mb * MB:
            return None
        wrote = sum(map(_written, below(os.getpid()))) - self._wrote_before
        if wrote < WROTE_MUCH:
            return None
        return AgentError(
            code="disk",
            message=f"The disk is nearly full: {free // MB} MB are left, and since its last turn began its agent has written "
            f"{wrote // MB} MB.",
            hint="Look at its workspace and free some space, then try again. mainloop keeps "
            f"{self._bounds.keep_free_mb} MB free (MAINLOOP_KEEP_FREE_MB).",
        )


def adopt() -> None:
    """From now on, whatever runs below this process and loses its parent is a child of this one, on Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_all(pid: int | None = None) -> None:
    """Nothing runs any more that this process has started, or another one, which then ends with it.

    All are stopped first, so that none starts another.
    """
    started = list(below(os.getpid())) if pid is None else [pid, *below(pid)]
    for step in (signal.SIGSTOP, signal.SIGKILL):
        for pid in started:
            with suppress(ProcessLookupError):
                os.kill(pid, step)


def below(pid: int) -> Iterator[int]:
    """Every process that this one has started, and those that they have started."""
    with suppress(OSError):
        for task in (_PROC / str(pid) / "task").iterdir():
            with suppress(OSError):
                for child in (task / "children").read_text().split():
                    yield int(child)
                    yield from below(int(child))


def _resident(pid: int) -> int:
    with suppress(OSError, ValueError, IndexError):
        return int((_PROC / str(pid) / "statm").read_text().split()[1]) * _PAGE
    return 0


def _written(pid: int) -> int:
    """Bytes that a process has written to disks, with what its children had that have ended."""
    with suppress(OSError, ValueError):
        for line in (_PROC / str(pid) / "io").read_text().splitlines():
            name, _, value = line.partition(": ")
            if name == "write_bytes":
                return int(value)
    return 0


def _name(pid: int) -> str:
    with suppress(OSError):
        return (_PROC / str(pid) / "comm").read_text().strip()
    return "a process"
