"""Finds and ends a runner and what its agent left behind.

A process is known by what it was started with, never by a number somebody wrote down: numbers are used again.
"""

import fcntl
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path

from mainloop.sandboxes.base import ENDING
from mainloop.workspaces.base import Process, process_lives

_PROC = Path("/proc")
# The kernel ends what is killed at once, unless a disk or a network share hangs.
_DYING_SECONDS = 5.0
# What sandboxes put around an agent.
_AROUND = ("bwrap", "unshare", "setpriv")
# So much of what a process was started with is told (signs).
_SHOWN = 1000


def runs(program: str, run_file: Path) -> bool:
    """Whether a process lives that was started as `… program run_file`."""
    return any(map(_started_as(program, run_file), _pids()))


def locked(lock: Path) -> bool:
    """Whether somebody else holds it. Looks with a shared lock, so that two who look don't see each other.

    While it looks, a runner that wants the lock is refused; it tries again for ten seconds.
    """
    try:
        file = lock.open("rb")
    except FileNotFoundError:
        return False
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def gone_within(seconds: float, program: str, run_file: Path) -> bool:
    """Whether no process is left that was started as `… program run_file`, after waiting so long for those that live."""
    until = time.monotonic() + seconds
    with ExitStack() as stack:
        runners = [stack.enter_context(process) for process in _processes(_started_as(program, run_file))]
        return all(runner.ended_within(max(0.0, until - time.monotonic())) for runner in runners)


def end_runner(program: str, run_file: Path, grace: float) -> None:
    """No process that was started as `… program run_file` is left. They are asked first."""
    with ExitStack() as stack:
        runners = [stack.enter_context(process) for process in _processes(_started_as(program, run_file))]
        for runner in runners:
            runner.send(signal.SIGTERM)
        until = time.monotonic() + grace
        for runner in runners:
            if not runner.ended_within(until - time.monotonic()):
                runner.kill_group()
                runner.ended_within(_DYING_SECONDS)


def _started_as(program: str, run_file: Path) -> Callable[[int], bool]:
    if sys.platform == "linux":
        return lambda pid: _arguments(pid)[-2:] == [program, str(run_file)]
    lines = (line.strip().split(" ", 1) for line in _ps("-axww", "-o", "pid=,command=").splitlines())
    found = {int(line[0]) for line in lines if line[-1].endswith(f" {program} {run_file}")}
    return lambda pid: pid in found


def sweep(agent_home: Path) -> None:
    """Nothing runs any more whose HOME is this agent's: what it detached, where no sandbox ended it.

    Where the system does not show environments (not Linux) it finds nothing.
    """

    def is_of_agent(pid: int) -> bool:
        return _is_of_agent(pid, agent_home)

    if sys.platform != "linux":
        return
    # What ends the rest with itself must not be the first to go: what hides would have nobody left to end it.
    with ExitStack() as stack:
        watching = [stack.enter_context(process) for process in _processes(lambda pid: is_of_agent(pid) and _ends(pid))]
        for process in watching:
            process.send(signal.SIGHUP)
        until = time.monotonic() + _DYING_SECONDS
        for process in watching:
            process.ended_within(until - time.monotonic())
    until = time.monotonic() + _DYING_SECONDS
    while time.monotonic() < until:
        with ExitStack() as stack:
            left = [stack.enter_context(process) for process in _processes(is_of_agent)]
            if not left:
                return
            for process in left:
                process.send(signal.SIGKILL)
            for process in left:
                process.ended_within(until - time.monotonic())


def of_agent(agent_home: Path) -> list[Process] | None:
    """What runs with this agent's HOME, without what stands around it; None where the system does not show that."""
    if sys.platform != "linux":
        return None
    found = list[Process]()
    for pid in _pids():
        if not _is_of_agent(pid, agent_home) or _stands_around(pid):
            continue
        with suppress(OSError, ValueError, IndexError):
            # The name in brackets may hold anything; what comes behind it are numbers.
            stat = (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
            if stat[0] == "Z":
                continue
            since = _booted() + int(stat[19]) / os.sysconf("SC_CLK_TCK")
            pages = int((_PROC / str(pid) / "statm").read_text().split()[1])
            command = " ".join(_arguments(pid)) or (_PROC / str(pid) / "comm").read_text(errors="replace").strip()
            command = command.encode(errors="replace").decode()[:_SHOWN]
            found.append(Process(pid, command, datetime.fromtimestamp(since, UTC), pages * os.sysconf("SC_PAGE_SIZE")))
    return sorted(found, key=lambda process: (process.started_at, process.pid))


def _booted() -> float:
    line = next(line for line in (_PROC / "stat").read_text().splitlines() if line.startswith("btime "))
    return float(line.split()[1])


def _is_of_agent(pid: int, agent_home: Path) -> bool:
    try:
        return b"HOME=" + os.fsencode(agent_home) in (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return False


def _stands_around(pid: int) -> bool:
    return _ends(pid) or Path(next(iter(_arguments(pid)), "")).name in _AROUND


def _ends(pid: int) -> bool:
    """Whether it is the program that ends with its command all that this started."""
    return str(ENDING) in _arguments(pid)


class _Process:
    """A handle that stays with one process, even when its number is given to another."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._handle: int | None = os.pidfd_open(pid) if sys.platform == "linux" else None

    def __enter__(self) -> "_Process":
        return self

    def __exit__(self, *_: object) -> None:
        if self._handle is not None:
            os.close(self._handle)

    def send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            if self._handle is not None and sys.platform == "linux":
                signal.pidfd_send_signal(self._handle, number)
            else:
                os.kill(self.pid, number)

    def kill_group(self) -> None:
        """With what stayed in its group. Only while it lives: then its number is still its own."""
        with suppress(ProcessLookupError, PermissionError):
            if os.getpgid(self.pid) == self.pid and not self.ended_within(0):
                os.killpg(self.pid, signal.SIGKILL)
        self.send(signal.SIGKILL)

    def ended_within(self, seconds: float) -> bool:
        if self._handle is not None:
            waiting = select.poll()
            waiting.register(self._handle, select.POLLIN)
            return bool(waiting.poll(max(0, seconds) * 1000))
        until = time.monotonic() + seconds
        while process_lives(self.pid):
            if time.monotonic() >= until:
                return False
            time.sleep(0.02)
        return True


def _processes(wanted: Callable[[int], bool]) -> Iterator[_Process]:
    for pid in _pids():
        if pid == os.getpid() or not wanted(pid):
            continue
        try:
            process = _Process(pid)
        except ProcessLookupError:
            continue
        # Looked at again behind the handle: the number may have changed hands in between.
        if wanted(pid):
            yield process
        else:
            process.__exit__()


def _pids() -> list[int]:
    if sys.platform == "linux":
        return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal()]
    return [int(pid) for pid in _ps("-ax", "-o", "pid=").split()]


def _arguments(pid: int) -> list[str]:
    try:
        given = (_PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return []
    # One that has changed what it shows has room left behind it.
    return [os.fsdecode(argument) for argument in given.rstrip(b"\0").split(b"\0")]


def _ps(*options: str) -> str:
    return subprocess.run(["ps", *options], capture_output=True, text=True, check=False).stdout
