"""What the agent has used: its own counters, which run on over turns, cut into turns."""

from collections.abc import Sequence

from mainloop_models.events import ModelUsage, Usage
from mainloop_models.runner import Limit

TOKENS = tuple(Usage.model_fields)


class Counter:
    """One life of an agent. What it uses between two turns counts for the later one."""

    def __init__(self) -> None:
        # The counters now, and as they stood when the last turn ended, by model.
        self._now: dict[str, ModelUsage] = {}
        self._before: dict[str, ModelUsage] = {}
        self._reported: list[ModelUsage] = []

    def count(self, models: Sequence[ModelUsage]) -> list[ModelUsage]:
        """Takes the newest counters; the running turn's part of them where it has grown, else nothing."""
        self._now.update({usage.model: usage for usage in models})
        turn = self._turn()
        if turn == self._reported:
            return []
        self._reported = turn
        return turn

    def end_turn(self) -> ModelUsage:
        """The next turn begins at nothing; answers what this one used of all models together."""
        turn = self._turn()
        self._before, self._reported = dict(self._now), []
        return total(turn)

    def is_over(self, limit: Limit) -> bool:
        """Whether the running turn has used what it may."""
        turn = self._turn()
        dollars = sum(usage.cost_usd or 0 for usage in turn)
        tokens = sum(usage.tokens for usage in turn)
        return (limit.usd is not None and dollars >= limit.usd) or (limit.tokens is not None and tokens >= limit.tokens)

    def _turn(self) -> list[ModelUsage]:
        used = [less(usage, self._before.get(name)) for name, usage in self._now.items()]
        return [usage for usage in used if usage.tokens or usage.cost_usd]


def less(usage: ModelUsage, before: ModelUsage | None) -> ModelUsage:
    """What was used since. A price that was not known before does not make the part of it known."""
    if before is None:
        return usage
    tokens = {name: max(0, getattr(usage, name) - getattr(before, name)) for name in TOKENS}
    known = usage.cost_usd is not None and before.cost_usd is not None
    cost = max(0.0, (usage.cost_usd or 0) - (before.cost_usd or 0)) if known else None
    return ModelUsage(model=usage.model, cost_usd=cost, **tokens)


def total(models: Sequence[ModelUsage]) -> ModelUsage:
    """All models together; the price is known where each one's is."""
    tokens = {name: sum(getattr(usage, name) for usage in models) for name in TOKENS}
    costs = [usage.cost_usd for usage in models]
    known = bool(costs) and None not in costs
    return ModelUsage(model="", cost_usd=sum(cost or 0 for cost in costs) if known else None, **tokens)
