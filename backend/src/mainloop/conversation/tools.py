"""The desk tools of the main thread's agent; a session has `spawn_session` too where the depth allows."""

import json
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa
from pydantic import BaseModel, Field

from mainloop.changes.telling import became_words
from mainloop.conversation import wishes
from mainloop.db.engine import Row
from mainloop.errors import NotAllowedNow, UnknownSession
from mainloop.events import log
from mainloop.events.unit import UnitOfWork
from mainloop.permissions.ceilings import Ceilings
from mainloop.runs import calls, mailbox
from mainloop.runs import store as runs_store
from mainloop.runs.registry import Call, Registry
from mainloop.runs.service import Runs
from mainloop.sessions import store as sessions_store
from mainloop.sessions.order import Order, named
from mainloop.sessions.service import Sessions, Start, id_from
from mainloop_models.events import Anchor, Change, SessionBody, SessionState

# Text handed to a model is cut; it can ask for the next part.
LONGEST = 6000


class SpawnSession(BaseModel):
    title: str = Field(description="A few words, as the person would name it")
    prompt: str = Field(description="The whole task; the session sees nothing else")
    project: str | None = Field(default=None, description="Name of the project to work in; none for research")
    agent: str | None = Field(default=None, description="Kind of agent, if the person asked for one")
    model: str | None = Field(default=None, description="Model, if the person asked for one")
    workspace: str | None = None
    done_when: str = Field(default="", description="How one sees that it is done")
    files: list[str] = Field(
        default=[], max_length=10, description="Names of files that the person gave here and the session needs"
    )
    after: list[str] = Field(
        default=[],
        max_length=10,
        description="Ids or handles of sessions whose changes must be merged first: this one waits for that, and begins on top "
        "of it by itself",
    )
    wake: bool = Field(default=False, description="Give you a turn as soon as it reports")
    then: list[str] = Field(
        default=[],
        max_length=5,
        description="With `wake`: titles of sessions that you will start on its result. In that turn you can start no others",
    )


class ListSessions(BaseModel):
    state: SessionState | None = None
    text: str = Field(default="", description="A word in title or handle")


class GetSession(BaseModel):
    id: str = Field(description="Id or handle")
    part: Literal["summary", "result", "change", "tail"] = "summary"


class MessageSession(BaseModel):
    id: str = Field(description="Id or handle")
    text: str
    mode: Literal["queue", "steer"] = Field(default="queue", description="steer: into the running turn")
    files: list[str] = Field(default=[], max_length=10, description="Names of files that the person gave here")


class ControlSession(BaseModel):
    id: str = Field(description="Id or handle")
    action: Literal["interrupt", "cancel", "close", "resume"]
    reason: str = ""


class SetOrder(BaseModel):
    id: str = Field(description="Id or handle of a session that has not begun")
    after: list[str] = Field(
        max_length=20, description="All that it begins after, by id or handle; an empty list lets it begin now"
    )


