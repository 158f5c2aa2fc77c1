"""Which run of a once-a-day job was planned, begun and ended, by job and date."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "job_runs",
        sa.Column("job", sa.String(), nullable=False),
        sa.Column("slot", sa.String(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("job", "slot", name=op.f("pk_job_runs")),
        sa.CheckConstraint("outcome IN ('ok', 'failed', 'late', 'missed')", name=op.f("ck_job_runs_outcome")),
        sa.CheckConstraint(
            "outcome IS NULL OR outcome = 'missed' OR (started_at IS NOT NULL AND finished_at IS NOT NULL)",
            name=op.f("ck_job_runs_times"),
        ),
        sa.CheckConstraint("seconds >= 0", name=op.f("ck_job_runs_seconds")),
    )


def downgrade() -> None:
    op.drop_table("job_runs")
