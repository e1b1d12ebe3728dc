"""What the browser sends and sees of sessions."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from mainloop_models.events import SessionBody


class Session(SessionBody):
    """A session, whole."""

    # How many get a place at work before it, where it waits for one.
    ahead: int | None = None


class RunnerOf(BaseModel):
    """One life of a session's runner."""

    number: int
    state: Literal["starting", "live", "ended"]
    # The build of the runner's program; empty until it has said so.
    version: str
    # The build of the agent's program; empty until it has answered once.
    agent_version: str
    host: str
    pid: int | None
    started_at: datetime
    ended_at: datetime | None
    # Why it ended, in a word.
    end: str


class RunnersOf(BaseModel):
    # The newest twenty, newest first.
    runs: list[RunnerOf]


class ProcessOf(BaseModel):
    """One process that lives for a session."""

    pid: int
    command: str
    started_at: datetime
    # Bytes of memory that are its own or shared.
    memory: int


class ProcessesOf(BaseModel):
    # The oldest first; null where the workspace can't tell.
    processes: list[ProcessOf] | None


# Sessions by their ids or handles.
Others = Annotated[list[Annotated[str, Field(min_length=1, max_length=64)]], Field(max_length=20)]


class StartSession(BaseModel):
    # Chosen by the client: the same id again is the same session.
    id: str = Field(min_length=8, max_length=64, pattern=r"^[A-Za-z0-9-]+$")
    prompt: str = Field(min_length=1)
    title: str | None = Field(default=None, max_length=20_000)
    # Id or name of a project; without one the session begins with an empty folder.
    project: str | None = None
    agent: str | None = None
    model: str | None = Field(default=None, max_length=120)
    workspace: str | None = None
    # The sessions that it begins after.
    after: Others | None = None


class GiveOrder(BaseModel):
    # Without any it begins.
    after: Others


class Reason(BaseModel):
    reason: str = Field(default="", max_length=2000)


class KeptWork(BaseModel):
    """The newest kept work of a session."""

    session_id: str
    handle: str
    title: str
    project: str | None
    branch: str | None
    number: int
    # `back`: its workspace is there again as well.
    state: Literal["kept", "back"]
    # Lines of the files that differ from the session's last commit.
    added: int
    removed: int
    # Sentences: what can't be brought back.
    left_out: list[str]
    at: datetime


class KeptSession(KeptWork):
    """Kept work in a list."""

    # How many files differ.
    files: int


class KeptList(BaseModel):
    kept: list[KeptSession]


class KeptFile(BaseModel):
    path: str
    status: Literal["added", "changed", "deleted"]
    # Lines; null for what is no text.
    added: int | None
    removed: int | None


class KeptFiles(KeptWork):
    """Kept work, file by file."""

    files: list[KeptFile]
    # Files that are not in the list.
    more: int


class KeptTurn(BaseModel):
    """A turn that has ended."""

    turn: int
    # What lay in the workspace then: it is just being kept, is kept, or could not be.
    state: Literal["keeping", "kept", "failed"]
    # Something of it is not as the turn before left it.
    files: bool
    # The next turn had begun when it was looked at: some of that may be in it.
    late: bool
    # Why it could not be kept.
    why: str
    # How the message began that it answered.
    text: str
    at: datetime


class TurnList(BaseModel):
    turns: list[KeptTurn]


class Overlap(BaseModel):
    """Another open session of the same project that changes the same files."""

    session_id: str
    handle: str
    title: str
    # At most 50 of them.
    paths: list[str]
    # Files that are not in the list.
    more: int


class OverlapList(BaseModel):
    overlaps: list[Overlap]


class BranchOff(BaseModel):
    # Chosen by the client: the same id again is the same session.
    id: str = Field(min_length=8, max_length=64, pattern=r"^[A-Za-z0-9-]+$")


class Sessions(BaseModel):
    sessions: list[Session]
