"""A node's first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "discharge",
        sa.Column("id", BIG_ID, primary_key=True),
        sa.Column("hospital_code", sa.String(), nullable=False),
        sa.Column("setl_id", sa.String(), nullable=False),
        sa.Column("content_digest", sa.String(), nullable=False),
        sa.Column("body_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("document_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("salts_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("admitted_on", sa.Date(), nullable=False),
        sa.Column("discharged_on", sa.Date(), nullable=False),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("ruled_by", sa.String(), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=True),
        sa.Column("tags_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("not_before", TIME, nullable=False),
        sa.UniqueConstraint("hospital_code", "setl_id"),
    )
    op.create_index("discharge_waiting", "discharge", ["state", "not_before"])
    op.create_table(
        "question",
        sa.Column("commitment", sa.String(), primary_key=True),
        sa.Column("discharge_id", BIG_ID, sa.ForeignKey("discharge.id"), nullable=False),
        sa.Column("salt_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=True),
        sa.Column("answered_at", TIME, nullable=True),
    )
    op.create_index("ix_question_discharge_id", "question", ["discharge_id"])
    op.create_table(
        "release",
        sa.Column("discharge_id", BIG_ID, sa.ForeignKey("discharge.id"), primary_key=True),
        sa.Column("handle", sa.String(), primary_key=True),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=True),
        sa.Column("authorization", sa.String(), nullable=True),
        sa.Column("question", sa.String(), sa.ForeignKey("question.commitment"), nullable=False),
        sa.Column("sent_at", TIME, nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
    )
    op.create_table(
        "move",
        sa.Column("id", BIG_ID, primary_key=True),
        sa.Column("discharge_id", BIG_ID, sa.ForeignKey("discharge.id"), nullable=False),
        sa.Column("from_state", sa.String(), nullable=False),
        sa.Column("to_state", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("at", TIME, nullable=False),
    )
    op.create_index("ix_move_discharge_id", "move", ["discharge_id"])
    op.create_table(
        "refused",
        sa.Column("body_digest", sa.String(), primary_key=True),
        sa.Column("body_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("violations", sa.JSON(), nullable=False),
        sa.Column("received_at", TIME, nullable=False),
    )
    op.create_table(
        "alarm",
        sa.Column("code", sa.String(), primary_key=True),
        sa.Column("detail", sa.String(), primary_key=True),
        sa.Column("seen", sa.Integer(), nullable=False),
        sa.Column("first_at", TIME, nullable=False),
        sa.Column("last_at", TIME, nullable=False),
    )
