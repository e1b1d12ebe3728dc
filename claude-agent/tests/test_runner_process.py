"""A real runner process against a real server: what kills and restarts may cost, and what they may not."""

import asyncio
import fcntl
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from mainloop.sandboxes.base import Policy as Confinement
from mainloop.sandboxes.bubblewrap import Bubblewrap
from mainloop.testing.runner_server import ProtocolServer
from mainloop.testing.scripted_model import ScriptedModelServer, call, script
from mainloop_models.asks import Answer, Decision
from mainloop_models.runner import RunFile, Tool

SECONDS = 60
REPORT = [Tool(name="report", description="Reports", input_schema={"properties": {"text": {"type": "string"}}})]
ALLOW = Answer(decision=Decision.ALLOW)
needs_bwrap = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")


class Runners:
    """Runner processes of one thread; the server ends them with itself."""

    def __init__(self, server: ProtocolServer, model: ScriptedModelServer) -> None:
        self.server = server
        self.model = model

    async def start(
        self, kind: str = "scripted", sandboxed: bool = False, confined: bool | None = None, **settings: Any
    ) -> asyncio.subprocess.Process:
        environment = {
            "ANTHROPIC_BASE_URL": self.model.url,
            "ANTHROPIC_API_KEY": "none",
            "CLAUDE_CODE_MAX_RETRIES": "0",
            "SCRIPTED_GATES": self.model.url,
        }
        wrap: list[str] = []
        if sandboxed:
            places = (self.server.home / "workspace", self.server.home / "home")
            for place in places:
                place.mkdir(parents=True, exist_ok=True)
            wrap = Bubblewrap().wrap(Confinement(chdir=places[0], writable=places))
        confined = sandboxed if confined is None else confined
        run_file = self.server.new_run(environment, wrap=wrap, confined=confined, agent=kind, tools=REPORT, **settings)
        return await self.server.start_runner(run_file)


@pytest.fixture
def runners(server: ProtocolServer, model: ScriptedModelServer) -> Runners:
    return Runners(server, model)


@pytest.fixture(params=["scripted", pytest.param("claude", marks=pytest.mark.long)])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


async def ended(process: asyncio.subprocess.Process) -> int:
    return await asyncio.wait_for(process.wait(), SECONDS)


async def becomes_true(true: Callable[[], Any], seconds: float = 30) -> Any:
    """For what the kernel does and nobody announces: processes that go, files that appear."""
    async with asyncio.timeout(seconds):
        while not (found := true()):  # noqa: ASYNC110 - there is nobody to announce it
            await asyncio.sleep(0.02)
    return found


def offered(pid: int) -> str:
    """How readily the kernel ends this process when memory runs out."""
    return Path(f"/proc/{pid}/oom_score_adj").read_text()


def processes(server: ProtocolServer) -> list[int]:
    """Everything on this machine that runs with this thread's home, but its runners."""
    found: list[int] = []
    mark = f"HOME={server.home / 'home'}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


async def test_a_server_that_is_killed_and_returns_in_mid_turn_misses_nothing(runners: Runners, kind: str) -> None:
    server = runners.server
    await runners.start(kind)
    steps = [
        call("Bash", command="echo one"),
        {"gate": "down", **call("Bash", command="echo two")},
        call("mcp__mainloop__report", text="three"),
        {"text": "the end: {{result}}"},
    ]
    message = server.say(script(*steps))
    await server.until(lambda s: s.bodies("tool_ended"))
    await server.stop()
    await runners.model.open_gate("down")
    spool = server.home / "spool" / "1.jsonl"
    # The turn goes on without a server, up to the call that only the server can answer.
    await becomes_true(lambda: b'"tool_request"' in spool.read_bytes())
    await server.start()
    end = await server.until(lambda s: s.bodies("turn_ended"))
    assert (end[0].outcome, end[0].text, end[0].finished) == ("completed", "the end: report: done", [message])
    assert [r.number for r in server.reports] == list(range(1, len(server.reports) + 1))
    assert [b.output for b in server.bodies("tool_ended")] == ["one", "two", "report: done"]
    assert list(server.carried_out.values()) == [1]


