"""The program `mainloop`: composition root and command line."""

import argparse
import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType

import sqlalchemy as sa
import uvicorn
from dotenv import dotenv_values
from fastapi import FastAPI
from pydantic import ValidationError

from mainloop import plugins
from mainloop.access.service import new_code
from mainloop.access.store import devices
from mainloop.app import VERSION, create_app, held_home, served_at
from mainloop.backup import export_home, import_home
from mainloop.changes.taking import take_over
from mainloop.db.engine import Row
from mainloop.db.opening import open_database, refuse_broken
from mainloop.doctor import Check, Thread, examine, look_at_threads, sqlite_trouble
from mainloop.environment import agent_environment
from mainloop.errors import MainloopError, PortTaken, UnknownSession
from mainloop.events.bell import Bell
from mainloop.events.unit import Database
from mainloop.projects import store as projects_store
from mainloop.projects.mirror import mirror_of
from mainloop.sessions import store as sessions_store
from mainloop.sessions.agents import AgentKinds
from mainloop.sessions.kept import bring_back, find_kept, list_kept
from mainloop.sessions.schemas import KeptSession
from mainloop.settings import Settings
from mainloop.system_service import SystemService

# Streams end by themselves when the server stops; this is for a client that does not let go (seconds).
LAST_WORDS = 2


