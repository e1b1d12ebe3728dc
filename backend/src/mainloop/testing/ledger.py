"""The books of an installation: all it says it did, and what must be true of that whatever was killed.

`read` takes everything in one look at the database. `faults` may never be anything but empty, at any moment.
`unsettled` is empty once everything has come to its end: finished, or waiting for the person. `misheard` compares with
what the scripted model was asked.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from mainloop.db import tables as t
from mainloop.db.engine import Row
from mainloop.events.unit import Database
from mainloop.testing.scripted_model import REMINDER, conversation

WELL: Final = ("completed", "interrupted")


@dataclass(frozen=True)
class Event:
    """One row of the log."""

    cursor: int
    thread: str
    seq: int
    kind: str
    body: dict[str, Any]


@dataclass(frozen=True)
class Ledger:
    """All threads of an installation, at one moment."""

    cursor: int
    events: list[Event]
    threads: list[Row]
    agents: list[Row]
    runs: list[Row]
    messages: list[Row]
    items: list[Row]
    results: list[Row]
    sessions: list[Row]
    half_written: list[Row]
    running_calls: list[Row]
    phases: list[Row]

    def of(self, thread: str, *kinds: str) -> list[Event]:
        """The events of a thread, of these kinds, in order."""
        return [e for e in self.events if e.thread == thread and (not kinds or e.kind in kinds)]

    def outcomes(self, thread: str) -> list[tuple[int, str]]:
        """How each turn of a thread ended, in order."""
        return [(e.body["turn"], e.body["outcome"]) for e in self.of(thread, "turn_ended")]


def read(database: Database) -> Ledger:
    """Everything, in one look."""

    def look(c: sa.Connection) -> Ledger:
        def rows(table: sa.Table, *order: sa.Column[Any]) -> list[Row]:
            return list(c.execute(sa.select(table).order_by(*order)))

        return Ledger(
            cursor=c.execute(sa.select(t.installation.c.cursor)).scalar_one(),
            events=[
                Event(e.cursor, e.thread_id, e.seq, e.kind, json.loads(e.body)) for e in rows(t.event, t.event.c.cursor)
            ],
            threads=rows(t.thread),
            agents=rows(t.agent),
            runs=rows(t.run, t.run.c.thread_id, t.run.c.number),
            messages=rows(t.message, t.message.c.thread_id, t.message.c.place),
            items=rows(t.item, t.item.c.opened_at),
            results=rows(t.result),
            sessions=rows(t.session),
            half_written=rows(t.chunk),
            running_calls=rows(t.tool_call),
            phases=rows(t.phase),
        )

    return database.read(look)


# ---- at every moment --------------------------------------------------------------------------------------------
def faults(ledger: Ledger) -> list[str]:
    """What can't be, in words: gaps, doubles, turns without a beginning."""
    found = _gaps(ledger)
    for agent in ledger.agents:
        found += _turns(ledger, agent.thread_id)
        found += _calls(ledger, agent.thread_id)
        found += _runs(ledger, agent)
    return found + _words(ledger) + _messages(ledger) + _items(ledger) + _results(ledger)


def _gaps(ledger: Ledger) -> list[str]:
    found: list[str] = []
    if [e.cursor for e in ledger.events] != list(range(1, ledger.cursor + 1)):
        found.append(f"The cursor does not run from 1 to {ledger.cursor} without a gap.")
    for thread in ledger.threads:
        seqs = [e.seq for e in ledger.of(thread.id)]
        if seqs != list(range(1, thread.last_seq + 1)):
            found.append(f"{thread.id}: its numbers are {seqs}, its last is {thread.last_seq}.")
    return found


def _turns(ledger: Ledger, thread: str) -> list[str]:
    """One after the other, each begun once and ended once, but a deferred one, which is begun again."""
    found: list[str] = []
    newest, is_open, was_deferred = 0, False, False
    for event in ledger.of(thread, "turn_started", "turn_ended"):
        turn = event.body["turn"]
        if event.kind == "turn_started":
            if is_open:
                found.append(f"{thread}: turn {turn} began before turn {newest} had ended.")
            if turn != (newest if was_deferred and turn == newest else newest + 1):
                found.append(f"{thread}: turn {turn} began after turn {newest}.")
            newest, is_open, was_deferred = turn, True, False
        else:
            was_deferred_before, was_deferred = was_deferred, event.body["outcome"] == "deferred"
            # What was deferred may also end without having gone on.
            if turn != newest or not (is_open or was_deferred_before):
                found.append(f"{thread}: turn {turn} ended, but it was not open.")
            is_open = False
    return found


def _calls(ledger: Ledger, thread: str) -> list[str]:
    """A tool call begins, then ends once. One whose outcome was unknown may be asked about again."""
    found: list[str] = []
    last: dict[str, str] = {}
    for event in ledger.of(thread, "tool_call"):
        call, status = event.body["id"], event.body["status"]
        before = last.get(call)
        allowed = (None, "unknown") if status == "running" else ("running",)
        if before not in allowed:
            found.append(f"{thread}: call {call} is {status} after {before or 'nothing'}.")
        last[call] = status
    return found


def _runs(ledger: Ledger, agent: Row) -> list[str]:
    runs = [run for run in ledger.runs if run.thread_id == agent.thread_id]
    found: list[str] = []
    if [run.number for run in runs] != list(range(1, agent.run + 1)):
        found.append(f"{agent.thread_id}: its runs are {[run.number for run in runs]}, its newest is {agent.run}.")
    alive = [run.number for run in runs if run.state != "ended"]
    if alive not in ([], [agent.run]):
        found.append(f"{agent.thread_id}: runs {alive} may act, only {agent.run} should.")
    return found


