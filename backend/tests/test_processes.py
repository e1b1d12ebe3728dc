"""A server as a process, killed and started again under real runners with the scripted agent."""

import json
import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from mainloop.access.service import new_code
from mainloop.db.engine import make_engine
from mainloop.events.bell import Bell
from mainloop.events.unit import Database
from mainloop.testing.contracts.sandboxes import sleeping
from mainloop.testing.server import Person, ServerProcess, script
from mainloop.testing.waiting import eventually

WORDS = " ".join(f"word-{n}" for n in range(60))
SLOW = {"text": WORDS, "words": True, "chunk_delay": 0.05}


# On PostgreSQL too, but not each time: a process costs seconds.
@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=[pytest.mark.postgres, pytest.mark.long])])
def database_kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def process(home: Path, database_kind: str, request: pytest.FixtureRequest) -> Generator[ServerProcess]:
    """A server as a process of its own; the test starts it."""
    settings = {"MAINLOOP_COMMANDS": "allow"}
    if database_kind == "postgresql":
        settings["MAINLOOP_DATABASE_URL"] = request.getfixturevalue("database_url")
    server = ServerProcess(home, settings)
    yield server
    server.stop()


@pytest.fixture
def person(process: ServerProcess) -> Generator[Person]:
    """Somebody who is paired with the running server."""
    process.start()
    url = process.environment.get("MAINLOOP_DATABASE_URL") or f"sqlite:///{process.home / 'mainloop.db'}"
    engine = make_engine(url)
    person = Person(process.url, new_code(Database(engine, Bell())))
    engine.dispose()
    yield person
    person.http.close()


def gap_free(person: Person, *threads: str) -> None:
    """Every number once, in the log of each thread."""
    for thread in ("main", *threads):
        seqs = [event["seq"] for event in person.events(thread)]
        assert seqs == list(range(1, len(seqs) + 1))


def turns(person: Person, thread: str = "main") -> list[tuple[int, str]]:
    return [(e["body"]["turn"], e["body"]["outcome"]) for e in person.events(thread) if e["kind"] == "turn_ended"]


def start(person: Person, number: int, *steps: dict[str, Any]) -> str:
    body = {"id": f"session-{number:04}", "prompt": script(*steps) if steps else f"number {number}"}
    return str(person.post("/api/sessions", body)["id"])


@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGTERM])
def test_a_turn_goes_on_while_the_server_is_away_and_its_reply_is_there_once(
    process: ServerProcess, person: Person, sig: signal.Signals
) -> None:
    message = person.say(script(SLOW))
    person.until("the reply to begin", lambda: person.state()["open_messages"])
    runners = process.runners()
    assert process.process is not None
    began = time.monotonic()
    process.kill(sig)
    if sig is signal.SIGTERM:
        assert time.monotonic() - began < 8
    assert process.runners() == runners
    process.start()
    person.until_turn_ended(1)
    assert person.replies() == [WORDS]
    assert turns(person) == [(1, "completed")]
    assert process.runners() == runners
    assert message in [e["body"]["message_ids"][0] for e in person.events() if e["kind"] == "turn_started"]
    gap_free(person)


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_ctrl_c_ends_it_without_a_trace(process: ServerProcess) -> None:
    process.start().kill(signal.SIGINT)
    assert process.process is not None
    assert process.process.poll() == 128 + signal.SIGINT
    assert "Traceback" not in process.log()


def test_a_half_written_reply_is_whole_again_after_a_restart(process: ServerProcess, person: Person) -> None:
    person.say(script({**SLOW, "chunk_delay": 1}))
    before = person.until("some of it", lambda: person.state()["open_messages"])[0]["text"]
    process.kill()
    process.start()
    after = person.until(
        "more of it", lambda: [m["text"] for m in person.state()["open_messages"] if len(m["text"]) > len(before)]
    )[0]
    assert WORDS.startswith(after)
    person.post("/api/threads/main/interrupt", {"turn": 1}, expect=202)
    assert person.until_turn_ended(1)["body"]["outcome"] == "interrupted"
    assert len(person.replies()) == 1
    assert WORDS.startswith(person.replies()[0])
    assert len(person.replies()[0]) >= len(after)
    assert person.state()["open_messages"] == []
    gap_free(person)


def test_what_was_accepted_is_done_although_the_server_dies_at_once(process: ServerProcess, person: Person) -> None:
    sessions = [start(person, n) for n in range(3)]
    person.say("hello")
    process.kill()
    process.start()
    for session in sessions:
        person.until_session(session, "idle")
        assert len(person.replies(session)) == 1
        assert turns(person, session) == [(1, "completed")]
    person.until_turn_ended(1)
    assert len(person.replies()) == 1
    gap_free(person, *sessions)


