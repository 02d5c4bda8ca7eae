"""The embedded chain: durable, one owner, its own time."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_keys.backends.coincurve import CoinCurveECCBackend
from eth_keys.main import KeyAPI

from engine.chain.backend import ChainSpec
from engine.chain.embedded import EmbeddedChain
from engine.chain.errors import ChainLocked, ChainUnavailable, RpcError, WrongChain
from engine.chain.sqlite_db import SqliteDB
from tests.chain.world import Clock

CHAIN_ID = 4711
ALICE: LocalAccount = Account.from_key(b"\x01" * 32)
BOB: LocalAccount = Account.from_key(b"\x02" * 32)
SPEC = ChainSpec(CHAIN_ID, tuple(bytes.fromhex(account.address[2:]) for account in (ALICE, BOB)))
# Runtime: SSTORE(word 0, word 1), then LOG2 of 32 bytes with the topics 0x42 and word 0.
_RUNTIME = bytes.fromhex("602035600035556000356000526000356042602060 00a200".replace(" ", ""))
CREATION = bytes.fromhex(f"60{len(_RUNTIME):02x}600c60003960{len(_RUNTIME):02x}6000f3") + _RUNTIME
REVERTING = bytes.fromhex("60fe60005260206000fd")


def signed(account: LocalAccount, nonce: int, to: str | None, data: bytes = b"", **fields: Any) -> bytes:
    transaction: dict[str, Any] = {
        "chainId": CHAIN_ID,
        "nonce": nonce,
        "gas": 1_000_000,
        "maxFeePerGas": 10**10,
        "maxPriorityFeePerGas": 1,
        "value": 0,
        "data": data,
        **fields,
    }
    if to is not None:
        transaction["to"] = to
    return bytes(account.sign_transaction(transaction).raw_transaction)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chain.db"


def start(path: Path, clock: Clock, spec: ChainSpec = SPEC) -> EmbeddedChain:
    return EmbeddedChain(path, spec, lambda: clock().timestamp())


@pytest.fixture
def chain(path: Path, clock: Clock) -> Iterator[EmbeddedChain]:
    chain = start(path, clock)
    yield chain
    chain.close()


def head(chain: EmbeddedChain) -> dict[str, Any]:
    block: dict[str, Any] = chain.request("eth_getBlockByNumber", ["latest", True])
    return block


def test_what_was_acknowledged_is_there_after_a_restart(path: Path, clock: Clock) -> None:
    first = start(path, clock)
    outcomes = [first.send([signed(ALICE, nonce, BOB.address, value=5)])[0] for nonce in range(3)]
    before = head(first)
    first.close()
    again = start(path, clock)
    assert head(again) == before
    assert all(again.request("eth_getTransactionReceipt", [tx])["status"] == "0x1" for tx in outcomes)
    assert isinstance(again.send([signed(ALICE, 3, BOB.address)])[0], str)
    assert int(head(again)["number"], 16) == 4
    assert head(again)["parentHash"] == before["hash"]
    again.close()


def test_a_second_owner_is_told_who_has_the_file(chain: EmbeddedChain, path: Path, clock: Clock) -> None:
    with pytest.raises(ChainLocked, match="running engine"):
        start(path, clock)
    code = (
        "import sys; from pathlib import Path; from engine.chain.sqlite_db import SqliteDB\n"
        "from engine.chain.errors import ChainLocked\n"
        "try: SqliteDB(Path(sys.argv[1]))\n"
        "except ChainLocked as error: print(error); sys.exit(3)\n"
    )
    other = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False)
    assert (other.returncode, "JSON-RPC" in other.stdout) == (3, True), other.stderr
    assert chain.request("eth_blockNumber", []) == "0x0"


def test_a_chain_file_keeps_the_chain_id_it_was_made_with(path: Path, clock: Clock) -> None:
    start(path, clock).close()
    with pytest.raises(WrongChain, match="4711"):
        start(path, clock, ChainSpec(1, SPEC.prefunded))
    start(path, clock).close()


def test_blocks_carry_the_wall_clock_unless_the_chain_runs_ahead(chain: EmbeddedChain, clock: Clock) -> None:
    clock.advance(100)
    chain.send([signed(ALICE, 0, BOB.address)])
    assert int(head(chain)["timestamp"], 16) == clock().timestamp()
    assert chain.ahead_s() == 0
    for nonce in (1, 2, 3):
        chain.send([signed(ALICE, nonce, BOB.address)])
    assert int(head(chain)["timestamp"], 16) == clock().timestamp() + 3
    assert chain.ahead_s() == 3
    clock.advance(60)
    chain.send([signed(ALICE, 4, BOB.address)])
    assert (int(head(chain)["timestamp"], 16), chain.ahead_s()) == (clock().timestamp(), 0)


def test_a_pending_call_sees_the_time_of_the_next_block(chain: EmbeddedChain, clock: Clock) -> None:
    timestamp = {"data": "0x4260005260206000f3"}  # as init code: returns TIMESTAMP
    genesis = clock().timestamp()
    clock.advance(500)
    assert int(chain.request("eth_call", [timestamp, "latest"]), 16) == genesis
    assert int(chain.request("eth_call", [timestamp, "pending"]), 16) == genesis + 500


def test_transactions_sent_together_share_a_block(chain: EmbeddedChain) -> None:
    outcomes = chain.send([signed(ALICE, nonce, BOB.address) for nonce in range(5)])
    assert head(chain)["number"] == "0x1"
    assert [tx["hash"] for tx in head(chain)["transactions"]] == outcomes


def test_transactions_that_wait_together_share_a_block(chain: EmbeddedChain) -> None:
    """Two threads' transactions queue up behind a slow request and are mined at once."""
    busy, release = threading.Event(), threading.Event()

    def slow(*_: object) -> None:
        busy.set()
        release.wait()

    with ThreadPoolExecutor(3) as pool:
        blocker = pool.submit(_occupy, chain, slow)
        busy.wait()
        sent = [pool.submit(chain.send, [signed(account, 0, ALICE.address)]) for account in (ALICE, BOB)]
        while chain._jobs.qsize() < 2:
            pass
        release.set()
        blocker.result()
        assert all(isinstance(future.result()[0], str) for future in sent)
    assert (head(chain)["number"], len(head(chain)["transactions"])) == ("0x1", 2)


