"""A whole server as a process, for tests that start, kill and restart it, and a person who talks to it over HTTP."""

import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol, Self

import httpx

from mainloop.testing import divided
from mainloop.testing.keep_out import kept_out

START_SECONDS: Final = 60
PATIENCE: Final = 60.0
STEP: Final = 0.05
PROGRAM: Final[tuple[str, ...]] = ("-m", "mainloop.main")


def free_port() -> int:
    """A port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def client(url: str, *, timeout: float = PATIENCE, **more: Any) -> httpx.Client:
    """For a server on this machine. What it says is not encrypted, and loading certificates costs more than a test."""
    return httpx.Client(base_url=url, timeout=timeout, verify=False, **more)


def script(*steps: dict[str, Any]) -> str:
    """A message that tells the scripted agent, or the scripted model behind a real one, what to do."""
    return f"[[script]]{json.dumps(list(steps))}[[/script]]"


class Started(Protocol):
    """A process that was started."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float) -> int: ...
    def send_signal(self, sig: signal.Signals) -> None: ...


class ServerProcess:
    """`mainloop up` on a home of its own. Never touches the default home."""

    # Whether it is divided off a process that has loaded the program: cheaper, and no measure of a start.
    divides = False

    def __init__(self, home: Path, settings: Mapping[str, str] | None = None, port: int = 0) -> None:
        self.home = home
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: Started | None = None
        # What Python runs; a test may put something around the program.
        self.program: tuple[str, ...] = PROGRAM
        self._settings = {
            "MAINLOOP_AGENT": "scripted",
            "MAINLOOP_USER": "sam",
            # Not what this machine's memory allows.
            "MAINLOOP_MAX_ALIVE": "10",
            # Nothing is found by the clock, or it would be found at another moment each time.
            "MAINLOOP_LOOK_MINUTES": "0",
            **(settings or {}),
            "MAINLOOP_HOME": str(home),
            "MAINLOOP_PORT": str(self.port),
        }

    @property
    def environment(self) -> dict[str, str]:
        """What the program is started with: this process's environment without mainloop's own settings."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MAINLOOP_", "ANTHROPIC_", "CLAUDE"))}
        return {**kept, **kept_out(os.environ), **self._settings}

    def start(self) -> Self:
        """Start and wait until it answers."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.spawn()
        until = time.monotonic() + START_SECONDS
        with client(self.url, timeout=5) as http:
            while True:
                assert self.process is not None
                assert self.process.poll() is None, f"the server ended: {self.log()[-3000:]}"
                with contextlib.suppress(httpx.TransportError):
                    if http.get("/api/health").status_code == 200:
                        return self
                assert time.monotonic() < until, f"the server did not start: {self.log()[-3000:]}"
                time.sleep(STEP)

    def spawn(self) -> None:
        """Start it and don't wait."""
        path = self.home / "server.log"
        if self.divides and self.program == PROGRAM:
            self.process = divided.Divided(["up"], self.environment, self.home, path, path)
            return
        with path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.program, "up"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment,
                cwd=self.home,
                start_new_session=True,
            )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Another command of the program, on the same home."""
        if self.divides:
            return divided.run(arguments, self.environment, self.home, START_SECONDS)
        return subprocess.run(
            [sys.executable, *PROGRAM, *arguments],
            capture_output=True,
            text=True,
            env=self.environment,
            cwd=self.home,
            check=False,
            timeout=START_SECONDS,
        )

    def kill(self, sig: signal.Signals = signal.SIGKILL) -> None:
        """End the server alone; runners are no part of it."""
        assert self.process is not None
        self.process.send_signal(sig)
        self.process.wait(timeout=20)

    def log(self) -> str:
        path = self.home / "server.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def runners(self) -> list[int]:
        """Process ids of every runner of this home."""
        mark = str(self.home / "threads").encode()
        found: list[int] = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                line = (entry / "cmdline").read_bytes()
                if mark in line and b"mainloop_agent" in line and b"bwrap" not in line.split(b"\0")[0]:
                    found.append(int(entry.name))
        return found

    def stop(self) -> None:
        """End everything of this home, runners too."""
        if self.process is not None and self.process.poll() is None:
            self.kill()
        for pid in self.runners():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def person(self) -> "Person":
        """Pair a browser and hand it out."""
        done = self.run("pair", "--json")
        assert done.returncode == 0, done.stderr
        return Person(self.url, json.loads(done.stdout)["code"])


class Person:
    """Somebody at a browser, without the browser: speaks the API the page speaks."""

    def __init__(self, url: str, code: str) -> None:
        self.url = url
        self.http = client(url)
        paired = self.http.post("/api/pair", json={"code": code, "name": "test"})
        assert paired.status_code == 200, paired.text
        self.device: dict[str, str] = paired.json()["device"]
        self.http.headers["X-Mainloop-Key"] = paired.json()["key"]

    def get(self, path: str, **params: Any) -> Any:
        answer = self.http.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Mapping[str, Any] | None = None, *, expect: int | None = None) -> Any:
        answer = self.http.post(path, json=dict(body or {}))
        if expect is not None:
            assert answer.status_code == expect, answer.text
        else:
            assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def put(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        answer = self.http.put(path, json=dict(body or {}))
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def say(self, text: str, thread: str = "main", mode: str = "queue", message_id: str | None = None) -> str:
        """Send a message; its id."""
        ident = message_id or str(uuid.uuid4())
        self.post(f"/api/threads/{thread}/messages", {"id": ident, "text": text, "mode": mode})
        return ident

    def state(self) -> Any:
        return self.get("/api/state")

    def events(self, thread: str = "main") -> list[dict[str, Any]]:
        """A thread's whole log, oldest first."""
        found: list[dict[str, Any]] = []
        while True:
            page = self.get(f"/api/threads/{thread}/events", after=found[-1]["seq"] if found else 0, limit=500)
            found += page["events"]
            if not page["more"]:
                return found

    def until(self, what: str, look: Callable[[], Any], patience: float = PATIENCE) -> Any:
        """Look again and again until `look` finds something; it is handed back."""
        until = time.monotonic() + patience
        while True:
            with contextlib.suppress(httpx.TransportError):
                found = look()
                if found:
                    return found
            assert time.monotonic() < until, f"waited in vain for {what}"
            time.sleep(STEP)

    def until_event(self, what: str, fits: Callable[[dict[str, Any]], bool], thread: str = "main") -> dict[str, Any]:
        """The first event of a thread that fits."""
        return self.until(what, lambda: next((e for e in self.events(thread) if fits(e)), None))

    def replies(self, thread: str = "main") -> list[str]:
        """What the agent of a thread said, in order."""
        return [
            e["body"]["text"]
            for e in self.events(thread)
            if e["kind"] == "message" and e["body"]["role"] == "assistant"
        ]

    def until_turn_ended(self, turn: int, thread: str = "main") -> dict[str, Any]:
        return self.until_event(
            f"the end of turn {turn} of {thread}",
            lambda e: e["kind"] == "turn_ended" and e["body"]["turn"] == turn and e["body"]["outcome"] != "deferred",
            thread,
        )

    def until_session(self, session_id: str, *states: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            session = self.get(f"/api/sessions/{session_id}")
            return session if session["state"] in states else None

        return self.until(f"session {session_id} to be {' or '.join(states)}", look)

    def until_item(self, fits: Callable[[dict[str, Any]], bool] = lambda _: True) -> dict[str, Any]:
        """The first open item that fits."""
        return self.until("an item", lambda: next((i for i in self.get("/api/inbox")["items"] if fits(i)), None))

    def answer(self, item_id: str, decision: str, **more: Any) -> Any:
        return self.post(f"/api/inbox/{item_id}/answer", {"id": str(uuid.uuid4()), "decision": decision, **more})

    @contextlib.contextmanager
    def follow(self, after: str, **params: str) -> Generator["Follower"]:
        """The event stream behind a cursor."""
        follower = Follower(self, after, params)
        try:
            yield follower
        finally:
            follower.close()


def frames(lines: Iterable[str]) -> Generator[tuple[str, str, Any]]:
    """The frames of an event stream as (event, id, data), as they come."""
    name, ident, data = "message", "", ""
    for line in lines:
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "id":
            ident = value
        elif field == "data":
            data = value
        elif not line and data:
            yield name, ident, json.loads(data)
            name, ident, data = "message", "", ""


class Follower:
    """Reads the event stream in a thread of its own; frames arrive in a queue."""

    def __init__(self, person: Person, after: str, params: Mapping[str, str]) -> None:
        self._frames: queue.Queue[tuple[str, str, Any]] = queue.Queue()
        self._client = client(person.url, headers=person.http.headers, cookies=person.http.cookies)
        self._params = {"after": after, **params}
        self._closed = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with (
            contextlib.suppress(httpx.HTTPError, RuntimeError),
            self._client.stream("GET", "/api/events", params=self._params) as answer,
        ):
            for frame in frames(answer.iter_lines()):
                self._frames.put(frame)

    def next(self, patience: float = PATIENCE) -> tuple[str, str, Any]:
        """The next frame as (event, id, data)."""
        return self._frames.get(timeout=patience)

    def until(self, fits: Callable[[str, Any], bool]) -> list[tuple[str, str, Any]]:
        """All frames up to the first that fits."""
        found: list[tuple[str, str, Any]] = []
        while True:
            found.append(self.next())
            if fits(found[-1][0], found[-1][2]):
                return found

    def close(self) -> None:
        self._closed = True
        self._client.close()
