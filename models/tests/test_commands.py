"""A command passes unasked only when all of it is understood; whatever else happens, it never does more than read."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mainloop_models.commands import GIT, GIT_WRITES, MAKES, READS, Place, only_reads

ANYWHERE = Place(writable=lambda path: True, readable=None)
INSIDE = Place(
    writable=lambda path: not path.startswith(("/", "~")) and ".." not in path,
    readable=lambda path: not path.startswith(("/", "~")) and ".." not in path,
)

READING = [
    "ls -la",
    "ls -la | head -5; cat a && echo 'x y'",
    "cat x 2>/dev/null",
    "ls missing 2>&1 | wc -l",
    "ls > /dev/null",
    "grep -rn 'a|b' src && git log --oneline -5",
    "find . -name '*.py' -type f | sort -u",
    "ls *.py",
    r"echo a\ b",
    'rg "foo|bar" src # a comment',
    "grep -n a b\nls",
    "git status --short && git diff HEAD~1 -- a.py",
    "git show HEAD^:a.py | head",
    "git branch --show-current",
    "head -n 5 'a file'",
    "test -f a && cat a",
    "cd src && pwd",
    "date -d yesterday +%F",
    "printf '%s' x",
    "cut -d: -f1 a | tr a-z A-Z | uniq -c",
]

MAKING = ["mkdir -p a/b", "touch a.txt", "git add -A && git commit -qm 'made it'", 'git commit -m "fix: it\'s"']

NASTY = [
    "npm test; rm -rf ~",
    "ls; rm -rf .",
    "ls $(touch x)",
    "ls `touch x`",
    'echo "$(touch x)"',
    'echo "a`touch x`"',
    "cat x > y",
    "cat x >> y",
    "echo x >| y",
    "cat < x > y",
    "ls > /dev/null/../x",
    "ls &> out",
    "env X=1 ls",
    "X=1 ls",
    "PATH=. ls",
    "X=1",
    "bash -c ls",
    "sh -c 'rm x'",
    "eval ls",
    "exec ls",
    "time rm x",
    "command rm x",
    "builtin echo x",
    "sudo ls",
    "xargs rm",
    "ls | xargs rm",
    "cat <<E\nx\nE",
    "cat <<< x",
    "cat <(ls)",
    "tee x",
    "ls &",
    "ls & rm x",
    "(ls)",
    "{ ls; }",
    "! ls",
    "if true; then ls; fi",
    "for f in *; do cat $f; done",
    "while true; do ls; done",
    "ls() { rm x; }; ls",
    "function ls { rm x; }; ls",
    "alias ls=rm",
    "echo $HOME",
    'echo "$HOME"',
    "echo ${HOME}",
    "echo $((1+1))",
    "echo {a,b}",
    "echo a{1..3}",
    "ls $'a'",
    'ls $"a"',
    "ls\\\n-x",
    "ls\rrm x",
    "ls\x00rm",
    "ls\u2028rm",
    "/bin/ls",
    "./ls",
    "'ls'",
    "~/ls",
    "l*",
    "find . -exec rm {} +",
    "find . \\-exec rm {} \\;",
    "find . '-exec' rm x",
    "find . -ok rm {} +",
    "find . -execdir rm {} +",
    "find . -delete",
    "find . -fprint x",
    "find . -fprintf x %p",
    "find . -fls x",
    "sort -o x y",
    "sort -ox y",
    "sort -no x y",
    "sort --output=x y",
    "sort --outp x y",
    "sort --compress-program=sh y",
    "sort *",
    "uniq a b",
    "date 0101",
    "date -s tomorrow",
    "date --set=tomorrow",
    "file -C -m x",
    "rg --pre sh x",
    "rg --pre=sh x",
    "rg --hostname-bin sh x",
    "printf -v 'a[$(touch x)]' y",
    "test -v 'a[$(touch x)]'",
    "git",
    "git push",
    "git checkout .",
    "git reset --hard",
    "git clean -fd",
    "git config a.b c",
    "git -c core.pager=sh log",
    "git -C /tmp log",
    "git --exec-path=. log",
    "git --git-dir=x log",
    "git log --output=x",
    "git log --outp=x",
    "git diff --ext-diff",
    "git diff --ext",
    "git log --textconv",
    "git branch new",
    "git branch -D x",
    "git branch -m x y",
    "git commit -c HEAD",
    "git commit --template=/etc/passwd",
    "git commit -S -m x",
    "git add -p",
    "git add -i",
    "git add -e",
    "git commit -p -m x",
    "git config --get x",
    "mkdir -m 777 x",
    "touch -r /etc/passwd x",
    "ls; ",
    "npm test",
    "python3 x.py",
    "make",
    "curl http://127.0.0.1",
    "sed -n 1p x",
    "awk 1 x",
    "rm x",
    "mv a b",
    "cp a b",
    "ln -s a b",
    "chmod +x a",
    "tail -f x &",
    "ls |",
    "ls &&",
    "'",
    '"',
    "$(",
    "ls ${x:-$(touch y)}",
    "[ -v x ]",
    "[[ -v x ]]",
    "coproc ls",
    "echo x | bash",
    "cat x | sh",
    "trap 'rm x' EXIT",
    "source x",
    ". x",
]


@pytest.mark.parametrize("command", READING)
def test_a_reading_command_passes(command: str) -> None:
    assert only_reads(command, ANYWHERE, writes=False)


@pytest.mark.parametrize("command", MAKING)
def test_what_an_edit_may_do_a_command_may_do_unless_edits_are_asked(command: str) -> None:
    assert only_reads(command, ANYWHERE)
    assert not only_reads(command, ANYWHERE, writes=False)


@pytest.mark.parametrize("command", [c for c in NASTY if c != "ls; "])
def test_whatever_is_not_understood_is_asked(command: str) -> None:
    assert not only_reads(command, ANYWHERE)


@pytest.mark.parametrize("command", READING[:4])
@pytest.mark.parametrize("nasty", ["rm -rf ~", "x=$(touch y)", "bash -c ls", "cat <<E\nx\nE"])
@pytest.mark.parametrize("join", ["; ", " && ", " || ", " | ", "\n", " & "])
def test_a_reading_command_carries_nothing_else_through(command: str, join: str, nasty: str) -> None:
    assert not only_reads(f"{command}{join}{nasty}", ANYWHERE)
    assert not only_reads(f"{nasty}{join}{command}", ANYWHERE)


@pytest.mark.parametrize(
    "command",
    [
        "cat /etc/passwd",
        "cat ~/.ssh/id_rsa",
        "cat ../x",
        "ls -la /",
        "grep -f/etc/passwd x",
        "diff --from-file=/etc/passwd x",
    ],
)
def test_without_a_sandbox_looking_outside_is_asked(command: str) -> None:
    assert only_reads(command, ANYWHERE)
    assert not only_reads(command, INSIDE)


@pytest.mark.parametrize("command", ["mkdir /tmp/x", "touch ../x", "mkdir -p a ~/b"])
def test_making_outside_the_workspace_is_asked(command: str) -> None:
    assert not only_reads(command, Place(writable=INSIDE.writable, readable=None))


# ---- against the real shell -----------------------------------------------------------------------------------
STUBS = sorted({*READS, *MAKES} - {"cd", "echo", "printf", "pwd", "test", "true", "false"})
FRAGMENTS = [
    *READS,
    *MAKES,
    *[f"git {name}" for name in (*GIT, *GIT_WRITES)],
    *[
        "evil",
        "/bin/evil",
        "evil=1",
        "-o",
        "-exec",
        "--output=x",
        "a",
        "b.txt",
        "'q w'",
        '"d e"',
        "*",
        "?",
        "[ab]",
        "~",
    ],
    *["&&", "||", ";", "|", "&", "|&", "\n", "\r", "\t", "\\", "\\\n", "#", "!", "(", ")", "{", "}", "{a,evil}"],
    *["$(evil)", "`evil`", "$x", "${x}", "$((1))", "$'\\n'", '$"x"', "'", '"', "\\'", '\\"', "\\$", "$", "`"],
    *["<", ">", ">>", "2>&1", ">/dev/null", "2>/dev/null", ">&evil", "<<E", "<<<", "<(evil)", ">(evil)", "E", "0", "1"],
    *[
        "if",
        "then",
        "fi",
        "for",
        "do",
        "done",
        "function",
        "f()",
        "time",
        "coproc",
        "case",
        "in",
        "esac",
        "[[",
        "]]",
        "[",
        "]",
    ],
    *["\u00a0", "\u2003", "é", "=", "==", ":", ",", "..", "^", "%", "@", "+"],
]


@pytest.fixture(scope="module")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Programs that only tell their name, and one that must never be reached by any way."""
    folder = tmp_path_factory.mktemp("stubs")
    for name in STUBS:
        (folder / name).write_text("#!/bin/sh\nexit 0\n")
        (folder / name).chmod(0o755)
    (folder / "evil").write_text('#!/bin/sh\necho reached > "$EVIL"\n')
    (folder / "evil").chmod(0o755)
    return folder


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=9), glue=st.sampled_from([" ", ""]))
def test_what_passes_runs_nothing_but_what_it_seems_to_in_the_real_shell(
    parts: list[str], glue: str, stubs: Path, tmp_path: Path
) -> None:
    command = glue.join(parts)
    if not only_reads(command, ANYWHERE, writes=False):
        return
    workspace = tmp_path / "ws"
    workspace.mkdir(exist_ok=True)
    evil = tmp_path / "evil-was-here"
    done = subprocess.run(
        ["/bin/bash", "-c", f'command_not_found_handle() {{ echo "$1" >> "{evil}"; }}\n{command}'],
        cwd=workspace,
        env={"PATH": str(stubs), "EVIL": str(evil), "HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=20,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert not evil.exists(), (command, evil.read_text(), done.stderr)
    assert os.listdir(workspace) == [], (command, done.stderr)  # noqa: PTH208


@pytest.mark.parametrize("command", ["ls\ud800", "ls " + "a" * 5000, "ls" + "&&ls" * 990, "(" * 3000, "echo \u202ecod"])
def test_what_nobody_would_read_along_with_is_asked(command: str) -> None:
    assert not only_reads(command, ANYWHERE)


def test_other_scripts_are_letters_like_all_others() -> None:
    assert only_reads("cat 'résumé \U0001f600.txt' Größe.md", ANYWHERE)
    assert not only_reads("é=1 ls", ANYWHERE)


@settings(max_examples=300)
@given(text=st.text(max_size=60))
def test_any_text_is_judged_without_an_error(text: str) -> None:
    if only_reads(text, ANYWHERE, writes=False):
        first = re.split(r"[\s;|&]", text.strip())[0].replace("\\", "")
        assert first in READS or text.lstrip().startswith("#") or not text.strip()
