"""Following a file that a command writes to, which may be anything by now."""

import asyncio
import os
import subprocess
from io import FileIO
from pathlib import Path

from mainloop_agent.agents.claude import clear
from mainloop_agent.output import NEWEST, find, follow


def test_no_link_leads_out_and_nothing_but_a_file_is_opened(tmp_path: Path) -> None:
    home, secret = tmp_path / "home", tmp_path / "elsewhere"
    (home / "tasks").mkdir(parents=True)
    secret.mkdir()
    (secret / "a.output").write_text("for nobody here")
    (home / "linked").symlink_to(secret)
    (home / "tasks" / "a.output").symlink_to(secret / "a.output")
    os.mkfifo(home / "tasks" / "b.output")
    (home / "tasks" / "c.output").mkdir()
    assert [find(home, f"{name}.output") for name in "abcd"] == [None] * 4
    (home / "tasks" / "d.output").write_text("mine")
    found = find(home, "d.output")
    assert found is not None
    found.close()


def test_folders_in_folders_without_an_end_keep_nobody_from_looking_or_beginning(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    # Longer than any path, so each is made in the one before.
    here = os.open(home, os.O_RDONLY)
    for _ in range(1100):
        os.mkdir("deep", dir_fd=here)
        below = os.open("deep", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    assert find(home, "a.output") is None
    (home / "tasks").mkdir()
    (home / "tasks" / "a.output").write_text("mine")
    found = find(home, "a.output")
    assert found is not None
    found.close()
    clear(home)
    subprocess.run(["rm", "-rf", str(home)], check=True)


async def test_of_much_at_once_the_newest_is_told_and_how_much_was_left_out(tmp_path: Path) -> None:
    path = tmp_path / "file"
    told: asyncio.Queue[tuple[str, int]] = asyncio.Queue()
    with path.open("wb", buffering=0) as file:
        following = asyncio.create_task(follow(FileIO(path), lambda text, left: told.put_nowait((text, left))))
        file.write("é".encode()[:1])
        file.write("é".encode()[1:] + b"one\n")
        assert await told.get() == ("éone\n", 0)
        file.write(b"x" * 100_000 + b"end")
        text, left_out = await told.get()
        assert (len(text), left_out) == (NEWEST, 100_003 - NEWEST)
        assert text.endswith("xend")
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
