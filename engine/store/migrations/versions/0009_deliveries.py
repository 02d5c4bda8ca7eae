"""Deliveries in a hospital's own format: their bytes, mappings, readings, and what became of each record."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _what_came()
    _what_became_of_it()
    _what_stands_beside()


def _what_came() -> None:
    op.create_table(
        "source_version",
        sa.Column("hospital_code", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("holds_from", sa.Date(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("registered_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(["hospital_code"], ["hospital.code"]),
        sa.PrimaryKeyConstraint("hospital_code", "source", "number"),
    )
    op.create_table(
        "delivery",
        sa.Column("delivery_id", sa.String(), nullable=False),
        sa.Column("hospital_code", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("body_digest", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("body_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(["hospital_code"], ["hospital.code"]),
        sa.PrimaryKeyConstraint("delivery_id"),
        sa.UniqueConstraint("hospital_code", "source", "body_digest"),
    )


def _what_became_of_it() -> None:
    op.create_table(
        "reading",
        sa.Column("id", _ID, nullable=False),
        sa.Column("delivery_id", sa.String(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("mapping_number", sa.Integer(), nullable=False),
        sa.Column("mapping_digest", sa.String(), nullable=False),
        sa.Column("cleaning", sa.String(), nullable=False),
        sa.Column("dictionaries", sa.String(), nullable=False),
        sa.Column("begun_at", _TIME, nullable=False),
        sa.Column("ended_at", _TIME, nullable=True),
        sa.Column("refused", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.delivery_id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("delivery_id", "run"),
    )
    op.create_table(
        "delivered_record",
        sa.Column("id", _ID, nullable=False),
        sa.Column("reading_id", sa.BigInteger(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=True),
        sa.Column("setl_id", sa.String(), nullable=True),
        sa.Column("settlement_id", sa.Integer(), nullable=True),
        sa.Column("quarantined_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["reading_id"], ["reading.id"]),
        sa.ForeignKeyConstraint(["settlement_id"], ["settlement.id"]),
        sa.ForeignKeyConstraint(["quarantined_id"], ["quarantined.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("reading_id", "ordinal"),
    )
    op.create_index("delivered_record_by_settlement", "delivered_record", ["settlement_id"])
    op.create_table(
        "delivered_body",
        sa.Column("delivery_id", sa.String(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("hospital_code", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("closes", sa.Boolean(), nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("body_sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.delivery_id"]),
        sa.PrimaryKeyConstraint("delivery_id", "ordinal"),
    )
    op.create_index("delivered_body_by_stay", "delivered_body", ["hospital_code", "source", "key"])


def _what_stands_beside() -> None:
    op.create_table(
        "source_tally",
        sa.Column("hospital_code", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.Column("last_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("hospital_code", "source", "what", "name"),
    )
    op.create_table(
        "correction",
        sa.Column("quarantined_id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("settlement_id", sa.Integer(), nullable=False),
        sa.Column("patch_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(["quarantined_id"], ["quarantined.id"]),
        sa.ForeignKeyConstraint(["settlement_id"], ["settlement.id"]),
        sa.PrimaryKeyConstraint("quarantined_id"),
    )
    op.create_index(op.f("ix_correction_settlement_id"), "correction", ["settlement_id"])