class DeskTools:
    """What the main agent can do: start, look, say, control. What waits for the person: `inbox_tools`."""

    def __init__(self, runs: Runs, sessions: Sessions, order: Order, ceilings: Ceilings) -> None:
        self._runs = runs
        self._sessions = sessions
        self._order = order
        self._ceilings = ceilings

    def register(self, registry: Registry) -> None:
        registry.tool("spawn_session", SPAWN, SpawnSession, self.spawn, roles={"main", "session"}, offered=self._deeper)
        registry.tool("list_sessions", LIST, ListSessions, self.list, roles={"main"})
        registry.tool("get_session", GET, GetSession, self.get, roles={"main"})
        registry.tool("message_session", MESSAGE, MessageSession, self.message, roles={"main"})
        registry.tool("set_order", ORDER, SetOrder, self.set_order, roles={"main"})
        registry.tool("control_session", CONTROL, ControlSession, self.control, roles={"main"})

    def _deeper(self, connection: sa.Connection, thread: Row) -> bool:
        return self._depth(connection, thread) < self._runs.settings.max_depth

    @staticmethod
    def _depth(connection: sa.Connection, thread: Row) -> int:
        session = sessions_store.find(connection, thread.thread_id)
        return 0 if session is None else session.depth

    def spawn(self, unit: UnitOfWork, call: Call, given: SpawnSession) -> str:
        """Start a session. The same arguments again in a turn whose runner died return the first one."""
        twin = self._twin(unit, call, given)
        if twin is not None:
            return _told(twin, "was already started by you in this turn, before your process was stopped")
        wishes.check_start(unit.connection, call, given.title, given.then)
        wishes.check_files(unit.connection, call, given.files)
        depth = self._depth(unit.connection, call.thread) + 1
        self._ceilings.check_start(unit, parent=call.thread_id, turn=call.turn, depth=depth)
        body = self._sessions.start(
            unit,
            Start(
                id=id_from("spawn", call.thread_id, call.call_id),
                **given.model_dump(exclude={"then", "files", "after"}),
                after=named(unit.connection, given.after),
                attachments=mailbox.files_of(unit.connection, call.thread_id, given.files),
            ),
            anchor=Anchor(
                thread_id=call.thread_id,
                message_id=mailbox.first_of_turn(unit.connection, call.thread_id, call.turn),
                call_id=call.call_id,
            ),
            turn=call.turn,
            depth=depth,
        )
        return _told(body, _when(body))

    def _twin(self, unit: UnitOfWork, call: Call, given: SpawnSession) -> SessionBody | None:
        """A session that an earlier run of this very turn started with the same words."""
        if not call.thread.cut_off:
            return None
        earlier = calls.carried_out(unit.connection, call.thread_id, "spawn_session", since_turn=call.turn - 1)
        wanted = given.model_dump()
        for row in earlier:
            if SpawnSession.model_validate(row.arguments).model_dump() == wanted:
                return sessions_store.body(unit.connection, id_from("spawn", call.thread_id, row.call_id))
        return None

    def list(self, unit: UnitOfWork, call: Call, given: ListSessions) -> str:
        """One line a session, newest first."""
        found = sessions_store.bodies(unit.connection, state=given.state, text=given.text)[:40]
        return "\n".join(_line(unit, body) for body in found) or "There is no such session."

    def get(self, unit: UnitOfWork, call: Call, given: GetSession) -> str:
        """The real state of a session: a summary, its whole result, or the newest of its conversation."""
        body = self._find(unit, given.id)
        if given.part == "result":
            row = sessions_store.result_of(unit.connection, body.id, body.result.turn) if body.result else None
            return _cut(row.text) if row is not None else f"{body.handle} has no result yet."
        if given.part == "change":
            return _cut(_change(body))
        if given.part == "tail":
            events, _, _ = log.page(unit.connection, body.id, limit=30)
            return _cut("\n".join(line for event in events if (line := _as_line(json.loads(event)))))
        asks = [row.title for row in runs_store.open_asks(unit.connection, body.id)]
        waits = f"\nIt waits for the person: {'; '.join(asks)}" if asks else ""
        result = f"\nResult: {body.result.text}" if body.result else ""
        return _cut(_line(unit, body) + waits + result)

    def message(self, unit: UnitOfWork, call: Call, given: MessageSession) -> str:
        """Say something to a session, once per call."""
        body = self._find(unit, given.id)
        wishes.check_reach(unit.connection, call, body.id, body.handle)
        wishes.check_files(unit.connection, call, given.files)
        runs_store.lock(unit, body.id)
        letter = mailbox.Letter(
            id=id_from("message", call.thread_id, call.call_id),
            text=given.text,
            mode=given.mode,
            from_thread=call.thread_id,
            attachments=mailbox.files_of(unit.connection, call.thread_id, given.files),
        )
        mailbox.post(unit, body.id, letter)
        self._sessions.said_to(unit, body.id)
        self._runs.take_up(unit, body.id)
        when = "at its next step" if given.mode == "steer" and body.state is SessionState.WORKING else "next"
        return f"{body.handle} gets it {when}."

    def control(self, unit: UnitOfWork, call: Call, given: ControlSession) -> str:
        """Interrupt its turn, cancel, close or resume it."""
        body = self._find(unit, given.id)
        wishes.check_reach(unit.connection, call, body.id, body.handle)
        if given.action == "interrupt":
            if not runs_store.agent(unit.connection, body.id).working:
                raise NotAllowedNow(what=f"{body.handle} is not working right now; there is nothing to interrupt.")
            self._runs.interrupt(unit, body.id, body.turn)
            return f"{body.handle} is being interrupted."
        act = {"cancel": self._sessions.cancel, "close": self._sessions.close}.get(given.action)
        after = act(unit, body.id, given.reason) if act else self._sessions.resume(unit, body.id)
        return _line(unit, after)

    def set_order(self, unit: UnitOfWork, call: Call, given: SetOrder) -> str:
        """After whom a session begins that has not begun."""
        body = self._find(unit, given.id)
        wishes.check_reach(unit.connection, call, body.id, body.handle)
        return _line(unit, self._order.set(unit, body.id, given.after))

    @staticmethod
    def _find(unit: UnitOfWork, name: str) -> SessionBody:
        row = sessions_store.find_by_name(unit.connection, name.strip())
        body = None if row is None else sessions_store.body(unit.connection, row.id)
        if body is None:
            raise UnknownSession(id=name)
        return body


