"""Opening, answering and closing what waits for the person."""

import logging
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

import sqlalchemy as sa

from mainloop.db.engine import Row
from mainloop.errors import AlreadyAnswered, BadInput, ItemClosed, UnknownItem
from mainloop.events.unit import Act, UnitOfWork, now
from mainloop.inbox import store
from mainloop.lines import unmarked
from mainloop.permissions import store as permissions_store
from mainloop.permissions.standing import Always, StandingPermissions
from mainloop.runs import store as runs_store
from mainloop.runs.registry import Registry, Said
from mainloop.runs.service import Runs
from mainloop_models import runner as r
from mainloop_models.asks import Answer, Decision, PermissionAsk, PlanAsk, spoken
from mainloop_models.events import AgentError, ItemBody, NoticeItem

log = logging.getLogger(__name__)

# The phase that lets a standing permission answer what waited before it was given.
ANSWER_WAITING: Final = "answer_waiting"
# Characters of a title; the ask itself says everything.
LONGEST_TITLE: Final = 500
# Nothing is put off for longer.
LONGEST_SNOOZE: Final = timedelta(days=366)
# Errors that only signing in, or another key, can cure.
SIGN_IN: Final = {"authentication", "not_installed"}

Listener = Callable[[UnitOfWork, ItemBody], None]


