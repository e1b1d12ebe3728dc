"""Between approved and merged, at the API: killed at every step, what can't be merged, what comes after."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mainloop.events.unit import Database, UnitOfWork
from mainloop.forges import local, merging
from mainloop.forges.base import Place
from mainloop.testing.forges import MemoryForge

from .conftest import World

WRITING = {"hash-object", "mktree", "update-ref", "fetch", "merge"}


class Killed(BaseException):
    """The server is gone at this moment."""


class Killer:
    """Kills before or after the step of a number: what git writes, and what is written into the database."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch

    def arm(self, number: int, afterwards: bool) -> None:
        seen = 0

        def dying(real: Callable[..., Any], counts: Callable[..., bool]) -> Callable[..., Any]:
            def run(*arguments: Any, **more: Any) -> Any:
                nonlocal seen
                if not counts(*arguments):
                    return real(*arguments, **more)
                seen += 1
                strikes = seen == number
                if strikes and not afterwards:
                    raise Killed
                answer = real(*arguments, **more)
                if strikes:
                    raise Killed
                return answer

            return run

        for module, name in ((local, "git"), (merging, "git"), (merging, "git_bytes")):
            real = getattr(module, name)
            self._patch.setattr(module, name, dying(real, lambda *given: given[0] in WRITING))
        self._patch.setattr(Database, "write", dying(Database.write, lambda *_: True))

    def disarm(self) -> None:
        self._patch.undo()


@pytest.mark.spec("changes-26")
@pytest.mark.parametrize("afterwards", [False, True], ids=["before", "after"])
def test_a_server_killed_at_any_step_has_merged_once_or_not_and_says_which(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch, afterwards: bool
) -> None:
    world.sets(by_itself=False, reach="branch")
    life = world.server.parts.life
    # The phases are carried out here, by hand.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(life, "look_again", _nothing)
        agent = world.start(title="Only once")
        world.source.git("checkout", "--quiet", "-b", "elsewhere")
        agent.works({"app.py": "1\n"}, outcome="partial")
        agent.runner.goodbye()
        database, phases = world.server.parts.database, world.server.parts.phases
        agent.server.person.until("rest", lambda: agent.id not in database.read(phases.subjects_to_do))
        world.server.parts.changes_by_hand.propose(agent.id)
        change = agent.change
        agent.ask("/merge", 202, commit=change["commit"], base_commit=change["base_commit"])
        killer = Killer(monkeypatch)
        states: list[str] = []
        for number in range(1, 40):
            killer.arm(number, afterwards)
            try:
                life.see_to(agent.id)
                killed = False
            except Killed:
                killed = True
            killer.disarm()
            told, there = agent.change["state"], world.branch() and world.subjects().count("Only once")
            assert (told, there or 0) in (("merging", 0), ("merging", 1), ("merged", 1))
            states.append(told)
            if not killed:
                break
        assert states[-1] == "merged"
        assert len(states) > 5
    assert world.subjects().count("Only once") == 1
    assert world.source.commit_at("main") == world.branch()
    assert agent.change["handed_over"] == f"Your own branch main stands at {world.branch()[:12]} now."
    told = [e["body"] for e in agent.server.person.events() if e["kind"] == "notice"]
    assert [body["about"] for body in told if body["session_id"] == agent.id].count("done") == 1


@pytest.mark.spec("changes-27")
def test_what_was_merged_comes_into_a_clean_checkout_and_never_over_work_of_the_persons(world: World) -> None:
    world.sets(needs_approval=False, reach="checkout")
    first = world.start()
    first.works({"app.py": "1\n"})
    merged = first.until("its merge", lambda c: c["state"] == "merged")
    assert world.source.commit_at("HEAD") == merged["merged"]
    assert (world.source.path / "app.py").read_text() == "1\n"
    (world.source.path / "app.py").write_text("mine\n")
    second = world.start()
    second.works({"other.py": "2\n"})
    later = second.until("its merge", lambda c: c["state"] == "merged")
    assert "has changes that are not committed" in later["handed_over"]
    assert world.source.commit_at("HEAD") == merged["merged"]
    assert (world.source.path / "app.py").read_text() == "mine\n"


@pytest.mark.spec("changes-28")
def test_a_project_that_went_on_without_what_was_merged_is_the_persons_to_mend(world: World) -> None:
    world.sets(needs_approval=False)
    first = world.start()
    first.works({"app.py": "1\n"})
    merged = first.until("its merge", lambda c: c["state"] == "merged")["merged"]
    second = world.start()
    second.works({"other.py": "2\n"}, outcome="partial")
    world.source.commit("without it", {"more.py": ""})
    _fetch(world)
    second.ask("")
    trouble = second.until("the trouble", lambda c: c["problem"])
    assert "have gone apart" in trouble["problem"]
    assert (trouble["state"], second.session["state"]) == ("open", "in_review")
    item = second.server.person.until_item(lambda i: i["session_id"] == second.id)
    assert item["notice"]["text"] == trouble["problem"]
    world.source.git("fetch", "--quiet", str(world.mirror), "refs/heads/main")
    world.source.git("merge", "--quiet", "--no-edit", merged)
    _fetch(world)
    second.server.person.answer(item["id"], "retry")
    over = second.until("its merge", lambda c: c["state"] == "merged")
    assert over["problem"] == ""


