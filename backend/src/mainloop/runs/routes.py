"""`/runner/v1`: for runners only, with the token of their run."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from mainloop.errors import UnknownRun
from mainloop.events.bell import heard, work_of
from mainloop.http.stream import SHUTDOWN
from mainloop.runs import attachments
from mainloop.runs.service import Runs
from mainloop_models.runner import Deltas, DeltasTaken, Hello, Receipt, Reports, Welcome, Work

router = APIRouter(prefix="/runner/v1", tags=["runner"])
# How long an unchanged answer is held back (seconds).
POLL = 25.0


# Asynchronous although they wait for nothing: a plain function would be run in a thread, request by request.
async def _runs(request: Request) -> Runs:
    return request.app.state.parts.runs


async def _token(authorization: Annotated[str, Header()] = "") -> str:
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise UnknownRun
    return token


CurrentRuns = Annotated[Runs, Depends(_runs)]
Token = Annotated[str, Depends(_token)]


@router.post("/hello", name="runner_hello")
def hello(given: Hello, runs: CurrentRuns, token: Token) -> Welcome:
    """A run says that it lives, and learns what it is."""
    return runs.hello(token, given)


@router.post("/reports", name="runner_reports")
def reports(given: Reports, runs: CurrentRuns, token: Token) -> Receipt:
    """What the agent did, in order; each report is applied once."""
    return runs.apply(token, given)


@router.get("/messages/{message_id}/attachments/{attachment_id}", name="runner_attachment")
def attachment(message_id: str, attachment_id: str, runs: CurrentRuns, token: Token) -> Response:
    """A file that came with a message of this run's thread."""
    caller = runs.caller(token)
    data = runs.database.read(lambda c: attachments.of_message(c, caller.thread_id, message_id, attachment_id))
    return Response(data, media_type="application/octet-stream")


# Most of them never come this far: see the shortcut.
@router.post("/deltas", name="runner_deltas")
def deltas(given: Deltas, runs: CurrentRuns, token: Token) -> DeltasTaken:
    """Pieces of messages that are being written."""
    return runs.take_deltas(token, given)


@router.get("/work", name="runner_work")
async def work(runs: CurrentRuns, token: Token, seen: Annotated[str, Query()] = "") -> Work:
    """Everything open for this run: at once where it differs from `seen`, else when it changes or after 25 s."""
    clock = asyncio.get_running_loop().time
    until = clock() + POLL
    caller = runs.known(token) or await asyncio.to_thread(runs.caller, token)
    arriving = True
    with runs.database.bell.listen(work_of(caller.thread_id), SHUTDOWN) as ear:
        while True:
            ear.clear()
            if not (arriving and runs.open_work.is_as_told(caller, seen)):
                answer = await asyncio.to_thread(runs.open_work.of, caller, arriving=arriving)
                if answer.version != seen or clock() >= until or runs.stopping:
                    return answer
            arriving = False
            await heard(ear, max(0.05, until - clock()))
