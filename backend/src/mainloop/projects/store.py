"""Rows of projects."""

from typing import Any

import sqlalchemy as sa

from mainloop.db import tables as t
from mainloop.db.engine import Row
from mainloop.events.unit import UnitOfWork


def all_projects(connection: sa.Connection) -> list[Row]:
    return list(connection.execute(sa.select(t.project).order_by(t.project.c.created_at, t.project.c.id)))


def find(connection: sa.Connection, id_or_name: str) -> Row | None:
    mine = sa.or_(t.project.c.id == id_or_name, t.project.c.name == id_or_name)
    return connection.execute(sa.select(t.project).where(mine)).first()


def with_source(connection: sa.Connection, source: str) -> Row | None:
    return connection.execute(sa.select(t.project).where(t.project.c.source == source)).first()


def add(unit: UnitOfWork, **values: Any) -> Row:
    row = t.project.insert().values(state="fetching", created_at=unit.now, **values).returning(t.project)
    return unit.execute(row).one()


def update(unit: UnitOfWork, project_id: str, **values: Any) -> None:
    unit.execute(sa.update(t.project).where(t.project.c.id == project_id).values(**values))
