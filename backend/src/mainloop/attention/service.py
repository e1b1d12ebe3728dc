"""Decides again whenever something may have changed, and has the person told once."""

import hashlib
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any, Final, Literal
from urllib.parse import quote

import sqlalchemy as sa

from mainloop.access import store as access_store
from mainloop.attention import policy, store
from mainloop.attention.keys import new_key, public_part
from mainloop.attention.line import Line
from mainloop.attention.policy import (
    DIGEST,
    Decided,
    Preferences,
    Waiting,
    Way,
    Why,
    decide,
    is_urgent,
    next_hour,
    ways_for,
)
from mainloop.attention.schemas import (
    AddedNotifier,
    AddNotifier,
    AttentionBody,
    ChangeNotifier,
    DecisionBody,
    DeliveryBody,
    ItemAttention,
    ItemDecisions,
    Mute,
    NotificationBody,
    NotifierBody,
    PreferencesBody,
    Subscribe,
)
from mainloop.attention.store import Due
from mainloop.db.engine import Row
from mainloop.durable.phases import OUTWARDS, Phases
from mainloop.errors import BadInput, MainloopError, UnknownItem
from mainloop.events.log import latest_cursor
from mainloop.events.status import Statuses
from mainloop.events.unit import Act, Database, UnitOfWork, now
from mainloop.inbox.service import Inbox
from mainloop.lines import one_line
from mainloop.notifiers.base import NotDelivered, Notification, Notifier, Setup, TargetGone
from mainloop.outgoing import Outgoing
from mainloop.permissions import store as permissions_store
from mainloop.permissions.patterns import is_low_risk
from mainloop.settings import Settings
from mainloop_models.asks import ASKS, Decision, PermissionAsk
from mainloop_models.events import ItemBody, NoticeItem

DELIVER: Final = "deliver_notification"
MAIN: Final = "main"
# The kind of item that says that a way was switched off.
WAY: Final = "way"
# Servers decide one after the other.
DECIDING: Final = 0x6D6C6174
# Tries of one delivery, and the longest wait between two (seconds). What nobody needs any more is not tried again.
TRIES: Final = 8
REST, LONGEST_REST = 5.0, 1800.0
# A way by which nothing has arrived for so long is switched off.
OFF_AFTER: Final = timedelta(days=3)
LONGEST_TEXT: Final = 300
# Titles that are named where several things wait, and ids that go along.
NAMED, GO_ALONG = 3, 20
SHOWN: Final = 50
DIGESTS_SHOWN: Final = 6
# So many of each are muted at most.
MUTED: Final = {"kind": 50, "session": 500, "project": 500}

Make = Callable[[str, Setup], Notifier]


class UnknownNotifier(MainloopError):
    """There is no such way to reach you any more."""

    status = 404
    code = "unknown_notifier"


