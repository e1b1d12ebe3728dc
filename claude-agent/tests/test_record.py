"""Claude's own record of a conversation, where a process was killed over it: nothing of it is forgotten, nothing waits."""

import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mainloop.testing.scripted_model import call, conversation, script
from mainloop_agent.agents import record as agents_record
from mainloop_agent.agents.record import mend, take_over
from mainloop_models.asks import Answer, Decision

only_claude = pytest.mark.parametrize("kind", ["claude"])
ALLOW = Answer(decision=Decision.ALLOW)
ASKED = call("Bash", command="echo run >> runs.txt; echo ran")


def record_of(thread: Any) -> Path:
    (record,) = thread.server.home.joinpath("home").rglob("projects/*/*.jsonl")
    return record


def rows_of(record: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in record.read_text().splitlines()]


def write(record: Path, rows: list[dict[str, Any]]) -> None:
    record.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def is_marker(row: dict[str, Any]) -> bool:
    return row.get("attachment", {}).get("type") == "hook_deferred_tool"


async def heard(thread: Any) -> list[str]:
    """The last thing that the model was told in each request."""
    requests = [r for r in await thread.model.requests() if r["path"] == "/v1/messages"]
    return [conversation(r["body"])[-1].text for r in requests]


async def parked(thread: Any, *more: dict[str, Any]) -> Any:
    """A run that is parked while a command is asked about; returns the ask."""
    thread.run()
    thread.server.say(script(ASKED, *(more or ({"text": "then: {{result}}"},))))
    (ask,) = await thread.bodies("ask_opened")
    await thread.park()
    assert thread.server.bodies("turn_ended")[-1].outcome == "deferred"
    return ask


@only_claude
@pytest.mark.spec("waiting-18")
async def test_what_was_said_since_a_call_waited_is_remembered_after_a_kill(thread: Any) -> None:
    ask = await parked(thread)
    thread.server.answer(ask.id, ALLOW)
    thread.run()
    await thread.turn(1)
    thread.server.say("The word is BANANA.")
    await thread.turn(2)
    await thread.crash()
    thread.run()
    thread.server.say(script({"text": "{{find:BANANA}}"}))
    assert (await thread.turn(3)).text == "BANANA"


@only_claude
@pytest.mark.spec("waiting-18")
async def test_a_message_that_went_in_behind_a_call_that_waits_is_heard_once_the_call_has_run(thread: Any) -> None:
    ask = await parked(thread)
    # A message that lay ready: the program took it up between the call's being put off and its own end.
    late = str(uuid.uuid4())
    record = record_of(thread)
    rows = rows_of(record)
    marker = next(row for row in rows if is_marker(row))
    said = next(row for row in rows if row.get("type") == "user")
    behind = {**said, "uuid": late, "parentUuid": marker["uuid"], "message": {"role": "user", "content": "And BANANA."}}
    write(record, [*rows, behind])
    thread.server.answer(ask.id, ALLOW)
    thread.server.say("And BANANA.", id=late, mode="steer")
    thread.run()
    assert (await thread.turn(1)).text == "then: ran"
    await thread.finished(late)
    assert (thread.workspace / "runs.txt").read_text() == "run\n"
    assert [text for text in await heard(thread) if "BANANA" in text] == ["And BANANA."]
    # What was cut off is still there.
    assert late in record.with_suffix(".cut").read_text()


@only_claude
@pytest.mark.spec("waiting-18")
async def test_a_call_that_waits_and_stands_in_no_record_does_not_keep_its_turn_waiting(thread: Any) -> None:
    ask = await parked(thread)
    record = record_of(thread)
    write(record, [row for row in rows_of(record) if not is_marker(row)])
    thread.server.answer(ask.id, ALLOW)
    thread.run()
    await thread.over()
    assert thread.server.bodies("turn_ended")[-1].outcome == "cut_off"
    assert not (thread.workspace / "runs.txt").exists()


@only_claude
@pytest.mark.spec("waiting-18")
async def test_a_call_that_waited_when_all_was_killed_is_not_taken_up_in_a_turn_of_its_own(thread: Any) -> None:
    ask = await parked(thread)
    # That it was put off was never reported: its turn was cut off.
    reports = thread.server.reports
    reports[:] = [r for r in reports if r.body.kind not in ("turn_ended", "run_ended")]
    (message,) = thread.server.bodies("turn_started")[0].message_ids
    thread.server.say(script({"text": "x"}), id=message, again=True, attempt=1, follow_up="You were cut off.")
    thread.run()
    assert (await thread.turn(2)).finished == [message]
    assert (await heard(thread))[1:] == ["You were cut off."]
    assert len(thread.server.bodies("ask_opened")) == 1
    assert ask.call_id not in [b.call_id for b in thread.server.bodies("released")]


