"""What a session has changed, looked at when somebody asks."""

import re
import threading
from collections import OrderedDict
from typing import Final

from mainloop.changes.diff import EMPTY_TREE, Entry, Repository, UnknownContent
from mainloop.changes.schemas import ChangeCommit, ChangedFile, Diff, FileDiffs
from mainloop.db.engine import Row
from mainloop.errors import BadInput, MainloopError, UnknownSession
from mainloop.events.unit import Database
from mainloop.git import GitFailed
from mainloop.projects.mirror import Mirror
from mainloop.projects.service import Projects
from mainloop.sessions import store
from mainloop.sessions.kept_turns import TurnNotKept, UnknownTurn
from mainloop.workspaces.base import Looked, Workspaces, WorkspaceUnread

# Lists of files that are remembered by their version.
_REMEMBERED: Final = 32
_MOST_FILES: Final = 10_000
# Files whose lines are asked for at once.
MOST_AT_ONCE: Final = 50
_TURN: Final = re.compile("[0-9]{1,9}")
_OBJECT: Final = re.compile("[0-9a-f]{40}(?:[0-9a-f]{24})?")


class BaseGone(MainloopError):
    """The commit {base} that this session began with is gone from mainloop's mirror, so there is nothing to compare its \
work with. The files themselves are in its workspace."""

    status = 409
    code = "base_gone"


class VersionGone(MainloopError):
    """This version of the change can't be read any more: {why} Load it again."""

    status = 409
    code = "version_gone"


