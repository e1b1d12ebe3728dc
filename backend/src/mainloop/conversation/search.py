"""Finding what was said: messages, results, notices and asks, by their words, with the place where each stands.

Nobody else touches the table `said`. What goes into it is written with its event, or by `fill`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import accumulate
from typing import Any, Final, Literal

import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy.dialects.postgresql import TSQUERY

from mainloop.conversation.terms import MOST_WORDS, Wanted, excerpt, words_of
from mainloop.db import tables as t
from mainloop.db.engine import upsert_in
from mainloop.events.log import as_json, blob_text
from mainloop.events.unit import Written
from mainloop_models.base import Model
from mainloop_models.events import KINDS, ItemBody, MessageBody, MessageStatus, NoticeBody, ResultBody

SaidKind = Literal["message", "result", "notice", "item"]
Who = Literal["person", "agent", "mainloop"]
KINDS_SAID: Final = ("message", "result", "notice", "item")
# Rows that are read and written together when all is indexed anew.
PORTION: Final = 2000
# All words of a text together, as UTF-8: PostgreSQL takes 1 MiB of words and their places, and refuses the whole event
# otherwise.
MOST_BYTES: Final = 900 * 1024

_newest = t.event.alias("newest")
# FTS5's, by the number of its row.
_index = sa.table("said_words", sa.column("rowid", sa.BigInteger()))
_Hits = sa.Select[*tuple[Any, ...]]


@dataclass(frozen=True)
class Found:
    """Something that was said, where it stands, and what of it was looked for."""

    cursor: int
    thread_id: str
    seq: int
    at: datetime
    kind: SaidKind
    who: Who
    # Of a notice: the session that it speaks of.
    about: str | None
    excerpt: str
    # Places in the excerpt, by its characters.
    marks: list[tuple[int, int]]


def keep(connection: sa.Connection, events: Iterable[tuple[Written, Model]]) -> None:
    """Have what these events say found from now on, in its newest form alone."""
    rows = list[dict[str, Any]]()
    for row, body in events:
        name = _object(row.seq, body)
        if name is not None:
            words = [f"in:{row.thread_id}", *words_of(_whole(connection, body), MOST_WORDS)]
            rows.append(
                {"cursor": row.cursor, "newest": row.cursor, "thread_id": row.thread_id}
                | {"object": name, "words": _written(words, connection.dialect.name)}
            )
    if rows:
        connection.execute(_keeping(connection.dialect.name), rows)


def fill(connection: sa.Connection, after: int = 0) -> None:
    """Have everything found that the log says behind a cursor, as if it had been indexed when it was written."""
    portion = (
        sa.select(t.event)
        .where(t.event.c.cursor > sa.bindparam("after"), t.event.c.kind.in_(KINDS_SAID))
        .order_by(t.event.c.cursor)
        .limit(PORTION)
    )
    while rows := list(connection.execute(portion, {"after": after})):
        after = rows[-1].cursor
        events = list[tuple[Written, Model]]()
        for row in rows:
            try:
                body = KINDS[row.kind].model_validate_json(row.body)
            except ValidationError:
                continue  # it can't be shown either
            events.append((Written(row.cursor, row.thread_id, row.seq, row.kind, row.at, row.body), body))
        keep(connection, events)


def find(
    connection: sa.Connection, text: str, *, thread_id: str | None = None, before: int | None = None, limit: int
) -> list[Found]:
    """Up to `limit` hits, the newest first; with `before` those that stand before a cursor."""
    wanted = Wanted.of(text)
    if not wanted.groups:
        return []
    query = _finding(connection.dialect.name, wanted, thread_id, before).limit(limit)
    found = list[Found]()
    for row in connection.execute(query):
        body = KINDS[row.kind].model_validate_json(row.body)
        shown, marks = excerpt(_whole(connection, body), wanted)
        about = body.session_id if isinstance(body, NoticeBody) else None
        found.append(
            Found(row.cursor, row.thread_id, row.seq, row.at, row.kind, _who(body), about, excerpt=shown, marks=marks)
        )
    return found


def newest_forms(connection: sa.Connection, thread_id: str, objects: Iterable[str], behind: int) -> list[str]:
    """The newest event of each of these objects that lies behind an event of their thread, as JSON."""
    said = t.said.c
    query = (
        sa.select(t.event)
        .join(t.said, t.event.c.cursor == said.newest)
        .where(said.thread_id == thread_id, said.object.in_(list(objects)), t.event.c.seq > behind)
    )
    return [as_json(row) for row in connection.execute(query)]


# -- what is said ------------------------------------------------------------------------------------------------
def _object(seq: int, body: Model) -> str | None:
    """What a body is the newest form of, in its thread; None where it says nothing or stands nowhere yet."""
    match body:
        case MessageBody():
            stands = body.status in (MessageStatus.DELIVERED, MessageStatus.FINISHED)
            return f"message:{body.id}" if stands else None
        case ItemBody():
            return f"item:{body.id}"
        case ResultBody():
            # Where it is the last message of its turn, that is found, and the page shows it once.
            return f"result:{seq}" if body.source == "report" else None
        case NoticeBody():
            return f"notice:{seq}"
        case _:
            return None


def _whole(connection: sa.Connection, body: Model) -> str:
    """All that a person can read of it."""
    match body:
        case MessageBody() | ResultBody():
            whole = blob_text(connection, body.blob.id) if body.blob else None
            names = [file.name for file in body.attachments] if isinstance(body, MessageBody) else []
            return "\n".join((body.text if whole is None else whole, *names))
        case NoticeBody():
            return body.text
        case ItemBody():
            asked = body.ask.text() if body.ask else body.notice.text if body.notice else ""
            given = [*body.answer.filled(), body.answer.text] if body.answer else []
            return "\n".join(filter(None, (body.title, asked, *given)))
        case _:
            return ""


def _who(body: Model) -> Who:
    match body:
        case MessageBody(role="user", from_thread=None):
            return "person"
        case MessageBody(role="user" | "system") | NoticeBody():
            return "mainloop"
        case _:
            return "agent"


# -- the two databases -------------------------------------------------------------------------------------------
def _written(words: list[str], dialect: str) -> str:
    """Words as their column takes them, as many as fit: words have neither spaces nor quotes."""
    ends = accumulate(len(word.encode()) for word in words)
    words = [word for word, end in zip(words, ends, strict=True) if end <= MOST_BYTES]
    if dialect == "sqlite":
        return " ".join(words)
    return " ".join(f"'{word}':{place}" for place, word in enumerate(words, 1))


@cache
def _keeping(dialect: str) -> Any:
    """What was there before keeps its place."""
    row = upsert_in(dialect, t.said).values({c.name: sa.bindparam(c.name) for c in t.said.columns})
    newer = {"newest": row.excluded.newest, "words": row.excluded.words}
    return row.on_conflict_do_update(index_elements=["thread_id", "object"], set_=newer)


def _finding(dialect: str, wanted: Wanted, thread_id: str | None, before: int | None) -> _Hits:
    said = t.said.c
    columns = (said.cursor, said.thread_id, t.event.c.seq, t.event.c.at, _newest.c.kind, _newest.c.body)
    query = (
        sa.select(*columns)
        .join(t.event, t.event.c.cursor == said.cursor)
        .join(_newest, _newest.c.cursor == said.newest)
    )
    # The place in the index has the order, so that the first hits are read and no others.
    place = _index.c.rowid if dialect == "sqlite" else said.cursor
    query = query.order_by(place.desc())
    if before is not None:
        query = query.where(place < before)
    if thread_id is not None:
        query = query.where(said.thread_id == thread_id)
    if dialect == "sqlite":
        parts = [f'"{" ".join(group)}" *' for group in wanted.groups]
        parts += [f'"in:{thread_id}"'] if thread_id is not None else []
        fits = sa.literal_column("said_words").op("MATCH")(" AND ".join(parts))
        return query.join(_index, _index.c.rowid == said.cursor).where(fits)
    parts = [" <-> ".join([*(f"'{word}'" for word in group[:-1]), f"'{group[-1]}':*"]) for group in wanted.groups]
    parts = [f"({part})" for part in parts] + ([f"'in:{thread_id}'"] if thread_id is not None else [])
    return query.where(said.words.op("@@")(sa.cast(" & ".join(parts), TSQUERY)))
