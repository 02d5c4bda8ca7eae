"""The insured: consent given and withdrawn. No API key: an EIP-712 signature says who it is.

An authorization's id is 32 random bytes that the insured and their insurer hold; reading by it shows
the authorization's standing and nothing of the person.
"""

from fastapi import APIRouter
from starlette.responses import Response

from api.http.bodies import JSON_ONLY
from api.http.deps import Bytes32, Ctx, rendered
from api.http.idempotency import OnceIfKeyed
from api.http.problems import documented
from api.http.schemas import insured as schemas
from api.http.schemas.common import Address
from engine.pipeline import consent

router = APIRouter(prefix="/v1/authorizations", tags=["insured"])
_POST = documented(400, 404, 409, 413, 415, 422)


@router.post(
    "",
    status_code=201,
    response_model=schemas.Authorization | schemas.AuthorizationList,
    responses=_POST,
    dependencies=[JSON_ONLY],
)
def grant(ctx: Ctx, signed: schemas.Grant | schemas.Grants, once: OnceIfKeyed) -> Response:
    """Record signed consent on chain: one, or a list of them in one transaction.

    What was recorded before answers the same.
    """

    def work() -> Response:
        if isinstance(signed, schemas.Grant):
            [recorded] = consent.grant_authorizations(ctx, [signed.pair()])
            return rendered(schemas.Authorization, recorded, 201)
        recorded_all = consent.grant_authorizations(ctx, [one.pair() for one in signed.root])
        return rendered(schemas.AuthorizationList, recorded_all, 201)

    return once(work)


@router.get("/{authorization_id}", response_model=schemas.Authorization, responses=documented(404, 422))
def get_authorization(ctx: Ctx, authorization_id: Bytes32) -> Response:
    """Whether an authorization is pending, granted or revoked, for what, until when."""
    return rendered(schemas.Authorization, consent.get_authorization(ctx, authorization_id))


@router.get(
    "/{authorization_id}/revocation", response_model=schemas.RevocationToSign, responses=documented(404, 422)
)
def revocation_to_sign(ctx: Ctx, authorization_id: Bytes32, signer: Address | None = None) -> Response:
    """The EIP-712 typed data by which the insured or the guardian withdraws consent.

    `signer` is one of the two; whoever consented where it is left out.
    """
    return rendered(schemas.RevocationToSign, consent.revocation_to_sign(ctx, authorization_id, signer))


@router.post(
    "/{authorization_id}/revocation",
    response_model=schemas.Authorization,
    responses=_POST,
    dependencies=[JSON_ONLY],
)
def revoke(ctx: Ctx, authorization_id: Bytes32, signed: schemas.Revocation, once: OnceIfKeyed) -> Response:
    """Withdraw consent, for good. Nothing that was not paid by then is paid on it."""
    return once(
        lambda: rendered(
            schemas.Authorization,
            consent.revoke_authorization(
                ctx, authorization_id, signed.deadline, signed.signature, signed.signer
            ),
        )
    )
