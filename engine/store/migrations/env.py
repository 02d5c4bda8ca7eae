"""Alembic's entry: always run through `Database.migrate`, on its connection."""

from alembic import context
from sqlmodel import SQLModel

from engine.store import (  # noqa: F401  registers the tables
    checkpoints,
    deliveries,
    match_tasks,
    matching,
    provider_decisions,
    quality,
    set_offs,
    tables,
)

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
