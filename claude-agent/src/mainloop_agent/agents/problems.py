"""What went wrong with an agent's model, in words for the person: what happened, and what to do."""

from mainloop_models.events import AgentError

SIGN_IN = (
    "Put a key into the environment of mainloop (ANTHROPIC_API_KEY, a cloud provider's variables, or your own sign-in "
    "by `make setup-claude-creds`), restart it, then try again."
)


def api_problem(status: int | None, text: str) -> AgentError:
    """The problem behind an answer of the model's service. `text` is what it said itself."""
    lower = text.lower()
    if "prompt is too long" in lower or "prompt_too_long" in lower:
        return AgentError(
            code="prompt_too_long",
            message="The conversation has become longer than the model can read.",
            hint="Start a new session with what matters, or ask for less at a time.",
        )
    if status in (401, 403) or "authentication" in lower or "not logged in" in lower or "/login" in lower:
        return AgentError(code="authentication", message=f"The key was refused: {tidy(text)}", hint=SIGN_IN)
    if status == 429 or "rate limit" in lower or "usage limit" in lower:
        return AgentError(
            code="rate_limit",
            message=f"The model's service allows no more requests for now: {tidy(text)}",
            hint="Wait until the limit resets, then try again.",
        )
    if status in (503, 529) or "overloaded" in lower:
        return AgentError(
            code="overloaded",
            message="The model's service is overloaded.",
            hint="Try again in a few minutes.",
        )
    if status is None and any(
        w in lower for w in ("connect", "network", "timed out", "timeout", "enotfound", "fetch failed")
    ):
        return AgentError(
            code="network",
            message=f"The model's service can't be reached: {tidy(text)}",
            hint="Check the network and the address of the service, then try again.",
        )
    return AgentError(
        code="other",
        message=f"The model's service answered with an error: {tidy(text)}",
        hint="Try again; if it stays, look at the log of the run.",
    )


def tidy(text: str) -> str:
    """One line without the service's wrapping, short enough to read."""
    line = " ".join(text.removeprefix("API Error:").split())
    return line if len(line) <= 300 else f"{line[:299]}…"
