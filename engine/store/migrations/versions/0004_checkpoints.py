"""Checkpoints of the access log: its tree's subtrees, heads that were signed, and who signed them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "log_subtree",
        sa.Column("level", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("position", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "position"),
    )
    op.create_table(
        "checkpoint",
        sa.Column("size", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("previous_size", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("root", sa.String(), nullable=False),
        sa.Column("previous_root", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("tx_hash", sa.String(), nullable=True),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("size", "previous_size"),
    )
    op.create_index("checkpoint_by_state", "checkpoint", ["state"], unique=False)
    op.create_table(
        "checkpoint_signature",
        sa.Column("size", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("previous_size", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("signer", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("signature", sa.String(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["size", "previous_size"], ["checkpoint.size", "checkpoint.previous_size"]),
        sa.PrimaryKeyConstraint("size", "previous_size", "signer"),
    )