class Inbox:
    """All items. Features that want to know when one opens or is done with register here."""

    def __init__(self, runs: Runs, standing: StandingPermissions) -> None:
        self._runs = runs
        self._standing = standing
        self._opened: list[Listener] = []
        self._done: list[Listener] = []

    def on_opened(self, listen: Listener) -> None:
        self._opened.append(listen)

    def on_done(self, listen: Listener) -> None:
        """Call `listen` when an item was answered or closed itself."""
        self._done.append(listen)

    def register(self, registry: Registry) -> None:
        """Take part in what runners report."""
        registry.on(r.AskOpened, self._ask_opened)
        registry.on(r.AnswerTaken, lambda unit, said, body: store.answer_taken(unit, said.thread_id, body.ask_id))
        registry.on(r.AskWithdrawn, self._withdrawn)
        registry.on(r.Released, self._released)
        registry.on(r.TurnEnded, self._turn_ended)
        self._runs.phases.define(ANSWER_WAITING, self._answer_waiting, self._nothing_lost)
        self._standing.on_given(
            lambda unit, permission: self._runs.phases.enqueue(unit, ANSWER_WAITING, permission, "given")
        )
        registry.on_blocked(self._blocked)
        registry.on_unreachable(self._unreachable)
        registry.on_back(self._back)

    def open(self, unit: UnitOfWork, item: ItemBody) -> None:
        """Put something into the inbox; the same id is there once."""
        opened = store.open(unit, item)
        if opened is None and item.ask is not None:
            opened = store.ask_again(unit, item.thread_id, item.id)
        if opened is not None:
            self._tell(self._opened, unit, opened)

    def renew(self, unit: UnitOfWork, item: ItemBody) -> None:
        """An item that is no ask says something else from now on, where it still waits."""
        store.renew(unit, item)

    def close(self, unit: UnitOfWork, thread_id: str, item_id: str, reason: str) -> None:
        """Its cause is gone: it leaves the list by itself and says why."""
        closed = store.close(unit, thread_id, item_id, state="closed", closed_by=reason, taken=True)
        if closed is not None:
            self._tell(self._done, unit, closed)

    def open_of(self, connection: sa.Connection, kind: str) -> list[str]:
        """Ids of what is open of a kind."""
        return store.open_of(connection, kind)

    def close_all(self, unit: UnitOfWork, thread_id: str, reason: str) -> None:
        """The thread was stopped or closed: nothing of it waits any more. What the person asked to be told stays."""
        for item_id in sorted(
            {*store.open_in(unit.connection, thread_id)} - {*store.open_watches(unit.connection, thread_id)}
        ):
            self.close(unit, thread_id, item_id, reason)

    def seen(self, unit: UnitOfWork, thread_id: str) -> None:
        """The person has read a thread to its end: what they asked to be told of it they know."""
        for item_id in store.open_watches(unit.connection, thread_id):
            self.close(unit, thread_id, item_id, "You have seen it.")

    def close_notices(self, unit: UnitOfWork, thread_id: str, reason: str) -> None:
        """The person acted on what went wrong in a thread. That its runner can't be reached is as true as before."""
        for item_id in store.open_notices(unit.connection, thread_id):
            self.close(unit, thread_id, item_id, reason)

    def answer(
        self, unit: UnitOfWork, item_id: str, answer: Answer, answer_id: str, by: str, always: Always | None = None
    ) -> ItemBody:
        """Give an item its one answer, and with it what shall stand. The same `answer_id` again gets the same answer.

        Raises UnknownItem, BadInput, AlreadyAnswered (with the first answer), ItemClosed.
        """
        row = self._locked(unit, item_id)
        item = store.body_of(row)
        if item.state == "answered" and row.answer_id == answer_id:
            return item
        _refuse_unless_open(item)
        ask = store.whole_ask(row)
        _check(item.model_copy(update={"ask": ask}), answer)
        if always is not None:
            answer = self._standing.give_with_answer(unit, row.thread_id, item_id, ask, answer, always, by)
        answered = store.close(
            unit,
            row.thread_id,
            item_id,
            state="answered",
            answer=answer.model_dump(mode="json"),
            answer_id=answer_id,
            closed_by=by,
            taken=item.ask is None,
        )
        assert answered is not None
        self._tell(self._done, unit, answered)
        if answered.kind == "stall" and answer.decision is Decision.RETRY:
            self._runs.restart(unit, answered.thread_id)
        if answered.ask is not None:
            self._runs.request(unit, answered.thread_id)
        return answered

    # -- putting off -------------------------------------------------------------------------------------------
    def snooze(self, unit: UnitOfWork, item_id: str, until: datetime | None) -> ItemBody:
        """Put an item off until a moment, or until the person is back. Its agent waits on and is told nothing.

        Raises UnknownItem, BadInput, AlreadyAnswered, ItemClosed.
        """
        row = self._locked(unit, item_id)
        _refuse_unless_open(store.body_of(row))
        if until is not None:
            until = until.replace(tzinfo=UTC) if until.tzinfo is None else until.astimezone(UTC)
            if until <= unit.now:
                raise BadInput(what=f"{until:%Y-%m-%d %H:%M} UTC has passed already. Choose a later time.")
            if until > unit.now + LONGEST_SNOOZE:
                raise BadInput(what="Nothing can be put off for more than a year. Choose an earlier time.")
        snoozed = store.snooze(unit, item_id, until)
        assert snoozed is not None
        return snoozed

    def wake(self, unit: UnitOfWork, item_id: str) -> ItemBody:
        """An item that was put off counts again. Raises UnknownItem, AlreadyAnswered, ItemClosed."""
        item = store.body_of(self._locked(unit, item_id))
        _refuse_unless_open(item)
        return store.wake(unit, item_id) or item

    def person_is_back(self, unit: UnitOfWork) -> None:
        """What was put off until then counts again."""
        for item_id in store.put_off(unit.connection, None):
            store.wake(unit, item_id)

    def look(self, connection: sa.Connection) -> Iterable[Act]:
        """What was put off until a moment that has come counts again, however the clock got there."""
        for item_id in store.put_off(connection, now()):
            yield lambda unit, item_id=item_id: store.wake(unit, item_id)

    def _locked(self, unit: UnitOfWork, item_id: str) -> Row:
        """The row of an item, locked with its thread: whoever decides at once does so one after the other."""
        row = store.find(unit.connection, item_id)
        if row is None:
            raise UnknownItem(id=item_id)
        runs_store.lock(unit, row.thread_id)  # before looking
        row = store.find(unit.connection, item_id)
        assert row is not None
        return row

    # -- standing permissions ----------------------------------------------------------------------------------
    def _answer_waiting(self, permission_id: str) -> None:
        """What waited already when a permission was given is answered by it, each in a transaction of its own."""
        database = self._runs.database
        reach = database.read(lambda c: permissions_store.reach(c, permission_id))
        if reach is None:
            return
        for row in database.read(lambda c: permissions_store.asked_now(c, reach)):
            database.write(lambda unit, item_id=row.id: self._answer_by_standing(unit, item_id))

    def _answer_by_standing(self, unit: UnitOfWork, item_id: str) -> None:
        row = self._locked(unit, item_id)
        ask = store.whole_ask(row)
        if row.state != "open" or not isinstance(ask, PermissionAsk):
            return  # the person was faster
        uses = self._standing.allow(unit, row.thread_id, ask)
        answered = store.close_by_standing(unit, row.thread_id, item_id, uses) if uses else None
        if answered is not None:
            self._tell(self._done, unit, answered)
            self._runs.request(unit, row.thread_id)

    def _nothing_lost(self, permission_id: str, error: Exception) -> None:
        """What it could not answer still waits for the person."""
        log.error("What waits could not be answered by standing permission %s: %s", permission_id, error)

    def _tell(self, listeners: list[Listener], unit: UnitOfWork, item: ItemBody) -> None:
        for listen in listeners:
            listen(unit, item)

    def _ask_opened(self, unit: UnitOfWork, said: Said, body: r.AskOpened) -> None:
        # A command is shown as it is; all else is written by agents, who write Markdown.
        title = body.title if isinstance(body.ask, PermissionAsk) else unmarked(body.title) or body.title
        item = ItemBody(
            id=body.id,
            kind=body.ask.kind,
            thread_id=said.thread_id,
            session_id=said.thread_id if said.thread.role == "session" else None,
            title=title[:LONGEST_TITLE],
            ask=body.ask,
            turn=body.turn,
            call_id=body.call_id,
            opened_at=unit.now,
        )
        known = store.find(unit.connection, body.id)
        if isinstance(body.ask, PlanAsk) and known is None:
            item = item.model_copy(update={"version": self._version(unit, said.thread_id)})
        if not isinstance(body.ask, PermissionAsk) or (known is not None and known.state != "closed"):
            self.open(unit, item)
        elif uses := self._standing.allow(unit, said.thread_id, body.ask):
            # Nobody has to be asked: it is in the log and nowhere else.
            store.answer_by_standing(unit, item.model_copy(update={"standing": uses}))
            self._runs.request(unit, said.thread_id)
        else:
            pattern, before = self._standing.suggest(unit.connection, said.thread_id, body.id, body.ask)
            self.open(unit, item.model_copy(update={"pattern": pattern, "allowed_before": before}))

    def _version(self, unit: UnitOfWork, thread_id: str) -> int:
        """Which version of its plan a thread shows now; one that still waits gives way to it."""
        before = store.last_plan(unit.connection, thread_id)
        if before is None:
            return 1
        version = (before.version or 1) + 1
        if before.state == "open":
            self.close(unit, thread_id, before.id, f"Version {version} took its place.")
            return version
        sent_back = before.answer is not None and before.answer["decision"] == Decision.REVISE
        return version if sent_back else 1

    def _released(self, unit: UnitOfWork, said: Said, body: r.Released) -> None:
        if body.ask_id is not None:
            store.answer_taken(unit, said.thread_id, body.ask_id)

    def _withdrawn(self, unit: UnitOfWork, said: Said, body: r.AskWithdrawn) -> None:
        self.close(unit, said.thread_id, body.ask_id, body.reason)

    def _turn_ended(self, unit: UnitOfWork, said: Said, body: r.TurnEnded) -> None:
        if body.outcome == "deferred":
            return
        if body.outcome == "cut_off":  # the agent died: what it asked stays, and the answer is told in words
            runs_store.orphan_asks(unit, said.thread_id, said.thread.deferred_call or "")
            return
        for item_id in store.open_asks(unit.connection, said.thread_id, body.turn):
            self.close(unit, said.thread_id, item_id, "The turn that asked has ended.")
        if body.outcome in ("completed", "interrupted"):
            store.answers_taken(unit, said.thread_id, body.turn)

    def _blocked(self, unit: UnitOfWork, thread_id: str, error: AgentError) -> None:
        if error.code == "ceiling":
            return  # whoever counts the money says which ceiling it was
        thread = runs_store.agent(unit.connection, thread_id)
        kind = "sign_in" if error.code in SIGN_IN else "failure"
        if store.open_notices(unit.connection, thread_id):
            return  # it is said already, and the person has not acted yet
        self.open(
            unit,
            ItemBody(
                id=f"{kind}-{uuid.uuid4()}",
                kind=kind,
                thread_id=thread_id,
                session_id=thread_id if thread.role == "session" else None,
                title=error.message.splitlines()[0][:200] if error.message else "The agent could not go on.",
                notice=NoticeItem(kind=kind, text=error.message, hint=error.hint, decisions=["retry", "dismiss"]),
                turn=thread.turn,
                opened_at=unit.now,
            ),
        )

    def _unreachable(self, unit: UnitOfWork, thread_id: str, run: int, last_seen: datetime) -> None:
        """Its runner holds its lock and asks for nothing: once per silence."""
        thread = runs_store.agent(unit.connection, thread_id)
        self.open(
            unit,
            ItemBody(
                id=f"stall-{thread_id}-{run}-{int(last_seen.timestamp())}",
                kind="stall",
                thread_id=thread_id,
                session_id=thread_id if thread.role == "session" else None,
                title="Its runner can't be reached.",
                notice=NoticeItem(
                    kind="stall",
                    text="Its process is there, but has not been heard of for a while. It may be frozen, or cut off from "
                    "the server.",
                    hint="It goes on by itself when it is back. Retry ends it and goes on in a new process.",
                    decisions=["retry", "dismiss"],
                ),
                turn=thread.turn,
                opened_at=unit.now,
            ),
        )

    def _back(self, unit: UnitOfWork, thread_id: str, why: str) -> None:
        for item_id in store.open_stalls(unit.connection, thread_id):
            self.close(unit, thread_id, item_id, why)


