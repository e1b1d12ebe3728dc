"""Claude's record of a conversation: where it lies, where it ends, and which messages it holds.

It lies in a folder named after the folder that Claude works in, and follows when that moves. Its rows are a tree: each
names the one before it. The program goes on from the row that the record's last pointer names (`last-prompt`), which is
written only by a process that ends in order.
"""

import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

log = logging.getLogger(__name__)

# Above this the program shortens a name in a way of its own.
LONGEST = 200
# The kinds of rows that matter here: of what was said, of a call that waits, of where the conversation ends.
SAID = ("user", "assistant")
DEFERRED = "hook_deferred_tool"
POINTER = "last-prompt"


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


def mend(config: Path, conversation: str, deferred: str | None) -> bool:
    """Before a process takes up the record of one that may have been killed: it ends where the conversation ended.

    Behind the call `deferred` nothing may stand: a message that lay ready then went in after it, and has to be given
    again. What is cut off is kept beside the record. Elsewhere the pointer may name a branch that was left: then what
    was said since would be forgotten. Answers whether the record ends with that call.
    """
    stands = False
    for record in _records(config, conversation):
        if deferred is not None:
            stands = _cut_behind(record, deferred)
        _point_to_end(record, conversation)
    return stands


def _cut_behind(record: Path, call: str) -> bool:
    rows = list(_rows(record))
    marks = [i for i, (_, row) in enumerate(rows) if row.get("attachment", {}).get("toolUseID") == call]
    marks = [i for i in marks if rows[i][1]["attachment"].get("type") == DEFERRED]
    if not marks or any(call in _results(row) for _, row in rows):
        return False
    if any(row.get("type") in SAID for _, row in rows[marks[-1] + 1 :]):
        log.info("what stands in the record behind the call that waits is cut off")
        end, whole = rows[marks[-1]][0], record.read_bytes()
        with record.with_suffix(".cut").open("ab") as beside:
            beside.write(whole[end:])
            os.fsync(beside.fileno())
        os.truncate(record, end)
    return True


def _point_to_end(record: Path, conversation: str) -> None:
    parents, leaf, pointer = _tree(row for _, row in _rows(record))
    if leaf is None or pointer is None or pointer in _chain(parents, leaf):
        return
    log.info("the record says that the conversation ended where it did not: it is told where")
    row = {"type": POINTER, "lastPrompt": "", "leafUuid": leaf, "sessionId": conversation}
    torn = not record.read_bytes().endswith(b"\n")
    with record.open("ab") as file:
        file.write(b"\n" * torn + json.dumps(row).encode() + b"\n")


def holds(config: Path, conversation: str, first: str, name: str, text: str) -> bool:
    """Whether the conversation holds a message that was handed into the turn of the message `first`.

    One that went in beside a tool's result stands there under its own name. Several that came while a text was being
    written stand there as one, without a name: they are known by their text.
    """
    begun = False
    for line in _conversation(config, conversation):
        names = (line.get("uuid"), line.get("attachment", {}).get("source_uuid"))
        begun = begun or first in names
        if not begun:
            continue
        if name in names:
            return True
        if line.get("type") == "user" and text in (said := _said(line)) and text != said:
            return True
    return False


def _conversation(config: Path, conversation: str) -> Iterator[dict[str, Any]]:
    """The rows that the program goes on from: not those of a branch that was left, or behind a call that never ran."""
    for record in _records(config, conversation):
        parents, leaf, _ = _tree(row for _, row in _rows(record))
        chain = _chain(parents, leaf)
        mine = [row for _, row in _rows(record) if row.get("uuid") in chain]
        ran = {call for row in mine for call in _results(row)}
        for row in mine:
            attachment = row.get("attachment", {})
            if attachment.get("type") == DEFERRED and attachment.get("toolUseID") not in ran:
                break
            yield row


def _records(config: Path, conversation: str) -> Iterator[Path]:
    return (config / "projects").glob(f"*/{conversation}.jsonl")


def _rows(record: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a record, each with the place where it ends (bytes)."""
    end = 0
    with record.open("rb") as lines:
        for line in lines:
            end += len(line)
            try:
                row = json.loads(line)
            except ValueError:
                # Its process was killed in the middle of it.
                continue
            if isinstance(row, dict):
                yield end, cast("dict[str, Any]", row)


def _tree(rows: Iterator[dict[str, Any]]) -> tuple[dict[str, str], str | None, str | None]:
    """Which row follows which, the newest of the agent's own, and the one that the last pointer names."""
    parents: dict[str, str] = {}
    leaf = pointer = None
    for row in rows:
        if row.get("type") == POINTER:
            pointer = row.get("leafUuid")
        elif (name := row.get("uuid")) and not row.get("isSidechain"):
            # Behind a summary the row before it stands under another name.
            parents[name] = row.get("parentUuid") or row.get("logicalParentUuid") or ""
            leaf = name
    return parents, leaf, pointer


def _chain(parents: Mapping[str, str], leaf: str | None) -> set[str]:
    chain: set[str] = set()
    while leaf and leaf not in chain:
        chain.add(leaf)
        leaf = parents.get(leaf)
    return chain


def _results(row: dict[str, Any]) -> list[str]:
    """The calls whose results stand in this row."""
    content: object = row.get("message", {}).get("content") if row.get("type") == "user" else None
    if not isinstance(content, list):
        return []
    blocks = cast("list[dict[str, Any]]", content)
    return [str(block.get("tool_use_id")) for block in blocks if block.get("type") == "tool_result"]


def _said(line: dict[str, Any]) -> str:
    content: object = line.get("message", {}).get("content", "")
    if isinstance(content, str):
        return content
    blocks = cast("list[dict[str, Any]]", content)
    return "\n".join(str(block["text"]) for block in blocks if block.get("type") == "text")
