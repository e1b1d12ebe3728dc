"""What every forge promises. A subclass gives the fixture `world`: a project, and the forge it is on."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mainloop.errors import MainloopError
from mainloop.forges.base import (
    HOW,
    BadBranch,
    BaseMoved,
    BranchGone,
    Check,
    Comment,
    CommitMissing,
    Forge,
    ForgeUnreachable,
    How,
    MergeConflicts,
    NothingToMerge,
    Proposal,
    Request,
    RequestMoved,
    RequestOver,
    RequestUnknown,
    Review,
    Unmergeable,
)
from mainloop.git import git
from mainloop.testing.repositories import Repository


class World(ABC):
    """A project with a branch `main`, and what others do in it."""

    def __init__(self, folder: Path) -> None:
        self.project = Repository.make(folder / "project")
        self.project.commit("the files", {"app.py": "one\ntwo\nthree\n", "other": "other\n"})
        self.repository = folder / "mirror.git"
        git("init", "--quiet", "--bare", "--template=", "--", str(self.repository))
        self.bring(self.project.commit_at("HEAD"))
        self.set("main", self.project.commit_at("HEAD"))

    @abstractmethod
    def forge(self) -> Forge:
        """As a server makes it that has just started."""

    @abstractmethod
    def set(self, branch: str, commit: str | None) -> None:
        """Somebody moves a branch of the project, or deletes it."""

    @abstractmethod
    def stands_at(self, branch: str) -> str | None: ...

    @abstractmethod
    def cut(self) -> None:
        """Nobody reaches the forge any more."""

    @abstractmethod
    def mend(self) -> None: ...

    def commit(self, files: dict[str, str], start: str | None = None, message: str = "a change") -> str:
        """A commit over another one, or over where `main` began, which the mirror has."""
        self.project.git("checkout", "--quiet", "--detach", start or "main")
        made = self.project.commit(message, files)
        self.bring(made)
        return made

    def bring(self, commit: str) -> None:
        ref = f"refs/seen/{commit}"
        git("fetch", "--quiet", "--", str(self.project.path), f"{commit}:{ref}", repository=self.repository)

    def take_over(self, commit: str) -> None:
        """The person takes over what was merged."""
        ref = f"refs/taken/{commit}"
        git("update-ref", ref, commit, repository=self.repository)
        self.project.git("fetch", "--quiet", str(self.repository), ref)

    def moves(self, files: dict[str, str], branch: str = "main") -> str:
        """Somebody else commits to a branch."""
        stands = self.stands_at(branch)
        if stands is not None:
            self.take_over(stands)
        made = self.commit(files, stands, "by somebody else")
        self.set(branch, made)
        return made

    def propose(self, files: dict[str, str], key: str = "s1", **more: str) -> Request:
        """A session's change, opened."""
        commit = self.commit(files)
        return self.forge().open(proposal(commit, key, **more))

    def merge(self, request: Request, how: How = "squash", **more: str) -> Request:
        """As somebody does who looks at it now."""
        seen = self.forge().look(request.number)
        return self.forge().merge(
            request.number, how, commit=seen.commit, base_commit=seen.base_commit or "", message=more.get("message", "")
        )

    def read(self, commit: str, path: str) -> str:
        return git("cat-file", "blob", f"{commit}:{path}", repository=self.repository)

    def about(self, commit: str, form: str) -> str:
        return git("show", "--no-patch", f"--format={form}", commit, repository=self.repository).strip()


def proposal(commit: str, key: str = "s1", branch: str = "mainloop/fox", base: str = "main", **more: str) -> Proposal:
    return Proposal(key=key, branch=branch, commit=commit, base=base, **{"title": "Fox", **more})


