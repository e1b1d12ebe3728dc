"""Fetching a project from an address of the person's into its mirror: at once, or, where that was cut off, in steps that stay."""

import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mainloop.git import GitFailed, git

# How everything is fetched into a mirror.
FETCH: Final = (
    "fetch",
    "--quiet",
    "--no-prune",
    "--no-tags",
    "--no-recurse-submodules",
    "--no-write-fetch-head",
    "--no-auto-maintenance",
    "--refmap=",
)
# The longest that git may take with all of a project.
SECONDS: Final = 3600

# What a first fetch has brought so far stands here until all of it is there.
_SO_FAR: Final = "refs/fetching/newest"
# So many commits deeper at first, twice as many as long as that takes so long (seconds), and so many steps in a row may fail.
_STEP: Final = 100
_STEP_SECONDS: Final = 20
_FAILURES: Final = 3

_PROGRESS: Final = re.compile(r"(?:remote: )?([A-Z][a-z ]+): +(\d+)% \(\d+/\d+\)(?:, ([\d.]+ \w+))?")

# Hears how far it is, in words.
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Fetching:
    """Into the bare repository `mirror`, with the person's own git configuration. All of it raises GitFailed."""

    mirror: Path
    address: str
    tell: Tell | None

    def first(self, refspecs: Sequence[str], newest: str) -> None:
        """All of it for the first time: at once, which is quickest and least work for whoever serves it.

        git keeps nothing of a fetch that was cut off. One that was goes on in steps, from the ref `newest` of theirs backwards.
        """
        for left in (self.mirror / "objects/pack").glob("tmp_*"):
            left.unlink()
        was_cut_off = self.mirror / "mainloop-cut-off"
        if not was_cut_off.exists():
            was_cut_off.touch()
            with suppress(GitFailed):
                self.all(refspecs)
                was_cut_off.unlink()
                return
        self._steps(newest)
        # All that is left: much where the address knows no steps, else other branches and what is newer.
        self.all(refspecs, ["--unshallow"] if self._shallow else [])
        git("update-ref", "-d", _SO_FAR, repository=self.mirror)
        was_cut_off.unlink()

    def all(self, refspecs: Sequence[str], options: Sequence[str] = (), step: int = 0) -> None:
        """What these refspecs name. `step`: which of several it is."""
        git(
            *FETCH,
            *(["--progress"] if self.tell else []),
            "--update-shallow",
            *options,
            "--",
            self.address,
            *refspecs,
            repository=self.mirror,
            as_person=True,
            timeout=SECONDS,
            tell=_in_words(self.tell, f"Step {step}, " if step else "") if self.tell else None,
        )

    def _steps(self, newest: str) -> None:
        """The newest commits of one branch, then those before them, as far as that goes."""
        step, count, failures = _STEP, 0, 0
        while failures < _FAILURES:
            before = self._shallow
            if count and not before:
                return
            count += 1
            began = time.monotonic()
            try:
                self.all([f"+{newest}:{_SO_FAR}"], [f"--deepen={step}" if before else "--depth=1"], count)
            except GitFailed:
                failures, step = failures + 1, max(1, step // 4)
                continue
            failures = 0
            if self._shallow == before:
                return
            if before:
                step = step * 2 if time.monotonic() - began < _STEP_SECONDS else max(1, step // 2)

    @property
    def _shallow(self) -> str:
        """Where the history that is here is cut; empty where it is whole."""
        try:
            return (self.mirror / "shallow").read_text()
        except FileNotFoundError:
            return ""


def _in_words(tell: Tell, before: str) -> Tell:
    """Hands on what git says of its progress, at most once a second: "Receiving objects, 43 %, 210.20 MiB"."""
    told_at = 0.0

    def hear(line: str) -> None:
        nonlocal told_at
        found = _PROGRESS.match(line)
        if found and time.monotonic() >= told_at + 1:
            told_at = time.monotonic()
            what, percent, size = found.groups()
            tell(f"{before}{what}, {percent} %" + (f", {size}" if size else ""))

    return hear
