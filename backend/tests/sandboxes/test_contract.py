"""Both sandboxes pass the contract, on ordinary ground and below /tmp, which is a private one inside."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from mainloop import plugins
from mainloop.sandboxes.base import ENDING, Policy, Sandbox, inside
from mainloop.testing.contracts.sandboxes import ConfinedSandboxContract, SandboxContract, folders, run


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

    def test_naming_a_system_folder_does_not_show_what_is_masked_in_it(self, sandbox: Sandbox, ground: Path) -> None:
        policy = Policy(ground, (ground,), (Path("/etc"),))
        assert run(sandbox, policy, "cat /etc/shadow /etc/gshadow").stdout == ""

    def test_a_home_in_a_system_folder_is_hidden_but_for_what_is_named(self, sandbox: Sandbox) -> None:
        if not os.access("/opt", os.W_OK):
            pytest.skip("/opt is not writable for this user")
        with tempfile.TemporaryDirectory(dir="/opt") as made:
            home = Path(made)
            workspace, mirror = folders(home, "workspace", "mirror")
            (home / "secret").write_text("secret")
            (mirror / "object").write_text("object")
            policy = Policy(workspace, (workspace,), (mirror,), (home,))
            done = run(sandbox, policy, "cat ../secret; cat ../mirror/object; echo x > ../new; echo made > file")
            assert done.stdout == "object"
            assert (workspace / "file").exists()
            assert not (home / "new").exists()


class TestNoSandbox(SandboxContract):
    @pytest.fixture(params=["with namespaces", "without"])
    def sandbox(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Sandbox:
        """Also as in a container that lets nobody make one."""
        sandbox: Sandbox = plugins.load("sandboxes", "none")()
        with monkeypatch.context() as patch:
            if request.param == "without":
                patch.setenv("PATH", str(tmp_path))
            assert ("unshare" in sandbox.wrap(Policy(tmp_path))) == (request.param == "with namespaces")
        return sandbox

    def test_it_says_that_it_does_not_confine(self, sandbox: Sandbox) -> None:
        assert not sandbox.confined
        assert "not confined" in sandbox.probe().text

    def test_what_it_leaves_open_is_open(self, sandbox: Sandbox, ground: Path) -> None:
        (ground / "workspace").mkdir()
        (ground / "person").write_text("canary")
        assert run(sandbox, Policy(ground / "workspace"), f"cat {ground}/person").stdout == "canary"

    def test_it_says_that_nothing_is_left(self, sandbox: Sandbox) -> None:
        assert "What they start ends with them." in sandbox.probe().text


def test_a_command_without_namespaces_that_is_asked_to_end_says_its_last_words(ground: Path) -> None:
    script = "trap 'echo told >last-words; exit' TERM; echo ready; while :; do sleep 0.05; done"
    command = inside([sys.executable, "-I", "-S", str(ENDING)], ["sh", "-c", script])
    with subprocess.Popen(command, cwd=ground, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.terminate()
        process.wait(timeout=60)
    assert (ground / "last-words").read_text() == "told\n"
    assert process.returncode == 0
