"""Carries what a run has to say to the server: reports through the spool, in order and exactly once; pieces of open
messages beside them, which may be lost.

A report is on disk when `report` returns. Everything else happens in `run`, one task for the life of the runner.
"""

import asyncio
import json
import logging
from dataclasses import dataclass, field
from typing import Literal

from pydantic_core import PydanticSerializationError

from mainloop_agent.output import NEWEST
from mainloop_agent.server import LONGEST_PAUSE, Server
from mainloop_agent.spool import Spool
from mainloop_models.runner import (
    Delta,
    Deltas,
    Reasoned,
    Receipt,
    Report,
    ReportBody,
    Reports,
    Said,
    ToolAnswer,
    ToolEnded,
    ToolRequest,
)

log = logging.getLogger(__name__)

# A batch ends at so many reports or bytes, whichever comes first.
BATCH, BATCH_BYTES = 200, 1 << 20
# Pieces of messages are joined to this many a second.
DELTA_PAUSE = 0.1
# Between two looks at the spool's file (seconds).
LOOK_PAUSE = 1.0
# What an agent says together goes together: a report waits this long for the next (seconds).
TOGETHER = 0.02
# An accepted request that has no answer yet is asked again, from the first to the last of these (seconds).
ASK_AGAIN, ASK_AGAIN_LONGEST = 0.2, 5.0


@dataclass
class _Open:
    """A message that is still being written, or what a running call puts out."""

    turn: int
    what: Literal["text", "reasoning", "output"]
    text: str = ""
    # Up to where the server has it, and how much came before `text` (of output only), in characters.
    sent: int = 0
    start: int = 0

    @property
    def length(self) -> int:
        return self.start + len(self.text)


@dataclass
class _Request:
    """A call of one of our tools that waits for its answer."""

    report: Report
    answer: asyncio.Future[ToolAnswer]
    again_at: float = 0.0
    pause: float = field(default=ASK_AGAIN)


