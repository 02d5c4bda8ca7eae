"""Counts that add up: one statement for any number of rows, on SQLite and PostgreSQL."""

from functools import cache
from typing import Any

from sqlmodel import SQLModel

from engine.store.inserting import insert_on


@cache
def adding(table: type[SQLModel], dialect: str) -> Any:
    """INSERT of rows of a table with a column `seen`: where the key is there already, `seen` is added to the
    row's, and whatever else the table has becomes what the new row says.

    Made once: making it costs more than running it for one settlement.
    """
    columns = table.__table__.columns  # type: ignore[attr-defined]
    statement = insert_on(dialect, table)
    new = {one.name: statement.excluded[one.name] for one in columns if not one.primary_key}
    key = [one.name for one in columns if one.primary_key]
    more = {**new, "seen": columns["seen"] + statement.excluded["seen"]}
    return statement.on_conflict_do_update(index_elements=key, set_=more)
