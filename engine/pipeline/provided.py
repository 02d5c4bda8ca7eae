"""A decision that the settlement's provider has made, in the place of one of our own."""

from typing import Any, Final, NamedTuple

from sqlmodel import Session

from engine.evidence.canonical import digest
from engine.pipeline.cases import case_of
from engine.pipeline.context import Context
from engine.pipeline.histories import Before, reference
from engine.pipeline.sealed import provider_decision
from engine.pipeline.values import stored
from engine.store import provider_decisions, tables

DECIDE_AGAIN: Final = {
    "code": "withheld.decide_again",
    "message_en": "What its provider has decided stands on something else by now. The provider has the "
    "settlement: it has to decide again, or to disclose it.",
    "message_zh": "医疗机构据以理算的情况已经改变；结算清单留存于该机构，须由其重新理算或披露。",
}
"""The reason of a claim that waits for its provider."""


class OnHistory(NamedTuple):
    """A decision document, and the history document that it was made on."""

    decision: dict[str, Any]
    history: dict[str, Any]


def decision_on(
    ctx: Context, session: Session, claim: tables.Claim, settlement: tables.Settlement, known: Before
) -> OnHistory | None:
    """What the provider has decided, if it was made of the case as it stands."""
    row = provider_decisions.of_claim(session, stored(claim.id))
    if row is None or known.earlier_undecided or known.others_undecided:
        return None
    policy = session.get_one(tables.Policy, claim.policy_id)
    case = case_of(ctx, policy, known, reference(settlement), str(claim.authorization_id))
    if digest(case).hex() != row.case_digest:
        return None
    return OnHistory(provider_decision(ctx.vault, claim, row).decision, case["history"])
