"""What was said in a thread so far, from its log, for an agent whose own record of it is gone."""

import json
from typing import Any, Final

import sqlalchemy as sa

from mainloop.events import log
from mainloop.runs import mailbox, store
from mainloop_models.asks import Answer

EVENTS: Final = 500
# Characters: the newest that fit.
LONGEST: Final = 24_000
LONGEST_PART: Final = 4_000

HEAD: Final = (
    "Your own record of this conversation is gone. This is what mainloop's log says of it, oldest first; you are the "
    "agent in it. Check the state of things before you go on."
)


def so_far(connection: sa.Connection, thread_id: str) -> str:
    """The conversation of a thread as text: what was said, called, asked and answered. Empty where nothing was.

    Of a thread that branched off another, what was said there until then comes first.
    """
    events = _events(connection, thread_id, None)
    # What is still open is given again as it was.
    given_again = {m.id for m in (*mailbox.delivered(connection, thread_id), *mailbox.queued(connection, thread_id))}
    newest: dict[str, str] = {}
    for event in events:
        body = event["body"]
        key = f"{event['kind']}:{body.get('id', event['seq'])}"
        line = "" if body.get("id") in given_again else _line(event["kind"], body)
        # The newest state of an object counts, at the place where it stands now.
        newest.pop(key, None)
        if line:
            newest[key] = line if len(line) <= LONGEST_PART else f"{line[:LONGEST_PART]} …"
    lines = list(newest.values())
    if not lines:
        return ""
    kept: list[str] = []
    room = LONGEST
    for line in reversed(lines):
        room -= len(line)
        if room < 0:
            kept.append("(what was before that is left out)")
            break
        kept.append(line)
    return "\n\n".join([HEAD, *reversed(kept)])


def _events(connection: sa.Connection, thread_id: str, until: int | None) -> list[dict[str, Any]]:
    """The newest of them, up to the end of the turn `until`."""
    found: list[dict[str, Any]] = []
    before, more = None, True
    while more and len(found) < EVENTS:
        raw, more, _ = log.page(connection, thread_id, log.Window(before=before), limit=EVENTS)
        page = [json.loads(event) for event in raw]
        before = page[0]["seq"] if page else None
        if until is not None and not found:
            ends = [
                n for n, event in enumerate(page) if event["kind"] == "turn_ended" and event["body"]["turn"] <= until
            ]
            page = page[: ends[-1] + 1] if ends else []
        found = page + found
    fork = store.agent(connection, thread_id).fork
    if fork and len(found) < EVENTS:
        found = _events(connection, fork["session_id"], fork["turn"]) + found
    return found[-EVENTS:]


def _line(kind: str, body: dict[str, Any]) -> str:
    match kind:
        case "message" if body["role"] == "assistant":
            return f"Agent: {body['text']}"
        case "message" if body["status"] in ("delivered", "finished"):
            brought: list[dict[str, Any]] = body.get("attachments") or []
            files = ", ".join(str(one["name"]) for one in brought)
            words = " ".join(part for part in (body["text"], f"(with {files})" if files else "") if part)
            return f"{'Person' if body['role'] == 'user' else 'mainloop'}: {words}"
        case "tool_call" if body["status"] != "running":
            return f"Agent called a tool ({body['status']}): {body['title']}"
        case "item" if body.get("ask") and body.get("answer"):
            given = Answer.model_validate(body["answer"])
            words = "; ".join(part for part in (*given.filled(), given.text) if part)
            said = f"{given.decision.value}. {words}" if words else given.decision.value
            return f"Agent asked: {body['title']}\nPerson answered: {said}"
        case _:
            return ""
