"""A SQLite file under a running server: whether it is still the one that was opened.

An open file lives on without its name. What is written to it then is gone with the process, so nothing more is
accepted, and what it held is saved once while it can still be read.
"""

import logging
import os
import sqlite3
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeAlias

import sqlalchemy as sa
from sqlalchemy import event

from mainloop.db.engine import connect_to, sqlite_file
from mainloop.errors import DatabaseGone

log = logging.getLogger(__name__)

# Beside where the database was.
RESCUED: Final = "mainloop.rescued.db"
# Device and number of a file: its name may be given to another one.
_Identity: TypeAlias = tuple[int, int] | None


class DatabaseFile:
    """`path` is None on PostgreSQL, where there is nothing to look at.

    A connection of its own stays open from the engine's first one to its end. While it is, the database and its log
    keep their identities, and it reads what they held after their names are gone.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self.path = sqlite_file(engine.url)
        self._keeper: sqlite3.Connection | None = None
        self._opened: tuple[_Identity, _Identity] = (None, None)
        self._rescued = False
        self._lock = threading.Lock()
        if self.path is not None:
            event.listen(engine, "connect", self._open)
            event.listen(engine, "engine_disposed", self._close)

    def refuse_gone(self) -> None:
        """Before a commit, and where a transaction has failed. Raises DatabaseGone."""
        if self.path is None or self._keeper is None or self._identities(self.path) == self._opened:
            return
        rescued = self._rescue(self._keeper, self.path.with_name(RESCUED))
        how = (
            f"What it held was saved as {rescued}: stop mainloop, rename that to {self.path.name}, start again."
            if rescued
            else "Stop mainloop, bring a backup back, start again."
        )
        raise DatabaseGone(path=self.path, how=how)

    def _open(self, *_: object) -> None:
        with self._lock:
            if self.path is None or self._keeper is not None:
                return
            self._keeper = connect_to(self.path)
            self._keeper.execute("SELECT 1 FROM sqlite_master").fetchall()  # opens the log as well
            self._opened = self._identities(self.path)

    def _close(self, *_: object) -> None:
        with self._lock:
            if self._keeper is not None:
                self._keeper.close()
                self._keeper = None

    @staticmethod
    def _identities(path: Path) -> tuple[_Identity, _Identity]:
        return _identity(path), _identity(path.with_name(f"{path.name}-wal"))

    def _rescue(self, keeper: sqlite3.Connection, target: Path) -> Path | None:
        with self._lock:
            if not self._rescued:
                unfinished = target.with_name(f".{target.name}")
                with suppress(FileNotFoundError):
                    unfinished.unlink()
                try:
                    keeper.execute("VACUUM INTO ?", (str(unfinished),))
                except sqlite3.Error as error:
                    log.error("What the deleted database held could not be saved: %s", error)
                    return None
                unfinished.chmod(0o600)
                unfinished.rename(target)
                self._rescued = True
                log.error("%s was deleted under this server; what it held is saved as %s", self.path, target)
            return target


def _identity(path: Path) -> _Identity:
    try:
        found = os.stat(path)  # noqa: PTH116 - at every write
    except OSError:
        return None
    return found.st_dev, found.st_ino