@pytest.mark.spec("changes-25")
def test_what_the_project_went_on_with_is_in_what_an_approved_change_is_merged_onto(world: World) -> None:
    agent = world.start()
    commit = agent.works({"app.py": "1\n"})
    agent.until("its change", lambda c: c["state"] == "open")
    mine = world.source.commit("Mine", {"mine.py": ""})
    agent.approves(commit)
    merged = agent.until("its merge", lambda c: c["state"] == "merged")["merged"]
    assert world.git("rev-parse", f"{merged}^") == mine
    assert agent.server.workspaces.commits[world.start().id] == merged
    # And where it can't be reached, what is known of it counts.
    other = world.start()
    commit = other.works({"other.py": "2\n"})
    other.until("its change", lambda c: c["state"] == "open")
    world.source.path.rename(world.source.path.with_name(f"{world.source.path.name}-away"))
    other.approves(commit)
    other.until("its merge", lambda c: c["state"] == "merged")


@pytest.mark.spec("changes-22")
def test_what_could_not_be_merged_by_hand_is_pressed_again_and_left_no_approval(world: World) -> None:
    agent = world.start()
    commit = agent.works({"app.py": "1\n"})
    seen = agent.until("its change", lambda c: c["state"] == "open")["base_commit"]
    moved = world.source.commit("Mine", {"mine.py": ""})
    agent.ask("/merge", 202, commit=commit, base_commit=seen, how="rebase")
    refused = agent.until("the refusal", lambda c: c["state"] != "merging")
    assert refused["problem"].startswith("The branch main has moved")
    parts = world.server.parts
    parts.life.see_to(agent.id)
    agent.server.person.until("rest", lambda: agent.id not in parts.database.read(parts.phases.subjects_to_do))
    still = agent.change
    assert (still["state"], still["approved"], still["base_commit"], world.branch()) == ("open", False, moved, "")
    agent.ask("/merge", 202, commit=commit, base_commit=moved, how="rebase")
    assert agent.until("its merge", lambda c: c["state"] == "merged")["approved"]


@pytest.mark.spec("changes-28")
def test_a_base_that_is_gone_is_said_and_the_branch_the_project_has_now_takes_its_place(world: World) -> None:
    agent = world.start()
    agent.works({"app.py": "1\n"})
    agent.until("its change", lambda c: c["state"] == "open")
    world.source.git("branch", "--move", "main", "trunk")
    _fetch(world)
    changed = agent.until("the new branch", lambda c: c["base"] == "trunk")
    assert (changed["base"], changed["base_commit"]) == ("trunk", world.source.commit_at("trunk"))
    world.git("update-ref", "-d", "refs/upstream/trunk")
    agent.server.person.say("More.", agent.id)
    agent.works({"app.py": "2\n"})
    gone = agent.until("the trouble", lambda c: c["problem"])
    assert gone["problem"].startswith("There is no branch trunk any more.")


@pytest.mark.spec("changes-19")
def test_what_began_at_a_branch_that_has_another_name_by_now_is_proposed_into_that(world: World) -> None:
    agent = world.start()
    world.source.git("branch", "--move", "main", "trunk")
    agent.works({"app.py": "1\n"})
    assert agent.until("its change", lambda c: c["state"] == "open")["base"] == "trunk"


@pytest.mark.spec("changes-28")
def test_a_forge_that_does_not_answer_is_an_item_and_retry_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.server.parts.life, "forge", "memory")
    world.git("update-ref", "refs/heads/main", "refs/upstream/main")
    forge = MemoryForge(Place(repository=world.mirror))
    agent = world.start()
    commit = agent.works({"app.py": "1\n"})
    change = agent.until("its change", lambda c: c["state"] == "open")
    forge.cut()
    assert agent.approves(commit, 502)["code"] == "forge_unreachable"
    agent.ask("/merge", 202, commit=commit, base_commit=change["base_commit"])
    away = agent.until("the trouble", lambda c: c["problem"])
    assert (away["state"], "does not answer" in away["problem"]) == ("open", True)
    item = agent.server.person.until_item(lambda i: i["session_id"] == agent.id)
    forge.mend()
    agent.server.person.answer(item["id"], "retry")
    agent.until("the end of the trouble", lambda c: not c["problem"])
    agent.approves(commit)
    agent.until("its merge", lambda c: c["state"] == "merged")


@pytest.mark.spec("changes-29")
def test_who_goes_on_after_a_merge_is_told_of_it_and_makes_another_change(world: World) -> None:
    world.sets(needs_approval=False)
    agent = world.start()
    agent.works({"app.py": "1\ntwo\nthree\n"}, message="First")
    first = agent.until("its merge", lambda c: c["state"] == "merged")
    agent.server.person.until_session(agent.id, "done")
    agent.runner.goodbye("stopped")
    agent.server.person.until("its files", lambda: agent.session["kept"]["state"] == "kept")
    agent.server.person.until("its end", lambda: not agent.folder.exists())
    agent.server.person.say("Now two.", agent.id)
    agent.wake()
    work = agent.runner.take()
    assert work.text == "Now two."
    assert f"git merge {first['merged']}" in "".join(work.context)
    agent.git("merge", "--quiet", first["merged"])
    agent.works({"app.py": "1\n2\nthree\n"}, message="Second")
    second = agent.until("its merge", lambda c: c["number"] != first["number"] and c["state"] == "merged")
    assert world.git("show", "refs/heads/main:app.py") == "1\n2\nthree"
    assert (second["files"], second["added"], second["removed"]) == (1, 1, 1)


def _fetch(world: World) -> None:
    """As before the start of the next session."""
    world.server.parts.projects.refresh(world.project)


def _nothing(unit: UnitOfWork, session_id: str) -> None:
    """No phase is asked for."""
