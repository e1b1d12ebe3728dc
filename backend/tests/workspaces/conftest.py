"""A home with quotes and spaces in its path, and workspaces in it."""

import shutil
import sys
import tempfile
from collections.abc import Generator, Iterable
from pathlib import Path

import pytest

from mainloop import plugins
from mainloop.projects.mirror import Mirror
from mainloop.sandboxes.base import Sandbox
from mainloop.testing.repositories import Repository
from mainloop.workspaces.local import LocalWorkspaces

STAND_IN = (sys.executable, str(Path(__file__).with_name("stand_in.py")))


@pytest.fixture
def home() -> Generator[Path]:
    folder = Path(tempfile.mkdtemp(prefix='mainloop test\'s "home" ö-', dir="/var/tmp"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(params=["bubblewrap", "none"])
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    sandbox, probe = plugins.choose_sandbox(request.param)
    if not probe.ok:
        pytest.skip(probe.text)
    return sandbox


@pytest.fixture
def bubblewrap() -> Sandbox:
    sandbox, probe = plugins.choose_sandbox("bubblewrap")
    if not probe.ok:
        pytest.skip(probe.text)
    return sandbox


@pytest.fixture
def mirror(home: Path) -> Mirror:
    return Mirror.create(home / "mirrors" / "project.git")


@pytest.fixture
def project(home: Path) -> Repository:
    return Repository.make(home / "project", commits=2)


def _all_ended(local: LocalWorkspaces, home: Path) -> None:
    threads: Iterable[Path] = (home / "threads").glob("*")
    for thread in threads:
        local.kill(thread.name, grace=0)


@pytest.fixture
def local(home: Path, sandbox: Sandbox) -> Generator[LocalWorkspaces]:
    """With the stand-in for the runner."""
    local = LocalWorkspaces(home, sandbox, STAND_IN)
    yield local
    _all_ended(local, home)


@pytest.fixture
def confined(home: Path, bubblewrap: Sandbox) -> Generator[LocalWorkspaces]:
    """With the stand-in for the runner, in a real sandbox."""
    local = LocalWorkspaces(home, bubblewrap, STAND_IN)
    yield local
    _all_ended(local, home)
