"""PostgreSQL's announcements, heard in every server."""

import asyncio
import logging
from collections.abc import Callable, Iterable

import psycopg
import sqlalchemy as sa
from psycopg import sql

log = logging.getLogger(__name__)
AGAIN_AFTER = 1.0


async def listen_forever(
    engine: sa.Engine, channel: str, heard: Callable[[Iterable[str]], None], missed: Callable[[], None]
) -> None:
    """Call `heard([payload])` for each announcement; `missed()` after each reconnect, since some may have gone by."""
    address = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(address, autocommit=True) as connection:
                await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
                missed()
                async for notice in connection.notifies():
                    heard([notice.payload])
        except psycopg.OperationalError as error:
            log.warning("The database's announcements are not heard, trying again: %s", error)
        await asyncio.sleep(AGAIN_AFTER)