class _Refused(Exception):
    """A sentence for the person; the program ends with it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status. What goes wrong is one sentence, not a trace."""
    given = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    for noisy in ("alembic", "httpx", "dbos"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        environment = _environment()
        return given.run(given, _settings(given, environment), environment)
    except _Refused as error:
        print(error, file=sys.stderr)
    except MainloopError as error:
        print(error.sentence, file=sys.stderr)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT  # as shells count it
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("mainloop", description="One conversation to manage all of your AI sessions.")
    commands = parser.add_subparsers(required=True, metavar="command")
    up = commands.add_parser("up", help="start the server")
    up.add_argument("--host", help="address to listen on (127.0.0.1)")
    up.add_argument("--port", type=int, help="port to listen on (8000)")
    up.add_argument("--demo", action="store_true", default=None, help="start straight into the demo agent")
    up.add_argument("--no-link", action="store_true", help="don't print a link that signs a browser in")
    up.set_defaults(run=_up)
    pair = commands.add_parser("pair", help="print a link that signs a browser in")
    pair.add_argument("--json", action="store_true", help="print {url, code}")
    pair.set_defaults(run=_pair)
    doctor = commands.add_parser("doctor", help="see what is there and what is missing")
    doctor.add_argument("--json", action="store_true", help="print {checks, threads}")
    doctor.set_defaults(run=_doctor)
    export = commands.add_parser("export", help="write everything into one file, also while it runs")
    export.add_argument("file", type=Path)
    export.add_argument("--home", type=Path, help="the home to export (MAINLOOP_HOME)")
    export.set_defaults(run=_export)
    bring = commands.add_parser("import", help="make a new home of an export")
    bring.add_argument("file", type=Path)
    bring.add_argument("--home", type=Path, help="the home to make (MAINLOOP_HOME)")
    bring.set_defaults(run=_import)
    service = commands.add_parser("service", help="let it come back after a reboot")
    service.add_argument("act", choices=("install", "uninstall", "status"))
    service.set_defaults(run=_service)
    restore = commands.add_parser("restore", help="list kept work of closed sessions, or bring it back")
    restore.add_argument("session", nargs="?", help="the session's handle or id; without one, what is kept is listed")
    restore.add_argument("--to", type=Path, help="a new or empty folder (its handle, here)")
    restore.add_argument("--json", action="store_true", help="print {kept}, or {path, branch, told}")
    restore.set_defaults(run=_restore)
    take = commands.add_parser("take", help="bring a session's branch into your own repository")
    take.add_argument("session", help="the session's handle or id")
    take.add_argument("--as", dest="branch", default="", help="the name of the branch there (its own)")
    take.add_argument("--json", action="store_true", help="print {branch, commit, folder}")
    take.set_defaults(run=_take)
    commands.add_parser("migrate", help="bring the database up to date").set_defaults(run=_migrate)
    commands.add_parser("openapi", help="print the API's document").set_defaults(run=_openapi)
    commands.add_parser("version", help="print the version").set_defaults(run=_version)
    return parser


def _environment() -> dict[str, str]:
    """The process's environment over an `.env` file in the folder where mainloop was started."""
    from_file = {name: value for name, value in dotenv_values(Path.cwd() / ".env").items() if value}
    return {**from_file, **os.environ}


def _settings(given: argparse.Namespace, environment: Mapping[str, str]) -> Settings:
    asked = {name: getattr(given, name, None) for name in ("host", "port", "demo", "home")}
    fields = Settings.model_fields
    found = {
        name.removeprefix("MAINLOOP_").lower(): value
        for name, value in environment.items()
        if name.startswith("MAINLOOP_") and name.removeprefix("MAINLOOP_").lower() in fields and value != ""
    }
    try:
        settings = Settings.model_validate({**found, **{k: v for k, v in asked.items() if v is not None}})
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:  # of the settings together
            raise _Refused(f"mainloop does not start: {first['msg'].removeprefix('Value error, ')}.") from None
        name = f"MAINLOOP_{'_'.join(map(str, first['loc'])).upper()}"
        raise _Refused(f"{name}={first['input']!r} can't be used: {first['msg']}. See docs/settings.md.") from None
    return settings.model_copy(update={"home": settings.home.expanduser().absolute()})


class _Server(uvicorn.Server):
    """Tells streams and polls to end before it waits for them, and rests between two seconds."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app
        self._awake: Callable[[], object] | None = None

    async def main_loop(self) -> None:
        """uvicorn would look ten times a second whether it is to end: a fifth of what a server at rest costs."""
        end = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._awake = lambda: loop.call_soon_threadsafe(end.set)
        while not await self.on_tick(0):  # what uvicorn does once a second, it does in its tick 0
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(end.wait(), 1)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        parts = getattr(self._app.state, "parts", None)
        if parts is not None:
            parts.stop()
        super().handle_exit(sig, frame)
        if self._awake is not None:
            self._awake()


def _up(given: argparse.Namespace, settings: Settings, environment: Mapping[str, str]) -> int:
    trouble = sqlite_trouble()
    if trouble and settings.database.startswith("sqlite"):
        raise _Refused(trouble)
    _refuse_taken_port(settings)
    refuse_broken(settings.database, settings.home, thorough=True)
    app = create_app(settings, environment)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        timeout_graceful_shutdown=LAST_WORDS,
        log_level="critical",
        access_log=False,
        server_header=False,
    )
    server = _Server(config, app)
    with held_home(settings):
        print(f"mainloop {VERSION} on {settings.base_url}, home {settings.home}", file=sys.stderr)
        if not given.no_link:
            print(_how_to_sign_in(settings), file=sys.stderr, flush=True)
        # uvicorn ends the program where the app does not start, before anybody has said why.
        with contextlib.suppress(SystemExit):
            server.run()
    if failure := getattr(app.state, "failure", None):
        raise failure
    return 0 if server.started else 1


def _how_to_sign_in(settings: Settings) -> str:
    """A link at the very first start; after that the command that prints one."""
    database = _database(settings)
    if database.read(devices):
        return "Sign another browser in with: mainloop pair"
    return f"Sign your browser in within ten minutes: {settings.base_url}/pair#{new_code(database)}"


def _refuse_taken_port(settings: Settings) -> None:
    """Before anything is opened or migrated. Raises PortTaken."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise PortTaken(port=settings.port, host=settings.host) from error


def _database(settings: Settings) -> Database:
    return Database(open_database(settings.database, settings.home), Bell())


def _pair(given: argparse.Namespace, settings: Settings, environment: Mapping[str, str]) -> int:
    code = new_code(_database(settings))
    url = f"{served_at(settings)}/pair#{code}"
    if given.json:
        print(json.dumps({"url": url, "code": code}))
    else:
        print(f"Open this link within ten minutes in the browser that you want to sign in:\n\n  {url}\n")
    return 0


def _doctor(given: argparse.Namespace, settings: Settings, environment: Mapping[str, str]) -> int:
    sandbox, _ = plugins.choose_sandbox(settings.sandbox)
    kinds = AgentKinds(settings, environment, confined=sandbox.confined)
    threads: list[Thread] = []
    try:
        database = _database(settings)
        workspaces = plugins.make_workspaces(settings.workspace, settings.home, sandbox)
        threads = database.read(lambda connection: look_at_threads(connection, workspaces))
        engine = database.engine
    except MainloopError as error:
        engine = error
    checks = examine(settings, agent_environment(environment, "claude"), sandbox, kinds, engine)
    if given.json:
        print(
            json.dumps(
                {
                    name: [one.model_dump() for one in found]
                    for name, found in (("checks", checks), ("threads", threads))
                }
            )
        )
    else:
        print("\n".join([*(_line(check) for check in checks), "", *(_thread_line(thread) for thread in threads)]))
    return 1 if any(check.level == "fail" for check in checks) or any(thread.wrong for thread in threads) else 0


def _line(check: Check) -> str:
    mark = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}[check.level]
    hint = f"\n{'':18}{check.hint}" if check.hint else ""
    return f"{mark}  {check.name:11} {check.text}{hint}"


