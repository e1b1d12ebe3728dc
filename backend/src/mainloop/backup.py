"""The whole home in one file, made while everything runs, and a home made of it again.

An export holds no way in: browsers are paired anew, tokens of runs are void, credentials of agents stay behind. Files
come first and the database last, so that the log, which is the truth, is never older than what lies beside it: what
an agent did meanwhile it may have to be told, as after a machine that died.
"""

import io
import os
import shutil
import socket
import sqlite3
import stat
import subprocess
import tarfile
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import IO, Final, Literal

import sqlalchemy as sa
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import DBAPIError

from mainloop.db import store
from mainloop.db.engine import make_engine, sqlite_file
from mainloop.db.migrate import known_revisions, revision_of
from mainloop.db.opening import KEPT_SUFFIX, looking, open_database, refuse_broken, shown
from mainloop.errors import DatabaseNewer, MainloopError
from mainloop.settings import Settings

FORMAT: Final = 1
MANIFEST: Final = "mainloop.json"
SQLITE: Final = "mainloop.db"
POSTGRESQL: Final = "mainloop.dump"
# Of a thread's folder: what belongs to one life of a runner, what is being made of its workspace, or tells secrets.
_LEFT_OUT: Final = (
    *("lock", "log", "log.*", "run.json", "token-*", "agent", "agent.pid"),
    *("preparing", "making-*", "looking", "keeping"),
)
_CREDENTIALS: Final = ".credentials.json"


class FileExists(MainloopError):
    """{path} exists already. Give the export another name, or delete it first."""

    code = "file_exists"


class HomeNotEmpty(MainloopError):
    """{home} is not empty. Import into a home that does not exist yet: `mainloop import FILE --home FOLDER`."""

    code = "home_not_empty"


class NotAnExport(MainloopError):
    """{path} is no export of mainloop, or not a whole one: {why}. Nothing was imported."""

    code = "not_an_export"


class OtherDatabase(MainloopError):
    """{path} was exported from {theirs}, and this home is to use {ours}. {how}"""

    code = "other_database"


class DatabaseNotEmpty(MainloopError):
    """The database {where} holds tables already. Import into an empty one."""

    code = "database_not_empty"


class ToolMissing(MainloopError):
    """{tool} is needed for a PostgreSQL database and is not installed. Install PostgreSQL's client programs."""

    code = "tool_missing"


class CopyFailed(MainloopError):
    """{what} could not be written: {why}. What was begun is removed again."""

    code = "copy_failed"


class Manifest(BaseModel):
    """The first entry of an export."""

    format: int
    version: str
    database: Literal["sqlite", "postgresql"]
    made_at: datetime
    home: str


def export_home(settings: Settings, file: Path, version: str) -> list[str]:
    """All of the home in `file`, whole or not at all, readable for its owner only. The server may run meanwhile.

    Answers what could not be read and is not in it.

    Raises FileExists, ToolMissing, CopyFailed and what opening a database raises.
    """
    if file.exists():
        raise FileExists(path=file)
    refuse_broken(settings.database, settings.home)
    with _said_in_words(file), tempfile.TemporaryDirectory(prefix=f".{file.name}-", dir=file.parent) as scratch:
        unfinished = Path(scratch) / "export"
        with os.fdopen(os.open(unfinished, os.O_RDWR | os.O_CREAT, 0o600), "w+b") as raw:
            with tarfile.open(
                fileobj=raw, mode="w:gz" if file.suffix in (".gz", ".tgz") else "w", format=tarfile.PAX_FORMAT
            ) as tar:
                archive = _Archive(tar)
                _write(settings, archive, Path(scratch), version)
            raw.flush()
            os.fsync(raw.fileno())
        unfinished.rename(file)
    return archive.unreadable


def import_home(settings: Settings, file: Path) -> None:
    """A new home made of an export, whole or not at all.

    Raises HomeNotEmpty, NotAnExport, OtherDatabase, DatabaseNotEmpty, DatabaseNewer, ToolMissing or CopyFailed.
    """
    home = settings.home
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise HomeNotEmpty(home=home)
    manifest = _manifest(file)
    _refuse_other_database(settings, file, manifest)
    home.parent.mkdir(parents=True, exist_ok=True)
    with _said_in_words(home), tempfile.TemporaryDirectory(prefix=f".{home.name}-", dir=home.parent) as scratch:
        making = Path(scratch) / "home"
        making.mkdir(mode=0o700)
        with _reading(file) as tar:
            # Nothing is written outside of it, and nothing becomes anybody else's.
            tar.extractall(making, filter="tar")
        (making / MANIFEST).unlink()
        if manifest.database == "sqlite":
            _adopt(f"sqlite:///{making / SQLITE}", making, file)
        else:
            _restore(settings.database, making / POSTGRESQL)
            (making / POSTGRESQL).unlink()
            _adopt(settings.database, making, file)
        making.rename(home)


