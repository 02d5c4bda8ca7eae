"""Put the four contracts on a chain once, and recognise them afterwards.

Deploying can stop anywhere and be run again: what is done is read off the chain, never remembered. The
deployer's own account numbers its contracts (CREATE), so they are found by its address and nonces.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eth._utils.address import generate_contract_address
from eth_utils.address import to_canonical_address, to_checksum_address
from eth_utils.crypto import keccak

from engine.chain.artifacts import CATALOG, DEPLOY_ORDER, REGISTRY, RESULTS, SCHEDULER, load_artifact
from engine.chain.contracts import DEFAULT_ADMIN_ROLE, abi_of, role_id
from engine.chain.eip712 import NOBODY
from engine.chain.errors import DeploymentInvalid, WrongChain
from engine.chain.events import read_logs
from engine.chain.files import write_private
from engine.chain.keys import (
    ARBITER,
    DEPLOYER,
    ENROLMENT,
    GOVERNOR,
    PAUSER,
    PAYER,
    PROVIDER,
    RECORDER,
    REQUESTER,
    REVOKER,
    WITNESS,
)
from engine.chain.proofs import block_json
from engine.chain.sender import Call, TxRef
from engine.chain.transport import Chain

_EVERYWHERE = {DEFAULT_ADMIN_ROLE: GOVERNOR, "PAUSER_ROLE": PAUSER}
ROLE_HOLDERS = {
    REGISTRY: {"ENROLMENT_ROLE": ENROLMENT, "REVOKER_ROLE": REVOKER, **_EVERYWHERE},
    CATALOG: {"PROVIDER_ROLE": PROVIDER, **_EVERYWHERE},
    SCHEDULER: {
        "PROVIDER_ROLE": PROVIDER,
        "REQUESTER_ROLE": REQUESTER,
        "ARBITER_ROLE": ARBITER,
        **_EVERYWHERE,
    },
    RESULTS: {
        "RECORDER_ROLE": RECORDER,
        "PAYER_ROLE": PAYER,
        "ENGINE_WITNESS_ROLE": WITNESS,
        **_EVERYWHERE,
    },
}
"""Contract -> on-chain role -> the key of ours that holds it, from the constructor on."""

Appointed = Mapping[str, Mapping[str, Sequence[str]]]
"""Contract -> on-chain role -> addresses of others that hold it from the constructor on (witnesses, say)."""

SendGroup = Callable[[list[Call]], list[TxRef]]


@dataclass(frozen=True, slots=True)
class Deployment:
    """The manifest: which chain, which contracts, whose keys. Addresses are checksummed.

    block: the first block with any of the contracts, where an event reader starts.
    artifacts: contract -> sha256 of its runtime bytecode before immutables (Artifact.digest).
    code_hashes: contract -> keccak of its code on chain. transactions: contract -> creating transaction.
    """

    chain_id: int
    genesis_hash: str
    block: int
    addresses: dict[str, str]
    roles: dict[str, str]
    transactions: dict[str, str]
    artifacts: dict[str, str]
    code_hashes: dict[str, str]

    def write(self, path: Path) -> None:
        write_private(
            path, (json.dumps({"format": 1, **asdict(self)}, indent=1, sort_keys=True) + "\n").encode()
        )

    @classmethod
    def read(cls, path: Path) -> "Deployment":
        """Raises DeploymentInvalid."""
        try:
            document: dict[str, Any] = json.loads(path.read_bytes())
            if document.pop("format") != 1:
                raise DeploymentInvalid(f"{path}: format is not 1")
            return cls(**document)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise DeploymentInvalid(f"{path}: not a deployment manifest ({error})") from error


class Deployer:
    """Deploys what the chain says is still missing. Constructors appoint: the deployer never holds a role."""

    def __init__(
        self, chain: Chain, chain_id: int, roles: dict[str, str], send: SendGroup, appointed: Appointed
    ) -> None:
        self._chain = chain
        self._chain_id = chain_id
        self._roles = roles
        self._send = send
        self._appointed = appointed

    def run(self) -> Deployment:
        """Raises ContractRefused, TransactionUnknown, ChainUnavailable; run again to go on."""
        return self._describe(self._deploy())

    def _deploy(self) -> dict[str, str]:
        deployer = self._roles[DEPLOYER]
        nonce = int(self._chain.request("eth_getTransactionCount", [deployer, "latest"]), 16)
        addresses = self._find(nonce)
        calls: list[Call] = []
        for name in DEPLOY_ORDER:
            if name not in addresses:
                addresses[name] = _created(deployer, nonce + len(calls))
                abi, refusals = abi_of(name)
                arguments = abi.constructor_data(_constructor_arguments(name, self._holders(name), addresses))
                calls.append(Call(None, load_artifact(name).bytecode + arguments, refusals))
        if calls:
            self._send(calls)
        for name, address in addresses.items():
            if not load_artifact(name).matches(code_at(self._chain, address)):
                raise DeploymentInvalid(
                    f"{name} did not get the address {address}: the deployer's key is in use elsewhere"
                )
        return addresses

    def _find(self, nonces: int) -> dict[str, str]:
        """The contracts that this deployer has created already, in order."""
        found: dict[str, str] = {}
        missing = list(DEPLOY_ORDER)
        for nonce in range(nonces):
            address = _created(self._roles[DEPLOYER], nonce)
            if missing and load_artifact(missing[0]).matches(code_at(self._chain, address)):
                found[missing.pop(0)] = address
        return found

    def _holders(self, name: str) -> list[tuple[bytes, str]]:
        """The constructor's RoleHolder structs."""
        ours = [(role_id(role), self._roles[key]) for role, key in ROLE_HOLDERS[name].items()]
        others = self._appointed.get(name, {})
        return ours + [(role_id(role), account) for role, held in others.items() for account in held]

    def _describe(self, addresses: dict[str, str]) -> Deployment:
        transactions, first = self._creations(set(addresses.values()))
        return Deployment(
            chain_id=self._chain_id,
            genesis_hash=block_json(self._chain, 0)["hash"],
            block=first,
            addresses={name: addresses[name] for name in DEPLOY_ORDER},
            roles=dict(self._roles),
            transactions={name: transactions[addresses[name]] for name in DEPLOY_ORDER},
            artifacts={name: load_artifact(name).digest for name in DEPLOY_ORDER},
            code_hashes={name: _code_hash(code_at(self._chain, addresses[name])) for name in DEPLOY_ORDER},
        )

    def _creations(self, wanted: set[str]) -> tuple[dict[str, str], int]:
        """Address -> creating transaction, and the first block; found through the RoleGranted each emits."""
        topic = "0x" + keccak(text="RoleGranted(bytes32,address,address)").hex()
        head = int(self._chain.request("eth_blockNumber", []), 16)
        logs = list(read_logs(self._chain, sorted(wanted), 0, head, [topic]))
        found: dict[str, str] = {}
        for log in logs:
            found.setdefault(to_checksum_address(log["address"]), log["transactionHash"])
        return found, min(int(log["blockNumber"], 16) for log in logs)


