"""Two open sessions of a project that change the same files: said early, before one of them has to be merged again."""

from collections.abc import Iterable
from typing import Final

import sqlalchemy as sa

from mainloop.db.engine import Row
from mainloop.errors import UnknownSession
from mainloop.events.unit import UnitOfWork
from mainloop.runs import store as runs_store
from mainloop.sessions import store
from mainloop.sessions.moves import Moves
from mainloop.sessions.schemas import Overlap

# Of a session that changes more than this, these are compared.
MOST: Final = 5000
# Files that are named at once.
NAMED: Final = 3
LISTED: Final = 50
# Two of a project that end a turn at the same time are compared one after the other.
COMPARING: Final = 0x6D6C6F76


class Overlaps:
    def __init__(self, moves: Moves) -> None:
        self._moves = moves

    def has_changed(self, unit: UnitOfWork, session_id: str, paths: list[str]) -> None:
        """What a session has changed by now. Whom it meets in which file is said once, and of new files again."""
        unit.alone(COMPARING)
        session, before = store.find(unit.connection, session_id), store.touched(unit.connection, session_id)
        if session is None or session.project_id is None:
            return
        mine = frozenset(paths[:MOST])
        said: dict[str, list[str]] = dict(before.said) if before is not None else {}
        turn = self._moves.body(unit.connection, session_id).turn
        for other in _strangers(unit.connection, session_id, session.project_id):
            both = mine.intersection(other.paths)
            known = {*said.get(other.session_id, ()), *other.said.get(session_id, ())}
            if both <= known:
                continue
            said[other.session_id] = sorted(known | both)
            text = f"It changes {_few(sorted(both))}, and so does {other.handle}."
            self._moves.notice(unit, session_id, "overlap", text, turn)
        store.set_touched(unit, session_id, project_id=session.project_id, paths=sorted(mine), said=said)

    @staticmethod
    def of(connection: sa.Connection, session_id: str) -> list[Overlap]:
        """Whom it meets now, and in which files. Raises UnknownSession."""
        session, row = store.find(connection, session_id), store.touched(connection, session_id)
        if session is None:
            raise UnknownSession(id=session_id)
        if row is None or session.state in store.OVER:
            return []
        found: list[Overlap] = []
        for other in _strangers(connection, session_id, row.project_id):
            both = sorted(set(row.paths).intersection(other.paths))
            if both:
                found.append(
                    Overlap(
                        session_id=other.session_id,
                        handle=other.handle,
                        title=other.title,
                        paths=both[:LISTED],
                        more=max(0, len(both) - LISTED),
                    )
                )
        return found


def _strangers(connection: sa.Connection, session_id: str, project_id: str) -> list[Row]:
    """The other open ones. Those that branched off each other change the same by their nature."""
    root = _root(connection, session_id)
    others = store.touched_beside(connection, session_id, project_id)
    return [other for other in others if _root(connection, other.session_id) != root]


def _root(connection: sa.Connection, session_id: str) -> str:
    fork = runs_store.agent(connection, session_id).fork
    return _root(connection, fork["session_id"]) if fork else session_id


def _few(paths: Iterable[str]) -> str:
    names = list(paths)
    rest = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {rest} more" if rest > 0 else "")
