"""The thread's lock: who holds it is the one runner that may act. Held until the process ends."""

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

LOCK_SECONDS = 10.0
# Whoever only looks holds the lock for a moment, too; who holds it this many looks in a row, a second apart, lives.
LOOKS = 3


class LockHeldError(Exception):
    """Another runner of this thread lives."""


class Lock:
    def __init__(self, path: Path) -> None:
        """Takes the lock at `path`. Raises LockHeldError."""
        self._path = path
        self._in_vain = 0
        until = time.monotonic() + LOCK_SECONDS
        while (file := self._try()) is None:
            if time.monotonic() > until:
                raise LockHeldError
            time.sleep(0.05)
        self._file = file

    def keep(self) -> None:
        """Takes it again where its file was deleted or replaced. Raises LockHeldError when somebody else was faster."""
        with suppress(FileNotFoundError):
            if os.path.samestat(self._path.stat(), os.fstat(self._file.fileno())):
                return
        try:
            file = self._try()
        except OSError:
            return  # a disk without room for its name: tried again
        if file is not None:
            self._file.close()
            self._file, self._in_vain = file, 0
            return
        self._in_vain += 1
        if self._in_vain == LOOKS:
            raise LockHeldError

    def _try(self) -> IO[str] | None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = self._path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        # Who holds it, for whoever looks into the file; the lock holds without.
        with suppress(OSError):
            os.ftruncate(file.fileno(), 0)
            os.write(file.fileno(), f"{os.getpid()}\n".encode())
        return file
