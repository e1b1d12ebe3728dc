"""docs/inbox.md, sentence by sentence."""

import uuid
from typing import Any

import pytest

from mainloop.testing.server import script

from .conftest import ANSWERED, ASKS, Desk, question, run, use

WHICH = "Which one?"
PLAN = {"tools": [use("EnterPlanMode")]}, {"tools": [use("ExitPlanMode", plan="# Tidy up\n\n1. Look\n2. Tidy")]}


def answered(item: dict[str, Any], decision: str, **more: Any) -> dict[str, Any]:
    return {"id": str(uuid.uuid4()), "decision": decision, **more}


@pytest.mark.spec("inbox-1", "inbox-2", "inbox-3", "inbox-4")
def test_every_ask_is_one_item_on_every_device(desk: Desk) -> None:
    other = desk.person()
    with other.follow(other.state()["cursor"]) as follower:
        ids = {
            "plan": desk.start(*PLAN),
            "question": desk.start(ASKS),
            "permission": desk.start(run("sh -c 'touch made' && ls")),
        }
        seen: dict[str, str] = {}
        while len(seen) < 3:
            name, _, data = follower.next()
            if name == "event" and data["kind"] == "item" and data["thread_id"] in ids.values():
                assert data["body"]["id"] not in seen
                seen[data["body"]["id"]] = data["body"]["kind"]
    items = [i for i in other.state()["items"] if i["session_id"] in ids.values()]
    assert [i["kind"] for i in items] == ["permission", "question", "plan"]
    assert items == [i for i in desk.me.get("/api/inbox")["items"] if i["session_id"] in ids.values()]
    permission = items[0]["ask"]
    assert permission["command"] == "sh -c 'touch made' && ls"
    assert permission["effect"].startswith("Runs a command")
    assert items[1]["ask"]["questions"][0]["question"] == WHICH
    assert "2. Tidy" in items[2]["ask"]["plan"]
    for kind, session in ids.items():
        assert desk.me.get(f"/api/sessions/{session}")["state"] == "waiting", kind
        assert [n["about"] for n in desk.of("main", "notice") if n["session_id"] == session] == ["item"]
        desk.me.post(f"/api/sessions/{session}/cancel")
    assert [i for i in desk.me.get("/api/inbox")["items"] if i["session_id"] in ids.values()] == []


@pytest.mark.spec("inbox-5")
def test_a_failure_is_an_item_and_trying_again_goes_on(desk: Desk) -> None:
    error = {"status": 400, "message": "something odd", "times": 1}
    session = desk.start({"error": error, "text": "now it works"})
    item = desk.item_of(session)
    assert item["kind"] == "failure"
    assert "something odd" in item["notice"]["text"]
    assert item["notice"]["hint"]
    assert desk.me.get(f"/api/sessions/{session}")["state"] == "waiting"
    desk.me.answer(item["id"], "retry")
    assert desk.me.until_session(session, "idle")["result"]["text"] == "now it works"
    assert [i for i in desk.me.get("/api/inbox")["items"] if i["session_id"] == session] == []


@pytest.mark.spec("inbox-6", "inbox-8", "inbox-11")
def test_answers_reach_the_calls_that_asked_in_whatever_order(desk: Desk) -> None:
    first, second = (use("AskUserQuestion", questions=[question(text, "yes", "no")]) for text in ("A?", "B?"))
    session = desk.start({"tools": [first, second]}, ANSWERED)
    open_items = desk.me.until(
        "both",
        lambda: len(i := [i for i in desk.me.get("/api/inbox")["items"] if i["session_id"] == session]) == 2 and i,
    )
    ids = {item["title"]: item["id"] for item in open_items}
    other = desk.person()
    with other.follow(other.state()["cursor"]) as follower:
        desk.me.answer(ids["B?"], "answer", answers={"B?": "no"})
        frames = follower.until(lambda _, data: data.get("kind") == "item" and data["body"]["id"] == ids["B?"])
    assert frames[-1][2]["body"]["state"] == "answered"
    assert ids["B?"] not in [i["id"] for i in other.get("/api/inbox")["items"]]
    assert desk.me.get(f"/api/sessions/{session}")["state"] == "waiting"
    desk.me.answer(ids["A?"], "answer", text="neither, in my own words")
    desk.me.until_session(session, "idle")
    calls = {c["id"]: c["output"] for c in desk.of(session, "tool_call")}
    by_item = {item["title"]: calls[item["call_id"]] for item in open_items}
    assert "no" in by_item["B?"]
    assert "neither" in by_item["A?"]


@pytest.mark.spec("inbox-7")
def test_an_ask_has_one_answer(desk: Desk) -> None:
    session = desk.start(ASKS, ANSWERED)
    item = desk.item_of(session)
    path = f"/api/inbox/{item['id']}/answer"
    answer = answered(item, "answer", answers={WHICH: "left"})
    first = desk.me.post(path, answer)
    assert desk.me.post(path, answer)["answer"] == first["answer"]
    problem = desk.me.post(path, answered(item, "answer", answers={WHICH: "right"}), expect=409)
    assert problem["code"] == "already_answered"
    assert "left" in problem["detail"]
    assert problem["item"]["answer"]["answers"] == {WHICH: "left"}
    desk.me.until_session(session, "idle")
    assert "left" in desk.me.replies(session)[-1]


@pytest.mark.spec("inbox-9")
def test_a_refused_command_does_not_run_and_the_agent_reads_why(desk: Desk) -> None:
    session = desk.start(run("sh -c 'touch made'"), ANSWERED)
    desk.me.answer(desk.item_of(session)["id"], "deny", text="not on a Friday")
    desk.me.until_session(session, "idle")
    assert "not on a Friday" in desk.me.replies(session)[-1]
    assert not (desk.workspace(session) / "made").exists()
    assert desk.of(session, "tool_call")[-1]["status"] in ("denied", "error")


