"""Patterns of standing permissions: what they look like, what they cover, which one an ask suggests.

| tool | a pattern is | and may end in |
|---|---|---|
| `Bash` | the exact words of one command, quoted as in a shell | ` *`: any further arguments, where that is safe |
| `Edit`, `Write` and their like | a path below the workspace | `/*`: everything below that folder |
| `WebFetch` | a host | |
| a tool of an MCP server | its name: any input | |
"""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from mainloop.errors import BadInput
from mainloop.permissions.programs import Words, goes_on, is_harmless, may_go_on, program_of, usual
from mainloop_models.asks import PermissionAsk
from mainloop_models.commands import Command, Place, read, reads

LONGEST: Final = 500
# Different programs of one command that are offered together, and characters of their patterns.
TOGETHER: Final = 4
LONGEST_TOGETHER: Final = 600
EDITS: Final = frozenset({"Edit", "MultiEdit", "Write", "NotebookEdit"})
MCP: Final = "mcp__"
# Of a command's input: what says how it is run, not what.
_HOW: Final = frozenset({"command", "description", "timeout", "run_in_background"})


@dataclass(frozen=True)
class Pattern:
    """What a standing permission covers: one program, file, host or tool at a time."""

    tool: str
    words: Words
    # Further arguments, or everything below.
    more: bool = False

    @property
    def text(self) -> str:
        """The pattern as it is written and stored."""
        if self.tool == "Bash":
            return shlex.join(self.words) + (" *" if self.more else "")
        return self.words[0] + ("/*" if self.more else "")

    def covers(self, part: Words) -> bool:
        """Whether this one program, file, host or tool is covered."""
        if not self.more:
            return part == self.words
        if self.tool != "Bash":
            return part[0].startswith(f"{self.words[0]}/")
        head, further = part[: len(self.words)], part[len(self.words) :]
        return head == self.words and goes_on(self.words, further)


# ---- reading a pattern ----------------------------------------------------------------------------------------
def parse(tool: str, text: str) -> Pattern:
    """Read a pattern that somebody wrote. Raises BadInput with a sentence that says what is wrong."""
    text = text.strip()
    if not text:
        raise BadInput(what="The pattern is empty. Write the command it shall allow, like `npm test`.")
    if len(text) > LONGEST:
        raise BadInput(what=f"The pattern has {len(text)} characters; at most {LONGEST} are taken.")
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise BadInput(what="A pattern is one line of plain text.")
    if not text.strip("*/ "):
        raise BadInput(what="This pattern would allow everything. Name the command, file or host in front of the `*`.")
    if tool == "Bash":
        return _command(text)
    if tool in EDITS:
        return _path(tool, text)
    if tool == "WebFetch":
        return _host(text)
    if tool.startswith(MCP):
        if text != tool:
            raise BadInput(what=f"A tool of an MCP server is allowed as a whole: the pattern is its name, {tool}.")
        return Pattern(tool, (tool,))
    raise BadInput(what=f"There are no patterns for the tool {tool}; it is asked about each time.")


def parse_all(tool: str, text: str) -> tuple[Pattern, ...]:
    """Read patterns that are given together, a line each. Raises BadInput."""
    lines = text.strip().splitlines()
    if len(lines) > TOGETHER:
        raise BadInput(what=f"At most {TOGETHER} patterns are given together; these are {len(lines)}.")
    return tuple(parse(tool, line) for line in lines or [""])


def together(patterns: Sequence[Pattern]) -> str:
    """Patterns that are given together, as one text."""
    return "\n".join(pattern.text for pattern in patterns)


def _command(text: str) -> Pattern:
    more = text.endswith(" *")
    plain = text.removesuffix(" *").rstrip() if more else text
    found = read(plain)
    if found is None or len(found) != 1 or any(w.pattern or w.home for w in found[0].words):
        raise BadInput(
            what=f"`{text}` is not one plain command. A pattern holds the words of one program, without variables, "
            "redirections, `~` or `&&`; a `*` stands at its end only, after a space."
        )
    words = program_of(found[0])
    if words is None:
        raise BadInput(
            what=f"`{found[0].words[0].text}` runs something else or changes the shell, so that no pattern can say what "
            "it allows. Name the program itself."
        )
    if more and not may_go_on(words):
        raise BadInput(
            what=f"`{shlex.join(words)}` with any further arguments could do anything. Write the exact command, or more "
            "of it in front of the `*`."
        )
    return Pattern("Bash", words, more)


def _path(tool: str, text: str) -> Pattern:
    path, more = (text[:-2], True) if text.endswith("/*") else (text, False)
    parts = path.split("/")
    if path.startswith(("/", "~")) or ".." in parts or ".git" in parts or re.search(r"[*?\[\]]", path):
        raise BadInput(
            what=f"`{text}` is no path below the workspace. Write it as seen from there, like `docs/notes.md`, or with "
            "`/*` at its end for all of a folder."
        )
    return Pattern(tool, ("/".join(p for p in parts if p not in ("", ".")),), more)


