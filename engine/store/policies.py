"""Products, policies and authorizations: every query."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime

from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel, col, delete, select

from engine.store.tables import Authorization, Claim, ConsentText, Policy, Product, Reopening


def product(session: Session, name: str, edition: str) -> Product | None:
    return session.get(Product, (name, edition))


def products(session: Session) -> Sequence[Product]:
    return session.exec(select(Product).order_by(Product.product, Product.edition)).all()


def policy_by_no(session: Session, policy_no: str) -> Policy | None:
    return session.exec(select(Policy).where(Policy.policy_no == policy_no)).one_or_none()


def policies_by_no(session: Session, policy_nos: Iterable[str]) -> dict[str, Policy]:
    rows = session.exec(select(Policy).where(col(Policy.policy_no).in_(list(policy_nos)))).all()
    return {row.policy_no: row for row in rows}


def held_by_claims(session: Session, claims: Iterable[Claim]) -> list[SQLModel]:
    """All products and consent texts, and these claims' policies and authorizations, in four queries.

    A session answers `get` from the rows it knows for as long as somebody holds them: a batch that goes on
    claim by claim holds this list.
    """
    held = list(claims)
    policy_ids = {claim.policy_id for claim in held}
    authorization_ids = {claim.authorization_id for claim in held}
    queries = (
        select(Product),
        select(ConsentText),
        select(Policy).where(col(Policy.id).in_(policy_ids)),
        select(Authorization).where(col(Authorization.authorization_id).in_(authorization_ids)),
    )
    return [row for query in queries for row in session.scalars(query)]


def policies_page(session: Session, after: int, limit: int) -> Sequence[Policy]:
    query = select(Policy).where(col(Policy.id) > after).order_by(col(Policy.id)).limit(limit)
    return session.exec(query).all()


def policies_touching(
    session: Session, pseudonyms: Iterable[str], first: date, last: date
) -> Sequence[Policy]:
    """Policies of these people with at least one day of cover in first..last, both included."""
    query = select(Policy).where(
        col(Policy.pseudonym).in_(list(pseudonyms)), Policy.effective <= last, Policy.expires >= first
    )
    return session.exec(query).all()


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


def ask_to_reopen(session: Session, policy_ids: Iterable[int], at: datetime) -> None:
    """Have these policies' decisions looked at again; asked already, it is asked anew."""
    rows = [{"policy_id": policy_id, "asked_at": at} for policy_id in policy_ids]
    if not rows:
        return
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    insert = dialect.insert(Reopening).values(rows)
    newer = {"asked_at": insert.excluded.asked_at}
    session.execute(insert.on_conflict_do_update(index_elements=["policy_id"], set_=newer))


def to_reopen(session: Session, moving: Iterable[str], at: datetime, limit: int) -> Sequence[Reopening]:
    """What was asked for by then, the longest waiting first, where no claim is in a state of `moving`."""
    busy = select(Claim.policy_id).where(
        col(Claim.policy_id) == col(Reopening.policy_id), col(Claim.state).in_(list(moving))
    )
    query = select(Reopening).where(~busy.exists(), col(Reopening.asked_at) <= at)
    return session.exec(query.order_by(col(Reopening.asked_at), col(Reopening.policy_id)).limit(limit)).all()


def reopened(session: Session, asked: Reopening) -> None:
    """Done, unless it was asked again meanwhile."""
    session.exec(
        delete(Reopening).where(
            col(Reopening.policy_id) == asked.policy_id, col(Reopening.asked_at) == asked.asked_at
        )
    )
