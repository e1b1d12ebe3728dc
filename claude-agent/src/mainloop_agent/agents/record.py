"""Claude's record of a conversation: where it lies, and which messages it holds.

It lies in a folder named after the folder that Claude works in, and follows when that moves.
"""

import json
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

log = logging.getLogger(__name__)

# Above this the program shortens a name in a way of its own.
LONGEST = 200


def bring_record_along(config: Path, workspace: Path, conversation: str) -> None:
    """The record of `conversation` lies where the program looks for it when it works in `workspace`."""
    projects = config / "projects"
    name = re.sub(r"[^a-zA-Z0-9]", "-", os.path.realpath(workspace))
    if projects.is_symlink() or len(name) > LONGEST or (projects / name / f"{conversation}.jsonl").exists():
        return
    for record in projects.glob(f"*/{conversation}.jsonl"):
        if record.parent.is_symlink():
            continue
        log.info("the workspace has moved: the record of the conversation follows")
        if not (projects / name).exists():
            record.parent.rename(projects / name)
            return
        for part in (record, record.with_suffix("")):
            if part.exists():
                part.rename(projects / name / part.name)
        return


def holds(config: Path, conversation: str, first: str, name: str, text: str) -> bool:
    """Whether the record holds a message that was handed into the turn of the message `first`.

    One that went in beside a tool's result stands there under its own name. Several that came while a text was being
    written stand there as one, without a name: they are known by their text.
    """
    begun = False
    for line in _lines(config, conversation):
        names = (line.get("uuid"), line.get("attachment", {}).get("source_uuid"))
        begun = begun or first in names
        if not begun:
            continue
        if name in names:
            return True
        if line.get("type") == "user" and text in (said := _said(line)) and text != said:
            return True
    return False


def _lines(config: Path, conversation: str) -> Iterator[dict[str, Any]]:
    for record in (config / "projects").glob(f"*/{conversation}.jsonl"):
        with record.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                try:
                    yield json.loads(line)
                except ValueError:
                    # Its process was killed in the middle of it.
                    continue


def _said(line: dict[str, Any]) -> str:
    content: object = line.get("message", {}).get("content", "")
    if isinstance(content, str):
        return content
    blocks = cast("list[dict[str, Any]]", content)
    return "\n".join(str(block["text"]) for block in blocks if block.get("type") == "text")
