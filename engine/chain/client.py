"""The chain client: one for the embedded chain and for any EVM node, by one setting."""

import os
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from engine.chain import proofs
from engine.chain.abi import ContractAbi
from engine.chain.backend import ChainSpec
from engine.chain.contracts import (
    AuthorizationRegistry,
    Contract,
    DataCatalog,
    MatchResultStore,
    TaskScheduler,
)
from engine.chain.deploy import Appointed, Deployer, Deployment, verify
from engine.chain.eip712 import TypedData, sign
from engine.chain.embedded import EmbeddedChain
from engine.chain.errors import DeploymentInvalid, WrongChain
from engine.chain.events import ChainEvent, read_events
from engine.chain.failover import EndpointView, FailoverChain
from engine.chain.keys import DEPLOYER, RoleKeys
from engine.chain.sender import Call, Sender, SendPolicy, TxRef
from engine.chain.transport import Chain, HttpChain
from engine.chain.wiring import check_wiring

EMBEDDED_CHAIN_ID = 0x6175746F
"""A number of our own ("auto"), so that no wallet takes the embedded chain for a public one."""

_C = TypeVar("_C", bound=Contract)


@dataclass(frozen=True, slots=True)
class ChainSettings:
    """Where the chain is and who we are on it.

    rpc_url: an EVM JSON-RPC endpoint, or several of one chain with commas between; None for the embedded
        chain in the file `embedded_path`.
    confirmations: blocks on top of an event before it counts; 0 where nothing is ever reorganised.
    clock: aware time; the embedded chain stamps its blocks with it. rng(n): n random bytes, for new keys.
    appointed: who else holds roles from the deployment on; later changes are announced and take two days.
    chain_id: demanded of the endpoint; None accepts any there, and means EMBEDDED_CHAIN_ID embedded.
    """

    rpc_url: str | None
    embedded_path: Path
    confirmations: int
    keystore_dir: Path
    passphrase: str = field(repr=False)
    clock: Callable[[], datetime]
    rng: Callable[[int], bytes] = os.urandom
    chain_id: int | None = None
    scrypt_n: int = 2**14
    send_policy: SendPolicy = field(default_factory=SendPolicy)
    appointed: Appointed = field(default_factory=dict)


