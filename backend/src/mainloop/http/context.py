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


# Asynchronous although they wait for nothing: a plain function would be run in a thread, request by request.
async def _parts(request: Request) -> Parts:
    return parts_of(request)


async def _database(request: Request) -> Database:
    return database_of(request)


CurrentParts = Annotated[Parts, Depends(_parts)]
CurrentDatabase = Annotated[Database, Depends(_database)]
