"""The agent's list of steps, out of the tool that Claude Code and others write it with."""

from collections.abc import Mapping
from typing import Any, cast

from mainloop_models.events import TodoEntry


def todo_entries(given: Mapping[str, Any]) -> list[TodoEntry]:
    """The list of a TodoWrite call. What does not look like an entry is left out."""
    entries: list[TodoEntry] = []
    todos = given.get("todos")
    for entry in cast("list[object]", todos) if isinstance(todos, list) else []:
        if isinstance(entry, dict):
            known = cast("dict[str, Any]", entry)
            status = known.get("status")
            if status in ("pending", "in_progress", "completed"):
                entries.append(TodoEntry(text=str(known.get("content", "")), status=status))
    return entries
