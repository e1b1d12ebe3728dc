"""Everything in one file while it runs, a home made of it elsewhere, a home that was renamed: all go on."""

import contextlib
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Generator
from pathlib import Path

import pytest
import sqlalchemy as sa

from mainloop.backup import MANIFEST, FileExists, HomeNotEmpty, NotAnExport, export_home, import_home
from mainloop.db.engine import make_engine
from mainloop.git import git
from mainloop.projects.mirror import Mirror
from mainloop.settings import Settings
from mainloop.testing.inprocess import InProcessServer
from mainloop.testing.repositories import Repository
from mainloop.testing.server import Person, ServerProcess, free_port, script


def of(home: Path, database_url: str = "") -> Settings:
    return Settings.model_validate({"home": home, "database_url": database_url})


@pytest.fixture
def exported(server: InProcessServer, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of a running server with a thread that works."""
    server.person.post("/api/sessions", {"id": "session-1234", "prompt": "hello"})
    server.runner("session-1234")
    folder = tmp_path / "threads" / "session-1234"
    work = ("workspace/yarn.lock", "workspace/looking/notes", "home/record.jsonl", "home/.claude/.credentials.json")
    for name in (*work, "token-1", "run.json", "looking/objects/pack/one.pack", "keeping/objects/pack/one.pack"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text('{"thread_id": "session-1234", "run": 1}')
    (folder / "workspace" / "outside").symlink_to("/etc/passwd")
    file = tmp_path_factory.mktemp("export") / "all.tar.gz"
    assert export_home(server.settings, file, "0") == []
    return file


@pytest.mark.spec("home-4")
@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_an_export_holds_no_way_in(exported: Path, server: InProcessServer, tmp_path: Path) -> None:
    assert exported.stat().st_mode & 0o777 == 0o600
    with tarfile.open(exported) as tar:
        names = tar.getnames()
        assert names[0] == MANIFEST
        assert tar.getmember("threads/session-1234/workspace/outside").issym()
        tar.extractall(tmp_path / "out", filter="tar")
    assert "threads/session-1234/workspace/yarn.lock" in names
    assert "threads/session-1234/home/record.jsonl" in names
    # What is looked at or kept of a workspace is made of it again.
    assert "threads/session-1234/workspace/looking/notes" in names
    assert not [n for n in names if n.startswith(("threads/session-1234/looking", "threads/session-1234/keeping"))]
    assert not [n for n in names if "token" in n or "credentials" in n or n.endswith("run.json")]
    with contextlib.closing(sqlite3.connect(tmp_path / "out" / "mainloop.db")) as copy:
        assert copy.execute("SELECT count(*) FROM device").fetchone() == (0,)
        assert copy.execute("SELECT DISTINCT token_hash FROM run").fetchall() == [("void",)]
        assert copy.execute("SELECT count(*) FROM message").fetchone() == (1,)
    raw = (tmp_path / "out" / "mainloop.db").read_bytes()
    with contextlib.closing(sqlite3.connect(tmp_path / "mainloop.db")) as original:
        (key,) = original.execute("SELECT key_hash FROM device").fetchone()
    assert key.encode() not in raw


@pytest.mark.spec("home-5")
@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_an_import_needs_an_empty_home_and_a_whole_export(
    exported: Path, server: InProcessServer, tmp_path: Path
) -> None:
    home = tmp_path / "new"
    with pytest.raises(FileExists):
        export_home(server.settings, exported, "0")
    torn = tmp_path / "torn.tar.gz"
    torn.write_bytes(exported.read_bytes()[: exported.stat().st_size // 2])
    other = tmp_path / "other.tar"
    other.write_text("no tar")
    for broken in (torn, other, tmp_path / "missing.tar"):
        with pytest.raises(NotAnExport):
            import_home(of(home), broken)
    assert not home.exists()
    home.mkdir()
    (home / "mine.txt").write_text("mine")
    with pytest.raises(HomeNotEmpty):
        import_home(of(home), exported)
    assert [p.name for p in home.iterdir()] == ["mine.txt"]
    (home / "mine.txt").unlink()
    import_home(of(home), exported)
    assert sorted(p.name for p in home.iterdir()) == ["mainloop.db", "threads"]
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


@pytest.mark.spec("home-4", "home-7")
@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_what_was_kept_is_found_in_an_imported_and_in_a_renamed_home(
    server: InProcessServer, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """It lies beside the mirror and borrows from it, wherever both have come to lie."""
    mirror = Mirror.create(tmp_path / "mirrors" / "own.git")
    work = Repository.make(tmp_path_factory.mktemp("work") / "repository", branch="main")
    mirror.save_session("s1", work.path, "main")
    work.git("checkout", "--quiet", "-b", "kept")
    commit = work.commit("not committed", {"draft": "draft"})
    mirror.keep("s1", 1, work.path)
    shutil.rmtree(work.path)
    file = tmp_path_factory.mktemp("export") / "all.tar"
    assert export_home(server.settings, file, "0") == []
    import_home(of(tmp_path / "new"), file)
    renamed = (tmp_path / "new").rename(tmp_path / "renamed")
    kept = Mirror(renamed / "mirrors" / "own.git").kept("s1", 1)
    assert git("rev-parse", kept.ref, repository=kept.repository).strip() == commit
    assert git("fsck", "--connectivity-only", repository=kept.repository) == ""
    assert kept.repository.is_relative_to(renamed)


@pytest.mark.spec("home-4", "home-5")
@pytest.mark.postgres
@pytest.mark.skipif(shutil.which("pg_dump") is None, reason="PostgreSQL's client programs are not installed")
@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
def test_a_postgresql_database_comes_along(exported: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    postgres = request.getfixturevalue("postgres_server")
    postgres.run("CREATE DATABASE brought_back")
    url = postgres.url("brought_back")
    import_home(of(tmp_path / "new", url), exported)
    engine = make_engine(url)
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM device")).scalar_one() == 0
        assert connection.execute(sa.text("SELECT DISTINCT token_hash FROM run")).scalars().all() == ["void"]
        assert connection.execute(sa.text("SELECT count(*) FROM message")).scalar_one() == 1
    engine.dispose()


@pytest.fixture
def model() -> Generator[str]:
    """The address of a scripted model, which keeps no conversation: what is remembered the agent remembers."""
    port = free_port()
    command = [sys.executable, "-m", "mainloop.testing.scripted_model", "--port", str(port), "--ready"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield f"http://127.0.0.1:{port}"
        process.terminate()


SESSION = "session-1234"


def asked_for_the_word(person: Person, times: int) -> list[str]:
    person.say(script({"text": "It was {{find:BANANA-[0-9]+}}."}), SESSION)
    person.until("its reply", lambda: len(person.replies(SESSION)) == times)
    return person.replies(SESSION)


def refs(mirror: Path) -> str:
    return git("for-each-ref", repository=mirror)


def records(home: Path) -> list[str]:
    return sorted(str(p.relative_to(home)) for p in home.glob(f"threads/{SESSION}/home/.claude/projects/*/*.jsonl"))


@pytest.mark.long
@pytest.mark.spec("home-4", "home-6", "home-7")
@pytest.mark.timeout(600)
def test_a_parked_session_goes_on_where_it_was_in_an_imported_and_in_a_renamed_home(
    home: Path, model: str, tmp_path: Path
) -> None:
    settings = {"MAINLOOP_AGENT": "claude", "ANTHROPIC_BASE_URL": model, "ANTHROPIC_API_KEY": "none"}
    project = Repository.make(tmp_path / "project")
    with contextlib.ExitStack() as stack:

        def server_on(folder: Path) -> ServerProcess:
            server = ServerProcess(folder, settings)
            stack.callback(server.stop)
            return server.start()

        def visitor(server: ServerProcess) -> Person:
            person = server.person()
            stack.callback(person.http.close)
            return person

        first = server_on(home / "first")
        person = visitor(first)
        source = person.post("/api/projects", {"source": str(project.path)})
        prompt = "The word is BANANA-4711."
        person.post("/api/sessions", {"id": SESSION, "prompt": prompt, "project": source["id"]})
        person.until_session(SESSION, "idle", "in_review")
        (first.home / "threads" / SESSION / "workspace" / "draft.txt").write_text("not committed")
        mirror = f"mirrors/{source['id']}.git"
        git("update-ref", "refs/kept/anything", "refs/upstream/main", repository=first.home / mirror)
        person.until("its commits to be kept", lambda: f"refs/sessions/{SESSION}/heads/" in refs(first.home / mirror))
        before = refs(first.home / mirror)
        person.post(f"/api/sessions/{SESSION}/park")
        person.until("it to be parked", lambda: person.get(f"/api/sessions/{SESSION}")["parked"])

        done = first.run("export", str(home / "all.tar"))
        assert done.returncode == 0, done.stderr
        first.stop()
        shutil.rmtree(first.home)
        second_home = home / "second"
        brought = subprocess.run(
            [sys.executable, "-m", "mainloop.main", "import", str(home / "all.tar")],
            env=ServerProcess(second_home, settings).environment, cwd=home, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert brought.returncode == 0, brought.stderr
        assert refs(second_home / mirror) == before

        second = server_on(second_home)
        person = visitor(second)
        assert asked_for_the_word(person, 2)[-1] == "It was BANANA-4711.", (
            records(second_home),
            second.log()[-1500:],
            (second_home / "threads" / SESSION / "log").read_text()[-3000:],
        )
        workspace = second_home / "threads" / SESSION / "workspace"
        assert (workspace / "draft.txt").read_text() == "not committed"
        assert (workspace / ".git/objects/info/alternates").read_text() == f"{second_home / mirror}/objects\n"
        assert len(records(second_home)) == 1
        assert "second" in records(second_home)[0]

        # Its agent has spoken, which is not yet the end of its turn.
        person.until_turn_ended(2, SESSION)
        second.stop()
        third_home = second_home.rename(home / "third")
        person = visitor(server_on(third_home))
        assert asked_for_the_word(person, 3)[-1] == "It was BANANA-4711."
        workspace = third_home / "threads" / SESSION / "workspace"
        assert (workspace / ".git/objects/info/alternates").read_text() == f"{third_home / mirror}/objects\n"
        assert len(records(third_home)) == 1
        assert "third" in records(third_home)[0]
        git("fsck", "--connectivity-only", repository=workspace / ".git")
