"""The headline figures of each cycle, which outlive its snapshot."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "headlines",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("net_liquidation", sa.Float(), nullable=True),
        sa.Column("var_99", sa.Float(), nullable=True),
        sa.Column("es_975", sa.Float(), nullable=True),
        sa.Column("worst_scenario", sa.String(), nullable=True),
        sa.Column("worst_loss", sa.Float(), nullable=True),
        sa.Column("vega", sa.Float(), nullable=True),
        sa.Column("gamma_loss", sa.Float(), nullable=True),
        sa.Column("left_out", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_headlines")),
        sa.CheckConstraint(
            "(worst_scenario IS NULL) = (worst_loss IS NULL)", name=op.f("ck_headlines_worst")
        ),
        sa.CheckConstraint("left_out >= 0", name=op.f("ck_headlines_left_out")),
    )
    op.create_index(op.f("ix_headlines_at"), "headlines", ["at"])


def downgrade() -> None:
    op.drop_table("headlines")
