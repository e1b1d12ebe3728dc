"""Counts what agents use as they report it, and stops whoever would go past a ceiling.

A turn at work holds an allowance: a small part of what is left below every ceiling that applies to it, held back from
everybody else. It is taken before the turn begins, topped up as the turn's usage is reported, and given back at its end;
all of that one after the other. So what was used and what is held back never come to more than a ceiling, however many
begin at once; what a turn can still use beyond is the one answer of a model that was under way.
"""

import uuid
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from mainloop.db.engine import Row
from mainloop.errors import BadInput, UnknownProject, UnknownSession
from mainloop.events.bell import work_of
from mainloop.events.unit import Act, UnitOfWork, now
from mainloop.inbox.service import Inbox
from mainloop.permissions.ceilings import Ceilings
from mainloop.permissions.store import SLOTS
from mainloop.runs import store as runs_store
from mainloop.runs.registry import Registry, Said
from mainloop.runs.service import Runs
from mainloop.runs.store import MICROS
from mainloop.settings import Settings
from mainloop.spending import items, store
from mainloop.spending.amounts import parse, plain
from mainloop.spending.items import Bound, Level
from mainloop.spending.schemas import Ceiling, SetCeiling
from mainloop.spending.store import MAIN
from mainloop_models import runner as r
from mainloop_models.asks import Answer, Decision
from mainloop_models.events import AgentError, ItemBody, ModelUsage, Reached

UNITS: Final = ("usd", "tokens")
SCOPES: Final = ("turn", "session", "project", "day")
# Which ceilings a session, a project or the installation can have of its own.
OWN: Final = {"session": ("turn", "session"), "project": ("turn", "session", "project"), "installation": SCOPES}
# An allowance is at most this part of the smallest ceiling that applies.
PARTS: Final = 20
ONCE: Final = "once"
# Who waits and is not to go on, once its turn has stopped.
GIVEN_UP: Final = "given_up"
NEW_DAY: Final = "A new day has begun."


