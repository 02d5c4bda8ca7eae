"""What routers ask for: the context, paging, and a rendered answer."""

from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from engine.pipeline.context import Context


async def _context(request: Request) -> Context:
    ctx: Context = request.app.state.ctx
    return ctx


Ctx = Annotated[Context, Depends(_context)]

After = Annotated[int, Query(ge=0, le=2**63 - 1, description="the `next` of the page before")]
AfterName = Annotated[str, Query(max_length=128, description="the `next` of the page before")]
Limit = Annotated[int, Query(ge=1, le=500, description="most items of one page")]
Bytes32 = Annotated[str, Path(pattern="^0x[0-9a-f]{64}$", description="0x and 64 lower-case hex digits")]
ClaimId = Annotated[
    str,
    Path(
        pattern="^(clm_[0-9A-Za-z]{1,64}|0x[0-9a-f]{64})$", description="claim_id (clm_…) or claim_key (0x…)"
    ),
]
DeliveryId = Annotated[str, Path(pattern="^dlv_[0-9a-f]{24}$")]
SourceName = Annotated[
    str, Query(pattern="^[a-z][a-z0-9-]{1,39}$", description="the source, whose mapping reads the bytes")
]
KeyId = Annotated[str, Path(pattern="^[0-9a-f]{16}$")]
LogIndex = Annotated[int, Path(ge=0, le=2**31 - 1)]
SetlId = Annotated[
    str,
    Path(pattern="^[A-Za-z0-9][A-Za-z0-9_.:-]{0,39}$", description="the hospital's settlement number"),
]


def rendered(model: type[BaseModel], content: Any, status: int = 200, **headers: str) -> Response:
    """A service's answer in the API's own schema: what the schema does not name does not leave."""
    body = model.model_validate(content, from_attributes=True).model_dump_json(exclude_unset=True)
    return Response(
        body,
        status,
        media_type="application/json",
        headers={k.replace("_", "-"): v for k, v in headers.items()},
    )
