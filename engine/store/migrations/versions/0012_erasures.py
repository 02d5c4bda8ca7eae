"""What is erased of a person says when; the rest of the row stays for the books of account."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("claim", "delivery"):
        op.add_column(table, sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
