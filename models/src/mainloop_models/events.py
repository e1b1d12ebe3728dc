"""The kinds of events in a thread's log and the body of each.

An event is `{cursor, thread_id, seq, kind, at, body}`. Bodies stay below 32 KiB: longer text is kept as a blob,
its head stands in the body and `blob` names the whole. A body of kind `message`, `session`, `item` or
`tool_call` is a whole state of its object: a later event with the same id replaces the earlier one, so that any
page of the log can be read alone.
"""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from mainloop_models.asks import Answer, AskBody, Decision
from mainloop_models.base import Model


class SessionState(StrEnum):
    STARTING = "starting"
    WORKING = "working"
    WAITING = "waiting"
    IDLE = "idle"
    IN_REVIEW = "in_review"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DONE = "done"


class MessageStatus(StrEnum):
    """Where a message of the person stands.

    `queued`: on the server, may be edited or withdrawn. `delivered`: given to a runner. `finished`: its turn
    has ended. `withdrawn`: taken back while it was queued.
    """

    QUEUED = "queued"
    DELIVERED = "delivered"
    FINISHED = "finished"
    WITHDRAWN = "withdrawn"


class BlobRef(Model):
    """The whole of a text whose head stands in the event."""

    id: str
    size: int  # bytes


class Attachment(Model):
    """A file that the person gave with a message. `id`: the SHA-256 of its content; `type`: what is in it, by looking."""

    id: str
    name: str
    type: str
    size: int  # bytes


class MessageBody(Model):
    """kind `message`: something said. Written again, with the same id, when its status or text changes."""

    id: str
    role: Literal["user", "assistant", "system"]
    text: str
    # Of the person's messages only; an agent's message is finished when it is an event.
    status: MessageStatus = MessageStatus.FINISHED
    mode: Literal["queue", "steer"] = "queue"
    turn: int | None = None
    # The thread that said it, where that is not the thread it stands in (a session's result, the main thread's word).
    from_thread: str | None = None
    demo: bool = False
    blob: BlobRef | None = None
    attachments: list[Attachment] = []


class ReasoningBody(Model):
    """kind `reasoning`: what the agent thought before it went on."""

    id: str
    text: str
    turn: int
    duration_ms: int = 0
    blob: BlobRef | None = None


class ToolCallBody(Model):
    """kind `tool_call`: a call of a tool; written again with its outcome."""

    id: str
    turn: int
    tool: str
    # What it does in a few words, for one line: "read ranking/score.py".
    title: str
    input: dict[str, object] = {}
    status: Literal["running", "ok", "error", "denied", "unknown"] = "running"
    output: str = ""
    blob: BlobRef | None = None
    # The call of a sub-agent names the call that started the sub-agent.
    parent_id: str | None = None


class TodoBody(Model):
    """kind `todo`: the agent's own list of steps, whole."""

    turn: int
    entries: list["TodoEntry"]


class TodoEntry(Model):
    text: str
    status: Literal["pending", "in_progress", "completed"]


class TurnStartedBody(Model):
    """kind `turn_started`"""

    turn: int
    message_ids: list[str] = []


class Usage(Model):
    """Tokens, by what they are charged as."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0

    @property
    def tokens(self) -> int:
        """All of them."""
        return self.input_tokens + self.output_tokens + self.cache_read_tokens + self.cache_write_tokens


class ModelUsage(Usage):
    """Tokens of one model and what they cost."""

    model: str
    # US dollars as the agent reckons them; None where it knows no price.
    cost_usd: float | None = None


class ContextUse(Model):
    """How full the agent's memory of its conversation is."""

    tokens: int
    # How many it can hold; 0: not known.
    window: int = 0


TurnOutcome = Literal["completed", "interrupted", "deferred", "failed", "cut_off"]


class TurnEndedBody(Model):
    """kind `turn_ended`. `deferred`: parked in an open call, goes on after the answer. `cut_off`: its runner died."""

    turn: int
    outcome: TurnOutcome
    error: "AgentError | None" = None
    usage: Usage = Usage()
    # US dollars of this turn; None where the price is unknown.
    cost_usd: float | None = None
    duration_ms: int = 0


