"""What the person is told where a sandbox can't work."""

import tempfile
from pathlib import Path

import pytest

from mainloop import plugins
from mainloop.sandboxes.base import Policy
from mainloop.sandboxes.bubblewrap import Bubblewrap
from mainloop.sandboxes.trial import try_out


class _Open:
    name, confined = "open", True

    def wrap(self, policy: Policy) -> list[str]:
        return []


class _Shut(_Open):
    def wrap(self, policy: Policy) -> list[str]:
        return ["sh", "-c", "echo bwrap: setting up uid map: Permission denied >&2; exit 1"]


def test_a_sandbox_that_holds_nothing_is_found_out() -> None:
    assert try_out(_Open()).failures == (  # pyright: ignore[reportArgumentType]
        "a folder outside can be written",
        "a file outside can be read",
        "other processes can be seen",
    )


def test_a_sandbox_that_does_not_start_is_quoted() -> None:
    trial = try_out(_Shut())  # pyright: ignore[reportArgumentType]
    assert not trial.started
    assert trial.said == "bwrap: setting up uid map: Permission denied"


def test_a_trial_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Path] = []
    mkdtemp = tempfile.mkdtemp

    def noted(**wanted: str) -> str:
        made.append(Path(mkdtemp(**wanted)))
        return str(made[-1])

    monkeypatch.setattr(tempfile, "mkdtemp", noted)
    try_out(_Open())  # pyright: ignore[reportArgumentType]
    assert len(made) == 1
    assert not made[0].exists()


def test_missing_bubblewrap_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    probe = Bubblewrap().probe()
    assert not probe.ok
    assert "not installed" in probe.text
    assert "apt install bubblewrap" in probe.hint


def test_auto_falls_back_to_none_and_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    sandbox, probe = plugins.choose_sandbox("auto")
    assert sandbox.name == "none"
    assert "not confined" in probe.text
    assert "bubblewrap is not installed" in probe.hint


def test_who_asked_for_bubblewrap_by_name_is_not_left_without(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    sandbox, probe = plugins.choose_sandbox("bubblewrap")
    assert sandbox.name == "bubblewrap"
    assert not probe.ok
