"""A scripted model server: real coding agents, no model, no network.

It speaks the Anthropic Messages API (streaming and plain) on 127.0.0.1. What the "model" does is written in the
prompt; anywhere in a user message:

    [[script]] [ {step}, {step}, … ] [[/script]]

The server keeps no conversation: a step's number is the count of assistant messages behind the message that carries
the script. So a restart, a killed agent, a resume and a sub-agent all replay the same way. A script may hold a script
(for a sub-agent's prompt): the outermost pair of markers counts.

A step is an object with any of:

    text         text to stream. "{{result}}" is the text of the newest tool results, "{{user}}" the newest words of
                 the person, "{{model}}", "{{step}}"; "{{find:REGEX}}" the first match in the whole request, for what
                 the agent chose itself, such as the path of its plan
    thinking     a thinking block before the text
    tools        [{"name": …, "input": {…}}, …], parallel calls of one step
    chunks, chunk_delay    split the text into so many pieces, so many seconds apart
    delay, tail_delay      seconds before the first byte; between the last block and the end of the message
    gate         a name; the reply waits until it is opened
    gate_mid     a name; the reply waits there behind its first piece
    error        {"status": 529, "type": "overloaded_error", "message": "…", "times": 1}: answered so many times
    usage, stop  numbers and the stop reason to report

Control: `GET /ctl/requests`, `POST /ctl/gate/NAME` opens, `GET /ctl/gate/NAME` waits until it is open,
`POST /ctl/rules` with [{"match": REGEX, "steps": […]}] for prompts that cannot carry a script, `POST /ctl/reset`.

    python -m mainloop.testing.scripted_model --port 8899
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import re
import socket
import sys
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

Json = dict[str, Any]

OPEN, CLOSE = "[[script]]", "[[/script]]"
REMINDER = re.compile(r"<system-reminder>.*?</system-reminder>", re.S)
SECRET_HEADERS = {"authorization", "x-api-key", "cookie"}


def script(*steps: Json) -> str:
    """A prompt that carries its own script."""
    return f"{OPEN}{json.dumps(list(steps))}{CLOSE}"


def call(name: str, **given: Any) -> Json:
    """A step that calls one tool."""
    return {"tools": [{"name": name, "input": given}]}


# ---- reading a conversation -----------------------------------------------------------------------------------
class Said:
    """One message of the request: who said it, its text, the tool results in it."""

    def __init__(self, role: str, text: str, results: Sequence[str] = ()) -> None:
        self.role = role
        self.text = text
        self.results = list(results)


def conversation(body: Json) -> list[Said]:
    said: list[Said] = []
    for message in cast("list[Json]", body.get("messages", [])):
        content = message["content"]
        if isinstance(content, str):
            said.append(Said(message["role"], content))
            continue
        texts: list[str] = []
        results: list[str] = []
        for block in cast("list[Json]", content):
            if block.get("type") == "text":
                texts.append(block["text"])
            elif block.get("type") == "tool_result":
                results.append(result_text(block.get("content")))
        said.append(Said(message["role"], "\n".join(texts), results))
    return said


def result_text(content: Any) -> str:
    if isinstance(content, list):
        blocks = cast("list[Json | str]", content)
        return "\n".join(str(b.get("text", "")) for b in blocks if isinstance(b, dict))
    return str(content or "")


def steps_in(text: str) -> list[Json] | None:
    """The script in a text, or None. A script that does not parse says so in its reply."""
    start, end = text.find(OPEN), text.rfind(CLOSE)
    if start < 0 or end < start:
        return None
    try:
        steps: Any = json.loads(text[start + len(OPEN) : end])
    except ValueError as error:
        return [{"text": f"(the script does not parse: {error})"}]
    return cast("list[Json]", steps) if isinstance(steps, list) else [cast("Json", steps)]


def default_steps(text: str) -> list[Json]:
    if "summary of the conversation" in text or "<summary>" in text:
        return [{"text": "<analysis>scripted</analysis>\n<summary>\nScripted summary.\n</summary>"}]
    return [{"text": f"ok: {text[:80]}"}]


def next_step(said: list[Said], rules: Sequence[Json]) -> tuple[Json, Json]:
    """The step that answers this conversation, and what its text may refer to."""
    start, steps = 0, default_steps("")
    for index in range(len(said) - 1, -1, -1):
        message = said[index]
        if message.role != "user":
            continue
        words = REMINDER.sub("", message.text).strip()
        found = steps_in(message.text)
        if found is None and words:
            rule = next((r for r in rules if re.search(r["match"], words, re.S)), None)
            found = rule["steps"] if rule else default_steps(words) if not message.results else None
        if found is not None:
            start, steps = index, found
            break
    number = sum(1 for message in said[start + 1 :] if message.role == "assistant")
    step = steps[number] if number < len(steps) else {"text": "(the script has ended)"}
    newest = next((m for m in reversed(said) if m.results or m.role == "assistant"), None)
    texts = [m.text for m in said if OPEN not in m.text] + [r for m in said for r in m.results]
    return step, {
        "step": number,
        "user": REMINDER.sub("", said[start].text).strip()[:200] if said else "",
        "result": "\n".join(newest.results) if newest else "",
        "all": "\n".join(texts),
    }


def fill(value: Any, known: Mapping[str, Any]) -> Any:
    """Replaces "{{…}}" in every text of a step."""
    if isinstance(value, str):

        def look(match: re.Match[str]) -> str:
            found = re.search(match.group(1), str(known.get("all", "")))
            return (found.group(1) if found.groups() else found.group(0)) if found else ""

        text = re.sub(r"\{\{find:(.+?)\}\}", look, value)
        for name in ("result", "user", "model", "step"):
            text = text.replace("{{" + name + "}}", str(known.get(name, "")))
        return text
    if isinstance(value, list):
        return [fill(v, known) for v in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {k: fill(v, known) for k, v in cast("Json", value).items()}
    return value


def pieces(text: str, count: int) -> list[str]:
    count = max(1, min(count, len(text) or 1))
    size = -(-len(text) // count) or 1
    return [text[i : i + size] for i in range(0, len(text), size)] or [""]


# ---- the server -----------------------------------------------------------------------------------------------
class ScriptedModel:
    """The state of one server: requests seen, gates, rules."""

    def __init__(self) -> None:
        self._requests: list[Json] = []
        self._gates: dict[str, asyncio.Event] = {}
        self._rules: list[Json] = []
        self._errors: dict[str, int] = {}

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v1/messages", self._messages, methods=["POST"]),
                Route("/v1/messages/count_tokens", self._count_tokens, methods=["POST"]),
                Route("/ctl/requests", self._seen),
                Route("/ctl/reset", self._reset, methods=["POST"]),
                Route("/ctl/rules", self._set_rules, methods=["POST"]),
                Route("/ctl/gate/{name}", self._gate_route, methods=["GET", "POST"]),
                Route("/{rest:path}", self._unknown, methods=["GET", "POST", "PUT", "DELETE", "HEAD"]),
            ]
        )

    def _gate(self, name: str) -> asyncio.Event:
        return self._gates.setdefault(name, asyncio.Event())

    def _record(self, request: Request, body: Json | None, **more: Any) -> Json:
        """Notes a request. `whole` becomes true when its answer has gone out to the end."""
        headers = {k: "<set>" if k in SECRET_HEADERS else v for k, v in request.headers.items()}
        record: Json = {
            "number": len(self._requests),
            "at": time.time(),
            "method": request.method,
            "path": request.url.path,
            "headers": headers,
            "body": body,
            "whole": False,
            **more,
        }
        self._requests.append(record)
        return record

    async def _messages(self, request: Request) -> Response:
        body: Json = await request.json()
        step, known = next_step(conversation(body), self._rules)
        known["model"] = body.get("model", "")
        tools = cast("list[Json]", body.get("tools", []))
        record = self._record(
            request,
            body,
            model=body.get("model"),
            step=known["step"],
            user=known["user"],
            session=session_of(body),
            tools=[t.get("name") for t in tools],
        )
        if step.get("delay"):
            await asyncio.sleep(step["delay"])
        if step.get("gate"):
            await self._gate(step["gate"]).wait()
        key = hashlib.sha256(json.dumps([session_of(body), step, known["step"]]).encode()).hexdigest()
        error = step.get("error")
        if error and self._errors.get(key, 0) < error.get("times", 1):
            self._errors[key] = self._errors.get(key, 0) + 1
            return error_response(error)
        step = fill(step, known)
        message = message_of(step, body)
        if not body.get("stream"):
            record["whole"] = True
            return JSONResponse(message)
        return StreamingResponse(self._noted(request, record, message, step), media_type="text/event-stream")

    async def _noted(self, request: Request, record: Json, message: Json, step: Json) -> AsyncIterator[bytes]:
        async for event in self._stream(message, step):
            yield event
        # Whoever has hung up has not read it to the end.
        record["whole"] = not await request.is_disconnected()

    async def _stream(self, message: Json, step: Json) -> AsyncIterator[bytes]:
        usage = message["usage"]
        blocks = cast("list[Json]", message["content"])
        head: Json = {**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
        yield sse("message_start", message=head)
        yield sse("ping")
        waited = False
        for index, block in enumerate(blocks):
            yield sse("content_block_start", index=index, content_block=empty(block))
            for delta in deltas(block, step.get("chunks", 3)):
                yield sse("content_block_delta", index=index, delta=delta)
                if step.get("gate_mid") and not waited:
                    waited = True
                    await self._gate(step["gate_mid"]).wait()
                if step.get("chunk_delay"):
                    await asyncio.sleep(step["chunk_delay"])
            yield sse("content_block_stop", index=index)
        if step.get("tail_delay"):
            await asyncio.sleep(step["tail_delay"])
        stop = {"stop_reason": message["stop_reason"], "stop_sequence": None}
        yield sse("message_delta", delta=stop, usage=usage)
        yield sse("message_stop")

    async def _count_tokens(self, request: Request) -> Response:
        body: Json = await request.json()
        self._record(request, None)
        return JSONResponse({"input_tokens": tokens(body)})

    async def _seen(self, request: Request) -> Response:
        return JSONResponse(self._requests[int(request.query_params.get("since", 0)) :])

    async def _set_rules(self, request: Request) -> Response:
        self._rules = await request.json()
        return JSONResponse({"rules": len(self._rules)})

    async def _reset(self, request: Request) -> Response:
        self._requests.clear()
        self._errors.clear()
        self._rules = []
        for gate in self._gates.values():
            gate.set()
        self._gates.clear()
        return JSONResponse({})

    async def _gate_route(self, request: Request) -> Response:
        gate = self._gate(request.path_params["name"])
        if request.method == "POST":
            gate.set()
        else:
            await gate.wait()
        return JSONResponse({"open": True})

    async def _unknown(self, request: Request) -> Response:
        self._record(request, None, unknown=True)
        return error_response({"status": 404, "type": "not_found_error", "message": "no such path"})


def message_of(step: Json, request: Json) -> Json:
    """The whole reply that a step stands for."""
    blocks: list[Json] = []
    schema = answer_schema(request)
    if schema is not None:
        blocks.append({"type": "text", "text": json.dumps(value_of(schema))})
    else:
        if step.get("thinking"):
            blocks.append({"type": "thinking", "thinking": step["thinking"], "signature": "c2NyaXB0ZWQ="})
        if step.get("text") is not None:
            blocks.append({"type": "text", "text": step["text"]})
        for tool in cast("list[Json]", step.get("tools", [])):
            identifier = tool.get("id") or f"toolu_{uuid.uuid4().hex[:24]}"
            blocks.append({"type": "tool_use", "id": identifier, "name": tool["name"], "input": tool.get("input", {})})
    return {
        "id": f"msg_{uuid.uuid4().hex[:24]}",
        "type": "message",
        "role": "assistant",
        "model": request.get("model"),
        "content": blocks,
        "stop_reason": step.get("stop") or ("tool_use" if step.get("tools") else "end_turn"),
        "stop_sequence": None,
        "usage": {
            "input_tokens": tokens(request),
            "output_tokens": 20,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            **step.get("usage", {}),
        },
    }


def empty(block: Json) -> Json:
    """A block as it begins, before its first piece."""
    nothing: dict[str, Json] = {
        "text": {"text": ""},
        "thinking": {"thinking": "", "signature": ""},
        "tool_use": {"input": {}},
    }
    return {**block, **nothing[block["type"]]}


def deltas(block: Json, chunks: int) -> list[Json]:
    if block["type"] == "text":
        return [{"type": "text_delta", "text": piece} for piece in pieces(block["text"], chunks)]
    if block["type"] == "thinking":
        return [
            {"type": "thinking_delta", "thinking": block["thinking"]},
            {"type": "signature_delta", "signature": block["signature"]},
        ]
    return [{"type": "input_json_delta", "partial_json": p} for p in pieces(json.dumps(block["input"]), 2)]


def sse(kind: str, **data: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode()


def error_response(error: Json) -> Response:
    body = {"type": error.get("type", "api_error"), "message": error.get("message", "scripted error")}
    return JSONResponse(
        {"type": "error", "error": body}, status_code=error.get("status", 500), headers=error.get("headers")
    )


def tokens(body: Json) -> int:
    return max(1, len(json.dumps(body)) // 4)


def session_of(body: Json) -> str:
    """The agent's session id, where it tells one."""
    metadata = cast("Json", body.get("metadata") or {})
    with contextlib.suppress(ValueError, AttributeError):
        return str(json.loads(metadata.get("user_id") or "").get("session_id", ""))
    return ""


