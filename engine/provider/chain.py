"""What a provider node reads on chain, by its own endpoint: keys, purposes, consent, tasks. And what it puts
there, signed with its own key: what it holds, and what it does of a task."""

from collections.abc import Callable, Collection
from datetime import datetime
from functools import partial
from threading import Lock
from typing import NamedTuple

from eth_account.signers.local import LocalAccount

from engine.chain.contracts import (
    PROVIDER_ROLE,
    SENSITIVE_PERSONAL,
    AuthorizationRegistry,
    Bytes32,
    DataCatalog,
    Liveness,
    TaskOnChain,
    TaskScheduler,
)
from engine.chain.deploy import Deployment, verify
from engine.chain.eip712 import case_typed_data, signer_of
from engine.chain.errors import ContractRefused
from engine.chain.events import ChainEvent, read_events
from engine.chain.fees import FeePolicy
from engine.chain.keys import PROVIDER
from engine.chain.sender import Call, Sender, SendPolicy, TxRef
from engine.chain.transport import Chain
from engine.chain.wiring import check_wiring
from engine.evidence.manifest import provider_dataset
from engine.provider.settings import ProviderSettings


class _Contracts(NamedTuple):
    registry: AuthorizationRegistry
    catalog: DataCatalog
    scheduler: TaskScheduler
    first_block: int
    """With any of them."""


