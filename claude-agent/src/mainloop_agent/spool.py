"""What a run has to say, on disk before it is sent: one file a run, one report a line, numbered from 1 without gaps.

A spool outlives its runner: the next run delivers what an older one left. The server's receipts, not the file, say
what has arrived, so nothing in a spool is ever changed; a spool that has grown large is emptied when all of it has
arrived. What can't be written, because the disk is full, waits in memory and is not sent; a file that was deleted or
torn under its writer is written again from memory.
"""

import logging
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from mainloop_models.runner import Report, ReportBody

log = logging.getLogger(__name__)

# Above this many bytes an entirely acknowledged spool is emptied.
LARGE = 8 << 20
# The size of a file that has to be written anew.
_UNKNOWN = -1


class Spool:
    """The spool of one run."""

    def __init__(self, path: Path, run: int, number: int, waiting: list[Report], size: int) -> None:
        self.run = run
        # Why something is not on disk, as the system says it; empty: everything is.
        self.trouble = ""
        self._path = path
        self._number = number
        self._waiting = waiting
        # Numbered, in order behind `_waiting`, and not on disk yet.
        self._unwritten: list[Report] = []
        # What the file held when it was last looked at.
        self._size = size
        self._file: int | None = None

    @classmethod
    def open(cls, folder: Path, run: int, acked: int = 0) -> Self:
        """Opens the spool of a run, new or left by an earlier life; what is numbered up to `acked` has arrived."""
        path = folder / f"{run}.jsonl"
        found, size = _read(path) if path.exists() else ([], _UNKNOWN)
        left = [r for r in found if r.number > acked]
        if left and left[0].number != acked + 1:
            log.warning("%s: reports from %d on are missing, so none behind them counts", path, acked + 1)
            left = []
        spool = cls(path, run, max([acked, *(r.number for r in found)]), left, size)
        # A torn end is cut off, so that the next report does not join it.
        spool.write()
        return spool

    def append(self, body: ReportBody) -> Report:
        """Numbers a report and puts it on disk: it survives this process from here on, unless there is `trouble`."""
        self._number += 1
        report = Report(run=self.run, number=self._number, at=datetime.now(UTC), body=body)
        self._unwritten.append(report)
        self.write()
        return report

    def write(self) -> bool:
        """Puts on disk what is not there: what was said meanwhile, and what was taken from under us. Whether all is."""
        try:
            if not self._is_as_we_left_it():
                self._write_anew()
            if self._unwritten:
                self._add(self._unwritten)
        except OSError as error:
            self.trouble = error.strerror or str(error)
            return False
        self._waiting += self._unwritten
        self._unwritten = []
        self.trouble = ""
        return True

    def waiting(self) -> list[Report]:
        """What is on disk and has not arrived yet, in order."""
        return self._waiting

    @property
    def is_told(self) -> bool:
        """Whether everything has arrived."""
        return not self._waiting and not self._unwritten

    def acknowledge(self, number: int) -> None:
        """Everything up to this number has arrived."""
        self._waiting = [r for r in self._waiting if r.number > number]
        if not self._waiting and self._size > LARGE and self._file is not None:
            os.ftruncate(self._file, 0)
            self._size = 0

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def remove(self) -> None:
        """The run has ended and all of it has arrived."""
        self.close()
        self._path.unlink(missing_ok=True)

    # ---- the file ---------------------------------------------------------------------------------------------
    def _is_as_we_left_it(self) -> bool:
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return False
        if self._file is None:
            self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        return os.path.samestat(there, os.fstat(self._file)) and there.st_size == self._size

    def _write_anew(self) -> None:
        """Whole or not at all, under another name: what was there stays until then."""
        self.close()
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = self._path.with_name(f".{self._path.name}")
        file = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        try:
            size = _write(file, self._waiting)
            unfinished.rename(self._path)
            _sync_folder(self._path.parent)
        except OSError:
            os.close(file)
            raise
        self._file, self._size = file, size

    def _add(self, reports: Sequence[Report]) -> None:
        assert self._file is not None
        size, self._size = self._size, _UNKNOWN
        try:
            self._size = size + _write(self._file, reports)
        except OSError:
            # Half a line goes again; where that fails, too, the whole file is written anew.
            os.ftruncate(self._file, size)
            os.fsync(self._file)
            self._size = size
            raise


def older_runs(folder: Path, run: int) -> list[int]:
    """The runs before this one that left a spool, oldest first."""
    if not folder.is_dir():
        return []
    runs = [int(p.stem) for p in folder.glob("*.jsonl") if p.stem.isdigit()]
    return sorted(r for r in runs if r < run)


def _write(file: int, reports: Sequence[Report]) -> int:
    """How many bytes they take. They are on disk when this returns."""
    lines = b"".join(report.model_dump_json().encode() + b"\n" for report in reports)
    rest = memoryview(lines)
    while rest:
        rest = rest[os.write(file, rest) :]
    os.fsync(file)
    return len(lines)


def _read(path: Path) -> tuple[list[Report], int]:
    """The whole reports of a spool up to where it is torn, and how many bytes they take."""
    reports: list[Report] = []
    size = 0
    for line in path.read_bytes().split(b"\n")[:-1]:
        try:
            report = Report.model_validate_json(line)
        except ValueError:
            # The torn end of a life that was killed while it wrote: never sent, so never missed.
            break
        if reports and report.number != reports[-1].number + 1:
            break
        reports.append(report)
        size += len(line) + 1
    return reports, size


def _sync_folder(folder: Path) -> None:
    """The file's name is durable too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
