"""Which certificate a hospital's provider node shows at the partner port."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("hospital", sa.Column("tls_pin", sa.String(), nullable=True))
