"""Bringing the tables up to date: one chain for both databases."""

import os
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from mainloop.db.engine import make_engine, sqlite_file

LOCK: Final = 0x6D6C6F6F  # servers that start together migrate one after the other


def migrations_folder() -> Path:
    """In the installed package, or in the checkout."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "migrations", package.parents[1] / "migrations"):
        if (folder / "env.py").is_file():
            return folder
    raise FileNotFoundError("the migrations are missing from this installation")


def known_revisions() -> set[str]:
    """All versions of the tables that this program knows."""
    return {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}


def migration(revision: str) -> ModuleType:
    """The module of one migration."""
    return ScriptDirectory.from_config(_config()).get_revision(revision).module


def revision_of(connection: sa.Connection) -> str | None:
    """The version of the tables in a database; None where there are none."""
    return MigrationContext.configure(connection).get_current_revision()


def migrate(engine: sa.Engine, revision: str = "head") -> None:
    """Run what is missing; nothing is changed where nothing is. A SQLite file that is not there is made."""
    file = sqlite_file(engine.url)
    if file is not None and not file.exists():
        _make(file, revision)
    _upgrade(engine, revision)


def _make(file: Path, revision: str) -> None:
    """Under another name first: a database without tables is never one that was just being made."""
    making = file.with_name(f".{file.name}.{os.getpid()}")
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        os.close(os.open(making, os.O_CREAT | os.O_RDWR, 0o600))
        engine = make_engine(f"sqlite:///{making}")
        try:
            _upgrade(engine, revision)
        finally:
            engine.dispose()
        with suppress(FileExistsError):  # somebody else was faster
            os.link(making, file)
    finally:
        for left in file.parent.glob(f"{making.name}*"):
            left.unlink()


def _upgrade(engine: sa.Engine, revision: str) -> None:
    config = _config()
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
        else:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    return config
