"""Runners come out of a process that has loaded their program once."""

import os
import resource
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from mainloop.testing.server import Person, ServerProcess

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems load the program for each runner")


@pytest.fixture
def me(process: ServerProcess) -> Iterator[Person]:
    person = process.start().person()
    yield person
    person.http.close()


@pytest.mark.spec("waiting-9")
def test_waking_a_parked_session_does_not_load_the_runners_program_again(process: ServerProcess, me: Person) -> None:
    session = idle_session(me)
    park(process, me, session)
    me.say("And once more.", session)
    me.until_turn_ended(2, session)
    woken = process.runners()
    assert len(woken) == 1
    assert cpu_of(woken[0]) < loading() / 2


@pytest.mark.long
@pytest.mark.spec("waiting-9")
def test_the_process_that_has_loaded_it_may_die_at_any_time(process: ServerProcess, me: Person) -> None:
    session = idle_session(me)
    park(process, me, session)
    for turn, number in ((2, signal.SIGKILL), (3, signal.SIGTERM)):
        for pid in spawners(process):
            os.kill(pid, number)
        me.say("And once more.", session)
        me.until_turn_ended(turn, session)
        park(process, me, session)
    before = spawners(process)
    process.kill()
    me.until("it to end with the server", lambda: not any(map(lives, before)))
    process.start()
    me.until("the program to be loaded again before anybody writes", lambda: spawners(process))
    me.say("And once more.", session)
    me.until_turn_ended(4, session)


def idle_session(me: Person) -> str:
    name = str(uuid.uuid4())
    me.post("/api/sessions", {"id": name, "prompt": "Say something."})
    me.until_session(name, "idle")
    return name


def park(process: ServerProcess, me: Person, session: str) -> None:
    me.post(f"/api/sessions/{session}/park", {"reason": ""})
    me.until("the runner to end", lambda: not process.runners())


def spawners(process: ServerProcess) -> list[int]:
    """The processes of this home that runners come out of."""
    found: list[int] = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command, at = (entry / "cmdline").read_bytes(), (entry / "cwd").readlink()
            if b"mainloop_agent.spawner" in command and at == process.home:
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def cpu_of(pid: int) -> float:
    """CPU seconds of a process that lives."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def loading() -> float:
    """CPU seconds that it takes to load the runner's program, here and now."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-I", "-c", "import mainloop_agent.__main__"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
