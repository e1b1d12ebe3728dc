"""`python -I -S checking.py CHECK.json`: runs the commands of a check one after the other, and outlives the server.

A program of its own, which imports nothing of mainloop. Beside the file it is given it holds `lock` for as long as it
lives, writes `log`, and at the very end `end.json`, unless it was asked to end: whoever asks knows why, and where it was a
machine that goes down, it begins anew. What the commands put out is kept up to a bound: its beginning, and its end.
"""

import ctypes
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

HEAD = 4 * 1024 * 1024  # bytes
TAIL = 256 * 1024  # bytes
# A machine that goes down asks everything at once: who asked a command to end asks this process within so long (seconds).
ASKED = 10.0
LOCK = 10.0
# Between two looks at the memory and the disk that are taken (seconds).
LOOK = 0.5
# What has written less than this has not filled the disk (bytes).
WROTE_MUCH = 100 * 1024 * 1024
# The kernel ends what is started so before others when memory runs out, as it does with agents.
OFFER = ("sh", "-c", 'echo 500 2>/dev/null >/proc/self/oom_score_adj; exec "$@"', "sh")
# Of <linux/prctl.h>.
CHILD_SUBREAPER = 36


class Stopped(Exception):
    """It was asked to end."""


class Ended(Exception):
    """It took more than it may; said in words."""


class Log:
    """What was put out, as it comes; beyond the bound only the end of it, once that is known."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)
        self._room = HEAD
        self._tail = bytearray()
        self._left_out = 0

    def write(self, data: bytes) -> None:
        fits, more = data[: self._room], data[self._room :]
        self._room -= len(fits)
        self._file.write(fits)
        self._tail += more
        if len(self._tail) > 2 * TAIL:
            self._left_out += len(self._tail) - TAIL
            del self._tail[:-TAIL]

    def close(self) -> None:
        self._left_out += max(0, len(self._tail) - TAIL)
        if self._left_out:
            self._file.write(b"\n... %d bytes left out ...\n" % self._left_out)
        self._file.write(self._tail[-TAIL:])
        os.fsync(self._file.fileno())
        self._file.close()


def main(path: Path) -> int:
    with (path.parent / "lock").open("ab") as lock:
        if not locked(lock):
            return 1
        if not (path.parent / "end.json").exists():
            signal.signal(signal.SIGTERM, stop)
            if sys.platform == "linux":
                # What is detached and loses its parent stays below this process.
                ctypes.CDLL(None).prctl(CHILD_SUBREAPER, 1, 0, 0, 0)
            log = Log(path.parent / "log")
            try:
                end = run_all(json.loads(path.read_text()), log)
            except Stopped:
                log.close()
                return 1
            finish(path.parent, end)
    return 0


def locked(lock: IO[bytes]) -> bool:
    """Tries again for a while: who only looks whether it is held refuses it for a moment."""
    until = time.monotonic() + LOCK
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        if time.monotonic() >= until:
            return False
        time.sleep(0.05)


def stop(*_: object) -> None:
    raise Stopped


def run_all(check: dict[str, Any], log: Log) -> dict[str, Any]:
    """How it ended. Raises Stopped."""
    minutes = check["seconds"] / 60
    until = time.monotonic() + check["seconds"]
    end: dict[str, Any] = {"outcome": "passed", "code": 0}
    try:
        for command in check["commands"]:
            log.write(f"$ {command}\n".encode())
            code = run(check, command, log, until)
            if code in (-signal.SIGTERM, 128 + signal.SIGTERM):
                time.sleep(ASKED)
            if code != 0:
                log.write(f"\nIt ended with {code}.\n".encode())
                end = {"outcome": "failed", "code": code}
                break
    except TimeoutError:
        log.write(f"\nIt took longer than {minutes:.0f} minutes and was ended.\n".encode())
        end = {"outcome": "failed", "code": -1}
    except Ended as error:
        log.write(f"\n{error}\n".encode())
        end = {"outcome": "failed", "code": -1}
    log.close()
    return end


def run(check: dict[str, Any], command: str, log: Log, until: float) -> int:
    with subprocess.Popen(
        [*OFFER, *check["wrap"], "bash", "-c", command],
        cwd=check["folder"],
        env=check["environment"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        looked = time.monotonic()
        try:
            while True:
                if time.monotonic() >= until:
                    raise TimeoutError
                if time.monotonic() >= looked + LOOK:
                    bound(check["memory"], log)
                    keep_free(check["keep_free"], check["folder"])
                    looked = time.monotonic()
                left = min(LOOK, until - time.monotonic())
                ready, _, _ = select.select([process.stdout], [], [], max(0.0, left))
                if not ready:
                    if process.poll() is not None:  # what it detached holds its output open
                        return process.returncode
                    continue
                data = os.read(process.stdout.fileno(), 65536)
                if not data:
                    return process.wait(max(0.1, until - time.monotonic()))
                log.write(data)
        except subprocess.TimeoutExpired:
            raise TimeoutError from None
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            end_all()
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            signal.signal(signal.SIGTERM, stop)


def bound(most: int, log: Log) -> None:
    """The largest process of what runs is ended where all take more memory than that (bytes; 0: no bound)."""
    sizes = {pid: resident(pid) for pid in below(os.getpid())} if most else {}
    total = sum(sizes.values())
    if total > most:
        with suppress(ProcessLookupError):
            os.kill(max(sizes, key=lambda pid: sizes[pid]), signal.SIGKILL)
        log.write(
            b"\nmainloop ended the largest process: all together took %d MB of memory, and %d MB are allowed "
            b"(MAINLOOP_SESSION_MEMORY_MB).\n" % (total >> 20, most >> 20)
        )


def keep_free(least: int, folder: str) -> None:
    """Raises Ended where less than that is left on the disk (bytes; 0: no bound) and what runs has written much."""
    free = shutil.disk_usage(folder).free
    if free >= least:
        return
    wrote = sum(written(pid) for pid in (os.getpid(), *below(os.getpid())))
    if wrote >= WROTE_MUCH:
        raise Ended(
            f"The disk is nearly full: {free >> 20} MB are left, and this has written {wrote >> 20} MB, so it was ended. "
            f"mainloop keeps {least >> 20} MB free (MAINLOOP_KEEP_FREE_MB)."
        )


def end_all() -> None:
    """Nothing runs any more below this process, detached or not; all are stopped first, so that none starts another."""
    pids = list(below(os.getpid()))
    for step in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, step)


def below(pid: int) -> Iterator[int]:
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                for child in (task / "children").read_text().split():
                    yield int(child)
                    yield from below(int(child))


def resident(pid: int) -> int:
    with suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def written(pid: int) -> int:
    """Bytes that a process has written to disks, with what its children had that have ended."""
    with suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/io").read_text().splitlines():
            name, _, value = line.partition(": ")
            if name == "write_bytes":
                return int(value)
    return 0


def finish(folder: Path, end: dict[str, Any]) -> None:
    """Whole or not at all, and for good."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    unfinished = folder / ".end.json"
    with unfinished.open("w") as file:
        json.dump(end, file)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(folder / "end.json")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
