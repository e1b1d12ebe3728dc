"""Sessions over HTTP."""

from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Query, Request, Response

from mainloop.access.service import CurrentDevice
from mainloop.errors import UnknownSession
from mainloop.events.unit import UnitOfWork
from mainloop.http.context import CurrentDatabase
from mainloop.runs import store as runs_store
from mainloop.sessions import store
from mainloop.sessions.kept import files_of, find_kept, list_kept
from mainloop.sessions.order import Order, named
from mainloop.sessions.schemas import (
    GiveOrder,
    KeptFiles,
    KeptList,
    ProcessesOf,
    ProcessOf,
    Reason,
    RunnerOf,
    RunnersOf,
    Session,
    StartSession,
)
from mainloop.sessions.schemas import Sessions as SessionList
from mainloop.sessions.service import Sessions, Start, as_session
from mainloop_models.events import Anchor, SessionBody, SessionState

router = APIRouter(prefix="/api/sessions", tags=["sessions"])
kept_router = APIRouter(prefix="/api/kept", tags=["sessions"])
MAIN = "main"


async def _sessions(request: Request) -> Sessions:
    return request.app.state.parts.sessions


CurrentSessions = Annotated[Sessions, Depends(_sessions)]


# Answered without being checked again: it was made from checked parts, and is large.
@router.get("", name="list_sessions", response_model=SessionList)
def list_sessions(
    database: CurrentDatabase,
    me: CurrentDevice,
    state: Annotated[SessionState | None, Query()] = None,
    text: Annotated[str, Query()] = "",
) -> Response:
    """Sessions, newest first; of one state, or with a text in title or handle."""
    sessions = database.read(lambda c: [as_session(c, body) for body in store.bodies(c, state=state, text=text)])
    return Response(SessionList.model_construct(sessions=sessions).model_dump_json(), media_type="application/json")


@router.post("", name="start_session", status_code=201)
def start_session(
    given: StartSession, database: CurrentDatabase, sessions: CurrentSessions, me: CurrentDevice, response: Response
) -> Session:
    """Start a session by hand. The same id and prompt again is the same session."""
    if database.read(lambda c: store.find(c, given.id)) is not None:
        response.status_code = 200

    def act(unit: UnitOfWork) -> Session:
        start = Start(**given.model_dump(exclude={"after"}), after=named(unit.connection, given.after or []))
        return _session(unit, sessions.start(unit, start, anchor=Anchor(thread_id=MAIN), turn=0, depth=0))

    return database.write(act)


@router.get("/{session_id}", name="get_session")
def get_session(session_id: str, database: CurrentDatabase, me: CurrentDevice) -> Session:
    """One session."""

    def look(connection: sa.Connection) -> Session:
        body = store.body(connection, session_id)
        if body is None:
            raise UnknownSession(id=session_id)
        return as_session(connection, body)

    return database.read(look)


@router.put("/{session_id}/after", name="set_order")
def set_order(
    session_id: str, given: GiveOrder, request: Request, database: CurrentDatabase, me: CurrentDevice
) -> Session:
    """After whom it begins, as long as it has not begun; after nobody: it begins now."""
    order: Order = request.app.state.parts.order
    return database.write(lambda unit: _session(unit, order.set(unit, session_id, given.after)))


@router.post("/{session_id}/cancel", name="cancel_session")
def cancel_session(
    session_id: str, given: Reason, database: CurrentDatabase, sessions: CurrentSessions, me: CurrentDevice
) -> Session:
    """Stop it now; its workspace stays."""
    return database.write(lambda unit: _session(unit, sessions.cancel(unit, session_id, given.reason)))


@router.post("/{session_id}/close", name="close_session")
def close_session(
    session_id: str, given: Reason, database: CurrentDatabase, sessions: CurrentSessions, me: CurrentDevice
) -> Session:
    """Done with it: its work is kept, then its workspace goes. Again, where that failed: another try."""
    return database.write(lambda unit: _session(unit, sessions.close(unit, session_id, given.reason)))


@router.post("/{session_id}/park", name="park_session")
def park_session(session_id: str, database: CurrentDatabase, sessions: CurrentSessions, me: CurrentDevice) -> Session:
    """End its agent's process until it is needed again."""
    return database.write(lambda unit: _session(unit, sessions.park(unit, session_id)))


@router.post("/{session_id}/resume", name="resume_session")
def resume_session(session_id: str, database: CurrentDatabase, sessions: CurrentSessions, me: CurrentDevice) -> Session:
    """Go on with it, whatever ended it. The workspace of a closed one is put back first."""
    return database.write(lambda unit: _session(unit, sessions.resume(unit, session_id)))


@router.get("/{session_id}/runs", name="list_runs")
def list_runs(session_id: str, database: CurrentDatabase, me: CurrentDevice) -> RunnersOf:
    """Its runners: which lives, on which build and machine, and how earlier ones ended."""

    def look(connection: sa.Connection) -> RunnersOf:
        if store.find(connection, session_id) is None:
            raise UnknownSession(id=session_id)
        rows = runs_store.last_runs(connection, session_id, 20)
        return RunnersOf(runs=[RunnerOf.model_validate(row, from_attributes=True) for row in rows])

    return database.read(look)


@router.get("/{session_id}/processes", name="list_processes")
def list_processes(session_id: str, request: Request, database: CurrentDatabase, me: CurrentDevice) -> ProcessesOf:
    """What its agent has running now, itself included, where the workspace can tell."""
    if database.read(lambda connection: store.find(connection, session_id)) is None:
        raise UnknownSession(id=session_id)
    found = request.app.state.parts.workspaces.processes(session_id)
    if found is None:
        return ProcessesOf(processes=None)
    return ProcessesOf(processes=[ProcessOf.model_validate(process, from_attributes=True) for process in found])


@router.get("/{session_id}/kept", name="get_kept")
def get_kept(session_id: str, request: Request, database: CurrentDatabase, me: CurrentDevice) -> KeptFiles:
    """What was kept when it was closed and is not committed, file by file."""
    row = database.read(lambda c: find_kept(c, session_id))
    return files_of(request.app.state.parts.projects.mirrors, row)


@kept_router.get("", name="list_kept")
def get_all_kept(database: CurrentDatabase, me: CurrentDevice) -> KeptList:
    """The newest kept work of every closed session, newest first."""
    return KeptList(kept=database.read(list_kept))


def _session(unit: UnitOfWork, body: SessionBody) -> Session:
    return as_session(unit.connection, body)
