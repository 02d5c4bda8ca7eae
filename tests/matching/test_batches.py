"""Batches worked on in processes of their own come to what they come to here."""

import os
import signal
from collections.abc import Iterator

import pytest

from engine.errors import Unavailable
from engine.matching.batches import WORTH_A_PROCESS, Evaluators, Lane
from engine.matching.errors import ElementInvalid, ProofInvalid
from engine.matching.voprf import EpochKey, Evaluated, Question

SEED, EPOCH = bytes(32), 1
MESSAGES = [f"person {number}".encode() for number in range(WORTH_A_PROCESS)]


@pytest.fixture(scope="module")
def evaluators() -> Iterator[Evaluators]:
    evaluators = Evaluators(1)
    yield evaluators
    evaluators.close()


@pytest.fixture(scope="module")
def lane() -> Iterator[Lane]:
    lane = Lane()
    yield lane
    lane.close()


@pytest.mark.parametrize("count", [1, WORTH_A_PROCESS])
def test_a_batch_comes_to_the_same_wherever_it_is_worked_on(
    evaluators: Evaluators, lane: Lane, count: int
) -> None:
    key = EpochKey.derive(SEED, EPOCH)
    answer = evaluators.evaluate(SEED, EPOCH, lane.blind(MESSAGES[:count]))
    assert lane.outputs(answer, key.public) == tuple(map(key.output, MESSAGES[:count]))


def test_what_is_wrong_is_named_wherever_it_is_found(evaluators: Evaluators, lane: Lane) -> None:
    elements = lane.blind(MESSAGES)
    with pytest.raises(ElementInvalid) as error:
        evaluators.evaluate(SEED, EPOCH, [*elements[:-1], bytes(32)])
    assert error.value.index == len(elements) - 1
    others = EpochKey.derive(bytes(31) + b"\x01", EPOCH)
    with pytest.raises(ProofInvalid):
        lane.outputs(others.evaluate(elements), EpochKey.derive(SEED, EPOCH).public)
    with pytest.raises(ProofInvalid):
        lane.outputs(Evaluated((), b""), EpochKey.derive(SEED, EPOCH).public)


def test_a_process_that_is_ended_is_told_and_the_next_batch_has_another(evaluators: Evaluators) -> None:
    elements = Question.of(MESSAGES).elements
    evaluators.evaluate(SEED, EPOCH, elements)
    assert evaluators._pool._started is not None
    for process in list(evaluators._pool.started()._processes.values()):
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join(10)
    with pytest.raises(Unavailable):
        evaluators.evaluate(SEED, EPOCH, elements)
    assert len(evaluators.evaluate(SEED, EPOCH, elements).elements) == len(elements)
