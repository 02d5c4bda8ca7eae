"""Private matching: providers ask blinded and release, operators publish the roll (docs/privacy.md)."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from sqlmodel import Session
from starlette.responses import FileResponse, Response

from api.http import access
from api.http.auth import HOSPITAL_ONLY, OPERATOR_ONLY, allow
from api.http.bodies import JSON_ONLY
from api.http.deps import Ctx, rendered
from api.http.idempotency import keep_answered
from api.http.problems import documented
from api.http.schemas import matching as schemas
from api.http.signatures import SignedBody
from engine.errors import AutoclaimError
from engine.matching.published import Update
from engine.matching.voprf import SUITE
from engine.pipeline import appointing, disclosures, matching, offers, publishing, releases, updates
from engine.store.access_log import Call
from engine.store.api_keys import Role

router = APIRouter(prefix="/v1/match", tags=["matching"])
ANSWER_BYTES = 1024
"""Of every answer to a question: eight elements and their proof fit."""
ROLL_READERS = Depends(allow(Role.HOSPITAL, Role.OPERATOR))
Epoch = Annotated[int, Path(ge=1, le=2**31 - 1)]
HospitalCode = Annotated[str, Path(pattern="^[HP][0-9]{11}$")]
ProviderAddress = Annotated[str, Path(pattern="^0x[0-9a-fA-F]{40}$", examples=["0x" + "5e" * 20])]
UpdateNumber = Annotated[int, Path(ge=0, le=2**31 - 1)]
_SIGNED = documented(400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 503)


@dataclass(frozen=True, slots=True)
class _Answering:
    asked: matching.Asked
    call: Call


@router.get(
    "/epochs",
    response_model=schemas.MatchEpochs,
    responses=documented(401, 403),
    dependencies=[ROLL_READERS],
)
def list_epochs(ctx: Ctx) -> Response:
    """Every epoch with its updates. What a key is worth, the catalogue on chain says, and not this."""
    listed = {**matching.list_epochs(ctx), "publishing": publishing.made()}
    return rendered(schemas.MatchEpochs, listed)


@router.get(
    "/epochs/{epoch}/updates/{update}",
    response_class=FileResponse,
    responses={
        200: {"content": {"application/octet-stream": {}}, "description": "the update as it was published"},
        **documented(401, 403, 404, 409, 422),
    },
    dependencies=[ROLL_READERS],
)
def get_update(ctx: Ctx, epoch: Epoch, update: UpdateNumber) -> Response:
    """One update of the published roll: a line of JSON, then entries of one size that say nothing to whoever
    may not ask about their person."""
    path = updates.offered_file(ctx, epoch, update)
    return FileResponse(path, media_type="application/octet-stream")


@router.post(
    "/evaluations",
    response_model=schemas.MatchAnswer,
    responses=_SIGNED,
    dependencies=[HOSPITAL_ONLY, JSON_ONLY],
)
async def evaluate(request: Request, ctx: Ctx, signed: SignedBody, asked: schemas.MatchQuestion) -> Response:
    """Evaluate blinded elements; about whom they are cannot be told here. Counted, and held to a quota a day;
    a discharge is asked about once. Every answer has one size."""
    matching.check_protocol(asked.protocol, asked.suite, asked.mode)
    elements = tuple(map(bytes.fromhex, asked.elements))
    question = matching.Question(signed.hospital_code, asked.epoch, asked.discharge, elements)
    evaluated = matching.evaluate(ctx, question)
    call = access.describe(request.scope, 200, ctx.clock())
    answering = _Answering(matching.asked(ctx, question), call)
    await asyncio.wrap_future(ctx.writer.submit_to(_keep, answering))
    request.state.is_logged = True
    answer = schemas.MatchAnswer(
        epoch=asked.epoch,
        evaluated=[element.hex() for element in evaluated.elements],
        proof=evaluated.proof.hex(),
        padding="",
    )
    return rendered(schemas.MatchAnswer, _padded(answer))


def _keep(session: Session, group: Sequence[_Answering]) -> list[AutoclaimError | None]:
    """The questions of a group, and in the same commit the log of the calls that are answered."""
    refusals = matching.keep_asked(session, [one.asked for one in group])
    calls = [(one.call, None) for one, refusal in zip(group, refusals, strict=True) if refusal is None]
    if calls:
        keep_answered(session, calls)
    return refusals


def _padded(answer: schemas.MatchAnswer) -> schemas.MatchAnswer:
    missing = ANSWER_BYTES - len(answer.model_dump_json())
    return answer.model_copy(update={"padding": "0" * missing})


@router.post(
    "/releases",
    status_code=202,
    response_model=schemas.ReleasedSettlement,
    responses=_SIGNED,
    dependencies=[HOSPITAL_ONLY, JSON_ONLY],
)
def post_release(request: Request, ctx: Ctx, signed: SignedBody, released: schemas.MatchRelease) -> Response:
    """Release one settlement of a matched person, in its evidence form, under one policy. Answered after it
    is kept; the same again answers the same."""
    matching.check_protocol(released.protocol, SUITE, matching.MODE)
    kept = releases.release(ctx, released_of(signed.hospital_code, released))
    request.state.subject = kept.claim_id
    return rendered(schemas.ReleasedSettlement, kept, 202)


def released_of(hospital_code: str, said: schemas.MatchRelease, task: str | None = None) -> releases.Release:
    return releases.Release(
        provider=hospital_code,
        epoch=said.epoch,
        discharge=said.discharge,
        handle=said.handle,
        authorization=said.authorization,
        document=said.document,
        setl_id=said.setl_id,
        salt=bytes.fromhex(said.salt),
        task=task,
    )


@router.get(
    "/alarms",
    response_model=schemas.MatchAlarms,
    responses=documented(401, 403),
    dependencies=[OPERATOR_ONLY],
)
def list_alarms(ctx: Ctx) -> Response:
    """Of the last 90 days: providers that asked for as much as they may, asked twice, asked for what is no
    group element, asked much and released next to nothing, disclosed what is not what they had decided, or
    have left unanswered what they are wanted for."""
    return rendered(schemas.MatchAlarms, {"items": [*matching.list_alarms(ctx), *disclosures.overdue(ctx)]})


@router.put(
    "/offers/{hospital_code}",
    response_model=schemas.MatchOffer,
    responses=documented(401, 403, 404, 422),
    dependencies=[OPERATOR_ONLY],
)
def offer(ctx: Ctx, hospital_code: HospitalCode) -> Response:
    """What this hospital's provider node has to be told: whose roll it is, and a purpose for every product,
    which the node then lists on chain itself."""
    return rendered(schemas.MatchOffer, offers.offer(ctx, hospital_code))


@router.put(
    "/providers/{address}",
    response_model=schemas.MatchAppointment,
    responses=documented(401, 403, 409, 422, 503),
    dependencies=[OPERATOR_ONLY],
)
def appoint(ctx: Ctx, address: ProviderAddress) -> Response:
    """Let a provider node write on chain what is its own: announced first, and carried out when this is asked
    for again two days later."""
    return rendered(schemas.MatchAppointment, appointing.appoint(ctx, address))


@router.post(
    "/updates",
    status_code=201,
    response_model=schemas.MatchUpdates,
    responses=documented(401, 403, 409, 503),
    dependencies=[OPERATOR_ONLY],
)
def publish(ctx: Ctx) -> Response:
    """Publish what has changed, under every epoch that stands; the whole roll under the first, where there is
    none. Answered when it is done."""
    items = [_update(update) for update in publishing.publish(ctx)]
    return rendered(schemas.MatchUpdates, {"items": items}, 201)


@router.post(
    "/epochs",
    status_code=201,
    response_model=schemas.MatchUpdate,
    responses=documented(401, 403, 409, 503),
    dependencies=[OPERATOR_ONLY],
)
def rotate(ctx: Ctx) -> Response:
    """Open the next epoch: another key on chain, and the whole roll under it. Answered when it is done."""
    return rendered(schemas.MatchUpdate, _update(publishing.rotate(ctx)), 201)


@router.delete(
    "/epochs/{epoch}",
    status_code=204,
    responses=documented(401, 403, 404, 409, 422),
    dependencies=[OPERATOR_ONLY],
)
def withdraw(ctx: Ctx, epoch: Epoch) -> Response:
    """Withdraw an epoch, for good: nothing more is answered under it, and its key leaves the chain."""
    publishing.withdraw(ctx, epoch)
    return Response(status_code=204)


def _update(update: Update) -> dict[str, object]:
    return {
        "epoch": update.epoch,
        "update": update.number,
        "digest": update.digest,
        "previous_digest": update.previous_digest,
        "entries": update.entries,
        "made_at": update.made_at,
    }
