"""Reports arrive in order and once, pieces as well as they can, whatever the server does meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mainloop.testing.runner_server import ProtocolServer
from mainloop_agent.__main__ import read_token
from mainloop_agent.reporter import BATCH, Reporter, deliver_spool
from mainloop_agent.server import Refused, Server
from mainloop_agent.spool import Spool
from mainloop_models.runner import (
    Receipt,
    Reports,
    Retrying,
    RunFile,
    Said,
    ToolAnswer,
    ToolEnded,
    ToolRequest,
    TurnEnded,
    TurnStarted,
)


class Speaker:
    """A reporter on a run of its own, running."""

    def __init__(self, server: ProtocolServer) -> None:
        self.run = RunFile.model_validate_json(server.new_run().read_text())
        self.http = Server(server.url, Path(self.run.token_file).read_text())
        self.spool = Spool.open(Path(self.run.home) / "spool", self.run.run)
        self.reporter = Reporter(self.http, self.spool, self.run.thread_id)
        self.task = asyncio.create_task(self.reporter.run())

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self.spool.close()
        await self.http.close()


@pytest.fixture
async def said(server: ProtocolServer) -> AsyncIterator[Speaker]:
    said = Speaker(server)
    yield said
    await said.close()


def word(number: int) -> Retrying:
    return Retrying(turn=1, text=str(number))


async def test_reports_arrive_in_order_over_several_batches(said: Speaker, server: ProtocolServer) -> None:
    for number in range(BATCH * 2 + 7):
        said.reporter.report(word(number))
    await asyncio.wait_for(said.reporter.delivered(), 30)
    assert [r.number for r in server.reports] == list(range(1, BATCH * 2 + 8))
    assert [r.body.text for r in server.reports if isinstance(r.body, Retrying)] == [
        str(n) for n in range(BATCH * 2 + 7)
    ]


async def test_of_much_output_of_a_call_the_newest_is_sent_and_none_once_it_has_ended(
    said: Speaker, server: ProtocolServer
) -> None:
    for number in range(1000):
        said.reporter.output("call", 1, f"line {number:05}\n", 0)
    said.reporter.output("call", 1, "after a gap\n", 500_000)
    await server.until(lambda s: "gap" in s.outputs.get("call", ""))
    assert server.outputs["call"] == "after a gap\n"
    said.reporter.output("call", 1, "y" * 20_000 + "end", 0)
    await server.until(lambda s: "end" in s.outputs["call"])
    assert len(server.outputs["call"]) <= len("after a gap\n") + 8000
    said.reporter.output("call", 1, "too late", 0)
    said.reporter.report(ToolEnded(id="call", turn=1, status="ok", output="all of it"))
    await asyncio.wait_for(said.reporter.delivered(), 30)
    assert "late" not in server.outputs["call"]


@pytest.mark.spec("length-17")
async def test_half_a_character_becomes_a_question_mark_and_ends_nothing(said: Speaker, server: ProtocolServer) -> None:
    half = "cut here: \ud83d"
    said.reporter.delta("m", 1, half)
    await server.until(lambda s: s.open.get("m") == "cut here: ?")
    said.reporter.output("call", 1, half, 0)
    await server.until(lambda s: s.outputs.get("call") == "cut here: ?")
    said.reporter.report(Said(id="m", turn=1, text=half))
    request = ToolRequest(call_id="c1", turn=1, tool="report", arguments={"a \udc00": [half, {"whole": "🙂"}]})
    said.reporter.request(request)
    await asyncio.wait_for(said.reporter.delivered(), 30)
    message, asked = (report.body for report in server.reports)
    assert isinstance(message, Said)
    assert message.text == "cut here: ?"
    assert isinstance(asked, ToolRequest)
    assert asked.arguments == {"a ?": ["cut here: ?", {"whole": "🙂"}]}


async def test_what_is_said_together_goes_in_one_request(said: Speaker, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    send = said.http.send

    async def noted(reports: Reports) -> Receipt:
        sizes.append(len(reports.reports))
        return await send(reports)

    monkeypatch.setattr(said.http, "send", noted)
    said.reporter.report(Said(id="m", turn=1, text="Done."))
    await asyncio.sleep(0)  # the reporter has woken up
    said.reporter.report(TurnEnded(turn=1, outcome="completed", finished=[]))
    await asyncio.wait_for(said.reporter.delivered(), 30)
    assert sizes == [2]


async def test_a_server_that_dies_and_returns_misses_nothing_and_doubles_nothing(
    said: Speaker, server: ProtocolServer
) -> None:
    said.reporter.report(word(0))
    await asyncio.wait_for(said.reporter.delivered(), 30)
    await server.stop()
    for number in range(1, 20):
        said.reporter.report(word(number))
    await server.start()
    await asyncio.wait_for(said.reporter.delivered(), 30)
    assert [r.number for r in server.reports] == list(range(1, 21))


async def test_a_request_is_asked_again_until_it_is_answered_and_carried_out_once(tmp_path: Path) -> None:
    asked: list[str] = []

    async def slow(request: ToolRequest) -> ToolAnswer | None:
        asked.append(request.call_id)
        return ToolAnswer(text="at last") if len(asked) == 3 else None

    async with ProtocolServer(tmp_path, tools=slow) as server:
        said = Speaker(server)
        answer = said.reporter.request(ToolRequest(call_id="c1", turn=1, tool="report", arguments={}))
        same = said.reporter.request(ToolRequest(call_id="c1", turn=1, tool="report", arguments={}))
        assert answer is same
        said.reporter.report(word(1))
        assert (await asyncio.wait_for(answer, 30)).text == "at last"
        assert asked == ["c1"] * 3
        assert [r.number for r in server.reports] == [1, 2]
        await said.close()


async def test_pieces_are_joined_and_the_whole_message_comes_after_them(said: Speaker, server: ProtocolServer) -> None:
    text = "".join(f"word{n} " for n in range(200))
    for start in range(0, len(text), 7):
        said.reporter.delta("m1", 1, text[start : start + 7])
        if start == 700:
            await server.until(lambda s: s.open.get("m1"))
    await server.until(lambda s: s.open.get("m1") == text)
    assert len(server.pieces) < 10
    said.reporter.report(Said(id="m1", turn=1, text=text))
    await asyncio.wait_for(said.reporter.delivered(), 30)
    assert "m1" not in server.open
    assert said.reporter.open_messages() == []


async def test_pieces_that_a_server_lost_are_sent_again_from_where_it_stands(
    said: Speaker, server: ProtocolServer
) -> None:
    said.reporter.delta("m1", 1, "one two ")
    await server.until(lambda s: s.open.get("m1") == "one two ")
    server.open["m1"] = "one "
    said.reporter.delta("m1", 1, "three")
    await server.until(lambda s: s.open.get("m1") == "one two three")


async def test_a_refused_reporter_says_so(said: Speaker, server: ProtocolServer) -> None:
    server.new_run()
    said.reporter.report(word(1))
    with pytest.raises(ExceptionGroup) as caught:
        await asyncio.wait_for(said.task, 30)
    assert caught.group_contains(Refused)
    assert [r.number for r in said.spool.waiting()] == [1]


async def test_what_an_older_run_left_is_delivered_from_where_the_server_stands(
    server: ProtocolServer, tmp_path: Path
) -> None:
    first = RunFile.model_validate_json(server.new_run().read_text())
    older = Spool.open(Path(first.home) / "spool", 1)
    for number in range(5):
        older.append(TurnStarted(turn=number + 1, message_ids=[]))
    older.close()
    second = RunFile.model_validate_json(server.new_run().read_text())
    http = Server(server.url, read_token(Path(second.token_file)))
    await deliver_spool(http, Spool.open(Path(first.home) / "spool", 1), server.thread)
    assert [(r.run, r.number) for r in server.reports] == [(1, n) for n in range(1, 6)]
    assert list((Path(first.home) / "spool").iterdir()) == []
    await http.close()
