"""A tool call that waits for a yes."""

import json
from collections.abc import Mapping
from typing import Literal

from mainloop_models.asks.base import Allow, Answer, Ask, Decision, Deny, refusal


class PermissionAsk(Ask):
    """A tool call that waits for a yes.

    `command` is the exact shell command where there is one; `input` is the call's whole input, always shown:
    what is approved is what runs.
    """

    kind: Literal["permission"] = "permission"
    noun = "A permission"
    urgency = 0
    decisions = frozenset({Decision.ALLOW, Decision.DENY})
    by_words = decisions
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

    def outcome(self, answer: Answer, given: Mapping[str, object], *, ours: bool) -> Allow | Deny:
        if answer.decision in (Decision.ALLOW, Decision.APPROVE):
            return Allow()
        return Deny(refusal("The person refused this call", answer.text))

    def shown(self) -> dict[str, object]:
        if self.command:
            return {"command": self.command}
        return {"call": f"{self.tool} {json.dumps(self.input, ensure_ascii=False)}"}

    def text(self) -> str:
        return "\n".join(filter(None, (self.command or self.path, self.effect)))
