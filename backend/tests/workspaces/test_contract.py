"""Every kind of workspace passes the contract: in memory, and local ones with the stand-in and the real runner."""

from collections.abc import Generator
from pathlib import Path

import pytest

from mainloop import plugins
from mainloop.sandboxes.base import Sandbox
from mainloop.testing.contracts.workspaces import WorkspacesContract
from mainloop.testing.workspaces import MemoryWorkspaces
from mainloop.workspaces.base import Workspaces
from mainloop.workspaces.local import LocalWorkspaces


class TestMemory(WorkspacesContract):
    @pytest.fixture
    def workspaces(self, home: Path, bubblewrap: Sandbox) -> Workspaces:
        return MemoryWorkspaces(home, bubblewrap)


class TestLocalWithTheStandIn(WorkspacesContract):
    @pytest.fixture
    def workspaces(self, local: LocalWorkspaces) -> Workspaces:
        return local


class TestLocal(WorkspacesContract):
    @pytest.fixture
    def workspaces(self, home: Path, bubblewrap: Sandbox) -> Generator[Workspaces]:
        local = plugins.make_workspaces("local", home, bubblewrap)
        yield local
        for thread in ("s1", "s2", "main"):
            local.kill(thread, grace=0)
