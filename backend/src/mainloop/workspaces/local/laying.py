"""Lays the files of a tree out in a folder, as git checks them out."""

import tempfile
from pathlib import Path

from mainloop.git import git
from mainloop.workspaces.base import Laid
from mainloop.workspaces.local.alternates import alternate

# Long enough for a large project on a slow disk.
CHECKOUT_SECONDS = 1800
# Names that only other systems refuse are names.
_NAMES = ("core.protectNTFS=false", "core.protectHFS=false")


def lay_out(laid: Laid, folder: Path) -> None:
    """`folder` is empty and nobody else's. Raises GitFailed.

    A repository of its own, without hooks and filters, which goes again, has the index for it.
    """
    with tempfile.TemporaryDirectory(prefix=".laying-", dir=folder.parent) as scratch:
        git("init", "--quiet", "--bare", "--template=", "--", scratch)
        (Path(scratch) / "objects/info/alternates").write_bytes(alternate(laid.repository))
        read = (f"--work-tree={folder}", "read-tree", "--reset", "-u", laid.tree)
        git(*read, repository=Path(scratch), config=_NAMES, timeout=CHECKOUT_SECONDS)
