"""Claims, their moves, payouts, and the chain's tasks and cursor: every query.

`lock`: whoever goes on to move a claim, or a payout of it, holds the claim's row first, so that of two that
would move it one waits and then sees what the other did. (SQLite has one writer; there it changes nothing.)
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import exists, insert, update
from sqlalchemy import select as columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, func, or_, select

from engine.store.tables import (
    ChainCursor,
    Claim,
    ClaimTransition,
    GivenEvent,
    Payout,
    Policy,
    ProcessingTask,
    Quarantined,
    Settlement,
)

POLICY_ORDER = col(Policy.effective), col(Policy.coverage_digest)
"""In which the policies of a person pay for a settlement; Policy.order is the same of rows in memory."""


def by_name(session: Session, name: str, *, lock: bool = False) -> Claim | None:
    """By claim_id (`clm_…`) or by claim_key (0x…)."""
    column = Claim.claim_key if name.startswith("0x") else Claim.claim_id
    query = select(Claim).where(column == name)
    return session.exec(query.with_for_update() if lock else query).one_or_none()


def by_keys(session: Session, claim_keys: Iterable[str]) -> dict[str, Claim]:
    rows = session.exec(select(Claim).where(col(Claim.claim_key).in_(list(claim_keys)))).all()
    return {row.claim_key: row for row in rows if row.claim_key is not None}


def is_any_unbatched(session: Session, states: Iterable[str]) -> bool:
    query = select(Claim.id).where(col(Claim.state).in_(list(states)), col(Claim.batch_id).is_(None))
    return session.exec(query.limit(1)).first() is not None


def unbatched(session: Session, states: Iterable[str], limit: int) -> Sequence[Claim]:
    """Claims that no batch has taken, in the order their people's terms want: by settlement time."""
    query = (
        select(Claim)
        .join(Settlement, col(Settlement.id) == col(Claim.settlement_id))
        .where(col(Claim.state).in_(list(states)), col(Claim.batch_id).is_(None))
        .order_by(col(Settlement.settled_at), col(Settlement.reference))
        .limit(limit)
    )
    return session.exec(query).all()


class Arrived(NamedTuple):
    """A claim that nothing has happened to: its row, and whose it is."""

    claim_id: int
    pseudonym: str


def arrived(session: Session, state: str, limit: int) -> Sequence[Arrived]:
    """Claims of identified people that no batch and no policy has taken, as they came; held until the end of
    the transaction. A settlement's claim beside another is none of them, nor is the one that it is beside."""
    further = aliased(Claim)
    query = (
        columns(col(Claim.id), col(Settlement.pseudonym))
        .join(Settlement, col(Settlement.id) == col(Claim.settlement_id))
        .where(
            col(Claim.state) == state,
            *(column.is_(None) for column in (col(Claim.batch_id), col(Claim.policy_id), col(Claim.beside))),
            col(Settlement.pseudonym).is_not(None),
            ~exists().where(
                col(further.settlement_id) == col(Claim.settlement_id), col(further.id) != col(Claim.id)
            ),
        )
        .order_by(col(Claim.id))
        .limit(limit)
        .with_for_update(of=Claim)
    )
    rows: Any = session.connection().execute(query)
    return [Arrived(*row) for row in rows]


def move_all(
    session: Session, row_ids: Sequence[int], transition: Mapping[str, Any], reasons: list[dict[str, Any]]
) -> None:
    """The same transition of many claims, and its reasons, in a statement a table."""
    connection = session.connection()
    values = {"state": transition["to_state"], "updated_at": transition["at"], "reasons": reasons}
    connection.execute(update(Claim).where(col(Claim.id).in_(row_ids)).values(values))
    connection.execute(insert(ClaimTransition), [{"claim_id": one, **transition} for one in row_ids])


def batch(
    session: Session, batch_id: str, state: str, *, lock: bool = False
) -> Sequence[tuple[Claim, Settlement]]:
    """A batch's claims that are still in `state`, in order of settlement time, and then of the policies."""
    query = (
        select(Claim, Settlement)
        .join(Settlement, col(Settlement.id) == col(Claim.settlement_id))
        .join(Policy, col(Policy.id) == col(Claim.policy_id), isouter=True)
        .where(Claim.batch_id == batch_id, Claim.state == state)
        .order_by(col(Settlement.settled_at), col(Settlement.reference), *POLICY_ORDER)
    )
    return session.exec(query.with_for_update(of=Claim) if lock else query).all()


