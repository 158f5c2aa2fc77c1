"""What Alembic runs around the steps: they share the connection, and so the one transaction, of whoever asked for them."""

from alembic import context

from engine.store.tables import SnapshotRow

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SnapshotRow.metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
