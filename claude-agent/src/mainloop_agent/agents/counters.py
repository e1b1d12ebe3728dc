"""What Claude's program says it has used: whole figures by model, that run on over a resume."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from mainloop_agent.agents.base import Host
from mainloop_agent.spending import less
from mainloop_models.events import ContextUse, ModelUsage

log = logging.getLogger(__name__)


class Counters:
    """Those of one life of the program. `ask` puts a question to it; None: there is no program to ask."""

    def __init__(
        self,
        host: Host,
        environment: Mapping[str, str],
        ask: Callable[[dict[str, Any]], Awaitable[dict[str, Any]] | None],
        *,
        resumed: bool,
    ) -> None:
        self._host = host
        self._environment = environment
        self._ask = ask
        # As they were when this life began. They run on over a resume, from where the last life that ended in peace
        # has left them: what one that was killed had used since is not in them.
        self._before: dict[str, ModelUsage] | None = None if resumed else {}
        self._counting: asyncio.Task[None] | None = None
        self._again = False
        self._context = ContextUse(tokens=0)
        self._model = ""

    @property
    def _on_plan(self) -> bool:
        """Whether it works on somebody's subscription: a sign-in that nothing else has precedence over."""
        others = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX")
        given = self._environment
        return bool(given.get("CLAUDE_CODE_OAUTH_TOKEN")) and not any(given.get(name) for name in others)

    def count_soon(self) -> None:
        """They have changed. One question at a time is enough: they are whole figures."""
        self._again = True
        if self._counting is None or self._counting.done():
            self._counting = asyncio.create_task(self._keep_counting())

    def close(self) -> None:
        """Nobody is asked any more."""
        if self._counting is not None:
            self._counting.cancel()

    async def _keep_counting(self) -> None:
        while self._again:
            self._again = False
            await self.count()

    async def count(self) -> None:
        """Asks the program for them."""
        answer = self._ask({"subtype": "get_usage", "skip_behaviors": True})
        if answer is None:
            return
        try:
            told = await answer
        except Exception as error:  # it has ended, or is too busy: the end of the turn has the figures, too
            log.info("the agent did not say what it has used: %s", error)
            return
        self.note(cast("dict[str, Any]", told.get("session") or {}).get("model_usage") or {})

    def note(self, models: Mapping[str, Any]) -> None:
        """The newest figures, as the program gives them."""
        counted = {name: usage_of(name, usage) for name, usage in models.items()}
        if self._before is None:
            self._before = counted
        for name, usage in models.items():
            if name == self._model:
                self._context = self._context.model_copy(update={"window": int(usage.get("contextWindow") or 0)})
        used = [less(usage, self._before.get(name)) for name, usage in counted.items()]
        self._host.spent(used, on_plan=self._on_plan, context=self._context if self._context.tokens else None)

    def answering(self, model: str, usage: Mapping[str, Any]) -> None:
        """A model has begun to answer, and says how much it was given to read."""
        names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
        held = sum(int(usage.get(name) or 0) for name in names)
        self._context = self._context.model_copy(update={"tokens": held})
        self._model = model


def usage_of(model: str, usage: Mapping[str, Any]) -> ModelUsage:
    """The program's counters of one model. A price that it had to guess is none."""
    known = usage.get("costBasis", "list") != "unknown"
    return ModelUsage(
        model=model,
        input_tokens=int(usage.get("inputTokens") or 0),
        output_tokens=int(usage.get("outputTokens") or 0),
        cache_read_tokens=int(usage.get("cacheReadInputTokens") or 0),
        cache_write_tokens=int(usage.get("cacheCreationInputTokens") or 0),
        cost_usd=float(usage.get("costUSD") or 0) if known else None,
    )
