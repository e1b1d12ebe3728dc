"""A PostgreSQL of their own for the tests that need a real one.

Use it as a pytest plugin (`-p mainloop.testing.postgres`): the fixture `postgres_url` is the
address of an empty database that belongs to one test.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

# Speed over safety: these databases end with the tests.
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_connections": "200",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
}
USER = "mainloop"
START_LIMIT = 60.0
# Another program may take the port between our choice and the start.
PORT_TRIES = 5


class PostgresMissing(RuntimeError):
    """PostgreSQL's programs are not on this machine: install them (Debian and Ubuntu: `apt-get install postgresql`)."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class PostgresFailed(RuntimeError):
    """PostgreSQL did not start; the message carries its own words."""


@dataclass(frozen=True)
class Postgres:
    """A running server that only this process knows the password of."""

    port: int
    password: str
    log: Path

    def url(self, database: str) -> str:
        """The address of a database, as SQLAlchemy wants it."""
        return f"postgresql+psycopg://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    @contextmanager
    def database(self) -> Generator[str]:
        """An empty database, gone afterwards together with whoever is still connected to it."""
        name = f"test_{secrets.token_hex(6)}"
        self.run(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield self.url(name)
        finally:
            self.run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def run(self, statement: sql.Composed) -> None:
        with self.connect() as connection:
            connection.execute(statement)

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=USER,
            password=self.password,
            dbname="postgres",
            autocommit=True,
        )


@contextmanager
def running_postgres() -> Generator[Postgres]:
    """Starts a private server in a temporary directory and removes both afterwards.

    Raises:
        PostgresMissing: its programs are not on this machine.
        PostgresFailed: they are, and do not work.
    """
    programs = find_programs()
    home = Path(tempfile.mkdtemp(prefix="mainloop-postgres-"))
    try:
        if os.geteuid() == 0:
            # PostgreSQL refuses to run as root.
            shutil.chown(home, "postgres", "postgres")
        password = secrets.token_urlsafe(16)
        create_cluster(programs, home, password)
        with started(programs, home, password) as server:
            yield server
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server() -> Generator[Postgres]:
    """One server for all tests of this process."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: Postgres) -> Generator[str]:
    """The address of an empty database for one test."""
    with postgres_server.database() as url:
        yield url


def find_programs() -> Path:
    """The folder with `initdb` and `postgres`: Debian's newest, else the one on the path."""
    debian = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"),
        key=lambda program: float(program.parts[-3]),
    )
    if debian:
        return debian[-1].parent
    on_path = shutil.which("initdb")
    if on_path is None:
        raise PostgresMissing
    return Path(on_path).resolve().parent


def create_cluster(programs: Path, home: Path, password: str) -> None:
    password_file = home / "password"
    password_file.write_text(password)
    if os.geteuid() == 0:
        shutil.chown(password_file, "postgres", "postgres")
    done = subprocess.run(
        [
            programs / "initdb",
            f"--pgdata={home / 'data'}",
            f"--username={USER}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ],
        cwd=home,
        user=owner(),
        group=owner(),
        extra_groups=groups(),
        capture_output=True,
        text=True,
        check=False,
    )
    password_file.unlink()
    if done.returncode:
        raise PostgresFailed(f"initdb failed: {done.stderr.strip()}")


@contextmanager
def started(programs: Path, home: Path, password: str) -> Generator[Postgres]:
    for _ in range(PORT_TRIES):
        server = Postgres(free_port(), password, home / "log")
        process = start(programs, home, server)
        try:
            if wait_until_ready(process, server):
                yield server
                return
        finally:
            stop(process)
    raise PostgresFailed(f"PostgreSQL does not start:\n{tail(home / 'log')}")


def start(programs: Path, home: Path, server: Postgres) -> subprocess.Popen[bytes]:
    command = [str(programs / "postgres"), "-D", str(home / "data"), f"--port={server.port}"]
    command += [f"--{name}={value}" for name, value in SETTINGS.items()]
    if shutil.which("setpriv"):
        # Tests that are killed take their server along.
        command = ["setpriv", "--pdeathsig", "INT", "--", *command]
    with server.log.open("ab") as log:
        return subprocess.Popen(
            command,
            cwd=home,
            user=owner(),
            group=owner(),
            extra_groups=groups(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # Ctrl-C ends the tests first, and they end the server.
            start_new_session=True,
        )


def wait_until_ready(process: subprocess.Popen[bytes], server: Postgres) -> bool:
    """Whether it answers; false where it ended instead."""
    limit = time.monotonic() + START_LIMIT
    while process.poll() is None:
        try:
            server.connect().close()
        except psycopg.OperationalError:
            if time.monotonic() > limit:
                raise PostgresFailed(f"PostgreSQL does not answer:\n{tail(server.log)}") from None
            time.sleep(0.05)
        else:
            return True
    return False


def stop(process: subprocess.Popen[bytes]) -> None:
    # SIGINT is its "fast shutdown": connections are cut, nothing waits for clients.
    process.send_signal(signal.SIGINT)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def owner() -> str | None:
    """Whom it runs as; none means as ourselves."""
    return "postgres" if os.geteuid() == 0 else None


def groups() -> list[str] | None:
    return [] if os.geteuid() == 0 else None


def free_port() -> int:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return chosen.getsockname()[1]


def tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:])
