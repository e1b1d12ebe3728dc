"""What the browser sends and sees of projects."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field


class AddProject(BaseModel):
    id: str | None = Field(default=None, min_length=8, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$")
    name: str | None = Field(default=None, max_length=100)
    # A path on the machine where mainloop runs, or an address git understands.
    source: str = Field(min_length=1, max_length=2000)


class ChangeProject(BaseModel):
    # Files that git ignores and that are kept all the same when a session is closed; patterns as of a .gitignore.
    keep_ignored: list[Annotated[str, Field(max_length=200)]] = Field(max_length=100)


class Project(BaseModel):
    id: str
    name: str
    source: str
    default_branch: str | None
    state: Literal["fetching", "ready", "failed"]
    error: str
    keep_ignored: list[str]
    created_at: datetime


class Projects(BaseModel):
    projects: list[Project]
