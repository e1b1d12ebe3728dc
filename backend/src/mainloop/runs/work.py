"""Work: what is open for the newest run of a thread, handed out once and told until it is done."""

import hashlib
from dataclasses import dataclass, replace
from typing import Final

import sqlalchemy as sa

from mainloop.db.engine import Row
from mainloop.errors import RunRefused
from mainloop.events.bell import work_of
from mainloop.events.unit import Database, UnitOfWork
from mainloop.runs import mailbox, store
from mainloop.runs.registry import Registry
from mainloop.runs.status import Standing
from mainloop.runs.turns import Turns
from mainloop_models import runner as r
from mainloop_models.asks import Answer

# For a run whose thread was given another kind of agent.
_ANOTHER_AGENT: Final = r.Work(version="another-agent", wanted="park")


@dataclass(frozen=True)
class Caller:
    """The run behind a token."""

    thread_id: str
    run: int


def fenced(unit: UnitOfWork, caller: Caller) -> Row:
    """The agent row of a thread, locked for its newest run. Raises RunRefused for an older one."""
    row = store.lock(unit, caller.thread_id)
    if row.run != caller.run:
        raise RunRefused
    return row


@dataclass(frozen=True)
class _Open:
    """What waits in a thread, for its runner and for the person, read in one transaction."""

    row: Row
    asks: list[Row]
    # Answers whose call has not got them yet.
    decided: list[Row]
    mail: mailbox.Undone
    allowance: Row | None

    @property
    def held(self) -> bool:
        """Whether nothing may begin: all slots are taken, or the person has to act first."""
        return self.row.wanted == "queue" or (self.row.blocked and not self.row.working)

    @property
    def may_have_messages(self) -> bool:
        row = self.row
        goes_on = row.deferred_call and not (row.working or row.cut_off)  # with the call, before anything else
        if row.blocked or goes_on or row.wanted == "hold" or (row.wanted == "queue" and not row.working):
            return False
        return bool(row.working) or not self.asks

    @property
    def to_hand_out(self) -> list[str]:
        """Queued messages that the runner should have now: one a turn, and what steers an open one."""
        if not self.may_have_messages:
            return []
        if self.row.working:
            return [m.id for m in self.mail.queued if m.mode == "steer"]
        return [] if self.mail.delivered else [m.id for m in self.mail.queued[:1]]

    @property
    def messages(self) -> list[Row]:
        """What the runner has and has not finished."""
        return self.mail.delivered if self.may_have_messages else []

    @property
    def answers(self) -> list[Row]:
        return [] if self.held else [answer for answer in self.decided if not answer.orphaned]

    @property
    def begins(self) -> bool:
        """Whether a turn begins, or goes on after a deferred call."""
        goes_on = self.row.deferred_call and not (self.asks or self.held)
        return not self.row.working and bool(goes_on or self.messages or self.answers)


