"""What is asked of a database as a whole, by those who open, copy and examine one."""

from datetime import datetime

import sqlalchemy as sa

from mainloop.db import tables as t
from mainloop.db.engine import upsert


def newest_runs(connection: sa.Connection) -> dict[str, int]:
    """Every thread with an agent, and the number of its newest run."""
    return {row.thread_id: row.run for row in connection.execute(sa.select(t.agent.c.thread_id, t.agent.c.run))}


def project_ids(connection: sa.Connection) -> set[str]:
    return set(connection.execute(sa.select(t.project.c.id)).scalars())


def close_ways_in(connection: sa.Connection) -> None:
    """Nobody comes into this copy with a secret of the original: no browser, no open link, no runner."""
    connection.execute(sa.delete(t.device))
    connection.execute(sa.delete(t.pairing))
    # And it tells nobody anything: the original does.
    connection.execute(sa.delete(t.notifier))
    connection.execute(sa.update(t.installation).values(push_key=""))
    # No hash looks like this.
    connection.execute(sa.update(t.run).values(token_hash="void"))


def ensure_installation(connection: sa.Connection, ident: str, at: datetime) -> None:
    row = upsert(connection, t.installation).values(one=1, id=ident, cursor=0, created_at=at)
    connection.execute(row.on_conflict_do_nothing())


def home(connection: sa.Connection) -> tuple[str | None, str]:
    """The home that a database's files lie in, and where it was when a server last started there.

    Nobody else changes it before the end of the transaction.
    """
    columns = (t.installation.c.home, t.installation.c.home_place)
    row = connection.execute(sa.select(*columns).with_for_update()).one()
    return row.home, row.home_place


def claim_home(connection: sa.Connection, ident: str | None, place: str) -> None:
    """None: of the next home in which a server is started."""
    connection.execute(sa.update(t.installation).values(home=ident, home_place=place))


def adopt_runs(connection: sa.Connection, host: str) -> None:
    """What is said to run elsewhere is looked for here: it is found, or begins anew."""
    connection.execute(sa.update(t.run).where(t.run.c.state.in_(("starting", "live"))).values(host=host))
    connection.execute(sa.update(t.change_check).where(t.change_check.c.state == "running").values(host=host))
