"""Claude's record of a conversation: where it lies, where it ends, and which messages it holds.

It lies in a folder named after the folder that Claude works in, and follows when that moves. Its rows are a tree: each
names the one before it. The program goes on from the row that the record's last pointer names (`last-prompt`), which is
written only by a process that ends in order.
"""

import json
import logging
import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
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
    name = _folder_of(workspace)
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


def take_over(theirs: Path, ours: Path, workspace: Path, conversation: str, last: set[str], later: set[str]) -> bool:
    """Our record begins as theirs was, up to the end of the turn of the messages `last`; without what came `later`.

    Answers whether it does. Where theirs doesn't show where that was, nothing is taken over.
    """
    folder = ours / "projects" / _folder_of(workspace)
    for theirs_is in _records(theirs, conversation):
        # Their agent may be at work: what is looked at is a copy that nobody changes.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        record = folder / f".{conversation}.theirs"
        if not _copied(theirs.parent, theirs_is.relative_to(theirs.parent), record):
            continue
        chain = _Tree.of(record).chain()
        mark, begun, ended = 0, False, False
        for end, row in _rows(record):
            names = {row.get("uuid"), _part(row, "attachment").get("source_uuid")}
            begun = begun or bool(names & last)
            ended = bool(names & later)
            if ended:
                break
            if row.get("type") in SAID and row.get("uuid") in chain:
                mark = end
        if not begun or (later and not ended):
            record.unlink()
            continue
        os.truncate(record, mark)
        record.rename(folder / f"{conversation}.jsonl")
        return True
    return False


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
    mark, said_since = 0, False
    for end, row in _rows(record):
        if call in _results(row):
            return False  # it ran
        if _waiting(row) == call:
            mark, said_since = end, False
        said_since = said_since or row.get("type") in SAID
    if mark and said_since:
        log.info("what stands in the record behind the call that waits is cut off")
        with record.open("rb") as whole:
            whole.seek(mark)
            _append(record.with_suffix(".cut"), whole.read())
        os.truncate(record, mark)
    return mark > 0


def _point_to_end(record: Path, conversation: str) -> None:
    tree = _Tree.of(record)
    if tree.leaf is None or tree.pointer is None or tree.pointer in tree.chain():
        return
    log.info("the record says that the conversation ended where it did not: it is told where")
    row = {"type": POINTER, "lastPrompt": "", "leafUuid": tree.leaf, "sessionId": conversation}
    with record.open("rb") as whole:
        whole.seek(-1, os.SEEK_END)
        torn = whole.read() != b"\n"  # its process was killed in the middle of a line
    _append(record, b"\n" * torn + json.dumps(row).encode() + b"\n")


def holds(config: Path, conversation: str, first: str, name: str, text: str) -> bool:
    """Whether the conversation holds a message that was handed into the turn of the message `first`.

    One that went in beside a tool's result stands there under its own name. Several that came while a text was being
    written stand there as one, without a name: they are known by their text.
    """
    begun = False
    for line in _conversation(config, conversation):
        names = (line.get("uuid"), _part(line, "attachment").get("source_uuid"))
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
        tree = _Tree.of(record)
        chain = tree.chain()
        for _, row in _rows(record):
            if row.get("uuid") not in chain:
                continue
            call = _waiting(row)
            if call and call not in tree.ran:
                break
            yield row


@dataclass
class _Tree:
    """How the rows of a record hang together."""

    parents: dict[str, str] = field(default_factory=dict[str, str])
    # The newest row of the agent's own, and the one that the last pointer names.
    leaf: str | None = None
    pointer: str | None = None
    # Calls that have a result.
    ran: set[str] = field(default_factory=set[str])

    @classmethod
    def of(cls, record: Path) -> "_Tree":
        tree = cls()
        for _, row in _rows(record):
            tree.ran.update(_results(row))
            name = row.get("uuid")
            if row.get("type") == POINTER:
                tree.pointer = row.get("leafUuid")
            elif isinstance(name, str) and not row.get("isSidechain"):
                # Behind a summary the row before it stands under another name.
                tree.parents[name] = str(row.get("parentUuid") or row.get("logicalParentUuid") or "")
                tree.leaf = name
        return tree

    def chain(self) -> set[str]:
        """The names of the rows from the first to the newest."""
        chain: set[str] = set()
        name = self.leaf
        while name and name not in chain:
            chain.add(name)
            name = self.parents.get(name)
        return chain


def _folder_of(workspace: Path) -> str:
    return re.sub(r"[^a-zA-Z0-9]", "-", os.path.realpath(workspace))


def _records(config: Path, conversation: str) -> Iterator[Path]:
    """Files of the agent's own home: where it has put a link or a pipe instead, we neither read nor write."""
    home = config.parent
    for record in (config / "projects").glob(f"*/{conversation}.jsonl"):
        if record.resolve() == home.resolve() / record.relative_to(home) and record.is_file():
            yield record


def _copied(home: Path, record: Path, copy: Path) -> bool:
    """A file below somebody's home as it is now; not where any part of the way to it is a link, or it is no file."""
    with ExitStack() as handles:

        def opened(path: Path, flags: int, below: int | None = None) -> int:
            handle = os.open(path, flags | os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=below)
            handles.callback(os.close, handle)
            return handle

        try:
            below = opened(home, os.O_DIRECTORY)
            for part in record.parts[:-1]:
                below = opened(Path(part), os.O_DIRECTORY, below)
            handle = opened(Path(record.name), 0, below)
        except OSError:
            return False
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return False
        copy.unlink(missing_ok=True)
        with open(handle, "rb", closefd=False) as theirs, copy.open("xb") as ours:
            copy.chmod(0o600)
            shutil.copyfileobj(theirs, ours)
            ours.flush()
            os.fsync(ours.fileno())
        return True


def _append(path: Path, data: bytes) -> None:
    """Raises OSError where a link was put there."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    with os.fdopen(file, "ab") as opened:
        opened.write(data)
        opened.flush()
        os.fsync(file)


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


def _part(row: dict[str, Any], name: str) -> dict[str, Any]:
    part: object = row.get(name)
    return cast("dict[str, Any]", part) if isinstance(part, dict) else {}


def _waiting(row: dict[str, Any]) -> str:
    """The call that this row says is put off."""
    attachment = _part(row, "attachment")
    return str(attachment.get("toolUseID", "")) if attachment.get("type") == DEFERRED else ""


def _results(row: dict[str, Any]) -> list[str]:
    """The calls whose results stand in this row."""
    content: object = _part(row, "message").get("content")
    if row.get("type") != "user" or not isinstance(content, list):
        return []
    blocks = [_part({"block": block}, "block") for block in cast("list[object]", content)]
    return [str(block.get("tool_use_id")) for block in blocks if block.get("type") == "tool_result"]


def _said(line: dict[str, Any]) -> str:
    content: object = _part(line, "message").get("content", "")
    if isinstance(content, str):
        return content
    blocks = cast("list[dict[str, Any]]", content)
    return "\n".join(str(block["text"]) for block in blocks if block.get("type") == "text")
