"""RFC 9421 signatures of hospitals: Ed25519 over the method, the target and the content's digest.

The target counts as covered by `@target-uri` (what our client signs: it binds the host, so that what was
signed for one deployment means nothing to another), by `@request-target`, or by `@path`, together with
`@query` where there is one. Behind a proxy that rewrites scheme or host, sign one of the latter.

Replay: a signature holds for five minutes around `created`. Within them a replayed request is the same
settlement again, which answers the same and changes nothing; so no nonces are kept.

Codes: `signature.missing`, `.invalid`, `.unknown_key`, `.expired`, `.uncovered`, `.digest_mismatch` (401);
`signature.wrong_hospital` (403).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from fastapi import Depends, Request
from http_message_signatures import (
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    InvalidSignature,
    VerifyResult,
    algorithms,
)

from api.http.auth import HospitalCaller
from api.http.bodies import BatchBody, DeliveryBody, RawBody
from api.http.deps import Ctx
from engine.errors import NotAllowed, Unauthenticated
from engine.pipeline.context import Context
from engine.store.api_keys import Caller

FRESH_FOR = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Signed:
    """A body whose origin is proven."""

    hospital_code: str
    body: bytes


class _Failed(InvalidSignature):
    """A reason that has its own code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class _Message:
    """What the library needs of a request; field lines as they came."""

    method: str
    url: str
    headers: "_FieldLines"


class _FieldLines:
    def __init__(self, raw: Iterable[tuple[bytes, bytes]]) -> None:
        self._lines = [(name.decode("ascii"), value.decode("latin-1")) for name, value in raw]

    def items(self) -> list[tuple[str, str]]:
        return self._lines


class _Register(HTTPSignatureKeyResolver):
    """Public keys of the hospital register; remembers whose key was asked for."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self.hospital_code: str | None = None

    def resolve_public_key(self, key_id: str) -> Ed25519PublicKey:
        known = self._ctx.signing_key(key_id)
        if known is None or known.public_key is None:
            raise _Failed("signature.unknown_key", "keyid: not in the hospital register")
        self.hospital_code = known.hospital_code
        return Ed25519PublicKey.from_public_bytes(known.public_key)


class _Verifier(HTTPMessageVerifier):
    """The library's verifier, reading our clock."""

    def __init__(self, register: _Register, now: datetime) -> None:
        super().__init__(signature_algorithm=algorithms.ED25519, key_resolver=register)
        self._now = now

    def validate_created_and_expires(self, sig_input: Any, max_age: timedelta | None = None) -> None:
        if "created" not in sig_input.params:
            raise _Failed("signature.uncovered", "created: the signature must say when it was made")
        # Whole seconds throughout: an absurd integer is then late, not an overflow.
        now_s, fresh_s = int(self._now.timestamp()), (max_age or FRESH_FOR).total_seconds()
        if abs(now_s - sig_input.params["created"]) > fresh_s:
            raise _Failed("signature.expired", f"created: more than {fresh_s:.0f} s from our clock")
        if sig_input.params.get("expires", now_s) < now_s:
            raise _Failed("signature.expired", "expires: past")


def verify(ctx: Context, request: Request, body: bytes, caller: Caller) -> Signed:
    """Whose body this is. Raises Unauthenticated or NotAllowed with the codes above."""
    if "signature" not in request.headers or "signature-input" not in request.headers:
        raise Unauthenticated("send Signature and Signature-Input (RFC 9421)", code="signature.missing")
    register = _Register(ctx)
    verifier = _Verifier(register, ctx.clock().astimezone(UTC))
    message = _Message(request.method, _target_uri(request), _FieldLines(request.scope["headers"]))
    try:
        results = verifier.verify(message, max_age=FRESH_FOR)
        for result in results:
            _require_coverage(result, request)
        _verify_digest(verifier, message, results, body)
    except _Failed as failed:
        raise Unauthenticated(str(failed), code=failed.code) from failed
    except InvalidSignature as failed:
        raise Unauthenticated("the signature does not hold", code="signature.invalid") from failed
    if register.hospital_code != caller.principal:
        raise NotAllowed("the API key and the signature are two hospitals'", code="signature.wrong_hospital")
    return Signed(caller.principal, body)


def _require_coverage(result: VerifyResult, request: Request) -> None:
    covered = set(result.covered_components)
    path = {'"@path"', '"@query"'} if request.url.query else {'"@path"'}
    target = any(option <= covered for option in ({'"@target-uri"'}, {'"@request-target"'}, path))
    missing = [
        name
        for name, is_covered in (
            ("@method", '"@method"' in covered),
            ("@target-uri", target),
            ("content-digest", '"content-digest"' in covered),
        )
        if not is_covered
    ]
    if missing:
        raise _Failed("signature.uncovered", f"the signature must cover {', '.join(missing)}")


def _verify_digest(
    verifier: HTTPMessageVerifier, message: _Message, results: list[VerifyResult], body: bytes
) -> None:
    try:
        verifier.verify_body(message, results, body)
    except InvalidSignature as error:
        raise _Failed("signature.digest_mismatch", "Content-Digest: not that of the body") from error


def _target_uri(request: Request) -> str:
    """As the client wrote it: still percent-encoded, unlike `request.url`."""
    scope = request.scope
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope.get("query_string", b"")
    target = raw.split(b"?")[0] + (b"?" + query if query else b"")
    return f"{scope['scheme']}://{request.url.netloc}{target.decode('ascii')}"


async def _signed(ctx: Ctx, request: Request, caller: HospitalCaller, body: RawBody) -> Signed:
    return verify(ctx, request, body, caller)


def _signed_batch(ctx: Ctx, request: Request, caller: HospitalCaller, body: BatchBody) -> Signed:
    return verify(ctx, request, body, caller)


def _signed_delivery(ctx: Ctx, request: Request, caller: HospitalCaller, body: DeliveryBody) -> Signed:
    return verify(ctx, request, body, caller)


SignedBody = Annotated[Signed, Depends(_signed)]
SignedBatch = Annotated[Signed, Depends(_signed_batch)]
SignedDelivery = Annotated[Signed, Depends(_signed_delivery)]
