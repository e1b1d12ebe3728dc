"""What every kind of ask has: its answers, whether one fits, what one means for the call that asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final

from mainloop_models.base import Model

# Characters of what was asked, where a sentence names it.
LONGEST_NAME: Final = 500


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
    # Of a session that waits for another one which will not be merged: without it, or not at all (`stop`).
    BEGIN = "begin"
    STOP = "stop"


class Evidence(Model):
    """The person's own message in the main thread that an answer rests on, and its sentences that say so."""

    message_id: str
    words: str


# What a field of a form takes.
Value = str | bool | int | float | list[str]


class Answer(Model):
    """The one answer of an ask."""

    decision: Decision
    # Per question its text, or the labels that were chosen.
    answers: dict[str, str | list[str]] = {}
    # Per field of a form what was filled in.
    values: dict[str, Value] = {}
    # Free words: a reason for a refusal, a comment on a plan, an answer in the person's own words.
    text: str = ""
    # Of a ceiling: how much more, or the new ceiling, as it was shown to whoever agreed.
    amount: float | None = None
    # The pattern of the standing permission that was given with it.
    always: str = ""
    # Where it was given by words in the main thread.
    said: Evidence | None = None

    def filled(self) -> list[str]:
        """What was answered and filled in, a line each."""
        return [f"{name}: {spoken(value)}" for name, value in {**self.answers, **self.values}.items()]


def spoken(value: Value) -> str:
    """A value as one says it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list) else str(value)


@dataclass(frozen=True)
class Allow:
    """Run it; with this input, where the person's answer is part of it."""

    input: dict[str, object] | None = None
    # What a tool of ours that asks gives back.
    answer: str | None = None


@dataclass(frozen=True)
class Deny:
    reason: str


class Ask(Model):
    """Something only the person can decide. All that is particular to a kind of ask stands in its own file."""

    # How a sentence about it begins.
    noun: ClassVar[str] = "An ask"
    # The smaller, the more urgent.
    urgency: ClassVar[int] = 9
    decisions: ClassVar[frozenset[Decision]] = frozenset({Decision.DISMISS})
    # Which of them the main thread's agent may carry over from the person's words.
    by_words: ClassVar[frozenset[Decision]] = frozenset()

    def misfit(self, answer: Answer) -> str | None:
        """Why an answer does not fit, in a sentence; None where it does."""
        if answer.decision not in self.decisions:
            return f"{self.noun} is answered with one of: {', '.join(sorted(d.value for d in self.decisions))}."
        if answer.answers:
            return "Only a question that is answered takes answers to questions."
        if answer.values:
            return "Only a form that is answered takes values of fields."
        if answer.amount is not None:
            return "Only a ceiling takes an amount."
        return None

    def outcome(self, answer: Answer, given: Mapping[str, object], *, ours: bool) -> Allow | Deny:
        """What an answer means for the call with this input. `ours`: a tool of ours asked, its answer is told as text."""
        return Deny(refusal("The person chose not to answer; go on as you think best", answer.text))

    def shown(self) -> dict[str, object]:
        """What the main thread's agent reads of it, by name."""
        return {}

    def text(self) -> str:
        """What the person reads of it beside its title, and may look for later."""
        return ""


def refusal(what: str, reason: str) -> str:
    return f"{what}: {reason}" if reason else f"{what}."
