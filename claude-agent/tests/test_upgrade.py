"""Claude Code is exchanged for another version while a session waits."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mainloop.testing.scripted_model import call, script
from mainloop_agent.agents import claude
from mainloop_models.asks import Answer, Decision

PACKAGE = "@anthropic-ai/claude-code"


def version_of(program: Path) -> str:
    return subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()[0]


def use(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def found(path: str | None) -> Path:
        del path
        return program

    monkeypatch.setattr(claude, "find_program", found)


@pytest.fixture(scope="module")
def newest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The newest Claude Code that npm has."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("there is no npm to get another version of Claude Code with")
    folder = tmp_path_factory.mktemp("newest")
    got = subprocess.run(
        [npm, "install", "--no-audit", "--no-fund", "--prefix", str(folder), f"{PACKAGE}@latest"],
        capture_output=True,
        text=True,
        check=False,
    )
    programs = sorted(folder.glob(f"node_modules/{PACKAGE}-*/claude"))
    if got.returncode or not programs:
        pytest.skip(f"npm has no Claude Code for this machine: {got.stderr[-300:]}")
    ours = claude.find_program(None)
    assert ours is not None
    if version_of(programs[0]) == version_of(ours):
        pytest.skip("the newest Claude Code is the one that comes with the library")
    return programs[0]


@pytest.mark.long
@pytest.mark.spec("waiting-17")
@pytest.mark.parametrize("kind", ["claude"])
@pytest.mark.parametrize("way", ["to the newest", "from the newest"])
async def test_a_parked_conversation_and_the_call_that_asked_go_on_in_another_version_of_the_program(
    thread: Any, newest: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = claude.find_program(None)
    assert ours is not None
    first, second = (ours, newest) if way == "to the newest" else (newest, ours)

    use(first, monkeypatch)
    thread.run()
    thread.server.say("The word is BANANA.")
    await thread.turn(1)
    asking = thread.server.say(
        script(call("Bash", command="echo run >> runs.txt; echo ran"), {"text": "so: {{result}}"})
    )
    (ask,) = await thread.bodies("ask_opened")
    await thread.park()
    assert thread.server.bodies("turn_ended")[-1].outcome == "deferred"

    use(second, monkeypatch)
    thread.server.answer(ask.id, Answer(decision=Decision.ALLOW))
    thread.run()
    end = await thread.turn(2)
    assert (end.outcome, end.finished, end.text) == ("completed", [asking], "so: ran")
    assert (thread.workspace / "runs.txt").read_text() == "run\n"
    thread.server.say(script({"text": "{{find:BANANA}}"}))
    assert (await thread.turn(3)).text == "BANANA"
    spoke = [request["headers"]["user-agent"] for request in await thread.model.requests()]
    assert version_of(first) in spoke[0]
    assert version_of(second) in spoke[-1]