def _write(settings: Settings, archive: "_Archive", scratch: Path, version: str) -> None:
    engine = make_engine(settings.database)
    try:
        kind: Literal["sqlite", "postgresql"] = "sqlite" if engine.dialect.name == "sqlite" else "postgresql"
        manifest = Manifest(
            format=FORMAT, version=version, database=kind, made_at=datetime.now(UTC), home=str(settings.home)
        )
        archive.text(MANIFEST, manifest.model_dump_json(indent=2))
        threads = settings.home / "threads"
        # A workspace borrows from its mirror: what it needs is there when the mirror is copied after it.
        for name in _names(threads):
            archive.tree(threads / name / "workspace", f"threads/{name}/workspace")
        # And so does what was kept.
        for name in sorted(_names(settings.home / "mirrors"), key=lambda name: not name.endswith(KEPT_SUFFIX)):
            _add_mirror(archive, settings.home / "mirrors" / name, f"mirrors/{name}")
        for name in _names(threads):
            archive.tree(threads / name, f"threads/{name}", without=("workspace", *_LEFT_OUT))
        if kind == "sqlite":
            archive.file(_copy_of_sqlite(engine, scratch / SQLITE), SQLITE)
        else:
            archive.file(_dump(settings.database, scratch / POSTGRESQL), POSTGRESQL)
    finally:
        engine.dispose()


def _add_mirror(archive: "_Archive", mirror: Path, name: str) -> None:
    """Refs before the objects they need; and before `refs/gone`, where a ref is put before it is taken away."""
    archive.tree(mirror, name, without=("objects", "refs"))
    archive.tree(mirror / "refs", f"{name}/refs", without=("gone",))
    archive.tree(mirror / "refs" / "gone", f"{name}/refs/gone")
    archive.tree(mirror / "objects", f"{name}/objects")


def _copy_of_sqlite(engine: sa.Engine, target: Path) -> Path:
    """Through SQLite itself, which takes the write-ahead file along."""
    copy = sqlite3.connect(target)
    source = engine.raw_connection()
    try:
        assert isinstance(source.driver_connection, sqlite3.Connection)
        source.driver_connection.backup(copy)
    finally:
        source.close()
        copy.close()
    ours = make_engine(f"sqlite:///{target}")
    with ours.begin() as connection:
        # What is deleted is overwritten, not only forgotten.
        connection.exec_driver_sql("PRAGMA secure_delete=ON")
        store.close_ways_in(connection)
    ours.dispose()
    return target


def _dump(url: str, target: Path) -> Path:
    secrets = ("--exclude-table-data=device", "--exclude-table-data=pairing")
    _run_tool("pg_dump", url, "--format=custom", "--no-owner", "--no-privileges", *secrets, f"--file={target}")
    return target


def _restore(url: str, dump: Path) -> None:
    _run_tool("pg_restore", url, "--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error", str(dump))


def _run_tool(tool: str, url: str, *arguments: str) -> None:
    """The password goes by the environment: arguments can be read by everybody."""
    if shutil.which(tool) is None:
        raise ToolMissing(tool=tool)
    address = sa.make_url(url).set(drivername="postgresql")
    password = {"PGPASSWORD": str(address.password)} if address.password else {}
    where = address.set(password=None).render_as_string(hide_password=False)
    command = [tool, "--dbname", where, *arguments]
    done = subprocess.run(command, env={**os.environ, **password}, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"{tool} ended with {done.returncode}"]
        raise CopyFailed(what=f"The database {shown(url)}", why=said[-1])


def _adopt(url: str, home: Path, file: Path) -> None:
    try:
        with looking(url) as connection:
            found = revision_of(connection)
            if found is not None and found not in known_revisions():
                raise DatabaseNewer(path=file, revision=found)
        engine = open_database(url, home, thorough=True)
        with engine.begin() as connection:
            store.close_ways_in(connection)
            store.adopt_runs(connection, socket.gethostname())
            store.claim_home(connection, None, "")
        engine.dispose()
    except DBAPIError as error:
        raise NotAnExport(path=file, why=str(error.orig)) from error


def _manifest(file: Path) -> Manifest:
    try:
        with _reading(file) as tar:
            first = tar.next()
            content = tar.extractfile(first) if first is not None and first.name == MANIFEST else None
            if content is None:
                raise NotAnExport(path=file, why="it does not begin like one")
            manifest = Manifest.model_validate_json(content.read())
    except ValidationError as error:
        raise NotAnExport(path=file, why="its first entry can't be read") from error
    if manifest.format > FORMAT:
        raise NotAnExport(path=file, why=f"a newer mainloop ({manifest.version}) made it; install that one")
    return manifest


