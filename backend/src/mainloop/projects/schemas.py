"""What the browser sends and sees of projects."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field


class AddProject(BaseModel):
    id: str | None = Field(default=None, min_length=8, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$")
    name: str | None = Field(default=None, max_length=100)
    # A path on the machine where mainloop runs, or an address git understands.
    source: str = Field(min_length=1, max_length=2000)


class Project(BaseModel):
    id: str
    name: str
    source: str
    default_branch: str | None
    state: Literal["fetching", "ready", "failed"]
    error: str
    created_at: datetime


class Projects(BaseModel):
    projects: list[Project]
