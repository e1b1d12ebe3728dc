"""What stands between a change and its merge, by what the person has set for the project."""

from typing import Literal

from mainloop.projects.schemas import ProjectSettings
from mainloop_models.events import Change, ChangeCheck

Tests = Literal["none", "missing", "running", "passed", "failed", "stopped"]


def check_of(change: Change) -> ChangeCheck | None:
    """The newest check of the newest commit, which need not be the newest of all."""
    return next((check for check in change.checks if check.commit == change.commit), None)


def tests_of(change: Change, settings: ProjectSettings) -> Tests:
    """How it stands with the tests of the newest commit; `none`: the project has no test command."""
    if not settings.test:
        return "none"
    newest = check_of(change)
    if newest is None:
        return "missing"
    return "running" if newest.state == "queued" else newest.state


def is_green(change: Change, settings: ProjectSettings) -> bool:
    """Whether its tests say nothing against it."""
    return not settings.merge.needs_green or tests_of(change, settings) in ("none", "passed")


def may_merge(change: Change, settings: ProjectSettings) -> bool:
    """Whether it is merged without a further word of the person."""
    policy = settings.merge
    return (
        policy.by_itself
        and change.state == "open"
        and change.base_commit is not None
        and not change.conflicts
        and not change.sent_back
        and is_green(change, settings)
        and (change.approved or not policy.needs_approval)
    )


def waits_for(change: Change, settings: ProjectSettings) -> str:
    """A sentence: what it waits for; empty where it is over."""
    if change.state != "open":
        return "It is being merged." if change.state == "merging" else ""
    if change.base_commit is None:
        return f"The branch {change.base} is gone."
    if change.conflicts:
        return f"It conflicts with {change.base}."
    if change.sent_back:
        return "It was sent back."
    if not is_green(change, settings):
        return {
            "missing": "Its tests have not run.",
            "running": "Its tests run.",
            "failed": "Its tests have failed.",
            "stopped": "Its tests were stopped.",
        }[tests_of(change, settings)]
    if settings.merge.needs_approval and not change.approved:
        return "It waits for your approval."
    return "It can be merged."
