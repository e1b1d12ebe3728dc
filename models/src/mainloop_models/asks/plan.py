"""A plan to review."""

from collections.abc import Mapping
from typing import Literal

from mainloop_models.asks.base import Allow, Answer, Ask, Decision, Deny, refusal


class PlanAsk(Ask):
    """A plan to approve, send back or refuse. `plan` is Markdown."""

    kind: Literal["plan"] = "plan"
    noun = "A plan"
    urgency = 2
    decisions = frozenset({Decision.APPROVE, Decision.REVISE, Decision.DENY})
    by_words = decisions
    plan: str

    def outcome(self, answer: Answer, given: Mapping[str, object], *, ours: bool) -> Allow | Deny:
        if answer.decision in (Decision.APPROVE, Decision.ALLOW):
            return Allow()
        if answer.decision is Decision.REVISE:
            return Deny(f"The person wants the plan changed: {answer.text}" if answer.text else "Change the plan.")
        return Deny(refusal("The person does not want this plan", answer.text))

    def shown(self) -> dict[str, object]:
        return {"plan": self.plan}

    def text(self) -> str:
        return self.plan
