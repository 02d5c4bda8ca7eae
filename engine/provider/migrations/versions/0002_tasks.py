"""Matching tasks over this provider's discharges."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "task",
        sa.Column("task_id", sa.String(), primary_key=True),
        sa.Column("document", sa.JSON(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("not_before", TIME, nullable=False),
    )
    op.create_table(
        "task_batch",
        sa.Column("task_id", sa.String(), sa.ForeignKey("task.task_id"), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column("hospital_code", sa.String(), nullable=False),
        sa.Column("elements", sa.Integer(), nullable=False),
        sa.Column("discharges", sa.Integer(), nullable=False),
        sa.Column("messages_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("answered_at", TIME, nullable=True),
    )
    op.add_column("discharge", sa.Column("task_id", sa.String(), nullable=True))
    op.create_index("ix_discharge_task_id", "discharge", ["task_id"])
    op.add_column("release", sa.Column("staged_digest", sa.String(), nullable=True))
    op.add_column("question", sa.Column("task_id", sa.String(), nullable=True))
    op.add_column("question", sa.Column("batch", sa.Integer(), nullable=True))
    op.add_column("question", sa.Column("person", sa.Integer(), nullable=True))
    op.create_index("question_of_batch", "question", ["task_id", "batch"])
