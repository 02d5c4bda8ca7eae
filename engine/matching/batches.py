"""Questions of many elements, each worked on in a process of its own: the library holds Python's lock while
it works, and blinds never leave the process that drew them."""

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from typing import TypeVar

from engine.errors import Unavailable
from engine.matching.voprf import EpochKey, Evaluated, Output, Question
from engine.processes import Pool, executor

T = TypeVar("T")
WORTH_A_PROCESS = 256
"""Elements: fewer are worked on where they are, in less time than a process takes to start."""
_ENDED = "a process that worked on a batch was ended from outside"


class Evaluators:
    """The insurer's side. Started by the first batch. Thread-safe."""

    def __init__(self, processes: int) -> None:
        self._pool = Pool(processes)

    def evaluate(self, seed: bytes, epoch: int, elements: Sequence[bytes]) -> Evaluated:
        """`EpochKey.evaluate` under the key derived from the seed. Raises what both raise; Unavailable where
        the process was ended: the next batch starts others."""
        if len(elements) < WORTH_A_PROCESS:
            return _evaluate(seed, epoch, tuple(elements))
        pool = self._pool.started()
        try:
            return pool.submit(_evaluate, seed, epoch, tuple(elements)).result()
        except BrokenProcessPool as error:
            self._pool.forget(pool)
            raise Unavailable(_ENDED, code="match.process_ended") from error

    def close(self) -> None:
        self._pool.close()


_derived = lru_cache(maxsize=8)(EpochKey.derive)


def _evaluate(seed: bytes, epoch: int, elements: tuple[bytes, ...]) -> Evaluated:
    return _derived(seed, epoch).evaluate(elements)


class Lane:
    """The provider's side: one process, and one question at a time in it. Close it, also after an error."""

    def __init__(self) -> None:
        self._process: ProcessPoolExecutor | None = None
        self._here: Question | None = None
        """The question that is under way, where it is not in the process."""

    def blind(self, messages: Sequence[bytes]) -> tuple[bytes, ...]:
        """`Question.of`: what is sent. The question before it is forgotten."""
        self._here = Question.of(messages) if len(messages) < WORTH_A_PROCESS else None
        return self._here.elements if self._here else self._do(_blind, tuple(messages))

    def outputs(self, answer: Evaluated, public_key: bytes) -> tuple[Output, ...]:
        """`Question.outputs` of the question that was blinded last. Raises ProofInvalid, Unavailable."""
        return (
            self._here.outputs(answer, public_key) if self._here else self._do(_outputs, answer, public_key)
        )

    def close(self) -> None:
        if self._process is not None:
            self._process.shutdown(cancel_futures=True)

    def _do(self, work: Callable[..., T], *arguments: object) -> T:
        self._process = self._process or executor(1)
        try:
            return self._process.submit(work, *arguments).result()
        except BrokenProcessPool as error:
            raise Unavailable(_ENDED, code="match.process_ended") from error


_asked: list[Question] = []
"""In a lane's process: the question that is under way."""


def _blind(messages: tuple[bytes, ...]) -> tuple[bytes, ...]:
    _asked[:] = [Question.of(messages)]
    return _asked[0].elements


def _outputs(answer: Evaluated, public_key: bytes) -> tuple[Output, ...]:
    return _asked[0].outputs(answer, public_key)
