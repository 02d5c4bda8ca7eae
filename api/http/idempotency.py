"""Idempotency-Key: a retry is answered as the first time, and changes nothing.

Same key, same request: the kept status and body, with `Idempotent-Replay: true`. Same key, another
request: 422. While the first is still being answered: 409. No key where one is required: 400.

Only a 2xx is kept. A refused body changed nothing, so its correction may come under the same key.
The answer is kept in the transaction that logs the call, just before it leaves; between the effect's
own commit and that one, a crash leaves the effect without its answer, and then a retry meets services
that know what they hold: the same settlement again answers the same.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from threading import Lock
from typing import Annotated, Any, Self

from fastapi import Depends, Header, Request
from sqlmodel import Session
from starlette.responses import Response

from api.http import access
from api.http.bodies import RawBody
from api.http.deps import Ctx
from api.http.problems import RequestError
from engine.errors import Conflict
from engine.pipeline.context import Context
from engine.store import access_log, idempotency
from engine.store.access_log import Call
from engine.store.idempotency import Asked
from engine.store.tables import IdempotentAnswer
from engine.store.writer import Keep

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

    @classmethod
    def of(cls, asked: Asked, response: Response) -> Self:
        return cls(*asked.name, asked.digest, response.status_code, bytes(response.body))

    def row(self, at: datetime) -> dict[str, Any]:
        """By column, as `idempotency.keep_all` takes it."""
        return {**asdict(self), "at": at}


def keep_answered(session: Session, answered: Sequence[tuple[Call, PendingAnswer | None]]) -> list[None]:
    """The calls of a group and the answers kept for their repeats, a statement each."""
    access_log.append_all(session, [call for call, _ in answered])
    if pending := [answer.row(call.at) for call, answer in answered if answer is not None]:
        idempotency.keep_all(session, pending)
    return [None] * len(answered)


@dataclass(frozen=True, slots=True)
class _Asking:
    """An item to keep, and what is to be answered and logged once it is."""

    asked: Asked
    item: Any
    answer: Callable[[Any], Response]
    call: Callable[[int], Call]


@cache
def _answering(keep: Keep) -> Keep:
    """`keep` for what was not answered before, with the answers and the log: responses, kept answers, or the
    exceptions that are an item's own."""

    def answering(session: Session, group: Sequence[_Asking]) -> list[Any]:
        outcomes: dict[Any, Any] = dict(idempotency.find_all(session, {one.asked.name for one in group}))
        new = [one for one in group if one.asked.name not in outcomes]
        answered = []
        for one, kept in zip(new, keep(session, [one.item for one in new]) if new else (), strict=True):
            outcomes[one.asked.name] = kept
            if not isinstance(kept, Exception):
                response = outcomes[one.asked.name] = one.answer(kept)
                answered.append((one.call(response.status_code), PendingAnswer.of(one.asked, response)))
        if answered:
            keep_answered(session, answered)
        return [outcomes[one.asked.name] for one in group]

    return answering


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
        asked = self._hold(self._key)
        with self._ctx.database.reading() as session:
            kept = idempotency.find_all(session, [asked.name]).get(asked.name)
        return _replayed(kept, asked) if kept is not None else self._to_keep(asked, work())

    async def among_many(self, keep: Keep, item: Any, answer: Callable[[Any], Response]) -> Response:
        """The same where the work is an item for `keep`: what it comes to, the answer to it and the call's
        entry in the access log are in one commit, with those of other calls, and no thread waits for it."""
        if self._key is None:
            raise ValueError("no Idempotency-Key: only a route that requires one keeps among many")
        asking = _Asking(self._hold(self._key), item, answer, self._call)
        kept = await asyncio.wrap_future(self._ctx.writer.submit_to(_answering(keep), asking))
        if isinstance(kept, IdempotentAnswer):
            return _replayed(kept, asking.asked)
        self._request.state.is_logged = True
        response: Response = kept
        return response

    def _call(self, status: int) -> Call:
        return access.describe(self._request.scope, status, self._ctx.clock())

    def _hold(self, key: str) -> Asked:
        # Held before looking, released by the edge after keeping: no gap for a second to slip through.
        caller = getattr(self._request.state, "caller", None)
        name = (caller.key_id if caller else _ANYBODY, key)
        in_flight: InFlight = self._request.app.state.in_flight
        self._request.state.release_key = in_flight.take(name)
        method, path = self._request.method, self._request.url.path
        return Asked(name, idempotency.digest_of_request(method, path, self._body))

    def _to_keep(self, asked: Asked, response: Response) -> Response:
        if 200 <= response.status_code < 300:
            self._request.state.pending_answer = PendingAnswer.of(asked, response)
        return response


def _replayed(kept: IdempotentAnswer, asked: Asked) -> Response:
    if kept.request_digest != asked.digest:
        raise RequestError(422, "the key was used for another request", code="idempotency.key_reused")
    return Response(kept.body, kept.status, headers={REPLAYED: "true"}, media_type="application/json")


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