def test_a_question_waits_through_a_restart_and_its_answer_reaches_the_call(
    process: ServerProcess, person: Person
) -> None:
    ask = {"name": "ask", "input": {"questions": [{"question": "Which?", "options": [{"label": "red"}]}]}}
    session = start(person, 1, {"tools": [ask]}, {"text": "You said {{result}}"})
    item = person.until_item()
    process.kill()
    process.start()
    assert person.get("/api/inbox")["items"][0]["id"] == item["id"]
    person.answer(item["id"], "answer", answers={"Which?": "red"})
    person.until_session(session, "idle")
    assert len(person.replies(session)) == 1
    assert "red" in person.replies(session)[0]
    gap_free(person, session)


def test_a_killed_runner_is_followed_by_another_that_goes_on(process: ServerProcess, person: Person) -> None:
    session = start(person, 1, {"text": "begun", "tools": [{"name": "Bash", "input": {"command": "true"}}]}, SLOW)
    person.until("the slow part", lambda: person.state()["open_messages"])
    for pid in process.runners():
        os.kill(pid, signal.SIGKILL)
    person.until_session(session, "idle")
    outcomes = [outcome for _, outcome in turns(person, session)]
    assert outcomes[0] == "cut_off"
    assert outcomes[-1] == "completed"
    assert person.replies(session)[-1] == WORDS
    gap_free(person, session)


@pytest.mark.spec("home-12")
def test_the_doctor_says_where_git_is_too_old_to_merge(home: Path, tmp_path: Path) -> None:
    old = tmp_path / "git"
    old.write_text("#!/bin/sh\necho git version 2.34.1\n")
    old.chmod(0o755)

    def git(path: str) -> dict[str, Any]:
        found = json.loads(ServerProcess(home, {"PATH": path}).run("doctor", "--json").stdout)
        return next(check for check in found["checks"] if check["name"] == "git")

    told = git(f"{tmp_path}:{os.environ['PATH']}")
    assert (told["level"], told["hint"]) == ("warn", "Install git 2.38 or newer.")
    assert git(os.environ["PATH"])["level"] == "ok"


def test_the_doctor_shows_every_thread_and_says_what_does_not_go_together(
    process: ServerProcess, person: Person
) -> None:
    session = start(person, 1, {"text": "done"})
    person.until_session(session, "idle")

    def examined() -> tuple[dict[str, Any], str]:
        """The session, as the doctor sees it, and what the doctor prints."""
        threads = json.loads(process.run("doctor", "--json").stdout)["threads"]
        return next(thread for thread in threads if thread["id"] == session), process.run("doctor").stdout

    seen, printed = examined()
    runners = process.runners()
    assert seen["pid"] in runners
    assert (seen["run"], seen["state"], seen["process"], seen["locked"], seen["wrong"]) == (1, "live", True, True, "")
    assert f"rests; run 1 live, process {seen['pid']}, lock held" in printed

    process.kill()
    for pid in runners:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not process.runners())
    seen, printed = examined()
    assert (seen["state"], seen["process"], seen["locked"]) == ("live", False, False)
    assert "Its runner is gone." in printed


def test_a_cancelled_session_leaves_no_process_within_seconds(process: ServerProcess, person: Person) -> None:
    mark = f"4{random.randrange(10**6):06}"
    session = start(person, 1, {"tools": [{"name": "Bash", "input": {"command": f"sleep {mark}"}}]})

    def asleep() -> list[int]:
        found: list[int] = []
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if entry.read_bytes() == f"sleep\0{mark}\0".encode():
                    found.append(int(entry.parent.name))
            except OSError:
                continue
        return found

    eventually(asleep, 60)
    person.post(f"/api/sessions/{session}/cancel")
    began = time.monotonic()
    eventually(lambda: not asleep() and not process.runners(), 20)
    assert time.monotonic() - began < 15
    assert person.get(f"/api/sessions/{session}")["state"] == "cancelled"
    person.until("the turn's end", lambda: turns(person, session))
    gap_free(person, session)


