"""Every sentence of a spec is held by a test that names its id.

In Python `@pytest.mark.spec("chat-3", "chat-4")`, in TypeScript a comment `// spec: chat-3, chat-4`, on the line above
the test.
"""

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SPECS = (
    "chat",
    "sessions",
    "projects",
    "kept",
    "changes",
    "forges",
    "inbox",
    "unread",
    "desk",
    "permissions",
    "cost",
    "layout",
    "length",
    "page",
    "writing",
    "access",
    "waiting",
    "home",
    "kills",
    "turns",
    "attention",
    "schedules",
    "watches",
)
ID = r"[a-z]+-\d+"
TESTS = (
    ("models/tests", "test_*.py"),
    ("backend/tests", "test_*.py"),
    ("backend/src/mainloop/testing/contracts", "*.py"),
    ("claude-agent/tests", "test_*.py"),
    ("frontend/src", "*.test.ts"),
    ("frontend/tests", "*.ts"),
    ("packages/ui/src", "*.test.ts"),
    ("e2e", "*.ts"),
)


def sentences() -> list[str]:
    """The ids of all sentences and of the rows of tables, in order."""
    found: list[str] = []
    for spec in SPECS:
        for line in (ROOT / f"docs/{spec}.md").read_text().splitlines():
            if line.startswith("- "):
                start = re.match(rf"- `({spec}-\d+)` [A-Z]", line)
                assert start, f"docs/{spec}.md: a sentence without an id of its own: {line}"
                found.append(start.group(1))
            elif row := re.match(rf"\| `({spec}-\d+)` \| ", line):
                found.append(row.group(1))
    return found


def named() -> dict[str, list[str]]:
    """Per id the test files that name it."""
    found: dict[str, list[str]] = {}
    for folder, pattern in TESTS:
        for path in (ROOT / folder).rglob(pattern):
            if "node_modules" in path.parts or path == Path(__file__).resolve():
                continue
            marks = re.findall(r"(?:mark\.spec\(|// spec: )([^)\n]*)", path.read_text())
            for ident in re.findall(ID, " ".join(marks)):
                found.setdefault(ident, []).append(str(path.relative_to(ROOT)))
    return found


def test_every_sentence_has_a_test() -> None:
    tested = named()
    without = [ident for ident in sentences() if ident not in tested]
    assert not without


def test_every_mark_names_a_sentence() -> None:
    known = set(sentences())
    lost = {ident: files for ident, files in named().items() if ident not in known}
    assert not lost


def test_ids_are_unique_and_in_order() -> None:
    ids = sentences()
    assert [i for i, count in Counter(ids).items() if count > 1] == []
    for spec in SPECS:
        numbers = [int(i.rsplit("-", 1)[1]) for i in ids if i.startswith(f"{spec}-")]
        assert numbers == sorted(numbers), spec
