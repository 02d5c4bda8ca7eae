"""What was paid too much on one claim and taken off the payment of another: the table, and every query."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import BigInteger, ColumnElement
from sqlmodel import Field, Session, SQLModel, col, func, select

from engine.store import claims
from engine.store.tables import BIG_ID, Claim, UtcTime


class SetOff(SQLModel, table=True):
    """Of a claim's overpayment (`debtor_id`), what a version of another claim of the policy did not have to
    be paid. Append-only: what is undone is a second row, below 0.
    """

    __tablename__ = "set_off"
    id: int | None = Field(default=None, primary_key=True, sa_type=BIG_ID)
    debtor_id: int = Field(foreign_key="claim.id", index=True)
    claim_id: int = Field(foreign_key="claim.id", index=True)
    version: int
    amount_fen: int = Field(sa_type=BigInteger)
    at: datetime = Field(sa_type=UtcTime)


def debtors(session: Session, claim: Claim, states: Sequence[str]) -> Sequence[Claim]:
    """The policy's other claims of which something is to be recovered, the oldest first; held."""
    query = select(Claim).where(
        Claim.policy_id == claim.policy_id,
        col(Claim.id) != claim.id,
        col(Claim.state).in_(states),
        col(Claim.recovery_fen) > 0,
    )
    return session.exec(query.order_by(col(Claim.id)).with_for_update()).all()


def net_fen(session: Session, claim_id: int) -> int:
    """What set-offs have settled of a claim, less what its own overpayment has settled of others."""
    mine = _sum(session, col(SetOff.claim_id) == claim_id)
    return mine - _sum(session, col(SetOff.debtor_id) == claim_id)


def settled_fen(session: Session, claim_id: int) -> int:
    """What the insured has of a claim, over all versions: paid, and set off."""
    return claims.paid_fen(session, claim_id) + net_fen(session, claim_id)


def given_fen(session: Session, claim_id: int) -> int:
    """What the insured was given of a claim, over all versions, before anything of it was taken back."""
    return claims.paid_fen(session, claim_id) + _sum(session, col(SetOff.claim_id) == claim_id)


def against(session: Session, debtor_id: int) -> Sequence[tuple[int, int, int]]:
    """(claim, version, fen) of what a claim's overpayment has settled and still settles, the newest first."""
    total = func.sum(SetOff.amount_fen)
    query = select(SetOff.claim_id, SetOff.version, total).where(SetOff.debtor_id == debtor_id)
    query = query.group_by(col(SetOff.claim_id), col(SetOff.version)).having(total > 0)
    rows = session.exec(query.order_by(func.max(SetOff.id).desc())).all()
    return [(claim_id, version, int(fen)) for claim_id, version, fen in rows]


def _sum(session: Session, which: ColumnElement[bool]) -> int:
    return int(session.exec(select(func.sum(SetOff.amount_fen)).where(which)).one() or 0)