class Attention:
    """`make`: makes the notifier of a kind."""

    def __init__(
        self, settings: Settings, database: Database, inbox: Inbox, statuses: Statuses, phases: Phases, make: Make
    ) -> None:
        self._database = database
        self._inbox = inbox
        self._statuses = statuses
        self._phases = phases
        self._make = make
        self._home = settings.base_url
        self._outgoing = Outgoing(settings.reachable)
        # Whether anybody is reached from here at all.
        self.line = Line()
        self._zone, self._zone_name = settings.zone, settings.zone_name
        # Nothing is decided anew before something has happened or this moment has come.
        self._cursor = -1
        self._next: datetime | None = None
        self._say_digest: Callable[[UnitOfWork], str] = lambda _unit: ""
        inbox.on_done(self._item_done)

    def on_digest(self, say: Callable[[UnitOfWork], str]) -> None:
        """`say`: writes down in the main thread what happened, and answers it in a line; empty where nothing did."""
        self._say_digest = say

    def define_phases(self) -> None:
        """Register the sending of a notification with DBOS."""
        self._phases.define(DELIVER, self._deliver, self._not_delivered, OUTWARDS)

    def ensure_key(self, unit: UnitOfWork) -> None:
        """The installation has a key from its first start on."""
        if not store.push_key(unit.connection):
            store.set_push_key(unit, new_key())

    # -- deciding ------------------------------------------------------------------------------------------------
    def look(self, connection: sa.Connection) -> Iterable[Act]:
        """The janitor's look, in every server: what became due, and what a service is to be asked again."""
        for delivery in store.due(connection, now()):
            yield lambda unit, found=delivery: self._hand_on(unit, found.id, found.notifier_id, found.tries)
        cursor = latest_cursor(connection)
        if cursor == self._cursor and (self._next is None or now() < self._next):
            return
        rows, due = store.waiting(connection), store.next_digest(connection)
        decided = self._decided(connection, rows, due, now())
        self._cursor, self._next = cursor, decided.next
        if any(self._is_new(row, d.why) for row, d in _with_digest(rows, due, decided)):
            # Looked at once more afterwards: what was told may be told again one day.
            self._cursor = -1
            yield self._decide

    def _decide(self, unit: UnitOfWork) -> None:
        unit.alone(DECIDING)
        rows, due = store.waiting(unit.connection), store.next_digest(unit.connection)
        decided = self._decided(unit.connection, rows, due, unit.now)
        if due is not None and decided.digest is not None and decided.digest.why is Why.DIGEST:
            decided = replace(decided, digest=self._digest_now(unit))
        for row, decision in _with_digest(rows, due, decided):
            if self._is_new(row, decision.why):
                store.decided(unit, row, decision, told=row.id in decided.told)
        if decided.told:
            told = {row.id: row for row in rows}
            badge = sum(row.snoozed_at is None for row in rows)
            self._tell(unit, [told[ident] for ident in decided.told], badge)

    def _decided(self, connection: sa.Connection, rows: Sequence[Row], due: Due | None, at: datetime) -> Decided:
        wanted = PreferencesBody.model_validate(store.preferences(connection))
        looked = access_store.last_look(connection)
        return decide(
            at,
            [_waiting(row, wanted) for row in rows],
            looked.looked_at if looked else None,
            store.last_word_at(connection),
            Preferences(self._zone, _quiet(wanted), frozenset(wanted.always), wanted.reminders),
            due.at if due is not None else None,
        )

    @staticmethod
    def _is_new(row: Row | Due, why: Why) -> bool:
        if why is Why.HOUR:
            return False
        # Going out is new each time; that something is still held is not.
        return why in (Why.PUSH, Why.REMIND) or not row.decisions or row.decisions[-1][0] != why.value

    # -- telling -------------------------------------------------------------------------------------------------
    def _tell(self, unit: UnitOfWork, rows: list[Row], badge: int) -> None:
        first = rows[0]
        alone = len(rows) == 1
        words = " · ".join(one_line(row.title) for row in rows[:NAMED])
        notification = Notification(
            id=uuid.uuid4().hex,
            about="push",
            # One a session, which a later one replaces.
            tag=first.thread_id if alone else "needs-you",
            title=(first.handle or "mainloop") if alone else f"{len(rows)} things need you",
            text=words[:LONGEST_TEXT],
            path=_path(first) if alone else "/sessions",
            items=tuple(row.id for row in rows[:GO_ALONG]),
            actions=_actions(unit.connection, first) if alone else (),
            badge=badge,
            urgent=any(is_urgent(row.kind) for row in rows),
        )
        ways = self._ways(unit, frozenset(row.kind for row in rows))
        before = {told for row in rows if (told := store.notification_of(unit.connection, row.id))}
        self._send(unit, notification, ways, [row.id for row in rows])
        self._take_away(unit, before, unless=notification.tag)

    def _digest_now(self, unit: UnitOfWork) -> policy.Decision:
        """Say what happened where it is said in the page, and by the ways that are for it."""
        words = self._say_digest(unit)
        hours = PreferencesBody.model_validate(store.preferences(unit.connection)).digest_hours
        store.set_next_digest(unit, next_hour(unit.now, hours, self._zone))
        if not words:
            return policy.Decision(DIGEST, Why.NOTHING)
        badge = sum(row.snoozed_at is None for row in store.waiting(unit.connection))
        digest = Notification(
            id=uuid.uuid4().hex,
            about="digest",
            tag=DIGEST,
            title="What happened",
            text=words[:LONGEST_TEXT],
            badge=badge,
        )
        self._send(unit, digest, self._ways(unit, frozenset({DIGEST})), [])
        return policy.Decision(DIGEST, Why.DIGEST)

    def _ways(self, unit: UnitOfWork, kinds: frozenset[str]) -> tuple[str, ...]:
        ways = [_way(row) for row in store.notifiers(unit.connection, used=True)]
        return ways_for(unit.now, kinds, ways, self._zone)

    def _send(self, unit: UnitOfWork, notification: Notification, ways: Iterable[str], items: list[str]) -> None:
        store.add_notification(unit, notification.id, notification.about, notification.model_dump(mode="json"), items)
        for way in ways:
            ident = hashlib.sha256(f"{notification.id}/{way}".encode()).hexdigest()[:32]
            store.add_delivery(unit, ident, notification.id, way)
            self._hand_on(unit, ident, way, 0)

    def _hand_on(self, unit: UnitOfWork, delivery: str, way: str, tries: int) -> None:
        """Each way is a lane: one that hangs holds up no other."""
        self._phases.enqueue(unit, DELIVER, delivery, str(tries), lane=way)

    def _item_done(self, unit: UnitOfWork, item: ItemBody) -> None:
        """Where nothing of it waits any more, a notification goes away on every device."""
        if item.kind == WAY and item.answer is not None and item.answer.decision is Decision.RETRY:
            self.test(unit, _way_of(item.id))
        told = store.notification_of(unit.connection, item.id)
        if told is not None:
            self._take_away(unit, {told})

    def _take_away(self, unit: UnitOfWork, notifications: set[str], unless: str = "") -> None:
        """Where nothing of a notification waits there any more it goes; `unless`: one of that tag took its place."""
        over = [ident for ident in sorted(notifications) if not _still_needed(unit.connection, ident)]
        tags = {ident: row.body["tag"] for ident in over if (row := store.notification(unit.connection, ident))}
        reached: dict[str, set[str]] = {}
        for delivery in store.deliveries(unit.connection, over):
            if delivery.state == "sent":
                reached.setdefault(tags[delivery.notification_id], set()).add(delivery.notifier_id)
        for tag in sorted(reached.keys() - {unless}):
            self._clear(unit, tag, sorted(reached[tag]))

    def _clear(self, unit: UnitOfWork, tag: str, ways: Iterable[str]) -> None:
        badge = sum(other.snoozed_at is None for other in store.waiting(unit.connection))
        clear = Notification(id=uuid.uuid4().hex, about="clear", tag=tag, badge=badge, lasts=3600)
        self._send(unit, clear, ways, [])

    def _deliver(self, ident: str) -> None:
        delivery = self._database.read(lambda c: store.delivery(c, ident))
        if delivery is None or delivery.state != "waiting":
            return
        row = self._database.read(lambda c: store.notification(c, delivery.notification_id))
        # A test tries what was switched off, too.
        used = row is not None and row.about != "test"
        way = self._database.read(lambda c: store.notifier(c, delivery.notifier_id, used=used))
        if row is None or way is None:
            self._settle(ident, "failed", "This way was removed or signed out before it was sent.")
        elif why := self._database.read(lambda c: _why_not(c, row, way)):
            self._let_go(delivery, way, why)
        else:
            self._try(delivery, way, row)

    def _let_go(self, delivery: Row, way: Row, why: str) -> None:
        failed = self.line.failures(delivery.id) > 0
        self._settle(delivery.id, "late", why)
        # That nobody needs it any more does not excuse a way that failed.
        if failed:
            self._switch_off(way.id, delivery.why)

    def _try(self, delivery: Row, way: Row, row: Row) -> None:
        notification = Notification.model_validate(row.body)
        try:
            self._notifier(way.kind).send(way.target, notification)
        except TargetGone as error:
            self._heard()
            sentence = error.sentence
            # Of a browser that is gone nothing is kept but that it was there.
            nothing: dict[str, Any] = {"target": {}} if way.device_id else {}
            self._database.write(lambda unit: store.gone(unit, way.id, sentence, **nothing))
            self._settle(delivery.id, "failed", sentence)
        except NotDelivered as error:
            if error.reached:
                self._heard()
            self._not_arrived(delivery, way, row, error)
        except MainloopError as error:
            self._settle(delivery.id, "failed", error.sentence)
        else:
            # Taking away is nothing to some of them.
            if notification.about != "clear":
                self._heard()
            self.line.forget([delivery.id])
            self._database.write(lambda unit: self._arrived(unit, delivery, way, notification))

    def _heard(self) -> None:
        """Somebody was there: what waited for the line goes out now."""
        at = now()
        waiting = self.line.heard(at)
        if waiting:
            self._database.write(lambda unit: store.try_now(unit, waiting, at))

    def _not_arrived(self, delivery: Row, way: Row, row: Row, error: NotDelivered) -> None:
        # Nobody at all was reached since this try was due: that is the line of this machine, and no fault of the way.
        no_line = not error.reached and not self.line.was_heard_since(delivery.at)
        waits = no_line and row.about != "test"
        tries = delivery.tries if no_line else self.line.failures(delivery.id)
        if not error.again or way.gone or (tries + 1 >= TRIES and not waits):
            self._settle(delivery.id, "failed", error.sentence)
            # Who tried one that is off wants to know.
            if way.gone or not no_line:
                self._switch_off(way.id, error.sentence)
            return
        if no_line:
            self.line.wait(delivery.id)
        else:
            self.line.fail(delivery.id)
        rest = min(LONGEST_REST, max(error.after, REST * 2 ** min(tries, TRIES + 1)))
        sentence = error.sentence
        self._database.write(
            lambda unit: store.try_again(unit, delivery.id, sentence, unit.now + timedelta(seconds=rest))
        )

    def _arrived(self, unit: UnitOfWork, delivery: Row, way: Row, notification: Notification) -> None:
        store.settle(unit, delivery.id, "sent")
        if store.arrived(unit, way.id):
            self._close_items(unit)
        # It may have been answered while it was on its way.
        if notification.about == "push" and not _still_needed(unit.connection, notification.id):
            self._clear(unit, notification.tag, [way.id])

    def _switch_off(self, way: str, sentence: str) -> None:
        """Where nothing has arrived for days, nothing is sent any more."""

        def act(unit: UnitOfWork) -> None:
            if unit.now - store.failed(unit, way) <= OFF_AFTER:
                return
            why = f"Nothing has arrived there for {OFF_AFTER.days} days, so it was switched off. {sentence}"
            store.gone(unit, way, why)
            row = store.notifier(unit.connection, way)
            if row is not None and not any(_way_of(one) == way for one in self._inbox.open_of(unit.connection, WAY)):
                self._inbox.open(unit, _switched_off(unit, row, why))

        self._database.write(act)

    def _close_items(self, unit: UnitOfWork) -> None:
        """A way that works again, or was removed, waits for nobody."""
        for item in self._inbox.open_of(unit.connection, WAY):
            row = store.notifier(unit.connection, _way_of(item))
            if row is None or not row.gone:
                self._inbox.close(unit, MAIN, item, "It was removed." if row is None else "It works again.")

    def _not_delivered(self, ident: str, error: Exception) -> None:
        self._settle(ident, "failed", f"It could not be sent: {error}")

    def _settle(self, ident: str, state: str, why: str = "") -> None:
        self.line.forget([ident])
        self._database.write(lambda unit: store.settle(unit, ident, state, why))

    def _notifier(self, kind: str) -> Notifier:
        key = self._database.read(store.push_key)
        return self._make(kind, Setup(key, public_part(key), self._home, self._outgoing))

    # -- what the person does ------------------------------------------------------------------------------------
    def subscribe(self, device_id: str, device_name: str, given: Subscribe) -> str:
        """This browser is told from now on; the id of that way. Raises BadTarget, BadAddress, PrivateAddress."""
        target = {"endpoint": given.endpoint, "p256dh": given.keys.p256dh, "auth": given.keys.auth}
        self._notifier("web_push").check(target)
        ident = hashlib.sha256(f"{device_id}/{given.endpoint}".encode()).hexdigest()[:32]

        def act(unit: UnitOfWork) -> None:
            store.subscribe(unit, ident, device_id, device_name, target, given.mobile)
            self._close_items(unit)

        self._database.write(act)
        return ident

    def add(self, given: AddNotifier) -> AddedNotifier:
        """Another way to be told. Raises BadTarget, BadAddress, PrivateAddress, BadInput."""
        purpose = _purpose(given)
        notifier = self._notifier(given.kind)
        target = notifier.complete({"address": given.address})
        notifier.check(target)
        ident = uuid.uuid4().hex
        self._database.write(lambda unit: store.add_notifier(unit, ident, kind=given.kind, target=target, **purpose))
        return AddedNotifier(id=ident, secret=target.get("secret", ""))

    def change(self, unit: UnitOfWork, ident: str, given: ChangeNotifier) -> None:
        """Raises UnknownNotifier, BadInput."""
        if not store.change_notifier(unit, ident, **_purpose(given)):
            raise UnknownNotifier

    def remove(self, unit: UnitOfWork, ident: str) -> None:
        if not store.remove_notifier(unit, ident):
            raise UnknownNotifier
        self._close_items(unit)

    def tidy(self, unit: UnitOfWork) -> None:
        """Once an hour: of browsers that were signed out nothing is kept, nor of what another server settled."""
        store.forget_signed_out(unit)
        self._close_items(unit)
        known = self.line.known()
        self.line.forget(known - store.on_their_way(unit.connection) if known else ())

    def test(self, unit: UnitOfWork, ident: str) -> str:
        """Send a test by one way; the id of what is sent. Where it arrives, a way that was switched off is used again."""
        if store.notifier(unit.connection, ident) is None:
            raise UnknownNotifier
        words = "This is a test. What needs you will look like this."
        test = Notification(id=uuid.uuid4().hex, about="test", tag="test", title="mainloop", text=words, lasts=600)
        self._send(unit, test, [ident], [])
        return test.id

    def prefer(self, unit: UnitOfWork, given: PreferencesBody) -> PreferencesBody:
        """What is not named stays as it is. Raises BadInput."""
        unit.alone(DECIDING)
        wanted = self.preferences(unit.connection).model_copy(update=given.model_dump(exclude_unset=True))
        if (wanted.quiet_from is None) != (wanted.quiet_until is None):
            raise BadInput(what="Quiet hours need a beginning and an end, or neither.")
        self._keep(unit, wanted)
        if "digest_hours" in given.model_fields_set:
            store.set_next_digest(unit, next_hour(unit.now, wanted.digest_hours, self._zone))
        return wanted

    def preferences(self, connection: sa.Connection) -> PreferencesBody:
        return PreferencesBody.model_validate(store.preferences(connection))

    def mute(self, unit: UnitOfWork, given: Mute) -> PreferencesBody:
        """What else is muted stays so, whoever changes it at once; of too many the oldest is told again."""
        unit.alone(DECIDING)
        before = self.preferences(unit.connection)
        name = f"muted_{given.what}s"
        others = [one for one in getattr(before, name) if one != given.id]
        muted = [*others, given.id][-MUTED[given.what] :] if given.muted else others
        wanted = before.model_copy(update={name: muted})
        self._keep(unit, wanted)
        return wanted

    def _keep(self, unit: UnitOfWork, wanted: PreferencesBody) -> None:
        store.set_preferences(unit, wanted.model_dump(mode="json"))
        # Which ones is read anew by who hears it: of two announcements the later one may tell the earlier.
        unit.after_commit(lambda: self._statuses.announce("preferences", MAIN, {}))
        # What is held may be due by them.
        self._cursor = -1

    def of_item(self, connection: sa.Connection, item_id: str) -> ItemAttention:
        """Raises UnknownItem."""
        row = store.decisions_of(connection, item_id)
        if row is None:
            raise UnknownItem(id=item_id)
        ident = store.notification_of(connection, item_id)
        told = store.notification(connection, ident) if ident else None
        last = None if told is None else _notification(told, store.deliveries(connection, [told.id]))
        return ItemAttention(**_decisions(row).model_dump(), notification=last)

    def body(self, connection: sa.Connection, device_id: str) -> AttentionBody:
        """All that the person is shown of it."""
        return AttentionBody(
            key=public_part(store.push_key(connection)),
            time_zone=self._zone_name,
            preferences=PreferencesBody.model_validate(store.preferences(connection)),
            notifiers=[
                NotifierBody(
                    id=row.id,
                    kind=row.kind,
                    name=row.name,
                    this=row.device_id == device_id,
                    mobile=row.mobile,
                    kinds=row.kinds,
                    hours=row.hours,
                    gone=row.gone,
                    created_at=row.created_at,
                )
                for row in store.notifiers(connection, used=False)
            ],
            notifications=self.notifications(connection),
            items=[_decisions(row) for row in store.decisions(connection, SHOWN)],
            digests=[
                [DecisionBody(why=why, at=at, until=until) for why, at, until in row.decisions]
                for row in store.digests(connection, DIGESTS_SHOWN)
            ],
            offers=self._offers(connection),
        )

    @staticmethod
    def _offers(connection: sa.Connection) -> list[str]:
        wanted = PreferencesBody.model_validate(store.preferences(connection))
        settled = {*wanted.muted_kinds, *wanted.kept_kinds}
        return [
            kind
            for kind in policy.MAY_BE_MUTED
            if kind not in settled and policy.is_habit(store.last_answers(connection, kind, policy.HABIT))
        ]

    def notifications(self, connection: sa.Connection) -> list[NotificationBody]:
        """What the person was told last, and what became of it."""
        rows = store.newest(connection, SHOWN)
        deliveries = store.deliveries(connection, [row.id for row in rows])
        return [_notification(row, [d for d in deliveries if d.notification_id == row.id]) for row in rows]


