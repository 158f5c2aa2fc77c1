"""Interest rate curves by currency and day."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "rates",
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("years", sa.Float(), nullable=False),
        sa.Column("rate", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("currency", "day", "years", name=op.f("pk_rates")),
        sa.CheckConstraint("years > 0", name=op.f("ck_rates_years")),
        sa.CheckConstraint("rate > -0.5 AND rate < 1", name=op.f("ck_rates_rate")),
    )


def downgrade() -> None:
    op.drop_table("rates")
