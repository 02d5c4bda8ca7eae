"""Insurers: products and policies in, claims and payouts to read, and what is in review to decide."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from api.http import examples
from api.http.auth import INSURER_ONLY, OVERSEERS, InsurerCaller
from api.http.bodies import CSV, JSON_ONLY, MAX_LINE, NDJSON, YAML, RawBody, RollBody, only
from api.http.deps import After, AfterName, ClaimId, Ctx, Limit, rendered
from api.http.idempotency import OnceIfKeyed
from api.http.problems import documented
from api.http.schemas import insurers as schemas
from engine.pipeline import claims, consent, enrolment
from engine.pipeline.states import ClaimState, PayoutState

router = APIRouter(prefix="/v1", tags=["insurers"])
_READ = documented(401, 403, 422)


@router.get(
    "/products", response_model=schemas.ProductList, responses=documented(401, 403), dependencies=[OVERSEERS]
)
def list_products(ctx: Ctx) -> Response:
    """Editions that are loaded, with the digest that stands on chain."""
    return rendered(schemas.ProductList, {"items": enrolment.list_products(ctx)})


@router.post(
    "/products",
    status_code=201,
    response_model=schemas.Product,
    responses=documented(400, 401, 403, 408, 409, 413, 415, 422),
    dependencies=[INSURER_ONLY, only(YAML)],
    openapi_extra=examples.body(
        {YAML: examples.PRODUCT}, "A product file, as `autoclaim products check` reads it"
    ),
)
def post_product(ctx: Ctx, source: RawBody, once: OnceIfKeyed) -> Response:
    """Load an edition's terms and register their digest on chain. The same terms again change nothing."""
    return once(lambda: rendered(schemas.Product, enrolment.load_product(ctx, source, "body"), 201))


@router.get("/policies", response_model=schemas.PolicyPage, responses=_READ, dependencies=[INSURER_ONLY])
def list_policies(ctx: Ctx, after: After = 0, limit: Limit = 100) -> Response:
    """Policies, in the order they were loaded. Who is insured stays sealed."""
    return rendered(schemas.PolicyPage, enrolment.list_policies(ctx, after, limit))


@router.post(
    "/policies",
    response_model=schemas.LoadReport,
    responses=documented(401, 403, 408, 413, 415, 422),
    dependencies=[INSURER_ONLY],
    openapi_extra=examples.body(
        {NDJSON: examples.POLICY_LINE, CSV: examples.POLICY_CSV},
        f"A coverage a line, of at most {MAX_LINE} bytes; read as it comes, however long it is",
    ),
)
def post_policies(ctx: Ctx, roll: RollBody) -> Response:
    """Load a roll. Good rows are kept even when others are refused; each refusal is listed with its line.

    The line of a policy that is held may say, beside what is held: `cancelled_on`, the first day without
    cover, and `other_certificates` and `other_names` of its insured. What was said is not taken back.
    """
    return rendered(schemas.LoadReport, enrolment.load_policies(ctx, roll.lines(), roll.kind))


@router.get("/claims", response_model=schemas.ClaimPage, responses=_READ, dependencies=[INSURER_ONLY])
def list_claims(
    ctx: Ctx,
    state: ClaimState | None = None,
    hospital: Annotated[str | None, Query(max_length=20, description="code of the hospital")] = None,
    product: Annotated[str | None, Query(max_length=64)] = None,
    after: After = 0,
    limit: Limit = 100,
) -> Response:
    """Claims, oldest first, filtered by state, hospital and product."""
    return rendered(schemas.ClaimPage, claims.list_claims(ctx, state, hospital, product, after, limit))


@router.get(
    "/claims/{claim_id}",
    response_model=schemas.ClaimDetail,
    responses=documented(401, 403, 404, 422),
    dependencies=[INSURER_ONLY],
)
def get_claim(ctx: Ctx, claim_id: ClaimId) -> Response:
    """One claim: its state, every move it made, the decision explained line by line, its payouts."""
    return rendered(schemas.ClaimDetail, claims.get_claim(ctx, claim_id))


@router.post(
    "/claims/{claim_id}/decision",
    response_model=schemas.ClaimDetail,
    responses=documented(400, 401, 403, 404, 409, 415, 422),
    dependencies=[INSURER_ONLY, JSON_ONLY],
)
def decide_claim(
    ctx: Ctx, caller: InsurerCaller, claim_id: ClaimId, ruling: schemas.Ruling, once: OnceIfKeyed
) -> Response:
    """Decide a claim that is in review. The reason and the key that decided are kept with it."""
    actor = f"{caller.role} {caller.principal} ({caller.key_id})"

    def work() -> Response:
        decided = claims.decide_claim(ctx, claim_id, ruling.action, ruling.reason, actor, ruling.payable_fen)
        return rendered(schemas.ClaimDetail, decided)

    return once(work)


@router.get("/payouts", response_model=schemas.PayoutPage, responses=_READ, dependencies=[INSURER_ONLY])
def list_payouts(
    ctx: Ctx, state: PayoutState | None = None, after: AfterName = "", limit: Limit = 100
) -> Response:
    """Transfers, oldest first. Accounts stay sealed."""
    return rendered(schemas.PayoutPage, claims.list_payouts(ctx, state, after, limit))


@router.post(
    "/authorizations:prepare",
    status_code=201,
    response_model=schemas.ToSign,
    responses=documented(400, 401, 403, 404, 415, 422),
    dependencies=[INSURER_ONLY, JSON_ONLY],
)
def prepare_authorization(ctx: Ctx, wanted: schemas.Preparation, once: OnceIfKeyed) -> Response:
    """What the insured of a policy, or a minor's guardian, is to read and to sign.

    The same again while it is unsigned or live.
    """

    def work() -> Response:
        prepared = consent.prepare_authorization(ctx, wanted.policy_no, wanted.insured, wanted.guardian)
        return rendered(schemas.ToSign, prepared, 201)

    return once(work)
