"""What the tests need of a machine, on machines that have more or less of it."""

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "system-packages"
NEEDED = ("chromium", "bwrap", "initdb", "git", "rg", "openssl")
BETTER = "chromium-headless-shell"


class Machine:
    """One of Debian that has nothing but these programs; what `apt-get` is told stands in `told`."""

    def __init__(self, folder: Path) -> None:
        self.programs = folder / "bin"
        self.programs.mkdir()
        self.told = folder / "told"
        self.is_user(0)
        self.has("uname", "echo Linux")
        self.has("ls", "exit 2")
        self.has("apt-cache", "exit 0")
        self.gives("")

    def has(self, name: str, does: str = "exit 0") -> None:
        (self.programs / name).write_text(f"#!/bin/sh\n{does}\n")
        (self.programs / name).chmod(0o755)

    def is_user(self, number: int) -> None:
        self.has("id", f"echo {number}")

    def gives(self, all_but: str) -> None:
        """Its packages can be fetched, but this one."""
        refuse = f'case " $* " in *" {all_but} "*) exit 100 ;; esac' if all_but else ""
        self.has("apt-get", f'echo "$*" >>{self.told}\n{refuse}')

    def prepare(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", str(SCRIPT)], env={"PATH": str(self.programs)}, capture_output=True, text=True, check=False
        )

    def installed(self) -> list[str]:
        """What was to be installed, in that order."""
        words = self.told.read_text().split() if self.told.exists() else []
        return [word for word in words if word in (*NEEDED, "ripgrep", BETTER)]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    for name in NEEDED:
        machine.has(name)
    return machine


def test_what_is_missing_is_installed_and_the_better_browser_beside_it(machine: Machine) -> None:
    (machine.programs / "rg").unlink()
    assert machine.prepare().returncode == 0
    assert machine.installed() == ["ripgrep", BETTER]


def test_a_better_browser_that_can_not_be_had_stops_nobody(machine: Machine) -> None:
    machine.gives(all_but=BETTER)
    done = machine.prepare()
    assert (done.returncode, machine.installed()) == (0, [BETTER])
    assert f"go on without {BETTER}" in done.stderr


def test_what_is_needed_and_can_not_be_had_stops_the_tests(machine: Machine) -> None:
    (machine.programs / "rg").unlink()
    machine.gives(all_but="ripgrep")
    assert machine.prepare().returncode == 100


def test_a_system_that_does_not_know_the_better_browser_is_asked_for_nothing(machine: Machine) -> None:
    machine.has("apt-cache", "exit 100")
    assert machine.prepare().returncode == 0
    assert not machine.told.exists()


def test_who_may_not_install_is_told_what_to_and_only_of_what_is_needed(machine: Machine) -> None:
    machine.is_user(1000)
    assert machine.prepare().returncode == 0
    (machine.programs / "rg").unlink()
    done = machine.prepare()
    assert done.returncode == 1
    assert done.stderr.endswith("sudo apt-get install -y ripgrep\n")
    assert not machine.told.exists()
