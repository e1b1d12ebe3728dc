"""Two sessions that change the same files: their own changes count, not what they brought in from elsewhere."""

from typing import Any

import pytest

from mainloop.sessions import store
from mainloop.testing.repositories import Repository

from .conftest import Agent, World


def told(world: World, *agents: Agent) -> list[str]:
    mine = {agent.id for agent in agents}
    bodies = [e["body"] for e in world.server.person.events() if e["kind"] == "notice"]
    return [body["text"] for body in bodies if body["about"] == "overlap" and body["session_id"] in mine]


def looks(agent: Agent, turn: int) -> Any:
    """Whom it meets, once its turn was looked at."""
    parts = agent.server.parts

    def kept() -> bool:
        turns = agent.server.person.get(f"/api/sessions/{agent.id}/turns")["turns"]
        return any((one["turn"], one["state"]) == (turn, "kept") for one in turns)

    agent.server.person.until("its turn", kept)
    agent.server.person.until("rest", lambda: agent.id not in parts.database.read(parts.phases.subjects_to_do))
    found = agent.server.person.get(f"/api/sessions/{agent.id}/overlaps")["overlaps"]
    return {one["handle"]: one["paths"] for one in found}


def brings(agent: Agent, *commits: str, file: str, text: str) -> None:
    """A turn in which it merges what others did and changes a file of its own."""
    agent.runner.begin()
    for commit in commits:
        agent.git("merge", "--quiet", "--no-edit", commit)
    Repository(agent.folder).commit("Mine", {file: text})
    agent.runner.end(text="It is done.")


@pytest.mark.spec("turns-15")
def test_what_both_merged_from_elsewhere_is_no_change_of_theirs(world: World) -> None:
    # Another branch of the project, which is merged nowhere yet.
    world.source.git("checkout", "--quiet", "-b", "feature")
    feature = world.source.commit("A feature", {"feature.py": "1\n"})
    world.source.git("checkout", "--quiet", "main")
    one, two = world.start(title="one"), world.start(title="two")
    theirs = world.start(title="theirs")
    commit = theirs.works({"shared.py": "1\n"})
    theirs.until("its change", lambda c: c["state"] == "open")
    theirs.approves(commit)
    merged = theirs.until("its merge", lambda c: c["state"] == "merged")["merged"]
    a, b = one.session["handle"], two.session["handle"]
    brings(one, merged, feature, file="one.py", text="1\n")
    assert looks(one, 1) == {}
    brings(two, merged, feature, file="two.py", text="2\n")
    assert looks(two, 1) == looks(one, 1) == {}
    assert told(world, one, two) == []
    # What they do to it themselves is said, and nothing else.
    for agent, text in ((one, "one"), (two, "two")):
        world.server.person.say("More.", agent.id)
        brings(agent, file="shared.py", text=f"{text}\n")
        looks(agent, 2)
    assert told(world, one, two) == [f"It changes shared.py, and so does {a}."]
    assert (looks(one, 2), looks(two, 2)) == ({b: ["shared.py"]}, {a: ["shared.py"]})


@pytest.mark.spec("turns-15")
def test_of_two_turns_that_end_at_the_same_time_one_sees_the_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = world.start(title="one"), world.start(title="two")
    overlaps = world.server.parts.kept_turns.overlaps
    between: list[int] = []
    real = overlaps._meets  # pyright: ignore[reportPrivateUsage]

    def meets(*given: Any) -> Any:
        found = real(*given)
        if not between:
            # The other one ends its turn in the very moment in which this one has looked.
            between.append(1)
            brings(two, file="shared.py", text="2\n")
            two.server.person.until("its files", lambda: store_of(world, two))
        return found

    monkeypatch.setattr(overlaps, "_meets", meets)
    brings(one, file="shared.py", text="1\n")
    assert looks(one, 1) == {two.session["handle"]: ["shared.py"]}
    assert told(world, one, two) == [f"It changes shared.py, and so does {two.session['handle']}."]


def store_of(world: World, agent: Agent) -> Any:
    return world.server.parts.database.read(lambda c: store.touched(c, agent.id))
