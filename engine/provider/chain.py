"""What a provider node reads on chain, by its own endpoint: keys, purposes, consent. It sends nothing."""

from collections.abc import Callable
from datetime import datetime
from threading import Lock
from typing import NamedTuple, NoReturn

from engine.chain.contracts import AuthorizationRegistry, DataCatalog, Liveness, TaskScheduler, TaskTerms
from engine.chain.deploy import Deployment, verify
from engine.chain.eip712 import case_typed_data, signer_of
from engine.chain.errors import ContractRefused
from engine.chain.sender import Call
from engine.chain.transport import Chain
from engine.chain.wiring import check_wiring
from engine.provider.settings import ProviderSettings


class _Contracts(NamedTuple):
    registry: AuthorizationRegistry
    catalog: DataCatalog
    scheduler: TaskScheduler


class ProviderChain:
    """The contracts of the manifest, and no others: chain, genesis and code are compared before the first
    answer is believed. Every reading raises ChainUnavailable; the first also WrongChain, DeploymentInvalid.
    """

    def __init__(self, chain: Chain, settings: ProviderSettings, clock: Callable[[], datetime]) -> None:
        self._chain = chain
        self._manifest = settings.manifest
        self._dataset = settings.dataset
        self._roll_dataset = settings.roll_dataset
        self._clock = clock
        self._opening = Lock()
        self._contracts: _Contracts | None = None

    def newest_epoch(self) -> int:
        """Of the roll's matching keys; 0: none was ever published."""
        return self._open()[1].latest_epoch(self._roll_dataset)

    def matching_key(self, epoch: int) -> bytes | None:
        """32 bytes; None where it was withdrawn, or never published."""
        try:
            return self._open()[1].matching_key_of(self._roll_dataset, epoch)
        except ContractRefused:
            return None

    def refusal(self, scope: str, subject: str | None, authorization: str | None) -> str | None:
        """Why nothing may be released for this purpose under this authorization now, as a code; None: it may.

        Now is this machine's time, or the chain's where that is ahead: a grant carries the time of its block.
        """
        registry, catalog, *_ = self._open()
        try:
            catalog.require_usable(self._dataset, scope)
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

    def task_terms(self, task_id: str) -> TaskTerms:
        """What a task was opened with."""
        return self._open().scheduler.terms_of(task_id)

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

    def _open(self) -> _Contracts:
        with self._opening:
            if self._contracts is None:
                deployment = Deployment.read(self._manifest)
                verify(
                    self._chain,
                    int(self._chain.request("eth_chainId", []), 16),
                    deployment.roles,  # whose keys they are is for the insurer to see to
                    deployment,
                )
                check_wiring(self._chain, deployment.addresses)
                at = deployment.addresses
                self._contracts = _Contracts(
                    AuthorizationRegistry(at[AuthorizationRegistry.name], self._chain, _sends_nothing),
                    DataCatalog(at[DataCatalog.name], self._chain, _sends_nothing),
                    TaskScheduler(at[TaskScheduler.name], self._chain, _sends_nothing),
                )
            return self._contracts


def _sends_nothing(role: str, call: Call) -> NoReturn:
    raise NotImplementedError(f"a provider node only reads: it has no key of the {role}")


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
