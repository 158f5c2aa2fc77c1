"""What is coming: meetings, releases, earnings, expirations, and who said so when."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("symbols", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("confirmed", sa.Boolean(), nullable=True),
        sa.Column("timing", sa.String(), nullable=True),
        sa.Column("impact", sa.String(), nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("source", "kind", "at", "symbols", "name", name=op.f("pk_events")),
        sa.CheckConstraint(
            "kind IN ('FOMC', 'EARNINGS', 'EXPIRATION', 'ECONOMIC', 'DIVIDEND')", name=op.f("ck_events_kind")
        ),
        sa.CheckConstraint("timing IN ('before open', 'after close')", name=op.f("ck_events_timing")),
        sa.CheckConstraint("impact IN ('high', 'medium', 'low')", name=op.f("ck_events_impact")),
    )
    op.create_index(op.f("ix_events_at"), "events", ["at"])


def downgrade() -> None:
    op.drop_table("events")
