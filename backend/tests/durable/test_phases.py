"""Phases: asked for in a transaction or not at all, carried out again if need be, given up in words."""

import threading
import time
from collections.abc import Generator
from datetime import timedelta

import pytest
import sqlalchemy as sa
from dbos import DBOS

from mainloop.db import tables as t
from mainloop.durable import janitor, store
from mainloop.durable.phases import AT_A_TIME, Phases
from mainloop.events.unit import Database, UnitOfWork, now
from mainloop.testing.inprocess import InProcessServer, NewServer, wait_until_at_rest
from mainloop.testing.waiting import eventually

# Part of what is stored: a name is added here with its phase, and never renamed or taken out.
NAMES = {
    "answer_waiting",
    "deliver_notification",
    "end_check",
    "end_run",
    "ensure_run",
    "fetch_project",
    "keep_workspace",
    "kill_run",
    "look_at_base",
    "prepare_session",
    "save_session",
    "see_to_change",
    "see_to_order",
    "start_check",
}


class Desk:
    """Phases that a test defines, and what became of them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        # Looks of its own are an hour apart: whatever is carried out here was told to the worker.
        self.phases = Phases(database, "test", rest=3600)
        self.done: list[str] = []
        self.held: dict[str, threading.Event] = {}
        self.failures: dict[str, int] = {}
        self.given_up: list[tuple[str, str]] = []
        self.give_up_fails = 0
        self._change = threading.Condition()
        self.phases.define("note", self.note, self.give_up)
        self.phases.launch()

    def note(self, subject: str) -> None:
        if subject in self.held:
            assert self.held[subject].wait(40)
        if self.failures.get(subject, 0) > 0:
            self.failures[subject] -= 1
            raise RuntimeError("the outside world is away")
        with self._change:
            self.done.append(subject)
            self._change.notify_all()

    def give_up(self, subject: str, error: Exception) -> None:
        if self.give_up_fails:
            self.give_up_fails -= 1
            raise RuntimeError("not even that")
        with self._change:
            self.given_up.append((subject, str(error)))
            self._change.notify_all()

    def ask(self, subject: str, key: str = "1") -> None:
        self.database.write(lambda unit: self.phases.enqueue(unit, "note", subject, key))

    def until(self, *done: str) -> None:
        """Wait until these subjects were done, each as often as it is named."""
        with self._change:
            assert self._change.wait_for(lambda: sorted(self.done) == sorted(done), timeout=40), self.done

    def until_given_up(self, subject: str) -> str:
        with self._change:
            assert self._change.wait_for(lambda: subject in dict(self.given_up), timeout=40)
        return dict(self.given_up)[subject]

    def states(self) -> dict[str, str]:
        rows = self.database.read(lambda c: c.execute(sa.select(t.phase.c.subject, t.phase.c.state)).all())
        return {row.subject: row.state for row in rows}

    def older(self) -> None:
        """Let every phase have been asked for an hour ago."""
        earlier = now() - timedelta(hours=1)
        self.database.write(lambda unit: unit.execute(sa.update(t.phase).values(created_at=earlier)) and None)


@pytest.fixture
def desk(database: Database) -> Generator[Desk]:
    desk = Desk(database)
    yield desk
    pool = database.engine.pool
    wait_until_at_rest(desk.phases)
    desk.phases.stop()
    wait_until_at_rest(desk.phases, pool)


def test_a_phase_is_there_with_its_transaction_or_not_at_all(desk: Desk) -> None:
    def fails(unit: UnitOfWork) -> None:
        desk.phases.enqueue(unit, "note", "lost", "1")
        raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        desk.database.write(fails)
    desk.ask("kept")
    desk.until("kept")
    assert set(desk.states()) == {"kept"}
    assert DBOS.list_workflows(workflow_ids=["note:lost:1"]) == []


def test_the_same_key_is_carried_out_once_and_another_again(desk: Desk) -> None:
    desk.ask("a")
    desk.ask("a")
    desk.until("a")
    desk.ask("a")
    desk.ask("a", key="2")
    desk.ask("b")
    desk.until("a", "a", "b")


def test_a_phase_that_waits_for_another_of_its_subject_begins_when_that_has_ended(desk: Desk) -> None:
    desk.held["a"] = threading.Event()
    desk.ask("a")
    desk.ask("a", key="2")
    desk.ask("b")
    desk.until("b")
    desk.held.pop("a").set()
    desk.until("a", "a", "b")


def test_more_phases_than_may_run_at_a_time_are_all_carried_out(desk: Desk) -> None:
    subjects = [f"s{number}" for number in range(2 * AT_A_TIME + 1)]
    for subject in subjects:
        desk.ask(subject)
    desk.until(*subjects)


def test_a_phase_nobody_defined_is_refused(desk: Desk) -> None:
    with pytest.raises(ValueError, match="no phase is called other"):
        desk.database.write(lambda unit: desk.phases.enqueue(unit, "other", "a", "1"))


def test_a_phase_that_fails_twice_is_carried_out_and_one_that_fails_thrice_gives_up_in_words(desk: Desk) -> None:
    desk.failures = {"twice": 2, "thrice": 3}
    desk.ask("twice")
    desk.ask("thrice")
    assert desk.until_given_up("thrice") == "the outside world is away"
    desk.until("twice")
    assert [subject for subject, _ in desk.given_up] == ["thrice"]
    desk.ask("next")
    desk.until("twice", "next")


def test_a_phase_is_carried_out_after_the_workflows_tables_were_emptied(desk: Desk) -> None:
    def ask_and_lose(unit: UnitOfWork) -> None:
        desk.phases.enqueue(unit, "note", "a", "1")
        schema = "dbos." if unit.connection.dialect.name == "postgresql" else ""
        unit.execute(sa.text(f"DELETE FROM {schema}workflow_status"))

    desk.database.write(ask_and_lose)
    desk.phases.heal()
    assert desk.done == []  # young ones may still be on their way
    desk.older()
    desk.phases.heal()
    desk.until("a")


def test_a_phase_that_could_not_even_give_up_is_tried_again_later(desk: Desk) -> None:
    desk.failures, desk.give_up_fails = {"a": 3}, 1
    desk.ask("a")
    eventually(lambda: DBOS.list_workflows(workflow_ids=["note:a:1"])[0].status == "ERROR")
    assert desk.states() == {"a": "todo"}
    desk.older()
    desk.phases.heal()
    desk.until("a")


def test_the_names_of_phases_are_those_that_were_ever_stored(server: InProcessServer) -> None:
    assert server.parts.phases.names == NAMES


@pytest.mark.postgres
@pytest.mark.spec("waiting-15")
@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
def test_of_two_servers_that_slept_the_first_awake_does_not_declare_the_other_dead(
    new_server: NewServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(janitor, "BEAT", 3600)
    server = new_server()
    database, look = server.parts.database, server.parts.janitor.beat

    def is_dead() -> bool:
        mine = sa.select(t.executor.c.dead).where(t.executor.c.id == "other")
        return database.read(lambda c: bool(c.execute(mine).scalar_one()))

    def other_beats(ago: float = 0) -> None:
        database.write(lambda unit: store.beat(unit, "other", "here"))
        values = {"seen": t.executor.c.seen - ago}
        database.write(lambda unit: unit.execute(sa.update(t.executor).values(values)) and None)

    clock = time.monotonic()
    for clock in (clock + seconds for seconds in range(0, 20, 4)):
        other_beats()
        look(clock)
    other_beats(ago=8 * 3600)
    for seconds in (1, 3, 5):
        look(clock + 8 * 3600 + seconds)
        assert not is_dead()
    for seconds in (9, 13, 17):
        look(clock + 8 * 3600 + seconds)
    assert is_dead()  # it did not wake up
    other_beats()
    assert not is_dead()