class ChainClient:
    """Synchronous and thread-safe. `deploy_or_load` first, then the four contracts are there."""

    registry: AuthorizationRegistry
    catalog: DataCatalog
    scheduler: TaskScheduler
    results: MatchResultStore

    def __init__(self, chain: Chain, chain_id: int, keys: RoleKeys, settings: ChainSettings) -> None:
        self.chain = chain
        self.chain_id = chain_id
        self._settings = settings
        self._keys = keys
        self._roles = keys.addresses()
        self._senders = {
            role: Sender(chain, chain_id, role, keys[role], settings.send_policy) for role in keys
        }
        self._deployment: Deployment | None = None

    @classmethod
    def open(cls, settings: ChainSettings) -> "ChainClient":
        """Make the role keys and the embedded chain if they are missing, and connect.

        Raises KeystoreInvalid, ChainLocked, ChainUnavailable, WrongChain.
        """
        keys = RoleKeys.load_or_create(
            settings.keystore_dir, settings.passphrase, settings.rng, settings.scrypt_n
        )
        chain = _open_chain(settings, keys)
        try:
            if isinstance(chain, FailoverChain):
                chain.admit(_SameChain())
            chain_id = int(chain.request("eth_chainId", []), 16)
            if settings.chain_id is not None and chain_id != settings.chain_id:
                raise WrongChain(f"chain id is {chain_id}, the setting demands {settings.chain_id}")
            return cls(chain, chain_id, keys, settings)
        except BaseException:
            chain.close()
            raise

    def deploy_or_load(self, manifest_path: Path) -> Deployment:
        """Deploy on the first start, finish what a crash interrupted, or verify what the manifest names.

        Raises WrongChain, DeploymentInvalid, and what sending raises.
        """
        if manifest_path.exists():
            deployment = Deployment.read(manifest_path)
            self._verify(self.chain, deployment)
        else:
            send = self._senders[DEPLOYER].send_group
            appointed = self._settings.appointed
            deployment = Deployer(self.chain, self.chain_id, self._roles, send, appointed).run()
            deployment.write(manifest_path)
        if isinstance(self.chain, FailoverChain):
            self.chain.admit(lambda endpoint: self._verify(endpoint, deployment), deployment.block)
        self._deployment = deployment
        self.registry = self._bind(AuthorizationRegistry, deployment)
        self.catalog = self._bind(DataCatalog, deployment)
        self.scheduler = self._bind(TaskScheduler, deployment)
        self.results = self._bind(MatchResultStore, deployment)
        return deployment

    @property
    def roles(self) -> dict[str, str]:
        """Role -> checksummed address; on a chain where gas costs money these need some."""
        return dict(self._roles)

    @property
    def deployment(self) -> Deployment:
        """Raises DeploymentInvalid before deploy_or_load."""
        if self._deployment is None:
            raise DeploymentInvalid("no deployment yet: call deploy_or_load first")
        return self._deployment

    # Blocks and events

    def block_number(self) -> int:
        return int(self.chain.request("eth_blockNumber", []), 16)

    def confirmed_block(self) -> int:
        """The last block with the configured number of blocks on top of it; -1 when there is none yet."""
        return max(-1, self.block_number() - self._settings.confirmations)

    def block_hash(self, block_number: int) -> str:
        """Raises ChainUnavailable for a block that is not there (any more)."""
        return str(proofs.block_json(self.chain, block_number)["hash"])

    def hash_at(self, block_number: int) -> str | None:
        """None where there is no such block (any more, or yet)."""
        block = self.chain.request("eth_getBlockByNumber", [hex(block_number), False])
        return None if block is None else str(block["hash"])

    def block_at(self, timestamp_s: int) -> int:
        """The first block of this time or later; the one after the head when there is none yet."""
        return bisect_left(range(self.block_number() + 1), timestamp_s, key=self.block_timestamp)

    def block_timestamp(self, block_number: int) -> int:
        """Seconds since 1970. Raises ChainUnavailable for a block that is not there."""
        return int(proofs.block_json(self.chain, block_number)["timestamp"], 16)

    def chain_time(self) -> int:
        """The time to judge liveness by, in seconds since 1970: the clock's, or the head's if that is ahead.

        A grant carries its block's time; by a wall clock that lags behind it would not be granted yet.
        """
        return max(self.block_timestamp(self.block_number()), int(self._settings.clock().timestamp()))

    def ahead_s(self) -> float:
        """Seconds by which the embedded chain's head runs ahead of the clock; hold batches back by it."""
        return self.chain.ahead_s()

    def events(self, from_block: int, to_block: int) -> list[ChainEvent]:
        """All four contracts' events in these blocks, both included, in (block_number, log_index) order."""
        contracts = (self.registry, self.catalog, self.scheduler, self.results)
        return read_events(self.chain, _abis(*contracts), from_block, to_block)

    def events_of(
        self, contract: Contract, from_block: int, to_block: int, event: str | None = None, **indexed: Any
    ) -> list[ChainEvent]:
        """One contract's events, or those of one name with these values of indexed parameters."""
        topics = [] if event is None else contract.abi.topics(event, indexed)
        return read_events(self.chain, _abis(contract), from_block, to_block, topics)

    # Proofs

    def proof(self, address: str, slots: Sequence[bytes], block_number: int) -> proofs.AccountProof:
        return proofs.account_proof(self.chain, address, slots, block_number)

    def receipt_proof(self, tx_hash: str) -> proofs.ReceiptProof:
        return proofs.receipt_proof(self.chain, tx_hash)

    def block_header_rlp(self, block_number: int) -> bytes:
        return proofs.block_header_rlp(self.chain, block_number)

    def sign(self, role: str, typed_data: TypedData) -> bytes:
        """That role's own signature, where a contract asks for one beside the sender's."""
        return sign(typed_data, self._keys[role])

    # The node itself

    def request(self, method: str, params: list[Any]) -> Any:
        """Raw JSON-RPC to the chain behind this client: what `ReadOnlyRpc(client)` offers."""
        return self.chain.request(method, params)

    def endpoints(self) -> list[EndpointView]:
        """What is known of each endpoint where there are several; else nothing."""
        return self.chain.endpoints() if isinstance(self.chain, FailoverChain) else []

    def close(self) -> None:
        self.chain.close()

    def _verify(self, chain: Chain, deployment: Deployment) -> None:
        verify(chain, int(chain.request("eth_chainId", []), 16), self._roles, deployment)
        check_wiring(chain, deployment.addresses)

    def _send(self, role: str, call: Call) -> TxRef:
        return self._senders[role].send(call)

    def _bind(self, kind: type[_C], deployment: Deployment) -> _C:
        return kind(deployment.addresses[kind.name], self.chain, self._send)


class _SameChain:
    """Every endpoint must be of the chain that the first to answer is of."""

    def __init__(self) -> None:
        self._first: tuple[str, str] | None = None

    def __call__(self, chain: Chain) -> None:
        found = str(chain.request("eth_chainId", [])), str(proofs.block_json(chain, 0)["hash"])
        self._first = self._first or found
        if found != self._first:
            raise WrongChain(f"chain id and genesis are {found}, another endpoint's are {self._first}")


def _abis(*contracts: Contract) -> dict[str, tuple[str, ContractAbi]]:
    return {contract.name: (contract.address, contract.abi) for contract in contracts}


def _open_chain(settings: ChainSettings, keys: RoleKeys) -> Chain:
    if settings.rpc_url is not None:
        urls = [url.strip() for url in settings.rpc_url.split(",") if url.strip()]
        return (
            HttpChain(urls[0])
            if len(urls) == 1
            else FailoverChain.of_urls(urls, settings.send_policy.elapsed)
        )
    prefunded = tuple(bytes.fromhex(address[2:]) for address in keys.addresses().values())
    spec = ChainSpec(chain_id=settings.chain_id or EMBEDDED_CHAIN_ID, prefunded=prefunded)
    return EmbeddedChain(settings.embedded_path, spec, lambda: settings.clock().timestamp())
