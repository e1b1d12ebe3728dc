"""A clone that borrows its objects from a project's mirror."""

import re
import shutil
from pathlib import Path

from mainloop.git import git
from mainloop.workspaces.base import Laid, Source, WorkspaceRefused
from mainloop.workspaces.local.alternates import alternate
from mainloop.workspaces.local.keeping import EXCLUDED
from mainloop.workspaces.local.laying import CHECKOUT_SECONDS, lay_out


def clone(folder: Path, source: Source, laid: Laid | None = None) -> None:
    if not re.fullmatch(r"[0-9a-f]{40,64}", source.commit):
        raise WorkspaceRefused(why=f"{source.commit!r} is no commit.")
    # git takes such a name, and every command that is given it later takes it for an option.
    if source.branch.startswith("-"):
        raise WorkspaceRefused(why=f"{source.branch!r} is no name for a branch.")
    repository = folder / ".git"
    branch = f"--initial-branch={source.branch}"
    git("init", "--quiet", "--template=", branch, "--", str(folder))
    (repository / "objects/info/alternates").write_bytes(alternate(source.mirror))
    (repository / "info").mkdir()
    (repository / "info/exclude").write_text("".join(f"{line}\n" for line in EXCLUDED))
    if (source.mirror / "shallow").exists():
        shutil.copyfile(source.mirror / "shallow", repository / "shallow")
    if laid is None:
        how, commit = "--hard", source.commit
    else:
        lay_out(laid, folder)
        how, commit = "--mixed", laid.commit or source.commit
    reset = (f"--work-tree={folder}", "reset", "--quiet", how, commit)
    git(*reset, repository=repository, timeout=CHECKOUT_SECONDS)
    # No remote, but the names agents compare with.
    origin = f"refs/remotes/origin/{source.upstream}"
    git("update-ref", "--", origin, source.commit, repository=repository)
    if source.upstream != "HEAD":
        git("symbolic-ref", "refs/remotes/origin/HEAD", origin, repository=repository)
