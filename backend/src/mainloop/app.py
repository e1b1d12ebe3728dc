"""The FastAPI app: what there is, composed once; its life; each feature's routes."""

import asyncio
import contextlib
import fcntl
import importlib.metadata
import logging
import os
import time
import uuid
from collections.abc import AsyncGenerator, Generator, Mapping
from typing import IO, Final
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from pydantic import BaseModel

from mainloop import plugins
from mainloop.access.routes import router as access_routes
from mainloop.access.service import CurrentDevice, Door
from mainloop.attention.routes import router as attention_routes
from mainloop.attention.service import Attention
from mainloop.changes.bases import Bases
from mainloop.changes.by_hand import ByHand
from mainloop.changes.checks import ChangeChecks
from mainloop.changes.life import Life
from mainloop.changes.routes import life_router as life_routes
from mainloop.changes.routes import router as changes_routes
from mainloop.changes.service import Changes
from mainloop.conversation import search
from mainloop.conversation.inbox_tools import InboxTools
from mainloop.conversation.presence import Presence
from mainloop.conversation.routes import router as conversation_routes
from mainloop.conversation.service import Conversation
from mainloop.conversation.tools import DeskTools
from mainloop.db.engine import make_engine
from mainloop.db.home import claim
from mainloop.db.listen import listen_forever
from mainloop.db.migrate import migrate
from mainloop.db.opening import refuse_broken
from mainloop.db.store import adopt_runs, ensure_installation
from mainloop.doctor import Checks, examine
from mainloop.durable.janitor import Janitor
from mainloop.durable.phases import Phases
from mainloop.environment import agent_environment
from mainloop.errors import HomeInUse
from mainloop.events.bell import Bell
from mainloop.events.deltas import OpenMessages
from mainloop.events.feed import Feed
from mainloop.events.status import Statuses
from mainloop.events.unit import CHANNEL, Database
from mainloop.http import docs, problems
from mainloop.http.compressed import Compressed
from mainloop.http.guard import Guard
from mainloop.http.page import PageFiles, find_page
from mainloop.inbox.routes import router as inbox_routes
from mainloop.inbox.service import Inbox
from mainloop.permissions.ceilings import Ceilings
from mainloop.permissions.routes import router as permissions_routes
from mainloop.permissions.standing import StandingPermissions
from mainloop.projects.routes import router as projects_routes
from mainloop.projects.service import Projects
from mainloop.runs import attachments
from mainloop.runs import phases as run_phases
from mainloop.runs.look import LookAtRuns
from mainloop.runs.registry import Registry
from mainloop.runs.routes import router as runner_routes
from mainloop.runs.service import HOST, Runs
from mainloop.runs.shortcut import Shortcut
from mainloop.schedules.routes import router as schedule_routes
from mainloop.schedules.service import ScheduleBook
from mainloop.sessions import phases as session_phases
from mainloop.sessions.agents import AgentKinds
from mainloop.sessions.kept_turns import KeptTurns
from mainloop.sessions.launch import Launcher
from mainloop.sessions.moves import Moves
from mainloop.sessions.order import Order
from mainloop.sessions.progress import Progress
from mainloop.sessions.routes import kept_router as kept_routes
from mainloop.sessions.routes import router as sessions_routes
from mainloop.sessions.service import Sessions
from mainloop.sessions.turn_routes import overlaps_router as overlaps_routes
from mainloop.sessions.turn_routes import router as turn_routes
from mainloop.settings import Settings
from mainloop.spending.routes import router as spending_routes
from mainloop.spending.service import Spending
from mainloop.watches.routes import router as watch_routes
from mainloop.watches.service import Watches
from mainloop.workspaces.base import Workspaces

log = logging.getLogger(__name__)
VERSION: Final = importlib.metadata.version("mainloop")
LOCALHOSTS: Final = ("localhost", "127.0.0.1", "::1")


class Health(BaseModel):
    status: str
    version: str


