"""The same promises on every kind of chain: embedded, a real node over HTTP, and a network of validators."""

from pathlib import Path
from typing import Any, cast

import pytest
from eth_utils.crypto import keccak

from engine.chain.client import ChainClient
from engine.chain.contracts import (
    DEFAULT_ADMIN_ROLE,
    Confirmation,
    Liveness,
    PayoutState,
    Refusal,
    Result,
    TaskState,
)
from engine.chain.errors import ContractRefused, RpcError
from engine.chain.events import read_events
from engine.chain.proofs import AccountProof, ReceiptProof
from engine.chain.transport import Chain
from tests.chain.world import Consent, word

CHAINS = ["embedded_client", "anvil_client"]
ETHEREUM_PROOFS = pytest.mark.parametrize("client", CHAINS, indirect=True)
"""On chains whose blocks commit to Ethereum's tries; what the third proves instead is in tests/chain/bft."""


@pytest.fixture(scope="module", params=[*CHAINS, pytest.param("bft_client", marks=pytest.mark.bft)])
def client(request: pytest.FixtureRequest) -> ChainClient:
    found: ChainClient = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def consent(client: ChainClient) -> Consent:
    return Consent(client)


def test_a_result_goes_from_consent_to_paid(client: ChainClient, consent: Consent) -> None:
    (result,) = consent.results(1)
    assert client.scheduler.state_of(consent.task) is TaskState.RUNNING
    assert client.results.preview(consent.task, [result]) == [Refusal.NONE]
    recorded = client.results.record_batch(consent.task, [result])
    assert client.results.payout_state_of(result.claim_key, 1) is PayoutState.RECORDED
    client.results.confirm_payouts([Confirmation(result.claim_key, 1, word())])
    assert client.results.payout_state_of(result.claim_key, 1) is PayoutState.PAID
    assert recorded.gas_used > 21_000
    assert client.block_number() >= recorded.block_number


def test_a_revoked_authorization_cannot_be_recorded(client: ChainClient, consent: Consent) -> None:
    (result,) = consent.results(1)
    client.registry.revoke_for(result.authorization_id)
    assert (
        client.registry.liveness(result.authorization_id, consent.purpose, result.subject, consent.now)
        is Liveness.REVOKED
    )
    with pytest.raises(ContractRefused) as refused:
        client.results.record_batch(consent.task, [result])
    assert refused.value.error_name == "ItemRefused"
    assert refused.value.error_args == {
        "index": 0,
        "claimKey": "0x" + result.claim_key.hex(),
        "reason": Refusal.AUTHORIZATION_REVOKED,
    }


def test_a_refusal_changes_nothing_and_the_role_goes_on(client: ChainClient, consent: Consent) -> None:
    before = client.block_number()
    nonce = client.request("eth_getTransactionCount", [client.roles["recorder"], "pending"])
    stranger = Result(word(), word(), word(), word())
    with pytest.raises(ContractRefused):
        client.results.record_batch(consent.task, [stranger])
    assert client.events(before + 1, client.block_number()) == []
    assert client.request("eth_getTransactionCount", [client.roles["recorder"], "pending"]) == nonce
    client.results.record_batch(consent.task, consent.results(1))


def test_a_view_that_reverts_names_the_contracts_error(client: ChainClient, consent: Consent) -> None:
    unknown = word()
    with pytest.raises(ContractRefused, match="NotLive") as refused:
        client.registry.require_live(unknown, consent.purpose, word(), consent.now)
    assert refused.value.error_args == {"id": "0x" + unknown.hex(), "reason": Liveness.UNKNOWN}


def test_events_come_decoded_in_chain_order(client: ChainClient, consent: Consent) -> None:
    results = consent.results(3)
    recorded = client.results.record_batch(consent.task, results)
    events = client.events(recorded.block_number, recorded.block_number)
    assert [event.args["claimKey"] for event in events] == ["0x" + r.claim_key.hex() for r in results]
    assert [event.position for event in events] == [(recorded.block_number, index) for index in range(3)]
    first = events[0]
    assert (first.contract, first.name) == ("MatchResultStore", "ResultRecorded")
    assert first.args["taskId"] == "0x" + consent.task.hex()
    assert first.tx_hash == recorded.tx_hash
    assert first.block_hash == client.block_hash(recorded.block_number)


def test_events_of_the_whole_life_tell_who_was_appointed(client: ChainClient) -> None:
    appointed = [e for e in client.events(0, client.block_number()) if e.name == "RoleGranted"]
    # Nine offices, and a governor and a pauser of each of the four contracts.
    assert len(appointed) == 9 + 2 * 4
    deployer = client.roles["deployer"]
    assert {e.args["account"] for e in appointed} == set(client.roles.values()) - {deployer}


