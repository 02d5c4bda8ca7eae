"""FHIR R4 and R5: a claim with its stay goes in as FHIR and is answered in FHIR, in the sender's version."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from api.http import examples
from api.http.auth import HOSPITAL_ONLY
from api.http.bodies import FHIR, JSON, only
from api.http.deps import Ctx, SourceName
from api.http.problems import documented
from api.http.signatures import Signed, SignedDelivery
from engine.errors import Refused
from engine.pipeline import deliveries
from engine.pipeline.context import Context
from engine.pipeline.records import Told
from engine.settlement import Violation
from engine.settlement.sources.fhir.answers import Outcome, answer, operation_outcome
from engine.settlement.sources.record import SourceRefused

router = APIRouter(prefix="/v1/fhir", tags=["hospitals"])

_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "a ClaimResponse, or a Bundle of them", "content": {FHIR: {}}},
    **documented(401, 403, 404, 408, 413, 415, 422),
}
_ONLY_FHIR = [HOSPITAL_ONLY, only(FHIR, JSON)]


@router.post(
    "/Claim/$submit",
    response_class=Response,
    responses=_ANSWERS,
    dependencies=_ONLY_FHIR,
    openapi_extra=examples.body({FHIR: examples.FHIR_CLAIM}, "A Claim, or a Bundle with it (docs/fhir.md)"),
)
def submit(ctx: Ctx, signed: SignedDelivery, source: SourceName) -> Response:
    """Submit a claim with what it refers to, contained in it or beside it in a Bundle.

    Answered when it is kept: `queued` under its claim_id, or `error` with every rule that keeps it in
    quarantine. What is no FHIR document is answered 422 with an OperationOutcome.
    """
    return _answered(ctx, signed, source)


@router.post(
    "",
    response_class=Response,
    responses=_ANSWERS,
    dependencies=_ONLY_FHIR,
    openapi_extra=examples.body({FHIR: examples.FHIR_CLAIM}, "A Bundle: collection, transaction or batch"),
)
def post_bundle(ctx: Ctx, signed: SignedDelivery, source: SourceName) -> Response:
    """Send a Bundle of any number of claims and reports; an answer each, in their order."""
    return _answered(ctx, signed, source)


def _answered(ctx: Context, signed: Signed, source: str) -> Response:
    receipt = deliveries.deliver(ctx, signed.hospital_code, source, signed.body)
    mapping = deliveries.mapping_of(ctx, signed.hospital_code, receipt.delivery_id)
    if mapping.format != "fhir":
        raise Refused("source.other_format", f"source {source} sends {mapping.format}: POST /v1/deliveries")
    try:
        told = list(deliveries.read(ctx, signed.hospital_code, receipt.delivery_id))
    except SourceRefused as refused:
        outcome = operation_outcome(refused.violations, mapping.layout.get("version", "R4"))
        return Response(outcome, 422, media_type=FHIR)
    outcomes = [Outcome(one.place, one.claim_id or "", _violations(one)) for one in told]
    return Response(answer(signed.body, mapping.layout, receipt.received_at, outcomes), media_type=FHIR)


def _violations(told: Told) -> tuple[Violation, ...]:
    if told.outcome == "refused":
        return (Violation("", told.code or "settlement.refused", "was accepted before with other content"),)
    return tuple(Violation(**error) for error in told.errors)
