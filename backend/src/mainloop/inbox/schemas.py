"""What the browser sends to answer."""

from datetime import datetime
from typing import Final, Literal

from pydantic import BaseModel, Field, field_validator

from mainloop_models.asks import Decision, Value, spoken
from mainloop_models.events import ItemBody

# Characters of all that one answer says.
LONGEST: Final = 20_000


class Item(ItemBody):
    """Something that waits for the person, or did."""

    @classmethod
    def of(cls, body: ItemBody) -> "Item":
        """An item as it is sent. It has been read from its row already, which is not done twice for hundreds of them."""
        return cls.model_construct(**dict(body))


class GiveAnswer(BaseModel):
    # Chosen by the client: the same id again is the same answer.
    id: str = Field(min_length=8, max_length=64)
    decision: Decision
    # Per question its text, or the labels that were chosen.
    answers: dict[str, str | list[str]] = {}
    # Per field of a form what was filled in.
    values: dict[str, Value] = {}
    # Of a ceiling that is raised: the amount that was shown. Where it has changed since, nothing is raised.
    amount: float | None = Field(default=None, allow_inf_nan=False)
    text: str = Field(default="", max_length=LONGEST)
    # Of a permission that is allowed: for this once, or standing from now on, for what the pattern says. Several patterns, a
    # line each, where a command runs several programs.
    scope: Literal["once", "session", "project"] = "once"
    pattern: str = Field(default="", max_length=20_000)
    # Without one: 30 days from now. At most a year.
    expires_at: datetime | None = None

    @field_validator("answers", "values")
    @classmethod
    def _short(cls, given: dict[str, Value]) -> dict[str, Value]:
        """All of it stands in one event, so there is a bound to it."""
        size = sum(len(spoken(value)) for value in given.values())
        if size > LONGEST:
            raise ValueError(f"An answer has {LONGEST} characters at most, this one has {size}")
        return given


class GiveAnswerTo(GiveAnswer):
    item: str


class GiveAnswers(BaseModel):
    answers: list[GiveAnswerTo] = Field(min_length=1, max_length=200)


class Snooze(BaseModel):
    # Without one: until the person is back after having been away.
    until: datetime | None = None


class AnswerResult(BaseModel):
    item: str
    # HTTP status this answer alone would have got.
    status: int
    code: str = ""
    detail: str = ""


class AnswerResults(BaseModel):
    results: list[AnswerResult]


class Inbox(BaseModel):
    items: list[Item]
