"""What a run has to say, on disk before it is sent: one file a run, one report a line, numbered from 1 without gaps.

A spool outlives its runner: the next run delivers what an older one left. The server's receipts, not the file, say
what has arrived, so nothing in a spool is ever changed; a spool that has grown large is emptied when all of it has
arrived.
"""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from mainloop_models.runner import Report, ReportBody

# Above this many bytes an entirely acknowledged spool is emptied.
LARGE = 8 << 20


class Spool:
    """The spool of one run."""

    def __init__(self, path: Path, run: int, number: int, waiting: list[Report]) -> None:
        self.run = run
        self._path = path
        self._number = number
        self._waiting = waiting
        self._file = path.open("ab")

    @classmethod
    def open(cls, folder: Path, run: int, acked: int = 0) -> Self:
        """Opens the spool of a run, new or left by an earlier life; what is numbered up to `acked` has arrived."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"{run}.jsonl"
        found, size = _read(path) if path.exists() else ([], 0)
        if path.exists():
            # A torn end is cut off, so that the next report does not join it.
            os.truncate(path, size)
        spool = cls(path, run, max([acked, *(r.number for r in found)]), [r for r in found if r.number > acked])
        _sync_folder(folder)
        return spool

    def append(self, body: ReportBody) -> Report:
        """Numbers a report and puts it on disk. It survives this process from here on."""
        report = Report(run=self.run, number=self._number + 1, at=datetime.now(UTC), body=body)
        self._file.write(report.model_dump_json().encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._number += 1
        self._waiting.append(report)
        return report

    def waiting(self) -> list[Report]:
        """What has not arrived yet, in order."""
        return self._waiting

    def acknowledge(self, number: int) -> None:
        """Everything up to this number has arrived."""
        self._waiting = [r for r in self._waiting if r.number > number]
        if not self._waiting and self._file.tell() > LARGE:
            self._file.truncate(0)

    def close(self) -> None:
        self._file.close()

    def remove(self) -> None:
        """The run has ended and all of it has arrived."""
        self.close()
        self._path.unlink(missing_ok=True)


def older_runs(folder: Path, run: int) -> list[int]:
    """The runs before this one that left a spool, oldest first."""
    if not folder.is_dir():
        return []
    runs = [int(p.stem) for p in folder.glob("*.jsonl") if p.stem.isdigit()]
    return sorted(r for r in runs if r < run)


def _read(path: Path) -> tuple[list[Report], int]:
    """The whole reports of a spool, and how many bytes they take."""
    reports: list[Report] = []
    size = 0
    for line in path.read_bytes().split(b"\n")[:-1]:
        try:
            json.loads(line)
        except ValueError:
            # The torn end of a life that was killed while it wrote: never sent, so never missed.
            break
        reports.append(Report.model_validate_json(line))
        size += len(line) + 1
    return reports, size


def _sync_folder(folder: Path) -> None:
    """The file's name is durable too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
