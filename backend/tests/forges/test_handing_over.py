"""What was merged comes into the person's repository as far as they want it, and over nothing of theirs."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mainloop import plugins
from mainloop.forges.base import NotHandedOver, Place, Reach
from mainloop.git import git
from mainloop.testing.repositories import Repository

pytestmark = pytest.mark.spec("forges-8")


class Both:
    """The person's repository, and the mirror in which something was merged over it."""

    def __init__(self, folder: Path) -> None:
        self.theirs = Repository.make(folder / "theirs", commits=2)
        self.theirs.commit("files", {"app.py": "one\n", "other": "other\n"})
        self.mirror = folder / "mirror.git"
        self.theirs.git("clone", "--quiet", "--bare", str(self.theirs.path), str(self.mirror))
        work = Repository(folder / "work")
        self.theirs.git("clone", "--quiet", str(self.mirror), str(work.path))
        self.merged = work.commit("merged", {"app.py": "1\n", "new": "new\n"})
        work.git("push", "--quiet", "origin", "HEAD:refs/heads/main")

    def hand_over(self, reach: Reach = "checkout") -> str | None:
        place = Place(repository=self.mirror, source=str(self.theirs.path))
        return plugins.make_forge("local", place).hand_over("main", reach)

    def seen(self) -> tuple[str, str, str]:
        """All that must stay where nothing is handed over."""
        files = {p.name: p.read_text() for p in sorted(self.theirs.path.iterdir()) if p.is_file()}
        return self.theirs.commit_at("main"), self.theirs.git("status", "--porcelain"), str(files)


@pytest.fixture
def both(tmp_path: Path) -> Both:
    return Both(tmp_path)


def elsewhere(both: Both) -> None:
    both.theirs.git("checkout", "--quiet", "-b", "mine")


def test_a_clean_checkout_goes_along(both: Both) -> None:
    (both.theirs.path / "scratch").write_text("not known to git")
    assert both.hand_over() == both.merged
    assert both.theirs.commit_at("HEAD") == both.merged
    assert (both.theirs.path / "app.py").read_text() == "1\n"
    assert (both.theirs.path / "scratch").read_text() == "not known to git"
    assert both.theirs.git("status", "--porcelain") == "?? scratch"
    assert both.hand_over() == both.merged


@pytest.mark.parametrize("reach", ["branch", "checkout"])
def test_a_branch_that_is_checked_out_nowhere_goes_along(both: Both, reach: Reach) -> None:
    elsewhere(both)
    (both.theirs.path / "app.py").write_text("not committed")
    assert both.hand_over(reach) == both.merged
    assert both.theirs.commit_at("main") == both.merged
    assert (both.theirs.path / "app.py").read_text() == "not committed"


def test_nothing_is_touched_where_the_person_wants_it_so(both: Both) -> None:
    before = both.seen()
    assert both.hand_over("never") is None
    with pytest.raises(NotHandedOver, match="is checked out in"):
        both.hand_over("branch")
    assert both.seen() == before


def changed(both: Both) -> None:
    (both.theirs.path / "other").write_text("not committed")


def staged(both: Both) -> None:
    (both.theirs.path / "other").write_text("staged")
    both.theirs.git("add", "other")
    (both.theirs.path / "other").write_text("other\n")


def in_the_way(both: Both) -> None:
    (both.theirs.path / "new").write_text("mine, and git does not know it")


def went_on(both: Both) -> None:
    both.theirs.commit("mine", {"mine": "mine"})


def went_on_elsewhere(both: Both) -> None:
    went_on(both)
    elsewhere(both)


def in_another_work_tree(both: Both) -> None:
    elsewhere(both)
    place = both.theirs.path.with_name("another\ntree")
    both.theirs.git("worktree", "add", "--quiet", str(place), "main")
    (place / "app.py").write_text("not committed")


def conflicting(both: Both, *command: str) -> None:
    both.theirs.git("checkout", "--quiet", "-b", "side", "HEAD~1")
    both.theirs.commit("side", {"app.py": "side\n"})
    both.theirs.git("checkout", "--quiet", "main")
    done = subprocess.run(["git", *command], cwd=both.theirs.path, capture_output=True, check=False)
    assert done.returncode != 0


def in_a_rebase(both: Both) -> None:
    conflicting(both, "-c", "user.name=x", "-c", "user.email=x@x", "rebase", "side")


def in_a_merge(both: Both) -> None:
    """Everything resolved as it was, so that nothing looks changed."""
    conflicting(both, "-c", "user.name=x", "-c", "user.email=x@x", "merge", "side")
    both.theirs.git("checkout", "--quiet", "HEAD", "--", ".")


@pytest.mark.parametrize(
    "mess",
    [changed, staged, in_the_way, went_on, went_on_elsewhere, in_another_work_tree, in_a_rebase, in_a_merge],
    ids=lambda mess: mess.__name__,
)
def test_what_the_person_is_at_stays_as_it_is_and_is_named(both: Both, mess: Callable[[Both], None]) -> None:
    mess(both)
    before = both.seen()
    with pytest.raises(NotHandedOver) as refused:
        both.hand_over()
    assert str(both.theirs.path) in refused.value.sentence
    assert str(both.mirror) in refused.value.sentence
    assert both.seen() == before


def test_no_hook_of_theirs_is_run(both: Both, tmp_path: Path) -> None:
    for hook in ("post-merge", "post-checkout", "reference-transaction", "post-index-change"):
        path = both.theirs.path / ".git" / "hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\ntouch '{tmp_path}/trap'\n")
        path.chmod(0o755)
    assert both.hand_over() == both.merged
    assert not (tmp_path / "trap").exists()


def test_a_repository_that_is_gone_is_said_in_words(both: Both) -> None:
    (both.theirs.path / ".git").rename(both.theirs.path / "no-git")
    with pytest.raises(NotHandedOver):
        both.hand_over()
    both.theirs.path.rename(both.theirs.path.with_name("moved"))
    assert both.hand_over() is None
    assert git("rev-parse", "refs/heads/main", repository=both.mirror).strip() == both.merged
