"""Guardians: who consents in a minor's place."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_NOBODY = "0x" + "0" * 40


def upgrade() -> None:
    # Whatever was granted before this was granted by the insured. The default stays: to take it away, SQLite
    # would have to make the table anew, and claims refer to it.
    op.add_column("authorization", sa.Column("guardian", sa.String(), nullable=False, server_default=_NOBODY))
