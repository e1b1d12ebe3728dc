"""A home's database that is torn, lost or too new ends in one sentence, and every file stays as it was."""

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from mainloop.db.file import RESCUED
from mainloop.errors import DatabaseGone
from mainloop.events.unit import Database
from mainloop.main import main
from mainloop.runs import store
from mainloop.testing.inprocess import InProcessServer, NewServer
from mainloop.testing.server import free_port

COMMANDS = (["up"], ["pair"], ["migrate"])


@pytest.fixture
def database_kind() -> str:
    return "sqlite"


@pytest.fixture
def lived_in(tmp_path: Path, sqlite_template: Path) -> Path:
    """A home in which somebody has worked: a database, and the folders of a thread and a project it knows."""
    home = tmp_path / "lived-in"
    home.mkdir()
    shutil.copy(sqlite_template, home / "mainloop.db")
    (home / "threads" / "main").mkdir(parents=True)
    with sqlite3.connect(home / "mainloop.db") as connection:
        connection.execute(
            "INSERT INTO project (id, name, source, state, created_at) VALUES ('p', 'p', '/', 'ready', 0)"
        )
    connection.close()
    for left in home.glob("mainloop.db-*"):
        left.unlink()
    (home / "mirrors" / "p.git").mkdir(parents=True)
    return home


def everything(home: Path) -> dict[str, str]:
    """Every file with what is in it, but SQLite's index, which holds no data."""
    return {
        str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in home.rglob("*")
        if not path.name.endswith("-shm")
    }


Refusal = Callable[..., str]


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refusal:
    """What a command of the program says on a home where it refuses."""

    def act(home: Path, *command: str) -> str:
        monkeypatch.setenv("MAINLOOP_HOME", str(home))
        monkeypatch.setenv("MAINLOOP_PORT", str(free_port()))
        monkeypatch.chdir("/")
        capsys.readouterr()
        assert main(command) != 0
        lines = capsys.readouterr().err.strip().splitlines()
        assert len(lines) == 1, lines
        return lines[0]

    return act