def verify(chain: Chain, chain_id: int, roles: dict[str, str], deployment: Deployment) -> None:
    """That this is the chain, and these the contracts and keys, of the manifest.

    Raises WrongChain for another chain or bytecode, DeploymentInvalid for other keys or another build.
    """
    if chain_id != deployment.chain_id:
        raise WrongChain(f"chain id is {chain_id}, the deployment was made on {deployment.chain_id}")
    genesis = block_json(chain, 0)["hash"]
    if genesis != deployment.genesis_hash:
        raise WrongChain(f"genesis is {genesis}, the deployment was made on {deployment.genesis_hash}")
    for name in DEPLOY_ORDER:
        artifact = load_artifact(name)
        if deployment.artifacts.get(name) != artifact.digest:
            raise DeploymentInvalid(f"{name} was deployed from another build than the committed artifact")
        code = code_at(chain, deployment.addresses[name])
        if not artifact.matches(code) or _code_hash(code) != deployment.code_hashes.get(name):
            raise WrongChain(f"{name}: the code at {deployment.addresses[name]} is not the one deployed")
    if roles != deployment.roles:
        raise DeploymentInvalid("the role keys are not the ones the contracts were deployed with")


def code_at(chain: Chain, address: str) -> bytes:
    return bytes.fromhex(chain.request("eth_getCode", [address, "latest"])[2:])


def _constructor_arguments(
    name: str, holders: list[tuple[bytes, str]], addresses: dict[str, str]
) -> tuple[object, ...]:
    if name == SCHEDULER:
        return holders, addresses[CATALOG]
    if name == RESULTS:
        return holders, addresses[REGISTRY], addresses[SCHEDULER], NOBODY
    return (holders,)


def _created(deployer: str, nonce: int) -> str:
    return to_checksum_address(generate_contract_address(to_canonical_address(deployer), nonce))


def _code_hash(code: bytes) -> str:
    return "0x" + keccak(code).hex()
