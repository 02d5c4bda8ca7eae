"""Products, policies and authorizations: every query."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime

from sqlalchemy import ColumnElement
from sqlmodel import Session, SQLModel, col, func, or_, select

from engine.store.inserting import insert_on
from engine.store.tables import (
    Authorization,
    Claim,
    ConsentText,
    Policy,
    PolicyAlias,
    Product,
    Reopening,
    Settlement,
)

_AT_ONCE = 500
"""Rows of one statement: SQLite takes so many variables and no more."""


def wordings(session: Session, name: str, edition: str) -> Sequence[Product]:
    """All that are loaded of an edition, by version."""
    query = select(Product).where(Product.product == name, Product.edition == edition)
    return session.exec(query.order_by(col(Product.version))).all()


def products(session: Session) -> Sequence[Product]:
    return session.exec(
        select(Product).order_by(Product.product, Product.edition, col(Product.version))
    ).all()


def policy_by_no(session: Session, policy_no: str) -> Policy | None:
    return session.exec(select(Policy).where(Policy.policy_no == policy_no)).one_or_none()


def policies_by_no(session: Session, policy_nos: Iterable[str]) -> dict[str, Policy]:
    rows = session.exec(select(Policy).where(col(Policy.policy_no).in_(list(policy_nos)))).all()
    return {row.policy_no: row for row in rows}


def lock(session: Session, policy: Policy) -> None:
    """Nobody matches by it until the end of the transaction. (SQLite has one writer anyway.)"""
    session.flush()
    session.refresh(policy, with_for_update=True)


def stays_until(session: Session, policy_id: int, states: Iterable[str]) -> date | None:
    """The last discharge under a policy whose claim is in one of `states`."""
    query = select(func.max(Settlement.discharged_on)).join(Claim).where(Claim.policy_id == policy_id)
    return session.exec(query.where(col(Claim.state).in_(list(states)))).one()


def alias(session: Session, policy_id: int, pseudonym: str) -> PolicyAlias | None:
    return session.get(PolicyAlias, (policy_id, pseudonym))


def held_by_claims(session: Session, claims: Iterable[Claim]) -> list[SQLModel]:
    """All consent texts, and these claims' policies and authorizations, in three queries.

    A session answers `get` from the rows it knows for as long as somebody holds them: a batch that goes on
    claim by claim holds this list.
    """
    held = list(claims)
    policy_ids = {claim.policy_id for claim in held}
    authorization_ids = {claim.authorization_id for claim in held}
    queries = (
        select(ConsentText),
        select(Policy).where(col(Policy.id).in_(policy_ids)),
        select(Authorization).where(col(Authorization.authorization_id).in_(authorization_ids)),
    )
    return [row for query in queries for row in session.scalars(query)]


def hold_people(session: Session, policy_ids: Iterable[int]) -> None:
    """Until the end of the transaction nobody else decides for these policies' people and families.

    Whoever holds claims too has taken those first. (SQLite has one writer; there it changes nothing.)
    """
    mine = select(Policy.pseudonym, Policy.family).where(col(Policy.id).in_(sorted(set(policy_ids))))
    found = session.exec(mine).all()
    people, families = {person for person, _ in found}, {family for _, family in found if family is not None}
    # By values and not by subqueries: so that either part is looked up in its index.
    theirs = or_(col(Policy.pseudonym).in_(people), col(Policy.family).in_(families))
    query = select(Policy.id).where(theirs)
    # Rows that refer to a policy may still be added: no key of it changes.
    session.exec(query.order_by(col(Policy.id)).with_for_update(key_share=True)).all()


def policies_page(session: Session, after: int, limit: int) -> Sequence[Policy]:
    query = select(Policy).where(col(Policy.id) > after).order_by(col(Policy.id)).limit(limit)
    return session.exec(query).all()


def policies_touching(
    session: Session, pseudonyms: Iterable[str], first: date, last: date
) -> Iterable[tuple[str, Policy]]:
    """Policies of these people with at least one day of cover in first..last, both included; with whichever
    of the pseudonyms is theirs. Nobody cancels them until the end of the transaction.
    """
    other = col(PolicyAlias.pseudonym)
    by_roll = select(col(Policy.pseudonym), Policy)
    by_other = select(other, Policy).join(Policy, col(Policy.id) == col(PolicyAlias.policy_id))
    for query, pseudonym in ((by_roll, col(Policy.pseudonym)), (by_other, other)):
        these = query.where(
            pseudonym.in_(list(pseudonyms)), Policy.effective <= last, Policy.expires >= first
        )
        yield from session.exec(these.with_for_update(read=True, of=Policy)).all()


def in_a_roll(session: Session, pseudonyms: Collection[str]) -> set[str]:
    """Those of the pseudonyms that a policy, however old, knows somebody by."""
    found: set[str] = set()
    for known in (col(Policy.pseudonym), col(PolicyAlias.pseudonym)):
        found.update(session.exec(select(known).where(known.in_(pseudonyms)).distinct()))
    return found


def authorization_for(
    session: Session, pseudonym: str, scope: str, states: Iterable[str]
) -> Authorization | None:
    """The newest authorization of a person for a scope among those in one of `states`."""
    query = (
        select(Authorization)
        .where(
            Authorization.pseudonym == pseudonym,
            Authorization.scope == scope,
            col(Authorization.state).in_(list(states)),
        )
        .order_by(col(Authorization.received_at).desc())
        .limit(1)
    )
    return session.exec(query).first()


def with_claims(session: Session, product_name: str, edition: str) -> Sequence[int]:
    """The policies of an edition that have claims."""
    return _with_claims(session, Policy.product == product_name, Policy.edition == edition)


def with_claims_of(session: Session, pseudonyms: Iterable[str]) -> Sequence[int]:
    """These people's policies that have claims."""
    return _with_claims(session, col(Policy.pseudonym).in_(list(pseudonyms)))


