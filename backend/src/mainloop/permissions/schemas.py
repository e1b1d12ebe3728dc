"""What the browser sends and sees of standing permissions."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

Scope = Literal["session", "project"]


class Wish(BaseModel):
    """A standing permission as it would be given by hand."""

    tool: str = Field(default="Bash", max_length=160)
    pattern: str = Field(max_length=20_000)
    scope: Scope = "project"
    # Id of the session, or id or name of the project: the one that the scope names.
    session: str | None = Field(default=None, max_length=64)
    project: str | None = Field(default=None, max_length=128)


class GivePermission(Wish):
    # Without one: 30 days from now. At most a year.
    expires_at: datetime | None = None


class Past(BaseModel):
    """Something that was asked before and that a pattern covers."""

    text: str
    # How it was decided last; None where it closed itself.
    decision: Literal["allow", "deny"] | None
    times: int
    at: datetime


class Preview(BaseModel):
    """What a pattern would have answered in the past."""

    tool: str
    # As it would be stored; a line each where several are given together.
    pattern: str
    # Newest first; `more`: how many different ones are not listed.
    past: list[Past]
    more: int
    # What waits right now and is answered with it.
    waiting: list[str]


class Offer(BaseModel):
    """What could be given with the answer of an ask."""

    # The usual one first.
    patterns: list[Preview]
    scopes: list[Scope]
    expires_at: datetime


class Permission(BaseModel):
    """A standing permission."""

    id: str
    tool: str
    pattern: str
    scope: Scope
    session_id: str | None
    # The session's handle, the project's name.
    session: str | None
    project_id: str | None
    project: str | None
    # False: it also answers agents that run without a sandbox.
    confined: bool
    # The ask it was given with, if any, and the device.
    item_id: str | None
    given_by: str
    created_at: datetime
    expires_at: datetime
    used: int
    used_at: datetime | None
    used_for: str
    revoked_at: datetime | None
    state: Literal["active", "expired", "revoked"]


class Permissions(BaseModel):
    permissions: list[Permission]
