"""What the browser sends and sees of conversations, and the first screen's state."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from mainloop.access.schemas import DeviceName
from mainloop.conversation.search import SaidKind, Who
from mainloop.events.deltas import OpenMessage, What
from mainloop.events.log import Event, Page
from mainloop.inbox.schemas import Item
from mainloop.projects.schemas import Project
from mainloop.sessions.agents import AgentKind, Credentials
from mainloop.sessions.schemas import Session
from mainloop_models.events import (
    AwayBody,
    ItemBody,
    MessageBody,
    NoticeBody,
    ReasoningBody,
    ResultBody,
    RunBody,
    SessionBody,
    SessionStartedBody,
    Status,
    TodoBody,
    ToolCallBody,
    TurnEndedBody,
    TurnStartedBody,
)

__all__ = ["Event", "Page"]


class Message(MessageBody):
    """A message, whole."""


class GivenAttachment(BaseModel):
    """A file that was kept before, and what this message calls it."""

    id: str = Field(min_length=64, max_length=64, pattern=r"^[0-9a-f]+$")
    name: str = ""


class KeptAttachment(BaseModel):
    """A file, kept. `type`: what is in it, by looking at it."""

    id: str
    type: str
    size: int


class Say(BaseModel):
    # Chosen by the client: the same id again is the same message.
    id: str = Field(min_length=8, max_length=64, pattern=r"^[A-Za-z0-9-]+$")
    text: str
    # `queue`: after what is going on; `steer`: into the running turn.
    mode: Literal["queue", "steer"] = "queue"
    attachments: list[GivenAttachment] = []


class ChangeMessage(BaseModel):
    text: str | None = None
    mode: Literal["queue", "steer"] | None = None


class Interrupt(BaseModel):
    turn: int


class ChooseAgent(BaseModel):
    # `demo`: the demo agent answers from now on; `own`: the agent of the settings does.
    agent: Literal["demo", "own"]


_Short = Annotated[str, Field(min_length=1, max_length=40)]
# By what they do, as the page writes them; only those that the person has changed.
Keys = Annotated[dict[_Short, _Short], Field(max_length=100)]


class Person(BaseModel):
    name: str
    # None: they have never changed any.
    keys: Keys | None = None


class PutKeys(BaseModel):
    """All keys that differ from how the page comes."""

    keys: Keys


class MainThread(BaseModel):
    id: str
    turn: int
    working: bool
    # The newest event of the thread.
    seq: int
    status: Status = Status()


class QueuedMessage(BaseModel):
    thread_id: str
    message: Message


class HitSession(BaseModel):
    """A session as it is known by its looks, however old it is."""

    id: str
    handle: str
    title: str
    hue: int
    creature: str


class Hit(BaseModel):
    """Something that was said, and where it stands: the page's `?at=` leads there by `seq`."""

    cursor: str
    thread_id: str
    seq: int
    at: datetime
    kind: SaidKind
    # `mainloop`: it was told into the thread from elsewhere.
    who: Who
    # Whose thread it is, or of which a notice speaks.
    session: HitSession | None
    # One line of it, around the first place that was found.
    excerpt: str
    # Those places in the excerpt: begin and end of each, in code points.
    marks: list[list[int]]


class Hits(BaseModel):
    """The newest first. `more`: there are older ones."""

    hits: list[Hit]
    more: bool


class Read(BaseModel):
    """How far the person has read a thread: up to an event, or only up to the one before."""

    seq: int = Field(ge=1, le=2**63 - 1)
    # The one way back: this event and what follows is unread again.
    unread: bool = False


class Mark(BaseModel):
    """How far a thread was read, on whatever device. Something is unread where `told` is greater than `read`."""

    thread_id: str
    read: int
    # The newest event that tells the person something.
    told: int
    # How many messages its agent has written.
    replies: int


class SandboxState(BaseModel):
    kind: str
    confined: bool
    text: str
    hint: str = ""


class ShownSettings(BaseModel):
    agents: list[AgentKind]
    default_agent: str
    demo: bool
    sandbox: SandboxState
    credentials: Credentials
    # How many sessions may be at work at a time.
    places: int


class State(BaseModel):
    """What the first screen needs, true for `cursor`."""

    cursor: str
    version: str
    person: Person
    device: DeviceName
    main: MainThread
    sessions: list[Session]
    items: list[Item]
    projects: list[Project]
    queued: list[QueuedMessage]
    # Of the main thread and of the sessions above.
    marks: list[Mark]
    open_messages: list[OpenMessage]
    settings: ShownSettings


class DeltaEvent(BaseModel):
    """A piece of a message that is being written, as `event: delta` of the stream.

    `output`: of what a running call puts out, which `message_id` names; a piece behind a gap begins it anew.
    """

    thread_id: str
    message_id: str
    turn: int
    what: What
    offset: int
    text: str


class StatusEvent(Status):
    """How it stands with an agent from now on, as `event: status` of the stream."""

    thread_id: str


class ReadEvent(Mark):
    """How far a thread is read from now on, as `event: read` of the stream."""


class KeysEvent(PutKeys):
    """The person's keys from now on, as `event: keys` of the stream."""


class EventBodies(BaseModel):
    """The shape of an event's `body` for each `kind`."""

    message: MessageBody
    reasoning: ReasoningBody
    tool_call: ToolCallBody
    todo: TodoBody
    turn_started: TurnStartedBody
    turn_ended: TurnEndedBody
    result: ResultBody
    notice: NoticeBody
    run: RunBody
    away: AwayBody
    session: SessionBody
    session_started: SessionStartedBody
    item: ItemBody


class LiveEvent(BaseModel):
    """What `GET /api/events` sends: `event: event` carries an Event, `event: delta` a DeltaEvent, `event: status` a StatusEvent, `event: read` a ReadEvent, `event: keys` a KeysEvent.

    `bodies` is never sent: it lists what an Event's body is, kind by kind.
    """

    event: Event | None = None
    delta: DeltaEvent | None = None
    status: StatusEvent | None = None
    read: ReadEvent | None = None
    keys: KeysEvent | None = None
    bodies: EventBodies | None = None
