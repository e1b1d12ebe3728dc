"""Homes with very much in them: what went the whole way there once, and copies of its rows.

    python -m mainloop.testing.crowd HOME [EVENTS]

fills HOME with the main thread of a busy month: its events (100,000) and the sixty sessions it speaks of.
"""

import json
import random
import sys
import uuid
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from mainloop.conversation import search
from mainloop.db import tables as t
from mainloop.db.engine import make_engine
from mainloop.sessions.names import handle_for, looks_for
from mainloop.testing.inprocess import InProcessServer
from mainloop_models import events as e
from mainloop_models.base import Model

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
    url = _first_ones(home, FIRST)
    engine = make_engine(url)
    with engine.begin() as connection:
        _copy(connection, FIRST, [str(uuid.uuid4()) for _ in range(1, count)])
        search.fill(connection)
    engine.dispose()


def _first_ones(home: Path, *names: str, database_url: str = "") -> str:
    """Sessions as real ones come to be: one that is done, one that waits with a question. The database's address."""
    server = InProcessServer(home, database_url)
    try:
        server.start()
        for name in names:
            server.person.post(
                "/api/sessions", {"id": name, "prompt": "Look into it and ask what you need to know. " * 4}
            )
            runner = server.runner(name)
            runner.hello()
            if name == DONE:
                runner.whole_turn("It is done, and nothing else had to change.")
            else:
                runner.begin()
                runner.ask_question("Which way?", call_id="call")
                runner.end("deferred", deferred_call="call")
            runner.goodbye()
        return server.settings.database
    finally:
        server.close()


def _copy(connection: sa.Connection, first: str, names: list[str]) -> None:
    """Copies of a session, with all its rows and its log, under other names."""
    rows = {
        table: [dict(r) for r in connection.execute(sa.select(table).where(table.c[key] == first)).mappings()]
        for table, key in TABLES
    }
    events = [dict(r) for r in connection.execute(sa.select(t.event).where(t.event.c.thread_id == first)).mappings()]
    cursor = connection.execute(sa.select(t.installation.c.cursor)).scalar_one()
    copies: dict[Any, list[dict[str, Any]]] = {table: [] for table in (*rows, t.event)}
    for number, name in enumerate(names, 1):
        for table, found in rows.items():
            copies[table] += [_renamed(row, first, name, number) for row in found]
        for row in events:
            cursor += 1
            copies[t.event].append({**_renamed(row, first, name, number), "cursor": cursor})
    for table, made in copies.items():
        if made:
            connection.execute(table.insert(), made)
    connection.execute(sa.update(t.installation).values(cursor=cursor))


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
        search.fill(connection)
    engine.dispose()


def _renamed(row: dict[Any, Any], first: str, name: str, number: int) -> dict[str, Any]:
    """A row of the first session as one of another; ids that stand alone get a number."""
    renamed = {key: value.replace(first, name) if isinstance(value, str) else value for key, value in row.items()}
    for key in ("id", "handle", "token_hash"):
        if isinstance(row.get(key), str) and first not in row[key]:
            renamed[key] = f"{row[key][:40]}-{number}"
    return renamed


# -- a busy month ------------------------------------------------------------------------------------------------
SESSIONS: Final = 60
DAYS: Final = 30
DONE: Final = "00000000-finished"
_TITLES: Final = (
    "Read up on SQLite",
    "Which grey for the mail",
    "Explain the slow search",
    "Move to Postgres 17",
    "Compare two loggers",
    "Retry the webhooks",
    "Shrink the images",
    "Draft the release notes",
    "Find the flaky test",
    "Sort the backlog",
)
_SENTENCES: Final = (
    "The second query reads the whole table because its index begins with another column.",
    "Nothing breaks, but the default of one setting has changed.",
    "I would leave the old one in place for a week and look at the figures then.",
    "Three of the five pass; the other two fail for the same reason.",
    "It is *faster* by a fifth on the copy, and **no** slower anywhere.",
    "See `ranking/score.py` and the test beside it.",
    "There are two ways, and the simpler one is enough here.",
)
_BLOCKS: Final = (
    "```python\ndef score(row):\n    return row.hits * 0.7 + row.age.days\n\n\nfor row in rows:\n    print(score(row))\n```",
    "| | before | after |\n|---|---|---|\n| p50 | 41 ms | 12 ms |\n| p95 | 230 ms | 38 ms |",
    "- [x] try it on a copy\n- [x] write down what breaks\n- [ ] switch over",
    "> The collation changes the order of names.",
    "1. Copy the volume\n2. Start the new one beside the old\n3. Compare",
)


