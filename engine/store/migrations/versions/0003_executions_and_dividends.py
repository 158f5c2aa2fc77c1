"""Fills of the account, and dividends by symbol and ex-date."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "executions",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("con_id", sa.BigInteger(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("underlying", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("multiplier", sa.Float(), nullable=False),
        sa.Column("expiry", sa.Date(), nullable=True),
        sa.Column("strike", sa.Float(), nullable=True),
        sa.Column("right", sa.String(), nullable=True),
        sa.Column("settlement", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("quantity", sa.Float(), nullable=False),
        sa.Column("price", sa.Float(), nullable=False),
        sa.Column("commission", sa.Float(), nullable=True),
        sa.Column("commission_currency", sa.String(), nullable=True),
        sa.Column("realized", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_executions")),
        sa.CheckConstraint("quantity <> 0", name=op.f("ck_executions_quantity")),
        sa.CheckConstraint("\"right\" IN ('C', 'P')", name=op.f("ck_executions_right")),
        sa.CheckConstraint("settlement IN ('AM', 'PM')", name=op.f("ck_executions_settlement")),
    )
    op.create_index(op.f("ix_executions_at"), "executions", ["at"])
    op.create_table(
        "dividends",
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("ex_date", sa.Date(), nullable=False),
        sa.Column("amount", sa.Float(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("symbol", "ex_date", name=op.f("pk_dividends")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_dividends_amount")),
        sa.CheckConstraint("source IN ('broker', 'yahoo')", name=op.f("ck_dividends_source")),
    )


def downgrade() -> None:
    op.drop_table("dividends")
    op.drop_table("executions")
