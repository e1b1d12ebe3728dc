"""Two open sessions of a project that change the same files: said early, before one of them has to be merged again.

What a session changes is what its files differ in from all that it has in common with the project and with the other one:
what both have brought in from elsewhere is no change of either.
"""

from collections.abc import Iterable
from typing import Final

import sqlalchemy as sa

from mainloop.db.engine import Row
from mainloop.errors import MainloopError, UnknownSession
from mainloop.events.unit import Database, UnitOfWork
from mainloop.projects.mirror import Mirror
from mainloop.projects.service import Projects
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

# Of each other session that may change the same: the files.
Near = dict[str, list[str]]


class Overlaps:
    """Who changes the same as whom, as of the ends of their last turns."""

    def __init__(self, database: Database, projects: Projects, moves: Moves) -> None:
        self._database = database
        self._projects = projects
        self._moves = moves

    def turn_kept(self, session: Row, head: str, tree: str) -> None:
        """A turn has left these files above a commit. Whom it meets in which is said once, and of new files again.

        git looks outside of any transaction: where another one has ended a turn meanwhile, it looks again. Raises GitFailed.
        """
        mirror = self._projects.keeps(session.project_id)
        mine = self._own(session, mirror, head, tree)
        is_said = False
        while not is_said:
            near = self._database.read(lambda c: _near(c, session, mine))
            meets = self._meets(mirror, head, tree, near)
            is_said = self._database.write(lambda unit, n=near, m=meets: self._say(unit, session, mine, n, m))

    def _own(self, session: Row, mirror: Mirror, head: str, tree: str) -> list[str]:
        """The files in which it differs from what it has in common with the project's branch."""
        try:
            project = mirror.newest_of(session.upstream or self._projects.branch(session.project_id)).commit
        except MainloopError:  # that branch is gone
            project = session.base
        return sorted(mirror.changed_since_common(head, tree, project))[:MOST]

    def _meets(self, mirror: Mirror, head: str, tree: str, near: Near) -> Near:
        """Of whom it may meet, whom it meets; without what both have in common from elsewhere."""
        found: Near = {}
        for other, paths in near.items():
            left = self._database.read(lambda c, ident=other: store.newest_kept_turn(c, ident))
            both = set(paths)
            if left is not None and left.head is not None:
                both &= mirror.changed_since_common(head, tree, left.head)
                both &= mirror.changed_since_common(left.head, left.tree, head)
            if both:
                found[other] = sorted(both)
        return found

    def _say(self, unit: UnitOfWork, session: Row, mine: list[str], near: Near, meets: Near) -> bool:
        """False: another one has changed something since it was looked at."""
        unit.alone(COMPARING)
        if _near(unit.connection, session, mine) != near:
            return False
        before = store.touched(unit.connection, session.id)
        said: Near = dict(before.said) if before is not None else {}
        turn = self._moves.body(unit.connection, session.id).turn
        for other in _strangers(unit.connection, session.id, session.project_id):
            both = set(meets.get(other.session_id, ()))
            known = {*said.get(other.session_id, ()), *other.said.get(session.id, ())}
            if both <= known:
                continue
            said[other.session_id] = sorted(known | both)
            text = f"It changes {_few(sorted(both))}, and so does {other.handle}."
            self._moves.notice(unit, session.id, "overlap", text, turn)
        store.set_touched(unit, session.id, project_id=session.project_id, paths=mine, said=said)
        return True

    def of(self, session_id: str) -> list[Overlap]:
        """Whom it meets now, and in which files. Raises UnknownSession."""
        session, row = self._database.read(lambda c: (store.find(c, session_id), store.touched(c, session_id)))
        if session is None:
            raise UnknownSession(id=session_id)
        left = self._database.read(lambda c: store.newest_kept_turn(c, session_id))
        if row is None or session.state in store.OVER or left is None or left.head is None:
            return []
        near = self._database.read(lambda c: _near(c, session, row.paths))
        meets = self._meets(self._projects.keeps(session.project_id), left.head, left.tree, near)
        others = {other.id: other for other in self._database.read(lambda c: store.some(c, list(meets)))}
        return [
            Overlap(
                session_id=ident,
                handle=others[ident].handle,
                title=others[ident].title,
                paths=both[:LISTED],
                more=max(0, len(both) - LISTED),
            )
            for ident, both in meets.items()
        ]


def _near(connection: sa.Connection, session: Row, mine: Iterable[str]) -> Near:
    """Whom it may meet: who has changed the same files, compared with the project."""
    paths = frozenset(mine)
    others = _strangers(connection, session.id, session.project_id)
    return {other.session_id: sorted(both) for other in others if (both := paths.intersection(other.paths))}


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
