"""Which programs would a shell command run, and does it only read? Answers only where every part is understood.

The command is parsed, not matched: simple commands with literal arguments, joined by nothing but `&&`, `||`, `;`, `|`
and line ends. No variables, no substitution, no assignment, no redirection but into /dev/null. One that only reads
holds nothing but commands of a short table. Whatever the parser or the table does not know is a no, which means that
the person is asked. Runner and server read alike: what runs unasked needs no standing permission either.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

_LANGUAGE = Language(tree_sitter_bash.language())
# Nobody reads along with a longer one: the person is asked.
LONGEST = 4000
# Control characters, blanks and line ends of other alphabets, halves of characters.
_STRANGE = re.compile(
    "[^\x20-\x7e\n\t\u00a1-\U0010ffff]|[\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff\ud800-\udfff]"
)


@dataclass(frozen=True)
class Place:
    """Where a command may look and write."""

    writable: Callable[[str], bool]
    # None: anywhere, since the sandbox decides what there is to see.
    readable: Callable[[str], bool] | None


@dataclass(frozen=True)
class Word:
    """An argument. `pattern`: the shell replaces it by the files that match. `home`: it begins with somebody's home."""

    text: str
    pattern: bool = False
    home: bool = False


@dataclass(frozen=True)
class Command:
    """One program with its arguments. `fed`: it reads what another one writes, through a pipe."""

    words: tuple[Word, ...]
    fed: bool = False


# ---- the table ------------------------------------------------------------------------------------------------
def _always(words: Sequence[Word]) -> bool:
    return True


def _no_patterns(words: Sequence[Word]) -> bool:
    """A file name that begins with a dash would be an option."""
    return not any(w.pattern for w in words)


def _without(*options: str, letters: str = "") -> Callable[[Sequence[Word]], bool]:
    """Refuses these options, their abbreviations, and these letters in a group of short ones."""

    def check(words: Sequence[Word]) -> bool:
        if not _no_patterns(words):
            return False
        for word in words:
            name = word.text.split("=", 1)[0]
            if name.startswith("--"):
                if len(name) > 2 and any(option.startswith(name) for option in options):
                    return False
            elif name.startswith("-") and (name in options or any(letter in name for letter in letters)):
                return False
        return True

    return check


def _find(words: Sequence[Word]) -> bool:
    acts = ("-exec", "-ok", "-delete", "-fprint", "-fls")
    return not any(w.pattern or w.text.startswith(acts) for w in words)


def _uniq(words: Sequence[Word]) -> bool:
    """Its second file is written to."""
    return _no_patterns(words) and sum(1 for w in words if not w.text.startswith("-")) <= 1


def _date(words: Sequence[Word]) -> bool:
    """A plain argument sets the clock."""
    takes_value = {"-d", "--date", "-r", "--reference"}
    before = ""
    for word in words:
        if word.pattern or word.text.startswith(("-s", "--s")):
            return False
        if not word.text.startswith(("+", "-")) and before not in takes_value:
            return False
        before = word.text
    return True


def _no_names(words: Sequence[Word]) -> bool:
    """`-v` evaluates what stands in the brackets of a variable's name."""
    return _no_patterns(words) and not any(w.text.startswith("-v") or "$" in w.text or "`" in w.text for w in words)


def _git(words: Sequence[Word]) -> bool:
    plain = [w for w in words if w.text != "--no-pager"]
    if not plain or plain[0].pattern:
        return False
    check = GIT.get(plain[0].text)
    return check is not None and check(plain[1:])


def _branch(words: Sequence[Word]) -> bool:
    listing = {"-a", "-r", "-v", "-vv", "-av", "--all", "--list", "--remotes", "--show-current", "--verbose"}
    return all(w.text in listing for w in words)


_git_reads = _without("--output", "--ext-diff", "--textconv", "--exec-path", "--output-directory")

