"""The bank tells a transfer's result. No API key: the bank signs (HMAC), and only that is believed."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.http import examples
from api.http.bodies import JSON_ONLY, RawBody
from api.http.deps import Ctx
from api.http.problems import documented
from engine.errors import Unauthenticated
from engine.payout.errors import CallbackRejected
from engine.pipeline import pay

router = APIRouter(prefix="/v1", tags=["bank"])


@router.post(
    "/bank/callback",
    status_code=204,
    responses=documented(401, 413, 415),
    dependencies=[JSON_ONLY],
    openapi_extra=examples.json_body(
        "A transfer's result, with Bank-Timestamp and Bank-Signature", examples.CALLBACK
    ),
)
def bank_callback(request: Request, ctx: Ctx, body: RawBody) -> Response:
    """Take note of a result. Twice is no change; 204 says it is kept."""
    try:
        result = ctx.callbacks.verify(request.headers, body)
    except CallbackRejected as error:
        raise Unauthenticated(str(error), code=f"bank.{error.rule}") from error
    pay.bank_result(ctx, result)
    return Response(status_code=204)