def _with_claims(session: Session, *which: ColumnElement[bool] | bool) -> Sequence[int]:
    query = select(Claim.policy_id).join(Policy, col(Policy.id) == col(Claim.policy_id)).distinct()
    return [policy_id for policy_id in session.exec(query.where(*which)).all() if policy_id is not None]


def ask_to_reopen(session: Session, policy_ids: Sequence[int], at: datetime) -> None:
    """Have these policies' decisions looked at again, from then on."""
    dialect = session.get_bind().dialect.name
    for first in range(0, len(policy_ids), _AT_ONCE):
        part = policy_ids[first : first + _AT_ONCE]
        rows = [{"policy_id": policy_id, "asked_at": at} for policy_id in part]
        session.execute(insert_on(dialect, Reopening).values(rows).on_conflict_do_nothing())


def to_reopen(session: Session, moving: Iterable[str], at: datetime, limit: int) -> Sequence[int]:
    """Policies asked for by then, the longest waiting first, with no claim in a state of `moving`."""
    busy = select(Claim.policy_id).where(
        col(Claim.policy_id) == col(Reopening.policy_id), col(Claim.state).in_(list(moving))
    )
    query = select(Reopening.policy_id).where(~busy.exists(), col(Reopening.asked_at) <= at)
    query = query.group_by(col(Reopening.policy_id)).order_by(func.min(Reopening.asked_at)).limit(limit)
    return session.exec(query).all()


def count_to_reopen(session: Session) -> int:
    """Policies that wait to be looked at again, now or from a later day on."""
    return session.exec(select(func.count(func.distinct(Reopening.policy_id)))).one()


def asked_by(session: Session, policy_id: int, at: datetime) -> Sequence[Reopening]:
    """What was asked for this policy by then."""
    query = select(Reopening).where(Reopening.policy_id == policy_id, col(Reopening.asked_at) <= at)
    return session.exec(query).all()
