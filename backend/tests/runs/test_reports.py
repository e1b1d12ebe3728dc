"""A report arrives once: delivered at least once, applied exactly once, by (thread, run, number)."""

from typing import Any

import httpx
import pytest

from mainloop.testing.by_hand import HandRunner
from mainloop.testing.inprocess import InProcessServer
from mainloop_models import runner as r


def started(server: InProcessServer, thread: str = "main") -> HandRunner:
    """A runner that said hello and has begun a turn."""
    server.person.say("hello", thread)
    runner = server.runner(thread)
    runner.hello()
    runner.begin()
    return runner


def shape(events: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    """What a log tells, without times and chosen ids."""
    return [(e["kind"], e["body"].get("text") or e["body"].get("turn")) for e in events]


def test_reports_sent_again_whole_or_cut_anywhere_are_applied_once(server: InProcessServer) -> None:
    runner = started(server)
    said = [r.Said(id=f"m{n}", turn=1, text=f"line {n}") for n in range(6)]
    runner.write(*said)
    everything = runner.spool
    for cut in range(len(everything) + 1):
        receipt = runner.send(everything[:cut])
        assert receipt.acked == {1: max(2, cut)}  # two were acknowledged before
        again = runner.send(everything[: cut // 2])
        assert again.acked == receipt.acked
        overlapping = runner.send(everything[max(0, cut - 2) : cut + 1])
        assert overlapping.acked[1] >= receipt.acked[1]
    assert server.person.replies() == [f"line {n}" for n in range(6)]
    seqs = [e["seq"] for e in server.person.events()]
    assert seqs == list(range(1, len(seqs) + 1))


def test_a_report_behind_a_gap_is_not_applied_until_the_gap_is_filled(server: InProcessServer) -> None:
    runner = started(server)
    runner.write(*[r.Said(id=f"m{n}", turn=1, text=str(n)) for n in range(3)])
    first, second, third = runner.spool[-3:]
    assert runner.send([third]).acked == {1: 2}
    assert runner.send([second, third]).acked == {1: 2}
    assert server.person.replies() == []
    assert runner.send([first, third]).acked == {1: 3}
    assert runner.send([second, third]).acked == {1: 5}
    assert server.person.replies() == ["0", "1", "2"]


def test_a_batch_with_a_report_that_can_not_be_read_is_refused_whole_and_in_words(server: InProcessServer) -> None:
    runner = started(server)
    good = runner.write(r.Said(id="m1", turn=1, text="fine"))[0].model_dump(mode="json")
    for wrong in (
        {**good, "number": 4, "body": {"kind": "unheard-of"}},
        {**good, "number": "four"},
        {"run": 1},
    ):
        answer = runner.http.post("/runner/v1/reports", json={"thread_id": "main", "reports": [good, wrong]})
        assert (answer.status_code, answer.json()["code"]) == (422, "bad_input")
    assert server.person.replies() == []


def test_reports_with_text_no_database_stores_are_applied(server: InProcessServer) -> None:
    runner = started(server)
    runner.say(
        r.Said(id="m1", turn=1, text="zero \x00 byte"),
        r.Said(id="m2", turn=1, text="\x00" + "long" * 20_000),
        r.ToolCalled(id="c" * 300, turn=1, tool="Bash", title="run \x00", input={"command": "echo \x00"}),
        r.ToolEnded(id="c" * 300, turn=1, status="ok", output="\x00" * 40_000),
        r.AgentSession(agent_session="s" * 100, version="\x00"),
        r.Reasoned(id="r", turn=1, text="\x00"),
    )
    runner.ask_permission("printf '\x00'")
    runner.say(r.TurnEnded(turn=1, outcome="completed", text="\x00"))
    ended = [e["body"] for e in server.person.events() if e["kind"] == "tool_call"]
    assert [(e["id"], e["status"]) for e in ended] == [("c" * 300, "running"), ("c" * 300, "ok")]


def test_every_body_of_an_event_stays_below_32_kib(server: InProcessServer) -> None:
    runner = started(server)
    huge = "x" * 1_000_000
    many = [{"old": "a" * 3_900, "new": "b" * 3_900} for _ in range(40)]
    runner.say(
        r.Said(id="m1", turn=1, text=huge),
        r.Reasoned(id="r1", turn=1, text=huge),
        r.ToolCalled(id="c1", turn=1, tool="Write", title=huge, input={"content": huge, "path": "a"}),
        r.ToolCalled(id="c2", turn=1, tool="MultiEdit", title="edit", input={"edits": many}),
        r.ToolEnded(id="c1", turn=1, status="ok", output=huge),
        r.ToolEnded(id="c2", turn=1, status="ok", output="ok"),
    )
    bodies = [e["body"] for e in server.person.events()]
    assert max(len(httpx.Response(200, json=b).content) for b in bodies) < 32 * 1024
    blob = next(b["blob"]["id"] for b in bodies if b.get("id") == "m1")
    assert server.person.http.get(f"/api/blobs/{blob}").text == huge


def test_a_tool_is_called_once_and_its_answer_repeated(server: InProcessServer) -> None:
    runner = started(server)
    call = r.ToolRequest(
        call_id="c1", turn=1, tool="spawn_session", arguments={"title": "Look", "prompt": "Look around"}
    )
    runner.write(call)
    first = runner.send(runner.spool)
    again = runner.send(runner.spool)
    later = runner.send(runner.spool[-1:])
    assert first.answers["c1"] == again.answers["c1"] == later.answers["c1"]
    assert not first.answers["c1"].is_error
    assert len(server.person.get("/api/sessions")["sessions"]) == 1
    # The call under another number, as a new run repeats it, is the same call.
    assert runner.say(call).answers["c1"] == first.answers["c1"]
    assert len(server.person.get("/api/sessions")["sessions"]) == 1


def test_a_tool_that_is_called_wrongly_says_so_and_does_nothing(server: InProcessServer) -> None:
    runner = started(server)
    for tool, arguments, words in (
        ("no_such_tool", {}, "no tool no_such_tool"),
        ("report", {"text": "a main thread reports nothing"}, "no tool report"),
        ("spawn_session", {"title": "x"}, "prompt"),
        ("spawn_session", {"title": "x", "prompt": "  "}, "empty"),
        ("spawn_session", {"title": "x", "prompt": "y", "project": "nowhere"}, "no project nowhere"),
        ("spawn_session", {"title": "x", "prompt": "y", "agent": "hal"}, "no agent hal"),
        ("get_session", {"id": "nobody"}, "no session nobody"),
        ("message_session", {"id": "nobody", "text": "hi"}, "no session nobody"),
    ):
        answer = runner.request(tool, **arguments)
        assert answer.is_error
        assert words in answer.text
    assert server.person.get("/api/sessions")["sessions"] == []


def test_a_turn_that_ends_leaves_nothing_half_open(server: InProcessServer) -> None:
    runner = started(server)
    runner.say(r.ToolCalled(id="c1", turn=1, tool="Bash", title="make", input={}))
    runner.delta("m1", 0, "It was half wri")
    runner.end("interrupted")
    events = server.person.events()
    assert [e["body"]["status"] for e in events if e["kind"] == "tool_call"] == ["running", "unknown"]
    assert server.person.replies() == ["It was half wri"]
    assert server.person.state()["open_messages"] == []


@pytest.mark.parametrize("size", [1, 7])
def test_an_older_runs_spool_is_delivered_by_the_next_run_and_only_then_does_it_act(
    server: InProcessServer, size: int
) -> None:
    old = started(server)
    old.write(
        r.Said(id="m1", turn=1, text="said before death"),
        r.ToolCalled(id="c1", turn=1, tool="Bash", title="make", input={}),
        r.ToolEnded(id="c1", turn=1, status="ok", output="built"),
        r.TurnEnded(turn=1, outcome="completed", finished=old.taken, text="said before death"),
        r.RunEnded(reason="parked"),
    )
    old.die()
    server.look_after()
    new = server.runner("main", 2)
    welcome = new.hello()
    assert welcome.acked == {1: 2, 2: 0}
    assert (welcome.open_turn, welcome.last_turn) == (0, 1)
    left = [x for x in old.spool if x.number > welcome.acked[1]]
    for at in range(0, len(left), size):
        new.send(left[at : at + size])
    assert server.person.replies() == ["said before death"]
    assert new.work().messages == []  # finished by the old run: nothing is given again
    outcomes = [e["body"]["outcome"] for e in server.person.events() if e["kind"] == "turn_ended"]
    assert outcomes == ["completed"]
