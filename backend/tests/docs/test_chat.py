"""docs/chat.md, sentence by sentence."""

import json
import signal
import uuid
from typing import Any

import httpx
import pytest

from mainloop.testing.server import Follower, script

from .conftest import ANSWERED, ASKS, Desk, done, run, use

SLOW: dict[str, Any] = {"text": "one two three four five six seven eight nine ten", "chunks": 10, "chunk_delay": 0.3}


def merged(frames: list[tuple[str, str, Any]], texts: dict[str, str]) -> dict[str, str]:
    """Open messages and the pieces that came after, put together by offset."""
    for name, _, data in frames:
        if name == "delta":
            have = texts.get(data["message_id"], "")
            texts[data["message_id"]] = have[: data["offset"]] + data["text"]
    return texts


def until_done(follower: Follower) -> list[tuple[str, str, Any]]:
    return follower.until(lambda name, data: name == "event" and data["thread_id"] == "main" and done(data))


@pytest.mark.spec("chat-1")
def test_the_main_thread_is_one_and_no_session(desk: Desk) -> None:
    state = desk.me.state()
    assert state["main"]["id"] == "main"
    assert "main" not in [s["id"] for s in state["sessions"] + desk.me.get("/api/sessions")["sessions"]]
    for act in ("cancel", "close", "park", "resume"):
        desk.me.post(f"/api/sessions/main/{act}", expect=404)


@pytest.mark.spec("chat-2")
def test_what_one_device_sends_appears_at_the_other(desk: Desk) -> None:
    other = desk.person()
    with other.follow(other.state()["cursor"]) as follower:
        message = desk.me.say("hello from the other device")
        frames = follower.until(lambda name, data: name == "event" and data["body"].get("id") == message)
        assert frames[-1][2]["body"]["text"] == "hello from the other device"


@pytest.mark.spec("chat-3", "chat-4", "chat-6")
def test_numbers_have_no_gaps_and_a_client_that_was_away_gets_what_it_missed(desk: Desk) -> None:
    cursor = desk.me.state()["cursor"]
    session = desk.start({"text": "found"})
    desk.main({"text": "hello"})
    desk.me.until_session(session, "idle")
    everything: list[dict[str, Any]] = []
    for thread in ("main", session):
        events = desk.me.events(thread)
        assert [e["seq"] for e in events] == list(range(1, len(events) + 1))
        everything += [e for e in events if int(e["cursor"]) > int(cursor)]
    expected = sorted(int(e["cursor"]) for e in everything)
    with desk.me.follow(cursor) as follower:
        seen: list[int] = []
        while len(seen) < len(expected):
            name, ident, data = follower.next()
            if name == "event" and data["thread_id"] in ("main", session):
                assert ident == data["cursor"]
                seen.append(int(ident))
    assert seen == expected


@pytest.mark.spec("chat-5")
def test_a_cursor_of_another_installation_means_loading_the_state_again(desk: Desk) -> None:
    with desk.me.follow("99999999") as follower:
        assert follower.next()[0] == "reset"


@pytest.mark.spec("chat-7")
def test_a_message_that_was_accepted_survives_a_kill_right_after(own: Desk) -> None:
    message = own.me.say("remember this")
    own.restart()
    own.me.until_event("its answer", lambda e: done(e) and e["body"]["turn"] == own.turn_of(message))
    assert [m["text"] for m in own.of("main", "message") if m["id"] == message][-1] == "remember this"


@pytest.mark.spec("chat-8", "chat-9")
def test_the_same_id_is_one_message(desk: Desk) -> None:
    body = {"id": str(uuid.uuid4()), "text": "only once"}
    first = desk.me.post("/api/threads/main/messages", body, expect=201)
    again = desk.me.post("/api/threads/main/messages", body, expect=200)
    assert again["id"] == first["id"]
    problem = desk.me.post("/api/threads/main/messages", {**body, "text": "another"}, expect=409)
    assert problem["code"] == "message_exists"
    desk.me.until("its turn", lambda: desk.turn_of(body["id"]))
    starts = [b for b in desk.of("main", "turn_started") if body["id"] in b["message_ids"]]
    assert len(starts) == 1
    assert {m["text"] for m in desk.of("main", "message") if m["id"] == body["id"]} == {"only once"}


