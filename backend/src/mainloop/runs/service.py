"""Runs: which life of a thread's agent is the newest, what it reports, and what is open for it."""

import hashlib
import logging
import secrets
import socket
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from mainloop.db.engine import Row
from mainloop.durable.phases import Phases
from mainloop.errors import RunRefused, TurnOver, UnknownRun
from mainloop.events.bell import work_of
from mainloop.events.deltas import OpenMessages
from mainloop.events.status import Statuses
from mainloop.events.unit import Database, UnitOfWork
from mainloop.runs import calls, history, mailbox, store
from mainloop.runs.registry import Registry, Said
from mainloop.runs.status import Standing
from mainloop.runs.turns import Turns
from mainloop.runs.work import Caller, OpenWork, fenced
from mainloop.settings import Settings
from mainloop_models import runner as r
from mainloop_models.asks import Decision
from mainloop_models.base import Model
from mainloop_models.events import RunBody

log = logging.getLogger(__name__)

ENSURE_RUN = "ensure_run"
END_RUN = "end_run"
KILL_RUN = "kill_run"
HOST = socket.gethostname()
# A run that sends pieces is let in without a look at the database for this long after the last one (seconds).
LET_IN: Final = 5.0
# Reports that tell what happens and change nothing about what is open, unless who applies them says so.
TELLING = (r.AgentSession, r.TurnStarted, r.Said, r.Reasoned, r.ToolCalled, r.ToolEnded, r.Todo, r.Retrying, r.Spent)


@dataclass(frozen=True)
class NewRun:
    """A run that was just committed: what the workspace needs to start its runner."""

    thread_id: str
    number: int
    token: str
    role: str


