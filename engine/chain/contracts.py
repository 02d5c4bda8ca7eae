"""The four contracts in Python: one method a contract function, each sending as the role that may.

A writing method returns when the transaction is mined and raises ContractRefused, TransactionUnknown or
ChainUnavailable. Ids, digests and keys are 32 bytes, given as bytes or 0x-hex; views return bytes.
Times are whole seconds since 1970.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import Any

from eth_utils.crypto import keccak

from engine.chain.abi import ContractAbi, RefusalDecoder
from engine.chain.artifacts import CATALOG, DEPLOY_ORDER, REGISTRY, RESULTS, SCHEDULER, load_artifact
from engine.chain.eip712 import Grant
from engine.chain.errors import RpcError
from engine.chain.keys import ENROLMENT, GOVERNOR, PAYER, PROVIDER, RECORDER, REQUESTER, REVOKER
from engine.chain.sender import Call, TxRef
from engine.chain.transport import Chain

__all__ = [
    "ADMIN_ROLE",
    "AuthorizationRegistry",
    "Bytes32",
    "Contract",
    "DataCatalog",
    "Grant",
    "GrantRefusal",
    "Liveness",
    "MatchResultStore",
    "PayoutRefusal",
    "PayoutState",
    "Refusal",
    "Result",
    "TaskScheduler",
    "TaskState",
    "role_id",
]

Bytes32 = bytes | str
"""32 bytes, or "0x" and 64 hexadecimal digits."""

ADMIN_ROLE = bytes(32)
"""OpenZeppelin's DEFAULT_ADMIN_ROLE."""


class Liveness(IntEnum):
    """Why an authorization is not live, in the order of the checks."""

    LIVE = 0
    UNKNOWN = 1
    REVOKED = 2
    NOT_YET_GRANTED = 3
    EXPIRED = 4
    OUT_OF_SCOPE = 5
    OTHER_SUBJECT = 6


class GrantRefusal(IntEnum):
    """`reason` of GrantRefused and WaveRefused."""

    NONE = 0
    ZERO_FIELD = 1
    ALREADY_KNOWN = 2
    EXPIRY_PASSED = 3
    BAD_SIGNATURE = 4


class Refusal(IntEnum):
    """Why a result cannot be recorded; `reason` of ItemRefused. 1 to 6 are Liveness values."""

    NONE = 0
    AUTHORIZATION_UNKNOWN = 1
    AUTHORIZATION_REVOKED = 2
    AUTHORIZATION_NOT_YET_GRANTED = 3
    AUTHORIZATION_EXPIRED = 4
    AUTHORIZATION_OUT_OF_SCOPE = 5
    AUTHORIZATION_OTHER_SUBJECT = 6
    ALREADY_RECORDED = 7
    RECORDED_IN_PREDECESSOR = 8
    REPEATED_IN_BATCH = 9
    ZERO_FIELD = 10


class PayoutState(IntEnum):
    NONE = 0
    RECORDED = 1
    PAID = 2
    REVERSED = 3


class PayoutRefusal(IntEnum):
    """`reason` of PayoutRefused."""

    NONE = 0
    ZERO_FIELD = 1
    CLAIM_UNKNOWN = 2
    NOT_THE_CURRENT_VERSION = 3
    ALREADY_PAID = 4
    REVERSED = 5


class TaskState(IntEnum):
    NONE = 0
    OPEN = 1
    ACCEPTED = 2
    RUNNING = 3
    COMPLETED = 4
    FAILED = 5
    EXPIRED = 6
    CANCELLED = 7
    DISPUTED = 8


@dataclass(frozen=True, slots=True)
class Result:
    """One claim's result to record; the store's struct of the same name. Each field is 32 bytes."""

    claim_key: bytes
    result_digest: bytes
    authorization_id: bytes
    subject: bytes

    def as_tuple(self) -> tuple[bytes, ...]:
        return (
            _word(self.claim_key),
            _word(self.result_digest),
            _word(self.authorization_id),
            _word(self.subject),
        )