class Parts:
    """Everything the server is made of. `environment`: what it was started with, its `.env` included."""

    def __init__(self, settings: Settings, environment: Mapping[str, str]) -> None:
        self.settings = settings
        self.environment = environment
        self.version = VERSION
        self.stopping = False
        self.bell = Bell()
        self.database = Database(make_engine(settings.database), self.bell)
        self.door = Door(self.database)
        self.open_messages = OpenMessages(self.database)
        self.statuses = Statuses(self.bell)
        self.feed = Feed(self.database)
        # On SQLite one server at a time holds the home, so a fixed name lets it recover its own work. On PostgreSQL
        # each start is another executor; the janitors recover what a dead one left.
        self.single = self.database.engine.dialect.name == "sqlite"
        self.phases = Phases(self.database, "local" if self.single else f"{HOST}-{uuid.uuid4().hex[:8]}")
        self.sandbox, self.sandbox_probe = plugins.choose_sandbox(settings.sandbox)
        self.registry = Registry()
        self.runs = Runs(settings, self.database, self.open_messages, self.statuses, self.phases, self.registry)
        self.projects = Projects(self.database, self.phases, settings.home / "mirrors")
        self.standing = StandingPermissions(self.projects)
        self.inbox = Inbox(self.runs, self.standing)
        self.kinds = AgentKinds(settings, environment, confined=self.sandbox.confined)
        self.workspaces: Workspaces = plugins.make_workspaces(settings.workspace, settings.home, self.sandbox)
        ceilings = Ceilings(settings, self.workspaces.has_room)
        moves = Moves(self.runs, ceilings)
        self.spending = Spending(settings, self.runs, self.inbox, ceilings)
        self.sessions = Sessions(self.runs, self.inbox, self.projects, ceilings, self.kinds, moves)
        self.order = Order(self.runs, self.inbox, self.projects, self.sessions, moves)
        self.kept_turns = KeptTurns(self.runs, self.projects, self.workspaces, self.sessions, moves)
        self.changes = Changes(self.database, self.projects, self.workspaces)
        self.checks = ChangeChecks(self.runs, self.projects, self.workspaces, environment)
        self.life = Life(self.runs, self.inbox, self.projects, self.sessions, moves, self.checks)
        self.changes_by_hand = ByHand(
            self.life, self.runs, self.projects, self.workspaces, self.sessions, moves, self.checks
        )
        self.bases = Bases(self.runs, self.projects, self.life)
        self.conversation = Conversation(settings, self.runs, self.sessions, self.inbox, self.kinds)
        self.database.along_with_events(search.keep)
        self.presence = Presence(settings, self.inbox)
        self.attention = Attention(
            settings, self.database, self.inbox, self.statuses, self.phases, plugins.make_notifier
        )
        self.attention.on_digest(self.presence.digest)
        launcher = Launcher(self.database, self.projects, self.workspaces, settings.server_url, environment)
        self.inbox.register(self.registry)
        Progress(self.runs, self.inbox, moves, self.sessions, self.spending).register(self.registry)
        self.kept_turns.register(self.registry)
        self.conversation.register(self.registry)
        DeskTools(self.runs, self.sessions, self.order, ceilings).register(self.registry)
        InboxTools(self.inbox).register(self.registry)
        self.schedules = ScheduleBook(settings, self.runs)
        self.schedules.register(self.registry)
        self.spending.register(self.registry)
        self.watches = Watches(self.inbox, moves)
        self.watches.register(self.registry)
        self.database.before_events(self.watches.look)
        self.projects.define_phases()
        self.order.register()
        self.life.register()
        self.checks.define_phases()
        self.bases.define_phases()
        self.attention.define_phases()
        run_phases.define(self.runs, launcher)
        session_phases.define(self.sessions, self.runs, self.projects, self.workspaces, self.kept_turns)
        self.janitor = Janitor(self.database, self.phases, HOST)
        self.janitor.every_beat(LookAtRuns(self.runs, launcher, self.phases, self.janitor.awake))
        self.janitor.every_hour(attachments.forget_unsent)
        self.janitor.every_hour(self.attention.tidy)
        self.janitor.after_events(moves.look_for_slots)
        self.janitor.after_events(self.spending.look)
        self.janitor.after_events(self.attention.look)
        self.janitor.after_events(self.schedules.look)
        self.janitor.after_events(self.bases.look)
        self.janitor.every_beat(self.inbox.look)
        self.janitor.every_beat(self.checks.look)

    def stop(self) -> None:
        """Say goodbye to whoever waits on a stream or a poll."""
        self.stopping = self.runs.stopping = True
        self.bell.ring_all()

    def start(self) -> None:
        """Everything that has to be true before the first request. Runs in a thread: it blocks."""
        refuse_broken(self.settings.database, self.settings.home)
        migrate(self.database.engine)
        self.database.write(lambda unit: ensure_installation(unit.connection, uuid.uuid4().hex, unit.now))
        if self.single:
            # What is in the home is this machine's, whatever its name was.
            self.database.write(lambda unit: adopt_runs(unit.connection, HOST))
        else:
            self.database.write(lambda unit: claim(unit.connection, self.settings.home, HOST))
        self.database.write(self.attention.ensure_key)
        self.phases.launch()
        self.database.write(self.conversation.ensure)
        self.open_messages.load()
        self.feed.start()

    @contextlib.asynccontextmanager
    async def live(self) -> AsyncGenerator[None]:
        """The server's own loops, for as long as the caller holds this."""
        self.bell.attach(asyncio.get_running_loop())
        loops = [self.feed.follow(), self.open_messages.keep_storing(), self.janitor.run()]
        loops.append(asyncio.to_thread(self.workspaces.get_ready))
        if self.database.engine.dialect.name == "postgresql":
            loops.append(listen_forever(self.database.engine, CHANNEL, self.bell.ring, self.bell.ring_all))
        tasks = [asyncio.create_task(loop) for loop in loops]
        try:
            yield
        finally:
            self.stop()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.bell.detach()
            await asyncio.to_thread(self._end)

    def _end(self) -> None:
        self.open_messages.store()
        self.phases.stop()
        self.database.close()


