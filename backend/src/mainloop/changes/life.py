"""The life of a change: proposed, updated, reviewed, merged, over.

What a forge knows is the truth; the row says what was seen of it, and what is to be done. Everything that goes on by
itself is one phase, `see_to`, which looks at both and does the next thing: it may be repeated at any time, and is after a
server was killed.
"""

import logging
import uuid
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from mainloop import plugins
from mainloop.changes import policy, store
from mainloop.changes.checks import ChangeChecks
from mainloop.changes.diff import Repository
from mainloop.changes.telling import as_change, became_words, conflict_words, merged_words, named, red_words
from mainloop.db.engine import Row
from mainloop.errors import MainloopError, UnknownSession
from mainloop.events.unit import UnitOfWork
from mainloop.forges.base import (
    BaseMoved,
    BranchGone,
    Forge,
    ForgeUnreachable,
    How,
    MergeConflicts,
    NotHandedOver,
    NothingToMerge,
    Place,
    Proposal,
    Reach,
    Request,
    RequestMoved,
    Review,
)
from mainloop.git import GitFailed
from mainloop.inbox import store as inbox_store
from mainloop.inbox.service import Inbox
from mainloop.projects import store as projects_store
from mainloop.projects.schemas import ProjectSettings
from mainloop.projects.service import Projects
from mainloop.runs import mailbox
from mainloop.runs import store as runs_store
from mainloop.runs.service import Runs
from mainloop.sessions import store as sessions_store
from mainloop.sessions.moves import Moves
from mainloop.sessions.service import Sessions
from mainloop.sessions.states import OVER
from mainloop_models.asks import Decision
from mainloop_models.events import Change, ChangeCheck, ItemBody, NoticeItem, SessionBody
from mainloop_models.events import SessionState as S

log = logging.getLogger(__name__)

SEE_TO: Final = "see_to_change"
_ITEM: Final = "change-"
# Characters of a report that become the text of a request, and with it of a commit.
_LONGEST_TEXT: Final = 20_000
_AT_REST: Final = frozenset({S.IDLE, S.IN_REVIEW})


class UnknownChange(MainloopError):
    """This session has no change. It has one when its branch has commits that the project's branch has not."""

    status = 404
    code = "unknown_change"


@dataclass(frozen=True)
class Case:
    """A session and its newest change, as they stand in a transaction."""

    session: Row
    row: Row
    settings: ProjectSettings

    @property
    def id(self) -> str:
        return str(self.session.id)

    @property
    def at_rest(self) -> bool:
        return S(self.session.state) in _AT_REST


