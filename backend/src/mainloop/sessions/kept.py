"""Kept work of sessions: what there is, what is in it, and its way back into a folder of the person's."""

from pathlib import Path
from typing import Final

import sqlalchemy as sa

from mainloop.db.engine import Row
from mainloop.errors import MainloopError
from mainloop.projects.mirror import mirror_of
from mainloop.projects.restore import Restored, restore
from mainloop.sessions import store
from mainloop.sessions.schemas import KeptFile, KeptFiles, KeptSession

SHOWN: Final = 500


class NothingKept(MainloopError):
    """Nothing is kept of a session {name}. `mainloop restore` lists what is."""

    status = 404
    code = "nothing_kept"


class SeveralKept(MainloopError):
    """Several closed sessions are called {name}. Name one by its id: {ids}."""

    status = 409
    code = "several_kept"


def list_kept(connection: sa.Connection) -> list[KeptSession]:
    """The newest kept work of each session, newest first."""
    return [_as_kept(row) for row in store.all_kept(connection)]


def find_kept(connection: sa.Connection, name: str) -> Row:
    """The newest kept work of a session with this id or handle. Raises NothingKept, SeveralKept."""
    found = store.all_kept(connection, name)
    if not found:
        raise NothingKept(name=name)
    if len(found) > 1:
        raise SeveralKept(name=name, ids=", ".join(row.session_id for row in found))
    return found[0]


def files_of(mirrors: Path, row: Row) -> KeptFiles:
    """What is in it, file by file."""
    changes = mirror_of(mirrors, row.project_id).kept(row.session_id, row.number).changes()
    files = [KeptFile(path=c.path, status=c.status, added=c.added, removed=c.removed) for c in changes[:SHOWN]]
    return KeptFiles(**_as_kept(row).model_dump(exclude={"files"}), files=files, more=max(0, len(changes) - SHOWN))


def bring_back(mirrors: Path, row: Row, folder: Path) -> Restored:
    """Kept work in a new or empty folder. Raises FolderTaken, NotRestored."""
    return restore(mirror_of(mirrors, row.project_id), row.session_id, row.number, folder, row.source)


def _as_kept(row: Row) -> KeptSession:
    return KeptSession.model_validate({name: getattr(row, name) for name in KeptSession.model_fields})
