"""docs/kills.md: everything is killed at random while people write and answer, and afterwards the books are right."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from psycopg import sql

from mainloop.testing.kills import Model
from mainloop.testing.postgres import Postgres
from mainloop.testing.server import ServerProcess
from mainloop.testing.storm import Storm, Toll, Weather

# The ceilings of a day are for people.
BUSY = {"MAINLOOP_MAX_STARTS_PER_DAY": "1000", "MAINLOOP_MAX_ALIVE": "50"}


@contextmanager
def running(home: Path, settings: dict[str, str]) -> Generator[ServerProcess]:
    server = ServerProcess(home, {**BUSY, **settings})
    try:
        yield server.start()
    finally:
        server.stop()


def passed(toll: Toll) -> None:
    """It did happen, and nothing came of it."""
    assert toll.wrong == [], toll
    assert toll.killed.total() >= toll.weather.kills
    assert min(toll.turns, toll.said, toll.results) > 0


@pytest.mark.spec("kills-21")
def test_a_short_storm_leaves_nothing_lost_doubled_or_stuck(home: Path) -> None:
    with running(home, {"MAINLOOP_AGENT": "scripted"}) as server:
        passed(Storm(server, Weather(seed=1, kills=5, sessions=2, browsers=1, pause=0.5)).rage())


@pytest.mark.long
@pytest.mark.spec("kills-21")
@pytest.mark.parametrize("seed", [1, 2])
def test_a_storm_over_real_agents_leaves_nothing_lost_doubled_or_stuck(home: Path, model: Model, seed: int) -> None:
    with running(home, model.environment) as server:
        passed(Storm(server, Weather(seed=seed, kills=60, model=model)).rage())


@pytest.mark.long
@pytest.mark.postgres
@pytest.mark.spec("kills-21")
def test_a_storm_that_cuts_the_database_off_too_leaves_nothing_lost_doubled_or_stuck(
    home: Path, model: Model, postgres_server: Postgres
) -> None:
    with postgres_server.database() as url:
        name = sa.make_url(url).database

        def cut_off() -> None:
            mine = sql.SQL("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {}")
            postgres_server.run(mine.format(sql.Literal(name)))

        settings = {**model.environment, "MAINLOOP_DATABASE_URL": url}
        with running(home, settings) as server:
            passed(Storm(server, Weather(seed=3, kills=60, database=cut_off, model=model)).rage())
