"""What is asked of a database as a whole, by those who open, copy and examine one."""

import sqlalchemy as sa

from mainloop.db import tables as t


def newest_runs(connection: sa.Connection) -> dict[str, int]:
    """Every thread with an agent, and the number of its newest run."""
    return {row.thread_id: row.run for row in connection.execute(sa.select(t.agent.c.thread_id, t.agent.c.run))}


def project_ids(connection: sa.Connection) -> set[str]:
    return set(connection.execute(sa.select(t.project.c.id)).scalars())


def close_ways_in(connection: sa.Connection) -> None:
    """Nobody comes into this copy with a secret of the original: no browser, no open link, no runner."""
    connection.execute(sa.delete(t.device))
    connection.execute(sa.delete(t.pairing))
    # No hash looks like this.
    connection.execute(sa.update(t.run).values(token_hash="void"))


def adopt_runs(connection: sa.Connection, host: str) -> None:
    """What is said to run elsewhere is looked for here: it is found, or goes on in a new run."""
    connection.execute(sa.update(t.run).where(t.run.c.state.in_(("starting", "live"))).values(host=host))
