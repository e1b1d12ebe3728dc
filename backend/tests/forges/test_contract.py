"""Every forge passes the contract."""

from pathlib import Path

import pytest

from mainloop import plugins
from mainloop.forges.base import Forge, Place
from mainloop.git import git
from mainloop.testing.contracts.forges import ForgeContract, World
from mainloop.testing.forges import MemoryForge


class LocalWorld(World):
    """The branches of the project are those that were fetched."""

    def forge(self) -> Forge:
        return plugins.make_forge("local", Place(repository=self.repository))

    def set(self, branch: str, commit: str | None) -> None:
        name = f"refs/upstream/{branch}"
        if commit is not None:
            git("update-ref", name, commit, repository=self.repository)
            return
        for ref in (name, f"refs/heads/{branch}"):
            git("update-ref", "-d", ref, repository=self.repository)

    def stands_at(self, branch: str) -> str | None:
        names = (f"refs/heads/{branch}", f"refs/upstream/{branch}")
        said = git("for-each-ref", "--format=%(objectname)", *names, repository=self.repository).split()
        return said[0] if said else None

    def cut(self) -> None:
        self.repository.rename(self.repository.with_name("away"))

    def mend(self) -> None:
        self.repository.with_name("away").rename(self.repository)


class MemoryWorld(World):
    def forge(self) -> MemoryForge:
        forge = plugins.make_forge("memory", Place(repository=self.repository))
        assert isinstance(forge, MemoryForge)
        return forge

    def set(self, branch: str, commit: str | None) -> None:
        name = f"refs/heads/{branch}"
        git("update-ref", *([name, commit] if commit else ["-d", name]), repository=self.repository)

    def stands_at(self, branch: str) -> str | None:
        said = git("for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}", repository=self.repository)
        return said.strip() or None

    def cut(self) -> None:
        self.forge().cut()

    def mend(self) -> None:
        self.forge().mend()


class TestLocal(ForgeContract):
    @pytest.fixture
    def world(self, tmp_path: Path) -> World:
        return LocalWorld(tmp_path)


class TestMemory(ForgeContract):
    @pytest.fixture
    def world(self, tmp_path: Path) -> World:
        return MemoryWorld(tmp_path)
