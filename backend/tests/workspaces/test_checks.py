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
from mainloop.workspaces.base import CheckNotStarted, CheckSpec, Source
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
    (tmp_path / "check.json").write_text(json.dumps({**check, "seconds": 60, "memory": 0, "keep_free": 0}))
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


@pytest.mark.spec("changes-35")
def test_what_takes_too_much_memory_is_ended_before_others_and_nothing_outlives_its_check(ground: Ground) -> None:
    detached = "setsid sleep 4321 & echo detached $!; cat /proc/self/oom_score_adj"
    hungry = f"{sys.executable} -c 'held = bytes([1]) * 2**28; print(len(held)); import time; time.sleep(1000)'"
    ground.start(f"({detached}); {hungry}", memory=2**27)
    until("its end", lambda: ground.checks.ended("one") == "failed")
    assert "\n500\n" in ground.log
    assert "128 MB are allowed" in ground.log
    (pid,) = re.findall(r"\ndetached (\d+)\n", ground.log)
    until("all to be gone", lambda: not Path(f"/proc/{pid}").exists())


@pytest.mark.spec("changes-35")
def test_what_fills_the_disk_is_ended_and_its_files_go(ground: Ground) -> None:
    ground.start("head -c 200M /dev/zero > big; echo written; sleep 1000", keep_free=2**62)
    until("its end", lambda: ground.checks.ended("one") == "failed")
    assert "The disk is nearly full: " in ground.log
    assert "(MAINLOOP_KEEP_FREE_MB)" in ground.log
    ground.checks.end("one")
    assert not (ground.path / "home/checks/one/clone").exists()


@pytest.mark.spec("changes-35")
def test_what_writes_little_is_not_ended_for_a_disk_that_others_filled(ground: Ground) -> None:
    ground.start("echo little > little; sleep 0.7; echo on", keep_free=2**62)
    until("its end", lambda: ground.checks.ended("one") == "passed")


@pytest.mark.spec("changes-35")
def test_a_commit_that_expands_without_end_is_not_laid_out(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    # To count to a million takes its time.
    monkeypatch.setattr("mainloop.workspaces.local.checks.MOST_FILES", 10_000)

    def git(*arguments: str, given: str = "") -> str:
        run = subprocess.run(
            ["git", *arguments], cwd=ground.source.path, input=given, text=True, check=True, capture_output=True
        )
        return run.stdout.strip()

    entry = f"100644 blob {git('hash-object', '-w', '--stdin')}"
    for _ in range(9):
        ten = "".join(f"{entry}\t{n}\n" for n in range(10))
        entry = f"040000 tree {git('mktree', given=ten)}"
    commit = git("-c", "user.name=a", "-c", "user.email=a@b", "commit-tree", "-m", "vast", entry.split()[-1])
    with pytest.raises(CheckNotStarted, match="too many or too large"):
        ground.start("true", commit=commit)
