"""May this tool call run? One function of the call and what the person has settled, without memory and without I/O
but for looking through symbolic links.

Reading is allowed. Writing into the workspace is, where the session may edit. Commands are allowed when every one of
them is known to read only (`commands`). What only the person can decide, and whatever is unknown, is asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

from mainloop_agent.titles import relative
from mainloop_models.asks import (
    Allow,
    AskBody,
    Deny,
    NotAForm,
    Option,
    PermissionAsk,
    PlanAsk,
    Question,
    QuestionAsk,
    form_of,
)
from mainloop_models.commands import Place, only_reads
from mainloop_models.runner import Policy


@dataclass(frozen=True)
class ToolCall:
    """A call that an agent wants to make. Our own tools go by their bare name."""

    id: str
    name: str
    input: dict[str, object] = field(default_factory=dict[str, object])
    ours: bool = False
    # The call that started the sub-agent which makes this one, and that sub-agent.
    parent_id: str | None = None
    subagent: str | None = None
    # The agent is planning: it may look, not touch.
    planning: bool = False


@dataclass(frozen=True)
class Ask:
    """Only the person can decide."""

    title: str
    body: AskBody


Verdict = Allow | Deny | Ask

READING = frozenset(
    {
        "Read",
        "NotebookRead",
        "Glob",
        "Grep",
        "LS",
        "ToolSearch",
        "WebSearch",
        "WebFetch",
        "TodoWrite",
        "TaskCreate",
        "TaskGet",
        "TaskList",
        "TaskUpdate",
        "TaskOutput",
        "TaskStop",
        "BashOutput",
        "KillShell",
        "KillBash",
        "Task",
        "Agent",
        "Skill",
        "EnterPlanMode",
        "ListMcpResourcesTool",
        "ReadMcpResourceTool",
    }
)
WRITING = {"Edit": "file_path", "MultiEdit": "file_path", "Write": "file_path", "NotebookEdit": "notebook_path"}
LOOKING = {"Read": "file_path", "NotebookRead": "notebook_path", "Glob": "path", "Grep": "path", "LS": "path"}

# What an adapter calls a form that its agent's protocol asks the person to fill in.
ELICITATION = "elicitation"

PLANNING = "You are planning: look around, then show the plan. Nothing is changed before the person approves it."


@dataclass(frozen=True)
class Rules:
    """What holds for one session."""

    workspace: Path
    agent_home: Path
    policy: Policy
    # False: the agent runs without a sandbox, so that looking outside its workspace is asked too.
    confined: bool = False
    # Our own tools, and how each is served.
    ours: Mapping[str, Literal["request", "ask"]] = field(default_factory=dict[str, Literal["request", "ask"]])

    def judge(self, call: ToolCall) -> Verdict:
        if call.ours:
            return self._ours(call)
        if call.name == "AskUserQuestion":
            return question(call)
        if call.name == "ExitPlanMode":
            return plan(call)
        if call.name == ELICITATION:
            return form(call)
        if call.name == "Bash":
            return self._command(call)
        if call.name in WRITING:
            return self._edit(call)
        if call.name in READING:
            return self._look(call)
        return self._ask(call, "The effect of this tool is not known to mainloop.")

    def _ours(self, call: ToolCall) -> Verdict:
        if call.name not in self.ours:
            return Deny(f"There is no tool {call.name} here.")
        if self.ours[call.name] != "ask":
            return Allow()
        return form(call) if "schema" in call.input else question(call)

    def _look(self, call: ToolCall) -> Verdict:
        path = call.input.get(LOOKING.get(call.name, ""))
        if self.confined or not isinstance(path, str) or not path or self._readable(path):
            return Allow()
        return self._ask(call, "Reads outside the session's workspace.")

    def _edit(self, call: ToolCall) -> Verdict:
        path = call.input.get(WRITING[call.name])
        if not isinstance(path, str) or not path:
            return Deny("The call names no file.")
        if self._plan_file(path):
            return Allow()
        if call.planning:
            return Deny(PLANNING)
        if not self._in_workspace(path):
            return self._ask(call, "Changes a file outside the session's workspace.")
        if self.policy.edits == "allow":
            return Allow()
        return self._ask(call, "Changes a file in the session's workspace.")

    def _command(self, call: ToolCall) -> Verdict:
        command = call.input.get("command")
        if not isinstance(command, str) or not command.strip():
            return Deny("The call has no command.")
        place = Place(self._in_workspace, None if self.confined else self._readable)
        reads = only_reads(command, place, writes=not call.planning and self.policy.edits == "allow")
        unsandboxed = bool(call.input.get("dangerouslyDisableSandbox"))
        if reads and not unsandboxed:
            return Allow()
        if call.planning:
            return Deny(PLANNING)
        if self.policy.commands == "allow" and self.confined:
            return Allow()
        effect = "Runs a command in the session's workspace; it may use the network."
        if not self.confined:
            effect = "Runs a command on this computer, without a sandbox; it may reach files and the network."
        return self._ask(call, effect, command)

    def _ask(self, call: ToolCall, effect: str, command: str | None = None) -> Verdict:
        if call.planning and call.name != "Bash" and call.name not in LOOKING:
            return Deny(PLANNING)
        body = PermissionAsk(
            tool=call.name,
            input=call.input,
            command=command,
            effect=effect,
            subagent=call.subagent,
            workspace=str(self.workspace),
            path=self._path_inside(call),
        )
        return Ask(permission_title(call, command, str(self.workspace)), body)

    def _path_inside(self, call: ToolCall) -> str | None:
        """The file of the workspace that a call changes, behind every link."""
        path = call.input.get(WRITING.get(call.name, ""))
        if not isinstance(path, str) or not path or not self._in_workspace(path):
            return None
        inside = str((self.workspace / path).resolve().relative_to(self.workspace.resolve()))
        return None if ".git" in Path(inside).parts else inside

    def _in_workspace(self, path: str) -> bool:
        """Below the workspace as written and behind every link, and none of git's own files."""
        return ".git" not in Path(path).parts and _below(path, self.workspace, self.workspace)

    def _readable(self, path: str) -> bool:
        return _below(path, self.workspace, self.workspace) or _below(path, self.workspace, self.agent_home)

    def _plan_file(self, path: str) -> bool:
        return _below(path, self.workspace, self.agent_home / ".claude" / "plans")


