"""What stands in a page in an older form than it has by now: its newest, which lies behind the page."""

import json
from typing import Any, Final

import sqlalchemy as sa

from mainloop.conversation import search
from mainloop.events.log import as_json, behind

# A call or a list of steps changes until its turn has ended; a turn that goes on longer (events) is not followed.
FAR: Final = 2000
_IN_TURNS: Final = ("tool_call", "todo", "turn_ended")


def later_forms(connection: sa.Connection, thread_id: str, page: list[str], newest: int) -> list[str]:
    """Events behind the page, as JSON: of each open ask, running call and list of steps in it the newest one."""
    if not page:
        return []
    events: list[dict[str, Any]] = [json.loads(event) for event in page]
    last: int = events[-1]["seq"]
    if last >= newest:
        return []
    open_items = set[str]()
    going_on = set[tuple[str, str | int]]()
    turns = set[int]()
    for event in events:
        kind, body = event["kind"], event["body"]
        if kind == "item":
            (open_items.add if body["state"] == "open" else open_items.discard)(f"item:{body['id']}")
        elif kind == "tool_call":
            (going_on.add if body["status"] == "running" else going_on.discard)((kind, body["id"]))
        elif kind == "todo":
            going_on.add((kind, body["turn"]))
        if kind in ("tool_call", "todo"):
            turns.add(body["turn"])
        elif kind == "turn_ended":
            turns.discard(body["turn"])
            going_on.discard(("todo", body["turn"]))
    found = search.newest_forms(connection, thread_id, open_items, last) if open_items else []
    if going_on and turns:
        found += _in_turns(connection, thread_id, last, going_on, max(turns))
    return found


def _in_turns(
    connection: sa.Connection, thread_id: str, last: int, wanted: set[tuple[str, str | int]], turn: int
) -> list[str]:
    found = dict[tuple[str, str | int], str]()
    for row in behind(connection, thread_id, last, FAR, _IN_TURNS):
        body = json.loads(row.body)
        if row.kind == "turn_ended":
            if body["turn"] >= turn:
                break
            continue
        name = (row.kind, body["id"] if row.kind == "tool_call" else body["turn"])
        if name in wanted:
            found[name] = as_json(row)
    return list(found.values())
