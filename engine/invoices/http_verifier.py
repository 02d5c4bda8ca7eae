"""The invoice platform over HTTP: a question is harmless, so every silence is simply asked again.

    POST {base_url}/v1/invoices:verify   {"invoices": [{"code", "number", "check_code"}, …]}
    200                                  {"results": [{"status", "amount_fen", "hospital_code"}, …]}, in order

What is not exactly an answer to the question (another count, an unknown status, a normal invoice without its
amount) is no answer: nothing is taken for good that was not said.
"""

import json
import random
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from engine.invoices.errors import VerifierRefused, VerifierUnauthorized, VerifierUnavailable
from engine.invoices.port import MOST_AT_ONCE, Found, Invoice, InvoiceStatus
from engine.money import Fen

_KEEPALIVE_S = 3.0
"""Below the 5 s of common servers."""


@dataclass(frozen=True, slots=True)
class VerifierPolicy:
    """Bounds of one call, seconds. Beyond them the batch waits and is run again, not this adapter."""

    attempts: int = 3
    first_pause_s: float = 0.2
    longest_pause_s: float = 2.0
    connect_timeout_s: float = 3.0
    read_timeout_s: float = 10.0

    def pause_s(self, attempt: int, jitter: float) -> float:
        """Exponential with full jitter over its upper half; attempt from 0, jitter in [0, 1)."""
        ceiling = min(self.longest_pause_s, self.first_pause_s * 2.0**attempt)
        return ceiling * (0.5 + 0.5 * jitter)


class _Result(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    status: InvoiceStatus
    amount_fen: Annotated[int, Field(ge=0, strict=True)] | None = None
    hospital_code: str | None = None

    @model_validator(mode="after")
    def _says_what_it_knows(self) -> "_Result":
        if self.status is not InvoiceStatus.UNKNOWN and None in (self.amount_fen, self.hospital_code):
            raise ValueError("amount_fen and hospital_code go with an invoice that is known")
        return self

    def found(self) -> Found:
        amount = None if self.amount_fen is None else Fen(self.amount_fen)
        return Found(self.status, amount, self.hospital_code)


class _Answer(BaseModel):
    results: list[_Result]


def load_api_key(path: Path) -> str:
    """What the platform issued to us: {"api_key": str}. Raises OSError, or ValueError naming the file."""
    document = json.loads(path.read_text(encoding="utf-8"))
    key = document.get("api_key") if isinstance(document, dict) else None
    if not (isinstance(key, str) and key):
        raise ValueError(f"{path}: api_key: a string is required")
    return key


class HttpVerifier:
    """`InvoicePort` over one pooled httpx client. Proxies are not taken from the environment."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        policy: VerifierPolicy | None = None,
        verify: ssl.SSLContext | bool = True,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._policy = policy or VerifierPolicy()
        self._sleep = sleep
        self._jitter = jitter
        self._client = httpx.Client(
            base_url=base_url,
            headers={"Authorization": f"Bearer {api_key}"},
            verify=verify,
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(self._policy.read_timeout_s, connect=self._policy.connect_timeout_s),
            limits=httpx.Limits(keepalive_expiry=_KEEPALIVE_S),
        )

    def close(self) -> None:
        self._client.close()

    def verify(self, invoices: Sequence[Invoice]) -> list[Found]:
        """See `InvoicePort.verify`."""
        if len(invoices) > MOST_AT_ONCE:
            raise ValueError(f"at most {MOST_AT_ONCE} invoices at once, not {len(invoices)}")
        asked = {
            "invoices": [
                {"code": one.code, "number": one.number, "check_code": one.check_code} for one in invoices
            ]
        }
        failure = "no attempt allowed by the policy"
        for attempt in range(self._policy.attempts):
            if attempt:
                self._sleep(self._policy.pause_s(attempt - 1, self._jitter()))
            try:
                response = self._client.post("/v1/invoices:verify", json=asked)
            except httpx.HTTPError as error:
                failure = type(error).__name__
                continue
            if response.status_code == 429 or response.status_code >= 500 or response.is_redirect:
                failure = f"answered {response.status_code}"
                continue
            _raise_for(response)
            try:
                return _read(response.content, len(invoices))
            except VerifierUnavailable as error:
                failure = str(error)
        raise VerifierUnavailable(f"the invoice platform does not answer: {failure}")


def _raise_for(response: httpx.Response) -> None:
    if response.status_code in (401, 403):
        raise VerifierUnauthorized(f"the invoice platform answered {response.status_code}: check its key")
    if response.is_error:
        raise VerifierRefused(f"the invoice platform answered {response.status_code}")


def _read(body: bytes, asked: int) -> list[Found]:
    try:
        results = _Answer.model_validate_json(body).results
    except ValidationError as error:
        # Its values are left out: they are what must not reach a log.
        fields = sorted({".".join(map(str, e["loc"])) or "body" for e in error.errors(include_input=False)})
        raise VerifierUnavailable(f"not its protocol: {', '.join(fields)[:200]}") from None
    if len(results) != asked:
        raise VerifierUnavailable(f"asked about {asked} invoices, answered about {len(results)}")
    return [result.found() for result in results]
