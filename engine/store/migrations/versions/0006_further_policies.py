"""Several policies answer for one settlement, each with a claim of its own; policies of one family."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_FIRST = sa.text("beside IS NULL")
_KEPT = (
    *("id", "claim_id", "claim_key", "settlement_id", "hospital_code", "state", "batch_id", "policy_id"),
    *("authorization_id", "version", "payable_fen", "recovery_fen", "reasons", "decision_sealed"),
    *("history_sealed", "salts_sealed", "result_digest", "task_id", "record_tx", "reverse_tx"),
    *("created_at", "updated_at"),
)


def upgrade() -> None:
    op.add_column("policy", sa.Column("family", sa.String(), nullable=True))
    op.create_index("policy_by_family", "policy", ["family"])
    if op.get_bind().dialect.name == "sqlite":
        _made_anew()
    else:
        op.drop_constraint("claim_settlement_id_key", "claim", type_="unique")
        op.add_column("claim", sa.Column("beside", sa.String(), nullable=True))
        op.create_foreign_key(None, "claim", "claim", ["beside"], ["claim_id"])
        op.create_unique_constraint(None, "claim", ["settlement_id", "policy_id"])
    op.create_index(
        "claim_first", "claim", ["settlement_id"], unique=True, sqlite_where=_FIRST, postgresql_where=_FIRST
    )


def _made_anew() -> None:
    """SQLite cannot drop a constraint. Others refer to the table, so it goes and comes back, with its rows,
    under its own name and within this transaction, at whose end SQLite checks that they refer to something.
    """
    op.execute("PRAGMA defer_foreign_keys = ON")
    op.execute("CREATE TEMPORARY TABLE claim_kept AS SELECT * FROM claim")
    op.drop_table("claim")
    op.create_table(
        "claim",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("claim_id", sa.String(), nullable=False),
        sa.Column("claim_key", sa.String(), nullable=True),
        sa.Column("settlement_id", sa.Integer(), nullable=False),
        sa.Column("beside", sa.String(), nullable=True),
        sa.Column("hospital_code", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("batch_id", sa.String(), nullable=True),
        sa.Column("policy_id", sa.Integer(), nullable=True),
        sa.Column("authorization_id", sa.String(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("payable_fen", sa.BigInteger(), nullable=False),
        sa.Column("recovery_fen", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("decision_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("history_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("salts_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("result_digest", sa.String(), nullable=True),
        sa.Column("task_id", sa.String(), nullable=True),
        sa.Column("record_tx", sa.String(), nullable=True),
        sa.Column("reverse_tx", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["authorization_id"], ["authorization.authorization_id"]),
        sa.ForeignKeyConstraint(["policy_id"], ["policy.id"]),
        sa.ForeignKeyConstraint(["settlement_id"], ["settlement.id"]),
        sa.ForeignKeyConstraint(["beside"], ["claim.claim_id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("claim_id"),
        sa.UniqueConstraint("claim_key"),
        sa.UniqueConstraint("settlement_id", "policy_id"),
    )
    columns = ", ".join(_KEPT)
    op.execute(f"INSERT INTO claim ({columns}) SELECT {columns} FROM claim_kept")  # noqa: S608  this file's own names
    op.execute("DROP TABLE claim_kept")
    op.create_index("claim_by_batch", "claim", ["batch_id"])
    op.create_index("claim_by_state", "claim", ["state", "id"])
    op.create_index(op.f("ix_claim_policy_id"), "claim", ["policy_id"])