@pytest.mark.long
async def test_a_second_runner_of_a_thread_ends_without_touching_anything(runners: Runners) -> None:
    server = runners.server
    await runners.start()
    server.say("hello")
    await server.until(lambda s: s.bodies("turn_ended"))
    before = len(server.hellos)
    mine = RunFile.model_validate_json((server.home / "run.json").read_text())
    token, other = server.home / "token-2", server.home / "run-2.json"
    token.write_text("not asked for")
    other.write_text(mine.model_copy(update={"run": 2, "token_file": str(token)}).model_dump_json())
    assert await ended(await server.start_runner(other)) == 3
    assert len(server.hellos) == before
    assert not token.exists()
    server.say("still there?")
    await server.until(lambda s: len(s.bodies("turn_ended")) == 2)


@pytest.mark.spec("kills-20")
async def test_a_refused_runner_kills_its_agent_and_ends(runners: Runners, kind: str) -> None:
    server = runners.server
    process = await runners.start(kind, sandboxed=shutil.which("bwrap") is not None)
    server.say(script(call("Bash", command="echo $$ > running; sleep 1000; echo x"), {"text": "never"}))
    (ask,) = await server.until(lambda s: s.bodies("ask_opened"))
    server.answer(ask.id, ALLOW)
    await becomes_true(lambda: (server.home / "workspace" / "running").exists())
    # A newer run exists from here on.
    server.new_run()
    assert await ended(process) == 4
    await becomes_true(lambda: not processes(server))


async def finished_unheard(runners: Runners, kind: str) -> tuple[asyncio.subprocess.Process, Path]:
    """A runner whose server went away in the middle of a turn that has ended since, and its spool."""
    server = runners.server
    process = await runners.start(kind)
    server.say(script(call("Bash", command="echo one"), {"text": "said {{result}}", "gate": "down"}))
    await server.until(lambda s: s.bodies("tool_ended"))
    await server.stop()
    await runners.model.open_gate("down")
    spool = server.home / "spool" / "1.jsonl"
    await becomes_true(lambda: b'"turn_ended"' in spool.read_bytes())
    return process, spool


async def test_what_a_killed_runner_had_not_sent_arrives_before_the_next_one_acts(runners: Runners, kind: str) -> None:
    server = runners.server
    process, spool = await finished_unheard(runners, kind)
    process.kill()
    await ended(process)
    await server.start()
    second = await runners.start(kind)
    await server.until(lambda s: len(s.hellos) >= 3)
    assert [(r.run, r.body.kind) for r in server.reports][-1] == (1, "turn_ended")
    assert not spool.exists()
    server.say("and now?")
    await server.until(lambda s: len(s.bodies("turn_ended")) == 2)
    assert [b.turn for b in server.bodies("turn_started")] == [1, 2]
    server.want("stop")
    assert await ended(second) == 0


async def test_a_turn_whose_runner_was_killed_is_told_as_cut_off_and_its_message_followed_up(
    runners: Runners, kind: str
) -> None:
    server = runners.server
    process = await runners.start(kind)
    message = server.say(
        script(call("Bash", command="touch once"), {"text": "held up", "gate": "never"}),
        follow_up="You were cut off.",
    )
    await server.until(lambda s: s.bodies("tool_ended"))
    process.kill()
    await ended(process)
    (server.home / "workspace" / "once").unlink()
    await runners.model.open_gate("never")
    await becomes_true(lambda: not processes(server))
    await runners.start(kind)
    ends = await server.until(lambda s: len(s.bodies("turn_ended")) == 2 and s.bodies("turn_ended"))
    assert [(e.turn, e.outcome) for e in ends] == [(1, "cut_off"), (2, "completed")]
    assert ends[1].finished == [message]
    assert not (server.home / "workspace" / "once").exists()


