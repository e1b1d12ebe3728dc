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
from typing import Final, NamedTuple, TypeAlias

import sqlalchemy as sa
from sqlalchemy import event

from mainloop.db.engine import connect_to, sqlite_file
from mainloop.errors import DatabaseGone

log = logging.getLogger(__name__)

# Beside where the database was.
RESCUED: Final = "mainloop.rescued.db"
# Device and number of a file: its name may be given to another one.
_Identity: TypeAlias = tuple[int, int] | None


class _Kept(NamedTuple):
    connection: sqlite3.Connection
    # Of the database and of its log, when `connection` was opened.
    identities: tuple[_Identity, _Identity]


class DatabaseFile:
    """`path` is None on PostgreSQL, where there is nothing to look at.

    A connection of its own stays open as long as the engine has any. While it is, the database and its log keep their
    identities, and it reads what they held after their names are gone.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self.path = sqlite_file(engine.url)
        self._kept: _Kept | None = None
        self._rescued = False
        self._lock = threading.Lock()
        if self.path is not None:
            path = self.path
            event.listen(engine, "connect", lambda *_: self._open(path))

    def refuse_gone(self) -> None:
        """Before a commit, and where a transaction has failed. Raises DatabaseGone."""
        if self.path is None:
            return
        # The engine may have had its first connection before this was made.
        kept = self._kept or self._open(self.path)
        if kept is None and self.path.exists():
            return  # it is there and can't be read: what failed says why
        if kept is not None and _identities(self.path) == kept.identities:
            return
        rescued = kept and self._rescue(kept.connection, self.path.with_name(RESCUED))
        how = (
            f"What it held was saved as {rescued}: stop mainloop, rename that to {self.path.name}, start again."
            if rescued
            else "Stop mainloop, bring a backup back, start again."
        )
        raise DatabaseGone(path=self.path, how=how)

    def _open(self, path: Path) -> _Kept | None:
        """None where there is nothing to open, or nothing that can be read."""
        with self._lock:
            if self._kept is None:
                try:
                    connection = connect_to(path)
                    connection.execute("SELECT 1 FROM sqlite_master").fetchall()  # opens the log as well
                except sqlite3.Error:
                    return None
                # At once and whole: other threads look at it without the lock.
                self._kept = _Kept(connection, _identities(path))
            return self._kept

    def close(self) -> None:
        """After the engine's last connection."""
        with self._lock:
            if self._kept is not None:
                self._kept.connection.close()
                self._kept = None

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


def _identities(path: Path) -> tuple[_Identity, _Identity]:
    return _identity(path), _identity(path.with_name(f"{path.name}-wal"))


def _identity(path: Path) -> _Identity:
    try:
        found = os.stat(path)  # noqa: PTH116 - at every write
    except OSError:
        return None
    return found.st_dev, found.st_ino
