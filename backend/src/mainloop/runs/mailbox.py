"""What is said to an agent: messages in order, each with one finish, and notes that ride with the next one."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import sqlalchemy as sa

from mainloop.db import tables as t
from mainloop.db.engine import Row, upsert
from mainloop.errors import BadInput, MessageDelivered, MessageExists, MessageTooLarge, UnknownMessage
from mainloop.events.bell import work_of
from mainloop.events.unit import UnitOfWork
from mainloop_models.events import Attachment, MessageBody, MessageStatus

LONGEST: Final = 256 * 1024  # bytes
Mode = Literal["queue", "steer"]
# Messages with files, when one is looked for by its name.
_LOOK_BACK: Final = 100
_UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

# Asked by every runner again and again, so they are put together once.
_with_id: Final = sa.select(t.message).where(t.message.c.id == sa.bindparam("message_id", type_=t.message.c.id.type))
_of_status: Final = (
    sa.select(t.message)
    .where(t.message.c.thread_id == sa.bindparam("thread_id"), t.message.c.status == sa.bindparam("status"))
    .order_by(t.message.c.place)
)
_undone: Final = (
    sa.select(t.message)
    .where(
        t.message.c.thread_id == sa.bindparam("thread_id"),
        t.message.c.status.in_((MessageStatus.DELIVERED, MessageStatus.QUEUED)),
    )
    .order_by(t.message.c.place)
)
_of_thread: Final = t.message.c.thread_id == sa.bindparam("its_thread", type_=t.message.c.thread_id.type)
_these: Final = (_of_thread, t.message.c.id.in_(sa.bindparam("ids", expanding=True)))
_deliver: Final = sa.update(t.message).where(*_these).values(status=MessageStatus.DELIVERED).returning(t.message)
_take: Final = sa.update(t.message).where(*_these).values(turn=sa.bindparam("new_turn"))
_finish: Final = sa.update(t.message).where(*_these).values(status=MessageStatus.FINISHED)
_leave_open: Final = (
    sa.update(t.message)
    .where(_of_thread, t.message.c.status == MessageStatus.DELIVERED, t.message.c.turn.is_not(None))
    .values(attempt=t.message.c.attempt + 1)
)
_ride_along: Final = (
    sa.update(t.note)
    .where(t.note.c.thread_id == sa.bindparam("its_thread"), t.note.c.message_id.is_(None))
    .values(message_id=sa.bindparam("with_message"))
)
_columns = t.message.c
_after_the_last: Final = (
    sa.select(sa.func.coalesce(sa.func.max(_columns.place), 0) + 1)
    .where(_columns.thread_id == sa.bindparam("thread_id", type_=_columns.thread_id.type))
    .scalar_subquery()
)
_insert: Final = (
    t.message.insert()
    .values(
        place=_after_the_last,
        **{
            name: sa.bindparam(name)
            for name in (
                "id",
                "thread_id",
                "role",
                "text",
                "mode",
                "status",
                "from_thread",
                "attachments",
                "created_at",
            )
        },
    )
    .returning(t.message)
)
_notes: Final = (
    sa.select(t.note.c.text).where(t.note.c.message_id == sa.bindparam("message_id")).order_by(t.note.c.place)
)


def clean(text: str, *, may_be_empty: bool = False) -> str:
    """`text` without control characters, which no screen shows and PostgreSQL can't store.

    Raises BadInput for an empty message and MessageTooLarge for a long one.
    """
    text = _UNSEEN.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    if not text.strip() and not may_be_empty:
        raise BadInput(what="An empty message can't be sent. Write something first.")
    size = len(text.encode(errors="surrogatepass"))
    if size > LONGEST:
        raise MessageTooLarge(size=size, limit=LONGEST)
    return text.encode(errors="replace").decode()


@dataclass(frozen=True)
class Letter:
    """A message to queue."""

    id: str
    text: str
    mode: Mode = "queue"
    role: Literal["user", "system"] = "user"
    from_thread: str | None = None
    attachments: tuple[Attachment, ...] = ()


def post(unit: UnitOfWork, thread_id: str, letter: Letter) -> tuple[MessageBody, bool]:
    """Queue a message; answers it and whether it is new. The caller holds the thread's agent row.

    The same id, text and files again are the same message. Raises MessageExists for another one, and what `clean` raises.
    """
    text = clean(letter.text, may_be_empty=bool(letter.attachments))
    attachments = [attachment.model_dump() for attachment in letter.attachments]
    known = unit.connection.execute(_with_id, {"message_id": letter.id}).first()
    if known is not None:
        if known.thread_id != thread_id or known.text != text or (known.attachments or []) != attachments:
            raise MessageExists
        return _body(unit, known), False
    values = {
        "id": letter.id,
        "thread_id": thread_id,
        "role": letter.role,
        "text": text,
        "mode": letter.mode,
        "status": MessageStatus.QUEUED,
        "from_thread": letter.from_thread,
        "attachments": attachments or None,
        "created_at": unit.now,
    }
    body = _say(unit, unit.connection.execute(_insert, values).one())
    unit.ring(work_of(thread_id))
    return body, True


def change(unit: UnitOfWork, thread_id: str, message_id: str, text: str | None, mode: Mode | None) -> MessageBody:
    """Edit a queued message. Raises UnknownMessage, MessageDelivered, and what `clean` raises."""
    row = _queued(unit, thread_id, message_id)
    values = {
        "text": clean(text, may_be_empty=bool(row.attachments)) if text is not None else row.text,
        "mode": mode or row.mode,
    }
    return _touch(unit, thread_id, message_id, **values)


def withdraw(unit: UnitOfWork, thread_id: str, message_id: str) -> MessageBody:
    """Take a queued message back. Raises UnknownMessage, MessageDelivered."""
    _queued(unit, thread_id, message_id)
    return _touch(unit, thread_id, message_id, status=MessageStatus.WITHDRAWN)


def deliver(unit: UnitOfWork, thread_id: str, message_ids: list[str]) -> None:
    """Give messages to the runner: from now on they can't be edited. Waiting notes ride with the first."""
    if not message_ids:
        return
    unit.connection.execute(_ride_along, {"its_thread": thread_id, "with_message": message_ids[0]})
    rows = unit.connection.execute(_deliver, {"its_thread": thread_id, "ids": message_ids}).all()
    for row in sorted(rows, key=lambda row: row.place):
        _say(unit, row)


