"""Changes over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from mainloop.access.service import CurrentDevice
from mainloop.changes.by_hand import ByHand
from mainloop.changes.checks import ChangeChecks
from mainloop.changes.schemas import CheckLog, Diff, FileDiffs, GiveMerge, GiveReview, TakeOver
from mainloop.changes.service import Changes
from mainloop.changes.taking import Taken
from mainloop.http.inert import INERT
from mainloop.runs.attachments import type_of
from mainloop_models.events import Change

router = APIRouter(prefix="/api/sessions/{session_id}/diff", tags=["changes"])


async def _changes(request: Request) -> Changes:
    return request.app.state.parts.changes


CurrentChanges = Annotated[Changes, Depends(_changes)]


# Answered without being checked again: these were made from checked parts, and are large.
@router.get("", name="get_diff", response_model=Diff)
def get_diff(
    session_id: str,
    changes: CurrentChanges,
    me: CurrentDevice,
    of: Annotated[str, Query(description="`all`, `turn:` and its number, or `commit:` and its id")] = "all",
    known: Annotated[str, Query(description="a version: where it is still the newest, `files` is null")] = "",
) -> Response:
    """What a session has changed since it began, committed or not, file by file. Looks at its workspace now."""
    return _json(changes.diff(session_id, of, known))


@router.get("/lines", name="get_diff_lines", response_model=FileDiffs)
def get_diff_lines(
    session_id: str,
    changes: CurrentChanges,
    me: CurrentDevice,
    version: Annotated[str, Query()],
    file: Annotated[list[str], Query(description="ids of files, at most 50")],
) -> Response:
    """The lines of some files, in a version of the change."""
    return _json(changes.lines(session_id, version, file))


@router.get("/contents/{oid}", name="get_diff_content", response_class=Response)
def get_diff_content(session_id: str, oid: str, changes: CurrentChanges, me: CurrentDevice) -> Response:
    """A file as it was or is, by the name of its content. Opened by itself it is stored, never run or shown."""
    data = changes.content(session_id, oid)
    return Response(data, media_type=type_of(data), headers=INERT)


life_router = APIRouter(prefix="/api/sessions/{session_id}/change", tags=["changes"])


async def _by_hand(request: Request) -> ByHand:
    return request.app.state.parts.changes_by_hand


async def _checks(request: Request) -> ChangeChecks:
    return request.app.state.parts.checks


CurrentByHand = Annotated[ByHand, Depends(_by_hand)]
CurrentChecks = Annotated[ChangeChecks, Depends(_checks)]


@life_router.get("", name="get_change")
def get_change(session_id: str, by_hand: CurrentByHand, me: CurrentDevice) -> Change:
    """What a session wants to bring into its project, and what that waits for."""
    return by_hand.get(session_id)


@life_router.post("", name="propose_change")
def propose_change(session_id: str, by_hand: CurrentByHand, me: CurrentDevice) -> Change:
    """Propose what is committed now; where it is open already, with what has come since."""
    return by_hand.propose(session_id)


@life_router.post("/review", name="review_change")
def review_change(session_id: str, given: GiveReview, by_hand: CurrentByHand, me: CurrentDevice) -> Change:
    """Approve a commit, or send it back: what you write then goes to its agent. The same id again is the same word."""
    return by_hand.review(session_id, given)


@life_router.post("/merge", name="merge_change", status_code=202)
def merge_change(session_id: str, given: GiveMerge, by_hand: CurrentByHand, me: CurrentDevice) -> Change:
    """Merge it, if both sides still stand where they were looked at. How that ends is told by the session's events."""
    return by_hand.merge(session_id, given)


@life_router.post("/check", name="check_change")
def check_change(session_id: str, by_hand: CurrentByHand, me: CurrentDevice) -> Change:
    """Run the project's tests on the newest commit again."""
    return by_hand.check(session_id)


@life_router.delete("/check", name="stop_checking_change")
def stop_checking_change(session_id: str, by_hand: CurrentByHand, me: CurrentDevice) -> Change:
    """Stop its tests."""
    return by_hand.stop_checking(session_id)


@life_router.get("/checks/{check_id}/log", name="get_check_log")
def get_check_log(
    session_id: str,
    check_id: str,
    checks: CurrentChecks,
    me: CurrentDevice,
    after: Annotated[int, Query(ge=0, description="the byte to begin at")] = 0,
) -> CheckLog:
    """What its tests put out, as it comes; at most 256 KB at a time. Of very much only the beginning and the end."""
    return checks.read(session_id, check_id, after)


@life_router.post("/take-over", name="take_over_change")
def take_over_change(session_id: str, given: TakeOver, by_hand: CurrentByHand, me: CurrentDevice) -> Taken:
    """The session's branch stands in your own repository, checked out nowhere. One that is there only goes forward."""
    return by_hand.take_over(session_id, given.branch)


@life_router.post("/discard", name="discard_change")
def discard_change(session_id: str, by_hand: CurrentByHand, me: CurrentDevice) -> Change:
    """It will not be merged: its session is closed, its work is kept."""
    return by_hand.discard(session_id)


def _json(answer: Diff | FileDiffs) -> Response:
    return Response(answer.model_dump_json(), media_type="application/json")