def cut_in_half(home: Path) -> None:
    os.truncate(home / "mainloop.db", (home / "mainloop.db").stat().st_size // 8192 * 4096)


def with_a_page_overwritten(home: Path) -> None:
    with sqlite3.connect(f"file:{home / 'mainloop.db'}?immutable=1", uri=True) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'device'").fetchone()
    connection.close()
    with (home / "mainloop.db").open("r+b") as file:
        file.seek(4096 * (page - 1))
        file.write(b"\xff" * 4096)


def of_another_kind(home: Path) -> None:
    (home / "mainloop.db").write_text("This was a shopping list. " * 200)


def empty(home: Path) -> None:
    (home / "mainloop.db").write_bytes(b"")


def without_tables(home: Path) -> None:
    (home / "mainloop.db").unlink()
    with sqlite3.connect(home / "mainloop.db") as connection:
        connection.execute("CREATE TABLE something (else_ TEXT)")
    connection.close()


def missing(home: Path) -> None:
    (home / "mainloop.db").unlink()


def of_a_newer_program(home: Path) -> None:
    with sqlite3.connect(home / "mainloop.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    for left in home.glob("mainloop.db-*"):
        left.unlink()


def that_does_not_know_a_thread(home: Path) -> None:
    (home / "threads" / "session-7").mkdir()


def that_does_not_know_a_run(home: Path) -> None:
    (home / "threads" / "main" / "run.json").write_text('{"thread_id": "main", "run": 7}')


# The file alone is searched through only when a server starts: a page may be torn that nobody else reads.
@pytest.mark.spec("home-1", "home-2")
@pytest.mark.parametrize(
    ("spoil", "words", "commands"),
    [
        (cut_in_half, "can't be used", COMMANDS),
        (with_a_page_overwritten, "can't be used", (["up"],)),
        (of_another_kind, "can't be used", COMMANDS),
        (empty, "it is empty", COMMANDS),
        (without_tables, "no tables of mainloop", COMMANDS),
        (missing, "is missing, but", COMMANDS),
        (of_a_newer_program, "a newer mainloop", COMMANDS),
        (that_does_not_know_a_thread, "does not know session-7", COMMANDS),
        (that_does_not_know_a_run, "does not know run 7 of main", COMMANDS),
    ],
)
def test_a_database_that_can_not_be_used_is_refused_in_one_sentence_and_nothing_is_changed(
    spoil: Callable[[Path], None], words: str, commands: tuple[list[str], ...], lived_in: Path, refused: Refusal
) -> None:
    spoil(lived_in)
    before = everything(lived_in)
    for command in commands:
        assert words in refused(lived_in, *command)
    assert everything(lived_in) == before


@pytest.mark.spec("home-2")
def test_a_copy_without_its_write_ahead_file_is_refused(
    new_server: NewServer, tmp_path: Path, refused: Refusal
) -> None:
    server = new_server()
    server.person.post("/api/sessions", {"id": "session-1234", "prompt": "hello"})
    server.runner("session-1234")
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copytree(tmp_path / "threads", copy / "threads")
    shutil.copy(tmp_path / "mainloop.db", copy / "mainloop.db")
    assert "session-1234" in refused(copy, "up")
    shutil.copy(tmp_path / "mainloop.db-wal", copy / "mainloop.db-wal")
    assert main(["migrate"]) == 0


@pytest.fixture
def read_only(lived_in: Path) -> Iterator[Path]:
    """A home on a file system that takes no writes; permissions alone don't stop root."""
    if os.geteuid() != 0:
        lived_in.chmod(0o500)
        yield lived_in
        lived_in.chmod(0o700)
        return
    bound = subprocess.run(["mount", "--bind", lived_in, lived_in], capture_output=True, text=True, check=False)
    if bound.returncode != 0:
        pytest.skip(f"mounts are not allowed here: {bound.stderr.strip()}")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", lived_in], check=True)
        yield lived_in
    finally:
        subprocess.run(["umount", lived_in], check=True)


@pytest.mark.spec("home-1")
@pytest.mark.skipif(sys.platform != "linux", reason="mounts are Linux's")
def test_a_home_that_can_not_be_written_to_is_refused_in_one_sentence(read_only: Path, refused: Refusal) -> None:
    before = everything(read_only)
    for command in COMMANDS:
        assert "can't be written to" in refused(read_only, *command)
    assert everything(read_only) == before


@pytest.mark.spec("home-3")
@pytest.mark.parametrize("made_anew", [False, True])
@pytest.mark.parametrize("deleted", [["mainloop.db", "mainloop.db-wal", "mainloop.db-shm"], ["mainloop.db-wal"]])
def test_a_server_whose_database_file_is_deleted_takes_nothing_more_and_saves_what_it_held(
    server: InProcessServer,
    new_server: NewServer,
    tmp_path: Path,
    deleted: list[str],
    made_anew: bool,
    refused: Refusal,
) -> None:
    kept = server.person.say("this is kept")
    server.person.until("it is stored", lambda: server.person.events())
    for name in deleted:
        (tmp_path / name).unlink()
        if made_anew:  # by another program that opens the database
            (tmp_path / name).touch()
    message = {"id": str(uuid.uuid4()), "text": "this is not", "mode": "queue"}
    answer = server.person.http.post("/api/threads/main/messages", json=message)
    assert answer.status_code == 503
    assert answer.json()["code"] == "database_gone"
    assert RESCUED in answer.json()["detail"]
    server.close()
    if not (tmp_path / "mainloop.db").exists():
        assert RESCUED in refused(tmp_path, "up")
    for left in tmp_path.glob("mainloop.db*"):
        left.unlink()
    (tmp_path / RESCUED).rename(tmp_path / "mainloop.db")
    again = new_server()
    found = again.parts.database.read(lambda c: c.execute(sa.text("SELECT id FROM message")).scalars().all())
    assert list(found) == [kept]


@pytest.mark.spec("home-3")
def test_a_database_that_goes_before_its_second_connection_takes_nothing_more(database: Database) -> None:
    # Only the connection that migrated it has been opened so far.
    database.write(lambda unit: store.add_thread(unit, "session-1", "session"))
    path = Path(str(database.engine.url.database))
    path.unlink()
    with pytest.raises(DatabaseGone, match=RESCUED):
        database.write(lambda unit: store.add_thread(unit, "session-2", "session"))
    assert path.with_name(RESCUED).exists()


@pytest.mark.spec("home-11")
def test_the_doctor_looks_at_everything_else_of_a_home_whose_database_is_torn(
    lived_in: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cut_in_half(lived_in)
    before = (lived_in / "mainloop.db").read_bytes()
    monkeypatch.setenv("MAINLOOP_HOME", str(lived_in))
    monkeypatch.chdir("/")
    capsys.readouterr()
    assert main(["doctor", "--json"]) == 1
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert checks["database"]["level"] == "fail"
    assert "can't be used" in checks["database"]["text"]
    assert checks["git"]["level"] == "ok"
    assert (lived_in / "mainloop.db").read_bytes() == before
