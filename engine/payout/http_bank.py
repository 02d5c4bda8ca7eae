"""The bank over HTTP: at most one transfer a payout id, whatever the network does.

Three kinds of failure, told apart because each allows something else:

    never left    connect refused or timed out, 429     -> the same request again, after a pause
    unanswered    timeout or break after sending, 5xx   -> query by payout id, never a blind second sending
    answered no   4xx                                   -> raised; repeating would change nothing

An unanswered order that the query finds is answered by what the query says. One that the bank does not
know is asked for once more after a grace (it may still be inside the bank), and only then sent again,
with the same id: the bank's idempotency key makes even that second sending harmless.
"""

import random
import ssl
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from types import TracebackType
from typing import Self
from urllib.parse import quote

import httpx

from engine.payout.answers import ProblemAnswer, StatementPage, TransferAnswer, parse
from engine.payout.errors import (
    BankAnswerInvalid,
    BankError,
    BankOutcomeUnknown,
    BankRefusedRequest,
    BankUnauthorized,
    BankUnavailable,
    IdempotencyConflict,
)
from engine.payout.port import StatementLine, TransferOrder, TransferResult, TransferStatus
from engine.payout.signing import BankCredentials, request_headers

_NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_KEEPALIVE_S = 3.0
"""Below the 5 s of common servers: an order on a connection they just closed would count as unanswered."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Bounds of one call, seconds. Beyond them the durable workflow retries, not this adapter."""

    attempts: int = 3
    first_pause_s: float = 0.2
    longest_pause_s: float = 5.0
    not_found_grace_s: float = 2.0
    connect_timeout_s: float = 3.0
    read_timeout_s: float = 10.0

    def pause_s(self, attempt: int, jitter: float) -> float:
        """Exponential with full jitter over its upper half; attempt from 0, jitter in [0, 1)."""
        ceiling = min(self.longest_pause_s, self.first_pause_s * 2.0**attempt)
        return ceiling * (0.5 + 0.5 * jitter)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class HttpBank:
    """`BankPort` over one pooled httpx client; safe to share between threads; close it, or use `with`.

    Proxies are not taken from the environment: payment orders go where `base_url` says. TLS, and client
    certificates where a bank wants them, come as an `ssl.SSLContext` in `verify`.
    """

    def __init__(
        self,
        base_url: str,
        credentials: BankCredentials,
        *,
        policy: RetryPolicy | None = None,
        concurrency: int = 8,
        verify: ssl.SSLContext | bool = True,
        clock: Callable[[], datetime] = _utc_now,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._credentials = credentials
        self._policy = policy or RetryPolicy()
        self._clock = clock
        self._sleep = sleep
        self._jitter = jitter
        self._client = httpx.Client(
            base_url=base_url,
            verify=verify,
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(self._policy.read_timeout_s, connect=self._policy.connect_timeout_s),
            limits=httpx.Limits(
                max_connections=concurrency,
                max_keepalive_connections=concurrency,
                keepalive_expiry=_KEEPALIVE_S,
            ),
        )
        self._workers = ThreadPoolExecutor(concurrency, thread_name_prefix="bank")

    def close(self) -> None:
        self._workers.shutdown()
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def submit(self, order: TransferOrder) -> TransferResult:
        """See `BankPort.submit`. Blocks for at most the policy's attempts, timeouts and pauses."""
        last: TransferResult | None = None
        for attempt in range(self._policy.attempts):
            try:
                return self._send_order(order)
            except BankOutcomeUnknown as error:
                last = self._resolve(order, error)
                if last.status is not TransferStatus.NOT_FOUND:
                    return last
            except BankUnavailable:
                # Nothing of this attempt left, but an earlier one had: then the bank's "not found" stands.
                if attempt + 1 == self._policy.attempts and last is None:
                    raise
            if attempt + 1 < self._policy.attempts:
                self._pause(attempt)
        if last is None:
            raise BankUnavailable("the retry policy allows no attempt")
        return last

    def submit_many(self, orders: Sequence[TransferOrder]) -> list[TransferResult | BankError]:
        """See `BankPort.submit_many`. Raises ValueError if one payout id stands in two orders."""
        if len({order.payout_id for order in orders}) != len(orders):
            raise ValueError("orders: a payout id may stand only once in a batch")
        return list(self._workers.map(self._submit_caught, orders))

    def _submit_caught(self, order: TransferOrder) -> TransferResult | BankError:
        try:
            return self.submit(order)
        except BankError as error:
            return error

    def query(self, payout_id: str) -> TransferResult:
        """See `BankPort.query`. A 404 counts as not found only if it carries the bank's own code for it."""
        try:
            body = self._read(f"/v1/transfers/{quote(payout_id, safe='')}")
        except BankRefusedRequest as refusal:
            if refusal.http_status == 404 and refusal.bank_code == "transfer_not_found":
                return TransferResult(payout_id, TransferStatus.NOT_FOUND)
            raise
        return _answer_about(payout_id, None, body)

    def query_many(self, payout_ids: Sequence[str]) -> list[TransferResult | BankError]:
        """See `BankPort.query_many`."""
        return list(self._workers.map(self._query_caught, payout_ids))

    def _query_caught(self, payout_id: str) -> TransferResult | BankError:
        try:
            return self.query(payout_id)
        except BankError as error:
            return error

    def statement(self, date_from: date, date_to: date) -> list[StatementLine]:
        """See `BankPort.statement`. The days are the bank's own (a Chinese bank: UTC+8).

        Raises BankAnswerInvalid if the lines do not add up to the bank's control totals.
        """
        if date_to < date_from:
            raise ValueError(f"date_to: must not be before date_from {date_from}, got {date_to}")
        period = {"from": date_from.isoformat(), "to": date_to.isoformat()}
        lines: list[StatementLine] = []
        cursor: str | None = None
        seen: set[str] = set()
        while True:
            query = httpx.QueryParams(period | ({"cursor": cursor} if cursor else {}))
            page = parse(StatementPage, self._read(f"/v1/statement?{query}"))
            lines.extend(entry.line() for entry in page.lines)
            cursor = page.next_cursor
            if cursor is None:
                break
            if cursor in seen:
                raise BankAnswerInvalid(f"statement: cursor {cursor!r} came twice")
            seen.add(cursor)
        _check_totals(page, lines)
        return lines

    def _resolve(self, order: TransferOrder, unanswered: BankOutcomeUnknown) -> TransferResult:
        """What became of an unanswered order: the bank's word, not_found, or unknown if it is silent."""
        try:
            found = self.query(order.payout_id)
            if found.status is TransferStatus.NOT_FOUND:
                self._sleep(self._policy.not_found_grace_s)
                found = self.query(order.payout_id)
        except BankError as error:
            reason = f"{unanswered.detail}; query: {error}"
            return TransferResult(order.payout_id, TransferStatus.UNKNOWN, reason=reason)
        return found

    def _send_order(self, order: TransferOrder) -> TransferResult:
        """One sending. Raises BankUnavailable only if the bank cannot have taken the order."""
        body = order.body()
        try:
            response = self._exchange("POST", "/v1/transfers", body, order.payout_id)
        except _NEVER_LEFT as error:
            raise BankUnavailable(f"bank not reached: {type(error).__name__}") from error
        except httpx.HTTPError as error:
            raise BankOutcomeUnknown(order.payout_id, type(error).__name__) from error
        if response.status_code == 429:
            raise BankUnavailable("bank answered 429: too many requests")
        if response.status_code >= 500 or response.is_redirect:
            raise BankOutcomeUnknown(order.payout_id, f"bank answered {response.status_code}")
        if response.is_error:
            raise _refusal(response)
        try:
            return _answer_about(order.payout_id, order.amount_fen, response.content)
        except BankAnswerInvalid as error:
            raise BankOutcomeUnknown(order.payout_id, str(error)) from error

    def _read(self, target: str) -> bytes:
        """GET with retries: reading twice is harmless, so every silence is simply asked again."""
        failure = "no attempt allowed by the policy"
        for attempt in range(self._policy.attempts):
            if attempt:
                self._pause(attempt - 1)
            try:
                response = self._exchange("GET", target, b"", None)
            except httpx.HTTPError as error:
                failure = type(error).__name__
                continue
            if response.status_code == 429 or response.status_code >= 500 or response.is_redirect:
                failure = f"bank answered {response.status_code}"
                continue
            if response.is_error:
                raise _refusal(response)
            return response.content
        raise BankUnavailable(f"GET {target.partition('?')[0]}: {failure}")

    def _exchange(self, method: str, target: str, body: bytes, idempotency_key: str | None) -> httpx.Response:
        request = self._client.build_request(method, target, content=body)
        # Signed is what is really sent: the path with any prefix of base_url, and the query as encoded.
        signed_target = request.url.raw_path.decode("ascii")
        timestamp = int(self._clock().timestamp())
        request.headers.update(
            request_headers(self._credentials, method, signed_target, body, idempotency_key, timestamp)
        )
        return self._client.send(request)

    def _pause(self, attempt: int) -> None:
        self._sleep(self._policy.pause_s(attempt, self._jitter()))


def _answer_about(payout_id: str, amount_fen: int | None, body: bytes) -> TransferResult:
    """The answer, if it is about the transfer that was asked about. Raises BankAnswerInvalid."""
    answer = parse(TransferAnswer, body)
    if answer.payout_id != payout_id:
        raise BankAnswerInvalid(f"payout_id: asked about {payout_id}, answered about {answer.payout_id}")
    if amount_fen is not None and answer.amount_fen != amount_fen:
        raise BankAnswerInvalid(f"amount_fen: ordered {amount_fen}, answered {answer.amount_fen}")
    return answer.result()


def _refusal(response: httpx.Response) -> BankRefusedRequest:
    """A 4xx as the narrowest error. A body that is no problem document still gives one."""
    try:
        problem = parse(ProblemAnswer, response.content)
    except BankAnswerInvalid:
        problem = ProblemAnswer(code="unspecified", detail="no problem document in the answer")
    kind = BankRefusedRequest
    if response.status_code in (401, 403):
        kind = BankUnauthorized
    elif response.status_code == 409 and problem.code == "idempotency_conflict":
        kind = IdempotencyConflict
    return kind(response.status_code, problem.code, problem.detail, problem.field)


def _check_totals(page: StatementPage, lines: Sequence[StatementLine]) -> None:
    debit = sum(line.amount_fen for line in lines if line.direction == "debit")
    credit = sum(line.amount_fen for line in lines if line.direction == "credit")
    told = (page.line_count, page.debit_total_fen, page.credit_total_fen)
    if (len(lines), debit, credit) != told:
        raise BankAnswerInvalid(
            f"statement: lines add up to {(len(lines), debit, credit)}, bank states {told}"
        )
