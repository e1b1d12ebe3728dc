"""What the person does about a change: proposes, reviews, merges, tests, discards, takes over. No agent comes here."""

import uuid
from contextlib import suppress

from mainloop.changes import policy, store
from mainloop.changes.checks import ChangeChecks
from mainloop.changes.life import Case, Life
from mainloop.changes.schemas import GiveMerge, GiveReview
from mainloop.changes.taking import Taken, take_over
from mainloop.changes.telling import named
from mainloop.errors import BadInput, MainloopError, NotAllowedNow, UnknownSession
from mainloop.events.unit import UnitOfWork
from mainloop.forges.base import BaseMoved, MergeConflicts, RequestMoved, RequestOver, Review
from mainloop.projects.service import Projects
from mainloop.runs import mailbox
from mainloop.runs import store as runs_store
from mainloop.runs.service import Runs
from mainloop.sessions import store as sessions_store
from mainloop.sessions.moves import Moves
from mainloop.sessions.service import Sessions
from mainloop.workspaces.base import WorkspaceBroken, Workspaces
from mainloop_models.events import Change
from mainloop_models.events import SessionState as S


class NotGreen(MainloopError):
    """The project's tests have not passed for this commit. Wait for them, or say that it is to be merged anyway."""

    status = 409
    code = "not_green"


