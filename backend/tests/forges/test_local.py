"""The local forge beyond the contract: killed at any step, whatever a change brings along, and a project that goes on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mainloop import plugins
from mainloop.forges import local, merging
from mainloop.forges.base import HOW, BaseSplit, Forge, How, Place
from mainloop.git import git
from mainloop.testing.contracts.forges import World, proposal

from .test_contract import LocalWorld

WRITING = {"hash-object", "mktree", "update-ref"}


class Killed(BaseException):
    """The server is gone at this moment."""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return LocalWorld(tmp_path)


@pytest.fixture
def kill_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, bool], None]:
    """The server dies before or after the git command of this number that writes."""

    def arm(number: int, afterwards: bool) -> None:
        seen = 0

        def dying(real: Callable[..., Any]) -> Callable[..., Any]:
            def run(*arguments: str, **more: Any) -> Any:
                nonlocal seen
                seen += arguments[0] in WRITING
                strikes = seen == number and arguments[0] in WRITING
                if strikes and not afterwards:
                    raise Killed
                answer = real(*arguments, **more)
                if strikes:
                    raise Killed
                return answer

            return run

        monkeypatch.undo()
        for module, name in ((local, "git"), (merging, "git"), (merging, "git_bytes")):
            monkeypatch.setattr(module, name, dying(getattr(module, name)))

    return arm


@pytest.mark.spec("forges-5")
@pytest.mark.parametrize("afterwards", [False, True], ids=["before", "after"])
def test_a_server_killed_at_any_step_has_merged_once_or_not_and_knows_which(
    world: World, kill_at: Callable[[int, bool], None], monkeypatch: pytest.MonkeyPatch, afterwards: bool
) -> None:
    states: list[str] = []
    for number in range(1, 30):
        title = f"change {number}"
        opened = world.propose({f"file-{number}": "x\n"}, key=f"s{number}", title=title)
        kill_at(number, afterwards)
        try:
            world.merge(opened)
            done = True
        except Killed:
            done = False
        monkeypatch.undo()
        # The next server looks.
        found = world.forge().look(opened.number)
        times = (
            git("log", "--format=%s", world.stands_at("main") or "", repository=world.repository)
            .split("\n")
            .count(title)
        )
        assert times == (found.state == "merged")
        states.append(found.state)
        merged = world.merge(opened)
        assert merged.merged is not None
        assert world.read(merged.merged, f"file-{number}") == "x\n"
        subjects = git("log", "--format=%s", world.stands_at("main") or "", repository=world.repository).split("\n")
        assert subjects.count(title) == 1
        if done:
            # Every step was struck: some before the merge, some behind it.
            assert {"open", "merged"} == set(states[:-1])
            return
    raise AssertionError("a merge takes more than so many steps")


@pytest.mark.spec("forges-6")
@pytest.mark.parametrize("how", HOW)
def test_nothing_that_a_change_brings_along_or_the_person_configures_is_run(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: How
) -> None:
    trap = tmp_path / "trap"
    (tmp_path / "hooks").mkdir()
    strike = tmp_path / "hooks" / "strike"
    strike.write_text(f"#!/bin/sh\ntouch '{trap}'\n")
    strike.chmod(0o755)
    for hook in ("reference-transaction", "pre-merge-commit", "post-commit", "pre-commit", "commit-msg", "update"):
        (tmp_path / "hooks" / hook).symlink_to(strike)
    (world.repository / "hooks").mkdir()
    (world.repository / "hooks" / "reference-transaction").symlink_to(strike)
    (tmp_path / "person").mkdir()
    (tmp_path / "person" / ".gitconfig").write_text(
        f'[core]\n hooksPath = {tmp_path}/hooks\n fsmonitor = {strike}\n attributesFile = {tmp_path}/attributes\n'
        f'[merge "evil"]\n driver = {strike}\n[merge]\n default = evil\n'
        f'[filter "evil"]\n clean = {strike}\n smudge = {strike}\n[diff "evil"]\n textconv = {strike}\n'
        f'[commit]\n gpgSign = true\n[gpg]\n program = {strike}\n'
    )  # fmt: skip
    (tmp_path / "attributes").write_text("* merge=evil filter=evil diff=evil\n")
    files = {"app.py": "1\ntwo\nthree\n", ".gitattributes": "* merge=evil filter=evil diff=evil ident\n"}
    opened = world.propose(files)
    world.moves({"app.py": "one\ntwo\n3\n"})
    monkeypatch.setenv("HOME", str(tmp_path / "person"))
    merged = world.merge(opened, how).merged or ""
    # Lines beside each other conflict, these do not.
    assert world.read(merged, "app.py") == "1\ntwo\n3\n"
    assert not trap.exists()


@pytest.mark.spec("forges-7")
def test_a_project_that_goes_on_takes_along_what_was_merged_or_is_said_to_have_gone_apart(world: World) -> None:
    first = world.merge(world.propose({"a": "a"})).merged
    again = world.forge().open(proposal(world.commit({"b": "b"}), key="s2"))
    # Merged here and not in the project yet: the next one comes after it, whatever is fetched meanwhile.
    world.set("main", first and world.about(first, "%P"))
    assert again.base_commit == first
    # The person takes it over and goes on.
    world.take_over(first or "")
    theirs = world.commit({"theirs": "theirs"}, first)
    world.set("main", theirs)
    assert world.forge().look(again.number).base_commit == theirs
    second = world.merge(again).merged or ""
    assert world.about(second, "%P") == theirs
    # They go on without it.
    third = world.propose({"c": "c"}, key="s3")
    world.set("main", world.commit({"more": "more"}, theirs))
    with pytest.raises(BaseSplit, match=second[:12]):
        world.merge(third)
    assert world.stands_at("main") == second


@pytest.mark.spec("forges-5")
def test_what_was_talked_about_survives_a_restart_and_its_commits_do(world: World) -> None:
    opened = world.propose({"a": "a"})
    replaced = opened.commit
    world.forge().update(opened.number, commit=world.commit({"a": "b"}))
    git("update-ref", "-d", f"refs/seen/{replaced}", repository=world.repository)
    git("-c", "gc.reflogExpire=now", "prune", "--expire=now", repository=world.repository)
    assert world.read(replaced, "a") == "a"
    forge: Forge = plugins.make_forge("local", Place(repository=world.repository))
    assert forge.look(opened.number).title == "Fox"