def open_batches(session: Session, states: Iterable[str]) -> Sequence[str]:
    """Batches that still hold a claim in one of `states`."""
    query = (
        select(Claim.batch_id)
        .where(col(Claim.state).in_(list(states)), col(Claim.batch_id).is_not(None))
        .distinct()
    )
    return [batch_id for batch_id in session.exec(query).all() if batch_id is not None]


def of_policy(session: Session, policy_id: int, *, lock: bool = False) -> Sequence[tuple[Claim, Settlement]]:
    """All claims of a policy, by settlement time."""
    query = (
        select(Claim, Settlement)
        .join(Settlement, col(Settlement.id) == col(Claim.settlement_id))
        .where(Claim.policy_id == policy_id)
        .order_by(col(Settlement.settled_at), col(Settlement.reference))
    )
    return session.exec(query.with_for_update(of=Claim) if lock else query).all()


def of_settlement(session: Session, settlement_id: int, *, lock: bool = False) -> Sequence[Claim]:
    """The claim that a settlement was accepted as, then those of further policies."""
    query = select(Claim).where(Claim.settlement_id == settlement_id).order_by(col(Claim.id))
    return session.exec(query.with_for_update() if lock else query).all()


Beside = Sequence[tuple[Claim, Policy]]
"""A settlement's matched claims in the order in which their policies pay."""


def beside(session: Session, settlement_ids: Iterable[int]) -> dict[int, Beside]:
    """By settlement; one without a matched claim is left out."""
    query = select(Claim, Policy).join(Policy, col(Policy.id) == col(Claim.policy_id))
    query = query.where(col(Claim.settlement_id).in_(list(settlement_ids))).order_by(*POLICY_ORDER)
    found: dict[int, list[tuple[Claim, Policy]]] = {}
    for claim, policy in session.exec(query).all():
        found.setdefault(claim.settlement_id, []).append((claim, policy))
    return dict(found)


def of_family(session: Session, family: str, policy_id: int) -> Sequence[tuple[Claim, Settlement]]:
    """All claims of a family's other policies, by settlement time."""
    query = (
        select(Claim, Settlement)
        .join(Settlement, col(Settlement.id) == col(Claim.settlement_id))
        .join(Policy, col(Policy.id) == col(Claim.policy_id))
        .where(Policy.family == family, col(Policy.id) != policy_id)
        .order_by(col(Settlement.settled_at), col(Settlement.reference))
    )
    return session.exec(query).all()


def page(
    session: Session,
    *,
    state: str | None,
    hospital_code: str | None,
    product: str | None,
    after: int,
    limit: int,
) -> Sequence[tuple[Claim, Policy | None]]:
    query = (
        select(Claim, Policy)
        .join(Policy, col(Policy.id) == col(Claim.policy_id), isouter=True)
        .where(col(Claim.id) > after)
    )
    if state is not None:
        query = query.where(Claim.state == state)
    if hospital_code is not None:
        query = query.where(Claim.hospital_code == hospital_code)
    if product is not None:
        query = query.where(Policy.product == product)
    return session.exec(query.order_by(col(Claim.id)).limit(limit)).all()


def transitions(session: Session, claim_id: int) -> Sequence[ClaimTransition]:
    query = select(ClaimTransition).where(ClaimTransition.claim_id == claim_id)
    return session.exec(query.order_by(col(ClaimTransition.id))).all()


def count_by_state(session: Session) -> dict[str, int]:
    return dict(session.exec(select(Claim.state, func.count()).group_by(Claim.state)).all())


def count_quarantined(session: Session) -> int:
    """Refused bodies that have not been corrected yet."""
    query = select(func.count()).select_from(Quarantined).where(col(Quarantined.corrected_by).is_(None))
    return session.exec(query).one()


def payouts_by_state(session: Session) -> dict[str, tuple[int, int]]:
    """state -> (count, sum in fen)."""
    query = select(Payout.state, func.count(), func.sum(Payout.amount_fen)).group_by(Payout.state)
    return {state: (count, int(total or 0)) for state, count, total in session.exec(query).all()}


def in_record(session: Session, state: str, limit: int, *, lock: bool = False) -> Sequence[Claim]:
    """Claims in this state whose result is on chain, as far as is known."""
    query = select(Claim).where(Claim.state == state, col(Claim.record_tx).is_not(None))
    query = query.order_by(col(Claim.id)).limit(limit)
    return session.exec(query.with_for_update() if lock else query).all()


def off_record(session: Session, states: Iterable[str], limit: int) -> Sequence[Claim]:
    """Claims whose result was on chain, confirmed, and is there no more."""
    query = select(Claim).where(col(Claim.state).in_(list(states)), col(Claim.record_tx).is_(None))
    return session.exec(query.order_by(col(Claim.id)).limit(limit)).all()


