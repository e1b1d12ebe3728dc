"""What the browser sees of usage and ceilings, and what it sets."""

from typing import Any, Literal

from pydantic import BaseModel

Scope = Literal["turn", "session", "project", "day"]
Unit = Literal["usd", "tokens"]


class Sum(BaseModel):
    """Tokens by what they are charged as, and money."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    # All of them together.
    tokens: int = 0
    # US dollars as the agents reckon them; None where no price is known for any of it.
    cost_usd: float | None = None
    # Tokens whose price is not known: the money is without them.
    unpriced_tokens: int = 0
    # The part of the money that is what the API would charge, of agents on a subscription.
    plan_usd: float = 0


class DaySum(Sum):
    # As 2026-11-28, in the person's time zone.
    day: str


class ModelSum(Sum):
    # Empty: not known any more.
    model: str


class SessionSum(Sum):
    # `main` for the main thread.
    id: str
    title: str
    handle: str
    hue: int
    project_id: str | None
    state: str


class ProjectSum(Sum):
    # None: work without a project, the main thread's included.
    id: str | None
    name: str


class UsageReport(BaseModel):
    """What was used from a day to a day. Lists are the dearest first, days in their order."""

    time_zone: str
    today: str
    first: str
    last: str
    total: Sum
    days: list[DaySum]
    models: list[ModelSum]
    sessions: list[SessionSum]
    projects: list[ProjectSum]


class Ceiling(BaseModel):
    """A bound on what is used in a turn, by a session, in a project, on a day. Amounts are dollars or tokens."""

    scope: Scope
    unit: Unit
    # None: no ceiling.
    amount: float | None
    # What was added to it once.
    raised: float = 0
    # Who says so.
    source: Literal["settings", "installation", "project", "session"]
    # What was used of it so far, where it is somebody's own: the day's, the project's, the session's.
    spent: float | None = None


class CeilingList(BaseModel):
    ceilings: list[Ceiling]


class SetCeiling(BaseModel):
    scope: Scope
    unit: Unit
    # Dollars or tokens; `none`: no ceiling; null: what holds without a value of its own.
    amount: Any = None
    # Whose: of one session or of one project; neither: of the whole installation.
    session: str | None = None
    project: str | None = None