def in_words(item: ItemBody) -> str:
    """What was answered, in a few words."""
    if item.answer is None:
        return item.closed_by
    chosen = [spoken(a) for a in item.answer.answers.values()] + [
        f"{name}: {spoken(value)}" for name, value in item.answer.values.items()
    ]
    said = f"by your words “{item.answer.said.words}”" if item.answer.said else ""
    own = "" if item.answer.said and item.answer.said.words == item.answer.text else item.answer.text
    return " · ".join(part for part in (item.answer.decision.value, *chosen, own, said) if part)


def _refuse_unless_open(item: ItemBody) -> None:
    if item.state == "answered":
        raise AlreadyAnswered(answer=in_words(item), extra={"item": item.model_dump(mode="json")})
    if item.state == "closed":
        raise ItemClosed(reason=item.closed_by, extra={"item": item.model_dump(mode="json")})


def _check(item: ItemBody, answer: Answer) -> None:
    """Raises BadInput where an answer does not fit, with a sentence that says what does."""
    if item.ask is not None:
        wrong = item.ask.misfit(answer)
    elif answer.decision not in item.decisions:
        names = ", ".join(sorted(decision.value for decision in item.decisions))
        wrong = f"A {item.kind.replace('_', ' ')} is answered with one of: {names}."
    elif answer.answers or answer.values:
        wrong = "Only a question or a form that is answered takes answers."
    elif answer.amount is not None and item.kind != "ceiling":
        wrong = "Only a ceiling takes an amount."
    else:
        wrong = None
    if wrong is not None:
        raise BadInput(what=wrong)
