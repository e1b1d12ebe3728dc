"""A database that several servers share has its files in one home."""

import shutil
from pathlib import Path

import pytest

from mainloop.backup import export_home, import_home
from mainloop.db.home import FILE
from mainloop.main import main
from mainloop.settings import Settings
from mainloop.testing.inprocess import InProcessServer
from mainloop.testing.postgres import Postgres
from mainloop.testing.server import ServerProcess, free_port

pytestmark = [pytest.mark.postgres, pytest.mark.spec("home-15")]


@pytest.fixture
def database_kind() -> str:
    return "postgresql"


@pytest.fixture
def url(database_url: str) -> str:
    return database_url


def starts(home: Path, url: str) -> None:
    home.mkdir(exist_ok=True)
    InProcessServer(home, url).start().close()


def refused(home: Path, url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """What a server says that does not start there."""
    monkeypatch.setenv("MAINLOOP_HOME", str(home))
    monkeypatch.setenv("MAINLOOP_DATABASE_URL", url)
    monkeypatch.setenv("MAINLOOP_PORT", str(free_port()))
    monkeypatch.chdir("/")
    capsys.readouterr()
    assert main(["up", "--no-link"]) != 0
    return capsys.readouterr().err.strip().splitlines()[-1]


def test_a_second_home_is_refused_and_the_first_goes_on_under_another_name(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    starts(first, url)
    said = refused(second, url, capsys, monkeypatch)
    assert said.startswith(f"The files of this database lie in another home, {first} on ")
    first.rename(tmp_path / "renamed")
    starts(tmp_path / "renamed", url)
    # An empty folder where a home was is none; and what is said to do where the home is lost can be done.
    shutil.rmtree(tmp_path / "renamed")
    said = refused(tmp_path / "renamed", url, capsys, monkeypatch)
    ident, _, file = said.split("write ")[1].split(": ")[0].partition(" into ")
    Path(file).write_text(ident)
    starts(tmp_path / "renamed", url)


def test_two_servers_in_one_home_share_it(url: str, tmp_path: Path) -> None:
    one = InProcessServer(tmp_path, url).start()
    other = ServerProcess(tmp_path, {"MAINLOOP_DATABASE_URL": url})
    try:
        other.start()
    finally:
        other.stop()
        one.close()


@pytest.mark.skipif(shutil.which("pg_dump") is None, reason="PostgreSQL's client programs are not installed")
def test_an_import_makes_a_home_of_its_own(url: str, tmp_path: Path, postgres_server: Postgres) -> None:
    starts(tmp_path / "old", url)
    settings = Settings.model_validate({"home": tmp_path / "old", "database_url": url})
    export_home(settings, tmp_path / "all.tar", "0")
    with postgres_server.database() as other:
        new = tmp_path / "new"
        import_home(Settings.model_validate({"home": new, "database_url": other}), tmp_path / "all.tar")
        starts(new, other)
        assert (new / FILE).read_text() != (tmp_path / "old" / FILE).read_text()
