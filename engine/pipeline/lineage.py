"""From a claim back to the bytes it came from, through every version under which they were read."""

from collections.abc import Iterable
from typing import Any

from sqlmodel import Session

from engine.errors import NotFound
from engine.pipeline.context import Context
from engine.pipeline.reversal import held
from engine.pipeline.sealed import settlement_body
from engine.store import claims, deliveries, settlements, tables
from engine.store.deliveries import Origin


def lineage(ctx: Context, claim_id: str) -> dict[str, Any]:
    """Where a claim's settlement came from: a message of its own, or records of deliveries, each in every
    reading; and the reports on its stay. Nothing of the content. Raises NotFound."""
    with ctx.database.reading() as session:
        claim = claims.by_name(session, claim_id)
        if claim is None:
            raise NotFound(f"there is no claim {claim_id}", code="claim.unknown")
        settlement = settlements.by_id(session, claim.settlement_id)
        corrected = [
            {
                "quarantine_id": refused.id,
                "body_digest": refused.body_digest,
                "received_at": refused.received_at,
                "actor": correction.actor,
                "at": correction.at,
            }
            for correction, refused in deliveries.corrections(session, claim.settlement_id)
        ]
        return {
            "claim_id": claim_id,
            "hospital_code": settlement.hospital_code,
            "setl_id": settlement.setl_id,
            "content_digest": settlement.content_digest,
            "received_at": settlement.received_at,
            "delivered": _views(deliveries.lineage(session, claim.settlement_id)),
            "corrected": corrected,
            "reports": _views(reports_of(ctx, session, settlement, claim)),
        }


def list_reports(ctx: Context, hospital_code: str, setl_id: str) -> list[dict[str, Any]]:
    """Where the reports on the stay of a hospital's own settlement came from. Raises NotFound."""
    with ctx.database.reading() as session:
        return _views(reports_of(ctx, session, *held(session, hospital_code, setl_id)))


def reports_of(
    ctx: Context, session: Session, settlement: tables.Settlement, claim: tables.Claim
) -> list[Origin]:
    """Examinations and tests that its hospital delivered under the visit that the settlement names, from
    whichever of its sources, in every reading. Of an erased person's none can be told."""
    if claim.erased_at is not None:
        return []
    visit = settlement_body(ctx.vault, settlement, claim)["setlinfo"].get("mdtrt_id")
    return list(deliveries.reports(session, settlement.hospital_code, str(visit))) if visit else []


def _views(origins: Iterable[Origin]) -> list[dict[str, Any]]:
    return [
        {
            "delivery_id": delivery.delivery_id,
            "source": delivery.source,
            "body_digest": delivery.body_digest,
            "size": delivery.size,
            "received_at": delivery.received_at,
            "run": reading.run,
            "place": record.place,
            "mapping_number": reading.mapping_number,
            "mapping_digest": reading.mapping_digest,
            "cleaning": reading.cleaning,
            "dictionaries": reading.dictionaries,
        }
        for record, reading, delivery in origins
    ]
