"""The steps about the money: what this version paid, after what, and that it is what was decided."""

from engine.adjudication.ruling import ruling_of
from engine.evidence.anchors import ChainReader
from engine.evidence.bundle import Bundle
from engine.evidence.canonical import commitment
from engine.evidence.chain_checks import EventFacts, Words
from engine.evidence.endpoint import check_block
from engine.evidence.errors import ProofInvalid
from engine.evidence.layout import STATE_PAID, STATE_RECORDED, STATE_REVERSED, ClaimLife, uint_word
from engine.evidence.manifest import Document, withheld_under
from engine.evidence.paper_checks import need, same, utc
from engine.evidence.report import Standing, Unsettled
from engine.settlement.model import Settlement


def check_payment(
    bundle: Bundle, words: Words, fact: EventFacts, chain: ChainReader | None
) -> tuple[str, Standing]:
    """The payment against its digest on chain and against the claim's state at the anchor."""
    payment = bundle.documents.payment
    same(
        fact,
        claimKey=bundle.claim_key,
        version=uint_word(bundle.version),
        payoutDigest=commitment(bundle.salts.payment, payment),
    )
    life = ClaimLife.read(words["MatchResultStore"]["life"])
    state = life.state_of(bundle.version)
    if life.latest != bundle.version or state not in (STATE_PAID, STATE_REVERSED):
        raise ProofInvalid(f"the chain has version {life.latest}, and this one in state {state}, not paid")
    if not fact.linked:
        if chain is None:
            raise Unsettled(
                f"the confirmation's block {fact.header.number} is not linked to the anchor: give --rpc URL",
                needed=True,
            )
        check_block(chain, bundle.chain.chain_id, fact.header)
    standing: Standing = "reversed" if state == STATE_REVERSED else "paid"
    reversed_note = "; REVERSED after the payment" if standing == "reversed" else ""
    return f"confirmed in block {fact.header.number}, {utc(fact.header.timestamp)}{reversed_note}", standing


def check_covered(bundle: Bundle, words: Words) -> tuple[str, Standing]:
    """A version that pays nothing stands on chain, unpaid, after one that was paid if anything was."""
    life = ClaimLife.read(words["MatchResultStore"]["life"])
    state = life.state_of(bundle.version)
    if life.latest != bundle.version or state not in (STATE_RECORDED, STATE_REVERSED):
        raise ProofInvalid(
            f"the chain has version {life.latest}, and this one in state {state}: not one that pays nothing"
        )
    paid = [version for version in range(1, bundle.version) if life.state_of(version) == STATE_PAID]
    before = need(bundle.documents.payment, "payment", "previously_paid_fen", int)
    if before and not paid:
        raise ProofInvalid(f"{before} fen are said to be paid before, and no earlier version was")
    standing: Standing = "reversed" if state == STATE_REVERSED else "covered"
    earlier = f"paid were versions {', '.join(map(str, paid))}" if paid else "no version was paid"
    reversed_note = "; REVERSED since" if standing == "reversed" else ""
    return f"nothing is paid under version {bundle.version}; {earlier}{reversed_note}", standing


def check_amount(bundle: Bundle) -> tuple[str, int]:
    """What was paid is what was decided, to the payee of the coverage, by a settled transfer."""
    payment = bundle.documents.payment
    amount = need(payment, "payment", "amount_fen", int)
    before = need(payment, "payment", "previously_paid_fen", int)
    off = need(payment, "payment", "set_off_fen", int) if "set_off_fen" in payment else 0
    payable, ruled = _payable(bundle)
    expected = "covered" if bundle.chain.confirmed is None else "settled"
    if payment.get("status") != expected:
        raise ProofInvalid(f"the payment is {payment.get('status')!r}, not {expected}")
    if need(payment, "payment", "version", int) != bundle.version:
        raise ProofInvalid("the payment is of another version of the claim")
    if need(payment, "payment", "payee_commitment", str) != bundle.documents.coverage.get("payee_commitment"):
        raise ProofInvalid("paid to another payee than the coverage names")
    if expected == "covered":
        return _nothing_more(payment, amount, before, payable - off) + _set_off(off) + ruled, 0
    if amount <= 0 or before < 0 or (bundle.version == 1 and before):
        raise ProofInvalid(f"amounts out of range: {amount} fen, {before} fen before")
    if amount + before + off != payable:
        said = f"paid {amount} fen after {before} fen{_set_off(off)}, decided were {payable} fen"
        raise ProofInvalid(said)
    earlier = f" after {before} fen of earlier versions" if before else ""
    return f"{amount} fen{earlier}{_set_off(off)}{ruled}", amount


def _set_off(fen: int) -> str:
    """As the insurer states it: the other claims' bundles show what was paid too much on them."""
    if fen < 0:
        return f"; {-fen} fen of it were set off against other claims of the policy"
    return f"; {fen} fen were set off, paid too much on other claims of the policy" if fen else ""


def _nothing_more(payment: Document, amount: int, before: int, due: int) -> str:
    """That a version pays nothing, because those before it have paid as much as is due or more."""
    to_recover = need(payment, "payment", "to_recover_fen", int)
    if amount != 0 or to_recover < 0 or before != due + to_recover:
        message = f"{amount} fen after {before} fen, {to_recover} fen to recover; due were {due} fen"
        raise ProofInvalid(message)
    return f"nothing after {before} fen of earlier versions" + (
        f"; {to_recover} fen to be recovered" if to_recover else ""
    )


def _payable(bundle: Bundle) -> tuple[int, str]:
    """What the decision allows, and who decided it where that was a person."""
    decision = bundle.documents.decision
    outcome = need(decision, "decision", "decision", str)
    ruling = ruling_of(decision)
    if ruling is None:
        if outcome != "pay" and not (bundle.chain.confirmed is None and outcome in ("nothing", "refuse")):
            raise ProofInvalid(f"the decision is {outcome!r}, not pay")
        return need(decision, "decision", "payable_fen", int), ""
    if outcome != "review":
        raise ProofInvalid(f"a person ruled over a decision that was {outcome!r}, not review")
    ruled = dict(ruling)
    if withheld_under(bundle.documents.settlement) is not None:
        raise ProofInvalid("a person ruled on a settlement that is withheld")
    cost = Settlement.parse(bundle.documents.settlement).total_fen
    payable = need(ruled, "ruling", "payable_fen", int)
    if not 0 < payable <= cost:
        raise ProofInvalid(f"the ruling pays {payable} fen of a stay that cost {cost} fen")
    by, why = need(ruled, "ruling", "decided_by", str), need(ruled, "ruling", "reason", str)
    return payable, f"; the terms sent it to review, {by} ruled: {why}"
