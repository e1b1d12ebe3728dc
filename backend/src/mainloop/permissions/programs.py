"""For which programs a pattern may speak, and what a `*` behind it may stand for.

A shell command is read by `mainloop_models.commands`; here is what else one has to know of the programs in it. What
runs another program is seen through (`timeout 60 npm test` is `npm test`) or refused. Whatever is in no table is taken
by its exact words only, or with further plain arguments.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mainloop_models.commands import Command

Words = tuple[str, ...]

# Words of the shell itself, and what changes the shell for whatever comes after it.
_SHELLS_OWN: Final = [
    "!",
    "[[",
    "]]",
    "[",
    "{",
    "}",
    "if",
    "then",
    "elif",
    "else",
    "fi",
    "for",
    "in",
    "do",
    "done",
    "while",
    "until",
    "case",
    "esac",
    "select",
    "function",
    "coproc",
    "alias",
    "unalias",
    "bind",
    "cd",
    "pushd",
    "popd",
    "dirs",
    "set",
    "unset",
    "shopt",
    "export",
    "declare",
    "typeset",
    "local",
    "readonly",
    "let",
    "read",
    "mapfile",
    "readarray",
    "getopts",
    "hash",
    "enable",
    "trap",
    "return",
    "exit",
    "break",
    "continue",
    "shift",
    "umask",
    "ulimit",
    "wait",
    "jobs",
    "fg",
    "bg",
    "disown",
    "suspend",
    "times",
    "history",
    "fc",
    "complete",
    "compgen",
    "compopt",
    "logout",
]
# They run what their arguments, their input or their environment say, or somewhere else.
_RUN_ANOTHER: Final = [
    "eval",
    "exec",
    "source",
    ".",
    "command",
    "builtin",
    "env",
    "xargs",
    "parallel",
    "sudo",
    "doas",
    "su",
    "runuser",
    "pkexec",
    "chroot",
    "unshare",
    "nsenter",
    "bwrap",
    "setsid",
    "script",
    "scriptreplay",
    "stdbuf",
    "unbuffer",
    "expect",
    "strace",
    "ltrace",
    "gdb",
    "watch",
    "entr",
    "at",
    "batch",
    "crontab",
    "flock",
    "taskset",
    "ionice",
    "chrt",
    "numactl",
    "systemd-run",
    "busybox",
    "toybox",
    "ssh",
    "mosh",
    "telnet",
    "rsh",
    "screen",
    "tmux",
    "setarch",
    "linux32",
    "linux64",
    "fakeroot",
    "faketime",
    "proot",
]
NEVER: Final = frozenset([*_SHELLS_OWN, *_RUN_ANOTHER])
SHELLS: Final = frozenset(["sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "fish", "csh", "tcsh", "rbash"])

# Here a plain argument is code, a place to write to, or what is to be destroyed: never with a `*`.
EXACT: Final = (
    frozenset(
        [
            "rm",
            "rmdir",
            "mv",
            "cp",
            "ln",
            "dd",
            "tee",
            "chmod",
            "chown",
            "chgrp",
            "kill",
            "pkill",
            "killall",
            "install",
            "truncate",
            "shred",
            "mkfs",
            "mount",
            "umount",
            "find",
            "python",
            "python2",
            "python3",
            "node",
            "deno",
            "ruby",
            "perl",
            "php",
            "lua",
            "awk",
            "gawk",
            "mawk",
            "sed",
            "osascript",
            "npx",
            "bunx",
            "pnpx",
            "uvx",
            "pipx",
            "docker",
            "podman",
            "nerdctl",
            "kubectl",
            "helm",
            "scp",
            "sftp",
            "rsync",
            "curl",
            "wget",
            "nc",
            "ncat",
            "socat",
            "tar",
            "zip",
            "unzip",
            "gpg",
            "openssl",
            "psql",
            "mysql",
            "sqlite3",
            "redis-cli",
            "mongosh",
            "vim",
            "vi",
            "ed",
            "emacs",
            "nano",
            "less",
            "more",
            "man",
            "tclsh",
        ]
    )
    | SHELLS
)
# One program, many deeds: a `*` needs the deed in front of it.
TOOLBOXES: Final = frozenset(
    [
        "git",
        "npm",
        "pnpm",
        "yarn",
        "bun",
        "cargo",
        "go",
        "pip",
        "pip3",
        "uv",
        "poetry",
        "pdm",
        "hatch",
        "tox",
        "nox",
        "gh",
        "glab",
        "apt",
        "apt-get",
        "dnf",
        "brew",
        "systemctl",
        "terraform",
        "aws",
        "gcloud",
        "az",
        "dotnet",
        "mvn",
        "gradle",
        "bundle",
        "rake",
        "rails",
        "php-composer",
        "composer",
        "make",
        "just",
        "task",
        "bazel",
        "mainloop",
    ]
)
# Deeds that run what their arguments say, or overwrite.
_EXACT_DEEDS: Final = frozenset(
    {
        ("npm", "exec"), ("npm", "x"), ("npm", "init"), ("npm", "create"), ("npm", "config"), ("npm", "publish"),
        ("pnpm", "exec"), ("pnpm", "dlx"), ("pnpm", "create"), ("pnpm", "config"), ("yarn", "exec"), ("yarn", "dlx"),
        ("yarn", "create"), ("yarn", "config"), ("bun", "x"), ("bun", "run"), ("bun", "create"), ("cargo", "run"),
        ("cargo", "install"), ("go", "run"), ("go", "generate"), ("go", "install"), ("uv", "run"), ("uv", "tool"),
        ("poetry", "run"), ("poetry", "config"), ("pdm", "run"), ("hatch", "run"), ("bundle", "exec"), ("gh", "api"),
        ("gh", "alias"), ("gh", "extension"), ("gh", "config"), ("git", "config"), ("git", "clone"), ("git", "fetch"),
        ("git", "pull"), ("git", "push"), ("git", "remote"), ("git", "ls-remote"), ("git", "submodule"), ("git", "bisect"),
        ("git", "filter-branch"), ("git", "rebase"), ("git", "difftool"), ("git", "mergetool"), ("git", "clean"),
        ("git", "checkout"), ("git", "restore"), ("git", "reset"), ("git", "archive"), ("git", "am"), ("git", "apply"), ("git", "stash"), ("git", "branch"), ("git", "tag"),
    }
)  # fmt: skip
# No plain arguments: options, files of arguments, settings, what is forced or deleted by its first letter, nothing, and
# whatever lies outside the workspace.
_NOT_PLAIN: Final = re.compile(r"[-+@:~/].*|.*=.*|(.*/)?\.\.(/.*)?|", re.S)


@dataclass(frozen=True)
class Options:
    """Options that change how a program works and not what it does, alone or with a value behind them."""

    alone: frozenset[str] = frozenset()
    valued: frozenset[str] = frozenset()

    def cover(self, words: Sequence[str]) -> bool:
        """Whether these arguments are plain, or options of this list."""
        left = list(words)
        while left:
            word = left.pop(0)
            name, equals, _ = word.partition("=")
            if word in self.alone or (equals and name.startswith("--") and name in self.valued):
                continue
            if word in self.valued:
                if not left or left.pop(0).startswith("-"):
                    return False
            elif _NOT_PLAIN.fullmatch(word):
                return False
        return True


def _options(alone: str = "", valued: str = "") -> Options:
    return Options(frozenset(alone.split()), frozenset(valued.split()))


_PYTEST: Final = _options(
    "-q -qq -v -vv -vvv -x -s -l --lf --ff --sw --co --exitfirst --quiet --verbose --last-failed --failed-first "
    "--no-header --no-summary --collect-only -ra -rA -rf -rs -rx",
    "-k -m -n --maxfail --tb --durations --timeout --color",
)
_CARGO: Final = _options(
    "-q -v -r --quiet --verbose --release --all --workspace --lib --bins --tests --examples --all-targets --all-features "
    "--no-default-features --no-run --no-fail-fast --locked --offline --frozen",
    "-p -j --package --bin --test --example --features --jobs",
)
_GO: Final = _options("-v -race -short -cover -failfast", "-run -count -timeout -p -bench")
# A `*` behind these stands for plain arguments and the options named.
OPTIONS: Final[Mapping[Words, Options]] = {
    ("pytest",): _PYTEST,
    ("python", "-m", "pytest"): _PYTEST,
    ("python3", "-m", "pytest"): _PYTEST,
    ("ruff", "check"): _options("--fix --no-fix --quiet -q --diff --statistics", "--select --ignore --output-format"),
    ("ruff", "format"): _options("--check --diff --quiet -q"),
    ("mypy",): _options("--strict --pretty --no-error-summary --ignore-missing-imports"),
    ("pyright",): _options("--outputjson --stats --warnings", "--level"),
    ("tsc",): _options("--noEmit --strict --skipLibCheck --pretty"),
    ("cargo", "build"): _CARGO,
    ("cargo", "check"): _CARGO,
    ("cargo", "test"): _CARGO,
    ("go", "build"): _options("-v -race"),
    ("go", "test"): _GO,
    ("go", "vet"): _options("-v"),
    ("git", "switch"): _options("-q --quiet -d --detach", "-c"),
}
_PLAIN: Final = Options()
# Of these such calls look at the workspace, run its tests or go to another of its branches: they fetch and publish nothing.
_HARMLESS: Final = frozenset(OPTIONS) - {known for known in OPTIONS if known[0] in ("cargo", "go")}


# ---- wrappers that are seen through ---------------------------------------------------------------------------
def _timeout(words: Words) -> Words:
    return words[1:] if words and re.fullmatch(r"\d+(\.\d+)?[smhd]?", words[0]) else ()


def _nice(words: Words) -> Words:
    if words[:1] == ("-n",) and len(words) > 1 and re.fullmatch(r"-?\d+", words[1]):
        return words[2:]
    return words


_SEEN_THROUGH: Final[Mapping[str, Callable[[Words], Words]]] = {
    "timeout": _timeout,
    "nice": _nice,
    "nohup": lambda words: words,
    "time": lambda words: words[1:] if words[:1] == ("-p",) else words,
}


def program_of(command: Command) -> Words | None:
    """What it runs, with wrappers taken off; None where no pattern may speak for it.

    Nor where another program writes what it reads, or the shell would put file names into its arguments.
    """
    if command.fed or any(word.pattern or word.home for word in command.words):
        return None
    words = tuple(word.text for word in command.words)
    while words and words[0] in _SEEN_THROUGH:
        words = _SEEN_THROUGH[words[0]](words[1:])
    if not words or not re.fullmatch(r"[\w.+][\w./+-]*|/[\w./+-]+", words[0]):
        return None
    program, given = _name(words), words[1:]
    refused = (
        not program
        or program in NEVER
        or program in _SEEN_THROUGH
        or (program in SHELLS and (not given or given[0].startswith(("-", "+"))))
        or (program == "git" and given[:1] and given[0].startswith("-"))
        or (program == "find" and any(word.startswith(("-exec", "-ok")) for word in given))
    )
    return None if refused else words


def _name(words: Words) -> str:
    return words[0].rsplit("/", 1)[-1]


def _known(words: Words) -> Words | None:
    """The longest beginning that the table of options has."""
    return next((words[:n] for n in (3, 2, 1) if len(words) >= n and words[:n] in OPTIONS), None)


def may_go_on(words: Words) -> bool:
    """Whether a `*` may stand behind these words."""
    known = _known(words)
    if known is not None:
        return OPTIONS[known].cover(words[len(known) :])
    program = _name(words)
    if program in EXACT or (program in TOOLBOXES and len(words) < 2):
        return False
    return (program, *words[1:2]) not in _EXACT_DEEDS and _PLAIN.cover(words[1:])


def goes_on(words: Words, further: Words) -> bool:
    """Whether a `*` behind `words` stands for these arguments as well."""
    known = _known(words)
    if known is None:
        return may_go_on((*words, *further)) and _PLAIN.cover(further)
    return OPTIONS[known].cover(further) and OPTIONS[known].cover((*words[len(known) :], *further))


def usual(words: Words) -> Words | None:
    """The beginning behind which a `*` is the usual thing: of programs in the table, called as the table knows."""
    known = _known(words)
    return known if known is not None and OPTIONS[known].cover(words[len(known) :]) else None


def is_harmless(words: Words) -> bool:
    """Whether this call is known to do no more than to look, or to run what is in the workspace already."""
    known = _known(words)
    return known in _HARMLESS and OPTIONS[known].cover(words[len(known) :])
