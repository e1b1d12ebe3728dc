"""What the browser sends and sees of notifications."""

from datetime import datetime, time
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from mainloop.attention.policy import Why

Name = Annotated[str, StringConstraints(strip_whitespace=True, max_length=100)]
# Of `delivery`: it is tried (again), it was taken, it was not, nobody needed it any more.
DeliveryState = Literal["waiting", "sent", "failed", "late"]


def _on_the_wall(given: time) -> time:
    if given.tzinfo is not None:
        raise ValueError("hours are those of your own clock, without a zone")
    return given


Hour = Annotated[time, AfterValidator(_on_the_wall)]


class PreferencesBody(BaseModel):
    """When the person is told. Hours are those of the installation's time zone; both or neither."""

    quiet_from: Hour | None = time(22, 30)
    quiet_until: Hour | None = time(7, 30)
    # Kinds of items that are told in quiet hours, too.
    always: list[Name] = Field(default=[], max_length=50)
    reminders: bool = True
    # Kinds of items, ids of sessions and of projects that nobody is told of; they are in the inbox all the same.
    muted_kinds: list[Name] = Field(default=[], max_length=50)
    muted_sessions: list[Name] = Field(default=[], max_length=500)
    muted_projects: list[Name] = Field(default=[], max_length=500)
    # Kinds that they were offered to mute and want to be told of.
    kept_kinds: list[Name] = Field(default=[], max_length=50)
    # Hours of the day at which they are told what happened since they last looked.
    digest_hours: list[Hour] = Field(default=[], max_length=6)


class Mute(BaseModel):
    """Of one kind of items, one session or one project: nobody is told of it, or they are again."""

    what: Literal["kind", "session", "project"]
    id: Name
    muted: bool


class SubscriptionKeys(BaseModel):
    p256dh: str = Field(max_length=200)
    auth: str = Field(max_length=100)


class Subscribe(BaseModel):
    """A `PushSubscription` of this browser, as its `toJSON` gives it."""

    endpoint: str = Field(max_length=2000)
    keys: SubscriptionKeys
    mobile: bool = False


class ChangeNotifier(BaseModel):
    """What one way is for."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
    # Of items that go there; null: all.
    kinds: list[Name] | None = Field(default=None, max_length=50)
    # The hours of the day in which it is used; both or neither.
    hours_from: Hour | None = None
    hours_until: Hour | None = None


class AddNotifier(ChangeNotifier):
    """A way besides browsers: `webhook` (an https address) or `apprise` (an address as Apprise has them)."""

    kind: Literal["webhook", "apprise"]
    address: str = Field(min_length=1, max_length=2000)


class AddedNotifier(BaseModel):
    """`secret`: what a webhook is signed with, said this once; empty where there is none."""

    id: str
    secret: str


class NotifierBody(BaseModel):
    """A way to reach the person; where exactly is never answered."""

    id: str
    kind: str
    name: str
    # Of this browser.
    this: bool
    mobile: bool
    kinds: list[str] | None
    # From and until, as 22:30:00.
    hours: list[str] | None
    gone: str
    created_at: datetime


class DeliveryBody(BaseModel):
    notifier: str
    name: str
    state: DeliveryState
    why: str
    tries: int
    at: datetime


class NotificationBody(BaseModel):
    """Something the person was told, and what became of it on each way. Without any there was no way."""

    id: str
    about: Literal["push", "digest", "test", "clear"]
    title: str
    text: str
    items: list[str]
    at: datetime
    deliveries: list[DeliveryBody]


class DecisionBody(BaseModel):
    """What was decided of an item at a moment, and until when that holds by itself."""

    why: Why
    at: datetime
    until: datetime | None


class ItemDecisions(BaseModel):
    item: str
    title: str
    state: Literal["open", "answered", "closed"]
    decisions: list[DecisionBody]


class ItemAttention(ItemDecisions):
    """What was decided of an item so far, and what told of it last."""

    notification: NotificationBody | None


class AttentionBody(BaseModel):
    """How the person is reached: `key` is what a browser subscribes with."""

    key: str
    # By whose clock hours are meant.
    time_zone: str
    preferences: PreferencesBody
    notifiers: list[NotifierBody]
    notifications: list[NotificationBody]
    items: list[ItemDecisions]
    # What was decided of the newest digests at chosen hours, the newest first.
    digests: list[list[DecisionBody]]
    # Kinds of items that the person always dismisses, and may want to mute.
    offers: list[str]
