"""Checks on this machine, without a server: real clones, real commands, a process each that outlives whoever started it."""

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from mainloop.sandboxes.none import NoSandbox
from mainloop.testing.repositories import Repository
from mainloop.workspaces.base import CheckSpec, Source
from mainloop.workspaces.local.checks import PROGRAM, LocalChecks


class Nothing(NoSandbox):
    """What there is where nothing can stand around a command."""

    def wrap(self, policy: object) -> list[str]:
        return []


class Ground:
    """A repository, and checks of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.source = Repository.make(path / "source")
        self.commit = self.source.commit("first", {"app.py": "1\n"})
        self.checks = LocalChecks(path / "home", Nothing())

    def start(self, *commands: str, **more: Any) -> None:
        source = Source(self.source.path / ".git", more.pop("commit", self.commit), "main", "work")
        environment = {"PATH": os.environ["PATH"]}
        self.checks.start(CheckSpec("one", source, commands, environment, **more))

    def process(self) -> int | None:
        mark = str(self.path / "home/checks/one/check.json")
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (entry / "cmdline").read_text().rstrip("\0").split("\0")[-1] == mark:
                    return int(entry.name)
        return None

    @property
    def log(self) -> str:
        return self.checks.log("one", 0, 2**20).decode()


def until(what: str, fits: Callable[[], Any]) -> Any:
    end = time.monotonic() + 60
    while not (found := fits()):
        assert time.monotonic() < end, what
        time.sleep(0.02)
    return found


@pytest.fixture
def ground() -> Generator[Ground]:
    path = Path(tempfile.mkdtemp(prefix="mainloop-test-", dir=os.environ.get("MAINLOOP_TEST_HOMES", "/var/tmp")))
    ground = Ground(path)
    (path / "home").mkdir()
    yield ground
    ground.checks.end("one")
    shutil.rmtree(path, ignore_errors=True)


@pytest.mark.spec("changes-34")
def test_what_a_machine_ends_that_goes_down_has_no_end_and_begins_anew(ground: Ground) -> None:
    """It asks everything at once: the command may have ended before the process that runs it is asked."""
    ground.start("echo begun $$; exec sleep 1000")
    command = int(until("a word", lambda: re.findall(r"\nbegun (\d+)\n", ground.log))[0])
    process = ground.process()
    assert process
    os.kill(command, signal.SIGTERM)
    until("its end", lambda: not Path(f"/proc/{command}").exists())
    os.kill(process, signal.SIGTERM)
    until("its end", lambda: not ground.checks.alive("one"))
    assert ground.checks.ended("one") is None
    ground.start("echo again")
    until("the end", lambda: ground.checks.ended("one") == "passed")
    assert ground.log == "$ echo again\nagain\n"


def test_who_looks_whether_it_runs_keeps_it_from_nothing(tmp_path: Path) -> None:
    check: dict[str, Any] = {"commands": ["true"], "folder": str(tmp_path), "wrap": [], "environment": {}}
    (tmp_path / "check.json").write_text(json.dumps({**check, "seconds": 60, "memory": 0}))
    with (tmp_path / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        process = subprocess.Popen([sys.executable, "-I", "-S", str(PROGRAM), str(tmp_path / "check.json")])

        def tries() -> bool:
            with suppress(OSError):
                return any(fd.samefile(tmp_path / "lock") for fd in Path(f"/proc/{process.pid}/fd").iterdir())
            return process.poll() is not None

        until("it to try", tries)
    assert process.wait(60) == 0
    assert (tmp_path / "end.json").exists()
