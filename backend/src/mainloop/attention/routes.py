"""Notifications over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from mainloop.access.service import CurrentDevice
from mainloop.attention.schemas import (
    AddedNotifier,
    AddNotifier,
    AttentionBody,
    ChangeNotifier,
    ItemAttention,
    Mute,
    NotificationBody,
    NotifierBody,
    PreferencesBody,
    Subscribe,
)
from mainloop.attention.service import Attention
from mainloop.http.context import CurrentDatabase

router = APIRouter(prefix="/api/attention", tags=["attention"])


async def _attention(request: Request) -> Attention:
    return request.app.state.parts.attention


CurrentAttention = Annotated[Attention, Depends(_attention)]


@router.get("", name="get_attention")
def get_attention(database: CurrentDatabase, attention: CurrentAttention, me: CurrentDevice) -> AttentionBody:
    """How the person is reached, what they were told, and what was decided of what waits."""
    return database.read(lambda connection: attention.body(connection, me.id))


@router.get("/items/{item_id}", name="get_attention_of_item")
def get_attention_of_item(
    item_id: str, database: CurrentDatabase, attention: CurrentAttention, me: CurrentDevice
) -> ItemAttention:
    """Why the person was told of an item, or not."""
    return database.read(lambda connection: attention.of_item(connection, item_id))


@router.get("/preferences", name="get_preferences")
def get_preferences(database: CurrentDatabase, attention: CurrentAttention, me: CurrentDevice) -> PreferencesBody:
    """When the person is told, and of what not."""
    return database.read(attention.preferences)


@router.put("/muted", name="mute")
def mute(given: Mute, database: CurrentDatabase, attention: CurrentAttention, me: CurrentDevice) -> PreferencesBody:
    """Nobody is told of a kind, a session or a project any more, or they are again; everything else stays as it is."""
    return database.write(lambda unit: attention.mute(unit, given))


@router.put("/preferences", name="prefer")
def prefer(
    given: PreferencesBody, database: CurrentDatabase, attention: CurrentAttention, me: CurrentDevice
) -> PreferencesBody:
    """When the person is told, and of what not. What is not named stays as it is."""
    return database.write(lambda unit: attention.prefer(unit, given))


@router.put("/subscription", name="subscribe")
def subscribe(
    given: Subscribe, database: CurrentDatabase, attention: CurrentAttention, me: CurrentDevice
) -> NotifierBody:
    """This browser is told from now on."""
    ident = attention.subscribe(me.id, me.name, given)
    body = database.read(lambda connection: attention.body(connection, me.id))
    return next(notifier for notifier in body.notifiers if notifier.id == ident)


@router.post("/notifiers", name="add_notifier", status_code=201)
def add_notifier(given: AddNotifier, attention: CurrentAttention, me: CurrentDevice) -> AddedNotifier:
    """Another way to be told, besides browsers. Its address is never answered."""
    return attention.add(given)


@router.patch("/notifiers/{notifier_id}", name="change_notifier")
def change_notifier(
    notifier_id: str,
    given: ChangeNotifier,
    database: CurrentDatabase,
    attention: CurrentAttention,
    me: CurrentDevice,
) -> NotifierBody:
    """What a way is for; where it leads stays as it is."""
    database.write(lambda unit: attention.change(unit, notifier_id, given))
    body = database.read(lambda connection: attention.body(connection, me.id))
    return next(notifier for notifier in body.notifiers if notifier.id == notifier_id)


@router.delete("/notifiers/{notifier_id}", name="remove_notifier", status_code=204)
def remove_notifier(
    notifier_id: str, database: CurrentDatabase, attention: CurrentAttention, me: CurrentDevice
) -> None:
    """Nothing is sent there any more."""
    database.write(lambda unit: attention.remove(unit, notifier_id))


@router.post("/notifiers/{notifier_id}/test", name="test_notifier", status_code=202)
def test_notifier(
    notifier_id: str, database: CurrentDatabase, attention: CurrentAttention, me: CurrentDevice
) -> NotificationBody:
    """Send a test there; its outcome is in the list."""
    ident = database.write(lambda unit: attention.test(unit, notifier_id))
    return next(n for n in database.read(attention.notifications) if n.id == ident)
