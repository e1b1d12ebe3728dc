"""Conversations over HTTP: the state, the stream, the pages of a log, and what the person says."""

import asyncio
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import AwareDatetime
from starlette.requests import ClientDisconnect

from mainloop.access.service import CurrentDevice, guest
from mainloop.conversation import store
from mainloop.conversation.later import later_forms
from mainloop.conversation.presence import Presence
from mainloop.conversation.schemas import (
    ChangeMessage,
    ChooseAgent,
    Hits,
    Interrupt,
    KeptAttachment,
    LiveEvent,
    Mark,
    Message,
    Page,
    PutKeys,
    Read,
    SandboxState,
    Say,
    State,
)
from mainloop.conversation.service import Conversation, known_thread
from mainloop.errors import AttachmentTooLarge, UnknownBlob
from mainloop.events import log
from mainloop.events.unit import UnitOfWork
from mainloop.http.context import CurrentDatabase, CurrentParts
from mainloop.http.inert import INERT
from mainloop.http.stream import cursor_of, stream
from mainloop.runs import attachments, mailbox
from mainloop.runs import store as runs_store
from mainloop.runs.routes import CurrentRuns

router = APIRouter(prefix="/api", tags=["conversation"])
_FILE: dict[str, Any] = {"requestBody": {"required": True, "content": {"application/octet-stream": {}}}}
# What both databases take as a number.
LAST = 2**63 - 1


async def _conversation(request: Request) -> Conversation:
    return request.app.state.parts.conversation


CurrentConversation = Annotated[Conversation, Depends(_conversation)]


async def _presence(request: Request) -> Presence:
    return request.app.state.parts.presence


CurrentPresence = Annotated[Presence, Depends(_presence)]


def _sandbox(parts: CurrentParts) -> SandboxState:
    probe = parts.sandbox_probe
    confined = parts.sandbox.confined and probe.ok
    return SandboxState(kind=parts.sandbox.name, confined=confined, text=probe.text, hint=probe.hint)


@router.get("/state", name="get_state")
def get_state(
    parts: CurrentParts, database: CurrentDatabase, conversation: CurrentConversation, me: CurrentDevice
) -> State:
    """What the first screen needs, true for its `cursor`."""
    return conversation.state(database, parts.open_messages, me, parts.version, _sandbox(parts))


@router.get(
    "/events",
    name="follow_events",
    response_class=Response,
    responses={200: {"model": LiveEvent, "description": "text/event-stream, see LiveEvent"}},
)
async def follow_events(
    request: Request,
    parts: CurrentParts,
    database: CurrentDatabase,
    me: CurrentDevice,
    after: Annotated[str | None, Query()] = None,
    live: Annotated[str | None, Query(description="ids of threads in view, separated by commas")] = None,
) -> Response:
    """The events of all threads behind a cursor, then what comes, then what is being written."""
    threads = None if live is None else {t for t in live.split(",") if t}
    return stream(parts, cursor_of(request, after), threads, guest(database, me))


