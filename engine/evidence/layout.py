"""Where the contracts keep what evidence reads, and how the packed words are read.

The numbers are the compiled contracts' storageLayout; a test compares them with contracts/artifacts.
"""

from dataclasses import dataclass

from eth_utils.crypto import keccak

_CLAIMS = 9
_LIFE_OFFSET, _LATER_OFFSET = 1, 2
_RECORDS, _SCOPES = 8, 10
_TASKS = 5
_PURPOSE_OFFSET, _TERMS_OFFSET = 3, 4
FIRST_VERSION = 1
STATE_RECORDED, STATE_PAID, STATE_REVERSED = 1, 2, 3

_SECONDS = (1 << 40) - 1
_SUBJECT = (1 << 159) - 1

Slots = dict[str, dict[str, bytes]]
"""Contract -> name of the word -> its 32-byte storage position."""


def slots_of(claim_key: bytes, version: int, authorization_id: bytes, scope: bytes, task_id: bytes) -> Slots:
    """Every storage slot that a bundle proves."""
    claim, task = _entry(_CLAIMS, claim_key), _entry(_TASKS, task_id)
    later = _plus(claim, _LATER_OFFSET)
    return {
        "AuthorizationRegistry": {
            "record": _entry(_RECORDS, authorization_id),
            "scope": _entry(_SCOPES, scope),
        },
        "MatchResultStore": {
            "commitment": claim if version == FIRST_VERSION else keccak(uint_word(version) + later),
            "life": _plus(claim, _LIFE_OFFSET),
        },
        "TaskScheduler": {"purpose": _plus(task, _PURPOSE_OFFSET), "terms": _plus(task, _TERMS_OFFSET)},
    }


def result_commitment(result_digest: bytes, authorization_id: bytes, task_id: bytes, version: int) -> bytes:
    """The word MatchResultStore keeps of a result: keccak256 of two keccak256, of two words each."""
    return keccak(keccak(result_digest + authorization_id) + keccak(task_id + uint_word(version)))


@dataclass(frozen=True, slots=True)
class AuthorizationWords:
    """AuthorizationRegistry's record and scope number. Times are seconds since 1970."""

    granted: int
    expires: int
    revoked: bool
    scope_number: int
    """The number that the record carries."""
    subject: int
    """The low 159 bits of the subject."""
    number_of_scope: int
    """The number that the registry gave to the scope; 0: not admitted."""

    @classmethod
    def read(cls, record: bytes, scope: bytes) -> "AuthorizationWords":
        word = int.from_bytes(record, "big")
        return cls(
            granted=word >> 215 & _SECONDS,
            expires=word >> 175 & _SECONDS,
            revoked=bool(word >> 255),
            scope_number=word >> 159 & 0xFFFF,
            subject=word & _SUBJECT,
            number_of_scope=int.from_bytes(scope, "big"),
        )

    def binds(self, subject: bytes) -> bool:
        """Whether it is of this subject, and of the scope whose number was read beside it."""
        of_subject = int.from_bytes(subject, "big") & _SUBJECT
        return self.number_of_scope != 0 and (self.scope_number, self.subject) == (
            self.number_of_scope,
            of_subject,
        )


@dataclass(frozen=True, slots=True)
class ClaimLife:
    """MatchResultStore's word of what became of a claim's versions."""

    latest: int
    word: int

    @classmethod
    def read(cls, word: bytes) -> "ClaimLife":
        return cls(latest=word[0] + 1, word=int.from_bytes(word, "big"))

    def state_of(self, version: int) -> int:
        """1 recorded, 2 paid, 3 reversed; for a version from 1 to the latest."""
        return (self.word >> 2 * (version - 1) & 3) + 1


def _entry(mapping: int, key: bytes) -> bytes:
    return keccak(key + mapping.to_bytes(32, "big"))


def _plus(slot: bytes, offset: int) -> bytes:
    return ((int.from_bytes(slot, "big") + offset) % 2**256).to_bytes(32, "big")


def uint_word(value: int) -> bytes:
    """abi.encode of an unsigned integer."""
    return value.to_bytes(32, "big")