class Contract:
    """What the four have in common: where it is, how to call it, and its roles."""

    name: str

    def __init__(self, address: str, chain: Chain, send: Callable[[str, Call], TxRef]) -> None:
        self.address = address
        self.abi, self._refusals = abi_of(self.name)
        self._chain = chain
        self._send_as = send

    def has_role(self, role: bytes, account: str) -> bool:
        return bool(self._call("hasRole", role, account))

    def grant_role(self, role: bytes, account: str) -> TxRef:
        """By the governor. Refused (AlreadyHoldsRole) for an account that has another role here."""
        return self._send(GOVERNOR, "grantRole", role, account)

    def revoke_role(self, role: bytes, account: str) -> TxRef:
        """By the governor."""
        return self._send(GOVERNOR, "revokeRole", role, account)

    def encode(self, function: str, *arguments: Any) -> Call:
        return Call(self.address, self.abi.call_data(function, arguments), self._refusals)

    def _send(self, role: str, function: str, *arguments: Any) -> TxRef:
        return self._send_as(role, self.encode(function, *arguments))

    def _call(self, function: str, *arguments: Any, at: str = "latest") -> Any:
        call = self.encode(function, *arguments)
        try:
            answer = self._chain.request("eth_call", [{"to": call.to, "data": "0x" + call.data.hex()}, at])
        except RpcError as error:
            raise self._refusals.of_error(error) from error
        return self.abi.result(function, bytes.fromhex(answer[2:]))


class AuthorizationRegistry(Contract):
    """授权存证: who has consented to what, until when."""

    name = REGISTRY

    def grant(self, grant: Grant, deadline: int, signature: bytes) -> TxRef:
        """Relay one signed grant (EIP-712 by `grant.insured`)."""
        return self._send(ENROLMENT, "grant", grant.as_tuple(), deadline, signature)

    def grant_batch(self, grants: Sequence[Grant], deadline: int, signatures: Sequence[bytes]) -> TxRef:
        """All or nothing; the first bad one is named: GrantRefused(index, id, reason)."""
        return self._send(
            ENROLMENT, "grantBatch", [grant.as_tuple() for grant in grants], deadline, list(signatures)
        )

    def grant_wave(
        self, root: Bytes32, count: int, scope: Bytes32, expires: int, consent_text_digest: Bytes32
    ) -> TxRef:
        return self._send(
            ENROLMENT, "grantWave", _word(root), count, _word(scope), expires, _word(consent_text_digest)
        )

    def materialize(self, root: Bytes32, leaf: Grant, proof: Sequence[Bytes32]) -> TxRef:
        return self._send(ENROLMENT, "materialize", _word(root), leaf.as_tuple(), _words(proof))

    def revoke(self, authorization_id: Bytes32, deadline: int, signature: bytes) -> TxRef:
        """Relay a revocation that the insured signed."""
        return self._send(REVOKER, "revoke", _word(authorization_id), deadline, signature)

    def revoke_for(self, authorization_id: Bytes32) -> TxRef:
        """By the revoker itself: paper withdrawals, court orders."""
        return self._send(REVOKER, "revokeFor", _word(authorization_id))

    def revoke_unmaterialized(
        self, root: Bytes32, leaf: Grant, proof: Sequence[Bytes32], deadline: int, signature: bytes
    ) -> TxRef:
        arguments = (_word(root), leaf.as_tuple(), _words(proof), deadline, signature)
        return self._send(REVOKER, "revokeUnmaterialized", *arguments)

    def liveness(self, authorization_id: Bytes32, scope: Bytes32, subject: Bytes32, at: int) -> Liveness:
        return Liveness(self._call("liveness", _word(authorization_id), _word(scope), _word(subject), at))

    def require_live(self, authorization_id: Bytes32, scope: Bytes32, subject: Bytes32, at: int) -> None:
        """Raises ContractRefused NotLive(id, reason)."""
        self._call("requireLive", _word(authorization_id), _word(scope), _word(subject), at)

    def nonces(self, insured: str) -> int:
        """The nonce that the insured's next signature must carry."""
        return int(self._call("nonces", insured))


