"""RFC 9497, mode VOPRF, as its appendix A.1.2 has it; and what is no question or no answer is refused.

The library draws blinds and the proof's nonce itself: no vector's BlindedElement or Proof can come out of it,
and no vector's Blind goes into its client. Key, evaluation and output are compared with the vectors as they
are; for the rest the vectors pin the model beside this file (rfc9497.py), and model and library talk.
"""

from typing import NamedTuple

import pytest
from voprf import ristretto

from engine.matching.errors import ElementInvalid, ProofInvalid
from engine.matching.voprf import (
    MOST_ELEMENTS,
    EpochKey,
    Evaluated,
    Output,
    Question,
    name_message,
    person_message,
)
from tests.matching import rfc9497

SEED, KEY_INFO = b"\xa3" * 32, b"test key"
SECRET = bytes.fromhex("e6f73f344b79b379f1a0dd37e07ff62e38d9f71345ce62ae3a9bc60b04ccd909")
PUBLIC = bytes.fromhex("c803e2cc6b05fc15064549b5920659ca4a77b2cca6f04f6b357009335476ad4e")
INPUTS = (b"\x00", b"\x5a" * 17)


class Vector(NamedTuple):
    """Hexadecimal, as printed; one value for each input."""

    inputs: tuple[bytes, ...]
    blinds: tuple[str, ...]
    blinded: tuple[str, ...]
    evaluated: tuple[str, ...]
    proof: str
    nonce: str
    outputs: tuple[str, ...]


_BLIND = "64d37aed22a27f5191de1c1d69fadb899d8862b58eb4220029e036ec4c1f6706"
_NONCE = "222a5e897cf59db8145db8d16e597e8facb80ae7d4e26d9881aa6f61d645fc0e"
_BLINDED = "863f330cc1a1259ed5a5998a23acfd37fb4351a793a5b3c090b642ddc439b945"
_EVALUATED = "aa8fa048764d5623868679402ff6108d2521884fa138cd7f9c7669a9a014267e"
_OUTPUT = (
    "b58cfbe118e0cb94d79b5fd6a6dafb98764dff49c14e1770b566e42402da1a7d"
    "a4d8527693914139caee5bd03903af43a491351d23b430948dd50cde10d32b3c"
)
_OTHER_OUTPUT = (
    "8a9a2f3c7f085b65933594309041fc1898d42d0858e59f90814ae90571a6df60"
    "356f4610bf816f27afdd84f47719e480906d27ecd994985890e5f539e7ea74b6"
)
VECTORS = {
    "A.1.2.1": Vector(
        INPUTS[:1],
        (_BLIND,),
        (_BLINDED,),
        (_EVALUATED,),
        "ddef93772692e535d1a53903db24367355cc2cc78de93b3be5a8ffcc6985dd06"
        "6d4346421d17bf5117a2a1ff0fcb2a759f58a539dfbe857a40bce4cf49ec600d",
        _NONCE,
        (_OUTPUT,),
    ),
    "A.1.2.2": Vector(
        INPUTS[1:],
        (_BLIND,),
        ("cc0b2a350101881d8a4cba4c80241d74fb7dcbfde4a61fde2f91443c2bf9ef0c",),
        ("60a59a57208d48aca71e9e850d22674b611f752bed48b36f7a91b372bd7ad468",),
        "401a0da6264f8cf45bb2f5264bc31e109155600babb3cd4e5af7d181a2c9dc0a"
        "67154fabf031fd936051dec80b0b6ae29c9503493dde7393b722eafdf5a50b02",
        _NONCE,
        (_OTHER_OUTPUT,),
    ),
    "A.1.2.3": Vector(
        INPUTS,
        (_BLIND, _NONCE),
        (_BLINDED, "90a0145ea9da29254c3a56be4fe185465ebb3bf2a1801f7124bbbadac751e654"),
        (_EVALUATED, "cc5ac221950a49ceaa73c8db41b82c20372a4c8d63e5dded2db920b7eee36a2a"),
        "cc203910175d786927eeb44ea847328047892ddf8590e723c37205cb74600b0a"
        "5ab5337c8eb4ceae0494c2cf89529dcf94572ed267473d567aeed6ab873dee08",
        "419c4f4f5052c53c45f3da494d2b67b220d02118e0857cdbcf037f9ea84bbe0c",
        (_OUTPUT, _OTHER_OUTPUT),
    ),
}
each_vector = pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS)


