"""Matching tasks: what was asked in each, and the releases that wait for its end."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "match_task",
        sa.Column("task_id", sa.String(), nullable=False),
        sa.Column("request", sa.String(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("terms_root", sa.String(), nullable=False),
        sa.Column("terms_register", sa.JSON(), nullable=False),
        sa.Column("deadline_s", sa.BigInteger(), nullable=False),
        sa.Column("opened_at", _TIME, nullable=False),
        sa.Column("spent", sa.BigInteger(), nullable=False),
        sa.Column("own_digest", sa.String(), nullable=True),
        sa.Column("theirs", sa.JSON(), nullable=True),
        sa.Column("disputed_at", _TIME, nullable=True),
        sa.Column("ended", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("task_id"),
    )
    op.create_index("ix_match_task_request", "match_task", ["request"])
    op.create_index("ix_match_task_ended", "match_task", ["ended"])
    op.create_table(
        "match_task_batch",
        sa.Column("task_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("elements", sa.Integer(), nullable=False),
        sa.Column("discharges", sa.Integer(), nullable=False),
        sa.Column("discharges_digest", sa.String(), nullable=False),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["match_task.task_id"]),
        sa.PrimaryKeyConstraint("task_id", "number"),
    )
    op.create_table(
        "match_staged_release",
        sa.Column("task_id", sa.String(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("discharge", sa.String(), nullable=False),
        sa.Column("handle", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("release_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("staged_at", _TIME, nullable=False),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["task_id"], ["match_task.task_id"]),
        sa.PrimaryKeyConstraint("task_id", "provider", "discharge", "handle"),
    )
    op.create_index("ix_match_staged_release_outcome", "match_staged_release", ["outcome"])
    op.add_column("match_question", sa.Column("task_id", sa.String(), nullable=True))
    op.create_index("ix_match_question_task_id", "match_question", ["task_id"])