def _thread_line(thread: Thread) -> str:
    mark = "FAIL" if thread.wrong else "ok  "
    process = f"process {thread.pid}" if thread.process else "no process"
    what = f"run {thread.run} {thread.state}, {process}, lock {'held' if thread.locked else 'free'}"
    wrong = f"\n{'':18}{thread.wrong}" if thread.wrong else ""
    return f"{mark}  {thread.name:24} {'works' if thread.working else 'rests'}; {what}{wrong}"


def _restore(given: argparse.Namespace, settings: Settings, environment: Mapping[str, str]) -> int:
    """Reads the database and the mirrors, and so works beside a running server and without one."""
    database = _database(settings)
    if given.session is None:
        kept = database.read(list_kept)
        if given.json:
            print(json.dumps({"kept": [one.model_dump(mode="json") for one in kept]}))
        else:
            print("\n".join(map(_kept_line, kept)) or "Nothing is kept: no session was closed yet.")
        return 0
    row = database.read(lambda c: find_kept(c, given.session))
    restored = bring_back(settings.home / "mirrors", row, given.to or Path.cwd() / row.handle)
    told = [*restored.told, *(said for said in row.left_out if said not in restored.told)]
    if given.json:
        print(json.dumps({"path": str(restored.path), "branch": restored.branch, "told": told}))
    else:
        on = f" on the branch {restored.branch}" if restored.branch else ""
        print("\n".join([f"{row.title} is in {restored.path}{on}, with {_files(row.files)} not committed.", *told]))
    return 0


def _take(given: argparse.Namespace, settings: Settings, environment: Mapping[str, str]) -> int:
    """Reads the database and the mirrors, too. What its agent has committed since its last turn ended is not in there."""

    def look(connection: sa.Connection) -> tuple[Row, Row]:
        session = sessions_store.find_by_name(connection, given.session)
        project = projects_store.find(connection, session.project_id) if session and session.project_id else None
        if session is None:
            raise UnknownSession(id=given.session)
        if project is None:
            raise _Refused("It has no branch of a project, so there is nothing to take over.")
        return session, project

    session, project = _database(settings).read(look)
    taken = take_over(mirror_of(settings.home / "mirrors", project.id), session, project.source, given.branch)
    if given.json:
        print(taken.model_dump_json())
    else:
        print(
            f"The branch {taken.branch} stands at {taken.commit[:12]} in {taken.folder}, checked out nowhere. "
            f"Look at it: git -C {taken.folder} switch {taken.branch}"
        )
    return 0


def _kept_line(kept: KeptSession) -> str:
    lines = [
        f"{kept.handle}  {kept.at.astimezone():%Y-%m-%d %H:%M}  {_files(kept.files)} not committed  {kept.title}",
        f"    id {kept.session_id}, {kept.project or 'no project'}{f', branch {kept.branch}' if kept.branch else ''}"
        f"{', its workspace is there again' if kept.state == 'back' else ''}",
    ]
    return "\n".join(lines)


def _files(count: int) -> str:
    return f"{count} file{'' if count == 1 else 's'}"


def _migrate(given: argparse.Namespace, settings: Settings, environment: Mapping[str, str]) -> int:
    _database(settings)
    print("The database is up to date.")
    return 0


def _export(given: argparse.Namespace, settings: Settings, environment: Mapping[str, str]) -> int:
    left_out = export_home(settings, given.file.absolute(), VERSION)
    for path in left_out:
        print(f"{path} can't be read and is not in it.", file=sys.stderr)
    print(f"{settings.home} is in {given.file}. Keep it safe: it holds every conversation and your files.")
    return 1 if left_out else 0


def _import(given: argparse.Namespace, settings: Settings, environment: Mapping[str, str]) -> int:
    import_home(settings, given.file.absolute())
    print(
        f"{settings.home} is made of {given.file}. Start it with MAINLOOP_HOME={settings.home} and pair your browsers "
        "anew; what was in the middle of a turn goes on at once, so stop the old one first."
    )
    return 0


def _service(given: argparse.Namespace, settings: Settings, environment: Mapping[str, str]) -> int:
    service = SystemService(settings.home, Path.cwd())
    acts = {"install": service.install, "uninstall": service.uninstall, "status": service.status}
    print("\n".join(acts[given.act]()))
    return 0


def _openapi(given: argparse.Namespace, settings: Settings, environment: Mapping[str, str]) -> int:
    print(json.dumps(create_app(settings, environment).openapi(), indent=2, sort_keys=True))
    return 0


def _version(given: argparse.Namespace, settings: Settings, environment: Mapping[str, str]) -> int:
    print(VERSION)
    return 0


if __name__ == "__main__":
    sys.exit(main())
