"""What was refused: kept as it came with every rule it breaks, until it is corrected.

Its hospital corrects it by sending the settlement again, or has its mapping corrected and the delivery read
again; an operator may put the one record right by a merge patch (RFC 7386), which is kept with who did it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from sqlmodel import Session

from engine.errors import AutoclaimError, Conflict, NotAllowed, NotFound, Refused
from engine.pipeline import counting
from engine.pipeline.context import Context
from engine.pipeline.keeping import Accepted, arrival, keep
from engine.pipeline.page import Page
from engine.pipeline.values import stored
from engine.settlement import BodyRefused, SettlementInvalid, Violation, parse_body, read_submission
from engine.settlement.fields import PERSONAL_FIELDS
from engine.store import deliveries, quality, settlements, tables


def listed(violations: Sequence[Violation]) -> list[dict[str, str]]:
    return [{"field": v.field, "rule": v.rule, "message": v.message} for v in violations]


def refused(ctx: Context, hospital_code: str, raw: bytes, violations: Sequence[Violation]) -> Refused:
    """Keep a refused body in a commit of its own; what to tell its sender."""
    kept = ctx.writer.run(lambda session: keep_refused(ctx, session, hospital_code, raw, violations))
    message = f"{len(violations)} rule(s) broken; correct the settlement and send it again"
    return Refused("settlement.invalid", message, listed(violations), kept)


def keep_refused(
    ctx: Context,
    session: Session,
    hospital_code: str,
    raw: bytes,
    violations: Sequence[Violation],
    source: str = counting.NATIVE,
) -> int:
    """The quarantine's number for these bytes; the same bytes are kept, and their rules counted, once."""
    digest, now = hashlib.sha256(raw).hexdigest(), ctx.clock()
    whose = counting.of(ctx, hospital_code, source, now)
    same = settlements.quarantined_same(session, hospital_code, digest)
    if same is not None:
        quality.add(session, {whose: counting.outcome("repeated")})
        return stored(same.id)
    quality.add(session, {whose: {**counting.outcome("quarantined"), **counting.broken("error", violations)}})
    row = tables.Quarantined(
        hospital_code=hospital_code,
        setl_id=_setl_id(raw),
        body_digest=digest,
        body_sealed=ctx.vault.seal(raw, f"quarantined.body/{digest}"),
        violations=listed(violations),
        received_at=now,
    )
    session.add(row)
    session.flush()
    return stored(row.id)


def _setl_id(raw: bytes) -> str | None:
    try:
        return setl_id_of(parse_body(raw))
    except BodyRefused:
        return None


def setl_id_of(body: Mapping[str, Any]) -> str | None:
    """Which settlement a refused body speaks of, if that much can be read."""
    info = body.get("setlinfo")
    setl_id = info.get("setl_id") if isinstance(info, Mapping) else None
    return setl_id if isinstance(setl_id, str) and len(setl_id) <= 64 else None


def list_quarantined(ctx: Context, hospital_code: str | None, after: int, limit: int) -> Page:
    """One hospital's, or all."""
    with ctx.database.reading() as session:
        rows = settlements.quarantined_page(session, hospital_code, after, limit)
    items: list[dict[str, Any]] = [
        {
            "quarantine_id": row.id,
            "hospital_code": row.hospital_code,
            "setl_id": row.setl_id,
            "violations": row.violations,
            "received_at": row.received_at,
            "corrected": row.corrected_by is not None,
        }
        for row in rows
    ]
    return Page(items, rows[-1].id if len(rows) == limit else None)


def show(ctx: Context, quarantine_id: int) -> dict[str, Any]:
    """What was refused, without what names the patient: enough to see what is wrong. Raises NotFound."""
    row = _row(ctx, quarantine_id)
    try:
        body: Any = _masked(parse_body(_raw(ctx, row)))
    except BodyRefused:
        body = None
    return {
        "quarantine_id": row.id,
        "hospital_code": row.hospital_code,
        "body_digest": row.body_digest,
        "violations": row.violations,
        "body": body,
    }


def correct(ctx: Context, quarantine_id: int, patch: bytes, actor: str) -> Accepted:
    """Put a refused record right and accept it. Raises NotFound, Conflict where it is corrected already or
    its number is held with other content, Refused with what is still wrong; then nothing has changed."""
    row = _row(ctx, quarantine_id)
    if row.corrected_by is not None:
        raise Conflict("it has been corrected already", code="quarantine.corrected")
    try:
        body = _merged(parse_body(_raw(ctx, row)), parse_body(patch))
        raw = json.dumps(body, ensure_ascii=False, sort_keys=True, default=str).encode()
        submission = read_submission(raw, ctx.hospital_register())
    except (BodyRefused, SettlementInvalid) as error:
        message = f"{len(error.violations)} rule(s) are still broken"
        raise Refused("settlement.invalid", message, listed(error.violations)) from error
    if submission.hospital_code != row.hospital_code:
        message = "/setlinfo/fixmedins_code is not the hospital that sent it"
        raise NotAllowed(message, code="settlement.other_hospital")
    arrived = arrival(ctx, raw, submission, counting.CORRECTION)
    sealed = ctx.vault.seal(patch, f"correction.patch/{quarantine_id}")

    def kept(session: Session) -> Accepted:
        (outcome,) = keep(session, [arrived])
        if isinstance(outcome, AutoclaimError):
            raise outcome
        settlement_id = settlements.row_ids(session, [arrived.name])[arrived.name]
        session.add(
            deliveries.Correction(
                quarantined_id=quarantine_id,
                settlement_id=settlement_id,
                patch_sealed=sealed,
                actor=actor,
                at=ctx.clock(),
            )
        )
        refused = session.get_one(tables.Quarantined, quarantine_id)
        if refused.corrected_by is None:  # it was refused under another number than it now has, or none
            quality.add(session, {arrived.of: counting.corrected()})
            refused.corrected_by = settlement_id
        return outcome

    return ctx.writer.run(kept)


def _row(ctx: Context, quarantine_id: int) -> tables.Quarantined:
    with ctx.database.reading() as session:
        row = session.get(tables.Quarantined, quarantine_id)
    if row is None:
        raise NotFound(f"nothing is kept under {quarantine_id}", code="quarantine.unknown")
    return row


def _raw(ctx: Context, row: tables.Quarantined) -> bytes:
    return ctx.vault.unseal(row.body_sealed, f"quarantined.body/{row.body_digest}")


def _merged(body: Any, patch: Any) -> Any:
    """RFC 7386, with one extension for the list's lists: a patch of a list by row number, {"3": {...}}."""
    if not isinstance(patch, Mapping):
        return patch
    if isinstance(body, list) and patch and all(key.isdecimal() for key in patch):
        return [_merged(row, patch[str(at)]) if str(at) in patch else row for at, row in enumerate(body)]
    merged = dict(body) if isinstance(body, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(merged.get(key), value)
    return merged


def _masked(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            key: "…" if key in PERSONAL_FIELDS and member else _masked(member)
            for key, member in value.items()
        }
    if isinstance(value, list):
        return [_masked(member) for member in value]
    return str(value) if isinstance(value, Decimal) else value