def _below(path: str, start: Path, folder: Path) -> bool:
    """Is it below the folder, both as written and with every link of the way followed?"""
    if path.startswith("~") or "\0" in path:
        return False
    whole = start / path
    if ".." in whole.parts:
        return False
    try:
        real, inside = whole.resolve(), folder.resolve()
    except (OSError, RuntimeError):
        return False
    written = whole.is_relative_to(folder) or whole.is_relative_to(inside)
    return written and real.is_relative_to(inside)


def permission_title(call: ToolCall, command: str | None, workspace: str) -> str:
    if command is not None:
        return f"Run {' '.join(command.split())[:100]}"
    path = call.input.get(WRITING.get(call.name) or LOOKING.get(call.name, ""))
    if isinstance(path, str) and path:
        return f"{call.name} {relative(path, workspace)}"
    return f"Use {call.name}"


def question(call: ToolCall) -> Verdict:
    """The questions of a call, as Claude's AskUserQuestion and our `ask` give them."""
    given = call.input.get("questions")
    if not isinstance(given, list) or not given:
        return Deny("Ask one to four questions: a list `questions`, each with a text `question`.")
    questions: list[Question] = []
    for entry in cast("list[object]", given):
        if isinstance(entry, str):
            entry = {"question": entry}
        if not isinstance(entry, dict):
            return Deny("Each question is an object with a text `question`.")
        read = _question(cast("dict[str, object]", entry))
        if read is None:
            return Deny("Each question is an object with a text `question`.")
        questions.append(read)
    return Ask(questions[0].question, QuestionAsk(questions=questions))


def _question(entry: dict[str, object]) -> Question | None:
    def text(of: dict[str, object], *names: str) -> str:
        return next((v for n in names if isinstance(v := of.get(n), str)), "")

    if not text(entry, "question"):
        return None
    options: list[Option] = []
    given = entry.get("options")
    for option in cast("list[object]", given) if isinstance(given, list) else []:
        if isinstance(option, str):
            options.append(Option(label=option))
        elif isinstance(option, dict):
            known = cast("dict[str, object]", option)
            preview = text(known, "preview") or None
            options.append(Option(label=text(known, "label"), description=text(known, "description"), preview=preview))
    return Question(
        question=text(entry, "question"),
        header=text(entry, "header"),
        multi_select=bool(entry.get("multiSelect", entry.get("multi_select", False))),
        options=options,
    )


def plan(call: ToolCall) -> Verdict:
    text = call.input.get("plan")
    words = text if isinstance(text, str) else ""
    first = next((line.strip("# ").strip() for line in words.splitlines() if line.strip("# ").strip()), "")
    return Ask(first or "A plan to review", PlanAsk(plan=words))


def form(call: ToolCall) -> Verdict:
    """The form of a call: of our tool, or as a protocol words it."""
    try:
        body = form_of(call.input.get("message"), call.input.get("schema", call.input.get("requestedSchema")))
    except NotAForm as error:
        return Deny(str(error))
    return Ask(" ".join(body.message.split())[:200], body)
