"""Who may order: the client's API key and signature, and the file both sides were given."""

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request

from engine.sandbox.bank.problems import Problem
from engine.sandbox.process import issue

_FRESH_S = 300


@dataclass(frozen=True, slots=True)
class Secrets:
    """What client and bank share."""

    api_key: str
    request_secret: bytes
    callback_secret: bytes


def load_or_issue(path: Path) -> Secrets:
    """Read the secrets file; issue it (mode 0600) if there is none yet. Raises ValueError, OSError."""
    if not path.exists():
        issued = {
            "api_key": "sandbox_" + secrets.token_urlsafe(24),
            "request_secret": secrets.token_hex(32),
            "callback_secret": secrets.token_hex(32),
        }
        issue(path, issued)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return Secrets(
            api_key=str(document["api_key"]),
            request_secret=bytes.fromhex(document["request_secret"]),
            callback_secret=bytes.fromhex(document["callback_secret"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: api_key, request_secret (hex) and callback_secret (hex) are required"
        ) from error


def check_api_key(request: Request, known: Secrets) -> None:
    """Raises Problem 401."""
    given = request.headers.get("Authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {known.api_key}".encode()):
        raise Problem(401, "api_key_unknown", "Authorization: Bearer <api key> is required", "Authorization")


def check_signature(request: Request, body: bytes, known: Secrets, now_s: Callable[[], float]) -> None:
    """Raises Problem 401 for a missing, stale or wrong signature, 400 for a digest of another body."""
    timestamp = request.headers.get("Bank-Timestamp", "")
    if not (timestamp.isascii() and timestamp.isdigit()) or abs(now_s() - int(timestamp)) > _FRESH_S:
        raise Problem(
            401, "timestamp_stale", f"Unix seconds within {_FRESH_S} s are required", "Bank-Timestamp"
        )
    target = request.scope["raw_path"].decode("ascii")
    if request.scope["query_string"]:
        target += "?" + request.scope["query_string"].decode("ascii")
    key = request.headers.get("Idempotency-Key", "")
    signed = "\n".join((request.method, target, timestamp, key, hashlib.sha256(body).hexdigest()))
    expected = "v1=" + hmac.new(known.request_secret, signed.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(request.headers.get("Bank-Signature", "").encode(), expected.encode()):
        raise Problem(401, "signature_wrong", "the signature does not match the request", "Bank-Signature")
    check_digest(request.headers.get("Content-Digest"), body)


def check_digest(content_digest: str | None, body: bytes) -> None:
    """RFC 9530 sha-256, when given. Raises Problem 400."""
    if content_digest is None:
        return
    try:
        given = base64.b64decode(content_digest.removeprefix("sha-256=:").removesuffix(":"), validate=True)
    except binascii.Error:
        given = b""
    if given != hashlib.sha256(body).digest():
        raise Problem(400, "content_digest_wrong", "sha-256 of the body is required", "Content-Digest")


def callback_headers(known: Secrets, body: bytes, timestamp_s: int) -> dict[str, str]:
    """The headers of one callback attempt; every attempt is signed anew, so a late one is still fresh."""
    signature = hmac.new(known.callback_secret, f"{timestamp_s}.".encode() + body, hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/json",
        "Bank-Timestamp": str(timestamp_s),
        "Bank-Signature": f"v1={signature}",
    }
