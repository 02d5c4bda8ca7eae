"""What was found of a settlement's electronic invoice, which one settlement only may hold."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "invoice_check",
        sa.Column("settlement_id", sa.BigInteger(), nullable=False),
        sa.Column("invoice", sa.String(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["settlement_id"], ["settlement.id"]),
        sa.PrimaryKeyConstraint("settlement_id"),
        sa.UniqueConstraint("invoice"),
    )
