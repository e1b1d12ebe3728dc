"""What a command that still runs has put out: followed in the file it writes to, the newest of it only.

The file lies where the agent may write, so nothing is followed on the way to it, and whatever it is, a piece of it is all
that is ever read at once.
"""

import asyncio
import codecs
import os
import stat
from collections.abc import Callable
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Final

# How often it is looked at (seconds), and how much is told of what was written in between (bytes).
EVERY: Final = 0.25
NEWEST: Final = 8_000
# So many folders deep it is looked for; whoever runs there may have made thousands.
DEEP: Final = 8

# A piece, and how much before it is left out.
Tell = Callable[[str, int], None]


async def follow_named(folder: Path, name: str, tell: Tell) -> None:
    """Tells what is written to the file of that name in a folder, if there is one, until it is cancelled."""
    # Beside everything else: whoever runs there may have made very many folders. Who is cancelled meanwhile leaves the
    # file to be closed with its object.
    file = await asyncio.to_thread(find, folder, name)
    if file is not None:
        await follow(file, tell)


async def follow(file: FileIO, tell: Tell) -> None:
    """Tells what is written to an open file from its beginning on, until it is cancelled. Closes it."""
    # A sign that was cut in two stands in the next piece.
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    at = 0
    try:
        while True:
            size = os.fstat(file.fileno()).st_size
            left_out = max(0, size - NEWEST - at)
            if left_out:
                decoder.reset()
            piece = os.pread(file.fileno(), NEWEST, at + left_out)
            at += left_out + len(piece)
            if text := decoder.decode(piece):
                tell(text, left_out)
            await asyncio.sleep(EVERY)
    finally:
        file.close()


def find(folder: Path, name: str) -> FileIO | None:
    """Opens the file of that name not too deep in a folder; no link leads out of it, and nothing but a file is opened."""
    for path, folders, files, here in os.fwalk(folder, follow_symlinks=False):
        if path.count(os.sep) - str(folder).count(os.sep) >= DEEP:
            folders.clear()
        if name in files:
            try:
                found = FileIO(name, opener=partial(_open, here))
            except OSError:
                continue
            if stat.S_ISREG(os.fstat(found.fileno()).st_mode):
                return found
            found.close()
    return None


def _open(folder: int, name: str, _: int) -> int:
    # NONBLOCK: a pipe would wait for somebody who writes.
    return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
