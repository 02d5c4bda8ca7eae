"""Guardians: who consents in a minor's place."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_NOBODY = "0x" + "0" * 40


def upgrade() -> None:
    # Whatever was granted before this was granted by the insured.
    with op.batch_alter_table("authorization") as table:
        table.add_column(sa.Column("guardian", sa.String(), nullable=False, server_default=_NOBODY))
    with op.batch_alter_table("authorization") as table:
        table.alter_column("guardian", server_default=None)