@router.get("/threads/{thread_id}/events", name="list_events", responses={200: {"model": Page}})
def list_events(
    thread_id: str,
    database: CurrentDatabase,
    me: CurrentDevice,
    after: Annotated[int | None, Query(ge=0, le=LAST)] = None,
    before: Annotated[int | None, Query(ge=1, le=LAST)] = None,
    around: Annotated[int | None, Query(ge=1, le=LAST, description="an event in the middle of the page")] = None,
    at: Annotated[AwareDatetime | None, Query(description="a moment; the first event since is in the middle")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Response:
    """A page of one thread, oldest first; where nothing says which, the newest."""
    window = log.Window(after=after, before=before, around=around, at=at)

    def look(connection: sa.Connection) -> str:
        events, more, newest = log.page(connection, thread_id, window, limit=limit)
        later = later_forms(connection, thread_id, events, newest)
        told = f'"more":{str(more).lower()},"newest":{newest}'
        return f'{{"events":[{",".join(events)}],"later":[{",".join(later)}],{told}}}'

    body = database.read(look)
    return Response(body, media_type="application/json")


@router.post("/threads/{thread_id}/messages", name="say", status_code=201)
def say(
    thread_id: str,
    given: Say,
    database: CurrentDatabase,
    conversation: CurrentConversation,
    me: CurrentDevice,
    response: Response,
) -> Message:
    """Say something. Accepted means stored; the same id and text again is the same message."""
    message, new = database.write(lambda unit: conversation.say(unit, thread_id, given))
    response.status_code = 201 if new else 200
    return message


@router.patch("/threads/{thread_id}/messages/{message_id}", name="change_message")
def change_message(
    thread_id: str, message_id: str, given: ChangeMessage, database: CurrentDatabase, me: CurrentDevice
) -> Message:
    """Edit a message that is still queued."""

    def act(unit: UnitOfWork) -> Message:
        runs_store.lock(unit, thread_id)
        return Message.model_validate(mailbox.change(unit, thread_id, message_id, given.text, given.mode).model_dump())

    return database.write(act)


@router.delete("/threads/{thread_id}/messages/{message_id}", name="withdraw_message")
def withdraw_message(
    thread_id: str, message_id: str, database: CurrentDatabase, conversation: CurrentConversation, me: CurrentDevice
) -> Message:
    """Take back a message that is still queued."""
    return database.write(lambda unit: conversation.withdraw(unit, thread_id, message_id))


@router.post("/threads/{thread_id}/interrupt", name="interrupt", status_code=202)
def interrupt(
    thread_id: str, given: Interrupt, database: CurrentDatabase, runs: CurrentRuns, me: CurrentDevice
) -> None:
    """Stop this turn, no other."""
    database.write(lambda unit: runs.interrupt(unit, thread_id, given.turn))


@router.get("/search", name="search")
def search(
    database: CurrentDatabase,
    conversation: CurrentConversation,
    me: CurrentDevice,
    text: Annotated[str, Query(description="words, or beginnings of words; there is no syntax")] = "",
    thread: Annotated[str | None, Query(description="the id of a thread; in all of them without one")] = None,
    before: Annotated[
        str | None, Query(pattern=r"^[0-9]{1,18}$", description="the cursor of the last hit of the page before")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=50)] = 20,
) -> Hits:
    """Messages, results, notices and asks that have these words, the newest first."""
    place = int(before) if before else None
    return database.read(lambda c: conversation.search(c, text, thread_id=thread, before=place, limit=limit))


@router.get("/blobs/{blob_id}", name="get_blob", response_class=PlainTextResponse)
def get_blob(blob_id: str, database: CurrentDatabase, me: CurrentDevice) -> PlainTextResponse:
    """The whole of a text whose head stands in an event."""
    text = database.read(lambda c: log.blob_text(c, blob_id))
    if text is None:
        raise UnknownBlob(id=blob_id)
    return PlainTextResponse(text)


@router.post("/attachments", name="keep_attachment", status_code=201, openapi_extra=_FILE)
async def keep_attachment(request: Request, database: CurrentDatabase, me: CurrentDevice) -> KeptAttachment:
    """Keep a file, to be given with a message. The body is the file as it is; the same again is the same one."""
    data = bytearray()
    try:
        async for piece in request.stream():
            if len(data) <= attachments.LARGEST:  # the rest is heard out, so that the answer is read
                data += piece
    except ClientDisconnect as error:  # or it sends more than anybody hears out
        raise AttachmentTooLarge(limit=attachments.LARGEST // (1024 * 1024)) from error
    kept = await asyncio.to_thread(database.write, lambda unit: attachments.keep(unit, bytes(data)))
    return KeptAttachment(id=kept.id, type=kept.type, size=kept.size)


@router.get("/attachments/{attachment_id}", name="get_attachment", response_class=Response)
def get_attachment(attachment_id: str, database: CurrentDatabase, me: CurrentDevice) -> Response:
    """A file that was given with a message, as it is. Opened by itself it is stored, never run or shown."""
    found = database.read(lambda c: attachments.find(c, attachment_id))
    return Response(bytes(found.data), media_type=found.type, headers=INERT)


@router.put("/threads/{thread_id}/read", name="read_thread")
def read_thread(
    thread_id: str, given: Read, database: CurrentDatabase, conversation: CurrentConversation, me: CurrentDevice
) -> Mark:
    """How far the person has read: only ever forward, but for `unread`. Every device is told."""
    return database.write(lambda unit: conversation.read(unit, thread_id, given))


@router.get("/threads/{thread_id}/read", name="get_read")
def get_read(thread_id: str, database: CurrentDatabase, me: CurrentDevice) -> Mark:
    """How far the person has read."""
    return database.read(lambda c: store.marks(c, known_thread(c, thread_id))[0])


@router.put("/keys", name="put_keys", status_code=204)
def put_keys(given: PutKeys, database: CurrentDatabase, conversation: CurrentConversation, me: CurrentDevice) -> None:
    """Which keys of the page do what from now on, on every device: all that differ from how the page comes."""
    database.write(lambda unit: conversation.set_keys(unit, given.keys))


@router.put("/presence", name="look", status_code=204)
def look(presence: CurrentPresence, database: CurrentDatabase, me: CurrentDevice) -> None:
    """The person has a page of this device before their eyes right now. Said about once a minute while they do."""
    database.write(lambda unit: presence.looks(unit, me.id))


@router.put("/agent", name="choose_agent", status_code=204)
def choose_agent(
    given: ChooseAgent, database: CurrentDatabase, conversation: CurrentConversation, me: CurrentDevice
) -> None:
    """Let the demo agent answer from now on, or the agent of the settings again."""
    database.write(lambda unit: conversation.choose_agent(unit, demo=given.agent == "demo"))
