"""Plain git in the project's mirror: complete in itself, without an account.

A project's branch is `refs/heads/<branch>`, where something was merged into it here, else `refs/upstream/<branch>`, as it
was fetched; the newer one where one has all of the other. A request is the file in `refs/requests/<key>`, a commit for
each state it was in, over which its commits stay reachable.

A merge is written down before the branch moves, so that whoever comes after a crash finds whether it did.
"""

import fcntl
import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from mainloop.forges.base import (
    BaseMoved,
    BaseSplit,
    BranchGone,
    Check,
    Comment,
    ForgeUnreachable,
    How,
    NothingToMerge,
    Place,
    Proposal,
    Reach,
    Request,
    RequestMoved,
    RequestOver,
    RequestUnknown,
    Review,
    State,
)
from mainloop.forges.handing_over import hand_over
from mainloop.forges.merging import DURABLE, Merging
from mainloop.git import GitFailed, git

_FILE: Final = "request.json"
_NONE: Final = "0" * 40
_KEY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")


class _Record(BaseModel):
    """What is written down of a request."""

    state: State = "open"
    branch: str
    commit: str
    base: str
    title: str
    text: str
    # Commits that its base was about to get: one of them is in it, or it was not merged.
    attempts: list[str] = []
    merged: str | None = None
    reviews: list[Review] = []
    comments: list[Comment] = []
    checks: list[Check] = []

    @property
    def merged_here(self) -> bool:
        return self.merged in self.attempts


@dataclass(frozen=True)
class _Base:
    """A branch of the project: where it stands here, and where it stood when it was fetched."""

    here: str
    fetched: str
    # None: the two have gone apart.
    commit: str | None


