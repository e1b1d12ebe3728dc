"""The slot for forges: where a change of a session is proposed, reviewed, checked and merged.

Adapters are made with a `Place`, the project they work for, and keep no state in memory that a restarted server would
miss. All verbs are synchronous and may be called from any thread. Each may be repeated after a crash: what was done is
not done twice, and is answered the same. What `update`, `review`, `checks` and `merge` may not do any more raises
RequestOver.

    request is  │ none │ open │ merged │ closed
    open        │ yes  │ same │ same   │ same
    update      │      │ yes  │        │
    review      │      │ yes  │        │
    checks      │      │ yes  │        │
    comment     │      │ yes  │ yes    │ yes
    merge       │      │ yes  │ same   │
    close       │      │ yes  │        │ same
    look        │      │ yes  │ yes    │ yes

Every verb raises ForgeUnreachable where the forge does not answer, and RequestUnknown for a number nobody opened.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from mainloop.errors import MainloopError

State = Literal["open", "merged", "closed"]
How = Literal["squash", "rebase", "merge"]
# What may be moved of the person's own repository: nothing; a branch that is checked out nowhere; a clean checkout too.
Reach = Literal["never", "branch", "checkout"]
HOW: Final[tuple[How, ...]] = ("squash", "rebase", "merge")


class ForgeUnreachable(MainloopError):
    """The forge {name} does not answer: {why} Nothing was changed there that is not shown; try again later."""

    status = 502
    code = "forge_unreachable"


class RequestUnknown(MainloopError):
    """There is no request {number} here."""

    status = 404
    code = "request_unknown"


class RequestOver(MainloopError):
    """This change is {state} already. Start another session for more."""

    status = 409
    code = "request_over"


class RequestMoved(MainloopError):
    """This change has other commits than those that were looked at: it stands at {commit}. Look at it again."""

    status = 409
    code = "request_moved"


class BaseMoved(MainloopError):
    """The branch {base} has moved since this was looked at: it stands at {commit}. Look at the change again, then merge."""

    status = 409
    code = "base_moved"


class BaseSplit(MainloopError):
    """The project's branch {base} and what was merged here have gone apart. Bring them together in the project: \
merge {commit} there, which is kept in {repository}."""

    status = 409
    code = "base_split"


class MergeConflicts(MainloopError):
    """It conflicts with the branch {base} in {files}. Let the agent merge {base} into its branch and mend these files."""

    status = 409
    code = "merge_conflicts"


class Unmergeable(MainloopError):
    """It can't be merged like this: {why}"""

    status = 409
    code = "unmergeable"


class NothingToMerge(MainloopError):
    """The branch {base} has all of this change already, so there is nothing to merge."""

    status = 409
    code = "nothing_to_merge"


class BranchGone(MainloopError):
    """There is no branch {branch} any more. If it has another name now, change what this is to be merged into."""

    status = 409
    code = "branch_gone"


class BadBranch(MainloopError):
    """{branch} is no name for a branch."""

    status = 422
    code = "bad_branch"


class CommitMissing(MainloopError):
    """The forge has no commit {commit}. Save the session's commits first."""

    status = 409
    code = "commit_missing"


class NotHandedOver(MainloopError):
    """The branch {branch} in {folder} was left as it is: {why} What was merged is kept in {mirror}."""

    status = 409
    code = "not_handed_over"


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True)


class Place(_Data):
    """A project: the mirror, which has every commit that is proposed, and where the project itself lies."""

    repository: Path
    source: str = ""


class Proposal(_Data):
    """`key` is the caller's: asked again with the same one, it is the same request."""

    key: str
    # The session's branch and the commit it stands at; the project's branch it is to be merged into.
    branch: str
    commit: str
    base: str
    title: str
    text: str = ""


class Comment(_Data):
    """On a line, on a file (`line` 0), or on all of it (`path` empty). The same `id` again is the same comment."""

    id: str
    author: str
    text: str
    commit: str
    path: str = ""
    line: int = 0
    side: Literal["old", "new"] = "new"


class Review(_Data):
    """A word on one commit: an approval of another one is none of this. The same `id` again is the same review."""

    id: str
    author: str
    verdict: Literal["approved", "sent_back"]
    commit: str
    text: str = ""


class Check(_Data):
    """The newest one of a name and a commit counts."""

    name: str
    commit: str
    state: Literal["running", "passed", "failed"]
    text: str = ""
    url: str = ""


class Request(_Data):
    """A change as the forge has it."""

    number: str
    state: State
    branch: str
    commit: str
    base: str
    title: str
    text: str
    # Where the base stands now; None: it is gone.
    base_commit: str | None
    # What conflicts with that, by the names of files.
    conflicts: tuple[str, ...] = ()
    # The commit that the base got, and whether `merge` made it; else somebody brought it there by another way.
    merged: str | None = None
    merged_here: bool = False
    reviews: tuple[Review, ...] = ()
    comments: tuple[Comment, ...] = ()
    checks: tuple[Check, ...] = ()
    # Where a browser finds it; empty: nowhere but here.
    url: str = ""

    @property
    def approved(self) -> bool:
        """Somebody approved the newest commit, and the last word of nobody sends it back."""
        last = {review.author: review.verdict for review in self.reviews if review.commit == self.commit}
        return "approved" in last.values() and "sent_back" not in last.values()

    @property
    def green(self) -> bool:
        """Every check of the newest commit has passed; without any there is nothing to wait for."""
        return all(check.state == "passed" for check in self.checks if check.commit == self.commit)


class Forge(Protocol):
    """Made with a `Place`."""

    @property
    def name(self) -> str:
        """What the person calls it in the settings."""
        ...

    def open(self, proposal: Proposal) -> Request:
        """Raises BadBranch, BranchGone for the base, CommitMissing, NothingToMerge: also where it has that in other commits."""
        ...

    def update(self, number: str, *, commit: str | None = None, base: str | None = None) -> Request:
        """Other commits, or another branch to be merged into: its old one was renamed. Raises as `open` does."""
        ...

    def review(self, number: str, review: Review) -> Request:
        """Raises RequestMoved where it is about another commit than the newest."""
        ...

    def comment(self, number: str, comment: Comment) -> Request: ...

    def checks(self, number: str, checks: Sequence[Check]) -> Request: ...

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
        """The base has the change, in one step, if it and the base still stand at these commits.

        Who may approve and what has to be green is the caller's business. `message` is that of the new commit; without
        one, the title and text. `approval` is written down with the merge, and not without it.
        A request that is merged already is answered as it is: where its base has it by another way, nobody approved it.
        Raises RequestMoved, BaseMoved, BaseSplit, BranchGone, MergeConflicts, Unmergeable, NothingToMerge.
        """
        ...

    def close(self, number: str) -> Request:
        """It will not be merged. Its commits stay."""
        ...

    def look(self, number: str) -> Request:
        """An open request whose base has it by another way is merged from then on, whichever verb sees it first.

        That is its commits, or all that they change in other ones: squashed, or picked.
        """
        ...

    def hand_over(self, branch: str, reach: Reach) -> str | None:
        """What was merged into a branch comes into the folder the project is, where it is one and this forge keeps it.

        The commit that the person's branch stands at; None where nothing was to be done. Raises NotHandedOver.
        """
        ...