class AgentError(Model):
    """Why a turn or an agent could not go on, in words for the person, and what to do."""

    code: Literal[
        "authentication",
        "rate_limit",
        "overloaded",
        "prompt_too_long",
        "network",
        "budget",
        # One of our own: the agent was stopped there, or did not begin.
        "ceiling",
        "max_turns",
        "not_installed",
        "refused",
        "crashed",
        "disk",
        "other",
    ]
    message: str
    hint: str = ""


class ResultBody(Model):
    """kind `result`: what a session's turn delivered. One per (session, turn)."""

    turn: int
    text: str
    source: Literal["report", "text"]
    outcome: Literal["done", "partial", "blocked"] = "done"
    blob: BlobRef | None = None


class NoticeBody(Model):
    """kind `notice`, in the main thread: one line about a session, leading into it."""

    session_id: str
    # `note`: a line of the main thread's agent; all others are the server's own. `overlap`: another one changes the same.
    # `apart`: it began without what was merged here.
    about: Literal["result", "message", "item", "failed", "cancelled", "done", "note", "overlap", "apart"]
    text: str
    # The turn of the session that it speaks of; 0: of none.
    turn: int = 0
    # Of a note: what the server made of the importance that was proposed.
    importance: Literal["soon", "later"] = "later"


class DigestLine(Model):
    """Something that a digest names, leading into a session where it is about one."""

    text: str
    session_id: str | None = None
    at: datetime | None = None


class AwayBody(Model):
    """kind `away`, in the main thread: the person is back, or it is an hour that they chose, and what happened meanwhile.

    `why`: a line (`away`), or a digest: at the first look of a day, after hours away (`long`), at an hour that was chosen.
    A digest has names for what the numbers count, the first of each, and says what comes next.
    """

    why: Literal["away", "day", "long", "hour"] = "away"
    left_at: datetime
    back_at: datetime
    # Sessions that delivered a result, the newest first; `finished` counts them all.
    sessions: list[str] = []
    finished: int = 0
    failed: int = 0
    # What waits for the person now.
    waiting: int = 0
    # Asks that standing permissions answered.
    standing: int = 0
    # US dollars as far as prices are known, and tokens without one.
    cost_usd: float = 0
    unpriced_tokens: int = 0
    merged: int = 0
    delivered_lines: list[DigestLine] = []
    failed_lines: list[DigestLine] = []
    merged_lines: list[DigestLine] = []
    waiting_lines: list[DigestLine] = []
    next_lines: list[DigestLine] = []


class RunBody(Model):
    """kind `run`: a runner of this thread came or went, in words where the person should know."""

    run: int
    # `fresh`: the agent's own record was gone, it began a new one with what this log says.
    what: Literal["started", "parked", "ended", "lost", "fresh"]
    text: str = ""


class Anchor(Model):
    """The place in another thread that caused a session."""

    thread_id: str
    message_id: str | None = None
    call_id: str | None = None


class SessionResult(Model):
    turn: int
    text: str
    outcome: Literal["done", "partial", "blocked"]
    at: datetime


class Activity(Model):
    """What an agent does right now, or what keeps it from going on."""

    # `tool`: a call runs. `retrying`: its model's service can't be reached or refuses for now. `compacting`: it shortens
    # its conversation. `restarting`: its process has ended and is started again. `unwritten`: what it says can't be put on
    # disk, so it waits.
    kind: Literal["tool", "retrying", "compacting", "restarting", "unwritten"]
    # One short line.
    text: str
    since: datetime
    # How often it was tried so far, and how often it will be; 0: not known.
    attempt: int = 0
    of: int = 0


class Steps(Model):
    """How far an agent is with its own list of steps: how many are done, are being done, and there are."""

    done: int
    doing: int
    of: int


class Status(Model):
    """How it stands with a thread's agent: what changes too often to be an event, and is true when it is read."""

    activity: Activity | None = None
    # Of the turn that runs.
    steps: Steps | None = None
    # When the agent last said or did something.
    heard_at: datetime | None = None
    # When its runner last asked for work, while it is overdue: nobody knows what the agent does now.
    last_seen: datetime | None = None