GIT: dict[str, Callable[[Sequence[Word]], bool]] = {
    "status": _git_reads,
    "diff": _git_reads,
    "log": _git_reads,
    "show": _git_reads,
    "blame": _git_reads,
    "rev-parse": _git_reads,
    "ls-files": _git_reads,
    "describe": _git_reads,
    "branch": _branch,
}
# These change the session's own copy, as edits do.
GIT_WRITES: dict[str, Callable[[Sequence[Word]], bool]] = {
    "add": _without("--interactive", "--patch", "--edit", "--pathspec-from-file", letters="ipe"),
    "commit": _without(
        "--reuse-message", "--reedit-message", "--template", "--file", "--gpg-sign", "--interactive", "--patch",
        "--edit", "--trailer", "--pathspec-from-file", letters="cCtFSpe",
    ),
}  # fmt: skip

READS: dict[str, Callable[[Sequence[Word]], bool]] = {
    "ls": _always,
    "cat": _always,
    "head": _always,
    "tail": _always,
    "wc": _always,
    "grep": _always,
    "stat": _always,
    "pwd": _always,
    "echo": _always,
    "true": _always,
    "false": _always,
    "cut": _always,
    "tr": _always,
    "basename": _always,
    "dirname": _always,
    "realpath": _always,
    "which": _always,
    "diff": _no_patterns,
    "cd": _no_patterns,
    "file": _without("--compile", letters="C"),
    "rg": _without("--pre", "--hostname-bin", "--search-zip", letters="z"),
    "sort": _without("--output", "--compress-program", "--temporary-directory", letters="oT"),
    "uniq": _uniq,
    "date": _date,
    "find": _find,
    "test": _no_names,
    "printf": _no_names,
    "git": _git,
}
# Their arguments name what is written.
MAKES = {"mkdir": _without("--context", letters="Z"), "touch": _without("--reference", letters="r")}


# ---- reading a command ----------------------------------------------------------------------------------------
class _Unknown(Exception):
    """Something that is not understood, and so is not allowed."""


def read(command: str) -> list[Command] | None:
    """Every program the command would run at most, in order; None where any part of it is not understood."""
    if len(command) > LONGEST or _STRANGE.search(command):
        return None
    # The shell joins continued lines before it splits words; the parser does not.
    if "\\\n" in command:
        return None
    # To the shell every letter of another script is a letter; the parser reads beyond its tables at some (it crashed).
    # Letter for letter, so that what stands where is the same in both.
    plain = re.sub(r"[^\x00-\x7f]", "x", command)
    root = Parser(_LANGUAGE).parse(plain.encode()).root_node
    if root.has_error:
        return None
    try:
        return _commands(root, command) if _covers(root, plain) else None
    except (_Unknown, RecursionError):
        return None


def only_reads(command: str, place: Place, writes: bool = True) -> bool:
    """True where the command is known to read only, or (with `writes`) to make no more than an edit would."""
    found = read(command)
    return found is not None and all(reads(one, place, writes) for one in found)


def reads(command: Command, place: Place, writes: bool = True) -> bool:
    """The same of one program."""
    name, given = command.words[0], command.words[1:]
    if name.pattern:
        return False
    if place.readable is not None and not all(_seen(w, place.readable) for w in given):
        return False
    if name.text in READS and READS[name.text](given):
        return True
    if not writes:
        return False
    if name.text in MAKES:
        targets = [w.text for w in given if not w.text.startswith("-")]
        return MAKES[name.text](given) and all(place.writable(t) for t in targets) and _modes_only(given)
    if name.text == "git" and given and given[0].text in GIT_WRITES:
        return GIT_WRITES[given[0].text](given[1:])
    return False


def _modes_only(words: Sequence[Word]) -> bool:
    """Options without values of their own, so that every plain argument is a target."""
    return all(w.text in ("-p", "-v", "--parents", "--verbose") for w in words if w.text.startswith("-"))


def _seen(word: Word, readable: Callable[[str], bool]) -> bool:
    """No argument leads out of the workspace."""
    candidates = [word.text]
    if word.text.startswith("-"):
        candidates = [word.text.partition("=")[2], *re.findall(r"[/~].*", word.text)]
    return all(
        not ("/" in text or ".." in text or text.startswith("~")) or text == "/dev/null" or readable(text)
        for text in candidates
    )


