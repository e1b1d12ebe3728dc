"""Measures of changes: a look into a workspace, and the lines of files in a browser."""

import json
import statistics
import subprocess
import time
import uuid
from pathlib import Path
from typing import Any, Final

from measured import HERE, Row, folder, ours, ratio

from mainloop.testing.repositories import Repository
from mainloop.testing.server import Person, ServerProcess

LOOKS: Final = 7
FILES: Final = 5000

_PART: Final = 'def part_{n}(value: int) -> str:\n    return f"{{value}} of {n}" if value > {n} else "none"\n'


def changes() -> list[Row]:
    """A look at five thousand files, fifty looks at workspaces, twenty files of a hundred lines in a browser."""
    with folder() as at:
        source = Repository.make(at / "source")
        source.commit("many", {f"p{n % 50}/file{n}.py": f"before = {n}\n" for n in range(FILES)})
        few = {f"few/part{n:02}.py": _PART.format(n=n) * 50 for n in range(1, 21)}
        with ours(ServerProcess(at / "home", {"MAINLOOP_MAX_ALIVE": "20"})) as server:
            person = server.person()
            project = person.post("/api/projects", {"source": str(source.path)})["id"]
            person.until(
                "the project", lambda: all(p["state"] == "ready" for p in person.get("/api/projects")["projects"])
            )
            changed, many = (_session(server, person, project) for _ in range(2))
            _write(changed[1], few)
            _write(many[1], {f"p{n % 50}/file{n}.py": f"after = {n}\n" for n in range(FILES)})
            first = _look(person, many[0])
            again = statistics.median(_look(person, many[0]) for _ in range(LOOKS))
            status = statistics.median(_status(many[1]) for _ in range(LOOKS))
            several = [_session(server, person, project) for _ in range(8)]
            for ident, _ in several:
                _look(person, ident)
            each = statistics.median(_look(person, ident) for ident, _ in several)
            link = json.loads(server.run("pair", "--json").stdout)["url"]
            found = _browser(link, changed[0], many[0])
            person.http.close()
    return [
        Row("change of 5,000 files, first look", f"{first:.0f} ms", "", "", ""),
        Row(
            "change of 5,000 files, a look again",
            f"{again:.0f} ms",
            f"{status:.0f} ms",
            ratio(again, status),
            "",
        ),
        Row("change of nothing in a workspace of 5,000 files, a look again", f"{each:.0f} ms", "", "", ""),
        Row("change, 20 files of 100 lines, CPU in the browser", f"{found['twenty']:.0f} ms", "", "", "200 ms"),
        Row(
            "change, the tree of 5,000 files, click to rows",
            f"{found['tree']['ms']:.0f} ms ({found['tree']['cpu']:.0f} ms CPU, {found['rows']} row found)",
            "",
            "",
            "",
        ),
    ]


def _session(server: ServerProcess, person: Person, project: str) -> tuple[str, Path]:
    """A session whose agent is done; its workspace."""
    ident = str(uuid.uuid4())
    person.post("/api/sessions", {"id": ident, "prompt": "Say hello.", "project": project})
    person.until("the end of its turn", lambda: person.get(f"/api/sessions/{ident}")["state"] == "idle")
    return ident, server.home / "threads" / ident / "workspace"


def _write(workspace: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (workspace / name).parent.mkdir(exist_ok=True)
        (workspace / name).write_text(text)


def _look(person: Person, session: str) -> float:
    began = time.perf_counter()
    person.get(f"/api/sessions/{session}/diff")
    return 1000 * (time.perf_counter() - began)


def _status(workspace: Path) -> float:
    """What git itself takes to say what has changed there, and by how many lines."""
    began = time.perf_counter()
    for command in (["status", "--porcelain"], ["diff", "--numstat"]):
        subprocess.run(["git", *command], cwd=workspace, check=True, capture_output=True)
    return 1000 * (time.perf_counter() - began)


def _browser(link: str, few: str, many: str) -> dict[str, Any]:
    command = ["node", str(HERE / "changes.mjs"), link, few, many]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent, check=False, timeout=300)
    if done.returncode:
        why = [line for line in done.stderr.splitlines() if "Error" in line]
        raise RuntimeError(why[0].strip() if why else "the browser ended")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


ROWS: Final = {"changes": changes}
