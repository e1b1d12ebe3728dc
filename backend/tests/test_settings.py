"""What the settings are where nobody set them."""

from pathlib import Path

import pytest

from mainloop import settings
from mainloop.settings import Settings, memory, places_for

GB = 2**30


@pytest.mark.spec("waiting-8")
@pytest.mark.parametrize(("total", "places"), [(GB // 2, 2), (4 * GB, 5), (8 * GB, 10), (24 * GB, 30), (512 * GB, 60)])
def test_places_at_work_follow_from_the_memory(total: int, places: int) -> None:
    assert places_for(total) == places


@pytest.mark.spec("waiting-8")
def test_a_container_s_bound_is_its_memory_and_the_setting_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound = tmp_path / "memory.max"
    monkeypatch.setattr(settings, "CGROUP", bound)
    machine = memory()
    bound.write_text("max\n")
    assert memory() == machine
    bound.write_text(f"{GB}\n")
    assert memory() == GB
    assert Settings(home=tmp_path).max_alive == places_for(GB)
    assert Settings(home=tmp_path, max_alive=7).max_alive == 7
