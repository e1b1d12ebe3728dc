"""All tables. A status is text; the feature that owns the row has the enum and the one function that moves it."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TSVECTOR

from mainloop.db.engine import Instant, Words

metadata = sa.MetaData()

_C = sa.Column[Any]
_ID = Words(64)
# Python's None is SQL's NULL, so that `IS NULL` means what it says.
JSON = sa.JSON(none_as_null=True)


def _id(name: str = "id", **kw: Any) -> _C:
    return sa.Column(name, _ID, **kw)


# One row: what this installation is, and the counter behind every cursor.
installation = sa.Table(
    "installation",
    metadata,
    sa.Column("one", sa.Integer, primary_key=True, autoincrement=False),
    _id("id", nullable=False),
    sa.Column("cursor", sa.BigInteger, nullable=False),
    # The person chose the demo agent on the page.
    sa.Column("demo", sa.Boolean, nullable=False, server_default=sa.false()),
    # The home its files lie in, and where that was when a server last started there, in words.
    _id("home"),
    sa.Column("home_place", Words, nullable=False, server_default=""),
    # By which services of browsers know it, and what the person prefers to be told when.
    sa.Column("push_key", Words, nullable=False, server_default=""),
    sa.Column("attention", JSON, nullable=False, server_default="{}"),
    # When the next digest is due that they chose an hour for; up to where the last one told, and what all had cost by then.
    sa.Column("digest_at", Instant),
    sa.Column("digested_at", Instant),
    sa.Column("digested_micros", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("digested_unpriced", sa.BigInteger, nullable=False, server_default="0"),
    # Which keys of the page the person has changed; none as long as they have not.
    sa.Column("keys", JSON),
    sa.Column("created_at", Instant, nullable=False),
)

# A conversation. `last_seq` is locked by the unit of work alone, at its end.
thread = sa.Table(
    "thread",
    metadata,
    _id(primary_key=True),
    sa.Column("kind", Words(16), nullable=False),
    sa.Column("last_seq", sa.BigInteger, nullable=False, server_default="0"),
    # The newest event that tells the person something, and how far they have read.
    sa.Column("last_told", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("last_read", sa.BigInteger, nullable=False, server_default="0"),
    # How many messages its agent has written.
    sa.Column("replies", sa.Integer, nullable=False, server_default="0"),
    sa.Column("created_at", Instant, nullable=False),
)

event = sa.Table(
    "event",
    metadata,
    sa.Column("cursor", sa.BigInteger, primary_key=True, autoincrement=False),
    _id("thread_id", nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("kind", Words(32), nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("body", Words, nullable=False),
    sa.UniqueConstraint("thread_id", "seq"),
)

# What can be searched for, once for each message, result, notice and ask.
said = sa.Table(
    "said",
    metadata,
    # Where it stands, by the cursor of its first event that counts, and the event that has its newest form.
    sa.Column("cursor", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("newest", sa.BigInteger, nullable=False),
    _id("thread_id", nullable=False),
    sa.Column("object", Words(200), nullable=False),
    # Its words, one after the other. On SQLite triggers keep the index `said_words` beside it, on PostgreSQL they are
    # indexed where they stand.
    sa.Column("words", sa.Text().with_variant(TSVECTOR(), "postgresql"), nullable=False),
    sa.UniqueConstraint("thread_id", "object"),
)

# Pieces of messages that are still being written.
chunk = sa.Table(
    "chunk",
    metadata,
    _id("message_id", primary_key=True),
    sa.Column("offset", sa.Integer, primary_key=True, autoincrement=False),
    _id("thread_id", nullable=False, index=True),
    sa.Column("turn", sa.Integer, nullable=False),
    sa.Column("what", Words(16), nullable=False),
    sa.Column("text", Words, nullable=False),
)

# The whole of a text too long for an event.
blob = sa.Table(
    "blob",
    metadata,
    _id(primary_key=True),
    _id("thread_id", nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("text", Words, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
)

# A file that was given with a message, kept once: its id is the hash of its content.
attachment = sa.Table(
    "attachment",
    metadata,
    _id(primary_key=True),
    sa.Column("type", Words(64), nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
    # When it was given last, or named by a message.
    sa.Column("created_at", Instant, nullable=False),
)

# What drives a thread's agent. Locked first by whoever changes anything about the thread.
agent = sa.Table(
    "agent",
    metadata,
    _id("thread_id", primary_key=True),
    sa.Column("role", Words(16), nullable=False),
    sa.Column("kind", Words(32), nullable=False),
    sa.Column("model", Words(128)),
    sa.Column("demo", sa.Boolean, nullable=False, server_default=sa.false()),
    # The agent's own conversation, and whether its records hold it already.
    _id("agent_session", nullable=False),
    sa.Column("recorded", sa.Boolean, nullable=False, server_default=sa.false()),
    # Newest run and newest turn; `working`: the turn is open.
    sa.Column("run", sa.Integer, nullable=False, server_default="0"),
    sa.Column("turn", sa.Integer, nullable=False, server_default="0"),
    sa.Column("working", sa.Boolean, nullable=False, server_default=sa.false()),
    # The run that works on the open turn; an older one than the living means: cut off.
    sa.Column("turn_run", sa.Integer, nullable=False, server_default="0"),
    sa.Column("interrupt", sa.Integer),
    sa.Column("wanted", Words(16), nullable=False, server_default="run"),
    sa.Column("deferred_call", Words(128)),
    # How full the agent's memory of its conversation was when it last said so.
    sa.Column("context", JSON),
    # Runs that died since the last turn that ended well.
    sa.Column("restarts", sa.Integer, nullable=False, server_default="0"),
    # After an error that only the person can cure nothing is delivered until they act.
    sa.Column("blocked", sa.Boolean, nullable=False, server_default=sa.false()),
    # What the agent is told when it goes on after its runner died.
    sa.Column("cut_off", Words, nullable=False, server_default=""),
    sa.Column("turn_started_at", Instant),
    sa.Column("quiet_since", Instant),
    # Its record is gone: the next run begins with what the log says.
    sa.Column("record_lost", sa.Boolean, nullable=False, server_default=sa.false()),
    # Where its conversation branched off another session's: `session_id`, `handle`, `turn`.
    sa.Column("fork", JSON),
    # What it does right now, when it last said or did something, and since when its runner has not been heard of.
    sa.Column("activity", JSON),
    # How far it is with its own list of steps, in the turn that runs.
    sa.Column("steps", JSON),
    sa.Column("heard_at", Instant),
    sa.Column("last_seen", Instant),
)

run = sa.Table(
    "run",
    metadata,
    _id("thread_id", primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("state", Words(16), nullable=False),  # starting, live, ended
    # The kind of agent it was started with: a thread whose kind has changed is not its business any more.
    sa.Column("kind", Words(32), nullable=False),
    sa.Column("token_hash", Words(64), nullable=False, index=True),
    sa.Column("acked", sa.Integer, nullable=False, server_default="0"),
    sa.Column("host", Words(255), nullable=False, server_default=""),
    sa.Column("pid", sa.Integer),
    sa.Column("version", Words(64), nullable=False, server_default=""),
    # The build of the agent's program, once the agent has said so.
    sa.Column("agent_version", Words(64), nullable=False, server_default=""),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("seen_at", Instant),
    sa.Column("ended_at", Instant),
    sa.Column("end", Words(32), nullable=False, server_default=""),
    sa.Index("run_open", "state", "host"),
)

message = sa.Table(
    "message",
    metadata,
    _id(primary_key=True),
    _id("thread_id", nullable=False),
    sa.Column("place", sa.BigInteger, nullable=False),  # order within the thread
    sa.Column("role", Words(16), nullable=False),
    sa.Column("text", Words, nullable=False),
    sa.Column("mode", Words(16), nullable=False),
    sa.Column("status", Words(16), nullable=False),
    sa.Column("turn", sa.Integer),
    # Raised each time a turn ended without finishing it.
    sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
    _id("from_thread"),
    # Files that came with it: id, name, type and size of each.
    sa.Column("attachments", JSON),
    sa.Column("created_at", Instant, nullable=False),
    sa.Index("message_open", "thread_id", "status", "place"),
    sa.Index("message_to_do", "status", "thread_id"),
)

# What the agent is told with a message, once: results of sessions.
note = sa.Table(
    "note",
    metadata,
    sa.Column("key", Words(160), primary_key=True),
    _id("thread_id", nullable=False),
    sa.Column("place", sa.BigInteger, nullable=False),
    sa.Column("text", Words, nullable=False),
    _id("message_id"),
    sa.Index("note_waiting", "thread_id", "message_id"),
)

# A call of one of our tools and what was answered: the guard against doing it twice.
tool_request = sa.Table(
    "tool_request",
    metadata,
    _id("thread_id", primary_key=True),
    sa.Column("call_id", Words(128), primary_key=True),
    sa.Column("turn", sa.Integer, nullable=False),
    sa.Column("tool", Words(64), nullable=False),
    sa.Column("arguments", JSON, nullable=False),
    sa.Column("text", Words, nullable=False),
    sa.Column("is_error", sa.Boolean, nullable=False),
    sa.Column("at", Instant, nullable=False),
)

# A call the policy let run.
released = sa.Table(
    "released",
    metadata,
    _id("thread_id", primary_key=True),
    sa.Column("call_id", Words(128), primary_key=True),
    sa.Column("turn", sa.Integer, nullable=False),
)

# A running call's body, so that its outcome can be written beside its input.
tool_call = sa.Table(
    "tool_call",
    metadata,
    _id("thread_id", primary_key=True),
    sa.Column("call_id", Words(128), primary_key=True),
    sa.Column("turn", sa.Integer, nullable=False),
    sa.Column("body", JSON, nullable=False),
    sa.Column("at", Instant),
)

session = sa.Table(
    "session",
    metadata,
    _id(primary_key=True),
    sa.Column("title", Words, nullable=False),
    sa.Column("handle", Words(64), nullable=False),
    sa.Column("hue", sa.Integer, nullable=False),
    sa.Column("creature", Words(32), nullable=False),
    sa.Column("state", Words(16), nullable=False),
    sa.Column("reason", Words, nullable=False, server_default=""),
    sa.Column("workspace", Words(32), nullable=False),
    sa.Column("branch", Words),
    sa.Column("base", Words(64)),
    # The branch of the project that it began at.
    sa.Column("upstream", Words),
    _id("project_id"),
    sa.Column("anchor", JSON),
    _id("parent"),
    sa.Column("depth", sa.Integer, nullable=False),
    sa.Column("wake", sa.Boolean, nullable=False),
    sa.Column("done_when", Words, nullable=False, server_default=""),
    sa.Column("prompt_hash", Words(64), nullable=False),
    sa.Column("parked", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("confined", sa.Boolean, nullable=False, server_default=sa.true()),
    # The project's set-up has run in the workspace it has.
    sa.Column("set_up", sa.Boolean, nullable=False, server_default=sa.false()),
    # Since when it waits for a slot.
    sa.Column("queued_at", Instant),
    # Since when it waits for other sessions; `mainloop_models.events.After` of each that it begins after.
    sa.Column("held_at", Instant),
    sa.Column("after", JSON, nullable=False, server_default="[]"),
    sa.Column("result", JSON),
    # `mainloop_models.events.Watch`.
    sa.Column("watches", JSON, nullable=False, server_default="[]"),
    # How much it has changed by the end of its last turn.
    sa.Column("changed", JSON),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Column("ended_at", Instant),
    sa.Index("session_state", "state", "queued_at"),
    sa.Index("session_created", "created_at"),
)

# What lay in a session's workspace when one of its turns had ended.
kept_turn = sa.Table(
    "kept_turn",
    metadata,
    _id("session_id", primary_key=True),
    sa.Column("turn", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("state", Words(16), nullable=False),  # keeping, kept, failed
    # The commit that its branch stood at, and the tree of its files, committed or not.
    sa.Column("head", Words(64)),
    sa.Column("tree", Words(64)),
    # The next turn had begun when it was looked at.
    sa.Column("late", sa.Boolean, nullable=False, server_default=sa.false()),
    # Why there is none.
    sa.Column("why", Words, nullable=False, server_default=""),
    sa.Column("at", Instant, nullable=False),
)

# The files that a session of a project has changed since it began, as of its last turn.
touched = sa.Table(
    "touched",
    metadata,
    _id("session_id", primary_key=True),
    _id("project_id", nullable=False, index=True),
    sa.Column("paths", JSON, nullable=False),
    # Of each other session: the files that were said to be changed by both.
    sa.Column("said", JSON, nullable=False),
)

# What a turn has used, by run, model and day of the person's. Each figure is whole: a report that says it again changes
# nothing.
usage = sa.Table(
    "usage",
    metadata,
    _id("thread_id", primary_key=True),
    sa.Column("run", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("turn", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("model", Words(128), primary_key=True),
    sa.Column("day", Words(10), primary_key=True),
    _id("project_id"),
    sa.Column("input_tokens", sa.BigInteger, nullable=False),
    sa.Column("output_tokens", sa.BigInteger, nullable=False),
    sa.Column("cache_read_tokens", sa.BigInteger, nullable=False),
    sa.Column("cache_write_tokens", sa.BigInteger, nullable=False),
    # Millionths of a dollar, so that sums are exact; NULL where no price is known.
    sa.Column("micros", sa.BigInteger),
    # The money is what the API would charge: the agent works on a subscription.
    sa.Column("on_plan", sa.Boolean, nullable=False),
    sa.Index("usage_day", "day"),
    sa.Index("usage_project", "project_id", "day"),
)

# What a turn at work may still use: held back from everybody else, and given back at its end.
allowance = sa.Table(
    "allowance",
    metadata,
    _id("thread_id", primary_key=True),
    _id("project_id"),
    # NULL: no ceiling of this kind. `left` is held back, `limit` is where this run's part of the turn has to wait.
    sa.Column("left_usd", sa.BigInteger),
    sa.Column("limit_usd", sa.BigInteger),
    sa.Column("left_tokens", sa.BigInteger),
    sa.Column("limit_tokens", sa.BigInteger),
    # A ceiling was reached: the turn is to be stopped.
    sa.Column("paused", sa.Boolean, nullable=False, server_default=sa.false()),
)

# Ceilings that the person has set, over those of the settings. Amounts are millionths of a dollar, or tokens.
ceiling = sa.Table(
    "ceiling",
    metadata,
    # A session, a project, or nothing: all of the installation.
    _id("owner", primary_key=True),
    sa.Column("scope", Words(16), primary_key=True),
    sa.Column("unit", Words(16), primary_key=True),
    # Empty: the ceiling itself. Else what was added to it once, on this day or (`once`) for good.
    sa.Column("once", Words(10), primary_key=True),
    # NULL: none.
    sa.Column("amount", sa.BigInteger),
)

# Threads that wait because a ceiling was reached, each with the item that says so.
pause = sa.Table(
    "pause",
    metadata,
    _id("thread_id", primary_key=True),
    sa.Column("item_id", Words(160), nullable=False, index=True),
    sa.Column("scope", Words(16), nullable=False),
    _id("owner", nullable=False),
    sa.Column("unit", Words(16), nullable=False),
)

# What became of a session's files when it was closed, one row each time.
kept = sa.Table(
    "kept",
    metadata,
    _id("session_id", primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("state", Words(16), nullable=False),  # keeping, kept, empty, failed, back, dropped
    sa.Column("files", sa.Integer, nullable=False, server_default="0"),
    sa.Column("added", sa.Integer, nullable=False, server_default="0"),
    sa.Column("removed", sa.Integer, nullable=False, server_default="0"),
    sa.Column("left_out", JSON, nullable=False),
    sa.Column("why", Words, nullable=False, server_default=""),
    sa.Column("at", Instant, nullable=False),
)

# What a session wants to bring into its project: the newest of it.
change = sa.Table(
    "change",
    metadata,
    _id("session_id", primary_key=True),
    _id("project_id", nullable=False),
    # The how manieth of this session.
    sa.Column("nth", sa.Integer, nullable=False),
    sa.Column("state", Words(16), nullable=False),  # open, merging, merged, closed
    # `mainloop_models.events.Change`.
    sa.Column("body", JSON, nullable=False),
    # While it is being merged: how, and where both sides stood when that was decided.
    sa.Column("merge", JSON),
    # What was last done about this very commit and base, so that it is done once; how often its agent was sent back since
    # the person last said something.
    sa.Column("done", Words, nullable=False, server_default=""),
    sa.Column("repairs", sa.Integer, nullable=False, server_default="0"),
    # The turn whose work the person took as it is, though it may not have ended well.
    sa.Column("pressed", sa.Integer, nullable=False, server_default="0"),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Index("change_open", "project_id", "state"),
)

# The project's tests, run once on one commit of a change.
change_check = sa.Table(
    "change_check",
    metadata,
    _id(primary_key=True),
    _id("session_id", nullable=False),
    sa.Column("name", Words(64), nullable=False),
    sa.Column("commit", Words(64), nullable=False),
    sa.Column("state", Words(16), nullable=False),  # queued, running, passed, failed, stopped
    # How often it was cut off, and where it runs, once it does.
    sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
    sa.Column("host", Words(255), nullable=False, server_default=""),
    sa.Column("excerpt", Words, nullable=False, server_default=""),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("started_at", Instant),
    sa.Column("ended_at", Instant),
    sa.Index("change_check_state", "state", "created_at"),
    sa.Index("change_check_session", "session_id", "created_at"),
)

# What a session's turn delivered: one per (session, turn).
result = sa.Table(
    "result",
    metadata,
    _id("session_id", primary_key=True),
    sa.Column("turn", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("text", Words, nullable=False),
    sa.Column("outcome", Words(16), nullable=False),
    sa.Column("source", Words(16), nullable=False),
    sa.Column("delivered", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("at", Instant, nullable=False),
)

item = sa.Table(
    "item",
    metadata,
    sa.Column("id", Words(160), primary_key=True),
    sa.Column("kind", Words(16), nullable=False),
    _id("thread_id", nullable=False),
    _id("session_id"),
    sa.Column("title", Words, nullable=False),
    sa.Column("ask", JSON),
    sa.Column("notice", JSON),
    sa.Column("turn", sa.Integer),
    sa.Column("call_id", Words(128)),
    sa.Column("state", Words(16), nullable=False),
    sa.Column("opened_at", Instant, nullable=False),
    sa.Column("closed_at", Instant),
    sa.Column("answer", JSON),
    _id("answer_id"),
    sa.Column("closed_by", Words, nullable=False, server_default=""),
    # The runner that held the call is gone: the answer is told as a message.
    sa.Column("orphaned", sa.Boolean, nullable=False, server_default=sa.false()),
    # The answer reached the call that asked (or nobody waits for it).
    sa.Column("taken", sa.Boolean, nullable=False, server_default=sa.false()),
    # The pattern a permission suggests, how often the same was allowed before, and what answered it in the person's place.
    sa.Column("pattern", Words(600)),
    sa.Column("allowed_before", sa.Integer, nullable=False, server_default="0"),
    sa.Column("standing", JSON),
    # Of a plan: how often it was sent back, and once more.
    sa.Column("version", sa.Integer),
    # Put off by the person; without an end until they are back.
    sa.Column("snoozed_at", Instant),
    sa.Column("snoozed_until", Instant),
    sa.Index("item_pattern", "pattern"),
    sa.Index("item_open", "state", "opened_at"),
    sa.Index("item_thread", "thread_id", "state"),
    sa.Index("item_to_do", "state", "taken", "thread_id"),
    sa.Index("item_kind", "kind", "closed_at"),
)

# What the person allowed for more than once.
standing_permission = sa.Table(
    "standing_permission",
    metadata,
    _id(primary_key=True),
    sa.Column("tool", Words(160), nullable=False),
    sa.Column("pattern", Words, nullable=False),
    sa.Column("scope", Words(16), nullable=False),  # session, project
    _id("session_id"),
    _id("project_id"),
    # It was given for agents inside a sandbox, and answers no others.
    sa.Column("confined", sa.Boolean, nullable=False),
    # The ask it was given with; given by hand without one.
    sa.Column("item_id", Words(160)),
    sa.Column("given_by", Words(128), nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Column("used", sa.Integer, nullable=False, server_default="0"),
    sa.Column("used_at", Instant),
    sa.Column("used_for", Words, nullable=False, server_default=""),
    sa.Column("revoked_at", Instant),
    sa.Index("standing_permission_tool", "tool", "expires_at"),
)

project = sa.Table(
    "project",
    metadata,
    _id(primary_key=True),
    sa.Column("name", Words(128), nullable=False, unique=True),
    sa.Column("source", Words, nullable=False),
    sa.Column("default_branch", Words),
    sa.Column("state", Words(16), nullable=False),
    sa.Column("error", Words, nullable=False, server_default=""),
    # Ignored files that are kept all the same: patterns as of a .gitignore.
    sa.Column("keep_ignored", JSON, nullable=False, server_default="[]"),
    # `projects.schemas.ProjectSettings`.
    sa.Column("settings", JSON, nullable=False, server_default="{}"),
    # How far a fetch is, in git's words, while one runs.
    sa.Column("progress", Words, nullable=False, server_default=""),
    sa.Column("created_at", Instant, nullable=False),
)

# What the main agent is told at a time. `next_at` NULL: it is over, or was cancelled.
schedule = sa.Table(
    "schedule",
    metadata,
    _id(primary_key=True),
    sa.Column("instruction", Words, nullable=False),
    # Five fields; NULL: once.
    sa.Column("cron", Words(100)),
    sa.Column("next_at", Instant, index=True),
    sa.Column("last_at", Instant),
    sa.Column("created_at", Instant, nullable=False),
)

# What was decided of an item: `decisions` are [why, at, until], the newest last.
attention = sa.Table(
    "attention",
    metadata,
    sa.Column("item_id", Words(160), primary_key=True),
    sa.Column("decisions", JSON, nullable=False),
    # When the person was told, and whether once more.
    sa.Column("told_at", Instant),
    sa.Column("reminded", sa.Boolean, nullable=False, server_default=sa.false()),
)

# A way to reach the person. `target` holds secrets and is never answered.
notifier = sa.Table(
    "notifier",
    metadata,
    _id(primary_key=True),
    sa.Column("kind", Words(32), nullable=False),
    # Where it is a browser's.
    _id("device_id", index=True),
    sa.Column("name", Words(128), nullable=False),
    sa.Column("target", JSON, nullable=False),
    sa.Column("mobile", sa.Boolean, nullable=False, server_default=sa.false()),
    # Kinds of items it is for, and hours of the day from and until; NULL: all.
    sa.Column("kinds", JSON),
    sa.Column("hours", JSON),
    # Since when nothing has arrived there, and why it is not used any more.
    sa.Column("failing_since", Instant),
    sa.Column("gone", Words, nullable=False, server_default=""),
    sa.Column("created_at", Instant, nullable=False),
)

# What the person was told, whole.
notification = sa.Table(
    "notification",
    metadata,
    _id(primary_key=True),
    sa.Column("about", Words(16), nullable=False),
    sa.Column("body", JSON, nullable=False),
    sa.Column("at", Instant, nullable=False, index=True),
)

# Which notification an item was in last.
told = sa.Table(
    "told",
    metadata,
    sa.Column("item_id", Words(160), primary_key=True),
    _id("notification_id", nullable=False, index=True),
)

# What became of a notification on each way.
delivery = sa.Table(
    "delivery",
    metadata,
    _id(primary_key=True),
    _id("notification_id", nullable=False),
    _id("notifier_id", nullable=False),
    sa.Column("state", Words(16), nullable=False),
    sa.Column("why", Words, nullable=False, server_default=""),
    sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
    # When it was settled, or is tried next.
    sa.Column("at", Instant, nullable=False),
    sa.UniqueConstraint("notification_id", "notifier_id"),
    sa.Index("delivery_waiting", "state", "at"),
)

device = sa.Table(
    "device",
    metadata,
    _id(primary_key=True),
    sa.Column("name", Words(128), nullable=False),
    sa.Column("cookie_hash", Words(64), nullable=False, unique=True),
    sa.Column("key_hash", Words(64), nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("seen_at", Instant, nullable=False),
    # When somebody last had the page before their eyes there.
    sa.Column("looked_at", Instant),
    # What everything had cost by then: money (millionths of a dollar), and tokens without a price.
    sa.Column("looked_micros", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("looked_unpriced", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("revoked_at", Instant),
)

pairing = sa.Table(
    "pairing",
    metadata,
    sa.Column("code_hash", Words(64), primary_key=True),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Column("used_at", Instant),
)

# The intent behind a workflow; the workflow is only its motor.
phase = sa.Table(
    "phase",
    metadata,
    sa.Column("id", Words(160), primary_key=True),
    sa.Column("name", Words(64), nullable=False),
    sa.Column("subject", Words(64), nullable=False),
    sa.Column("state", Words(16), nullable=False),  # todo, done
    sa.Column("created_at", Instant, nullable=False),
    sa.Index("phase_todo", "state", "created_at"),
)

executor = sa.Table(
    "executor",
    metadata,
    _id(primary_key=True),
    sa.Column("host", Words(255), nullable=False),
    sa.Column("seen", sa.Float, nullable=False),
    sa.Column("dead", sa.Boolean, nullable=False, server_default=sa.false()),
)