class DataCatalog(Contract):
    """数据目录: which data exist, whose they are, and what they may be used for."""

    name = CATALOG

    def register(
        self, dataset_id: Bytes32, schema_digest: Bytes32, classification: int, purposes: Sequence[Bytes32]
    ) -> TxRef:
        """classification: 1 public to 4 sensitive personal. The purposes are fixed for good."""
        arguments = (_word(dataset_id), _word(schema_digest), classification, _words(purposes))
        return self._send(PROVIDER, "register", *arguments)

    def publish_version(self, dataset_id: Bytes32, content_digest: Bytes32, matching_key: Bytes32) -> TxRef:
        """The new version's number is in the event VersionPublished, and in `version_of`."""
        return self._send(
            PROVIDER, "publishVersion", _word(dataset_id), _word(content_digest), _word(matching_key)
        )

    def retire(self, dataset_id: Bytes32) -> TxRef:
        return self._send(PROVIDER, "retire", _word(dataset_id))

    def require_usable(self, dataset_id: Bytes32, purpose: Bytes32) -> None:
        """Raises ContractRefused."""
        self._call("requireUsable", _word(dataset_id), _word(purpose))

    def lists(self, dataset_id: Bytes32, purpose: Bytes32) -> bool:
        return bool(self._call("lists", _word(dataset_id), _word(purpose)))

    def provider_of(self, dataset_id: Bytes32) -> str:
        """Lower-case address; zero for an unknown dataset."""
        return str(self._call("providerOf", _word(dataset_id)))

    def version_of(self, dataset_id: Bytes32) -> int:
        return int(self._call("versionOf", _word(dataset_id)))


class TaskScheduler(Contract):
    """任务与调度: who asks whom to match what, for which purpose, until when."""

    name = SCHEDULER

    def open(
        self, task_id: Bytes32, dataset_id: Bytes32, purpose: Bytes32, terms_digest: Bytes32, deadline: int
    ) -> TxRef:
        arguments = (_word(task_id), _word(dataset_id), _word(purpose), _word(terms_digest), deadline)
        return self._send(REQUESTER, "open", *arguments)

    def accept(self, task_id: Bytes32) -> TxRef:
        return self._send(PROVIDER, "accept", _word(task_id))

    def start(self, task_id: Bytes32) -> TxRef:
        return self._send(PROVIDER, "start", _word(task_id))

    def heartbeat(self, task_id: Bytes32) -> TxRef:
        return self._send(PROVIDER, "heartbeat", _word(task_id))

    def fail(self, task_id: Bytes32, reason_digest: Bytes32) -> TxRef:
        return self._send(PROVIDER, "fail", _word(task_id), _word(reason_digest))

    def cancel(self, task_id: Bytes32) -> TxRef:
        return self._send(REQUESTER, "cancel", _word(task_id))

    def expire(self, task_id: Bytes32) -> TxRef:
        """Anybody may; the requester does."""
        return self._send(REQUESTER, "expire", _word(task_id))

    def commit_result_as_requester(self, task_id: Bytes32, result_digest: Bytes32) -> TxRef:
        return self._send(REQUESTER, "commitResult", _word(task_id), _word(result_digest))

    def commit_result_as_provider(self, task_id: Bytes32, result_digest: Bytes32) -> TxRef:
        return self._send(PROVIDER, "commitResult", _word(task_id), _word(result_digest))

    def state_of(self, task_id: Bytes32) -> TaskState:
        return TaskState(self._call("stateOf", _word(task_id)))

    def purpose_of(self, task_id: Bytes32) -> bytes:
        return bytes(self._call("purposeOf", _word(task_id)))

    def require_running(self, task_id: Bytes32) -> bytes:
        """The task's purpose. Raises ContractRefused unless it is running and before its deadline."""
        return bytes(self._call("requireRunning", _word(task_id), at="pending"))