class LocalForge:
    name = "local"

    def __init__(self, place: Place) -> None:
        self._repository = place.repository
        # An address is no folder.
        self._folder = Path(place.source or "/dev/null")
        self._merging = Merging(place.repository)

    # -- verbs ---------------------------------------------------------------------------------------------------
    def open(self, proposal: Proposal) -> Request:
        if not _KEY.fullmatch(proposal.key):
            raise ValueError(f"no request has the key {proposal.key!r}")
        with self._alone():
            known = self._versions(proposal.key)
            if known is not None:
                return self._shown(proposal.key, self._read(proposal.key))
            self._merging.check_branch(proposal.branch)
            record = _Record(**proposal.model_dump(exclude={"key"}))
            if self._merging.has_other(self._check(record), record.commit):
                raise NothingToMerge(base=record.base)
            self._write(proposal.key, record)
            return self._shown(proposal.key, record)

    def update(self, number: str, *, commit: str | None = None, base: str | None = None) -> Request:
        with self._alone():
            record = self._opened(number)
            changed = record.model_copy(update={"commit": commit or record.commit, "base": base or record.base})
            if changed != record:
                self._check(changed)
                self._write(number, changed)
            return self._shown(number, self._read(number))

    def review(self, number: str, review: Review) -> Request:
        with self._alone():
            record = self._opened(number)
            if review.id not in {known.id for known in record.reviews}:
                if review.commit != record.commit:
                    raise RequestMoved(commit=record.commit[:12])
                record.reviews.append(review)
                self._write(number, record)
            return self._shown(number, record)

    def comment(self, number: str, comment: Comment) -> Request:
        with self._alone():
            record = self._read(number)
            if comment.id not in {known.id for known in record.comments}:
                record.comments.append(comment)
                self._write(number, record)
            return self._shown(number, record)

    def checks(self, number: str, checks: Sequence[Check]) -> Request:
        with self._alone():
            record = self._opened(number)
            known = {(check.name, check.commit): check for check in (*record.checks, *checks)}
            if list(known.values()) != record.checks:
                record.checks = list(known.values())
                self._write(number, record)
            return self._shown(number, record)

    def merge(
        self,
        number: str,
        how: How,
        *,
        commit: str,
        base_commit: str,
        message: str = "",
        approval: Review | None = None,
    ) -> Request:
        with self._alone():
            record = self._read(number)
            if record.state == "merged":
                # Killed since the base has it.
                if record.merged_here and _approved(record, approval):
                    self._write(number, record)
                return self._shown(number, record)
            if record.state == "closed":
                raise RequestOver(state=record.state)
            if commit != record.commit:
                raise RequestMoved(commit=record.commit[:12])
            base = self._base(record.base)
            if base is None:
                raise BranchGone(branch=record.base)
            if base.commit is None:
                raise BaseSplit(base=record.base, commit=base.here[:12], repository=self._repository)
            if base.commit != base_commit:
                raise BaseMoved(base=record.base, commit=base.commit[:12])
            words = message or f"{record.title}\n\n{record.text}"
            made = self._merging.make(how, base.commit, commit, record.base, words)
            record.attempts.append(made)
            self._write(number, record)
            self._move(record.base, base, made)
            record.state, record.merged = "merged", made
            _approved(record, approval)
            self._write(number, record)
            return self._shown(number, record)

    def close(self, number: str) -> Request:
        with self._alone():
            record = self._read(number)
            if record.state == "merged":
                raise RequestOver(state=record.state)
            if record.state == "open":
                record.state = "closed"
                self._write(number, record)
            return self._shown(number, record)

    def look(self, number: str) -> Request:
        with self._alone():
            return self._shown(number, self._read(number))

    def hand_over(self, branch: str, reach: Reach) -> str | None:
        if reach == "never" or not self._folder.is_dir():
            return None
        with self._alone():
            return hand_over(self._repository, branch, self._folder, reach)

    # -- requests ------------------------------------------------------------------------------------------------
    def _opened(self, number: str) -> _Record:
        record = self._read(number)
        if record.state != "open":
            raise RequestOver(state=record.state)
        return record

    def _check(self, record: _Record) -> str:
        """Where its base stands."""
        self._merging.check_branch(record.base)
        self._merging.check_commit(record.commit)
        base = self._base(record.base)
        if base is None:
            raise BranchGone(branch=record.base)
        stands = base.commit or base.here
        if self._merging.contains(stands, record.commit):
            raise NothingToMerge(base=record.base)
        return stands

    def _shown(self, number: str, record: _Record) -> Request:
        base = self._base(record.base)
        stands = (base.commit or base.here) if base is not None else None
        conflicts: tuple[str, ...] = ()
        if record.state == "open" and stands is not None:
            conflicts = self._merging.conflicts(stands, record.commit)
        said = record.model_dump(exclude={"attempts"})
        return Request(number=number, base_commit=stands, conflicts=conflicts, merged_here=record.merged_here, **said)

    def _read(self, number: str) -> _Record:
        """As it was written down; merged as well where its base has it: a merge that was begun, or somebody's by hand."""
        version = self._versions(number)
        if version is None:
            raise RequestUnknown(number=number)
        record = _Record.model_validate_json(self._git("cat-file", "blob", f"{version}:{_FILE}"))
        if record.state == "open" and (merged := self._merged(record)) is not None:
            record.state, record.merged = "merged", merged
            self._write(number, record)
        return record

    def _merged(self, record: _Record) -> str | None:
        """The commit with which its base got it; where somebody else brought it there, a later one that has it."""
        base = self._base(record.base)
        if base is None:
            return None
        for made in record.attempts:
            if base.here != _NONE and self._merging.contains(base.here, made):
                return made
        places = [base.commit] if base.commit else [base.here, base.fetched]
        for has in (self._merging.contains, self._merging.has_other):
            for place in places:
                if has(place, record.commit):
                    return place
        return None

    def _write(self, number: str, record: _Record) -> None:
        before = self._versions(number)
        blob = self._git("hash-object", "-w", "--stdin", stdin=record.model_dump_json()).strip()
        tree = self._git("mktree", stdin=f"100644 blob {blob}\t{_FILE}\n").strip()
        parents = [*([before] if before else []), record.commit, *record.attempts]
        version = self._merging.commit(
            tree, list(dict.fromkeys(parents)), f"{record.title}: {record.state}", self._merging.ours()
        )
        self._git("update-ref", "--", _request_ref(number), version, before or _NONE)

    def _versions(self, number: str) -> str | None:
        """The newest version of a request."""
        return self._named(_request_ref(number)).get(_request_ref(number)) if _KEY.fullmatch(number) else None

    # -- branches ------------------------------------------------------------------------------------------------
    def _base(self, branch: str) -> _Base | None:
        found = self._refs(branch)
        if found is None or found.commit is not None:
            return found
        for newer, older in ((found.here, found.fetched), (found.fetched, found.here)):
            if self._merging.contains(newer, older):
                return _Base(found.here, found.fetched, newer)
        return found

    def _refs(self, branch: str) -> _Base | None:
        names = (f"refs/heads/{branch}", f"refs/upstream/{branch}")
        there = self._named(*names)
        here, fetched = (there.get(name, _NONE) for name in names)
        if here == fetched == _NONE:
            return None
        only = {here, fetched} - {_NONE}
        return _Base(here, fetched, only.pop() if len(only) == 1 else None)

    def _move(self, branch: str, base: _Base, commit: str) -> None:
        """In one step, if nobody has moved it."""
        lines = [f"update refs/heads/{branch} {commit} {base.here}", f"verify refs/upstream/{branch} {base.fetched}"]
        try:
            self._git("update-ref", "--stdin", stdin="".join(f"{line}\n" for line in lines))
        except GitFailed as error:
            now = self._base(branch)
            if now is None:
                raise BranchGone(branch=branch) from error
            if now != base:
                raise BaseMoved(base=branch, commit=(now.commit or now.here)[:12]) from error
            raise

    def _named(self, *names: str) -> dict[str, str]:
        said = self._git("for-each-ref", "--format=%(objectname) %(refname)", *names)
        pairs = (line.split(" ", 1) for line in said.splitlines())
        return {name: commit for commit, name in pairs if name in names}

    # -- git -----------------------------------------------------------------------------------------------------
    @contextmanager
    def _alone(self) -> Generator[None]:
        """One verb at a time, in all servers of this home."""
        try:
            with (self._repository / "mainloop-requests").open("a") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield
        except GitFailed as error:
            raise ForgeUnreachable(name=self.name, why=f"git says: {error.line}.") from error
        except OSError as error:
            raise ForgeUnreachable(name=self.name, why=f"{error.strerror or error}.") from error

    def _git(self, *arguments: str, stdin: str | None = None) -> str:
        return git(*arguments, repository=self._repository, stdin=stdin, config=DURABLE)


def _approved(record: _Record, approval: Review | None) -> bool:
    """Whether that is new."""
    is_new = (
        approval is not None
        and approval.commit == record.commit
        and approval.id not in {review.id for review in record.reviews}
    )
    if is_new and approval is not None:
        record.reviews.append(approval)
    return is_new


def _request_ref(number: str) -> str:
    return f"refs/requests/{number}"
