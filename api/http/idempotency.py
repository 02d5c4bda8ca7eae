"""Idempotency-Key: a retry is answered as the first time, and changes nothing.

Same key, same request: the kept status and body, with `Idempotent-Replay: true`. Same key, another
request: 422. While the first is still being answered: 409. No key where one is required: 400.

Only a 2xx is kept. A refused body changed nothing, so its correction may come under the same key.
The answer is kept in the transaction that logs the call, just before it leaves; between the effect's
own commit and that one, a crash leaves the effect without its answer, and then a retry meets services
that know what they hold: the same settlement again answers the same.
"""

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from threading import Lock
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from starlette.responses import Response

from api.http.bodies import RawBody
from api.http.deps import Ctx
from api.http.problems import RequestError
from engine.errors import Conflict
from engine.pipeline.context import Context
from engine.store import idempotency

REPLAYED = "Idempotent-Replay"
_ANYBODY = "anonymous"
"""Scope of callers without a key. They hear a kept answer only by repeating the request that made it."""
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class PendingAnswer:
    """An answer about to leave, for the edge to keep."""

    key_id: str
    idempotency_key: str
    request_digest: str
    status: int
    body: bytes

    def row(self, at: datetime) -> dict[str, Any]:
        """By column, as `idempotency.keep_all` takes it."""
        return {**asdict(self), "at": at}


class InFlight:
    """Keys whose first request is being answered in this process."""

    def __init__(self) -> None:
        self._keys: set[tuple[str, str]] = set()
        self._lock = Lock()

    def take(self, key: tuple[str, str]) -> Callable[[], None]:
        """Hold `key` until the returned function is called. Raises Conflict `idempotency.in_progress`."""
        with self._lock:
            if key in self._keys:
                raise Conflict("a request with this key is being answered", code="idempotency.in_progress")
            self._keys.add(key)
        return lambda: self._keys.discard(key)


class Once:
    """Does a request's work unless it was done before."""

    def __init__(self, request: Request, ctx: Context, key: str | None, body: bytes) -> None:
        self._request = request
        self._ctx = ctx
        self._key = key
        self._body = body

    def __call__(self, work: Callable[[], Response]) -> Response:
        """`work`'s answer, or the one kept for this key."""
        if self._key is None:
            return work()
        caller = getattr(self._request.state, "caller", None)
        key_id = caller.key_id if caller else _ANYBODY
        digest = self._digest()
        in_flight: InFlight = self._request.app.state.in_flight
        # Held before looking, released by the edge after keeping: no gap for a second to slip through.
        self._request.state.release_key = in_flight.take((key_id, self._key))
        with self._ctx.database.reading() as session:
            kept = idempotency.find(session, key_id, self._key)
        if kept is not None:
            if kept.request_digest != digest:
                raise RequestError(422, "the key was used for another request", code="idempotency.key_reused")
            return Response(kept.body, kept.status, headers={REPLAYED: "true"}, media_type="application/json")
        response = work()
        if 200 <= response.status_code < 300:
            self._request.state.pending_answer = PendingAnswer(
                key_id, self._key, digest, response.status_code, bytes(response.body)
            )
        return response

    def _digest(self) -> str:
        return idempotency.digest_of_request(self._request.method, self._request.url.path, self._body)


_Key = Annotated[str | None, Header(alias="Idempotency-Key", description="1 to 255 printable characters")]


def _checked(key: str | None) -> str | None:
    if key is not None and not _KEY.fullmatch(key):
        raise RequestError(
            400, "Idempotency-Key: 1 to 255 printable ASCII characters", code="idempotency.key"
        )
    return key


async def _if_keyed(request: Request, ctx: Ctx, body: RawBody, key: _Key = None) -> Once:
    return Once(request, ctx, _checked(key), body)


async def _always_keyed(request: Request, ctx: Ctx, body: RawBody, key: _Key = None) -> Once:
    if key is None:
        raise RequestError(400, "send an Idempotency-Key", code="idempotency.key_missing")
    return Once(request, ctx, _checked(key), body)


OnceIfKeyed = Annotated[Once, Depends(_if_keyed)]
OnceKeyed = Annotated[Once, Depends(_always_keyed)]