class KeptWork(Model):
    """What became of a session's files when it was closed."""

    # How often its workspace was kept.
    number: int
    # `keeping` goes on by itself, `empty`: there was nothing, `failed`: the workspace stays, `back`: brought back.
    state: Literal["keeping", "kept", "empty", "failed", "back"]
    # Files that differ from the session's last commit, and their lines.
    files: int = 0
    added: int = 0
    removed: int = 0
    # Sentences: what can't be brought back.
    left_out: list[str] = []
    # Why it failed and what to do.
    why: str = ""
    at: datetime


class ChangeCheck(Model):
    """The project's tests, run once on one commit of a change."""

    id: str
    name: str
    commit: str
    state: Literal["queued", "running", "passed", "failed", "stopped"]
    started_at: datetime | None = None
    ended_at: datetime | None = None
    # What of its output tells most; the whole is read from its log.
    excerpt: str = ""


class Change(Model):
    """What a session wants to bring into its project's branch, as it stands at the forge and with us."""

    state: Literal["open", "merging", "merged", "closed"]
    # What the forge calls it.
    number: str
    # The session's branch, the project's that it is to be merged into, and where both stand; no `base_commit`: that is gone.
    branch: str
    base: str
    commit: str
    base_commit: str | None
    title: str
    text: str
    # Where a browser finds it; empty: nowhere but here.
    url: str = ""
    # Of the newest commit.
    approved: bool = False
    sent_back: bool = False
    # Files in which it conflicts with its base.
    conflicts: list[str] = []
    # The commit that the base got, and by what: a merge here, one by hand, or other commits that have all of it.
    merged: str | None = None
    came_by: Literal["merge", "hand", "other_commits"] = "merge"
    how: Literal["squash", "rebase", "merge"] = "squash"
    files: int = 0
    added: int = 0
    removed: int = 0
    # The newest of the newest commit first.
    checks: list[ChangeCheck] = []
    # Sentences: what stands between it and its merge; what went wrong; what came into the person's own folder, or was there.
    waits: str = ""
    problem: str = ""
    handed_over: str = ""
    updated_at: datetime


class Branched(Model):
    """Where a session branched off another one: it began with the files and the conversation of the end of this turn."""

    session_id: str
    handle: str
    turn: int


class After(Model):
    """Another session that a session begins after."""

    session_id: str
    handle: str
    # `closed`: it had nothing to merge.
    state: Literal["waits", "merged", "closed"] = "waits"
    # The commit that the project of both got, and in which branch.
    merged: str | None = None
    into: str | None = None


# What the person may want to be told of a session: it has finished; the tests of its change pass; its change is merged;
# it asks something, told even where it is muted; it has cost more than an amount.
WatchedFor = Literal["done", "green", "merged", "asks", "cost"]


class Watch(Model):
    """What the person is told of a session when it is so: once, or `again` and again."""

    condition: WatchedFor
    # Dollars, of `cost` only.
    above: float | None = None
    again: bool = False
    # False while it is so and was told: it has to be otherwise first.
    armed: bool = True
    since: datetime


class Changed(Model):
    """How many files and lines differ from where a session began; lines of what is no text, or large, are not counted."""

    files: int
    added: int
    removed: int


class SessionBody(Model):
    """kind `session`: the whole of a session, written into its own thread whenever something of it changes.

    The first one also stands in the thread it was started from (kind `session_started`), where its block appears.
    """

    id: str
    title: str
    handle: str
    # 1 to 8, fixed for life.
    hue: int
    creature: str
    state: SessionState
    # Why it is in that state, where that needs a word: "queued", "preparing", the text of a failure.
    reason: str = ""
    agent: str
    model: str | None = None
    project_id: str | None = None
    project: str | None = None
    workspace: str
    branch: str | None = None
    anchor: Anchor | None = None
    branched: Branched | None = None
    parked: bool = False
    status: Status = Status()
    # Messages that wait for it.
    queued: int = 0
    # Since when it waits for one of the places at work, in state `starting`.
    queued_at: datetime | None = None
    # Since when it waits for other sessions, in state `starting`, and all of those.
    held_at: datetime | None = None
    after: list[After] = []
    turn: int = 0
    result: SessionResult | None = None
    # All its turns so far; None where no price is known for any of it.
    cost_usd: float | None = None
    tokens: int = 0
    # Tokens whose price is not known: `cost_usd` is without them.
    unpriced_tokens: int = 0
    # The money is what the API would charge: its agent works on a subscription.
    on_plan: bool = False
    context: ContextUse | None = None
    demo: bool = False
    # False: its agent runs without a sandbox, and the page says so.
    confined: bool = True
    # Once it was closed.
    kept: KeptWork | None = None
    # How much it has changed by the end of its last turn, committed or not.
    changed: Changed | None = None
    # Once it had something to bring into its project; without its `text` and the `excerpt` of its checks.
    change: Change | None = None
    # What the person wants to be told of it.
    watches: list[Watch] = []
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None = None


