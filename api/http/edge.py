"""The edge: what every call passes, whatever it asks for. Plain ASGI, outermost.

In: a request id, a bound on the body's size and on how slowly it may come. Out: nothing leaves before
its entry in the access log is committed, together with the answer kept for its Idempotency-Key; when
that fails, the caller gets 503 and may repeat. A defect becomes a 500 problem that tells nothing but
the request id. Probes (`/healthz`, `/readyz`, `/metrics`) are not in the access log: they carry
nothing about anyone, and must be answered when the database cannot be written.
"""

import asyncio
import re
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http import access, problems
from api.http.idempotency import PendingAnswer, keep_answered
from api.http.metrics import Metrics
from engine.pipeline.context import Context

REQUEST_ID = "X-Request-Id"
MAX_BODY = 2 * 1024 * 1024
"""Bytes of an ordinary body. A route that streams raises it for itself: `state["max_body"]`."""
IDLE_S, BODY_S = 20, 60
"""Longest wait for the next piece of a body, and for all of an ordinary one (`state["body_s"]`)."""
UNLOGGED = frozenset({"/healthz", "/readyz", "/metrics"})
_SANE_ID = re.compile(r"(?![0-9]+[Xx]?$)[A-Za-z0-9._-]{8,64}")
"""A caller's own id is kept in the log, so one that looks like an identity number is not taken."""
_CLIENT_GONE = 499
_log = structlog.get_logger("autoclaim.http")


class Edge:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, ctx: Context, metrics: Metrics) -> None:
        self._app = app
        self._ctx = ctx
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["request_id"] = request_id_of(scope)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=state["request_id"])
        started = time.perf_counter()
        answer = _Answer(scope, send, self._commit)
        try:
            await self._app(scope, BoundedBody(scope, receive), answer.send)
        except ClientDisconnect:
            answer.status = _CLIENT_GONE
            await self._commit(scope, _CLIENT_GONE)
        except Exception:
            _log.exception("unhandled", route=access.template(scope))
            if answer.started:  # the status has left: cutting the connection is the only honest end
                raise
            await _internal_error(scope)(scope, receive, answer.send)
        finally:
            self._finish(scope, answer.status, time.perf_counter() - started)

    async def _commit(self, scope: Scope, status: int) -> None:
        """Write the access entry and the kept answer in one transaction."""
        state: dict[str, Any] = scope["state"]
        if scope["path"] in UNLOGGED:
            return
        if not state.get("is_logged"):  # it is where the answer was kept with what it answers
            call = access.describe(scope, status, self._ctx.clock())
            pending: PendingAnswer | None = state.get("pending_answer")
            await asyncio.wrap_future(self._ctx.writer.submit_to(keep_answered, (call, pending)))
        _release(scope)  # before the answer leaves: who has it may ask again at once

    def _finish(self, scope: Scope, status: int, seconds: float) -> None:
        _release(scope)
        route = access.template(scope)
        self._metrics.observe(scope["method"], route, status, seconds)
        caller = scope["state"].get("caller")
        _log.info(
            "request",
            method=scope["method"],
            route=route,
            status=status,
            ms=round(seconds * 1000, 1),
            key_id=caller.key_id if caller else None,
            role=caller.role.value if caller else None,
        )


class _Answer:
    """Sends the response, once the log holds it."""

    def __init__(self, scope: Scope, send: Send, commit: Callable[[Scope, int], Any]) -> None:
        self._scope = scope
        self._send = send
        self._commit = commit
        self._replaced = False
        self.started = False
        self.status = 500

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._start(message)
        elif not self._replaced:
            await self._send(message)

    async def _start(self, message: Message) -> None:
        self.status = message["status"]
        try:
            await self._commit(self._scope, self.status)
        except Exception:  # noqa: BLE001 - whatever kept the log from being written, the answer may not leave
            _log.exception("access log not written", route=access.template(self._scope))
            self._replaced, self.started = True, True
            self.status = 503
            await _not_logged(self._scope)(self._scope, _no_body, self._with_id)
            return
        self.started = True
        await self._with_id(message)

    async def _with_id(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)[REQUEST_ID] = self._scope["state"]["request_id"]
        await self._send(message)


class BoundedBody:
    """`receive` that refuses a body that is too large or too slow."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._state = scope["state"]
        self._receive = receive
        self._declared = _content_length(scope)
        self._seen = 0
        self._whole = False
        self._deadline: float | None = None

    async def __call__(self) -> Message:
        if self._whole:
            return await self._receive()
        self._bound(max(self._declared, self._seen))
        try:
            async with asyncio.timeout(self._patience()):
                message = await self._receive()
        except TimeoutError as error:
            raise problems.BodyRefused(408, "the body came too slowly") from error
        if message["type"] == "http.request":
            self._seen += len(message.get("body", b""))
            self._whole = not message.get("more_body", False)
            self._bound(self._seen)
        return message

    def _bound(self, size: int) -> None:
        limit = self._state.get("max_body", MAX_BODY)
        if size > limit:
            raise problems.BodyRefused(413, f"the body is larger than {limit} bytes")

    def _patience(self) -> float:
        now = asyncio.get_running_loop().time()
        self._deadline = self._deadline or now + self._state.get("body_s", BODY_S)
        return min(IDLE_S, max(0.0, self._deadline - now))


def _release(scope: Scope) -> None:
    """Let go of the Idempotency-Key that this call holds, if it does."""
    release: Callable[[], None] | None = scope["state"].pop("release_key", None)
    if release is not None:
        release()


def request_id_of(scope: Scope) -> str:
    given = Headers(scope=scope).get(REQUEST_ID, "")
    return given if _SANE_ID.fullmatch(given) else uuid.uuid4().hex


def _content_length(scope: Scope) -> int:
    with suppress(ValueError):
        return int(Headers(scope=scope).get("content-length", "0"))
    return 0


def _internal_error(scope: Scope) -> Response:
    return problems.problem(scope, 500, "internal", "a defect; the request id finds it in the log")


def _not_logged(scope: Scope) -> Response:
    detail = "the call could not be written to the access log, so its answer is withheld; repeat it"
    return problems.problem(scope, 503, "access_log.unavailable", detail, headers={"Retry-After": "5"})


async def _no_body() -> Message:
    return {"type": "http.disconnect"}