def _host(text: str) -> Pattern:
    host = text.lower()
    if not re.fullmatch(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]([a-z0-9-]*[a-z0-9])?", host):
        raise BadInput(what=f"`{text}` is no host. Write its whole name, like `docs.python.org`.")
    return Pattern("WebFetch", (host,))


# ---- reading an ask -------------------------------------------------------------------------------------------
def parts_of(ask: PermissionAsk, *, confined: bool) -> list[Words] | None:
    """Each program, file, host or tool that has to be covered before the ask is; None where nothing can cover it.

    Parts of a command that run unasked by themselves, since they only read, are left out. `confined`: inside a sandbox,
    which decides what there is to read.
    """
    if ask.command is not None or ask.tool == "Bash":
        return _programs(ask, confined) or None
    if ask.tool in EDITS:
        return [(ask.path,)] if ask.path else None
    if ask.tool == "WebFetch":
        host = _asked_host(ask.input.get("url"))
        return [(host,)] if host else None
    return [(ask.tool,)] if ask.tool.startswith(MCP) else None


def _programs(ask: PermissionAsk, confined: bool) -> list[Words] | None:
    """Empty where all of them only read."""
    if ask.tool != "Bash" or ask.command is None or ask.input.get("command") != ask.command or set(ask.input) - _HOW:
        return None
    found = read(ask.command)
    if not found:
        return None
    place = Place(writable=lambda _: False, readable=None if confined else lambda _: False)
    parts: list[Words] = []
    for command in found:
        if _stays(command, ask.workspace) or (command.words[0].text != "cd" and reads(command, place, writes=False)):
            continue
        words = program_of(command)
        if words is None:
            return None
        parts.append((words[0], *(_from_workspace(word, ask.workspace) for word in words[1:])))
    return parts


def _from_workspace(word: str, workspace: str) -> str:
    """A path of the workspace as seen from there: each session has another one, for all of which one pattern speaks."""
    if not workspace or not (word == workspace or word.startswith(f"{workspace}/")):
        return word
    return word[len(workspace) :].lstrip("/") or "."


def _stays(command: Command, workspace: str) -> bool:
    """Goes to a folder of the workspace, so that what comes after it runs there."""
    if command.words[0].text != "cd" or len(command.words) != 2 or command.words[1].pattern:
        return False
    folder = _from_workspace(command.words[1].text, workspace)
    return bool(folder) and not folder.startswith(("/", "~", "-")) and ".." not in folder.split("/")


def _asked_host(url: object) -> str | None:
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        fits = parts.scheme in ("http", "https") and parts.username is None and parts.port in (None, 80, 443)
    except ValueError:
        return None
    return parts.hostname if fits else None


def covered(ask: PermissionAsk, *patterns: Pattern, confined: bool = True) -> bool:
    """Whether these patterns, with nothing else, cover all of an ask."""
    parts = parts_of(ask, confined=confined) if all(pattern.tool == ask.tool for pattern in patterns) else None
    return parts is not None and all(any(pattern.covers(part) for pattern in patterns) for part in parts)


def is_low_risk(ask: PermissionAsk, shown: str, *, confined: bool) -> bool:
    """Whether it may be allowed at a glance: a command inside a sandbox that is all there in `shown`, of programs that
    only read or are known to be harmless."""
    parts = _programs(ask, confined) if confined and ask.command and ask.command in shown else None
    return parts is not None and all(is_harmless(part) for part in parts)


def suggestions(ask: PermissionAsk, *, confined: bool) -> list[tuple[Pattern, ...]]:
    """What would cover this ask, the usual first: one pattern, or one for each program it runs; nothing where none can."""
    parts = parts_of(ask, confined=confined)
    if parts is None:
        return []
    exact = [Pattern(ask.tool, words) for words in dict.fromkeys(parts)]
    wider = [_wider(pattern) for pattern in exact]
    # Two of its programs may have the same beginning.
    sets = dict.fromkeys(tuple(dict.fromkeys(patterns)) for patterns in (wider, exact))
    return [patterns for patterns in sets if _are_written(patterns)]


def _wider(pattern: Pattern) -> Pattern:
    head = usual(pattern.words) if pattern.tool == "Bash" else None
    return pattern if head is None else Pattern(pattern.tool, head, more=True)


def _are_written(patterns: tuple[Pattern, ...]) -> bool:
    fits = len(patterns) <= TOGETHER and len(together(patterns)) <= LONGEST_TOGETHER
    return fits and all(_is_written(pattern) for pattern in patterns)


def _is_written(pattern: Pattern) -> bool:
    """Whether it reads back as itself: not too long, nothing that a line of text can't say."""
    try:
        return parse(pattern.tool, pattern.text) == pattern
    except BadInput:
        return False


def text_of(ask: PermissionAsk) -> str:
    """What an ask is about, in one text."""
    url = ask.input.get("url")
    return ask.command or ask.path or (url if isinstance(url, str) else ask.tool)