class SessionStartedBody(Model):
    """kind `session_started`, in the thread that started it: where the session's block stands."""

    session_id: str
    anchor: Anchor


class Reached(Model):
    """A ceiling that was reached, and what it would take to go on. Amounts are dollars or tokens, as `unit` says."""

    # `starts`: agents started sessions faster than anybody can have meant.
    scope: Literal["turn", "session", "project", "day", "starts"]
    # The session or project; empty for the day.
    owner: str = ""
    # Its name in words.
    name: str = ""
    unit: Literal["usd", "tokens", "starts"]
    limit: float
    spent: float
    # What is kept back for turns at work right now.
    held: float = 0
    # `raise_once` adds this much, for this once; `raise` makes it the ceiling from now on.
    offer: float = 0
    raise_to: float = 0


class NoticeItem(Model):
    """An item that is no ask: something went wrong or reached its bound, and the person should know."""

    kind: str
    text: str
    hint: str = ""
    # What can be done with one tap.
    decisions: list[Literal["retry", "dismiss", "raise_once", "raise", "begin", "stop"]] = ["dismiss"]
    # Of a ceiling only.
    reached: Reached | None = None


class StandingUse(Model):
    """A standing permission that answered an ask in the person's place."""

    id: str
    pattern: str
    since: datetime
    # How often it has answered, this time included.
    used: int


class ItemBody(Model):
    """kind `item`: something that waits for the person. Written again when it is answered or closes itself."""

    id: str
    # That of its ask (`mainloop_models.asks`), or of its notice: failure, ceiling, stall, sign_in, order.
    kind: str
    # The smaller, the more urgent.
    urgency: int = 9
    # How it can be answered.
    decisions: list[Decision] = []
    thread_id: str
    session_id: str | None = None
    title: str
    ask: AskBody | None = None
    # Where the ask is too long for an event, the whole of it as JSON; `ask` is then cut, and not to be decided by.
    blob: BlobRef | None = None
    notice: NoticeItem | None = None
    turn: int | None = None
    call_id: str | None = None
    state: Literal["open", "answered", "closed"] = "open"
    opened_at: datetime
    closed_at: datetime | None = None
    answer: Answer | None = None
    # The device that answered, or why it closed itself.
    closed_by: str = ""
    # Of a permission: the pattern it suggests, and how often the same was allowed in this project (or session) before.
    pattern: str | None = None
    allowed_before: int = 0
    # What answered it, where the person did not have to.
    standing: list[StandingUse] | None = None
    # Of a plan: 1, and one more each time it was sent back and comes again.
    version: int | None = None
    # Put off by the person: since when, and until when. Without an end: until they are back.
    snoozed_at: datetime | None = None
    snoozed_until: datetime | None = None


def is_news(kind: str, body: Model) -> bool:
    """Whether an event tells the person something that they have not said themselves: what can be unread."""
    match body:
        case MessageBody():
            return body.role != "user"
        case ItemBody():
            return body.state == "open" and body.snoozed_at is None
        case _:
            return kind == "result"


KINDS: dict[str, type[Model]] = {
    "message": MessageBody,
    "reasoning": ReasoningBody,
    "tool_call": ToolCallBody,
    "todo": TodoBody,
    "turn_started": TurnStartedBody,
    "turn_ended": TurnEndedBody,
    "result": ResultBody,
    "notice": NoticeBody,
    "run": RunBody,
    "away": AwayBody,
    "session": SessionBody,
    "session_started": SessionStartedBody,
    "item": ItemBody,
}
