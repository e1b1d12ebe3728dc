"""`make dev` as a newcomer meets it: one link, both ports, and a restart of the server under a running agent."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest

from mainloop.testing.server import Person, script
from mainloop.testing.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"(http://localhost:\d+)/pair#(\S+)")
PORTS = (3000, 8000)
WORDS = " ".join(f"word-{n}" for n in range(60))


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Dev:
    """`scripts/dev.py` with all that it prints."""

    def __init__(self, home: Path) -> None:
        self.lines: list[str] = []
        environment = {**os.environ, "MAINLOOP_HOME": str(home), "MAINLOOP_AGENT": "scripted"}
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "scripts" / "dev.py")],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as out:
            self.lines.extend(out)

    def links(self) -> list[tuple[str, str]]:
        return LINK.findall("".join(self.lines))


@pytest.fixture
def dev(home: Path) -> Generator[Dev]:
    """A started `make dev`; ended by Ctrl-C."""
    if taken := [port for port in PORTS if listening(port)]:
        pytest.skip(f"somebody listens on {taken}, the ports of make dev")
    dev = Dev(home)
    yield dev
    dev.process.send_signal(signal.SIGINT)
    try:
        assert dev.process.wait(60) == 0, "".join(dev.lines)
    finally:
        dev.process.kill()
        dev.reader.join()
    assert not any(listening(port) for port in PORTS)


@pytest.mark.long
def test_make_dev_prints_one_link_to_the_page_and_restarts_the_server_under_a_running_agent(dev: Dev) -> None:
    eventually(dev.links, 120)
    [(origin, code)] = dev.links()
    assert origin == "http://localhost:3000"
    assert "<html" in httpx.get(origin, timeout=60).text
    assert httpx.get("http://localhost:8000/docs").status_code == 200

    # Signed in through the page's own port, as the browser does it; read from the server's, since the development
    # server answers 500 for a server that is away.
    person = Person(origin, code)
    person.http.base_url = "http://localhost:8000"
    with contextlib.closing(person.http):
        person.say(script({"text": WORDS, "words": True, "chunk_delay": 0.1}))
        person.until("the reply to begin", lambda: person.state()["open_messages"])
        (ROOT / "backend/src/mainloop/errors.py").touch()
        eventually(lambda: any("Restarting the server" in line for line in dev.lines), 60)
        assert person.until_turn_ended(1)["body"]["outcome"] == "completed"
        assert person.replies() == [WORDS]
    assert len(dev.links()) == 1
