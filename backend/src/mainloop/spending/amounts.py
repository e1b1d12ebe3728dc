"""Money and tokens, in words and out of what somebody typed."""

import math
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from mainloop.errors import BadInput
from mainloop.runs.store import MICROS
from mainloop.settings import FEWEST_TOKENS, MOST_TOKENS, MOST_USD

CENT: Final = MICROS // 100


def in_words(unit: str, amount: int) -> str:
    """An amount as a person reads it: $4.20, 12,000 tokens."""
    if unit == "tokens":
        return f"{amount:,} tokens"
    dollars = amount / MICROS
    return f"${dollars:,.2f}" if amount == 0 or amount >= CENT else f"${dollars:.6f}".rstrip("0")


def plain(unit: str, amount: int) -> float:
    """Dollars or tokens, as they are sent."""
    return amount / MICROS if unit == "usd" else float(amount)


def parse(unit: str, given: Any) -> int:
    """An amount as it is kept. Raises BadInput in words for whatever can't be one."""
    what = "dollars" if unit == "usd" else "tokens"
    try:
        if isinstance(given, bool) or not isinstance(given, (int, float, str)):
            raise ValueError
        number = Decimal(str(given).strip().lstrip("$").replace(",", ""))
    except (InvalidOperation, ValueError):
        raise BadInput(what=f"A ceiling is a number of {what}, or none. {str(given)[:60]!r} is neither.") from None
    if number.is_nan() or not math.isfinite(float(number)):
        raise BadInput(what=f"A ceiling is a number of {what}, or none.")
    if number <= 0:
        raise BadInput(what="A ceiling is more than nothing: at 0 no agent could begin. Stop the sessions instead.")
    if unit == "usd":
        if number > MOST_USD:
            raise BadInput(what=f"A ceiling is at most ${MOST_USD:,}; say none for no ceiling.")
        micros = int(number * MICROS)
        if micros < CENT:
            raise BadInput(what="A ceiling is at least one cent ($0.01).")
        return micros
    if number != number.to_integral_value() or not FEWEST_TOKENS <= number <= MOST_TOKENS:
        raise BadInput(
            what=f"A ceiling is a whole number of tokens from {FEWEST_TOKENS:,} to {MOST_TOKENS:,}, or none."
        )
    return int(number)
