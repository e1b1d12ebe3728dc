"""The project's set-up: run once in a new workspace, before the agent hears its first message."""

from typing import Any

import pytest

from mainloop.testing.scripted_model import call, script
from mainloop_models.asks import Answer, Decision
from mainloop_models.runner import Policy


@pytest.mark.spec("projects-5", "projects-6")
async def test_it_runs_before_the_first_turn_and_the_agent_is_told_how_it_ended(thread: Any) -> None:
    thread.run(
        set_up='echo "$GREETING" > made; echo all is there',
        variables={"GREETING": "hello"},
        policy=Policy(commands="allow"),
        confined=True,
    )
    thread.server.say(script(call("Bash", command="cat made; echo $GREETING"), {"text": "said {{result}}"}))
    ended = await thread.turn()
    assert ended.text.count("hello") == 2
    first, *_ = await thread.bodies("tool_called")
    assert (first.tool, first.title.split(" ")[0], first.turn) == ("SetUp", "set-up", 1)
    done = next(body for body in await thread.bodies("tool_ended") if body.id == first.id)
    assert (done.status, done.output) == ("ok", "all is there")
    assert [body.ok for body in await thread.bodies("workspace_set_up")] == [True]


@pytest.mark.spec("projects-6")
async def test_one_that_fails_is_told_with_its_output_and_the_agent_works_on(thread: Any) -> None:
    thread.run(set_up="echo the lock file is stale; exit 3")
    thread.server.say(script({"text": "I mend it"}))
    assert (await thread.turn()).text == "I mend it"
    (ended,) = await thread.bodies("tool_ended")
    assert ended.status == "error"
    assert "Exit code 3" in ended.output
    assert [body.ok for body in await thread.bodies("workspace_set_up")] == [False]
    if thread.kind == "claude":
        asked = [r for r in await thread.model.requests() if r["path"] == "/v1/messages"]
        assert "the lock file is stale" in str(asked)


@pytest.mark.spec("projects-7")
async def test_stopped_it_leaves_nothing_behind_and_the_message_waits_until_it_is_tried_again(thread: Any) -> None:
    thread.run(set_up="[ -e again ] || { echo $$ > running; touch again; sleep 1000; }; echo fine")
    message = thread.server.say(script({"text": "at work"}))
    await thread.bodies("tool_called")
    thread.server.interrupt(1)
    ended = await thread.turn()
    assert (ended.outcome, ended.finished) == ("failed", [])
    assert "set-up" in ended.error.message
    assert thread.server.bodies("workspace_set_up") == []
    # Nothing else is begun before the person tries again: the same message, a further attempt.
    await thread.over()
    thread.server.say(script({"text": "at work"}), id=message, attempt=1)
    thread.run()
    assert (await thread.turn(2)).finished == [message]
    assert [body.ok for body in await thread.bodies("workspace_set_up")] == [True]


@pytest.mark.spec("projects-5")
async def test_it_sees_no_credentials(thread: Any) -> None:
    thread.run(set_up="env")
    thread.server.say(script({"text": "ready"}))
    await thread.turn()
    (ended,) = await thread.bodies("tool_ended")
    assert "PATH=" in ended.output
    assert "ANTHROPIC" not in ended.output


@pytest.mark.spec("projects-6")
async def test_what_it_leaves_running_holds_nobody_up(thread: Any) -> None:
    thread.run(set_up="sleep 1000 & echo ready")
    thread.server.say(script({"text": "at work"}))
    assert (await thread.turn()).text == "at work"
    assert [(body.status, body.output) for body in await thread.bodies("tool_ended")] == [("ok", "ready")]


@pytest.mark.spec("projects-7")
async def test_one_that_is_killed_by_the_machine_is_run_anew(thread: Any) -> None:
    thread.run(set_up="[ -e again ] && exit 0; touch again; kill -9 $$")
    message = thread.server.say(script({"text": "at work"}))
    assert (await thread.turn()).error.message == "The set-up of its workspace was stopped before it ended."
    await thread.over()
    assert thread.server.bodies("workspace_set_up") == []
    thread.server.say(script({"text": "at work"}), id=message, attempt=1)
    thread.run()
    assert (await thread.turn(2)).finished == [message]


@pytest.mark.spec("projects-6")
async def test_a_command_that_can_not_be_started_is_told_and_the_agent_works_on(thread: Any) -> None:
    thread.run(set_up="echo \0")
    thread.server.say(script({"text": "at work"}))
    assert (await thread.turn()).text == "at work"
    (ended,) = await thread.bodies("tool_ended")
    assert "could not be started" in ended.output


@pytest.mark.spec("projects-7")
async def test_a_turn_that_goes_on_can_be_interrupted_while_a_set_up_is_still_to_come(thread: Any) -> None:
    ask = call("Bash", command="echo begun > begun; sleep 1000")
    thread.run()
    thread.server.say(script(ask, {"text": "said {{result}}"}))
    (asked,) = await thread.bodies("ask_opened")
    await thread.park()
    thread.run(set_up="true")
    thread.server.answer(asked.id, Answer(decision=Decision.ALLOW))
    await thread.bodies("released")
    thread.server.interrupt(1)
    assert (await thread.turn()).outcome == "interrupted"