async def test_a_released_call_is_not_run_again_by_a_later_run(runners: Runners, kind: str) -> None:
    server = runners.server
    sandboxed = shutil.which("bwrap") is not None
    command = "echo run >> runs; sleep 1000"
    process = await runners.start(kind, sandboxed)
    server.say(script(call("Bash", command=command), {"text": "so: {{result}}"}))
    (ask,) = await server.until(lambda s: s.bodies("ask_opened"))
    server.want("park")
    assert await ended(process) == 0
    server.answer(ask.id, ALLOW)
    process = await runners.start(kind, sandboxed)
    runs = server.home / "workspace" / "runs"
    await becomes_true(runs.exists)
    process.kill()
    await ended(process)
    await becomes_true(lambda: not processes(server))
    await runners.start(kind, sandboxed)
    await server.until(lambda s: s.bodies("turn_ended")[-1].outcome == "completed")
    assert any("outcome is unknown" in b.output for b in server.bodies("tool_ended"))
    assert runs.read_text() == "run\n"


@needs_bwrap
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_nothing_of_a_sandboxed_agent_outlives_its_runner(
    runners: Runners, kind: str, number: signal.Signals
) -> None:
    server = runners.server
    process = await runners.start(kind, sandboxed=True)
    detached = "setsid nohup sleep 1000 >/dev/null 2>&1 & touch running; sleep 1000"
    server.say(script(call("Bash", command=detached), {"text": "never"}))
    (ask,) = await server.until(lambda s: s.bodies("ask_opened"))
    server.answer(ask.id, ALLOW)
    await becomes_true(lambda: (server.home / "workspace" / "running").exists())
    assert processes(server)
    process.send_signal(number)
    if number == signal.SIGTERM:
        # A signal parks, and a command that runs is waited for; the second one does not wait.
        await becomes_true(lambda: "told to end" in server.log())
        process.send_signal(number)
    await ended(process)
    await becomes_true(lambda: not processes(server), seconds=10)


async def test_a_signal_parks_so_that_the_call_goes_on_later(runners: Runners, kind: str) -> None:
    server = runners.server
    process = await runners.start(kind)
    server.say(script(call("Bash", command="echo run >> runs"), {"text": "so"}))
    (ask,) = await server.until(lambda s: s.bodies("ask_opened"))
    process.send_signal(signal.SIGTERM)
    assert await ended(process) == 0
    assert server.bodies("turn_ended")[-1].deferred_call == ask.call_id
    assert server.bodies("run_ended")[-1].reason == "parked"
    assert list((server.home / "spool").iterdir()) == []


async def test_a_runner_that_finds_no_server_can_still_be_told_to_end(runners: Runners) -> None:
    server = runners.server
    await server.stop()
    process = await runners.start()
    await becomes_true(lambda: "the server is away" in server.log())
    process.send_signal(signal.SIGTERM)
    assert await ended(process) == 0
    await server.start()


