"""What a word is, to whoever searches: texts as words, what was typed as words to find, and the places that fit.

The databases get ready words, so that both find the same.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Final, NamedTuple

# Of a text. PostgreSQL counts places up to 16,383.
MOST_WORDS: Final = 16_000
# Of what is searched for.
MOST_WANTED: Final = 16
LONGEST_WORD: Final = 64
# Characters of a text around the first place that fits.
BEFORE: Final = 40
EXCERPT: Final = 180

# Signs of scripts without spaces, arrows, symbols and emoji: a word each.
_ALONE: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2190-\u2bff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U0001f000-\U0001fbff\U00020000-\U0003ffff"
)
_WORD: Final = re.compile(f"[{_ALONE}]|[^\\W_{_ALONE}]+")
_ACCENT: Final = re.compile("[\u0300-\u036f]")
_SPACE: Final = re.compile(r"\s")


def folded(text: str) -> str:
    """`text` without case, accents and other ways to write the same."""
    if text.isascii():
        return text.lower()
    return _ACCENT.sub("", unicodedata.normalize("NFKD", text).casefold())


def words_of(text: str, most: int = MOST_WORDS) -> list[str]:
    """The words of a text in order, as they are searched for."""
    return [word[:LONGEST_WORD] for word in islice(_WORD.findall(folded(text)), most)]


class _Word(NamedTuple):
    word: str
    start: int
    end: int


def _words(text: str, most: int) -> Iterator[_Word]:
    for found in islice(_WORD.finditer(text), most):
        yield _Word(found[0][:LONGEST_WORD], *found.span())


@dataclass(frozen=True)
class Wanted:
    """What was typed: each of `groups` has to be there, its words beside each other, the last one as a beginning."""

    groups: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, text: str) -> "Wanted":
        groups = list[tuple[str, ...]]()
        left = MOST_WANTED
        # No word that counts lies further back than this.
        for part in text[: 16 * 1024].split():
            if (group := tuple(words_of(part, left))) and group not in groups:
                groups.append(group)
                left -= len(group)
            if left == 0:
                break
        return cls(tuple(groups))

    def places(self, text: str) -> Iterator[tuple[int, int]]:
        """Where `text` fits, by its characters, in order."""
        flat, origins = _with_origins(text)
        words = list(_words(flat, MOST_WORDS))
        for at in range(len(words)):
            fits = (len(group) for group in self.groups if _begins(words, at, group))
            if count := max(fits, default=0):
                start, end = words[at].start, words[at + count - 1].end
                yield (origins[start], _with_accents(text, origins[end - 1] + 1)) if origins else (start, end)


def _begins(words: list[_Word], at: int, group: tuple[str, ...]) -> bool:
    *whole, last = group
    end = at + len(whole)
    if end >= len(words) or not words[end].word.startswith(last):
        return False
    return all(words[at + i].word == word for i, word in enumerate(whole))


def _with_accents(text: str, end: int) -> int:
    """Past the accents that were written as signs of their own."""
    while end < len(text) and _ACCENT.match(text[end]):
        end += 1
    return end


@lru_cache(4096)
def _folded_sign(sign: str) -> str:
    return folded(sign)


def _with_origins(text: str) -> tuple[str, list[int]]:
    """`text` folded, and which character each of it came from; nothing where they are the same."""
    if text.isascii():
        return text.lower(), []
    signs, origins = list[str](), list[int]()
    for at, sign in enumerate(text):
        made = _folded_sign(sign)
        signs.append(made)
        origins += [at] * len(made)
    return "".join(signs), origins


def excerpt(text: str, wanted: Wanted) -> tuple[str, list[tuple[int, int]]]:
    """One line of a text around the first place that fits, and the places in it."""
    places = wanted.places(text)
    place = next(places, None)
    begin, end = _cut(text, place[0] if place else 0)
    marks = list[tuple[int, int]]()
    while place and place[0] < end:
        start, stop = place[0], min(place[1], end)
        if marks and start < marks[-1][1]:
            marks[-1] = (marks[-1][0], max(marks[-1][1], stop))
        else:
            marks.append((start, stop))
        place = next(places, None)
    head, tail = "… " if begin else "", " …" if end < len(text) else ""
    shift = len(head) - begin
    shown = head + _SPACE.sub(" ", text[begin:end]) + tail
    return shown, [(start + shift, stop + shift) for start, stop in marks]


def _cut(text: str, first: int) -> tuple[int, int]:
    """Where an excerpt around `first` begins and ends: between words, if there is a gap nearby."""
    begin = max(0, first - BEFORE)
    if begin:
        gap = _SPACE.search(text, begin, first)
        begin = gap.end() if gap else begin
    end = min(len(text), begin + EXCERPT)
    if end < len(text):
        gaps = [gap.start() for gap in _SPACE.finditer(text, max(begin, end - BEFORE), end)]
        end = gaps[-1] if gaps else end
    return begin, end