@contextlib.contextmanager
def held_home(settings: Settings) -> Generator[None]:
    """The home is ours while this lasts: alone with SQLite. Raises HomeInUse in words for a second server."""
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (settings.home / "lock").open("a+") as lock:
        alone = settings.database.startswith("sqlite")
        if not _locked(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH) and alone:
            lock.seek(0)
            raise HomeInUse(home=settings.home, pid=lock.readline().strip() or "unknown")
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n{settings.base_url}")
        lock.flush()
        yield


def served_at(settings: Settings) -> str:
    """The address of the server that holds this home, of several the newest; without one, where it would be."""
    with contextlib.suppress(FileNotFoundError), (settings.home / "lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _, _, address = lock.read().partition("\n")
            return address or settings.base_url
    return settings.base_url


def _locked(lock: IO[str], how: int) -> bool:
    # Who only looks for an address holds it for a moment; and not every file system that servers share has locks.
    for _ in range(20):
        try:
            fcntl.flock(lock, how | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
        except OSError:
            if how == fcntl.LOCK_EX:
                raise
            return False
        else:
            return True
    return False


def create_app(settings: Settings, environment: Mapping[str, str]) -> FastAPI:
    """The whole server, not yet started. `app.state.parts` is there once it is."""

    @contextlib.asynccontextmanager
    async def life(app: FastAPI) -> AsyncGenerator[None]:
        try:
            parts = await asyncio.to_thread(Parts, settings, environment)
            app.state.parts = parts
            await asyncio.to_thread(parts.start)
        except Exception as error:
            app.state.failure = error
            raise
        async with parts.live():
            yield

    app = FastAPI(
        title="mainloop",
        version=VERSION,
        description="One conversation to manage all of your AI sessions. The page uses nothing else.",
        lifespan=life,
        generate_unique_id_function=lambda route: route.name,
        responses=problems.RESPONSES,
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    problems.install(app)
    docs.install(app)

    @app.get("/api/health", name="get_health", tags=["health"])
    def get_health() -> Health:
        """That the server answers; needs no sign-in."""
        return Health(status="ok", version=VERSION)

    @app.get("/api/doctor", name="run_doctor", tags=["health"])
    def run_doctor(request: Request, me: CurrentDevice) -> Checks:
        """What is there, what is missing and what to do; really tries each."""
        parts: Parts = request.app.state.parts
        return Checks(
            checks=examine(
                settings,
                agent_environment(environment, "claude"),
                parts.sandbox,
                parts.kinds,
                parts.database.engine,
            )
        )

    # Whoever is looked for by a path passes by all routes before it, and a runner that writes comes most often.
    for routes in (
        runner_routes,
        access_routes,
        conversation_routes,
        inbox_routes,
        permissions_routes,
        projects_routes,
        sessions_routes,
        turn_routes,
        overlaps_routes,
        kept_routes,
        changes_routes,
        life_routes,
        spending_routes,
        attention_routes,
        schedule_routes,
        watch_routes,
    ):
        app.include_router(routes)
    page = find_page()
    if page is not None:
        app.mount("/", PageFiles(directory=page))
    app.add_middleware(Compressed)
    app.add_middleware(Shortcut)
    app.add_middleware(Guard, hosts=_hosts(settings), expected=settings.base_url)
    return app


def _hosts(settings: Settings) -> frozenset[str]:
    named = [h.strip().lower() for h in settings.allowed_hosts.split(",") if h.strip()]
    public = urlsplit(settings.base_url).hostname or ""
    return frozenset({*LOCALHOSTS, settings.host.lower(), public.lower(), *named} - {"", "0.0.0.0", "::"})