def answer_schema(request: Json) -> Json | None:
    config = cast("Json", request.get("output_config") or {})
    wanted = cast("Json", config.get("format") or {})
    return wanted.get("schema")


def value_of(schema: Json) -> Any:
    """A value that fits a (simple) JSON schema."""
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            properties = cast("dict[str, Json]", schema.get("properties", {}))
            return {name: value_of(inner) for name, inner in properties.items()}
        case "array":
            return []
        case "number" | "integer":
            return 0
        case "boolean":
            return False
        case _:
            return "Scripted"


# ---- for tests ------------------------------------------------------------------------------------------------
class ScriptedModelServer:
    """A scripted model in a process of its own, on a free port.

    async with ScriptedModelServer() as model:
        environment = {"ANTHROPIC_BASE_URL": model.url, "ANTHROPIC_API_KEY": "none"}
    """

    def __init__(self, port: int = 0) -> None:
        self._port = port or free_port()
        self._process: asyncio.subprocess.Process | None = None
        self._http = httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=30, verify=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        # -P: the folder it is started in is not searched for modules.
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "mainloop.testing.scripted_model", "--port", str(self._port), "--ready",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        ready = await asyncio.wait_for(self._process.stdout.readline(), 30)
        if ready.strip() != b"ready":
            raise RuntimeError("the scripted model did not start")

    async def stop(self) -> None:
        await self._http.aclose()
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def open_gate(self, name: str) -> None:
        (await self._http.post(f"/ctl/gate/{name}")).raise_for_status()

    async def requests(self, since: int = 0) -> list[Json]:
        answer = await self._http.get("/ctl/requests", params={"since": since})
        return cast("list[Json]", answer.json())

    async def rules(self, rules: list[Json]) -> None:
        (await self._http.post("/ctl/rules", json=rules)).raise_for_status()

    async def reset(self) -> None:
        (await self._http.post("/ctl/reset")).raise_for_status()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return cast("int", probe.getsockname()[1])


class _Server(uvicorn.Server):
    """Says on its output when it listens, where asked to."""

    def __init__(self, config: uvicorn.Config, tell: bool) -> None:
        super().__init__(config)
        self._tell = tell

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._tell and self.started:
            sys.stdout.write("ready\n")
            sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(prog=f"python -m mainloop.testing.{Path(__file__).stem}")
    parser.add_argument("--port", type=int, default=8899)
    parser.add_argument("--ready", action="store_true", help="say 'ready' on the output when it listens")
    given = parser.parse_args()
    config = uvicorn.Config(
        ScriptedModel().app(), host="127.0.0.1", port=given.port, log_level="warning", timeout_graceful_shutdown=1
    )
    _Server(config, given.ready).run()


if __name__ == "__main__":
    main()
