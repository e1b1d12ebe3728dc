"""What the browser and the main agent say and see of schedules."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field, StringConstraints, model_validator

Instruction = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]


class AddSchedule(BaseModel):
    """Exactly one of `at`, `in_minutes` and `cron`."""

    instruction: Instruction = Field(description="What to do then, as the person said it")
    at: datetime | None = Field(
        default=None, description="Once, as 2026-11-30T08:00; without a zone by the person's own clock"
    )
    in_minutes: float | None = Field(default=None, gt=0, le=366 * 24 * 60, description="Once, so many minutes from now")
    cron: str | None = Field(
        default=None,
        max_length=100,
        description="Again and again by the person's own clock: 0 8 * * * is eight each day",
    )

    @model_validator(mode="after")
    def _one_time(self) -> Self:
        if sum(given is not None for given in (self.at, self.in_minutes, self.cron)) != 1:
            raise ValueError("say when by exactly one of at, in_minutes and cron")
        return self


class Schedule(BaseModel):
    id: str
    instruction: str
    # A rule with five fields; null: once.
    cron: str | None
    next_at: datetime | None
    last_at: datetime | None
    created_at: datetime


class Schedules(BaseModel):
    """`time_zone`: by whose clock rules and times without a zone are read."""

    schedules: list[Schedule]
    time_zone: str


class CancelSchedule(BaseModel):
    id: str = Field(description="Id of the schedule")


class ListSchedules(BaseModel):
    pass