_JOINS = frozenset({"&&", "||", ";", "|", "\n"})


def _commands(node: Node, source: str, fed: bool = False) -> list[Command]:
    """Every simple command below this node, as literal words."""
    match node.type:
        case "program" | "list" | "pipeline":
            found: list[Command] = []
            for child in node.children:
                if child.is_named and child.type != "comment":
                    found.extend(_commands(child, source, fed))
                elif not child.is_named and child.type not in _JOINS:
                    raise _Unknown
                elif child.type == "|":
                    fed = True
            return found
        case "redirected_statement":
            inner = [c for c in node.children if c.is_named]
            if not inner or inner[0].type == "file_redirect":
                raise _Unknown
            for redirect in inner[1:]:
                _check_redirect(redirect, source)
            return _commands(inner[0], source, fed)
        case "command":
            return [Command(_words(node, source), fed)]
        case _:
            raise _Unknown


def _words(command: Node, source: str) -> tuple[Word, ...]:
    words: list[Word] = []
    for child in command.children:
        if child.type == "command_name":
            if words or len(child.children) != 1 or child.children[0].type != "word":
                raise _Unknown
            words.append(_literal(child.children[0], source))
        elif child.type == "file_redirect":
            _check_redirect(child, source)
        elif words:
            words.append(_literal(child, source))
        else:
            raise _Unknown
    if not words:
        raise _Unknown
    return tuple(words)


def _check_redirect(node: Node, source: str) -> None:
    """Into /dev/null, or from one of the standard streams into another."""
    text = source[node.start_byte : node.end_byte]
    if node.type != "file_redirect" or not re.fullmatch(
        r"(\d?>{1,2}\s*/dev/null|&>{1,2}\s*/dev/null|[12]>&[12])", text
    ):
        raise _Unknown


def _literal(node: Node, source: str) -> Word:
    """What the shell makes of an argument, where that does not depend on anything."""
    text = source[node.start_byte : node.end_byte]
    match node.type:
        case "word" | "number":
            return _bare(text)
        case "raw_string":
            return Word(text[1:-1])
        case "string":
            if any(child.type not in ('"', "string_content") for child in node.children):
                raise _Unknown
            inner = text[1:-1]
            if re.search(r"(?<!\\)[$`]", inner) or re.search(r"\\\\[$`]", inner):
                raise _Unknown
            return Word(re.sub(r'\\([$`"\\\n])', lambda m: "" if m[1] == "\n" else m[1], inner))
        case "concatenation":
            parts = [_literal(child, source) for child in node.children]
            return Word("".join(p.text for p in parts), any(p.pattern for p in parts), parts[0].home)
        case _:
            raise _Unknown


def _bare(text: str) -> Word:
    """An unquoted word: backslashes taken away, patterns noticed, braces and the rest refused."""
    if re.search(r"(?<!\\)[$`{}()<>&|;!\"'#]", text) and not re.fullmatch(r"[\w./@^~#=,:+-]*", text):
        raise _Unknown
    if re.search(r"\\\\|\\\n", text) or text.endswith("\\"):
        raise _Unknown
    pattern = re.search(r"(?<!\\)[*?\[\]]", text) is not None
    return Word(re.sub(r"\\(.)", r"\1", text), pattern, text.startswith("~"))


def _covers(root: Node, source: str) -> bool:
    """Nothing stands between the parts that were understood but blanks and line ends."""
    at = 0
    for leaf in _leaves(root):
        between = source[at : leaf.start_byte]
        if between.strip(" \t\n"):
            return False
        at = max(at, leaf.end_byte)
    return not source[at:].strip(" \t\n")


def _leaves(node: Node) -> list[Node]:
    if node.type in ("string", "raw_string") or not node.children:
        return [node]
    return [leaf for child in node.children for leaf in _leaves(child)]
