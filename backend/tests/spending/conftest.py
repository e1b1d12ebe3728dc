"""Spending on PostgreSQL too, but not each time: what lies in the database is tried on both below `runs` and `events`."""

import pytest


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=[pytest.mark.postgres, pytest.mark.long])])
def database_kind(request: pytest.FixtureRequest) -> str:
    return request.param
