"""The inbox over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from mainloop.access.service import CurrentDevice
from mainloop.errors import MainloopError
from mainloop.http.context import CurrentDatabase
from mainloop.inbox import store
from mainloop.inbox.schemas import AnswerResult, AnswerResults, GiveAnswer, GiveAnswers, Item, Snooze
from mainloop.inbox.schemas import Inbox as InboxList
from mainloop.inbox.service import Inbox
from mainloop.permissions.standing import Always
from mainloop_models.asks import Answer
from mainloop_models.events import ItemBody

router = APIRouter(prefix="/api/inbox", tags=["inbox"])


async def _inbox(request: Request) -> Inbox:
    return request.app.state.parts.inbox


CurrentInbox = Annotated[Inbox, Depends(_inbox)]


@router.get("", name="list_inbox")
def list_inbox(database: CurrentDatabase, me: CurrentDevice) -> InboxList:
    """Everything that waits for the person, most urgent first."""
    return InboxList(items=[_item(body) for body in database.read(store.open_items)])


@router.post("/answers", name="answer_items")
def answer_items(
    given: GiveAnswers, database: CurrentDatabase, inbox: CurrentInbox, me: CurrentDevice
) -> AnswerResults:
    """Several answers, each on its own: one result per item."""
    results: list[AnswerResult] = []
    for one in given.answers:
        try:
            database.write(
                lambda unit, one=one: inbox.answer(unit, one.item, _answer(one), one.id, me.name, _always(one))
            )
            results.append(AnswerResult(item=one.item, status=200))
        except MainloopError as error:
            results.append(AnswerResult(item=one.item, status=error.status, code=error.code, detail=error.sentence))
    return AnswerResults(results=results)


@router.post("/{item_id}/answer", name="answer_item")
def answer_item(
    item_id: str, given: GiveAnswer, database: CurrentDatabase, inbox: CurrentInbox, me: CurrentDevice
) -> Item:
    """The one answer of an item."""
    return _item(
        database.write(lambda unit: inbox.answer(unit, item_id, _answer(given), given.id, me.name, _always(given)))
    )


@router.post("/{item_id}/snooze", name="snooze_item")
def snooze_item(item_id: str, given: Snooze, database: CurrentDatabase, inbox: CurrentInbox, me: CurrentDevice) -> Item:
    """Put an item off: until a moment, or until the person is back. Its agent is not told."""
    return _item(database.write(lambda unit: inbox.snooze(unit, item_id, given.until)))


@router.post("/{item_id}/wake", name="wake_item")
def wake_item(item_id: str, database: CurrentDatabase, inbox: CurrentInbox, me: CurrentDevice) -> Item:
    """An item that was put off counts again."""
    return _item(database.write(lambda unit: inbox.wake(unit, item_id)))


def _answer(given: GiveAnswer) -> Answer:
    return Answer(
        decision=given.decision,
        answers=given.answers,
        values=given.values,
        amount=given.amount,
        text=given.text.strip(),
    )


def _always(given: GiveAnswer) -> Always | None:
    return None if given.scope == "once" else Always(given.scope, given.pattern, given.expires_at)


def _item(body: ItemBody) -> Item:
    return Item.of(body)
