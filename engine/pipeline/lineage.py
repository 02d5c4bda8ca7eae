"""From a claim back to the bytes it came from, through every version under which they were read."""

from typing import Any

from engine.errors import NotFound
from engine.pipeline.context import Context
from engine.store import claims, deliveries, settlements


def lineage(ctx: Context, claim_id: str) -> dict[str, Any]:
    """Where a claim's settlement came from: a message of its own, or records of deliveries, each in every
    reading. Nothing of the content. Raises NotFound."""
    with ctx.database.reading() as session:
        claim = claims.by_name(session, claim_id)
        if claim is None:
            raise NotFound(f"there is no claim {claim_id}", code="claim.unknown")
        settlement = settlements.by_id(session, claim.settlement_id)
        found = deliveries.lineage(session, claim.settlement_id)
        delivered = [
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
            for record, reading, delivery in found
        ]
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
        "delivered": delivered,
        "corrected": corrected,
    }