def take(unit: UnitOfWork, thread_id: str, message_ids: list[str], turn: int) -> None:
    """The agent has these messages in turn `turn`."""
    unit.connection.execute(_take, {"its_thread": thread_id, "ids": message_ids, "new_turn": turn})


def finish(unit: UnitOfWork, thread_id: str, message_ids: list[str]) -> None:
    """These messages need no further turn."""
    unit.connection.execute(_finish, {"its_thread": thread_id, "ids": message_ids})


def leave_open(unit: UnitOfWork, thread_id: str) -> None:
    """A turn ended without finishing what was delivered: it will be given again."""
    unit.connection.execute(_leave_open, {"its_thread": thread_id})


def delivered(connection: sa.Connection, thread_id: str) -> list[Row]:
    """Messages the runner has and has not finished, in order."""
    return _with_status(connection, thread_id, MessageStatus.DELIVERED)


def queued(connection: sa.Connection, thread_id: str) -> list[Row]:
    """Messages that wait, in order."""
    return _with_status(connection, thread_id, MessageStatus.QUEUED)


@dataclass(frozen=True)
class Undone:
    """Messages that no turn has finished, in order: what the runner has, and what waits."""

    delivered: list[Row]
    queued: list[Row]


def undone(connection: sa.Connection, thread_id: str) -> Undone:
    """Both in one look."""
    rows = list(connection.execute(_undone, {"thread_id": thread_id}))
    return Undone(
        [row for row in rows if row.status == MessageStatus.DELIVERED],
        [row for row in rows if row.status == MessageStatus.QUEUED],
    )


def first_of_turn(connection: sa.Connection, thread_id: str, turn: int) -> str | None:
    """The id of the message that a turn answers."""
    mine = (t.message.c.thread_id == thread_id, t.message.c.turn == turn)
    return connection.execute(sa.select(t.message.c.id).where(*mine).order_by(t.message.c.place).limit(1)).scalar()


def was_said(connection: sa.Connection, thread_id: str, words: str) -> bool:
    """Whether a message of the thread has these words."""
    mine = (t.message.c.thread_id == thread_id, t.message.c.text.contains(words, autoescape=True))
    return connection.execute(sa.select(t.message.c.id).where(*mine).limit(1)).first() is not None


def turns_of(connection: sa.Connection, thread_id: str, turns: Sequence[int]) -> dict[int, str]:
    """How the first message of some turns begins."""
    mine = (t.message.c.thread_id == thread_id, t.message.c.turn.in_(turns))
    rows = connection.execute(
        sa.select(t.message.c.turn, t.message.c.text).where(*mine).order_by(t.message.c.place.desc())
    )
    return {row.turn: row.text for row in rows}


def given_until(connection: sa.Connection, thread_id: str, turn: int) -> tuple[list[str], list[str]]:
    """Ids of what was given to an agent: of the newest turn with messages up to `turn`, and of everything after that."""
    mine = (
        t.message.c.thread_id == thread_id,
        t.message.c.turn.is_not(None),
        t.message.c.status != MessageStatus.QUEUED,
    )
    rows = list(connection.execute(sa.select(t.message.c.id, t.message.c.turn).where(*mine)))
    newest = max((row.turn for row in rows if row.turn <= turn), default=0)
    return [row.id for row in rows if row.turn == newest], [row.id for row in rows if row.turn > turn]