async def test_an_agent_sees_neither_the_token_nor_what_the_runner_was_started_with(
    runners: Runners, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNNER_SECRET", "canary")
    server = runners.server
    await runners.start(kind, policy={"commands": "ask"})
    server.say(script(call("Bash", command="env"), {"text": "seen"}))
    (ask,) = await server.until(lambda s: s.bodies("ask_opened"))
    assert not list(server.home.glob("token-*"))
    server.answer(ask.id, ALLOW)
    await server.until(lambda s: s.bodies("turn_ended"))
    (result,) = server.bodies("tool_ended")
    assert f"HOME={server.home / 'home'}" in result.output
    assert "canary" not in result.output
    assert (server.home / "lock").read_text().strip().isdigit()


async def test_an_agent_whose_process_dies_ends_turn_and_run_with_words(runners: Runners) -> None:
    server = runners.server
    process = await runners.start("claude")
    server.say(script({"text": "one two three", "gate_mid": "never"}))
    await server.until(lambda s: any(s.open.values()))
    os.kill(int((server.home / "agent.pid").read_text()), signal.SIGKILL)
    assert await ended(process) == 0
    (end,) = server.bodies("turn_ended")
    assert (end.outcome, end.error.code, end.finished) == ("cut_off", "crashed", [])
    assert server.bodies("run_ended")[-1].reason == "failed"
    # What was half said stays said.
    assert server.bodies("said")[0].text


async def test_an_agent_that_dies_while_idle_ends_the_run(runners: Runners) -> None:
    server = runners.server
    process = await runners.start("claude")
    server.say("hello")
    await server.until(lambda s: s.bodies("turn_ended"))
    os.kill(int((server.home / "agent.pid").read_text()), signal.SIGKILL)
    assert await ended(process) == 0
    assert server.bodies("run_ended")[-1].error.code == "crashed"


async def test_a_sandbox_that_does_not_start_is_told_in_words(runners: Runners, tmp_path: Path) -> None:
    server = runners.server
    broken = tmp_path / "broken-sandbox"
    broken.write_text("#!/bin/sh\necho 'no user namespaces here' >&2\nexit 1\n")
    broken.chmod(0o755)
    for resume in (False, True):
        run_file = server.new_run({}, wrap=[str(broken)], agent="claude", tools=REPORT, resume=resume)
        assert await ended(await server.start_runner(run_file)) == 0
        over = server.bodies("run_ended")[-1]
        # A conversation is not given up because its sandbox is broken.
        assert over.reason == "failed"
        assert "no user namespaces here" in over.error.message


async def test_an_agent_kind_nobody_knows_is_told_in_words(runners: Runners) -> None:
    process = await runners.start("hal9000")
    assert await ended(process) == 0
    (over,) = runners.server.bodies("run_ended")
    assert (over.reason, over.error.code) == ("failed", "not_installed")


async def test_work_in_the_background_begins_a_turn_of_its_own(runners: Runners) -> None:
    server = runners.server
    await runners.start("claude")
    background: dict[str, Any] = {"command": "cat gate; echo done", "run_in_background": True}
    server.say(script({"tools": [{"name": "Bash", "input": background}]}, {"text": "started"}))
    ends = await server.until(lambda s: len(s.bodies("turn_ended")) == 2 and s.bodies("turn_ended"))
    assert [e.outcome for e in ends] == ["completed", "completed"]
    assert server.bodies("turn_started")[1].message_ids == []
    server.say("and on")
    await server.until(lambda s: len(s.bodies("turn_ended")) == 3)


async def test_a_run_that_only_brings_what_was_left_starts_no_agent(runners: Runners) -> None:
    server = runners.server
    run_file = server.new_run({}, agent="claude", tools=REPORT)
    server.want("park")
    assert await ended(await server.start_runner(run_file)) == 0
    assert [b.reason for b in server.bodies("run_ended")] == ["parked"]
    assert not (server.home / "agent").exists()


@pytest.mark.spec("kills-26")
async def test_a_command_that_takes_memory_without_end_is_ended_and_its_agent_goes_on(
    runners: Runners, kind: str
) -> None:
    server = runners.server
    process = await runners.start(
        kind, policy={"commands": "allow"}, confined=True, bounds={"memory_mb": 900 if kind == "claude" else 300}
    )
    greedy = "x = []\nfor _ in range(400): x.append(b'x' * 10_000_000)"
    server.say(
        script(call("Bash", command=f'{sys.executable} -c "{greedy}"; echo "ended with $?"; false'), {"text": "on"})
    )
    (end,) = await server.until(lambda s: s.bodies("turn_ended"))
    assert end.outcome == "completed"
    (result,) = server.bodies("tool_ended")
    assert result.status == "error"
    assert "mainloop ended python" in result.output
    assert "ended with 137" in result.output
    assert process.returncode is None


@pytest.mark.spec("kills-26")
@needs_bwrap
async def test_agents_and_their_tools_are_what_the_system_ends_first_when_memory_runs_out(runners: Runners) -> None:
    server = runners.server
    process = await runners.start("claude", sandboxed=True)
    server.say(script(call("Bash", command="cat /proc/self/oom_score_adj"), {"text": "seen"}))
    await server.until(lambda s: s.bodies("turn_ended"))
    assert [b.output for b in server.bodies("tool_ended")] == ["500"]
    assert offered(process.pid) == offered(os.getpid())


@pytest.mark.spec("kills-27")
async def test_a_turn_that_fills_the_disk_is_ended_with_all_it_started_and_says_why(
    runners: Runners, kind: str, home: Path
) -> None:
    # On a disk, not in memory: what is written there is counted.
    server = runners.server
    free = shutil.disk_usage(home).free >> 20
    process = await runners.start(
        kind, policy={"commands": "allow"}, confined=True, bounds={"keep_free_mb": free - 200}
    )
    fill = f"dd if=/dev/zero of={home}/big bs=1M count=3000; sleep 1000"
    message = server.say(script(call("Bash", command=fill), {"text": "never"}))
    (end,) = await server.until(lambda s: s.bodies("turn_ended"))
    assert (end.outcome, end.error.code, end.finished) == ("failed", "disk", [])
    assert "The disk is nearly full" in end.error.message
    assert await ended(process) == 0
    assert server.bodies("run_ended")[-1].reason == "parked"
    assert message not in [m for body in server.bodies("turn_ended") for m in body.finished]
    assert (home / "big").stat().st_size < 3000 << 20
    await becomes_true(lambda: not processes(server))


def later(server: ProtocolServer, command: str) -> str:
    """A message whose turn ends while `command` waits in the background for a file `go`."""
    waiting: dict[str, Any] = {"command": f"until [ -e go ]; do sleep 0.1; done; {command}", "run_in_background": True}
    return server.say(script({"tools": [{"name": "Bash", "input": waiting}]}, {"text": "started"}))


@pytest.mark.long
@pytest.mark.spec("kills-32")
async def test_what_takes_memory_without_end_between_two_turns_is_ended_and_the_agent_is_told(runners: Runners) -> None:
    server = runners.server
    process = await runners.start("claude", policy={"commands": "allow"}, confined=True, bounds={"memory_mb": 900})
    greedy = "x = []\nfor _ in range(400): x.append(b'x' * 10_000_000)\nimport time; time.sleep(1000)"
    later(server, f'{sys.executable} -c "{greedy}"')
    await server.until(lambda s: s.bodies("turn_ended"))
    (server.home / "workspace/go").touch()
    # The program hears that its command has ended, and begins a turn of its own.
    await server.until(lambda s: len(s.bodies("turn_ended")) == 2)
    server.say("and on")
    await server.until(lambda s: len(s.bodies("turn_ended")) == 3)
    (*_, asked) = [request["body"] for request in await runners.model.requests() if request["body"]]
    assert "mainloop ended python" in json.dumps(asked["messages"][-1])
    assert process.returncode is None


@pytest.mark.long
@pytest.mark.spec("kills-32")
async def test_an_agent_whose_background_fills_the_disk_between_two_turns_is_ended_and_it_is_said(
    runners: Runners, home: Path
) -> None:
    server = runners.server
    free = shutil.disk_usage(home).free >> 20
    process = await runners.start(
        "claude", policy={"commands": "allow"}, confined=True, bounds={"keep_free_mb": free - 200}
    )
    later(server, f"dd if=/dev/zero of={home}/big bs=1M count=3000; sleep 1000")
    await server.until(lambda s: s.bodies("turn_ended"))
    (server.home / "workspace/go").touch()
    assert await ended(process) == 0
    (over,) = server.bodies("run_ended")
    assert (over.reason, over.error.code) == ("failed", "disk")
    assert "The disk is nearly full" in over.error.message
    assert [body.outcome for body in server.bodies("turn_ended")] == ["completed"]
    await becomes_true(lambda: not processes(server))


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="mainloop-test-", dir="/var/tmp"))
    yield folder
    shutil.rmtree(folder)


