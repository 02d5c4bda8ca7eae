"""What is said of a policy later: as of when it is cancelled, and how else its insured is known."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("policy", sa.Column("cancelled_on", sa.Date(), nullable=True))
    op.create_table(
        "policy_alias",
        sa.Column("policy_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("pseudonym", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["policy_id"], ["policy.id"]),
        sa.PrimaryKeyConstraint("policy_id", "pseudonym"),
    )
    op.create_index(op.f("ix_policy_alias_pseudonym"), "policy_alias", ["pseudonym"])
