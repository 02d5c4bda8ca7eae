"""What is asked at every refusal, scrape and look at a claim's origin is searched for, not read through."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("quarantined_by_body", "quarantined", ["hospital_code", "body_digest"])
    waits = sa.text("corrected_by IS NULL")
    op.create_index("quarantined_waiting", "quarantined", ["id"], sqlite_where=waits, postgresql_where=waits)
    op.create_index("delivered_record_by_quarantined", "delivered_record", ["quarantined_id"])
