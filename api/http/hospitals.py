"""Hospitals: settlements in, taken back, and their own to read. Every POST is signed (RFC 9421)."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from starlette.responses import Response

from api.http import examples
from api.http.auth import HOSPITAL_ONLY, HospitalCaller
from api.http.bodies import JSON_ONLY, MAX_BATCH, MAX_LINE, NDJSON, lines_of
from api.http.deps import After, Ctx, Limit, SetlId, rendered
from api.http.idempotency import OnceKeyed
from api.http.ndjson import together
from api.http.problems import documented
from api.http.schemas import hospitals as schemas
from api.http.signatures import Signed, SignedBatch, SignedBody
from engine.errors import AutoclaimError, Refused, TooLarge
from engine.pipeline import intake, quarantine, reversal
from engine.pipeline.context import Context
from engine.pipeline.keeping import Accepted, keep

router = APIRouter(prefix="/v1", tags=["hospitals"])

_MOST_LINES = 10_000
_READ_AT_ONCE = 64 * 1024
"""Bytes of a settlement that is read (5 ms) between two others' requests, without a thread of its own."""
_SIGNED = documented(400, 401, 403, 408, 409, 413, 415, 422)


@router.post(
    "/settlements",
    status_code=202,
    response_model=schemas.AcceptedSettlement,
    responses=_SIGNED,
    dependencies=[HOSPITAL_ONLY, JSON_ONLY],
    openapi_extra=examples.json_body("A native settlement (national settlement list)", examples.SETTLEMENT),
)
async def post_settlement(request: Request, ctx: Ctx, signed: SignedBody, once: OnceKeyed) -> Response:
    """Send one settlement. Answered after it is kept; the same settlement again answers the same.

    A body that breaks a rule is answered 422 with every rule it breaks, is kept in quarantine, and may
    be sent again corrected, under the same Idempotency-Key or another.
    """

    def answer(accepted: Accepted) -> Response:
        request.state.subject = accepted.claim_id
        location = f"/v1/settlements/{accepted.setl_id}"
        return rendered(schemas.AcceptedSettlement, acceptance(accepted), 202, Location=location)

    arrival = None
    if len(signed.body) <= _READ_AT_ONCE:
        arrival = intake.arrived(ctx, signed.hospital_code, signed.body)
    if arrival is not None:
        return await once.among_many(keep, arrival, answer)
    # What is large, and what is refused, takes a thread: it may keep others waiting.
    work = partial(intake.accept_settlement, ctx, signed.hospital_code, signed.body)
    return await run_in_threadpool(once, lambda: answer(work()))


@router.post(
    "/settlements:batch",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "one line a line, in order",
            "content": {NDJSON: {"example": examples.BATCH_ANSWER}},
        },
        **_SIGNED,
    },
    openapi_extra=examples.ndjson_body(
        f"A settlement a line; at most {_MOST_LINES} lines of {MAX_LINE} bytes, {MAX_BATCH} bytes in all",
        examples.SETTLEMENT,
    ),
)
def post_settlements(ctx: Ctx, signed: SignedBatch) -> StreamingResponse:
    """Send many. Each line stands for itself: it is answered when it is kept, or with its problem.

    A batch that broke off is simply sent again: what was kept answers the same.
    """
    lines = list(lines_of(signed.body))
    if len(lines) > _MOST_LINES:
        raise TooLarge(f"a batch has at most {_MOST_LINES} lines", code="request.too_many_lines")
    return StreamingResponse(_answers(ctx, signed, lines), media_type=NDJSON)


def _answers(ctx: Context, signed: Signed, lines: list[bytes]) -> Iterator[bytes]:
    outcomes = intake.accept_batch(ctx, signed.hospital_code, lines)
    return together(_line(number, outcome) for number, outcome in enumerate(outcomes, start=1))


def _line(number: int, outcome: Accepted | AutoclaimError) -> bytes:
    answer: dict[str, Any] = {"line": number}
    if isinstance(outcome, AutoclaimError):
        answer |= {"status": outcome.status, "code": outcome.code, "detail": outcome.message, "errors": []}
        if isinstance(outcome, Refused):
            answer |= {"errors": outcome.violations, "quarantine_id": outcome.quarantine_id}
    else:
        answer |= {"status": 202, **acceptance(outcome)}
    model = schemas.BatchLine.model_validate(answer)
    return model.model_dump_json(exclude_unset=True).encode() + b"\n"


def acceptance(accepted: Accepted) -> dict[str, Any]:
    """What was true when it was accepted and stays true, so that a repeat gets the same words."""
    return {
        "setl_id": accepted.setl_id,
        "claim_id": accepted.claim_id,
        "state": "accepted",
        "received_at": accepted.received_at,
    }


@router.post(
    "/settlements/{setl_id}/reversal",
    status_code=202,
    response_model=schemas.ReversedSettlement,
    responses=documented(400, 401, 403, 404, 408, 409, 413, 415, 422),
    dependencies=[HOSPITAL_ONLY, JSON_ONLY],
    openapi_extra=examples.json_body("Why the settlement is taken back (2305, 2601)", examples.REVERSAL),
)
def post_reversal(
    request: Request, ctx: Ctx, setl_id: SetlId, signed: SignedBody, once: OnceKeyed
) -> Response:
    """Take a settlement back. Before payment nothing is paid; after it, the money is to be recovered."""

    def work() -> Response:
        taken_back = reversal.reverse_settlement(ctx, signed.hospital_code, setl_id, signed.body)
        request.state.subject = taken_back.claim_id
        return rendered(schemas.ReversedSettlement, taken_back, 202)

    return once(work)


@router.get("/settlements", response_model=schemas.SettlementPage, responses=documented(401, 403, 422))
def list_settlements(ctx: Ctx, caller: HospitalCaller, after: After = 0, limit: Limit = 100) -> Response:
    """This hospital's settlements, oldest first, with the state of each."""
    return rendered(schemas.SettlementPage, intake.list_settlements(ctx, caller.principal, after, limit))


@router.get(
    "/settlements/quarantined", response_model=schemas.QuarantinePage, responses=documented(401, 403, 422)
)
def list_quarantined(ctx: Ctx, caller: HospitalCaller, after: After = 0, limit: Limit = 100) -> Response:
    """What this hospital sent and was refused, with every rule broken, and whether it was corrected."""
    return rendered(schemas.QuarantinePage, quarantine.list_quarantined(ctx, caller.principal, after, limit))


@router.get(
    "/settlements/{setl_id}", response_model=schemas.SettlementView, responses=documented(401, 403, 404, 422)
)
def get_settlement(request: Request, ctx: Ctx, caller: HospitalCaller, setl_id: SetlId) -> Response:
    """Where one settlement of this hospital stands. Another hospital's answers 404."""
    view = intake.settlement_view(ctx, caller.principal, setl_id)
    request.state.subject = view["claim_id"]
    return rendered(schemas.SettlementView, view)