def said_in_turn(connection: sa.Connection, thread_id: str, turn: int) -> list[Row]:
    """What the person themselves wrote in this thread and a turn has taken in, newest first."""
    mine = (
        t.message.c.thread_id == thread_id,
        t.message.c.turn == turn,
        t.message.c.role == "user",
        t.message.c.from_thread.is_(None),
    )
    return list(connection.execute(sa.select(t.message).where(*mine).order_by(t.message.c.place.desc())))


def woken_by(connection: sa.Connection, thread_id: str, turn: int) -> list[str]:
    """The sessions whose reports a turn has been told of by a message of its own."""
    mine = (t.message.c.thread_id == thread_id, t.message.c.turn == turn, t.message.c.role == "system")
    told = sa.select(t.message.c.from_thread).where(*mine, t.message.c.from_thread.is_not(None))
    return list(connection.execute(told.order_by(t.message.c.place)).scalars())


def files_of(connection: sa.Connection, thread_id: str, names: Sequence[str]) -> tuple[Attachment, ...]:
    """Files that the person gave in this thread, by their names; of several with one name the newest.

    Raises BadInput where there is none of that name.
    """
    if not names:
        return ()
    mine = (
        t.message.c.thread_id == thread_id,
        t.message.c.role == "user",
        t.message.c.from_thread.is_(None),
        t.message.c.attachments.is_not(None),
    )
    newest = sa.select(t.message.c.attachments).where(*mine).order_by(t.message.c.place.desc()).limit(_LOOK_BACK)
    known: dict[str, Attachment] = {}
    for given in connection.execute(newest).scalars():
        for file in given:
            known.setdefault(file["name"], Attachment.model_validate(file))
    for name in names:
        if name not in known:
            there = ", ".join(list(known)[:20]) or "none"
            raise BadInput(what=f"The person gave no file {name[:80]} here. There are: {there}.")
    return tuple(known[name] for name in dict.fromkeys(names))


def written_before(connection: sa.Connection, message: Row) -> datetime | None:
    """When the person wrote the message before this one."""
    earlier = (
        t.message.c.thread_id == message.thread_id,
        t.message.c.place < message.place,
        t.message.c.role == "user",
        t.message.c.from_thread.is_(None),
    )
    return connection.execute(sa.select(sa.func.max(t.message.c.created_at)).where(*earlier)).scalar()


def all_queued(connection: sa.Connection) -> list[tuple[str, MessageBody]]:
    """Every waiting message of the installation, with its thread."""
    rows = connection.execute(
        sa.select(t.message)
        .where(t.message.c.status == MessageStatus.QUEUED)
        .order_by(t.message.c.thread_id, t.message.c.place)
    )
    return [(row.thread_id, _as_body(row, row.text)) for row in rows]


def note(unit: UnitOfWork, thread_id: str, key: str, text: str) -> None:
    """Something the agent is told with its next message, once. `key` makes it the same note when said again."""
    last = sa.select(sa.func.coalesce(sa.func.max(t.note.c.place), 0)).where(t.note.c.thread_id == thread_id)
    row = upsert(unit.connection, t.note).values(
        key=key, thread_id=thread_id, place=unit.execute(last).scalar_one() + 1, text=text
    )
    unit.execute(row.on_conflict_do_nothing())


def notes_of(connection: sa.Connection, message_id: str) -> list[str]:
    return list(connection.execute(_notes, {"message_id": message_id}).scalars())


def _with_status(connection: sa.Connection, thread_id: str, status: MessageStatus) -> list[Row]:
    return list(connection.execute(_of_status, {"thread_id": thread_id, "status": status}))


def _queued(unit: UnitOfWork, thread_id: str, message_id: str) -> Row:
    mine = (t.message.c.thread_id == thread_id, t.message.c.id == message_id)
    row = unit.execute(sa.select(t.message).where(*mine)).first()
    if row is None or row.status == MessageStatus.WITHDRAWN:
        raise UnknownMessage(id=message_id)
    if row.status != MessageStatus.QUEUED:
        raise MessageDelivered
    return row


def _touch(unit: UnitOfWork, thread_id: str, message_id: str, **values: object) -> MessageBody:
    """The person changes what waits: its runner may look at it right now."""
    unit.ring(work_of(thread_id))
    mine = (t.message.c.thread_id == thread_id, t.message.c.id == message_id)
    return _say(unit, unit.execute(sa.update(t.message).where(*mine).values(**values).returning(t.message)).one())


def _say(unit: UnitOfWork, row: Row) -> MessageBody:
    body = _body(unit, row)
    unit.append(row.thread_id, "message", body)
    return body


def _body(unit: UnitOfWork, row: Row) -> MessageBody:
    text, ref = unit.shorten(row.thread_id, row.text)
    return _as_body(row, text).model_copy(update={"blob": ref})


def _as_body(row: Row, text: str) -> MessageBody:
    return MessageBody(
        id=row.id,
        role=row.role,
        text=text,
        status=MessageStatus(row.status),
        mode=row.mode,
        turn=row.turn,
        from_thread=row.from_thread,
        attachments=row.attachments or [],
    )
