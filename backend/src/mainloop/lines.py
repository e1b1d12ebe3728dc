"""Texts in one line, for rows of lists and for what is shown where nothing is drawn."""

import re
from typing import Final

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# What Markdown puts before a line, and around words.
_BEFORE: Final = re.compile(r"^(?:#{1,6}|>|[-*+]|\d+\.)\s+")
_LINK: Final = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_AROUND: Final = re.compile(r"(\*\*|__|~~|`)(.+?)\1")
_SLANTED: Final = re.compile(r"(^|[\s(])([*_])(\S(?:.*?\S)?)\2(?=$|[\s).,;:!?])")


def one_line(text: str) -> str:
    """`text` without line breaks and control characters."""
    return " ".join(_CONTROL.sub("", " ".join(text.split())).split())


def brief(markdown: str) -> str:
    """The first line of a Markdown text without its marks. The page's `brief` does the same."""
    line = next((one.strip() for one in markdown.split("\n") if one.strip()), "")
    words = _LINK.sub(r"\1", _BEFORE.sub("", line))
    # One kind within the other.
    words = _AROUND.sub(r"\2", _AROUND.sub(r"\2", words))
    return one_line(_SLANTED.sub(r"\1\3", words))
