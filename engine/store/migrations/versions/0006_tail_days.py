"""Values at Risk that are kept by day, and what the book made until the next."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "tail_days",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("snapshot_id", sa.Integer(), nullable=True),
        sa.Column("net_liquidation", sa.Float(), nullable=True),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("left_out", sa.Text(), nullable=False),
        sa.Column("until", sa.Date(), nullable=True),
        sa.Column("pnl", sa.Float(), nullable=True),
        sa.Column("change", sa.Float(), nullable=True),
        sa.Column("remark", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_tail_days")),
        sa.ForeignKeyConstraint(
            ["snapshot_id"], ["snapshots.id"], name=op.f("fk_tail_days_snapshot_id"), ondelete="SET NULL"
        ),
        sa.CheckConstraint("until > day", name=op.f("ck_tail_days_until")),
    )
    op.create_table(
        "tail_figures",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("level", sa.Float(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("var", sa.Float(), nullable=False),
        sa.Column("es", sa.Float(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", "method", "level", name=op.f("pk_tail_figures")),
        sa.ForeignKeyConstraint(
            ["day"], ["tail_days.day"], name=op.f("fk_tail_figures_day"), ondelete="CASCADE"
        ),
        sa.CheckConstraint("level > 0 AND level < 1", name=op.f("ck_tail_figures_level")),
    )


def downgrade() -> None:
    op.drop_table("tail_figures")
    op.drop_table("tail_days")