@pytest.mark.spec("waiting-18")
@pytest.mark.parametrize("instead", ["link", "folder", "pipe"])
def test_what_an_agent_put_in_place_of_its_record_is_neither_written_nor_waited_for(
    tmp_path: Path, instead: str
) -> None:
    config, elsewhere = tmp_path / "home" / ".claude", tmp_path / "elsewhere"
    folder = config / "projects" / "-work"
    elsewhere.mkdir()
    theirs = elsewhere / "c.jsonl"
    marker = {"attachment": {"type": "hook_deferred_tool", "toolUseID": "call"}, "type": "attachment", "uuid": "1"}
    late = {"type": "user", "uuid": "3", "message": {"role": "user", "content": "late"}}
    write(theirs, [{"type": "last-prompt", "leafUuid": "2"}, marker, late])
    before = theirs.read_bytes()
    if instead == "folder":
        folder.parent.mkdir(parents=True)
        folder.symlink_to(elsewhere)
    else:
        folder.mkdir(parents=True)
        (folder / "c.jsonl").symlink_to(theirs) if instead == "link" else os.mkfifo(folder / "c.jsonl")
    assert mend(config, "c", "call") is False
    assert theirs.read_bytes() == before
    # A file of its own is mended.
    (config / "projects").rename(config / "old")
    mine = config / "projects" / "-work" / "c.jsonl"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(before)
    assert mend(config, "c", "call") is True
    assert rows_of(mine)[1:] == [marker, {**rows_of(mine)[-1], "leafUuid": "1"}]


def told(folder: Path, *messages: str) -> Path:
    """The configuration of a program that was told these and answered each."""
    record = folder / ".claude/projects/-old/talk.jsonl"
    record.parent.mkdir(parents=True)
    rows: list[dict[str, Any]] = []
    for name in messages:
        before = rows[-1]["uuid"] if rows else None
        rows.append({"type": "queue-operation", "content": name})
        rows.append({"type": "user", "uuid": name, "parentUuid": before, "message": {"content": name}})
        rows.append({"type": "assistant", "uuid": f"{name}-answer", "parentUuid": name, "message": {"content": []}})
    write(record, [{key: value for key, value in row.items() if value is not None} for row in rows])
    return folder / ".claude"


@pytest.mark.spec("turns-7")
@pytest.mark.parametrize(
    ("last", "later", "holds"),
    [
        ({"two"}, {"three"}, ["one", "one-answer", "two", "two-answer"]),
        ({"three"}, set[str](), ["one", "one-answer", "two", "two-answer", "three", "three-answer"]),
        # That place is not in it for certain.
        ({"two"}, {"elsewhere"}, None),
        ({"elsewhere"}, {"three"}, None),
    ],
)
def test_a_record_is_taken_over_to_the_end_of_a_turn_or_not_at_all(
    tmp_path: Path, last: set[str], later: set[str], holds: list[str] | None
) -> None:
    theirs, ours = told(tmp_path / "theirs", "one", "two", "three"), tmp_path / "ours/.claude"
    assert take_over(theirs, ours, tmp_path / "new", "talk", last, later) is (holds is not None)
    records = list(ours.glob("projects/*/talk.jsonl"))
    found = [row["uuid"] for row in rows_of(records[0]) if "uuid" in row] if records else None
    assert found == holds
    if records:
        assert not {row.get("content") for row in rows_of(records[0])} & later
    # A link that an agent put there is not followed.
    record = theirs / "projects/-old/talk.jsonl"
    record.rename(tmp_path / "elsewhere")
    record.symlink_to(tmp_path / "elsewhere")
    assert not take_over(theirs, tmp_path / "other/.claude", tmp_path / "new", "talk", last, later)

    # Nor one that takes the record's place after it was looked at, or a pipe, which would hold us.
    def looked_at_before(config: Path, conversation: str) -> Iterator[Path]:
        yield record

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(agents_record, "_records", looked_at_before)
        assert not take_over(theirs, tmp_path / "other/.claude", tmp_path / "new", "talk", last, later)
        record.unlink()
        os.mkfifo(record)
        assert not take_over(theirs, tmp_path / "other/.claude", tmp_path / "new", "talk", last, later)
    assert not list((tmp_path / "other").rglob("*.jsonl"))
