"""Operators: what was refused, why, and one record put right."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from api.http import examples
from api.http.auth import OPERATOR_ONLY, OperatorCaller
from api.http.bodies import MERGE_PATCH, RawBody, only
from api.http.deps import After, Ctx, Limit, rendered
from api.http.hospitals import acceptance
from api.http.problems import documented
from api.http.schemas import deliveries as schemas
from api.http.schemas.hospitals import AcceptedSettlement
from engine.pipeline import quarantine

router = APIRouter(prefix="/v1", tags=["operators"])
QuarantineId = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.get(
    "/quarantine",
    response_model=schemas.QuarantineList,
    responses=documented(401, 403, 422),
    dependencies=[OPERATOR_ONLY],
)
def list_quarantine(ctx: Ctx, after: After = 0, limit: Limit = 100) -> Response:
    """Everything in quarantine, oldest first."""
    return rendered(schemas.QuarantineList, quarantine.list_quarantined(ctx, None, after, limit))


@router.get(
    "/quarantine/{quarantine_id}",
    response_model=schemas.RefusedBody,
    responses=documented(401, 403, 404, 422),
    dependencies=[OPERATOR_ONLY],
)
def get_refused(ctx: Ctx, quarantine_id: QuarantineId) -> Response:
    """One refused record with every rule it breaks; what names the patient is masked."""
    return rendered(schemas.RefusedBody, quarantine.show(ctx, quarantine_id))


@router.post(
    "/quarantine/{quarantine_id}:correct",
    status_code=202,
    response_model=AcceptedSettlement,
    responses=documented(401, 403, 404, 409, 413, 415, 422),
    dependencies=[OPERATOR_ONLY, only(MERGE_PATCH)],
    openapi_extra=examples.body(
        {MERGE_PATCH: examples.CORRECTION}, 'RFC 7386; a row of a list by its number: {"feedetail": {"3": …}}'
    ),
)
def correct(
    request: Request, ctx: Ctx, caller: OperatorCaller, quarantine_id: QuarantineId, patch: RawBody
) -> Response:
    """Put one refused record right and accept it. The claim's lineage keeps who changed what."""
    accepted = quarantine.correct(ctx, quarantine_id, patch, f"operator {caller.principal}")
    request.state.subject = accepted.claim_id
    return rendered(AcceptedSettlement, acceptance(accepted), 202)
