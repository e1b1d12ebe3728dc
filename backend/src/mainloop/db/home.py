"""Which home the files of a shared database lie in: a server that looked for them elsewhere would find none.

A home is known by what is written in it, so it may be renamed and moved.
"""

import os
import uuid
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from mainloop.db import store
from mainloop.errors import OtherHome

FILE: Final = "installation"


def claim(connection: sa.Connection, home: Path, host: str) -> None:
    """This home is the database's, from its first server on. Raises OtherHome where another one is."""
    known, place = store.home(connection)
    mine = _written(home)
    if known is not None and known != mine:
        raise OtherHome(place=place, home=home, ident=known, file=home / FILE)
    store.claim_home(connection, mine or _write(home), f"{home} on {host}")


def _written(home: Path) -> str | None:
    try:
        return (home / FILE).read_text().strip() or None
    except FileNotFoundError:
        return None


def _write(home: Path) -> str:
    """On disk before the database says so. Of two servers that begin at once, one writes."""
    making = home / f".{FILE}-{uuid.uuid4().hex}"
    with making.open("w") as file:
        file.write(f"{uuid.uuid4().hex}\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        (home / FILE).hardlink_to(making)
    except FileExistsError:
        pass
    finally:
        making.unlink()
    return (home / FILE).read_text().strip()
