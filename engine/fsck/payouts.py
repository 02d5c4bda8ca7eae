"""The money: payouts against their triggers, their claims, their confirmations and the bank's statement."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engine.fsck import beliefs
from engine.fsck.bank import Line
from engine.fsck.chain import RECORDED, Chain, Event
from engine.fsck.database import Claim, Payout, Records
from engine.fsck.report import Code, Findings


def check_payouts(records: Records, chain: Chain, findings: Findings) -> None:
    triggers = {(event.tx, event.log_index): event for event in chain.events(*RECORDED)}
    live: Counter[tuple[int, int, int]] = Counter()
    for payout in records.payouts:
        claim = records.claim_of_row.get(payout.claim_id)
        if claim is None or claim.settlement_id != payout.settlement_id:
            findings.differ(
                Code.PAYOUT_ORPHAN, payout.payout_id, "it has no claim, or one of another settlement"
            )
            continue
        if not _is_trigger(triggers.get((payout.trigger_tx, payout.trigger_log_index)), payout, claim):
            detail = f"{payout.trigger_tx}:{payout.trigger_log_index} is no result of {claim.claim_id}"
            findings.differ(Code.PAYOUT_UNTRIGGERED, payout.payout_id, detail)
        if payout.state not in beliefs.STOPPED:
            live[payout.policy_id, payout.settlement_id, payout.version] += 1
    for (policy, settlement, version), count in live.items():
        if count > 1:
            subject = f"policy {policy}, settlement {settlement}, version {version}"
            findings.differ(Code.PAYOUT_TWICE, subject, f"{count} payouts are under way or made")
    of_claim = _check_set_offs(records, findings)
    for claim in records.claims:
        _check_claim(claim, records.payouts_of_claim[claim.id], of_claim[claim.id], findings)


@dataclass(slots=True)
class _SetOffs:
    """Of one claim: what others' overpayments settled of it less what its own settled of others, fen."""

    net: int = 0
    undone: list[int] = field(default_factory=list)
    """What had been settled of it and was taken back: it may have counted when a payout was made."""
    given: list[int] = field(default_factory=list)
    """What its own overpayment settled of others: it may not have counted yet."""


def _check_set_offs(records: Records, findings: Findings) -> defaultdict[int, _SetOffs]:
    """Each is between two claims of one policy, and takes back no more than was set off."""
    of_claim: defaultdict[int, _SetOffs] = defaultdict(_SetOffs)
    between: Counter[tuple[int, int, int]] = Counter()
    for row in records.set_offs:
        debtor, claim = records.claim_of_row.get(row.debtor_id), records.claim_of_row.get(row.claim_id)
        between[row.debtor_id, row.claim_id, row.version] += row.amount_fen
        same = debtor is not None and claim is not None and debtor.policy_id == claim.policy_id
        if not same or debtor is claim or between[row.debtor_id, row.claim_id, row.version] < 0:
            detail = f"{row.amount_fen} fen of claim row {row.debtor_id} against row {row.claim_id}"
            findings.differ(Code.SET_OFF, f"set-off {row.id}", detail)
        of_claim[row.claim_id].net += row.amount_fen
        of_claim[row.debtor_id].net -= row.amount_fen
        if row.amount_fen < 0:
            of_claim[row.claim_id].undone.append(-row.amount_fen)
        else:
            of_claim[row.debtor_id].given.append(row.amount_fen)
    return of_claim


def _is_trigger(event: Event | None, payout: Payout, claim: Claim) -> bool:
    return (
        event is not None
        and event.result == (claim.claim_key, payout.version)
        and event.block == payout.trigger_block
    )


