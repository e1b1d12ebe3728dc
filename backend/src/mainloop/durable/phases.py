"""Phases: what a feature asks for in its transaction and DBOS carries out, again if need be."""

import json
import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, DBOSConfig, Serializer

from mainloop.durable import store
from mainloop.durable.worker import Worker, quieten
from mainloop.events.unit import Database, UnitOfWork, now

log = logging.getLogger(__name__)

QUEUE: Final = "phases"
# For phases that may hang on somebody else's machine: they hold nobody else up.
OUTWARDS: Final = "outwards"
# Ours, not DBOS' hash of the source: an upgrade must not strand what is in flight. Raised on purpose only.
VERSION: Final = "1"
NAME: Final = "mainloop"
# How often a server looks for phases that nobody told it about (seconds).
REST: Final = 5.0
AT_A_TIME: Final = 8
OUTWARDS_AT_A_TIME: Final = 16
# Each restart of the server counts as an attempt, so this is far beyond what a fault would need.
ATTEMPTS: Final = 1000
# Tries of one phase before it gives up in words.
TRIES: Final = 3

# A phase that was wanted this long ago should be in DBOS' hands.
HEAL_AFTER: Final = timedelta(seconds=30)

ENDED_BADLY: Final = frozenset({"ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"})

Act = Callable[[str], None]
GiveUp = Callable[[str, Exception], None]


class JsonSerializer(Serializer):
    """Arguments are ids; pickle would let whoever writes the database run code."""

    def serialize(self, data: Any) -> str:
        return json.dumps(data, default=str)

    def deserialize(self, serialized_data: str) -> Any:
        return json.loads(serialized_data)

    def name(self) -> str:
        return "mainloop_json"


class Phases:
    """All phases of this server. Features define theirs when the app is composed; then it launches once."""

    def __init__(self, database: Database, executor: str, rest: float = REST) -> None:
        self.database = database
        self._rest = rest
        self.executor = executor
        self.running: set[str] = set()
        # By the name of a phase, where it is carried out.
        self._queues: dict[str, str] = {}
        self._client: DBOSClient | None = None
        self._workers: dict[str, Worker] = {}

    def define(self, name: str, act: Act, give_up: GiveUp, queue: str = QUEUE) -> None:
        """Make `act(subject)` a phase, carried out in the queue `QUEUE` or `OUTWARDS`.

        `act` may run twice at any time, so it looks before it acts and writes with keys. If it fails three times
        `give_up(subject, error)` says so where the person sees it. `name` is part of what is stored: never rename.
        """
        self._queues[name] = queue

        @DBOS.step(name=f"{name}.act")
        def step(subject: str) -> None:
            for attempt in range(1, TRIES + 1):
                try:
                    return act(subject)
                except Exception as error:
                    log.exception("Phase %s of %s failed, try %d", name, subject, attempt)
                    if attempt == TRIES:
                        return give_up(subject, error)
                    time.sleep(0.5 * attempt)

        @DBOS.workflow(name=name, max_recovery_attempts=ATTEMPTS)
        def workflow(phase_id: str, subject: str) -> None:
            self.running.add(phase_id)
            try:
                step(subject)
                others = self.database.write(lambda unit: store.phase_done(unit, phase_id))
            finally:
                self.running.discard(phase_id)
            # One of the same subject, or one too many until now, may be next.
            if others and queue in self._workers:
                self._workers[queue].look_often()

        del workflow  # registered with DBOS under its name

    @property
    def names(self) -> set[str]:
        return set(self._queues)

    def launch(self) -> None:
        """Start DBOS on our engine: what was interrupted goes on."""
        config: DBOSConfig = {
            "name": NAME,
            "system_database_engine": self.database.engine,
            "application_version": VERSION,
            "executor_id": self.executor,
            "serializer": JsonSerializer(),
            "log_level": "ERROR",
            "enable_otlp": False,
            "max_executor_threads": 4 * AT_A_TIME + OUTWARDS_AT_A_TIME,
            "notification_listener_polling_interval_sec": 0.5,
        }
        dbos = DBOS(config=config)
        quieten(dbos)
        DBOS.launch()
        queues = {QUEUE: AT_A_TIME, OUTWARDS: OUTWARDS_AT_A_TIME}
        for queue, at_a_time in queues.items():
            DBOS.register_queue(
                queue, worker_concurrency=at_a_time, partition_concurrency=1, polling_interval_sec=self._rest
            )
        self._client = DBOSClient(
            system_database_engine=self.database.engine, serializer=JsonSerializer(), application_name=NAME
        )
        self._workers = {queue: Worker(dbos, queue) for queue in queues}

    def stop(self) -> None:
        """Stop taking up phases; those that run are finished by the next start."""
        for worker in self._workers.values():
            worker.stop()
        self._workers = {}
        if self._client is not None:
            self._client.destroy()
            self._client = None
        DBOS.destroy(destroy_registry=True)

    def enqueue(self, unit: UnitOfWork, name: str, subject: str, key: str, lane: str | None = None) -> None:
        """Ask for a phase in `unit`'s transaction. The same (name, subject, key) is asked for once, for ever.

        Those of one lane are carried out one after the other; without one a subject is its own lane.
        """
        if name not in self._queues:
            raise ValueError(f"no phase is called {name}")
        phase_id = f"{name}:{subject}:{key}"
        if store.add_phase(unit, phase_id, name, subject):
            self._hand_over(unit, phase_id, name, subject, lane)

    def _hand_over(self, unit: UnitOfWork, phase_id: str, name: str, subject: str, lane: str | None = None) -> None:
        queue = self._queues[name]
        assert self._client is not None, "launch() comes first"
        self._client.enqueue_in_transaction(
            unit.connection,
            {
                "workflow_name": name,
                "queue_name": queue,
                "workflow_id": phase_id,
                "queue_partition_key": lane or subject,
                "app_version": VERSION,
            },
            phase_id,
            subject,
        )
        unit.after_commit(lambda: self._look(queue))

    def _look(self, queue: str) -> None:
        if queue in self._workers:
            self._workers[queue].look()

    def resume(self, phase_ids: list[str]) -> None:
        """Carry out phases again that a dead server, or a fault here, left behind."""
        for queue in (QUEUE, OUTWARDS):
            mine = [ident for ident in phase_ids if self._queues.get(ident.split(":", 1)[0], QUEUE) == queue]
            if mine:
                DBOS.resume_workflows(mine, queue_name=queue)
                self._look(queue)

    def subjects_to_do(self, connection: sa.Connection) -> set[str]:
        """What some phase is still to be carried out for."""
        return store.subjects_to_do(connection)

    def last_wanted(self, connection: sa.Connection, name: str, subject: str) -> datetime | None:
        """When a phase was last asked for, as long as that is known: a week after it was carried out it is forgotten."""
        return store.last_wanted(connection, name, subject)

    def heal(self) -> None:
        """Hand over again what our rows want and DBOS does not have in hand.

        It does not know it, after its tables were lost or emptied; or it counts it as ended, after a fault so bad
        that the phase could not even give up.
        """
        todo = self.database.read(lambda c: store.to_do(c, now() - HEAL_AFTER, limit=500))
        known = DBOS.list_workflows(workflow_ids=[p.id for p in todo]) if todo else []
        ended = [w.workflow_id for w in known if w.status in ENDED_BADLY]
        if ended:
            DBOS.delete_workflows(ended)  # an id is free again once its workflow is deleted
        in_hand = {w.workflow_id for w in known} - set(ended)
        for phase in todo:
            if phase.id not in in_hand:
                self.database.write(lambda unit, p=phase: self._hand_over(unit, p.id, p.name, p.subject))