def test_the_deployer_is_a_nobody_and_the_governor_announces_whom_it_appoints(client: ChainClient) -> None:
    for contract in (client.registry, client.catalog, client.scheduler, client.results):
        assert not contract.has_role(DEFAULT_ADMIN_ROLE, client.roles["deployer"])
        assert contract.has_role(DEFAULT_ADMIN_ROLE, client.roles["governor"])
    newcomer, store = "0x" + "12" * 20, client.results
    announced = store.announce_role_change("PAYER_ROLE", newcomer, grants=True)
    not_before = client.block_timestamp(announced.block_number) + 2 * 86_400
    assert store.role_change_not_before("PAYER_ROLE", newcomer, grants=True) == not_before
    with pytest.raises(ContractRefused, match="RoleChangeTooEarly"):
        store.grant_role("PAYER_ROLE", newcomer)
    assert not store.has_role("PAYER_ROLE", newcomer)
    store.withdraw_role_change("PAYER_ROLE", newcomer, grants=True)
    assert store.role_change_not_before("PAYER_ROLE", newcomer, grants=True) == 0


def test_a_paused_contract_takes_revocations_only(client: ChainClient, consent: Consent) -> None:
    [grant], _ = consent.grant(1)
    client.registry.pause()
    assert client.registry.paused()
    with pytest.raises(ContractRefused, match="EnforcedPause"):
        consent.grant(1)
    client.registry.revoke_for(grant.id)
    client.registry.unpause()
    consent.grant(1)


@ETHEREUM_PROOFS
def test_the_header_bytes_hash_to_the_block(client: ChainClient) -> None:
    head = client.block_number()
    for number in (0, 1, head):
        assert "0x" + keccak(client.block_header_rlp(number)).hex() == client.block_hash(number)


@ETHEREUM_PROOFS
def test_an_account_proof_reaches_from_state_root_to_slot(client: ChainClient, consent: Consent) -> None:
    (result,) = consent.results(1)
    recorded = client.results.record_batch(consent.task, [result])
    slot = client.results.commitment_slot(result.claim_key)
    proof = client.proof(client.results.address, [slot, word()], recorded.block_number)
    held, absent = proof.storage
    assert bytes.fromhex(held.value[2:]) == client.results.commitment_of(result.claim_key) != bytes(32)
    assert int(absent.value, 16) == 0
    state_root = client.request("eth_getBlockByNumber", [hex(recorded.block_number), False])["stateRoot"]
    assert _hash(proof.account_proof[0]) == state_root
    assert _hash(held.proof[0]) == _hash(absent.proof[0]) == proof.storage_hash
    assert AccountProof.from_json(proof.to_json()) == proof


@ETHEREUM_PROOFS
def test_a_receipt_proof_reaches_from_receipts_root_to_receipt(client: ChainClient, consent: Consent) -> None:
    recorded = client.results.record_batch(consent.task, consent.results(2))
    proof = client.receipt_proof(recorded.tx_hash)
    block = client.request("eth_getBlockByNumber", [hex(recorded.block_number), False])
    assert _hash(proof.proof[0]) == block["receiptsRoot"]
    assert proof.receipt[2:] in proof.proof[-1]
    assert proof.block_hash == block["hash"]
    assert ReceiptProof.from_json(proof.to_json()) == proof


def test_a_wrong_number_of_bytes_is_refused_before_anything_is_sent(client: ChainClient) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        client.registry.revoke_for(b"short")
    with pytest.raises(ValueError, match="confirmPayouts"):
        client.results.confirm_payouts([Confirmation(word(), -1, word())])


def test_the_manifest_recognises_its_chain(client: ChainClient, tmp_path: Path) -> None:
    manifest = tmp_path / "deployment.json"
    client.deployment.write(manifest)
    assert client.deploy_or_load(manifest) == client.deployment


def _hash(node: str) -> str:
    return "0x" + keccak(bytes.fromhex(node[2:])).hex()


def test_events_are_read_in_pieces_that_the_node_allows(client: ChainClient, consent: Consent) -> None:
    """A node that answers at most twenty logs a request, whatever the range."""
    client.results.record_batch(consent.task, consent.results(9))
    head = client.block_number()
    whole = client.events(0, head)

    class Narrow:
        def request(self, method: str, params: list[Any]) -> Any:
            answer = client.chain.request(method, params)
            if method == "eth_getLogs" and len(answer) > 20:
                raise RpcError(-32000, "query returned more than 20 results")
            return answer

    contracts = {c.name: (c.address, c.abi) for c in (client.registry, client.catalog, client.scheduler)}
    contracts["MatchResultStore"] = (client.results.address, client.results.abi)
    assert read_events(cast(Chain, Narrow()), contracts, 0, head) == whole


def test_a_fresh_grant_is_live_by_the_chains_time(client: ChainClient, consent: Consent) -> None:
    grants, _ = consent.grant(1)
    grant = grants[0]
    assert (
        client.registry.liveness(grant.id, grant.scope, grant.subject, client.chain_time()) is Liveness.LIVE
    )