def _refuse_other_database(settings: Settings, file: Path, manifest: Manifest) -> None:
    ours = "sqlite" if sqlite_file(sa.make_url(settings.database)) is not None else "postgresql"
    if ours != manifest.database:
        how = (
            "Leave MAINLOOP_DATABASE_URL out."
            if ours == "postgresql"
            else "Name an empty PostgreSQL database in MAINLOOP_DATABASE_URL."
        )
        raise OtherDatabase(path=file, theirs=manifest.database, ours=ours, how=how)
    if ours == "sqlite" and settings.database_url:
        raise OtherDatabase(
            path=file, theirs="the home's own file", ours="another one", how="Leave MAINLOOP_DATABASE_URL out."
        )
    if ours == "postgresql":
        refuse_broken(settings.database, settings.home)
        with looking(settings.database) as connection:
            if sa.inspect(connection).get_table_names():
                raise DatabaseNotEmpty(where=shown(settings.database))


@contextmanager
def _reading(file: Path) -> Generator[tarfile.TarFile]:
    try:
        with tarfile.open(file) as tar:
            yield tar
    except (tarfile.TarError, EOFError) as error:
        raise NotAnExport(path=file, why=str(error)) from error
    except FileNotFoundError as error:
        raise NotAnExport(path=file, why="there is no such file") from error


@contextmanager
def _said_in_words(what: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise CopyFailed(what=what, why=error.strerror or error) from error


def _names(folder: Path) -> list[str]:
    """Of what is finished: what is being made begins with a dot."""
    if not folder.is_dir():
        return []
    return sorted(f.name for f in folder.iterdir() if f.is_dir() and not f.name.startswith("."))


class _Archive:
    """Puts files into a tar that others write to meanwhile: what vanishes is left out, what grows is cut."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self.unreadable: list[str] = []

    def text(self, name: str, text: str) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(text.encode()), 0o600
        self._tar.addfile(info, io.BytesIO(text.encode()))

    def file(self, path: Path, name: str) -> None:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._entry(folder, path.name, name)
        finally:
            os.close(folder)

    def tree(self, root: Path, name: str, without: tuple[str, ...] = ()) -> None:
        """A folder and all below it, without these entries of its own. Agents write here: no link is followed."""
        if root.is_symlink() or not root.is_dir():
            return
        for at, folders, files, handle in os.fwalk(root, onerror=self._note, follow_symlinks=False):
            if at == str(root):
                folders[:] = [f for f in folders if not _named(f, without)]
                files[:] = [f for f in files if not _named(f, without)]
            below = os.path.relpath(at, root)
            here = name if below == "." else f"{name}/{below}"
            self._folder(os.fstat(handle), here)
            for entry in _worth_copying(files, of_git=name.startswith("mirrors/") or "/.git" in here):
                self._entry(handle, entry, f"{here}/{entry}")
            for entry in folders:  # a link to a folder is listed as one
                if stat.S_ISLNK(_mode(handle, entry)):
                    self._entry(handle, entry, f"{here}/{entry}")

    def _note(self, error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            self.unreadable.append(str(error.filename))

    def _folder(self, found: os.stat_result, name: str) -> None:
        info = self._info(found, name)
        info.type = tarfile.DIRTYPE
        # Whoever brings it back has to write into it.
        info.mode |= 0o700
        self._tar.addfile(info)

    def _entry(self, folder: int, entry: str, name: str) -> None:
        mode = _mode(folder, entry)
        with suppress(FileNotFoundError):
            if stat.S_ISLNK(mode):
                info = self._info(os.stat(entry, dir_fd=folder, follow_symlinks=False), name)
                info.type, info.linkname = tarfile.SYMTYPE, os.readlink(entry, dir_fd=folder)
                self._tar.addfile(info)
            elif stat.S_ISREG(mode):
                try:
                    # NONBLOCK: it may have become a pipe since.
                    opened = os.open(entry, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
                except PermissionError:
                    self.unreadable.append(name)
                    return
                with os.fdopen(opened, "rb") as content:
                    info = self._info(os.fstat(opened), name)
                    info.size = os.fstat(opened).st_size
                    self._tar.addfile(info, _Filled(content))  # type: ignore[arg-type]

    def _info(self, found: os.stat_result, name: str) -> tarfile.TarInfo:
        info = tarfile.TarInfo(name)
        info.mode, info.mtime = stat.S_IMODE(found.st_mode), int(found.st_mtime)
        return info


class _Filled:
    """A file as long as it was when it was opened: zeros stand for what was cut off since."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int) -> bytes:
        return self._file.read(size).ljust(size, b"\0")


def _worth_copying(files: list[str], *, of_git: bool) -> Iterator[str]:
    """Without locks of git, packs that are being written and an index whose pack came later."""
    there = set(files)
    for name in sorted(files):
        if name == _CREDENTIALS:
            continue
        if of_git and (name.endswith(".lock") or name.startswith("tmp_")):
            continue
        if of_git and name.startswith("pack-") and f"{Path(name).stem}.pack" not in there:
            continue
        yield name


def _named(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def _mode(folder: int, entry: str) -> int:
    try:
        return os.stat(entry, dir_fd=folder, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return 0
