"""A home in which many sessions wait for an answer: one that went the whole way there, and copies of its rows."""

import json
import uuid
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from mainloop.db import tables as t
from mainloop.db.engine import make_engine
from mainloop.testing.inprocess import InProcessServer

FIRST = "00000000-waiting"
# Each with the column that names its thread.
TABLES = (
    (t.thread, "id"),
    (t.agent, "thread_id"),
    (t.run, "thread_id"),
    (t.session, "id"),
    (t.message, "thread_id"),
    (t.item, "thread_id"),
)


def crowd(home: Path, count: int) -> None:
    """Make `count` sessions that wait, parked, each with its question in the inbox."""
    server = InProcessServer(home)
    try:
        server.start()
        server.person.post("/api/sessions", {"id": FIRST, "prompt": "Look into it and ask what you need to know. " * 4})
        runner = server.runner(FIRST)
        runner.hello()
        runner.begin()
        runner.ask_question("Which way?", call_id="call")
        runner.end("deferred", deferred_call="call")
        runner.goodbye()
        url = server.settings.database
    finally:
        server.close()
    engine = make_engine(url)
    with engine.begin() as connection:
        rows = {
            table: [dict(r) for r in connection.execute(sa.select(table).where(table.c[key] == FIRST)).mappings()]
            for table, key in TABLES
        }
        events = [
            dict(r) for r in connection.execute(sa.select(t.event).where(t.event.c.thread_id == FIRST)).mappings()
        ]
        cursor = connection.execute(sa.select(t.installation.c.cursor)).scalar_one()
        copies: dict[Any, list[dict[str, Any]]] = {table: [] for table in (*rows, t.event)}
        for number in range(1, count):
            name = str(uuid.uuid4())
            for table, found in rows.items():
                copies[table] += [_renamed(row, name, number) for row in found]
            for row in events:
                cursor += 1
                copies[t.event].append({**_renamed(row, name, number), "cursor": cursor})
        for table, made in copies.items():
            connection.execute(table.insert(), made)
        connection.execute(sa.update(t.installation).values(cursor=cursor))
    engine.dispose()


def fill(home: Path, megabytes: int) -> None:
    """Make a main thread whose log has so many megabytes: one turn that went the whole way, and copies of its events."""
    server = InProcessServer(home)
    try:
        server.start()
        server.person.say("Tell me everything.")
        runner = server.runner("main")
        runner.hello()
        runner.whole_turn("A paragraph of an answer that goes into some depth. " * 300)
        runner.goodbye()
        url = server.settings.database
    finally:
        server.close()
    engine = make_engine(url)
    with engine.begin() as connection:
        turn = [
            dict(r)
            for r in connection.execute(
                sa.select(t.event).where(t.event.c.thread_id == "main").order_by(t.event.c.seq)
            ).mappings()
        ]
        cursor = connection.execute(sa.select(t.installation.c.cursor)).scalar_one()
        size = sum(len(row["body"]) for row in turn)
        seq, copies = turn[-1]["seq"], list[dict[Any, Any]]()
        for number in range(megabytes * 1024 * 1024 // size):
            for row in turn:
                seq, cursor = seq + 1, cursor + 1
                body = json.loads(row["body"])
                if "id" in body:
                    body["id"] = f"{body['id'][:40]}-{number}"
                copies.append({**row, "seq": seq, "cursor": cursor, "body": json.dumps(body)})
        connection.execute(t.event.insert(), copies)
        connection.execute(sa.update(t.thread).where(t.thread.c.id == "main").values(last_seq=seq))
        connection.execute(sa.update(t.installation).values(cursor=cursor))
    engine.dispose()


def _renamed(row: dict[Any, Any], name: str, number: int) -> dict[str, Any]:
    """A row of the first session as one of another; ids that stand alone get a number."""
    renamed = {key: value.replace(FIRST, name) if isinstance(value, str) else value for key, value in row.items()}
    for key in ("id", "handle", "token_hash"):
        if isinstance(row.get(key), str) and FIRST not in row[key]:
            renamed[key] = f"{row[key][:40]}-{number}"
    return renamed
