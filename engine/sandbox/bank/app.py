"""The bank's HTTP face."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import date
from typing import Annotated, Any, TypeVar

import httpx
from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from sqlalchemy import Engine, text

from engine.sandbox.bank import ledger
from engine.sandbox.bank.auth import check_api_key, check_signature
from engine.sandbox.bank.background import Callbacks, Loop, Settlement
from engine.sandbox.bank.config import BankConfig
from engine.sandbox.bank.faults import FaultPlan, FaultRule, Faults
from engine.sandbox.bank.problems import Problem
from engine.sandbox.bank.schema import create_tables, open_database
from engine.sandbox.bank.statement import Cursor, statement_page
from engine.sandbox.bank.writer import Writer

Abort = Callable[[Request], None]
"""Closes the connection of a request without an answer."""

_LARGEST_BODY = 16_384
_M = TypeVar("_M", bound=BaseModel)


class Bank:
    """What the requests share: the database, the writer, the switches and the two background loops."""

    abort: Abort
    """Set by the server, which alone holds the connections."""

    def __init__(self, config: BankConfig) -> None:
        self.config = config
        self.faults = Faults(config.faults)
        self.reader: Engine = open_database(config.database, begin="BEGIN")

    @contextlib.asynccontextmanager
    async def running(self, _app: FastAPI) -> AsyncIterator[None]:
        writing = open_database(self.config.database, begin="BEGIN IMMEDIATE")
        with writing.begin() as connection:
            create_tables(connection)
            funding = (self.config.funding_account, self.config.funding_fen)
            ledger.open_funding(connection, *funding, self.config.now_ms())
        self.writer = Writer(writing)
        async with httpx.AsyncClient(trust_env=False) as client:
            callbacks = Callbacks(self.config, self.reader, self.writer, client)
            calling = Loop("callbacks", self.config.now_ms, callbacks.step)
            settlement = Settlement(self.config, self.writer, calling.wake)
            self.settling = Loop("settlement", self.config.now_ms, settlement.step)
            tasks = [asyncio.create_task(loop.run()) for loop in (self.settling, calling)]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(self.writer.stop)
        writing.dispose()
        self.reader.dispose()

    async def accept(self, order: ledger.Order) -> tuple[str, bool]:
        """Durably accepted when this returns. Raises ledger.KeyReused."""
        return await self.writer.run(
            lambda connection: ledger.accept(
                connection,
                order,
                payer=self.config.funding_account,
                bank_ref=self.config.new_bank_ref(),
                now_ms=self.config.now_ms(),
                settle_after_ms=self.config.settle_after_ms,
                faults=self.faults,
            )
        )

    async def misbehave(self, request: Request, rules: Sequence[FaultRule], *, accepted: bool) -> None:
        """The faults of the line, before (accepted=False) or after the commit.

        Raises Problem to end the request there.
        """
        for rule in rules:
            match rule.fault:
                case "slow" if not accepted:
                    await asyncio.sleep(rule.delay_ms / 1000)
                case "drop_connection" if rule.after_accept == accepted:
                    self.abort(request)
                    await asyncio.sleep(0)  # the server notices now, so that what follows is not sent
                    raise Problem(500, "dropped", "nobody reads this")
                case "server_error" if rule.after_accept == accepted:
                    raise Problem(500, "server_error", "ordered by the switches")
                case "timeout_after_accept" if accepted:
                    while (await request.receive())["type"] != "http.disconnect":
                        pass


def create_app(config: BankConfig) -> FastAPI:
    """The application; `app.state.bank` is its `Bank`."""
    bank = Bank(config)
    app = FastAPI(title="Sandbox bank", version="1", lifespan=bank.running)
    app.state.bank = bank
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid_parameter)
    _add_transfers(app, bank)
    _add_reading(app, bank)
    _add_sandbox(app, bank)
    return app


async def _problem(_request: Request, error: Exception) -> Response:
    if not isinstance(error, Problem):
        raise error
    return error.response()


async def _invalid_parameter(_request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    first = error.errors()[0]
    return Problem(422, "invalid_request", first["msg"], str(first["loc"][-1])).response()


async def _signed_body(request: Request) -> bytes:
    """The raw body of an authenticated, signed request. Raises Problem."""
    bank: Bank = request.app.state.bank
    check_api_key(request, bank.config.secrets)
    body = await request.body()
    if len(body) > _LARGEST_BODY:
        raise Problem(413, "body_too_large", f"at most {_LARGEST_BODY} bytes")
    check_signature(request, body, bank.config.secrets, lambda: bank.config.now_ms() / 1000)
    return body


async def _queried(request: Request) -> None:
    """A signed read, after what the switches do to queries."""
    await _signed_body(request)
    bank: Bank = request.app.state.bank
    await bank.misbehave(request, bank.faults.on_line("query"), accepted=False)


def _parse(model: type[_M], body: bytes) -> _M:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"])) or None
        raise Problem(422, "invalid_request", first["msg"], field) from error


def _add_transfers(app: FastAPI, bank: Bank) -> None:
    @app.post("/v1/transfers", status_code=202)
    async def order_transfer(request: Request, body: Annotated[bytes, Depends(_signed_body)]) -> Response:
        order = _parse(ledger.Order, body)
        if request.headers.get("Idempotency-Key") != order.payout_id:
            raise Problem(422, "idempotency_key_wrong", "must equal payout_id", "Idempotency-Key")
        rules = bank.faults.on_line("submit", order.payee_account, order.amount_fen)
        await bank.misbehave(request, rules, accepted=False)
        try:
            answer, repeated = await bank.accept(order)
        except ledger.KeyReused as error:
            detail = "this payout_id was ordered with another body"
            raise Problem(409, "idempotency_conflict", detail, "payout_id") from error
        if not repeated:
            bank.settling.wake(bank.config.now_ms() + bank.config.settle_after_ms)
        await bank.misbehave(request, rules, accepted=True)
        headers = {"Idempotent-Replayed": "true"} if repeated else None
        return Response(answer, 202, headers, media_type="application/json")

    @app.get("/v1/transfers/{payout_id}", dependencies=[Depends(_queried)])
    def query_transfer(payout_id: str) -> Response:
        with bank.reader.connect() as connection:
            row = ledger.find_transfer(connection, payout_id)
        if row is None:
            raise Problem(404, "transfer_not_found", "no transfer was ordered under this id", "payout_id")
        return Response(ledger.transfer_json(row), media_type="application/json")


def _add_reading(app: FastAPI, bank: Bank) -> None:
    @app.get("/v1/statement", dependencies=[Depends(_queried)])
    def statement(
        date_from: Annotated[date, Query(alias="from")],
        date_to: Annotated[date, Query(alias="to")],
        cursor: str | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 500,
    ) -> Response:
        if date_to < date_from:
            raise Problem(422, "invalid_request", "must not be before from", "to")
        try:
            position = Cursor.parse(cursor) if cursor else None
        except ValueError as error:
            raise Problem(422, "invalid_request", "not a cursor of this bank", "cursor") from error
        with bank.reader.connect() as connection:
            page = statement_page(
                connection, bank.config.funding_account, date_from, date_to, position, limit
            )
        return _json(page)

    @app.get("/v1/accounts/{account_no}", dependencies=[Depends(_queried)])
    def account(account_no: str) -> Response:
        with bank.reader.connect() as connection:
            row = ledger.find_account(connection, account_no)
        if row is None:
            raise Problem(404, "account_not_found", "no such account", "account_no")
        shown = ("account_no", "kind", "name", "bank", "balance_fen", "held_fen")
        return _json({name: row[name] for name in shown})


def _add_sandbox(app: FastAPI, bank: Bank) -> None:
    @app.get("/healthz")
    def healthz() -> Response:
        with bank.reader.connect() as connection:
            connection.execute(text("SELECT 1"))
        return _json({"status": "ok"})

    @app.get("/v1/faults")
    async def faults(request: Request) -> Response:
        check_api_key(request, bank.config.secrets)
        return Response(bank.faults.plan.model_dump_json(), media_type="application/json")

    @app.put("/v1/faults")
    async def replace_faults(request: Request) -> Response:
        check_api_key(request, bank.config.secrets)
        bank.faults.replace(_parse(FaultPlan, await request.body()))
        return Response(bank.faults.plan.model_dump_json(), media_type="application/json")


def _json(document: dict[str, Any]) -> Response:
    return Response(json.dumps(document, ensure_ascii=False), media_type="application/json")
