"""Bringing the tables up to date: one chain for both databases."""

from pathlib import Path
from typing import Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

LOCK: Final = 0x6D6C6F6F  # servers that start together migrate one after the other


def migrations_folder() -> Path:
    """In the installed package, or in the checkout."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "migrations", package.parents[1] / "migrations"):
        if (folder / "env.py").is_file():
            return folder
    raise FileNotFoundError("the migrations are missing from this installation")


def migrate(engine: sa.Engine, revision: str = "head") -> None:
    """Run what is missing. Nothing is changed where nothing is."""
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
        else:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()