class Spending:
    """What agents use, and how far they may go."""

    def __init__(self, settings: Settings, runs: Runs, inbox: Inbox, ceilings: Ceilings) -> None:
        self._settings = settings
        self._runs = runs
        self._inbox = inbox
        self._starts = ceilings
        self._zone = ZoneInfo(settings.time_zone) if settings.time_zone else None
        self._stopped: list[Callable[[UnitOfWork, str], None]] = []

    def register(self, registry: Registry) -> None:
        """Take part in what runners report. After the features that show how a thread stands."""
        registry.on_admission(self._admit)
        registry.on(r.TurnStarted, self._turn_started)
        registry.on(r.Spent, self._spent)
        registry.on(r.TurnEnded, self._turn_ended)
        registry.on_cut_off(self._let_go)
        registry.on_blocked(self._blocked)
        self._inbox.on_done(self._item_done)

    def on_stopped(self, listen: Callable[[UnitOfWork, str], None]) -> None:
        """Call `listen(unit, thread_id)` when the person wants no more of what a ceiling stopped."""
        self._stopped.append(listen)

    def why(self, connection: sa.Connection, thread_id: str) -> str:
        """The ceiling that a thread waits at, in a sentence; empty where it waits at none."""
        return store.why_paused(connection, thread_id)

    # -- days --------------------------------------------------------------------------------------------------
    def day_of(self, moment: datetime) -> str:
        """The person's day of a moment."""
        return moment.astimezone(self._zone).date().isoformat()

    @property
    def time_zone(self) -> str:
        return self._settings.time_zone or now().astimezone().tzname() or "local"

    # -- counting ----------------------------------------------------------------------------------------------
    def _spent(self, unit: UnitOfWork, said: Said, body: r.Spent) -> None:
        self._count(unit, said, body.turn, body.models, on_plan=body.on_plan)
        if body.context is not None:
            store.note_context(unit, said.thread_id, body.context.model_dump())
        if body.turn in said.ending:
            return  # what it holds is given back at once
        row = runs_store.agent(unit.connection, said.thread_id)
        if row.working and (row.run, row.turn) == (said.run, body.turn):
            self._see_to_allowance(unit, row)

    def _count(self, unit: UnitOfWork, said: Said, turn: int, models: list[ModelUsage], *, on_plan: bool) -> None:
        project, day = store.project_of(unit.connection, said.thread_id), self.day_of(said.at)
        for used in models:
            store.count(unit, said.thread_id, said.run, turn, used, day=day, project_id=project, on_plan=on_plan)

    # -- allowances --------------------------------------------------------------------------------------------
    def _admit(self, unit: UnitOfWork, row: Row) -> AgentError | None:
        """A turn is about to begin: it gets an allowance, or its thread waits."""
        unit.alone(SLOTS)
        # A deferred turn goes on under its number, any other begins at the next.
        turn = row.turn if row.deferred_call and not row.cut_off else row.turn + 1
        left, reached = self._allowance(unit.connection, row.thread_id, turn)
        if reached is not None:
            self._pause(unit, row.thread_id, reached)
            return AgentError(code="ceiling", message=items.sentence(reached))
        limits = {f"limit_{name}": amount for name, amount in left.items()}
        lefts = {f"left_{name}": amount for name, amount in left.items()}
        store.hold(unit, row.thread_id, project_id=store.project_of(unit.connection, row.thread_id), **limits, **lefts)
        return None

    def _turn_started(self, unit: UnitOfWork, said: Said, body: r.TurnStarted) -> None:
        """An agent may begin a turn by itself: then it is looked at now."""
        if runs_store.allowance(unit.connection, said.thread_id) is None:
            row = runs_store.agent(unit.connection, said.thread_id)
            if self._admit(unit, row) is not None:
                self._stop_turn(unit, said.thread_id)
            unit.ring(work_of(said.thread_id))

    def _see_to_allowance(self, unit: UnitOfWork, row: Row) -> None:
        """Top up what a turn at work holds; stop it where nothing is left."""
        unit.alone(SLOTS)
        held = runs_store.allowance(unit.connection, row.thread_id)
        if held is None or held.paused:
            return
        values: dict[str, int] = {}
        short = False
        for name in UNITS:
            limit = getattr(held, f"limit_{name}")
            if limit is None:
                continue
            used = store.in_turn(unit.connection, row.thread_id, row.turn, name, row.run)
            values[f"left_{name}"] = max(0, limit - used)
            short = short or limit - used < self._part(unit.connection, row.thread_id, name) / 2
        if not values:
            return
        if short:
            left, reached = self._allowance(unit.connection, row.thread_id, row.turn)
            if reached is not None:
                self._pause(unit, row.thread_id, reached)
                self._stop_turn(unit, row.thread_id)
                return
            for name, amount in left.items():
                if amount is not None:
                    used = store.in_turn(unit.connection, row.thread_id, row.turn, name, row.run)
                    values |= {f"left_{name}": amount, f"limit_{name}": used + amount}
            unit.ring(work_of(row.thread_id))
        store.hold(unit, row.thread_id, **values)

    def _part(self, connection: sa.Connection, thread_id: str, name: str) -> int:
        limits = [b.limit for b in self._bounds(connection, thread_id) if b.unit == name]
        return max(1, min(limits) // PARTS) if limits else 0

    def _allowance(
        self, connection: sa.Connection, thread_id: str, turn: int
    ) -> tuple[dict[str, int | None], Level | None]:
        """What a turn may hold of each unit, and the ceiling that leaves nothing, if one does."""
        levels = [self._level(connection, b, thread_id, turn) for b in self._bounds(connection, thread_id)]
        full = min((s for s in levels if s.room <= 0), key=lambda s: s.room, default=None)
        left: dict[str, int | None] = dict.fromkeys(UNITS)
        for name in UNITS:
            of_unit = [s for s in levels if s.bound.unit == name]
            if of_unit:
                part = max(1, min(s.bound.limit for s in of_unit) // PARTS)
                left[name] = min(part, *(s.room for s in of_unit))
        return left, full

    def _level(self, connection: sa.Connection, bound: Bound, thread_id: str, turn: int) -> Level:
        match bound.scope:
            case "turn":
                return Level(bound, store.in_turn(connection, thread_id, turn, bound.unit), 0)
            case "session":
                return Level(bound, store.in_session(connection, thread_id, bound.unit), 0)
            case "project":
                spent = store.in_project(connection, bound.owner, bound.unit)
                return Level(bound, spent, store.held(connection, bound.unit, but=thread_id, project=bound.owner))
            case _:
                spent = store.on_day(connection, self.day_of(now()), bound.unit)
                return Level(bound, spent, store.held(connection, bound.unit, but=thread_id))

    def _stop_turn(self, unit: UnitOfWork, thread_id: str) -> None:
        project = store.project_of(unit.connection, thread_id)
        store.hold(unit, thread_id, project_id=project, left_usd=0, left_tokens=0, paused=True)
        self._runs.request(unit, thread_id)

    def _let_go(self, unit: UnitOfWork, thread_id: str) -> None:
        store.let_go(unit, thread_id)

    def _turn_ended(self, unit: UnitOfWork, said: Said, body: r.TurnEnded) -> None:
        if body.usage.tokens and not store.is_counted(unit.connection, said.thread_id, said.run, body.turn):
            # An agent that knows its usage at the end of a turn only, and not by model.
            whole = ModelUsage(model=said.thread.model or "", cost_usd=body.cost_usd, **body.usage.model_dump())
            self._count(unit, said, body.turn, [whole], on_plan=False)
        self._let_go(unit, said.thread_id)
        stopped = body.error is not None and body.error.code == "ceiling"
        if not stopped and store.paused(unit.connection, said.thread_id) is not None:
            store.go_on(unit, said.thread_id)  # it was done before it had to stop
            unit.after_commit(self._look_now)

    # -- who waits ---------------------------------------------------------------------------------------------
    def _pause(self, unit: UnitOfWork, thread_id: str, reached: Level) -> None:
        """This thread waits at a ceiling; the inbox says so, once for all that wait there."""
        bound = reached.bound
        item_id = store.item_of(unit.connection, bound.scope, bound.owner, bound.unit)
        if item_id is None:
            item_id = f"ceiling-{uuid.uuid4()}"
            where = thread_id if bound.scope in ("turn", "session") else MAIN
            name = store.name_of(unit.connection, bound.owner)
            self._inbox.open(unit, items.reached_item(item_id, where, reached, name, unit.now))
        store.pause(unit, thread_id, item_id, bound.scope, bound.owner, bound.unit)

    def _blocked(self, unit: UnitOfWork, thread_id: str, error: AgentError) -> None:
        store.let_go(unit, thread_id)
        if error.code != "ceiling":
            return
        paused = store.paused(unit.connection, thread_id)
        if paused is None:
            self._runs.go_on(unit, thread_id)  # the person let it go on before it had stopped
        elif paused.scope == GIVEN_UP:
            store.go_on(unit, thread_id)
            self._give_up(unit, thread_id)

    def _item_done(self, unit: UnitOfWork, item: ItemBody) -> None:
        if item.kind != "ceiling" or item.notice is None or item.notice.reached is None:
            return
        reached, decision = item.notice.reached, item.answer.decision if item.answer else None
        waiting = store.paused_at(unit.connection, item.id)
        if reached.unit != "starts":
            if item.answer is not None:
                self._check_agreed(unit.connection, reached, item.answer, waiting)
            self._raise(unit, reached, decision)
        for thread_id in waiting:
            row = runs_store.lock(unit, thread_id)
            if decision is Decision.STOP and row.working:
                store.pause(unit, thread_id, item.id, GIVEN_UP, reached.owner, reached.unit)
                continue  # it is about to stop
            store.go_on(unit, thread_id)
            if decision is Decision.STOP:
                self._give_up(unit, thread_id)
            elif decision is not None:
                self._go_on(unit, thread_id)

    def _check_agreed(self, connection: sa.Connection, reached: Reached, answer: Answer, waiting: list[str]) -> None:
        """What the person agreed to is given, not more: where it is not enough any more they are told. Raises BadInput."""
        if answer.decision not in (Decision.RAISE_ONCE, Decision.RAISE):
            return
        once = answer.decision is Decision.RAISE_ONCE
        if answer.amount is not None and answer.amount != (reached.offer if once else reached.raise_to):
            raise BadInput(what="Meanwhile more was used, and the item asks for something else. Look again.")
        level = self._lowest(connection, reached.scope, reached.owner, reached.unit, waiting)
        if level is None or reached.scope == "turn":
            return
        more = _kept(reached.unit, reached.offer) if once else self._raised_by(level, reached)
        if not items.is_enough(level, more):
            raise BadInput(
                what=f"Meanwhile more was used: {items.explained(level)} What you agreed to is not enough to go on. Look "
                "again: the item says what it takes now."
            )

    @staticmethod
    def _raised_by(level: Level, reached: Reached) -> int:
        return _kept(reached.unit, reached.raise_to) + level.bound.raised - level.bound.limit

    def _lowest(self, connection: sa.Connection, scope: str, owner: str, name: str, waiting: list[str]) -> Level | None:
        """Where those that wait at a ceiling stand now, the worst off of them."""
        levels = [
            self._level(connection, bound, thread_id, runs_store.agent(connection, thread_id).turn)
            for thread_id in waiting
            for bound in self._bounds(connection, thread_id)
            if (bound.scope, bound.owner, bound.unit) == (scope, owner, name)
        ]
        return min(levels, key=lambda level: level.room, default=None)

    def _raise(self, unit: UnitOfWork, reached: Reached, decision: Decision | None) -> None:
        if decision is Decision.RAISE_ONCE and reached.scope != "turn":  # its next turn counts from nothing anyway
            once = self.day_of(unit.now) if reached.scope == "day" else ONCE
            amount = _kept(reached.unit, reached.offer)
            store.raise_once(unit, reached.owner, reached.scope, reached.unit, once, amount)
        if decision is Decision.RAISE:
            amount = parse(reached.unit, reached.raise_to)
            store.set_ceiling(unit, reached.owner, reached.scope, reached.unit, amount)

    def _go_on(self, unit: UnitOfWork, thread_id: str) -> None:
        row = runs_store.lock(unit, thread_id)
        if row.wanted == "stop":
            return
        if row.working:  # it has not been stopped yet, and need not be
            held = runs_store.allowance(unit.connection, thread_id)
            if held is not None and held.paused:
                store.hold(unit, thread_id, paused=False)
                self._see_to_allowance(unit, row)
                self._runs.request(unit, thread_id)
            return
        self._runs.go_on(unit, thread_id)

    def _give_up(self, unit: UnitOfWork, thread_id: str) -> None:
        self._runs.stop_trying(unit, thread_id)
        for listen in self._stopped:
            listen(unit, thread_id)

    # -- a look now and then -----------------------------------------------------------------------------------
    def _look_now(self) -> None:
        self._runs.database.see_to(self.look)

    def look(self, connection: sa.Connection) -> Iterable[Act]:
        """Who waits at a ceiling that is none any more goes on; sessions that start too fast are asked about."""
        if self._is_to_be_seen_to(connection):
            yield self._see_to

    def _is_to_be_seen_to(self, connection: sa.Connection) -> bool:
        if store.open_items(connection):
            return True
        return (
            self._starts.started_lately(connection, now()) > 0 and self._starts.too_fast(connection, now()) is not None
        )

    def _see_to(self, unit: UnitOfWork) -> None:
        unit.alone(SLOTS)
        waiting = store.all_paused(unit.connection)
        for item in store.open_items(unit.connection):
            reached = Reached.model_validate(item.notice["reached"])
            if reached.unit == "starts":
                if self._starts.too_fast(unit.connection, unit.now) is None:
                    self._inbox.close(unit, item.thread_id, item.id, "It has become quiet.")
                continue
            mine = [row for row in waiting if row.item_id == item.id]
            still = [row for row in mine if self._waits(unit.connection, row.thread_id)]
            if not still:
                self._lift(unit, item, mine, "Nothing waits for it any more.")
            elif not any(self._is_reached(unit.connection, row) for row in still):
                new = reached.scope == "day" and self.day_of(unit.now) > self.day_of(item.opened_at)
                self._lift(unit, item, still, NEW_DAY if new else "There is room below it again.")
            else:
                self._renew(unit, item, reached, [row.thread_id for row in still])
        self._ask_about_starts(unit)

    def _renew(self, unit: UnitOfWork, item: Row, reached: Reached, waiting: list[str]) -> None:
        """Others worked on: what the item offers is reckoned again where it would not be enough to go on."""
        level = self._lowest(unit.connection, reached.scope, reached.owner, reached.unit, waiting)
        if level is None or reached.scope == "turn":
            return
        offers = (_kept(reached.unit, reached.offer), self._raised_by(level, reached))
        if all(items.is_enough(level, more) for more in offers):
            return
        fresh = items.reached_item(item.id, item.thread_id, level, reached.name, item.opened_at)
        self._inbox.renew(unit, fresh)

    def _waits(self, connection: sa.Connection, thread_id: str) -> bool:
        row = runs_store.agent(connection, thread_id)
        held = runs_store.allowance(connection, thread_id)
        stopping = row.working and held is not None and held.paused
        return row.wanted != "stop" and bool(row.blocked or stopping or runs_store.is_open(connection, row))

    def _is_reached(self, connection: sa.Connection, row: Row) -> bool:
        turn = runs_store.agent(connection, row.thread_id).turn
        for bound in self._bounds(connection, row.thread_id):
            if (bound.scope, bound.owner, bound.unit) == (row.scope, row.owner, row.unit):
                return self._level(connection, bound, row.thread_id, turn).room <= 0
        return False

    def _lift(self, unit: UnitOfWork, item: Row, waiting: list[Row], why: str) -> None:
        self._inbox.close(unit, item.thread_id, item.id, why)
        for row in waiting:
            store.go_on(unit, row.thread_id)
            self._go_on(unit, row.thread_id)

    def _ask_about_starts(self, unit: UnitOfWork) -> None:
        why = self._starts.too_fast(unit.connection, unit.now)
        if why is None or self._starts.is_asked(unit.connection, unit.now):
            return
        started = self._starts.started_lately(unit.connection, unit.now)
        ident = f"{self._starts.ITEM}{uuid.uuid4()}"
        self._inbox.open(unit, items.starts_item(ident, why, started, self._settings.max_starts_at_once, unit.now))

    # -- ceilings ----------------------------------------------------------------------------------------------
    def _bounds(self, connection: sa.Connection, thread_id: str) -> list[Bound]:
        """Every ceiling that applies to a thread."""
        project = store.project_of(connection, thread_id)
        session = thread_id if thread_id != MAIN else None
        found = self._values(connection, session=session, project=project)
        bounds: list[Bound] = []
        for (scope, name), (amount, raised, _) in found.items():
            owner = {"turn": thread_id, "session": session, "project": project, "day": ""}[scope]
            if amount is not None and owner is not None:
                bounds.append(Bound(scope, owner, name, raised, amount + raised))
        return bounds

    def _values(
        self, connection: sa.Connection, *, session: str | None, project: str | None
    ) -> dict[tuple[str, str], tuple[int | None, int, str]]:
        """Of each scope and unit the ceiling, what was added to it once, and who says so: the nearest does."""
        owners = {owner: source for owner, source in ((session, "session"), (project, "project")) if owner}
        rows = store.ceilings(connection, [*owners, "", MAIN])
        own = {(row.owner, row.scope, row.unit): row.amount for row in rows if row.once == ""}
        today = self.day_of(now())
        values: dict[tuple[str, str], tuple[int | None, int, str]] = {}
        for scope in SCOPES:
            for name in UNITS:
                values[scope, name] = (self._setting(scope, name), 0, "settings")
                sources = [(session or MAIN, "session"), (project, "project"), ("", "installation")]
                for owner, source in sources:
                    if owner is not None and scope in OWN[source] and (owner, scope, name) in own:
                        values[scope, name] = (own[owner, scope, name], 0, source)
                        break
                whose = {"session": session, "project": project, "day": ""}.get(scope)
                raised = sum(
                    row.amount
                    for row in rows
                    if (row.owner, row.scope, row.unit) == (whose, scope, name) and row.once in (ONCE, today)
                )
                amount, _, source = values[scope, name]
                values[scope, name] = (amount, raised, source)
        return values

    def _setting(self, scope: str, name: str) -> int | None:
        amount = getattr(self._settings, f"max_{name}_per_{scope}")
        return None if amount is None else round(amount * MICROS) if name == "usd" else int(amount)

    def ceilings(self, connection: sa.Connection, session: str | None, project: str | None) -> list[Ceiling]:
        """What holds for a session, for a project, or where nothing else is said. Raises UnknownSession, UnknownProject."""
        self._check_owner(connection, session, project)
        if session is not None:
            project = store.project_of(connection, session)
        level = "session" if session else "project" if project else "installation"
        told: list[Ceiling] = []
        for (scope, name), (amount, raised, source) in self._values(
            connection, session=session, project=project
        ).items():
            if scope not in OWN[level]:
                continue
            spent = None
            if scope == "session" and session is not None:
                spent = store.in_session(connection, session, name)
            elif scope == "project" and project is not None:
                spent = store.in_project(connection, project, name)
            elif scope == "day":
                spent = store.on_day(connection, self.day_of(now()), name)
            told.append(
                Ceiling.model_validate(
                    {
                        "scope": scope,
                        "unit": name,
                        "amount": None if amount is None else plain(name, amount),
                        "raised": plain(name, raised),
                        "source": source,
                        "spent": None if spent is None else plain(name, spent),
                    }
                )
            )
        return told

    def set_ceiling(self, unit: UnitOfWork, given: SetCeiling) -> list[Ceiling]:
        """Set or drop a ceiling. Raises BadInput, UnknownSession, UnknownProject."""
        self._check_owner(unit.connection, given.session, given.project)
        level = "session" if given.session else "project" if given.project else "installation"
        if given.scope not in OWN[level]:
            raise BadInput(what=f"A {level} has no ceiling per {given.scope}; it has one per {', '.join(OWN[level])}.")
        owner = given.session or given.project or ""
        if given.amount is None:
            store.drop_ceiling(unit, owner, given.scope, given.unit)
        else:
            none = isinstance(given.amount, str) and given.amount.strip().lower() == "none"
            amount = None if none else parse(given.unit, given.amount)
            store.set_ceiling(unit, owner, given.scope, given.unit, amount)
        unit.after_commit(self._look_now)
        return self.ceilings(unit.connection, given.session, given.project)

    @staticmethod
    def _check_owner(connection: sa.Connection, session: str | None, project: str | None) -> None:
        if session is not None and project is not None:
            raise BadInput(what="Name a session or a project, not both.")
        if session is not None and session not in store.names(connection, "session", [session]):
            raise UnknownSession(id=session)
        if project is not None and project not in store.names(connection, "project", [project]):
            raise UnknownProject(name=project, known="")


def _kept(unit: str, amount: float) -> int:
    """An amount of an item, as it is kept."""
    return round(amount * runs_store.MICROS) if unit == "usd" else int(amount)
