"""What a source's tally counts, it counts by the version of the mapping: a better one begins anew."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "source_tally_by_version",
        sa.Column("hospital_code", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("mapping_number", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("hospital_code", "source", "mapping_number", "what", "name"),
    )
    # Which version it was is not known any more: the newest, which is the one that somebody may correct.
    op.execute(
        "INSERT INTO source_tally_by_version"
        " (hospital_code, source, mapping_number, what, name, seen, last_at)"
        " SELECT hospital_code, source,"
        " COALESCE((SELECT MAX(number) FROM source_version WHERE"
        " source_version.hospital_code = source_tally.hospital_code AND"
        " source_version.source = source_tally.source), 1),"
        " what, name, seen, last_at FROM source_tally"
    )
    op.drop_table("source_tally")
    op.rename_table("source_tally_by_version", "source_tally")