@pytest.mark.spec("chat-10")
def test_bad_messages_are_refused_in_words_and_control_characters_left_out(desk: Desk) -> None:
    empty = desk.me.post("/api/threads/main/messages", {"id": str(uuid.uuid4()), "text": " \n\t "}, expect=422)
    assert "empty" in empty["detail"]
    long = {"id": str(uuid.uuid4()), "text": "x" * 1_000_000}
    assert "1000000 bytes" in desk.me.post("/api/threads/main/messages", long, expect=413)["detail"]
    given = {"id": str(uuid.uuid4()), "text": "a\x00b\x1b[31mc\td"}
    assert desk.me.post("/api/threads/main/messages", given, expect=201)["text"] == "ab[31mc\td"


@pytest.mark.spec("chat-11", "chat-12")
def test_messages_wait_in_order_and_can_be_changed_until_they_are_taken(desk: Desk) -> None:
    session = desk.start(SLOW)
    first = desk.me.until("its first turn", lambda: desk.of(session, "turn_started"))[0]["message_ids"][0]
    ids = [desk.me.say(script({"text": text}), session) for text in ("second", "third", "fourth")]
    path = f"/api/threads/{session}/messages"
    better = script({"text": "better"})
    assert desk.me.http.patch(f"{path}/{ids[0]}", json={"text": better}).json()["text"] == better
    assert desk.me.http.delete(f"{path}/{ids[1]}").json()["status"] == "withdrawn"
    taken = desk.me.http.patch(f"{path}/{first}", json={"text": "too late"})
    assert (taken.status_code, taken.json()["code"]) == (409, "message_delivered")
    desk.me.until_turn_ended(3, session)
    starts = [b["message_ids"] for b in desk.of(session, "turn_started")]
    assert starts == [[first], [ids[0]], [ids[2]]]
    assert desk.me.replies(session)[1:] == ["better", "fourth"]


@pytest.mark.spec("chat-13")
def test_steering_goes_into_the_running_turn(desk: Desk) -> None:
    looks = {"tools": [use("Bash", command="ls")]}
    session = desk.start({"text": "first", **looks}, {"delay": 2, **looks}, {"text": "heard {{find:BANANA}}"})
    desk.me.until("its first words", lambda: desk.me.replies(session))
    steered = desk.me.say("BANANA", session, mode="steer")
    desk.me.until_turn_ended(1, session)
    assert desk.me.replies(session)[-1] == "heard BANANA"
    assert [m["turn"] for m in desk.of(session, "message") if m["id"] == steered][-1] in (None, 1)
    assert len(desk.of(session, "turn_started")) == 1


@pytest.mark.spec("chat-14", "chat-15")
def test_an_interrupt_stops_its_turn_and_no_other(desk: Desk) -> None:
    session = desk.start({**SLOW, "chunk_delay": 3})
    # Its words may be here before its turn is.
    desk.me.until_event("its turn", lambda event: event["kind"] == "turn_started", session)
    desk.me.until("its words", lambda: any(m["thread_id"] == session for m in desk.me.state()["open_messages"]))
    other = desk.me.post(f"/api/threads/{session}/interrupt", {"turn": 7}, expect=409)
    assert other["code"] == "turn_over"
    desk.me.post(f"/api/threads/{session}/interrupt", {"turn": 1}, expect=202)
    assert desk.me.until_turn_ended(1, session)["body"]["outcome"] == "interrupted"
    (said,) = set(desk.me.replies(session))
    assert said
    assert SLOW["text"].startswith(said)
    desk.me.say(script({"text": "went on"}), session)
    assert desk.me.until_turn_ended(2, session)["body"]["outcome"] == "completed"


@pytest.mark.spec("chat-16")
def test_a_reply_comes_in_pieces_and_whole_at_the_end(desk: Desk) -> None:
    with desk.me.follow(desk.me.state()["cursor"]) as follower:
        desk.me.say(script(SLOW))
        frames = until_done(follower)
    pieces = [data for name, _, data in frames if name == "delta"]
    whole = [d["body"] for n, _, d in frames if n == "event" and d["body"].get("role") == "assistant"][-1]
    assert len(pieces) >= 3
    assert SLOW["text"].startswith(merged(frames, {})[whole["id"]])
    assert whole["text"] == SLOW["text"]


