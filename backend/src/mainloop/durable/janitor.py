"""What dead servers and storage errors leave behind is healed by every server, every second."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Final

import sqlalchemy as sa
from dbos import DBOS
from sqlalchemy.exc import SQLAlchemyError

from mainloop.durable import store
from mainloop.durable.awake import Awake
from mainloop.durable.phases import Phases
from mainloop.errors import MainloopError
from mainloop.events.log import latest_cursor
from mainloop.events.unit import Act, Database, Look, UnitOfWork, now

log = logging.getLogger(__name__)

BEAT: Final = 1.0
# A server silent for this long is dead (seconds). Nobody judges before having beaten that long itself, or an outage of
# the database, or a night, would end with the first server back declaring all others dead.
DEAD: Final = 8.0
# Where nothing happens, what can only change by the clock is looked at every so many beats.
ANYWAY: Final = 5
HEAL_EVERY: Final = 30.0
TIDY_EVERY: Final = 3600.0
KEEP: Final = timedelta(days=7)
PORTION: Final = 500


class Janitor:
    """Beats, judges silent servers, puts dropped phases back, runs the looks that features register."""

    def __init__(self, database: Database, phases: Phases, host: str) -> None:
        self._database = database
        self._phases = phases
        self._host = host
        # On SQLite this server is the only one, so nobody has to be told that it lives.
        self._several = database.engine.dialect.name == "postgresql"
        self._looks: list[Look] = []
        self._after_events: list[Look] = []
        self._tidies: list[Callable[[UnitOfWork], None]] = []
        self._cursor = self._quiet_beats = 0
        self.awake = Awake()
        self._suspects: set[str] = set()
        self._healed = self._tidied = 0.0

    def every_beat(self, look: Look) -> None:
        """Run `look` about once a second, in a thread, in every server."""
        self._looks.append(look)

    def after_events(self, look: Look) -> None:
        """The same for what can only change when something happens: run in a beat before which there was an event.

        Now and then it is run all the same, for what changes by the clock alone.
        """
        self._after_events.append(look)

    def every_hour(self, tidy: Callable[[UnitOfWork], None]) -> None:
        """Run `tidy` about once an hour, in every server: each time in a transaction of its own."""
        self._tidies.append(tidy)

    async def run(self) -> None:
        """Beat for as long as the server lives, whatever goes wrong in a beat."""
        while True:
            started = asyncio.get_running_loop().time()
            try:
                await asyncio.to_thread(self.beat, started)
            except Exception:
                self.awake.begin_anew(started)
                log.exception("The janitor stumbled")
            await asyncio.sleep(max(0.05, BEAT - (asyncio.get_running_loop().time() - started)))

    def beat(self, clock: float, *, anyway: bool = False) -> None:
        """One round. `clock`: seconds of a clock that only goes forward. `anyway`: also what waits for an event."""
        if self._several:
            self._database.write(lambda unit: store.beat(unit, self._phases.executor, self._host))
        self.awake.look(clock)
        if self._several and self.awake.seconds > DEAD:
            self._judge()
        for act in self._database.read(lambda connection: list(self._look(connection, anyway))):
            self._do(act)
        if clock - self._healed > HEAL_EVERY:
            self._healed = clock
            self._put_back_dropped()
            self._phases.heal()
        if clock - self._tidied > TIDY_EVERY:
            self._tidied = clock
            self._tidy()

    def _look(self, connection: sa.Connection, anyway: bool) -> Iterable[Act]:
        cursor = latest_cursor(connection)
        self._quiet_beats = 0 if cursor != self._cursor else self._quiet_beats + 1
        self._cursor = cursor
        anyway = anyway or self._quiet_beats % ANYWAY == 0
        for look in self._looks + (self._after_events if anyway else []):
            try:
                yield from look(connection)
            except (MainloopError, SQLAlchemyError):
                raise
            except Exception:
                log.exception("A look stumbled; the others go on")

    def _do(self, act: Act) -> None:
        """What is found looks again when it is done. One that can't be done keeps no other from it."""
        try:
            self._database.write(act)
        except (MainloopError, SQLAlchemyError):
            raise
        except Exception:
            log.exception("What a look found was not done; the rest is")

    def _judge(self) -> None:
        """Take over the phases of servers that have gone silent."""
        for dead in self._database.write(lambda unit: store.declare_dead(unit, DEAD)):
            workflows = DBOS.list_workflows(status="PENDING", executor_id=dead)
            self._phases.resume([w.workflow_id for w in workflows])
            log.warning("Server %s is gone; %d of its phases go on here", dead, len(workflows))

    def _put_back_dropped(self) -> None:
        """A phase that DBOS counts as running here but is not, twice in a row: dropped by a storage error."""
        names = list(self._phases.names)
        pending = {
            w.workflow_id
            for w in DBOS.list_workflows(status="PENDING", executor_id=self._phases.executor, name=names)
            if w.workflow_id not in self._phases.running
        }
        for workflow_id in pending & self._suspects:
            log.warning("Phase %s was dropped, it goes on", workflow_id)
            self._phases.resume([workflow_id])
        self._suspects = pending

    def _tidy(self) -> None:
        """Forget workflows that ended a week ago, and our phase rows with them; and what features have to forget."""
        before = now() - KEEP
        while True:
            old = DBOS.list_workflows(
                status=["SUCCESS", "ERROR", "CANCELLED"], end_time=before.isoformat(), limit=PORTION
            )
            if not old:
                break
            DBOS.delete_workflows([w.workflow_id for w in old])
        self._database.write(lambda unit: store.forget_done(unit, before))
        for tidy in self._tidies:
            self._database.write(tidy)
