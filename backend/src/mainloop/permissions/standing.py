"""Standing permissions: what the person allowed for more than once.

They are rows of ours, looked at in the transaction that would raise an ask. Only the person gives one, with an answer
or by hand; no tool of an agent leads here.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import sqlalchemy as sa

from mainloop.db.engine import Row
from mainloop.errors import BadInput, UnknownItem, UnknownPermission, UnknownSession
from mainloop.events.unit import UnitOfWork, now
from mainloop.permissions import store
from mainloop.permissions.patterns import Pattern, covered, parse, parse_all, parts_of, suggestions, text_of, together
from mainloop.permissions.schemas import GivePermission, Offer, Past, Permission, Preview, Scope, Wish
from mainloop.projects.service import Projects
from mainloop_models.asks import Answer, Decision, PermissionAsk
from mainloop_models.events import StandingUse

# How long one holds where nothing else is said, and at most.
USUAL: Final = timedelta(days=30)
AT_MOST: Final = timedelta(days=366)
# Same allows in a row of which the last is offered to be the last.
OFFERED_AT: Final = 3
# Whoever gives one is alone with this number, whoever asks is among others: an ask is either answered when it is made, or
# is there for the new one to find.
GIVING: Final = 0x6D6C6769
# Characters of what one answered last, and different texts of a preview.
SHOWN: Final = 2000
LISTED: Final = 20


@dataclass(frozen=True)
class Always:
    """What the person wants to stand from an answer on."""

    scope: Scope
    pattern: str
    expires_at: datetime | None = None


class StandingPermissions:
    """All standing permissions of this installation."""

    def __init__(self, projects: Projects) -> None:
        self._projects = projects
        self._given: list[Callable[[UnitOfWork, str], None]] = []

    def on_given(self, listen: Callable[[UnitOfWork, str], None]) -> None:
        """Call `listen` with the id of each that is given."""
        self._given.append(listen)

    # ---- when something is asked ------------------------------------------------------------------------------
    def allow(self, unit: UnitOfWork, thread_id: str, ask: PermissionAsk) -> list[StandingUse]:
        """The permissions that together answer an ask, each counted; empty where the person has to be asked."""
        unit.among(GIVING)
        of = store.session(unit.connection, thread_id)
        parts = None if of is None else parts_of(ask, confined=of.confined)
        if of is None or parts is None:
            return []
        held = [(row, _still(row)) for row in store.in_force(unit.connection, unit.now, ask.tool, of)]
        using: set[str] = set()
        for part in parts:
            covering = next((row.id for row, pattern in held if pattern and pattern.covers(part)), None)
            if covering is None:
                return []
            using.add(covering)
        if not store.hold(unit, using):
            return []
        rows = [store.use(unit, ident, text_of(ask)[:SHOWN]) for ident in sorted(using)]
        return [StandingUse(id=r.id, pattern=r.pattern, since=r.created_at, used=r.used) for r in rows]

    def suggest(
        self, connection: sa.Connection, thread_id: str, item_id: str, ask: PermissionAsk
    ) -> tuple[str | None, int]:
        """The pattern that an ask suggests, and how often the same was allowed before."""
        of = store.session(connection, thread_id)
        found = [] if of is None else suggestions(ask, confined=of.confined)
        if of is None or not found:
            return None, 0
        pattern = together(found[0])
        return pattern, store.allowed_before(connection, of, pattern, item_id)

    # ---- giving -----------------------------------------------------------------------------------------------
    def offer(self, connection: sa.Connection, item_id: str) -> Offer:
        """What could be given with the answer of an ask, and what it would have answered so far. Raises UnknownItem."""
        row = store.item(connection, item_id)
        if row is None:
            raise UnknownItem(id=item_id)
        of = None if row.session_id is None else store.session(connection, row.session_id)
        if row.kind != "permission" or of is None:
            return Offer(patterns=[], scopes=[], expires_at=now() + USUAL)
        ask = PermissionAsk.model_validate(row.ask)
        scopes: list[Scope] = ["session"] if of.project_id is None else ["project", "session"]
        previews = [_preview(connection, of, found, item_id) for found in suggestions(ask, confined=of.confined)]
        return Offer(patterns=previews, scopes=scopes, expires_at=now() + USUAL)

    def preview(self, connection: sa.Connection, wish: Wish) -> Preview:
        """What a permission would have answered. Raises BadInput, UnknownSession, UnknownProject."""
        pattern = parse(wish.tool, wish.pattern)
        return _preview(connection, self._place(connection, wish), (pattern,))

    def give(self, unit: UnitOfWork, wish: GivePermission, by: str) -> Permission:
        """Give one by hand. Raises BadInput, UnknownSession, UnknownProject."""
        pattern = parse(wish.tool, wish.pattern)
        of = self._place(unit.connection, wish)
        return self._give(unit, of, pattern, wish.scope, wish.expires_at, by)

    def give_with_answer(
        self, unit: UnitOfWork, thread_id: str, item_id: str, ask: object, answer: Answer, always: Always, by: str
    ) -> Answer:
        """Give one with the answer of an ask, which says so from then on. Raises BadInput in words."""
        of = store.session(unit.connection, thread_id)
        if not isinstance(ask, PermissionAsk) or answer.decision is not Decision.ALLOW or of is None:
            raise BadInput(what="Only a permission that a session asks for can be allowed for more than once.")
        patterns = parse_all(ask.tool, always.pattern)
        if not covered(ask, *patterns, confined=of.confined):
            named = ", ".join(f"`{pattern.text}`" for pattern in patterns)
            does = "does" if len(patterns) == 1 else "do"
            raise BadInput(what=f"{named} {does} not cover what is asked here: {text_of(ask)[:200]}")
        if always.scope == "project" and of.project_id is None:
            raise BadInput(what="This session has no project. Allow it for the session only.")
        for pattern in patterns:
            self._give(unit, of, pattern, always.scope, always.expires_at, by, item_id)
        return answer.model_copy(update={"always": ", ".join(pattern.text for pattern in patterns)})

    def _give(
        self,
        unit: UnitOfWork,
        of: Row,
        pattern: Pattern,
        scope: Scope,
        expires_at: datetime | None,
        by: str,
        item_id: str | None = None,
    ) -> Permission:
        unit.alone(GIVING)
        ident = uuid.uuid4().hex
        store.give(
            unit,
            id=ident,
            tool=pattern.tool,
            pattern=pattern.text,
            scope=scope,
            session_id=of.id if scope == "session" else None,
            project_id=of.project_id if scope == "project" else None,
            confined=of.confined,
            item_id=item_id,
            given_by=by,
            expires_at=_end(unit.now, expires_at),
        )
        for listen in self._given:
            listen(unit, ident)
        return as_permission(store.permissions(unit.connection, ident)[0], unit.now)

    def _place(self, connection: sa.Connection, wish: Wish) -> Row:
        """The session that a wish is for, or one that stands for all of its project's."""
        if wish.scope == "session":
            if not wish.session:
                raise BadInput(what="Name the session that it shall hold in.")
            found = store.session(connection, wish.session)
            if found is None:
                raise UnknownSession(id=wish.session)
            return found
        if not wish.project:
            raise BadInput(what="Name the project that it shall hold in.")
        project = self._projects.named(connection, wish.project)
        return store.any_session_of(connection, project.id)

    # ---- afterwards -------------------------------------------------------------------------------------------
    def all(self, connection: sa.Connection) -> list[Permission]:
        """Every one, those in force first, then newest first."""
        moment = now()
        found = [as_permission(row, moment) for row in store.permissions(connection)]
        return sorted(found, key=lambda permission: permission.state != "active")

    def revoke(self, unit: UnitOfWork, permission_id: str) -> Permission:
        """Take one back: it answers nothing from now on. Raises UnknownPermission."""
        if not store.revoke(unit, permission_id):
            raise UnknownPermission(id=permission_id)
        return as_permission(store.permissions(unit.connection, permission_id)[0], unit.now)


