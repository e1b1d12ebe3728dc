"""The server's side of the runner protocol, in memory: what a runner can be tested against without a product.

A real HTTP server with real rules: reports are applied once by (run, number) and without gaps, work is answered at
once when it differs from what was seen, pieces of messages are joined by offset, an older run is refused. `stop` and
`start` are a server that dies and comes back: connections break, what was accepted stays.

    async with ProtocolServer(tmp_path) as server:
        run = server.new_run(agent="scripted")
        server.say("hello")
        await server.until(lambda s: s.bodies("turn_ended"))
"""

import asyncio
import contextlib
import itertools
import json
import os
import secrets
import sys
import uuid
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mainloop.testing.scripted_model import free_port
from mainloop_models.asks import Answer
from mainloop_models.runner import (
    AgentSession,
    AnswerTaken,
    AskOpened,
    AskWithdrawn,
    Deltas,
    DeltasTaken,
    Hello,
    Limit,
    MessageTaken,
    Receipt,
    Released,
    Report,
    Reports,
    RunEnded,
    RunFile,
    Said,
    ToolAnswer,
    ToolRequest,
    TurnEnded,
    TurnStarted,
    Welcome,
    Work,
    WorkAnswer,
    WorkMessage,
)

POLL_SECONDS = 25.0

ToolHandler = Callable[[ToolRequest], Awaitable[ToolAnswer | None]]


async def say_done(request: ToolRequest) -> ToolAnswer:
    return ToolAnswer(text=f"{request.tool}: done")


