"""Opening the database of a home: what is torn, lost or too new is said in words, and nothing is made over it.

Looks only, with a connection that can't write: whatever is wrong, the files stay as they were found.
"""

import os
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import DatabaseError, DBAPIError

from mainloop.db import store
from mainloop.db.engine import make_engine, sqlite_file, unreadable
from mainloop.db.file import RESCUED
from mainloop.db.migrate import known_revisions, migrate, revision_of
from mainloop.errors import (
    DatabaseBehind,
    DatabaseDamaged,
    DatabaseMissing,
    DatabaseNewer,
    DatabaseReadOnly,
    DatabaseUnreachable,
)

# The mirror of what sessions without a project left behind. No project has so short an id.
OWN_MIRROR = "own"
# What was kept of workspaces lies beside the mirror of the same project.
KEPT_SUFFIX = ".kept.git"


def open_database(url: str, home: Path, *, thorough: bool = False) -> sa.Engine:
    """The home's database, up to date; made where the home is new.

    `thorough` reads all of a SQLite file. Raises the errors of `refuse_broken`.
    """
    refuse_broken(url, home, thorough=thorough)
    engine = make_engine(url)
    migrate(engine)
    return engine


def refuse_broken(url: str, home: Path, *, thorough: bool = False) -> None:
    """Does nothing for a database that can be worked with, or that is still to be made for a new home.

    Raises DatabaseMissing, DatabaseDamaged, DatabaseReadOnly, DatabaseNewer, DatabaseBehind or DatabaseUnreachable.
    """
    file = sqlite_file(sa.make_url(url))
    if file is not None:
        _refuse_unwritable(file)
        if not file.exists():
            _refuse_lost(file, home)
            return
        if file.stat().st_size == 0:
            raise DatabaseDamaged(path=file, why="it is empty")
    try:
        with looking(url) as connection:
            if thorough and file is not None:
                _refuse_torn(connection, file)
            found = revision_of(connection)
            if found is None and file is None:
                return
            if found is None:
                raise DatabaseDamaged(path=file, why="it holds no tables of mainloop")
            if found not in known_revisions():
                raise DatabaseNewer(path=file or shown(url), revision=found)
            _refuse_behind(connection, home, file or shown(url))
    except DBAPIError as error:
        if file is None:
            raise DatabaseUnreachable(where=shown(url), why=str(error.orig).strip().splitlines()[0]) from error
        if unreadable(error):
            raise DatabaseDamaged(path=file, why=str(error.orig)) from error
        raise


def shown(url: str) -> str:
    """The address of a database without its password."""
    return sa.make_url(url).render_as_string(hide_password=True)


@contextmanager
def looking(url: str) -> Generator[sa.Connection]:
    """A connection that can't write, and leaves a SQLite file and its log as they are."""
    file = sqlite_file(sa.make_url(url))
    if file is None:
        engine = make_engine(url)
    else:
        # Without a log beside it nobody is writing. With one, it has to be read too.
        log = file.with_name(f"{file.name}-wal")
        how = "mode=ro" if log.exists() and log.stat().st_size else "immutable=1"
        address = f"file:{quote(str(file))}?{how}"
        engine = sa.create_engine(
            "sqlite://",
            creator=lambda: sqlite3.connect(address, uri=True, timeout=30, check_same_thread=False),
            poolclass=sa.NullPool,
        )
    try:
        with engine.connect() as connection:
            yield connection
            connection.rollback()
    finally:
        engine.dispose()


def _refuse_unwritable(file: Path) -> None:
    folder = next(f for f in (file.parent, *file.parent.parents) if f.exists())
    for path in (folder, *(p for p in (file, file.with_name(f"{file.name}-wal")) if p.exists())):
        if not os.access(path, os.W_OK):
            raise DatabaseReadOnly(path=path)


def _refuse_lost(file: Path, home: Path) -> None:
    rescued = file.with_name(RESCUED)
    left = _contents(home) or (rescued.name if rescued.exists() else "")
    if not left:
        return
    how = (
        f"The last server saved what it held as {rescued}: rename that to {file.name}."
        if rescued.exists()
        else f"Put it back with its {file.name}-wal, or bring a backup back into an empty home with `mainloop import`."
    )
    raise DatabaseMissing(path=file, home=home, left=left, how=how)


def _refuse_torn(connection: sa.Connection, file: Path) -> None:
    try:
        found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
    except DatabaseError as error:
        found = str(error.orig)
    if found != "ok":
        raise DatabaseDamaged(path=file, why=found.splitlines()[-1])


class _Run(BaseModel):
    """What of a run file says how far the database had come when it was written."""

    thread_id: str
    run: int


def _refuse_behind(connection: sa.Connection, home: Path, where: object) -> None:
    """A row is committed before its folder is made: a folder without one shows that commits were lost."""
    runs, mirrors = store.newest_runs(connection), {*store.project_ids(connection), OWN_MIRROR}
    unknown = [folder.name for folder in _folders(home / "threads") if folder.name not in runs]
    unknown += [m.name for m in _folders(home / "mirrors") if _project_of(m.name) not in mirrors]
    for thread_id, number in runs.items():
        with suppress(OSError, ValidationError):
            started = _Run.model_validate_json((home / "threads" / thread_id / "run.json").read_bytes())
            if started.run > number:
                unknown.append(f"run {started.run} of {thread_id}")
    if unknown:
        named = ", ".join(unknown[:3]) + (f" and {len(unknown) - 3} more" if len(unknown) > 3 else "")
        raise DatabaseBehind(path=where, home=home, unknown=named)


def _project_of(mirror: str) -> str:
    return mirror.removesuffix(KEPT_SUFFIX).removesuffix(".git")


def _contents(home: Path) -> str:
    counts = ((len(_folders(home / "threads")), "threads"), (len(_folders(home / "mirrors")), "mirrors"))
    return " and ".join(f"{count} {what}" for count, what in counts if count)


def _folders(below: Path) -> list[Path]:
    """Those that were finished: what is being made begins with a dot."""
    if not below.is_dir():
        return []
    return sorted(f for f in below.iterdir() if f.is_dir() and not f.name.startswith("."))
