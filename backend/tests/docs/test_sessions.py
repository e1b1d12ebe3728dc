"""docs/sessions.md, sentence by sentence."""

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import uuid
from pathlib import Path
from typing import Any

import pytest

from mainloop.errors import NotAllowedNow
from mainloop.sessions.states import ALLOWED, check_move
from mainloop.testing.server import ServerProcess, script
from mainloop_models.events import SessionState

from .conftest import ANSWERED, ASKS, Desk, run, running, use

SLOW: dict[str, Any] = {"text": "one two three four five six seven eight nine ten", "chunks": 10, "chunk_delay": 0.3}


REMEMBER = script({"text": "I know {{find:BANANA}}"})


def git(folder: Path, *arguments: str) -> str:
    name = ["-c", "user.name=Sam", "-c", "user.email=sam@example.org"]
    done = subprocess.run(["git", *name, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def repository(folder: Path) -> Path:
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "readme").write_text("hello\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    return folder


def processes(mark: str) -> list[int]:
    """Every process with this word in its arguments."""
    found: list[int] = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark.encode() in (entry / "cmdline").read_bytes() and int(entry.name) != os.getpid():
                found.append(int(entry.name))
    return found


@pytest.mark.spec("sessions-1", "sessions-2")
def test_a_session_is_started_by_hand_once_per_id(desk: Desk) -> None:
    body = {"id": str(uuid.uuid4()), "prompt": "look around", "agent": "scripted", "model": "haiku"}
    session = desk.me.post("/api/sessions", body, expect=201)
    assert (session["agent"], session["model"], session["title"]) == ("scripted", "haiku", "look around")
    again = desk.me.post("/api/sessions", body, expect=200)
    assert again["handle"] == session["handle"]
    other = desk.me.post("/api/sessions", {**body, "prompt": "look elsewhere"}, expect=409)
    assert other["code"] == "session_exists"
    assert [s["session_id"] for s in desk.of("main", "session_started")].count(body["id"]) == 1


@pytest.mark.spec("sessions-1", "sessions-6", "chat-21")
def test_two_sessions_of_one_reply_work_at_the_same_time(desk: Desk) -> None:
    prompt = script({"delay": 3, "text": "done"})
    spawn = [use("spawn_session", title=f"side {n}", prompt=prompt, model="opus") for n in (1, 2)]
    message = desk.main({"tools": spawn}, {"text": "started"})
    started = desk.of("main", "session_started")[-2:]
    assert {s["anchor"]["message_id"] for s in started} == {message}
    ids = [s["session_id"] for s in started]
    desk.me.until(
        "both to work at once",
        lambda: {desk.me.get(f"/api/sessions/{i}")["state"] for i in ids} == {"working"},
    )
    assert {desk.me.until_session(i, "idle")["model"] for i in ids} == {"opus"}


@pytest.mark.spec("sessions-3", "sessions-4")
def test_looks_are_unlike_and_for_life_and_titles_are_cut(desk: Desk) -> None:
    ids = [desk.start({"text": "hi"}, title="Same title " + "long " * 1000) for _ in range(2)]
    before = [desk.me.until_session(i, "idle") for i in ids]
    assert len({s["handle"] for s in before}) == 2
    assert all(len(s["title"]) <= 200 and 1 <= s["hue"] <= 8 and s["creature"] for s in before)
    for i in ids:
        desk.me.post(f"/api/sessions/{i}/close")
    after = [desk.me.until_session(i, "done") for i in ids]
    looks = [[s[key] for key in ("handle", "hue", "creature")] for s in before + after]
    assert looks[:2] == looks[2:]


@pytest.mark.spec("sessions-5", "sessions-17")
def test_what_is_unknown_is_refused_with_what_there_is(desk: Desk) -> None:
    for field, named in (("agent", "claude, scripted"), ("workspace", "local is"), ("project", "Known are")):
        body = {"id": str(uuid.uuid4()), "prompt": "go", field: "nonsense"}
        answer = desk.me.http.post("/api/sessions", json=body)
        assert answer.status_code in (404, 422)
        assert "nonsense" in answer.json()["detail"]
        assert named in answer.json()["detail"]
    unknown = desk.me.http.get("/api/sessions/nothing")
    assert (unknown.status_code, "no session nothing" in unknown.json()["detail"]) == (404, True)


@pytest.mark.spec("sessions-7", "sessions-8", "sessions-9")
@pytest.mark.settings(max_alive=2, max_starts_per_turn=2, max_starts_per_day=3)
def test_ceilings_queue_and_refuse(own: Desk) -> None:
    waiting = [own.start(ASKS) for _ in range(3)]
    for session in waiting:
        own.me.until_session(session, "waiting")
    working = [own.start({"delay": 4, "text": "done"}) for _ in range(2)]
    third = own.start({"text": "at last"})
    assert own.me.get(f"/api/sessions/{third}")["reason"] == "queued"
    for session in [*working, third]:
        own.me.until_session(session, "idle")
    events = own.me.get(f"/api/threads/{third}/events")["events"]
    begun = next(int(e["cursor"]) for e in events if e["kind"] == "turn_started")
    ends = [int(own.me.until_turn_ended(1, s)["cursor"]) for s in working]
    assert min(ends) < begun

    spawn = use("spawn_session", title="more", prompt="hello")
    own.main({"tools": [spawn, spawn, spawn]}, ANSWERED)
    assert "MAINLOOP_MAX_STARTS_PER_TURN" in own.me.replies()[-1]
    own.main({"tools": [spawn, spawn]}, ANSWERED)
    assert "MAINLOOP_MAX_STARTS_PER_DAY" in own.me.replies()[-1]
    agents = [s for s in own.me.state()["sessions"] if s["title"] == "more"]
    assert len(agents) == 3


@pytest.mark.spec("sessions-9")
def test_a_session_of_a_session_is_refused(desk: Desk) -> None:
    deeper = script({"tools": [use("mcp__mainloop__spawn_session", title="deeper", prompt="hello")]}, ANSWERED)
    desk.main({"tools": [use("spawn_session", title="deep", prompt=deeper)]}, {"text": "started"})
    session = desk.of("main", "session_started")[-1]["session_id"]
    desk.me.until_session(session, "idle")
    (call,) = (c for c in desk.of(session, "tool_call") if c["status"] != "running")
    assert (call["status"], call["output"]) == ("denied", "There is no tool spawn_session here.")
    assert "deeper" not in [s["title"] for s in desk.me.state()["sessions"]]


@pytest.mark.spec("sessions-10")
@pytest.mark.parametrize(("old", "new"), list(itertools.product(SessionState, SessionState)), ids=str)
def test_only_the_moves_of_the_table_are_possible(old: SessionState, new: SessionState) -> None:
    refused = contextlib.nullcontext() if new in ALLOWED[old] else pytest.raises(NotAllowedNow)
    with refused:
        check_move(old, new)


@pytest.mark.spec("sessions-11", "sessions-12")
def test_a_session_is_talked_to_and_delivers_one_result_a_turn(desk: Desk) -> None:
    report = use("report", text="The answer is 42.", outcome="partial")
    session = desk.start({"tools": [report]}, {"text": "That was it."})
    result = desk.me.until_session(session, "idle")["result"]
    assert (result["text"], result["outcome"]) == ("The answer is 42.", "partial")
    desk.me.say(script({"text": "Just words."}), session)
    desk.me.until_turn_ended(2, session)
    assert [(r["turn"], r["source"], r["text"]) for r in desk.of(session, "result")] == [
        (1, "report", "The answer is 42."),
        (2, "text", "Just words."),
    ]
    notices = [n for n in desk.of("main", "notice") if n["session_id"] == session and n["about"] == "result"]
    assert [n["turn"] for n in notices] == [1, 2]


@pytest.mark.spec("sessions-11", "sessions-14", "sessions-15")
def test_a_working_session_is_not_closed_but_interrupted_and_a_closed_one_is_opened_again(desk: Desk) -> None:
    session = desk.start(title="closing")
    desk.me.until_session(session, "idle")
    desk.me.say(script(SLOW), session)
    desk.me.until("its words", lambda: any(m["thread_id"] == session for m in desk.me.state()["open_messages"]))
    refused = desk.me.post(f"/api/sessions/{session}/close", expect=409)
    assert "still working" in refused["detail"]
    desk.me.post(f"/api/threads/{session}/interrupt", {"turn": 2}, expect=202)
    desk.me.until_session(session, "idle")
    for turn, (act, state) in enumerate((("close", "done"), ("cancel", "cancelled")), start=3):
        desk.me.post(f"/api/sessions/{session}/{act}")
        desk.me.until_session(session, state)
        desk.me.say(REMEMBER, session)
        assert desk.me.until_turn_ended(turn, session)["body"]["outcome"] == "completed"
        assert desk.me.replies(session)[-1] == "I know BANANA"
        desk.me.until_session(session, "idle")


@pytest.mark.spec("sessions-16")
def test_a_parked_session_has_no_process_and_remembers(desk: Desk) -> None:
    session = desk.start()
    desk.me.until_session(session, "idle")
    desk.me.post(f"/api/sessions/{session}/park")
    desk.me.until("it to be parked", lambda: desk.me.get(f"/api/sessions/{session}")["parked"])
    desk.me.until("its process to end", lambda: desk.runner_of(session) is None)
    desk.me.say(REMEMBER, session)
    desk.me.until_turn_ended(2, session)
    assert desk.me.replies(session)[-1] == "I know BANANA"
    assert not desk.me.get(f"/api/sessions/{session}")["parked"]


@pytest.mark.spec("sessions-21")
def test_a_session_without_a_project_works_in_an_empty_folder(desk: Desk) -> None:
    session = desk.start(run("pwd && ls -A | wc -l"), ANSWERED)
    desk.me.until_session(session, "idle")
    where, count = desk.me.replies(session)[-1].split()
    assert where.endswith("workspace")
    assert count == "0"


@pytest.fixture(scope="module")
def able(ground: Path) -> Any:
    """A server whose agents may run commands."""

    with running(ServerProcess(ground / "able", {"MAINLOOP_COMMANDS": "allow", "MAINLOOP_MAX_RESTARTS": "2"})) as desk:
        if not desk.me.state()["settings"]["sandbox"]["confined"]:
            pytest.skip("there is no sandbox here")
        yield desk


@pytest.mark.spec("sessions-13")
def test_a_cancelled_sessions_processes_are_gone_and_its_words_stay(able: Desk) -> None:
    mark = f"77{uuid.uuid4().int % 10**9}"
    session = able.start(
        {"text": "I begin.", "tools": [use("Write", file_path="kept", content="kept")]}, run(f"sleep {mark}")
    )
    able.me.until("its command", lambda: processes(mark))
    able.me.post(f"/api/sessions/{session}/cancel")
    able.me.until("its processes to be gone", lambda: not processes(mark) and not able.runner_of(session), patience=10)
    assert able.me.get(f"/api/sessions/{session}")["state"] == "cancelled"
    assert able.me.replies(session)[0] == "I begin."
    assert (able.workspace(session) / "kept").read_text() == "kept"


@pytest.mark.spec("sessions-18")
def test_a_session_outlives_a_killed_server(able: Desk) -> None:
    session = able.start({**SLOW, **run("ls")}, {"text": "still here"})
    able.me.until("its words", lambda: any(m["thread_id"] == session for m in able.me.state()["open_messages"]))
    runner = able.runner_of(session)
    able.restart()
    assert able.me.until_session(session, "idle")["result"]["text"] == "still here"
    assert able.runner_of(session) == runner
    assert len(able.of(session, "result")) == 1
    assert len([n for n in able.of("main", "notice") if n["session_id"] == session]) == 1
    assert len(able.of(session, "turn_ended")) == 1


@pytest.mark.spec("sessions-19")
def test_a_session_goes_on_after_its_process_was_killed(able: Desk) -> None:
    session = able.start({"text": "I begin.", **run("ls")}, {"delay": 2, "text": "I end."})
    able.me.until("its first words", lambda: able.me.replies(session))
    runner = able.runner_of(session)
    assert runner is not None
    os.kill(runner, signal.SIGKILL)
    able.me.until_session(session, "idle")
    assert "cut_off" in [b["outcome"] for b in able.of(session, "turn_ended")]
    assert [b["what"] for b in able.of(session, "run")].count("lost") == 1
    assert able.runner_of(session) not in (None, runner)


@pytest.mark.spec("sessions-20")
def test_a_session_that_dies_again_and_again_stops_trying(able: Desk) -> None:
    session = able.start({"delay": 30, "text": "never"})

    def stuck() -> Any:
        runner = able.runner_of(session)
        if runner is not None and able.of(session, "turn_started"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(runner, signal.SIGKILL)
        return [i for i in able.me.get("/api/inbox")["items"] if i["session_id"] == session]

    (item,) = able.me.until("an item", stuck)
    assert item["kind"] == "failure"
    assert "times in a row" in item["notice"]["text"]


@pytest.mark.spec("sessions-22", "sessions-23")
def test_a_sessions_commits_are_kept_and_the_persons_checkout_is_left_alone(able: Desk, ground: Path) -> None:
    checkout = repository(ground / "photos")
    before = (git(checkout, "rev-parse", "HEAD"), git(checkout, "for-each-ref"), (checkout / "readme").read_text())
    project = able.me.post("/api/projects", {"source": str(checkout)})
    commit = run("echo more >> readme && git commit -qam 'more words' && git rev-parse HEAD")
    session = able.start(commit, {"text": "committed {{result}}"}, project=project["name"])
    branch = able.me.until_session(session, "in_review")["branch"]
    assert branch
    head = able.me.replies(session)[-1].split()[-1]
    mirror = able.server.home / "mirrors" / f"{project['id']}.git"

    def kept() -> bool:
        refs = git(mirror, "for-each-ref", f"refs/sessions/{session}/")
        return head in refs and f"heads/{branch}" in refs

    able.me.until("its commits in the mirror", kept)
    able.me.post(f"/api/sessions/{session}/close")
    shutil.rmtree(able.workspace(session))
    assert git(mirror, "show", f"{head}:readme") == "hello\nmore"
    after = (git(checkout, "rev-parse", "HEAD"), git(checkout, "for-each-ref"), (checkout / "readme").read_text())
    assert before == after
    assert git(checkout, "status", "--porcelain") == ""


@pytest.mark.spec("sessions-24")
def test_what_can_be_no_project_is_told_so(able: Desk, ground: Path) -> None:
    address = repository(ground / "by-address").as_uri()
    plain, empty = ground / "plain", ground / "empty"
    plain.mkdir()
    empty.mkdir()
    git(empty, "init", "-q")
    for source, words in ((plain, "no git repository"), (empty, "no commit yet")):
        ident = able.me.post("/api/projects", {"source": str(source)})["id"]

        def project(ident: str = ident) -> Any:
            found = next(p for p in able.me.get("/api/projects")["projects"] if p["id"] == ident)
            return found if found["state"] == "failed" else None

        assert words in able.me.until("its failure", project)["error"]
    missing = able.me.http.post("/api/projects", json={"source": str(ground / "missing")})
    assert missing.status_code == 422, missing.text
    assert str(ground / "missing") in missing.json()["detail"]
    added = able.me.post("/api/projects", {"source": address})
    able.me.until(
        "the project at an address",
        lambda: [
            p for p in able.me.get("/api/projects")["projects"] if p["id"] == added["id"] and p["state"] == "ready"
        ],
    )


@pytest.mark.spec("sessions-25")
def test_in_a_sandbox_nothing_of_the_person_is_seen_or_changed(able: Desk, ground: Path) -> None:
    secret = ground / "secret"
    secret.write_text("the person's own")
    database = able.server.home / "mainloop.db"
    command = (
        f"cat {secret} {database}; echo broken > {secret}; echo broken > /etc/hostname; "
        'touch "$HOME/mine" here; ls "$HOME/mine" here'
    )
    session = able.start(run(command), ANSWERED)
    able.me.until_session(session, "idle")
    told = able.me.replies(session)[-1]
    assert "the person's own" not in told
    assert told.count("No such file") >= 2
    assert told.splitlines()[-1].endswith("here") or "here" in told
    assert secret.read_text() == "the person's own"
    assert database.exists()
    assert (able.workspace(session) / "here").exists()
