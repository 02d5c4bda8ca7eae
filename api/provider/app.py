"""A provider node's HTTP face, for the hospital's own systems: settlements in, and how each stands."""

import hmac
from datetime import datetime
from typing import Annotated, Any

import structlog
from fastapi import Depends, FastAPI, Path, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http import examples, problems
from api.http.bodies import JSON_ONLY, RawBody
from api.http.deps import SetlId, rendered
from api.http.edge import REQUEST_ID, BoundedBody, request_id_of
from api.http.problems import documented
from engine import __version__
from engine.errors import Unauthenticated
from engine.provider import reports
from engine.provider.intake import accept
from engine.provider.node import Node

_bearer = HTTPBearer(scheme_name="LocalKey", auto_error=False, description="home/provider.key of the node.")
HospitalCode = Annotated[str, Path(pattern="^[HP][0-9]{11}$")]


class KeptSettlement(BaseModel):
    setl_id: str
    received_at: datetime


class DischargeView(KeptSettlement):
    hospital_code: str
    state: str
    reason: str | None


class Ruling(BaseModel):
    """What a person at the provider found of a doubtful discharge."""

    model_config = ConfigDict(extra="forbid")
    is_insured: bool = Field(description="the patient is the person whom the policy insures")
    who: str = Field(min_length=1, max_length=100, description="who has looked, for the record")


async def _caller(
    request: Request, sent: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
) -> None:
    node: Node = request.app.state.node
    if sent is None:
        raise Unauthenticated("send the node's key: Authorization: Bearer …", code="auth.missing")
    if not hmac.compare_digest(sent.credentials.encode(), node.api_key.encode()):
        raise Unauthenticated("the key is not this node's", code="auth.invalid")


async def _node(request: Request) -> Node:
    node: Node = request.app.state.node
    return node


TheNode = Annotated[Node, Depends(_node)]
_LOCAL = Depends(_caller)


def create_app(node: Node) -> FastAPI:
    """The face of one open node. Closing the node stays with whoever opened it."""
    app = FastAPIOffline(title="autoclaim provider", version=__version__, redirect_slashes=False)
    app.state.node = node
    problems.install(app)
    app.add_exception_handler(Exception, _defect)
    app.add_middleware(_Edge)
    app.post(
        "/v1/settlements",
        status_code=202,
        response_model=KeptSettlement,
        responses=documented(400, 401, 403, 408, 409, 413, 415, 422),
        dependencies=[_LOCAL, JSON_ONLY],
        openapi_extra=examples.json_body(
            "A native settlement (national settlement list)", examples.SETTLEMENT
        ),
    )(_post_settlement)
    one = "/v1/settlements/{hospital_code}/{setl_id}"
    app.get(one, response_model=DischargeView, responses=documented(401, 404, 422), dependencies=[_LOCAL])(
        _get_discharge
    )
    app.post(
        f"{one}/ruling",
        response_model=DischargeView,
        responses=documented(400, 401, 404, 409, 413, 415, 422),
        dependencies=[_LOCAL, JSON_ONLY],
    )(_post_ruling)
    app.get("/v1/status", responses=documented(401), dependencies=[_LOCAL])(_status)
    app.get("/healthz")(_healthz)
    return app


def _post_settlement(node: TheNode, body: RawBody) -> Response:
    """Keep one settlement; answered after the commit, and the same again answers the same. A body that breaks
    a rule is answered with every rule it breaks, and is kept."""
    return rendered(KeptSettlement, accept(node, body), 202)


def _get_discharge(node: TheNode, hospital_code: HospitalCode, setl_id: SetlId) -> Response:
    """How far a discharge has come."""
    return rendered(DischargeView, reports.discharge_view(node, hospital_code, setl_id))


def _post_ruling(node: TheNode, hospital_code: HospitalCode, setl_id: SetlId, ruling: Ruling) -> Response:
    """Settle a doubtful discharge: it goes on, or it is nobody's."""
    ruled = reports.rule(node, hospital_code, setl_id, is_insured=ruling.is_insured, who=ruling.who)
    return rendered(DischargeView, ruled)


def _status(node: TheNode) -> dict[str, Any]:
    """Counts, and alarms."""
    return reports.status(node.database)


async def _healthz() -> dict[str, str]:
    return {"status": "ok"}


async def _defect(request: Request, error: Exception) -> Response:
    structlog.get_logger("autoclaim.http").error("unhandled", exc_info=error)
    return problems.problem(request.scope, 500, "internal", "a defect; the request id finds it in the log")


class _Edge:
    """Gives each request an id, and bounds its body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = scope.setdefault("state", {})["request_id"] = request_id_of(scope)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        await self._app(scope, BoundedBody(scope, receive), answer)
