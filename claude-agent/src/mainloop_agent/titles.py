"""One line for a tool call, as the person reads it: "read ranking/score.py", "run pytest -q"."""

from collections.abc import Mapping
from pathlib import PurePosixPath

LONGEST = 120


def title_of(tool: str, given: Mapping[str, object], workspace: str) -> str:
    return _short(_words(tool, given, workspace))


def _words(tool: str, given: Mapping[str, object], workspace: str) -> str:
    def text(name: str) -> str:
        value = given.get(name)
        return value if isinstance(value, str) else ""

    def path(name: str) -> str:
        return relative(text(name), workspace)

    match tool:
        case "SetUp":
            return f"set-up {text('command')}"
        case "Bash":
            return f"run {text('command')}"
        case "Read" | "NotebookRead":
            return f"read {path('file_path') or path('notebook_path')}"
        case "Write":
            return f"write {path('file_path')}"
        case "Edit" | "MultiEdit":
            return f"edit {path('file_path')}"
        case "NotebookEdit":
            return f"edit {path('notebook_path')}"
        case "Glob":
            return f"find {text('pattern')}"
        case "Grep":
            where = path("path")
            return f"search '{text('pattern')}'" + (f" in {where}" if where else "")
        case "WebFetch":
            return f"fetch {text('url')}"
        case "WebSearch":
            return f"search the web for '{text('query')}'"
        case "Task" | "Agent":
            return f"start a sub-agent: {text('description')}"
        case "TodoWrite":
            return "update the list of steps"
        case "AskUserQuestion" | "ask":
            return "ask a question"
        case "elicitation" | "form":
            return "ask for a form"
        case "EnterPlanMode":
            return "begin a plan"
        case "ExitPlanMode":
            return "show the plan"
        case "ToolSearch":
            return f"look up tools for '{text('query')}'"
        case "spawn_session":
            return f"start session '{text('title')}'"
        case "message_session":
            return f"write to session {text('id')}"
        case "get_session":
            return f"look at session {text('id')}"
        case "control_session":
            return f"{text('action')} session {text('id')}"
        case "reply":
            return f"answer a comment: {text('text')}"
        case "report":
            return "report the result"
        case _:
            return tool.replace("mcp__", "").replace("_", " ")


def relative(path: str, workspace: str) -> str:
    """A path as seen from the workspace, unchanged where it lies outside."""
    pure = PurePosixPath(path)
    if path and pure.is_relative_to(workspace):
        return str(pure.relative_to(workspace))
    return path


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