def _check_claim(claim: Claim, payouts: Sequence[Payout], set_offs: _SetOffs, findings: Findings) -> None:
    """The claim's state and its payouts' states tell the same, and the amounts are the decision's."""
    present = [payout for payout in payouts if payout.version == claim.version]
    for payout in payouts:
        allowed = beliefs.PAYOUT_OF_OTHERS
        if payout.version == claim.version:
            allowed = beliefs.PAYOUT_OF.get(claim.state, allowed)
        elif payout.version < claim.version:
            allowed = allowed | beliefs.KEPT  # a later version pays the difference
        if payout.state not in allowed:
            detail = f"version {payout.version} is {payout.state} while {claim.claim_id} is {claim.state}"
            findings.differ(Code.PAYOUT_STATE, payout.payout_id, detail)
    _check_sum(claim, payouts, set_offs.net, findings)
    if claim.state not in beliefs.PAYOUT_OF:
        return
    anywhere = beliefs.OF_ANY_VERSION.get(claim.state)
    settled_otherwise = set_offs.undone if claim.state == "returned" else set_offs.net > 0
    found = any(payout.state in anywhere for payout in payouts) or settled_otherwise if anywhere else present
    if not found:
        findings.differ(Code.PAYOUT_MISSING, claim.claim_id, f"it is {claim.state} and has no payout")
    earlier = [payout for payout in payouts if payout.version < claim.version]
    before = sum(payout.amount_fen for payout in earlier if payout.state in beliefs.KEPT) + set_offs.net
    came_back = [payout.amount_fen for payout in earlier if payout.state == "returned"]
    for payout in present:
        if claim.payable_fen - payout.amount_fen not in _settled_by_then(
            before, came_back + set_offs.undone + set_offs.given
        ):
            detail = (
                f"{payout.amount_fen} fen, where {claim.payable_fen} are payable and {before} were settled"
            )
            findings.differ(Code.PAYOUT_AMOUNT, payout.payout_id, detail)


def _settled_by_then(now: int, taken_back: Sequence[int]) -> set[int]:
    """What may have been settled when a payout was made: each of `taken_back` may have gone since."""
    sums = {now}
    for amount in taken_back:
        sums |= {fen + amount for fen in sums}
    return sums


def _check_sum(claim: Claim, payouts: Sequence[Payout], set_off: int, findings: Findings) -> None:
    """What was paid and set off over all versions is what the present one pays, and what is to be recovered.

    One that is paid and not confirmed may be short of an earlier payment that came back since.
    """
    paid = sum(payout.amount_fen for payout in payouts if payout.state in beliefs.KEPT) + set_off
    due = 0 if claim.state == "recovery_due" else claim.payable_fen
    came_back = any(payout.state == "returned" for payout in payouts)
    if claim.state in ("covered", "recovery_due") or (claim.state == "confirmed" and came_back):
        agrees = paid == due + claim.recovery_fen
    else:  # what a payment of the present version comes to is held by its amount
        agrees = claim.recovery_fen == 0 or claim.state not in ("paid", "confirmed")
    if not agrees:
        detail = f"{paid} fen settled, {due} due and {claim.recovery_fen} to be recovered"
        findings.differ(Code.PAYOUT_SUM, claim.claim_id, detail)


def check_confirmations(records: Records, chain: Chain, findings: Findings) -> None:
    """PayoutConfirmed on chain against payouts here, both ways."""
    confirmed = {event.result: event for event in chain.events("PayoutConfirmed")}
    reversed_ = {event.result for event in chain.events("ResultReversed")}
    for (key, version), count in Counter(event.result for event in chain.events("PayoutConfirmed")).items():
        if count > 1:
            findings.differ(
                Code.CONFIRMATION_TWICE, records.name_of(key), f"version {version} is confirmed {count} times"
            )
    for event in chain.known_before("PayoutConfirmed"):
        if not any(p.state in beliefs.PAID_OUT for p in _payouts_of(records, event)):
            findings.differ(
                Code.CONFIRMATION_FOREIGN, event.place, f"confirms {event.words['claimKey']}, never paid here"
            )
    for payout in records.payouts:
        claim = records.claim_of_row.get(payout.claim_id)
        if claim is None:
            continue
        result = (claim.claim_key or "", payout.version)
        confirmation = confirmed.get(result)
        if confirmation is not None:
            _check_confirmation(payout, confirmation, findings)
        elif payout.state == "confirmed" or payout.confirm_tx is not None:
            findings.differ(
                Code.CONFIRMATION_MISSING, payout.payout_id, f"{payout.state}, and no event confirms it"
            )
        elif payout.state == "settled" and result not in reversed_:
            findings.under_way(claim.claim_id, "its payment is not confirmed on chain yet")


def _check_confirmation(payout: Payout, confirmation: Event, findings: Findings) -> None:
    if payout.state not in beliefs.PAID_OUT:
        return  # named as confirmation.foreign, unless it came after the database was read
    other = confirmation.words["payoutDigest"] != payout.payout_digest
    elsewhere = payout.state == "confirmed" and payout.confirm_tx != confirmation.tx
    if other or elsewhere:
        what = "another payout digest" if other else f"transaction {payout.confirm_tx} is noted"
        findings.differ(
            Code.CONFIRMATION_CONTENT, payout.payout_id, f"confirmed in {confirmation.tx}: {what}"
        )


