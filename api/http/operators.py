"""Operators: keys, the hospital register, a nudge for an event, and the totals. No claim in sight."""

import base64

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.http.auth import OPERATOR_ONLY, OVERSEERS, KeyRing
from api.http.bodies import JSON_ONLY
from api.http.deps import Bytes32, Ctx, KeyId, LogIndex, rendered
from api.http.idempotency import OnceIfKeyed
from api.http.problems import documented
from api.http.schemas import operators as schemas
from api.http.schemas.insured import Authorization
from engine.pipeline import audit, claims, consent, erasure, parties, retention
from engine.settlement.hospitals import Hospital

router = APIRouter(prefix="/v1", tags=["operators"])


@router.post(
    "/keys",
    status_code=201,
    response_model=schemas.IssuedKey,
    responses=documented(401, 403, 415, 422),
    dependencies=[OPERATOR_ONLY, JSON_ONLY],
)
def issue_key(ctx: Ctx, wanted: schemas.KeyRequest) -> Response:
    """Make an API key. Its token is shown in this answer and nowhere again, so no answer is kept of it."""
    key_id, token = parties.issue_key(ctx, wanted.role, wanted.principal)
    issued = {"key_id": key_id, "token": token, "role": wanted.role, "principal": wanted.principal}
    return rendered(schemas.IssuedKey, issued, 201, Cache_Control="no-store")


@router.delete(
    "/keys/{key_id}",
    status_code=204,
    responses=documented(401, 403, 404, 422),
    dependencies=[OPERATOR_ONLY],
)
def revoke_key(request: Request, ctx: Ctx, key_id: KeyId) -> Response:
    """Revoke an API key, for good."""
    parties.revoke_key(ctx, key_id)
    ring: KeyRing = request.app.state.key_ring
    ring.forget(key_id)
    return Response(status_code=204)


@router.post(
    "/hospitals",
    status_code=201,
    response_model=schemas.HospitalEntry,
    responses=documented(400, 401, 403, 415, 422),
    dependencies=[OPERATOR_ONLY, JSON_ONLY],
)
def register_hospital(ctx: Ctx, entry: schemas.HospitalEntry, once: OnceIfKeyed) -> Response:
    """Add a hospital, or replace its entry: its grade, the key that signs its messages, and the pin of the
    certificate that its provider node shows."""
    hospital = Hospital(entry.code, entry.name, entry.grade, entry.area, entry.kind, tuple(entry.wards))
    public_key = base64.b64decode(entry.public_key) if entry.public_key is not None else None

    def work() -> Response:
        parties.register_hospital(ctx, hospital, entry.key_id, public_key, entry.tls_pin)
        return rendered(schemas.HospitalEntry, entry, 201)

    return once(work)


@router.post(
    "/authorizations/{authorization_id}:revoke",
    response_model=Authorization,
    responses=documented(401, 403, 404, 409, 422),
    dependencies=[OPERATOR_ONLY],
)
def revoke_for_the_insured(ctx: Ctx, authorization_id: Bytes32) -> Response:
    """Withdraw consent for an insured person who did so on paper, or by a court's order; for good."""
    return rendered(Authorization, consent.revoke_for(ctx, authorization_id))


@router.post(
    "/chain/events/{tx_hash}/{log_index}:trigger",
    response_model=schemas.Triggered,
    responses=documented(401, 403, 404, 409, 422),
    dependencies=[OPERATOR_ONLY],
)
def trigger_event(ctx: Ctx, tx_hash: Bytes32, log_index: LogIndex) -> Response:
    """Start what a recorded event should have started. What it already started is not started again."""
    return rendered(schemas.Triggered, audit.trigger_event(ctx, tx_hash, log_index))


@router.get(
    "/totals", response_model=schemas.Totals, responses=documented(401, 403), dependencies=[OVERSEERS]
)
def totals(ctx: Ctx) -> Response:
    """Counts and sums over everything: accepted, matched, paid, refused, in review, quarantined."""
    return rendered(schemas.Totals, claims.totals(ctx))


@router.post(
    "/persons:erase",
    response_model=schemas.Erased,
    responses=documented(401, 403, 404, 409, 415, 422, 503),
    dependencies=[OPERATOR_ONLY, JSON_ONLY],
)
def erase_person(ctx: Ctx, person: schemas.PersonToErase) -> Response:
    """Erase a person: everything they were identified by or decided on, with the salts that tie it to the
    chain. Amounts and ids stay. For good; a person with something under way is not erased."""
    return rendered(schemas.Erased, erasure.erase_person(ctx, person.cert_type, person.cert_no))


@router.get(
    "/retention",
    response_model=schemas.Retention,
    responses=documented(401, 403),
    dependencies=[OPERATOR_ONLY],
)
def list_retention(ctx: Ctx) -> Response:
    """What has been kept for longer than this deployment's settings say."""
    return rendered(schemas.Retention, {"items": retention.due(ctx)})
