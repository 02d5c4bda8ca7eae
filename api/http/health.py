"""Probes: alive, ready, and in numbers. No API key and no access log, so that they always answer."""

from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock

import structlog
from fastapi import APIRouter, Request
from sqlalchemy import text
from starlette.responses import JSONResponse, Response

from api.http.metrics import CONTENT_TYPE, Metrics
from engine.pipeline.context import Context

router = APIRouter(tags=["probes"])
_FRESH_FOR = timedelta(seconds=2)
_PROBE_PAYOUT = "readyz-probe"
_log = structlog.get_logger("autoclaim.health")


@router.get("/healthz", openapi_extra={"security": []})
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz", responses={503: {"description": "a part cannot be reached; the body says which"}})
def readyz(request: Request) -> JSONResponse:
    """Database, chain and bank answer. Asked at most every two seconds, however often this is called."""
    readiness: Readiness = request.app.state.readiness
    parts = readiness.check()
    ready = all(state == "ok" for state in parts.values())
    return JSONResponse({"status": "ok" if ready else "unavailable", "parts": parts}, 200 if ready else 503)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(request: Request) -> Response:
    """Prometheus text format."""
    collected: Metrics = request.app.state.metrics
    return Response(collected.exposition(), media_type=CONTENT_TYPE)


class Readiness:
    """What each part answered lately."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._lock = Lock()
        self._known: tuple[dict[str, str], datetime] | None = None

    def check(self) -> dict[str, str]:
        """{"database" | "chain" | "bank": "ok" | "unavailable"}"""
        with self._lock:  # one asks, the others wait for its answer
            now = self._ctx.clock()
            if self._known is None or now - self._known[1] > _FRESH_FOR:
                self._known = ({name: _ask(name, probe) for name, probe in self._probes()}, now)
            return self._known[0]

    def _probes(self) -> list[tuple[str, Callable[[], object]]]:
        return [
            ("database", self._database),
            ("chain", self._ctx.chain.block_number),
            # A question about a payout that never was: answered only by a bank that knows our key.
            ("bank", lambda: self._ctx.bank.query(_PROBE_PAYOUT)),
        ]

    def _database(self) -> None:
        with self._ctx.database.reading() as session:
            session.execute(text("SELECT 1"))


def _ask(name: str, probe: Callable[[], object]) -> str:
    try:
        probe()
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it is not ready
        _log.warning("not ready", part=name, exc_info=True)
        return "unavailable"
    return "ok"
