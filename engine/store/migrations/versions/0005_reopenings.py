"""Decisions that are re-opened: policies to be looked at again, what is to be recovered of a claim, and
all wordings of an edition."""

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
        sa.PrimaryKeyConstraint("policy_id", "asked_at"),
    )
    # The default stays: to take it away, SQLite would have to make the table anew, and others refer to it.
    op.add_column("claim", sa.Column("recovery_fen", sa.BigInteger(), nullable=False, server_default="0"))
    # Whatever was taken back after it was paid before this is to be recovered whole.
    op.execute(
        "UPDATE claim SET recovery_fen = (SELECT COALESCE(SUM(amount_fen), 0) FROM payout"
        " WHERE payout.claim_id = claim.id AND payout.state IN ('settled', 'confirmed'))"
        " WHERE state = 'recovery_due'"
    )
    op.create_table(
        "product_wording",
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("edition", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("product", "edition", "version"),
    )
    columns = "digest, document, loaded_at"
    op.execute(
        f"INSERT INTO product_wording (product, edition, version, {columns})"  # noqa: S608  this file's own names
        f" SELECT product, edition, 1, {columns} FROM product"
    )
    op.drop_table("product")
    op.rename_table("product_wording", "product")
