"""What the browser sends and sees of projects."""

import re
from datetime import datetime
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from mainloop.environment import project_may_set
from mainloop.forges.base import How, Reach

# Characters of a command, of a variable, and of what agents are told.
LONGEST = 10_000


class AddProject(BaseModel):
    id: str | None = Field(default=None, min_length=8, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$")
    name: str | None = Field(default=None, max_length=100)
    # A path on the machine where mainloop runs, or an address git understands.
    source: str = Field(min_length=1, max_length=2000)


def _text(text: str) -> str:
    if any(sign == "\0" or "\ud800" <= sign <= "\udfff" for sign in text):
        raise ValueError("it holds a sign that is no text")
    return text


def _one_line(text: str) -> str:
    _text(text)
    if any(ord(character) < 32 for character in text):
        raise ValueError("each is one line")
    return text


def _inside(text: str) -> str:
    path = PurePosixPath(_one_line(text))
    if path.is_absolute() or ".." in path.parts or not path.parts or path.parts[0] == ".git":
        raise ValueError(f"{text!r} is no path inside of the project, like config/local.env")
    return str(path)


def _variables(given: dict[str, str]) -> dict[str, str]:
    for name, value in given.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise ValueError(f"{name!r} is no name for a variable: letters, digits and _, no digit first")
        if not project_may_set(name):
            raise ValueError(f"{name} can't be set for a project: it says how the agent itself runs")
        if len(_text(value)) > LONGEST:
            raise ValueError(f"the value of {name} is longer than {LONGEST} characters")
    return given


Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200), AfterValidator(_one_line)]
Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=LONGEST), AfterValidator(_text)]
FilePath = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500), AfterValidator(_inside)]


class MergePolicy(BaseModel):
    """When a change of a session comes into the project's branch, how, and how far beyond mainloop."""

    how: How = "squash"
    # Where the project has a test command: not before its tests have passed.
    needs_green: bool = True
    # Not before the person has approved the very commit.
    needs_approval: bool = True
    # As soon as both hold; else when the person says so.
    by_itself: bool = True
    # What may be moved of the person's own repository: nothing; a branch that is checked out nowhere; a clean checkout too.
    reach: Reach = "never"
    # How often a conflict or a red check goes back to the agent before it is the person's.
    repairs: Annotated[int, Field(ge=0, le=20)] = 2


class ProjectSettings(BaseModel):
    """What holds for every session of a project; each has a value that changes nothing."""

    # The branch that sessions start from; none: the one that the project itself calls its default.
    branch: Line | None = None
    # A shell command that makes a new workspace fit to work in, run once in each, inside the sandbox.
    set_up: Words = ""
    # The shell command that has to end well for work to count as done.
    test: Words = ""
    # Variables of everything that runs in its workspaces. Agents can read them.
    environment: Annotated[dict[str, str], Field(max_length=100), AfterValidator(_variables)] = {}
    # Told to each of its agents.
    instructions: Words = ""
    # Files and folders of the person's checkout that git does not have and a new workspace gets.
    files: Annotated[list[FilePath], Field(max_length=100)] = []
    merge: MergePolicy = MergePolicy()


class ChangeProject(BaseModel):
    """What is left out stays as it is, in the settings too."""

    # Files that git ignores and that are kept all the same when a session is closed; patterns as of a .gitignore.
    keep_ignored: Annotated[list[Line], Field(max_length=100)] | None = None
    settings: ProjectSettings | None = None


class Project(BaseModel):
    id: str
    name: str
    source: str
    default_branch: str | None
    state: Literal["fetching", "ready", "failed"]
    error: str
    # How far a fetch is, in words, while one runs.
    progress: str
    keep_ignored: list[str]
    settings: ProjectSettings
    created_at: datetime


class Projects(BaseModel):
    projects: list[Project]


class Proposal(BaseModel):
    command: str
    # The file that speaks for it.
    because: str


class Found(BaseModel):
    """What a look into the project found that its settings could say."""

    branches: list[str]
    set_up: list[Proposal]
    test: list[Proposal]
