"""Questions with options."""

from collections.abc import Mapping
from typing import Literal

from mainloop_models.asks.base import LONGEST_NAME, Allow, Answer, Ask, Decision, Deny, refusal, spoken
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


class QuestionAsk(Ask):
    """One to four questions, answered together."""

    kind: Literal["question"] = "question"
    noun = "A question"
    urgency = 1
    decisions = frozenset({Decision.ANSWER, Decision.DISMISS})
    by_words = decisions
    questions: list[Question]

    def misfit(self, answer: Answer) -> str | None:
        if answer.decision is not Decision.ANSWER:
            return super().misfit(answer)
        if wrong := super().misfit(answer.model_copy(update={"answers": {}})):
            return wrong
        asked = {q.question: q for q in self.questions}
        for name, given in answer.answers.items():
            if name not in asked:
                return f"This was not asked: {name[:LONGEST_NAME]}"
            if isinstance(given, list) and len(given) > 1 and not asked[name].multi_select:
                return f"Only one answer fits here: {name[:LONGEST_NAME]}"
        missing = [q for q in asked if not answer.answers.get(q)]
        if missing and not answer.text.strip():
            return f"Not answered yet: {missing[0][:LONGEST_NAME]}"
        return None

    def outcome(self, answer: Answer, given: Mapping[str, object], *, ours: bool) -> Allow | Deny:
        if answer.decision in (Decision.DISMISS, Decision.DENY):
            return Deny(refusal("The person chose not to answer; go on as you think best", answer.text))
        chosen = {name: spoken(a) for name, a in answer.answers.items()}
        if not chosen and answer.text:
            # Free words answer everything that was asked.
            chosen = {q.question: answer.text for q in self.questions}
        elif answer.text:
            chosen[next(iter(chosen))] += f" ({answer.text})"
        if ours:
            return Allow(answer="\n".join(f"{q}\n{a}" for q, a in chosen.items()))
        return Allow(input={**given, "answers": dict(chosen)})

    def shown(self) -> dict[str, object]:
        return {
            "questions": [{"question": q.question, "options": [o.label for o in q.options]} for q in self.questions]
        }

    def text(self) -> str:
        options = ([f"{o.label} {o.description}" for o in q.options] for q in self.questions)
        return "\n".join(
            line for q, lines in zip(self.questions, options, strict=True) for line in (q.question, *lines)
        )
