"""Of the output of tests, what tells most."""

import re
from typing import Final

_LONGEST: Final = 3000
_LAST: Final = 40
_TELLING: Final = 20
_LONGEST_LINE: Final = 300
_TELLS: Final = re.compile(
    r"\b(error|errors|failed|failure|fail|panic|panicked|exception|fatal|not ok|assert\w*)\b", re.I
)
# Colours and other signs to a terminal.
_SIGNS: Final = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|.)|[\x00-\x08\x0b-\x1f\x7f]")


def excerpt(log: str) -> str:
    """The last lines, and before them those that speak of errors."""
    lines = [_SIGNS.sub("", line.rsplit("\r", 1)[-1])[:_LONGEST_LINE] for line in log.replace("\r\n", "\n").split("\n")]
    last = _from_the_end(lines[-_LAST:], _LONGEST * 2 // 3)
    before = lines[: len(lines) - len(last)]
    telling = [line for line in before if _TELLS.search(line)][-_TELLING:]
    told = _from_the_end(telling, _LONGEST - sum(map(len, last)) - len(last))
    return "\n".join([*told, *(["…"] if told else []), *last]).strip()


def _from_the_end(lines: list[str], room: int) -> list[str]:
    found: list[str] = []
    for line in reversed(lines):
        room -= len(line) + 1
        if room < 0:
            break
        found.insert(0, line)
    return found
