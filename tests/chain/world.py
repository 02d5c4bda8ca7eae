"""What the chain tests stand on: a clock that obeys, a deployed chain, and consent to record against."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from eth_account import Account

from engine.chain.client import ChainClient, ChainSettings
from engine.chain.contracts import Result, TaskKind
from engine.chain.eip712 import Grant, grant_typed_data, sign
from engine.chain.sender import SendPolicy, TxRef

YEAR_S = 365 * 86_400
_numbers = itertools.count(1)


def word() -> bytes:
    """32 bytes that no other call gave."""
    return Random(next(_numbers)).randbytes(32)


class Clock:
    """Stands still until told otherwise."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self.now = start

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def settings(folder: Path, clock: Callable[[], datetime], rpc_url: str | None = None) -> ChainSettings:
    return ChainSettings(
        rpc_url=rpc_url,
        embedded_path=folder / "chain.db",
        confirmations=0,
        keystore_dir=folder / "keys",
        passphrase="correct horse",
        clock=clock,
        rng=Random(7).randbytes,
        scrypt_n=2,
        send_policy=SendPolicy(timeout_s=20),
    )


@contextmanager
def opened(chain_settings: ChainSettings) -> Iterator[ChainClient]:
    client = ChainClient.open(chain_settings)
    try:
        yield client
    finally:
        client.close()


class Consent:
    """A running task, and grants of one insured person under its purpose."""

    def __init__(self, client: ChainClient) -> None:
        self.client = client
        self.now = client.block_timestamp(client.block_number())
        self.dataset, self.task, self.purpose = word(), word(), word()
        self.insured = Account.from_key(word())
        client.registry.admit_scope(self.purpose)
        client.catalog.register(self.dataset, 4, [self.purpose])
        deadline = self.now + YEAR_S
        client.scheduler.open(self.task, self.dataset, self.purpose, word(), deadline, TaskKind.STANDING)
        client.scheduler.accept(self.task)
        client.scheduler.start(self.task)

    def grant(self, count: int) -> tuple[list[Grant], TxRef]:
        grants, deadline, signatures = self.signed(count)
        return grants, self.client.registry.grant_batch(grants, deadline, signatures)

    def signed(self, count: int) -> tuple[list[Grant], int, list[bytes]]:
        """New grants, the deadline to relay them by, and the person's signatures, in order."""
        deadline = self.now + YEAR_S
        first = self.client.registry.nonces(self.insured.address)
        grants = [
            Grant(word(), self.purpose, word(), self.insured.address, self.now + YEAR_S) for _ in range(count)
        ]
        signatures = [
            sign(
                grant_typed_data(
                    grant,
                    nonce=first + index,
                    deadline=deadline,
                    chain_id=self.client.chain_id,
                    registry=self.client.registry.address,
                ),
                self.insured,
            )
            for index, grant in enumerate(grants)
        ]
        return grants, deadline, signatures

    def results(self, count: int) -> list[Result]:
        """New results, each with a live authorization."""
        return [Result(word(), word(), grant.id, grant.subject) for grant in self.grant(count)[0]]
