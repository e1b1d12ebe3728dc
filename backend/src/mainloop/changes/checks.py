"""The project's tests, run on commits of changes: wanted, started where there is room, watched, stopped.

A check is a row and a process that outlives this server (`Workspaces.checks`). Each server looks at what runs on its host.
"""

import logging
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import sqlalchemy as sa

from mainloop.changes import store
from mainloop.changes.excerpt import excerpt
from mainloop.changes.schemas import CheckLog
from mainloop.db.engine import Row
from mainloop.environment import agent_environment
from mainloop.errors import MainloopError
from mainloop.events.unit import Act, UnitOfWork
from mainloop.projects.service import Projects
from mainloop.runs import store as runs_store
from mainloop.runs.service import HOST, Runs
from mainloop.sessions import store as sessions_store
from mainloop.workspaces.base import CheckSpec, Source, Workspaces

log = logging.getLogger(__name__)

START: Final = "start_check"
END: Final = "end_check"
NAME: Final = "tests"
# One that was cut off is begun anew so often.
_ANEW: Final = 2
_AT_ONCE: Final = 256 * 1024  # bytes
_WHOLE: Final = 16 * 1024 * 1024  # bytes


class UnknownCheck(MainloopError):
    """There is no such check of this session any more. Its newest ones are named in its change."""

    status = 404
    code = "unknown_check"