def busy(
    home: Path, events: int = 100_000, until: datetime | None = None, *, seed: int = 1, database_url: str = ""
) -> None:
    """Make the main thread of a busy month that ends at `until` (now), and the sessions it speaks of.

    The same seed says the same. Most sessions have their result, every twelfth waits with a question.
    """
    until = until or datetime.now(UTC)
    url = _first_ones(home, DONE, FIRST, database_url=database_url)
    chance = random.Random(seed)
    names = [str(uuid.UUID(int=chance.getrandbits(128), version=4)) for _ in range(SESSIONS - 2)]
    waiting = names[::12]
    engine = make_engine(url)
    with engine.begin() as connection:
        _copy(connection, FIRST, waiting)
        _copy(connection, DONE, [name for name in names if name not in waiting])
        names = [DONE, FIRST, *names]
        _dress(connection, names)
        row = connection.execute(sa.select(t.thread.c.last_seq).where(t.thread.c.id == "main")).scalar_one()
        begin = until - timedelta(days=DAYS)
        connection.execute(sa.update(t.event).where(t.event.c.thread_id == "main").values(at=begin))
        cursor = connection.execute(sa.select(t.installation.c.cursor)).scalar_one()
        written = list[dict[str, Any]]()
        told = last = 0
        for turn, kind, body in _month(chance, names, events - row):
            seq = row + len(written) + 1
            told = seq if e.is_news(kind, body) else told
            last, at = turn, begin + (until - begin) * (seq / events)
            text = body.model_dump_json()
            written.append(
                {"cursor": cursor + len(written) + 1, "thread_id": "main", "seq": seq, "kind": kind}
                | {"at": at, "body": text}
            )
        connection.execute(t.event.insert(), written)
        of_main = sa.update(t.thread).where(t.thread.c.id == "main")
        connection.execute(of_main.values(last_seq=events, last_told=told, last_read=told))
        connection.execute(sa.update(t.installation).values(cursor=cursor + len(written)))
        connection.execute(sa.update(t.agent).where(t.agent.c.thread_id == "main").values(turn=last))
        search.fill(connection)
    engine.dispose()


def _dress(connection: sa.Connection, names: list[str]) -> None:
    """Titles, handles, hues and creatures as sessions have that were started one after the other."""
    taken, hues = set[str](), list[int]()
    for number, name in enumerate(names):
        title = f"{_TITLES[number % len(_TITLES)]}, {number // len(_TITLES) + 1}"
        handle = handle_for(title, taken)
        hue, creature = looks_for(hues)
        taken.add(handle)
        hues.append(hue)
        looks = {"title": title, "handle": handle, "hue": hue, "creature": creature}
        connection.execute(sa.update(t.session).where(t.session.c.id == name).values(looks))


def _month(chance: random.Random, names: list[str], count: int) -> Generator[tuple[int, str, Model]]:
    """The events of a main thread, turn after turn, each with its turn."""
    made = turn = 0
    while made < count:
        turn += 1
        # All sessions are started in the course of the month.
        started = len(names) * made // count
        begun = names[started : len(names) * min(count, made + 14) // count]
        for kind, body in _turn(chance, turn, names[: started + 1], begun):
            if made < count:
                made += 1
                yield turn, kind, body


def _turn(chance: random.Random, turn: int, known: list[str], begun: list[str]) -> Generator[tuple[str, Model]]:
    said = e.MessageBody(id=f"asked-{turn:06}", role="user", text=f"Question {turn}. {_prose(chance, 2)}", turn=turn)
    yield "message", said.model_copy(update={"status": e.MessageStatus.QUEUED})
    yield "message", said
    yield "turn_started", e.TurnStartedBody(turn=turn, message_ids=[said.id])
    yield "reasoning", e.ReasoningBody(id=f"thought-{turn:06}", text=_prose(chance, 3), turn=turn, duration_ms=4000)
    for number in range(chance.randint(1, 3)):
        call = e.ToolCallBody(
            id=f"call-{turn:06}-{number}", turn=turn, tool="Bash", title="make check", input={"command": "make check"}
        )
        yield "tool_call", call
        good = chance.random() < 0.9
        outcome = {"status": "ok" if good else "error", "output": "all good" if good else "2 failed"}
        yield "tool_call", call.model_copy(update=outcome)
    for name in begun:
        yield "session_started", e.SessionStartedBody(session_id=name, anchor=e.Anchor(thread_id="main"))
    answer = f"Answer {turn}. {_prose(chance, chance.randint(1, 9))}"
    if chance.random() < 0.4:
        answer += f"\n\n{chance.choice(_BLOCKS)}\n\n{_prose(chance, 2)}"
    yield "message", e.MessageBody(id=f"said-{turn:06}", role="assistant", text=answer, turn=turn)
    yield "turn_ended", e.TurnEndedBody(turn=turn, outcome="completed", duration_ms=9000)
    for _ in range(chance.randint(0, 3)):
        name, what = chance.choice(known), chance.choice(("result", "message"))
        yield "notice", e.NoticeBody.model_validate({"session_id": name, "about": what, "text": _prose(chance, 1)})


def _prose(chance: random.Random, sentences: int) -> str:
    return " ".join(chance.choice(_SENTENCES) for _ in range(sentences))


if __name__ == "__main__":
    busy(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 100_000)
