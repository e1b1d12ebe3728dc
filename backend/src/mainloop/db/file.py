"""A SQLite file under a running server: whether it is still the one that was opened.

An open file lives on without its name. What is written to it then is gone with the process, so nothing more is
accepted, and what it held is saved once while it can still be read.
"""

import logging
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from mainloop.db.engine import sqlite_file
from mainloop.errors import DatabaseGone

log = logging.getLogger(__name__)

# Beside where the database was.
RESCUED: Final = "mainloop.rescued.db"


class DatabaseFile:
    """`path` is None on PostgreSQL, where there is nothing to look at."""

    def __init__(self, engine: sa.Engine) -> None:
        self.path = sqlite_file(engine.url)
        # Made at the first connection, where it is not there yet.
        self._opened = _identity(self.path) if self.path is not None else None
        self._rescued = False
        self._rescuing = threading.Lock()
        if self.path is not None:
            event.listen(engine, "connect", self._remember)

    def refuse_gone(self, connection: sa.Connection) -> None:
        """Inside a write, before its commit; the write is rolled back. Raises DatabaseGone."""
        if self.path is None or self._still_there(self.path):
            return
        connection.rollback()
        rescued = self._rescue(connection, self.path.with_name(RESCUED))
        how = (
            f"What it held was saved as {rescued}: stop mainloop, rename that to {self.path.name}, start again."
            if rescued
            else "Stop mainloop, bring a backup back, start again."
        )
        raise DatabaseGone(path=self.path, how=how)

    def _remember(self, *_: object) -> None:
        if self._opened is None and self.path is not None:
            self._opened = _identity(self.path)

    def _still_there(self, path: Path) -> bool:
        # While a connection is open its log is there, too.
        return _identity(path) == self._opened and path.with_name(f"{path.name}-wal").exists()

    def _rescue(self, connection: sa.Connection, target: Path) -> Path | None:
        with self._rescuing:
            if not self._rescued:
                unfinished = target.with_name(f".{target.name}")
                with suppress(FileNotFoundError):
                    unfinished.unlink()
                try:
                    connection.exec_driver_sql("VACUUM INTO ?", (str(unfinished),))
                except DBAPIError as error:
                    log.error("What the deleted database held could not be saved: %s", error.orig)
                    return None
                unfinished.chmod(0o600)
                unfinished.rename(target)
                self._rescued = True
                log.error("%s was deleted under this server; what it held is saved as %s", self.path, target)
            return target


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - at every write
    except OSError:
        return None
    return found.st_dev, found.st_ino