class ByHand:
    """The verbs of the routes: each answers with the change as it stands then."""

    def __init__(
        self,
        life: Life,
        runs: Runs,
        projects: Projects,
        workspaces: Workspaces,
        sessions: Sessions,
        moves: Moves,
        checks: ChangeChecks,
    ) -> None:
        self._life = life
        self._runs = runs
        self._database = runs.database
        self._projects = projects
        self._workspaces = workspaces
        self._sessions = sessions
        self._moves = moves
        self._checks = checks

    def get(self, session_id: str) -> Change:
        """A session's change. Raises UnknownSession, UnknownChange."""
        return self._database.read(lambda c: self._life.known(c, session_id)[1])

    def propose(self, session_id: str) -> Change:
        """What is committed now, proposed, or the newest of it where that is open. Raises what `Forge.open` raises."""
        session, row = self._database.read(lambda c: (sessions_store.find(c, session_id), store.find(c, session_id)))
        if session is None:
            raise UnknownSession(id=session_id)
        if session.project_id is None or session.branch is None:
            raise NotAllowedNow(what="It has no branch of a project, so there is nothing to propose.")
        if S(session.state) is S.DONE:
            raise NotAllowedNow(what="It is closed. Resume it first, then propose what it has.")
        with suppress(WorkspaceBroken):  # then what was saved before counts
            self._workspaces.save(session_id, session.branch, self._projects.mirror(session.project_id))
        if row is not None and row.state in store.OPEN:
            self._life.follow(session, row, pressed=True)
        else:
            self._life.propose(session, row, pressed=True)
        return self.get(session_id)

    def review(self, session_id: str, given: GiveReview) -> Change:
        """The person's word on the newest commit. Raises UnknownChange, RequestMoved, RequestOver, BadInput."""
        session, known = self._database.read(lambda c: self._life.known(c, session_id))
        if given.verdict == "sent_back" and not given.text.strip():
            raise BadInput(what="Say what should be different, so that its agent knows.")
        forge = self._life.forge_of(session.project_id)
        word = Review(
            id=given.id, author=self._life.person, verdict=given.verdict, commit=given.commit, text=given.text
        )
        try:
            request = forge.review(known.number, word)
        except RequestOver:
            request = forge.look(known.number)
            if all(review.id != given.id for review in request.reviews):
                raise
        if given.verdict == "sent_back":
            self._database.write(lambda unit: self._send_back(unit, session_id, given))
        self._life.saw(session, request, pressed=given.verdict == "approved")
        return self.get(session_id)

    def _send_back(self, unit: UnitOfWork, session_id: str, given: GiveReview) -> None:
        runs_store.lock(unit, session_id)
        store.update(unit, session_id, repairs=0)
        _, new = mailbox.post(unit, session_id, mailbox.Letter(id=given.id, text=given.text))
        if new:
            self._sessions.said_to(unit, session_id)
            self._runs.take_up(unit, session_id)

    def merge(self, session_id: str, given: GiveMerge) -> Change:
        """The person's own word: merged in a moment, if both sides still stand at these commits.

        Raises UnknownChange, NotAllowedNow, RequestOver, RequestMoved, BaseMoved, MergeConflicts, NotGreen.
        """
        self._database.write(lambda unit: self._want_merge(unit, session_id, given))
        return self.get(session_id)

    def _want_merge(self, unit: UnitOfWork, session_id: str, given: GiveMerge) -> None:
        runs_store.lock(unit, self._life.known(unit.connection, session_id)[0].id)
        session, known = self._life.known(unit.connection, session_id)
        row = store.find(unit.connection, session_id)
        assert row is not None
        settings = self._life.settings_of(unit.connection, session.project_id)
        if known.state == "closed":
            raise RequestOver(state=known.state)
        if known.state in ("merging", "merged"):
            return  # asked for twice
        if runs_store.agent(unit.connection, session_id).working or S(session.state) in (S.WORKING, S.STARTING):
            raise NotAllowedNow(
                what="Its agent is still working. Wait until it is done, then look at what it has then."
            )
        if given.commit != known.commit:
            raise RequestMoved(commit=known.commit[:12])
        if given.base_commit != known.base_commit:
            raise BaseMoved(base=known.base, commit=(known.base_commit or "")[:12])
        if known.conflicts:
            raise MergeConflicts(base=known.base, files=named(known.conflicts))
        if not given.anyway and not policy.is_green(known, settings):
            raise NotGreen
        case = Case(session, row, settings)
        self._life.begin_merge(unit, case, known, given.how or settings.merge.how, str(uuid.uuid4()))
        self._life.settled(unit, session_id, "You merged it.")
        self._moves.say(unit, session_id)

    def check(self, session_id: str) -> Change:
        """The project's tests, once more on the newest commit. Raises UnknownChange, NotAllowedNow."""

        def want(unit: UnitOfWork) -> None:
            runs_store.lock(unit, self._life.known(unit.connection, session_id)[0].id)
            session, known = self._life.known(unit.connection, session_id)
            if known.state != "open":
                raise RequestOver(state=known.state)
            if not self._life.settings_of(unit.connection, session.project_id).test:
                raise NotAllowedNow(what="The project has no test command. Set one in its settings.")
            if all(check.state not in store.GOES_ON or check.commit != known.commit for check in known.checks):
                self._checks.want(unit, session_id, known.commit)
                self._life.checked(unit, session_id)

        self._database.write(want)
        return self.get(session_id)

    def stop_checking(self, session_id: str) -> Change:
        """Its tests are stopped, and not run again by themselves. Raises UnknownChange."""

        def stop(unit: UnitOfWork) -> None:
            runs_store.lock(unit, self._life.known(unit.connection, session_id)[0].id)
            if self._checks.stop(unit, session_id):
                self._life.checked(unit, session_id)

        self._database.write(stop)
        return self.get(session_id)

    def discard(self, session_id: str) -> Change:
        """It will not be merged; its session is closed, its work kept. Raises UnknownChange, RequestOver, NotAllowedNow."""
        session, known = self._database.read(lambda c: self._life.known(c, session_id))
        agent = self._database.read(lambda c: runs_store.agent(c, session_id))
        if agent.working or S(session.state) in (S.WORKING, S.STARTING):
            raise NotAllowedNow(what="Its agent is still working. Stop it first, or wait until it is done.")
        request = self._life.forge_of(session.project_id).close(known.number)
        self._life.saw(session, request)
        self._database.write(lambda unit: self._sessions.close(unit, session_id, "Its change was discarded."))
        return self.get(session_id)

    def take_over(self, session_id: str, branch: str = "") -> Taken:
        """Its branch in the person's own repository. Raises UnknownSession, and what `taking.take_over` raises."""
        session = self._database.read(lambda c: sessions_store.find(c, session_id))
        if session is None:
            raise UnknownSession(id=session_id)
        if session.project_id is None:
            raise NotAllowedNow(what="It has no branch of a project, so there is nothing to take over.")
        mirror = self._projects.mirror(session.project_id)
        with suppress(WorkspaceBroken):  # then what was saved before counts
            self._workspaces.save(session_id, session.branch or "", mirror)
        project = self._database.read(lambda c: self._projects.named(c, session.project_id))
        return take_over(mirror, session, project.source, branch)
