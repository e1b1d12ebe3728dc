"""What a session has changed, at the API: real files, real git, and what agents may make of both."""

import os
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from mainloop.changes.changed_words import Effort, changed_words
from mainloop.testing.inprocess import InProcessServer
from mainloop.testing.repositories import Repository

BEFORE = {
    "app.py": "".join(f"line {n}\n" for n in range(1, 41)),
    "old name.py": "".join(f"def part_{n}(): ...\n" for n in range(20)),
    "gone.txt": "one\ntwo\n",
    "run.sh": "#!/bin/sh\n",
    "windows.txt": "one\r\ntwo\r\n",
    "same.txt": "the same\n",
}
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360000002000154a24f5d0000000049454e44ae426082"
)


@dataclass
class Work:
    """A session of a project whose agent is the test."""

    server: InProcessServer
    id: str
    folder: Path

    def ask(self, path: str, expect: int = 200) -> Any:
        answer = self.server.person.http.get(f"/api/sessions/{self.id}/diff{path}")
        assert answer.status_code == expect, answer.text
        return answer.json()

    def diff(self, of: str = "all", known: str = "", expect: int = 200) -> Any:
        return self.ask(f"?of={quote(of)}&known={known}", expect)

    def files(self) -> dict[str, Any]:
        return {file["path"]: file for file in self.diff()["files"]}

    def lines(self, *paths: str) -> list[Any]:
        found = self.diff()
        ids = [file["id"] for file in found["files"] if file["path"] in paths]
        asked = "&".join(f"file={ident}" for ident in ids)
        return self.ask(f"/lines?version={found['version']}&{asked}")["files"]

    def text(self, path: str) -> list[str]:
        (file,) = self.lines(path)
        return [line for hunk in file["hunks"] for line in hunk["lines"]]

    def git(self, *arguments: str) -> str:
        return Repository(self.folder).git(*arguments)

    def commit(self, message: str) -> str:
        """As the agent commits; it is in the mirror with the end of its turn."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", f"--message={message}")
        return self.save()

    def save(self) -> str:
        session = self.server.person.get(f"/api/sessions/{self.id}")
        mirror = self.server.parts.projects.mirror(session["project_id"])
        mirror.save_session(self.id, self.folder, session["branch"])
        return self.git("rev-parse", "HEAD")


@pytest.fixture(scope="module")
def project(server: InProcessServer, ground: Path) -> str:
    source = Repository.make(ground / "rocket")
    source.commit("before", BEFORE)
    server.person.post("/api/projects", {"id": "rocket-id", "source": str(source.path)})

    def ready() -> object:
        return any(p["state"] == "ready" for p in server.person.get("/api/projects")["projects"])

    server.person.until("the project", ready)
    return "rocket-id"


@pytest.fixture
def start(server: InProcessServer, project: str) -> Callable[[], Work]:
    def start() -> Work:
        ident = str(uuid.uuid4())
        server.person.post("/api/sessions", {"id": ident, "prompt": "Work.", "project": project})
        server.person.until("its branch", lambda: server.person.get(f"/api/sessions/{ident}")["branch"])
        folder = server.settings.home / "threads" / ident / "workspace"
        # What a real workspace is: a clone below the mirror.
        mirror = server.parts.projects.mirror(project)
        body = server.person.get(f"/api/sessions/{ident}")
        work = Work(server, ident, folder)
        work.git("init", "--quiet", f"--initial-branch={body['branch']}")
        (folder / ".git/objects/info/alternates").write_text(f"{mirror.path / 'objects'}\n")
        work.git("reset", "--quiet", "--hard", mirror.session_refs(ident)["base"])
        return work

    return start


@pytest.fixture
def work(start: Callable[[], Work]) -> Work:
    return start()


@pytest.mark.spec("changes-1")
def test_the_change_has_what_is_committed_and_what_is_not_and_follows_the_agent(work: Work) -> None:
    empty = work.diff()
    assert (empty["files"], empty["added"], empty["removed"], empty["commits"]) == ([], 0, 0, [])
    (work.folder / "app.py").write_text(BEFORE["app.py"].replace("line 20\n", "line twenty\n"))
    work.commit("Say it in words")
    (work.folder / "new.py").write_text("print()\n")
    found = work.diff()
    assert found["live"]
    assert [(f["path"], f["status"], f["added"], f["removed"]) for f in found["files"]] == [
        ("app.py", "changed", 1, 1),
        ("new.py", "added", 1, 0),
    ]
    assert (found["count"], found["added"], found["removed"]) == (2, 2, 1)
    again = work.diff(known=found["version"])
    assert (again["files"], again["version"]) == (None, found["version"])
    (work.folder / "new.py").unlink()
    later = work.diff(known=found["version"])
    assert later["version"] != found["version"]
    assert [f["path"] for f in later["files"]] == ["app.py"]


@pytest.mark.spec("changes-2")
def test_lines_come_with_their_numbers_what_they_stand_in_and_the_words_that_changed(work: Work) -> None:
    (work.folder / "old name.py").write_text(
        BEFORE["old name.py"].replace("def part_9(): ...", "def part_9(): return 1")
    )
    (file,) = work.lines("old name.py")
    (hunk,) = file["hunks"]
    assert (hunk["old_start"], hunk["new_start"], hunk["heading"]) == (7, 7, "def part_5(): ...")
    assert hunk["lines"][3:5] == ["-def part_9(): ...", "+def part_9(): return 1"]
    assert hunk["words"] == {"3": [[14, 17]], "4": [[14, 22]]}
    (work.folder / "new.txt").write_text("smile 🙂 one\nno end")
    (work.folder / "app.py").write_text(BEFORE["app.py"].replace("line 2\n", "🙂 line two\n"))
    (app, new) = work.lines("app.py", "new.txt")
    assert new["hunks"][0]["lines"] == ["+smile 🙂 one", "+no end"]
    assert new["hunks"][0]["unended"] == [1]
    # As a browser counts: the face is two.
    assert app["hunks"][0]["words"]["2"] == [[0, 3], [8, 11]]


@pytest.mark.spec("changes-2")
def test_a_line_that_is_deeper_is_not_another_word() -> None:
    removed, added = changed_words(["x = f(a)"], ["if a:", "    x = f(a, b)"], Effort())
    assert removed == [[]]
    assert added == [[(0, 5)], [(11, 14)]]
    assert changed_words(["nothing alike"], ["return 42"], Effort()) == ([[]], [[]])
    assert changed_words(["x " * 700], ["y " * 700], Effort()) == ([[]], [[]])


@pytest.mark.spec("changes-3")
@pytest.mark.parametrize(
    ("date", "shown"),
    [("253402300800 +0000", "9999-12-31T23:59:59Z"), ("+0000", "1970-01-01T00:00:00Z")],
    ids=["too late", "none"],
)
def test_a_date_that_no_calendar_has_hides_no_change(work: Work, date: str, shown: str) -> None:
    (work.folder / "new.py").write_text("print()\n")
    work.commit("Mine")
    raw = work.git("cat-file", "commit", "HEAD")
    raw = re.sub(r"^(author .*>) .*$", rf"\g<1> {date}", raw, flags=re.M)
    (work.folder / ".git/raw").write_text(raw + "\n")
    odd = work.git("hash-object", "-t", "commit", "--literally", "-w", ".git/raw")
    work.git("reset", "--quiet", "--soft", odd)
    work.save()
    found = work.diff()
    assert [(c["subject"], c["at"]) for c in found["commits"]] == [("Mine", shown)]
    assert [f["path"] for f in found["files"]] == ["new.py"]


@pytest.mark.spec("changes-2")
def test_comparing_words_costs_no_more_than_was_granted() -> None:
    row = ",".join(str(n) for n in range(1000, 1298))
    assert changed_words([row], [row.replace("1290", "x")], Effort()) == ([[]], [[]])
    effort = Effort()
    assert changed_words(["return first"], ["return second"], effort) == ([[(7, 12)]], [[(7, 13)]])
    spent = Effort().left - effort.left
    assert spent > 0
    # What has no words in common costs the look at it, and no more.
    assert changed_words(["one two three"], ["four;five;six"], effort) == ([[]], [[]])
    assert Effort().left - spent > effort.left > Effort().left - 2 * spent
    few = Effort(spent)
    assert changed_words(["return first"], ["return second"], few) == ([[(7, 12)]], [[(7, 13)]])
    assert changed_words(["return first"], ["return second"], few) == ([[]], [[]])


@pytest.mark.spec("changes-2")
def test_the_files_of_one_request_share_what_comparing_words_may_cost(work: Work) -> None:
    def table(word: str) -> str:
        return "".join("".join(f"{n}{m},{word}," for m in range(24)) + "\n.\n" for n in range(200))

    names = ["a.csv", "b.csv"]
    for name in names:
        (work.folder / name).write_text(table("old"))
    work.commit("before")
    for name in names:
        (work.folder / name).write_text(table("new"))
    head = work.commit("after")
    found = work.diff(f"commit:{head}")
    asked = "&".join(f"file={file['id']}" for file in found["files"])
    first, second = work.ask(f"/lines?version={found['version']}&{asked}")["files"]
    assert any(hunk["words"] for hunk in first["hunks"])
    assert not any(hunk["words"] for hunk in second["hunks"])


@pytest.mark.spec("changes-3")
def test_one_commit_is_shown_alone(work: Work) -> None:
    (work.folder / "first.txt").write_text("1\n")
    first = work.commit("first: a subject with “signs”")
    (work.folder / "second.txt").write_text("2\n")
    second = work.commit("second")
    assert [(c["id"], c["subject"]) for c in work.diff()["commits"]] == [
        (second, "second"),
        (first, "first: a subject with “signs”"),
    ]
    found = work.diff(f"commit:{first}")
    assert [f["path"] for f in found["files"]] == ["first.txt"]
    assert not found["live"]
    assert "no part of a change" in work.diff("commit:main", expect=422)["detail"]
    assert "no part of a change" in work.diff("--output=/tmp/x", expect=422)["detail"]


@pytest.mark.spec("changes-4")
def test_renames_modes_links_submodules_and_binaries_are_what_they_are(work: Work) -> None:
    work.git("mv", "old name.py", "new name.py")
    (work.folder / "run.sh").chmod(0o755)
    (work.folder / "gone.txt").unlink()
    (work.folder / "same.txt").unlink()
    (work.folder / "same.txt").symlink_to("/etc/passwd")
    (work.folder / "logo.png").write_bytes(PIXEL)
    (work.folder / "data.bin").write_bytes(bytes(range(256)))
    part = Repository.make(work.folder / "part")
    files = work.files()
    assert "old name.py" not in files
    assert (files["new name.py"]["status"], files["new name.py"]["old_path"]) == ("renamed", "old name.py")
    assert (files["run.sh"]["old_mode"], files["run.sh"]["new_mode"]) == ("100644", "100755")
    assert (files["gone.txt"]["status"], files["gone.txt"]["removed"]) == ("deleted", 2)
    assert (files["logo.png"]["kind"], files["logo.png"]["new_size"], files["logo.png"]["added"]) == (
        "picture",
        len(PIXEL),
        None,
    )
    assert (files["data.bin"]["kind"], files["data.bin"]["new_size"]) == ("binary", 256)
    assert (files["part"]["kind"], files["part"]["new"]) == ("submodule", part.commit_at("HEAD"))
    assert files["same.txt"]["kind"] == "link"
    # The link's own text, never what it leads to.
    assert work.text("same.txt") == ["-the same", "+/etc/passwd"]
    (renamed, mode) = work.lines("new name.py", "run.sh")
    assert (renamed["hunks"], mode["hunks"]) == ([], [])


@pytest.mark.spec("changes-4")
def test_a_renamed_file_that_was_changed_shows_its_changed_lines(work: Work) -> None:
    work.git("mv", "old name.py", "new name.py")
    (work.folder / "new name.py").write_text(BEFORE["old name.py"] + "last = 1\n")
    assert [line for line in work.text("new name.py") if line[0] != " "] == ["+last = 1"]


@pytest.mark.spec("changes-5")
def test_contents_are_handed_out_by_name_and_never_as_something_that_runs(work: Work) -> None:
    (work.folder / "logo.png").write_bytes(PIXEL)
    (work.folder / "page.png").write_text("<script>alert(1)</script>")
    (work.folder / "icon.svg").write_text("<svg onload='alert(1)'/>")
    files = work.files()
    types = {}
    for name in ("logo.png", "page.png", "icon.svg"):
        answer = work.server.person.http.get(f"/api/sessions/{work.id}/diff/contents/{files[name]['new']}")
        types[name] = answer.headers["content-type"].split(";")[0]
        assert answer.content == (work.folder / name).read_bytes()
        assert answer.headers["content-disposition"] == "attachment"
        assert "sandbox" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert types == {"logo.png": "image/png", "page.png": "text/plain", "icon.svg": "text/plain"}
    assert "no such content" in work.ask(f"/contents/{'0' * 40}", 404)["detail"]
    assert "names no content" in work.ask("/contents/HEAD", 422)["detail"]
    # A tree is no file.
    assert work.ask(f"/contents/{work.diff()['version'].split('-')[1]}", 404)["code"] == "unknown_content"


NAMES = {
    "newline": b"new\nline.py",
    "a header of git": b"x\ndiff --git a b\n@@ -1 +1 @@",
    "quotes": b"quo\"te's $(touch x) `y`.py",
    "a pathspec": b":(glob)*",
    "a dash": b"--output=x",
    "no UTF-8": b"caf\xe9.txt",
    "the other way round": "gpj.\u202egnp.exe".encode(),
    "tab and backslash": b"a\tb\\c",
    "carriage return": b"a\rb",
}


@pytest.mark.spec("changes-6")
@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_files_of_any_name_are_listed_and_read(work: Work, name: bytes) -> None:
    (work.folder / os.fsdecode(name)).write_text("content\n")
    shown = name.decode(errors="replace")
    assert list(work.files()) == [shown]
    assert work.text(shown) == ["+content"]


CONTENTS: dict[str, tuple[bytes, list[str]]] = {
    "invalid UTF-8": (b"caf\xe9\n", ["+caf\ufffd"]),
    "line ends": (b"one\r\ntwo\rthree\x0cfour\xe2\x80\xa8five\n", ["+one\r", "+two\rthree\x0cfour\u2028five"]),
    "a patch": (
        b"@@ -1 +1 @@\n--- a\n+++ b\ndiff --git a/x b/x\n\\ No newline\n",
        [
            "+@@ -1 +1 @@",
            "+--- a",
            "++++ b",
            "+diff --git a/x b/x",
            "+\\ No newline",
        ],
    ),
    "the other way round": ("if (x) { \u202e} begin\n".encode(), ["+if (x) { \u202e} begin"]),
    "empty": (b"", []),
    "one empty line": (b"\n", ["+"]),
}


@pytest.mark.spec("changes-6")
@pytest.mark.parametrize(("content", "shown"), CONTENTS.values(), ids=CONTENTS.keys())
def test_files_of_any_content_are_read_line_by_line(work: Work, content: bytes, shown: list[str]) -> None:
    (work.folder / "x.txt").write_bytes(content)
    assert work.text("x.txt") == shown


@pytest.mark.spec("changes-6")
def test_line_ends_that_changed_are_a_change(work: Work) -> None:
    (work.folder / "windows.txt").write_bytes(b"one\ntwo\n")
    assert work.text("windows.txt") == ["-one\r", "-two\r", "+one", "+two"]


@pytest.mark.spec("changes-6")
def test_a_change_that_only_takes_away(work: Work) -> None:
    for path in work.folder.iterdir():
        if path.name != ".git":
            path.unlink()
    found = work.diff()
    assert found["added"] == 0
    assert found["removed"] == sum(text.count("\n") for text in BEFORE.values()) + 1
    assert {f["status"] for f in found["files"]} == {"deleted"}


@pytest.mark.spec("changes-7")
def test_what_is_large_or_written_by_a_program_is_marked(work: Work) -> None:
    with (work.folder / "huge.txt").open("wb") as file:
        file.truncate(100 * 1024 * 1024)
    (work.folder / "long.json").write_text("[" + "1," * 600_000 + "1]\n")
    (work.folder / "many.txt").write_text("".join(f"{n}\n" for n in range(12_000)))
    (work.folder / "wide.txt").write_text("x" * 5000 + "\n")
    (work.folder / "package-lock.json").write_text("{}\n")
    (work.folder / "vendor").mkdir()
    (work.folder / "vendor/lib.js").write_text("x\n")
    files = work.files()
    assert (files["huge.txt"]["kind"], files["huge.txt"]["new_size"]) == ("large", 100 * 1024 * 1024)
    assert (files["long.json"]["kind"], files["long.json"]["added"]) == ("large", None)
    assert {path for path, file in files.items() if file["generated"]} == {"package-lock.json", "vendor/lib.js"}
    (many,) = work.lines("many.txt")
    assert (sum(len(hunk["lines"]) for hunk in many["hunks"]), many["more"]) == (10_000, 2000)
    (wide,) = work.lines("wide.txt")
    assert (len(wide["hunks"][0]["lines"][0]), wide["hunks"][0]["cut"]) == (2001, {"0": 3000})
    refused = work.ask(f"/contents/{files['huge.txt']['new']}", 413)
    assert "more than 10485760 are not shown" in refused["detail"]


@pytest.mark.spec("changes-8")
def test_nothing_that_an_agent_configures_hides_a_change_or_runs(work: Work, ground: Path) -> None:
    ran = ground / "ran"
    program = f"touch '{ran}'"
    for setting in ("core.fsmonitor", "filter.x.clean", "filter.x.smudge", "diff.x.command", "diff.x.textconv"):
        work.git("config", setting, program)
    (work.folder / ".gitattributes").write_text("* -diff filter=x\n*.py diff=x linguist-generated\n")
    hook = work.folder / ".git/hooks/post-index-change"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\n{program}\n")
    hook.chmod(0o755)
    work.git("-c", "core.fsmonitor=false", "update-index", "--assume-unchanged", "app.py")
    work.git("-c", "core.fsmonitor=false", "update-index", "--skip-worktree", "gone.txt")
    ran.unlink(missing_ok=True)
    (work.folder / "app.py").write_text("mine\n")
    (work.folder / "gone.txt").write_text("mine as well\n")
    assert work.text("app.py")[-1] == "+mine"
    assert work.text("gone.txt")[-1] == "+mine as well"
    assert not ran.exists()


@pytest.mark.spec("changes-8")
def test_ignored_files_are_left_out_unless_git_knows_them(work: Work) -> None:
    (work.folder / ".gitignore").write_text("*.log\nsame.txt\n")
    (work.folder / "noise.log").write_text("noise\n")
    (work.folder / "wanted.log").write_text("wanted\n")
    (work.folder / "same.txt").write_text("changed\n")
    work.git("add", "--force", "wanted.log")
    assert list(work.files()) == [".gitignore", "same.txt", "wanted.log"]


@pytest.mark.spec("changes-9")
def test_a_closed_session_shows_its_change_as_it_was_kept(work: Work) -> None:
    (work.folder / "app.py").write_text("committed\n")
    work.commit("one")
    (work.folder / "notes.md").write_text("not committed\n")
    live = work.diff()
    runner = work.server.runner(work.id)
    runner.hello()
    runner.whole_turn("Done.")
    runner.goodbye()
    work.server.person.post(f"/api/sessions/{work.id}/close", {})
    work.server.person.until("its workspace to go", lambda: not work.folder.exists())
    kept = work.diff()
    assert not kept["live"]
    assert [f["path"] for f in kept["files"]] == [f["path"] for f in live["files"]] == ["app.py", "notes.md"]
    assert kept["version"] == live["version"]
    assert work.text("notes.md") == ["+not committed"]


@pytest.mark.spec("changes-9")
def test_a_session_without_a_project_shows_its_files(server: InProcessServer) -> None:
    ident = str(uuid.uuid4())
    server.person.post("/api/sessions", {"id": ident, "prompt": "Work."})
    server.runner(ident)
    work = Work(server, ident, server.settings.home / "threads" / ident / "workspace")
    assert work.diff()["files"] == []
    (work.folder / "notes.md").write_text("one\ntwo\n")
    assert [(f["path"], f["status"], f["added"]) for f in work.diff()["files"]] == [("notes.md", "added", 2)]


@pytest.mark.spec("changes-10")
def test_a_base_that_is_gone_and_a_version_that_is_gone_are_said_in_words(work: Work, server: InProcessServer) -> None:
    (work.folder / "app.py").write_text("mine\n")
    version = work.diff()["version"]
    lost = f"{'1' * 40}-{version.split('-')[1]}"
    assert "Load it again" in work.ask(f"/lines?version={lost}&file=x", 409)["detail"]
    assert "no version" in work.ask(f"/lines?version={quote('--output=x')}&file=x", 422)["detail"]
    many = "&".join(f"file={n}" for n in range(51))
    assert "at most 50" in work.ask(f"/lines?version={version}&{many}", 422)["detail"]
    assert Work(server, "nobody", work.folder).diff(expect=404)["code"] == "unknown_session"
    mirror = server.parts.projects.mirror("rocket-id")
    objects = mirror.path / "objects"
    objects.rename(objects.with_name("away"))
    objects.mkdir()
    (work.folder / "app.py").write_text("mine, later\n")
    try:
        gone = work.diff(expect=409)
        assert (gone["code"], "nothing to compare its work with" in gone["detail"]) == ("base_gone", True)
    finally:
        objects.rmdir()
        objects.with_name("away").rename(objects)
    (work.folder / "app.py").write_text("mine\n")
    assert work.diff()["version"] == version