def _bytes(texts: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple(map(bytes.fromhex, texts))


def _cut(output: bytes) -> Output:
    return Output(output[:16], output[16:48])


def _vector_key() -> EpochKey:
    """Of the RFC's seed and info; `derive` has an info of its own."""
    return EpochKey(ristretto.Evaluator.from_seed(SEED, KEY_INFO))


def _key(epoch: int = 1) -> EpochKey:
    return EpochKey.derive(SEED, epoch)


@each_vector
def test_the_key_evaluates_and_outputs_what_the_rfc_says(vector: Vector) -> None:
    key = _vector_key()
    assert key.public == PUBLIC
    assert key.evaluate(_bytes(vector.blinded)).elements == _bytes(vector.evaluated)
    assert tuple(map(key.output, vector.inputs)) == tuple(map(_cut, _bytes(vector.outputs)))


@each_vector
def test_the_model_is_the_rfc(vector: Vector) -> None:
    """All of a vector; what the two tests after this one say of the library rests on it."""
    key = rfc9497.derived_key(SEED, KEY_INFO)
    blinds = tuple(map(rfc9497.scalar, _bytes(vector.blinds)))
    blinded, evaluated = _bytes(vector.blinded), _bytes(vector.evaluated)
    nonce, proof = rfc9497.scalar(bytes.fromhex(vector.nonce)), bytes.fromhex(vector.proof)
    assert (key, rfc9497.public_key(key)) == (rfc9497.scalar(SECRET), PUBLIC)
    assert tuple(map(rfc9497.blinded, vector.inputs, blinds)) == blinded
    assert tuple(rfc9497.evaluated(key, element) for element in blinded) == evaluated
    assert rfc9497.proof(key, blinded, evaluated, nonce) == proof
    assert rfc9497.proves(PUBLIC, blinded, evaluated, proof)
    assert tuple(map(rfc9497.finalized, vector.inputs, blinds, evaluated)) == _bytes(vector.outputs)


@each_vector
def test_the_insurers_proof_is_the_rfcs(vector: Vector) -> None:
    blinded = _bytes(vector.blinded)
    answer = _vector_key().evaluate(blinded)
    assert rfc9497.proves(PUBLIC, blinded, answer.elements, answer.proof)


def test_the_provider_believes_the_rfcs_insurer() -> None:
    """Asked by the library, answered by the model with a nonce of its own; unblinded to the RFC's outputs."""
    question = Question.of(INPUTS)
    key = rfc9497.scalar(SECRET)
    elements = tuple(rfc9497.evaluated(key, element) for element in question.elements)
    proof = rfc9497.proof(key, question.elements, elements, rfc9497.scalar(bytes.fromhex(_NONCE)))
    assert question.outputs(Evaluated(elements, proof), PUBLIC) == tuple(
        map(_cut, _bytes((_OUTPUT, _OTHER_OUTPUT)))
    )


def test_an_epochs_key_is_derived_from_its_number() -> None:
    secret = rfc9497.derived_key(SEED, b"autoclaim/epoch/7")
    assert EpochKey.derive(SEED, 7).public == rfc9497.public_key(secret)


@pytest.mark.parametrize(("seed", "epoch"), [(SEED, 0), (SEED, 2**32), (SEED[:31], 1), (SEED + b"x", 1)])
def test_a_key_needs_a_whole_seed_and_a_numbered_epoch(seed: bytes, epoch: int) -> None:
    with pytest.raises(ValueError, match=r"seed is 32 bytes|epoch is 1 to"):
        EpochKey.derive(seed, epoch)


def test_both_sides_come_to_one_output_and_no_question_looks_like_another() -> None:
    message = person_message("01", "11010519491231002X")
    first, second = Question.of([message]), Question.of([message])
    assert first.elements != second.elements
    for question in (first, second):
        assert question.outputs(_key().evaluate(question.elements), _key().public) == (
            _key().output(message),
        )


def test_messages_are_what_the_protocol_says() -> None:
    assert person_message("01", "X") == b"autoclaim/person\x1f01\x1fX"
    assert name_message("01", "X", "张三") == b"autoclaim/name\x1f01\x1fX\x1f" + "张三".encode()


NO_ELEMENTS = {
    "the identity": bytes(32),
    "not canonical: 4 is an element, p + 4 is a second spelling": (rfc9497.P + 4).to_bytes(32, "little"),
    "negative": (rfc9497.P - 4).to_bytes(32, "little"),
    "of no point": b"\x02" + bytes(31),
    "the top bit set": PUBLIC[:31] + bytes([PUBLIC[31] | 0x80]),
    "empty": b"",
    "short": PUBLIC[:31],
    "long": PUBLIC + b"\x00",
}
each_that_is_none = pytest.mark.parametrize("element", NO_ELEMENTS.values(), ids=NO_ELEMENTS)


@each_that_is_none
def test_what_is_no_element_is_not_evaluated(element: bytes) -> None:
    good = Question.of([b"one"]).elements
    with pytest.raises(ElementInvalid) as refused:
        _key().evaluate([*good, element, *good])
    assert refused.value.index == 1
    assert refused.value.violations[0]["field"] == "/elements/1"


@pytest.mark.parametrize("count", [0, MOST_ELEMENTS + 1])
def test_a_question_has_a_bounded_number_of_elements(count: int) -> None:
    with pytest.raises(ElementInvalid, match=r"^/elements: there must be 1 to 4096") as refused:
        _key().evaluate([PUBLIC] * count)
    assert refused.value.index is None
    with pytest.raises(ValueError, match="1 to 4096 messages"):
        Question.of([b"one"] * count)


@each_that_is_none
def test_an_answer_that_holds_no_element_is_not_believed(element: bytes) -> None:
    question = Question.of([b"one", b"two"])
    answer = _key().evaluate(question.elements)
    with pytest.raises(ProofInvalid) as refused:
        question.outputs(Evaluated((answer.elements[0], element), answer.proof), _key().public)
    assert refused.value.index == 1


def test_an_answer_under_another_key_is_not_believed() -> None:
    """For one victim among many, or for all; a question stays good for the answer that is."""
    question = Question.of([b"one", b"two"])
    honest, other = _key().evaluate(question.elements), _key(2).evaluate(question.elements)
    swapped = Evaluated((honest.elements[0], other.elements[1]), honest.proof)
    for answer in (other, swapped, Evaluated(honest.elements, other.proof)):
        with pytest.raises(ProofInvalid, match="not computed with the epoch's key"):
            question.outputs(answer, _key().public)
    assert question.outputs(honest, _key().public) == tuple(map(_key().output, (b"one", b"two")))


def test_an_answer_to_another_question_is_not_believed() -> None:
    question, other = Question.of([b"one", b"two"]), Question.of([b"one", b"two"])
    answer = _key().evaluate(question.elements)
    reordered = Evaluated(answer.elements[::-1], answer.proof)
    fewer = Evaluated(answer.elements[:1], answer.proof)
    more = Evaluated((*answer.elements, answer.elements[0]), answer.proof)
    for believed in (_key().evaluate(other.elements), reordered, fewer, more):
        with pytest.raises(ProofInvalid):
            question.outputs(believed, _key().public)


def test_a_proof_is_of_one_length() -> None:
    """What follows one would otherwise be read as an element that nobody asked about."""
    question = Question.of([b"one"])
    answer = _key().evaluate(question.elements)
    with pytest.raises(ProofInvalid, match="a proof is 64 bytes, not 96"):
        question.outputs(answer._replace(proof=answer.proof + answer.elements[0]), _key().public)


@pytest.mark.parametrize("proof", [b"", bytes(63), bytes(64), b"\xff" * 64, bytes(65)], ids=len)
def test_what_is_no_proof_is_not_believed(proof: bytes) -> None:
    question = Question.of([b"one"])
    answer = _key().evaluate(question.elements)
    with pytest.raises(ProofInvalid):
        question.outputs(answer._replace(proof=proof), _key().public)


@each_that_is_none
def test_what_is_no_public_key_proves_nothing(element: bytes) -> None:
    question = Question.of([b"one"])
    with pytest.raises(ProofInvalid):
        question.outputs(_key().evaluate(question.elements), element)


def test_another_epoch_has_other_tags_and_other_keys() -> None:
    message = person_message("01", "11010519491231002X")
    one, other = _key(1).output(message), _key(2).output(message)
    assert one.tag != other.tag
    assert one.key != other.key