class MatchResultStore(Contract):
    """匹配结果存证: one commitment a claim; recording one triggers its payout."""

    name = RESULTS

    def record_batch(self, task_id: Bytes32, results: Sequence[Result]) -> TxRef:
        """All or nothing; the first bad item is named: ItemRefused(index, claimKey, reason: Refusal)."""
        return self._send(RECORDER, "recordBatch", _word(task_id), [result.as_tuple() for result in results])

    def preview(self, task_id: Bytes32, results: Sequence[Result]) -> list[Refusal]:
        """Per result why it would be refused if it were recorded now; Refusal.NONE where it would not.

        Raises ContractRefused when the task is not running.
        """
        items = [result.as_tuple() for result in results]
        return [Refusal(code) for code in self._call("preview", _word(task_id), items, at="pending")]

    def confirm_payout(self, claim_key: Bytes32, version: int, payout_digest: Bytes32) -> TxRef:
        return self._send(PAYER, "confirmPayout", _word(claim_key), version, _word(payout_digest))

    def confirm_payouts(
        self, claim_keys: Sequence[Bytes32], versions: Sequence[int], payout_digests: Sequence[Bytes32]
    ) -> TxRef:
        """All or nothing: PayoutRefused(index, claimKey, version, reason: PayoutRefusal)."""
        return self._send(PAYER, "confirmPayouts", _words(claim_keys), list(versions), _words(payout_digests))

    def reverse(self, claim_key: Bytes32, reason_digest: Bytes32) -> TxRef:
        return self._send(RECORDER, "reverse", _word(claim_key), _word(reason_digest))

    def supersede(self, task_id: Bytes32, result: Result) -> TxRef:
        return self._send(RECORDER, "supersede", _word(task_id), result.as_tuple())

    def hand_over(self, successor: str) -> TxRef:
        """By the governor: new claims go to the successor from now on."""
        return self._send(GOVERNOR, "handOver", successor)

    def commitment_of(self, claim_key: Bytes32) -> bytes:
        """32 zero bytes for a claim never recorded here."""
        return bytes(self._call("commitmentOf", _word(claim_key)))

    def version_of(self, claim_key: Bytes32) -> int:
        return int(self._call("versionOf", _word(claim_key)))

    def payout_state_of(self, claim_key: Bytes32) -> PayoutState:
        return PayoutState(self._call("payoutStateOf", _word(claim_key)))

    def is_recorded(self, claim_key: Bytes32) -> bool:
        return bool(self._call("isRecorded", _word(claim_key)))

    def commitment_slot(self, claim_key: Bytes32) -> bytes:
        """The storage slot that holds the claim's commitment, to ask a storage proof for."""
        base = load_artifact(self.name).slot_of("_commitments")
        return keccak(_word(claim_key) + base.to_bytes(32, "big"))


@cache
def abi_of(name: str) -> tuple[ContractAbi, RefusalDecoder]:
    """A contract's ABI, and a reader of what calling it may revert with: its own errors, then the others'."""
    own = ContractAbi(load_artifact(name))
    return own, RefusalDecoder([own, *(ContractAbi(load_artifact(other)) for other in DEPLOY_ORDER)])


def role_id(name: str) -> bytes:
    """`ENROLMENT_ROLE` -> the 32 bytes that the contracts know it by."""
    return keccak(text=name)


def _word(value: Bytes32) -> bytes:
    raw = bytes.fromhex(value.removeprefix("0x")) if isinstance(value, str) else value
    if len(raw) != 32:
        raise ValueError(f"expected 32 bytes, got {len(raw)}")
    return raw


def _words(values: Sequence[Bytes32]) -> list[bytes]:
    return [_word(value) for value in values]
