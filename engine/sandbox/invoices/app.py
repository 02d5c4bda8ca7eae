"""The platform's HTTP face."""

import asyncio
import contextlib
import hmac
from collections import deque
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from pydantic import BaseModel, Field

from engine.sandbox.invoices.ledger import Ledger

Fault = Literal["server_error", "silent", "nonsense", "short"]
_SILENT_S = 3600
_Text = Annotated[str, Field(min_length=1, max_length=50)]


class _Named(BaseModel):
    code: _Text
    number: _Text


class _Asked(_Named):
    check_code: str = Field(max_length=50)


class _Issued(_Named):
    check_code: str = Field(min_length=6, max_length=6)
    amount_fen: int = Field(ge=0, strict=True)
    hospital_code: _Text


class _Question(BaseModel):
    invoices: list[_Asked] = Field(max_length=200)


class _Issue(BaseModel):
    invoices: list[_Issued] = Field(max_length=1000)


class _Faults(BaseModel):
    next: list[Fault] = []


def create_app(ledger: Ledger, api_key: str) -> FastAPI:
    """The platform over its ledger, which it closes at its end."""

    @contextlib.asynccontextmanager
    async def running(_app: FastAPI) -> AsyncIterator[None]:
        yield
        ledger.close()

    def check_key(request: Request) -> None:
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {api_key}".encode()):
            raise HTTPException(401, "Authorization: Bearer <api key> is required")

    app = FastAPI(title="Sandbox invoice platform", version="1", lifespan=running)
    app.state.faults = deque()
    app.state.answered = 0
    # Handlers are coroutines: one thread has the ledger's connection.
    _add_platform(app, ledger, [Depends(check_key)])
    _add_sandbox(app, ledger, [Depends(check_key)])
    return app


def _add_platform(app: FastAPI, ledger: Ledger, known: list[Any]) -> None:
    @app.post("/v1/invoices:verify", dependencies=known)
    async def verify(question: _Question) -> Any:
        fault = app.state.faults.popleft() if app.state.faults else None
        if fault == "server_error":
            raise HTTPException(500, "ordered by the switches")
        if fault == "silent":
            await asyncio.sleep(_SILENT_S)
        if fault == "nonsense":
            return Response(b"<html>maintenance</html>", media_type="text/html")
        results = [ledger.look_up(one.code, one.number, one.check_code) for one in question.invoices]
        app.state.answered += len(results)
        return {"results": results[:-1] if fault == "short" else results}

    @app.post("/v1/invoices", status_code=201, dependencies=known)
    async def issue(body: _Issue) -> dict[str, int]:
        return {"issued": ledger.issue(one.model_dump() for one in body.invoices)}

    @app.post("/v1/invoices:red", dependencies=known)
    async def cancel(body: _Named) -> dict[str, str]:
        if not ledger.cancel(body.code, body.number):
            raise HTTPException(404, "no such invoice was issued")
        return {"status": "red"}


def _add_sandbox(app: FastAPI, ledger: Ledger, known: list[Any]) -> None:
    @app.get("/v1/counts", dependencies=known)
    async def counts() -> dict[str, int]:
        return {"issued": ledger.count(), "answered": app.state.answered}

    @app.put("/v1/faults", dependencies=known)
    async def faults(body: _Faults) -> dict[str, int]:
        app.state.faults = deque(body.next)
        return {"next": len(body.next)}

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        ledger.count()
        return {"status": "ok"}
