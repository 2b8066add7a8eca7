"""Alembic's entry point: migrations run on the connection, and inside the transaction, that `upgrade` hands over."""

from alembic import context

from vim_pipelines.store.models import Base

connection = context.config.attributes["connection"]
context.configure(
    connection=connection, target_metadata=Base.metadata, compare_type=True, compare_server_default=True, render_as_batch=connection.dialect.name == "sqlite"
)
with context.begin_transaction():
    context.run_migrations()
