"""What the browser sees of a change."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from mainloop.forges.base import How

FileStatus = Literal["added", "changed", "deleted", "renamed"]
# `large` is a text, or something else, that is too long to be shown line by line.
FileKind = Literal["text", "picture", "binary", "large", "link", "submodule"]


class GiveReview(BaseModel):
    """The person's word on a commit. The same id again is the same word."""

    id: str = Field(min_length=8, max_length=64, pattern=r"^[A-Za-z0-9-]+$")
    verdict: Literal["approved", "sent_back"]
    # The commit that was looked at.
    commit: str = Field(max_length=64)
    # What goes to the agent, where it is sent back.
    text: str = Field(default="", max_length=100_000)


class GiveMerge(BaseModel):
    # Where both sides stood when they were looked at.
    commit: str = Field(max_length=64)
    base_commit: str = Field(max_length=64)
    # Without one: as the project's settings say.
    how: How | None = None
    # Although its tests have not passed.
    anyway: bool = False


class TakeOver(BaseModel):
    # The name it gets there; empty: its own.
    branch: str = Field(default="", max_length=200)


class CheckLog(BaseModel):
    """A piece of what the tests put out."""

    text: str
    # Where the next piece begins, in bytes.
    next: int
    # There will be no more.
    ended: bool


class ChangedFile(BaseModel):
    """A file that is not what it was."""

    # The same for the same path in every version of a change.
    id: str
    # What no text can hold is replaced in it.
    path: str
    # Of a renamed one.
    old_path: str | None
    status: FileStatus
    kind: FileKind
    # As git has them: 100644, 100755 (may be run), 120000 (a link), 160000 (a submodule).
    old_mode: str | None
    new_mode: str | None
    # Names of the contents; of a submodule its commits.
    old: str | None
    new: str | None
    # Lines; null for what has none.
    added: int | None
    removed: int | None
    # Bytes, of what has no lines.
    old_size: int | None = None
    new_size: int | None = None
    # Written by a program, by its name: a lock file, something minified.
    generated: bool


class ChangeCommit(BaseModel):
    id: str
    subject: str
    author: str
    at: datetime


class Diff(BaseModel):
    """What differs, file by file."""

    of: str
    # Names the two sides; a different text is a different change. Empty: there is nothing to compare yet.
    version: str
    # What lies in the workspace now is in it, committed or not.
    live: bool
    # Null where the asker has this version.
    files: list[ChangedFile] | None
    # Files that are not in the list.
    more: int = 0
    count: int = 0
    added: int = 0
    removed: int = 0
    # The session's commits as of its last turn, newest first.
    commits: list[ChangeCommit] = []
    # What its last turn left is still being collected: more commits may come.
    coming: bool = False
    # Sentences: what could not be read, and so is not in it.
    unread: list[str] = []


class Hunk(BaseModel):
    """Lines that stand together. A line's first sign says what became of it: ` `, `+` or `-`."""

    old_start: int
    new_start: int
    # What the lines stand in, such as the head of a function.
    heading: str
    lines: list[str]
    # By number of the line: what of it is another word, as places of its text in UTF-16.
    words: dict[int, list[tuple[int, int]]] = {}
    # By number of the line: how many signs of it are not here.
    cut: dict[int, int] = {}
    # Numbers of lines that end without a line break.
    unended: list[int] = []


class FileDiff(BaseModel):
    """The lines of one file."""

    id: str
    hunks: list[Hunk]
    # Lines that are not here.
    more: int = 0


class FileDiffs(BaseModel):
    files: list[FileDiff]
