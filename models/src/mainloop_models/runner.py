"""The runner protocol, version 1: hello, reports, work, deltas. `docs/decisions/0001-runner.md` tells why."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from mainloop_models.asks import Answer, AskBody
from mainloop_models.base import Model
from mainloop_models.events import AgentError, Attachment, ContextUse, ModelUsage, TodoEntry, TurnOutcome, Usage

PROTOCOL = 1

Role = Literal["main", "session", "chore"]


# ---- the run file: what a phase hands to the runner it starts -------------------------------------------------
class RunFile(Model):
    """`threads/<id>/run.json`. Holds no secret: the token lies in `token_file`, mode 600, read once and unlinked."""

    thread_id: str
    run: int
    server: str  # base address of the server: http://127.0.0.1:8000
    token_file: str
    home: str  # threads/<id>: lock, spool, log; the agent never sees it
    agent_home: str  # threads/<id>/home: HOME and the agent's configuration; inside the sandbox
    workspace: str  # the directory the agent works in
    # What stands around the agent's command: the argument list to put before it. Empty: no sandbox.
    wrap: list[str] = []
    confined: bool = False
    # The agent's whole environment besides HOME and what its kind sets: credentials, PATH, certificates.
    environment: dict[str, str] = {}
    # The names in `environment` by which the agent signs in: a set-up does not get these.
    credentials: list[str] = []
    # What the project sets for everything that runs in its workspaces; nothing in `environment` is replaced by it.
    variables: dict[str, str] = {}
    # The agent's home of the thread that this one's conversation branches off; see `Welcome.fork`.
    fork_home: str | None = None


# ---- hello ----------------------------------------------------------------------------------------------------
class Hello(Model):
    """`POST /runner/v1/hello`. Refused with 409 when a newer run exists: kill the agent and end."""

    protocol: int = PROTOCOL
    thread_id: str
    run: int
    pid: int
    host: str
    version: str


class Tool(Model):
    """A tool of ours that the runner serves to its agent."""

    name: str
    description: str
    input_schema: dict[str, object]
    # `request`: forwarded as a report with an answer. `ask`: opens an ask and waits for the person.
    via: Literal["request", "ask"] = "request"


class Policy(Model):
    """What the runner may decide about a tool call by itself."""

    # Edits below the workspace are allowed unasked (the workspace is the session's own copy).
    edits: Literal["allow", "ask"] = "allow"
    # Commands: `ask` lets only commands that are known to read pass unasked; `allow` all (inside a sandbox only).
    commands: Literal["ask", "allow"] = "ask"
    # An unanswered ask is held this long, then the agent is parked (seconds).
    hold_seconds: float = 1800


class Bounds(Model):
    """What an agent, with everything it starts, may take of the machine. 0: as much as there is."""

    # Beyond this the largest of its processes is ended.
    memory_mb: int = 0
    # With less than this left on its disk a turn that has written much is ended.
    keep_free_mb: int = 0


class Fork(Model):
    """The conversation that is to be resumed lies in another thread's home, and counts to the end of one of its turns."""

    # The messages of its newest turn that counts, and all that were given since.
    last: list[str]
    later: list[str]


class Welcome(Model):
    """The answer to hello."""

    protocol: int = PROTOCOL
    role: Role
    agent: str
    model: str | None = None
    # The agent's own conversation: its id, and whether it exists already (resume) or is to be made.
    agent_session: str
    resume: bool
    # Added to (session) or used as (main) the agent's system prompt.
    prompt: str
    tools: list[Tool] = []
    policy: Policy = Policy()
    bounds: Bounds = Bounds()
    # Highest report number applied, per run, of this run and all older ones. The spool starts behind it.
    acked: dict[int, int] = {}
    # The turn that goes on with the deferred call (0: none; it was cut off, or nothing is deferred), and the newest.
    open_turn: int = 0
    last_turn: int = 0
    # The messages of the open turn, where it was deferred: its resumed end finishes them.
    open_messages: list[str] = []
    # Calls released before this run: the same id asking again is denied, its outcome is unknown.
    released: list[str] = []
    # Answers given while no runner held the call: tool and input that were approved, used up once.
    approved: list["ApprovedCall"] = []
    # A call that was deferred by the last run and still waits to be run on resume.
    deferred_call: str | None = None
    # What was said so far, for an agent that has no record of it: put before the first thing it is told.
    before: str = ""
    # For an agent that has not begun yet, in a thread that branched off another.
    fork: Fork | None = None
    # A command that makes a new workspace fit to work in, run before the first turn; empty: none, or it has run.
    set_up: str = ""
    demo: bool = False


