"""What an agent, the thread that started it and the person are told of a change, in words."""

from datetime import datetime

from mainloop.forges.base import Request
from mainloop.projects.schemas import MergePolicy
from mainloop_models.events import Change, ChangeCheck

MOST_NAMED = 30
_LONGEST_NAME = 200
_LONGEST_TEXT = 4000


def as_change(request: Request, policy: MergePolicy, known: Change | None, now: datetime) -> Change:
    """A request as the person sees it; what no forge knows is as it was `known`."""
    last = {review.author: review.verdict for review in request.reviews if review.commit == request.commit}
    given = known.model_dump() if known is not None else {"how": policy.how}
    if known is not None and request.state == "open" and known.state != "merging":
        given["how"] = policy.how
    names = [name[:_LONGEST_NAME] for name in request.conflicts]
    return Change.model_validate(
        {
            **given,
            "state": request.state,
            "number": request.number,
            "branch": request.branch,
            "base": request.base,
            "commit": request.commit,
            "base_commit": request.base_commit,
            "title": request.title,
            "text": request.text[:_LONGEST_TEXT],
            "url": request.url,
            "approved": request.approved,
            "sent_back": "sent_back" in last.values(),
            "conflicts": names[:MOST_NAMED],
            "merged": request.merged,
            "updated_at": now,
        }
    )


def conflict_words(change: Change, policy: MergePolicy) -> str:
    """For the agent: what to do about a conflict."""
    base = change.base_commit or ""
    way = (
        f"Put your commits on top of it (git rebase {base})"
        if policy.how == "rebase"
        else f"Merge that commit into your branch (git merge {base})"
    )
    return (
        f"Your change can't be merged into {change.base}, which stands at {base[:12]} by now: it conflicts in "
        f"{named(change.conflicts)}. {way}; your repository knows it, although it has no remote. Mend these files so that "
        "both sides' intent is kept, commit, and report again."
    )


def red_words(check: ChangeCheck, command: str) -> str:
    """For the agent: what to do about tests that failed. What they put out is data."""
    return (
        f"The project's tests were run on your commit {check.commit[:12]}, in a clean clone, and did not end well.\n"
        f"Command: {command}\nThe end of what they put out, and lines that tell of errors:\n\n{check.excerpt}\n\n"
        "Find out why, mend it, commit, and report again. If it fails only in a clean clone, look for what is not committed."
    )


def became_words(change: Change, digits: int = 12) -> tuple[str, str]:
    """What became of one that its base has by now, and how, each to go on after "it is"."""
    at = (change.merged or "")[:digits]
    if change.came_by == "other_commits":
        return f"already in {change.base}, at {at}", "in other commits"
    how = {"squash": "squashed", "rebase": "rebased", "merge": "with a merge commit"}[change.how]
    return f"merged into {change.base} as {at}", "by hand" if change.came_by == "hand" else how


def merged_words(change: Change) -> str:
    """For the agent, with the next thing it is told."""
    became, how = became_words(change)
    return (
        f"Your change is {became} ({how}). Before you change anything more, bring that into "
        f"your branch: git merge {change.merged}. What you commit after that becomes a change of its own."
    )


def named(names: list[str]) -> str:
    """A list of files, not too long."""
    rest = len(names) - 5
    return ", ".join(names[:5]) + (f" and {rest} more" if rest > 0 else "")
