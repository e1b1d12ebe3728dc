"""The slots' doors."""

import pytest

from mainloop import plugins


@pytest.mark.parametrize(
    ("slot", "names"), [("workspaces", ["local", "memory"]), ("sandboxes", ["bubblewrap", "none"])]
)
def test_what_ships_uses_the_same_door_as_everybody_else(slot: plugins.Slot, names: list[str]) -> None:
    assert set(names) <= set(plugins.installed(slot))
    for name in names:
        assert isinstance(plugins.load(slot, name), type)


def test_an_unknown_name_is_refused_with_the_names_that_exist() -> None:
    with pytest.raises(plugins.UnknownPlugin) as refused:
        plugins.load("workspaces", "loocal")
    assert refused.value.sentence == "There is no loocal among the workspaces. Installed are: local, memory."