class ApprovedCall(Model):
    """An approval that lost its runner; an identical call uses it up once."""

    ask_id: str
    tool: str
    input: dict[str, object]


# ---- reports --------------------------------------------------------------------------------------------------
class AgentSession(Model):
    """The agent's conversation exists in its own records from now on: later runs resume it. Told once in a run."""

    kind: Literal["agent_session"] = "agent_session"
    agent_session: str
    # The build of the agent's program.
    version: str = ""


class TurnStarted(Model):
    kind: Literal["turn_started"] = "turn_started"
    turn: int
    message_ids: list[str]


class MessageTaken(Model):
    """A steering message went into the running turn."""

    kind: Literal["message_taken"] = "message_taken"
    turn: int
    message_id: str


class Said(Model):
    """A whole message of the agent. Its deltas, if any, carried the same id."""

    kind: Literal["said"] = "said"
    id: str
    turn: int
    text: str


class Reasoned(Model):
    kind: Literal["reasoned"] = "reasoned"
    id: str
    turn: int
    text: str
    duration_ms: int = 0


class ToolCalled(Model):
    kind: Literal["tool_called"] = "tool_called"
    id: str
    turn: int
    tool: str
    title: str
    input: dict[str, object]
    parent_id: str | None = None


class ToolEnded(Model):
    kind: Literal["tool_ended"] = "tool_ended"
    id: str
    turn: int
    status: Literal["ok", "error", "denied", "unknown"]
    output: str = ""


class WorkspaceSetUp(Model):
    """The project's set-up has run to its end in this workspace; it is not run again there."""

    kind: Literal["workspace_set_up"] = "workspace_set_up"
    turn: int
    ok: bool


class Todo(Model):
    kind: Literal["todo"] = "todo"
    turn: int
    entries: list[TodoEntry]


class Released(Model):
    """The policy let a call run. In the spool before the call runs, so that no later run repeats it unknowingly."""

    kind: Literal["released"] = "released"
    call_id: str
    turn: int
    by: Literal["policy", "answer"]
    ask_id: str | None = None


class AskOpened(Model):
    """`id` is chosen by the runner from the call (`ask-<thread>-<call id>`), so that the same call asks once."""

    kind: Literal["ask_opened"] = "ask_opened"
    id: str
    call_id: str
    turn: int
    title: str
    ask: AskBody


class AnswerTaken(Model):
    """The answer reached the call that asked."""

    kind: Literal["answer_taken"] = "answer_taken"
    ask_id: str


class AskWithdrawn(Model):
    """The call that asked is gone: interrupted, or the turn ended without it."""

    kind: Literal["ask_withdrawn"] = "ask_withdrawn"
    ask_id: str
    reason: str


class ToolRequest(Model):
    """A call of one of our tools; answered by `Receipt.answers`, repeated until it is."""

    kind: Literal["tool_request"] = "tool_request"
    call_id: str
    turn: int
    tool: str
    arguments: dict[str, object]


class Spent(Model):
    """What a turn has used so far in this run, whole: a newer one replaces it, the same one again changes nothing."""

    kind: Literal["spent"] = "spent"
    turn: int
    models: list[ModelUsage]
    # The agent works on a subscription: the money is what the API would charge.
    on_plan: bool = False
    context: ContextUse | None = None


class TurnEnded(Model):
    """`finished`: messages that need no further turn. What is not listed stays open."""

    kind: Literal["turn_ended"] = "turn_ended"
    turn: int
    outcome: TurnOutcome
    finished: list[str] = []
    # The agent's last text, the result of the turn unless it called `report`.
    text: str = ""
    error: AgentError | None = None
    deferred_call: str | None = None
    usage: Usage = Usage()
    cost_usd: float | None = None
    duration_ms: int = 0


