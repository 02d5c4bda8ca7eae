"""Settlements in: read, checked, kept, acknowledged after the commit.

A refused body is kept too, in quarantine with its reasons, until its correction is accepted.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session

from engine.errors import AutoclaimError, Conflict, NotAllowed, NotFound, Refused
from engine.evidence.documents import settlement_document
from engine.evidence.salts import ClaimSalts
from engine.pipeline.context import Context
from engine.pipeline.page import Page
from engine.pipeline.sealed import seal_claim_salts
from engine.pipeline.states import ClaimState
from engine.pipeline.values import stored
from engine.settlement import (
    BodyRefused,
    SettlementInvalid,
    Submission,
    Violation,
    parse_body,
    read_submission,
)
from engine.settlement.hospitals import HospitalRegister
from engine.store import settlements, tables


@dataclass(frozen=True, slots=True)
class Accepted:
    """The acknowledgement. `created` is False when the same settlement had been accepted before."""

    setl_id: str
    claim_id: str
    state: str
    received_at: datetime
    created: bool


def accept_settlement(ctx: Context, hospital_code: str, raw: bytes) -> Accepted:
    """Check and keep one native settlement; returns after the commit.

    Raises Refused with every violation (and keeps the body in quarantine), NotAllowed when it is
    another hospital's, Conflict when its setl_id is held with other content.
    """
    submission = _read(ctx, hospital_code, raw, ctx.hospital_register())
    return ctx.writer.run(lambda session: _keep(ctx, session, raw, submission))


def accept_batch(ctx: Context, hospital_code: str, raws: Sequence[bytes]) -> list[Accepted | AutoclaimError]:
    """`accept_settlement` for each, in one commit where the group allows; one outcome an item, in order."""
    register = ctx.hospital_register()
    waiting: list[Any] = []
    for raw in raws:
        try:
            submission = _read(ctx, hospital_code, raw, register)
        except AutoclaimError as error:
            waiting.append(error)
        else:
            waiting.append(ctx.writer.submit(_keeper(ctx, raw, submission)))
    return [item if isinstance(item, AutoclaimError) else _outcome(item) for item in waiting]


def _keeper(ctx: Context, raw: bytes, submission: Submission) -> Any:
    return lambda session: _keep(ctx, session, raw, submission)


def _outcome(future: Any) -> Accepted | AutoclaimError:
    try:
        accepted: Accepted = future.result()
    except AutoclaimError as error:
        return error
    return accepted


def _read(ctx: Context, hospital_code: str, raw: bytes, register: HospitalRegister) -> Submission:
    try:
        submission = read_submission(raw, register)
    except (BodyRefused, SettlementInvalid) as error:
        raise _quarantine(ctx, hospital_code, raw, error.violations) from error
    if submission.settlement.hospital_code != hospital_code:
        raise NotAllowed(
            "/setlinfo/fixmedins_code is not the hospital that signed this message",
            code="settlement.other_hospital",
        )
    return submission


def _keep(ctx: Context, session: Session, raw: bytes, submission: Submission) -> Accepted:
    read = submission.settlement
    digest = submission.digest.hex()
    held = settlements.by_setl_id(session, read.hospital_code, read.setl_id)
    if held is not None:
        settlement, claim = held
        if settlement.content_digest != digest:
            raise Conflict(
                f"/setlinfo/setl_id: {read.setl_id} was accepted with other content; "
                "reverse it and send the new settlement under its own setl_id",
                code="settlement.conflict",
            )
        return Accepted(read.setl_id, claim.claim_id, claim.state, settlement.received_at, created=False)
    now = ctx.clock()
    claim_id = "clm_" + ctx.rng(12).hex()
    salts = ClaimSalts.generate(ctx.rng)
    document = settlement_document(submission.document, salts)
    settlement = tables.Settlement(
        hospital_code=read.hospital_code,
        setl_id=read.setl_id,
        reference=document["setlinfo"]["setl_id"],
        content_digest=digest,
        body_sealed=ctx.vault.seal(raw, f"settlement.body/{claim_id}"),
        document_sealed=ctx.vault.seal_json(document, f"settlement.document/{claim_id}"),
        pseudonym=_pseudonym(ctx, submission),
        admitted_on=read.admitted_on,
        discharged_on=read.discharged_on,
        settled_at=read.settled_at,
        received_at=now,
    )
    session.add(settlement)
    session.flush()
    claim = tables.Claim(
        claim_id=claim_id,
        settlement_id=stored(settlement.id),
        hospital_code=read.hospital_code,
        state=ClaimState.ACCEPTED,
        reasons=_identity_reason(submission.identity_missing),
        salts_sealed=seal_claim_salts(ctx.vault, claim_id, salts),
        created_at=now,
        updated_at=now,
    )
    session.add(claim)
    session.flush()
    session.add(
        tables.ClaimTransition(
            claim_id=stored(claim.id),
            from_state=None,
            to_state=ClaimState.ACCEPTED,
            actor=f"hospital {read.hospital_code}",
            reason="settlement received",
            at=now,
        )
    )
    settlements.mark_corrected(session, read.hospital_code, read.setl_id, stored(settlement.id))
    return Accepted(read.setl_id, claim_id, claim.state, now, created=True)


def _pseudonym(ctx: Context, submission: Submission) -> str | None:
    identity = submission.identity
    return ctx.pseudonymiser.of(identity.cert_type, identity.cert_no) if identity is not None else None


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


def _quarantine(
    ctx: Context,
    hospital_code: str,
    raw: bytes,
    violations: Sequence[Violation],
) -> Refused:
    """Keep what was refused; the same bytes are kept once."""
    listed = [{"field": v.field, "rule": v.rule, "message": v.message} for v in violations]
    digest = hashlib.sha256(raw).hexdigest()
    setl_id = _setl_id(raw)

    def keep(session: Session) -> int:
        same = settlements.quarantined_same(session, hospital_code, digest)
        if same is not None:
            return stored(same.id)
        row = tables.Quarantined(
            hospital_code=hospital_code,
            setl_id=setl_id,
            body_digest=digest,
            body_sealed=ctx.vault.seal(raw, f"quarantined.body/{digest}"),
            violations=listed,
            received_at=ctx.clock(),
        )
        session.add(row)
        session.flush()
        return stored(row.id)

    return Refused(
        "settlement.invalid",
        f"{len(listed)} rule(s) broken; correct the settlement and send it again",
        listed,
        ctx.writer.run(keep),
    )


def _setl_id(raw: bytes) -> str | None:
    """Which settlement a refused body speaks of, if that much can be read."""
    try:
        info = parse_body(raw).get("setlinfo")
    except BodyRefused:
        return None
    setl_id = info.get("setl_id") if isinstance(info, Mapping) else None
    return setl_id if isinstance(setl_id, str) and len(setl_id) <= 64 else None


def settlement_view(ctx: Context, hospital_code: str, setl_id: str) -> dict[str, Any]:
    """What a hospital may see of its own settlement. Raises NotFound."""
    with ctx.database.reading() as session:
        held = settlements.by_setl_id(session, hospital_code, setl_id)
    if held is None:
        raise NotFound(f"this hospital has sent no settlement {setl_id}", code="settlement.unknown")
    return _view(*held)


def list_settlements(ctx: Context, hospital_code: str, after: int, limit: int) -> Page:
    with ctx.database.reading() as session:
        rows = settlements.page(session, hospital_code, after, limit)
    return Page([_view(*row) for row in rows], rows[-1][0].id if len(rows) == limit else None)


def list_quarantined(ctx: Context, hospital_code: str, after: int, limit: int) -> Page:
    with ctx.database.reading() as session:
        rows = settlements.quarantined_page(session, hospital_code, after, limit)
    items = [
        {
            "quarantine_id": row.id,
            "setl_id": row.setl_id,
            "violations": row.violations,
            "received_at": row.received_at,
            "corrected": row.corrected_by is not None,
        }
        for row in rows
    ]
    return Page(items, rows[-1].id if len(rows) == limit else None)


def _view(settlement: tables.Settlement, claim: tables.Claim) -> dict[str, Any]:
    return {
        "setl_id": settlement.setl_id,
        "claim_id": claim.claim_id,
        "state": claim.state,
        "received_at": settlement.received_at,
        "updated_at": claim.updated_at,
    }