class ProviderChain:
    """The contracts of the manifest, and no others: chain, genesis and code are compared before the first
    answer is believed. Every reading raises ChainUnavailable; the first also WrongChain, DeploymentInvalid.

    Whatever is sent raises ContractRefused, TransactionUnknown, FeeTooHigh, RpcError too.
    """

    def __init__(
        self, chain: Chain, settings: ProviderSettings, account: LocalAccount, clock: Callable[[], datetime]
    ) -> None:
        self.address = account.address
        self.dataset = provider_dataset(account.address)
        """This provider's discharges in the catalogue."""
        self._chain = chain
        self._account = account
        self._manifest = settings.manifest
        self._roll_dataset = settings.roll_dataset
        self._policy = SendPolicy(fees=FeePolicy(settings.chain_gas_price_wei, settings.chain_max_fee_wei))
        self._clock = clock
        self._opening = Lock()
        self._contracts: _Contracts | None = None

    # The roll and consent

    def newest_epoch(self) -> int:
        """Of the roll's matching keys; 0: none was ever published."""
        return self._open().catalog.latest_epoch(self._roll_dataset)

    def matching_key(self, epoch: int) -> bytes | None:
        """32 bytes; None where it was withdrawn, or never published."""
        try:
            return self._open().catalog.matching_key_of(self._roll_dataset, epoch)
        except ContractRefused:
            return None

    def roll_updates(self) -> dict[bytes, bytes]:
        """Which update -> the digest that everybody was told first: engine.evidence.manifest.roll_update."""
        return self._open().catalog.first_versions(self._roll_dataset)

    def refusal(self, scope: str, subject: str | None, authorization: str | None) -> str | None:
        """Why nothing may be released for this purpose under this authorization now, as a code; None: it may.

        Now is this machine's time, or the chain's where that is ahead: a grant carries the time of its block.
        """
        registry, catalog, *_ = self._open()
        try:
            catalog.require_usable(self.dataset, scope)
        except ContractRefused as error:
            return f"purpose.{_snake(error.error_name)}"
        if subject is None or authorization is None:
            return "consent.none"
        at = int(self._clock().timestamp())
        liveness = registry.liveness(authorization, scope, subject, at)
        if liveness is Liveness.NOT_YET_GRANTED:
            head = self._chain.request("eth_getBlockByNumber", ["latest", False])
            liveness = registry.liveness(authorization, scope, subject, max(at, int(head["timestamp"], 16)))
        return None if liveness is Liveness.LIVE else f"consent.{liveness.name.lower()}"

    # What it holds

    def is_appointed(self) -> bool:
        """Whether it may put anything on chain."""
        _, catalog, scheduler, _ = self._open()
        return all(one.has_role(PROVIDER_ROLE, self.address) for one in (catalog, scheduler))

    def owner_of_dataset(self) -> str | None:
        """Lower-case address of who registered `dataset`; None: nobody has."""
        owner = self._open().catalog.provider_of(self.dataset)
        return owner if int(owner, 16) else None

    def register_dataset(self, scopes: Collection[bytes]) -> None:
        """`dataset` is on chain, for these purposes and no others. Again, or after a crash, is no change.

        Raises ContractRefused NotTheProvider where another account has registered it.
        """
        catalog, dataset = self._open().catalog, self.dataset
        if self.owner_of_dataset() is None:
            _unless_done("DatasetExists", partial(catalog.register, dataset, SENSITIVE_PERSONAL, [*scopes]))
        for scope in scopes:
            if not catalog.lists(dataset, scope):
                _unless_done("PurposeRepeated", partial(catalog.list_purpose, dataset, scope))
        for scope in self._ever_listed().difference(scopes):
            if catalog.lists(dataset, scope):
                _unless_done("PurposeNotListed", partial(catalog.delist_purpose, dataset, scope))

    def _ever_listed(self) -> set[bytes]:
        catalog = self._open().catalog
        events = self._events(catalog, "PurposeListed", datasetId=self.dataset)
        return {bytes.fromhex(event.args["purpose"][2:]) for event in events}

    # Tasks

    def tasks_of(self, dataset: bytes, since_block: int = 0) -> list[ChainEvent]:
        """TaskOpened, of every task over the dataset that was opened in that block or a later one."""
        return self._events(self._open().scheduler, "TaskOpened", since_block, datasetId=dataset)

    def head(self) -> int:
        """The newest block's number."""
        return int(self._chain.request("eth_blockNumber", []), 16)

    def task(self, task_id: Bytes32) -> TaskOnChain:
        return self._open().scheduler.task_of(task_id)

    def accept(self, task_id: bytes) -> TxRef:
        return self._open().scheduler.accept(task_id)

    def start(self, task_id: bytes) -> TxRef:
        return self._open().scheduler.start(task_id)

    def heartbeat(self, task_id: bytes) -> TxRef:
        return self._open().scheduler.heartbeat(task_id)

    def fail(self, task_id: bytes, reason_digest: bytes) -> TxRef:
        return self._open().scheduler.fail(task_id, reason_digest)

    def commit_result(self, task_id: bytes, result_digest: bytes) -> TxRef:
        return self._open().scheduler.commit_result_as_provider(task_id, result_digest)

    def case_signer(self, case_digest: bytes, task_id: str, signature: bytes) -> str:
        """Whose key has signed that the case was given out under the task. Raises ValueError for bytes that
        are no signature."""
        chain_id = int(self._chain.request("eth_chainId", []), 16)
        scheduler = self._open().scheduler.address
        typed = case_typed_data(
            case_digest, bytes.fromhex(task_id[2:]), chain_id=chain_id, scheduler=scheduler
        )
        try:
            return signer_of(typed, signature)
        except Exception as error:  # the library's own kinds are many
            raise ValueError("no signature") from error

    def close(self) -> None:
        self._chain.close()

    def _events(
        self, contract: DataCatalog | TaskScheduler, event: str, since_block: int = 0, **indexed: bytes
    ) -> list[ChainEvent]:
        head = self.head()
        first = max(since_block, self._open().first_block)
        abis = {contract.name: (contract.address, contract.abi)}
        return read_events(self._chain, abis, first, head, contract.abi.topics(event, indexed))

    def _open(self) -> _Contracts:
        with self._opening:
            if self._contracts is None:
                self._contracts = self._opened(Deployment.read(self._manifest))
            return self._contracts

    def _opened(self, deployment: Deployment) -> _Contracts:
        chain_id = int(self._chain.request("eth_chainId", []), 16)
        # Whose keys the insurer's are is for the insurer to see to.
        verify(self._chain, chain_id, deployment.roles, deployment)
        check_wiring(self._chain, deployment.addresses)
        sender = Sender(self._chain, chain_id, PROVIDER, self._account, self._policy)

        def send(role: str, call: Call) -> TxRef:
            if role != PROVIDER:
                raise NotImplementedError(f"a provider node has no key of the role {role}")
            return sender.send(call)

        at = deployment.addresses
        return _Contracts(
            AuthorizationRegistry(at[AuthorizationRegistry.name], self._chain, send),
            DataCatalog(at[DataCatalog.name], self._chain, send),
            TaskScheduler(at[TaskScheduler.name], self._chain, send),
            deployment.block,
        )


def _unless_done(done: str, send: Callable[[], object]) -> None:
    """Send it, unless an earlier sending, which a crash kept from being heard of, has come through."""
    try:
        send()
    except ContractRefused as refused:
        if refused.error_name != done:
            raise


def _snake(name: str) -> str:
    """PurposeNotListed -> purpose_not_listed."""
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name).lstrip("_")
