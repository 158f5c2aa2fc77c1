"""Scenarios that the owner has saved in chat."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "scenarios",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_scenarios")),
        sa.CheckConstraint("length(text) BETWEEN 1 AND 400", name=op.f("ck_scenarios_text")),
    )


def downgrade() -> None:
    op.drop_table("scenarios")
