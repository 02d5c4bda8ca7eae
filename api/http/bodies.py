"""Bodies: what a route takes, whole or line by line, always within stated bounds.

The edge counts bytes and minutes (`edge.MAX_BODY`); a route that takes more says so here, before the
first byte is read. A body is judged by its declared type and refused when it is another (415).
"""

import email.message
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import anyio.from_thread
from fastapi import Depends, Request

from api.http.problems import RequestError
from engine.errors import TooLarge

JSON, NDJSON, CSV, YAML = "application/json", "application/x-ndjson", "text/csv", "application/yaml"
X12 = "application/edi-x12"
MERGE_PATCH, FHIR = "application/merge-patch+json", "application/fhir+json"
MAX_LINE = 2 * 1024 * 1024
MAX_BATCH, BATCH_S = 32 * 1024 * 1024, 300
"""A signed batch is held in memory whole: nothing may be kept on the word of bytes that are not yet
verified, and its digest is known only at its end."""
MAX_BUNDLE = 16 * 1024 * 1024
MAX_ROLL, ROLL_S = 4 * 1024 * 1024 * 1024, 6 * 3600
"""A roll of policies is read line by line, at the database's pace."""


def media_type(request: Request, *allowed: str) -> str:
    """The declared type, one of `allowed`. Raises 415 `request.media_type`, also for what is not UTF-8."""
    message = email.message.Message()
    message["content-type"] = request.headers.get("content-type", "")
    declared, charset = message.get_content_type(), message.get_content_charset("utf-8")
    if request.headers.get("content-type") is None or declared not in allowed:
        raise RequestError(415, f"Content-Type: {' or '.join(allowed)}", code="request.media_type")
    if charset not in {"utf-8", "us-ascii"}:
        raise RequestError(415, "Content-Type: charset must be utf-8", code="request.media_type")
    if request.headers.get("content-encoding", "identity") != "identity":
        raise RequestError(415, "Content-Encoding: only identity", code="request.media_type")
    return declared


def only(*allowed: str) -> Any:
    """A dependency that refuses other content types before a byte of the body is read."""

    async def check(request: Request) -> None:
        media_type(request, *allowed)

    return Depends(check)


async def _raw(request: Request) -> bytes:
    return await request.body()


async def _large(request: Request) -> bytes:
    request.state.max_body = MAX_BUNDLE
    return await request.body()


async def _batch(request: Request) -> bytes:
    media_type(request, NDJSON)
    request.state.max_body, request.state.body_s = MAX_BATCH, BATCH_S
    return await request.body()


async def _delivery(request: Request) -> bytes:
    """Any content type: the source's mapping says what the bytes are, and its reader holds them to it."""
    if request.headers.get("content-encoding", "identity") != "identity":
        raise RequestError(415, "Content-Encoding: only identity", code="request.media_type")
    request.state.max_body, request.state.body_s = MAX_BATCH, BATCH_S
    return await request.body()


JSON_ONLY = only(JSON)
LargeBody = Annotated[bytes, Depends(_large)]
RawBody = Annotated[bytes, Depends(_raw)]
BatchBody = Annotated[bytes, Depends(_batch)]
DeliveryBody = Annotated[bytes, Depends(_delivery)]


class Roll:
    """A long body as lines, for a worker thread that reads at its own pace."""

    def __init__(self, request: Request, kind: str) -> None:
        self.kind = kind
        self._chunks: AsyncIterator[bytes] = request.stream()

    def lines(self) -> Iterator[bytes]:
        """Lines without their ends; empty ones are left out. Raises TooLarge `request.line_too_large`."""
        pending = b""
        while (chunk := anyio.from_thread.run(self._next)) is not None:
            *whole, pending = (pending + chunk).split(b"\n")
            for line in whole:
                yield from _bounded(line)
            if len(pending) > MAX_LINE:
                raise _line_too_large()
        yield from _bounded(pending)

    async def _next(self) -> bytes | None:
        return await anext(self._chunks, None)


async def _roll(request: Request) -> Roll:
    declared = media_type(request, NDJSON, CSV)
    request.state.max_body, request.state.body_s = MAX_ROLL, ROLL_S
    return Roll(request, "csv" if declared == CSV else "ndjson")


RollBody = Annotated[Roll, Depends(_roll)]


def lines_of(body: bytes) -> Iterator[bytes]:
    """Lines of a body that is at hand, as `Roll.lines`."""
    for line in body.split(b"\n"):
        yield from _bounded(line)


def _bounded(line: bytes) -> Iterator[bytes]:
    if len(line) > MAX_LINE:
        raise _line_too_large()
    if line.strip():
        yield line.rstrip(b"\r")


def _line_too_large() -> TooLarge:
    return TooLarge(f"a line is longer than {MAX_LINE} bytes", code="request.line_too_large")