@pytest.mark.spec("chat-17", "chat-6")
def test_a_reload_in_the_middle_of_a_reply_shows_it_once(desk: Desk) -> None:
    message = desk.me.say(script(SLOW))

    def half() -> Any:
        state = desk.me.state()
        return state if any(len(m["text"]) > 10 for m in state["open_messages"]) else None

    state = desk.me.until("half a reply", half)
    texts = {m["message_id"]: m["text"] for m in state["open_messages"]}
    with desk.me.follow(state["cursor"]) as follower:
        frames = until_done(follower)
    said = [d["body"] for n, _, d in frames if n == "event" and d["body"].get("role") == "assistant"]
    assert [s["text"] for s in said] == [SLOW["text"]]
    assert SLOW["text"].startswith(merged(frames, texts)[said[0]["id"]])
    turn = desk.turn_of(message)
    replies = [m for m in desk.of("main", "message") if m["role"] == "assistant" and m["turn"] == turn]
    assert [m["text"] for m in replies] == [SLOW["text"]]


@pytest.mark.spec("chat-18")
def test_a_reply_survives_a_killed_server(own: Desk) -> None:
    own.me.say(script(SLOW))
    own.me.until("half a reply", lambda: any(len(m["text"]) > 10 for m in own.me.state()["open_messages"]))
    runner = own.runner_of("main")
    own.restart()
    assert own.me.until_turn_ended(1)["body"]["outcome"] == "completed"
    assert own.me.replies() == [SLOW["text"]]
    assert own.runner_of("main") == runner
    assert own.me.state()["open_messages"] == []


@pytest.mark.spec("chat-19")
def test_a_long_text_stands_with_head_and_tail_and_can_be_fetched_whole(desk: Desk) -> None:
    text = "begin " + "word " * 10_000 + "end"
    session = desk.start({"text": text})
    desk.me.until_turn_ended(1, session)
    said = next(m for m in desk.of(session, "message") if m["role"] == "assistant")
    assert said["text"].startswith("begin")
    assert said["text"].endswith("end")
    assert len(json.dumps(said)) < 32 * 1024
    assert desk.me.http.get(f"/api/blobs/{said['blob']['id']}").text == text


@pytest.mark.spec("chat-20", "chat-21", "chat-22", "inbox-4")
@pytest.mark.settings(demo="true")
def test_the_demo_starts_two_sessions_asks_and_brings_results(own: Desk) -> None:
    message = own.me.say("compare two ways to store our photos")
    own.me.until("two sessions", lambda: len(own.me.state()["sessions"]) == 2)
    started = own.of("main", "session_started")
    assert {s["anchor"]["message_id"] for s in started} == {message}
    items = own.me.until("both asks", lambda: len(found := own.me.get("/api/inbox")["items"]) == 2 and found)
    kinds = {item["kind"]: item for item in items}
    assert set(kinds) == {"question", "permission"}
    assert {s["state"] for s in own.me.state()["sessions"]} == {"waiting"}
    asked = kinds["question"]["ask"]["questions"][0]
    own.me.answer(kinds["question"]["id"], "answer", answers={asked["question"]: asked["options"][0]["label"]})
    own.me.answer(kinds["permission"]["id"], "allow")
    for session in started:
        assert own.me.until_session(session["session_id"], "idle")["result"]["outcome"] == "done"
    notices = own.of("main", "notice")
    for about in ("item", "result"):
        assert len([n for n in notices if n["about"] == about]) == 2
    said = [m for m in own.of("main", "message") if m["role"] == "assistant"]
    assert said
    assert all(m["demo"] for m in said)


@pytest.mark.spec("chat-23")
def test_a_result_reaches_the_main_agent_with_its_next_message(desk: Desk) -> None:
    desk.main({"tools": [use("spawn_session", title="quiet", prompt=script({"text": "PAPAYA found"}))]}, {"text": "k"})
    turn, session = desk.turn(), desk.of("main", "session_started")[-1]["session_id"]
    desk.me.until_session(session, "idle")
    assert desk.turn() == turn
    desk.main({"text": "{{user}}"})
    assert "PAPAYA" in desk.me.replies()[-1]
    assert desk.turn() == turn + 1


