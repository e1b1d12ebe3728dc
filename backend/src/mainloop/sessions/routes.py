"""Sessions over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from mainloop.access.service import CurrentDevice
from mainloop.errors import UnknownSession
from mainloop.http.context import CurrentDatabase
from mainloop.sessions import store
from mainloop.sessions.schemas import Reason, Session, StartSession
from mainloop.sessions.schemas import Sessions as SessionList
from mainloop.sessions.service import Sessions, Start
from mainloop_models.events import Anchor, SessionBody, SessionState

router = APIRouter(prefix="/api/sessions", tags=["sessions"])
MAIN = "main"


def _sessions(request: Request) -> Sessions:
    return request.app.state.parts.sessions


CurrentSessions = Annotated[Sessions, Depends(_sessions)]


@router.get("", name="list_sessions")
def list_sessions(
    database: CurrentDatabase,
    me: CurrentDevice,
    state: Annotated[SessionState | None, Query()] = None,
    text: Annotated[str, Query()] = "",
) -> SessionList:
    """Sessions, newest first; of one state, or with a text in title or handle."""
    found = database.read(lambda c: store.bodies(c, state=state, text=text))
    return SessionList(sessions=[_session(body) for body in found])


@router.post("", name="start_session", status_code=201)
def start_session(
    given: StartSession, database: CurrentDatabase, sessions: CurrentSessions, me: CurrentDevice, response: Response
) -> Session:
    """Start a session by hand. The same id and prompt again is the same session."""
    if database.read(lambda c: store.find(c, given.id)) is not None:
        response.status_code = 200
    start = Start(**given.model_dump())
    return _session(
        database.write(lambda unit: sessions.start(unit, start, anchor=Anchor(thread_id=MAIN), turn=0, depth=0))
    )


@router.get("/{session_id}", name="get_session")
def get_session(session_id: str, database: CurrentDatabase, me: CurrentDevice) -> Session:
    """One session."""
    body = database.read(lambda c: store.body(c, session_id))
    if body is None:
        raise UnknownSession(id=session_id)
    return _session(body)


@router.post("/{session_id}/cancel", name="cancel_session")
def cancel_session(
    session_id: str, given: Reason, database: CurrentDatabase, sessions: CurrentSessions, me: CurrentDevice
) -> Session:
    """Stop it now; its workspace stays."""
    return _session(database.write(lambda unit: sessions.cancel(unit, session_id, given.reason)))


@router.post("/{session_id}/close", name="close_session")
def close_session(
    session_id: str, given: Reason, database: CurrentDatabase, sessions: CurrentSessions, me: CurrentDevice
) -> Session:
    """Done with it."""
    return _session(database.write(lambda unit: sessions.close(unit, session_id, given.reason)))


@router.post("/{session_id}/park", name="park_session")
def park_session(session_id: str, database: CurrentDatabase, sessions: CurrentSessions, me: CurrentDevice) -> Session:
    """End its agent's process until it is needed again."""
    return _session(database.write(lambda unit: sessions.park(unit, session_id)))


@router.post("/{session_id}/resume", name="resume_session")
def resume_session(session_id: str, database: CurrentDatabase, sessions: CurrentSessions, me: CurrentDevice) -> Session:
    """Go on with it, whatever ended it."""
    return _session(database.write(lambda unit: sessions.resume(unit, session_id)))


def _session(body: SessionBody) -> Session:
    return Session.model_validate(body.model_dump())
