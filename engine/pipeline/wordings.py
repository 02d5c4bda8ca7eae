"""The wordings that a claim is decided by."""

from datetime import date

from sqlmodel import Session

from engine.errors import Conflict
from engine.pipeline.context import Context
from engine.store import policies, tables
from engine.terms import Terms, TermsBook


def book_of(ctx: Context, session: Session, claim: tables.Claim) -> TermsBook:
    """All wordings of the terms of the claim's policy, read once a session."""
    return book_of_policy(ctx, session, session.get_one(tables.Policy, claim.policy_id))


def book_of_policy(ctx: Context, session: Session, policy: tables.Policy) -> TermsBook:
    edition = policy.product, policy.edition
    books: dict[tuple[str, str], TermsBook] = session.info.setdefault("books", {})
    if edition not in books:
        wordings = policies.wordings(session, *edition)
        if not wordings:
            raise Conflict(f"{policy.product}-{policy.edition} is not loaded", code="policy.product_unknown")
        books[edition] = ctx.book(wordings)
    return books[edition]


def terms_for(ctx: Context, book: TermsBook, admitted_on: date) -> Terms:
    """What is known today of a stay. Of one before all wordings, the first says that it does not hold yet."""
    return book.wording(admitted_on, ctx.today()) or book.wordings[0]


def decided_by(ctx: Context, session: Session, claim: tables.Claim, terms_digest: str) -> Terms:
    """The wording that a claim's decision names."""
    return next(one for one in book_of(ctx, session, claim).wordings if one.digest_hex == terms_digest)
