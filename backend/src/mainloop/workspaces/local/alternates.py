"""Where a clone finds the objects it borrows: an absolute path, so it has to follow when the home moves."""

import os
import re
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


def alternate(mirror: Path) -> bytes:
    """The line for a mirror in git's file of alternates, in which unusual paths are quoted as in C."""
    path = os.fsencode(mirror / "objects")
    if path.startswith((b'"', b"#")) or b"\n" in path:
        escaped = path.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
        path = b'"' + escaped + b'"'
    return path + b"\n"


def point_at_mirror(workspace: Path, mirror: Path) -> None:
    """The clone borrows from `mirror` where it lies now, if it borrowed from it where it lay before.

    An agent may have made anything of the folders on the way: where one is a link, nothing is written.
    """
    # This very mirror, in whatever home it was.
    before = re.compile(rb'"?.*/mirrors/' + re.escape(os.fsencode(mirror.name)) + rb'/objects"?')
    try:
        with _folder(workspace / ".git" / "objects" / "info") as folder:
            with os.fdopen(os.open("alternates", os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder), "rb") as file:
                lines = file.read(1 << 16).splitlines(keepends=True)
            now = [alternate(mirror) if before.fullmatch(line.rstrip(b"\n")) else line for line in lines]
            if now != lines:
                _replace(folder, b"".join(now))
    except OSError:
        return


@contextmanager
def _folder(path: Path) -> Generator[int]:
    """A folder four steps below one of ours, reached without following a link."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    opened = [os.open(path.parents[2].parent, os.O_RDONLY | os.O_DIRECTORY)]
    try:
        for part in path.parts[-4:]:
            opened.append(os.open(part, flags, dir_fd=opened[-1]))
        yield opened[-1]
    finally:
        for handle in opened:
            os.close(handle)


def _replace(folder: int, content: bytes) -> None:
    unfinished = f"alternates-{secrets.token_hex(4)}"
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=folder)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    os.rename(unfinished, "alternates", src_dir_fd=folder, dst_dir_fd=folder)
