"""The demo: a conversation that shows the product without an account, and says that it is one."""

import pytest

from mainloop.testing.runner_server import ProtocolServer
from mainloop_agent.agents import demo
from mainloop_models.asks import Answer, Decision, PermissionAsk, QuestionAsk
from mainloop_models.runner import Tool

SPAWN = Tool(name="spawn_session", description="Starts a session", input_schema={"properties": {}})
REPORT = Tool(name="report", description="Reports", input_schema={"properties": {}})


@pytest.fixture
async def main(server: ProtocolServer) -> ProtocolServer:
    await server.start_runner(server.new_run({}, agent="scripted", role="main", demo=True, tools=[SPAWN]))
    return server


async def test_a_greeting_gets_a_friendly_answer_that_says_what_this_is(main: ProtocolServer) -> None:
    main.say("Hello!")
    end = (await main.until(lambda s: s.bodies("turn_ended")))[0]
    assert "demo" in end.text
    assert "sessions" in end.text
    assert len(main.pieces) > 5


async def test_work_starts_two_sessions_and_ends_the_turn(main: ProtocolServer) -> None:
    main.say("Compare two ways to store our photos")
    end = (await main.until(lambda s: s.bodies("turn_ended")))[0]
    assert end.outcome == "completed"
    prompts = [b.arguments["prompt"] for b in main.bodies("tool_request")]
    assert [p.split("]")[0] for p in prompts] == ["[demo: question", "[demo: permission"]
    assert all("photos" in b.arguments["title"] for b in main.bodies("tool_request"))
    main.say("What came of it?", context=["Session 'Research' reports: use the big disk."])
    last = (await main.until(lambda s: len(s.bodies("turn_ended")) == 2 and s.bodies("turn_ended")))[-1]
    assert "use the big disk" in last.text


async def test_a_session_asks_a_question_and_reports(server: ProtocolServer) -> None:
    await server.start_runner(server.new_run({}, agent="scripted", role="session", demo=True, tools=[REPORT]))
    server.say(f"{demo.QUESTION} Compare two ways to store our photos")
    (ask,) = await server.until(lambda s: s.bodies("ask_opened"))
    assert isinstance(ask.ask, QuestionAsk)
    assert len(ask.ask.questions[0].options) == 2
    server.answer(ask.id, Answer(decision=Decision.ANSWER, answers={ask.title: "In detail"}))
    (end,) = await server.until(lambda s: s.bodies("turn_ended"))
    assert end.outcome == "completed"
    assert [b.tool for b in server.bodies("tool_request")] == ["report"]
    assert (server.home / "workspace" / "notes.md").read_text().startswith("# Compare two ways")
    assert [e.status for e in server.bodies("todo")[-1].entries] == ["completed"] * 3
    server.say("and now?")
    last = (await server.until(lambda s: len(s.bodies("turn_ended")) == 2 and s.bodies("turn_ended")))[-1]
    assert "Demo" in last.text


async def test_a_session_asks_for_permission_and_runs_what_was_shown(server: ProtocolServer) -> None:
    await server.start_runner(server.new_run({}, agent="scripted", role="session", demo=True, tools=[REPORT]))
    server.say(f"{demo.PERMISSION} Compare two ways to store our photos")
    (ask,) = await server.until(lambda s: s.bodies("ask_opened"))
    assert isinstance(ask.ask, PermissionAsk)
    server.answer(ask.id, Answer(decision=Decision.ALLOW))
    await server.until(lambda s: s.bodies("turn_ended"))
    assert (server.home / "workspace" / "tried.txt").exists()


async def test_a_refused_permission_is_taken_gracefully(server: ProtocolServer) -> None:
    await server.start_runner(server.new_run({}, agent="scripted", role="session", demo=True, tools=[REPORT]))
    server.say(f"{demo.PERMISSION} Compare two ways to store our photos")
    (ask,) = await server.until(lambda s: s.bodies("ask_opened"))
    server.answer(ask.id, Answer(decision=Decision.DENY, text="not here"))
    (end,) = await server.until(lambda s: s.bodies("turn_ended"))
    assert end.outcome == "completed"
    assert not (server.home / "workspace" / "tried.txt").exists()
