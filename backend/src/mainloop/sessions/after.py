"""What becomes of a session that others wait for, as far as the database knows, and how that is said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from mainloop.db.engine import Row
from mainloop.sessions import store
from mainloop_models.events import After
from mainloop_models.events import SessionState as S


@dataclass(frozen=True)
class Lost:
    """It will not come by itself. `what`: why, as the end of a sentence that begins with its handle."""

    handle: str
    what: str

    @property
    def words(self) -> str:
        return f"{self.handle} {self.what}"


def fate_of(connection: sa.Connection, session: Row, one: After, unmerged: Mapping[str, bool]) -> After | Lost:
    """How a session that `session` begins after stands now; `waits` where that is open.

    `unmerged`: of closed ones that proposed nothing, whether they have commits; of one that is not in it, nobody knows yet.
    """
    other, change = store.find(connection, one.session_id), store.change_of(connection, one.session_id)
    assert other is not None
    if change is not None and change.state == "merged":
        mine = other.project_id == session.project_id
        merged = {"merged": change.merged, "into": change.base} if mine else {}
        return one.model_copy(update={"state": "merged", **merged})
    state = S(other.state)
    if state is S.FAILED:
        return _lost(other, "has failed")
    if state is S.CANCELLED:
        return _lost(other, "was cancelled")
    kept = store.newest_kept(connection, other.id)
    is_ending = (change is not None and change.state != "closed") or (kept is not None and kept.state == "keeping")
    if state is not S.DONE or is_ending:
        return one
    if change is not None:
        return _lost(other, "was closed, and its change was not merged")
    if other.project_id is None:
        return one.model_copy(update={"state": "closed"})
    if other.id not in unmerged:
        return one
    if unmerged[other.id]:
        return _lost(other, "was closed with commits that were not merged")
    return one.model_copy(update={"state": "closed"})


def _lost(other: Row, what: str) -> Lost:
    return Lost(other.handle, what)


def waiting_words(connection: sa.Connection, after: Sequence[After]) -> str:
    """For whom a session waits: "waits for otter's change to be merged and for heron to be closed"."""
    waiting = [one for one in after if one.state == "waits"]
    rows = {row.id: row for row in store.some(connection, [one.session_id for one in waiting])}
    merges = [one.handle for one in waiting if rows[one.session_id].project_id is not None]
    ends = [one.handle for one in waiting if rows[one.session_id].project_id is None]
    for_what = [f"for the changes of {listed(merges)} to be merged"] if len(merges) > 1 else []
    for_what += [f"for {merges[0]}'s change to be merged"] if len(merges) == 1 else []
    for_what += [f"for {listed(ends)} to be closed"] if ends else []
    return f"waits {' and '.join(for_what)}"


def listed(names: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
