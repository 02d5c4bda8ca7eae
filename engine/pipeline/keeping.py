"""Accepted settlements kept: sealed by whoever received them, written together by whoever commits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session

from engine.errors import AutoclaimError, Conflict
from engine.evidence.documents import settlement_document
from engine.evidence.salts import ClaimSalts
from engine.pipeline import counting
from engine.pipeline.context import Context
from engine.pipeline.sealed import seal_claim_salts
from engine.pipeline.states import ClaimState
from engine.settlement import Submission
from engine.store import quality, settlements
from engine.store.quality import Counts, Of


@dataclass(frozen=True, slots=True)
class Accepted:
    """The acknowledgement. `created` is False when the same settlement had been accepted before."""

    setl_id: str
    claim_id: str
    state: str
    received_at: datetime
    created: bool


@dataclass(frozen=True, slots=True)
class Arrival:
    """A settlement that passed every rule, ready to be written."""

    settlement: dict[str, Any]
    claim: dict[str, Any]
    of: Of
    counts: Counts
    """What it adds to the tallies `of` its source when it is new."""

    @property
    def name(self) -> settlements.Name:
        return self.settlement["hospital_code"], self.settlement["setl_id"]

    @property
    def held(self) -> settlements.Held:
        """What it is to a second arrival."""
        return settlements.Held(
            self.settlement["content_digest"],
            self.claim["claim_id"],
            self.claim["state"],
            self.settlement["received_at"],
        )


def arrival(ctx: Context, raw: bytes, submission: Submission, source: str = counting.NATIVE) -> Arrival:
    """Everything that is kept of a settlement, sealed; nothing is written yet."""
    who = submission.identity
    pseudonym = ctx.pseudonymiser.of(who.cert_type, who.cert_no) if who else None
    return arrival_of(ctx, raw, submission, ClaimSalts.generate(ctx.rng), pseudonym, source)


def arrival_of(
    ctx: Context, raw: bytes, submission: Submission, salts: ClaimSalts, pseudonym: str | None, source: str
) -> Arrival:
    """`arrival` of whoever has that pseudonym, under these salts."""
    now = ctx.clock()
    claim_id = "clm_" + ctx.rng(12).hex()
    document = settlement_document(submission.document, salts)
    settlement = {
        "hospital_code": submission.hospital_code,
        "setl_id": submission.setl_id,
        "reference": document["setlinfo"]["setl_id"],
        "content_digest": submission.digest.hex(),
        "body_sealed": ctx.vault.seal(raw, f"settlement.body/{claim_id}"),
        "document_sealed": ctx.vault.seal_json(document, f"settlement.document/{claim_id}"),
        "pseudonym": pseudonym,
        "admitted_on": submission.admitted_on,
        "discharged_on": submission.discharged_on,
        "settled_at": submission.settled_at,
        "received_at": now,
        "released": False,
        "withheld": None,
    }
    reasons = _identity_reason(submission.identity_missing)
    claim = new_claim(ctx, claim_id, submission.hospital_code, salts, now, reasons)
    of = counting.of(ctx, submission.hospital_code, source, now)
    return Arrival(settlement, claim, of, counting.of_accepted(submission, now))


def new_claim(
    ctx: Context,
    claim_id: str,
    hospital_code: str,
    salts: ClaimSalts,
    now: datetime,
    reasons: Sequence[dict[str, str]] = (),
) -> dict[str, Any]:
    """As it begins, by column."""
    return {
        "claim_id": claim_id,
        "hospital_code": hospital_code,
        "state": ClaimState.ACCEPTED,
        "version": 1,
        "payable_fen": 0,
        "recovery_fen": 0,
        "reasons": list(reasons),
        "salts_sealed": seal_claim_salts(ctx.vault, claim_id, salts),
        "created_at": now,
        "updated_at": now,
    }


def keep(session: Session, arrivals: Sequence[Arrival]) -> list[Accepted | AutoclaimError]:
    """Write what is new. The same settlement again is what it was; under other content it is a conflict."""
    known = settlements.held(session, {one.name for one in arrivals})
    new: dict[settlements.Name, Arrival] = {}
    outcomes: list[Accepted | AutoclaimError] = []
    counted: list[tuple[Of, Counts]] = []
    for one in arrivals:
        before = known.get(one.name)
        if before is not None and before.content_digest != one.settlement["content_digest"]:
            outcomes.append(conflict := _conflict(one.name[1]))
            counted.append((one.of, counting.refused(conflict.code)))
            continue
        if before is None:
            new[one.name], known[one.name] = one, one.held
        counted.append((one.of, one.counts if before is None else counting.outcome("repeated")))
        kept = known[one.name]
        outcomes.append(
            Accepted(one.name[1], kept.claim_id, kept.state, kept.received_at, created=before is None)
        )
    if new:
        rows = {name: (one.settlement, one.claim) for name, one in new.items()}
        corrected = settlements.insert_all(session, rows)
        counted += ((new[name].of, counting.corrected()) for name in corrected)
    quality.add(session, counting.merged(counted))
    return outcomes


def _conflict(setl_id: str) -> Conflict:
    return Conflict(
        f"/setlinfo/setl_id: {setl_id} was accepted with other content; "
        "reverse it and send the new settlement under its own setl_id",
        code="settlement.conflict",
    )


def _identity_reason(missing: str | None) -> list[dict[str, Any]]:
    if missing is None:
        return []
    return [
        {
            "code": f"identity.{missing}",
            "message_en": "The settlement does not say who the patient is in a way that can be matched.",
            "message_zh": "结算清单中的身份信息不足以匹配参保人。",
        }
    ]
