"""匹配结果存证 in Python: a commitment a version of a claim, which triggers its payout; checkpoints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from eth_utils.crypto import keccak

from engine.chain.artifacts import RESULTS, load_artifact
from engine.chain.contracts.base import Bytes32, Contract, word, words
from engine.chain.eip712 import LogHead
from engine.chain.events import read_logs
from engine.chain.keys import GOVERNOR, PAYER, RECORDER, WITNESS
from engine.chain.sender import TxRef

RECORDINGS = ("ResultRecorded", "ResultSuperseded")
"""The two events by which a version of a claim comes on chain, and that trigger its payout."""


def recorded_version(event_args: Mapping[str, Any]) -> int:
    """The version that an event of the store is about: ResultRecorded is about the first, and names none."""
    return int(event_args.get("version", 1))


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
    CLAIM_UNKNOWN = 11
    RESULT_UNCHANGED = 12
    VERSIONS_EXHAUSTED = 13


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


@dataclass(frozen=True, slots=True)
class Result:
    """One claim's result to record; the store's struct of the same name. Each field is 32 bytes."""

    claim_key: bytes
    result_digest: bytes
    authorization_id: bytes
    subject: bytes

    def as_tuple(self) -> tuple[bytes, ...]:
        return (
            word(self.claim_key),
            word(self.result_digest),
            word(self.authorization_id),
            word(self.subject),
        )


@dataclass(frozen=True, slots=True)
class Confirmation:
    """That a version of a claim was paid. `payout_digest` is a salted commitment to the payment."""

    claim_key: Bytes32
    version: int
    payout_digest: Bytes32

    def as_tuple(self) -> tuple[bytes, int, bytes]:
        return word(self.claim_key), self.version, word(self.payout_digest)


@dataclass(frozen=True, slots=True)
class CoSignature:
    """A witness's signature over `checkpoint_typed_data`. signer: its address."""

    signer: str
    signature: bytes


class MatchResultStore(Contract):
    name = RESULTS

    def record_batch(self, task_id: Bytes32, results: Sequence[Result]) -> TxRef:
        """All or nothing; the first bad item is named: ItemRefused(index, claimKey, reason: Refusal)."""
        return self._send(RECORDER, "recordBatch", word(task_id), [result.as_tuple() for result in results])

    def preview(self, task_id: Bytes32, results: Sequence[Result]) -> list[Refusal]:
        """Per result why it would be refused if it were recorded now; Refusal.NONE where it would not.

        Raises ContractRefused when nothing at all may be recorded under the task.
        """
        items = [result.as_tuple() for result in results]
        return [Refusal(code) for code in self._call("preview", word(task_id), items, at="pending")]

    def supersede_batch(self, task_id: Bytes32, results: Sequence[Result]) -> TxRef:
        """The next version of each claim, in any order; all or nothing, as `record_batch`.

        The index in a refusal is the place in ascending order of the claim keys.
        """
        items = [result.as_tuple() for result in _ascending(results)]
        return self._send(RECORDER, "supersedeBatch", word(task_id), items)

    def preview_supersession(self, task_id: Bytes32, results: Sequence[Result]) -> list[Refusal]:
        """Per result, in the order given, why it would be refused as its claim's next version."""
        ordered = _ascending(results)
        codes = self._call(
            "previewSupersession", word(task_id), [result.as_tuple() for result in ordered], at="pending"
        )
        of = {result.claim_key: Refusal(code) for result, code in zip(ordered, codes, strict=True)}
        return [of[result.claim_key] for result in results]

    def confirm_payouts(self, confirmations: Sequence[Confirmation]) -> TxRef:
        """All or nothing: PayoutRefused(index, claimKey, version, reason: PayoutRefusal)."""
        return self._send(PAYER, "confirmPayouts", [one.as_tuple() for one in confirmations])

    def reverse(self, claim_key: Bytes32, version: int, reason_digest: Bytes32) -> TxRef:
        """The current version; refused (PayoutRefused) where it is another one, or reversed already."""
        return self._send(RECORDER, "reverse", word(claim_key), version, word(reason_digest))

    def record_checkpoint(
        self, head: LogHead, consistency: Sequence[Bytes32], signatures: Sequence[CoSignature]
    ) -> TxRef:
        """Refused unless it extends the latest (a proof by RFC 9162) and two kinds of witness signed it."""
        return self._send(WITNESS, "recordCheckpoint", *_checkpoint_arguments(head, consistency, signatures))

    def check_checkpoint(
        self, head: LogHead, consistency: Sequence[Bytes32], signatures: Sequence[CoSignature]
    ) -> None:
        """Raises ContractRefused where `record_checkpoint` would; changes nothing."""
        self._call("recordCheckpoint", *_checkpoint_arguments(head, consistency, signatures), at="pending")

    def checkpoint_transaction(self, head: LogHead, from_block: int) -> str | None:
        """The transaction, not before that block, that recorded this head here; None where none did."""
        topics = (
            "0x" + keccak(text="CheckpointRecorded(uint64,bytes32,uint64,bytes32)").hex(),
            f"0x{head.size:064x}",
            "0x" + head.root.hex(),
        )
        newest = int(self._chain.request("eth_blockNumber", []), 16)
        logs = read_logs(self._chain, [self.address], from_block, newest, topics)
        return next((str(log["transactionHash"]) for log in logs), None)

    def latest_checkpoint(self) -> LogHead:
        """Size 0 and root 0 before the first."""
        size, _, root = self._call("latestCheckpoint")
        return LogHead(int(size), bytes(root))

    def hand_over(self, successor: str) -> TxRef:
        """By the governor, to a holder of SUCCESSOR_ROLE: new claims go to the successor from now on."""
        return self._send(GOVERNOR, "handOver", successor)

    def commitment_of(self, claim_key: Bytes32, version: int = 1) -> bytes:
        """32 zero bytes for a version never recorded here."""
        return bytes(self._call("commitmentOf", word(claim_key), version))

    def version_of(self, claim_key: Bytes32) -> int:
        """The latest version; 0: never recorded here."""
        return int(self._call("versionOf", word(claim_key)))

    def payout_state_of(self, claim_key: Bytes32, version: int) -> PayoutState:
        return PayoutState(self._call("payoutStateOf", word(claim_key), version))

    def is_recorded(self, claim_key: Bytes32) -> bool:
        return bool(self._call("isRecorded", word(claim_key)))

    def commitment_slot(self, claim_key: Bytes32) -> bytes:
        """The storage slot that holds the claim's first commitment, to ask a storage proof for."""
        base = load_artifact(self.name).slot_of("_claims")
        return keccak(word(claim_key) + base.to_bytes(32, "big"))


def _checkpoint_arguments(
    head: LogHead, consistency: Sequence[Bytes32], signatures: Sequence[CoSignature]
) -> tuple[Any, ...]:
    return head.size, head.root, words(consistency), [(one.signer, one.signature) for one in signatures]


def _ascending(results: Sequence[Result]) -> list[Result]:
    return sorted(results, key=lambda result: result.claim_key)
