"""Checks on this machine: a folder and a process each, below `$MAINLOOP_HOME/checks`."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

from mainloop.environment import named_paths
from mainloop.errors import MainloopError
from mainloop.git import GitFailed, git_command
from mainloop.sandboxes.base import Policy, Sandbox
from mainloop.workspaces.base import CheckNotStarted, CheckSpec, Source
from mainloop.workspaces.local.cloning import clone
from mainloop.workspaces.local.keeping import removed
from mainloop.workspaces.local.processes import end_runner, locked, runs

PROGRAM: Final = Path(__file__).with_name("checking.py")
# One that is asked to end has so long (seconds).
_GRACE: Final = 5.0
# Of a commit: more than any project has. A few trees that name each other many times can expand without end.
MOST_FILES: Final = 1_000_000
MOST_BYTES: Final = 32 * 2**30


class LocalChecks:
    """`home`: mainloop's one directory. What is checked sees its clone and a home of its own, and nothing beside them."""

    def __init__(self, home: Path, sandbox: Sandbox) -> None:
        self._home = home.absolute()
        self._sandbox = sandbox

    def start(self, spec: CheckSpec) -> None:
        folder = self._folder(spec.id)
        if self.alive(spec.id) or (folder / "end.json").exists():
            return
        try:
            removed(folder)
            for place in (folder.parent, folder, folder / "home", folder / "clone"):
                place.mkdir(mode=0o700, parents=True, exist_ok=True)
            _refuse_vast(spec.source)
            clone(folder / "clone", spec.source)
            self._write(folder / "check.json", spec)
            self._spawn(folder)
        except GitFailed as error:
            raise CheckNotStarted(why=f"git says: {error.line}.") from error
        except MainloopError as error:
            raise CheckNotStarted(why=error.sentence) from error
        except OSError as error:
            raise CheckNotStarted(why=f"{error.strerror or error}.") from error

    def alive(self, check_id: str) -> bool:
        folder = self._folder(check_id)
        return locked(folder / "lock") or runs(str(PROGRAM), folder / "check.json")

    def ended(self, check_id: str) -> Literal["passed", "failed"] | None:
        with suppress(OSError, ValueError, KeyError):
            return json.loads((self._folder(check_id) / "end.json").read_text())["outcome"]
        return None

    def log(self, check_id: str, after: int, limit: int) -> bytes:
        with suppress(FileNotFoundError), (self._folder(check_id) / "log").open("rb") as file:
            file.seek(after)
            return file.read(limit)
        return b""

    def end(self, check_id: str) -> None:
        folder = self._folder(check_id)
        end_runner(str(PROGRAM), folder / "check.json", _GRACE)
        for place in ("clone", "home"):
            removed(folder / place)

    def forget(self, check_id: str) -> None:
        self.end(check_id)
        shutil.rmtree(self._folder(check_id), ignore_errors=True)

    def _write(self, path: Path, spec: CheckSpec) -> None:
        folder = path.parent
        policy = Policy(
            chdir=folder / "clone",
            writable=(folder / "clone", folder / "home"),
            read_only=(spec.source.mirror, *named_paths(spec.environment)),
            hidden=(self._home,),
        )
        wrap = self._sandbox.wrap(policy)
        check = {
            "commands": spec.commands,
            "folder": str(folder / "clone"),
            "wrap": [*wrap, "--"] if wrap else [],
            "environment": {**spec.environment, "HOME": str(folder / "home")},
            "seconds": spec.seconds,
            "memory": spec.memory,
            "keep_free": spec.keep_free,
        }
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(check, file)

    def _spawn(self, folder: Path) -> None:
        with (folder / "trouble").open("ab") as trouble:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(PROGRAM), str(folder / "check.json")],
                cwd=folder,
                env={"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"},
                stdin=subprocess.DEVNULL,
                stdout=trouble,
                stderr=trouble,
                start_new_session=True,
            )
        # Its end is taken note of, so that no zombie stays while this server lives.
        threading.Thread(target=process.wait, daemon=True, name=f"check-{process.pid}").start()

    def _folder(self, check_id: str) -> Path:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", check_id):
            raise ValueError(f"no check has the id {check_id!r}")
        return self._home / "checks" / check_id


def _refuse_vast(source: Source) -> None:
    """Raises CheckNotStarted where the commit's files are too many or too large to be laid out."""
    listing = ("ls-tree", "-r", "-z", "--format=%(objectsize)", "--end-of-options", source.commit)
    command, environment = git_command(*listing, repository=source.mirror)
    files = size = 0
    rest = b""
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        while piece := process.stdout.read(2**20):
            *sizes, rest = (rest + piece).split(b"\0")
            files += len(sizes)
            # A submodule has none.
            size += sum(int(one) for one in sizes if one != b"-")
            if files > MOST_FILES or size > MOST_BYTES:
                process.kill()
                raise CheckNotStarted(why="its commit has too many or too large files.")
