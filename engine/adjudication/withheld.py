"""A decision where the settlement stays with its provider: what leaves of it, and what can be checked.

What leaves has the amounts, the codes of the reasons and what is used up of the year. It has no fact of the
bill: no line of the trace, no diagnosis in a reason's wording. In its place stands a commitment to the whole.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from engine.adjudication.coverage import Coverage
from engine.adjudication.decision import BenefitResult, Decision, Outcome, Step, used_document
from engine.adjudication.deductibles import borne_before_fen, deductible_fen
from engine.adjudication.documents import Reader
from engine.adjudication.history import FIXED_DAYS, SettlementRef, Standing, Used, read_used
from engine.adjudication.messages import REASONS, without_facts
from engine.money import Fen
from engine.settlement.errors import Violation
from engine.terms.model import BASIS, Benefit, Terms

WHOLE = "whole"
"""Under it stands the commitment to the whole decision, 0x and 64 digits."""
_PROPOSED = "review.proposed"
_RATIO = re.compile(r"([0-9]+)\.([0-9]{2})([0-9]{0,2})")
_BYTES32 = re.compile("0x[0-9a-f]{64}")
_UNUSED = Used(0, 0, {})
Document = dict[str, Any]


def is_partial(decision: Mapping[str, Any]) -> bool:
    """Whether it is what left a provider, and not a whole decision."""
    return WHOLE in decision


def part_of(decision: Mapping[str, Any], terms: Terms, whole: str) -> Document:
    """What leaves of a whole decision; `whole` is the commitment to it."""
    told = [_reason(terms, one["code"], one.get("benefit")) for one in decision["reasons"]]
    proposed = [step for step in decision["trace"] if step["step"] == _PROPOSED]
    return {**decision, "reasons": told, "trace": proposed, "clauses": {}, WHOLE: whole}


def _reason(terms: Terms, code: str, benefit_code: str | None) -> Document:
    benefit = next((one for one in terms.benefits if one.code == benefit_code), None)
    text = without_facts(REASONS[code], benefit.name if benefit else None)
    about = {"benefit": benefit.code} if benefit else {}
    return {"code": code, **about, "message_en": text.en, "message_zh": text.zh}


def objections(
    part: Mapping[str, Any], terms: Terms, coverage: Coverage, standing: Standing, settlement: SettlementRef
) -> list[Violation]:
    """What cannot be a part of any decision of this settlement under these terms; none: it may be one.

    Held against what is known without the bill: that the amounts add up, bear exactly the deductible that is
    left and stay within rates and caps, and that nothing stands in it that is not asked for. How much of the
    bill is eligible only the bill tells.
    """
    found = Reader(part, "decision")
    outcome = found.text("decision")
    if outcome not in list(Outcome):
        found.refuse("decision", "decision", "is none of pay, nothing, review, refuse")
        return found.violations
    where = "benefits"
    stated: Reader = found
    if outcome == Outcome.REVIEW:
        stated, where = _proposal(found), "trace/0/out/benefits"
    results, reasons = _results(stated, terms), _reasons(found, terms)
    if found.violations:
        return found.violations
    document = _rebuilt(Outcome(outcome), results, reasons, terms, settlement) | {WHOLE: part.get(WHOLE)}
    for name in sorted({*document, *part}):
        if (name in document, _text(document.get(name))) != (name in part, _text(part.get(name))):
            found.refuse(name, "rebuilt", "is not what the rest of the decision comes to, or not to be told")
    if _BYTES32.fullmatch(found.text(WHOLE)) is None:
        found.refuse(WHOLE, "rebuilt", "is no commitment")
    if bool(part.get("reasons")) is (outcome == Outcome.PAY):
        found.refuse("reasons", "outcome", "do not go with the outcome")
    total = sum(result.payable_fen for result in results)
    if (outcome == Outcome.PAY and not total) or (outcome == Outcome.NOTHING and total):
        found.refuse("payable_fen", "outcome", "does not go with the outcome")
    for problem in _beyond(results, terms, coverage, standing):
        found.refuse(where, "amount", problem)
    return found.violations


def _text(value: Any) -> str:
    """In which 1, 1.0 and true are three."""
    return json.dumps(value, sort_keys=True)


def _proposal(found: Reader) -> Reader:
    trace = found.node.get("trace")
    step = trace[0] if isinstance(trace, list) and len(trace) == 1 else None
    return Reader(step, "decision", "/trace/0", found.violations).child("out")


def _results(stated: Reader, terms: Terms) -> tuple[BenefitResult, ...]:
    used = read_used(stated.child("used"))
    nodes = stated.node.get("benefits")
    if not isinstance(nodes, list):
        stated.refuse("benefits", "type", "is not a list")
        return ()
    known = {benefit.code: benefit for benefit in terms.benefits}
    results = []
    for index, node in enumerate(nodes):
        reader = Reader(node, "decision", f"{stated.field}/benefits/{index}", stated.violations)
        benefit = known.get(reader.text("code"))
        ratio = _RATIO.fullmatch(reader.text("ratio"))
        if benefit is None or ratio is None:
            reader.refuse("", "benefit", "is no benefit of the terms at a ratio")
            continue
        use = used.get(benefit.code, _UNUSED)
        results.append(
            BenefitResult(
                benefit=benefit,
                eligible_fen=Fen(reader.count("eligible_fen")),
                deductible_fen=Fen(reader.count("deductible_fen")),
                ratio_bp=int(ratio[1]) * BASIS + int((ratio[2] + ratio[3]).ljust(4, "0")),
                payable_fen=Fen(reader.count("payable_fen")),
                limits=use.limits,
                after_fen=use.after_fen,
                carried=use.carried,
            )
        )
    order = [benefit.code for benefit in terms.benefits if benefit.code in {r.benefit.code for r in results}]
    if order != [result.benefit.code for result in results]:
        stated.refuse("benefits", "order", "are not each once, in the order of the terms")
    return tuple(results)


def _reasons(found: Reader, terms: Terms) -> list[Document]:
    """By their codes, in the wording that has no fact."""
    nodes = found.node.get("reasons")
    if not isinstance(nodes, list):
        found.refuse("reasons", "type", "is not a list")
        return []
    told = []
    for index, node in enumerate(nodes):
        reader = Reader(node, "decision", f"/reasons/{index}", found.violations)
        code = reader.text("code")
        if code not in REASONS:
            reader.refuse("code", "reason", "is no reason's")
            continue
        told.append(_reason(terms, code, reader.text("benefit") if "benefit" in reader.node else None))
    return told


def _rebuilt(
    outcome: Outcome,
    results: tuple[BenefitResult, ...],
    reasons: list[Document],
    terms: Terms,
    settlement: SettlementRef,
) -> Document:
    """The decision that these results make, with these reasons: all else follows."""
    payable = Fen(sum(result.payable_fen for result in results) if outcome is Outcome.PAY else 0)
    kept = results if outcome in (Outcome.PAY, Outcome.NOTHING) else ()
    document = Decision(outcome, payable, kept, (), (), terms, settlement).document()
    trace = []
    if outcome is Outcome.REVIEW:
        found = {
            "proposed_fen": sum(result.payable_fen for result in results),
            "benefits": [result.document() for result in results],
            "used": used_document(results),
        }
        trace = [Step(_PROPOSED, None, {}, found).document(terms)]
    return {**document, "reasons": reasons, "trace": trace, "clauses": {}}


def _beyond(
    results: Sequence[BenefitResult], terms: Terms, coverage: Coverage, standing: Standing
) -> list[str]:
    """What no bill comes to."""
    problems = []
    for index, result in enumerate(results):
        benefit, code = result.benefit, result.benefit.code
        left = _deductible_left(results[:index], benefit, terms, coverage, standing)
        if result.deductible_fen != min(result.eligible_fen, left):
            problems.append(f"{code}: of the deductible {left} fen are left to bear")
        after = result.eligible_fen - result.deductible_fen
        exact = after * _most_bp(benefit) + (max(standing.of(code).carried, 0))
        if result.payable_fen * BASIS > exact + BASIS // 2:
            problems.append(f"{code}: pays more than its ratio of what is beyond the deductible")
        if not _may_use(result, carries=terms.rounding == "half_up_fen_year"):
            problems.append(f"{code}: uses up what no settlement does")
        for cap, used in (
            (benefit.cap_fen, standing.of(code).paid_fen),
            (benefit.stay_cap_fen, standing.of(code).stay_paid_fen),
        ):
            if cap is not None and result.payable_fen > max(cap - used, 0):
                problems.append(f"{code}: pays more than its cap leaves")
    for shared in terms.caps:
        sums = [standing.of(code) for code in shared.benefits]
        used = sum(one.stay_paid_fen if shared.within == "stay" else one.paid_fen for one in sums)
        if _paid(results, shared.benefits) > max(shared.paid_max_fen - used, 0):
            problems.append(f"{shared.id}: more is paid than the shared cap leaves")
    every = frozenset(benefit.code for benefit in terms.benefits)
    most = terms.aggregate_cap_fen
    if most is not None and _paid(results, every) > max(most - standing.paid_fen, 0):
        problems.append("more is paid than the year's cap leaves")
    return problems


def _may_use(result: BenefitResult, *, carries: bool) -> bool:
    """Whether what is used up goes with what is paid: the paid limits within it, the costs on the tiers all
    that is beyond the deductible, and no more carried than rounding leaves."""
    benefit = result.benefit
    counted = {limit.id for limit in benefit.limits if limit.occasions_max is not None} | {FIXED_DAYS}
    known = counted | {limit.id for limit in benefit.limits}
    under = sum(sum(items.values()) for limit, items in result.limits.items() if limit in known - counted)
    after = result.eligible_fen - result.deductible_fen if benefit.ratio.tiers and not benefit.fixed else 0
    return (
        known.issuperset(result.limits)
        and under <= result.payable_fen
        and result.after_fen == after
        and abs(result.carried) <= (BASIS if carries else 0)
    )


def _deductible_left(
    before: Sequence[BenefitResult], benefit: Benefit, terms: Terms, coverage: Coverage, standing: Standing
) -> int:
    if benefit.deductible is None or benefit.fixed is not None:
        return 0
    whole = deductible_fen(benefit.deductible, coverage)
    return max(whole - borne_before_fen(terms, standing, before, benefit), 0)


def _most_bp(benefit: Benefit) -> int:
    """The highest rate that the benefit pays to anybody."""
    ratio = benefit.ratio
    rates = [ratio.rate, *(row.rate for row in ratio.rows), *(tier.rate for tier in ratio.tiers)]
    return max(rate.bp(reduced) for rate in rates for reduced in (False, True))


def _paid(results: Sequence[BenefitResult], codes: frozenset[str]) -> int:
    return sum(result.payable_fen for result in results if result.benefit.code in codes)