def payouts_due(session: Session, limit: int) -> Sequence[Payout]:
    """Payouts to be sent. One whose result has left the chain waits until it stands there again."""
    query = (
        select(Payout)
        .join(Claim, col(Claim.id) == col(Payout.claim_id))
        .where(Payout.state == "due", or_(Claim.state != "recorded", col(Claim.record_tx).is_not(None)))
    )
    return session.exec(query.order_by(col(Payout.created_at), col(Payout.payout_id)).limit(limit)).all()


def payouts_to_confirm(session: Session, limit: int) -> Sequence[Payout]:
    """Settled payouts of which the chain does not know, as far as is known."""
    query = select(Payout).where(
        col(Payout.state).in_(("settled", "confirmed")), col(Payout.confirm_tx).is_(None)
    )
    return session.exec(query.order_by(col(Payout.created_at), col(Payout.payout_id)).limit(limit)).all()


def payouts_in(session: Session, states: Iterable[str], limit: int) -> Sequence[Payout]:
    query = select(Payout).where(col(Payout.state).in_(list(states)))
    return session.exec(query.order_by(col(Payout.created_at), col(Payout.payout_id)).limit(limit)).all()


def payout_batch(session: Session, batch_id: str, states: Iterable[str]) -> Sequence[Payout]:
    query = select(Payout).where(Payout.batch_id == batch_id, col(Payout.state).in_(list(states)))
    return session.exec(query.order_by(col(Payout.payout_id))).all()


def payouts_with_claims(
    session: Session, payout_ids: Iterable[str], *, lock: bool = False
) -> Sequence[tuple[Payout, Claim]]:
    query = select(Payout, Claim).join(Claim, col(Claim.id) == col(Payout.claim_id))
    query = query.where(col(Payout.payout_id).in_(list(payout_ids))).order_by(col(Payout.payout_id))
    return session.exec(query.with_for_update() if lock else query).all()


def payout_of(session: Session, claim_id: int, version: int) -> Payout | None:
    query = select(Payout).where(Payout.claim_id == claim_id, Payout.version == version)
    return session.exec(query).one_or_none()


def payouts_of(session: Session, claim_id: int) -> Sequence[Payout]:
    query = select(Payout).where(Payout.claim_id == claim_id)
    return session.exec(query.order_by(col(Payout.version))).all()


def paid_fen(session: Session, claim_id: int) -> int:
    """What the insured has of a claim's payouts, over all versions."""
    query = select(func.sum(Payout.amount_fen)).where(
        Payout.claim_id == claim_id, col(Payout.state).in_(("settled", "confirmed"))
    )
    return int(session.exec(query).one() or 0)


def payouts_page(
    session: Session, state: str | None, after: str, limit: int
) -> Sequence[tuple[Payout, str | None]]:
    query = (
        select(Payout, Claim.claim_key)
        .join(Claim, col(Claim.id) == col(Payout.claim_id))
        .where(Payout.payout_id > after)
    )
    if state is not None:
        query = query.where(Payout.state == state)
    return session.exec(query.order_by(col(Payout.payout_id)).limit(limit)).all()


def task(session: Session, product: str, day: date, terms_root: str) -> ProcessingTask | None:
    query = select(ProcessingTask).where(
        ProcessingTask.product == product,
        ProcessingTask.day == day,
        ProcessingTask.terms_root == terms_root,
    )
    return session.exec(query).one_or_none()


def tasks_to_close(session: Session, before: date) -> Sequence[ProcessingTask]:
    """Tasks of earlier days that are still running."""
    query = select(ProcessingTask).where(
        ProcessingTask.day < before,
        col(ProcessingTask.running).is_(True),
        col(ProcessingTask.closed).is_(False),
    )
    return session.exec(query).all()


def cursor(session: Session, name: str) -> ChainCursor | None:
    return session.get(ChainCursor, name)


def given_below(session: Session, block_number: int) -> GivenEvent | None:
    """The newest event below this block that the payout feed was given."""
    query = select(GivenEvent).where(GivenEvent.block_number < block_number)
    return session.exec(query.order_by(col(GivenEvent.block_number).desc()).limit(1)).one_or_none()


def given_from(session: Session, block_number: int) -> Sequence[GivenEvent]:
    """The events from this block on that the payout feed was given, newest first."""
    query = select(GivenEvent).where(GivenEvent.block_number >= block_number)
    order = col(GivenEvent.block_number).desc(), col(GivenEvent.log_index).desc()
    return session.exec(query.order_by(*order)).all()
