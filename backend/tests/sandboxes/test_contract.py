"""Both sandboxes pass the contract, on ordinary ground and below /tmp, which is a private one inside."""

import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from mainloop import plugins
from mainloop.sandboxes.base import Policy, Sandbox
from mainloop.testing.contracts.sandboxes import ConfinedSandboxContract, SandboxContract, run


@pytest.fixture(params=["/var/tmp", "/tmp", "/run"])
def ground(request: pytest.FixtureRequest) -> Generator[Path]:
    try:
        folder = Path(tempfile.mkdtemp(prefix="mainloop-test-", dir=request.param))
    except PermissionError:
        pytest.skip(f"{request.param} is not writable for this user")
    yield folder
    shutil.rmtree(folder)


class TestBubblewrap(ConfinedSandboxContract):
    @pytest.fixture
    def sandbox(self) -> Sandbox:
        sandbox: Sandbox = plugins.load("sandboxes", "bubblewrap")()
        if not sandbox.probe().ok:
            pytest.skip(sandbox.probe().text)
        return sandbox


class TestNoSandbox(SandboxContract):
    @pytest.fixture
    def sandbox(self) -> Sandbox:
        return plugins.load("sandboxes", "none")()

    def test_it_says_that_it_does_not_confine(self, sandbox: Sandbox) -> None:
        assert not sandbox.confined
        assert "not confined" in sandbox.probe().text

    def test_what_it_leaves_open_is_open(self, sandbox: Sandbox, ground: Path) -> None:
        (ground / "workspace").mkdir()
        (ground / "person").write_text("canary")
        assert run(sandbox, Policy(ground / "workspace"), f"cat {ground}/person").stdout == "canary"