def _occupy(chain: EmbeddedChain, slow: Any) -> None:
    from engine.chain.embedded import _Read

    chain._submit(_Read(slow))


def test_a_transaction_that_would_revert_leaves_no_trace(chain: EmbeddedChain) -> None:
    before = head(chain)
    (outcome,) = chain.send([signed(ALICE, 0, None, REVERTING)])
    assert isinstance(outcome, RpcError)
    assert (outcome.code, outcome.data) == (3, "0x" + (0xFE).to_bytes(32, "big").hex())
    assert head(chain) == before
    assert chain.request("eth_getTransactionCount", [ALICE.address, "latest"]) == "0x0"


def test_a_refused_transaction_harms_no_other_in_its_block(chain: EmbeddedChain) -> None:
    outcomes = chain.send([
        signed(ALICE, 0, BOB.address, value=7),
        signed(ALICE, 1, None, REVERTING),
        signed(ALICE, 9, BOB.address),
        b"\x02not a transaction",
        signed(BOB, 0, ALICE.address, chainId=1),
        signed(ALICE, 1, None, CREATION),
        signed(BOB, 0, ALICE.address),
    ])  # fmt: skip
    assert [isinstance(outcome, RpcError) for outcome in outcomes] == [
        False,
        True,
        True,
        True,
        True,
        False,
        False,
    ]
    block = head(chain)
    assert [tx["hash"] for tx in block["transactions"]] == [o for o in outcomes if isinstance(o, str)]
    receipts = chain.request("eth_getBlockReceipts", [block["number"]])
    assert [receipt["status"] for receipt in receipts] == ["0x1"] * 3
    used = [int(receipt["gasUsed"], 16) for receipt in receipts]
    assert int(receipts[-1]["cumulativeGasUsed"], 16) == sum(used) == int(block["gasUsed"], 16)


