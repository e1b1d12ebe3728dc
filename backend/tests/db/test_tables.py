"""The tables as the code knows them are the tables as the migrations make them."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from mainloop.db import tables as t
from mainloop.db.engine import Words, make_engine
from mainloop.db.migrate import migrate
from mainloop.events.unit import Database


def test_migrations_and_tables_are_the_same(database: Database) -> None:
    def compare(connection: Any) -> Any:
        known = t.metadata.tables

        def ours(name: str | None, kind: str, _: Any) -> bool:
            # What both databases can't make is made by the migrations alone.
            return name != "said_by_words" if kind == "index" else kind != "table" or name in known

        context = MigrationContext.configure(connection, opts={"include_name": ours, "compare_type": True})
        return compare_metadata(context, t.metadata)

    assert database.read(compare) == []


def test_migrating_again_changes_nothing(database: Database) -> None:
    migrate(database.engine)
    migrate(database.engine)


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("plain", "plain"),
        ("a\x00b", "a\ufffdb"),
        ("half \ud83d", "half \ufffd"),
        ("👩‍👩‍👧\n\t", "👩‍👩‍👧\n\t"),
        (None, None),
    ],
)
def test_what_can_not_be_stored_is_replaced(given: str | None, stored: str | None, tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path / 'x.db'}")
    assert Words().process_bind_param(given, engine.dialect) == stored
    engine.dispose()


def test_a_value_longer_than_its_column_is_stood_for_by_its_beginning_and_is_still_unlike_others(
    tmp_path: Path,
) -> None:
    engine = make_engine(f"sqlite:///{tmp_path / 'x.db'}")
    one, two = (Words(64).process_bind_param("call-" + "x" * 100 + end, engine.dialect) for end in ("1", "2"))
    assert one is not None
    assert two is not None
    assert len(one) == len(two) == 64
    assert one != two
    assert one.startswith("call-xxx")
    engine.dispose()


def test_a_copy_of_a_stopped_servers_file_is_whole(sqlite_template: Path, tmp_path: Path) -> None:
    shutil.copy(sqlite_template, tmp_path / "copy.db")
    engine = make_engine(f"sqlite:///{tmp_path / 'copy.db'}")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2  # FULL
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1
    engine.dispose()
