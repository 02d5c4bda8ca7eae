"""The bank's statement over its HTTP API, signed here once more.

Signature of a request: `Bank-Signature: v1=<hex>`, HMAC-SHA256 with the request secret over the lines
method, target, Bank-Timestamp, Idempotency-Key, sha256 of the body in hex. Reads have neither key nor body.
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from engine.fsck.errors import CannotCheck

_DAYS_AT_ONCE = 31
"""Banks bound the period of one statement; a month is what all of them give."""
_EMPTY = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class BankKey:
    """What the bank issued for reading; never shown."""

    api_key: str = field(repr=False)
    request_secret: bytes = field(repr=False)

    @classmethod
    def load(cls, path: Path) -> "BankKey":
        """From {"api_key": str, "request_secret": hex, …}. Raises CannotCheck."""
        try:
            document = json.loads(path.read_bytes())
            return cls(str(document["api_key"]), bytes.fromhex(document["request_secret"]))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise CannotCheck(f"{path}: no bank credentials ({error})") from error


@dataclass(frozen=True, slots=True)
class Line:
    """One booking on the account that payouts are made from."""

    bank_ref: str
    payout_id: str
    direction: str
    amount_fen: int

    @property
    def is_debit(self) -> bool:
        return self.direction == "debit"

    @property
    def net_fen(self) -> int:
        """What left the account: negative for money that came back."""
        return self.amount_fen if self.is_debit else -self.amount_fen


class Bank:
    """`clock` stamps the requests; the bank refuses stale ones."""

    def __init__(self, url: str, key: BankKey, client: httpx.Client, clock: Callable[[], datetime]) -> None:
        self._url = url.rstrip("/")
        self._key = key
        self._client = client
        self._clock = clock

    def statement(self, first: date, last: date) -> list[Line]:
        """Every line of these bank days, both included. Raises CannotCheck."""
        lines: list[Line] = []
        while first <= last:
            until = min(last, first + timedelta(days=_DAYS_AT_ONCE - 1))
            lines += self._period(first, until)
            first = until + timedelta(days=1)
        return lines

    def _period(self, first: date, last: date) -> list[Line]:
        pages = list(self._pages({"from": first.isoformat(), "to": last.isoformat()}))
        try:
            lines = [_line(entry) for page in pages for entry in page["lines"]]
            stated = tuple(pages[-1][name] for name in ("line_count", "debit_total_fen", "credit_total_fen"))
        except (KeyError, TypeError) as error:
            raise CannotCheck(f"the bank's statement lacks {error}") from error
        debits = sum(line.amount_fen for line in lines if line.is_debit)
        credit = sum(line.amount_fen for line in lines if not line.is_debit)
        if stated != (len(lines), debits, credit):
            raise CannotCheck(f"the bank's statement of {first} to {last} contradicts its own control totals")
        return lines

    def _pages(self, period: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        cursor: str | None = None
        seen: set[str] = set()
        while True:
            page = self._get(httpx.QueryParams({**period, **({"cursor": cursor} if cursor else {})}))
            yield page
            cursor = page.get("next_cursor")
            if cursor is None:
                return
            if cursor in seen:
                raise CannotCheck(f"the bank's statement never ends: cursor {cursor!r} came twice")
            seen.add(cursor)

    def _get(self, query: httpx.QueryParams) -> dict[str, Any]:
        try:
            request = self._client.build_request("GET", f"{self._url}/v1/statement?{query}")
            request.headers.update(self._signed(request.url.raw_path.decode("ascii")))
            answer = self._client.send(request)
            answer.raise_for_status()
            page = answer.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise CannotCheck(f"the bank at {self._url} gives no statement: {error}") from error
        if not isinstance(page, dict):
            raise CannotCheck("the bank's statement is not an object")
        return page

    def _signed(self, target: str) -> dict[str, str]:
        timestamp = str(int(self._clock().timestamp()))
        message = f"GET\n{target}\n{timestamp}\n\n{_EMPTY}"
        signature = hmac.new(self._key.request_secret, message.encode(), hashlib.sha256).hexdigest()
        return {
            "Authorization": f"Bearer {self._key.api_key}",
            "Bank-Timestamp": timestamp,
            "Bank-Signature": f"v1={signature}",
        }


def _line(entry: Mapping[str, Any]) -> Line:
    line = Line(entry["bank_ref"], entry["payout_id"], entry["direction"], entry["amount_fen"])
    if line.direction not in ("debit", "credit") or type(line.amount_fen) is not int or line.amount_fen <= 0:
        raise CannotCheck(f"the bank's statement has a line that is none: {line}")
    return line