def _with_digest(rows: Sequence[Row], due: Due | None, decided: Decided) -> list[tuple[Row | Due, policy.Decision]]:
    """What waits, and the digest, each with what was decided of it."""
    found: list[tuple[Row | Due, policy.Decision]] = [*zip(rows, decided.decisions, strict=True)]
    return [*found, (due, decided.digest)] if due is not None and decided.digest is not None else found


def _purpose(given: ChangeNotifier) -> dict[str, Any]:
    """What a way is for, as it is kept. Raises BadInput."""
    if (given.hours_from is None) != (given.hours_until is None):
        raise BadInput(what="Hours need a beginning and an end, or neither.")
    hours = None
    if given.hours_from is not None and given.hours_until is not None:
        hours = [given.hours_from.isoformat(), given.hours_until.isoformat()]
    return {"name": given.name, "kinds": given.kinds, "hours": hours}


def _still_needed(connection: sa.Connection, notification_id: str) -> bool:
    items = store.items_of(connection, notification_id)
    return store.any_open(connection, items)


def _why_not(connection: sa.Connection, row: Row, way: Row) -> str:
    """Why it is not sent any more; empty where it is."""
    if row.about == "push" and not _still_needed(connection, row.id):
        return "It was answered, or told again, before it was sent."
    # What needs the person is of use until it is answered, and what is over is to go away however late it is.
    if row.about == "digest" and now() - row.at > timedelta(seconds=row.body["lasts"]):
        return "It was of no use any more before it was sent."
    if _is_replaced(connection, row, way):
        return "A newer one took its place before it was sent."
    return ""


