"""The bank's callbacks: believed only when signed by the bank, and fresh.

A replay within the freshness window is let through on purpose: a result is idempotent, banks do call
twice, and the state table ignores what it already knows.
"""

import hmac
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from engine.payout.answers import TransferAnswer, parse
from engine.payout.errors import BankAnswerInvalid, CallbackRejected
from engine.payout.port import TransferResult
from engine.payout.signing import SIGNATURE_HEADER, TIMESTAMP_HEADER, callback_signature

_MIN_SECRET_BYTES = 16


class CallbackVerifier:
    """Turns a raw callback into a `TransferResult`.

    secrets: the current callback secret, and during a rotation the previous one. clock: aware datetime.
    """

    def __init__(
        self, secrets: Sequence[bytes], *, clock: Callable[[], datetime], max_age_s: int = 300
    ) -> None:
        if not secrets or any(len(secret) < _MIN_SECRET_BYTES for secret in secrets):
            raise ValueError(f"secrets: at least one, each of {_MIN_SECRET_BYTES} bytes or more")
        self._secrets = tuple(secrets)
        self._clock = clock
        self._max_age_s = max_age_s

    def verify(self, headers: Mapping[str, str], body: bytes) -> TransferResult:
        """headers: any letter case; body: the raw bytes as received. Raises CallbackRejected.

        The signature is checked before the time, so that a stranger learns nothing about our clock.
        """
        lowered = {name.lower(): value for name, value in headers.items()}
        timestamp = lowered.get(TIMESTAMP_HEADER.lower(), "")
        signature = lowered.get(SIGNATURE_HEADER.lower(), "")
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
            raise CallbackRejected("callback.timestamp", f"{TIMESTAMP_HEADER}: Unix seconds are required")
        given = signature.encode()
        genuine = [
            hmac.compare_digest(callback_signature(secret, timestamp, body).encode(), given)
            for secret in self._secrets
        ]
        if not any(genuine):
            raise CallbackRejected("callback.signature", f"{SIGNATURE_HEADER}: not made with our secret")
        if abs(self._clock().timestamp() - int(timestamp)) > self._max_age_s:
            raise CallbackRejected(
                "callback.freshness", f"{TIMESTAMP_HEADER}: more than {self._max_age_s} s off"
            )
        try:
            return parse(TransferAnswer, body).result()
        except BankAnswerInvalid as error:
            raise CallbackRejected("callback.body", str(error)) from error
