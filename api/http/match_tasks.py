"""Matching tasks, list against list (docs/privacy.md): insurers order them, providers' nodes do them."""

import json

from fastapi import APIRouter, Depends
from starlette.responses import Response

from api.http.auth import HOSPITAL_ONLY, OPERATOR_ONLY, HospitalCaller, allow
from api.http.bodies import JSON_ONLY
from api.http.deps import Bytes32, Ctx, Limit, rendered
from api.http.matching import released_of
from api.http.problems import documented
from api.http.schemas import match_tasks as schemas
from api.http.schemas.matching import MatchRelease
from api.http.signatures import SignedBody
from engine.evidence.match_task import MatchCounts
from engine.matching.scale.link import Joining
from engine.matching.voprf import SUITE
from engine.pipeline import match_answers, match_tasks, matching
from engine.store.api_keys import Role

orders = APIRouter(prefix="/v1/matching/tasks", tags=["matching"])
router = APIRouter(prefix="/v1/match/tasks", tags=["matching"], dependencies=[HOSPITAL_ONLY])
ORDERERS = Depends(allow(Role.INSURER, Role.OPERATOR))
_SIGNED = documented(400, 401, 403, 404, 408, 409, 413, 415, 422, 503)
_READ = documented(401, 403, 404, 422)


@orders.post(
    "",
    status_code=201,
    response_model=schemas.MatchTaskView,
    responses={
        200: {"model": schemas.MatchTaskView, "description": "the same was ordered, and has not ended"},
        **documented(400, 401, 403, 404, 408, 409, 413, 415, 422, 503),
    },
    dependencies=[ORDERERS, JSON_ONLY],
)
def open_task(ctx: Ctx, order: schemas.MatchTaskOrder) -> Response:
    """Open a task on chain: a provider's discharges of these days against the roll. The same order again is
    the same task until that has ended."""
    opened = match_tasks.open_task(ctx, match_tasks.Order(**order.model_dump()))
    return rendered(schemas.MatchTaskView, opened.task, 201 if opened.created else 200)


@orders.get(
    "", response_model=schemas.MatchTaskViews, responses=documented(401, 403, 422), dependencies=[ORDERERS]
)
def list_tasks(ctx: Ctx, limit: Limit = 100) -> Response:
    """The newest first, each as the chain has it, with both parties' counts."""
    return rendered(schemas.MatchTaskViews, {"items": match_tasks.list_tasks(ctx, limit)})


@orders.get("/{task_id}", response_model=schemas.MatchTaskView, responses=_READ, dependencies=[ORDERERS])
def show_task(ctx: Ctx, task_id: Bytes32) -> Response:
    """One task as the chain has it, with both parties' counts."""
    return rendered(schemas.MatchTaskView, match_tasks.show(ctx, task_id))


@orders.post(
    "/{task_id}:resolve",
    response_model=schemas.MatchTaskView,
    responses=documented(400, 401, 403, 404, 408, 409, 413, 415, 422),
    dependencies=[OPERATOR_ONLY, JSON_ONLY],
)
def resolve_task(ctx: Ctx, task_id: Bytes32, said: schemas.TaskResolution) -> Response:
    """The arbiter's word on a disputed task. With a digest it has completed, and what was handed over becomes
    claims; with neither it has failed, and nothing does."""
    return rendered(schemas.MatchTaskView, match_tasks.resolve(ctx, task_id, said.digest))


@orders.post(
    "/{task_id}:cancel",
    response_model=schemas.MatchTaskView,
    responses=documented(401, 403, 404, 409, 422),
    dependencies=[ORDERERS],
)
def cancel_task(ctx: Ctx, task_id: Bytes32) -> Response:
    """Take back a task that no node is at. Nothing that was handed over under it becomes a claim."""
    return rendered(schemas.MatchTaskView, match_tasks.cancel(ctx, task_id))


@router.get("/{task_id}", response_model=schemas.MatchTaskDocument, responses=_READ)
def get_document(ctx: Ctx, caller: HospitalCaller, task_id: Bytes32) -> Response:
    """What a task that stands on chain asks; it is believed if its digest is the task's id there."""
    document = match_answers.document(ctx, caller.principal, task_id)
    return rendered(schemas.MatchTaskDocument, {"document": document})


@router.post(
    "/{task_id}/evaluations",
    response_model=schemas.MatchBatchAnswer,
    responses=_SIGNED,
    dependencies=[JSON_ONLY],
)
def evaluate(ctx: Ctx, task_id: Bytes32, signed: SignedBody, asked: schemas.MatchBatch) -> Response:
    """Evaluate a batch of blinded elements; about whom they are cannot be told here. They count against what
    the task allows, not against the day's quota."""
    elements = tuple(map(bytes.fromhex, asked.elements))
    batch = match_answers.Batch(task_id, signed.hospital_code, asked.number, asked.discharges, elements)
    evaluated = match_answers.evaluate(ctx, batch)
    answer = {
        "evaluated": [element.hex() for element in evaluated.elements],
        "proof": evaluated.proof.hex(),
    }
    return rendered(schemas.MatchBatchAnswer, answer)


@router.post("/{task_id}/releases", status_code=204, responses=_SIGNED, dependencies=[JSON_ONLY])
def stage_release(ctx: Ctx, task_id: Bytes32, signed: SignedBody, released: MatchRelease) -> Response:
    """Hand over one settlement under the task. It becomes a claim once both parties agree on what the task
    came to; until then it is kept sealed. The same again is no change."""
    matching.check_protocol(released.protocol, SUITE, matching.MODE)
    one = released_of(signed.hospital_code, released, task_id)
    match_answers.stage(ctx, one, json.loads(signed.body))
    return Response(status_code=204)


@router.get("/{task_id}/releases", response_model=schemas.StagedOutcomes, responses=_READ)
def list_outcomes(ctx: Ctx, caller: HospitalCaller, task_id: Bytes32) -> Response:
    """What became of this hospital's releases under the task."""
    return rendered(schemas.StagedOutcomes, {"items": match_answers.outcomes(ctx, caller.principal, task_id)})


@router.post("/{task_id}/counts", status_code=204, responses=_SIGNED, dependencies=[JSON_ONLY])
def tell_counts(ctx: Ctx, task_id: Bytes32, signed: SignedBody, counts: schemas.ProviderCounts) -> Response:
    """Say what the task came to by the provider's books, to be shown beside the insurer's own."""
    match_answers.tell_counts(ctx, signed.hospital_code, task_id, MatchCounts(**counts.model_dump()))
    return Response(status_code=204)


@router.post(
    "/{task_id}/scale", response_model=schemas.ScaleJoining, responses=_SIGNED, dependencies=[JSON_ONLY]
)
def begin_scale(ctx: Ctx, task_id: Bytes32, signed: SignedBody, theirs: schemas.ScaleJoining) -> Response:
    """Have the insurer begin its side of finding whom both lists have (engine rr22): where each side listens,
    and the certificate that it is known by in this run alone."""
    joined = match_answers.begin_scale(ctx, signed.hospital_code, task_id, Joining(**theirs.model_dump()))
    return rendered(schemas.ScaleJoining, joined)
