"""Where the contracts keep what evidence reads, and how the packed words are read.

The numbers are the compiled contracts' storageLayout; a test compares them with contracts/artifacts.
"""

from dataclasses import dataclass

from eth_utils.crypto import keccak

_COMMITMENTS, _PAYOUTS = 2, 3
_AUTHORIZATIONS = 5
_TASKS = 2
_HOLDER_OFFSET = 1
_PURPOSE_OFFSET, _TERMS_OFFSET = 3, 4
STATE_PAID, STATE_REVERSED = 2, 3

Slots = dict[str, dict[str, bytes]]
"""Contract -> name of the word -> its 32-byte storage position."""


def slots_of(claim_key: bytes, authorization_id: bytes, task_id: bytes) -> Slots:
    """Every storage slot that a bundle proves."""
    authorization = _entry(_AUTHORIZATIONS, authorization_id)
    task = _entry(_TASKS, task_id)
    return {
        "AuthorizationRegistry": {"record": authorization, "holder": _plus(authorization, _HOLDER_OFFSET)},
        "MatchResultStore": {
            "commitment": _entry(_COMMITMENTS, claim_key),
            "payout": _entry(_PAYOUTS, claim_key),
        },
        "TaskScheduler": {"purpose": _plus(task, _PURPOSE_OFFSET), "terms": _plus(task, _TERMS_OFFSET)},
    }


def result_commitment(result_digest: bytes, authorization_id: bytes, task_id: bytes, version: int) -> bytes:
    """The word MatchResultStore keeps of a result: keccak256(abi.encode(...)) of the four."""
    return keccak(result_digest + authorization_id + task_id + version.to_bytes(32, "big"))


@dataclass(frozen=True, slots=True)
class AuthorizationWords:
    """AuthorizationRegistry's record and holder words. Times are seconds since 1970."""

    granted: int
    expires: int
    revoked: bool
    binding: bytes
    """Low 20 bytes of keccak256(scope, subject)."""
    insured: bytes

    @classmethod
    def read(cls, record: bytes, holder: bytes) -> "AuthorizationWords":
        word = int.from_bytes(record, "big")
        return cls(
            granted=word >> 208 & (1 << 47) - 1,
            expires=word >> 160 & (1 << 48) - 1,
            revoked=bool(word >> 255),
            binding=record[12:],
            insured=holder[12:],
        )

    def binds(self, scope: bytes, subject: bytes) -> bool:
        return self.binding == keccak(scope + subject)[12:]


@dataclass(frozen=True, slots=True)
class PayoutWord:
    version: int
    state: int

    @classmethod
    def read(cls, word: bytes) -> "PayoutWord":
        return cls(version=int.from_bytes(word[-4:], "big"), state=word[-5])


def _entry(mapping: int, key: bytes) -> bytes:
    return keccak(key + mapping.to_bytes(32, "big"))


def _plus(slot: bytes, offset: int) -> bytes:
    return ((int.from_bytes(slot, "big") + offset) % 2**256).to_bytes(32, "big")
