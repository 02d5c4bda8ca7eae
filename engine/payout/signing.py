"""How the engine and the bank prove to each other who speaks.

Request (engine -> bank), HMAC-SHA256 with the request secret, hex, in `Bank-Signature: v1=<hex>` over

    METHOD \\n target (path and query) \\n Bank-Timestamp \\n Idempotency-Key (or empty) \\n sha256(body) hex

beside `Authorization: Bearer <api key>`, `Bank-Timestamp` (Unix seconds) and, on orders,
`Idempotency-Key: <payout id>` and `Content-Digest: sha-256=:<base64>:` (RFC 9530).

Callback (bank -> engine), HMAC-SHA256 with the callback secret over `Bank-Timestamp . body`, the same
two headers. Two secrets, so that whoever can read callbacks' key can still order nothing.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

TIMESTAMP_HEADER = "Bank-Timestamp"
SIGNATURE_HEADER = "Bank-Signature"
_MIN_SECRET_BYTES = 16


@dataclass(frozen=True, slots=True)
class BankCredentials:
    """What the bank issued to us. Never logged: repr shows no secret."""

    api_key: str = field(repr=False)
    request_secret: bytes = field(repr=False)
    callback_secret: bytes = field(repr=False)

    @classmethod
    def load(cls, path: Path) -> "BankCredentials":
        """Read {"api_key": str, "request_secret": hex, "callback_secret": hex}.

        Raises OSError, or ValueError naming the file and the field.
        """
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}: not JSON: {error}") from error
        fields = document if isinstance(document, dict) else {}
        api_key = fields.get("api_key")
        if not (isinstance(api_key, str) and api_key):
            raise ValueError(f"{path}: api_key: a string is required")
        return cls(
            api_key=api_key,
            request_secret=_secret(path, fields, "request_secret"),
            callback_secret=_secret(path, fields, "callback_secret"),
        )


def _secret(path: Path, document: Mapping[str, object], name: str) -> bytes:
    try:
        secret = bytes.fromhex(str(document.get(name, "")))
    except ValueError as error:
        raise ValueError(f"{path}: {name}: hexadecimal is required") from error
    if len(secret) < _MIN_SECRET_BYTES:
        raise ValueError(f"{path}: {name}: at least {_MIN_SECRET_BYTES} bytes are required")
    return secret


def request_headers(
    credentials: BankCredentials,
    method: str,
    target: str,
    body: bytes,
    idempotency_key: str | None,
    timestamp: int,
) -> dict[str, str]:
    """The headers that authenticate one request; `timestamp` in Unix seconds."""
    body_hash = hashlib.sha256(body)
    signed = "\n".join((method, target, str(timestamp), idempotency_key or "", body_hash.hexdigest()))
    headers = {
        "Authorization": f"Bearer {credentials.api_key}",
        TIMESTAMP_HEADER: str(timestamp),
        SIGNATURE_HEADER: "v1=" + _hmac_hex(credentials.request_secret, signed.encode()),
    }
    if idempotency_key is not None:
        headers["Idempotency-Key"] = idempotency_key
        headers["Content-Digest"] = f"sha-256=:{base64.b64encode(body_hash.digest()).decode()}:"
        headers["Content-Type"] = "application/json"
    return headers


def callback_signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """The value of Bank-Signature that the bank puts on a callback."""
    return "v1=" + _hmac_hex(secret, timestamp.encode() + b"." + body)


def _hmac_hex(secret: bytes, message: bytes) -> str:
    return hmac.new(secret, message, hashlib.sha256).hexdigest()