class Life:
    """All changes of this installation, from the proposal to the end."""

    def __init__(
        self,
        runs: Runs,
        inbox: Inbox,
        projects: Projects,
        sessions: Sessions,
        moves: Moves,
        checks: ChangeChecks,
        forge: str = "local",
    ) -> None:
        self._runs = runs
        self._database = runs.database
        self._inbox = inbox
        self._projects = projects
        self._sessions = sessions
        self._moves = moves
        self._checks = checks
        self.forge = forge

    def register(self) -> None:
        """Take part in what happens to sessions, and register the phase."""
        self._runs.phases.define(SEE_TO, self.see_to, self._give_up)
        self._sessions.on_saved(self.look_again)
        self._sessions.on_closed(self._session_closed)
        self._inbox.on_done(self._item_done)
        self._projects.on_moved(self._look_at_all)
        self._checks.on_moved(self.checked)

    # -- what goes on by itself ----------------------------------------------------------------------------------
    def see_to(self, session_id: str) -> None:
        """The next thing that is to be done about a session's change, if there is one."""
        session, row = self._database.read(lambda c: (sessions_store.find(c, session_id), store.find(c, session_id)))
        if session is None or session.project_id is None or session.branch is None:
            return
        try:
            if row is not None and row.state in store.OPEN:
                self.follow(session, row)
            elif self._is_ready(session, row):
                with suppress(NothingToMerge):
                    self.propose(session, row)
        except ForgeUnreachable:
            raise  # tried again
        except MainloopError as error:
            sentence = error.sentence
            self._database.write(lambda unit: self._trouble(unit, session_id, sentence))

    def _give_up(self, session_id: str, error: Exception) -> None:
        words = error.sentence if isinstance(error, MainloopError) else f"The change could not be seen to: {error}"
        self._database.write(lambda unit: self._trouble(unit, session_id, words))

    def look_again(self, unit: UnitOfWork, session_id: str) -> None:
        """Something may have happened to its change."""
        self._runs.phases.enqueue(unit, SEE_TO, session_id, uuid.uuid4().hex[:8])

    def _look_at_all(self, unit: UnitOfWork, project_id: str) -> None:
        """A branch of the project has moved."""
        for row in store.open_of_project(unit.connection, project_id):
            self.look_again(unit, row.session_id)

    def _session_closed(self, unit: UnitOfWork, session_id: str) -> None:
        if sessions_store.has_open_change(unit.connection, session_id):
            self.look_again(unit, session_id)

    def _is_ready(self, session: Row, row: Row | None) -> bool:
        """Whether its last turn ended well, with commits that were not proposed yet."""
        agent = self._database.read(lambda c: runs_store.agent(c, session.id))
        result = _result(session)
        if S(session.state) in OVER or agent.working or result.get("turn") != agent.turn:
            return False
        commit = self._commit(session)
        known = None if row is None else row.body["commit"]
        return result.get("outcome") == "done" and commit not in (None, session.base, known)

    def propose(self, session: Row, row: Row | None, *, pressed: bool = False) -> None:
        """`pressed`: by the person. Raises what `Forge.open` raises."""
        nth = 1 if row is None else row.nth + 1
        commit = self._commit(session)
        self._fetch(session.project_id)
        now_is = self._projects.branch(session.project_id)
        base = session.upstream or now_is
        if commit is None:
            raise NothingToMerge(base=base)
        forge = self.forge_of(session.project_id)
        proposal = Proposal(
            key=session.id if nth == 1 else f"{session.id}-{nth}",
            branch=session.branch,
            commit=commit,
            base=base,
            title=session.title,
            text=self._report(session)[:_LONGEST_TEXT],
        )
        try:
            request = forge.open(proposal)
        except BranchGone:
            # It was renamed, or deleted: into the branch that the project has now.
            request = forge.open(proposal.model_copy(update={"base": now_is}))
        if request.state == "open" and request.commit != commit:
            request = forge.update(request.number, commit=commit)
        self.saw(session, request, nth=nth, pressed=pressed)

    def follow(self, session: Row, row: Row, *, pressed: bool = False) -> None:
        """It is open: what has happened to it since."""
        forge = self.forge_of(session.project_id)
        known = Change.model_validate(row.body)
        if row.state == "merging":
            return self._merge(session, row, known, forge)
        request = forge.look(known.number)
        if request.state == "open" and S(session.state) is S.DONE:
            request = forge.close(known.number)
        elif request.state == "open":
            request = self._renewed(session, forge, request)
        self.saw(session, request, pressed=pressed)

    def _renewed(self, session: Row, forge: Forge, request: Request) -> Request:
        """With the session's newest commits; and where its base is gone, into the branch that the project has now."""
        commit = self._commit(session) or request.commit
        base = self._projects.branch(session.project_id) if request.base_commit is None else request.base
        if (commit, base) == (request.commit, request.base):
            return request
        return forge.update(request.number, commit=commit, base=base)

    # -- merging -------------------------------------------------------------------------------------------------
    def _merge(self, session: Row, row: Row, known: Change, forge: Forge) -> None:
        """Merged once, or not: the forge knows which, however often this begins anew."""
        wish = row.merge
        self._fetch(session.project_id)
        try:
            approval = None
            if wish["review"]:
                approval = Review(id=wish["review"], author=self.person, verdict="approved", commit=wish["commit"])
            seen = {"commit": wish["commit"], "base_commit": wish["base_commit"]}
            request = forge.merge(known.number, wish["how"], **seen, approval=approval)
        except ForgeUnreachable:
            raise
        except MainloopError as error:
            request = forge.look(known.number)
            if request.state != "merged":
                return self.saw(session, request, refused=error)
        handed = self._hand_over(forge, known.base, self._projects.settings(session.project_id).merge.reach)
        self.saw(session, request, handed_over=handed)

    def _fetch(self, project_id: str) -> None:
        """What the project has now counts; where it can't be reached, what it had."""
        with suppress(MainloopError):
            self._projects.refresh(project_id)

    def _hand_over(self, forge: Forge, branch: str, reach: Reach) -> str:
        """What came of it in the person's own folder, in a sentence."""
        try:
            commit = forge.hand_over(branch, reach)
        except NotHandedOver as error:
            return error.sentence
        return f"Your own branch {branch} stands at {commit[:12]} now." if commit else ""

    def begin_merge(self, unit: UnitOfWork, case: Case, body: Change, how: How, review: str | None) -> None:
        """It is being merged from now on. `review`: under which id the person's word for it is an approval."""
        wish = {"how": how, "commit": body.commit, "base_commit": body.base_commit, "review": review}
        body = _renewed(body, case.settings, unit, state="merging", how=how, problem="")
        store.became(unit, case.id, body, merge=wish)
        self.look_again(unit, case.id)

    # -- what was seen -------------------------------------------------------------------------------------------
    def saw(self, session: Row, request: Request, **more: Any) -> None:
        """What a forge has just said of a request, and what follows from it. `more`: see `_became`."""
        size = self._size(session, request)
        came_by = "merge"
        if request.merged is not None and not request.merged_here:
            has_all = self._projects.mirror(session.project_id).has_all_of(request.merged, request.commit)
            came_by = "hand" if has_all else "other_commits"
        self._database.write(lambda unit: self._became(unit, session.id, request, size, came_by, **more))

    def _became(
        self,
        unit: UnitOfWork,
        session_id: str,
        request: Request,
        size: dict[str, int],
        came_by: str,
        *,
        nth: int | None = None,
        refused: MainloopError | None = None,
        handed_over: str = "",
        pressed: bool = False,
    ) -> None:
        """What a forge says is written down, and what follows from it is done, or asked for."""
        runs_store.lock(unit, session_id)
        row = store.find(unit.connection, session_id)
        session = sessions_store.find(unit.connection, session_id)
        assert session is not None
        before = self._moves.body(unit.connection, session_id)
        settings = self.settings_of(unit.connection, session.project_id)
        is_new = row is None or (nth is not None and nth != row.nth)
        if not is_new and row is not None and (row.state not in store.OPEN or row.body["number"] != request.number):
            return  # somebody else was here before
        known = None if is_new or row is None else Change.model_validate(row.body)
        body = as_change(request, settings.merge, known, unit.now)
        if known is not None and known.state == "merging" and request.state == "open" and refused is None:
            body = body.model_copy(update={"state": "merging"})
        still = row is not None and known is not None and row.done == _tried("merge", body)
        problem = known.problem if known is not None and still else ""
        if refused is not None and not isinstance(refused, MergeConflicts):
            problem = refused.sentence
        by_hand = row is not None and row.merge is not None and row.merge["review"] is not None
        said = {**size, "problem": problem, "came_by": came_by, "handed_over": handed_over}
        body = _renewed(body, settings, unit, **said, checks=self._test(unit, session_id, body, settings))
        if is_new:
            store.begin(unit, session_id, session.project_id, nth or 1, body)
        elif (row is not None and row.merge is not None) or not _same(body, known):
            store.became(unit, session_id, body, **({} if body.state == "merging" else {"merge": None}))
        if pressed:
            self.pressed(unit, session_id)
        if by_hand and isinstance(refused, BaseMoved | RequestMoved):
            # The person wanted what they saw: now they look again, and nothing goes on without them.
            store.update(unit, session_id, done=_tried("merge", body))
        row = store.find(unit.connection, session_id)
        assert row is not None
        case = Case(session, row, settings)
        if refused is not None and not isinstance(refused, MergeConflicts | BaseMoved | RequestMoved):
            store.update(unit, session_id, done=_tried("merge", body))
            self._tell_person(unit, case, refused.sentence, "It could not be merged.")
        else:
            self._go_on(unit, case, body)
        # A look that finds nothing new tells nobody.
        if not _same(self._moves.body(unit.connection, session_id), before):
            self._moves.say(unit, session_id)

    def _go_on(self, unit: UnitOfWork, case: Case, body: Change) -> None:
        if body.state not in store.OPEN:
            self._moves.let_others_look(unit, case.id)
        if body.state == "merged":
            return self._merged(unit, case, body)
        rests = S.IN_REVIEW if body.state in store.OPEN else S.IDLE
        if case.at_rest and S(case.session.state) is not rests:
            self._moves.rest(unit, case.id)
        if body.state != "open":
            return self.settled(unit, case.id, f"The change is {body.state}.")
        if body.conflicts:
            return self._repair(unit, case, "conflict", body, conflict_words(body, case.settings.merge))
        tests = policy.tests_of(body, case.settings)
        check = policy.check_of(body)
        if tests == "failed" and check is not None:
            words = red_words(check, case.settings.test)
            return self._repair(unit, case, f"red-{check.id}", body, words)
        if not body.problem:
            self.settled(unit, case.id, "It is settled.")
        if tests in ("none", "passed") and case.row.repairs:
            store.update(unit, case.id, repairs=0)
        ready = policy.may_merge(body, case.settings) and case.row.done != _tried("merge", body)
        if ready and self._has_come(unit, case) and self._is_whole(unit, case):
            self.begin_merge(unit, case, body, case.settings.merge.how, None)

    def _has_come(self, unit: UnitOfWork, case: Case) -> bool:
        """Whether its turn is over, and what it left is here: else newer commits are on their way, and the next look with them."""
        return case.at_rest and not sessions_store.turns_to_keep(unit.connection, case.id)

    def _is_whole(self, unit: UnitOfWork, case: Case) -> bool:
        """Whether its last turn ended well, or the person has said since that it is enough."""
        turn, result = runs_store.agent(unit.connection, case.id).turn, _result(case.session)
        return case.row.pressed >= turn or (result.get("turn"), result.get("outcome")) == (turn, "done")

    def pressed(self, unit: UnitOfWork, session_id: str) -> None:
        """The person proposed, approved or tried again: what its last turn left is enough, however that ended."""
        agent = runs_store.agent(unit.connection, session_id)
        if not agent.working:
            store.update(unit, session_id, pressed=agent.turn)

    def _test(self, unit: UnitOfWork, session_id: str, body: Change, settings: ProjectSettings) -> list[ChangeCheck]:
        """Its newest commit is tested, where the project has a test and nothing else is in the way; older ones are not."""
        is_open = body.state in store.OPEN
        self._checks.stop(unit, session_id, but=body.commit if is_open else "")
        checks = store.checks_of(unit.connection, session_id)
        tests = policy.tests_of(body.model_copy(update={"checks": checks}), settings)
        if is_open and tests == "missing" and not body.conflicts:
            self._checks.want(unit, session_id, body.commit)
            checks = store.checks_of(unit.connection, session_id)
        return checks

    def checked(self, unit: UnitOfWork, session_id: str) -> None:
        """Its tests have begun or ended."""
        runs_store.lock(unit, session_id)
        row, session = store.find(unit.connection, session_id), sessions_store.find(unit.connection, session_id)
        if row is None or session is None:
            return
        settings = self.settings_of(unit.connection, session.project_id)
        checks = store.checks_of(unit.connection, session_id)
        body = _renewed(Change.model_validate(row.body), settings, unit, checks=checks)
        store.became(unit, session_id, body)
        self._moves.say(unit, session_id)
        if row.state in store.OPEN:
            self.look_again(unit, session_id)

    def _merged(self, unit: UnitOfWork, case: Case, body: Change) -> None:
        """What was done is told where it was asked for; its session is over, and the other changes are looked at anew."""
        session = case.session
        self._look_at_all(unit, session.project_id)
        mailbox.note(unit, case.id, f"merged-{case.id}-{case.row.nth}", merged_words(body))
        became, how = became_words(body, 7)
        said = became[0].upper() + became[1:]
        if session.parent is not None:
            words = f'The change of session "{session.handle}" (id {case.id}) is {became} ({how}).'
            more = f" {body.handed_over}" if body.came_by == "merge" and body.handed_over else ""
            mailbox.note(unit, session.parent, f"merged-{case.id}-{case.row.nth}-told", words + more)
        told = f"{said} ({how}): {_result(session).get('text') or body.title}"
        agent = runs_store.agent(unit.connection, case.id)
        if agent.working or S(session.state) in (S.WORKING, S.STARTING):
            self._moves.notice(unit, case.id, "done", told, 0)
        else:
            self._sessions.close(unit, case.id, f"{said}.", told)

    # -- what goes wrong -----------------------------------------------------------------------------------------
    def _repair(self, unit: UnitOfWork, case: Case, what: str, body: Change, words: str) -> None:
        """Its agent is told, as often as the person wants; then the person is."""
        done = f"{_tried(what, body)}-{runs_store.agent(unit.connection, case.id).turn}"
        if not self._has_come(unit, case) or case.row.done == done:
            return
        store.update(unit, case.id, done=done)
        if case.row.repairs >= case.settings.merge.repairs:
            hint = "Retry lets its agent try again."
            if body.conflicts:
                title = f"It conflicts with {body.base} in {named(body.conflicts)}."
                return self._tell_person(unit, case, title, title, hint)
            title = f"Its tests fail on {body.commit[:7]}."
            check = policy.check_of(body)
            assert check is not None
            return self._tell_person(unit, case, f"{title}\n\n{check.excerpt}", title, hint)
        store.update(unit, case.id, repairs=case.row.repairs + 1)
        self.settled(unit, case.id, "Its agent is at it.")
        mailbox.post(unit, case.id, mailbox.Letter(id=str(uuid.uuid4()), text=words, role="system"))
        self._runs.take_up(unit, case.id)

    def _trouble(self, unit: UnitOfWork, session_id: str, sentence: str) -> None:
        """What nobody here can mend: said on the change and in the inbox."""
        runs_store.lock(unit, session_id)
        row, session = store.find(unit.connection, session_id), sessions_store.find(unit.connection, session_id)
        if session is None:
            return
        settings = self.settings_of(unit.connection, session.project_id)
        if row is None or row.state not in store.OPEN:
            log.warning("The change of %s was not proposed: %s", session_id, sentence)
            return
        body = Change.model_validate(row.body)
        body = _renewed(body, settings, unit, state="open", problem=sentence)
        store.became(unit, session_id, body, merge=None, done=_tried("merge", body))
        self._moves.say(unit, session_id)
        self._tell_person(unit, Case(session, row, settings), sentence, sentence)

    def _tell_person(self, unit: UnitOfWork, case: Case, text: str, title: str, hint: str = "") -> None:
        turn = runs_store.agent(unit.connection, case.id).turn
        known = [ident for ident in inbox_store.open_in(unit.connection, case.id) if ident.startswith(_ITEM)]
        item = ItemBody(
            id=known[0] if known else f"{_ITEM}{uuid.uuid4()}",
            kind="failure",
            thread_id=case.id,
            session_id=case.id,
            title=title[:200],
            notice=NoticeItem(
                kind="failure", text=text, hint=hint or "Mend it, then try again.", decisions=["retry", "dismiss"]
            ),
            turn=turn,
            opened_at=unit.now,
        )
        if known:
            self._inbox.renew(unit, item)
        else:
            self._inbox.open(unit, item)

    def settled(self, unit: UnitOfWork, session_id: str, why: str) -> None:
        """What was said of it in the inbox is over."""
        for ident in inbox_store.open_in(unit.connection, session_id):
            if ident.startswith(_ITEM):
                self._inbox.close(unit, session_id, ident, why)

    def _item_done(self, unit: UnitOfWork, item: ItemBody) -> None:
        if item.id.startswith(_ITEM) and item.answer is not None and item.answer.decision is Decision.RETRY:
            store.update(unit, item.thread_id, done="", repairs=0)
            self.pressed(unit, item.thread_id)
            self.look_again(unit, item.thread_id)

    # -- looking -------------------------------------------------------------------------------------------------
    def known(self, connection: sa.Connection, session_id: str) -> tuple[Row, Change]:
        """A session and its newest change. Raises UnknownSession, UnknownChange."""
        session, row = sessions_store.find(connection, session_id), store.find(connection, session_id)
        if session is None:
            raise UnknownSession(id=session_id)
        if row is None:
            raise UnknownChange
        return session, Change.model_validate(row.body)

    def forge_of(self, project_id: str) -> Forge:
        """Where the changes of a project are merged."""
        row = self._database.read(lambda c: self._projects.named(c, project_id))
        place = Place(repository=self._projects.mirror(project_id).path, source=row.source)
        return plugins.make_forge(self.forge, place)

    def settings_of(self, connection: sa.Connection, project_id: str) -> ProjectSettings:
        """What the person has set for a project."""
        project = projects_store.find(connection, project_id)
        return ProjectSettings.model_validate(project.settings if project is not None else {})

    @property
    def person(self) -> str:
        """Who approves."""
        return self._runs.settings.person

    def _commit(self, session: Row) -> str | None:
        """Where its branch stood when it was saved last."""
        return self._projects.mirror(session.project_id).session_refs(session.id).get(f"heads/{session.branch}")

    def _report(self, session: Row) -> str:
        row = self._database.read(lambda c: sessions_store.result_of(c, session.id, _result(session).get("turn", 0)))
        return row.text if row is not None else ""

    def _size(self, session: Row, request: Request) -> dict[str, int]:
        """How many files and lines it changes; nothing where that can't be told, or is known."""
        if request.state != "open" or request.base_commit is None:
            return {}
        repository = Repository(self._projects.mirror(session.project_id).path)
        try:
            common = repository.common(request.base_commit, request.commit)
            _, files = repository.changed(common, request.commit)
        except GitFailed as error:
            log.warning("The size of the change of %s is not known: %s", session.id, error)
            return {}
        added, removed = (sum(getattr(file, what) or 0 for file in files) for what in ("added", "removed"))
        return {"files": len(files), "added": added, "removed": removed}


def _result(session: Row) -> dict[str, Any]:
    """What its last turn delivered."""
    return session.result or {}


def _same(one: Change | SessionBody, other: Change | SessionBody | None) -> bool:
    """Whether nothing is different but when that was written down."""
    return other is not None and one.model_copy(update={"updated_at": other.updated_at}) == other


def _tried(what: str, body: Change) -> str:
    """What is done once about these very commits."""
    return f"{what}-{body.commit}-{body.base_commit}"


def _renewed(body: Change, settings: ProjectSettings, unit: UnitOfWork, **values: Any) -> Change:
    body = body.model_copy(update={**values, "updated_at": unit.now})
    return body.model_copy(update={"waits": policy.waits_for(body, settings)})
