"""What the measures share: servers and what stands beside them, what a process has cost, a row of the table."""

import contextlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mainloop.testing.server import Person, ServerProcess, free_port

HERE: Final = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Row:
    what: str
    ours: str
    beside: str
    ratio: str
    goal: str


# -- servers -----------------------------------------------------------------------------------------------------
class Quiet(ServerProcess):
    """Sessions and messages are stored and nobody works on them: workspaces in memory, no runner."""

    def __init__(self, home: Path, program: list[str] | None = None) -> None:
        super().__init__(home, {"MAINLOOP_WORKSPACE": "memory", "MAINLOOP_MAX_ALIVE": "1000"})
        self._program = program

    def spawn(self) -> None:
        if self._program is None:
            return super().spawn()
        self.process = start(self._program, self.home, self.environment)


class Baseline:
    """A program of `baselines/` on a port of its own."""

    def __init__(self, name: str, folder: Path) -> None:
        self.port = free_port()
        self.folder = folder
        self._command = [sys.executable, str(HERE / "baselines" / f"{name}.py"), str(self.port), str(folder)]
        self.process: subprocess.Popen[bytes] | None = None

    def spawn(self) -> None:
        self.process = start(self._command, self.folder, dict(os.environ))

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()


def start(command: list[str], folder: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    with (folder / "server.log").open("ab") as log:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, cwd=folder)


@contextlib.contextmanager
def folder() -> Generator[Path]:
    # Not below /tmp, which a sandboxed agent sees as its own.
    base = Path("/var/tmp")
    path = Path(tempfile.mkdtemp(prefix="mainloop-bench-", dir=base if os.access(base, os.W_OK) else None))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def ours(server: ServerProcess) -> Generator[ServerProcess]:
    try:
        yield server.start()
    finally:
        server.stop()


@contextlib.contextmanager
def beside(name: str, at: Path, prepare: Callable[[Path], object] = lambda _: None) -> Generator[Baseline]:
    prepare(at)
    baseline = Baseline(name, at)
    baseline.spawn()
    try:
        until_healthy(baseline.port)
        yield baseline
    finally:
        baseline.kill()


def until_healthy(port: int, patience: float = 60) -> None:
    until = time.monotonic() + patience
    while time.monotonic() < until:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health", timeout=5):
            return
        time.sleep(0.02)
    raise TimeoutError(f"nobody answers on port {port}")


# -- what a process has cost -------------------------------------------------------------------------------------
def cpu_of(pid: int) -> float:
    """CPU seconds of a living process, without its children's."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def pss_of(pid: int) -> float:
    """Megabytes that are this process's own, with its share of what it shares."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def cpu_of_children_that_ended() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def pid_of(server: ServerProcess | Baseline) -> int:
    assert server.process is not None
    return server.process.pid


# -- figures -----------------------------------------------------------------------------------------------------
def headers_of(person: Person) -> dict[str, str]:
    cookies = "; ".join(f"{name}={value}" for name, value in person.http.cookies.items())
    return {"X-Mainloop-Key": person.http.headers["X-Mainloop-Key"], "Cookie": cookies}


def quantile(values: list[float], part: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * part // 100)]


def ratio(a: float, b: float) -> str:
    return f"{a / b:.1f}" if b > 0 else ""