def _is_replaced(connection: sa.Connection, row: Row, way: Row) -> bool:
    """Whether it would take the place of a newer one, or take it away. Elsewhere than in browsers all of them stay."""
    takes_place = row.about != "test" and way.device_id is not None
    return (takes_place or row.about == "clear") and store.is_replaced(connection, row, way.id)


def _way_of(item: str) -> str:
    """Which way an item speaks of."""
    return item.split("-")[1]


def _switched_off(unit: UnitOfWork, way: Row, why: str) -> ItemBody:
    return ItemBody(
        id=f"{WAY}-{way.id}-{uuid.uuid4().hex[:8]}",
        kind=WAY,
        thread_id=MAIN,
        title=f"“{way.name}” does not reach you any more",
        notice=NoticeItem(
            kind=WAY,
            text=why,
            hint="Try again sends a test there; where it arrives, it is used again. The settings add and remove ways.",
            decisions=["retry", "dismiss"],
        ),
        opened_at=unit.now,
    )


def _watched(row: Row) -> bool:
    """An ask of which the person wants to be told, whatever they muted."""
    return row.kind in ASKS and any(watch["condition"] == "asks" for watch in row.watches or ())


def _waiting(row: Row, wanted: PreferencesBody) -> Waiting:
    kind = row.kind in wanted.muted_kinds
    place = row.session_id in wanted.muted_sessions or row.project_id in wanted.muted_projects
    # What they asked to be told of a session is newer and narrower than that they muted it.
    muted = not _watched(row) and (kind or (place and row.kind != "watch"))
    return Waiting(row.id, row.kind, row.opened_at, row.snoozed_at is not None, muted, row.told_at, bool(row.reminded))


