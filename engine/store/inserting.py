"""INSERT … ON CONFLICT, which SQLite and PostgreSQL each have in a dialect of their own."""

from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import SQLModel


def insert_on(dialect: str, table: type[SQLModel]) -> Any:
    """INSERT into a table, which can be told what to do on a conflict. dialect: of the session's bind."""
    of: Any = postgresql if dialect == "postgresql" else sqlite
    return of.insert(table)
