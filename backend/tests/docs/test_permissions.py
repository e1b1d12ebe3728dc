"""docs/permissions.md with the real program: the third allow stands, the fourth call runs by itself."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from mainloop.testing.kills import Model
from mainloop.testing.repositories import Repository
from mainloop.testing.server import ServerProcess

from .conftest import ANSWERED, Desk, run, running


@pytest.fixture
def model() -> Generator[Model]:
    model = Model()
    yield model
    model.close()


@pytest.mark.long
@pytest.mark.spec("permissions-1", "permissions-9", "permissions-10", "permissions-13")
def test_the_third_allow_stands_over_a_restart_until_it_is_taken_back(model: Model, home: Path, ground: Path) -> None:
    with running(ServerProcess(home, model.environment)) as desk:
        the_story(desk, Repository.make(ground / "rocket").path)


@pytest.mark.spec("permissions-1", "permissions-9", "permissions-10", "permissions-13")
def test_the_same_with_the_scripted_agent(home: Path, ground: Path) -> None:
    with running(ServerProcess(home)) as desk:
        the_story(desk, Repository.make(ground / "boat").path)


def the_story(desk: Desk, source: Path) -> None:
    (source / "tally.sh").write_text('#!/bin/sh\necho "$1" >> tally\n')
    (source / "tally.sh").chmod(0o755)
    repository = Repository(source)
    repository.commit("a script", {})
    project = desk.me.post("/api/projects", {"source": str(source)})["id"]
    command = "./tally.sh ran"
    session = desk.start(*[run(command)] * 4, run(f"{command}; rm -rf build"), ANSWERED, project=project)
    seen: set[str] = set()

    def next_item() -> dict[str, Any]:
        found = desk.me.until_item(lambda item: item["session_id"] == session and item["id"] not in seen)
        seen.add(found["id"])
        return found

    for before in range(2):
        item = next_item()
        assert (item["pattern"], item["allowed_before"]) == (command, before)
        desk.me.answer(item["id"], "allow")
    third = next_item()
    assert third["allowed_before"] == 2
    desk.me.answer(third["id"], "allow", scope="project", pattern=command)
    # The fourth call of the same was not asked; the fifth holds something else.
    fifth = next_item()
    assert fifth["ask"]["command"].endswith("; rm -rf build")
    tally = desk.workspace(session) / "tally"
    assert tally.read_text() == "ran\n" * 4
    asked = [i["id"] for i in desk.of(session, "item") if i["standing"]]
    assert len(asked) == 1
    desk.me.answer(fifth["id"], "deny", text="not that")
    desk.me.until_session(session, "idle")
    assert tally.read_text() == "ran\n" * 4
    [line] = [i for i in desk.of(session, "item") if i["id"] == asked[0]]
    assert line["state"] == "answered"
    assert line["standing"][0]["pattern"] == command
    changed = repository.git("status", "--porcelain", "--ignored")
    assert changed == ""
    for folder in (desk.workspace(session), desk.server.home / "threads" / session / "home"):
        held = [path for path in folder.rglob("settings*.json") if "tally.sh" in path.read_text()]
        assert held == []
    desk.restart()
    other = desk.start(run(command), ANSWERED, project=project)
    desk.me.until_session(other, "idle")
    assert (desk.workspace(other) / "tally").read_text() == "ran\n"
    [stands] = desk.me.get("/api/permissions")["permissions"]
    assert (stands["used"], stands["used_for"], stands["given_by"]) == (2, command, stands["given_by"])
    assert desk.me.http.delete(f"/api/permissions/{stands['id']}").status_code == 200
    again = desk.start(run(command), ANSWERED, project=project)
    item = desk.item_of(again)
    desk.me.answer(item["id"], "deny")
    desk.me.until_session(again, "idle")
    assert not (desk.workspace(again) / "tally").exists()
