"""Settlements that stay with their provider: cases out, decisions in, and disclosures (docs/privacy.md)."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from api.http.auth import HOSPITAL_ONLY, HospitalCaller, allow
from api.http.bodies import JSON_ONLY
from api.http.deps import ClaimId, Ctx, rendered
from api.http.problems import documented
from api.http.schemas import withheld as schemas
from api.http.schemas.matching import ReleasedSettlement
from api.http.signatures import SignedBody
from engine.adjudication.history import SettlementRef
from engine.matching.voprf import SUITE
from engine.pipeline import cases, decisions, disclosures, matching
from engine.store.api_keys import Caller, Role

router = APIRouter(prefix="/v1/match", tags=["matching"])
_SIGNED = documented(400, 401, 403, 404, 408, 409, 413, 415, 422)
DEMANDERS = Depends(allow(Role.INSURER, Role.OPERATOR))
Demander = Annotated[Caller, DEMANDERS]


@router.post(
    "/cases",
    response_model=schemas.MatchCase,
    responses=_SIGNED,
    dependencies=[HOSPITAL_ONLY, JSON_ONLY],
)
def give_case(ctx: Ctx, signed: SignedBody, asked: schemas.MatchCaseQuestion) -> Response:
    """What a provider is to decide one discharge on that stays with it, and by which terms. While something
    before it is undecided, there is no case yet: 503."""
    matching.check_protocol(asked.protocol, SUITE, matching.MODE)
    return rendered(schemas.MatchCase, cases.give(ctx, asked_of(signed.hospital_code, asked)))


@router.post(
    "/decisions",
    status_code=202,
    response_model=ReleasedSettlement,
    responses=_SIGNED,
    dependencies=[HOSPITAL_ONLY, JSON_ONLY],
)
def post_decision(request: Request, ctx: Ctx, signed: SignedBody, said: schemas.MatchDecision) -> Response:
    """Release what was decided of a settlement, in its place. Answered after it is kept; the same again
    answers the same. Where the case has moved since, ask for a new one: 409 `release.case_moved`."""
    matching.check_protocol(said.protocol, SUITE, matching.MODE)
    kept = decisions.release(ctx, decision_of(signed.hospital_code, said))
    request.state.subject = kept.claim_id
    return rendered(ReleasedSettlement, kept, 202)


@router.get("/wanted", response_model=schemas.Wants, responses=documented(401, 403))
def list_wanted(ctx: Ctx, caller: HospitalCaller) -> Response:
    """What the insurer wants of this provider's decisions, the longest asked for first."""
    return rendered(schemas.Wants, {"items": disclosures.wanted(ctx, caller.principal)})


@router.post(
    "/disclosures",
    status_code=202,
    response_model=schemas.Disclosed,
    responses=_SIGNED,
    dependencies=[HOSPITAL_ONLY, JSON_ONLY],
)
def disclose(request: Request, ctx: Ctx, signed: SignedBody, shown: schemas.MatchDisclosure) -> Response:
    """Show a settlement that was withheld and is wanted. It is held against its commitment and decided here;
    the same again answers the same."""
    matching.check_protocol(shown.protocol, SUITE, matching.MODE)
    disclosed = disclosures.disclose(ctx, disclosure_of(signed.hospital_code, shown))
    request.state.subject = disclosed.claim_id
    return rendered(schemas.Disclosed, disclosed, 202)


@router.post(
    "/disclosures/{claim_id}",
    status_code=202,
    response_model=schemas.Demanded,
    responses=documented(401, 403, 404, 409, 422),
)
def demand(ctx: Ctx, claim_id: ClaimId, caller: Demander) -> Response:
    """Demand that a claim's settlement is disclosed; again is no change."""
    return rendered(schemas.Demanded, disclosures.demand(ctx, claim_id, _who(caller)), 202)


@router.post(
    "/disclosures:sample",
    status_code=202,
    response_model=schemas.Drawn,
    responses=documented(400, 401, 403, 413, 415, 422),
    dependencies=[DEMANDERS, JSON_ONLY],
)
def sample(ctx: Ctx, draw: schemas.Draw, caller: Demander) -> Response:
    """Demand about one in so many of all settlements that are withheld; which, no provider can foretell."""
    return rendered(schemas.Drawn, disclosures.sample(ctx, draw.one_in, _who(caller)), 202)


def asked_of(provider: str, asked: schemas.MatchCaseQuestion) -> cases.Asked:
    return cases.Asked(**_named(provider, asked))


def decision_of(provider: str, said: schemas.MatchDecision) -> decisions.DecisionRelease:
    return decisions.DecisionRelease(
        **_named(provider, said),
        case=said.case,
        decision=said.decision,
        commitment=bytes.fromhex(said.commitment),
    )


def disclosure_of(provider: str, shown: schemas.MatchDisclosure) -> disclosures.Disclosure:
    return disclosures.Disclosure(
        provider=provider,
        discharge=shown.discharge,
        handle=shown.handle,
        document=shown.document,
        salt=bytes.fromhex(shown.salt),
        decision_salt=bytes.fromhex(shown.decision_salt),
    )


def _named(provider: str, said: schemas.MatchCaseQuestion) -> dict[str, Any]:
    stay = said.settlement
    return {
        "provider": provider,
        "epoch": said.epoch,
        "discharge": said.discharge,
        "handle": said.handle,
        "authorization": said.authorization,
        "settlement": SettlementRef(stay.fixmedins_code, stay.setl_id, stay.adm, stay.dscg, stay.settled),
        "setl_id": said.setl_id,
        "salt": bytes.fromhex(said.salt),
    }


def _who(caller: Caller) -> str:
    return f"{caller.role} {caller.principal} ({caller.key_id})"