def _payouts_of(records: Records, event: Event) -> list[Payout]:
    key, version = event.result
    claim = records.claim_of_key.get(key)
    return [p for p in records.payouts_of_claim[claim.id] if p.version == version] if claim else []


def statement_lacks_some(records: Records, lines: Sequence[Line]) -> bool:
    """Whether a payout that the database knows as made, or returned, is not in a statement read before it."""
    debits = {line.payout_id for line in lines if line.is_debit}
    credits_ = {line.payout_id for line in lines if not line.is_debit}
    return any(
        (payout.state in beliefs.PAID_OUT and payout.payout_id not in debits)
        or (payout.state == "returned" and payout.payout_id not in credits_)
        for payout in records.payouts
    )


def check_bank(
    records: Records, before: Sequence[Line], after: Sequence[Line], findings: Findings
) -> dict[str, int]:
    """Payouts against the statement, line by line and in sum; returns the sums.

    `before` was read before the database, so the database knows of every line in it; `after` was read
    after it, so every payout that is made according to the database is in it.
    """
    lines: defaultdict[str, list[Line]] = defaultdict(list)
    for payout_id, line in _comparable(records, before, after):
        lines[payout_id].append(line)
    for payout in records.payouts:
        _check_lines(payout, lines.get(payout.payout_id, []), findings)
    for payout_id in sorted(lines.keys() - records.payout_of_id.keys()):
        for line in lines[payout_id]:
            detail = f"a {line.direction} of {line.amount_fen} fen ({line.bank_ref}) for no payout of ours"
            findings.differ(Code.BANK_UNKNOWN, payout_id, detail)
    return _check_sums(records, lines, findings)


def _comparable(records: Records, before: Sequence[Line], after: Sequence[Line]) -> list[tuple[str, Line]]:
    made = {payout.payout_id for payout in records.payouts if payout.state in beliefs.PAID_OUT}
    return [
        *((line.payout_id, line) for line in after if line.payout_id in made),
        *((line.payout_id, line) for line in before if line.payout_id not in made),
    ]


def _check_lines(payout: Payout, lines: Sequence[Line], findings: Findings) -> None:
    def differ(code: Code, detail: str) -> None:
        findings.differ(code, payout.payout_id, detail)

    debits = [line for line in lines if line.is_debit]
    credits_ = [line for line in lines if not line.is_debit]
    if len(debits) > 1 or len(credits_) > 1:
        differ(Code.BANK_TWICE, f"the bank has {len(debits)} debits and {len(credits_)} credits of it")
    if payout.state in beliefs.PAID_OUT and not debits:
        differ(Code.BANK_MISSING, f"{payout.state} here, and the bank has no debit of it")
    if lines and payout.state not in beliefs.PAID_OUT | beliefs.OPEN:
        differ(Code.BANK_UNEXPECTED, f"{payout.state} here, and the bank has moved money for it")
    if payout.state == "returned" and not credits_:
        differ(Code.BANK_RETURN_MISSING, "returned here, and the bank has no credit of it")
    if payout.state in beliefs.KEPT and credits_:
        differ(Code.BANK_RETURN_UNKNOWN, f"{payout.state} here, and the bank took it back")
    for line in lines:
        if line.amount_fen != payout.amount_fen:
            differ(
                Code.BANK_AMOUNT,
                f"{payout.amount_fen} fen here, a {line.direction} of {line.amount_fen} there",
            )
        if payout.state in beliefs.PAID_OUT and line.bank_ref != payout.bank_ref:
            differ(Code.BANK_REFERENCE, f"{payout.bank_ref} here, {line.bank_ref} there")


def _check_sums(records: Records, lines: Mapping[str, Sequence[Line]], findings: Findings) -> dict[str, int]:
    ours = sum(p.amount_fen for p in records.payouts if p.state in beliefs.KEPT)
    still_open = {p.payout_id for p in records.payouts if p.state in beliefs.OPEN}
    net = {payout_id: sum(line.net_fen for line in found) for payout_id, found in lines.items()}
    bank = sum(fen for payout_id, fen in net.items() if payout_id not in still_open)
    if ours != bank:
        findings.differ(
            Code.SUM_BANK, "all payouts", f"{ours} fen paid here, {bank} left the account: {bank - ours:+d}"
        )
    return {
        "database_fen": ours,
        "bank_fen": bank,
        "bank_ahead_fen": sum(net.values()) - bank,
        "confirmed_fen": sum(p.amount_fen for p in records.payouts if p.state == "confirmed"),
        "recovery_fen": sum(claim.recovery_fen for claim in records.claims),
    }