def _way(row: Row) -> Way:
    return Way(
        row.id,
        row.device_id is not None,
        row.mobile,
        row.looked_at,
        None if row.kinds is None else frozenset(row.kinds),
        None if row.hours is None else (time.fromisoformat(row.hours[0]), time.fromisoformat(row.hours[1])),
    )


def _quiet(wanted: PreferencesBody) -> tuple[time, time] | None:
    if wanted.quiet_from is None or wanted.quiet_until is None:
        return None
    return wanted.quiet_from, wanted.quiet_until


def _path(row: Row) -> str:
    """To the ask itself, wherever else something waits in its thread."""
    return (f"/s/{row.session_id}" if row.session_id else "/") + f"#ask={quote(row.id, safe='')}"


def _actions(connection: sa.Connection, row: Row) -> tuple[Literal["allow", "deny"], ...]:
    """Whatever is not of low risk is decided before the whole of it."""
    item = permissions_store.item(connection, row.id)
    of = permissions_store.session(connection, row.session_id) if row.session_id else None
    if of is None or item is None or item.kind != "permission" or item.ask is None:
        return ()
    ask = PermissionAsk.model_validate(item.ask)
    return ("allow", "deny") if is_low_risk(ask, one_line(row.title)[:LONGEST_TEXT], confined=of.confined) else ()


def _decisions(row: Row) -> ItemDecisions:
    kept: list[Any] = row.decisions or []
    decisions = [DecisionBody(why=why, at=at, until=until) for why, at, until in kept]
    return ItemDecisions(item=row.id, title=row.title, state=row.state, decisions=decisions)


def _notification(row: Row, deliveries: list[Row]) -> NotificationBody:
    said = Notification.model_validate(row.body)
    return NotificationBody(
        id=row.id,
        about=said.about,
        title=said.title,
        text=said.text,
        items=list(said.items),
        at=row.at,
        deliveries=[
            DeliveryBody(notifier=d.notifier_id, name=d.name or "", state=d.state, why=d.why, tries=d.tries, at=d.at)
            for d in deliveries
        ],
    )