def _still(row: Row) -> Pattern | None:
    """The pattern of a permission; None where it was given by an older version that took more than this one."""
    try:
        return parse(row.tool, row.pattern)
    except BadInput:
        return None


def as_permission(row: Row, moment: datetime) -> Permission:
    state: Literal["active", "expired", "revoked"] = "active"
    if row.revoked_at is not None:
        state = "revoked"
    elif row.expires_at <= moment:
        state = "expired"
    values = {name: getattr(row, name) for name in Permission.model_fields if name != "state"}
    return Permission.model_validate({**values, "state": state})


def _end(moment: datetime, wanted: datetime | None) -> datetime:
    if wanted is None:
        return moment + USUAL
    if wanted.tzinfo is None:
        wanted = wanted.replace(tzinfo=UTC)
    if wanted <= moment:
        raise BadInput(what=f"This would have expired already, on {wanted:%Y-%m-%d %H:%M} UTC. Choose a later time.")
    if wanted > moment + AT_MOST:
        raise BadInput(what="A standing permission holds for a year at most. Choose an earlier time.")
    return wanted


def _preview(connection: sa.Connection, of: Row, patterns: tuple[Pattern, ...], but: str = "") -> Preview:
    past: dict[str, Past] = {}
    for row in store.asked_before(connection, of, but):
        ask = PermissionAsk.model_validate(row.ask)
        if not covered(ask, *patterns, confined=of.confined):
            continue
        text = text_of(ask)[:SHOWN]
        decision = None if row.answer is None else row.answer["decision"]
        known = past.setdefault(text, Past(text=text, decision=decision, times=0, at=row.opened_at))
        past[text] = known.model_copy(update={"times": known.times + 1})
    shown = list(past.values())[:LISTED]
    asks = [PermissionAsk.model_validate(row.ask) for row in store.asked_now(connection, of, but)]
    waiting = [text_of(ask)[:SHOWN] for ask in asks if covered(ask, *patterns, confined=of.confined)]
    return Preview(
        tool=patterns[0].tool,
        pattern=together(patterns),
        past=shown,
        more=len(past) - len(shown),
        waiting=waiting[:LISTED],
    )
