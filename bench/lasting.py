"""Measures of what lasts: servers that are killed, turns that go on, sessions that were parked, logs that grow."""

import asyncio
import statistics
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

# The program alone, without our runner, is what a parked session stands beside.
from claude_agent_sdk import ClaudeAgentOptions, ClaudeSDKClient, ResultMessage, StreamEvent  # noqa: TID251
from measured import Baseline, Row, beside, folder, ours, pid_of, pss_of, until_healthy

from mainloop.testing.crowd import crowd, fill
from mainloop.testing.kills import Model
from mainloop.testing.server import Person, ServerProcess, script

WAITING: Final = 1000
TIMES: Final = 3
AT_ONCE: Final = 5
DELTAS: Final = 16_000
LOG: Final = 50  # MB


def served_again() -> list[Row]:
    """From the kill of a server with a thousand sessions to its next healthy answer, started again at once."""

    def once(server: ServerProcess | Baseline) -> float:
        server.kill()
        began = time.monotonic()
        server.spawn()
        until_healthy(server.port)
        return time.monotonic() - began

    with folder() as at:
        crowd(at, WAITING)
        with ours(ServerProcess(at)) as server:
            mine = statistics.median(once(server) for _ in range(TIMES))
    with folder() as at, beside("bare", at) as bare:
        other = statistics.median(once(bare) for _ in range(TIMES))
    what = f"kill -9 → serving again, with {WAITING} sessions"
    return [Row(what, f"{mine:.1f} s", f"{other:.1f} s", f"{mine / other:.1f}", "2 s")]


def turns_go_on() -> list[Row]:
    """Turns that were under way when the server was killed, and ended well without being given again."""
    words = script({"text": "one two three four five six seven eight " * 10, "words": True, "chunk_delay": 0.05})
    with folder() as at, ours(ServerProcess(at)) as server:
        person = server.person()
        names = [str(uuid.uuid4()) for _ in range(AT_ONCE)]
        for name in names:
            person.post("/api/sessions", {"id": name, "prompt": words})
        person.until("all to write", lambda: len(person.state()["open_messages"]) == AT_ONCE)
        server.kill()
        server.start()
        for name in names:
            person.until_turn_ended(1, name)
        well = sum(
            [e["body"]["outcome"] for e in person.events(name) if e["kind"] == "turn_ended"] == ["completed"]
            for name in names
        )
    return [Row("turns that go on over a killed server", f"{well} of {AT_ONCE}", "", "", "all")]


def parked() -> list[Row]:
    """From a message to a parked session to the first piece of the reply, beside the agent's program alone."""
    model = Model()
    try:
        with folder() as at, ours(ServerProcess(at, {"MAINLOOP_AGENT": "claude", **model.environment})) as server:
            person = server.person()
            name = str(uuid.uuid4())
            person.post("/api/sessions", {"id": name, "prompt": "Say something."})
            person.until_session(name, "idle")
            mine = statistics.median(_wake(server, person, name) for _ in range(TIMES))
        with folder() as at:
            alone = statistics.median(asyncio.run(_resume(at, model.environment)))
    finally:
        model.close()
    what = "message to a parked session → first piece of the reply"
    return [Row(what, f"{mine:.2f} s", f"{alone:.2f} s", f"+{mine - alone:.2f} s", "+0.2 s")]


def _wake(server: ServerProcess, person: Person, name: str) -> float:
    person.post(f"/api/sessions/{name}/park", {"reason": ""})
    person.until("the runner to end", lambda: not server.runners())
    with person.follow(person.state()["cursor"], live=name) as follower:
        began = time.monotonic()
        person.say("And once more.", name)
        # A short reply may be whole before its first piece is sent.
        follower.until(lambda event, data: data["thread_id"] == name and (event == "delta" or said(data)))
        took = time.monotonic() - began
        follower.until(lambda _, data: data.get("kind") == "turn_ended")
    return took


def said(event: dict[str, Any]) -> bool:
    return event.get("kind") == "message" and event["body"]["role"] == "assistant"


async def _resume(home: Path, environment: dict[str, str]) -> list[float]:
    """Seconds from the start of the program, which resumes a conversation, to the first piece that it writes."""
    name = str(uuid.uuid4())
    (home / "workspace").mkdir()

    async def once(**which: Any) -> float:
        options = ClaudeAgentOptions(
            cwd=home / "workspace",
            env={**environment, "HOME": str(home), "CLAUDE_CONFIG_DIR": str(home / ".claude"), "TMPDIR": "/tmp"},
            setting_sources=[],
            include_partial_messages=True,
            **which,
        )
        first = 0.0
        began = time.monotonic()
        async with ClaudeSDKClient(options) as client:
            await client.query("And once more.")
            async for frame in client.receive_messages():
                if not first and isinstance(frame, StreamEvent) and frame.event.get("type") == "content_block_delta":
                    first = time.monotonic() - began
                if isinstance(frame, ResultMessage):
                    return first
        raise RuntimeError("the program ended without a result")

    await once(session_id=name)
    return [await once(resume=name) for _ in range(TIMES)]


def long_turn() -> list[Row]:
    """What a long turn over a long log adds to the memory of the server, while a page follows it."""
    text = "word " * DELTAS
    with folder() as at:
        fill(at, LOG)
        with ours(ServerProcess(at)) as server:
            person = server.person()
            pid = pid_of(server)
            person.state()
            person.get("/api/threads/main/events", limit=100)
            before = most = pss_of(pid)
            with person.follow(person.state()["cursor"]) as follower:
                person.say(script({"text": text, "chunks": DELTAS, "chunk_delay": 0.0005}))
                over = False

                def look(_: str, data: Any) -> bool:
                    nonlocal most, over
                    most = max(most, pss_of(pid))
                    over = over or data.get("kind") == "turn_ended"
                    return over

                follower.until(look)
            size = (at / "mainloop.db").stat().st_size / 1024 / 1024
    what = f"a turn of {DELTAS} pieces over a log of {size:.0f} MB: memory of the server"
    return [Row(what, f"+{most - before:.0f} MB", "", "", "+50 MB")]


ROWS: Final[dict[str, Callable[[], list[Row]]]] = {
    "again": served_again,
    "go on": turns_go_on,
    "parked": parked,
    "long": long_turn,
}
