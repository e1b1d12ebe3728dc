"""Watches over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from mainloop.access.service import CurrentDevice
from mainloop.http.context import CurrentDatabase
from mainloop.sessions.schemas import Session
from mainloop.sessions.service import as_session
from mainloop.watches.schemas import SetWatch
from mainloop.watches.service import Watches
from mainloop_models.events import WatchedFor

router = APIRouter(prefix="/api/sessions/{session_id}/watches", tags=["sessions"])


async def _watches(request: Request) -> Watches:
    return request.app.state.parts.watches


CurrentWatches = Annotated[Watches, Depends(_watches)]


@router.put("/{condition}", name="watch")
def watch(
    session_id: str,
    condition: WatchedFor,
    given: SetWatch,
    database: CurrentDatabase,
    watches: CurrentWatches,
    me: CurrentDevice,
) -> Session:
    """Be told when this is so of the session. Set again it is the same one."""
    return database.write(lambda u: as_session(u.connection, watches.add(u, session_id, condition, given)))


@router.delete("/{condition}", name="unwatch")
def unwatch(
    session_id: str, condition: WatchedFor, database: CurrentDatabase, watches: CurrentWatches, me: CurrentDevice
) -> Session:
    """Not be told of it after all."""
    return database.write(lambda u: as_session(u.connection, watches.take_back(u, session_id, condition)))