@pytest.mark.spec("chat-23")
def test_a_result_wakes_the_main_agent_where_the_start_asked_for_it(desk: Desk) -> None:
    spawn = use("spawn_session", title="loud", prompt=script({"delay": 1, "text": "MANGO found"}), wake=True)
    desk.main({"tools": [spawn]}, {"text": "k"})
    turn = desk.turn()
    desk.me.until_turn_ended(turn + 1)


@pytest.mark.spec("chat-24")
def test_the_main_agent_looks_up_real_states(desk: Desk) -> None:
    session = desk.start(ASKS, {"text": "LEMON is the answer"}, title="lemon question")
    desk.me.until_session(session, "waiting")
    desk.main({"tools": [use("list_sessions", text="lemon")]}, ANSWERED)
    assert "waiting" in desk.me.replies()[-1]
    desk.main({"tools": [use("get_session", id=session)]}, ANSWERED)
    assert "It waits for the person: Which one?" in desk.me.replies()[-1]
    desk.me.answer(desk.item_of(session)["id"], "answer", answers={"Which one?": "left"})
    desk.me.until_session(session, "idle")
    for part in ("result", "tail"):
        desk.main({"tools": [use("get_session", id=session, part=part)]}, ANSWERED)
        assert "LEMON is the answer" in desk.me.replies()[-1]


@pytest.mark.spec("chat-25")
def test_the_main_agent_writes_to_and_controls_sessions(desk: Desk) -> None:
    session = desk.start({"text": "ready"})
    desk.me.until_session(session, "idle")
    desk.main({"tools": [use("message_session", id=session, text=script(SLOW))]}, ANSWERED)
    desk.me.until_session(session, "working")
    desk.main({"tools": [use("control_session", id=session, action="interrupt")]}, ANSWERED)
    assert desk.me.until_turn_ended(2, session)["body"]["outcome"] == "interrupted"
    desk.me.until_session(session, "idle")
    for action, state in (("close", "done"), ("resume", "idle"), ("cancel", "cancelled")):
        desk.main({"tools": [use("control_session", id=session, action=action)]}, ANSWERED)
        desk.me.until_session(session, state)
        desk.drain()


@pytest.mark.spec("chat-26", "chat-27")
@pytest.mark.parametrize(
    ("status", "words", "kind", "hint"),
    [
        (401, "invalid x-api-key", "sign_in", "ANTHROPIC_API_KEY"),
        (429, "rate limit", "failure", "limit resets"),
        (400, "prompt is too long: 300000 tokens", "failure", "Start a new session"),
    ],
)
def test_what_stops_the_agent_is_an_item_and_trying_again_takes_up_the_same_message(
    desk: Desk, status: int, words: str, kind: str, hint: str
) -> None:
    text = f"now it works {status}"
    message = desk.me.say(script({"error": {"status": status, "message": words, "times": 1}, "text": text}))
    item = desk.me.until_item(lambda item: item["thread_id"] == "main")
    assert item["kind"] == kind
    assert hint in item["notice"]["hint"]
    assert [m["status"] for m in desk.of("main", "message") if m["id"] == message][-1] != "finished"
    desk.me.answer(item["id"], "retry")
    desk.me.until("the reply", lambda: desk.me.replies()[-1:] == [text])
    assert [i for i in desk.me.get("/api/inbox")["items"] if i["thread_id"] == "main"] == []


@pytest.mark.spec("chat-28")
def test_an_unknown_thread_is_told_so(desk: Desk) -> None:
    body = {"id": str(uuid.uuid4()), "text": "anybody there?"}
    for answer in (
        desk.me.http.post("/api/threads/nowhere/messages", json=body),
        desk.me.http.get("/api/threads/nowhere/events"),
    ):
        assert answer.status_code == 404
        assert "There is no thread nowhere" in answer.json()["detail"]


def test_a_server_that_is_asked_to_stop_ends_at_once_with_a_stream_open(own: Desk) -> None:
    with own.me.follow(own.me.state()["cursor"]):
        own.server.kill(signal.SIGTERM)
    with pytest.raises(httpx.TransportError):
        own.me.state()


def test_reading_is_let_through_unasked(desk: Desk) -> None:
    session = desk.start(run("ls -A"), {"text": "seen: {{result}}"})
    desk.me.until_session(session, "idle")
    assert desk.of(session, "item") == []