class Reporter:
    def __init__(self, server: Server, spool: Spool, thread: str) -> None:
        self._server = server
        self._spool = spool
        self._thread = thread
        self._news = asyncio.Event()
        self._arrived = asyncio.Condition()
        self._requests: dict[str, _Request] = {}
        self._open: dict[str, _Open] = {}
        self._pieces = asyncio.Event()
        # What the server was last told of the spool's trouble.
        self._told = ""
        self._on_disk = asyncio.Event()
        self._on_disk.set()
        # Held while pieces are on their way, so that a whole message never overtakes its own pieces.
        self._sending_pieces = asyncio.Lock()

    def report(self, body: ReportBody) -> None:
        """Says something. On disk when this returns, or when there is room (`stored`); delivered in order from then on."""
        if isinstance(body, Said | Reasoned | ToolEnded):
            # The whole message is in the report: pieces that are still here are not needed any more.
            self._open.pop(body.id, None)
        self._say(body)

    def _say(self, body: ReportBody) -> Report:
        report = self._spool.append(_sayable(body))
        self._note_disk()
        return report

    def _note_disk(self) -> None:
        if self._spool.trouble:
            self._on_disk.clear()
        else:
            self._on_disk.set()
            self._news.set()

    async def stored(self) -> None:
        """Returns when everything said so far is on disk."""
        await self._on_disk.wait()

    def delta(self, message: str, turn: int, text: str, what: Literal["text", "reasoning"] = "text") -> None:
        """Adds a piece to an open message."""
        self._open.setdefault(message, _Open(turn, what)).text += _whole(text)
        self._pieces.set()

    def output(self, call: str, turn: int, text: str, left_out: int) -> None:
        """Adds a piece to what a running call puts out, of which the newest is kept."""
        held = self._open.setdefault(call, _Open(turn, "output"))
        if left_out:
            held.start, held.text = held.length + left_out, ""
        whole = held.text + _whole(text)
        held.text = whole[-NEWEST:]
        held.start += len(whole) - len(held.text)
        self._pieces.set()

    def written(self, message: str) -> str | None:
        """The text so far of a message that is still open."""
        found = self._open.get(message)
        return found.text if found else None

    def open_messages(self) -> list[str]:
        """Messages with text that have not been said whole, oldest first."""
        return [name for name, message in self._open.items() if message.what == "text"]

    def forget_pieces(self) -> None:
        """The turn has ended: what was not said whole will not be."""
        self._open.clear()

    def request(self, body: ToolRequest) -> asyncio.Future[ToolAnswer]:
        """Calls one of our tools. The report is on disk when this returns; the answer comes when it comes."""
        known = self._requests.get(body.call_id)
        if known is None:
            answer: asyncio.Future[ToolAnswer] = asyncio.get_running_loop().create_future()
            known = self._requests[body.call_id] = _Request(self._say(body), answer)
        return known.answer

    async def delivered(self) -> None:
        """Returns when everything said so far has arrived."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: self._spool.is_told)

    async def run(self) -> None:
        """Delivers, for ever. Raises Refused."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._deliver())
            tasks.create_task(self._send_pieces())
            tasks.create_task(self._look_after_spool())

    async def _look_after_spool(self) -> None:
        """What could not be written is written when there is room, and the person is told meanwhile."""
        while True:
            await asyncio.sleep(LOOK_PAUSE)
            self._spool.write()
            self._note_disk()
            trouble = self._spool.trouble
            if trouble != self._told:
                deltas = Deltas(thread_id=self._thread, run=self._spool.run, deltas=[], unwritten=trouble)
                if await self._server.deltas(deltas) is not None:
                    self._told = trouble

    async def _deliver(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            if self._news.is_set():
                await asyncio.sleep(TOGETHER)
            self._news.clear()
            batch = next_batch(self._spool.waiting())
            due = [r for r in self._requests.values() if r.again_at and r.again_at <= clock()]
            if not batch and not due:
                await self._wait_for_news()
                continue
            numbers = {r.number for r in batch}
            again = [r.report for r in due if r.report.number not in numbers]
            async with self._sending_pieces:
                receipt = await self._server.send(Reports(thread_id=self._thread, reports=[*again, *batch]))
            await self._take(receipt, batch, due)

    async def _wait_for_news(self) -> None:
        """Returns when there is something to send, or a request to ask again."""
        clock = asyncio.get_running_loop().time
        times = [r.again_at for r in self._requests.values() if r.again_at]
        try:
            async with asyncio.timeout(max(0.0, min(times) - clock()) if times else None):
                await self._news.wait()
        except TimeoutError:
            return

    async def _take(self, receipt: Receipt, batch: list[Report], due: list[_Request]) -> None:
        acked = receipt.acked.get(self._spool.run, 0)
        for call, answer in receipt.answers.items():
            request = self._requests.pop(call, None)
            if request is not None and not request.answer.done():
                request.answer.set_result(answer)
        sent = {r.body.call_id for r in batch if isinstance(r.body, ToolRequest)} | {
            call for call, request in self._requests.items() if request in due
        }
        now = asyncio.get_running_loop().time()
        for call in sent:
            if request := self._requests.get(call):
                request.again_at, request.pause = now + request.pause, min(request.pause * 2, ASK_AGAIN_LONGEST)
        if batch and acked < batch[0].number:
            log.warning("the server took nothing of %s to %s", batch[0].number, batch[-1].number)
            await asyncio.sleep(1)
        async with self._arrived:
            self._spool.acknowledge(acked)
            self._arrived.notify_all()

    async def _send_pieces(self) -> None:
        pause = DELTA_PAUSE
        while True:
            await self._pieces.wait()
            self._pieces.clear()
            async with self._sending_pieces:
                arrived = await self._send(self._unsent())
            pause = DELTA_PAUSE if arrived else min(pause * 2, LONGEST_PAUSE)
            await asyncio.sleep(pause)

    def _unsent(self) -> list[Delta]:
        return [
            Delta(
                message_id=name,
                turn=message.turn,
                what=message.what,
                offset=max(message.sent, message.start),
                text=message.text[max(message.sent - message.start, 0) :],
            )
            for name, message in self._open.items()
            if message.length > message.sent
        ]

    async def _send(self, deltas: list[Delta]) -> bool:
        if not deltas:
            return True
        taken = await self._server.deltas(Deltas(thread_id=self._thread, run=self._spool.run, deltas=deltas))
        for delta in deltas:
            if message := self._open.get(delta.message_id):
                if taken is not None:
                    # A server that holds less than we sent has lost some of it: go on from there.
                    held = taken.lengths.get(delta.message_id, delta.offset + len(delta.text))
                    message.sent = min(held, message.length)
                if message.sent < message.length:
                    self._pieces.set()
        return taken is not None


def _whole(text: str) -> str:
    """`text` with a question mark for each half of a character, which a program leaves that cuts by the halves."""
    return text.encode(errors="replace").decode()


def _sayable(body: ReportBody) -> ReportBody:
    """`body`, whole in all its texts."""
    try:
        body.model_dump_json()
    except PydanticSerializationError:
        return type(body).model_validate_json(_whole(json.dumps(body.model_dump(), default=str, ensure_ascii=False)))
    return body


def next_batch(waiting: list[Report]) -> list[Report]:
    """The first reports that go together in one request."""
    batch: list[Report] = []
    size = 0
    for report in waiting[:BATCH]:
        size += len(report.model_dump_json())
        if batch and size > BATCH_BYTES:
            break
        batch.append(report)
    return batch


async def deliver_spool(server: Server, spool: Spool, thread: str) -> None:
    """Delivers what an older run left behind, and removes its spool."""
    while batch := next_batch(spool.waiting()):
        receipt = await server.send(Reports(thread_id=thread, reports=batch))
        acked = receipt.acked.get(spool.run, 0)
        if acked < batch[0].number:
            log.warning("the server took nothing of run %s from %s on", spool.run, batch[0].number)
            await asyncio.sleep(1)
        spool.acknowledge(acked)
    spool.remove()
