"""The application: routers, one an audience, behind the edge."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi_offline import FastAPIOffline

from api.http import (
    auditors,
    bank_callbacks,
    chain_rpc,
    deliveries,
    fhir,
    health,
    hospitals,
    insured,
    insurers,
    matching,
    operators,
    partners,
    problems,
    quality,
    quarantine,
    remittance,
)
from api.http.auth import KeyRing
from api.http.edge import Edge
from api.http.health import Readiness
from api.http.idempotency import InFlight
from api.http.metrics import Metrics
from engine import __version__
from engine.chain.providers import ProvidersRpc
from engine.pipeline.context import Context

WORKERS = 128
"""Threads for handlers. Most of a handler's time is waiting for a commit that many share."""
_DESCRIPTION = """Health-insurance claims that nobody had to file, paid in a way that anyone can check.

* **Authorization**: `Authorization: Bearer ak_…`; each key has one role. The insured sign instead (EIP-712).
* **Hospitals** also sign every POST: RFC 9421, Ed25519, over `@method`, `@target-uri` (or
  `@request-target`, or `@path` and `@query`) and `content-digest`, with `created` within five minutes.
* **Idempotency-Key**: required to post a settlement or a reversal, welcome elsewhere. A repeat gets the
  first answer, marked `Idempotent-Replay: true`. Only what took effect is kept: a refused body may be
  corrected and sent again under the same key.
* **Problems** are RFC 9457 with a stable `code` and the `X-Request-Id` of the answer.
* **Pages**: send the `next` of a page as `after` until it is null.
"""
_ROUTERS = (
    # In this order a request is compared with the routes: what is asked most often comes first.
    *(hospitals, matching, remittance, deliveries, fhir, quality, insurers, insured, auditors, operators),
    *(quarantine, bank_callbacks, chain_rpc, health),
)


def create_app(ctx: Context) -> FastAPI:
    """The HTTP face of one open context. Closing the context stays with whoever opened it."""
    app = FastAPIOffline(  # its pages need no outside server: a hospital's network has none
        title="autoclaim",
        version=__version__,
        description=_DESCRIPTION,
        redirect_slashes=False,
        lifespan=_lifespan,
    )
    metrics = Metrics(ctx)
    app.state.ctx = ctx
    app.state.key_ring = KeyRing(ctx)
    app.state.in_flight = InFlight()
    app.state.metrics = metrics
    app.state.readiness = Readiness(ctx)
    app.state.rpc = ProvidersRpc(ctx.chain)
    problems.install(app)
    for room in _ROUTERS:
        elsewhere = room is matching and ctx.settings.partner_port is not None
        app.include_router(room.router, dependencies=[partners.HOSPITALS_ELSEWHERE] if elsewhere else [])
    app.add_middleware(Edge, ctx=ctx, metrics=metrics)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


@asynccontextmanager
async def _lifespan(_app: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = WORKERS
    yield


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title,
            version=app.version,
            openapi_version=app.openapi_version,
            description=app.description,
            routes=app.routes,
        )
        problem = problems.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        parts = schema.setdefault("components", {}).setdefault("schemas", {})
        parts |= problem.pop("$defs") | {"Problem": problem}
        app.openapi_schema = schema
    return app.openapi_schema
