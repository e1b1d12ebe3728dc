"""Files that the person gives with a message: kept once by their content, named by the message."""

import hashlib
import re
from datetime import timedelta
from typing import Final

import sqlalchemy as sa

from mainloop.db import tables as t
from mainloop.db.engine import Row, upsert
from mainloop.errors import AttachmentTooLarge, BadInput, UnknownAttachment
from mainloop.events.unit import UnitOfWork
from mainloop_models.events import Attachment

LARGEST: Final = 10 * 1024 * 1024
MOST: Final = 10
# A file that no message names after so long is forgotten. The draft that holds it is in somebody's browser.
UNSENT_KEPT: Final = timedelta(days=30)
# Bytes: a folder takes names of 255.
LONGEST_NAME: Final = 200
# Control characters, and those that turn the direction of a text, so that a name seems to end otherwise than it does.
_UNSEEN = re.compile(r"[\x00-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
)


def type_of(data: bytes) -> str:
    """What a file is, by what is in it. What its name or its sender says counts for nothing: an SVG is a text."""
    for magic, kind in _MAGIC:
        if data.startswith(magic):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return "application/octet-stream"
    return "application/octet-stream" if "\x00" in text else "text/plain"


def plain_name(name: str) -> str:
    """The last part of a name, without what no screen shows; never a way to another folder."""
    last = _UNSEEN.sub("", name.replace("\\", "/").rpartition("/")[2]).strip()
    last = last.encode(errors="replace").decode()
    if len(last.encode()) > LONGEST_NAME:
        stem, dot, ending = last.rpartition(".")
        ending = f"{dot}{ending}" if dot and len(ending.encode()) < 12 else ""
        begun = (stem if ending else last).encode()[: LONGEST_NAME - len(ending.encode())]
        last = begun.decode(errors="ignore") + ending
    return "file" if last in ("", ".", "..") else last


def keep(unit: UnitOfWork, data: bytes) -> Attachment:
    """A file, kept by its content: the same again is the same one. Raises BadInput, AttachmentTooLarge."""
    if not data:
        raise BadInput(what="This file is empty. There is nothing in it to send.")
    if len(data) > LARGEST:
        raise AttachmentTooLarge(limit=LARGEST // (1024 * 1024))
    kept = Attachment(id=hashlib.sha256(data).hexdigest(), name="", type=type_of(data), size=len(data))
    values = {"id": kept.id, "type": kept.type, "size": kept.size, "data": data, "created_at": unit.now}
    wish = upsert(unit.connection, t.attachment).values(values)
    # Given again it counts from now.
    unit.execute(wish.on_conflict_do_update(index_elements=["id"], set_={"created_at": unit.now}))
    return kept


def forget_unsent(unit: UnitOfWork) -> None:
    """Files that were given a month ago and that no message names are gone."""
    old = t.attachment.c.created_at < unit.now - UNSENT_KEPT
    found = set(unit.connection.scalars(sa.select(t.attachment.c.id).where(old)))
    if not found:
        return
    given = unit.connection.scalars(sa.select(t.message.c.attachments).where(t.message.c.attachments.is_not(None)))
    unsent = found - {attachment["id"] for attachments in given for attachment in attachments or ()}
    # Given again or named meanwhile it is young, or its row is held until it is.
    for ident in unsent:
        unit.execute(sa.delete(t.attachment).where(t.attachment.c.id == ident, old))


def named(unit: UnitOfWork, given: list[tuple[str, str]]) -> list[Attachment]:
    """What was kept before, under the names that a message gives them. Raises UnknownAttachment, BadInput."""
    if len(given) > MOST:
        raise BadInput(
            what=f"A message takes at most {MOST} files, and these are {len(given)}. Send the others after it."
        )
    columns = (t.attachment.c.id, t.attachment.c.type, t.attachment.c.size)
    ids = {ident for ident, _ in given}
    # Nobody forgets it meanwhile.
    unit.execute(sa.update(t.attachment).where(t.attachment.c.id.in_(ids)).values(created_at=unit.now))
    rows = {row.id: row for row in unit.connection.execute(sa.select(*columns).where(t.attachment.c.id.in_(ids)))}
    for ident in ids - rows.keys():
        raise UnknownAttachment(id=ident[:80])
    return [
        Attachment(id=ident, name=plain_name(name), type=rows[ident].type, size=rows[ident].size)
        for ident, name in given
    ]


def find(connection: sa.Connection, ident: str) -> Row:
    """A file with its data. Raises UnknownAttachment."""
    row = connection.execute(sa.select(t.attachment).where(t.attachment.c.id == ident)).first()
    if row is None:
        raise UnknownAttachment(id=ident[:80])
    return row


def of_message(connection: sa.Connection, thread_id: str, message_id: str, ident: str) -> bytes:
    """The data of a file that came with a message of this thread. Raises UnknownAttachment for any other."""
    mine = (t.message.c.id == message_id, t.message.c.thread_id == thread_id)
    given = connection.execute(sa.select(t.message.c.attachments).where(*mine)).scalar()
    if not any(attachment["id"] == ident for attachment in given or ()):
        raise UnknownAttachment(id=ident[:80])
    return bytes(find(connection, ident).data)
