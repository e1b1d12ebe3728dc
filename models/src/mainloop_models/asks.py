"""What only the person can decide, and how they answer."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from mainloop_models.base import Model


class Option(Model):
    """One choice of a question."""

    label: str
    description: str = ""
    preview: str | None = None


class Question(Model):
    """One question; its text is also the key of its answer."""

    question: str
    header: str = ""
    multi_select: bool = False
    options: list[Option] = []


class QuestionAsk(Model):
    """One to four questions, answered together."""

    kind: Literal["question"] = "question"
    questions: list[Question]


class PlanAsk(Model):
    """A plan to approve, send back or refuse. `plan` is Markdown."""

    kind: Literal["plan"] = "plan"
    plan: str


class PermissionAsk(Model):
    """A tool call that waits for a yes.

    `command` is the exact shell command where there is one; `input` is the call's whole input, always shown:
    what is approved is what runs.
    """

    kind: Literal["permission"] = "permission"
    tool: str
    input: dict[str, object]
    command: str | None = None
    # What the call does, in words.
    effect: str = ""
    # Set when a sub-agent of the session makes the call.
    subagent: str | None = None
    # The folder the session works in, as its agent sees it, and the file that is changed as seen from there, where it
    # lies below it behind every link.
    workspace: str = ""
    path: str | None = None


AskBody = Annotated[QuestionAsk | PlanAsk | PermissionAsk, Field(discriminator="kind")]


class Decision(StrEnum):
    """What the person can say to an ask or another item of the inbox."""

    ALLOW = "allow"
    DENY = "deny"
    APPROVE = "approve"
    REVISE = "revise"
    ANSWER = "answer"
    DISMISS = "dismiss"
    RETRY = "retry"
    # Of a ceiling that was reached: a little more this once, another ceiling from now on, or no further.
    RAISE_ONCE = "raise_once"
    RAISE = "raise"
    STOP = "stop"


class Evidence(Model):
    """The person's own message in the main thread that an answer rests on, and its sentences that say so."""

    message_id: str
    words: str


class Answer(Model):
    """The one answer of an ask."""

    decision: Decision
    # Per question its text, or the labels that were chosen.
    answers: dict[str, str | list[str]] = {}
    # Free words: a reason for a refusal, a comment on a plan, an answer in the person's own words.
    text: str = ""
    # The pattern of the standing permission that was given with it.
    always: str = ""
    # Where it was given by words in the main thread.
    said: Evidence | None = None
