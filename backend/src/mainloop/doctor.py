"""What is there, what is missing, what to do: each check really tries the thing."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.exc import DBAPIError

from mainloop.errors import MainloopError
from mainloop.http.page import find_page
from mainloop.runs import store as runs_store
from mainloop.runs.service import HOST
from mainloop.sandboxes.base import Sandbox
from mainloop.sessions import store as sessions_store
from mainloop.sessions.agents import AgentKinds, claude_program
from mainloop.settings import Settings
from mainloop.workspaces.base import Workspaces, process_lives

# Below this, new work is refused sooner or later (bytes).
LITTLE_ROOM: Final = 2 * 1024**3
CLI_SECONDS: Final = 30
# What merging needs.
_GIT: Final = (2, 38)


class Check(BaseModel):
    """One thing that was looked at. `warn`: mainloop runs without it."""

    name: str
    ok: bool
    level: Literal["ok", "warn", "fail"]
    text: str
    hint: str = ""


class Checks(BaseModel):
    checks: list[Check]


class Thread(BaseModel):
    """What the database says of a thread's newest run, beside what this machine says."""

    id: str
    name: str
    working: bool
    run: int
    state: str
    host: str
    pid: int | None
    # Whether that process lives, and whether anybody holds the thread's lock.
    process: bool
    locked: bool
    wrong: str = ""


def examine(
    settings: Settings,
    environment: Mapping[str, str],
    sandbox: Sandbox,
    kinds: AgentKinds,
    database: sa.Engine | MainloopError,
) -> list[Check]:
    """All checks, in the order in which one would mend them. `database`: or why it can't be opened."""
    return [
        _python(),
        _home(settings.home),
        _database(database),
        _git(),
        _sandbox(sandbox),
        _page(),
        _claude(environment, settings.home),
        _credentials(kinds),
    ]


def _check(name: str, ok: bool, text: str, hint: str = "", *, must: bool = True) -> Check:
    return Check(name=name, ok=ok, level="ok" if ok else ("fail" if must else "warn"), text=text, hint=hint)


def sqlite_trouble() -> str:
    """Why DBOS can't run on this Python with this SQLite; empty where it can."""
    if sys.version_info >= (3, 12) and sqlite3.sqlite_version_info < (3, 42):
        return (
            f"Python {sys.version_info.major}.{sys.version_info.minor} needs SQLite 3.42 or newer here, and this one "
            f"has {sqlite3.sqlite_version}. Use Python 3.11, a Python built with a newer SQLite, or PostgreSQL."
        )
    return ""


def _python() -> Check:
    trouble = sqlite_trouble()
    text = f"Python {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}."
    return _check("python", not trouble, trouble or text, "See docs/settings.md for PostgreSQL." if trouble else "")


def _home(home: Path) -> Check:
    free = shutil.disk_usage(home).free
    if not os.access(home, os.W_OK):
        return _check("home", False, f"{home} can't be written to.", "Mend its permissions, or set MAINLOOP_HOME.")
    return _check(
        "home",
        free > LITTLE_ROOM,
        f"{home}, {free / 1024**3:.0f} GB free.",
        "" if free > LITTLE_ROOM else "Free some space: below 2 GB sessions soon can't write.",
        must=False,
    )


def _database(engine: sa.Engine | MainloopError) -> Check:
    if isinstance(engine, MainloopError):
        return _check("database", False, engine.sentence, "See docs/guides/backup.md.")
    try:
        with engine.connect() as connection:
            connection.execute(sa.text("SELECT 1"))
            if engine.dialect.name == "sqlite":
                found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
                if found != "ok":
                    return _check("database", False, f"The database file is damaged: {found}", "Restore a backup.")
    except DBAPIError as error:
        return _check("database", False, f"The database can't be reached: {error.orig}", "See MAINLOOP_DATABASE_URL.")
    return _check("database", True, f"{'SQLite' if engine.dialect.name == 'sqlite' else 'PostgreSQL'} answers.")


def _git() -> Check:
    if shutil.which("git") is None:
        return _check("git", False, "git is missing.", "Install git; sessions in a project need it.")
    version = subprocess.run(["git", "--version"], capture_output=True, text=True, check=False).stdout.strip()
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if numbers and numbers < _GIT:
        text = f"{version} is too old: changes can't be merged with it."
        return _check("git", False, text, f"Install git {_GIT[0]}.{_GIT[1]} or newer.", must=False)
    return _check("git", True, f"{version}.")


def _sandbox(sandbox: Sandbox) -> Check:
    probe = sandbox.probe()
    return _check("sandbox", probe.ok and sandbox.confined, probe.text, probe.hint, must=False)


def _page() -> Check:
    page = find_page()
    return _check(
        "page",
        page is not None,
        "The page is built." if page else "The page is not built.",
        "" if page else "Run `make build`.",
        must=False,
    )


def _claude(environment: Mapping[str, str], home: Path) -> Check:
    """Really starts the CLI; `auth status` asks nobody and needs no network."""
    program = claude_program()
    if program is None:
        return _check("claude", False, "Claude's program is missing.", "Install mainloop again.", must=False)
    config = home / "doctor"
    env = {**environment, "HOME": str(config), "CLAUDE_CONFIG_DIR": str(config), "DISABLE_AUTOUPDATER": "1"}
    try:
        config.mkdir(exist_ok=True)
        version = subprocess.run(
            [program, "--version"], capture_output=True, text=True, check=True, timeout=CLI_SECONDS, env=env
        )
        status = subprocess.run(
            [program, "auth", "status"], capture_output=True, text=True, check=False, timeout=CLI_SECONDS, env=env
        )
        signed_in = json.loads(status.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        return _check("claude", False, f"Claude's program does not start: {error}", "Install mainloop again.")
    text = f"Claude Code {version.stdout.split()[0]} starts"
    if signed_in.get("loggedIn"):
        return _check("claude", True, f"{text} and is signed in ({signed_in.get('authMethod')}).")
    return _check("claude", False, f"{text}, but is not signed in.", "See the line about credentials.", must=False)


def _credentials(kinds: AgentKinds) -> Check:
    found = kinds.credentials()
    return _check("credentials", found.found, found.text, found.hint, must=False)


# -- threads -----------------------------------------------------------------------------------------------------
def look_at_threads(connection: sa.Connection, workspaces: Workspaces) -> list[Thread]:
    """Every thread, its newest run, the process of that and the lock, and what does not go together."""
    found: list[Thread] = []
    for row in runs_store.newest_runs(connection):
        session = sessions_store.find(connection, row.thread_id)
        thread = Thread(
            id=row.thread_id,
            name=session.handle if session else row.thread_id,
            working=row.working,
            run=row.run,
            state=row.state or "none",
            host=row.host or "",
            pid=row.pid,
            process=row.pid is not None and process_lives(row.pid),
            locked=workspaces.alive(row.thread_id),
        )
        found.append(thread.model_copy(update={"wrong": _what_is_wrong(thread)}))
    return found


def _what_is_wrong(thread: Thread) -> str:
    alive = thread.state in ("starting", "live")
    if alive and thread.host != HOST:
        return f"Its runner belongs to the machine {thread.host}, which only a server there can see."
    if alive and not thread.locked:
        return "Its runner is gone. A running server starts another within seconds; else start one with `mainloop up`."
    if thread.locked and not alive:
        return "A runner holds its lock that should have ended. It ends when it next asks a running server."
    if thread.locked and thread.pid is not None and not thread.process:
        return "Its lock is held, but not by the process of its run. End whoever holds it: `fuser` names them."
    return ""
