"""RFC 9457 problems: every error leaves as `application/problem+json` with a stable code.

    {"type", "title", "status", "detail", "instance", "code", "request_id",
     "errors": [{"field", "rule", "message"}]}

`field` is an RFC 6901 JSON pointer into the body, or `query/limit`, `header/…` for what is not in it.
What a caller sent is never repeated back, except names of fields: it may be personal.
"""

import http
import json
from collections.abc import Iterable, Mapping
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from engine.chain.errors import ChainUnavailable, TransactionUnknown
from engine.errors import AutoclaimError, Refused, Unauthenticated, Unavailable

_log = structlog.get_logger("autoclaim.http")
MEDIA_TYPE = "application/problem+json"
_TYPE = "urn:autoclaim:problem:"
_REQUEST_CODES = {
    400: "request.malformed",
    404: "route.not_found",
    405: "route.method_not_allowed",
    408: "request.too_slow",
    413: "request.too_large",
    415: "request.media_type",
}


class ErrorItem(BaseModel):
    """One broken rule at one place."""

    model_config = ConfigDict(extra="forbid")
    field: str = Field(description="RFC 6901 JSON pointer into the body")
    rule: str = Field(description="stable id of the rule")
    message: str


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str = Field(description="stable; the same in the log and on the command line")
    request_id: str
    errors: list[ErrorItem] = []
    quarantine_id: int | None = Field(None, description="where a refused settlement is kept until corrected")


class RequestError(AutoclaimError):
    """A request that is wrong as HTTP, whatever it asks for."""

    def __init__(self, status: int, message: str, *, code: str) -> None:
        super().__init__(message, code=code)
        self.http_status = status


class BodyRefused(HTTPException):
    """413 or 408 while the body is being read. An HTTPException: of others there FastAPI makes a 400."""


def problem(
    scope: Mapping[str, Any],
    status: int,
    code: str,
    detail: str,
    *,
    title: str | None = None,
    errors: Iterable[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
    quarantine_id: int | None = None,
) -> Response:
    """Render one problem for the request in `scope`."""
    body: dict[str, Any] = {
        "type": _TYPE + code,
        "title": title or http.HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": scope["path"],
        "code": code,
        "request_id": scope.get("state", {}).get("request_id", ""),
        "errors": list(errors),
    }
    if quarantine_id is not None:
        body["quarantine_id"] = quarantine_id
    return Response(
        json.dumps(body, ensure_ascii=False),
        status_code=status,
        headers=dict(headers or {}),
        media_type=MEDIA_TYPE,
    )


def of_error(scope: Mapping[str, Any], error: AutoclaimError) -> Response:
    """The problem that tells an error of the one tree."""
    status = error.http_status if isinstance(error, RequestError) else error.status
    headers: dict[str, str] = {}
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="autoclaim"'
    if isinstance(error, Unavailable):
        headers["Retry-After"] = str(error.retry_after_s)
    refused = error if isinstance(error, Refused) else None
    return problem(
        scope,
        status,
        error.code,
        error.message,
        title=None if isinstance(error, RequestError) else error.title,
        errors=refused.violations if refused else (),
        quarantine_id=refused.quarantine_id if refused else None,
        headers=headers,
    )


def install(app: FastAPI) -> None:
    """Make the app answer every error as a problem. What nobody handles, the edge answers."""
    app.add_exception_handler(AutoclaimError, _autoclaim)
    for unreachable in (ChainUnavailable, TransactionUnknown, OperationalError):
        app.add_exception_handler(unreachable, _unreachable)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _validation)


async def _autoclaim(request: Request, error: Exception) -> Response:
    assert isinstance(error, AutoclaimError)  # noqa: S101 - Starlette's handler type is wider than its dispatch
    return of_error(request.scope, error)


async def _unreachable(request: Request, error: Exception) -> Response:
    part = "database" if isinstance(error, OperationalError) else "chain"
    _log.warning("part unavailable", part=part, exc_info=error)
    return of_error(
        request.scope, Unavailable(f"the {part} does not answer; repeat", code=f"{part}.unavailable")
    )


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    code = _REQUEST_CODES.get(error.status_code, f"http.{error.status_code}")
    return problem(request.scope, error.status_code, code, str(error.detail), headers=error.headers)


async def _validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        return problem(request.scope, 400, "request.malformed", "the body is not JSON")
    errors = [
        {"field": _pointer(item["loc"]), "rule": f"request.{item['type']}", "message": str(item["msg"])}
        for item in found
    ]
    return problem(request.scope, 422, "request.invalid", "the request breaks its schema", errors=errors)


def _pointer(location: Iterable[Any]) -> str:
    where, *rest = [str(part).replace("~", "~0").replace("/", "~1") for part in location]
    return "".join(f"/{part}" for part in rest) if where == "body" else "/".join((where, *rest))


_TITLES = {
    400: "the request is malformed",
    401: "no API key, one that does not hold, or no valid signature",
    403: "the caller may not do this",
    404: "nothing by that name, or nothing the caller may see",
    408: "the body came too slowly",
    409: "it contradicts what is already held",
    413: "the body is too large",
    415: "the content type is not one this route takes",
    422: "the body breaks a rule",
    429: "the caller has asked for as much as it may, for now",
    500: "a defect; the request id finds it in the log",
    503: "a part this depends on cannot answer now",
}
_ALWAYS = (500, 503)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses=` of a route: its problems, with the media type and schema they really have."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": _TITLES[status], "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in (*statuses, *_ALWAYS)
    }
