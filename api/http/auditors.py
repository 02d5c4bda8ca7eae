"""Auditors: evidence, the chain's events decoded, the access log, its checkpoints. Nothing names a person."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from api.http import examples
from api.http.auth import EVERY_ROLE, EVIDENCE_READERS, OVERSEERS, WITNESSES, LogReader
from api.http.bodies import JSON, JSON_ONLY, LargeBody
from api.http.deps import After, ClaimId, Ctx, Limit, rendered
from api.http.idempotency import OnceIfKeyed
from api.http.problems import documented
from api.http.schemas import auditors as schemas
from engine.evidence.anchors import Anchor, TrustedDeployment
from engine.evidence.verify import verify_bundle
from engine.pipeline import audit, checkpoints
from engine.store.api_keys import Role

router = APIRouter(prefix="/v1", tags=["auditors"])
_Bytes32Filter = Annotated[str | None, Query(pattern="^0x[0-9a-f]{64}$")]


@router.get(
    "/evidence/{claim_key}",
    responses={
        200: {"description": "the bundle, as `autoclaim verify` reads it", "content": {JSON: {}}},
        **documented(401, 403, 404, 409, 422),
    },
    response_class=Response,
    dependencies=[EVIDENCE_READERS],
)
def get_evidence(ctx: Ctx, claim_key: ClaimId) -> Response:
    """A paid claim's evidence: documents, salts, transactions with their proofs. Verifiable offline."""
    bundle = audit.evidence_bundle(ctx, claim_key)
    name = f'attachment; filename="{claim_key}.json"'
    return Response(bundle, media_type=JSON, headers={"Content-Disposition": name})


@router.post(
    "/evidence:verify",
    response_model=schemas.Verification,
    responses=documented(401, 403, 408, 413, 415, 422),
    dependencies=[EVIDENCE_READERS, JSON_ONLY],
    openapi_extra=examples.json_body("A bundle, byte for byte as it was fetched", {}),
)
def verify_evidence(ctx: Ctx, bundle: LargeBody) -> Response:
    """Verify a bundle against this engine's chain. Who trusts nobody runs `autoclaim verify` instead."""
    chain = ctx.chain.deployment
    deployment = TrustedDeployment(chain.chain_id, chain.addresses, "this engine", "")
    report = verify_bundle(bundle, Anchor(endpoint=ctx.chain, deployments=(deployment,)))
    return rendered(schemas.Verification, report.document())


@router.get(
    "/chain/events",
    response_model=schemas.ChainEventPage,
    responses=documented(401, 403, 422),
    dependencies=[OVERSEERS],
)
def chain_events(
    ctx: Ctx,
    claim_key: _Bytes32Filter = None,
    authorization_id: _Bytes32Filter = None,
    task_id: _Bytes32Filter = None,
    from_block: Annotated[int, Query(ge=0, description="the `next` of the page before")] = 0,
    limit: Limit = 100,
) -> Response:
    """Events of the four contracts, decoded, in the order of the chain."""
    found = audit.chain_events(ctx, claim_key, authorization_id, task_id, from_block, limit)
    return rendered(schemas.ChainEventPage, found)


@router.get("/audit/log", response_model=schemas.AccessLogPage, responses=documented(401, 403, 422))
def access_log(ctx: Ctx, caller: LogReader, after: After = 0, limit: Limit = 100) -> Response:
    """Every call, oldest first; each entry's digest covers the one before, so a reader can walk the chain.

    The digests are also the leaves of the tree whose heads are checkpointed on chain. A hospital reads its
    own calls in full, and of others' seq and digest: enough to check the head.
    """
    in_full_for = caller.principal if caller.role is Role.HOSPITAL else None
    return rendered(schemas.AccessLogPage, audit.access_log(ctx, after, limit, in_full_for))


@router.get(
    "/audit/checkpoint",
    response_model=schemas.CheckpointView,
    responses=documented(401, 403, 409),
    dependencies=[EVERY_ROLE],
)
def checkpoint(ctx: Ctx) -> Response:
    """The log's latest checkpoint on chain, and the one that could follow it, ready to be signed (EIP-712).

    409 where the log does not extend the checkpoint on chain: it was rewritten or cut.
    """
    return rendered(schemas.CheckpointView, checkpoints.view(ctx))


@router.post(
    "/audit/checkpoint/signatures",
    status_code=202,
    response_model=schemas.SignedCheckpoint,
    responses=documented(400, 401, 403, 409, 413, 415, 422),
    dependencies=[WITNESSES, JSON_ONLY],
)
def sign_checkpoint(ctx: Ctx, signed: schemas.CheckpointSignature, once: OnceIfKeyed) -> Response:
    """Co-sign the log as it was at `size`. With the engine's own signature beside it, it goes on chain.

    409 `checkpoint.overtaken`: another checkpoint came first; fetch the proposal again.
    """
    return once(
        lambda: rendered(
            schemas.SignedCheckpoint,
            checkpoints.co_sign(ctx, signed.size, signed.signer, signed.signature),
            202,
        )
    )
