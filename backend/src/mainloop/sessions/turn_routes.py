"""The turns of a session over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from mainloop.access.service import CurrentDevice
from mainloop.http.context import CurrentDatabase
from mainloop.sessions import store
from mainloop.sessions.kept_turns import KeptTurns
from mainloop.sessions.schemas import BranchOff, OverlapList, Session, TurnList
from mainloop.sessions.service import as_session

overlaps_router = APIRouter(prefix="/api/sessions/{session_id}/overlaps", tags=["sessions"])
router = APIRouter(prefix="/api/sessions/{session_id}/turns", tags=["sessions"])


async def _turns(request: Request) -> KeptTurns:
    return request.app.state.parts.kept_turns


CurrentTurns = Annotated[KeptTurns, Depends(_turns)]


@overlaps_router.get("", name="list_overlaps")
def list_overlaps(session_id: str, turns: CurrentTurns, me: CurrentDevice) -> OverlapList:
    """The other open sessions of its project that change the same files, as of their last turns."""
    return OverlapList(overlaps=turns.overlaps.of(session_id))


@router.get("", name="list_turns")
def list_turns(session_id: str, database: CurrentDatabase, turns: CurrentTurns, me: CurrentDevice) -> TurnList:
    """The turns of a session that have ended, newest first, at most 500."""
    return TurnList(turns=database.read(lambda c: turns.all_of(c, session_id)))


@router.post("/{turn}/branch", name="branch_session", status_code=201)
def branch_session(
    session_id: str,
    turn: int,
    given: BranchOff,
    database: CurrentDatabase,
    turns: CurrentTurns,
    me: CurrentDevice,
    response: Response,
) -> Session:
    """Go back to the end of a turn: a new session begins with the files and the conversation as they were then."""
    if database.read(lambda c: store.find(c, given.id)) is not None:
        response.status_code = 200
    return database.write(lambda u: as_session(u.connection, turns.branch(u, session_id, turn, given.id)))
