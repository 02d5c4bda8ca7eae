"""Alembic's entry: always run through `Database.migrate`, on its connection."""

from alembic import context

from engine.provider.tables import ProviderTable

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=ProviderTable.metadata,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
