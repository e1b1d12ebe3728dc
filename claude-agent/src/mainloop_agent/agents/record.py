"""Claude's record of a conversation lies in a folder named after the folder it works in: it follows when that moves."""

import logging
import os
import re
from pathlib import Path

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