class ChangeChecks:
    """All checks of this installation. `environment`: what the server was started with."""

    def __init__(self, runs: Runs, projects: Projects, workspaces: Workspaces, environment: Mapping[str, str]) -> None:
        self._runs = runs
        self._database = runs.database
        self._projects = projects
        self._workspaces = workspaces
        self._running = workspaces.checks
        # No credentials: it is no agent.
        self._environment = agent_environment(environment, "none")
        self._moved: list[Callable[[UnitOfWork, str], None]] = []

    def define_phases(self) -> None:
        """Register both with DBOS."""
        self._runs.phases.define(START, self._start, self._not_started)
        self._runs.phases.define(END, self._end, lambda check, error: log.error("%s was not ended: %s", check, error))

    def on_moved(self, listen: Callable[[UnitOfWork, str], None]) -> None:
        """Call `listen` with the session of each check that stands differently now."""
        self._moved.append(listen)

    # -- wanted --------------------------------------------------------------------------------------------------
    def want(self, unit: UnitOfWork, session_id: str, commit: str) -> None:
        """Run the tests on a commit, as soon as there is room for it."""
        self.stop(unit, session_id)
        store.add_check(unit, id=uuid.uuid4().hex, session_id=session_id, name=NAME, commit=commit)
        for old in store.older_checks(unit.connection, session_id):
            store.forget_check(unit, old)
            self._runs.phases.enqueue(unit, END, old, "forget")

    def stop(self, unit: UnitOfWork, session_id: str, but: str = "") -> bool:
        """End what goes on of a session, except on the commit `but`; whether something did."""
        found = [
            check
            for check in store.checks_going_on(unit.connection)
            if check.session_id == session_id and check.commit != but
        ]
        for check in found:
            store.update_check(unit, check.id, state="stopped", ended_at=unit.now)
            self._runs.phases.enqueue(unit, END, check.id, "stop")
        return bool(found)

    # -- watched -------------------------------------------------------------------------------------------------
    def look(self, connection: sa.Connection) -> Iterable[Act]:
        """What waits is started where there is room; what has ended, or was cut off, is taken note of."""
        going_on = store.checks_going_on(connection)
        running = [check for check in going_on if check.state == "running"]
        room = self._runs.settings.max_checks - len(running)
        queued = [check for check in going_on if check.state == "queued"][: max(0, room)]
        for check in queued if queued and self._workspaces.has_room() else []:
            yield lambda unit, check=check: self._give_out(unit, check)
        for check in running:
            if check.started_at is None or check.host != HOST:
                continue
            outcome = self._running.ended(check.id)
            if outcome is not None:
                told = excerpt(self._read(check.id))
                yield lambda unit, check=check, outcome=outcome, told=told: self._ended(unit, check, outcome, told)
            elif not self._running.alive(check.id) and self._running.ended(check.id) is None:
                yield lambda unit, check=check: self._cut_off(unit, check)

    def _give_out(self, unit: UnitOfWork, check: Row) -> None:
        runs_store.lock(unit, check.session_id)
        if store.move_check(unit, check.id, "queued", state="running"):
            self._runs.phases.enqueue(unit, START, check.id, str(check.tries))
            self._tell(unit, check)

    def _ended(self, unit: UnitOfWork, check: Row, outcome: str, told: str) -> None:
        runs_store.lock(unit, check.session_id)
        if store.move_check(unit, check.id, "running", state=outcome, ended_at=unit.now, excerpt=told):
            self._runs.phases.enqueue(unit, END, check.id, "end")
            self._tell(unit, check)

    def _cut_off(self, unit: UnitOfWork, check: Row) -> None:
        """Its process is gone without a word, with its machine."""
        runs_store.lock(unit, check.session_id)
        if check.tries >= _ANEW:
            self._ended(unit, check, "failed", f"It was cut off {check.tries + 1} times, and is not begun again.")
        elif store.move_check(unit, check.id, "running", tries=check.tries + 1, started_at=None):
            self._runs.phases.enqueue(unit, START, check.id, str(check.tries + 1))

    def _tell(self, unit: UnitOfWork, check: Row) -> None:
        for listen in self._moved:
            listen(unit, check.session_id)

    # -- phases --------------------------------------------------------------------------------------------------
    def _start(self, check_id: str) -> None:
        check = self._database.read(lambda c: store.check(c, check_id))
        if check is None or check.state != "running" or check.started_at is not None:
            return
        session = self._database.read(lambda c: sessions_store.find(c, check.session_id))
        assert session is not None
        settings = self._projects.settings(session.project_id)
        self._running.start(
            CheckSpec(
                id=check.id,
                source=Source(
                    mirror=self._projects.mirror(session.project_id).path,
                    commit=check.commit,
                    upstream=session.upstream or self._projects.branch(session.project_id),
                    branch=session.branch,
                ),
                commands=tuple(command for command in (settings.set_up, settings.test) if command),
                environment={**self._environment, **settings.environment},
                seconds=self._runs.settings.check_minutes * 60,
                memory=self._runs.settings.session_memory_mb * 2**20,
                keep_free=self._runs.settings.keep_free_mb * 2**20,
            )
        )
        self._database.write(lambda unit: self._started(unit, check))

    def _started(self, unit: UnitOfWork, check: Row) -> None:
        runs_store.lock(unit, check.session_id)
        if store.move_check(unit, check.id, "running", started_at=unit.now, host=HOST):
            self._tell(unit, check)
        else:  # it was stopped meanwhile
            self._runs.phases.enqueue(unit, END, check.id, "late")

    def _not_started(self, check_id: str, error: Exception) -> None:
        words = error.sentence if isinstance(error, MainloopError) else f"The tests could not be started: {error}"
        check = self._database.read(lambda c: store.check(c, check_id))
        if check is not None:
            self._database.write(lambda unit: self._ended(unit, check, "failed", words))

    def _end(self, check_id: str) -> None:
        """What it has put out stays for as long as its row does."""
        if self._database.read(lambda c: store.check(c, check_id)) is None:
            self._running.forget(check_id)
        else:
            self._running.end(check_id)

    # -- looking -------------------------------------------------------------------------------------------------
    def read(self, session_id: str, check_id: str, after: int) -> CheckLog:
        """What it has put out from a byte on. Raises UnknownCheck."""
        check = self._database.read(lambda c: store.check(c, check_id))
        if check is None or check.session_id != session_id:
            raise UnknownCheck
        data = self._running.log(check_id, after, _AT_ONCE)
        has_ended = check.state not in store.GOES_ON
        # A sign may be cut in two; its rest comes with the next piece.
        whole = len(data) if has_ended and len(data) < _AT_ONCE else _whole_signs(data)
        text = data[:whole].decode(errors="replace")
        return CheckLog(text=text, next=after + whole, ended=has_ended and len(data) < _AT_ONCE)

    def _read(self, check_id: str) -> str:
        return self._running.log(check_id, 0, _WHOLE).decode(errors="replace")


def _whole_signs(data: bytes) -> int:
    """How many bytes of it are whole signs, where the last one of UTF-8 may have been cut."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte < 0x80:
            break
        if byte >= 0xC0:
            needs = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(data) - back if back < needs else len(data)
    return len(data)
