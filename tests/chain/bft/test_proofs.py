"""What four validators prove instead of Ethereum's tries, and that the client refuses to call it the same."""

import base64
import datetime as dt
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from engine.chain.client import ChainClient
from engine.chain.errors import ChainUnavailable, RpcError
from engine.chain.sender import TxRef
from tests.chain.world import Consent, word
from tests.support.bft import BftNetwork
from tests.support.comet import BlockId, Membership, membership, precommit

pytestmark = pytest.mark.bft


@pytest.fixture(scope="module")
def consent(bft_client: ChainClient) -> Consent:
    return Consent(bft_client)


def recorded(client: ChainClient, consent: Consent) -> tuple[bytes, TxRef]:
    """A claim's key, and the transaction that recorded its result."""
    (result,) = consent.results(1)
    return result.claim_key, client.results.record_batch(consent.task, [result])


def read(node: str) -> Membership:
    return membership(bytes.fromhex(node[2:]))


def test_a_slot_is_proven_against_the_next_blocks_state_root(
    bft_client: ChainClient, bft_network: BftNetwork, consent: Consent
) -> None:
    """Its state is an IAVL tree a module under one root; a header carries the root after the block before."""
    key, mined = recorded(bft_client, consent)
    slot = bft_client.results.commitment_slot(key)
    proof = bft_client.proof(bft_client.results.address, [slot], mined.block_number)
    held, module = (read(node) for node in proof.storage[0].proof)
    assert held.key[-52:] == bytes.fromhex(bft_client.results.address[2:]) + slot
    assert held.value == bft_client.results.commitment_of(key) != bytes(32)
    assert (module.key, module.value) == (b"evm", held.root)
    bft_network.wait_for_height(0, mined.block_number + 1)
    block = bft_client.request("eth_getBlockByNumber", [hex(mined.block_number + 1), False])
    assert "0x" + module.root.hex() == block["stateRoot"]


def test_three_of_four_validators_signed_the_hash_that_the_client_is_told(
    bft_client: ChainClient, bft_network: BftNetwork, consent: Consent
) -> None:
    """Which is why a block counts at once here, with `confirmations` zero."""
    _, mined = recorded(bft_client, consent)
    bft_network.wait_for_height(0, mined.block_number + 1)
    commit = ask(bft_network, "commit", mined.block_number)["signed_header"]["commit"]
    block_id = BlockId(
        bytes.fromhex(commit["block_id"]["hash"]),
        commit["block_id"]["parts"]["total"],
        bytes.fromhex(commit["block_id"]["parts"]["hash"]),
    )
    assert "0x" + block_id.hash.hex() == bft_client.block_hash(mined.block_number)
    keys = {
        validator["address"]: base64.b64decode(validator["pub_key"]["value"])
        for validator in ask(bft_network, "validators", mined.block_number)["validators"]
    }
    signatures = [one for one in commit["signatures"] if one["signature"]]
    assert len({one["validator_address"] for one in signatures}) >= 3
    for one in signatures:
        signed = precommit(
            bft_network.name, mined.block_number, commit["round"], block_id, nanoseconds(one["timestamp"])
        )
        key = Ed25519PublicKey.from_public_bytes(keys[one["validator_address"]])
        key.verify(base64.b64decode(one["signature"]), signed)


def test_no_header_is_handed_out_whose_bytes_do_not_hash_to_its_block(bft_client: ChainClient) -> None:
    with pytest.raises(RpcError, match="header fields this client does not know"):
        bft_client.block_header_rlp(bft_client.block_number())


def test_no_receipt_proof_is_handed_out_where_blocks_commit_to_no_receipts(
    bft_client: ChainClient, consent: Consent
) -> None:
    _, mined = recorded(bft_client, consent)
    with pytest.raises(ChainUnavailable, match="do not hash to its receipts root"):
        bft_client.receipt_proof(mined.tx_hash)


def test_absence_is_proven_by_neighbours_and_no_value(bft_client: ChainClient, consent: Consent) -> None:
    _, mined = recorded(bft_client, consent)
    (absent,) = bft_client.proof(bft_client.results.address, [word()], mined.block_number).storage
    assert int(absent.value, 16) == 0
    assert bytes.fromhex(absent.proof[0][2:])[0] >> 3 == 2, "a non-existence proof of ICS-23"


def ask(network: BftNetwork, path: str, height: int) -> Any:
    url = f"{network.validators[0].comet_url}/{path}"
    answer = httpx.get(url, params={"height": height}, trust_env=False)
    return answer.raise_for_status().json()["result"]


def nanoseconds(timestamp: str) -> tuple[int, int]:
    """RFC 3339 with up to nine decimals -> seconds since 1970, and the rest in nanoseconds."""
    second, _, fraction = timestamp.removesuffix("Z").partition(".")
    moment = dt.datetime.fromisoformat(second + "+00:00")
    return int(moment.timestamp()), int(fraction.ljust(9, "0") or 0)
