"""Files and messages in a hospital's own format, the mappings that read them, the way back from a claim."""

from collections import Counter
from collections.abc import Iterator

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from starlette.responses import Response

from api.http import examples
from api.http.auth import OPERATOR_ONLY, OVERSEERS_OF_EVIDENCE, HospitalCaller, SourceReader
from api.http.bodies import NDJSON, YAML, RawBody, only
from api.http.deps import AfterName, ClaimId, Ctx, DeliveryId, Limit, SetlId, SourceName, rendered
from api.http.ndjson import together
from api.http.problems import documented
from api.http.schemas import deliveries as schemas
from api.http.signatures import SignedBody, SignedDelivery
from engine.pipeline import deliveries, lineage, quarantine, sources
from engine.pipeline.context import Context
from engine.settlement.sources.record import SourceRefused
from engine.store.api_keys import Caller, Role

router = APIRouter(prefix="/v1", tags=["hospitals"])

_LINES = {
    200: {
        "description": "the receipt, a line a record, and the counts",
        "content": {NDJSON: {"example": examples.DELIVERY_ANSWER}},
    },
    **documented(400, 401, 403, 404, 408, 413, 415, 422),
}


@router.post(
    "/deliveries",
    response_class=StreamingResponse,
    responses=_LINES,
    openapi_extra=examples.body(
        {"*/*": "…"},
        "The bytes as the source sends them: table (CSV, Excel), national calls, FHIR, HL7 v2, X12",
    ),
)
def post_delivery(ctx: Ctx, signed: SignedDelivery, source: SourceName) -> StreamingResponse:
    """Deliver a file or message in the source's own format.

    The bytes are kept before the first line of the answer. Then each record is told when it is kept:
    accepted, quarantined with every rule it breaks, waiting for the rest of its stay, or refused. A delivery
    that broke off is simply sent again: it goes on where it was.
    """
    receipt = deliveries.deliver(ctx, signed.hospital_code, source, signed.body)
    first = _line(schemas.Receipt.model_validate(receipt, from_attributes=True))
    return StreamingResponse(
        _answer(ctx, signed.hospital_code, receipt.delivery_id, first), media_type=NDJSON
    )


@router.post("/deliveries/{delivery_id}:read", response_class=StreamingResponse, responses=_LINES)
def read_again(ctx: Ctx, signed: SignedBody, delivery_id: DeliveryId) -> StreamingResponse:
    """Read a delivery under the mapping that holds for it now. What was accepted stays what it is; what a
    better mapping reads leaves the quarantine."""
    deliveries.delivery_view(ctx, signed.hospital_code, delivery_id)
    return StreamingResponse(_answer(ctx, signed.hospital_code, delivery_id, b""), media_type=NDJSON)


def _answer(ctx: Context, hospital_code: str, delivery_id: str, first: bytes) -> Iterator[bytes]:
    yield first
    yield from together(_told(ctx, hospital_code, delivery_id))


def _told(ctx: Context, hospital_code: str, delivery_id: str) -> Iterator[bytes]:
    counts: Counter[str] = Counter()
    refused: list[dict[str, str]] = []
    try:
        for told in deliveries.read(ctx, hospital_code, delivery_id):
            counts[told.outcome] += 1
            yield _line(schemas.RecordLine.model_validate(told, from_attributes=True))
    except SourceRefused as error:
        refused = quarantine.listed(error.violations)
    yield _line(schemas.LastLine.model_validate({"records": counts, "refused": refused}))


def _line(model: BaseModel) -> bytes:
    return model.model_dump_json(exclude_defaults=True).encode() + b"\n"


@router.get("/deliveries", response_model=schemas.DeliveryPage, responses=documented(401, 403, 422))
def list_deliveries(ctx: Ctx, caller: HospitalCaller, after: AfterName = "", limit: Limit = 100) -> Response:
    """This hospital's deliveries."""
    page = deliveries.list_deliveries(ctx, caller.principal, after, limit)
    return rendered(schemas.DeliveryPage, page)


@router.get(
    "/deliveries/{delivery_id}", response_model=schemas.DeliveryView, responses=documented(401, 403, 404, 422)
)
def get_delivery(ctx: Ctx, caller: HospitalCaller, delivery_id: DeliveryId) -> Response:
    """A delivery with every reading of it, and what became of its records in each."""
    return rendered(schemas.DeliveryView, deliveries.delivery_view(ctx, caller.principal, delivery_id))


@router.get(
    "/settlements/{setl_id}/reports",
    response_model=schemas.StayReports,
    responses=documented(401, 403, 404, 422),
)
def list_reports(ctx: Ctx, caller: HospitalCaller, setl_id: SetlId) -> Response:
    """The examinations and tests that this hospital delivered of a settlement's stay: under its mdtrt_id,
    from any of its sources."""
    items = lineage.list_reports(ctx, caller.principal, setl_id)
    return rendered(schemas.StayReports, {"items": items})


@router.post(
    "/sources",
    status_code=201,
    tags=["operators"],
    response_model=schemas.SourceView,
    responses=documented(401, 403, 404, 409, 413, 415, 422),
    dependencies=[OPERATOR_ONLY, only(YAML)],
    openapi_extra=examples.body({YAML: examples.SOURCE}, "A mapping file (docs/sources.md)"),
)
def register_source(ctx: Ctx, text: RawBody) -> Response:
    """Register one version of a source's mapping file. A version never changes; the next corrects it."""
    return rendered(schemas.SourceView, sources.register_source(ctx, text), 201)


@router.get("/sources", response_model=schemas.SourceList, responses=documented(401, 403))
def list_sources(ctx: Ctx, caller: SourceReader) -> Response:
    """Every version of every source: a hospital's own, or all for an operator."""
    return rendered(schemas.SourceList, {"items": sources.list_sources(ctx, _own(caller))})


@router.get("/sources/unmapped", response_model=schemas.UnmappedCodes, responses=documented(401, 403, 422))
def list_unmapped(ctx: Ctx, caller: SourceReader, limit: Limit = 100) -> Response:
    """Codes for which there is no mapping, the most frequent first: the next lines of a mapping file."""
    return rendered(schemas.UnmappedCodes, {"items": sources.list_unmapped(ctx, _own(caller), limit)})


@router.get("/sources/dropped", response_model=schemas.DroppedFields, responses=documented(401, 403, 422))
def list_dropped(ctx: Ctx, caller: SourceReader, limit: Limit = 100) -> Response:
    """Fields that were sent and not kept, for the purpose does not list them: they need not be sent."""
    return rendered(schemas.DroppedFields, {"items": sources.list_dropped(ctx, _own(caller), limit)})


def _own(caller: Caller) -> str | None:
    return caller.principal if caller.role is Role.HOSPITAL else None


@router.get(
    "/claims/{claim_id}/lineage",
    tags=["auditors"],
    response_model=schemas.Lineage,
    responses=documented(401, 403, 404, 422),
    dependencies=[OVERSEERS_OF_EVIDENCE],
)
def get_lineage(ctx: Ctx, claim_id: ClaimId) -> Response:
    """From a claim back to the bytes it came from: every delivery, place, and version that read it."""
    return rendered(schemas.Lineage, lineage.lineage(ctx, claim_id))
