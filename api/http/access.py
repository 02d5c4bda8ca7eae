"""How a call is written down: the route's template, opaque ids in place, and nothing personal."""

import re
from datetime import datetime
from typing import Any

from starlette.types import Scope

from engine.store.access_log import Call
from engine.store.api_keys import Caller

NO_ROUTE = "(no route)"
_DOCUMENTATION = frozenset({"/docs", "/redoc", "/openapi.json"})
_OPAQUE = re.compile(r"0x[0-9a-f]{64}|clm_[0-9A-Za-z]{1,64}|dlv_[0-9a-f]{24}|[0-9a-f]{16}|[0-9]{1,6}")
"""Ids that say nothing of a person by themselves: hashes, claim ids, key ids, small numbers."""


def template(scope: Scope) -> str:
    """The matched route as declared: /v1/claims/{claim_id}; a fixed word where none matched."""
    if scope["path"] in _DOCUMENTATION:  # FastAPI serves these without naming a route
        return str(scope["path"])
    return str(getattr(scope.get("route"), "path", NO_ROUTE))


def describe(scope: Scope, status: int, at: datetime) -> Call:
    """One entry for the log. A hospital's settlement number is not opaque: its `{setl_id}` stays a
    template, and the claim it belongs to follows after `#` once a service has named it."""
    state: dict[str, Any] = scope["state"]
    caller: Caller | None = state.get("caller")
    path = template(scope)
    for name, value in scope.get("path_params", {}).items():
        if _OPAQUE.fullmatch(str(value)):
            path = path.replace("{" + name + "}", str(value))
    if subject := state.get("subject"):
        path = f"{path}#{subject}"
    client = scope.get("client")
    return Call(
        at=at,
        request_id=state["request_id"],
        key_id=caller.key_id if caller else None,
        role=caller.role.value if caller else None,
        principal=caller.principal if caller else None,
        method=scope["method"] if scope["method"] in _METHODS else "(other)",
        path=path,
        status=status,
        remote=client[0] if client else "",
    )


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
