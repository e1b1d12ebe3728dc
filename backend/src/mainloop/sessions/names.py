"""What a session is recognised by, for life: a handle (text), a hue (colour) and a creature (shape)."""

import re
import unicodedata
from typing import Final

HUES: Final = 8
# The shapes the page can draw (`packages/ui/src/creatures.json`), in the order of the hues.
CREATURES: Final = ("crab", "ghost", "cat", "fish", "shroom", "bird", "rocket", "squid")
LONGEST_HANDLE: Final = 24
_FILLERS: Final = frozenset(
    [
        "a",
        "an",
        "and",
        "the",
        "of",
        "for",
        "in",
        "on",
        "to",
        "with",
        "about",
        "please",
        "into",
        "from",
        "research",
        "find",
        "out",
    ]
)


def handle_for(title: str, taken: set[str]) -> str:
    """A short name made of the title's telling words, unlike any in `taken`."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", plain)
    telling = [w for w in words if w not in _FILLERS] or words
    handle = ""
    for word in telling[:4]:
        longer = f"{handle}-{word}" if handle else word[:LONGEST_HANDLE]
        if len(longer) > LONGEST_HANDLE:
            break
        handle = longer
    handle = handle or "session"
    number, candidate = 1, handle
    while candidate in taken:
        number += 1
        candidate = f"{handle}-{number}"
    return candidate


def looks_for(taken: list[int]) -> tuple[int, str]:
    """The least used hue, lowest first, and a creature: the ninth session shares a hue, not a creature."""
    used = {hue: taken.count(hue) for hue in range(1, HUES + 1)}
    hue = min(used, key=lambda h: (used[h], h))
    return hue, CREATURES[(hue - 1 + used[hue]) % len(CREATURES)]
