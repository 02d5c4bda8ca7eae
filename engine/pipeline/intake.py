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
from engine.settlement import (
    BodyRefused,
    IdentityMissing,
    Settlement,
    Violation,
    content_digest,
    identity_of,
    parse_body,
    validate,
)
from engine.settlement.hospitals import HospitalRegister
from engine.settlement.minimise import document_of
from engine.store import settlements, tables


@dataclass(frozen=True, slots=True)
class Accepted:
    """The acknowledgement. `created` is False when the same settlement had been accepted before."""

    setl_id: str
    claim_id: str
    state: str
    received_at: datetime
    created: bool


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A settlement that passed every rule, ready to be kept."""

    setl_id: str
    digest: str
    raw: bytes
    settlement: Settlement
    document: dict[str, Any]
    pseudonym: str | None
    identity_missing: str | None


def accept_settlement(ctx: Context, hospital_code: str, raw: bytes) -> Accepted:
    """Check and keep one native settlement; returns after the commit.

    Raises Refused with every violation (and keeps the body in quarantine), NotAllowed when it is
    another hospital's, Conflict when its setl_id is held with other content.
    """
    prepared = _prepare(ctx, hospital_code, raw, ctx.hospital_register())
    return ctx.writer.run(lambda session: _keep(ctx, session, hospital_code, prepared))


def accept_batch(ctx: Context, hospital_code: str, raws: Sequence[bytes]) -> list[Accepted | AutoclaimError]:
    """`accept_settlement` for each, in one commit where the group allows; one outcome an item, in order."""
    register = ctx.hospital_register()
    waiting: list[Any] = []
    for raw in raws:
        try:
            prepared = _prepare(ctx, hospital_code, raw, register)
        except AutoclaimError as error:
            waiting.append(error)
        else:
            waiting.append(ctx.writer.submit(_keeper(ctx, hospital_code, prepared)))
    return [item if isinstance(item, AutoclaimError) else _outcome(item) for item in waiting]


def _keeper(ctx: Context, hospital_code: str, prepared: _Prepared) -> Any:
    return lambda session: _keep(ctx, session, hospital_code, prepared)


def _outcome(future: Any) -> Accepted | AutoclaimError:
    try:
        accepted: Accepted = future.result()
    except AutoclaimError as error:
        return error
    return accepted


def _prepare(ctx: Context, hospital_code: str, raw: bytes, register: HospitalRegister) -> _Prepared:
    try:
        native = parse_body(raw)
    except BodyRefused as error:
        raise _quarantine(ctx, hospital_code, raw, None, error.violations) from error
    violations = validate(native)
    if violations:
        raise _quarantine(ctx, hospital_code, raw, native, violations)
    if native["setlinfo"]["fixmedins_code"] != hospital_code:
        raise NotAllowed(
            "/setlinfo/fixmedins_code is not the hospital that signed this message",
            code="settlement.other_hospital",
        )
    identity_missing, pseudonym = None, None
    try:
        identity = identity_of(native)
        pseudonym = ctx.pseudonymiser.of(identity.cert_type, identity.cert_no)
    except IdentityMissing as error:
        identity_missing = error.reason
    settlement = Settlement.parse(native, register)
    return _Prepared(
        setl_id=native["setlinfo"]["setl_id"],
        digest=content_digest(native).hex(),
        raw=raw,
        settlement=settlement,
        document=document_of(settlement),
        pseudonym=pseudonym,
        identity_missing=identity_missing,
    )


def _keep(ctx: Context, session: Session, hospital_code: str, prepared: _Prepared) -> Accepted:
    held = settlements.by_setl_id(session, hospital_code, prepared.setl_id)
    if held is not None:
        settlement, claim = held
        if settlement.content_digest != prepared.digest:
            raise Conflict(
                f"/setlinfo/setl_id: {prepared.setl_id} was accepted with other content; "
                "reverse it and send the new settlement under its own setl_id",
                code="settlement.conflict",
            )
        return Accepted(prepared.setl_id, claim.claim_id, claim.state, settlement.received_at, created=False)
    now = ctx.clock()
    claim_id = "clm_" + ctx.rng(12).hex()
    salts = ClaimSalts.generate(ctx.rng)
    document = settlement_document(prepared.document, salts)
    settlement = tables.Settlement(
        hospital_code=hospital_code,
        setl_id=prepared.setl_id,
        reference=document["setlinfo"]["setl_id"],
        content_digest=prepared.digest,
        body_sealed=ctx.vault.seal(prepared.raw, f"settlement.body/{claim_id}"),
        document_sealed=ctx.vault.seal_json(document, f"settlement.document/{claim_id}"),
        pseudonym=prepared.pseudonym,
        admitted_on=prepared.settlement.admitted_on,
        discharged_on=prepared.settlement.discharged_on,
        settled_at=prepared.settlement.settled_at,
        received_at=now,
    )
    session.add(settlement)
    session.flush()
    claim = tables.Claim(
        claim_id=claim_id,
        settlement_id=_row(settlement.id),
        hospital_code=hospital_code,
        state=ClaimState.ACCEPTED,
        reasons=_identity_reason(prepared.identity_missing),
        salts_sealed=seal_claim_salts(ctx.vault, claim_id, salts),
        created_at=now,
        updated_at=now,
    )
    session.add(claim)
    session.flush()
    session.add(
        tables.ClaimTransition(
            claim_id=_row(claim.id),
            from_state=None,
            to_state=ClaimState.ACCEPTED,
            actor=f"hospital {hospital_code}",
            reason="settlement received",
            at=now,
        )
    )
    settlements.mark_corrected(session, hospital_code, prepared.setl_id, _row(settlement.id))
    return Accepted(prepared.setl_id, claim_id, claim.state, now, created=True)


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
    native: Mapping[str, Any] | None,
    violations: Sequence[Violation],
) -> Refused:
    """Keep what was refused; the same bytes are kept once."""
    listed = [{"field": v.field, "rule": v.rule, "message": v.message} for v in violations]
    digest = hashlib.sha256(raw).hexdigest()
    setl_id = _setl_id(native)

    def keep(session: Session) -> int:
        same = settlements.quarantined_same(session, hospital_code, digest)
        if same is not None:
            return _row(same.id)
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
        return _row(row.id)

    return Refused(
        "settlement.invalid",
        f"{len(listed)} rule(s) broken; correct the settlement and send it again",
        listed,
        ctx.writer.run(keep),
    )


def _setl_id(native: Mapping[str, Any] | None) -> str | None:
    info = native.get("setlinfo") if native is not None else None
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


def _row(row_id: int | None) -> int:
    if row_id is None:
        raise ValueError("the row has not been stored yet")
    return row_id
