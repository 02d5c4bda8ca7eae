"""Private matching: epochs, what was published and asked under them; aliases as they were said; releases."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("policy_alias", sa.Column("sealed", sa.LargeBinary(), nullable=True))
    op.add_column(
        "settlement", sa.Column("released", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    _published()
    _asked()


def _published() -> None:
    op.create_table(
        "match_epoch",
        sa.Column("number", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("public_key", sa.String(), nullable=False),
        sa.Column("opened_at", _TIME, nullable=False),
        sa.Column("withdrawn_at", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_table(
        "match_update",
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("previous_digest", sa.String(), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("made_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(["epoch"], ["match_epoch.number"]),
        sa.PrimaryKeyConstraint("epoch", "number"),
    )
    op.create_table(
        "match_handle",
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("policy_id", sa.BigInteger(), nullable=False),
        sa.Column("handle", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["epoch"], ["match_epoch.number"]),
        sa.ForeignKeyConstraint(["policy_id"], ["policy.id"]),
        sa.PrimaryKeyConstraint("epoch", "policy_id"),
        sa.UniqueConstraint("handle"),
    )
    op.create_table(
        "match_entry",
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("tag", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("stamp", sa.String(), nullable=False),
        sa.Column("update_number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["epoch"], ["match_epoch.number"]),
        sa.PrimaryKeyConstraint("epoch", "tag"),
    )
    op.create_index("match_entry_by_person", "match_entry", ["epoch", "person"])


def _asked() -> None:
    op.create_table(
        "match_question",
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("discharge", sa.String(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("elements", sa.Integer(), nullable=False),
        sa.Column("asked_at", _TIME, nullable=False),
        sa.Column("settlement_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["epoch"], ["match_epoch.number"]),
        sa.ForeignKeyConstraint(["settlement_id"], ["settlement.id"]),
        sa.PrimaryKeyConstraint("provider", "discharge"),
    )
    op.create_table(
        "match_use",
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("elements", sa.Integer(), nullable=False),
        sa.Column("questions", sa.Integer(), nullable=False),
        sa.Column("released", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("provider", "day"),
    )
    op.create_table(
        "match_alarm",
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.Column("last_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("provider", "day", "code"),
    )