@pytest.mark.spec("inbox-10", "inbox-14")
def test_allowed_commands_run_once_and_several_answers_go_at_once(desk: Desk) -> None:
    sessions = [desk.start(run("echo ran >> tally"), ANSWERED) for _ in range(2)]
    items = [desk.item_of(session) for session in sessions]
    given = [{"item": item["id"], **answered(item, "allow")} for item in items]
    given.append({"item": "nothing", **answered(items[0], "allow")})
    results = desk.me.post("/api/inbox/answers", {"answers": given})["results"]
    assert [r["item"] for r in results] == [g["item"] for g in given]
    assert [r["status"] for r in results] == [200, 200, 404]
    assert "nothing" in results[2]["detail"]
    for session in sessions:
        desk.me.until_session(session, "idle")
        assert (desk.workspace(session) / "tally").read_text() == "ran\n"


@pytest.mark.spec("inbox-12")
@pytest.mark.parametrize(
    ("decision", "text", "told"),
    [("approve", "", "approved your plan"), ("revise", "look twice", "look twice"), ("deny", "leave it", "leave it")],
)
def test_a_plan_is_approved_sent_back_or_refused(desk: Desk, decision: str, text: str, told: str) -> None:
    session = desk.start(*PLAN, ANSWERED)
    desk.me.answer(desk.item_of(session)["id"], decision, text=text)
    desk.me.until_session(session, "idle")
    assert told in desk.me.replies(session)[-1]


@pytest.mark.spec("inbox-13")
def test_an_answer_that_does_not_fit_is_refused_with_what_fits(desk: Desk) -> None:
    session = desk.start(ASKS)
    path = f"/api/inbox/{desk.item_of(session)['id']}/answer"
    for body, words in (
        ({"decision": "allow"}, "answer, dismiss"),
        ({"decision": "answer"}, f"Not answered yet: {WHICH}"),
        ({"decision": "answer", "answers": {"What?": "x"}}, "This was not asked: What?"),
    ):
        problem = desk.me.post(path, {"id": str(uuid.uuid4()), **body}, expect=422)
        assert words in problem["detail"]
    desk.me.post(f"/api/sessions/{session}/cancel")


@pytest.mark.spec("inbox-15", "inbox-16", "waiting-1", "waiting-2")
@pytest.mark.settings(hold_minutes=0.02, park_minutes=0.02)
def test_an_ask_outlives_its_process_and_the_server(own: Desk) -> None:
    session = own.start(run("echo ran >> tally"), ANSWERED)
    item = own.item_of(session)
    own.me.until("its process to end", lambda: own.runner_of(session) is None)
    own.restart()
    assert own.me.get(f"/api/sessions/{session}")["state"] == "waiting"
    assert [i["id"] for i in own.me.get("/api/inbox")["items"]] == [item["id"]]
    own.me.answer(item["id"], "allow")
    own.me.until_session(session, "idle")
    assert (own.workspace(session) / "tally").read_text() == "ran\n"
    assert {c["id"] for c in own.of(session, "tool_call")} == {item["call_id"]}
    own.me.until("it to be parked again", lambda: own.me.get(f"/api/sessions/{session}")["parked"])
    own.me.until("its process to end", lambda: own.runner_of(session) is None)


@pytest.mark.long
@pytest.mark.spec("waiting-16")
@pytest.mark.settings(max_alive=1)
def test_an_agent_that_waits_for_an_answer_gives_its_memory_to_the_next_and_goes_on_in_its_call(own: Desk) -> None:
    asking = own.start(run("echo ran >> tally"), ANSWERED)
    item = own.item_of(asking)
    assert own.runner_of(asking) is not None
    other = own.start(run("echo other >> tally"), ANSWERED)
    own.item_of(other)
    own.me.until("its process to end before its time", lambda: own.runner_of(asking) is None)
    assert own.runner_of(other) is not None
    own.me.answer(item["id"], "allow")
    own.me.until_session(asking, "idle")
    assert (own.workspace(asking) / "tally").read_text() == "ran\n"
    assert {c["id"] for c in own.of(asking, "tool_call")} == {item["call_id"]}


@pytest.mark.spec("inbox-17")
@pytest.mark.parametrize("act", ["interrupt", "cancel"])
def test_an_ask_that_lost_its_cause_closes_itself(desk: Desk, act: str) -> None:
    session = desk.start(ASKS)
    item = desk.item_of(session)
    if act == "interrupt":
        desk.me.post(f"/api/threads/{session}/interrupt", {"turn": 1}, expect=202)
    else:
        desk.me.post(f"/api/sessions/{session}/cancel")
    desk.me.until("the item to close", lambda: item["id"] not in [i["id"] for i in desk.me.get("/api/inbox")["items"]])
    closed = desk.of(session, "item")[-1]
    assert (closed["state"], bool(closed["closed_by"])) == ("closed", True)
    late = desk.me.post(
        f"/api/inbox/{item['id']}/answer", answered(item, "answer", answers={WHICH: "left"}), expect=409
    )
    assert late["code"] == "item_closed"
    assert closed["closed_by"] in late["detail"]


def test_two_asks_of_the_main_thread_are_answered_there(desk: Desk) -> None:
    desk.me.say(script({"tools": [use("AskUserQuestion", questions=[question("Main?", "yes", "no")])]}, ANSWERED))
    item = desk.me.until_item(lambda item: item["thread_id"] == "main")
    assert item["session_id"] is None
    desk.me.answer(item["id"], "answer", answers={"Main?": "yes"})
    desk.me.until("its reply", lambda: "yes" in (desk.me.replies() or [""])[-1])
