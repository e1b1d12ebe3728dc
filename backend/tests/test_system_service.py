"""The service: what is written, that nothing of anybody else is, and what is said where there is no systemd."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mainloop.main import main
from mainloop.system_service import MARK, property_list, unit

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")

# Says yes to everything and notes it: there is no systemd for users in a container.
STAND_IN = """#!/bin/sh
echo "$(basename $0) $@" >> {calls}
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's home without a service, on a machine with nothing but a shell."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "basename"):
        found = shutil.which(name)
        assert found
        (programs / name).symlink_to(found)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("MAINLOOP_HOME", str(tmp_path / "a home"))
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def with_systemd(machine: Path) -> Path:
    for name in ("systemctl", "loginctl"):
        program = machine / "bin" / name
        program.write_text(STAND_IN.format(calls=machine / "calls"))
        program.chmod(0o755)
    return machine


def unit_file(machine: Path) -> Path:
    return machine / "config" / "systemd" / "user" / "mainloop.service"


@pytest.mark.spec("home-8")
def test_without_systemd_a_sentence_says_what_to_do_and_nothing_is_written(
    machine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["service", "install"]) == 1
    said = capsys.readouterr().err
    assert "There is no systemd for users here (systemctl is not installed)" in said
    assert "-m mainloop.main up" in said
    assert not (machine / "config").exists()


@pytest.mark.spec("home-8")
def test_installing_twice_is_the_same_as_once_and_uninstalling_takes_it_away(
    with_systemd: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["service", "install"]) == 0
    first = unit_file(with_systemd).read_text()
    assert "KillMode=process" in first
    assert "enable-linger" in capsys.readouterr().out
    assert main(["service", "install"]) == 0
    assert "is as it should be" in capsys.readouterr().out
    assert unit_file(with_systemd).read_text() == first
    assert main(["service", "status"]) == 0
    assert "is installed" in capsys.readouterr().out
    assert main(["service", "uninstall"]) == 0
    assert not unit_file(with_systemd).exists()
    assert main(["service", "uninstall"]) == 0
    assert "No service is installed" in capsys.readouterr().out
    calls = (with_systemd / "calls").read_text()
    assert "systemctl --user enable --now mainloop.service" in calls
    assert "systemctl --user disable --now mainloop.service" in calls


@pytest.mark.spec("home-8")
@pytest.mark.parametrize("act", ["install", "uninstall"])
def test_a_unit_of_somebody_else_is_left_as_it_is(
    with_systemd: Path, capsys: pytest.CaptureFixture[str], act: str
) -> None:
    unit_file(with_systemd).parent.mkdir(parents=True)
    unit_file(with_systemd).write_text("[Service]\nExecStart=/bin/true\n")
    assert main(["service", act]) == 1
    assert "was not written by mainloop" in capsys.readouterr().err
    assert unit_file(with_systemd).read_text() == "[Service]\nExecStart=/bin/true\n"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_understands_the_unit_also_with_odd_paths(tmp_path: Path) -> None:
    odd = tmp_path / 'a "50%" $HOME of \\ mine'
    odd.mkdir()
    file = tmp_path / "mainloop.service"
    file.write_text(unit((sys.executable, "-P", "-m", "mainloop.main", "up"), odd, odd))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", "--man=no", str(file)],
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    complaints = [line for line in done.stderr.splitlines() if "mainloop.service" in line]
    assert complaints == []
    assert done.returncode == 0, done.stderr


def test_the_file_for_launchd_says_who_wrote_it() -> None:
    written = property_list(("python", "up"), Path("/home"), Path("/")).decode()
    assert MARK in written
    assert "AbandonProcessGroup" in written
