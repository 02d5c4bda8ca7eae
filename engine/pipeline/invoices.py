"""Invoices: before a batch's matched claims are decided, each settlement's electronic invoice is looked up.

Before, because a claim that pays nothing still counts: towards the deductible, and ahead of later ones. One
question a batch. A platform that does not answer holds the batch up: the claims stay matched, nobody is paid
and nobody refused. What is wrong with an invoice is for a person, and holds up what is behind it as any claim
in review does. After the payment they are looked up again for a while, since one may be cancelled later.
"""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from sqlmodel import Session

from engine.invoices.port import MOST_AT_ONCE, Found, Invoice, InvoiceStatus
from engine.money import Fen, parse_yuan
from engine.pipeline.context import Context
from engine.pipeline.invoice_outcomes import GOES_ON, Outcome
from engine.pipeline.sealed import settlement_body, settlement_document
from engine.pipeline.states import ClaimState, move_claim
from engine.pipeline.touched import touch_others
from engine.pipeline.values import stored
from engine.store import claims, invoices, settlements, tables

ACTOR = "engine: invoices"
log = structlog.get_logger()

_NOT_LIVE = (ClaimState.UNINSURED, ClaimState.NO_CONSENT, ClaimState.REFUSED)
"""A settlement whose claims all are one of these uses up no invoice; nor does one that is taken back."""
_IN_WORDS: dict[Outcome, tuple[str, str]] = {
    Outcome.MISSING: (
        "The settlement does not name its electronic invoice with code, number and check code.",
        "结算清单未完整载明电子票据代码、号码和校验码。",
    ),
    Outcome.CANCELLED: (
        "The electronic invoice has been cancelled by a red-letter one.",
        "电子票据已冲红。",
    ),
    Outcome.UNKNOWN: (
        "Nobody issued this electronic invoice, or its check code is another.",
        "查无此电子票据，或校验码不符。",
    ),
    Outcome.OTHER_AMOUNT: (
        "The electronic invoice was issued for another amount.",
        "电子票据金额与结算清单不一致。",
    ),
    Outcome.OTHER_HOSPITAL: (
        "The electronic invoice was issued by another hospital.",
        "电子票据的开具机构与结算清单不一致。",
    ),
    Outcome.USED_TWICE: (
        "Another claim that stands was made with this electronic invoice.",
        "该电子票据已用于其他有效理赔。",
    ),
}


@dataclass(frozen=True, slots=True)
class _Stated:
    """What a settlement says of its invoice. digest: of code and number, keyed; None where one is missing."""

    settlement_id: int
    hospital_code: str
    total_fen: Fen
    invoice: Invoice
    digest: str | None

    @property
    def whole(self) -> bool:
        return self.digest is not None and bool(self.invoice.check_code)


def check_batch(ctx: Context, batch_id: str) -> int:
    """Look up the invoices of every claim of the batch that is still matched; returns how many may go on.

    Raises what `InvoicePort.verify` raises: then nothing has changed.
    """
    with ctx.database.reading() as session:
        waiting = claims.batch(session, batch_id, ClaimState.MATCHED)
        stated = {stored(row.id): _stated(ctx, claim, row) for claim, row in waiting}
    found = _look_up(ctx, [one for one in stated.values() if one.whole])
    with ctx.database.transaction() as session:
        still = claims.batch(session, batch_id, ClaimState.MATCHED, lock=True)
        outcomes: dict[int, Outcome] = {}
        going_on = 0
        for claim, row in still:
            one = stated[stored(row.id)]
            if one.settlement_id not in outcomes:
                outcomes[one.settlement_id] = _note(ctx, session, one, found.get(one.settlement_id))
            going_on += _move(ctx, session, claim, outcomes[one.settlement_id])
    return going_on


def look_again(ctx: Context) -> int:
    """Look up anew the invoices of some settlements on which money was paid, those first that were not looked
    up for longest, at most MOST_AT_ONCE; returns how many.

    Nothing is moved: an invoice that is no longer good is noted as what it is, still held by its settlement,
    and the patrol tells a person. Raises what `InvoicePort.verify` raises: then nothing has changed.
    """
    if ctx.invoices is None:
        return 0
    now, settings = ctx.clock(), ctx.settings
    paid_since = now - timedelta(days=settings.invoice_again_for_days)
    before = now - timedelta(days=settings.invoice_again_days)
    with ctx.database.reading() as session:
        rows = invoices.paid_on(session, Outcome.GOOD, paid_since, before, MOST_AT_ONCE)
        stated = [_stated(ctx, claim, row) for claim, row in rows]
    found = _look_up(ctx, stated)
    with ctx.database.transaction() as session:
        for one in stated:
            check = session.get_one(tables.InvoiceCheck, one.settlement_id, with_for_update=True)
            if check.invoice is None:
                continue  # taken over meanwhile by another settlement: this one was taken back
            check.outcome, check.checked_at = _outcome(ctx, one, found[one.settlement_id]), now
            session.add(check)
            if check.outcome != Outcome.GOOD:
                log.warning("invoice.no_longer_good", settlement_id=one.settlement_id, outcome=check.outcome)
    return len(stated)


