"""A checkpoint of a long access log, on SQLite and the embedded chain: the processor time of each step.

The log is written by this bench itself; from the first entry's digest on, everything is the engine's own.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from statistics import median

from eth_account import Account
from eth_account.signers.local import LocalAccount
from sqlalchemy import insert

from engine.chain import eip712
from engine.fsck import database as fsck_database
from engine.fsck.log import check_access_log
from engine.fsck.report import Findings
from engine.pipeline import checkpoints
from engine.pipeline.context import Context
from engine.pipeline.log_tree import extend
from engine.store import access_log
from engine.store.database import Database
from engine.store.tables import AccessEntry
from tests.api.world import opened
from tests.bench import Row
from tests.bench.stage import folder

_ENTRIES = 1_000_000
_BEFORE = _ENTRIES - 12_345
"""Where the checkpoint before it stood: a day of a city's calls ago."""
_AT_ONCE = 10_000
_TIMES = 21
_AUDITOR: LocalAccount = Account.from_key(bytes([1]) * 32)


def run() -> list[Row]:
    with folder("checkpoint") as place:
        settings = {"witnesses": f"auditor:{_AUDITOR.address}"}
        with opened(place / "engine", **settings) as (ctx, _):
            _write(ctx.database, _ENTRIES)
            taken_in = _seconds(lambda: _take_in(ctx))
            first_gas = _checkpoint(ctx, _BEFORE)[1]
            proposing = [_seconds(lambda: checkpoints.propose(ctx)) for _ in range(_TIMES)]
            proposal = checkpoints.propose(ctx)
            assert proposal is not None
            whole, gas = _checkpoint(ctx, _ENTRIES)
            latest = ctx.chain.results.latest_checkpoint()
            with_head = _fsck(ctx, (latest.size, latest.root))
            without = _fsck(ctx, (0, b""))
    at = f"at {_ENTRIES:,} entries"
    return [
        Row("an entry into the tree, checked", "µs", taken_in / _ENTRIES * 1e6),
        Row(f"propose: head and consistency proof, verified, {at}", "ms", median(proposing) * 1e3),
        Row("the consistency proof", "hashes", len(proposal.consistency)),
        Row(f"co-sign and record, embedded chain, {at}", "ms", whole * 1e3),
        Row("recordCheckpoint, the first", "gas", first_gas),
        Row(f"recordCheckpoint, {_ENTRIES - _BEFORE:,} entries on, {at}", "gas", gas),
        Row(f"fsck of the log and its head, {at}", "s", with_head),
        Row(f"fsck of the log without a head to compare, {at}", "s", without),
    ]


def _write(database: Database, count: int) -> None:
    """A chained log, in bulk: what appending one by one writes too."""
    previous = access_log.GENESIS
    for start in range(0, count, _AT_ONCE):
        rows = []
        for seq in range(start + 1, start + _AT_ONCE + 1):
            entry = _entry(seq, previous)
            previous = entry.digest
            rows.append(entry.model_dump())
        with database.transaction() as session:
            session.connection().execute(insert(AccessEntry), rows)


def _entry(seq: int, previous: str) -> AccessEntry:
    entry = AccessEntry(
        seq=seq,
        at=datetime.fromtimestamp(1_750_000_000 + seq, UTC),
        request_id=f"{seq:032x}",
        key_id=f"{seq % 100:016x}",
        role="hospital",
        principal="H31010100001",
        method="POST",
        path="/v1/settlements#clm_4f1c9a0d27b35e6688aa01c2",
        status=202,
        remote="10.0.0.1",
        previous_digest=previous,
        digest="",
    )
    entry.digest = access_log._digest(entry)
    return entry


def _take_in(ctx: Context) -> None:
    while extend(ctx.database):
        pass


def _checkpoint(ctx: Context, size: int) -> tuple[float, int]:
    """Processor seconds from a signature's arrival to the checkpoint on chain, and its gas."""
    proposal = checkpoints.propose(ctx, size)
    assert proposal is not None
    signature = "0x" + eip712.sign(proposal.typed_data, _AUDITOR).hex()

    def sign_and_record() -> None:
        checkpoints.co_sign(ctx, size, _AUDITOR.address, signature)
        checkpoints.record_signed(ctx)

    seconds = _seconds(sign_and_record)
    head = ctx.chain.results.latest_checkpoint()
    assert head == proposal.head
    tx = ctx.chain.results.checkpoint_transaction(head, ctx.chain.deployment.block)
    return seconds, int(ctx.chain.request("eth_getTransactionReceipt", [tx])["gasUsed"], 16)


def _fsck(ctx: Context, checkpoint: tuple[int, bytes]) -> float:
    with _reading(ctx) as entries:
        findings = Findings()
        seconds = _seconds(lambda: check_access_log(entries, checkpoint, findings))
    assert not findings.differences
    return seconds


@contextmanager
def _reading(ctx: Context) -> Iterator[Iterator[fsck_database.AccessEntry]]:
    with fsck_database.reading(ctx.settings.database) as connection:
        yield fsck_database.access_log(connection)


def _seconds(work: Callable[[], object]) -> float:
    """Of processor time, the embedded chain's included: what others do on the machine is not in it."""
    started = time.process_time()
    work()
    return time.process_time() - started
