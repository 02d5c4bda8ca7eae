"""What the bank does when nobody asks: settle what is due, and call back with the results.

Both read their work from the database, so that a killed process goes on where it was.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
from sqlalchemy import Connection, Engine, RowMapping, bindparam, func, select, update

from engine.sandbox.bank.auth import callback_headers
from engine.sandbox.bank.config import BankConfig
from engine.sandbox.bank.ledger import advance, next_due_ms
from engine.sandbox.bank.schema import outbox
from engine.sandbox.bank.writer import Writer

_log = logging.getLogger("sandbox.bank")
_SETTLE_AT_ONCE = 256
_CALL_BACK_AT_ONCE = 32
_CALLBACK_ATTEMPTS = 12
_CALLBACK_TIMEOUT_S = 5.0
_LONGEST_BACKOFF_MS = 60_000
_TICK_S = 0.01


class Loop:
    """Runs `step` when its work is due. A step returns when it next has some (Unix ms), or None."""

    def __init__(
        self, name: str, now_ms: Callable[[], int], step: Callable[[], Awaitable[int | None]]
    ) -> None:
        self._name = name
        self._now_ms = now_ms
        self._step = step
        self._due_ms: int | None = None
        self._earlier = asyncio.Event()

    def wake(self, due_ms: int) -> None:
        """There is work at due_ms that the last step did not know of."""
        if self._due_ms is None or due_ms < self._due_ms:
            self._due_ms = due_ms
            self._earlier.set()

    async def run(self) -> None:
        while True:
            self._earlier.clear()
            self._due_ms = None
            try:
                due_ms = await self._step()
            except Exception:  # noqa: BLE001 - the loop outlives whatever one step meets; the log tells it
                _log.exception("%s: a step failed, trying again", self._name)
                due_ms = self._now_ms() + 1000
            if due_ms is not None:
                self.wake(due_ms)
            # One step for all that comes due in a tick costs a tenth of one step each.
            await asyncio.sleep(_TICK_S)
            await self._until_due()

    async def _until_due(self) -> None:
        while self._due_ms is None or self._due_ms > self._now_ms():
            self._earlier.clear()
            nap_s = None if self._due_ms is None else (self._due_ms - self._now_ms()) / 1000
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._earlier.wait(), nap_s)


class Settlement:
    """Moves accepted transfers to their end."""

    def __init__(self, config: BankConfig, writer: Writer, settled: Callable[[int], None]) -> None:
        self._config = config
        self._writer = writer
        self._settled = settled

    async def step(self) -> int | None:
        done, due_ms = await self._writer.run(self._advance)
        if done:
            self._settled(self._config.now_ms())
        return due_ms

    def _advance(self, connection: Connection) -> tuple[int, int | None]:
        call_back = self._config.callback_url is not None
        done = advance(connection, self._config.now_ms(), limit=_SETTLE_AT_ONCE, call_back=call_back)
        return done, next_due_ms(connection)


class Callbacks:
    """Delivers the outbox: at least once, backing off from 0.2 s to a minute, giving up after 12 attempts.

    The query still tells a result whose callback was given up.
    """

    def __init__(self, config: BankConfig, reader: Engine, writer: Writer, client: httpx.AsyncClient) -> None:
        self._config = config
        self._reader = reader
        self._writer = writer
        self._client = client

    async def step(self) -> int | None:
        if self._config.callback_url is None:
            return None
        now_ms = self._config.now_ms()
        with self._reader.connect() as connection:
            found = connection.execute(
                select(outbox.c.id, outbox.c.body, outbox.c.attempts)
                .where(outbox.c.state == "pending", outbox.c.next_attempt_ms <= now_ms)
                .order_by(outbox.c.next_attempt_ms)
                .limit(_CALL_BACK_AT_ONCE)
            )
            due = found.mappings().all()
            next_ms: int | None = connection.execute(
                select(func.min(outbox.c.next_attempt_ms)).where(outbox.c.state == "pending")
            ).scalar()
        if not due:
            return next_ms
        outcomes = await asyncio.gather(*(self._deliver(self._config.callback_url, row) for row in due))
        await self._writer.run(lambda connection: _record(connection, outcomes))
        return self._config.now_ms()

    async def _deliver(self, url: str, row: RowMapping) -> dict[str, Any]:
        """One attempt, as the columns that it changes."""
        body = row["body"].encode()
        headers = callback_headers(self._config.secrets, body, self._config.now_ms() // 1000)
        try:
            response = await self._client.post(
                url, content=body, headers=headers, timeout=_CALLBACK_TIMEOUT_S
            )
            delivered = response.is_success
            told = str(response.status_code)
        except httpx.HTTPError as error:
            delivered = False
            told = type(error).__name__
        attempts = row["attempts"] + 1
        if delivered:
            state = "delivered"
        elif attempts < _CALLBACK_ATTEMPTS:
            state = "pending"
        else:
            state = "abandoned"
            _log.warning("callback %s abandoned after %s attempts: %s", row["id"], attempts, told)
        backoff_ms = min(_LONGEST_BACKOFF_MS, 200 * 2 ** row["attempts"])
        next_ms = self._config.now_ms() + backoff_ms
        return {"of_id": row["id"], "new_state": state, "new_attempts": attempts, "new_next_ms": next_ms}


def _record(connection: Connection, outcomes: list[dict[str, Any]]) -> None:
    connection.execute(
        update(outbox)
        .where(outbox.c.id == bindparam("of_id"))
        .values(
            state=bindparam("new_state"),
            attempts=bindparam("new_attempts"),
            next_attempt_ms=bindparam("new_next_ms"),
        ),
        outcomes,
    )
