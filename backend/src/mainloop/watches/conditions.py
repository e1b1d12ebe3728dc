"""What a watch waits for, read from the session as it stands. Nothing here reads a clock or a database."""

from typing import Final

from mainloop.lines import brief
from mainloop_models.events import SessionBody, Watch
from mainloop_models.events import SessionState as S

_AT_REST: Final = frozenset({S.IDLE, S.IN_REVIEW})
# Nothing comes of it any more unless the person takes it up again.
OVER: Final = frozenset({S.FAILED, S.CANCELLED, S.DONE})
_DONE: Final = {"done": "is done", "partial": "has done a part of it", "blocked": "could not do it"}


def met(watch: Watch, session: SessionBody) -> bool:
    """Whether what it waits for is so now. That somebody asks (`asks`) is so while they do: an item says it."""
    change = session.change
    match watch.condition:
        case "done":
            return session.state in _AT_REST and session.turn > 0 and not session.queued
        case "green":
            newest = change.checks[0] if change is not None and change.checks else None
            return (
                change is not None
                and newest is not None
                and (newest.commit, newest.state) == (change.commit, "passed")
                and change.state != "closed"
            )
        case "merged":
            return change is not None and change.state == "merged"
        case "cost":
            return session.cost_usd is not None and session.cost_usd > (watch.above or 0)
        case "asks":
            return False


def sentence(watch: Watch, session: SessionBody) -> str:
    """What the person is told once it is so."""
    name, change = session.handle, session.change
    match watch.condition:
        case "done":
            result = session.result if session.result is not None and session.result.turn == session.turn else None
            said = "" if result is None else brief(result.text)
            how = "has stopped" if result is None else _DONE[result.outcome]
            return f"{name} {how}: {said}" if said else f"{name} {how}."
        case "green":
            return f"{name}: its tests pass."
        case "merged":
            if change is None:
                return f"{name} is merged."
            there = "already in" if change.came_by == "other_commits" else "merged into"
            return f"{name} is {there} {change.base}."
        case "cost":
            return f"{name} has cost more than ${watch.above:.2f}."
        case "asks":
            return f"{name} asks something."


def failed_sentence(watch: Watch, session: SessionBody) -> str:
    """What they are told where it can't become so any more."""
    wanted = {
        "done": "was done",
        "green": "was green",
        "merged": "was merged",
        "cost": f"cost ${watch.above or 0:.2f}",
        "asks": "asked",
    }
    return f"{session.handle} failed before it {wanted[watch.condition]}."
