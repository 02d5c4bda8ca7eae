"""Inside the database: every settlement has its claim, every claim its unbroken way."""

import itertools
from collections import Counter
from collections.abc import Sequence

from engine.fsck.beliefs import CLAIM_MOVES, FIRST_STATE, TAKEN_BACK, UNDER_WAY
from engine.fsck.database import Claim, Records, Transition
from engine.fsck.report import Code, Findings


def check_claims(records: Records, findings: Findings) -> None:
    _one_claim_each(records, findings)
    _further_claims(records, findings)
    for claim in records.claims:
        _check_way(claim, records.transitions[claim.id], findings)
        _check_reversal(claim, records, findings)
        if claim.state in UNDER_WAY:
            findings.under_way(claim.claim_id, f"the claim is {claim.state}")


def _one_claim_each(records: Records, findings: Findings) -> None:
    claims_of = Counter(claim.settlement_id for claim in records.claims if claim.beside is None)
    for settlement in records.settlements:
        count = claims_of.pop(settlement.id, 0)
        subject = f"settlement {settlement.id}"
        named = f"{settlement.setl_id} of hospital {settlement.hospital_code}"
        if count == 0:
            findings.differ(Code.CLAIM_MISSING, subject, f"{named} was accepted and has no claim")
        elif count > 1:
            findings.differ(Code.CLAIM_TWICE, subject, f"{named} has {count} claims")
    known = {settlement.id for settlement in records.settlements}
    for claim in records.claims:
        if claim.settlement_id not in known:
            findings.differ(
                Code.CLAIM_ORPHAN, claim.claim_id, f"its settlement {claim.settlement_id} is not there"
            )
    for row in records.transitions.keys() - records.claim_of_row.keys():
        if records.transitions[row]:
            findings.differ(
                Code.CLAIM_ORPHAN, f"claim row {row}", "moves are kept of a claim that is not there"
            )


def _further_claims(records: Records, findings: Findings) -> None:
    """A further policy's claim stands beside the one that its settlement was accepted as, once a policy."""
    named = {claim.claim_id: claim for claim in records.claims}
    claims_of = Counter((claim.settlement_id, claim.policy_id) for claim in records.claims)
    for claim in records.claims:
        if claim.beside is None:
            continue
        first = named.get(claim.beside)
        if first is None or first.beside is not None or first.settlement_id != claim.settlement_id:
            detail = f"{claim.beside} is not what its settlement was accepted as"
            findings.differ(Code.CLAIM_ORPHAN, claim.claim_id, detail)
        count = claims_of[claim.settlement_id, claim.policy_id]
        if count > 1:
            detail = f"settlement {claim.settlement_id} has {count} claims under policy {claim.policy_id}"
            findings.differ(Code.CLAIM_TWICE, claim.claim_id, detail)


def _check_way(claim: Claim, moves: Sequence[Transition], findings: Findings) -> None:
    if not moves or (moves[0].from_state, moves[0].to_state) != (None, FIRST_STATE):
        first = f"{moves[0].from_state} -> {moves[0].to_state}" if moves else "nothing"
        findings.differ(
            Code.TRANSITION_START, claim.claim_id, f"its moves begin with {first}, not with {FIRST_STATE}"
        )
    for before, after in itertools.pairwise(moves):
        if after.from_state != before.to_state:
            detail = f"after {before.to_state} comes a move from {after.from_state} to {after.to_state}"
            findings.differ(Code.TRANSITION_GAP, claim.claim_id, detail)
        if after.to_state not in CLAIM_MOVES.get(after.from_state or "", ()):
            detail = f"{after.from_state} -> {after.to_state} is no allowed move"
            findings.differ(Code.TRANSITION_FORBIDDEN, claim.claim_id, detail)
    if moves and moves[-1].to_state != claim.state:
        detail = f"its moves end with {moves[-1].to_state}, the claim is {claim.state}"
        findings.differ(Code.TRANSITION_GAP, claim.claim_id, detail)


def _check_reversal(claim: Claim, records: Records, findings: Findings) -> None:
    asked = claim.settlement_id in records.reversed_settlements
    if claim.state in TAKEN_BACK and not asked:
        findings.differ(
            Code.REVERSAL_MISSING, claim.claim_id, f"it is {claim.state}, and no hospital took it back"
        )
    elif asked and claim.state not in TAKEN_BACK and claim.state != "recorded":
        # Recorded: the bank has the order, and its answer decides what becomes of the claim.
        findings.differ(
            Code.REVERSAL_IGNORED, claim.claim_id, f"the hospital took it back, and it is {claim.state}"
        )
