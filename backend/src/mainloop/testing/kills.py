"""Who can be killed, and a hand to do it: the server, runners, agents, their tools, or the whole machine at once."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from mainloop.db.engine import make_engine
from mainloop.events.bell import Bell
from mainloop.events.unit import Database
from mainloop.testing.scripted_model import free_port
from mainloop.testing.server import ServerProcess, client

Victim = Literal["server", "runner", "agent", "tool", "machine"]
_PROC: Final = Path("/proc")


@dataclass
class Processes:
    """Everything that runs for one thread, by what it is."""

    runners: list[int] = field(default_factory=list[int])
    # The agent's own program; `boxes` are the sandboxes around it.
    agents: list[int] = field(default_factory=list[int])
    boxes: list[int] = field(default_factory=list[int])
    tools: list[int] = field(default_factory=list[int])

    def all(self) -> list[int]:
        return [*self.runners, *self.boxes, *self.agents, *self.tools]


def processes(home: Path, thread: str) -> Processes:
    """What runs for a thread right now, found by what it was started with."""
    folder = home / "threads" / thread
    found = Processes()
    for entry in _PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes().rstrip(b"\0").decode(errors="replace").split("\0")
            environment = (entry / "environ").read_bytes().split(b"\0")
            pid = int(entry.name)
            if command[-1] == str(folder / "run.json"):
                found.runners.append(pid)
            elif f"HOME={folder / 'home'}".encode() not in environment:
                continue
            elif Path(command[0]).name == "bwrap":
                found.boxes.append(pid)
            elif Path(command[0]).name == "claude":
                found.agents.append(pid)
            else:
                found.tools.append(pid)
    return found


def end(pids: Sequence[int], number: signal.Signals) -> None:
    """Send a signal to all of them. To be killed at once, they are all stopped first."""
    for step in (signal.SIGSTOP, number) if number is signal.SIGKILL else (number,):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, step)


def kill(server: ServerProcess, thread: str, victim: Victim, number: signal.Signals) -> list[int]:
    """End the victim; the numbers of the processes that were meant."""
    if victim == "server":
        assert server.process is not None
        server.kill(number)
        return [server.process.pid]
    running = processes(server.home, thread)
    if victim == "machine":
        assert server.process is not None
        threads = [folder.name for folder in (server.home / "threads").iterdir()]
        everything = [pid for each in threads for pid in processes(server.home, each).all()]
        end([server.process.pid, *everything], signal.SIGKILL)
        server.process.wait(timeout=20)
        return everything
    meant = {"runner": running.runners, "agent": running.agents, "tool": running.tools}[victim]
    end(meant, number)
    return meant


def alive(pid: int) -> bool:
    """Whether it still runs: one that has ended and waits for its parent does not."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()[0] not in ("Z", "X")
    except OSError:
        return False


def database_of(server: ServerProcess) -> Database:
    """The books of a server that runs as a process."""
    url = server.environment.get("MAINLOOP_DATABASE_URL") or f"sqlite:///{server.home / 'mainloop.db'}"
    return Database(make_engine(url), Bell())


class Model:
    """A scripted model in a process of its own, for tests that wait in their own thread."""

    def __init__(self) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._http = client(self.url, trust_env=False, timeout=30)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mainloop.testing.scripted_model", "--port", str(port), "--ready"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == b"ready"

    @property
    def environment(self) -> dict[str, str]:
        """What a server is started with whose agents talk to this model."""
        return {"MAINLOOP_AGENT": "claude", "ANTHROPIC_BASE_URL": self.url, "ANTHROPIC_API_KEY": "none"}

    def open(self, gate: str) -> None:
        self._http.post(f"/ctl/gate/{gate}").raise_for_status()

    def rules(self, *rules: dict[str, Any]) -> None:
        self._http.post("/ctl/rules", json=list(rules)).raise_for_status()

    def requests(self, fits: Callable[[dict[str, Any]], object] = lambda _: True) -> list[dict[str, Any]]:
        """What it was asked since the last `reset`, oldest first."""
        found: list[dict[str, Any]] = self._http.get("/ctl/requests").json()
        return [request for request in found if request["body"] is not None and fits(request)]

    def reset(self) -> None:
        self._http.post("/ctl/reset").raise_for_status()

    def close(self) -> None:
        self._http.close()
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