class ForgeContract:
    # -- open ----------------------------------------------------------------------------------------------------
    @pytest.mark.spec("forges-1")
    def test_a_change_is_opened_once_and_found_by_every_server(self, world: World) -> None:
        commit = world.commit({"app.py": "one\n2\nthree\n"})
        opened = world.forge().open(proposal(commit, title="Make it 2", text="As asked."))
        assert (opened.state, opened.commit, opened.base, opened.branch) == ("open", commit, "main", "mainloop/fox")
        assert (opened.title, opened.text) == ("Make it 2", "As asked.")
        assert opened.base_commit == world.stands_at("main")
        assert world.forge().open(proposal(commit, title="Make it 2", text="As asked.")) == opened
        assert world.forge().look(opened.number) == opened
        assert world.propose({"b": "b"}, key="s2").number != opened.number

    @pytest.mark.spec("forges-1")
    def test_what_can_not_be_opened_is_refused_in_words(self, world: World) -> None:
        commit, main = world.commit({"a": "a"}), world.stands_at("main") or ""
        for wrong, refusal in (
            (proposal("0" * 40), CommitMissing),
            (proposal("main"), CommitMissing),
            (proposal(main), NothingToMerge),
            (proposal(commit, base="nowhere"), BranchGone),
        ):
            with pytest.raises(refusal):
                world.forge().open(wrong)
        with pytest.raises(RequestUnknown):
            world.forge().look("no-such-request")

    @pytest.mark.parametrize(
        "name",
        [
            "",
            "-d",
            "--help",
            "HEAD",
            "a b",
            "a..b",
            "a~1",
            "a\nmain",
            "a\0b",
            "refs/heads/main",
            "../x",
            "a.lock",
            "@{-1}",
            "*",
        ],
    )
    @pytest.mark.spec("forges-6")
    def test_a_hostile_name_is_no_branch(self, world: World, name: str) -> None:
        commit = world.commit({"a": "a"})
        with pytest.raises(BadBranch):
            world.forge().open(proposal(commit, base=name))
        with pytest.raises(BadBranch):
            world.forge().open(proposal(commit, branch=name))
        assert world.propose({"b": "b"}, key="s2").state == "open"

    @pytest.mark.parametrize("name", ["ünïcode/🦊", "a'b\"c;$(touch${IFS}x)", "$HOME", "a/-b", "heads/main"])
    @pytest.mark.spec("forges-6")
    def test_an_odd_name_is_one(self, world: World, name: str) -> None:
        world.set(name, world.stands_at("main"))
        opened = world.propose({"a": "a"}, base=name, branch=f"{name}-2")
        assert world.merge(opened).merged == world.stands_at(name)
        assert world.stands_at("main") == opened.base_commit

    # -- what is said about it -----------------------------------------------------------------------------------
    @pytest.mark.spec("forges-2")
    def test_new_commits_replace_the_old_ones_and_their_approval(self, world: World) -> None:
        opened = world.propose({"a": "a"})
        forge = world.forge()
        forge.review(opened.number, Review(id="r1", author="me", verdict="approved", commit=opened.commit))
        assert forge.look(opened.number).approved
        more = world.commit({"b": "b"}, opened.commit)
        assert not forge.update(opened.number, commit=more).approved
        assert forge.update(opened.number, commit=more).commit == more
        with pytest.raises(RequestMoved):
            forge.review(opened.number, Review(id="r2", author="me", verdict="approved", commit=opened.commit))
        with pytest.raises(CommitMissing):
            forge.update(opened.number, commit="1" * 40)
        assert forge.look(opened.number).commit == more

    @pytest.mark.spec("forges-2")
    def test_reviews_and_comments_are_kept_once_each_in_their_order(self, world: World) -> None:
        opened, forge = world.propose({"a": "a"}), world.forge()
        first = Review(id="r1", author="me", verdict="sent_back", commit=opened.commit, text="Not like this.")
        second = Review(id="r2", author="me", verdict="approved", commit=opened.commit)
        for review in (first, first, second):
            forge.review(opened.number, review)
        assert forge.look(opened.number).reviews == (first, second)
        assert forge.look(opened.number).approved
        other = Review(id="r3", author="somebody", verdict="sent_back", commit=opened.commit)
        assert not forge.review(opened.number, other).approved
        line = Comment(id="c1", author="me", text="Why?\n\n*Really*.", commit=opened.commit, path="a b\n", line=3)
        for comment in (line, line, Comment(id="c2", author="me", text="Fine.", commit=opened.commit)):
            forge.comment(opened.number, comment)
        assert [c.id for c in world.forge().look(opened.number).comments] == ["c1", "c2"]
        assert world.forge().look(opened.number).comments[0] == line

    @pytest.mark.spec("forges-2")
    def test_the_newest_word_of_a_check_counts(self, world: World) -> None:
        opened, forge = world.propose({"a": "a"}), world.forge()
        assert opened.green
        check = Check(name="tests", commit=opened.commit, state="running")
        lint = Check(name="lint", commit=opened.commit, state="passed")
        assert not forge.checks(opened.number, [check, lint]).green
        assert not forge.checks(opened.number, [check.model_copy(update={"state": "failed", "text": "1 failed"})]).green
        assert forge.checks(opened.number, [check.model_copy(update={"state": "passed"})]).green
        assert {c.name: c.state for c in forge.look(opened.number).checks} == {"tests": "passed", "lint": "passed"}

    # -- merge ---------------------------------------------------------------------------------------------------
    @pytest.mark.parametrize("how", HOW)
    @pytest.mark.spec("forges-3")
    def test_a_merge_brings_the_change_into_the_base(self, world: World, how: How) -> None:
        first = world.commit({"app.py": "1\ntwo\nthree\n"}, message="First, ünïcode\n\nWith words.")
        commit = world.commit({"new": "new\n"}, first, message="Second")
        opened = world.forge().open(proposal(commit, title="Both", text="As asked."))
        base = world.moves({"other": "changed by others\n"})
        merged = world.merge(opened, how)
        assert (merged.state, merged.merged, merged.merged_here) == ("merged", world.stands_at("main"), True)
        assert merged.merged is not None
        for path, content in (("app.py", "1\ntwo\nthree\n"), ("new", "new\n"), ("other", "changed by others\n")):
            assert world.read(merged.merged, path) == content
        parents = world.about(merged.merged, "%P").split()
        log = git("log", "--format=%s", f"{base}..{merged.merged}", repository=world.repository).splitlines()
        if how == "squash":
            assert (parents, log) == ([base], ["Both"])
            assert world.about(merged.merged, "%B") == "Both\n\nAs asked."
            assert world.about(merged.merged, "%an %ae") == "A Person person@example.invalid"
        elif how == "merge":
            assert (parents, sorted(log)) == ([base, commit], ["Both", "First, ünïcode", "Second"])
        else:
            assert log == ["Second", "First, ünïcode"]
            assert world.about(f"{merged.merged}~", "%P") == base
            for form in ("%an %ae %ad", "%B"):
                assert world.about(f"{merged.merged}~", form) == world.about(first, form)

    @pytest.mark.spec("forges-5")
    def test_a_merge_that_is_asked_for_again_is_the_same(self, world: World) -> None:
        opened = world.propose({"a": "a"})
        seen: dict[str, Any] = {"commit": opened.commit, "base_commit": opened.base_commit or ""}
        once = world.forge().merge(opened.number, "squash", **seen)
        assert world.forge().merge(opened.number, "squash", **seen) == once
        assert world.forge().merge(opened.number, "rebase", commit="0" * 40, base_commit="0" * 40) == once
        assert world.stands_at("main") == once.merged

    @pytest.mark.spec("forges-4")
    def test_a_base_that_moved_is_looked_at_first(self, world: World) -> None:
        opened = world.propose({"a": "a"})
        moved = world.moves({"b": "b"})
        forge, seen = world.forge(), {"commit": opened.commit, "base_commit": opened.base_commit or ""}
        word = Review(id="1", author="you", verdict="approved", commit=opened.commit)
        with pytest.raises(BaseMoved, match=moved[:12]):
            forge.merge(opened.number, "squash", **seen, approval=word)
        assert world.stands_at("main") == moved
        # The approval was for what was not merged.
        assert forge.look(opened.number).reviews == ()
        for _ in range(2):
            merged = forge.merge(opened.number, "squash", commit=opened.commit, base_commit=moved, approval=word)
            assert (merged.merged, merged.approved, len(merged.reviews)) == (world.stands_at("main"), True, 1)

    @pytest.mark.spec("forges-4")
    def test_what_moved_since_it_was_looked_at_is_not_merged(self, world: World) -> None:
        opened, forge = world.propose({"a": "a"}), world.forge()
        forge.update(opened.number, commit=world.commit({"b": "b"}, opened.commit))
        with pytest.raises(RequestMoved):
            forge.merge(opened.number, "squash", commit=opened.commit, base_commit=opened.base_commit or "")
        assert world.stands_at("main") == opened.base_commit

    @pytest.mark.parametrize("how", HOW)
    @pytest.mark.spec("forges-4")
    def test_conflicts_are_named_by_their_files_before_and_at_the_merge(self, world: World, how: How) -> None:
        opened = world.propose({"app.py": "one\nmine\nthree\n", "öther\n": "mine\n", "fine": "fine\n"})
        assert opened.conflicts == ()
        base = world.moves({"app.py": "one\ntheirs\nthree\n", "öther\n": "theirs\n"})
        assert sorted(world.forge().look(opened.number).conflicts) == ["app.py", "öther\n"]
        with pytest.raises(MergeConflicts, match="app.py"):
            world.merge(opened, how)
        assert (world.stands_at("main"), world.forge().look(opened.number).state) == (base, "open")
        # The agent merges the base into its branch, and mends what it finds.
        world.project.git("checkout", "--quiet", "--detach", opened.commit)
        world.project.git("merge", "--quiet", "--strategy=ours", "--message=mended", base)
        mended = world.project.commit_at("HEAD")
        world.bring(mended)
        world.forge().update(opened.number, commit=mended)
        if how == "rebase":
            with pytest.raises(Unmergeable, match="Squash it"):
                world.merge(opened, how)
        else:
            merged = world.merge(opened, how).merged or ""
            assert world.read(merged, "app.py") == "one\nmine\nthree\n"

    @pytest.mark.spec("forges-3", "forges-9")
    def test_what_the_base_has_already_in_other_commits_is_not_proposed(self, world: World) -> None:
        commit = world.commit({"a": "a\n"})
        world.moves({"a": "a\n"})
        with pytest.raises(NothingToMerge):
            world.forge().open(proposal(commit))

    @pytest.mark.spec("forges-3")
    def test_what_changes_nothing_is_not_merged(self, world: World) -> None:
        opened = world.propose({})
        world.moves({"b": "b\n"})
        with pytest.raises(NothingToMerge):
            world.merge(opened, "squash")
        assert world.forge().look(opened.number).state == "open"

    @pytest.mark.spec("forges-9")
    def test_what_somebody_squashed_by_hand_is_found_merged(self, world: World) -> None:
        first = world.commit({"app.py": "1\ntwo\nthree\n"})
        opened = world.forge().open(proposal(world.commit({"a": "a\n"}, first)))
        # A part of it is not all of it.
        world.moves({"app.py": "1\ntwo\nthree\n"})
        assert world.forge().look(opened.number).state == "open"
        squashed = world.moves({"a": "a\n", "more": "of their own\n"})
        world.moves({"later": "later\n"})
        found = world.forge().look(opened.number)
        assert (found.state, found.merged) == ("merged", world.stands_at("main"))
        assert found.merged != squashed
        # Who presses merge now is told the same, and nobody has approved it.
        assert not found.merged_here
        word = Review(id="1", author="you", verdict="approved", commit=opened.commit)
        seen: dict[str, Any] = {"commit": opened.commit, "base_commit": found.base_commit}
        assert world.forge().merge(opened.number, "squash", **seen, approval=word) == found

    @pytest.mark.spec("forges-9")
    def test_what_was_squashed_and_is_there_no_more_is_not_found_merged(self, world: World) -> None:
        opened = world.propose({"app.py": "1\ntwo\nthree\n"})
        world.moves({"app.py": "1\ntwo\nthree\n"})
        # Taken back before anybody looked; the rest of the project went on.
        world.moves({"app.py": "one\ntwo\nthree\n", "other": "went on\n"})
        assert world.forge().look(opened.number).state == "open"
        # Brought in again, and edited further: who looks sees that it conflicts.
        world.moves({"app.py": "1.0\ntwo\nthree\n"})
        again = world.forge().look(opened.number)
        assert (again.state, again.conflicts) == ("open", ("app.py",))

    @pytest.mark.spec("forges-9")
    def test_newer_commits_that_somebody_squashed_already_are_found_merged(self, world: World) -> None:
        opened = world.propose({"a": "half\n"})
        newer = world.commit({"a": "all\n"}, opened.commit)
        world.moves({"a": "all\n"})
        found = world.forge().update(opened.number, commit=newer)
        assert (found.state, found.merged) == ("merged", world.stands_at("main"))

    @pytest.mark.parametrize("how", ["fast forward", "merge"])
    @pytest.mark.spec("forges-9")
    def test_what_somebody_merged_by_hand_is_found_merged(self, world: World, how: str) -> None:
        opened = world.propose({"a": "a\n"})
        if how == "merge":
            world.moves({"b": "b\n"})
            assert world.forge().look(opened.number).state == "open"
            world.project.git("checkout", "--quiet", "--detach", world.stands_at("main") or "")
            world.project.git("merge", "--quiet", "--no-edit", opened.commit)
            world.bring(world.project.commit_at("HEAD"))
            world.set("main", world.project.commit_at("HEAD"))
        else:
            world.set("main", opened.commit)
        found = world.forge().look(opened.number)
        assert (found.state, found.merged, found.merged_here) == ("merged", world.stands_at("main"), False)
        assert world.merge(opened) == found
        with pytest.raises(RequestOver):
            world.forge().update(opened.number, commit=world.commit({"c": "c\n"}, opened.commit))

    @pytest.mark.spec("forges-5")
    def test_of_two_that_merge_the_same_change_both_see_it_merged_once(self, world: World) -> None:
        opened = world.propose({"a": "a"})
        seen: dict[str, Any] = {"commit": opened.commit, "base_commit": opened.base_commit or ""}
        merged = together(lambda: world.forge().merge(opened.number, "squash", **seen))
        assert merged[0] == merged[1]
        assert isinstance(merged[0], Request)
        assert merged[0].merged == world.stands_at("main")

    @pytest.mark.spec("forges-5")
    def test_of_two_changes_that_race_for_a_base_one_comes_after_the_other(self, world: World) -> None:
        requests = iter([world.propose({"a": "a"}), world.propose({"b": "b"}, key="s2")])

        def act() -> Request:
            request = next(requests)
            seen: dict[str, Any] = {"commit": request.commit, "base_commit": request.base_commit or ""}
            return world.forge().merge(request.number, "squash", **seen)

        outcomes = together(act)
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["BaseMoved", "Request"]
        for number in ("s1", "s2"):
            world.merge(world.propose({}, key=number))
        main = world.stands_at("main") or ""
        assert (world.read(main, "a"), world.read(main, "b")) == ("a", "b")

    # -- the end -------------------------------------------------------------------------------------------------
    @pytest.mark.parametrize("end", ["merged", "closed"])
    @pytest.mark.spec("forges-1")
    def test_what_is_over_is_only_talked_about(self, world: World, end: str) -> None:
        opened, forge = world.propose({"a": "a"}), world.forge()
        over = world.merge(opened) if end == "merged" else forge.close(opened.number)
        assert over.state == end
        more = world.commit({"b": "b"}, opened.commit)
        refused: list[Callable[[], object]] = [
            lambda: forge.update(opened.number, commit=more),
            lambda: forge.review(opened.number, Review(id="r", author="me", verdict="approved", commit=opened.commit)),
            lambda: forge.checks(opened.number, [Check(name="t", commit=opened.commit, state="passed")]),
            *([lambda: world.merge(opened)] if end == "closed" else [lambda: forge.close(opened.number)]),
        ]
        for act in refused:
            with pytest.raises(RequestOver, match=f"is {end}"):
                act()
        comment = Comment(id="c", author="me", text="After all.", commit=opened.commit)
        assert forge.comment(opened.number, comment).comments == (comment,)
        if end == "closed":
            assert forge.close(opened.number).state == "closed"
            assert world.stands_at("main") == opened.base_commit

    @pytest.mark.spec("forges-4")
    def test_a_base_that_is_gone_or_has_another_name_is_said_and_can_be_changed(self, world: World) -> None:
        opened = world.propose({"a": "a"})
        stands = world.stands_at("main")
        world.set("trunk", stands)
        world.set("main", None)
        assert world.forge().look(opened.number).base_commit is None
        with pytest.raises(BranchGone, match="no branch main"):
            world.merge(opened)
        with pytest.raises(BranchGone):
            world.forge().update(opened.number, base="nowhere")
        renamed = world.forge().update(opened.number, base="trunk")
        assert (renamed.base, renamed.base_commit) == ("trunk", stands)
        assert world.merge(opened).merged == world.stands_at("trunk")

    @pytest.mark.spec("forges-1")
    def test_a_forge_that_can_not_be_reached_says_so_and_goes_on_afterwards(self, world: World) -> None:
        opened, forge = world.propose({"a": "a"}), world.forge()
        seen: dict[str, Any] = {"commit": opened.commit, "base_commit": opened.base_commit or ""}
        world.cut()
        acts: list[Callable[[], object]] = [
            lambda: forge.open(proposal(opened.commit, key="s2")),
            lambda: forge.look(opened.number),
            lambda: forge.merge(opened.number, "merge", **seen),
            lambda: forge.close(opened.number),
        ]
        for act in acts:
            with pytest.raises(ForgeUnreachable):
                act()
        world.mend()
        assert forge.look(opened.number) == opened
        assert forge.merge(opened.number, "merge", **seen).merged == world.stands_at("main")


def together(act: Callable[[], Request]) -> list[Request | MainloopError]:
    """What two get that do the same at the same moment."""
    at_once = threading.Barrier(2)

    def one(_: int) -> Request | MainloopError:
        at_once.wait()
        try:
            return act()
        except MainloopError as error:
            return error

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(one, range(2)))
