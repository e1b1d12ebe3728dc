"""Measures of projects: the first fetch of a large one, a session's start on it, fifty workspaces of it at rest."""

import random
import statistics
import subprocess
import time
import uuid
from datetime import datetime
from pathlib import Path
from typing import Final

from measured import HERE, Row, cpu_of, folder, ours, pid_of, ratio

from mainloop.testing.server import Person, ServerProcess, script

MB: Final = 2**20
SIZE: Final = 1024 * MB
COMMITS: Final = 20_000
FILES: Final = 5000
TIMES: Final = 3
WORKSPACES: Final = 50
REST: Final = 10.0
_WRITES: Final = {"tools": [{"name": "Bash", "input": {"command": "echo measured > measured.txt"}}]}


def projects() -> list[Row]:
    """A gigabyte in twenty thousand commits, by an address; then sessions on it, with the scripted agent in its real runner."""
    with folder() as at:
        large_repository(at / "large.git")
        address = (at / "large.git").as_uri()
        plain = _seconds("clone", "--quiet", "--mirror", address, str(at / "plain.git"))
        shared = statistics.median(
            _seconds("clone", "--quiet", "--shared", str(at / "plain.git"), str(at / f"shared{n}"))
            for n in range(TIMES)
        )
        more = {"MAINLOOP_MAX_ALIVE": "100", "MAINLOOP_COMMANDS": "allow"}
        with ours(ServerProcess(at / "home", more)) as server:
            person = server.person()
            began = time.perf_counter()
            project = person.post("/api/projects", {"source": address})["id"]
            person.until(
                "the project",
                lambda: all(p["state"] == "ready" for p in person.get("/api/projects")["projects"]),
                patience=900,
            )
            mirrored = time.perf_counter() - began
            empty = _at_rest(server)
            started = statistics.median(_start(person, project) for _ in range(TIMES))
            shown, ended = _shown(server, person, project)
            for _ in range(WORKSPACES - TIMES - 1):
                _start(person, project)
            person.until("all to be kept", lambda: _kept(person) >= WORKSPACES, patience=300)
            alive = _at_rest(server)
            _park(person)
            parked = _at_rest(server)
            listed = statistics.median(_listed(person) for _ in range(10))
            person.http.close()
    return [
        Row("first fetch of a gigabyte", f"{mirrored:.1f} s", f"{plain:.1f} s", ratio(mirrored, plain), ""),
        Row(
            "a session's start on a gigabyte",
            f"{started:.2f} s",
            f"{shared:.2f} s",
            ratio(started, shared),
            "seconds",
        ),
        Row("start → the agent's change on the screen", f"{shown:.2f} s", f"{ended:.2f} s", ratio(shown, ended), ""),
        *(
            Row(
                f"{WORKSPACES} workspaces at rest, {agents}: CPU per second",
                f"{1000 * used:.1f} ms",
                f"{1000 * empty:.1f} ms",
                ratio(used, empty),
                "",
            )
            for agents, used in (("an agent alive in each", alive), ("all parked", parked))
        ),
        Row(f"how {WORKSPACES} workspaces stand, in one list", f"{1000 * listed:.1f} ms", "", "", ""),
    ]


def large_repository(path: Path) -> None:
    """Of bytes that can't be made smaller, so that its size is what is moved."""
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", path], check=True)
    command = ["git", "--git-dir", path, "-c", "core.compression=0", "fast-import", "--quiet"]
    dice = random.Random(7)
    names = [f"d{n % 50}/f{n}" for n in range(FILES)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as importing:
        assert importing.stdin
        for commit in range(COMMITS):
            stamp = f"committer A <a@b> {1_600_000_000 + commit} +0000"
            importing.stdin.write(f"commit refs/heads/main\n{stamp}\ndata 1\nx\n".encode())
            for _ in range(3):
                body = dice.randbytes(SIZE // COMMITS // 3)
                importing.stdin.write(f"M 644 inline {dice.choice(names)}\ndata {len(body)}\n".encode() + body + b"\n")
    if importing.returncode:
        raise RuntimeError("git made no repository")


def _seconds(*command: str) -> float:
    began = time.perf_counter()
    subprocess.run(["git", *command], check=True, capture_output=True)
    return time.perf_counter() - began


def _start(person: Person, project: str) -> float:
    """From the request to the start of its turn."""
    ident = str(uuid.uuid4())
    began = time.perf_counter()
    person.post("/api/sessions", {"id": ident, "prompt": "Say hello.", "project": project})
    person.until("its turn", lambda: person.get(f"/api/sessions/{ident}")["turn"] > 0)
    return time.perf_counter() - began


def _kept(person: Person) -> int:
    """Sessions with which nothing is left to do."""
    idle = [s["id"] for s in person.get("/api/sessions")["sessions"] if s["state"] == "idle"]
    turns = (person.get(f"/api/sessions/{ident}/turns")["turns"] for ident in idle)
    return sum(bool(found) and found[0]["state"] == "kept" for found in turns)


def _park(person: Person) -> None:
    """End every agent, as half an hour of nothing does."""
    for session in person.get("/api/sessions")["sessions"]:
        person.post(f"/api/sessions/{session['id']}/park", {})
    person.until("all to be parked", lambda: all(s["parked"] for s in person.get("/api/sessions")["sessions"]))


def _shown(server: ServerProcess, person: Person, project: str) -> tuple[float, float]:
    """From the request to the line that the agent wrote, in a browser that follows; and to the end of its turn."""
    link = server.run("pair", "--json").stdout
    command = ["node", str(HERE / "starting.mjs"), link]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE.parent) as page:
        assert page.stdin
        assert page.stdout
        if page.stdout.readline() != "ready\n":
            raise RuntimeError("the browser ended")
        ident = str(uuid.uuid4())
        began = time.perf_counter()
        prompt = script(_WRITES, {"text": "Written."})
        person.post("/api/sessions", {"id": ident, "title": "Measured", "prompt": prompt, "project": project})
        page.stdin.write(f"{ident}\n")
        page.stdin.flush()
        if page.stdout.readline() != "shown\n":
            raise RuntimeError("the browser did not show it")
        shown = time.perf_counter() - began
    (end,) = [event for event in person.events(ident) if event["kind"] == "turn_ended"]
    begun = person.get(f"/api/sessions/{ident}")["created_at"]
    return shown, (datetime.fromisoformat(end["at"]) - datetime.fromisoformat(begun)).total_seconds()


def _at_rest(server: ServerProcess) -> float:
    time.sleep(3)
    before = cpu_of(pid_of(server))
    time.sleep(REST)
    return (cpu_of(pid_of(server)) - before) / REST


def _listed(person: Person) -> float:
    began = time.perf_counter()
    person.get("/api/sessions")
    return time.perf_counter() - began


ROWS: Final = {"projects": projects}