class Retrying(Model):
    """The agent waits for its model's service, or shortens its conversation. Without a text it goes on again.

    Shown as the thread's status, never stored as an event.
    """

    kind: Literal["retrying"] = "retrying"
    turn: int
    text: str = ""
    what: Literal["retrying", "compacting"] = "retrying"
    attempt: int = 0
    of: int = 0


class RunEnded(Model):
    """The last report of a run. `fresh_session`: the agent's record could not be resumed; begin a new one."""

    kind: Literal["run_ended"] = "run_ended"
    reason: Literal["parked", "stopped", "failed", "fresh_session"]
    error: AgentError | None = None


ReportBody = Annotated[
    AgentSession
    | TurnStarted
    | MessageTaken
    | Said
    | Reasoned
    | ToolCalled
    | ToolEnded
    | Todo
    | WorkspaceSetUp
    | Released
    | AskOpened
    | AnswerTaken
    | AskWithdrawn
    | ToolRequest
    | Spent
    | TurnEnded
    | Retrying
    | RunEnded,
    Field(discriminator="kind"),
]


class Report(Model):
    """One line of the spool. (thread, run, number) is its key; numbers of a run start at 1 and have no gap."""

    run: int
    number: int
    at: datetime
    body: ReportBody


class Reports(Model):
    """`POST /runner/v1/reports`: in order, older runs first."""

    thread_id: str
    reports: list[Report]


class ToolAnswer(Model):
    text: str
    is_error: bool = False


class Receipt(Model):
    """`acked`: highest number applied per run. `answers`: of the tool requests among them, by call id."""

    acked: dict[int, int]
    answers: dict[str, ToolAnswer] = {}


# ---- work -----------------------------------------------------------------------------------------------------
class WorkMessage(Model):
    """An open message for the agent. `context` is data put before it (results of sessions), never an instruction."""

    id: str
    text: str
    mode: Literal["queue", "steer"] = "queue"
    context: list[str] = []
    # Given to an agent before, in a turn that did not finish it.
    again: bool = False
    # Raised by one each time the message is to be tried again; a run tries each attempt once.
    attempt: int = 0
    # What was cut off, in words, to be told to the agent when its record already holds the message.
    follow_up: str = ""
    # Fetched from `GET /runner/v1/messages/{message}/attachments/{id}`.
    attachments: list[Attachment] = []


class WorkAnswer(Model):
    ask_id: str
    call_id: str
    answer: Answer


class Limit(Model):
    """How much the running turn may use in this run before it waits for more. None: as much as it takes."""

    usd: float | None = None
    tokens: int | None = None


class Work(Model):
    """`GET /runner/v1/work?seen=VERSION`: everything that is open. Answers at once when it differs from `seen`."""

    version: str
    wanted: Literal["run", "park", "stop"] = "run"
    # The turn to interrupt, closed by that turn's end.
    interrupt: int | None = None
    # The turn to stop because a ceiling was reached: what it was about stays open.
    pause: int | None = None
    limit: Limit = Limit()
    messages: list[WorkMessage] = []
    answers: list[WorkAnswer] = []


# ---- deltas ---------------------------------------------------------------------------------------------------
class Delta(Model):
    """A piece of a message that is still being written. `offset` counts characters of the text so far.

    `output`: of what a running call has put out, `message_id` names the call. Only the newest of it is held: `offset`
    counts what came before, told or left out, and a piece behind a gap begins anew.
    """

    message_id: str
    turn: int
    what: Literal["text", "reasoning", "output"] = "text"
    offset: int
    text: str


class Deltas(Model):
    """`POST /runner/v1/deltas`"""

    thread_id: str
    run: int
    deltas: list[Delta]
    # Why the runner can't put on disk what it has to say, as the system words it; empty: it can again. None: no news.
    unwritten: str | None = None


class DeltasTaken(Model):
    """How many characters the server holds of each message; the runner goes on from there."""

    lengths: dict[str, int]
