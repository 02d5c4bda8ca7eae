"""A settlement that its provider withholds is demanded, shown, and decided again here.

Which claims are drawn nobody can tell beforehand who does not have the vault. What is shown has to open the
commitment that stands in the claim's result; what it comes to here has to be what its provider said.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import structlog
from sqlmodel import Session

from engine.adjudication import Coverage, History, adjudicate
from engine.adjudication.history import SettlementRef
from engine.adjudication.withheld import WHOLE, part_of
from engine.errors import AutoclaimError, Conflict, NotFound, Refused
from engine.evidence.canonical import commitment
from engine.evidence.errors import NotCanonical
from engine.evidence.manifest import hex32
from engine.pipeline.claims import known
from engine.pipeline.context import SHANGHAI, Context
from engine.pipeline.decide import matched_again
from engine.pipeline.histories import reference
from engine.pipeline.releases import submission_of
from engine.pipeline.sealed import claim_salts, provider_decision, seal_claim_salts, seal_disclosed
from engine.pipeline.states import ClaimState
from engine.pipeline.touched import touch
from engine.pipeline.values import not_erased, stored
from engine.pipeline.wordings import decided_by
from engine.settlement import Settlement
from engine.store import claims, matching, provider_decisions, settlements, tables
from engine.store.provider_decisions import DECIDE_AGAIN, DISCLOSE

AGREES, DIFFERS = "agrees", "differs"
_AT_ONCE = 500
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Disclosure:
    """document: the settlement in its evidence form. salt, decision_salt: of 32 bytes, open the commitments
    to it and to the whole decision."""

    provider: str
    discharge: str
    handle: str
    document: Mapping[str, Any]
    salt: bytes
    decision_salt: bytes


@dataclass(frozen=True, slots=True)
class Disclosed:
    """outcome: whether the settlement comes to what its provider had decided: agrees, differs."""

    claim_id: str
    outcome: str


def demand(ctx: Context, claim_id: str, by: str) -> dict[str, Any]:
    """Want a claim's settlement disclosed; again is no change. Raises NotFound, Conflict
    `claim.not_withheld`, `claim.erased`."""

    def keep(session: Session) -> dict[str, Any]:
        claim = not_erased(known(session, claim_id, lock=True))
        if settlements.by_id(session, claim.settlement_id).withheld is None:
            raise Conflict("its settlement is not withheld", code="claim.not_withheld")
        provider_decisions.want(session, stored(claim.id), DISCLOSE, by, ctx.clock())
        return {"claim_id": claim_id}

    return ctx.writer.run(keep)


def sample(ctx: Context, one_in: int, by: str) -> dict[str, Any]:
    """Demand about one in so many of the settlements that are withheld; the same draw finds the same ones.
    Returns {"withheld": how many there are, "demanded": ids of the claims drawn}."""
    drawn: list[str] = []
    count = after = 0
    while True:
        with ctx.database.reading() as session:
            rows = provider_decisions.withheld(session, after, _AT_ONCE)
        if not rows:
            return {"withheld": count, "demanded": drawn}
        count, after = count + len(rows), stored(rows[-1].id)
        for claim in filter(lambda one: _is_drawn(ctx, one, one_in), rows):
            demand(ctx, claim.claim_id, by)
            drawn.append(claim.claim_id)


def _is_drawn(ctx: Context, claim: tables.Claim, one_in: int) -> bool:
    return int(ctx.vault.fingerprint({"disclose": claim.claim_id}), 16) % one_in == 0


def wanted(ctx: Context, provider: str) -> list[dict[str, Any]]:
    """What a provider is to do about its decisions, the longest asked for first."""
    with ctx.database.reading() as session:
        return [
            {"discharge": row.discharge, "handle": row.handle, "why": one.why, "asked_at": one.asked_at}
            for one, row in provider_decisions.open_wants(session, provider)
        ]


def overdue(ctx: Context) -> list[dict[str, Any]]:
    """As `matching.list_alarms`: what providers have left unanswered for too long, by the day of asking."""
    before = ctx.clock() - timedelta(days=ctx.settings.match_answer_days)
    found: dict[tuple[str, Any], dict[str, Any]] = {}
    with ctx.database.reading() as session:
        for one, row in provider_decisions.open_wants(session, before=before):
            day = one.asked_at.astimezone(SHANGHAI).date()
            alarm = found.setdefault(
                (row.provider, day),
                {
                    "provider": row.provider,
                    "day": day,
                    "code": "release.unanswered",
                    "seen": 0,
                    "elements": 0,
                    "questions": 0,
                    "released": 0,
                },
            )
            alarm["seen"] += 1
            alarm["last_at"] = one.asked_at
    return list(found.values())


def disclose(ctx: Context, one: Disclosure) -> Disclosed:
    """Take in a settlement that was demanded, and hold its provider's decision against it; what differs is an
    alarm, and is decided anew. Returns after the commit; the same again answers the same.

    Raises NotFound `release.unknown`; Conflict `release.not_demanded`; and, with an alarm, Refused
    `release.disclosure`, for what opens no commitment, and `release.document`.
    """
    with ctx.database.reading() as session:
        row = provider_decisions.named(session, one.provider, one.discharge, one.handle)
        if row is None:
            raise NotFound("/discharge: nothing was decided of it under this handle", code="release.unknown")
        claim = session.get_one(tables.Claim, row.claim_id)
        settlement = settlements.by_id(session, claim.settlement_id)
        before = session.get(provider_decisions.Wanted, (row.claim_id, DISCLOSE))
        if settlement.withheld is None and before is not None and before.outcome is not None:
            return Disclosed(claim.claim_id, before.outcome)
        _check_wanted(session, row.claim_id, settlement)
    try:
        _check_opens(ctx, one, settlement)
    except Refused as error:
        _alarm(ctx, one.provider, error)
        raise
    return ctx.writer.run(lambda session: _keep(ctx, session, one, row.claim_id))


def _check_wanted(session: Session, claim_id: int, settlement: tables.Settlement) -> None:
    asked = any(provider_decisions.is_wanted(session, claim_id, why) for why in (DISCLOSE, DECIDE_AGAIN))
    if settlement.withheld is None or not asked:
        raise Conflict("/discharge: nobody has asked for it", code="release.not_demanded")


def _check_opens(ctx: Context, one: Disclosure, settlement: tables.Settlement) -> None:
    try:
        opened = hex32(commitment(one.salt, dict(one.document)))
    except NotCanonical:  # of a fraction, which no settlement has
        opened = None
    if opened != settlement.withheld:
        listed = [{"field": "/document", "rule": "release.disclosure", "message": "is another settlement"}]
        raise Refused("release.disclosure", "it does not open the commitment that was given", listed)
    submission_of(ctx, one.document, settlement.setl_id)


def _alarm(ctx: Context, provider: str, error: AutoclaimError) -> None:
    code, now = f"{error.code}_refused", ctx.clock()
    ctx.writer.run(lambda session: matching.raise_alarm(session, provider, ctx.today(), code, now))


def _keep(ctx: Context, session: Session, one: Disclosure, claim_id: int) -> Disclosed:
    first = session.get_one(tables.Claim, claim_id, with_for_update=True)
    settlement = settlements.by_id(session, first.settlement_id)
    _check_wanted(session, claim_id, settlement)
    outcomes = {}
    for claim in claims.of_settlement(session, first.settlement_id, lock=True):
        outcomes[claim.claim_id] = _hold_against(ctx, session, one, claim, settlement)
        salts = replace(claim_salts(ctx.vault, claim), settlement=one.salt)
        claim.salts_sealed = seal_claim_salts(ctx.vault, claim.claim_id, salts)
    seal_disclosed(ctx.vault, settlement, first, dict(one.document))
    session.add(settlement)
    session.flush()
    for claim in claims.of_settlement(session, first.settlement_id):
        _go_on(ctx, session, claim, outcomes[claim.claim_id])
    if DIFFERS in outcomes.values():
        matching.raise_alarm(session, one.provider, ctx.today(), "release.disclosed_differs", ctx.clock())
    log.info("settlement.disclosed", claim_id=first.claim_id, outcome=outcomes[first.claim_id])
    return Disclosed(first.claim_id, outcomes[first.claim_id] or AGREES)


def _hold_against(
    ctx: Context, session: Session, one: Disclosure, claim: tables.Claim, settlement: tables.Settlement
) -> str | None:
    """What its provider said of a claim, made again of the same case; None where it has said nothing."""
    row = provider_decisions.of_claim(session, stored(claim.id))
    if row is None:
        return None
    case, said = provider_decision(ctx.vault, claim, row)
    terms = decided_by(ctx, session, claim, said["terms_digest"])
    bill = Settlement.parse(dict(one.document))
    whole = adjudicate(
        terms, Coverage.parse(case["coverage"]), History.parse(case["history"]), bill
    ).document()
    of_this = row.discharge == one.discharge and row.handle == one.handle
    is_whole = not of_this or hex32(commitment(one.decision_salt, whole)) == said[WHOLE]
    same = SettlementRef.of(bill) == reference(settlement) and part_of(whole, terms, said[WHOLE]) == said
    return AGREES if same and is_whole else DIFFERS


def _go_on(ctx: Context, session: Session, claim: tables.Claim, outcome: str | None) -> None:
    """What waited for its provider goes on without it, and what differs is looked at again."""
    claim_id = stored(claim.id)
    provider_decisions.answered(session, claim_id, DISCLOSE, outcome or AGREES, ctx.clock())
    if provider_decisions.is_wanted(session, claim_id, DECIDE_AGAIN):
        provider_decisions.answered(session, claim_id, DECIDE_AGAIN, "disclosed", ctx.clock())
        if claim.state == ClaimState.REVIEW:
            matched_again(ctx, session, claim, "its provider has disclosed the settlement")
            return
    if outcome == DIFFERS:
        touch(ctx, session, claim)
