"""kill -9 at any instant loses no acknowledged block and leaves no half of one."""

import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from engine.chain.embedded import EmbeddedChain
from tests.chain.test_embedded import ALICE, SPEC, signed
from tests.support.process import REPOSITORY

MINER = """
import itertools, sys, time
from pathlib import Path
from engine.chain.embedded import EmbeddedChain
from tests.chain.test_embedded import ALICE, BOB, CREATION, SPEC, signed

chain = EmbeddedChain(Path(sys.argv[1]), SPEC, time.time)
first = int(chain.request("eth_getTransactionCount", [ALICE.address, "latest"]), 16)
for nonce in itertools.count(first, 2):
    both = [signed(ALICE, nonce, None, CREATION), signed(ALICE, nonce + 1, BOB.address)]
    print(*chain.send(both), flush=True)
"""


@pytest.mark.parametrize("seed", range(4))
def test_a_killed_chain_reopens_at_its_last_acknowledged_block(seed: int, tmp_path: Path) -> None:
    random, path = Random(seed), tmp_path / "chain.db"
    acknowledged: list[str] = []
    for _ in range(2):
        acknowledged += _mine_until_killed(
            path, blocks=random.randrange(2, 15), delay_s=random.uniform(0, 0.012)
        )
        chain = EmbeddedChain(path, SPEC, time.time)
        try:
            _check(chain, acknowledged)
        finally:
            chain.close()


def _mine_until_killed(path: Path, blocks: int, delay_s: float) -> list[str]:
    """Let it acknowledge so many blocks, then kill it somewhere in the next ones."""
    command = [sys.executable, "-c", MINER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=REPOSITORY) as miner:
        assert miner.stdout is not None
        lines = [miner.stdout.readline() for _ in range(blocks)]
        time.sleep(delay_s)
        miner.kill()
        lines += miner.stdout.readlines()
    assert all(lines), "the miner ended by itself"
    # The kill may cut the last line short; what was not told was not acknowledged.
    return [tx for line in lines if line.endswith(b"\n") for tx in line.decode().split()]


def _check(chain: EmbeddedChain, acknowledged: list[str]) -> None:
    head = chain.request("eth_getBlockByNumber", ["latest", False])
    receipts = [chain.request("eth_getTransactionReceipt", [tx]) for tx in acknowledged]
    assert all(receipt is not None and receipt["status"] == "0x1" for receipt in receipts)
    nonce = int(chain.request("eth_getTransactionCount", [ALICE.address, "latest"]), 16)
    assert nonce >= len(acknowledged)
    assert nonce == 2 * int(head["number"], 16), "a block holds both of its transactions or is not there"
    parent = "0x" + "00" * 32
    for number in range(int(head["number"], 16) + 1):
        block = chain.request("eth_getBlockByNumber", [hex(number), False])
        assert block["parentHash"] == parent
        parent = block["hash"]
        # Loading an account walks the state trie of that block.
        chain.request("eth_getProof", [ALICE.address, [], hex(number)])
    assert isinstance(
        chain.send([signed(ALICE, nonce, ALICE.address), signed(ALICE, nonce + 1, ALICE.address)])[0], str
    )