SPAWN = (
    "Start a background session: an agent with a workspace of its own that works on its own and reports back. "
    "Call it several times in one reply for work that can go on in parallel."
)
LIST = "The sessions and their states, newest first."
GET = (
    "The real state of one session: `summary`, its whole `result`, its `change` (what it wants to merge, its tests, what that "
    "waits for), or the `tail` of its conversation."
)
MESSAGE = "Say something to a session: an answer, a correction, more work."
ORDER = (
    "After whom a session begins that has not begun yet: it waits until the changes of those are merged, and begins on top of "
    "them. What began already can't be put off."
)
CONTROL = "Interrupt a session's turn, cancel it, close it when it is done with, or resume it."


def _told(body: SessionBody, how: str) -> str:
    return f'Session "{body.handle}" ({body.title}) {how}. Its id is {body.id}. The person sees it below your message.'


def _when(body: SessionBody) -> str:
    if body.held_at is not None:
        return f"{body.reason}; then it starts by itself"
    return "is queued; it starts as soon as a slot is free" if body.reason == "queued" else "starts now"


def _line(unit: UnitOfWork, body: SessionBody) -> str:
    ahead = sessions_store.ahead(unit.connection, body)
    reason = body.reason if ahead is None else f"{body.reason}, {ahead} ahead"
    parts = [body.handle, body.title, body.state.value + (f" ({reason})" if reason else "")]
    if body.project:
        parts.append(f"in {body.project}")
    parts += _standing(body, unit.now)
    if body.watches:
        parts.append(f"the person is told when: {', '.join(watch.condition for watch in body.watches)}")
    if body.result:
        parts.append(f"result of turn {body.result.turn}: {body.result.text[:200]}")
    return f"- {' · '.join(parts)} · id {body.id}"


def _change(body: SessionBody) -> str:
    """Where its change stands. Who approves and merges is the person, on the page."""
    change = body.change
    if change is None:
        return f"{body.handle} has no change: it has committed nothing, or said that it is not done."
    lines = [
        f"{change.title} · {change.state} · {change.branch} into {change.base} · {change.files} files, +{change.added} "
        f"-{change.removed}",
        _became(change) if change.merged else change.waits,
        f"Conflicts in: {', '.join(change.conflicts)}" if change.conflicts else "",
        *(f"{check.name} on {check.commit[:12]}: {check.state}" for check in change.checks[:1]),
        change.problem,
        change.handed_over,
    ]
    return "\n".join(line for line in lines if line)


def _became(change: Change) -> str:
    became, how = became_words(change)
    return f"It is {became} ({how})."


def _standing(body: SessionBody, now: datetime) -> list[str]:
    """What is known of what its agent does right now."""
    activity, seen = body.status.activity, body.status.last_seen
    if seen is not None:
        return [f"its runner was last seen {_lasting(now - seen)} ago, what it does now is not known"]
    if activity is None:
        return []
    tries = f", attempt {activity.attempt} of {activity.of}" if activity.attempt else ""
    doing = "its model does not answer" if activity.kind == "retrying" else "doing"
    return [f"{doing}: {activity.text} (for {_lasting(now - activity.since)}{tries})"]


def _lasting(time: timedelta) -> str:
    minutes = int(time.total_seconds() // 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min" if minutes else "a moment"


def _as_line(event: dict[str, Any]) -> str:
    body = event["body"]
    match event["kind"]:
        case "message":
            return f"{body['role']}: {body['text'][:1500]}"
        case "tool_call" if body["status"] != "running":
            return f"[{body['status']}] {body['title']}"
        case "turn_ended":
            return f"(turn {body['turn']} {body['outcome']})"
        case _:
            return ""


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}\n… cut; {len(text) - LONGEST} more characters."