def _words(ledger: Ledger) -> list[str]:
    """What an agent said or thought stands in the log once."""
    said = Counter(
        (e.thread, e.body["id"])
        for e in ledger.events
        if e.kind == "reasoning" or (e.kind == "message" and e.body["role"] == "assistant")
    )
    return [f"{thread}: {ident} was said {count} times." for (thread, ident), count in said.items() if count > 1]


def _messages(ledger: Ledger) -> list[str]:
    """A message is finished by one turn; while it is open, by none."""
    found: list[str] = []
    well = {(e.thread, e.body["turn"]) for e in ledger.events if e.kind == "turn_ended" and e.body["outcome"] in WELL}
    turns: dict[str, set[int]] = defaultdict(set)
    for event in ledger.events:
        if event.kind == "turn_started":
            for ident in event.body["message_ids"]:
                turns[ident].add(event.body["turn"])
    for message in ledger.messages:
        finishing = {turn for turn in turns[message.id] | {message.turn} if (message.thread_id, turn) in well}
        expected = 1 if message.status == "finished" else 0
        if len(finishing) != expected:
            found.append(
                f"{message.thread_id}: message {message.id} is {message.status}, finished by turns {sorted(finishing)}."
            )
    return found


def _items(ledger: Ledger) -> list[str]:
    """An item opens, then is answered or closes itself, once."""
    found: list[str] = []
    states: dict[str, list[str]] = defaultdict(list)
    for event in ledger.events:
        if event.kind == "item":
            states[event.body["id"]].append(event.body["state"])
    for item in ledger.items:
        expected = ["open"] if item.state == "open" else ["open", item.state]
        if states[item.id] != expected:
            found.append(f"{item.thread_id}: item {item.id} is {item.state}, but was told as {states[item.id]}.")
    return found


def _results(ledger: Ledger) -> list[str]:
    """Each result stands once in its session, and once in the thread that started it."""
    found: list[str] = []
    parents = {session.id: session.parent for session in ledger.sessions}
    told = Counter((e.thread, e.body["turn"]) for e in ledger.events if e.kind == "result")
    noticed = Counter(
        (e.body["session_id"], e.body["turn"])
        for e in ledger.events
        if e.kind == "notice" and e.body["about"] == "result"
    )
    for key in told.keys() | noticed.keys():
        expected = 1 if parents.get(key[0]) else 0
        if told[key] != 1 or noticed[key] != expected:
            found.append(f"{key[0]}: turn {key[1]} has {told[key]} results and {noticed[key]} notices of them.")
    return found + [
        f"{result.session_id}: the result of turn {result.turn} counts as delivered and was not told."
        for result in ledger.results
        if result.delivered and not told[result.session_id, result.turn]
    ]


# ---- in the end -------------------------------------------------------------------------------------------------
def unsettled(ledger: Ledger) -> list[str]:
    """What has not come to its end, in words: open turns, messages, calls, phases. Waiting for the person is an end."""
    found = [f"Phase {phase.id} is still to do." for phase in ledger.phases if phase.state == "todo"]
    for agent in ledger.agents:
        found += _unsettled_thread(ledger, agent)
    waiting = {item.thread_id for item in ledger.items if item.state == "open"}
    for session in ledger.sessions:
        if session.state in ("starting", "working") and session.id not in waiting:
            found.append(f"{session.id}: is {session.state}.")
    return found


def _unsettled_thread(ledger: Ledger, agent: Row) -> list[str]:
    thread = agent.thread_id
    found = [
        f"{thread}: the answer to {item.id} has reached nobody."
        for item in ledger.items
        if item.thread_id == thread and item.state == "answered" and not item.taken
    ]
    if any(item.thread_id == thread and item.state == "open" for item in ledger.items):
        return found
    if agent.working or agent.deferred_call:
        found.append(f"{thread}: turn {agent.turn} is open.")
    found += [
        f"{thread}: message {message.id} is {message.status}."
        for message in ledger.messages
        if message.thread_id == thread and message.status in ("queued", "delivered")
    ]
    found += [f"{thread}: {c.message_id} is half-written." for c in ledger.half_written if c.thread_id == thread]
    found += [f"{thread}: call {c.call_id} is running." for c in ledger.running_calls if c.thread_id == thread]
    return found


# ---- beside the model -------------------------------------------------------------------------------------------
def misheard(requests: Sequence[Mapping[str, Any]], said: Iterable[str], *, cut_off: bool = False) -> list[str]:
    """Of these words of the person, those that the model did not answer exactly once as something new.

    `cut_off`: a turn was; words that the agent had recorded then are followed up, not said again.
    """
    found: list[str] = []
    for words in said:
        times = sum(1 for request in requests if request.get("whole") and _is_new(request, words))
        if times > 1 or not (times or cut_off):
            found.append(f"The model answered {words!r} as something new {times} times.")
    return found


def told(requests: Sequence[Mapping[str, Any]], *words: str) -> bool:
    """Whether the model has read any of these words."""
    return any(word in json.dumps(request["body"]) for request in requests for word in words)


def _is_new(request: Mapping[str, Any], words: str) -> bool:
    """These words are the newest in the request, and nothing has been done about them yet."""
    for said in reversed(conversation(request["body"])):
        if said.role == "assistant":
            return False
        if said.role == "user" and (text := REMINDER.sub("", said.text).strip()):
            return words in text
    return False
