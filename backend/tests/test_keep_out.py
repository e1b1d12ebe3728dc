"""No process of a test opens the person's own home."""

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from mainloop.main import main
from mainloop.settings import Settings
from mainloop.testing.server import ServerProcess

# Not `Path.home()`: that is somebody else's while tests run.
THEIRS = Path(pwd.getpwuid(os.getuid()).pw_dir) / ".mainloop"


@pytest.mark.spec("kept-16")
def test_without_a_named_home_nothing_is_opened(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValidationError, match="the home has to be named"):
        Settings()
    assert main(["pair"]) == 1
    assert "the home has to be named" in capsys.readouterr().err


@pytest.mark.spec("kept-16")
@pytest.mark.parametrize("where", ["itself", "inside", "around", "behind a link"])
def test_the_persons_home_is_refused_by_whatever_name(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    link = tmp_path / "link"
    link.symlink_to(THEIRS.parent)
    named = {"itself": THEIRS, "inside": THEIRS / "x", "around": THEIRS.parent, "behind a link": link / ".mainloop"}
    existed = THEIRS.exists()
    monkeypatch.setenv("MAINLOOP_HOME", str(named[where]))
    assert main(["migrate"]) == 1
    assert "the person's own" in capsys.readouterr().err
    assert THEIRS.exists() == existed


@pytest.mark.spec("kept-16")
def test_a_program_that_a_test_starts_is_kept_out_as_well(tmp_path: Path) -> None:
    for environment in (ServerProcess(THEIRS).environment, {**os.environ, "MAINLOOP_HOME": str(THEIRS)}):
        done = subprocess.run(
            [sys.executable, "-m", "mainloop.main", "migrate"],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert "the person's own" in done.stderr