class Changes:
    """All changes of this installation. Nothing is computed before somebody looks."""

    def __init__(self, database: Database, projects: Projects, workspaces: Workspaces) -> None:
        self._database = database
        self._projects = projects
        self._workspaces = workspaces
        self._lists: OrderedDict[str, tuple[list[Entry], list[ChangedFile]]] = OrderedDict()
        # By session, where the newest look into its workspace can be read.
        self._looked: dict[str, Looked] = {}
        self._lock = threading.Lock()

    def diff(self, session_id: str, of: str, known: str) -> Diff:
        """The files that differ now; without them where `known` is the version. Raises BadInput, BaseGone, WorkspaceUnread."""
        session = self._session(session_id)
        if session.project_id and not session.base:
            return Diff(of=of, version="", live=False, files=[])
        mirror = self._projects.keeps(session.project_id)
        what, _, name = of.partition(":")
        fits = (what == "commit" and _OBJECT.fullmatch(name)) or (what == "turn" and _TURN.fullmatch(name))
        if of != "all" and not fits:
            raise BadInput(
                what=f"{of[:80]} is no part of a change. Ask for all, for turn: and its number, or for commit: and its "
                "whole id."
            )
        try:
            if what == "commit":
                repository, looked = Repository(mirror.path), None
                old, new = repository.parent(name), name
            elif what == "turn":
                repository, looked = Repository(mirror.with_kept), None
                old, new = self._turn(session, int(name))
            else:
                repository, looked, new = self._newest(session, mirror)
                old = session.base or EMPTY_TREE
            version = f"{old}-{new}"
            # Asked before its commits are read: what comes in between is told as coming.
            coming = bool(self._database.read(lambda c: store.turns_to_keep(c, session_id)))
            commits = self._commits(session, mirror)
            if version == known:
                return Diff(of=of, version=version, live=looked is not None, files=None, commits=commits, coming=coming)
            _, files = self._changed(repository, version)
        except (GitFailed, WorkspaceUnread) as error:
            if session.base and not _has(mirror, session.base):
                raise BaseGone(base=session.base[:12]) from error
            if isinstance(error, GitFailed):
                raise VersionGone(why=f"git says: {error.line}.") from error
            raise
        return Diff(
            of=of,
            version=version,
            live=looked is not None,
            files=files[:_MOST_FILES],
            more=max(0, len(files) - _MOST_FILES),
            count=len(files),
            added=sum(file.added or 0 for file in files),
            removed=sum(file.removed or 0 for file in files),
            commits=commits,
            coming=coming,
            unread=list(looked.unread) if looked else [],
        )

    def lines(self, session_id: str, version: str, ids: list[str]) -> FileDiffs:
        """The lines of some files of a version. Raises BadInput, VersionGone."""
        if len(ids) > MOST_AT_ONCE:
            raise BadInput(what=f"These are {len(ids)} files; ask for at most {MOST_AT_ONCE} at once.")
        session = self._session(session_id)
        old, _, new = version.partition("-")
        if not _OBJECT.fullmatch(old) or not _OBJECT.fullmatch(new):
            raise BadInput(what="This is no version of a change. Load the change, and take its `version`.")
        repository = self._repository(session, new)
        try:
            entries, _ = self._changed(repository, version)
            wanted = set(ids)
            return FileDiffs(files=list(repository.hunks(old, new, (e for e in entries if e.id in wanted))))
        except GitFailed as error:
            raise VersionGone(why=f"git says: {error.line}.") from error

    def content(self, session_id: str, oid: str) -> bytes:
        """A content that a list of files names, whole. Raises BadInput, UnknownContent, FileTooLarge."""
        if not _OBJECT.fullmatch(oid):
            raise BadInput(what="This names no content. Take `old` or `new` of a file of the change.")
        session = self._session(session_id)
        try:
            return self._repository(session).content(oid)
        except UnknownContent:  # it may be of an earlier turn
            return Repository(self._projects.keeps(session.project_id).with_kept).content(oid)

    # -- what is compared ----------------------------------------------------------------------------------------
    def _newest(self, session: Row, mirror: Mirror) -> tuple[Repository, Looked | None, str]:
        """Its files as they lie there now; where its workspace is gone, as they were kept; else its last commit."""
        looked = self._look(session, mirror)
        if looked is not None:
            return Repository(looked.repository, looked.behind), looked, looked.tree
        repository = Repository(mirror.with_kept)
        kept = self._database.read(lambda c: store.newest_kept(c, session.id))
        if kept is not None and mirror.has(session.id, kept.number):
            snapshot = mirror.kept(session.id, kept.number)
            return repository, None, Repository(snapshot.repository).tree(snapshot.ref)
        refs = mirror.session_refs(session.id)
        commit = refs.get(f"heads/{session.branch}") or refs.get("head") or session.base
        return repository, None, repository.tree(commit) if commit else EMPTY_TREE

    def _turn(self, session: Row, turn: int) -> tuple[str, str]:
        """What the turn before left and what it left itself. Raises UnknownTurn, TurnNotKept."""
        found = self._database.read(lambda c: store.kept_turn(c, session.id, turn))
        if found is None:
            newest = self._database.read(lambda c: store.kept_turns(c, session.id, 1))
            raise UnknownTurn(handle=session.handle, turn=turn, newest=newest[0].turn if newest else 0)
        if found.state != "kept":
            raise TurnNotKept(handle=session.handle, turn=turn, why=found.why or "it is just being kept. Look again.")
        before = self._database.read(lambda c: store.turn_before(c, session.id, turn))
        return before.tree if before else session.base or EMPTY_TREE, found.tree

    def _repository(self, session: Row, tree: str = "") -> Repository:
        """Where what was listed can be read: what lies beside a workspace finds what is in the mirror as well."""
        mirror = self._projects.keeps(session.project_id)
        if tree and self._database.read(lambda c: store.is_of_turn(c, session.id, tree)):
            return Repository(mirror.with_kept)
        looked = self._looked.get(session.id) or self._look(session, mirror)
        if looked is None or not looked.repository.is_dir():
            return Repository(mirror.with_kept)
        return Repository(looked.repository, looked.behind)

    def _look(self, session: Row, mirror: Mirror) -> Looked | None:
        looked = self._workspaces.look(session.id, mirror.path, session.base)
        if looked is None:
            self._looked.pop(session.id, None)
        else:
            self._looked[session.id] = looked
        return looked

    def _changed(self, repository: Repository, version: str) -> tuple[list[Entry], list[ChangedFile]]:
        with self._lock:
            if version in self._lists:
                self._lists.move_to_end(version)
                return self._lists[version]
        old, _, new = version.partition("-")
        found = repository.changed(old, new)
        with self._lock:
            self._lists[version] = found
            while len(self._lists) > _REMEMBERED:
                self._lists.popitem(last=False)
        return found

    def _commits(self, session: Row, mirror: Mirror) -> list[ChangeCommit]:
        refs = mirror.session_refs(session.id)
        head = refs.get(f"heads/{session.branch}") or refs.get("head")
        return Repository(mirror.path).commits(session.base, head) if head and session.base else []

    def _session(self, session_id: str) -> Row:
        row = self._database.read(lambda c: store.find(c, session_id))
        if row is None:
            raise UnknownSession(id=session_id)
        return row


def _has(mirror: Mirror, commit: str) -> bool:
    try:
        Repository(mirror.path).tree(commit)
    except GitFailed:
        return False
    return True
