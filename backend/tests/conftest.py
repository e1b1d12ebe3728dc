"""What the backend's tests stand on: databases of both kinds, a server in this process, a server as a process."""

import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import settings
from psycopg import sql

from mainloop.db.engine import make_engine
from mainloop.db.migrate import migrate
from mainloop.db.store import claim_home
from mainloop.events.bell import Bell
from mainloop.events.unit import Database
from mainloop.testing.inprocess import InProcessServer, NewServer
from mainloop.testing.keep_out import kept_out
from mainloop.testing.postgres import Postgres
from mainloop.testing.server import ServerProcess

# A test never fails because a machine was slow.
settings.register_profile("unhurried", parent=settings(), deadline=None)
settings.load_profile("unhurried")

# Elsewhere what a system's own libraries hold does not survive a division.
ServerProcess.divides = sys.platform == "linux"


@pytest.fixture(scope="session", autouse=True)
def nobodys_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Nothing here can reach the person's own `~/.mainloop`: their home is another one while tests run."""
    home = tmp_path_factory.mktemp("nobody")
    before = dict(os.environ)
    for name in [n for n in os.environ if n.startswith(("MAINLOOP_", "ANTHROPIC_", "CLAUDE"))]:
        del os.environ[name]
    os.environ.update(kept_out(before))
    os.environ["HOME"] = str(home)
    assert Path.home() == home
    yield home
    os.environ.clear()
    os.environ.update(before)


# -- databases ---------------------------------------------------------------------------------------------------
@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with every table, ours and those of the workflows, to be copied."""
    home = tmp_path_factory.mktemp("template")
    server = InProcessServer(home).start()
    server.close()
    assert not (home / "mainloop.db-wal").exists()
    return home / "mainloop.db"


@pytest.fixture(scope="session")
def postgres_template(postgres_server: Postgres, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a PostgreSQL database with every table, to be copied."""
    name = "template_mainloop"
    postgres_server.run(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    server = InProcessServer(tmp_path_factory.mktemp("template"), postgres_server.url(name)).start()
    # Each copy is for another home.
    server.parts.database.write(lambda unit: claim_home(unit.connection, None, ""))
    server.close()
    # A database is copied only while nobody is connected to it.
    postgres_server.run(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(name)))
    postgres_server.run(
        sql.SQL("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {}").format(sql.Literal(name))
    )
    return name


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def database_url(database_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Generator[str]:
    """The address of a database of one test, on SQLite and on PostgreSQL."""
    if database_kind == "sqlite":
        path = tmp_path / "mainloop.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    server: Postgres = request.getfixturevalue("postgres_server")
    template: str = request.getfixturevalue("postgres_template")
    name = f"test_{secrets.token_hex(6)}"
    names = (sql.Identifier(name), sql.Identifier(template))
    server.run(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))
    yield server.url(name)
    server.run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def database(database_url: str) -> Generator[Database]:
    """Our tables, without a server around them."""
    engine = make_engine(database_url)
    migrate(engine)
    ours = Database(engine, Bell())
    yield ours
    ours.close()


# -- servers -----------------------------------------------------------------------------------------------------
@pytest.fixture
def new_server(tmp_path: Path, database_url: str) -> Generator[NewServer]:
    """Makes servers in this process, one after the other, over one database."""
    made: list[InProcessServer] = []

    def make(**settings: Any) -> InProcessServer:
        server = InProcessServer(tmp_path, "" if database_url.startswith("sqlite") else database_url, **settings)
        made.append(server)
        return server.start()

    yield make
    for server in made:
        server.close()


@pytest.fixture
def server(new_server: NewServer) -> InProcessServer:
    """A server in this process, with workspaces in memory: runners are played by hand."""
    return new_server()


@pytest.fixture
def home() -> Iterator[Path]:
    """A home for whole processes. Not below /tmp, which a sandboxed agent sees as its own."""
    below = Path(os.environ.get("MAINLOOP_TEST_HOMES", "/var/tmp"))
    path = Path(tempfile.mkdtemp(prefix="mainloop-test-", dir=below))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def process(home: Path) -> Iterator[ServerProcess]:
    """A server as a process of its own, with the scripted agent; started by the test."""
    server = ServerProcess(home)
    yield server
    server.stop()


def count(database: Database, table: sa.Table, *which: sa.ColumnElement[bool]) -> int:
    """How many rows there are."""
    return database.read(lambda c: c.execute(sa.select(sa.func.count()).select_from(table).where(*which)).scalar_one())
