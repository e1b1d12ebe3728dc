"""An ask as it may stand in an event: long texts are cut, and the whole of it is a blob that the page shows instead."""

import json
from typing import Any, Final, cast

from mainloop.events.unit import fits

# Characters of one text and entries of one list, tried in this order until the ask fits.
CUTS: Final = ((4000, 100), (500, 20), (100, 5))


def as_text(ask: dict[str, Any]) -> str:
    """The whole of an ask, the same text each time."""
    return json.dumps(ask, ensure_ascii=False)


def shortened(ask: dict[str, Any]) -> dict[str, Any]:
    """An ask of the same kind that fits into an event."""
    for characters, entries in CUTS:
        short = _cut(ask, characters, entries)
        if fits(as_text(short)):
            return short
    return {**_cut(ask, 100, 5), "input": {}}


def _cut(value: Any, characters: int, entries: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= characters else f"{value[:characters]}…"
    if isinstance(value, list):
        return [_cut(one, characters, entries) for one in cast("list[Any]", value)[:entries]]
    if isinstance(value, dict):
        some = list(cast("dict[str, Any]", value).items())[:entries]
        return {key[:characters]: _cut(one, characters, entries) for key, one in some}
    return value