@contextmanager
def full_disk(process: asyncio.subprocess.Process, *files: Path) -> Generator[None]:
    """No file grows under this process any more; what it starts meanwhile has no room either."""
    soft, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    most = max(path.stat().st_size for path in files)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.spec("kills-24")
async def test_a_runner_on_a_full_disk_holds_its_agent_says_so_and_goes_on_when_there_is_room(
    runners: Runners, kind: str
) -> None:
    server = runners.server
    process = await runners.start(kind, policy={"commands": "allow"}, confined=True)
    spool = server.home / "spool" / "1.jsonl"
    command = call("Bash", command="echo run >> runs")
    message = server.say(script({**command, "gate": "full"}, {"text": "said {{result}}"}))
    await server.until(lambda s: s.bodies("turn_started"))
    await becomes_true(lambda: spool.exists() and spool.read_bytes() != b"")
    with full_disk(process, spool):
        reported = len(server.reports)
        await runners.model.open_gate("full")
        await server.until(lambda s: s.unwritten)
        assert [r.number for r in server.reports] == list(range(1, reported + 1))
        assert len(spool.read_bytes().splitlines()) == reported
        # Whatever runs is known to have run: nothing does while that can't be noted.
        assert not (server.home / "workspace" / "runs").exists()
    end = await server.until(lambda s: s.bodies("turn_ended"))
    assert (end[0].outcome, end[0].finished) == ("completed", [message])
    assert (server.home / "workspace" / "runs").read_text() == "run\n"
    assert [r.number for r in server.reports] == list(range(1, len(server.reports) + 1))
    await server.until(lambda s: s.unwritten == "")
    assert process.returncode is None


