"""Texts in one line, for rows of lists and for what is shown where nothing is drawn."""

import re
from typing import Final

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# What Markdown puts before a line, and around words; what stands in code is as it is.
_BEFORE: Final = re.compile(r"^(?:#{1,6}|>|[-*+]|\d+\.)\s+")
_CODE: Final = re.compile(r"`([^`]+)`")
_KEPT: Final = re.compile("\0(\\d+)\0")
_LINK: Final = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_AROUND: Final = re.compile(r"(\*\*|__|~~)(.+?)\1")
_SLANTED: Final = re.compile(r"(^|[\s(])([*_])(\S(?:.*?\S)?)\2(?=$|[\s).,;:!?])")
# Marks without an end take long to look for: what is longer stays as it is.
_LONGEST: Final = 1000


def one_line(text: str) -> str:
    """`text` without line breaks and control characters."""
    return " ".join(_CONTROL.sub("", " ".join(text.split())).split())


def unmarked(markdown: str) -> str:
    """A Markdown text in one line, without the marks in it; a long one with them."""
    line = one_line(_BEFORE.sub("", markdown.strip()))
    if len(line) > _LONGEST:
        return line
    code: list[str] = []

    def keep(found: re.Match[str]) -> str:
        code.append(found[1])
        return f"\0{len(code) - 1}\0"

    words = _LINK.sub(r"\1", _CODE.sub(keep, line))
    # One kind within the other.
    words = _AROUND.sub(r"\2", _AROUND.sub(r"\2", words))
    return _KEPT.sub(lambda found: code[int(found[1])], _SLANTED.sub(r"\1\3", words))


def brief(markdown: str) -> str:
    """The first line of a Markdown text without its marks. The page's `brief` does the same."""
    return unmarked(next((one for one in markdown.split("\n") if one.strip()), ""))
