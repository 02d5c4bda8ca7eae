"""The contract events that evidence reads, decoded from a log's bytes.

Every argument of these events is one 32-byte word, so a word is all there is to decode. A test compares
the signatures here with the compiled contracts.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from eth_utils.crypto import keccak

from engine.evidence.errors import ProofInvalid
from engine.evidence.mpt import Log, Receipt


@dataclass(frozen=True, slots=True)
class EventSpec:
    """name, and its arguments as (name, ABI type): first the indexed ones, in order, then the others."""

    name: str
    contract: str
    indexed: tuple[tuple[str, str], ...]
    plain: tuple[tuple[str, str], ...]
    order: tuple[str, ...]
    """Argument names as declared, which the signature needs."""

    @property
    def signature(self) -> str:
        types = dict(self.indexed + self.plain)
        return f"{self.name}({','.join(types[name] for name in self.order)})"

    @property
    def topic(self) -> bytes:
        return keccak(text=self.signature)

    def words_of(self, log: Log) -> Mapping[str, bytes] | None:
        """Argument name -> its 32-byte word; None when the log is another event."""
        if log.topics[:1] != (self.topic,) or len(log.topics) != 1 + len(self.indexed):
            return None
        if len(log.data) != 32 * len(self.plain):
            return None
        data = [log.data[at : at + 32] for at in range(0, len(log.data), 32)]
        names = [name for name, _ in self.indexed + self.plain]
        return dict(zip(names, [*log.topics[1:], *data], strict=True))


_OF_RESULT = (("claimKey", "bytes32"), ("authorizationId", "bytes32"), ("taskId", "bytes32"))
RESULT_RECORDED = EventSpec(
    name="ResultRecorded",
    contract="MatchResultStore",
    indexed=_OF_RESULT,
    plain=(("resultDigest", "bytes32"),),
    order=("claimKey", "authorizationId", "taskId", "resultDigest"),
)
RESULT_SUPERSEDED = EventSpec(
    name="ResultSuperseded",
    contract="MatchResultStore",
    indexed=_OF_RESULT,
    plain=(("resultDigest", "bytes32"), ("version", "uint32")),
    order=("claimKey", "authorizationId", "taskId", "resultDigest", "version"),
)
PAYOUT_CONFIRMED = EventSpec(
    name="PayoutConfirmed",
    contract="MatchResultStore",
    indexed=(("claimKey", "bytes32"), ("version", "uint32")),
    plain=(("payoutDigest", "bytes32"),),
    order=("claimKey", "version", "payoutDigest"),
)


def result_event(version: int) -> EventSpec:
    """The event that recorded this version of a claim."""
    return RESULT_RECORDED if version == 1 else RESULT_SUPERSEDED


def read_event(spec: EventSpec, receipt: Receipt, log_index: int, address: bytes) -> Mapping[str, bytes]:
    """Argument name -> its 32-byte word, of the log at this index within the receipt.

    Raises ProofInvalid when the transaction failed, there is no such log, another contract emitted it
    or it is another event.
    """
    if not receipt.succeeded:
        raise ProofInvalid(f"{spec.name}: its transaction failed")
    if not 0 <= log_index < len(receipt.logs):
        raise ProofInvalid(f"{spec.name}: the receipt has no log {log_index}")
    log = receipt.logs[log_index]
    if log.address != address:
        raise ProofInvalid(f"{spec.name}: emitted by 0x{log.address.hex()}, not by 0x{address.hex()}")
    words = spec.words_of(log)
    if words is None:
        raise ProofInvalid(f"log {log_index} is not {spec.signature}")
    return words
