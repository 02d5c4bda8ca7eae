"""RFC 9497, mode VOPRF (0x01), suite ristretto255-SHA512: asking about a person without naming one.

The provider blinds what it asks about, the insurer evaluates it under the epoch's key and proves that it did,
the provider checks the proof and unblinds. The insurer sees elements that look random whoever is asked about;
the provider learns the outputs of what it asked, and nothing that would let it work out another.

Blinds and the proof's nonce come from the operating system, inside the library; they cannot be injected.
While it works, no other thread of the process does: many elements belong in a process of their own.
"""

from collections.abc import Sequence
from typing import NamedTuple, Self

from voprf import ristretto

from engine.matching.errors import ElementInvalid, ProofInvalid

PROTOCOL = "autoclaim-match/1"
SUITE = "ristretto255-SHA512"

MOST_ELEMENTS = 4096
"""In one question; a face may allow fewer. One proof covers them all."""

TAG_BYTES = 16

_SEED_BYTES = 32
_ELEMENT_BYTES = 32
_PROOF_BYTES = 64
_KEY_BYTES = 32
_MOST_EPOCHS = 2**32 - 1
_WRONG_COUNT = f"there must be 1 to {MOST_ELEMENTS}"


class Output(NamedTuple):
    """What the function says of one message, cut up: where a person's entry stands, and what opens it."""

    tag: bytes
    """16 bytes, public once it is in the published roll."""
    key: bytes
    """32 bytes, known to whoever may ask about the person."""


class Evaluated(NamedTuple):
    """An answer. `elements`: 32 bytes each, in the order asked. `proof`: 64 bytes, over all of them."""

    elements: tuple[bytes, ...]
    proof: bytes


def person_message(cert_type: str, cert_no: str) -> bytes:
    """What is asked about a person; both normalised (engine.settlement.identity), so without a separator."""
    return f"autoclaim/person\x1f{cert_type}\x1f{cert_no}".encode()


def name_message(cert_type: str, cert_no: str, name: str) -> bytes:
    """What is asked about a person's name, normalised too; of no use without the certificate."""
    return f"autoclaim/name\x1f{cert_type}\x1f{cert_no}\x1f{name}".encode()


class EpochKey:
    """The insurer's secret key of one epoch."""

    def __init__(self, evaluator: ristretto.Evaluator) -> None:
        self._evaluator = evaluator
        self.public = evaluator.public_key.serialize()
        """32 bytes; what stands on chain."""

    @classmethod
    def derive(cls, seed: bytes, epoch: int) -> Self:
        """DeriveKeyPair of the RFC. Raises ValueError: seed is 32 bytes, epochs are uint32 from 1."""
        if len(seed) != _SEED_BYTES:
            raise ValueError(f"a seed is {_SEED_BYTES} bytes, not {len(seed)}")
        if not 1 <= epoch <= _MOST_EPOCHS:
            raise ValueError(f"an epoch is 1 to {_MOST_EPOCHS}, not {epoch}")
        return cls(ristretto.Evaluator.from_seed(seed, f"autoclaim/epoch/{epoch}".encode()))

    def evaluate(self, elements: Sequence[bytes]) -> Evaluated:
        """Answer a question. Raises ElementInvalid, naming the element."""
        if not 1 <= len(elements) <= MOST_ELEMENTS:
            raise ElementInvalid(_WRONG_COUNT)
        blinded = [_blinded(index, element) for index, element in enumerate(elements)]
        answer = self._evaluator.evaluate_batch(blinded).serialize()
        evaluated = answer[_PROOF_BYTES:]
        starts = range(0, len(evaluated), _ELEMENT_BYTES)
        return Evaluated(
            tuple(evaluated[start : start + _ELEMENT_BYTES] for start in starts), answer[:_PROOF_BYTES]
        )

    def output(self, message: bytes) -> Output:
        """What a provider that asks about `message` comes to. Raises ValueError past 65,535 bytes."""
        return _split(self._evaluator.evaluate_known_input(message))


class Question:
    """The provider's side of one exchange: what it has blinded, each time anew, and how to unblind it."""

    def __init__(self, clients: list[ristretto.Client], elements: tuple[bytes, ...]) -> None:
        self._clients = clients
        self.elements = elements
        """32 bytes each, in the order of the messages; what is sent."""

    @classmethod
    def of(cls, messages: Sequence[bytes]) -> Self:
        """Raises ValueError: 1 to MOST_ELEMENTS messages, each of 1 to 65,535 bytes."""
        if not 1 <= len(messages) <= MOST_ELEMENTS:
            raise ValueError(f"a question has 1 to {MOST_ELEMENTS} messages, not {len(messages)}")
        blinded = [ristretto.Client.blind(message) for message in messages]
        return cls([client for client, _ in blinded], tuple(element.serialize() for _, element in blinded))

    def outputs(self, answer: Evaluated, public_key: bytes) -> tuple[Output, ...]:
        """What each message comes to under the key of `public_key` (32 bytes), and under no other.

        Raises ProofInvalid when the answer was not computed from this question with that key.
        """
        if len(answer.elements) != len(self.elements):
            raise ProofInvalid(f"{len(self.elements)} elements were asked, {len(answer.elements)} came")
        for index, element in enumerate(answer.elements):
            _check_evaluated(index, element)
        if len(answer.proof) != _PROOF_BYTES:
            raise ProofInvalid(f"a proof is {_PROOF_BYTES} bytes, not {len(answer.proof)}")
        try:
            key = ristretto.PublicKey.deserialize(public_key)
            batch = ristretto.VerifiableBatchOutput.deserialize(answer.proof + b"".join(answer.elements))
        except ValueError as error:
            raise ProofInvalid(str(error)) from error
        return tuple(map(_split, self._unblinded(batch, key)))

    def _unblinded(self, batch: ristretto.VerifiableBatchOutput, key: ristretto.PublicKey) -> list[bytes]:
        try:
            return ristretto.Client.finalize_batch(self._clients, batch, key)
        except BaseException as error:
            # For a proof that does not hold, the library (0.2.0) panics where it says ValueError, and what
            # a panic becomes is no Exception and has no name to import.
            if type(error).__name__ != "PanicException":
                raise
            raise ProofInvalid("it was not computed with the epoch's key on chain") from error


def _blinded(index: int, element: bytes) -> ristretto.BlindedInput:
    # The library reads the first 32 bytes and leaves what follows: one element would have many spellings.
    if len(element) != _ELEMENT_BYTES:
        raise ElementInvalid(f"an element is {_ELEMENT_BYTES} bytes, not {len(element)}", index)
    try:
        return ristretto.BlindedInput.deserialize(element)
    except ValueError as error:
        raise ElementInvalid(
            "not the canonical encoding of a group element other than the identity", index
        ) from error


def _check_evaluated(index: int, element: bytes) -> None:
    if len(element) != _ELEMENT_BYTES:
        raise ProofInvalid(f"an element is {_ELEMENT_BYTES} bytes, not {len(element)}", index)
    try:
        ristretto.EvaluatedElement.deserialize(element)
    except ValueError as error:
        raise ProofInvalid(str(error), index) from error


def _split(output: bytes) -> Output:
    return Output(output[:TAG_BYTES], output[TAG_BYTES : TAG_BYTES + _KEY_BYTES])
