"""Hospitals: what came of a settlement, as X12."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.http import examples
from api.http.auth import HospitalCaller
from api.http.bodies import X12
from api.http.deps import Ctx, SetlId
from api.http.problems import documented
from engine.pipeline import remittance

router = APIRouter(prefix="/v1", tags=["hospitals"])


@router.get(
    "/settlements/{setl_id}/remittance",
    response_class=Response,
    responses={
        200: {
            "description": "one interchange, a transaction a policy that answers for the settlement",
            "content": {X12: {"schema": {"type": "string"}, "example": examples.REMITTANCE}},
        },
        **documented(401, 403, 404, 409, 422),
    },
)
def get_remittance(request: Request, ctx: Ctx, caller: HospitalCaller, setl_id: SetlId) -> Response:
    """What came of one settlement of this hospital, as X12 835 (005010X221A1), whichever way it was sent.

    The money goes to the patient, so nothing is paid here (BPR04 NON): CAS PR 100 says what the patient was
    given, TRN02 under which payout. One that was taken back after that is a reversal (CLP02 22). One that is
    still on its way answers 409 and says what is missing.
    """
    claim_id, written = remittance.remittance(ctx, caller.principal, setl_id)
    request.state.subject = claim_id
    return Response(written, media_type=X12)