def view(session: Session, settlement_id: int) -> dict[str, Any] | None:
    """What an insurer may see of a claim's invoice; None before it was checked."""
    row = invoices.of_settlement(session, settlement_id)
    return None if row is None else {"outcome": row.outcome, "checked_at": row.checked_at}


def _stated(ctx: Context, claim: tables.Claim, row: tables.Settlement) -> _Stated:
    info = settlement_body(ctx.vault, row, claim)["setlinfo"]
    code, number, check_code = (_plain(info, name) for name in ("bill_code", "bill_no", "bill_chk_code"))
    named = [code.upper(), number.upper()]
    digest = ctx.vault.fingerprint({"invoice": named}) if all(named) else None
    document = settlement_document(ctx.vault, row, claim)
    total = document["setlinfo"]["medfee_sumamt"] if row.withheld is None else "0.00"  # names no invoice
    return _Stated(
        stored(row.id), row.hospital_code, parse_yuan(total), Invoice(code, number, check_code), digest
    )


def _plain(info: Mapping[str, Any], name: str) -> str:
    """One spelling, so that a space or a full-width digit makes no second invoice of one."""
    return "".join(unicodedata.normalize("NFKC", str(info.get(name) or "")).split())


def _look_up(ctx: Context, asked: Sequence[_Stated]) -> dict[int, Found]:
    if ctx.invoices is None:
        return {}
    found: dict[int, Found] = {}
    for start in range(0, len(asked), MOST_AT_ONCE):
        some = asked[start : start + MOST_AT_ONCE]
        answers = ctx.invoices.verify([one.invoice for one in some])
        found |= {one.settlement_id: answer for one, answer in zip(some, answers, strict=True)}
    return found


def _note(ctx: Context, session: Session, one: _Stated, found: Found | None) -> Outcome:
    """Keep what was found, and hold the invoice where it is good."""
    outcome = _outcome(ctx, one, found)
    held = None
    if outcome in GOES_ON and one.digest is not None:
        holder = invoices.holder(session, one.digest)
        if holder is None or _let_go(session, holder, one.settlement_id):
            held = one.digest
        else:
            outcome = Outcome.USED_TWICE
    if outcome is Outcome.NOT_NAMED:
        log.info("invoice.not_named", settlement_id=one.settlement_id)
    session.merge(
        tables.InvoiceCheck(
            settlement_id=one.settlement_id, invoice=held, outcome=outcome, checked_at=ctx.clock()
        )
    )
    session.flush()
    return outcome


def _outcome(ctx: Context, one: _Stated, found: Found | None) -> Outcome:
    if not one.whole and (ctx.settings.invoice_required or ctx.invoices is not None or one.digest is None):
        return Outcome.MISSING if ctx.settings.invoice_required else Outcome.NOT_NAMED
    if found is None:
        return Outcome.NOT_LOOKED_UP
    if found.status is InvoiceStatus.UNKNOWN:
        return Outcome.UNKNOWN
    if found.status is InvoiceStatus.RED:
        return Outcome.CANCELLED
    if found.hospital_code != one.hospital_code:
        return Outcome.OTHER_HOSPITAL
    return Outcome.GOOD if found.amount_fen == one.total_fen else Outcome.OTHER_AMOUNT


def _let_go(session: Session, holder: tables.InvoiceCheck, settlement_id: int) -> bool:
    """Whether the invoice is free for that settlement: its own, or of one that is taken back or refused."""
    if holder.settlement_id == settlement_id:
        return True
    if settlements.reversal_of(session, holder.settlement_id) is None and _is_live(
        claims.of_settlement(session, holder.settlement_id)
    ):
        return False
    holder.invoice = None
    session.add(holder)
    session.flush()
    return True


def _is_live(rows: Iterable[tables.Claim]) -> bool:
    return any(claim.state not in _NOT_LIVE for claim in rows)


def _move(ctx: Context, session: Session, claim: tables.Claim, outcome: Outcome) -> bool:
    """Whether the claim may be decided; else it is for a person."""
    if outcome in GOES_ON:
        return True
    code = f"invoice.{outcome}"
    english, chinese = _IN_WORDS[outcome]
    claim.reasons = [{"code": code, "message_en": english, "message_zh": chinese}]
    move_claim(session, claim, ClaimState.REVIEW, actor=ACTOR, reason=code, clock=ctx.clock)
    touch_others(ctx, session, claim)
    return False
