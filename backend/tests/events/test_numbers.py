"""Every thread's numbers and the cursor over all of them: without gaps, in the order of the commits."""

import contextlib
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from mainloop.db import tables as t
from mainloop.events import log
from mainloop.events import unit as unit_module
from mainloop.events.unit import HEAD, TAIL, Database, UnitOfWork
from mainloop.runs import store
from mainloop_models.events import RunBody

WRITERS, EACH, THREADS = 8, 25, ("a", "b", "c")


def add_threads(database: Database, *names: str) -> None:
    def act(unit: UnitOfWork) -> None:
        for name in names:
            store.add_thread(unit, name, "session")

    database.write(act)


def body(number: int) -> RunBody:
    return RunBody(run=number, what="started")


def rows(database: Database, *which: sa.ColumnElement[bool]) -> Sequence[sa.Row[Any, Any, Any, Any]]:
    query = sa.select(t.event.c.cursor, t.event.c.thread_id, t.event.c.seq, t.event.c.body).where(*which)
    return database.read(lambda c: c.execute(query.order_by(t.event.c.cursor)).all())


def test_eight_writers_leave_no_gap_and_a_reader_misses_nothing(database: Database) -> None:
    add_threads(database, *THREADS)
    start = database.read(log.latest_cursor)
    seen: list[int] = []
    done = threading.Event()

    def follow() -> None:
        cursor = start
        while True:
            last_look = done.is_set()
            for number, _ in database.read(lambda c: log.frames_after(c, cursor)):  # noqa: B023 - called at once
                seen.append(number)
                cursor = number
            if last_look:
                return

    def write(writer: int) -> None:
        for n in range(EACH):

            def act(unit: UnitOfWork, n: int = n) -> None:
                # Named in another order by each writer: numbering takes its locks in its own.
                for name in (THREADS[writer % 3], THREADS[(writer + n) % 3]):
                    unit.append(name, "run", body(writer * 1000 + n))

            database.write(act)

    reader = threading.Thread(target=follow)
    reader.start()
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))
    done.set()
    reader.join()

    total = WRITERS * EACH * 2
    assert seen == list(range(start + 1, start + total + 1))
    for name in THREADS:
        numbers = [row.seq for row in rows(database, t.event.c.thread_id == name)]
        assert numbers == list(range(1, len(numbers) + 1))
    assert len(rows(database, t.event.c.thread_id.in_(THREADS))) == total


def test_a_unit_that_fails_leaves_nothing_and_no_gap(database: Database) -> None:
    add_threads(database, "a")
    heard: list[str] = []

    def fails(unit: UnitOfWork) -> None:
        unit.append("a", "run", body(1))
        unit.after_commit(lambda: heard.append("committed"))
        unit.write_events()
        raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        database.write(fails)
    database.write(lambda unit: unit.append("a", "run", body(2)))

    assert [(row.seq, '"run":2' in row.body) for row in rows(database, t.event.c.thread_id == "a")] == [(1, True)]
    assert heard == []


def test_a_savepoint_that_fails_takes_its_events_back_and_no_others(database: Database) -> None:
    add_threads(database, "a")
    heard: list[str] = []

    def act(unit: UnitOfWork) -> None:
        unit.append("a", "run", body(1))
        with contextlib.suppress(RuntimeError), unit.savepoint():
            store.add_thread(unit, "b", "session")
            unit.append("a", "run", body(2))
            unit.after_commit(lambda: heard.append("undone"))
            raise RuntimeError("on purpose")
        with unit.savepoint():
            unit.append("a", "run", body(3))
            unit.after_commit(lambda: heard.append("kept"))

    database.write(act)

    assert [row.seq for row in rows(database, t.event.c.thread_id == "a")] == [1, 2]
    assert ['"run":3' in row.body for row in rows(database, t.event.c.thread_id == "a")] == [False, True]
    assert database.read(lambda c: c.execute(sa.select(t.thread.c.id).where(t.thread.c.id == "b")).first()) is None
    assert heard == ["kept"]


def test_a_long_text_becomes_a_blob_and_keeps_its_head_and_tail(database: Database) -> None:
    add_threads(database, "a")
    text = "first line\n" + "ä" * 40_000 + "\nlast line"

    short, ref = database.write(lambda unit: unit.shorten("a", text))

    assert ref is not None
    assert ref.size == len(text.encode())
    assert short.startswith("first line\nä")
    assert short.endswith("ä\nlast line")
    assert f"{ref.size - HEAD - TAIL} bytes left out" in short
    assert len(short.encode()) < HEAD + TAIL + 100
    assert database.read(lambda c: log.blob_text(c, ref.id)) == text


def test_a_text_that_fits_stands_in_the_event_whole(database: Database) -> None:
    add_threads(database, "a")
    text = "x" * (HEAD + TAIL)
    assert database.write(lambda unit: unit.shorten("a", text)) == (text, None)


def test_the_same_long_text_of_a_thread_is_kept_once(database: Database) -> None:
    add_threads(database, "a")
    text = "x" * 50_000
    first = database.write(lambda unit: unit.shorten("a", text))
    again = database.write(lambda unit: unit.shorten("a", text))
    assert first == again


def test_text_with_what_no_database_stores_is_taken_all_the_same(database: Database) -> None:
    add_threads(database, "a")
    text = "before\x00after" + "x" * 50_000

    _, ref = database.write(lambda unit: unit.shorten("a", text))

    assert ref is not None
    stored = database.read(lambda c: log.blob_text(c, ref.id))
    assert stored is not None
    assert stored.startswith("before\ufffdafter")


@pytest.mark.spec("home-10")
def test_times_stay_in_the_order_of_the_numbers_when_the_clock_is_set(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_threads(database, "a")
    real = unit_module.now()
    for hour in (0, 1, -1, 0, 2):
        monkeypatch.setattr(unit_module, "now", lambda hour=hour: real + timedelta(hours=hour))
        database.write(lambda unit: unit.append("a", "run", body(1)))
    query = sa.select(t.event.c.at).where(t.event.c.thread_id == "a").order_by(t.event.c.cursor)
    found = [(at - real).total_seconds() / 3600 for at in database.read(lambda c: list(c.execute(query).scalars()))]
    assert found == [0, 1, 1, 1, 2]
