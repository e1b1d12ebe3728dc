"""Files that the person gave with a message, brought to where the agent can have them.

The folder lies in the agent's own home, where it may have put anything since: nothing of it is followed, so that
writing a file never writes, and never reads, anywhere else.
"""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from mainloop_models.events import Attachment

FOLDER = "attachments"
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
# What a model takes as a picture, in bytes before they are written as text.
LARGEST_PICTURE = 3_750_000
LARGEST_TEXT = 64 * 1024


def is_picture(attachment: Attachment) -> bool:
    """Whether an agent that sees pictures is shown this one."""
    return attachment.type in PICTURES and attachment.size <= LARGEST_PICTURE


def path_of(agent_home: Path, attachment: Attachment) -> Path:
    """Where it lies for the agent. Two of one name lie in two folders."""
    return agent_home / FOLDER / attachment.id[:12] / attachment.name


def put(agent_home: Path, attachment: Attachment, data: bytes) -> None:
    """Lay a file where `path_of` says, whatever lies there. Raises OSError where that can't be."""
    home = os.open(agent_home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        outer = _folder(home, FOLDER)
        try:
            inner = _folder(outer, attachment.id[:12])
            try:
                _write(inner, attachment.name, data)
            finally:
                os.close(inner)
        finally:
            os.close(outer)
    finally:
        os.close(home)


def _folder(parent: int, name: str) -> int:
    """A folder of that name, made if need be; anything else of that name goes."""
    for _ in range(3):
        with suppress(FileExistsError):
            os.mkdir(name, mode=0o700, dir_fd=parent)
        try:
            return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
        except OSError:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=parent)
    raise OSError(f"{name} can't be made a folder")


def _write(folder: int, name: str, data: bytes) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        pass
    except IsADirectoryError:
        shutil.rmtree(name, dir_fd=folder)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(name, flags, mode=0o600, dir_fd=folder), "wb") as file:
        file.write(data)


def in_words(agent_home: Path, attachments: list[Attachment], *, has_files: bool, sees: bool) -> str:
    """What an agent is told of the files. `has_files`: it can read them where they lie. `sees`: pictures are shown."""
    lines: list[str] = []
    for attachment in attachments:
        line = f"- {attachment.name} ({attachment.type}, {attachment.size} bytes)"
        shown = sees and is_picture(attachment)
        if shown:
            line += ", shown to you here"
        if has_files:
            line += f": {path_of(agent_home, attachment)}"
        elif attachment.type == "text/plain":
            line += ", its text is below"
        elif not shown:
            line += ", which you can't read here"
        lines.append(line)
    return "\n".join(["The person gave this with the message:", *lines])


def as_text(attachment: Attachment, data: bytes) -> str:
    """A text file, framed as data: it can't end its own frame."""
    text = data[:LARGEST_TEXT].decode(errors="replace").replace("</attachment", "<\\/attachment")
    cut = "\n(cut: it is longer)" if len(data) > LARGEST_TEXT else ""
    name = attachment.name.replace('"', "'")
    return f'<attachment name="{name}">\n{text}{cut}\n</attachment>'