class Runs:
    """The server's side of the runner protocol. Everything here is called in request threads or phases."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        open_messages: OpenMessages,
        statuses: Statuses,
        phases: Phases,
        registry: Registry,
    ) -> None:
        self.settings = settings
        self.database = database
        self.open_messages = open_messages
        self.phases = phases
        self.registry = registry
        # Set at shutdown: whoever waits is answered at once.
        self.stopping = False
        self.statuses = statuses
        self.standing = Standing(database, statuses, registry)
        self.turns = Turns(open_messages, registry, self.standing, settings.max_restarts)
        self.open_work = OpenWork(database, registry, self.standing, self.turns)
        # Whose a token is; and by token until when no look at the database is needed to take its run's pieces.
        self._callers: dict[str, Caller] = {}
        self._let_in: dict[str, float] = {}
        # How many runs have begun here: what was looked up before the newest did may be over.
        self._begun = 0

    # -- who lives ---------------------------------------------------------------------------------------------
    def request(self, unit: UnitOfWork, thread_id: str) -> None:
        """Make sure that a runner of this thread takes up what is open. Cheap where one lives."""
        unit.ring(work_of(thread_id))
        row = store.agent(unit.connection, thread_id)
        newest = store.run(unit.connection, thread_id, row.run)
        if row.wanted not in ("hold", "queue") and (newest is None or newest.state == "ended"):
            self.phases.enqueue(unit, ENSURE_RUN, thread_id, uuid.uuid4().hex[:12])

    def begin(self, unit: UnitOfWork, thread_id: str) -> NewRun | None:
        """Commit to a new run; the caller has seen that nobody holds the thread's lock. None: nothing wants one."""
        row = store.lock(unit, thread_id)
        newest = store.run(unit.connection, thread_id, row.run)
        if newest is not None and newest.state != "ended":
            self.lost(unit, row, newest)
            row = store.lock(unit, thread_id)
        if not (store.has_work(unit.connection, row) or self._owes(unit.connection, row)):
            return None
        if not row.working and not self.open_work.admit(unit, row):
            return None
        number, token = row.run + 1, secrets.token_urlsafe(32)
        store.add_run(unit, thread_id, number, kind=row.kind, token_hash=_hash(token), host=HOST)
        store.update(unit, thread_id, run=number, wanted="run")
        unit.ring(work_of(thread_id))  # an older run that still polls is refused
        unit.after_commit(self._forget_callers)
        return NewRun(thread_id, number, token, row.role)

    def _owes(self, connection: sa.Connection, row: Row) -> bool:
        """A turn is open although no run lives: a new one brings what the last one left in its spool."""
        return bool(row.working) and not row.blocked and row.wanted not in store.NO_RUNNER

    def lost(self, unit: UnitOfWork, row: Row, newest: Row) -> None:
        """The newest run is gone without a word: nobody holds its lock."""
        thread_id = str(row.thread_id)
        store.update_run(unit, thread_id, newest.number, state="ended", ended_at=unit.now, end="lost")
        unit.ring(work_of(thread_id))  # should it poll all the same, it is refused
        store.orphan_asks(unit, thread_id, row.deferred_call or "")
        if row.working or store.has_work(unit.connection, row):
            store.update(unit, thread_id, restarts=row.restarts + 1)
        self.standing.back(unit, thread_id, "Its runner has ended.")
        if row.working:
            self.standing.restarting(unit, thread_id, row.restarts + 1, self.settings.max_restarts)
        else:
            self.standing.at_rest(unit, thread_id)
        if row.working:
            unit.append(thread_id, "run", RunBody(run=newest.number, what="lost", text="Its process ended."))
        log.warning("Run %d of %s is gone without a word", newest.number, thread_id)

    def want(self, unit: UnitOfWork, thread_id: str, wanted: str) -> None:
        """Park or stop the runner; or hold: nothing may start before `release`."""
        if wanted == "park" and store.agent(unit.connection, thread_id).wanted in ("hold", "queue"):
            return
        store.update(unit, thread_id, wanted=wanted)
        unit.ring(work_of(thread_id))
        if wanted == "stop":
            self.phases.enqueue(unit, END_RUN, thread_id, uuid.uuid4().hex[:12])

    def interrupt(self, unit: UnitOfWork, thread_id: str, turn: int) -> None:
        """Stop turn `turn`, no other. Raises UnknownThread, TurnOver."""
        row = store.lock(unit, thread_id)
        if not row.working or row.turn != turn:
            raise TurnOver(turn=turn)
        store.update(unit, thread_id, interrupt=turn)
        unit.ring(work_of(thread_id))

    # -- hello -------------------------------------------------------------------------------------------------
    def known(self, token: str) -> Caller | None:
        """Whose token this is, where that was found before; whether that run is still the newest it does not say."""
        return self._callers.get(token)

    def caller(self, token: str) -> Caller:
        """Whose token this is. Raises UnknownRun, RunRefused."""
        return self.database.read(lambda c: self._caller(c, token))

    def _caller(self, connection: sa.Connection, token: str) -> Caller:
        begun = self._begun
        run = store.run_with_token(connection, _hash(token))
        if run is None:
            raise UnknownRun
        if run.state == "ended" or run.number != run.newest:
            raise RunRefused
        caller = Caller(run.thread_id, run.number)
        if begun == self._begun:
            self._callers[token] = caller
        return caller

    def _forget_callers(self) -> None:
        self._begun += 1
        self._callers, self._let_in = {}, {}
        self.open_work.forget()

    def hello(self, token: str, hello: r.Hello) -> r.Welcome:
        """Welcome the newest run of a thread. Raises UnknownRun, RunRefused."""
        return self.database.write(lambda unit: self._welcome(unit, self._caller(unit.connection, token), hello))

    def _welcome(self, unit: UnitOfWork, caller: Caller, hello: r.Hello) -> r.Welcome:
        if (hello.thread_id, hello.run) != (caller.thread_id, caller.run):
            raise RunRefused
        row = fenced(unit, caller)
        mine = store.run(unit.connection, caller.thread_id, caller.run)
        agent_session = row.agent_session
        if mine is None or mine.state == "starting":  # a repeated hello changes nothing
            unit.append(caller.thread_id, "run", RunBody(run=caller.run, what="started"))
            self.standing.at_rest(unit, caller.thread_id)
            # An id can't be used twice, not even where its first use recorded nothing.
            if not row.recorded and caller.run > 1:
                agent_session = str(uuid.uuid4())
                store.update(unit, caller.thread_id, agent_session=agent_session)
        store.update_run(
            unit, caller.thread_id, caller.run, state="live", pid=hello.pid, version=hello.version, seen_at=unit.now
        )
        approved = [
            r.ApprovedCall(ask_id=item.id, tool=item.ask["tool"], input=item.ask["input"])
            for item in store.untaken_answers(unit.connection, caller.thread_id)
            if item.orphaned and item.kind == "permission" and item.answer["decision"] == Decision.ALLOW
        ]
        return r.Welcome(
            role=row.role,
            agent=row.kind,
            model=row.model,
            agent_session=agent_session,
            resume=row.recorded,
            prompt=self.registry.prompts[row.role](unit.connection, row),
            tools=self.registry.tools_for(unit.connection, row),
            policy=r.Policy(commands=self.settings.commands, hold_seconds=self.settings.hold_minutes * 60),
            bounds=r.Bounds(memory_mb=self.settings.session_memory_mb, keep_free_mb=self.settings.keep_free_mb),
            acked=store.acked(unit.connection, caller.thread_id),
            # A turn that was cut off does not go on: what it was about does, in a turn of its own.
            open_turn=row.turn if row.deferred_call and not (row.working or row.cut_off) else 0,
            last_turn=row.turn,
            open_messages=[m.id for m in mailbox.delivered(unit.connection, caller.thread_id) if m.turn == row.turn]
            if row.deferred_call
            else [],
            released=calls.released(unit.connection, caller.thread_id),
            approved=approved,
            deferred_call=row.deferred_call,
            before=history.so_far(unit.connection, caller.thread_id) if row.record_lost else "",
            fork=_fork(unit.connection, row),
            set_up=self.registry.set_up(unit.connection, row),
            demo=row.demo,
        )

    # -- reports -----------------------------------------------------------------------------------------------
    def apply(self, token: str, reports: r.Reports) -> r.Receipt:
        """Apply reports in order, each once; answers how far and, for calls of our tools, with what.

        Raises UnknownRun, RunRefused. A report behind a gap is not applied.
        """
        return self.database.write(
            lambda unit: self._apply(unit, self.known(token) or self._caller(unit.connection, token), reports)
        )

    def _apply(self, unit: UnitOfWork, caller: Caller, reports: r.Reports) -> r.Receipt:
        thread_id = caller.thread_id
        if reports.thread_id != thread_id:
            raise RunRefused
        thread = fenced(unit, caller)
        runs = {run.number: run for run in store.runs(unit.connection, thread_id)}
        if runs[caller.run].state == "ended":
            raise RunRefused
        acked = {number: int(run.acked) for number, run in runs.items()}
        answers: dict[str, r.ToolAnswer] = {}
        fresh: dict[int, int] = {}
        ending = frozenset(report.body.turn for report in reports.reports if isinstance(report.body, r.TurnEnded))
        for report in reports.reports:
            done = acked.get(report.run)
            if done is None or report.run > caller.run:
                raise RunRefused
            if isinstance(report.body, r.ToolRequest):
                answer = calls.answered(unit.connection, thread_id, report.body.call_id)
                if answer is not None:
                    answers[report.body.call_id] = answer
            if report.number != done + 1:
                continue
            said = Said(thread, report.run, report.at, ending)
            if isinstance(report.body, r.ToolRequest):
                answers[report.body.call_id] = self._answer(unit, said, report.body)
            else:
                self.turns.apply(unit, said, report)
            acked[report.run] = fresh[report.run] = report.number
            thread = store.agent(unit.connection, thread_id)
        for run, number in fresh.items():
            store.update_run(unit, thread_id, run, acked=number)
        self.standing.seen(unit, runs[caller.run], thread)
        self.standing.heard(unit, thread)
        self._see_to_the_rest(unit, thread_id, [report.body for report in reports.reports])
        return r.Receipt(acked=acked, answers=answers)

    def _see_to_the_rest(self, unit: UnitOfWork, thread_id: str, bodies: Sequence[Model]) -> None:
        """What reports leave open is for this runner, or for the next one where it has just ended."""
        if any(not isinstance(body, TELLING) for body in bodies):
            unit.ring(work_of(thread_id))
        if any(isinstance(body, r.RunEnded) for body in bodies):
            after = store.agent(unit.connection, thread_id)
            if store.has_work(unit.connection, after):
                self.request(unit, thread_id)

    def _answer(self, unit: UnitOfWork, said: Said, request: r.ToolRequest) -> r.ToolAnswer:
        answer = calls.answered(unit.connection, said.thread_id, request.call_id)
        if answer is None:
            answer = self.registry.call(unit, said.thread, request)
            calls.answer(unit, said.thread_id, request, answer)
        return answer

    def take_deltas(self, token: str, deltas: r.Deltas) -> r.DeltasTaken:
        """Pieces of messages that are being written. Raises UnknownRun, RunRefused."""
        caller = self.caller(token)
        self._let_in[token] = time.monotonic() + LET_IN
        if deltas.unwritten is not None:
            self.standing.unwritten(caller.thread_id, deltas.unwritten)
        self.standing.heard_pieces(caller.thread_id)
        return self._take(caller, deltas)

    def take_more(self, token: str, deltas: r.Deltas) -> r.DeltasTaken | None:
        """The same for a run that was let in a moment ago, without the database; None where that is needed.

        Pieces are no promise: one that an older run still gets in here goes with its turn.
        """
        caller = self.known(token)
        if caller is None or deltas.unwritten is not None or self._let_in.get(token, 0.0) < time.monotonic():
            return None
        return self._take(caller, deltas)

    def _take(self, caller: Caller, deltas: r.Deltas) -> r.DeltasTaken:
        return r.DeltasTaken(lengths=self.open_messages.take(caller.thread_id, deltas.deltas))

    def restart(self, unit: UnitOfWork, thread_id: str) -> None:
        """End a runner that can't be reached; what is open then goes on in a new one."""
        self.phases.enqueue(unit, KILL_RUN, thread_id, uuid.uuid4().hex[:12])

    # -- for features ------------------------------------------------------------------------------------------
    def take_up(self, unit: UnitOfWork, thread_id: str) -> None:
        """A message was queued: see that somebody takes it up, unless the thread is stopped or blocked."""
        if store.lock(unit, thread_id).wanted == "park":
            store.update(unit, thread_id, wanted="run")
        for handle in self.registry.work:
            handle(unit, thread_id)
        row = store.agent(unit.connection, thread_id)
        if row.wanted not in store.NO_RUNNER and not row.blocked:
            unit.after_commit(lambda: self.open_work.waits(thread_id))
            self.request(unit, thread_id)

    def release(self, unit: UnitOfWork, thread_id: str) -> None:
        """What a held thread's runner needs is there: it may start."""
        if store.lock(unit, thread_id).wanted != "stop":
            store.update(unit, thread_id, wanted="run")
            self.request(unit, thread_id)

    def abandon(self, unit: UnitOfWork, thread_id: str) -> None:
        """The person gives up on what was being tried: it stays in the log, the next message may go on."""
        store.lock(unit, thread_id)
        delivered = mailbox.delivered(unit.connection, thread_id)
        mailbox.finish(unit, thread_id, [m.id for m in delivered])
        store.update(unit, thread_id, blocked=False, restarts=0, cut_off="")
        if mailbox.queued(unit.connection, thread_id):
            self.take_up(unit, thread_id)

    def stop_trying(self, unit: UnitOfWork, thread_id: str) -> None:
        """The person wants no more of it for now: what was being tried is over, what waits behind it goes on waiting."""
        store.lock(unit, thread_id)
        mailbox.finish(unit, thread_id, [m.id for m in mailbox.delivered(unit.connection, thread_id)])
        waits = bool(mailbox.queued(unit.connection, thread_id))
        store.update(unit, thread_id, blocked=waits, restarts=0, cut_off="")

    def go_on(self, unit: UnitOfWork, thread_id: str) -> None:
        """The person acted: what was blocked or stopped may run again."""
        wanted = store.lock(unit, thread_id).wanted
        wanted = wanted if wanted in ("hold", "queue") else "run"
        store.update(unit, thread_id, blocked=False, wanted=wanted, restarts=0)
        self.take_up(unit, thread_id)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _fork(connection: sa.Connection, row: Row) -> r.Fork | None:
    """Where the record of an agent begins that has not begun itself."""
    if not row.fork or row.turn or not row.recorded:
        return None
    last, later = mailbox.given_until(connection, row.fork["session_id"], row.fork["turn"])
    return r.Fork(last=last, later=later)
