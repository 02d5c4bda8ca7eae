"""Decisions that are re-opened: policies to be looked at again, and what is to be recovered of a claim."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reopening",
        sa.Column("policy_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["policy_id"], ["policy.id"]),
        sa.PrimaryKeyConstraint("policy_id"),
    )
    with op.batch_alter_table("claim") as table:
        table.add_column(sa.Column("recovery_fen", sa.BigInteger(), nullable=False, server_default="0"))
    with op.batch_alter_table("claim") as table:
        table.alter_column("recovery_fen", server_default=None)
    # Whatever was taken back after it was paid before this is to be recovered whole.
    op.execute(
        "UPDATE claim SET recovery_fen = (SELECT COALESCE(SUM(amount_fen), 0) FROM payout"
        " WHERE payout.claim_id = claim.id AND payout.state IN ('settled', 'confirmed'))"
        " WHERE state = 'recovery_due'"
    )
