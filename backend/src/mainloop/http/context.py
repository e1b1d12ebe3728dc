"""What a request handler is handed: the app's parts, typed, without globals."""

from typing import Annotated, Protocol

from fastapi import Depends, Request

from mainloop.events.bell import Bell
from mainloop.events.deltas import OpenMessages
from mainloop.events.feed import Feed
from mainloop.events.status import Statuses
from mainloop.events.unit import Database
from mainloop.sandboxes.base import Probe, Sandbox
from mainloop.settings import Settings


class Parts(Protocol):
    """What `app.py` composes and every feature may use."""

    settings: Settings
    database: Database
    bell: Bell
    feed: Feed
    open_messages: OpenMessages
    statuses: Statuses
    version: str
    sandbox: Sandbox
    # What the sandbox did when it was tried at the start.
    sandbox_probe: Probe
    # Set at shutdown: streams end by themselves.
    stopping: bool


def parts_of(request: Request) -> Parts:
    return request.app.state.parts


def database_of(request: Request) -> Database:
    return parts_of(request).database


CurrentParts = Annotated[Parts, Depends(parts_of)]
CurrentDatabase = Annotated[Database, Depends(database_of)]