@pytest.mark.spec("access-10")
def test_a_link_leads_to_the_server_that_runs_wherever_it_was_asked_for(
    process: ServerProcess, person: Person, home: Path
) -> None:
    assert person.state()["main"]["id"] == "main"
    # It would start one at another port.
    elsewhere = ServerProcess(home, {k: v for k, v in process.environment.items() if k == "MAINLOOP_DATABASE_URL"})
    assert elsewhere.url != process.url
    assert json.loads(elsewhere.run("pair", "--json").stdout)["url"].startswith(f"{process.url}/pair#")
    process.kill()
    assert json.loads(elsewhere.run("pair", "--json").stdout)["url"].startswith(f"{elsewhere.url}/pair#")


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_a_second_server_on_one_home_and_a_taken_port_are_refused_in_one_sentence(
    process: ServerProcess, person: Person, home: Path
) -> None:
    command = [sys.executable, "-m", "mainloop.main", "up"]

    def refused(**more: str) -> str:
        done = subprocess.run(
            command,
            env={**process.environment, **more},
            cwd=home,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode != 0
        assert "Traceback" not in done.stderr
        return done.stderr.strip().splitlines()[-1]

    assert process.process is not None
    port = refused()
    assert f"Port {process.port} on 127.0.0.1 is taken" in port
    second = refused(MAINLOOP_PORT="0")
    assert "Another mainloop server already runs" in second
    assert str(process.process.pid) in second
    assert person.state()["main"]["id"] == "main"


@pytest.mark.long
def test_a_storm_of_kills_loses_nothing_doubles_nothing_and_leaves_nothing_stuck(
    process: ServerProcess, person: Person
) -> None:
    chance = random.Random(7)
    sessions = [start(person, n) for n in range(4)]
    sent: dict[str, list[str]] = {session: [] for session in sessions}
    for round_ in range(12):
        for session in sessions:
            text = f"{session} round {round_}"
            ident = f"{session}-{round_:04}"
            person.until("the message to be taken", lambda s=session, t=text, i=ident: person.say(t, s, message_id=i))
            sent[session].append(text)
        time.sleep(chance.uniform(0.0, 1.5))  # the moment of the kill is the point of this
        if chance.random() < 0.3 and process.runners():
            os.kill(chance.choice(process.runners()), signal.SIGKILL)
        process.kill(chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]))
        process.start()
    for session in sessions:
        person.until_session(session, "idle")
        person.until("an empty queue", lambda s=session: person.get(f"/api/sessions/{s}")["queued"] == 0, 120)
        person.until_session(session, "idle")
        replies = person.replies(session)
        for text in sent[session]:
            assert [reply for reply in replies if f"ok: {text} " in f"{reply} "], text
        started = [m for e in person.events(session) if e["kind"] == "turn_started" for m in e["body"]["message_ids"]]
        assert len(set(started)) == len(sent[session]) + 1
    gap_free(person, *sessions)
    assert person.get("/api/inbox")["items"] == []


@pytest.mark.spec("home-14")
def test_a_machine_that_was_renamed_still_knows_the_agents_that_work_on_it(
    process: ServerProcess, person: Person
) -> None:
    if "MAINLOOP_DATABASE_URL" in process.environment:
        pytest.skip("other servers may share this database: a machine is known by its name")
    person.say(script({**SLOW, "chunk_delay": 2}))
    person.until("the reply to begin", lambda: person.state()["open_messages"])
    process.kill()
    renamed = (
        "import socket, sys; socket.gethostname = lambda: 'elsewhere'; from mainloop.main import main; sys.exit(main())"
    )
    process.program = ("-c", renamed)
    process.start()
    [runner] = process.runners()
    os.kill(runner, signal.SIGKILL)
    # Its death is noticed by nobody but a server that counts it as its own.
    assert person.until_turn_ended(1)["body"]["outcome"] == "cut_off"


@pytest.mark.long
@pytest.mark.spec("kills-33")
@pytest.mark.parametrize("end", ["cancelled", "killed"])
def test_without_a_sandbox_and_without_namespaces_nothing_of_a_session_works_on(
    home: Path, tmp_path: Path, end: str
) -> None:
    """As in a container: its agent has detached a process that hides whose it is, and is gone."""
    programs = {p.name: p for folder in ("/bin", "/usr/bin") for p in Path(folder).iterdir() if p.name != "unshare"}
    for name, program in programs.items():
        (tmp_path / name).symlink_to(program)
    settings = {"MAINLOOP_COMMANDS": "allow", "MAINLOOP_SANDBOX": "none", "PATH": str(tmp_path)}
    process = ServerProcess(home, settings)
    mark = f"4321.{secrets.randbelow(10**9):09}"
    hide = f"sh -c 'env -i setsid nohup sleep {mark} >/dev/null 2>&1 &'; sleep {mark}"
    detach = {"name": "Bash", "input": {"command": hide}}
    try:
        person = process.start().person()
        session = start(person, 1, {"tools": [detach]})
        # Where nothing confines it, it has to ask.
        person.answer(person.until_item()["id"], "allow")
        person.until("both to run", lambda: len(sleeping(mark)) == 2)
        if end == "cancelled":
            person.post(f"/api/sessions/{session}/cancel")
        else:
            for runner in process.runners():
                os.kill(runner, signal.SIGKILL)
        person.until("both to end", lambda: not sleeping(mark))
        person.http.close()
    finally:
        process.stop()