class ProtocolServer:
    """One thread on one server."""

    def __init__(self, folder: Path, tools: ToolHandler = say_done) -> None:
        self.folder = folder
        self.thread = f"t-{uuid.uuid4().hex[:8]}"
        self.home = folder / "threads" / self.thread
        self.reports: list[Report] = []
        self.hellos: list[Hello] = []
        # Text of messages that are still being written, and every piece as it came.
        self.open: dict[str, str] = {}
        self.pieces: list[tuple[str, str]] = []
        # What running calls have put out, as far as it was told, by the id of the call.
        self.outputs: dict[str, str] = {}
        # Why the runner can't put on disk what it says, as it last told.
        self.unwritten: str | None = None
        # How often each call of our tools was carried out.
        self.carried_out: dict[str, int] = {}
        self._tools = tools
        self._answers: dict[str, ToolAnswer] = {}
        self._acked: dict[int, int] = {}
        self._settings: dict[str, Any] = {}
        self._welcomes: dict[int, Welcome] = {}
        self._tokens: dict[str, int] = {}
        self._run = 0
        self._messages: dict[str, WorkMessage] = {}
        # Files by their ids; one is handed out when this is set. Those that were asked for.
        self.files: dict[str, bytes] = {}
        self.files_at_hand = asyncio.Event()
        self.files_asked: set[str] = set()
        self._given: dict[str, WorkAnswer] = {}
        self._wanted: str = "run"
        self._interrupt: int | None = None
        self._pause: int | None = None
        self._limit = Limit()
        self._versions = itertools.count(1)
        self._version = "0"
        self._seen = ""
        self._changed = asyncio.Condition()
        self._port = free_port()
        self._runners: list[asyncio.subprocess.Process] = []
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None

    # ---- the server as a process ------------------------------------------------------------------------------
    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        app = Starlette(
            routes=[
                Route("/runner/v1/hello", self._hello, methods=["POST"]),
                Route("/runner/v1/reports", self._reports, methods=["POST"]),
                Route("/runner/v1/work", self._work),
                Route("/runner/v1/deltas", self._deltas, methods=["POST"]),
                Route("/runner/v1/messages/{message}/attachments/{id}", self._attachment),
            ]
        )
        config = uvicorn.Config(app, host="127.0.0.1", port=self._port, log_level="critical", lifespan="off")
        self._server = _Quiet(config)
        self._serving = asyncio.create_task(self._server.serve())
        while not self._server.started:
            if self._serving.done():
                raise RuntimeError("the protocol server did not start")
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """Dies: nobody is answered any more, connections break."""
        if self._server is None or self._serving is None:
            return
        self._server.force_exit = True
        self._server.should_exit = True
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()
        await self._serving
        self._server = self._serving = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._runners:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        await self.stop()

    # ---- the thread -------------------------------------------------------------------------------------------
    def new_run(
        self,
        environment: Mapping[str, str] | None = None,
        wrap: list[str] | None = None,
        confined: bool = False,
        variables: Mapping[str, str] | None = None,
        **welcome: Any,
    ) -> Path:
        """Numbers a run and writes its run file, as a phase does. `welcome` holds for later runs too, over what the log says."""
        self._run += 1
        self._settings.update(welcome)
        for folder in (self.home / "home", self.home / "workspace"):
            folder.mkdir(parents=True, exist_ok=True)
        token = secrets.token_urlsafe()
        self._tokens = {token: self._run}
        token_file = self.home / f"token-{self._run}"
        token_file.touch(mode=0o600)
        token_file.write_text(token)
        basics = {
            "role": "session",
            "agent": "scripted",
            "agent_session": self._session(),
            "resume": False,
            "prompt": "",
        }
        self._welcomes[self._run] = Welcome.model_validate({**basics, **self._settings})
        run = RunFile(
            thread_id=self.thread,
            run=self._run,
            server=self.url,
            token_file=str(token_file),
            home=str(self.home),
            agent_home=str(self.home / "home"),
            workspace=str(self.home / "workspace"),
            wrap=wrap or [],
            confined=confined,
            environment={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), **(environment or {})},
            credentials=[name for name in environment or {} if name.startswith("ANTHROPIC_")],
            variables=dict(variables or {}),
        )
        path = self.home / "run.json"
        path.write_text(run.model_dump_json())
        self._wanted = "run"
        self._touch()
        return path

    async def start_runner(self, run_file: Path) -> asyncio.subprocess.Process:
        """Starts a runner in a process of its own, its output in the thread's log. It does not outlive this server."""
        with (self.home / "log").open("a") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "mainloop_agent", str(run_file),
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self._runners.append(process)
        return process

    def say(self, text: str, id: str | None = None, **more: Any) -> str:
        """The person writes."""
        message = WorkMessage(id=id or str(uuid.uuid4()), text=text, **more)
        self._messages[message.id] = message
        self._touch()
        return message.id

    def answer(self, ask_id: str, answer: Answer) -> None:
        ask = next(b for b in self.bodies("ask_opened") if b.id == ask_id)
        self._given[ask_id] = WorkAnswer(ask_id=ask_id, call_id=ask.call_id, answer=answer)
        self._touch()

    def interrupt(self, turn: int) -> None:
        self._interrupt = turn
        self._touch()

    def limit(self, usd: float | None = None, tokens: int | None = None) -> None:
        """How much the running turn may use."""
        self._limit = Limit(usd=usd, tokens=tokens)
        self._touch()

    def pause(self, turn: int | None) -> None:
        """A ceiling was reached in this turn."""
        self._pause = turn
        self._touch()

    def want(self, wanted: str) -> None:
        self._wanted = wanted
        self._touch()

    def bodies(self, kind: str) -> list[Any]:
        """The bodies of all applied reports of a kind."""
        return [r.body for r in self.reports if r.body.kind == kind]

    def log(self) -> str:
        path = self.home / "log"
        return path.read_text() if path.exists() else ""

    async def until(self, true: "Callable[[ProtocolServer], Any]", seconds: float = 60) -> Any:
        """Waits until this holds, and returns what it gave."""

        async def wait() -> Any:
            async with self._changed:
                while not (found := true(self)):
                    await self._changed.wait()
                return found

        try:
            return await asyncio.wait_for(wait(), seconds)
        except TimeoutError:
            told = "\n".join(r.body.model_dump_json()[:300] for r in self.reports[-30:])
            raise AssertionError(f"it did not come true; the last reports:\n{told}\n{self.log()[-4000:]}") from None

    @property
    def work_seen(self) -> bool:
        """Whether the runner knows everything that is open."""
        return self._seen == self._version

    # ---- the routes --------------------------------------------------------------------------------------
    async def _hello(self, request: Request) -> Response:
        hello = Hello.model_validate_json(await request.body())
        if (refusal := self._refuse(request, hello.run)) is not None:
            return refusal
        self.hellos.append(hello)
        await self._tell()
        return _answer(self._welcome(hello.run))

    async def _reports(self, request: Request) -> Response:
        given = Reports.model_validate_json(await request.body())
        if (refusal := self._refuse(request)) is not None:
            return refusal
        for report in given.reports:
            if report.number == self._acked.get(report.run, 0) + 1:
                self._apply(report)
                self._acked[report.run] = report.number
        answers: dict[str, ToolAnswer] = {}
        for body in (report.body for report in given.reports):
            if isinstance(body, ToolRequest) and (answer := await self._carry_out(body)) is not None:
                answers[body.call_id] = answer
        await self._tell()
        return _answer(Receipt(acked=self._acked, answers=answers))

    async def _work(self, request: Request) -> Response:
        if (refusal := self._refuse(request)) is not None:
            return refusal
        seen = self._seen = request.query_params.get("seen", "")
        self._cut_off(run=next(iter(self._tokens.values())))
        await self._tell()
        try:
            async with asyncio.timeout(POLL_SECONDS), self._changed:
                await self._changed.wait_for(lambda: self._version != seen)
        except TimeoutError:
            pass
        if (refusal := self._refuse(request)) is not None:
            return refusal
        return _answer(self._current())

    async def _attachment(self, request: Request) -> Response:
        if (refusal := self._refuse(request)) is not None:
            return refusal
        self.files_asked.add(request.path_params["id"])
        await self._tell()
        await self.files_at_hand.wait()
        data = self.files.get(request.path_params["id"])
        return Response(status_code=404) if data is None else Response(data)

    async def _deltas(self, request: Request) -> Response:
        deltas = Deltas.model_validate_json(await request.body())
        if (refusal := self._refuse(request, deltas.run)) is not None:
            return refusal
        if deltas.unwritten is not None:
            self.unwritten = deltas.unwritten
        lengths: dict[str, int] = {}
        for delta in deltas.deltas:
            if delta.what == "output":
                self.outputs[delta.message_id] = self.outputs.get(delta.message_id, "") + delta.text
                lengths[delta.message_id] = delta.offset + len(delta.text)
                continue
            held = self.open.get(delta.message_id, "")
            if delta.offset <= len(held):
                self.open[delta.message_id] = held[: delta.offset] + delta.text
                self.pieces.append((delta.message_id, delta.text))
            lengths[delta.message_id] = len(self.open.get(delta.message_id, ""))
        await self._tell()
        return _answer(DeltasTaken(lengths=lengths))

    # ---- the rules --------------------------------------------------------------------------------------------
    def _refuse(self, request: Request, run: int | None = None) -> Response | None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if given not in self._tokens:
            return JSONResponse({"code": "not_this_run"}, status_code=401)
        if run is not None and run != self._tokens[given]:
            return JSONResponse({"code": "newer_run"}, status_code=409)
        return None

    def _welcome(self, run: int) -> Welcome:
        """What the log says, below what the test has set."""
        ends = {body.turn: body for body in self.bodies("turn_ended")}
        started: dict[int, list[str]] = {}
        for body in (r.body for r in self.reports):
            if isinstance(body, TurnStarted):
                started[body.turn] = list(body.message_ids)
            elif isinstance(body, MessageTaken):
                started[body.turn].append(body.message_id)
        last = max(started, default=0)
        deferred = ends[last].deferred_call if last in ends else None
        is_open = bool(last) and (last not in ends or ends[last].outcome == "deferred")
        known: dict[str, Any] = {
            "acked": self._acked,
            "open_turn": last if is_open else 0,
            "last_turn": last,
            "open_messages": started.get(last, []) if is_open else [],
            "released": [b.call_id for b in self.bodies("released")],
            "deferred_call": deferred,
            "resume": bool(self.bodies("agent_session")),
        }
        welcome = self._welcomes[run]
        if known["resume"]:
            # Perhaps it has only just come with the spool of an older run.
            known["agent_session"] = self._session()
        return welcome.model_copy(update={k: v for k, v in known.items() if k not in self._settings})

    def _session(self) -> str:
        sessions = [b for b in self.bodies("agent_session") if isinstance(b, AgentSession)]
        return sessions[-1].agent_session if sessions else str(uuid.uuid4())

    def _apply(self, report: Report) -> None:
        self.reports.append(report)
        match report.body:
            case Said(id=name):
                self.open.pop(name, None)
            case TurnStarted(message_ids=messages):
                for name in messages:
                    self._given_to_agent(name)
            case MessageTaken(message_id=name):
                self._given_to_agent(name)
            case TurnEnded() as end:
                for name in end.finished:
                    self._messages.pop(name, None)
                if self._interrupt == end.turn:
                    self._interrupt = None
                self.open.clear()
            case AnswerTaken(ask_id=name) | AskWithdrawn(ask_id=name):
                self._given.pop(name, None)
            case AskOpened() | Released() | RunEnded():
                pass
            case _:
                return
        self._touch()

    def _cut_off(self, run: int) -> None:
        """A run asks for work while a turn of an older one is open: what it left has been read, so it died in it."""
        started = [r for r in self.reports if isinstance(r.body, TurnStarted)]
        if not started or started[-1].run == run:
            return
        turn = started[-1].body.turn if isinstance(started[-1].body, TurnStarted) else 0
        if turn not in {body.turn for body in self.bodies("turn_ended")}:
            end = TurnEnded(turn=turn, outcome="cut_off")
            self._apply(Report(run=run, number=0, at=datetime.now(UTC), body=end))

    def _given_to_agent(self, message: str) -> None:
        if message in self._messages:
            self._messages[message] = self._messages[message].model_copy(update={"again": True})

    async def _carry_out(self, request: ToolRequest) -> ToolAnswer | None:
        if request.call_id not in self._answers:
            answer = await self._tools(request)
            if answer is None:
                return None
            self.carried_out[request.call_id] = self.carried_out.get(request.call_id, 0) + 1
            self._answers[request.call_id] = answer
        return self._answers[request.call_id]

    def _current(self) -> Work:
        return Work.model_validate(
            {
                "version": self._version,
                "wanted": self._wanted,
                "interrupt": self._interrupt,
                "pause": self._pause,
                "limit": self._limit,
                "messages": list(self._messages.values()),
                "answers": list(self._given.values()),
            }
        )

    def _touch(self) -> None:
        self._version = str(next(self._versions))
        self._soon = asyncio.ensure_future(self._tell())

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


class _Quiet(uvicorn.Server):
    """Leaves the signals of the process to whoever runs it."""

    def install_signal_handlers(self) -> None:
        return

    def capture_signals(self) -> Any:
        return _Nothing()


class _Nothing:
    def __enter__(self) -> None:
        return

    def __exit__(self, *_: object) -> None:
        return


def _answer(model: Any) -> Response:
    return Response(json.dumps(model.model_dump(mode="json")), media_type="application/json")
