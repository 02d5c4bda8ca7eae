"""The quality of hospitals' data: rules, what came of each source's records on a day, the daily patrol."""

from dataclasses import asdict
from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from api import scorecard_svg
from api.http.auth import EVERY_ROLE, OPERATOR_ONLY, SourceReader
from api.http.deps import Ctx, rendered
from api.http.problems import documented
from api.http.schemas import quality as schemas
from engine.errors import NotAllowed
from engine.pipeline.context import Context
from engine.pipeline.patrol import Thresholds, patrol
from engine.pipeline.scorecard import Scorecard, scorecards
from engine.settlement.quality import QUALITY_RULES
from engine.store.api_keys import Caller, Role

router = APIRouter(prefix="/v1/quality", tags=["hospitals"])
Day = Annotated[date | None, Query(description="of receipt, in Shanghai; today when not stated")]
PatrolDay = Annotated[
    date | None, Query(description="of receipt, in Shanghai, and over; yesterday when not stated")
]
HospitalCode = Annotated[
    str | None, Query(pattern="^[HP][0-9]{11}$", description="one hospital's; a hospital sees its own only")
]
_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"description": "one panel a source", "content": {scorecard_svg.MEDIA_TYPE: {}}}
}


@router.get(
    "/rules",
    response_model=schemas.QualityRules,
    responses=documented(401, 403),
    dependencies=[EVERY_ROLE],
)
def list_rules() -> Response:
    """Every rule that a record is held to, with its severity and dimension."""
    return rendered(schemas.QualityRules, {"items": list(QUALITY_RULES.values())})


@router.get("/scorecard", response_model=schemas.Scorecards, responses=documented(401, 403, 422))
def get_scorecard(ctx: Ctx, caller: SourceReader, day: Day = None, hospital: HospitalCode = None) -> Response:
    """What came of the records of each source on a day: a hospital's own, or all for an operator."""
    on = day or ctx.today()
    return rendered(schemas.Scorecards, {"day": on, "items": _cards(ctx, caller, on, hospital)})


@router.get("/scorecard.svg", response_class=Response, responses={**_PICTURE, **documented(401, 403, 422)})
def get_scorecard_picture(
    ctx: Ctx, caller: SourceReader, day: Day = None, hospital: HospitalCode = None
) -> Response:
    """The same as a picture, with its numbers as text."""
    on = day or ctx.today()
    picture = scorecard_svg.draw(_cards(ctx, caller, on, hospital), on)
    return Response(picture, media_type=scorecard_svg.MEDIA_TYPE)


@router.get(
    "/patrol",
    tags=["operators"],
    response_model=schemas.PatrolReport,
    responses=documented(401, 403, 422),
    dependencies=[OPERATOR_ONLY],
)
def get_patrol(ctx: Ctx, day: PatrolDay = None, hospital: HospitalCode = None) -> Response:
    """What a day's data is unlike and what is missing of it, as `autoclaim quality patrol --json` says it."""
    on, thresholds = day or ctx.today() - timedelta(days=1), Thresholds()
    with ctx.database.reading() as session:
        findings = patrol(session, on, thresholds, hospital)
    told = {"day": on, "findings": findings, "thresholds": asdict(thresholds)}
    return rendered(schemas.PatrolReport, told)


def _cards(ctx: Context, caller: Caller, day: date, hospital: str | None) -> list[Scorecard]:
    if caller.role is Role.HOSPITAL:
        if hospital not in (None, caller.principal):
            raise NotAllowed("a hospital sees its own scorecards only", code="quality.other_hospital")
        hospital = caller.principal
    with ctx.database.reading() as session:
        return scorecards(session, day, hospital)