@pytest.mark.spec("kills-23")
async def test_a_spool_that_was_deleted_under_a_living_runner_is_written_again_and_outlives_it(
    runners: Runners, kind: str
) -> None:
    server = runners.server
    process, spool = await finished_unheard(runners, kind)
    shutil.rmtree(spool.parent)
    await becomes_true(lambda: spool.exists() and b'"turn_ended"' in spool.read_bytes())
    process.kill()
    await ended(process)
    await server.start()
    await runners.start(kind)
    await server.until(lambda s: s.bodies("turn_ended"))
    assert [r.number for r in server.reports if r.run == 1] == list(range(1, len(server.reports) + 1))


@pytest.mark.spec("kills-22")
async def test_a_runner_whose_lock_was_deleted_takes_it_again_and_ends_where_somebody_else_has_it(
    runners: Runners,
) -> None:
    server = runners.server
    process = await runners.start()
    server.say("hello")
    await server.until(lambda s: s.bodies("turn_ended"))
    lock = server.home / "lock"
    lock.unlink()
    await becomes_true(lambda: lock.exists() and lock.read_text().strip() == str(process.pid))
    with lock.open() as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    lock.unlink()
    with lock.open("w") as mine:
        fcntl.flock(mine, fcntl.LOCK_EX)
        assert await ended(process) == 3


@pytest.mark.spec("kills-28")
async def test_nothing_that_a_repository_configures_is_started_or_allowed(runners: Runners) -> None:
    server = runners.server
    workspace = server.home / "workspace"
    (workspace / ".claude").mkdir(parents=True)
    touch = {n: {"command": "sh", "args": ["-c", f"touch {workspace}/started-{n}; cat"]} for n in range(43)}
    (workspace / ".mcp.json").write_text(json.dumps({"mcpServers": {f"server-{n}": touch[n] for n in touch}}))
    hook = [{"hooks": [{"type": "command", "command": f"touch {workspace}/hooked"}]}]
    settings = {
        "enableAllProjectMcpServers": True,
        "permissions": {"allow": ["Bash", "Write"], "defaultMode": "bypassPermissions"},
        "hooks": {"SessionStart": hook, "UserPromptSubmit": hook, "PreToolUse": hook},
        "env": {"ANTHROPIC_BASE_URL": "http://127.0.0.1:9"},
    }
    for name in ("settings.json", "settings.local.json"):
        (workspace / ".claude" / name).write_text(json.dumps(settings))
    await runners.start("claude")
    server.say(script(call("Bash", command="echo made >> made"), {"text": "so"}))
    (ask,) = await server.until(lambda s: s.bodies("ask_opened"))
    assert not (workspace / "made").exists()
    server.answer(ask.id, ALLOW)
    (end,) = await server.until(lambda s: s.bodies("turn_ended"))
    assert end.outcome == "completed"
    assert len(server.bodies("ask_opened")) == 1
    assert sorted(path.name for path in workspace.iterdir()) == [".claude", ".mcp.json", "made"]
    asked: list[Any] = [request["body"] for request in await runners.model.requests() if request["body"]]
    tools: set[str] = {tool["name"] for body in asked for tool in body.get("tools", [])}
    assert "Bash" in tools
    assert not [name for name in tools if name.startswith("mcp__server")]