def test_no_bytes_whatever_stop_the_chain(chain: EmbeddedChain) -> None:
    random, good = Random(1), signed(ALICE, 0, None, CREATION)
    garbage = [random.randbytes(random.randrange(100)) for _ in range(100)]
    for _ in range(300):
        broken = bytearray(good)
        broken[random.randrange(len(broken))] ^= 1 << random.randrange(8)
        garbage.append(bytes(broken))
    assert all(isinstance(outcome, RpcError) for outcome in chain.send(garbage))
    assert isinstance(chain.send([good])[0], str)


def test_what_does_not_fit_the_block_is_refused_and_can_be_sent_again(path: Path, clock: Clock) -> None:
    chain = start(path, clock, ChainSpec(CHAIN_ID, SPEC.prefunded, block_gas_limit=1_500_000))
    outcomes = chain.send([signed(ALICE, 0, BOB.address), signed(BOB, 0, ALICE.address, gas=1_490_000)])
    assert [type(outcome) for outcome in outcomes] == [str, RpcError]
    assert isinstance(chain.send([signed(BOB, 0, ALICE.address, gas=1_490_000)])[0], str)
    chain.close()


def test_gas_is_free_also_after_a_full_block_and_for_who_has_no_money(path: Path, clock: Clock) -> None:
    chain = start(path, clock, ChainSpec(CHAIN_ID, SPEC.prefunded, block_gas_limit=1_500_000))
    full = [signed(ALICE, nonce, None, CREATION, gas=60_000) for nonce in range(24)]
    assert all(isinstance(outcome, str) for outcome in chain.send(full))
    assert int(head(chain)["gasUsed"], 16) > 750_000, "over half of its limit"
    free = {"maxFeePerGas": 0, "maxPriorityFeePerGas": 0}
    assert isinstance(chain.send([signed(Account.create(), 0, None, CREATION, **free)])[0], str)
    assert head(chain)["baseFeePerGas"] == "0x0"
    chain.close()


def test_a_failing_disk_takes_the_whole_block_back(
    chain: EmbeddedChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = head(chain)

    def full(self: SqliteDB, meta: dict[str, str] | None = None) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(SqliteDB, "commit", full)
        with pytest.raises(OSError, match="disk full"):
            chain.send([signed(ALICE, 0, BOB.address)])
    assert head(chain) == before
    assert isinstance(chain.send([signed(ALICE, 0, BOB.address)])[0], str)
    assert head(chain)["parentHash"] == before["hash"]


def test_many_threads_read_and_send_at_once(chain: EmbeddedChain) -> None:
    def transfer(account: LocalAccount) -> bool:
        raws = [signed(account, nonce, ALICE.address) for nonce in range(8)]
        return all(isinstance(chain.send([raw])[0], str) for raw in raws)

    with ThreadPoolExecutor(6) as pool:
        readers = [pool.submit(chain.request, "eth_getBlockByNumber", ["latest", True]) for _ in range(20)]
        senders = [pool.submit(transfer, account) for account in (ALICE, BOB)]
        assert all(sender.result() for sender in senders)
        assert all(reader.result() for reader in readers)
    for account in (ALICE, BOB):
        assert chain.request("eth_getTransactionCount", [account.address, "latest"]) == "0x8"


def test_a_closed_chain_says_so(path: Path, clock: Clock) -> None:
    chain = start(path, clock)
    chain.close()
    chain.close()
    with pytest.raises(ChainUnavailable, match="closed"):
        chain.request("eth_blockNumber", [])


def test_signing_is_native() -> None:
    """coincurve signs in 0.7 ms where pure Python takes 5.9."""
    assert isinstance(KeyAPI().backend, CoinCurveECCBackend)
