"""A forge in memory, which may be out of reach: requests are notes in this process, merges are real."""

import subprocess
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from mainloop.forges.base import (
    BaseMoved,
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
)
from mainloop.forges.merging import Merging

# What a forge knows outlives the server: by the repository it is of.
_KNOWN: Final[dict[Path, dict[str, Request]]] = {}
_UNREACHABLE: Final[set[Path]] = set()
_LOCK: Final = threading.RLock()


class MemoryForge:
    """The branches of the project are those of the repository."""

    name = "memory"

    def __init__(self, place: Place) -> None:
        self._repository = place.repository
        self._merging = Merging(place.repository)
        self._requests = _KNOWN.setdefault(place.repository, {})

    def cut(self) -> None:
        """Nobody reaches it any more."""
        _UNREACHABLE.add(self._repository)

    def mend(self) -> None:
        _UNREACHABLE.discard(self._repository)

    def open(self, proposal: Proposal) -> Request:
        with self._reached():
            known = next((r for r in self._requests.values() if r.url.endswith(f"/{proposal.key}")), None)
            if known is None:
                self._merging.check_branch(proposal.branch)
                if self._merging.has_other(self._check(proposal.base, proposal.commit), proposal.commit):
                    raise NothingToMerge(base=proposal.base)
                number = str(len(self._requests) + 1)
                said = proposal.model_dump(exclude={"key"})
                url = f"memory:///{number}/{proposal.key}"
                known = Request(number=number, state="open", base_commit=None, url=url, **said)
                self._requests[number] = known
            return self._now(known)

    def update(self, number: str, *, commit: str | None = None, base: str | None = None) -> Request:
        with self._reached():
            request = self._opened(number)
            self._check(base or request.base, commit or request.commit)
            self._became(request, commit=commit or request.commit, base=base or request.base)
            return self._now(self._known(number))

    def review(self, number: str, review: Review) -> Request:
        with self._reached():
            request = self._opened(number)
            if review.id in {r.id for r in request.reviews}:
                return self._now(request)
            if review.commit != request.commit:
                raise RequestMoved(commit=request.commit[:12])
            return self._became(request, reviews=(*request.reviews, review))

    def comment(self, number: str, comment: Comment) -> Request:
        with self._reached():
            request = self._known(number)
            known = {c.id for c in request.comments}
            return self._became(request, comments=(*request.comments, *([] if comment.id in known else [comment])))

    def checks(self, number: str, checks: Sequence[Check]) -> Request:
        with self._reached():
            request = self._opened(number)
            newest = {(c.name, c.commit): c for c in (*request.checks, *checks)}
            return self._became(request, checks=tuple(newest.values()))

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
        with self._reached():
            request = self._known(number)
            if request.state == "merged":
                return self._now(request)
            request = self._opened(number)
            if commit != request.commit:
                raise RequestMoved(commit=request.commit[:12])
            stands = self._stands_at(request.base)
            if stands is None:
                raise BranchGone(branch=request.base)
            if stands != base_commit:
                raise BaseMoved(base=request.base, commit=stands[:12])
            words = message or f"{request.title}\n\n{request.text}"
            made = self._merging.make(how, stands, commit, request.base, words)
            self._git("update-ref", f"refs/heads/{request.base}", made, stands)
            reviews = (*request.reviews, *([] if approval is None else [approval]))
            return self._became(request, state="merged", merged=made, merged_here=True, reviews=reviews)

    def close(self, number: str) -> Request:
        with self._reached():
            request = self._known(number)
            if request.state == "merged":
                raise RequestOver(state=request.state)
            return self._became(request, state="closed")

    def look(self, number: str) -> Request:
        with self._reached():
            return self._now(self._known(number))

    def hand_over(self, branch: str, reach: Reach) -> str | None:
        return None

    def _known(self, number: str) -> Request:
        if number not in self._requests:
            raise RequestUnknown(number=number)
        request = self._requests[number]
        stands = self._stands_at(request.base)
        if request.state == "open" and stands is not None and self._has(stands, request.commit):
            request = self._requests[number] = request.model_copy(update={"state": "merged", "merged": stands})
        return request

    def _has(self, stands: str, commit: str) -> bool:
        return self._merging.contains(stands, commit) or self._merging.has_other(stands, commit)

    def _opened(self, number: str) -> Request:
        request = self._known(number)
        if request.state != "open":
            raise RequestOver(state=request.state)
        return request

    def _check(self, base: str, commit: str) -> str:
        self._merging.check_branch(base)
        self._merging.check_commit(commit)
        stands = self._stands_at(base)
        if stands is None:
            raise BranchGone(branch=base)
        if self._merging.contains(stands, commit):
            raise NothingToMerge(base=base)
        return stands

    def _became(self, request: Request, **values: Any) -> Request:
        self._requests[request.number] = request.model_copy(update=values)
        return self._now(self._requests[request.number])

    def _now(self, request: Request) -> Request:
        stands = self._stands_at(request.base)
        looks = request.state == "open" and stands is not None
        conflicts = self._merging.conflicts(stands, request.commit) if looks and stands else ()
        return request.model_copy(update={"base_commit": stands, "conflicts": conflicts})

    def _stands_at(self, branch: str) -> str | None:
        return self._git("for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}").strip() or None

    def _git(self, *arguments: str) -> str:
        command = ["git", "--git-dir", str(self._repository), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    @contextmanager
    def _reached(self) -> Generator[None]:
        with _LOCK:
            if self._repository in _UNREACHABLE:
                raise ForgeUnreachable(name=self.name, why="the line is cut.")
            yield
