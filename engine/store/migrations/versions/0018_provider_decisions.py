"""Settlements that stay with their provider, what it decided of them, and what it is wanted for again."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("settlement", sa.Column("withheld", sa.String(), nullable=True))
    op.create_table(
        "provider_decision",
        sa.Column("claim_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("discharge", sa.String(), nullable=False),
        sa.Column("handle", sa.String(), nullable=False),
        sa.Column("case_digest", sa.String(), nullable=False),
        sa.Column("decision_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(["claim_id"], ["claim.id"]),
        sa.PrimaryKeyConstraint("claim_id"),
        sa.UniqueConstraint("provider", "discharge", "handle"),
    )
    op.create_table(
        "wanted",
        sa.Column("claim_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("asked_at", _TIME, nullable=False),
        sa.Column("asked_by", sa.String(), nullable=False),
        sa.Column("answered_at", _TIME, nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["claim_id"], ["claim.id"]),
        sa.PrimaryKeyConstraint("claim_id", "why"),
    )
