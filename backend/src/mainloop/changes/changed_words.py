"""Which words of changed lines are others."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

_WORD: Final = re.compile(r"\w+|\s+|[^\w\s]")
# More than this many words in a block are not compared: it takes longer and says less.
_MOST: Final = 200
# Lines with less in common are other lines, not changed ones.
_ALIKE: Final = 0.4

# What the blocks of one request may cost together: about a second where all is at its worst.
_EFFORT: Final = 10_000_000
# What it costs to see whether a block is worth comparing.
_LOOK: Final = 2000

Places = list[tuple[int, int]]


@dataclass
class Effort:
    """What is left of it: each comparison takes its share, and one that would cost more isn't made."""

    left: int = _EFFORT


def changed_words(removed: list[str], added: list[str], effort: Effort) -> tuple[list[Places], list[Places]]:
    """By line of both sides, the places of what is on one side alone.

    Nothing where they have little in common, or where finding it costs more than what is left.
    """
    nothing: tuple[list[Places], list[Places]] = ([[] for _ in removed], [[] for _ in added])
    if not removed or not added or effort.left < _LOOK:
        return nothing
    effort.left -= _LOOK
    old, new = (_WORD.findall("\n".join(lines)) for lines in (removed, added))
    if not old or not new or len(old) + len(new) > _MOST:
        return nothing
    size = _length(old) + _length(new)
    counts, others = Counter(old), Counter(new)
    # As many as there can be in common, whatever their order; that is cheap, and finding the order is not.
    if 2 * _length((counts & others).elements()) < _ALIKE * size or size == 0:
        return nothing
    pairs = sum(count * others[word] for word, count in counts.items())
    cost = (pairs + len(old)) * min(len(old), len(new))
    if cost > effort.left:
        return nothing
    effort.left -= cost
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    common = sum(_length(old[a : a + n]) for a, _, n in matcher.get_matching_blocks())
    if 2 * common < _ALIKE * size:
        return nothing
    opcodes = [code for code in matcher.get_opcodes() if code[0] != "equal"]
    return (
        _places(removed, old, [(i, j) for _, i, j, _, _ in opcodes]),
        _places(added, new, [(i, j) for _, _, _, i, j in opcodes]),
    )


def _length(words: Iterable[str]) -> int:
    return sum(len(word) for word in words if not word.isspace())


def _places(lines: list[str], words: list[str], ranges: list[tuple[int, int]]) -> list[Places]:
    """Ranges of words as places in their lines."""
    changed = {number for start, end in ranges for number in range(start, end)}
    found: list[Places] = [[] for _ in lines]
    line = at = 0
    for number, word in enumerate(words):
        for part in re.split("(\n)", word):
            if part == "\n":
                line, at = line + 1, 0
                continue
            size = _utf16(part)
            if number in changed and part and line < len(found):
                _join(found[line], at, at + size)
            at += size
    # What begins a line is its depth, which is seen anyway.
    return [_without_depth(lines[number], places) for number, places in enumerate(found)]


def _join(places: Places, start: int, end: int) -> None:
    if places and places[-1][1] == start:
        places[-1] = (places[-1][0], end)
    else:
        places.append((start, end))


def _without_depth(line: str, places: Places) -> Places:
    depth = len(line) - len(line.lstrip(" \t"))
    return [(max(start, depth), end) for start, end in places if end > depth]


def _utf16(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2