class OpenWork:
    """Answers the polls of runners. Everything here is called in request threads or phases."""

    def __init__(self, database: Database, registry: Registry, standing: Standing, turns: Turns) -> None:
        self._database = database
        self._registry = registry
        self._standing = standing
        self._turns = turns
        # The version of the work that each run was told last, and how often its thread had been rung for before that.
        self._last_told: dict[Caller, tuple[str, int]] = {}
        # Threads in which something waits to be handed out, as far as this server knows: it need not look first.
        self._to_hand_out: set[str] = set()

    def forget(self) -> None:
        """A run has begun: what older ones were told is of no use any more."""
        self._last_told = {}

    def waits(self, thread_id: str) -> None:
        """Something was committed that is to be handed out."""
        self._to_hand_out.add(thread_id)

    def is_as_told(self, caller: Caller, version: str) -> bool:
        """Whether a runner that knows work of this version knows all: nothing of its thread was touched since."""
        return self._last_told.get(caller) == (version, self._database.bell.count(work_of(caller.thread_id)))

    def of(self, caller: Caller, *, arriving: bool = False) -> r.Work:
        """Everything open for this run right now; to one that `arrives` after it said its end, nothing.

        Raises RunRefused. Runners look often and mostly find what they know: only what has to be handed out first is
        written.
        """
        rung = self._database.bell.count(work_of(caller.thread_id))
        work = None
        if arriving or caller.thread_id not in self._to_hand_out:
            work = self._database.read(lambda c: self._look(c, caller, arriving=arriving))
        if work is None:
            self._to_hand_out.discard(caller.thread_id)
            work = self._database.write(lambda unit: self._hand_out(unit, caller))
        self._last_told[caller] = (work.version, rung)
        return work

    def admit(self, unit: UnitOfWork, row: Row) -> bool:
        """Whether a turn of this thread may begin. Where it may not, the thread waits for the person."""
        thread_id = str(row.thread_id)
        if self._registry.admission is None or store.allowance(unit.connection, thread_id) is not None:
            return True
        refusal = self._registry.admission(unit, row)
        if refusal is not None:
            self._turns.block(unit, thread_id, refusal)
        return refusal is None

    def _look(self, connection: sa.Connection, caller: Caller, *, arriving: bool) -> r.Work | None:
        """What is open; None where something is to be written first."""
        row = store.agent(connection, caller.thread_id)
        mine = store.run(connection, caller.thread_id, caller.run)
        if row.run != caller.run or mine is None or (arriving and mine.state == "ended"):
            raise RunRefused
        if _was_cut_off(row, caller) or self._standing.is_to_be_noted(row, mine):
            return None
        if not _is_its_agent(row, mine):
            return _ANOTHER_AGENT
        found = _read(connection, row)
        is_admitted = found.allowance is not None or self._registry.admission is None
        if found.to_hand_out or (found.begins and not is_admitted):
            return None
        return self._told(connection, found)

    def _hand_out(self, unit: UnitOfWork, caller: Caller) -> r.Work:
        """The turn of a dead run is closed, waiting messages are the runner's from now on."""
        row = fenced(unit, caller)
        mine = store.run(unit.connection, caller.thread_id, caller.run)
        if mine is None:
            raise RunRefused
        self._standing.seen(unit, mine, row)
        if _was_cut_off(row, caller):
            self._turns.cut_off(unit, row)
            row = store.lock(unit, caller.thread_id)
            if self._turns.only_brings(row):
                self._turns.give_up(unit, row)
        row = store.lock(unit, caller.thread_id)
        if not _is_its_agent(row, mine):
            return _ANOTHER_AGENT
        found = _read(unit.connection, row)
        waiting = found.to_hand_out
        if waiting or found.begins:
            if row.working or self.admit(unit, row):
                mailbox.deliver(unit, caller.thread_id, waiting)
            found = _read_again(unit, found)
        return self._told(unit.connection, found)

    def _told(self, connection: sa.Connection, found: _Open) -> r.Work:
        row, allowance, answers = found.row, found.allowance, found.answers
        idle = not (row.working or found.begins)
        wanted = row.wanted
        # A turn that waits for the person is put off; one that is at work comes to its end.
        waits = row.wanted == "park" and row.working and found.asks and not answers
        if wanted in ("park", "hold", "queue"):
            wanted = "park" if idle or waits else "run"
        if wanted == "run" and idle and (found.asks or self._turns.only_brings(row)):
            wanted = "park"  # it only came to deliver a spool; nothing can go on before the person answers
        work = r.Work(
            version="",
            wanted=wanted,
            interrupt=row.interrupt if row.working else None,
            pause=row.turn if row.working and allowance is not None and allowance.paused else None,
            limit=_limit(allowance),
            messages=_messages(connection, found),
            answers=[
                r.WorkAnswer(ask_id=a.id, call_id=a.call_id, answer=Answer.model_validate(a.answer)) for a in answers
            ],
        )
        return work.model_copy(update={"version": _version(work)})


def _read(connection: sa.Connection, row: Row) -> _Open:
    thread_id = str(row.thread_id)
    asks, decided = store.asks(connection, thread_id)
    return _Open(row, asks, decided, mailbox.undone(connection, thread_id), store.allowance(connection, thread_id))


def _read_again(unit: UnitOfWork, found: _Open) -> _Open:
    """After messages were handed out, or a turn was refused: asks and answers are as they were."""
    thread_id = str(found.row.thread_id)
    return replace(
        found,
        row=store.lock(unit, thread_id),
        mail=mailbox.undone(unit.connection, thread_id),
        allowance=store.allowance(unit.connection, thread_id),
    )


def _messages(connection: sa.Connection, found: _Open) -> list[r.WorkMessage]:
    follow_up = found.row.cut_off + _decisions(found.decided)
    return [
        r.WorkMessage(
            id=m.id,
            text=m.text,
            mode=m.mode,
            context=mailbox.notes_of(connection, m.id),
            again=m.attempt > 0,
            attempt=m.attempt,
            follow_up=follow_up if m.attempt else "",
            attachments=m.attachments or [],
        )
        for m in found.messages
    ]


def _was_cut_off(row: Row, caller: Caller) -> bool:
    """A turn is open that an older run worked on; its spool has been delivered and does not end it."""
    return bool(row.working) and row.turn_run < caller.run


def _limit(allowance: Row | None) -> r.Limit:
    if allowance is None:
        return r.Limit()
    usd = None if allowance.limit_usd is None else allowance.limit_usd / store.MICROS
    return r.Limit(usd=usd, tokens=allowance.limit_tokens)


def _is_its_agent(row: Row, newest: Row | None) -> bool:
    """Whether the newest run's kind of agent is still the thread's. Another was chosen: it has no more to do."""
    return newest is None or newest.kind == row.kind


def _decisions(answers: list[Row]) -> str:
    """What the person decided while no runner held the call, in words for the agent."""
    told: list[str] = []
    for item in answers:
        if not item.orphaned:
            continue
        answer = Answer.model_validate(item.answer)
        words = " ".join(part for part in ("; ".join(answer.filled()), answer.text) if part)
        told.append(f'\nMeanwhile the person decided about "{item.title}": {answer.decision.value}. {words}'.rstrip())
    return "".join(told)


def _version(work: r.Work) -> str:
    return hashlib.sha256(work.model_dump_json(exclude={"version"}).encode()).hexdigest()[:16]
