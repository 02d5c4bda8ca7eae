"""What was refused: kept as it came with every rule it breaks, until it is corrected."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from sqlmodel import Session

from engine.errors import Refused
from engine.pipeline import counting
from engine.pipeline.context import Context
from engine.pipeline.page import Page
from engine.pipeline.values import stored
from engine.settlement import BodyRefused, Violation, parse_body
from engine.store import quality, settlements, tables


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
    """Which settlement a refused body speaks of, if that much can be read."""
    try:
        info = parse_body(raw).get("setlinfo")
    except BodyRefused:
        return None
    setl_id = info.get("setl_id") if isinstance(info, Mapping) else None
    return setl_id if isinstance(setl_id, str) and len(setl_id) <= 64 else None


def list_quarantined(ctx: Context, hospital_code: str, after: int, limit: int) -> Page:
    with ctx.database.reading() as session:
        rows = settlements.quarantined_page(session, hospital_code, after, limit)
    items: list[dict[str, Any]] = [
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
