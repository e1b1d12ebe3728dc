"""The states of a session and the one table of what may follow what."""

from typing import Final

from mainloop.errors import NotAllowedNow
from mainloop_models.events import SessionState as S

ALLOWED: Final[dict[S, frozenset[S]]] = {
    S.STARTING: frozenset({S.WORKING, S.WAITING, S.IDLE, S.IN_REVIEW, S.FAILED, S.CANCELLED, S.DONE}),
    S.WORKING: frozenset({S.WAITING, S.IDLE, S.IN_REVIEW, S.FAILED, S.CANCELLED}),
    S.WAITING: frozenset({S.WORKING, S.STARTING, S.IDLE, S.IN_REVIEW, S.FAILED, S.CANCELLED, S.DONE}),
    S.IDLE: frozenset({S.STARTING, S.WORKING, S.IN_REVIEW, S.DONE, S.FAILED, S.CANCELLED}),
    S.IN_REVIEW: frozenset({S.STARTING, S.WORKING, S.IDLE, S.DONE, S.FAILED, S.CANCELLED}),
    S.FAILED: frozenset({S.STARTING, S.DONE}),
    S.CANCELLED: frozenset({S.STARTING, S.DONE}),
    S.DONE: frozenset({S.STARTING}),
}
OVER: Final = frozenset({S.FAILED, S.CANCELLED, S.DONE})


def check_move(old: S, new: S) -> None:
    """Raises NotAllowedNow where the table has no such move."""
    if new not in ALLOWED[old]:
        raise NotAllowedNow(what=f"A session that is {old.value.replace('_', ' ')} can't become {new.value}.")
