"""What the settings are where nobody set them."""

from pathlib import Path

import pytest

from mainloop import settings
from mainloop.settings import Settings, available_memory, memory, places_for

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
    monkeypatch.setattr(settings, "CGROUP", tmp_path)
    machine = memory()
    bound.write_text("max\n")
    assert memory() == machine
    bound.write_text(f"{GB}\n")
    assert memory() == GB
    assert Settings(home=tmp_path).max_alive == places_for(GB)
    assert Settings(home=tmp_path, max_alive=7).max_alive == 7


@pytest.mark.spec("waiting-16")
@pytest.mark.skipif(available_memory() is None, reason="this system does not say how much memory is left")
def test_in_a_container_what_is_left_of_its_bound_counts_and_what_is_only_cached_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "CGROUP", tmp_path)
    machine = available_memory()
    assert machine is not None
    assert machine > 400
    for name, text in {"max": "400", "current": "350", "stat": "anon 1\ninactive_file 100"}.items():
        (tmp_path / f"memory.{name}").write_text(f"{text}\n")
    assert available_memory() == 150
