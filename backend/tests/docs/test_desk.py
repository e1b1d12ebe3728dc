"""docs/desk.md with whole agents: the person says it in the conversation, and it reaches the call that asked."""

import uuid
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from mainloop.testing.kills import Model
from mainloop.testing.server import ServerProcess, script

from .conftest import ANSWERED, ASKS, Desk, run, running

OURS = "mcp__mainloop__"
LOOK: dict[str, Any] = {"tools": [{"name": f"{OURS}list_inbox", "input": {}}]}
# The id of the newest item that the agent was told of.
ITEM = '{{find:.*"id": "(ask-[^"]+)"}}'


def answer(decision: str, **more: Any) -> dict[str, Any]:
    return {"tools": [{"name": f"{OURS}answer_item", "input": {"item": ITEM, "decision": decision, **more}}]}


@pytest.fixture(scope="module")
def model() -> Generator[Model]:
    model = Model()
    yield model
    model.close()


@pytest.fixture(scope="module")
def claude(ground: Path, model: Model) -> Generator[Desk]:
    """A server whose agents are the real program, with a model that does what it is told."""
    with running(ServerProcess(ground / "claude", {**model.environment, "MAINLOOP_COMMANDS": "ask"})) as desk:
        yield desk


@pytest.mark.spec("desk-1", "desk-2", "desk-3")
def test_a_question_is_answered_in_the_conversation(desk: Desk) -> None:
    session = desk.start(ASKS, ANSWERED, title="cedar")
    item = desk.item_of(session)
    desk.turn_with(
        f"Left for cedar, please.\n{script(LOOK, answer('answer', answers={'Which one?': 'left'}), ANSWERED)}"
    )
    assert "Answered for cedar: answer · left" in desk.me.replies()[-1]
    desk.me.until_session(session, "idle")
    assert "left" in desk.me.replies(session)[-1]
    given = desk.of(session, "item")[-1]["answer"]
    assert given["said"]["words"] == "Left for cedar, please."
    assert item["id"] not in [i["id"] for i in desk.me.get("/api/inbox")["items"]]


@pytest.mark.spec("desk-1", "desk-2", "desk-4", "desk-7", "desk-8")
def test_a_command_is_allowed_by_the_persons_words_and_by_nothing_else(claude: Desk, model: Model) -> None:
    model.rules(
        {"match": "what waits", "steps": [LOOK, answer("allow", quote="allow cedar"), ANSWERED]},
        {"match": "^Allow cedar", "steps": [answer("allow"), ANSWERED]},
        {
            "match": "tell me when",
            "steps": [
                {
                    "tools": [
                        {
                            "name": f"{OURS}propose_notice",
                            "input": {"session": "cedar", "kind": "risk", "text": "It pushed.", "importance": "now"},
                        }
                    ]
                },
                ANSWERED,
            ],
        },
    )
    session = claude.start(run("echo ran >> tally"), ANSWERED, title="cedar")
    item = claude.item_of(session)
    tally = claude.workspace(session) / "tally"
    # It answers before it was told anything: refused, and nothing runs.
    claude.turn_with("Tell me what waits, without allowing anything.")
    assert "says nothing else" in claude.me.replies()[-1]
    assert claude.me.get(f"/api/sessions/{session}")["state"] == "waiting"
    assert not tally.exists()
    message = claude.turn_with("Allow cedar.")
    claude.me.until_session(session, "idle")
    assert tally.read_text() == "ran\n"
    given = claude.of(session, "item")[-1]["answer"]
    assert given["said"] == {"message_id": message, "words": "Allow cedar."}
    late = claude.me.post(f"/api/inbox/{item['id']}/answer", {"id": str(uuid.uuid4()), "decision": "deny"}, expect=409)
    assert "by your words “Allow cedar.”" in late["detail"]
    claude.turn_with("And tell me when it pushes.")
    [note] = [n for n in claude.of("main", "notice") if n["about"] == "note"]
    assert (note["text"], note["importance"]) == ("It pushed.", "soon")
